//! Whatever a server answers, the program ends in order: with an exit code, a log that commands nobody, a hint for each
//! error, and no claim that the registry does not bear out.
//!
//! Each answer is a good one that was mutated, from a seed that a failure prints.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use fastrand::Rng;

use crate::harness::Job;

/// The number of responses of each kind.
const ANSWERS: u64 = 60;

/// The text that mutations insert: invalid input for parsers, and commands for runners and terminals.
const PIECES: &[&str] = &[
    "",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "-1",
    "1e999",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "\u{0}",
    "\r\n",
    "\n::error::x",
    "\u{1b}[31m",
    "\u{202e}",
    "<title>",
    "</title>",
    "<!--",
    "&#58;",
    "\u{feff}",
    "true",
    "\"name\":1",
    "%",
    "%00",
];

fn mutated(rng: &mut Rng, good: &str) -> Vec<u8> {
    let mut bytes = good.as_bytes().to_vec();
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..=bytes.len());
        let end = (at + rng.usize(..8)).min(bytes.len());
        match rng.u8(..4) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..end, rng.choice(PIECES).expect("there are some").bytes())),
            2 => bytes.truncate(at),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.u8(..)),
        }
    }
    bytes
}

fn header(rng: &mut Rng) -> (&'static str, String) {
    let name =
        *rng.choice(&["Retry-After", "Location", "Content-Type", "Content-Encoding", "Set-Cookie"]).expect("some");
    let good = match name {
        "Retry-After" => "Sun, 06 Nov 1994 08:49:37 GMT",
        "Location" => "http://elsewhere.example.com:80/api/packages/bob/generic/widget/v1.0.0/a?x#y",
        "Content-Type" => "application/json; charset=utf-8",
        _ => "gzip",
    };
    // What no HTTP library would write is tested as raw bytes.
    let text = String::from_utf8_lossy(&mutated(rng, good)).replace(|c: char| c.is_control() || !c.is_ascii(), "");
    (name, text)
}

/// The release of one file, with every request of that kind answered so.
fn survives(kind: &str, on: &Match, good: &str, answer: impl Fn(&mut Rng, Vec<u8>) -> Action) {
    for seed in 0..ANSWERS {
        let mut rng = Rng::with_seed(seed);
        let body = mutated(&mut rng, good);
        let action = answer(&mut rng, body);
        let told = format!("{kind}, seed {seed}: {action:?}");
        let registry = Registry::start(Persona::default());
        // A list that was hardly mutated tells of the file, so it has to be there.
        if *on == Match::list() {
            registry.seed("alice", "widget", "v1.0.0", "a", b"1");
        }
        registry.add_fault(Fault::always(on.clone(), Point::Head, action));
        let mut job = Job::new(&registry);
        job.file("dist/a", "1").input("retries", "1");
        let ran = job.run_with_short_waits();
        let is_there = registry.read("alice", "widget", "v1.0.0", "a").is_some();
        let status = ran.statuses()["a"].clone();
        match ran.code {
            Some(0) => assert!(is_there && status != "failed", "{told}\n{}", ran.log),
            Some(1) => drop(ran.has_a_hint_for_each_error()),
            other => panic!("{told}: exit code {other:?}"),
        }
        assert!(is_there || status == "failed" || status == "unknown" || status == "not-attempted", "{told}");
    }
}

const STATUSES: &[u16] = &[200, 201, 204, 206, 299, 301, 307, 400, 401, 403, 404, 409, 413, 429, 500, 502, 503, 599];

fn any_answer(rng: &mut Rng, body: Vec<u8>) -> Action {
    let status = *rng.choice(STATUSES).expect("there are some");
    let answer = match rng.u8(..3) {
        0 => Answer::json(status, body),
        1 => Answer::html(status, body),
        _ => Answer::text(status, body),
    };
    let (name, value) = header(rng);
    Action::Answer(answer.header(name, &value))
}

fn raw_answer(_: &mut Rng, bytes: Vec<u8>) -> Action {
    Action::Raw(bytes)
}

const LIST: &str = r#"[{"id":1,"Size":1,"name":"a","md5":"x","sha256":"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"}]"#;
const VERSION: &str = r#"{"id":1,"name":"widget","version":"v1.0.0","html_url":"http://git.example.com/alice/-/packages/generic/widget/v1.0.0"}"#;
const ERROR: &str = r#"{"message":"token does not have at least one of required scope(s): [read:package]","url":"http://x/api/swagger"}"#;
const PAGE: &str = "<!DOCTYPE html><html><head><title>Sign in &amp; go on</title></head><body>x</body></html>";
const HTTP: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nRetry-After: 1\r\n\r\n[]";

#[test]
fn any_list_ends_the_run_in_order() {
    let as_list = |_: &mut Rng, body: Vec<u8>| Action::Answer(Answer::json(200, body));
    survives("list", &Match::list(), LIST, as_list);
}

#[test]
fn any_answer_to_the_list_call_ends_the_run_in_order() {
    survives("list call", &Match::list(), ERROR, any_answer);
}

#[test]
fn any_answer_to_an_upload_ends_the_run_in_order() {
    survives("upload", &Match::put(""), PAGE, any_answer);
}

#[test]
fn any_version_ends_the_run_in_order() {
    let as_version = |_: &mut Rng, body: Vec<u8>| Action::Answer(Answer::json(200, body));
    survives("version", &Match::version(), VERSION, as_version);
}

#[test]
fn any_bytes_in_place_of_http_ends_the_run_in_order() {
    survives("bytes for a list", &Match::list(), HTTP, raw_answer);
    survives("bytes for an upload", &Match::put(""), HTTP, raw_answer);
}
