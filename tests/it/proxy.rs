//! The way through a proxy, and whose fault it is where there is none.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use embedded_registry::{Persona, Registry};

use crate::harness::{Job, Ran};
use crate::network::{Authority, Identity, Manners, Proxy, TlsFront, authority, authority_with, header, naming};

/// A registry at git.example.com, by http and by https, which only a proxy can reach.
struct Net {
    registry: Registry,
    authority: Authority,
    front: TlsFront,
}

impl Net {
    fn new() -> Self {
        let registry = Registry::start(Persona::default());
        let authority = authority();
        let identity = Identity::signed(&authority, &naming(&["git.example.com"]));
        let front = TlsFront::start(identity, Job::address_of(&registry));
        Self { registry, authority, front }
    }

    /// A proxy that reaches the registry by that scheme.
    fn proxy(&self, scheme: &str, manners: Manners) -> Proxy {
        Proxy::start(manners, self.behind(scheme))
    }

    fn behind(&self, scheme: &str) -> SocketAddr {
        if scheme == "https" { self.front.address() } else { Job::address_of(&self.registry) }
    }

    fn job(&self, scheme: &str) -> Job {
        let mut job = Job::new(&self.registry);
        job.file("dist/app", "content").input("server-url", format!("{scheme}://git.example.com"));
        job.input("ca-certificate", self.authority.pem());
        job
    }

    /// A registry that is reached without a proxy.
    fn near(&self) -> Job {
        let mut job = Job::new(&self.registry);
        job.file("dist/app", "content");
        job
    }
}

/// The variable that names the proxy for a scheme.
fn variable(scheme: &str) -> String {
    format!("{}_PROXY", scheme.to_uppercase())
}

/// Nobody listens there: a port that a server of its own held until now.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

/// The error has that code, and names the proxy and the variable that it comes from.
#[track_caller]
fn names_the_proxy(ran: Ran, code: &str, place: &dyn ToString, variable: &str) -> Ran {
    ran.exits_with(1).has_a_hint_for_each_error().has_codes(&[code]).says(&place.to_string()).says(variable)
}

#[test]
fn an_https_server_is_reached_through_a_tunnel_and_the_proxy_learns_nothing() {
    let net = Net::new();
    let proxy = net.proxy("https", Manners::Open);
    let mut job = net.job("https");
    job.secret("gate-secret").input("headers", "X-Gate: gate-secret").variable("HTTPS_PROXY", proxy.url());
    job.run().exits_with(0);
    assert!(net.registry.requests().iter().all(|request| request.header("X-Gate") == Some("gate-secret")));
    assert!(net.registry.requests().iter().all(|request| request.header("Proxy-Authorization").is_none()));
    assert!(!proxy.heads().is_empty());
    for head in proxy.heads() {
        assert!(head.starts_with("CONNECT git.example.com:443 HTTP/1.1\r\n"), "{head}");
        for name in ["X-Gate", "Authorization", "Proxy-Authorization", "Cookie"] {
            assert_eq!(header(&head, name), None, "{head}");
        }
    }
}

#[test]
fn an_http_server_is_reached_through_a_proxy() {
    let net = Net::new();
    let proxy = net.proxy("http", Manners::Open);
    let mut job = net.job("http");
    job.secret("gate-secret").input("headers", "X-Gate: gate-secret").variable("HTTP_PROXY", proxy.url());
    job.run().exits_with(0);
    assert!(net.registry.requests().iter().all(|request| request.header("X-Gate") == Some("gate-secret")));
    assert!(proxy.heads().iter().all(|head| head.contains(" http://git.example.com/")), "{:?}", proxy.heads());
}

