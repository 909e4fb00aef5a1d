//! Servers that want to know who their clients are.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, SignatureAlgorithm};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::harness::{Job, Ran, says_that_it_is_not_tested};
use crate::network::{Authority, Clients, Identity, Manners, Proxy, TlsFront, authority, naming};

/// A registry behind a server with TLS, an authority for the server, and one for its clients.
struct Gate {
    registry: Registry,
    servers: Authority,
    clients: Authority,
}

impl Gate {
    fn new() -> Self {
        Self { registry: Registry::start(Persona::default()), servers: authority(), clients: authority() }
    }

    fn front(&self, version: &'static SupportedProtocolVersion, clients: Clients<'_>) -> TlsFront {
        let identity = Identity::signed(&self.servers, &naming(&["localhost"]));
        TlsFront::start_for(identity, Job::address_of(&self.registry), &[version], clients)
    }

    /// A job that publishes a file through that front.
    fn job(&self, front: &TlsFront) -> Job {
        let mut job = Job::new(&self.registry);
        job.file("dist/app", "content").input("retries", "3").input("ca-certificate", self.servers.pem());
        job.input("server-url", format!("https://localhost:{}", front.address().port()));
        job
    }
}

/// A client's certificate of that authority.
fn client(authority: &Authority) -> Identity {
    Identity::signed(authority, &client_params())
}

fn client_params() -> CertificateParams {
    let mut params = naming(&["client.example.com"]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn pem(identity: &Identity) -> String {
    format!("{}{}", identity.pem, identity.key_pem)
}

/// Gives a job a certificate that no output may show.
fn give<'j>(job: &'j mut Job, text: &str) -> &'j mut Job {
    for line in key_lines(text) {
        job.secret(line);
    }
    job.input("client-certificate", text)
}

/// The lines of the private key.
fn key_lines(text: &str) -> impl Iterator<Item = &str> {
    let key = text.split("PRIVATE KEY-----").nth(1).unwrap_or_default();
    key.lines().map(str::trim).filter(|line| line.len() >= 8 && !line.starts_with("-----"))
}

