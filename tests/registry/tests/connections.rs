//! Connections that are refused, that wait, and that end in what is no answer.

use std::io;
use std::time::Duration;

use crate::behaviour::{FILE, FILES, ask, connect, signed};
use crate::client::{Ask, Client};
use crate::faults::{names, scripted};
use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

/// Longer than any test.
const EVER: Duration = Duration::from_hours(1);

fn refusal(registry: &Registry) -> io::ErrorKind {
    Client::connect(&registry.url()).map(drop).expect_err("nobody listens").kind()
}

#[test]
fn a_connection_is_reset_before_a_byte_is_read_and_requests_use_up_no_turns_of_it() {
    let registry = Registry::start(Persona::default());
    registry.add_fault(Fault::once(Match::any(), Point::Accept, Action::Reset).skip(1));
    let mut first = connect(&registry);
    for _ in 0..3 {
        assert_eq!(first.ask(&signed(&registry, Ask::new("GET", FILES))).unwrap().status, 404);
    }
    assert_eq!(connect(&registry).receive().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(connect(&registry).ask(&signed(&registry, Ask::new("GET", FILES))).unwrap().status, 404);
    assert_eq!((registry.requests().len(), registry.acted_faults().len()), (4, 1));
}

#[test]
fn a_fault_for_some_requests_does_not_act_on_connections_nor_one_for_connections_on_requests() {
    let registry = scripted(Match::any().containing(""), Point::Accept, Action::Reset);
    assert_eq!(ask(&registry, Ask::new("GET", FILES)).status, 404);
    let mut client = connect(&registry);
    assert_eq!(client.ask(&signed(&registry, Ask::new("GET", FILES))).unwrap().status, 404);
    registry.add_fault(Fault::always(Match::any(), Point::Accept, Action::Close));
    assert_eq!(client.ask(&signed(&registry, Ask::new("GET", FILES))).unwrap().status, 404);
    assert!(registry.acted_faults().is_empty());
}

#[test]
fn a_connection_is_answered_unasked() {
    let registry = scripted(Match::any(), Point::Accept, Action::Answer(Answer::html(503, "full")));
    let mut client = connect(&registry);
    let got = client.receive().unwrap();
    assert_eq!((got.status, got.text().as_str(), got.header("connection")), (503, "full", Some("close")));
    assert!(client.is_over());
}

#[test]
fn a_connection_is_accepted_and_nothing_follows() {
    let registry = scripted(Match::any(), Point::Accept, Action::Hang);
    let mut client = connect(&registry);
    client.send(&Ask::new("GET", FILES)).unwrap();
    assert_eq!(ask(&registry, Ask::new("GET", FILES)).status, 404, "others are served");
    client.stop_sending().unwrap();
    assert!(client.is_over());
    assert_eq!(registry.requests().len(), 1);
}

#[test]
fn nobody_listens_until_somebody_does_again_on_the_same_port() {
    let registry = Registry::start(Persona::default());
    let mut idle = connect(&registry);
    assert_eq!(idle.ask(&signed(&registry, Ask::put(FILE, "hello\n"))).unwrap().status, 201);
    for _ in 0..3 {
        registry.stop_listening();
        registry.stop_listening();
        assert_eq!(refusal(&registry), io::ErrorKind::ConnectionRefused);
        assert!(idle.is_over());
        registry.resume_listening();
        registry.resume_listening();
        idle = connect(&registry);
        assert_eq!(idle.ask(&signed(&registry, Ask::put(FILE, "hello\n"))).unwrap().status, 409, "the world stays");
    }
}

#[test]
fn a_request_that_runs_when_nobody_listens_any_more_gets_its_answer_and_then_the_end() {
    let registry = Registry::start(Persona::default());
    let mut client = connect(&registry);
    client.send_head(&signed(&registry, Ask::put(FILE, "hello\n"))).unwrap();
    while registry.requests().is_empty() {
        std::thread::yield_now();
    }
    registry.stop_listening();
    client.write(b"hello\n").unwrap();
    assert_eq!(client.receive().unwrap().status, 201);
    assert!(client.is_over());
}

#[test]
fn an_upload_after_which_nobody_listens_until_somebody_asks_for_it_or_the_time_is_over() {
    let registry = scripted(Match::put(""), Point::AfterStore, Action::StopListening(EVER));
    assert_eq!(ask(&registry, Ask::put(FILE, "hello\n")).status, 201);
    assert_eq!(refusal(&registry), io::ErrorKind::ConnectionRefused);
    registry.resume_listening();
    let for_a_moment = Action::StopListening(Duration::from_millis(1));
    registry.add_fault(Fault::once(Match::put(""), Point::AfterStore, for_a_moment));
    assert_eq!(ask(&registry, Ask::put(FILE, "hello\n")).status, 409);
    while Client::connect(&registry.url()).is_err() {
        std::thread::yield_now();
    }
    assert_eq!(ask(&registry, Ask::put(FILE, "hello\n")).status, 409);
}

#[test]
fn half_an_answer_and_garbage_come_as_they_are_and_then_the_end() {
    for (at, stored) in [(Point::BeforeStore, 0), (Point::AfterStore, 1)] {
        for bytes in [&b"HTTP/1.1 201 Crea"[..], b"\x16\x03\x01\0\xff", b""] {
            let registry = scripted(Match::put(""), at, Action::Raw(bytes.to_vec()));
            let mut client = connect(&registry);
            client.send(&signed(&registry, Ask::put(FILE, "hello\n"))).unwrap();
            assert_eq!(client.rest(), bytes, "{at:?}");
            assert_eq!(names(&registry).len(), stored, "{at:?}");
            assert_eq!(registry.requests()[0].status, None);
        }
    }
}

#[test]
fn garbage_within_an_answer() {
    let registry = scripted(Match::list(), Point::AnswerByte(5), Action::Raw(b"\0\0".to_vec()));
    registry.seed("alice", "tool", "1.0", "a.txt", b"hello\n");
    let mut client = connect(&registry);
    client.send(&signed(&registry, Ask::new("GET", FILES))).unwrap();
    let got = client.rest();
    assert!(got.ends_with(b"\r\n\r\n[{\"id\0\0"), "{}", got.escape_ascii());
}

#[test]
fn an_answer_that_drips_stands_still_between_its_pieces_and_is_whole_in_the_end() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "tool", "1.0", "a.txt", b"0123456789");
    let drip = Action::drip(4, 3, Duration::from_millis(1));
    registry.add_fault(Fault::once(Match::get(""), Point::AnswerByte(0), drip));
    assert_eq!(ask(&registry, Ask::new("GET", FILE)).body, b"0123456789");
    assert_eq!(registry.acted_faults().len(), 1);

    let still = Fault::once(Match::get(""), Point::AnswerByte(4), Action::drip(1, 1, EVER));
    registry.add_fault(still);
    let mut client = connect(&registry);
    client.send(&signed(&registry, Ask::new("GET", FILE))).unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n0123") {
        seen.extend(client.bytes(1).unwrap());
    }
    drop(registry);
    assert_eq!(client.rest(), b"", "nothing came during the pause");
}

