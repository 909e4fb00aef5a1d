//! Tests redirects to another origin: the addresses that a registry can redirect to, and the text that the log shows.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use super::redirects::{leads, place};
use super::{own_address, release, release_at, tools};
use crate::harness::{Job, print_skipped};
use crate::network::{Identity, Manners, Proxy, TlsFront, naming};

/// A registry that is not at an address of the runner itself: a proxy reaches it at git.example.com.
struct Far {
    registry: Registry,
    proxy: Proxy,
}

impl Far {
    fn new() -> Self {
        let registry = release(Persona::default());
        let proxy = Proxy::start(Manners::Open, Job::address_of(&registry));
        Self { registry, proxy }
    }

    /// A job that downloads `app` from there, and connects to all other hosts directly.
    fn job(&self) -> Job {
        let mut job = Job::downloading(&self.registry);
        job.input("files", "app").input("server-url", "http://git.example.com");
        job.variable("HTTP_PROXY", self.proxy.url());
        job.variable("NO_PROXY", "127.0.0.0/8,0.0.0.0,169.254.0.0/16,::1,::ffff:7f00:1,localhost");
        job
    }

    fn leads_to(&self, place: &str) {
        self.registry.clear_faults();
        self.registry.add_fault(Fault::always(Match::get("app"), Point::Head, leads(303, place)));
    }
}

#[test]
fn a_redirect_to_the_runner_itself_or_to_its_link_is_refused() {
    let (far, service) = (Far::new(), release(Persona::default()));
    let port = Job::address_of(&service).port();
    let path = "api/packages/alice/generic/widget/v1.0.0/app";
    for (host, kind) in [
        ("127.0.0.1", "127.0.0.1, a loopback address"),
        ("127.1", "127.0.0.1, a loopback address"),
        ("[::ffff:127.0.0.1]", "[::ffff:7f00:1], a loopback address"),
        ("[::1]", "[::1], a loopback address"),
        ("localhost", "localhost, which resolves to a loopback address"),
        ("0.0.0.0", "0.0.0.0, an unspecified address"),
        ("169.254.169.254", "169.254.169.254, a link-local address"),
    ] {
        far.leads_to(&format!("http://{host}:{port}/{path}"));
        let mut job = far.job();
        let ran = job.run().exits_with(1).has_a_hint_for_each_error();
        ran.has_codes(&["redirect-to-local-address"]).says(kind);
        // A visitor who is shown no list takes any bytes for the file.
        job.without("INPUT_TOKEN").input("version", "v1.0.0").run().exits_with(1).says(kind);
        assert_eq!((service.requests(), tools(&job).len()), (vec![], 0), "{host}");
    }
}

#[test]
fn a_redirect_to_the_runner_itself_is_refused_on_the_way_through_a_proxy_too() {
    let far = Far::new();
    for host in ["127.0.0.1", "[::1]", "169.254.169.254"] {
        far.leads_to(&format!("http://{host}/latest/meta-data"));
        let ran = far.job().without("NO_PROXY").run().exits_with(1).has_a_hint_for_each_error();
        ran.has_codes(&["redirect-to-local-address"]).says(host);
    }
    assert!(far.proxy.heads().iter().all(|head| head.contains(" http://git.example.com/")));
}

#[test]
fn a_second_redirect_to_the_runner_itself_is_refused() {
    let (far, service) = (Far::new(), release(Persona::default()));
    far.registry.add_fault(Fault::always(Match::get("app"), Point::Head, leads(303, "http://storage.example.com/x")));
    far.registry.add_fault(Fault::always(
        Match { path_contains: Some("/x".to_owned()), ..Match::any() },
        Point::Head,
        leads(303, &place(&service, "app")),
    ));
    far.job().run().exits_with(1).has_codes(&["redirect-to-local-address"]).says("localhost");
    assert_eq!(service.requests(), []);
}

#[test]
fn a_redirect_to_another_address_of_the_network_is_followed() {
    let Some(address) = own_address() else {
        return print_skipped("a redirect to a private address: this machine has only loopback");
    };
    let (far, storage) = (Far::new(), release_at(address));
    far.leads_to(&format!("{}/api/packages/alice/generic/widget/v1.0.0/app", storage.url()));
    let mut job = far.job();
    job.variable("NO_PROXY", address.to_string()).run().exits_with(0);
    assert_eq!(tools(&job)["app"], vec![7; 300_000]);
    assert_eq!(storage.requests().len(), 1);
}

#[test]
fn of_an_answer_from_another_origin_only_the_status_is_shown() {
    let (registry, service) = (release(Persona::default()), release(Persona::default()));
    registry.add_fault(Fault::always(Match::get("app"), Point::Head, leads(303, &place(&service, "app"))));
    for (status, answer) in [
        (403, Answer::text(403, "INTERNAL words")),
        (404, Answer::json(404, r#"{"message":"INTERNAL words"}"#)),
        (502, Answer::html(502, "<title>INTERNAL words</title>")),
        (200, Answer::html(200, "<title>INTERNAL words</title>")),
        (200, Answer::text(200, "INTERNAL words").header("Content-Encoding", "INTERNAL")),
        (301, Answer::empty(301).header("Location", "/INTERNAL/path")),
        (308, Answer::empty(308).header("Location", "http://internal/INTERNAL/path")),
        // These are followed, or not.
        (302, Answer::empty(302).header("Location", "/INTERNAL/path")),
        (303, Answer::empty(303).header("Location", "ftp://internal/INTERNAL/path")),
    ] {
        service.clear_faults();
        service.add_fault(Fault::always(Match::get("app"), Point::Head, Action::Answer(answer)));
        let mut job = Job::downloading(&registry);
        job.input("files", "app").variable("RUNNER_DEBUG", "1");
        for token in [true, false] {
            if !token {
                job.without("INPUT_TOKEN").input("version", "v1.0.0");
            }
            let ran = job.run().exits_with(1).has_a_hint_for_each_error();
            let shown = ran.log + &ran.summary + &ran.written;
            assert!(!shown.to_lowercase().contains("internal"), "{status}:\n{shown}");
            assert!(shown.contains("http://localhost:") && shown.contains(&status.to_string()), "{status}:\n{shown}");
        }
    }
}

#[test]
fn the_names_in_the_certificate_of_another_origin_are_not_shown() {
    let registry = release(Persona::default());
    let identity = Identity::self_signed(&naming(&["internal.example.com"]));
    let pem = identity.pem.clone();
    let service = TlsFront::start(identity, Job::address_of(&registry));
    let place = format!("https://127.0.0.1:{}/app", service.address().port());
    registry.add_fault(Fault::always(Match::get("app"), Point::Head, leads(303, &place)));
    let mut job = Job::downloading(&registry);
    job.input("files", "app").input("ca-certificate", pem);
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["certificate-name-mismatch"]).does_not_say("internal.example.com");
}
