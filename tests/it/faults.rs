//! Faults of server and connection at each place of a run: which of them heal, which end the run, and with how many
//! requests.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::{Event, Job, RETRY, Ran};
use crate::package::{another_job_deletes, another_job_publishes, answers, count, put, read, script, seed};

/// A release of three files, one of them large enough that write access is checked.
fn release(registry: &Registry) -> Job {
    let mut job = Job::publishing(registry, &[("first", "1"), ("second", "22222")]);
    job.file("dist/third", vec![b'3'; (1 << 20) + 1]).input("retries", "3");
    job
}

/// Like `release`, but `first` exists with different content, and is replaced.
fn replacing_release(registry: &Registry) -> Job {
    seed(registry, "v1.0.0", &[("first", "what was there")]);
    let mut job = release(registry);
    job.input("if-file-exists", "overwrite");
    job
}

/// The release heals from a fault that it meets once, and the log says what it did.
fn heals(job: &Job, registry: &Registry, fault: Fault) -> Ran {
    let what = format!("{fault:?}");
    registry.add_fault(fault);
    let ran = job.run_with_short_waits();
    assert_eq!((ran.code, registry.acted_faults().len()), (Some(0), 1), "{what}:\n{}", ran.log);
    let signs =
        [RETRY, " but the registry has the identical file: ", " it is unclear whether ", " responds again after "];
    assert!(signs.iter().any(|sign| ran.log.contains(sign)), "{what} is not in the log:\n{}", ran.log);
    for name in ["first", "second", "third"] {
        let local = fs::read_to_string(job.workspace().join("dist").join(name)).expect("the local file");
        assert_eq!(read(registry, name).as_ref(), Some(&local), "{what}");
    }
    assert!(registry.requests().len() < 16, "{what}: too many requests");
    let again = job.run().exits_with(0);
    assert_eq!(again.statuses().into_values().collect::<Vec<_>>(), ["unchanged"; 3], "{what}");
    ran
}

fn answer(status: u16) -> Action {
    Action::Answer(Answer::text(status, ""))
}

fn page(status: u16) -> Action {
    Action::Answer(Answer::html(status, "<html><title>Not now</title></html>"))
}

fn later(status: u16) -> Action {
    Action::Answer(Answer::text(status, "").header("Retry-After", "1"))
}

/// The beginning of a good response, and then the end of the connection.
fn half_a_response() -> Action {
    Action::Raw(b"HTTP/1.1 20".to_vec())
}

/// The beginning of a TLS handshake.
fn no_http() -> Action {
    Action::Raw(b"\x16\x03\x01\x02\0\x01\0\x01".to_vec())
}

fn check() -> Match {
    put("%2A")
}

fn second() -> Match {
    put("second")
}

const FAILED: [&str; 3] = ["uploaded", "failed", "uploaded"];

/// The faults of any request. The server acts on none of them.
fn faults() -> Vec<(Point, Action)> {
    let actions = [
        Action::Reset,
        Action::Close,
        Action::Hang,
        half_a_response(),
        no_http(),
        answer(408),
        answer(425),
        later(429),
        answer(500),
        page(502),
        later(503),
        page(504),
        answer(507),
    ];
    actions.into_iter().map(|action| (Point::Head, action)).collect()
}

/// The faults of a request that changes something, before or after the server acts.
fn faults_of_a_change() -> Vec<(Point, Action)> {
    let both = [Action::Reset, Action::Close, Action::Hang, answer(500), page(502)];
    let before = [answer(408), answer(507)];
    let after = [half_a_response(), no_http(), page(504), page(200), answer(299)];
    let before = both.iter().cloned().chain(before).map(|action| (Point::BeforeStore, action));
    let after = both.iter().cloned().chain(after).map(|action| (Point::AfterStore, action));
    faults().into_iter().chain(before).chain(after).collect()
}

