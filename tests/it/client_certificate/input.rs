//! Tests the valid and the invalid values of the input `client-certificate`.

use std::fs;
use std::process::Command;

use embedded_registry::{Persona, Registry};
use rcgen::{KeyPair, SignatureAlgorithm};
use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;

use super::{Gate, client, client_params, give, pem};
use crate::harness::{Job, print_skipped};
use crate::network::{Clients, Identity, authority};

/// A folder in which openssl works.
struct OpenSsl(TempDir);

impl OpenSsl {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// Runs it; false if that fails.
    fn run(&self, arguments: &str) -> bool {
        let ran = Command::new("openssl").args(arguments.split_whitespace()).current_dir(&self.0).output();
        ran.is_ok_and(|ran| ran.status.success())
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).expect("openssl has written it")
    }
}

#[test]
fn every_usual_kind_of_key_is_read() {
    let gate = Gate::new();
    let front = gate.front(&TLS13, Clients::Required(&gate.clients));
    let algorithms: [&SignatureAlgorithm; 3] =
        [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519];
    for algorithm in algorithms {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let certificate = client_params().signed_by(&key, &gate.clients).expect("a certificate");
        give(&mut gate.job(&front), &pem(&Identity::new(&certificate, &key))).run().exits_with(0);
    }
}

#[test]
fn keys_as_openssl_writes_them_are_read_and_encrypted_ones_are_rejected() {
    let gate = Gate::new();
    let front = gate.front(&TLS12, Clients::Required(&gate.clients));
    let openssl = OpenSsl::new();
    for (key, traditional) in [
        ("RSA -pkeyopt rsa_keygen_bits:2048", "RSA PRIVATE KEY"),
        ("EC -pkeyopt ec_paramgen_curve:P-256", "EC PRIVATE KEY"),
    ] {
        let made = openssl.run(&format!("genpkey -algorithm {key} -out pkcs8.pem"))
            && openssl.run("pkey -in pkcs8.pem -traditional -out traditional.pem")
            && openssl.run("pkey -in pkcs8.pem -aes256 -passout pass:a-password -out encrypted.pem")
            && openssl.run("pkey -in pkcs8.pem -traditional -aes256 -passout pass:a-password -out older.pem");
        if !made {
            return print_skipped("keys of openssl: openssl is not here");
        }
        assert!(openssl.read("traditional.pem").contains(traditional));
        let key = KeyPair::from_pem(&openssl.read("pkcs8.pem")).expect("a key");
        let certificate = client_params().signed_by(&key, &gate.clients).expect("a certificate").pem();
        for name in ["pkcs8.pem", "traditional.pem"] {
            give(&mut gate.job(&front), &format!("{certificate}{}", openssl.read(name))).run().exits_with(0);
        }
        for name in ["encrypted.pem", "older.pem"] {
            let mut job = gate.job(&front);
            let ran = give(&mut job, &format!("{certificate}{}", openssl.read(name))).run_rejected(&gate.registry);
            ran.has_codes(&["invalid-input"]).says("`client-certificate`").says("`openssl pkey");
        }
    }
}

#[test]
fn a_certificate_of_version_1_as_openssl_makes_it_is_read() {
    let gate = Gate::new();
    let front = gate.front(&TLS13, Clients::Anybody);
    let openssl = OpenSsl::new();
    let made = openssl.run("req -newkey rsa:2048 -nodes -subj /CN=client -keyout key.pem -out request.pem")
        && openssl.run("x509 -req -in request.pem -signkey key.pem -days 2 -out cert.pem");
    if !made {
        return print_skipped("a certificate of version 1: openssl is not here");
    }
    give(&mut gate.job(&front), &(openssl.read("cert.pem") + &openssl.read("key.pem"))).run().exits_with(0);
}

#[test]
fn the_certificate_may_be_a_chain_in_any_shape_and_in_a_file_of_the_workspace() {
    let gate = Gate::new();
    let front = gate.front(&TLS13, Clients::Required(&gate.clients));
    let (params, key) = crate::network::authority_params();
    let intermediate = params.signed_by(&key, &gate.clients).expect("an authority");
    let issuer = rcgen::Issuer::from_params(&params, &key);
    let own = KeyPair::generate().expect("a key");
    let leaf = client_params().signed_by(&own, &issuer).expect("a certificate");
    let (leaf, intermediate, key) = (leaf.pem(), intermediate.pem(), own.serialize_pem());
    let indented = format!("{leaf}{intermediate}{key}").replace('\n', "\r\n    ");
    for text in [
        format!("{leaf}{intermediate}{key}"),
        format!("{key}{leaf}{intermediate}"),
        format!("Bag Attributes\n    friendlyName: us\n{leaf}\nissuer=CN = them\n{intermediate}\n\n# ours\n{key}"),
        indented,
    ] {
        give(&mut gate.job(&front), &text).run().exits_with(0);
        let mut job = gate.job(&front);
        give(&mut job, &text).file("certs/client.pem", &text).input("client-certificate", "certs/client.pem");
        job.run().exits_with(0);
    }
    assert!(front.shown().iter().all(|shown| *shown == Some(2)), "{:?}", front.shown());
}