#[test]
fn a_proxys_credentials_are_given_to_it_and_to_nobody_else() {
    let net = Net::new();
    for (count, (user, password, given)) in [
        ("bob", "p@ss/w:rd\u{e9}%41", "bob:p%40ss%2Fw%3Ard%C3%A9%2541@"),
        ("corp\\bob", "plain-enough", "corp%5Cbob:plain-enough@"),
        ("", "only-a-password", ":only-a-password@"),
        ("only-a-user", "", "only-a-user@"),
    ]
    .into_iter()
    .enumerate()
    {
        let basic = STANDARD.encode(format!("{user}:{password}"));
        for scheme in ["http", "https"] {
            let proxy = net.proxy(scheme, Manners::Wants(basic.clone()));
            let secret = if password.is_empty() { user } else { password };
            let mut job = net.job(scheme);
            job.secret(secret).secret(&basic).input("version", format!("{scheme}-{count}"));
            job.variable(&variable(scheme), format!("http://{given}{}", proxy.address()));
            net.registry.clear_requests();
            let ran = job.run().exits_with(0);
            for mask in [secret, &basic] {
                let mask = format!("::add-mask::{}", mask.replace('%', "%25"));
                assert!(ran.masks.contains(&mask), "{mask}: {:?}", ran.masks);
            }
            assert!(proxy.heads().iter().all(|head| header(head, "Proxy-Authorization").is_some()));
            for request in net.registry.requests() {
                assert_eq!(request.header("Proxy-Authorization"), None);
                assert_ne!(request.header("Authorization"), Some(&*format!("Basic {basic}")));
            }
        }
    }
}

#[test]
fn a_proxy_that_wants_credentials_is_named_with_the_variable_to_put_them_in() {
    let net = Net::new();
    for scheme in ["http", "https"] {
        let proxy = net.proxy(scheme, Manners::Wants(STANDARD.encode("bob:right-password")));
        let (place, name) = (proxy.address(), variable(scheme));
        let ran = net.job(scheme).variable(&name, proxy.url()).run();
        names_the_proxy(ran, "proxy-credentials-rejected", &format!("`http://user:password@{place}`"), &name);
        let mut job = net.job(scheme);
        job.secret("wrong-password").variable(&name, format!("http://bob:wrong-password@{place}"));
        names_the_proxy(job.run(), "proxy-credentials-rejected", &place, &name);
    }
    assert_eq!(net.registry.requests(), []);
}

#[test]
fn a_proxy_that_makes_no_connection_is_named_and_not_the_server() {
    let net = Net::new();
    for status in ["502 Bad Gateway", "503 Service Unavailable", "403 Forbidden"] {
        let proxy = net.proxy("https", Manners::Answers(status));
        let mut job = net.job("https");
        job.secret("its-password").variable("HTTPS_PROXY", format!("http://bob:its-password@{}", proxy.address()));
        let ran = names_the_proxy(job.run(), "proxy-connection-failed", &proxy.address(), "HTTPS_PROXY");
        ran.says("git.example.com:443");
    }
    // Without a tunnel nobody can tell who has answered.
    let proxy = net.proxy("http", Manners::Answers("502 Bad Gateway"));
    let ran = net.job("http").variable("HTTP_PROXY", proxy.url()).run();
    names_the_proxy(ran, "server-unavailable", &proxy.address(), "HTTP_PROXY").says("502 Bad Gateway");
}

#[test]
fn a_proxy_that_cannot_be_reached_is_named_and_not_the_server() {
    let net = Net::new();
    for scheme in ["http", "https"] {
        for name in [variable(scheme), "all_proxy".to_owned()] {
            // Nobody listens there either, and it is no loopback address.
            let place = nobody().replace("127.0.0.1", "0.0.0.0");
            let mut job = net.job(scheme);
            job.secret("its-password").variable(&name, format!("http://bob:its-password@{place}"));
            names_the_proxy(job.run(), "proxy-unreachable", &place, &name).says("Connection refused");
            let mut job = net.job(scheme);
            job.secret("its-password").variable(&name, "bob:its-password@proxy.example.invalid:3128");
            names_the_proxy(job.run(), "proxy-unreachable", &"proxy.example.invalid:3128", &name);
        }
    }
    let proxy = net.proxy("https", Manners::HangsUp);
    let ran = net.job("https").variable("HTTPS_PROXY", proxy.url()).run();
    names_the_proxy(ran, "proxy-unreachable", &proxy.address(), "HTTPS_PROXY");
}

