//! Tests the complete log, the annotations, the debug messages and the summary.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use generic_packages::command::Command;
use generic_packages::report::{Console, Progress, Reporter};
use generic_packages::runner::{Environment, Runner};

use crate::harness::{Event, Job, Ran};
use crate::package::answers;

#[test]
fn the_last_line_counts_what_was_verified_and_states_nothing_about_files_that_were_not_listed() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for number in 0..4 {
        job.file(format!("dist/{number}"), "1");
    }
    // The uploads succeed, and the list that would verify them stays away.
    registry.add_fault(
        Fault::always(Match::list(), Point::Head, Action::Answer(Answer::text(500, "internal server error"))).skip(1),
    );
    let ran = job.run().exits_with(1);
    let sentence = "Verified 0 of 4 files of alice/widget v1.0.0 by SHA-256: 4 unknown";
    assert!(ran.log.contains(&format!("\n{sentence}\n::error ")), "{}", ran.log);
    assert!(ran.does_not_say("Published").summary.contains("by SHA-256: 4 unknown\n"));
    assert_eq!(registry.files("alice", "widget", "v1.0.0").len(), 4);
}

#[test]
fn no_line_is_wider_than_a_hundred_columns_except_for_names_and_urls() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.input("if-no-files-found", "wran").input("files", "../a\n/b\n{a\n.git/x").input("version", " ");
    let ran = job.without("INPUT_TOKEN").without("GITHUB_ACTIONS").run().exits_with(2);
    for line in ran.log.lines() {
        let widest = line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or_default();
        assert!(line.chars().count() <= 100.max(widest + 8), "{line}");
    }
}

#[test]
fn annotations_come_last_and_warnings_have_one_too() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::publishing(&registry, &[("a", "1")]);
    job.input("files", "dist/*\nnone/*").input("if-no-files-found", "warn");
    let lines = |ran: &Ran| ran.log.lines().map(str::to_owned).collect::<Vec<_>>();
    let ran = job.run().exits_with(0);
    let log = lines(&ran);
    assert!(log.iter().any(|line| line.starts_with("warning: failed to match `none/*`")), "{log:?}");
    assert!(log.last().is_some_and(|line| line.starts_with("::warning title=generic-packages::failed to match")));
    answers(&registry, Match::list(), Answer::text(500, "100% wrong\r::x"));
    let log = lines(&job.run().exits_with(1));
    let commands: Vec<&String> = log.iter().skip_while(|line| !line.starts_with("::")).collect();
    assert_eq!(commands.len(), 2, "{log:?}");
    assert!(commands[1].starts_with("::error title=generic-packages::"), "{log:?}");
    assert!(commands[1].contains("100%25 wrong\\r: :x"), "{log:?}");
    // By hand nobody reads them.
    assert!(!job.without("GITHUB_ACTIONS").run().exits_with(1).log.contains("::error"));
}

#[test]
fn runners_that_print_commands_as_they_are_get_masks_only() {
    let registry = Registry::start(Persona::default());
    for runner in ["GITEA_ACTIONS", "FORGEJO_ACTIONS", "ACT"] {
        let mut job = Job::new(&registry);
        for number in 0..21 {
            job.file(format!("dist/100% [{number}]"), "1");
        }
        job.input("files", "dist/*\nnone/*").input("if-no-files-found", "warn").variable("RUNNER_DEBUG", "1");
        let ran = job.token("0123456789abcdef0123456789abcdef01234567").variable(runner, "true").run().exits_with(1);
        let commands: Vec<&str> = ran.log.lines().filter(|line| line.starts_with("::")).collect();
        assert_eq!((commands, ran.masks.len()), (vec![], 2), "{}", ran.log);
        // The plain lines have all of it.
        let ran = ran
            .says("warning: failed to match `none/*`")
            .says("error: failed to list the files of alice/widget v1.0.0");
        let ran = ran.says("hint: Create a new personal access token").says("not-attempted 1 B 100% [20]");
        ran.says("debug: GET /api/v1/packages/alice/generic/widget/v1.0.0/files 401 ");
    }
}

#[test]
fn the_same_warning_is_printed_once() {
    let mut log = Vec::new();
    let runner = Runner::detect(&Environment::new([("GITHUB_ACTIONS".into(), "true".into())], "/"));
    let console = Console::new(&mut log, &runner, None);
    for warning in ["one", "another", "one"] {
        console.warn(warning);
    }
    console.notice("one");
    let remarks: Vec<String> = console.remarks().into_iter().map(|remark| remark.text).collect();
    assert_eq!(remarks, ["one", "another", "one"]);
    drop(console);
    assert_eq!(String::from_utf8(log).expect("UTF-8"), "warning: one\nwarning: another\nnotice: one\n");
}