fn faults_of_a_list() -> Vec<(Point, Action)> {
    let within = [Action::Close, Action::Reset, Action::Hang].map(|action| (Point::AnswerByte(100), action));
    let bodies = [r#"[{"name":"fi"#, ""].map(|body| (Point::Head, Action::Answer(Answer::json(200, body))));
    faults().into_iter().chain(within).chain(bodies).collect()
}

fn faults_within_a_body() -> Vec<(Point, Action)> {
    let middle = [Action::Reset, Action::Close, Action::Hang, answer(500), later(503), page(502)];
    let resets = [1, 1 << 20].map(|byte| (Point::RequestByte(byte), Action::Reset));
    middle.map(|action| (Point::RequestByte(1 << 19), action)).into_iter().chain(resets).collect()
}

/// A release heals from each of these faults of the matching request after so many.
fn heals_from(faults: Vec<(Point, Action)>, release: fn(&Registry) -> Job, on: &Match, skip: usize) {
    for (at, action) in faults {
        let registry = Registry::start(Persona::default());
        heals(&release(&registry), &registry, Fault::once(on.clone(), at, action).skip(skip));
    }
}

#[test]
fn a_release_heals_from_each_fault_of_its_lists() {
    heals_from(faults(), release, &Match::list(), 0);
    heals_from(faults_of_a_list(), release, &Match::list(), 1);
}

#[test]
fn a_replacement_heals_from_each_fault_of_its_lists() {
    // At the start, after the uploads, before the deletion and after the replacement.
    for skip in [0, 1, 2, 3] {
        heals_from(faults_of_a_list(), replacing_release, &Match::list(), skip);
    }
}

#[test]
fn a_release_heals_from_each_fault_of_the_upload_that_creates_the_version() {
    heals_from(faults_of_a_change(), release, &put("first"), 0);
}

#[test]
fn a_release_heals_from_each_fault_of_another_upload() {
    heals_from(faults_of_a_change(), release, &second(), 0);
}

#[test]
fn a_release_heals_from_each_fault_of_a_large_upload() {
    heals_from(faults_of_a_change(), release, &put("third"), 0);
    heals_from(faults_within_a_body(), release, &put("third"), 0);
}

#[test]
fn a_replacement_heals_from_each_fault_of_the_check_of_write_access() {
    heals_from(faults(), replacing_release, &check(), 0);
    heals_from(vec![(Point::AnswerByte(2), Action::Reset)], replacing_release, &check(), 0);
}

#[test]
fn a_replacement_heals_from_each_fault_of_the_deletion() {
    heals_from(faults_of_a_change(), replacing_release, &Match::delete("/v1.0.0/first"), 0);
}

#[test]
fn a_replacement_heals_from_each_fault_of_its_upload() {
    heals_from(faults_of_a_change(), replacing_release, &put("first"), 0);
}

#[test]
fn a_pause_that_the_server_asks_for_may_be_a_date() {
    let registry = Registry::start(Persona::default());
    let pause = Answer::text(503, "").header("Retry-After", "Sun, 06 Nov 2094 08:49:37 GMT");
    let ran = heals(&release(&registry), &registry, Fault::once(Match::list(), Point::Head, Action::Answer(pause)));
    // The longest pause of this run is 4 ms.
    ran.has_retries(1).says("in 0.0 s").says("503 Service Unavailable");
}

fn once(on: Match, at: Point, action: Action) -> Fault {
    Fault::once(on, at, action)
}

fn always(on: Match, action: Action) -> Fault {
    Fault::always(on, Point::Head, action)
}

fn refused(status: u16, words: &str) -> Vec<Fault> {
    vec![always(second(), Action::Answer(Answer::text(status, words)))]
}

/// The response to the upload of `second` is lost, and so is something else.
fn lost(other: Fault) -> Vec<Fault> {
    vec![other, once(second(), Point::AfterStore, Action::Reset)]
}

#[test]
fn each_fault_has_its_outcome_and_costs_no_more_requests_than_needed() {
    const NOTHING: [&str; 3] = ["not-attempted"; 3];
    const UNKNOWN: [&str; 3] = ["unknown"; 3];
    let (before, after) = (Point::BeforeStore, Point::AfterStore);
    let publishes = |content| once(second(), before, another_job_publishes("v1.0.0", "second", content));
    let quota = || Action::Answer(Answer::text(413, "enforcePackagesQuota"));
    let revoke = Action::then(|world| world.revoke("alice_write"));
    let last_lists = |action| always(Match::list(), action).skip(1);
    // The faults, the codes of the errors, the statuses of the files, the number of retries in the log, and the number
    // of requests.
    let mut wrong = Vec::new();
    for (number, (faults, codes, statuses, retries, requests)) in [
        // A list that cannot be read at the start, or at the end.
        (vec![always(Match::list(), answer(503))], "server-unavailable", NOTHING, 3, 4),
        (vec![always(Match::list(), page(200))], "web-page", NOTHING, 0, 1),
        (vec![last_lists(answer(500))], "server-error not-verified", UNKNOWN, 3, 8),
        (vec![last_lists(page(200))], "web-page not-verified", UNKNOWN, 0, 6),
        // Refusals of one file. A page that may be of a proxy costs a probe.
        (refused(400, "invalid filename"), "invalid-file-name", FAILED, 0, 6),
        (refused(403, "package type size"), "file-too-large", FAILED, 0, 6),
        (refused(413, ""), "body-limit-exceeded", FAILED, 0, 6),
        (refused(404, "404 page not found"), "wrong-server-url", FAILED, 0, 7),
        // The server stores something else, or accepts a file and stores nothing.
        (vec![once(second(), before, Action::CorruptUpload)], "upload-mismatch", FAILED, 0, 6),
        (vec![once(second(), before, answer(201))], "not-listed", ["uploaded", "unknown", "uploaded"], 3, 9),
        // Another job publishes the file at the same time: different content, or identical content that is listed late.
        (vec![publishes("other")], "conflict", FAILED, 1, 6),
        (
            vec![publishes("22222"), once(Match::list(), Point::Head, Action::OutdatedList(1)).skip(1)],
            "",
            ["uploaded", "unchanged", "uploaded"],
            2,
            7,
        ),
        // The response is lost, and so are the lists, the token, or the file.
        (lost(last_lists(answer(500))), "server-error not-verified not-verified", UNKNOWN, 4, 10),
        (lost(once(second(), after, revoke)), "bad-token not-verified not-verified", UNKNOWN, 0, 7),
        (lost(once(second(), after, another_job_deletes("v1.0.0", "second"))), "", ["uploaded"; 3], 1, 10),
        // The check of write access finds a quota, but the file is listed.
        (lost(once(check(), Point::Head, quota())), "", ["uploaded"; 3], 0, 8),
        // A 502 is the reason if the check is no wiser, and otherwise what the check finds.
        (vec![always(second(), page(502)), always(check(), answer(418))], "server-unavailable", FAILED, 3, 20),
        (vec![always(second(), page(502)), always(check(), answer(500))], "server-unavailable", FAILED, 3, 20),
        (
            vec![always(put("first"), page(502)), always(check(), quota())],
            "quota-exceeded",
            ["failed", "not-attempted", "not-attempted"],
            0,
            5,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let registry = Registry::start(Persona::default());
        let scripted = faults.len();
        script(&registry, faults);
        let ran = release(&registry).input("concurrency", "1").run_with_short_waits();
        let numbers = |ran: &Ran| (ran.code, ran.log.matches(RETRY).count(), registry.requests().len());
        let found = (numbers(&ran), ran.codes.join(" "), ran.statuses().into_values().collect::<Vec<_>>());
        let code = Some(i32::from(!codes.is_empty()));
        let expected = ((code, retries, requests), codes.to_owned(), statuses.map(str::to_owned).to_vec());
        assert!(registry.acted_faults().len() >= scripted, "{number}: a fault is not met");
        if found != expected {
            wrong.push(format!("{number}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_status_that_is_final_is_not_retried() {
    for status in [400, 401, 403, 404, 405, 410, 411, 412, 413, 418, 422, 301, 302, 303, 307, 308] {
        let registry = Registry::start(Persona::default());
        let job = release(&registry);
        answers(&registry, put("first"), Answer::text(status, ""));
        let ran = job.run_with_short_waits().exits_with(1).has_a_hint_for_each_error().has_retries(0);
        assert_ne!(ran.statuses()["first"], "uploaded", "{status}");
        assert_eq!(count(&registry, "PUT v1.0.0/first"), 1, "{status}");
    }
}

#[test]
fn as_many_retries_are_made_as_the_input_says() {
    for retries in [0, 1, 4] {
        let registry = Registry::start(Persona::default());
        registry.add_fault(Fault::always(second(), Point::BeforeStore, answer(500)));
        let ran = release(&registry).input("retries", retries.to_string()).run_with_short_waits().exits_with(1);
        let ran = ran.has_retries(retries).has_statuses(&FAILED);
        assert_eq!(count(&registry, "PUT v1.0.0/second"), 1 + retries);
        if retries > 0 {
            ran.says(&format!("/second, {} attempts)", retries + 1));
        }
    }
}

/// Whether the server has ended a connection to that port that the other side still holds (`CLOSE_WAIT`).
fn holds_a_stale_connection(port: u16) -> bool {
    let sockets = fs::read_to_string("/proc/self/net/tcp").expect("Linux lists its sockets");
    let is_stale = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[2].ends_with(&format!(":{port:04X}")) && fields[3] == "08"
    };
    sockets.lines().skip(1).any(is_stale)
}

#[test]
fn a_stale_connection_costs_no_retry() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("first", "1")]);
    let mut job = release(&registry);
    // Between the list and the first upload the server ends its connections, as after a timeout of its own.
    let report = job.input("retries", "0").run_with_listener(|event| match event {
        Event::Unchanged => {
            registry.stop_listening();
            registry.resume_listening();
            while !holds_a_stale_connection(Job::address_of(&registry).port()) {
                std::thread::yield_now();
            }
        }
        Event::Retry => panic!("a request is retried"),
        Event::Progress { .. } | Event::Note(_) => {}
    });
    assert!(report.is_complete());
}

#[test]
fn a_server_that_refuses_connections_is_waited_for() {
    let registry = Registry::start(Persona::default());
    heals(&release(&registry), &registry, Fault::once(Match::any(), Point::Accept, Action::Reset));
    registry.stop_listening();
    let report = release(&registry).input("retries", "5").run_with_listener(|event| {
        if matches!(event, Event::Retry) {
            registry.resume_listening();
        }
    });
    assert!(report.is_complete());
}

#[test]
fn a_slow_transfer_is_not_broken_off() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("first", "1")]);
    let mut job = release(&registry);
    // Both take half as long again as the timeout.
    let slowly = |bytes| Action::drip(15, bytes, Duration::from_millis(100));
    registry.add_fault(once(Match::list(), Point::AnswerByte(0), slowly(20)));
    registry.add_fault(once(put("third"), Point::RequestByte(0), slowly(1 << 16)));
    job.input("retries", "0").input("timeout", "1").run().exits_with(0);
    assert_eq!(registry.acted_faults().len(), 2);
}