#[test]
fn a_proxy_on_a_loopback_address_that_refuses_is_said_to_be_the_container_itself() {
    let net = Net::new();
    let port = nobody().rsplit_once(':').expect("a port").1.to_owned();
    for host in ["127.0.0.1", "127.1.2.3", "localhost", "[::1]"] {
        for scheme in ["http", "https"] {
            let name = variable(scheme);
            let ran = net.job(scheme).variable(&name, format!("http://{host}:{port}")).run();
            names_the_proxy(ran, "proxy-unreachable", &format!("{host}:{port}"), &name).says("container");
        }
    }
}

#[test]
fn what_is_wrong_with_the_server_is_not_put_on_the_proxy() {
    let net = Net::new();
    let proxy = net.proxy("https", Manners::Open);
    let mut job = net.job("https");
    job.without("INPUT_CA-CERTIFICATE").variable("HTTPS_PROXY", proxy.url());
    names_the_proxy(job.run(), "unknown-authority", &"git.example.com", "`ca-certificate`").does_not_say("the proxy");
}

#[test]
fn a_proxy_that_speaks_tls_has_to_be_trusted_too() {
    let net = Net::new();
    for scheme in ["http", "https"] {
        let proxy = net.proxy(scheme, Manners::Open);
        let own = authority();
        let front = TlsFront::start(Identity::signed(&own, &naming(&["localhost"])), proxy.address());
        let (name, place) = (variable(scheme), format!("localhost:{}", front.address().port()));
        let mut job = net.job(scheme);
        job.variable(&name, format!("https://{place}"));
        names_the_proxy(job.run(), "proxy-tls-error", &place, &name);
        job.input("ca-certificate", net.authority.pem() + &own.pem()).input("version", scheme).run().exits_with(0);
    }
}

#[test]
fn a_proxy_that_a_given_certificate_of_a_server_has_signed_is_not_trusted() {
    let net = Net::new();
    let proxy = net.proxy("https", Manners::Open);
    let server = authority_with(|params| params.is_ca = rcgen::IsCa::ExplicitNoCa);
    let front = TlsFront::start(Identity::signed(&server, &naming(&["localhost"])), proxy.address());
    let place = format!("localhost:{}", front.address().port());
    let mut job = net.job("https");
    job.input("ca-certificate", net.authority.pem() + &server.pem())
        .variable("HTTPS_PROXY", format!("https://{place}"));
    names_the_proxy(job.run(), "proxy-tls-error", &place, "HTTPS_PROXY").says("(CA:TRUE)");
    assert_eq!(proxy.heads(), [""; 0]);
}

#[test]
fn each_variable_is_for_its_scheme_and_upper_case_and_what_is_not_empty_go_first() {
    let net = Net::new();
    for (scheme, other) in [("http", "https"), ("https", "http")] {
        let proxy = net.proxy(scheme, Manners::Open);
        let (upper, lower, other) = (variable(scheme), variable(scheme).to_lowercase(), variable(other));
        let (good, bad) = (proxy.url(), format!("http://{}", nobody()));
        let no_proxy = "localhost,127.0.0.1";
        for (count, variables) in [
            &[(&*upper, &*good), (&*lower, &*bad), ("ALL_PROXY", &*bad)][..],
            &[(&*upper, ""), (&*lower, &*good), ("ALL_PROXY", &*bad)],
            &[(&*other, &*bad), (&*lower, " "), ("ALL_PROXY", &*good)],
            &[(&*other, &*bad), ("ALL_PROXY", ""), ("all_proxy", &*good)],
            &[(&*other, "socks5://bad"), ("NO_PROXY", "git.example.org"), (&*upper, &*good)],
            &[("NO_PROXY", ""), ("no_proxy", "example"), (&*upper, &*good)],
            // As runners hand them over.
            &[(&*upper, &*good), (&*lower, &*good), ("NO_PROXY", no_proxy), ("no_proxy", no_proxy)],
        ]
        .into_iter()
        .enumerate()
        {
            let asked = proxy.heads().len();
            let mut job = net.job(scheme);
            for (name, value) in variables {
                job.variable(name, *value);
            }
            job.input("version", format!("{scheme}-{count}")).run().exits_with(0);
            assert!(proxy.heads().len() > asked, "{variables:?}");
        }
    }
}

