//! Each point and each action of the scripts.

use std::io;

use serde_json::Value;

use crate::behaviour::{FILE, FILES, LARGE, ask, connect, large_head, send_until_refused, signed};
use crate::client::Ask;
use crate::replay::recording_of;
use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

pub(crate) fn scripted(on: Match, at: Point, action: Action) -> Registry {
    let registry = Registry::start(Persona::default());
    registry.add_fault(Fault::once(on, at, action));
    registry
}

pub(crate) fn names(registry: &Registry) -> Vec<String> {
    registry.files("alice", "tool", "1.0").into_iter().map(|file| file.name).collect()
}

/// Asks on a connection of its own, where the connection must break.
fn broken(registry: &Registry, ask: Ask) -> io::ErrorKind {
    let error = connect(registry).ask(&signed(registry, ask)).expect_err("the connection broke").kind();
    let last = registry.requests().pop().unwrap();
    assert_eq!((last.status, last.finished.is_some()), (None, true));
    error
}

#[test]
fn a_connection_breaks_at_its_point_and_what_was_done_until_then_stays() {
    for (at, action, read, stored) in [
        (Point::Head, Action::Reset, 0, 0),
        (Point::RequestByte(5), Action::Close, 5, 0),
        // The last byte of a body is a point too.
        (Point::RequestByte(10), Action::Reset, 10, 0),
        (Point::BeforeStore, Action::Close, 10, 0),
        (Point::AfterStore, Action::Reset, 10, 1),
    ] {
        let kind = match action {
            Action::Reset => io::ErrorKind::ConnectionReset,
            _ => io::ErrorKind::UnexpectedEof,
        };
        let registry = scripted(Match::put("a.txt"), at, action);
        let error = broken(&registry, Ask::put(FILE, "0123456789"));
        // What the client has sent and nobody read makes a reset of a close.
        assert!(error == kind || at == Point::RequestByte(5), "{at:?}: {error:?}");
        assert_eq!((registry.requests()[0].body_bytes, names(&registry).len()), (read, stored), "{at:?}");
        let again = if stored > 0 { 409 } else { 201 };
        assert_eq!(ask(&registry, Ask::put(FILE, "0123456789")).status, again, "{at:?}");
    }
    // A point beyond the body is not reached.
    let registry = scripted(Match::put(""), Point::RequestByte(11), Action::Close);
    assert_eq!(ask(&registry, Ask::put(FILE, "0123456789")).status, 201);
}

#[test]
fn a_hang_until_the_client_gives_up() {
    for at in [Point::Head, Point::RequestByte(3), Point::BeforeStore, Point::AfterStore, Point::AnswerByte(0)] {
        let registry = scripted(Match::put(""), at, Action::Hang);
        let mut client = connect(&registry);
        client.send(&signed(&registry, Ask::put(FILE, "hello\n"))).unwrap();
        while registry.requests().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(ask(&registry, Ask::new("GET", "/api/v1/packages/alice")).status, 200, "others are served");
        assert_eq!(registry.requests()[0].finished, None, "{at:?}: it still runs");
        client.stop_sending().unwrap();
        if at == Point::AnswerByte(0) {
            assert_eq!(client.receive().unwrap().status, 201, "the head of the answer comes before its first byte");
        }
        assert!(client.is_over(), "{at:?}: an answer came");
        assert_eq!(registry.requests()[0].status, None, "{at:?}");
    }
}

#[test]
fn an_answer_of_a_proxy_in_place_of_the_registrys() {
    let page = Answer::html(502, "<h1>Bad Gateway</h1>").header("Server", "nginx");
    for (at, stored) in
        [(Point::Head, false), (Point::RequestByte(2), false), (Point::BeforeStore, false), (Point::AfterStore, true)]
    {
        let registry = scripted(Match::put(""), at, Action::Answer(page.clone()));
        let mut client = connect(&registry);
        let got = client.ask(&signed(&registry, Ask::put(FILE, "hello\n"))).unwrap();
        assert_eq!((got.status, got.text().as_str()), (502, "<h1>Bad Gateway</h1>"), "{at:?}");
        assert_eq!((got.header("server"), got.header("content-type")), (Some("nginx"), Some("text/html")));
        assert_eq!(names(&registry).len(), usize::from(stored), "{at:?}");
        assert_eq!(registry.requests()[0].status, Some(502));
        let again = client.ask(&signed(&registry, Ask::put(FILE, "hello\n"))).unwrap();
        assert_eq!(again.status, if stored { 409 } else { 201 }, "{at:?}: the connection stays");
    }
}

