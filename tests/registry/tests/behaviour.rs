//! Tests behavior that the recordings do not show: connections, rejected bodies, and the methods for tests.

use std::sync::{Arc, Barrier};
use std::thread;

use crate::client::{Ask, Client, Got};
use embedded_registry::{Action, Fault, Match, Options, Persona, Point, Registry};

pub(crate) const FILE: &str = "/api/packages/alice/generic/tool/1.0/a.txt";
pub(crate) const FILES: &str = "/api/v1/packages/alice/generic/tool/1.0/files";
pub(crate) const LARGE: usize = 64 << 20;

pub(crate) fn connect(registry: &Registry) -> Client {
    Client::connect(&registry.url()).unwrap()
}

pub(crate) fn signed(registry: &Registry, ask: Ask) -> Ask {
    ask.basic("alice", &registry.token("alice_write"))
}

pub(crate) fn ask(registry: &Registry, ask: Ask) -> Got {
    connect(registry).ask(&signed(registry, ask)).unwrap()
}

/// Sends a large body until the server does not take it any more; how much went out.
pub(crate) fn send_until_refused(client: &mut Client) -> usize {
    let piece = vec![0; 1 << 20];
    (0..LARGE / piece.len()).take_while(|_| client.write(&piece).is_ok()).count() * piece.len()
}

pub(crate) fn large_head(path: &str) -> Ask {
    Ask::new("PUT", path).header("Content-Length", &LARGE.to_string())
}

#[test]
fn a_bad_token_is_answered_before_a_large_body_is_read_and_the_connection_breaks() {
    let registry = Registry::start(Persona::default());
    let mut client = connect(&registry);
    client.send_head(&large_head(FILE).basic("alice", "wrong")).unwrap();
    assert!(send_until_refused(&mut client) < LARGE, "the whole body was taken");
    let request = &registry.requests()[0];
    assert_eq!((request.status, request.body_bytes), (Some(401), 0));
}

#[test]
fn the_answer_to_a_large_body_can_be_read_by_a_client_that_stops_in_time() {
    let registry = Registry::start(Persona::default());
    let mut client = connect(&registry);
    client.send_head(&large_head(FILE).basic("alice", "wrong")).unwrap();
    let got = client.receive().unwrap();
    assert_eq!((got.status, got.header("connection")), (401, Some("close")));
    assert!(client.is_over());
}

#[test]
fn a_small_body_that_is_not_wanted_is_swallowed_and_the_connection_stays() {
    let registry = Registry::start(Persona::default());
    let mut client = connect(&registry);
    let refused = client.ask(&Ask::put(FILE, vec![0; 256 * 1024]).basic("alice", "wrong")).unwrap();
    assert_eq!((refused.status, refused.header("connection")), (401, None));
    let stored = client.ask(&signed(&registry, Ask::put(FILE, "hello\n"))).unwrap();
    assert_eq!(stored.status, 201);
}

#[test]
fn a_client_that_wants_no_second_answer_gets_the_end() {
    let registry = Registry::start(Persona::default());
    let mut client = connect(&registry);
    let got = client.ask(&Ask::new("GET", FILES).header("Connection", "close")).unwrap();
    assert_eq!((got.status, got.header("connection")), (404, Some("close")));
    assert!(client.is_over());
}

#[test]
fn a_body_that_breaks_off_stores_nothing() {
    let registry = Registry::start(Persona::default());
    let head = Ask::new("PUT", FILE).header("Content-Length", "10");
    let mut client = connect(&registry);
    client.send_head(&signed(&registry, head)).unwrap();
    client.write(b"four").unwrap();
    client.stop_sending().unwrap();
    assert!(client.is_over(), "an answer came");
    assert_eq!(registry.files("alice", "tool", "1.0"), []);
    let request = &registry.requests()[0];
    assert_eq!((request.body_bytes, request.status, request.finished.is_some()), (4, None, true));
}

#[test]
fn a_large_body_arrives_as_it_was_sent() {
    let registry = Registry::start(Persona::default());
    let bytes: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_le_bytes).collect();
    assert_eq!(ask(&registry, Ask::put(FILE, bytes.clone())).status, 201);
    assert_eq!(registry.read("alice", "tool", "1.0", "a.txt").as_ref(), Some(&bytes));
    let path = registry.path_of("alice", "tool", "1.0", "a.txt").unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 20_000_000);
    assert_eq!(ask(&registry, Ask::new("GET", FILE)).body, bytes);
    drop(registry);
    assert!(!path.exists());
}