#[test]
fn an_invalid_client_certificate_is_rejected_before_any_request_and_not_shown() {
    let registry = Registry::start(Persona::default());
    let (ours, other) = (client(&authority()), client(&authority()));
    let (cert, key) = (&ours.pem, &ours.key_pem);
    let weak = "-----BEGIN PRIVATE KEY-----\nc2Vuc2l0aXZlLXNlbnNpdGl2ZQ==\n-----END PRIVATE KEY-----\n";
    let broken = "-----BEGIN PRIVATE KEY-----\nsensitive!!sensitive\n-----END PRIVATE KEY-----\n";
    let nonsense = "-----BEGIN CERTIFICATE-----\nc2Vuc2l0aXZl\n-----END CERTIFICATE-----\n";
    let half = key.replace("-----END PRIVATE KEY-----", "");
    let (invalid, lines) = ("contains an invalid certificate or private key", "Include all lines");
    let (not_first, of_key) = ("that does not belong to its first certificate", "Put the certificate of");
    let set = "Set `client-certificate` to the certificate and its private key";
    for (given, why, hint) in [
        (cert.clone(), "contains no private key", "Add the private key after its certificate"),
        (key.clone(), "contains no certificate", "Add the certificate before its private key"),
        (format!("{cert}{}", other.key_pem), not_first, of_key),
        (format!("{}{cert}{key}", other.pem), not_first, of_key),
        (format!("{cert}{weak}"), "contains a private key of an unsupported type", "Use an RSA key"),
        (format!("{cert}{broken}"), invalid, lines),
        (format!("{cert}{half}"), invalid, lines),
        (format!("{cert}{nonsense}{key}"), invalid, lines),
        (pem(&ours).replace('\n', " "), invalid, lines),
        ("missing.pem".to_owned(), "`missing.pem` cannot be read: No such file", set),
        ("../client.pem".to_owned(), "`../client.pem` is outside the workspace", set),
        (".git/client.pem".to_owned(), "`.git/client.pem` is inside `.git`", set),
        ("sensitive\nsensitive".to_owned(), "is neither PEM text nor the path of a file", set),
        ("c2Vuc2l0aXZlc2Vuc2l0aXZl".to_owned(), "it is not PEM text, and as a file path it cannot be read", set),
    ] {
        let mut job = Job::new(&registry);
        fs::write(job.outside("client.pem"), pem(&ours)).expect("a file");
        job.file("dist/app", "").file(".git/client.pem", pem(&ours));
        let ran = give(&mut job, &given).run_rejected(&registry);
        let ran =
            ran.has_codes(&["invalid-input"]).says("`client-certificate`").says(why).says(&format!("hint: {hint}"));
        ran.does_not_say("sensitive").does_not_say("c2Vuc2l0aXZl");
    }
}

#[test]
fn the_file_of_the_client_certificate_is_never_published() {
    let gate = Gate::new();
    let front = gate.front(&TLS13, Clients::Required(&gate.clients));
    let ours = pem(&client(&gate.clients));
    let mut job = gate.job(&front);
    give(&mut job, &ours).file("dist/app", "").file("certs/client.pem", &ours).link("dist/link", "../certs/client.pem");
    job.input("client-certificate", "certs/client.pem");
    for (files, path) in [("**", "certs/client.pem"), ("certs/client.pem", "certs/client.pem"), ("dist/*", "dist/link")]
    {
        let ran = job.input("files", files).run_rejected(&gate.registry);
        assert!(ran.codes.iter().all(|code| code == "private-key-file"), "{:?}", ran.codes);
        ran.says(&format!("error: failed to select `{path}`")).says(&format!("`!{path}`"));
    }
    job.input("files", "**\n!certs/client.pem\n!dist/link").run().exits_with(0);
}

#[test]
fn a_client_certificate_for_a_server_without_tls_is_rejected() {
    let registry = Registry::start(Persona::default());
    let ours = pem(&client(&authority()));
    let mut job = Job::new(&registry);
    give(&mut job, &ours).file("dist/app", "");
    job.run_rejected(&registry).has_codes(&["invalid-input"]).says("`client-certificate`");
}
