//! Downloads that meet faults: of the way, of the server, and bytes that are not those that were promised.

use std::time::{Duration, SystemTime};

use embedded_registry::{Action, Answer, Fault, Match, Options, Persona, Point, Registry, Request};

use super::{asked, release, tools};
use crate::harness::Job;
use crate::stopping::holds;

/// A file of a megabyte in which no two stretches are the same.
fn large() -> Vec<u8> {
    (0..250_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

/// A registry with one large file, and a job that downloads it with one retry.
fn one_large() -> (Registry, Job) {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "large", &large());
    let mut job = Job::downloading(&registry);
    job.input("retries", "1");
    (registry, job)
}

/// The words for a file that is downloaded again because it was not what it should be.
const ANEW: &str = "again from the start";

/// The requests for files.
fn gets(registry: &Registry) -> Vec<Request> {
    registry.requests().into_iter().filter(|request| !request.target.contains("/api/v1/")).collect()
}

#[test]
fn a_transfer_that_breaks_goes_on_where_it_stopped() {
    for action in [Action::Reset, Action::Close, Action::Hang] {
        let (registry, job) = one_large();
        registry.add_fault(Fault::once(Match::get("large"), Point::AnswerByte(900_000), action));
        // No response is waited for longer than a second.
        let ran = job.run_with_short_waits().exits_with(0).has_retries(1);
        assert_eq!((tools(&job)["large"].clone(), ran.outputs["downloaded"].as_str()), (large(), "1"));
        let gets = gets(&registry);
        let range = gets[1].header("Range").expect("only the rest is asked for");
        assert!(gets[1].header("If-Range").is_some(), "if it still is the same");
        let start: u64 = range.trim_start_matches("bytes=").trim_end_matches('-').parse().expect("a number");
        // A reset may take with it what the system had not handed over.
        assert!(start > 0 && start <= 900_000, "{range}");
        assert_eq!((gets[1].status, gets[1].answer_bytes), (Some(206), 1_000_000 - start));
    }
}

#[test]
fn a_file_that_was_replaced_in_the_middle_comes_whole_or_not_at_all() {
    let (registry, job) = one_large();
    let replace = Action::then(|world| {
        world.delete("alice", "widget", "v1.0.0", "large");
        world.seed("alice", "widget", "v1.0.0", "large", &[b'x'; 10]);
    });
    registry.add_fault(Fault::once(Match::get("large"), Point::AnswerByte(500_000), replace));
    registry.add_fault(Fault::once(Match::get("large"), Point::AnswerByte(500_000), Action::Close));
    let ran = job.run_with_short_waits().exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["download-mismatch"]);
    assert_eq!((tools(&job).len(), ran.statuses()["large"].as_str()), (0, "failed"));
    // The next run sees the list anew.
    job.run_with_short_waits().exits_with(0);
    assert_eq!(tools(&job)["large"], b"xxxxxxxxxx");
}

#[test]
fn wrong_bytes_are_fetched_once_more_and_then_it_is_an_error_with_both_hashes() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.input("files", "a.txt").file("tools/a.txt", "what was here before");
    registry.add_fault(Fault::once(Match::get("a.txt"), Point::Head, Action::CorruptDownload));
    job.run().exits_with(0);
    assert_eq!(gets(&registry).len(), 2, "it starts again once");
    assert_eq!(tools(&job)["a.txt"], b"hello\n");

    job.file("tools/a.txt", "what was here before");
    registry.clear_requests();
    registry.add_fault(Fault::always(Match::get("a.txt"), Point::Head, Action::CorruptDownload));
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    let theirs = registry.files("alice", "widget", "v1.0.0")[0].sha256.clone();
    let ran = ran.has_codes(&["download-mismatch"]).says(&format!("(registry: {theirs}, downloaded: "));
    assert_eq!(gets(&registry).len(), 2);
    assert_eq!(ran.statuses()["a.txt"], "failed");
    assert_eq!(tools(&job), [("a.txt".to_owned(), b"what was here before".to_vec())].into());
    assert_eq!((ran.outputs["downloaded"].as_str(), ran.outputs["total-size"].as_str()), ("0", "0"));
}

