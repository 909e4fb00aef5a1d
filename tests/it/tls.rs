//! Whom the program trusts, and what it says of those whom it does not trust.

mod verdicts;

use std::fs;
use std::process::Command;

use embedded_registry::{Persona, Registry};
use rcgen::{BasicConstraints, CertificateParams, IsCa};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};

use crate::harness::{Job, Ran, print_skipped};
use crate::network::{Identity, TlsFront, authority, naming};

/// Publishes a file to a server with that certificate, with that much to trust.
fn publish(identity: Identity, trusted: &str) -> Ran {
    publish_to("localhost", identity, |job| job.input("ca-certificate", trusted))
}

fn publish_to(host: &str, identity: Identity, prepare: impl FnOnce(&mut Job) -> &mut Job) -> Ran {
    let registry = Registry::start(Persona::default());
    let front = TlsFront::start(identity, Job::address_of(&registry));
    let mut job = Job::new(&registry);
    job.file("dist/app", "content").input("server-url", format!("https://{host}:{}", front.address().port()));
    let ran = prepare(&mut job).run();
    let stored = registry.read("alice", "widget", "v1.0.0", "app");
    assert_eq!(stored.is_some(), ran.code == Some(0), "{}", ran.log);
    assert!(ran.code == Some(0) || registry.requests().is_empty(), "nothing is asked of whom we do not trust");
    ran
}

/// Marks a certificate as a CA certificate, as `openssl req -x509` does with a server's certificate.
pub(crate) fn marked_as_authority(mut params: CertificateParams) -> CertificateParams {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn past(mut params: CertificateParams) -> CertificateParams {
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 2, 3);
    params
}

fn future(mut params: CertificateParams) -> CertificateParams {
    params.not_before = rcgen::date_time_ymd(2121, 2, 3);
    params.not_after = rcgen::date_time_ymd(2122, 1, 1);
    params
}

#[test]
fn one_of_several_given_certificates_is_enough_whatever_stands_between_them() {
    let (ours, other) = (authority(), self::authority());
    let indented = ours.pem().replace('\n', "\r\n    ");
    let bundle = format!("# Authorities of the house\n{}\n\n# ours\n    {indented}\n", other.pem());
    publish(Identity::signed(&ours, &naming(&["localhost"])), &bundle).exits_with(0);
}

#[test]
fn the_certificates_may_be_in_a_file_of_the_workspace() {
    let authority = authority();
    let pem = authority.pem();
    for (path, given) in [("ca.pem", "ca.pem"), ("certs/house", " ./certs/house\n"), ("certs/ca.pem", "$/certs/ca.pem")]
    {
        let identity = Identity::signed(&authority, &naming(&["localhost"]));
        publish_to("localhost", identity, |job| {
            let given = given.replace('$', job.workspace().to_str().expect("UTF-8"));
            job.file(path, &pem).input("ca-certificate", given)
        })
        .exits_with(0);
    }
}

#[test]
fn given_certificates_add_to_those_of_the_system() {
    let (systems, given) = (authority(), self::authority());
    for authority in [&systems, &given] {
        let identity = Identity::signed(authority, &naming(&["localhost"]));
        publish_to("localhost", identity, |job| {
            let path = job.outside("system.pem");
            fs::write(&path, systems.pem()).expect("a file");
            job.variable("SSL_CERT_FILE", path).input("ca-certificate", given.pem())
        })
        .exits_with(0);
    }
}

#[test]
fn a_certificate_of_openssl_req_is_trusted_where_it_is_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(&folder)
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        return print_skipped("a certificate of openssl itself: openssl is not here");
    }
    let path = |name| folder.path().join(name);
    let pem = fs::read_to_string(path("cert.pem")).expect("a certificate");
    let identity = || identity_of(&path("cert.pem"), &path("key.pem"));
    publish(identity(), &pem).exits_with(0);
    publish(identity(), &authority().pem())
        .exits_with(1)
        .has_codes(&["unsuitable-certificate"])
        .says("`ca-certificate`");
}

