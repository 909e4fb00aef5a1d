//! Servers that want to know who their clients are.

mod input;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::harness::{Job, Ran};
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
        job.input("server-url", front.url());
        job
    }

    /// Like `job`, with a client certificate that the server accepts.
    fn job_of_client(&self, front: &TlsFront) -> Job {
        let mut job = self.job(front);
        give(&mut job, &pem(&client(&self.clients)));
        job
    }

    /// Lets the registry redirect a download to a server with that front, which the job trusts.
    fn redirect_to(&self, elsewhere: &Self, storage: &TlsFront, job: &mut Job) {
        self.registry.seed("alice", "widget", "v1.0.0", "app", b"content");
        let place = "/api/packages/alice/generic/widget/v1.0.0/app";
        let place = format!("https://localhost:{}{place}", storage.address().port());
        let leads = Answer::empty(303).header("Location", &place);
        self.registry.add_fault(Fault::always(Match::get("app"), Point::Head, Action::Answer(leads)));
        job.input("ca-certificate", self.servers.pem() + &elsewhere.servers.pem()).downloads();
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
        let mut job = gate.job_of_client(&front);
        job.input("version", format!("{:?}", version.version)).run().exits_with(0).has_retries(0);
        job.downloads().run().exits_with(0);
        assert!(front.shown().len() >= 2 && front.shown().iter().all(|shown| *shown == Some(1)), "{:?}", front.shown());
    }
}

/// The error is final: one attempt, the TLS alert is shown, and what to do about the input.
#[track_caller]
fn is_final(ran: Ran, alert: &str, hint: &str) {
    let ran = ran.exits_with(1).has_a_hint_for_each_error().has_retries(0).does_not_say(" times)");
    let ran = ran.has_codes(&["client-certificate-rejected"]).says("localhost").says(&format!("(TLS alert {alert}"));
    ran.says(&format!("hint: {hint} `client-certificate`"));
}

#[test]
fn a_client_certificate_that_is_missing_or_rejected_ends_the_run_and_the_error_names_the_input() {
    for version in [&TLS12, &TLS13] {
        let gate = Gate::new();
        let front = gate.front(version, Clients::Required(&gate.clients));
        is_final(gate.job(&front).run(), "certificate_required)", "Set");
        is_final(gate.job(&front).downloads().run(), "certificate_required)", "Set");
        is_final(give(&mut gate.job(&front), &pem(&client(&authority()))).run(), "", "Check");
        assert_eq!(front.shown(), [None; 3]);
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
        registry.clear_faults();
        registry.clear_requests();
        let page = format!("<html>\r\n<head><title>{title}</title></head>\r\n<body>nginx</body></html>");
        registry.add_fault(Fault::always(Match::any(), Point::Head, Action::Answer(Answer::html(400, page))));
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
        elsewhere.registry.seed("alice", "widget", "v1.0.0", "app", b"content");
        let front = gate.front(version, Clients::Required(&gate.clients));
        // It would take the same certificate.
        let storage = elsewhere.front(version, Clients::Asked(&gate.clients));
        let mut job = gate.job_of_client(&front);
        gate.redirect_to(&elsewhere, &storage, &mut job);
        job.run().exits_with(0);
        assert_eq!(storage.shown(), [Some(0)]);
        assert!(front.shown().iter().all(|shown| *shown == Some(1)), "{:?}", front.shown());
    }
}

#[test]
fn object_storage_that_requires_a_client_certificate_is_named_and_not_the_input() {
    let (gate, elsewhere) = (Gate::new(), Gate::new());
    let front = gate.front(&TLS13, Clients::Anybody);
    let storage = elsewhere.front(&TLS13, Clients::Required(&gate.clients));
    let mut job = gate.job_of_client(&front);
    gate.redirect_to(&elsewhere, &storage, &mut job);
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["client-certificate-rejected"]).says("hint: Configure localhost, where").has_retries(0);
}

#[test]
fn the_key_and_the_whole_text_are_masked_and_taken_out_of_what_a_server_sends_back() {
    let gate = Gate::new();
    let front = gate.front(&TLS13, Clients::Required(&gate.clients));
    let registry = &gate.registry;
    let ours = pem(&client(&gate.clients));
    for (given, path) in [(ours.as_str(), "other.pem"), ("client.pem", "client.pem")] {
        for line in key_lines(&ours) {
            registry.clear_faults();
            let answer = Answer::text(403, format!("bad {line} here"));
            registry.add_fault(Fault::always(Match::list(), Point::Head, Action::Answer(answer)));
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
    let mut job = gate.job_of_client(&front);
    job.variable("HTTPS_PROXY", "https://proxy.example.com:3128");
    let ran = job.run_rejected(&gate.registry).has_codes(&["invalid-input"]).says("`client-certificate`");
    ran.says("proxy.example.com:3128").says("HTTPS_PROXY").says("NO_PROXY");
    job.variable("HTTPS_PROXY", proxy.url()).run().exits_with(0);
    assert!(!proxy.heads().is_empty());
}