#[test]
fn errors_of_the_server_are_retried_and_the_last_one_is_reported() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.input("retries", "2");
    for answer in
        [Answer::html(502, "<title>502 Bad Gateway</title>"), Answer::text(429, "slow down"), Answer::text(500, "")]
    {
        registry.add_fault(Fault::once(Match::any(), Point::Head, Action::Answer(answer.clone())));
        registry.add_fault(Fault::once(Match::get("app"), Point::Head, Action::Answer(answer)));
        job.run_with_short_waits().exits_with(0).says("(1/2)");
        assert_eq!(tools(&job).len(), 3);
        std::fs::remove_dir_all(job.workspace().join("tools")).expect("the folder can be removed");
    }
    registry.add_fault(Fault::always(
        Match::get("app"),
        Point::Head,
        Action::Answer(Answer::text(500, "internal server error")),
    ));
    let ran =
        job.run_with_short_waits().exits_with(1).has_a_hint_for_each_error().has_codes(&["server-error"]).says("`app`");
    // The others come all the same, and nothing is left of the one that does not.
    assert_eq!(tools(&job).into_keys().collect::<Vec<_>>(), ["a.txt", "empty"]);
    assert_eq!(ran.statuses()["app"], "failed");
    assert!(
        ran.summary.contains(
            "\n\nDownloaded 2 of 3 files from ` alice/widget v1.0.0 ` to ` tools `: 2 downloaded, 1 failed\n"
        ),
        "{}",
        ran.summary
    );
}

#[test]
fn a_slow_server_is_waited_for_as_long_as_bytes_move() {
    let (registry, job) = one_large();
    let drip = Action::drip(20, 50_000, Duration::from_millis(60));
    registry.add_fault(Fault::once(Match::get("large"), Point::AnswerByte(0), drip));
    job.run_with_short_waits().exits_with(0);
    assert_eq!((tools(&job)["large"].clone(), gets(&registry).len()), (large(), 1));
}

#[test]
fn a_server_that_knows_no_ranges_sends_the_whole_once_more() {
    let (registry, job) = one_large();
    registry.add_fault(Fault::once(Match::get("large"), Point::AnswerByte(500_000), Action::Close));
    let whole = Answer::empty(200).header("Content-Type", "application/octet-stream").with_body(large());
    registry.add_fault(Fault::once(Match::get("large"), Point::Head, Action::Answer(whole)).skip(1));
    job.run_with_short_waits().exits_with(0);
    assert_eq!((tools(&job)["large"].clone(), gets(&registry).len()), (large(), 2));
}

#[test]
fn a_range_that_is_none_of_the_file_starts_it_again() {
    let (clock, date) = stopped_clock();
    let rest = |range: &str, date: &str| {
        Answer::text(206, vec![b'x'; 500_000]).header("Content-Range", range).header("Last-Modified", date)
    };
    for answer in [
        Answer::text(416, "invalid range: failed to overlap"),
        Answer::text(416, "squeezed").header("Content-Encoding", "gzip"),
        rest("bytes 7-500006/1000000", &date),
        rest("bytes 500000-999999/77", &date),
        Answer { body: b"x".to_vec(), ..rest("bytes 500000-500000/*", &date) },
        // Object storage that does not know If-Range.
        rest("bytes 500000-999999/1000000", "Tue, 24 Nov 2026 00:00:00 GMT"),
        Answer::text(206, "x"),
    ] {
        for token in ["alice_write", ""] {
            let registry = Registry::start_with(Options { fixed_time: Some(clock), ..Options::default() });
            registry.seed("alice", "widget", "v1.0.0", "large", &large());
            let mut job = Job::downloading(&registry);
            job.input("retries", "1").input("version", "v1.0.0").input("files", "large");
            job.input("token", if token.is_empty() { String::new() } else { registry.token(token) });
            registry.add_fault(Fault::once(Match::get("large"), Point::AnswerByte(500_000), Action::Close));
            registry.add_fault(Fault::once(Match::get("large"), Point::Head, Action::Answer(answer.clone())).skip(1));
            let ran = job.run_with_short_waits().exits_with(0);
            let gets = gets(&registry);
            assert_eq!((tools(&job)["large"].clone(), gets.len(), gets[2].header("Range")), (large(), 3, None));
            ran.does_not_say(ANEW);
        }
    }
}

