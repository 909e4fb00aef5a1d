//! A server that is away for a while after it has responded: the run waits for it, and that costs no retry.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use generic_packages::report::RunReport;
use generic_packages::stop::{Signal, Stop};
use tokio::sync::Notify;

use crate::harness::{Event, Job, RETRY, Ran};
use crate::package::{answers, contents, link_of, script, seed};

const MINUTE: Duration = Duration::from_mins(1);

/// The words for the begin of an outage, in the log and in the error of one that does not end.
const AWAY: &str = "stopped responding";

/// The server goes away during a request, whose connection breaks.
fn goes_away(on: &Match, at: Point, skip: usize) -> [Fault; 2] {
    [Action::StopListening(Duration::from_hours(1)), Action::Reset]
        .map(|action| Fault::once(on.clone(), at, action).skip(skip))
}

/// A job without retries that uses every kind of request: it uploads `new`, replaces `other`, creates the checksums file,
/// updates `latest`, for which it downloads `kept`, and links the package.
fn release(registry: &Registry) -> Job {
    seed(registry, "v1.0.0", &[("other", "an older one"), ("kept", "not in the workspace")]);
    seed(registry, "latest", &[("other", "an older one"), ("extra", "x"), ("SHA256SUMS", "older")]);
    let mut job = Job::new(registry);
    job.file("dist/new", large()).file("dist/other", "ours").input("if-file-exists", "overwrite");
    job.input("checksums", "SHA256SUMS").input("aliases", "latest").input("link-repository", "gadget");
    job
}

/// So much that write access is checked first.
fn large() -> Vec<u8> {
    vec![b'1'; (1 << 20) + 1]
}

/// The log has one line for the begin of the outage and one for its end, and no retry.
#[track_caller]
fn has_one_outage(ran: &Ran) {
    let count = |text: &str| ran.log.matches(text).count();
    // After a DELETE that broke off the upload follows at once, and the registry may still have the old file.
    let retries = count(RETRY) - count("409 Conflict");
    let told = (count(&format!(" {AWAY}; ")), count(" responds again after "), retries);
    assert_eq!(told, (1, 1, 0), "{}", ran.log);
}

#[test]
fn a_publish_outlasts_a_minute_without_the_server_at_each_kind_of_request() {
    let requests = [
        (Match::put("/%2A"), 0),
        (Match::put("/new"), 0),
        (Match::list(), 1),
        (Match::delete("/v1.0.0/other"), 0),
        (Match::put("/v1.0.0/other"), 0),
        (Match::put("/v1.0.0/SHA256SUMS"), 0),
        (Match::list().containing("/latest/"), 0),
        (Match::versions(), 0),
        (Match::get("/kept"), 0),
        (Match::put("/latest/new"), 0),
        (Match::delete("/latest/extra"), 0),
        (Match::put("/latest/SHA256SUMS"), 0),
        (Match::version(), 0),
        (Match::link(), 0),
    ];
    for (on, skip) in requests {
        // Nothing is stored of the check.
        let points = if on == Match::put("/%2A") { &[Point::Head][..] } else { &[Point::Head, Point::AfterStore] };
        for &at in points {
            let registry = Registry::start(Persona::default());
            let job = release(&registry);
            script(&registry, goes_away(&on, at, skip));
            let ran = job.run_through_outage(&registry, MINUTE).exits_with(0).does_not_say("warning:");
            assert_eq!(registry.acted_faults().len(), 2, "{on:?} {at:?}:\n{}", ran.log);
            has_one_outage(&ran);
            let version = contents(&registry, "v1.0.0");
            assert!(version["new"].as_bytes() == large() && version["other"] == "ours", "{on:?} {at:?}");
            assert_eq!(version.len(), 4, "{on:?} {at:?}");
            assert_eq!(contents(&registry, "latest"), version, "{on:?} {at:?}");
            assert_eq!(link_of(&registry).as_deref(), Some("alice/gadget"), "{on:?}");
        }
    }
}

