//! A server that is away for a while after it has responded: the run waits for it, and that costs no retry.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use generic_packages::report::RunReport;
use generic_packages::stop::{Signal, Stop};
use tokio::sync::Notify;

use crate::harness::{Event, Job, RETRY, Ran};
use crate::package::seed;

const MINUTE: Duration = Duration::from_mins(1);

/// The words for the begin of an outage, in the log and in the error of one that does not end.
const AWAY: &str = "stopped responding";

/// The server goes away during a request, whose connection breaks.
fn goes_away(registry: &Registry, on: Match, at: Point, skip: usize) {
    registry.script(Fault::once(on.clone(), at, Action::StopListening(Duration::from_hours(1))).skip(skip));
    registry.script(Fault::once(on, at, Action::Reset).skip(skip));
}

/// A job without retries that uses every kind of request: it uploads `new`, replaces `other`, creates the checksums file,
/// updates `latest`, for which it downloads `kept`, and links the package.
fn release(registry: &Registry) -> Job {
    seed(registry, "v1.0.0", &[("other", "an older one"), ("kept", "not in the workspace")]);
    seed(registry, "latest", &[("other", "an older one"), ("stray", "x"), ("SHA256SUMS", "older")]);
    let mut job = Job::new(registry);
    job.file("dist/new", large()).file("dist/other", "ours").input("if-file-exists", "overwrite");
    job.input("checksums", "SHA256SUMS").input("aliases", "latest").input("link-repository", "gadget");
    job
}

/// So much that write access is checked first.
fn large() -> Vec<u8> {
    vec![b'1'; (1 << 20) + 1]
}

/// What a version has: the contents by the names.
fn content(registry: &Registry, version: &str) -> BTreeMap<String, Vec<u8>> {
    let read = |name: &str| registry.read("alice", "widget", version, name).expect("it is there");
    registry.files("alice", "widget", version).into_iter().map(|file| (file.name.clone(), read(&file.name))).collect()
}

/// The log has one line for the begin of the outage and one for its end, and no retry.
#[track_caller]
fn tells_of_one_outage(ran: &Ran) {
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
        (Match::delete("/latest/stray"), 0),
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
            goes_away(&registry, on.clone(), at, skip);
            let ran = job.run_through_outage(&registry, MINUTE).exits_with(0).does_not_say("warning:");
            assert_eq!(registry.acted().len(), 2, "{on:?} {at:?}:\n{}", ran.log);
            tells_of_one_outage(&ran);
            let version = content(&registry, "v1.0.0");
            assert!(version["new"] == large() && version["other"] == b"ours", "{on:?} {at:?}");
            assert_eq!(version.len(), 4, "{on:?} {at:?}");
            assert_eq!(content(&registry, "latest"), version, "{on:?} {at:?}");
            assert_eq!(registry.world().link_of("alice", "widget").as_deref(), Some("alice/gadget"), "{on:?}");
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
        goes_away(&registry, on.clone(), at, 0);
        let ran = job.run_through_outage(&registry, MINUTE).exits_with(0);
        tells_of_one_outage(&ran);
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
    goes_away(&registry, Match::put(""), Point::AfterStore, 20);
    let ran = job.run_through_outage(&registry, MINUTE).exits_with(0);
    tells_of_one_outage(&ran);
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
        let mut job = Job::new(&registry);
        job.file("dist/a", "1");
        // The upload, and the first probes.
        registry.script(Fault::once(Match::put("/a"), Point::Head, Action::Answer(answer.clone())));
        registry.script(Fault::once(Match::version(), Point::Head, Action::Answer(answer.clone())).times(4));
        let ran = job.run_through_outage(&registry, MINUTE).exits_with(0);
        let told = ran.log.matches(" stopped responding; ").count() + ran.log.matches(" responds again after ").count();
        assert_eq!(told, 2, "{answer:?}:\n{}", ran.log);
    }
}

#[test]
fn a_server_that_stays_away_ends_the_run_after_five_minutes_with_what_was_seen() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    seed(&registry, "v1.0.0", &[("other", "an older one")]);
    job.file("dist/a", "1").file("dist/b", "22").file("dist/c", "333").file("dist/other", "ours");
    job.input("concurrency", "1").input("if-file-exists", "overwrite");
    // The largest file goes first.
    goes_away(&registry, Match::put(""), Point::Head, 2);
    let ran = job.run_through_outage(&registry, Duration::MAX).exits_with(1).has_a_hint_for_each_error();
    let statuses = ["a", "b", "c", "other"].map(|name| ran.statuses()[name].clone());
    assert_eq!(statuses, ["unknown", "unknown", "unknown", "not-attempted"]);
    let ran = ran.has_codes(&["server-unavailable", "not-verified", "not-verified"]).says("5 min");
    ran.says("`b`, `c`");
}