#[test]
fn a_server_that_requires_a_client_certificate_is_shown_it_by_both_commands() {
    let gate = Gate::new();
    for version in [&TLS12, &TLS13] {
        let front = gate.front(version, Clients::Required(&gate.clients));
        let mut job = gate.job(&front);
        give(&mut job, &pem(&client(&gate.clients))).input("version", format!("{:?}", version.version));
        job.run().exits_with(0).has_retries(0);
        job.downloads().run().exits_with(0);
        assert!(front.shown().len() >= 2 && front.shown().iter().all(|shown| *shown == Some(1)), "{:?}", front.shown());
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

/// Runs openssl in a folder.
fn openssl(folder: &Path, arguments: &str) -> bool {
    let ran = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output();
    ran.is_ok_and(|ran| ran.status.success())
}

#[test]
fn keys_as_openssl_writes_them_are_read_and_encrypted_ones_are_rejected() {
    let gate = Gate::new();
    let front = gate.front(&TLS12, Clients::Required(&gate.clients));
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("openssl has written it");
    for (key, traditional) in [
        ("RSA -pkeyopt rsa_keygen_bits:2048", "RSA PRIVATE KEY"),
        ("EC -pkeyopt ec_paramgen_curve:P-256", "EC PRIVATE KEY"),
    ] {
        let made = openssl(folder, &format!("genpkey -algorithm {key} -out pkcs8.pem"))
            && openssl(folder, "pkey -in pkcs8.pem -traditional -out traditional.pem")
            && openssl(folder, "pkey -in pkcs8.pem -aes256 -passout pass:a-password -out encrypted.pem")
            && openssl(folder, "pkey -in pkcs8.pem -traditional -aes256 -passout pass:a-password -out older.pem");
        if !made {
            return says_that_it_is_not_tested("keys of openssl: openssl is not here");
        }
        assert!(read("traditional.pem").contains(traditional));
        let key = KeyPair::from_pem(&read("pkcs8.pem")).expect("a key");
        let certificate = client_params().signed_by(&key, &gate.clients).expect("a certificate").pem();
        for name in ["pkcs8.pem", "traditional.pem"] {
            give(&mut gate.job(&front), &format!("{certificate}{}", read(name))).run().exits_with(0);
        }
        for name in ["encrypted.pem", "older.pem"] {
            let mut job = gate.job(&front);
            let ran = give(&mut job, &format!("{certificate}{}", read(name))).is_refused(&gate.registry);
            ran.has_codes(&["invalid-input"]).says("`client-certificate`").says("`openssl pkey");
        }
    }
}

#[test]
fn a_certificate_of_version_1_as_openssl_makes_it_is_read() {
    let gate = Gate::new();
    let front = gate.front(&TLS13, Clients::Anybody);
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let made = openssl(folder, "req -newkey rsa:2048 -nodes -subj /CN=client -keyout key.pem -out request.pem")
        && openssl(folder, "x509 -req -in request.pem -signkey key.pem -days 2 -out cert.pem");
    if !made {
        return says_that_it_is_not_tested("a certificate of version 1: openssl is not here");
    }
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("openssl has written it");
    give(&mut gate.job(&front), &(read("cert.pem") + &read("key.pem"))).run().exits_with(0);
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

/// The error is final: one attempt, the TLS alert is shown, and what to do about the input.
#[track_caller]
fn is_final(ran: Ran, alert: &str, hint: &str) {
    let ran = ran.exits_with(1).has_a_hint_for_each_error().has_retries(0).does_not_say(" times)");
    let ran = ran.has_codes(&["client-certificate-rejected"]).says("localhost").says(&format!("(TLS alert {alert}"));
    ran.says(&format!("hint: {hint} `client-certificate`"));
}

#[test]
fn a_server_that_requires_a_client_certificate_is_asked_once_and_the_error_names_the_input() {
    for version in [&TLS12, &TLS13] {
        let gate = Gate::new();
        let front = gate.front(version, Clients::Required(&gate.clients));
        is_final(gate.job(&front).run(), "certificate_required)", "Set");
        let mut job = gate.job(&front);
        job.downloads();
        is_final(job.run(), "certificate_required)", "Set");
        assert_eq!(front.shown(), [None, None]);
    }
}

#[test]
fn a_client_certificate_that_the_server_rejects_is_shown_once_and_the_error_names_the_input() {
    for version in [&TLS12, &TLS13] {
        let gate = Gate::new();
        let front = gate.front(version, Clients::Required(&gate.clients));
        let mut job = gate.job(&front);
        let ran = give(&mut job, &pem(&client(&authority()))).run();
        is_final(ran, "", "Check");
        assert_eq!(front.shown(), [None]);
    }
}

/// A server that answers each handshake with that alert, and counts them.
fn alerting(alert: u8) -> (u16, thread::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let server = thread::spawn(move || {
        let mut count = 0;
        loop {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut hello = [0; 4096];
            // The test connects once more to end it.
            if stream.read(&mut hello).unwrap_or(0) == 0 {
                return count;
            }
            count += 1;
            drop(stream.write_all(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, alert]));
        }
    });
    (port, server)
}

#[test]
fn an_alert_about_the_client_during_the_handshake_is_final() {
    for (alert, name) in [
        (40, "handshake_failure"),
        (42, "bad_certificate"),
        (43, "unsupported_certificate"),
        (44, "certificate_revoked"),
        (45, "certificate_expired"),
        (46, "certificate_unknown"),
        (48, "unknown_ca"),
        (49, "access_denied"),
        (116, "certificate_required"),
    ] {
        let registry = Registry::start(Persona::default());
        let (port, server) = alerting(alert);
        let mut job = Job::new(&registry);
        job.file("dist/app", "content").input("retries", "3").input("server-url", format!("https://localhost:{port}"));
        is_final(job.run(), name, "Set");
        is_final(give(&mut job, &pem(&client(&authority()))).run(), name, "Check");
        drop(std::net::TcpStream::connect(("127.0.0.1", port)));
        assert_eq!(server.join().expect("a count"), 2, "{name}");
    }
}

#[test]
fn the_400_of_nginx_about_client_certificates_is_final_and_names_the_input() {
    let registry = Registry::start(Persona::default());
    for title in ["400 No required SSL certificate was sent", "400 The SSL certificate error"] {
        registry.clear_script();
        registry.forget_requests();
        let page = format!("<html>\r\n<head><title>{title}</title></head>\r\n<body>nginx</body></html>");
        registry.script(Fault::always(Match::any(), Point::Head, Action::Answer(Answer::html(400, page))));
        let mut job = Job::new(&registry);
        let ran = job.file("dist/app", "content").input("retries", "3").run().exits_with(1).has_a_hint_for_each_error();
        ran.says(&format!("caused by: 400 Bad Request: {title}"))
            .has_codes(&["client-certificate-rejected"])
            .says("hint: Set `client-certificate`")
            .has_retries(0);
        assert_eq!(registry.requests().len(), 1);
    }
}

#[test]
fn object_storage_is_not_shown_the_client_certificate() {
    for version in [&TLS12, &TLS13] {
        let (gate, elsewhere) = (Gate::new(), Gate::new());
        gate.registry.seed("alice", "widget", "v1.0.0", "app", b"content");
        elsewhere.registry.seed("alice", "widget", "v1.0.0", "app", b"content");
        let front = gate.front(version, Clients::Required(&gate.clients));
        // It would take the same certificate.
        let storage = elsewhere.front(version, Clients::Asked(&gate.clients));
        let place = "/api/packages/alice/generic/widget/v1.0.0/app";
        let place = format!("https://localhost:{}{place}", storage.address().port());
        let leads = Answer::empty(303).header("Location", &place);
        gate.registry.script(Fault::always(Match::get("app"), Point::Head, Action::Answer(leads)));
        let mut job = gate.job(&front);
        job.input("ca-certificate", gate.servers.pem() + &elsewhere.servers.pem());
        give(&mut job, &pem(&client(&gate.clients))).downloads().run().exits_with(0);
        assert_eq!(storage.shown(), [Some(0)]);
        assert!(front.shown().iter().all(|shown| *shown == Some(1)), "{:?}", front.shown());
    }
}

#[test]
fn object_storage_that_requires_a_client_certificate_is_named_and_not_the_input() {
    let (gate, elsewhere) = (Gate::new(), Gate::new());
    gate.registry.seed("alice", "widget", "v1.0.0", "app", b"content");
    let front = gate.front(&TLS13, Clients::Anybody);
    let storage = elsewhere.front(&TLS13, Clients::Required(&gate.clients));
    let leads = Answer::empty(303).header("Location", &format!("https://localhost:{}/app", storage.address().port()));
    gate.registry.script(Fault::always(Match::get("app"), Point::Head, Action::Answer(leads)));
    let mut job = gate.job(&front);
    job.input("ca-certificate", gate.servers.pem() + &elsewhere.servers.pem());
    let ran = give(&mut job, &pem(&client(&gate.clients))).downloads().run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["client-certificate-rejected"]).says("hint: Configure localhost, where").has_retries(0);
}

#[test]
fn an_invalid_client_certificate_is_rejected_before_any_request_and_not_shown() {
    let registry = Registry::start(Persona::default());
    let (ours, other) = (client(&authority()), client(&authority()));
    let weak = "-----BEGIN PRIVATE KEY-----\nc2Vuc2l0aXZlLXNlbnNpdGl2ZQ==\n-----END PRIVATE KEY-----\n";
    let broken = "-----BEGIN PRIVATE KEY-----\nsensitive!!sensitive\n-----END PRIVATE KEY-----\n";
    let nonsense = "-----BEGIN CERTIFICATE-----\nc2Vuc2l0aXZl\n-----END CERTIFICATE-----\n";
    let half = ours.key_pem.replace("-----END PRIVATE KEY-----", "");
    for (given, why, hint) in [
        (ours.pem.clone(), "contains no private key", "Add the private key after its certificate"),
        (ours.key_pem.clone(), "contains no certificate", "Add the certificate before its private key"),
        (
            format!("{}{}", ours.pem, other.key_pem),
            "that does not belong to its first certificate",
            "Put the certificate of",
        ),
        (
            format!("{}{}{}", other.pem, ours.pem, ours.key_pem),
            "does not belong to its first",
            "Put the certificate of",
        ),
        (format!("{}{weak}", ours.pem), "contains a private key of an unsupported type", "Use an RSA key"),
        (format!("{}{broken}", ours.pem), "contains an invalid certificate or private key", "Include all lines"),
        (format!("{}{half}", ours.pem), "contains an invalid certificate or private key", "Include all lines"),
        (
            format!("{}{nonsense}{}", ours.pem, ours.key_pem),
            "contains an invalid certificate or private key",
            "Include all lines",
        ),
        (pem(&ours).replace('\n', " "), "contains an invalid certificate or private key", "Include all lines"),
        (
            "missing.pem".to_owned(),
            "`missing.pem` cannot be read: No such file",
            "Set `client-certificate` to the certificate and its private key",
        ),
        (
            "../client.pem".to_owned(),
            "`../client.pem` is outside the workspace",
            "Set `client-certificate` to the certificate and its",
        ),
        (
            ".git/client.pem".to_owned(),
            "`.git/client.pem` is inside `.git`",
            "Set `client-certificate` to the certificate and its",
        ),
        (
            "sensitive\nsensitive".to_owned(),
            "is neither PEM text nor the path of a file",
            "Set `client-certificate` to the certificate and its",
        ),
        (
            "c2Vuc2l0aXZlc2Vuc2l0aXZl".to_owned(),
            "it is not PEM text, and as a file path it cannot be read",
            "Set `client-certificate` to the certificate and",
        ),
    ] {
        let mut job = Job::new(&registry);
        fs::write(job.outside("client.pem"), pem(&ours)).expect("a file");
        job.file("dist/app", "").file(".git/client.pem", pem(&ours));
        let ran = give(&mut job, &given).is_refused(&registry);
        let ran =
            ran.has_codes(&["invalid-input"]).says("`client-certificate`").says(why).says(&format!("hint: {hint}"));
        ran.does_not_say("sensitive").does_not_say("c2Vuc2l0aXZl");
    }
}

#[test]
fn the_key_and_the_whole_text_are_masked_and_taken_out_of_what_a_server_sends_back() {
    let gate = Gate::new();
    let front = gate.front(&TLS13, Clients::Required(&gate.clients));
    let registry = &gate.registry;
    let ours = pem(&client(&gate.clients));
    for (given, path) in [(ours.as_str(), "other.pem"), ("client.pem", "client.pem")] {
        for line in key_lines(&ours) {
            registry.clear_script();
            let answer = Answer::text(403, format!("bad {line} here"));
            registry.script(Fault::always(Match::list(), Point::Head, Action::Answer(answer)));
            let mut job = gate.job(&front);
            give(&mut job, &ours).file("dist/app", "").file(path, &ours).input("client-certificate", given);
            let ran = job.run().exits_with(1).has_codes(&["no-read-access"]).says("403 Forbidden: bad *** here");
            let masks = |text: &str| ran.masks.contains(&format!("::add-mask::{}", text.replace('\n', "%0A")));
            assert!(masks(line) && (masks(&ours) || masks(ours.trim())), "{:?}", ran.masks);
            assert!(!ran.masks.iter().any(|mask| mask.starts_with("::add-mask::-----") && !mask.contains("%0A")));
        }
    }
}

#[test]
fn a_client_certificate_is_rejected_where_an_https_proxy_could_be_shown_it() {
    let gate = Gate::new();
    let front = gate.front(&TLS13, Clients::Required(&gate.clients));
    let proxy = Proxy::start(Manners::Open, front.address());
    let mut job = gate.job(&front);
    give(&mut job, &pem(&client(&gate.clients))).variable("HTTPS_PROXY", "https://proxy.example.com:3128");
    let ran = job.is_refused(&gate.registry);
    let ran = ran.has_codes(&["invalid-input"]).says("`client-certificate`");
    ran.says("proxy.example.com:3128").says("HTTPS_PROXY").says("NO_PROXY");
    job.variable("HTTPS_PROXY", format!("http://{}", proxy.address())).run().exits_with(0);
    assert!(!proxy.heads().is_empty());
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
        let ran = job.input("files", files).is_refused(&gate.registry);
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
    job.is_refused(&registry).has_codes(&["invalid-input"]).says("`client-certificate`");
}
