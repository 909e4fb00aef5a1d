//! Connections, certificates and proxies.

use std::net::SocketAddr;

use embedded_registry::{Persona, Registry};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};

use super::{Case, errors, job};
use crate::harness::Job;
use crate::network::{Authority, Clients, Identity, Manners, Proxy, TlsFront, authority, authority_with, naming};
use crate::tls::marked_as_authority;

pub(super) const CASES: &[Case] = &[
    ("No connection", || no_connection("0.0.0.0")),
    ("The server is on a loopback address", || {
        no_connection("127.0.0.1").replace("git.example.com in a", "127.0.0.1 in a")
    }),
    ("The host has no address", || at("https://git.example.invalid", "https://git.example.com", |job| job)),
    ("The server does not use TLS", || {
        let registry = Registry::start(Persona::default());
        let url = registry.url().replace("http://", "https://");
        at(&url, &url, |job| job)
    }),
    ("An unknown authority", || certificate(Identity::self_signed(&localhost()), "")),
    ("A self-signed certificate", || certificate(Identity::self_signed(&marked_as_authority(localhost())), "")),
    ("The certificate was renewed with another key", || {
        let old = Identity::self_signed(&marked_as_authority(localhost()));
        certificate(Identity::self_signed(&localhost()), &old.pem)
    }),
    ("The certificate in `ca-certificate` is not an authority", || {
        certificate(Identity::self_signed(&localhost()), &Identity::self_signed(&localhost()).pem)
    }),
    ("The authority in `ca-certificate` has expired", || {
        let authority = authority_with(|params| params.not_after = rcgen::date_time_ymd(2025, 3, 1));
        certificate(Identity::signed(&authority, &localhost()), &authority.pem())
    }),
    ("The certificate has expired", || {
        certificate(changed(|params| params.not_after = rcgen::date_time_ymd(2025, 3, 1)), "")
    }),
    ("The certificate is not valid yet", || {
        let printed = certificate(changed(|params| params.not_before = rcgen::date_time_ymd(2125, 3, 1)), "");
        let (before, now) = printed.split_once("clock shows ").expect("the runner's time");
        format!("{before}clock shows 2026-03-01T12:00:00Z{}", &now["2026-03-01T12:00:00Z".len()..])
    }),
    ("The certificate is for other names", || {
        trusted(Identity::self_signed(&naming(&["forge.example.com", "10.1.2.3"])))
    }),
    ("The certificate names no host", || trusted(Identity::self_signed(&marked_as_authority(naming(&[]))))),
    ("The certificate is not for servers", || {
        trusted(changed(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]))
    }),
    ("The server requires a client certificate", || client_certificate(None)),
    ("The server rejects the client certificate", || client_certificate(Some(&authority()))),
    ("407: the proxy requires a password", || through_proxy("proxy.example.com", Manners::Wants(String::new()))),
    ("407: the proxy rejects the password", || {
        through_proxy("bob:a-password@proxy.example.com", Manners::Wants(String::new()))
    }),
    ("The proxy does not connect", || through_proxy("proxy.example.com", Manners::Answers("502 Bad Gateway"))),
    ("The proxy cannot be reached", || proxy(&unused("0.0.0.0"), "http")),
    ("The proxy is on a loopback address", || {
        proxy(&unused("127.0.0.1"), "http").replace("proxy.example.com", "127.0.0.1")
    }),
    ("The proxy has no address", || proxy("proxy.example.invalid:3128", "http")),
    ("The proxy is not trusted", || {
        let front = TlsFront::start(Identity::signed(&authority(), &localhost()), ([127, 0, 0, 1], 9).into());
        let place = format!("localhost:{}", front.address().port());
        proxy(&place, "https").replace("localhost", "proxy.example.com")
    }),
];

fn localhost() -> CertificateParams {
    naming(&["localhost"])
}

fn changed(change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let mut params = localhost();
    change(&mut params);
    Identity::self_signed(&params)
}

/// The errors of a run with that `server-url`, which the page has another one for.
fn at(url: &str, server: &str, change: impl FnOnce(&mut Job) -> &mut Job) -> String {
    let registry = Registry::start(Persona::default());
    let ran = change(job(&registry).input("server-url", url)).run().exits_with(1);
    errors(&ran.log, server)
}

/// A port that was free a moment ago, and that nobody else is given so soon.
fn unused(host: &str) -> String {
    format!("{host}:{}", Job::address_of(&Registry::start(Persona::default())).port())
}

fn no_connection(host: &str) -> String {
    let url = format!("http://{}", unused(host));
    at(&url, &url, |job| job)
}

/// A server with TLS, at an address that nobody listens at behind it.
fn tls(start: impl FnOnce(SocketAddr) -> TlsFront, change: impl FnOnce(&mut Job) -> &mut Job) -> String {
    let front = start(([127, 0, 0, 1], 9).into());
    let url = front.url();
    at(&url, &url, change)
}

fn certificate(identity: Identity, trusted: &str) -> String {
    tls(|behind| TlsFront::start(identity, behind), |job| job.input("ca-certificate", trusted))
}

fn trusted(identity: Identity) -> String {
    let pem = identity.pem.clone();
    certificate(identity, &pem)
}

/// A server that requires a client certificate, for a client that has one of that authority or none.
fn client_certificate(authority: Option<&Authority>) -> String {
    let identity = Identity::self_signed(&localhost());
    let (pem, clients) = (identity.pem.clone(), self::authority());
    let required = Clients::Required(&clients);
    let start = |behind| TlsFront::start_for(identity, behind, rustls::DEFAULT_VERSIONS, required);
    tls(start, |job| {
        if let Some(authority) = authority {
            let client = Identity::signed(authority, &naming(&["client"]));
            job.input("client-certificate", client.pem + &client.key_pem);
        }
        job.input("ca-certificate", pem)
    })
}

/// A proxy that behaves so, with the URL's part between scheme and port.
fn through_proxy(url: &str, manners: Manners) -> String {
    let server = Proxy::start(manners, ([127, 0, 0, 1], 9).into());
    let place = server.address().to_string();
    by_proxy(&format!("http://{}", url.replace("proxy.example.com", &place)), &place)
}

fn proxy(place: &str, scheme: &str) -> String {
    by_proxy(&format!("{scheme}://{place}"), place)
}

fn by_proxy(url: &str, place: &str) -> String {
    let server = "https://git.example.com";
    let printed = at(server, server, |job| job.variable("HTTPS_PROXY", url));
    printed.replace(place, "proxy.example.com:3128")
}
