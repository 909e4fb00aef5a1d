//! Tests the timeouts and their messages.

use std::net::TcpListener;
use std::time::Duration;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::downloading::release;
use crate::harness::{Job, Ran};
use crate::package::{answers, seed};

/// A job that publishes one file, and waits for a second at most.
fn job(registry: &Registry, content: &[u8]) -> Job {
    let mut job = Job::new(registry);
    job.file("dist/app", content).input("timeout", "1");
    job
}

/// Three times as long as may be waited for, in pieces that each come soon enough.
fn drip(bytes: u64) -> Action {
    Action::drip(30, bytes, Duration::from_millis(100))
}

/// The error says what it waited for, and which input makes that longer.
#[track_caller]
fn times_out(ran: Ran, cause: &str) {
    let ran = ran.exits_with(1).has_a_hint_for_each_error().has_codes(&["timeout"]);
    ran.says(&format!("caused by: {cause}")).says("set `timeout` to more than 1");
}

#[test]
fn a_connection_that_takes_too_long_is_the_reason() {
    // The system accepts connections, and nobody says a word of TLS.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry, b"content");
    job.input("server-url", format!("https://{}", listener.local_addr().expect("an address")));
    times_out(job.run(), "no connection to the server within 1 s");
}

#[test]
fn an_upload_that_the_server_stops_reading_is_the_reason() {
    let registry = Registry::start(Persona::default());
    // More than the buffers of a connection hold.
    let job = job(&registry, &vec![7; 32 << 20]);
    registry.add_fault(Fault::always(Match::put("/app"), Point::RequestByte(1 << 20), Action::Hang));
    times_out(job.run(), "no data could be sent to the server for 1 s");
}

#[test]
fn a_response_that_does_not_begin_or_stops_is_the_reason() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("other", "listed")]);
    let job = job(&registry, b"content");
    for (call, point, cause) in [
        (Match::list(), Point::Head, "no response from the server for 1 s"),
        (Match::list(), Point::AnswerByte(1), "no more data from the server for 1 s"),
    ] {
        registry.clear_faults();
        registry.add_fault(Fault::always(call, point, Action::Hang));
        times_out(job.run(), cause);
    }
    // The program waits for this one 300 s, and the library is told to wait for a second.
    registry.clear_faults();
    registry.add_fault(Fault::always(Match::put("/app"), Point::BeforeStore, Action::Hang));
    times_out(job.run_with_short_waits(), "no response from the server for 1 s");
}

#[test]
fn the_response_to_a_question_ends_in_time_or_is_an_error() {
    let registry = release(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "SHA256SUMS", &[b'0'; 300]);
    for (call, point) in [
        (Match::list(), Point::AnswerByte(0)),
        (Match::versions(), Point::AnswerByte(0)),
        (Match::get("SHA256SUMS"), Point::AnswerByte(0)),
    ] {
        registry.clear_faults();
        registry.add_fault(Fault::always(call, point, drip(10)));
        let mut job = Job::downloading(&registry);
        job.input("checksums", "SHA256SUMS");
        times_out(job.run_with_short_waits(), "the response of the server was not complete after 1 s");
    }
}

#[test]
fn the_page_of_an_error_is_not_read_for_longer_than_the_timeout() {
    let registry = Registry::start(Persona::default());
    // What comes too late is not shown.
    let page = format!("{}<title>late words</title>", " ".repeat(290));
    for (call, status, told) in [
        (Match::list(), 200, "200 OK"),
        (Match::list(), 403, "403 Forbidden"),
        (Match::put("/app"), 502, "502 Bad Gateway"),
    ] {
        registry.clear_faults();
        let answer = Answer::html(status, page.as_str());
        answers(&registry, call.clone(), answer);
        registry.add_fault(Fault::always(call, Point::AnswerByte(0), drip(10)));
        let ran = job(&registry, b"content").run().exits_with(1).has_a_hint_for_each_error();
        ran.says(&format!("caused by: {told}")).does_not_say("late words");
    }
}

#[test]
fn a_file_that_comes_slowly_is_waited_for() {
    let registry = release(Persona::default());
    registry.add_fault(Fault::always(Match::get("/app"), Point::AnswerByte(0), drip(10_000)));
    let mut job = Job::downloading(&registry);
    job.input("files", "app").run_with_short_waits().exits_with(0);
}