#[test]
fn an_ipv6_address_in_an_annotation_is_still_an_address() {
    let registry = Registry::start(Persona::default());
    for (url, annotated) in [
        ("http://[::1]:99999", "http://[0:0:0:0:0:0:0:1]:99999"),
        ("http://[2001:db8::5]:99999", "http://[2001:db8:0:0:0:0:0:5]:99999"),
        ("http://[::ffff:10.1.2.3]:99999", "http://[0:0:0:0:0:ffff:a01:203]:99999"),
        ("http://[2001:db8:1:2:3:4:5:6]:99999", "http://[2001:db8:1:2:3:4:5:6]:99999"),
        ("http://[a::b::c]:99999", "http://[a: :b: :c]:99999"),
        ("http://host::name", "http://host: :name"),
    ] {
        let ran = Job::new(&registry).file("dist/a", "1").input("server-url", url).run_rejected(&registry);
        let annotation = format!(
            "::error title=generic-packages::failed to read input `server-url`: `{annotated}` is not a valid URL"
        );
        ran.says(&format!("error: failed to read input `server-url`: `{url}` is not a valid URL")).says(&annotation);
    }
}

#[test]
fn a_long_list_of_files_that_were_not_published_is_folded() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for number in 0..21 {
        job.file(format!("dist/{number}"), "1");
    }
    job.token("0123456789abcdef0123456789abcdef01234567");
    job.run().exits_with(1).says("::group::21 files not published").says("::endgroup::");
}

#[test]
fn with_runner_debug_the_log_has_each_request_without_its_headers() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::publishing(&registry, &[("a b", "1")]);
    job.variable("RUNNER_DEBUG", "1");
    let ran = job.run().exits_with(0);
    let debug: Vec<&str> = ran.log.lines().filter(|line| line.starts_with("::debug::")).collect();
    assert_eq!(debug.len(), registry.requests().len());
    // The runner takes `%25` for `%`.
    assert!(debug[1].starts_with("::debug::PUT /api/packages/alice/generic/widget/v1.0.0/a%2520b 201 "), "{debug:?}");
    assert!(!job.variable("RUNNER_DEBUG", "0").run().log.contains("::debug::"));
}

#[test]
fn a_summary_that_would_be_too_long_is_shortened_and_says_so() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for number in 0..1_000 {
        let name = format!("{number}{}", "{".repeat(240));
        registry.seed("alice", "widget", "v1.0.0", &name, b"1");
        job.file(format!("dist/{name}"), "1");
    }
    let ran = job.run().exits_with(0);
    assert!(ran.summary.len() < 1 << 20);
    assert!(ran.summary.contains("Table truncated: "));
}

#[test]
fn a_long_upload_reports_progress() {
    let registry = Registry::start(Persona::default());
    let heard = Arc::new((Mutex::new(false), Condvar::new()));
    // The upload does not end before it was heard of; the time-out ends the test where that never happens.
    let awaited = Arc::clone(&heard);
    let wait = Action::then(move |_| {
        let guard = awaited.0.lock().expect("nobody panics");
        drop(awaited.1.wait_timeout_while(guard, Duration::from_secs(20), |heard| !*heard));
    });
    registry.add_fault(Fault::once(Match::put("/v1.0.0/a"), Point::BeforeStore, wait));
    let job = Job::publishing(&registry, &[("a", "1")]);
    let publication = job.run_with_listener(|event| {
        if let Event::Progress { moved, size } = event {
            assert!(Some(moved) <= size, "more was sent than there is");
            *heard.0.lock().expect("nobody panics") = true;
            heard.1.notify_all();
        }
    });
    assert!(publication.is_complete());
    assert!(*heard.0.lock().expect("nobody panics"), "no progress was reported");
}

/// Returns the log after 10 seconds, when `sent` bytes of a file of 120 MiB are uploaded.
fn progress_at(sent: u64) -> String {
    let environment = Environment::new([], "/");
    let mut log = Vec::new();
    let console = Console::new(&mut log, &Runner::detect(&environment), None);
    console.report_progress(&Progress {
        command: Command::Publish,
        name: "app.tar.gz",
        moved: sent,
        size: Some(120 << 20),
        took: Duration::from_secs(10),
    });
    drop(console);
    String::from_utf8(log).expect("UTF-8")
}

#[test]
fn progress_has_bytes_percent_rate_and_remaining_time() {
    let line = "  uploading       30.0 MiB   10.0 s  app.tar.gz: 25 % of 120.0 MiB, 3.0 MiB/s, 30.0 s left\n";
    assert_eq!(progress_at(30 << 20), line);
}

#[test]
fn progress_says_that_only_the_response_is_missing_once_all_bytes_are_sent() {
    let line = "  uploading      120.0 MiB   10.0 s  app.tar.gz: all bytes sent, waiting for the response\n";
    assert_eq!(progress_at(120 << 20), line);
}
