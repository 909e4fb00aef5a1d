//! Tests whether a certificate in `ca-certificate` is trusted, and shows curl's verdict for each case.
//!
//! One difference has no case, because rcgen cannot create the certificate. OpenSSL accepts a self-signed certificate
//! of version 1, which has no extensions, as a CA certificate (`check_ca` in 3.0). We do not.
//!
//! `cargo test --test it tls::verdicts -- --nocapture` prints the table.

use std::fmt::Write as _;
use std::process::Command;

use embedded_registry::{Persona, Registry};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    KeyPair, KeyUsagePurpose, NameConstraints,
};

use super::{future, marked_as_authority, past};
use crate::harness::{Job, print_skipped};
use crate::network::{Authority, Identity, TlsFront, authority, authority_params, authority_with, naming};

/// The content of `ca-certificate`, the server's certificates, and the verdicts of the program and of curl.
struct Case {
    what: &'static str,
    given: String,
    shown: Identity,
    /// Why we refuse; `None` if we trust the server.
    refused: Option<&'static str>,
    is_trusted_by_curl: bool,
    /// Why the verdicts differ.
    why: &'static str,
}

impl Case {
    /// Both trust it.
    fn trusted(what: &'static str, given: impl Into<String>, shown: Identity) -> Self {
        Self { what, given: given.into(), shown, refused: None, is_trusted_by_curl: true, why: "" }
    }

    /// Neither trusts it.
    fn refused(what: &'static str, given: impl Into<String>, shown: Identity, refused: &'static str) -> Self {
        let case = Self::trusted(what, given, shown);
        Self { refused: Some(refused), is_trusted_by_curl: false, ..case }
    }

    /// curl decides otherwise.
    fn but_curl(self, why: &'static str) -> Self {
        Self { is_trusted_by_curl: !self.is_trusted_by_curl, why, ..self }
    }
}

fn intermediate(issuer: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Authority {
    let (mut params, key) = authority_params();
    change(&mut params);
    CertifiedIssuer::signed_by(params, key, issuer).expect("an authority")
}

fn localhost() -> CertificateParams {
    naming(&["localhost"])
}

fn only_for_clients(mut params: CertificateParams) -> CertificateParams {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// An authority is given, and the server shows a certificate that this authority has signed.
fn authorities() -> Vec<Case> {
    let signed = |by: &Authority| (by.pem(), Identity::signed(by, &localhost()));
    let refused = |what, by: &Authority, why| Case::refused(what, by.pem(), Identity::signed(by, &localhost()), why);
    let sent_too = |what, by: &Authority, why| {
        let mut shown = Identity::signed(by, &localhost());
        shown.intermediates.push(by.der().clone());
        Case::refused(what, by.pem(), shown, why)
    };
    let trusted = |what, by: &Authority| Case::trusted(what, by.pem(), Identity::signed(by, &localhost()));
    let (params, key) = authority_params();
    let (old, new) = (past(params.clone()).self_signed(&key), CertifiedIssuer::self_signed(params, key));
    let (old, new) = (old.expect("an authority"), new.expect("an authority"));
    let short = authority_with(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let below = intermediate(&short, |_| {});
    let mut below_short = Identity::signed(&below, &localhost());
    below_short.intermediates.push(below.der().clone());
    let root = authority();
    let below = intermediate(&root, |_| {});
    let mut below_root = Identity::signed(&below, &localhost());
    below_root.intermediates.push(below.der().clone());
    let (renewed_pem, renewed) = signed(&new);
    vec![
        trusted("CA", &authority()),
        trusted(
            "CA with keyCertSign",
            &authority_with(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]),
        ),
        Case::trusted("CA, intermediate sent by the server", root.pem(), below_root),
        Case::trusted("CA, expired and renewed, both given", old.pem() + &renewed_pem, renewed),
        refused(
            "CA expired",
            &authority_with(|params| *params = past(params.clone())),
            "the certificate expired on 2021-02-03T",
        ),
        refused(
            "CA not yet valid",
            &authority_with(|params| *params = future(params.clone())),
            "not valid before 2121",
        ),
        refused(
            "CA without keyCertSign",
            &authority_with(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]),
            "its key usage does not include keyCertSign",
        ),
        refused(
            "CA for clientAuth only",
            &authority_with(|params| *params = only_for_clients(params.clone())),
            "its extended key usage lacks serverAuth",
        ),
        sent_too(
            "CA expired, sent by the server too",
            &authority_with(|params| *params = past(params.clone())),
            "is not usable as an authority: the certificate expired on 2021-02-03T",
        ),
        sent_too(
            "CA for clientAuth only, sent by the server too",
            &authority_with(|params| *params = only_for_clients(params.clone())),
            "is not usable as an authority: the certificate is not for servers",
        ),
        sent_too(
            "CA:FALSE, sent by the server too",
            &authority_with(|params| params.is_ca = IsCa::ExplicitNoCa),
            NOT_MARKED,
        ),
        refused("CA:FALSE", &authority_with(|params| params.is_ca = IsCa::ExplicitNoCa), NOT_MARKED),
        refused("no basicConstraints", &authority_with(|params| params.is_ca = IsCa::NoCa), NOT_MARKED),
        refused(
            "CA for names below example.org only",
            &authority_with(|params| {
                let permitted_subtrees = vec![GeneralSubtree::DnsName("example.org".to_owned())];
                params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: vec![] });
            }),
            "NameConstraintViolation",
        ),
        Case::trusted("CA with pathLen 0 above an intermediate", short.pem(), below_short)
            .but_curl("webpki ignores pathLen of an anchor; the CA itself has signed the intermediate"),
        trusted("intermediate CA", &intermediate(&authority(), |_| {})),
        refused(
            "intermediate CA expired",
            &intermediate(&authority(), |params| *params = past(params.clone())),
            "the certificate expired on 2021-02-03T",
        ),
    ]
}