#[test]
fn an_early_answer_of_a_proxy_breaks_a_large_body() {
    for at in [Point::Head, Point::RequestByte(100_000)] {
        let registry = scripted(Match::put(""), at, Action::Answer(Answer::html(413, "too large")));
        let mut client = connect(&registry);
        client.send_head(&signed(&registry, large_head(FILE))).unwrap();
        assert!(send_until_refused(&mut client) < LARGE, "{at:?}: the whole body was taken");
        let request = &registry.requests()[0];
        assert_eq!(request.status, Some(413));
        assert_eq!(Point::RequestByte(request.body_bytes) == at, at != Point::Head);
    }
}

#[test]
fn an_answer_cut_in_its_body() {
    for (cut, action) in [(0, Action::Close), (10, Action::Close), (10, Action::Answer(Answer::empty(500)))] {
        let registry = scripted(Match::list(), Point::AnswerByte(cut), action);
        registry.seed("alice", "tool", "1.0", "a.txt", b"hello\n");
        assert_eq!(broken(&registry, Ask::new("GET", FILES)), io::ErrorKind::UnexpectedEof);
    }
    let registry = scripted(Match::get(""), Point::AnswerByte(100_000), Action::Reset);
    registry.seed("alice", "tool", "1.0", "a.txt", &vec![7; 200_000]);
    broken(&registry, Ask::new("GET", FILE));
    assert_eq!(ask(&registry, Ask::new("GET", FILE)).body.len(), 200_000);
}

#[test]
fn an_answer_in_chunks_whose_end_is_missing() {
    let registry = Registry::start(Persona::default());
    for number in 0..9 {
        registry.seed("alice", "tool", "1.0", &format!("{number}"), b"hello\n");
    }
    let whole = ask(&registry, Ask::new("GET", FILES));
    assert_eq!(whole.header("transfer-encoding"), Some("chunked"));
    for cut in [1, whole.body.len() as u64] {
        registry.add_fault(Fault::once(Match::list(), Point::AnswerByte(cut), Action::Close));
        assert_eq!(broken(&registry, Ask::new("GET", FILES)), io::ErrorKind::UnexpectedEof);
    }
    registry.add_fault(Fault::once(Match::list(), Point::AnswerByte(whole.body.len() as u64 + 1), Action::Close));
    assert_eq!(ask(&registry, Ask::new("GET", FILES)).body, whole.body, "a point beyond the end is not reached");
}

#[test]
fn a_store_that_keeps_other_bytes() {
    for body in ["hello\n", ""] {
        let registry = scripted(Match::put(""), Point::BeforeStore, Action::CorruptUpload);
        assert_eq!(ask(&registry, Ask::put(FILE, body)).status, 201);
        let stored = registry.read("alice", "tool", "1.0", "a.txt").unwrap();
        assert_ne!(stored, body.as_bytes());
        let list = ask(&registry, Ask::new("GET", FILES)).text();
        assert!(list.contains(&registry.files("alice", "tool", "1.0")[0].sha256));
        assert_eq!(ask(&registry, Ask::new("GET", FILE)).body, stored);
    }
}