#[test]
fn a_download_outlasts_a_minute_without_the_server_at_each_kind_of_request() {
    let requests = [
        (Match::list(), Point::Head),
        (Match::get("/SHA256SUMS"), Point::Head),
        (Match::get("/SHA256SUMS"), Point::AnswerByte(10)),
        (Match::get("/app"), Point::Head),
        (Match::get("/app"), Point::AnswerByte(500)),
    ];
    for (on, at) in requests {
        let registry = Registry::start(Persona::default());
        let app = "0123456789".repeat(100);
        let sums = "0c32ef3d7d5e4b05d4d0ba24a2a7ba4c0bc0b9d4f4bd7c8c1a6b1a3b6a3d8e50  other\n";
        seed(&registry, "v1.0.0", &[("app", &app), ("SHA256SUMS", sums)]);
        let mut job = Job::downloading(&registry);
        job.input("version", "latest").input("files", "app");
        if on == Match::get("/SHA256SUMS") {
            job.input("files", "SHA256SUMS");
        }
        script(&registry, goes_away(&on, at, 0));
        let ran = job.run_through_outage(&registry, MINUTE).exits_with(0);
        has_one_outage(&ran);
        assert_eq!(ran.outputs["downloaded"], "1", "{on:?} {at:?}");
    }
}

#[test]
fn all_transfers_wait_for_one_probe_and_none_of_them_costs_a_retry() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for number in 0..40 {
        job.file(format!("dist/{number}"), format!("{number}"));
    }
    job.input("concurrency", "8");
    script(&registry, goes_away(&Match::put(""), Point::AfterStore, 20));
    let ran = job.run_through_outage(&registry, MINUTE).exits_with(0);
    has_one_outage(&ran);
    assert_eq!(ran.outputs["uploaded"], "40");
    assert_eq!(registry.files("alice", "widget", "v1.0.0").len(), 40);
}

#[test]
fn pages_of_a_proxy_mean_that_the_server_is_away() {
    let answers = [
        Answer::html(502, "<title>Bad Gateway</title>"),
        Answer::text(503, "upstream unavailable"),
        Answer::html(504, ""),
        Answer::html(500, "<title>500 Internal Server Error</title>"),
        Answer::html(200, "<title>Maintenance</title>"),
        Answer::text(521, "web server is down"),
        Answer::text(404, "404 page not found"),
        Answer::text(503, "in maintenance").header("Retry-After", "5"),
    ];
    for answer in answers {
        let registry = Registry::start(Persona::default());
        let job = Job::publishing(&registry, &[("a", "1")]);
        // The upload, and the first probes.
        registry.add_fault(Fault::once(Match::put("/a"), Point::Head, Action::Answer(answer.clone())));
        registry.add_fault(Fault::once(Match::version(), Point::Head, Action::Answer(answer.clone())).times(4));
        let ran = job.run_through_outage(&registry, MINUTE).exits_with(0);
        let told = ran.log.matches(" stopped responding; ").count() + ran.log.matches(" responds again after ").count();
        assert_eq!(told, 2, "{answer:?}:\n{}", ran.log);
    }
}

#[test]
fn a_server_that_stays_away_ends_the_run_after_five_minutes_with_what_the_lists_have_shown() {
    let gone = || Action::StopListening(Duration::from_hours(1));
    let [away, missing] = ["server-unavailable", "replaced-file-missing"];
    let too_large = Action::Answer(Answer::html(413, ""));
    // The files of the job, the largest of which is uploaded first after the smallest; the faults, the codes of the
    // errors, and the statuses. Without a skip the server is away from that request on, whose connection breaks.
    for (files, faults, codes, statuses) in [
        // Uploads are unknown, and others not attempted.
        (
            &[("a", "1"), ("b", "22"), ("c", "333"), ("old", "ours")][..],
            goes_away(&Match::put(""), Point::Head, 2).to_vec(),
            &[away, "not-verified", "not-verified"][..],
            &["unknown", "unknown", "unknown", "not-attempted"][..],
        ),
        // Nothing was sent: the server is away between the list and the upload.
        (&[("a", "1")], vec![Fault::once(Match::list(), Point::AfterStore, gone())], &[away], &["not-attempted"]),
        // Files that were replaced are not called missing.
        (
            &[("old", "new"), ("old2", "new")],
            vec![Fault::once(Match::put("/old2"), Point::AfterStore, gone())],
            &[away, "not-verified", "not-verified"],
            &["unknown"; 2],
        ),
        // A file that may be deleted may be missing.
        (
            &[("old", "new")],
            goes_away(&Match::delete("/old"), Point::BeforeStore, 0).to_vec(),
            &[missing, away],
            &["unknown"],
        ),
        (
            &[("old", "new")],
            goes_away(&Match::delete("/old"), Point::AfterStore, 0).to_vec(),
            &[missing, away],
            &["unknown"],
        ),
        // A file that the registry refused keeps its own error.
        (
            &[("a", "1"), ("b", "22")],
            [&[Fault::once(Match::put("/b"), Point::Head, too_large)], &goes_away(&Match::list(), Point::Head, 1)[..]]
                .concat(),
            &["body-limit-exceeded", away, "not-verified"],
            &["unknown", "failed"],
        ),
    ] {
        let registry = Registry::start(Persona::default());
        for (name, _) in files.iter().filter(|(name, _)| name.starts_with("old")) {
            seed(&registry, "v1.0.0", &[(name, "an older one")]);
        }
        script(&registry, faults);
        let mut job = Job::publishing(&registry, files);
        job.input("concurrency", "1").input("if-file-exists", "overwrite");
        let ran = job.run_through_outage(&registry, Duration::MAX).exits_with(1).has_a_hint_for_each_error();
        ran.has_codes(codes).has_statuses(statuses).says("5 min");
    }
}