#[test]
fn what_no_proxy_names_is_reached_without_a_proxy() {
    let net = Net::new();
    let address = Job::address_of(&net.registry);
    let bad = format!("http://{}", nobody());
    for no_proxy in [
        "*".to_owned(),
        "127.0.0.1".to_owned(),
        "example.com, 127.0.0.0/8".to_owned(),
        "example.com 127.0.0.1".to_owned(),
        address.to_string(),
    ] {
        for name in ["NO_PROXY", "no_proxy"] {
            net.near().variable("http_proxy", &*bad).variable(name, &*no_proxy).run().exits_with(0);
        }
    }
    for no_proxy in ["localhost", ".localhost", "*.localhost"] {
        let mut job = net.near();
        job.input("server-url", format!("http://localhost:{}", address.port()));
        job.variable("http_proxy", &*bad).variable("NO_PROXY", no_proxy).run().exits_with(0);
    }
    for no_proxy in ["127.0.0.2", "127.0.0.1:1", "localhost", "7.0.0.1", "10.0.0.0/8"] {
        let ran = net.near().variable("http_proxy", &*bad).variable("NO_PROXY", no_proxy).run();
        ran.exits_with(1).has_codes(&["proxy-unreachable"]);
    }
}

#[test]
fn a_proxy_of_a_request_to_a_web_server_is_not_taken() {
    let net = Net::new();
    let bad = format!("http://{}", nobody());
    net.near().variable("REQUEST_METHOD", "GET").variable("HTTP_PROXY", &*bad).run().exits_with(0);
    let ran = net.near().variable("REQUEST_METHOD", "GET").variable("http_proxy", &*bad).run();
    ran.exits_with(1).has_codes(&["proxy-unreachable"]);
}

#[test]
fn an_invalid_proxy_is_rejected_before_any_request_and_not_shown() {
    let net = Net::new();
    for (value, why) in [
        ("socks5://bob:its-password@127.0.0.1:1080", "names a SOCKS proxy, but only HTTP proxies are supported"),
        ("socks4a://127.0.0.1:1080", "names a SOCKS proxy"),
        ("ftp://bob:its-password@127.0.0.1", "does not start with `http://` or `https://`"),
        ("http://bob:its-password@", "is not a valid URL: empty host"),
        ("http://", "is not a valid URL: empty host"),
        ("bob:its-password@127.0.0.1:port", "is not a valid URL: invalid port number"),
        ("http://bob:its-password@127.0.0.1:99999", "is not a valid URL: invalid port number"),
        ("http://1.2.3.4.5:3128", "is not a valid URL: invalid IPv4 address"),
        ("its-password its-password", "is not a valid URL: invalid international domain name"),
    ] {
        let mut job = net.near();
        job.secret("its-password").variable("HTTP_PROXY", value);
        let ran =
            job.run_rejected(&net.registry).says(&format!("error: failed to read variable `HTTP_PROXY`: it {why}"));
        ran.has_codes(&["invalid-input"]).says("NO_PROXY");
        // Nobody asks for it.
        let ran = job.variable("NO_PROXY", "127.0.0.1").run();
        ran.exits_with(0);
    }
}