#[test]
fn the_world_changes_while_an_upload_runs() {
    let another_job = Action::then(|world| world.seed("alice", "tool", "1.0", "A.txt", b"of another job\n"));
    let registry = scripted(Match::put("a.txt"), Point::BeforeStore, another_job);
    assert_eq!(ask(&registry, Ask::put(FILE, "hello\n")).status, 409);
    assert_eq!(registry.read("alice", "tool", "1.0", "a.txt").unwrap(), b"of another job\n");

    let registry = scripted(Match::put(""), Point::RequestByte(3), Action::then(|world| world.revoke("alice_write")));
    assert_eq!(ask(&registry, Ask::put(FILE, "hello\n")).status, 201, "a token is looked at once");
    assert_eq!(ask(&registry, Ask::put(FILE, "hello\n")).status, 401);

    let registry = scripted(Match::list(), Point::Head, Action::then(|world| world.rename_user("alice", "alicia")));
    assert_eq!(ask(&registry, Ask::new("GET", FILES)).status, 307);

    let registry = scripted(
        Match::list(),
        Point::AfterStore,
        Action::then(|world| {
            world.delete("alice", "tool", "1.0", "a.txt");
        }),
    );
    registry.seed("alice", "tool", "1.0", "a.txt", b"hello\n");
    assert_eq!(ask(&registry, Ask::new("GET", FILES)).status, 200);
    assert_eq!(ask(&registry, Ask::new("GET", FILES)).status, 404);
}

#[test]
fn faults_take_turns() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "tool", "1.0", "a.txt", b"hello\n");
    let answer = |status| Action::Answer(Answer::text(status, ""));
    registry.add_fault(Fault::once(Match::list(), Point::Head, answer(500)).skip(1).times(2));
    registry.add_fault(Fault::once(Match::any().containing("/files"), Point::Head, answer(503)).skip(1));
    registry.add_fault(Fault::once(Match::version(), Point::Head, answer(504)));
    registry.add_fault(Fault::always(Match::get(""), Point::AfterStore, answer(502)));
    // The second fault counts the first request and, the two taken by the first fault left out, acts on the fourth.
    let statuses: Vec<u16> = (0..5).map(|_| ask(&registry, Ask::new("GET", FILES)).status).collect();
    assert_eq!(statuses, [200, 500, 500, 503, 200]);
    let version = FILES.trim_end_matches("/files");
    let statuses: Vec<u16> = (0..2).map(|_| ask(&registry, Ask::new("GET", version)).status).collect();
    assert_eq!(statuses, [504, 200]);
    let statuses: Vec<u16> = (0..3).map(|_| ask(&registry, Ask::new("GET", FILE)).status).collect();
    assert_eq!(statuses, [502; 3]);
    registry.clear_faults();
    assert_eq!(ask(&registry, Ask::new("GET", FILE)).status, 200);
}

#[test]
fn faults_for_different_points_of_a_request_all_act() {
    let registry = scripted(Match::put(""), Point::BeforeStore, Action::then(|world| world.revoke("alice_read")));
    registry.add_fault(Fault::once(Match::put(""), Point::AfterStore, Action::Answer(Answer::json(504, "{}"))));
    assert_eq!(ask(&registry, Ask::put(FILE, "hello\n")).status, 504);
    let ask = Ask::new("GET", FILE).basic("alice", &registry.token("alice_read"));
    assert_eq!(connect(&registry).ask(&ask).unwrap().status, 401);
}

#[test]
fn a_full_disk_is_answered_as_the_servers_own_failures_are() {
    for persona in Persona::all() {
        let recording = recording_of(persona);
        let is_failure = |case: &&Value| case["id"] == "put-content-type-application-x-www-form-urlencoded";
        let failure = recording["cases"].as_array().unwrap().iter().find(is_failure).unwrap()["response"].clone();
        let registry = Registry::start(persona);
        let full = Action::Answer(Answer::internal_error(persona));
        registry.add_fault(Fault::once(Match::put(""), Point::BeforeStore, full));
        let got = ask(&registry, Ask::put(FILE, "hello\n"));
        let recorded = (&failure["status"], failure["body"].as_str().unwrap_or_default());
        assert_eq!((&got.status.into(), got.text().as_str()), recorded, "{persona:?}");
        assert_eq!(got.header("content-type"), failure["headers"]["content-type"].as_str(), "{persona:?}");
        assert_eq!(names(&registry), [""; 0], "{persona:?}");
    }
}