#[test]
fn files_that_were_replaced_are_not_called_missing_if_the_list_cannot_be_read() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    seed(&registry, "v1.0.0", &[("a", "old"), ("b", "old")]);
    job.file("dist/a", "new").file("dist/b", "new").input("if-file-exists", "overwrite");
    // After both have been replaced.
    registry.script(Fault::once(Match::put("/b"), Point::AfterStore, Action::StopListening(Duration::from_hours(1))));
    let ran = job.run_through_outage(&registry, Duration::MAX).exits_with(1);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["unknown"; 2]);
    ran.has_codes(&["server-unavailable", "not-verified", "not-verified"]);
}

#[test]
fn a_file_that_may_be_deleted_may_be_missing_if_the_server_stays_away() {
    for at in [Point::BeforeStore, Point::AfterStore] {
        let registry = Registry::start(Persona::default());
        let mut job = Job::new(&registry);
        seed(&registry, "v1.0.0", &[("a", "old")]);
        job.file("dist/a", "new").input("if-file-exists", "overwrite");
        goes_away(&registry, Match::delete("/a"), at, 0);
        let ran = job.run_through_outage(&registry, Duration::MAX).exits_with(1).has_a_hint_for_each_error();
        assert_eq!(ran.statuses()["a"], "unknown");
        ran.has_codes(&["replaced-file-missing", "server-unavailable"]).says("5 min");
    }
}

#[test]
fn a_file_that_the_registry_refused_keeps_its_own_error_if_the_list_cannot_be_read() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "22").input("concurrency", "1");
    registry.script(Fault::once(Match::put("/b"), Point::Head, Action::Answer(Answer::html(413, ""))));
    goes_away(&registry, Match::list(), Point::Head, 1);
    let ran = job.run_through_outage(&registry, Duration::MAX).exits_with(1).has_a_hint_for_each_error();
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["unknown", "failed"]);
    ran.has_codes(&["body-limit-exceeded", "server-unavailable", "not-verified"]).says("client_max_body_size");
}

#[test]
fn a_file_of_which_nothing_was_sent_is_not_attempted() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1");
    // Between the list and the upload.
    registry.script(Fault::once(Match::list(), Point::AfterStore, Action::StopListening(Duration::from_hours(1))));
    let ran = job.run_through_outage(&registry, Duration::MAX).exits_with(1).has_a_hint_for_each_error();
    assert_eq!(ran.statuses()["a"], "not-attempted");
    ran.has_codes(&["server-unavailable"]).says("5 min");
}

#[test]
fn an_upload_that_takes_the_server_down_each_time_costs_its_retries_in_the_end() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").input("retries", "1");
    registry.script(Fault::always(
        Match::put("/a"),
        Point::Head,
        Action::Answer(Answer::html(502, "<title>Bad Gateway</title>")),
    ));
    // Two probes of each outage, the second of which is the last that fails.
    for outage in 0..20 {
        let page = Action::Answer(Answer::html(502, "<title>Bad Gateway</title>"));
        registry.script(Fault::once(Match::version(), Point::Head, page).times(2).skip(outage));
    }
    let ran = job.run_through_outage(&registry, Duration::MAX).exits_with(1);
    assert_eq!(ran.log.matches(" responds again after ").count(), 5, "{}", ran.log);
    ran.has_retries(1);
}

#[test]
fn a_file_whose_upload_breaks_though_the_server_responds_costs_its_own_retries() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").input("retries", "2");
    registry.script(Fault::always(Match::put("/a"), Point::Head, Action::Reset));
    let ran = job.run_in_short().exits_with(1).does_not_say(AWAY);
    ran.has_retries(2);
}

#[test]
fn a_server_that_has_never_responded_is_not_waited_for() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1");
    registry.stop_listening();
    job.run().exits_with(1).has_codes(&["connection-failed"]).does_not_say(AWAY);
}

/// Runs a job that is asked to end as soon as it waits for the server, and insists on nothing.
fn stopped_while_waiting(job: &Job) -> RunReport {
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
        goes_away(&registry, on, Point::Head, 0);
        let account = stopped_while_waiting(&job);
        assert_eq!(account.stopped, Some(Signal::Terminate));
        let errors: Vec<String> = account.errors.iter().map(|error| in_words(&**error)).collect();
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