/// A time at which a registry stands still, and what it says of files that came then.
fn stopped_clock() -> (SystemTime, String) {
    let clock = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_455_004);
    (clock, httpdate::fmt_http_date(clock))
}

#[test]
fn an_answer_without_end_does_not_fill_the_disk() {
    let (registry, job) = one_large();
    let endless =
        [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n"[..], &vec![b'x'; 0x20_0000]].concat();
    registry.add_fault(Fault::always(Match::get("large"), Point::Head, Action::Raw(endless)));
    let ran = job.run_with_short_waits().exits_with(1).has_a_hint_for_each_error();
    // It is not read to its end, which breaks off and would be tried again.
    ran.has_codes(&["download-mismatch"]).has_retries(0);
    assert_eq!(tools(&job).len(), 0);
}

#[test]
fn a_rest_without_end_does_not_fill_the_disk_where_only_the_length_is_known() {
    let (clock, date) = stopped_clock();
    let registry = Registry::start_with(Options { fixed_time: Some(clock), ..Options::default() });
    registry.seed("alice", "widget", "v1.0.0", "large", &large());
    registry.add_fault(Fault::once(Match::get("large"), Point::AnswerByte(500_000), Action::Close));
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 500000-999999/1000000\r\nLast-Modified: {date}\r\n\
         Transfer-Encoding: chunked\r\n\r\n200000\r\n"
    );
    let endless = [head.as_bytes(), &vec![b'x'; 0x20_0000]].concat();
    registry.add_fault(Fault::once(Match::get("large"), Point::Head, Action::Raw(endless)).skip(1));
    let mut job = Job::downloading(&registry);
    job.without("INPUT_TOKEN").input("version", "v1.0.0").input("files", "large").input("retries", "1");
    // It is not read to its end, which breaks off as well.
    job.run_with_short_waits().exits_with(0).says(ANEW).has_retries(1);
    assert_eq!((tools(&job)["large"].clone(), gets(&registry).len()), (large(), 3));
}

/// A file may be for few, and a log is for many.
#[test]
fn the_content_of_a_file_is_not_shown_whatever_success_it_comes_with() {
    let registry = release(Persona::default());
    for status in [203, 206, 226] {
        let odd = Answer::text(status, "DB_PASSWORD=hunter2");
        registry.add_fault(Fault::once(Match::get("a.txt"), Point::Head, Action::Answer(odd)));
        let mut job = Job::downloading(&registry);
        let ran = job.input("files", "a.txt").run().exits_with(1).has_a_hint_for_each_error();
        ran.says(&format!("caused by: {status} ")).does_not_say("hunter2");
    }
}

#[test]
fn a_file_that_is_called_a_web_page_comes_where_its_hash_is_known() {
    let registry = release(Persona::default());
    for (body, codes) in [("hello\n", &[][..]), ("hullo\n", &["download-mismatch"]), ("hello", &["web-page"])] {
        registry.clear_faults();
        registry.add_fault(Fault::always(Match::get("a.txt"), Point::Head, Action::Answer(Answer::html(200, body))));
        let mut job = Job::downloading(&registry);
        let ran = job.input("files", "a.txt").run().has_codes(codes);
        assert_eq!((ran.code, tools(&job).len()), if codes.is_empty() { (Some(0), 1) } else { (Some(1), 0) });
    }
    // Where no length is told, the hash decides alone.
    registry.clear_faults();
    let page = Action::Raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\nhello\n".into());
    registry.add_fault(Fault::always(Match::get("a.txt"), Point::Head, page));
    Job::downloading(&registry).input("files", "a.txt").run().exits_with(0);
}