fn identity_of(certificate: &std::path::Path, key: &std::path::Path) -> Identity {
    Identity {
        certificate: CertificateDer::from_pem_file(certificate).expect("a certificate"),
        intermediates: Vec::new(),
        pem: fs::read_to_string(certificate).expect("a certificate"),
        key: PrivateKeyDer::from_pem_file(key).expect("a key"),
        key_pem: fs::read_to_string(key).expect("a key"),
    }
}

#[test]
fn an_unknown_authority_is_named_as_the_reason() {
    let fault = |ran: Ran| {
        ran.exits_with(1).has_a_hint_for_each_error().has_codes(&["unknown-authority"]).says("`ca-certificate`");
    };
    let identity = || Identity::signed(&authority(), &naming(&["localhost"]));
    fault(publish_to("localhost", identity(), |job| job));
    fault(publish(identity(), &authority().pem()));
}

#[test]
fn a_certificate_that_was_made_anew_under_the_old_name_is_reported() {
    let renewed = || Identity::self_signed(&naming(&["localhost"]));
    publish(renewed(), &Identity::self_signed(&marked_as_authority(naming(&["localhost"]))).pem)
        .exits_with(1)
        .has_codes(&["invalid-signature"])
        .says("`ca-certificate`");
    publish(renewed(), &Identity::self_signed(&naming(&["localhost"])).pem)
        .exits_with(1)
        .has_codes(&["unsuitable-certificate"])
        .says("`ca-certificate`");
}

#[test]
fn a_given_certificate_has_to_be_in_its_time_and_to_name_the_host() {
    let authority = authority();
    let (expired, early) = ("expired-certificate", "certificate-not-yet-valid");
    let until = "2021-02-03T00:00:00Z";
    let since = "2121-02-03T00:00:00Z, and the runner's clock shows 20";
    let others = naming(&["git.example.com", "*.example.org", "10.1.2.3"]);
    for (params, code, says) in [
        (past(naming(&["localhost"])), expired, until),
        (future(naming(&["localhost"])), early, since),
        (others, "certificate-name-mismatch", "git.example.com, *.example.org, 10.1.2.3"),
    ] {
        let own = [&params, &marked_as_authority(params.clone())].map(Identity::self_signed);
        let own = own.map(|identity| (identity.pem.clone(), identity));
        let signed = Identity::signed(&authority, &params);
        for (trusted, identity) in own.into_iter().chain([(authority.pem(), signed)]) {
            publish(identity, &trusted).exits_with(1).has_codes(&[code]).says(says).says("localhost");
        }
    }
}

#[test]
fn for_a_certificate_without_names_the_error_has_the_command_that_makes_a_right_one() {
    for (host, alternative) in [("localhost", "DNS:localhost"), ("127.0.0.1", "IP:127.0.0.1")] {
        let own = Identity::self_signed(&marked_as_authority(naming(&[])));
        let pem = own.pem.clone();
        let ran = publish_to(host, own, |job| job.input("ca-certificate", pem)).exits_with(1);
        let ran = ran.has_codes(&["certificate-name-mismatch"]).says(alternative);
        let log = ran.unwrapped_log();
        let command = log.split_once("`openssl req").and_then(|(_, rest)| rest.split_once('`')).expect("a command").0;
        let folder = tempfile::tempdir().expect("a folder");
        let made = Command::new("openssl").arg("req").args(command.split_whitespace()).current_dir(&folder).output();
        if !made.is_ok_and(|made| made.status.success()) {
            return print_skipped("the command of the hint: openssl is not here");
        }
        let right = identity_of(&folder.path().join("cert.pem"), &folder.path().join("key.pem"));
        let pem = right.pem.clone();
        publish_to(host, right, |job| job.input("ca-certificate", pem)).exits_with(0);
    }
}