#[test]
fn a_file_that_changes_during_the_run_is_not_published() {
    type Change = fn(&Path) -> io::Result<()>;
    let replace = |path: &Path| {
        fs::write(path.with_extension("new"), "22222").and_then(|()| fs::rename(path.with_extension("new"), path))
    };
    let remove = |path: &Path| fs::remove_file(path);
    let retried = (second(), Point::BeforeStore, 1, FAILED);
    for (change, (on, at, retries, statuses)) in [
        ((|path| fs::write(path, "other")) as Change, retried.clone()),
        (|path| fs::write(path, "2222"), retried.clone()),
        (|path| fs::write(path, "222222"), retried.clone()),
        (replace, retried.clone()),
        (remove, retried),
        // Before it is uploaded for the first time.
        (remove, (Match::list(), Point::Head, 0, FAILED)),
        // It is gone when it is to be compared with the list, so it may be published.
        (remove, (second(), Point::AfterStore, 1, ["uploaded", "unknown", "uploaded"])),
    ] {
        let registry = Registry::start(Persona::default());
        let job = release(&registry);
        let path = job.workspace().join("dist/second");
        registry.add_fault(once(on, at, Action::then(move |_| change(&path).expect("the file can be changed"))));
        registry.add_fault(once(second(), at, if at == Point::AfterStore { Action::Reset } else { answer(500) }));
        let ran = job.run_with_short_waits().exits_with(1).has_a_hint_for_each_error().has_codes(&["file-changed"]);
        ran.has_retries(retries).has_statuses(&statuses);
        assert_eq!(read(&registry, "second").is_some(), at == Point::AfterStore);
    }
}

#[test]
fn a_file_that_is_gone_before_it_is_compared_with_the_list_is_no_success() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("second", "22222")]);
    let job = release(&registry);
    let path = job.workspace().join("dist/second");
    let remove = Action::then(move |_| fs::remove_file(&path).expect("the file is there"));
    registry.add_fault(once(Match::list(), Point::Head, remove));
    let ran = job.run_with_short_waits().exits_with(1).has_a_hint_for_each_error().has_codes(&["file-changed"]);
    ran.has_statuses(&["not-attempted", "failed", "not-attempted"]);
}
