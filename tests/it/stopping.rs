//! A run that is asked to end before its end.

use std::fs;
use std::process::Child;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use generic_packages::report::Status;
use generic_packages::stop::{self, Stop};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::harness::{Event, Job, Ran};
use crate::package::{another_job_publishes, put, read, script, seed};

/// After so many others a request stays there for good, so that a run that waits for it does not end, and tells that it
/// has come.
pub(crate) fn holds(registry: &Registry, on: Match, at: Point, skip: usize) -> Receiver<()> {
    let (come, comes) = channel();
    registry.add_fault(
        Fault::once(on.clone(), at, Action::then(move |_| come.send(()).expect("the test waits"))).skip(skip),
    );
    registry.add_fault(Fault::once(on, at, Action::Hang).skip(skip));
    comes
}

/// Runs a job, and sends the signal when the moment comes. The time-out ends a test in which it never does.
pub(crate) fn stopped(job: &Job, moment: &Receiver<()>, signal: Signal) -> Ran {
    job.run_while(job.command(), |child| {
        moment.recv_timeout(Duration::from_secs(20)).expect("the moment comes");
        send(child, signal);
    })
}

/// Waits until the program has saved outputs that say how the run stands, and reads them.
pub(crate) fn saved_outputs(job: &Job) -> String {
    let path = job.outside("output");
    // The timeout of the test runner ends it otherwise.
    loop {
        match fs::read_to_string(&path) {
            Ok(outputs) if outputs.contains("total-size") => return outputs,
            _ => thread::yield_now(),
        }
    }
}

/// Sends SIGINT when the moment comes, and again when the program has heeded the first: two at once may arrive as one.
pub(crate) fn interrupted_twice(job: &Job, moment: &Receiver<()>) -> Ran {
    job.run_while(job.command(), |child| {
        moment.recv_timeout(Duration::from_secs(20)).expect("the moment comes");
        send(child, Signal::INT);
        saved_outputs(job);
        send(child, Signal::INT);
    })
}

/// Holds an upload until the program has heeded SIGTERM. Returns what the outputs were then.
pub(crate) fn terminated_during(registry: &Registry, job: &Job, on: Match) -> (Ran, String) {
    let (come, comes) = channel();
    let (go, goes) = channel::<()>();
    let goes = Mutex::new(goes);
    let hold = Action::then(move |_| {
        come.send(()).expect("the test waits");
        goes.lock().expect("nobody panics").recv_timeout(Duration::from_secs(20)).expect("the signal is heeded");
    });
    registry.add_fault(Fault::once(on, Point::BeforeStore, hold));
    let mut saved = String::new();
    let ran = job.run_while(job.command(), |child| {
        comes.recv_timeout(Duration::from_secs(20)).expect("the moment comes");
        send(child, Signal::TERM);
        saved = saved_outputs(job);
        go.send(()).expect("the upload is still held");
    });
    (ran, saved)
}

pub(crate) fn send(child: &Child, signal: Signal) {
    kill_process(pid(child), signal).expect("it still runs");
}

fn pid(child: &Child) -> Pid {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process")
}

/// Waits until the program has ended, and leaves its exit code for others. The timeout ends a test in which it never
/// does.
fn wait_until_ended(child: &Child) {
    let pid = pid(child);
    let (end, ends) = channel();
    thread::spawn(move || end.send(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).is_ok()));
    assert_eq!(ends.recv_timeout(Duration::from_secs(20)), Ok(true), "the program ends");
}

fn job(registry: &Registry) -> Job {
    let mut job = Job::publishing(registry, &[("a", "1"), ("b", "22"), ("c", "333")]);
    job.input("concurrency", "1");
    // Long enough that nothing but the signal can end a test.
    job.input("timeout", "3600");
    job
}

#[test]
fn a_signal_ends_the_run_with_the_status_of_each_file() {
    let large = &vec![0; 1 << 21][..];
    let (head, before) = (Point::Head, Point::BeforeStore);
    let small: [&[u8]; 3] = [b"1", b"22", b"333"];
    let b = put("b");
    let hang = || vec![Fault::always(Match::list(), head, Action::Hang).skip(1)];
    let other = || vec![Fault::once(put("b"), before, another_job_publishes("v1.0.0", "a", "x"))];
    // The files, the request that is held, other faults, and the statuses. The largest is uploaded first once the version
    // exists.
    for (files, on, at, faults, statuses) in [
        (small, b.clone(), before, vec![], ["uploaded", "unknown", "uploaded"]),
        // Nothing new starts.
        (small, put("a"), head, vec![], ["unknown", "not-attempted", "not-attempted"]),
        // Neither a list nor the check of write access is waited for.
        (small, Match::list(), head, vec![], ["not-attempted"; 3]),
        (small, Match::list(), Point::AnswerByte(9), vec![], ["not-attempted"; 3]),
        ([large; 3], put("%2A"), head, vec![], ["not-attempted"; 3]),
        // The last list cannot be read, or shows what another job has published.
        (small, b.clone(), before, hang(), ["unknown"; 3]),
        (small, b, before, other(), ["unknown", "unknown", "uploaded"]),
    ] {
        for (signal, code, name) in [(Signal::INT, 130, "SIGINT"), (Signal::TERM, 143, "SIGTERM")] {
            let registry = Registry::start(Persona::default());
            script(&registry, faults.clone());
            let mut job = job(&registry);
            for (name, content) in ["a", "b", "c"].iter().zip(files) {
                job.file(format!("dist/{name}"), content);
            }
            let moment = holds(&registry, on.clone(), at, 0);
            let ran = stopped(&job, &moment, signal).exits_with(code).has_a_hint_for_each_error();
            let ran = ran.has_codes(&["stopped-by-signal"]).says(&format!("error: {name}")).has_statuses(&statuses);
            let uploaded = statuses.iter().filter(|status| **status == "uploaded").count();
            let [uploaded, failed] = [uploaded, 3 - uploaded].map(|count| count.to_string());
            let ran = ran.has_outputs(&[("uploaded", &uploaded), ("failed", &failed)]);
            assert_eq!(ran.outputs["urls"].lines().count().to_string(), uploaded);
        }
    }
}