#[test]
fn a_body_is_read_slowly() {
    let registry = Registry::start(Persona::default());
    let slowly = Action::drip(5, 2, Duration::from_millis(1));
    registry.add_fault(Fault::once(Match::put(""), Point::RequestByte(0), slowly));
    assert_eq!(ask(&registry, Ask::put(FILE, "0123456789")).status, 201);
    assert_eq!(registry.read("alice", "tool", "1.0", "a.txt").unwrap(), b"0123456789");

    registry.add_fault(Fault::once(Match::put(""), Point::RequestByte(4), Action::drip(1, 1, EVER)));
    let mut client = connect(&registry);
    client.send(&signed(&registry, Ask::put(FILE, "0123456789"))).unwrap();
    while registry.acted_faults().len() < 2 {
        std::thread::yield_now();
    }
    let request = &registry.requests()[1];
    assert_eq!((request.body_bytes, request.finished), (4, None));
}

#[test]
fn an_answer_waits_and_others_are_served_meanwhile() {
    let registry = scripted(Match::put(""), Point::AfterStore, Action::drip(1, 1, EVER));
    let mut client = connect(&registry);
    client.send(&signed(&registry, Ask::put(FILE, "hello\n"))).unwrap();
    while registry.acted_faults().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(ask(&registry, Ask::put(FILE, "hello\n")).status, 409);
    drop(registry);
    assert_eq!(client.rest(), b"");
}

#[test]
fn other_faults_of_a_point_act_after_a_pause() {
    let registry = scripted(Match::put(""), Point::Head, Action::drip(1, 1, Duration::ZERO));
    registry.add_fault(Fault::once(Match::put(""), Point::Head, Action::Answer(Answer::empty(503))));
    registry.add_fault(Fault::once(Match::put(""), Point::Head, Action::Answer(Answer::empty(504))));
    let statuses = [503, 504, 201].map(|_| ask(&registry, Ask::put(FILE, "hello\n")).status);
    assert_eq!(statuses, [503, 504, 201]);
}

#[test]
fn an_early_answer_that_says_so_ends_the_connection() {
    let refusal = Answer::html(413, "too large").header("Connection", "close");
    let registry = scripted(Match::put(""), Point::Head, Action::Answer(refusal));
    let mut client = connect(&registry);
    assert_eq!(client.ask(&signed(&registry, Ask::put(FILE, "hello\n"))).unwrap().status, 413);
    assert!(client.is_over());
}