#[test]
fn a_good_answer_behind_which_nothing_was_stored() {
    let registry = scripted(Match::put(""), Point::BeforeStore, Action::Answer(Answer::empty(201)));
    assert_eq!(ask(&registry, Ask::put(FILE, "hello\n")).status, 201);
    assert_eq!(names(&registry), [""; 0]);
}

#[test]
fn a_deletion_whose_answer_is_lost_has_acted_and_one_that_fails_has_not() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "tool", "1.0", "a.txt", b"hello\n");
    let fails = Action::Answer(Answer::internal_error(registry.persona()));
    registry.add_fault(Fault::once(Match::delete("a.txt"), Point::BeforeStore, fails));
    assert_eq!(ask(&registry, Ask::new("DELETE", FILE)).status, 500);
    assert_eq!(names(&registry), ["a.txt"]);
    registry.add_fault(Fault::once(Match::delete("a.txt"), Point::AfterStore, Action::Reset));
    assert_eq!(broken(&registry, Ask::new("DELETE", FILE)), io::ErrorKind::ConnectionReset);
    assert_eq!(names(&registry), [""; 0]);
}

#[test]
fn a_registry_tells_which_faults_have_acted_and_how_often() {
    let registry = Registry::start(Persona::default());
    let faults = [
        Fault::always(Match::put(""), Point::RequestByte(7), Action::Close),
        Fault::always(Match::list(), Point::Head, Action::Answer(Answer::empty(503))).times(2).skip(1),
        Fault::always(Match::put(""), Point::Head, Action::then(|_| {})),
        Fault::always(Match::put("b.txt"), Point::Head, Action::CorruptUpload),
    ];
    for fault in &faults {
        registry.add_fault(fault.clone());
    }
    ask(&registry, Ask::put(FILE, "short"));
    for _ in 0..4 {
        ask(&registry, Ask::new("GET", FILES));
    }
    ask(&registry, Ask::put(&FILE.replace("a.txt", "b.txt"), "short"));
    ask(&registry, Ask::put(&FILE.replace("a.txt", "b.txt"), "409"));
    registry.clear_faults();
    let [_, answers, hook, spoils] = faults.map(|fault| format!("{fault:?}"));
    let acted: Vec<String> = registry.acted_faults().iter().map(|fault| format!("{fault:?}")).collect();
    assert_eq!(acted, [hook.clone(), answers.clone(), answers, hook.clone(), spoils, hook]);
}

#[test]
fn a_fault_is_printed_with_its_bytes_as_text() {
    let raw = Fault::once(Match::list(), Point::AnswerByte(3), Action::Raw(b"\0 \"half".to_vec()));
    let printed = format!("{raw:?}");
    assert!(printed.contains(r#"at: AnswerByte(3), action: Raw(b"\x00 \"half"), times: 1, skip: 0"#), "{printed}");
    let answer = Action::Answer(Answer::html(502, "<p>\n"));
    let headers = r#"[("Content-Type", "text/html")]"#;
    assert_eq!(
        format!("{answer:?}"),
        format!(r#"Answer(Answer {{ status: 502, headers: {headers}, body: b"<p>\n" }})"#)
    );
}

#[test]
fn a_file_whose_bytes_are_changed_on_the_way_is_stored_as_it_was() {
    let registry = scripted(Match::get("a.txt"), Point::Head, Action::CorruptDownload);
    registry.seed("alice", "tool", "1.0", "a.txt", b"hello\n");
    let got = ask(&registry, Ask::new("GET", FILE).header("Range", "bytes=1-"));
    assert_eq!((got.status, got.body), (206, b"\x9allo\n".to_vec()));
    assert_eq!(ask(&registry, Ask::new("GET", FILE)).body, b"hello\n");
    assert_eq!(registry.requests().iter().map(|request| request.answer_bytes).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(registry.acted_faults().len(), 1);
}