#[test]
fn uploads_that_run_at_the_same_time_are_counted() {
    let registry = Registry::start(Persona::default());
    let together = Arc::new(Barrier::new(6));
    let meet = Action::then(move |_| {
        together.wait();
    });
    registry.add_fault(Fault::always(Match::put(""), Point::BeforeStore, meet));
    thread::scope(|scope| {
        for name in ["a", "b", "c", "d", "e", "f"] {
            let path = format!("/api/packages/alice/generic/tool/1.0/{name}");
            let registry = &registry;
            scope.spawn(move || assert_eq!(ask(registry, Ask::put(&path, name)).status, 201));
        }
    });
    assert_eq!(registry.max_uploads_in_flight(), 6);
    registry.clear_faults();
    registry.clear_requests();
    for name in ["g", "h", "i"] {
        ask(&registry, Ask::put(&format!("/api/packages/alice/generic/tool/1.0/{name}"), name));
        ask(&registry, Ask::new("GET", FILES));
    }
    assert_eq!(registry.max_uploads_in_flight(), 1);
    assert_eq!(registry.requests().len(), 6);
}

#[test]
fn everything_lives_under_the_sub_path() {
    let registry = Registry::start_with(Options { path_prefix: "/git".to_owned(), ..Options::default() });
    assert!(registry.url().ends_with("/git"));
    assert_eq!(ask(&registry, Ask::put(&format!("/git{FILE}"), "x")).status, 201);
    assert_eq!(ask(&registry, Ask::put(FILE, "x")).status, 404);
    assert_eq!(ask(&registry, Ask::new("GET", &format!("/git{}", FILES.trim_start_matches('/')))).status, 404);
    let list = ask(&registry, Ask::new("GET", "/git/api/v1/packages/alice?q=too")).text();
    assert!(list.contains(&format!("\"{}/alice/-/packages/generic/tool/1.0\"", registry.url())), "{list}");
    registry.rename_user("alice", "alicia");
    let moved = ask(&registry, Ask::put(&format!("/git{FILE}?x=1"), "x"));
    let location = format!("/git{}?x=1", FILE.replace("alice", "alicia"));
    assert_eq!((moved.status, moved.header("location")), (307, Some(location.as_str())));
}

#[test]
fn long_lists_have_pages() {
    let registry = Registry::start(Persona::default());
    for version in 0..7 {
        registry.seed("alice", "tool", &format!("{version}"), "a", b"a");
    }
    let got = ask(&registry, Ask::new("GET", "/api/v1/packages/alice?page=2&q=to%20o&limit=3"));
    assert_eq!((got.text().as_str(), got.header("x-total-count")), ("[]", Some("0")));
    let got = ask(&registry, Ask::new("GET", "/api/v1/packages/alice?page=2&q=OO&limit=3"));
    assert_eq!(got.text().matches("\"version\"").count(), 3);
    assert_eq!(got.header("x-total-count"), Some("7"));
}

#[test]
fn a_revoked_token_is_worth_nothing_and_forgejo_15_repeats_an_unknown_one() {
    let registry = Registry::start(Persona::Forgejo15);
    registry.revoke("alice_write");
    assert_eq!(ask(&registry, Ask::put(FILE, "x")).status, 401);
    let secret = registry.token("alice_write");
    let bearer = Ask::new("GET", FILES).header("Authorization", &format!("Bearer {secret}"));
    let got = connect(&registry).ask(&bearer).unwrap();
    assert!(got.status == 401 && got.text().contains(&secret), "{}", got.text());
}

#[test]
fn secrets_look_real_and_differ() {
    let mut secrets: Vec<String> = Vec::new();
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        assert_eq!(Persona::from_name(persona.name()), Some(persona));
        secrets.extend(registry.world().secrets().into_iter().map(|(_, secret)| secret));
        let token = registry.token("alice_write");
        assert!(token.len() == 40 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    let count = secrets.len();
    secrets.sort();
    secrets.dedup();
    assert_eq!(secrets.len(), count);
}

#[test]
fn what_is_no_request_is_refused() {
    let registry = Registry::start(Persona::default());
    for nonsense in ["HELLO\r\n\r\n", "GET /%zz HTTP/1.1\r\n\r\n", "PUT / HTTP/1.1\r\nContent-Length: some\r\n\r\n"] {
        let mut client = connect(&registry);
        client.write(nonsense.as_bytes()).unwrap();
        assert_eq!(client.receive().unwrap().status, 400);
    }
}

#[test]
fn a_dropped_registry_ends_its_connections() {
    let registry = Registry::start(Persona::default());
    let mut client = connect(&registry);
    assert_eq!(client.ask(&signed(&registry, Ask::put(FILE, "hello\n"))).unwrap().status, 201);
    drop(registry);
    assert!(client.is_over());
}