const NOT_MARKED: &str = "is not usable as an authority: it is not marked as an authority (CA:TRUE)";

/// The certificate of a server is given.
fn servers() -> Vec<Case> {
    let authority = authority();
    let signed = |params: &CertificateParams| {
        let identity = Identity::signed(&authority, params);
        (identity.pem.clone(), identity)
    };
    let own = |params: &CertificateParams| {
        let identity = Identity::self_signed(params);
        (identity.pem.clone(), identity)
    };
    let trusted = |what, (given, shown): (String, Identity)| Case::trusted(what, given, shown);
    let refused = |what, (given, shown): (String, Identity), why| Case::refused(what, given, shown, why);
    let mut leaf = localhost();
    leaf.distinguished_name.push(DnType::CommonName, "leaf");
    let leaf = CertifiedIssuer::signed_by(leaf, KeyPair::generate().expect("a key"), &authority).expect("a leaf");
    let mut below_leaf = Identity::signed(&leaf, &localhost());
    below_leaf.intermediates.push(leaf.der().clone());
    let key = KeyPair::generate().expect("a key");
    let renewed = Identity::new(&localhost().self_signed(&key).expect("a certificate"), &key);
    let before = past(localhost()).self_signed(&key).expect("a certificate");
    vec![
        trusted("leaf, exact match", signed(&localhost())),
        trusted("leaf, exact match, self-signed", own(&localhost())),
        trusted("leaf, exact match, self-signed, CA:TRUE", own(&marked_as_authority(localhost()))),
        Case::refused(
            "leaf that signs another, its authority given",
            authority.pem(),
            below_leaf,
            "the certificate is signed by a certificate that is not a CA",
        ),
        Case::refused("leaf that signs another", leaf.pem(), Identity::signed(&leaf, &localhost()), NOT_MARKED),
        Case::refused("leaf renewed with the same key, old one given", before.pem(), renewed, NOT_MARKED),
        refused("leaf expired, exact match", signed(&past(localhost())), "the certificate expired on 2021-02-03T"),
        refused("leaf not yet valid, exact match", signed(&future(localhost())), "is not valid before 2121-02-03T"),
        refused(
            "leaf, exact match, wrong name",
            signed(&naming(&["git.example.com"])),
            "for other names: git.example.",
        ),
        refused(
            "leaf, exact match, clientAuth only",
            signed(&only_for_clients(localhost())),
            "the certificate is not for servers: its extended key usage lacks serverAuth",
        ),
        refused(
            "leaf, exact match, self-signed, CA:TRUE, clientAuth only",
            own(&only_for_clients(marked_as_authority(localhost()))),
            "the certificate is not for servers: its extended key usage lacks serverAuth",
        ),
        Case::refused(
            "leaf of a given CA, expired",
            authority.pem(),
            Identity::signed(&authority, &past(localhost())),
            "the certificate expired on 2021-02-03T",
        ),
        Case::refused(
            "leaf of a given CA, wrong name",
            authority.pem(),
            Identity::signed(&authority, &naming(&["git.example.com"])),
            "its certificate is for other names: git.example.com",
        ),
        Case::refused(
            "leaf of a given CA, clientAuth only",
            authority.pem(),
            Identity::signed(&authority, &only_for_clients(localhost())),
            "the certificate is not for servers: its extended key usage lacks serverAuth",
        ),
    ]
}