#[test]
fn a_signal_after_the_last_list_is_no_failure() {
    let registry = Registry::start(Persona::default());
    let moment = holds(&registry, Match::version(), Point::Head, 0);
    let ran = stopped(&job(&registry), &moment, Signal::TERM).exits_with(0).has_statuses(&["uploaded"; 3]);
    assert!(ran.outputs["package-url"].ends_with("/alice/-/packages/generic/widget/v1.0.0"));
}

#[test]
fn the_last_list_after_a_signal_waits_for_no_pause() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    job.input("retries", "1");
    let pause = Action::Answer(Answer::text(503, "").header("Retry-After", "60"));
    registry.add_fault(Fault::once(put("b"), Point::BeforeStore, pause));
    // The run is to end once it waits for the server, which asks for a pause.
    let (come, mut comes) = tokio::sync::mpsc::unbounded_channel();
    let signal = async move {
        comes.recv().await.expect("the run waits");
        stop::Signal::Terminate
    };
    let stop = Stop::when(signal, std::future::pending());
    let publication = job.run_until(stop, |event| {
        if matches!(event, Event::Note(_)) {
            come.send(()).expect("the run has not ended");
        }
    });
    let statuses: Vec<Status> = publication.outcomes.iter().map(|outcome| outcome.status).collect();
    assert_eq!(statuses, [Status::Uploaded, Status::Unknown, Status::Uploaded]);
}

#[test]
fn a_signal_finishes_a_replacement_after_its_deletion() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("b", "theirs"), ("c", "theirs too")]);
    let mut job = job(&registry);
    job.input("if-file-exists", "overwrite");
    let (ran, saved) = terminated_during(&registry, &job, put("b"));
    ran.exits_with(143).says("warning: received SIGTERM").says("`b`").does_not_say("SIGINT").has_statuses(&[
        "uploaded",
        "replaced",
        "not-attempted",
    ]);
    let b = saved.lines().find(|line| line.contains(r#""name":"b""#)).expect("the file is in the saved outputs");
    assert!(b.contains(r#""status":"unknown""#), "{saved}");
    assert_eq!(read(&registry, "b").as_deref(), Some("22"));
    assert_eq!(read(&registry, "c").as_deref(), Some("theirs too"));
}

#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    let places = [
        (Match::list(), Point::Head, 0),
        (put("a"), Point::Head, 0),
        (put("a"), Point::AfterStore, 0),
        (put("b"), Point::BeforeStore, 0),
        (put("b"), Point::AfterStore, 0),
        (Match::delete("/v1.0.0/z"), Point::BeforeStore, 0),
        (Match::delete("/v1.0.0/z"), Point::AfterStore, 0),
        (put("z"), Point::BeforeStore, 0),
        (put("z"), Point::AfterStore, 0),
        (Match::list(), Point::Head, 2),
    ];
    for (on, at, skip) in places {
        let registry = Registry::start(Persona::default());
        seed(&registry, "v1.0.0", &[("z", "theirs")]);
        let mut job = job(&registry);
        job.file("dist/z", "ours").input("if-file-exists", "overwrite");
        let moment = holds(&registry, on, at, skip);
        assert_eq!(stopped(&job, &moment, Signal::KILL).code, None);
        registry.clear_faults();
        job.run().exits_with(0);
        for (name, content) in [("a", "1"), ("b", "22"), ("c", "333"), ("z", "ours")] {
            assert_eq!(registry.read("alice", "widget", "v1.0.0", name).as_deref(), Some(content.as_bytes()));
        }
    }
}

#[test]
fn a_bug_ends_in_a_short_text_without_secrets() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry);
    // With too little memory for a thread the runtime panics; how little that is depends on the build.
    let ends_in_a_bug = |kibibytes: u32| {
        let limit = format!("ulimit -v {kibibytes} && exec \"$0\" publish");
        let ran = job.command_of(&["sh", "-c", &limit]).output().expect("there is a shell");
        (ran.status.code() == Some(101)).then_some(ran)
    };
    let ran = (8_000..64_000).step_by(500).find_map(ends_in_a_bug).expect("some limit is too low for a thread");
    let log = String::from_utf8(ran.stdout).expect("the log is UTF-8");
    let (_, bug) = log
        .split_once("\nerror: failed to continue because of a bug in generic-packages")
        .expect("it is said in the log");
    assert_eq!(bug.lines().count(), 2, "{log}");
    assert!(bug.contains("Report the bug with this line: "), "{log}");
    assert!(!bug.contains(&registry.token("alice_write")), "{log}");
}