#[test]
fn who_has_the_given_certificate_but_not_its_key_is_not_trusted() {
    let registry = Registry::start(Persona::default());
    for version in [&TLS12, &TLS13] {
        let owner = Identity::self_signed(&marked_as_authority(naming(&["localhost"])));
        let mut thief = Identity::self_signed(&naming(&["localhost"]));
        thief.certificate = owner.certificate.clone();
        let mut job = Job::new(&registry);
        job.file("dist/app", "content").input("ca-certificate", &*owner.pem);
        job.input("version", format!("{:?}", version.version));
        let publish = |job: &mut Job, identity| {
            let front = TlsFront::start_with(identity, Job::address_of(&registry), &[version]);
            job.input("server-url", front.url()).run()
        };
        publish(&mut job, thief).exits_with(1).has_codes(&["invalid-signature"]);
        assert_eq!(registry.requests(), []);
        publish(&mut job, owner).exits_with(0);
        registry.clear_requests();
    }
}

#[test]
fn an_invalid_certificate_is_rejected_before_any_request() {
    let registry = Registry::start(Persona::default());
    let broken = "-----BEGIN CERTIFICATE-----\nMIIB!!sensitive!!\n-----END CERTIFICATE-----\n";
    let half = authority().pem().replace("-----END CERTIFICATE-----", "");
    let nonsense = "-----BEGIN CERTIFICATE-----\nc2Vuc2l0aXZl\n-----END CERTIFICATE-----\n";
    let second = format!("{}{nonsense}", authority().pem());
    for (given, why) in [
        (broken, "contains an invalid certificate (number 1)"),
        (&half, "contains an invalid certificate (number 1)"),
        (nonsense, "contains an invalid certificate (number 1)"),
        (&second, "contains an invalid certificate (number 2)"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----", "contains no certificate"),
        ("missing.pem", "`missing.pem` cannot be read: No such file or directory"),
        ("missing", "it is not PEM text, and as a file path it cannot be read: No such file or directory"),
        ("der.crt", "`der.crt` is not text, so it is not PEM"),
        ("empty.pem", "contains no certificate"),
        ("folder.d", "`folder.d` is a folder"),
        ("../outside.pem", "`../outside.pem` is outside the workspace"),
        ("/etc/ssl/certs/../../hostname", "is outside the workspace"),
        ("link.pem", "`link.pem` is outside the workspace"),
        (".git/ca.pem", "`.git/ca.pem` is inside `.git`"),
        ("large.pem", "`large.pem` is larger than 4 MiB"),
        ("MIIB\nsensitive", "is neither PEM text nor the path of a file"),
    ] {
        let mut job = Job::new(&registry);
        fs::write(job.outside("outside.pem"), authority().pem()).expect("a file");
        job.file("dist/app", "").file("der.crt", authority().der()).file("empty.pem", "").folder("folder.d");
        job.file(".git/ca.pem", authority().pem()).link("link.pem", "../outside.pem");
        fs::File::create(job.workspace().join("large.pem")).and_then(|file| file.set_len(5 << 20)).expect("a file");
        let ran = job.input("ca-certificate", given).run_rejected(&registry);
        ran.has_codes(&["invalid-input"]).says("`ca-certificate`").says(why).does_not_say("sensitive");
    }
}

#[test]
fn a_private_key_is_rejected_and_never_shown() {
    let registry = Registry::start(Persona::default());
    let identity = Identity::self_signed(&naming(&["localhost"]));
    let body = identity.key_pem.lines().nth(1).expect("a line").to_owned();
    let both = format!("{}{}", identity.pem, identity.key_pem);
    for (given, file) in [(identity.key_pem.as_str(), ""), (&both, ""), ("key.pem", both.as_str())] {
        let mut job = Job::new(&registry);
        job.file("dist/app", "").file("key.pem", file).secret(&body).input("ca-certificate", given);
        let ran = job.run_rejected(&registry).has_codes(&["invalid-input"]).says("`ca-certificate`");
        assert!(!ran.masks.iter().any(|mask| mask.contains(&body)), "it does not become a line of the log either");
    }
    let mut job = Job::new(&registry);
    job.file("dist/app", "").secret(&body).input("ca-certificate", &*body).run_rejected(&registry);
}