/// Whether curl can be compared: the verdicts are those of OpenSSL.
fn has_curl() -> bool {
    let version = Command::new("curl").arg("--version").output();
    version.is_ok_and(|version| String::from_utf8_lossy(&version.stdout).contains("OpenSSL/3."))
}

/// Whether curl trusts the server with these certificates alone; code 60 says that it does not.
fn is_trusted_by_curl(url: &str, given: &str) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("given.pem");
    std::fs::write(&path, given).expect("a file");
    let curl = Command::new("curl")
        .args(["--disable", "--silent", "--show-error", "--noproxy", "*", "--output", "/dev/null", "--cacert"])
        .args([path.as_os_str(), url.as_ref()])
        .output()
        .expect("curl runs");
    match curl.status.code() {
        Some(0) => true,
        Some(60) => false,
        other => panic!("curl ends with {other:?}: {}", String::from_utf8_lossy(&curl.stderr)),
    }
}

#[test]
fn a_given_certificate_is_trusted_for_what_it_is_made_for_as_by_curl() {
    let registry = Registry::start(Persona::default());
    let has_curl = has_curl();
    if !has_curl {
        print_skipped("the verdicts of curl: there is no curl with OpenSSL 3 here");
    }
    let word = |is_trusted: bool| if is_trusted { "trusted" } else { "refused" };
    let mut table = format!("{:<57} {:<8} {:<8} why\n", "given and shown", "ours", "curl");
    let mut wrong = Vec::new();
    for (number, case) in authorities().into_iter().chain(servers()).enumerate() {
        let Case { what, given, shown, refused, is_trusted_by_curl: expected_of_curl, why } = case;
        let front = TlsFront::start(shown, Job::address_of(&registry));
        let url = front.url();
        let mut job = Job::new(&registry);
        job.file("dist/app", "content").input("server-url", &url).input("version", number.to_string());
        registry.clear_requests();
        let ran = job.input("ca-certificate", &*given).run();
        let is_trusted = ran.code == Some(0);
        assert!(is_trusted || registry.requests().is_empty(), "{what}: the server gets no token:\n{}", ran.log);
        let curl = if has_curl { is_trusted_by_curl(&url, &given) } else { expected_of_curl };
        let _ = writeln!(table, "{what:<57} {:<8} {:<8} {why}", word(is_trusted), word(curl));
        let is_as_told = match refused {
            None => is_trusted,
            Some(why) => ran.code == Some(1) && ran.unwrapped_log().contains(why) && ran.log.contains("  hint: "),
        };
        if !is_as_told || curl != expected_of_curl {
            wrong.push(format!("{what}:\n{}", ran.log));
        }
    }
    #[expect(clippy::print_stdout, reason = "the table is what a reader of the test wants to see")]
    {
        print!("{table}");
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
}