#[test]
fn nothing_is_deleted_after_a_signal() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "theirs")]);
    let mut job = job(&registry);
    job.input("if-file-exists", "overwrite").input("retries", "5");
    // The server asks for a pause that is longer than anybody waits for a cancelled step.
    let pause = Action::Answer(Answer::text(503, "").header("Retry-After", "60"));
    registry.add_fault(Fault::once(Match::delete("/v1.0.0/a"), Point::Head, Action::Answer(Answer::text(429, ""))));
    let (come, moment) = channel();
    registry.add_fault(
        Fault::once(Match::list(), Point::Head, Action::then(move |_| come.send(()).expect("the test waits"))).skip(3),
    );
    registry.add_fault(Fault::once(Match::list(), Point::Head, pause).skip(3));
    let ran = stopped(&job, &moment, Signal::TERM).exits_with(143);
    assert_eq!(ran.statuses()["a"], "not-attempted");
    assert_eq!(read(&registry, "a").as_deref(), Some("theirs"));
}

#[test]
fn a_second_interrupt_cancels_a_replacement_and_says_that_the_file_may_be_missing() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "theirs")]);
    let mut job = job(&registry);
    job.input("if-file-exists", "overwrite");
    let moment = holds(&registry, put("a"), Point::BeforeStore, 0);
    let ran =
        interrupted_twice(&job, &moment).exits_with(130).has_a_hint_for_each_error().says("A second SIGINT cancels it");
    let ran = ran.has_codes(&["replaced-file-missing", "stopped-by-signal"]);
    assert_eq!(ran.statuses()["a"], "unknown");
}

/// A job whose log is longer than the 64 KiB that a pipe holds: each of 300 files has a line of 290 bytes.
fn job_with_a_long_log(registry: &Registry) -> Job {
    let mut job = Job::new(registry);
    for number in 0..300 {
        job.file(format!("dist/{number:03}{}", "a".repeat(252)), "1");
    }
    job.input("concurrency", "32").input("timeout", "3600");
    job
}

#[test]
fn a_log_that_nobody_reads_stops_no_upload_and_a_signal_still_ends_the_program() {
    let registry = Registry::start(Persona::default());
    let (all, all_arrived) = channel();
    let arrived = AtomicUsize::new(0);
    let count = Action::then(move |_| {
        if arrived.fetch_add(1, Ordering::Relaxed) == 299 {
            all.send(()).expect("the test waits");
        }
    });
    registry.add_fault(Fault::always(put(""), Point::AfterStore, count));
    let job = job_with_a_long_log(&registry);
    let ran = job.run_while(job.command(), |child| {
        all_arrived.recv_timeout(Duration::from_mins(1)).expect("every file arrives");
        saved_outputs(&job);
        send(child, Signal::TERM);
        wait_until_ended(child);
    });
    // Everything was done before the signal came.
    let ran = ran.exits_with(0);
    assert_eq!(ran.outputs["uploaded"], "300");
}

#[test]
fn a_signal_ends_a_run_whose_log_nobody_reads() {
    let registry = Registry::start(Persona::default());
    let moment = holds(&registry, put(""), Point::BeforeStore, 280);
    let job = job_with_a_long_log(&registry);
    let ran = job.run_while(job.command(), |child| {
        moment.recv_timeout(Duration::from_mins(1)).expect("the moment comes");
        send(child, Signal::TERM);
        wait_until_ended(child);
    });
    assert_eq!(ran.exits_with(143).outputs["version"], "v1.0.0");
}

#[test]
fn a_reader_that_comes_late_gets_the_whole_log() {
    let registry = Registry::start(Persona::default());
    // The last question of a run.
    let (come, comes) = channel();
    let come = Action::then(move |_| come.send(()).expect("the test waits"));
    registry.add_fault(Fault::once(Match::version(), Point::Head, come));
    let job = job_with_a_long_log(&registry);
    let ran = job.run_while(job.command(), |_| comes.recv_timeout(Duration::from_mins(1)).expect("the moment comes"));
    let ran = ran.exits_with(0).says("Published 300 files");
    assert_eq!(ran.log.lines().filter(|line| line.starts_with("  uploaded ")).count(), 300);
}