#[test]
fn an_upload_that_takes_the_server_down_each_time_costs_its_retries_in_the_end() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::publishing(&registry, &[("a", "1")]);
    job.input("retries", "1");
    answers(&registry, Match::put("/a"), Answer::html(502, "<title>Bad Gateway</title>"));
    // Two probes of each outage, the second of which is the last that fails.
    for outage in 0..20 {
        let page = Action::Answer(Answer::html(502, "<title>Bad Gateway</title>"));
        registry.add_fault(Fault::once(Match::version(), Point::Head, page).times(2).skip(outage));
    }
    let ran = job.run_through_outage(&registry, Duration::MAX).exits_with(1);
    assert_eq!(ran.log.matches(" responds again after ").count(), 5, "{}", ran.log);
    ran.has_retries(1);
}

#[test]
fn a_file_whose_upload_breaks_though_the_server_responds_costs_its_own_retries() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::publishing(&registry, &[("a", "1")]);
    job.input("retries", "2");
    registry.add_fault(Fault::always(Match::put("/a"), Point::Head, Action::Reset));
    let ran = job.run_with_short_waits().exits_with(1).does_not_say(AWAY);
    ran.has_retries(2);
}

#[test]
fn a_server_that_has_never_responded_is_not_waited_for() {
    let registry = Registry::start(Persona::default());
    let job = Job::publishing(&registry, &[("a", "1")]);
    registry.stop_listening();
    job.run().exits_with(1).has_codes(&["connection-failed"]).does_not_say(AWAY);
}

/// Runs a job that gets a signal as soon as it waits for the server. `on_wait` is called before the signal.
fn stopped_while_waiting(job: &Job, on_wait: impl Fn() + Sync) -> RunReport {
    let waits = Arc::new(Notify::new());
    let signal = Arc::clone(&waits);
    let stop = Stop::when(
        async move {
            signal.notified().await;
            Signal::Terminate
        },
        std::future::pending(),
    );
    job.run_until(stop, |event| {
        if matches!(event, Event::Note(note) if note.contains(AWAY)) {
            on_wait();
            waits.notify_one();
        }
    })
}

/// An error, and what caused it.
fn in_words(error: &(dyn Error + 'static)) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", in_words(cause)),
        None => error.to_string(),
    }
}

#[test]
fn a_signal_ends_the_wait_at_once_also_while_a_file_is_replaced() {
    for (on, is_gap) in [(Match::put("/new"), false), (Match::put("/v1.0.0/other"), true)] {
        let registry = Registry::start(Persona::default());
        let job = release(&registry);
        script(&registry, goes_away(&on, Point::Head, 0));
        let report = stopped_while_waiting(&job, || {});
        assert_eq!(report.stopped, Some(Signal::Terminate));
        let errors: Vec<String> = report.errors.iter().map(|error| in_words(&**error)).collect();
        let has = |text: &str| errors.iter().any(|error| error.contains(text));
        assert!(has("SIGTERM canceled the run"), "{errors:?}");
        assert_eq!(has("and SIGTERM ended the wait"), is_gap, "{errors:?}");
        assert_eq!(
            has("failed to replace `other`: the upload is not confirmed. The file may be missing"),
            is_gap,
            "{errors:?}"
        );
    }
}

#[test]
fn the_list_after_a_signal_is_read_even_after_an_outage() {
    let registry = Registry::start(Persona::default());
    let job = Job::publishing(&registry, &[("a", "1"), ("b", "22")]);
    script(&registry, goes_away(&Match::put("/b"), Point::Head, 0));
    let report = stopped_while_waiting(&job, || registry.resume_listening());
    assert_eq!(report.stopped, Some(Signal::Terminate));
    let statuses: Vec<String> = report.outcomes.iter().map(|outcome| format!("{:?}", outcome.status)).collect();
    assert_eq!(statuses, ["Uploaded", "Unknown"]);
}