#[test]
fn what_is_no_response_with_a_file_is_reported_once_and_not_written() {
    let encoded = Answer::empty(200).header("Content-Encoding", "gzip").with_body("hello\n");
    for (on, action, code, says) in [
        (Match::get(""), Action::Answer(Answer::html(200, "<title>Sign in</title>")), "web-page", "Sign in"),
        (Match::get(""), Action::Answer(encoded), "unexpected-response", "gzip"),
        (
            Match::any(),
            Action::Raw(b"\x16\x03\x01\0\0".into()),
            "connection-broken",
            "Check scheme and port in `server-url`, because the response is not HTTP",
        ),
    ] {
        let registry = release(Persona::default());
        registry.add_fault(Fault::always(on, Point::Head, action));
        let job = Job::downloading(&registry);
        job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&[code]).says(says);
        assert_eq!(tools(&job).len(), 0);
    }
}

#[test]
fn a_failure_that_every_file_would_meet_ends_the_run() {
    let registry = Registry::start(Persona::default());
    for count in 0..20 {
        registry.seed("alice", "widget", "v1.0.0", &format!("file{count:02}"), b"content");
    }
    registry.add_fault(Fault::always(
        Match::get(""),
        Point::Head,
        Action::Answer(Answer::text(401, "reqPackageAccess")),
    ));
    let mut job = Job::downloading(&registry);
    let ran = job.input("concurrency", "2").run().exits_with(1).has_codes(&["no-read-access"]);
    assert!(gets(&registry).len() <= 3, "{:?}", asked(&registry));
    assert!(ran.statuses().into_values().filter(|status| status == "not-attempted").count() >= 17, "{}", ran.log);
}

#[test]
fn nothing_of_a_file_is_left_by_a_run_that_a_signal_ends() {
    let (registry, mut job) = one_large();
    registry.seed("alice", "widget", "v1.0.0", "small", b"small");
    let (come, comes) = std::sync::mpsc::channel();
    let tell = Action::then(move |_| come.send(()).expect("the test waits"));
    registry.add_fault(Fault::once(Match::get("large"), Point::AnswerByte(500_000), tell));
    registry.add_fault(Fault::once(Match::get("large"), Point::AnswerByte(500_000), Action::Hang));
    job.input("concurrency", "2").file("tools/large", "what was here before");
    let ran = job.run_while(job.command(), |child| {
        comes.recv_timeout(Duration::from_secs(20)).expect("the moment comes");
        crate::stopping::send(child, rustix::process::Signal::TERM);
    });
    let ran = ran.exits_with(143).has_a_hint_for_each_error().has_codes(&["stopped-by-signal"]);
    assert_eq!(ran.statuses()["large"], "not-attempted");
    assert_eq!(tools(&job)["large"], b"what was here before");
    assert!(tools(&job).into_keys().all(|name| !name.starts_with('.')));
}

#[test]
fn what_a_killed_run_left_is_deleted_by_the_next() {
    let (registry, job) = one_large();
    let moment = holds(&registry, Match::get("large"), Point::AnswerByte(900_000), 0);
    let left = || -> Vec<String> { tools(&job).into_keys().filter(|name| name != "large").collect() };
    job.run_while(job.command(), |child| {
        moment.recv_timeout(Duration::from_secs(20)).expect("the moment comes");
        crate::stopping::send(child, rustix::process::Signal::KILL);
    });
    assert!(matches!(&left()[..], [part] if part.ends_with(".generic-packages-part")), "{:?}", left());
    registry.clear_requests();
    job.run().exits_with(0);
    assert_eq!(tools(&job), [("large".to_owned(), large())].into());
    assert_eq!(gets(&registry)[0].header("Range"), None, "nothing of it is taken up");
}

#[test]
fn a_transfer_that_breaks_behind_the_last_byte_is_whole() {
    let (clock, date) = stopped_clock();
    let registry = Registry::start_with(Options { fixed_time: Some(clock), ..Options::default() });
    registry.seed("alice", "widget", "v1.0.0", "small", b"hello\n");
    let without_end =
        format!("HTTP/1.1 200 OK\r\nLast-Modified: {date}\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello\n\r\n");
    registry.add_fault(Fault::always(Match::get("small"), Point::Head, Action::Raw(without_end.into())));
    let mut job = Job::downloading(&registry);
    job.input("retries", "1").run_with_short_waits().exits_with(0).says("the connection was interrupted");
    assert_eq!((tools(&job)["small"].as_slice(), gets(&registry).len()), (&b"hello\n"[..], 1));
}
