//! Each kind of fault at each place of a run: it heals, and every file arrives once, bit for bit.
//!
//! A place is a module and a fault is a test, so that a failure says both.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::{Event, Job, RETRY, Ran};

/// A release of three files, one of them large enough that the right to write is asked for.
fn release(registry: &Registry) -> Job {
    let mut job = Job::new(registry);
    job.file("dist/first", "1").file("dist/second", "22222").file("dist/third", vec![b'3'; (1 << 20) + 1]);
    job.input("retries", "3");
    job
}

/// The same where `first` is there with other content, which is to be replaced.
fn replacing_release(registry: &Registry) -> Job {
    registry.seed("alice", "widget", "v1.0.0", "first", b"what was there");
    let mut job = release(registry);
    job.input("if-file-exists", "overwrite");
    job
}

/// The release heals from a fault that is met once, and says that it tried again or looked.
fn heals(job: &Job, registry: &Registry, fault: Fault) -> Ran {
    registry.script(fault);
    let ran = job.run_in_short().exits_with(0);
    assert_eq!(registry.acted().len(), 1, "the fault was met:\n{}", ran.log);
    let signs =
        [RETRY, " but the registry has the identical file: ", " it is unclear whether ", " responds again after "];
    assert!(signs.iter().any(|sign| ran.log.contains(sign)), "a fault is told of:\n{}", ran.log);
    for (name, size) in [("first", 1), ("second", 5), ("third", (1 << 20) + 1)] {
        let stored = registry.read("alice", "widget", "v1.0.0", name).expect("the file is there");
        assert_eq!(stored.len(), size, "{name}");
        let sent = fs::read(job.workspace().join("dist").join(name)).expect("the file is still here");
        assert_eq!(stored, sent, "{name}");
    }
    assert!(registry.requests().len() < 16, "it asks too often");
    assert_eq!(job.run().exits_with(0).statuses().into_values().collect::<Vec<_>>(), ["unchanged"; 3]);
    ran
}

/// The faults of a request that changes nothing.
macro_rules! questions {
    ($($place:ident: $release:ident, $on:expr, $skip:expr;)+) => {$(
        mod $place {
            use super::*;

            fn heals_from(at: Point, action: Action) {
                let registry = Registry::start(Persona::default());
                let job = $release(&registry);
                heals(&job, &registry, Fault::once($on, at, action).skip($skip));
            }

            faults! {
                heals_from:
                reset_before_an_answer: Point::Head, Action::Reset;
                closed_before_an_answer: Point::Head, Action::Close;
                never_answered: Point::Head, Action::Hang;
                answered_by_half: Point::Head, half_an_answer();
                answered_by_nonsense: Point::Head, nonsense();
                answered_408: Point::Head, answer(408);
                answered_425: Point::Head, answer(425);
                answered_429: Point::Head, later(429);
                answered_500: Point::Head, answer(500);
                answered_502: Point::Head, page(502);
                answered_503: Point::Head, later(503);
                answered_504: Point::Head, page(504);
                answered_507: Point::Head, answer(507);
            }
        }
    )+};
}

/// The further faults of a list.
macro_rules! lists {
    ($($place:ident: $release:ident, $skip:expr;)+) => {$(
        mod $place {
            use super::*;

            fn heals_from(at: Point, action: Action) {
                let registry = Registry::start(Persona::default());
                let job = $release(&registry);
                heals(&job, &registry, Fault::once(Match::list(), at, action).skip($skip));
            }

            faults! {
                heals_from:
                closed_in_the_list: Point::AnswerByte(100), Action::Close;
                reset_in_the_list: Point::AnswerByte(100), Action::Reset;
                hanging_in_the_list: Point::AnswerByte(100), Action::Hang;
                cut_and_called_whole: Point::Head, Action::Answer(Answer::json(200, r#"[{"name":"fi"#));
                empty_and_called_whole: Point::Head, Action::Answer(Answer::json(200, ""));
            }
        }
    )+};
}

/// The faults of a request that changes something.
macro_rules! changes {
    ($($place:ident: $release:ident, $on:expr;)+) => {$(
        mod $place {
            use super::*;

            fn heals_from(at: Point, action: Action) {
                let registry = Registry::start(Persona::default());
                let job = $release(&registry);
                heals(&job, &registry, Fault::once($on, at, action));
            }

            faults! {
                heals_from:
                reset_at_the_head: Point::Head, Action::Reset;
                closed_at_the_head: Point::Head, Action::Close;
                never_read: Point::Head, Action::Hang;
                reset_before_it_acts: Point::BeforeStore, Action::Reset;
                closed_before_it_acts: Point::BeforeStore, Action::Close;
                hanging_before_it_acts: Point::BeforeStore, Action::Hang;
                reset_after_it_acted: Point::AfterStore, Action::Reset;
                closed_after_it_acted: Point::AfterStore, Action::Close;
                hanging_after_it_acted: Point::AfterStore, Action::Hang;
                answered_by_half_after_it_acted: Point::AfterStore, half_an_answer();
                answered_by_nonsense_after_it_acted: Point::AfterStore, nonsense();
                answered_408: Point::BeforeStore, answer(408);
                answered_425: Point::Head, answer(425);
                answered_429: Point::Head, later(429);
                answered_500_before_it_acts: Point::BeforeStore, answer(500);
                answered_500_after_it_acted: Point::AfterStore, answer(500);
                answered_502_early: Point::Head, page(502);
                answered_502_before_it_acts: Point::BeforeStore, page(502);
                answered_502_after_it_acted: Point::AfterStore, page(502);
                answered_503: Point::Head, later(503);
                answered_504_after_it_acted: Point::AfterStore, page(504);
                answered_507: Point::BeforeStore, answer(507);
                answered_200_after_it_acted: Point::AfterStore, page(200);
                answered_299_after_it_acted: Point::AfterStore, answer(299);
            }
        }
    )+};
}

macro_rules! faults {
    ($heals_from:ident: $($fault:ident: $at:expr, $action:expr;)+) => {$(
        #[test]
        fn $fault() {
            $heals_from($at, $action);
        }
    )+};
}

fn answer(status: u16) -> Action {
    Action::Answer(Answer::text(status, ""))
}

fn page(status: u16) -> Action {
    Action::Answer(Answer::html(status, "<html><title>Not now</title></html>"))
}

/// The beginning of a good answer, and then the end of the connection.
fn half_an_answer() -> Action {
    Action::Raw(b"HTTP/1.1 20".to_vec())
}

fn nonsense() -> Action {
    Action::Raw(b"\x16\x03\x01\x02\0\x01\0\x01".to_vec())
}

fn later(status: u16) -> Action {
    Action::Answer(Answer::text(status, "").header("Retry-After", "1"))
}

fn question() -> Match {
    Match::put("/v1.0.0/%2A")
}

#[test]
fn a_server_that_refuses_connections_for_a_while_is_waited_for() {
    let registry = Registry::start(Persona::default());
    heals(&release(&registry), &registry, Fault::once(Match::any(), Point::Accept, Action::Reset).times(1));
}

questions! {
    the_list_at_the_start: release, Match::list(), 0;
    the_list_at_the_end: release, Match::list(), 1;
    the_question_for_the_right: replacing_release, question(), 0;
    the_list_after_the_uploads: replacing_release, Match::list(), 1;
    the_list_before_a_deletion: replacing_release, Match::list(), 2;
    the_list_after_a_replacement: replacing_release, Match::list(), 3;
}

lists! {
    the_first_lists_body: replacing_release, 0;
    the_body_of_the_list_before_a_deletion: replacing_release, 2;
    the_last_lists_body: release, 1;
}

changes! {
    the_upload_that_makes_the_version: release, Match::put("/v1.0.0/first");
    one_of_the_further_uploads: release, Match::put("/v1.0.0/second");
    the_upload_of_the_large_file: release, Match::put("/v1.0.0/third");
    the_deletion: replacing_release, Match::delete("/v1.0.0/first");
    the_upload_of_a_replacement: replacing_release, Match::put("/v1.0.0/first");
}

mod a_long_body {
    use super::*;

    fn heals_from(at: Point, action: Action) {
        let registry = Registry::start(Persona::default());
        let job = release(&registry);
        heals(&job, &registry, Fault::once(Match::put("/v1.0.0/third"), at, action));
    }

    faults! {
        heals_from:
        reset_at_its_first_byte: Point::RequestByte(1), Action::Reset;
        reset_in_its_middle: Point::RequestByte(1 << 19), Action::Reset;
        reset_before_its_last_byte: Point::RequestByte(1 << 20), Action::Reset;
        closed_in_its_middle: Point::RequestByte(1 << 19), Action::Close;
        hanging_in_its_middle: Point::RequestByte(1 << 19), Action::Hang;
        answered_500_in_its_middle: Point::RequestByte(1 << 19), answer(500);
        answered_503_in_its_middle: Point::RequestByte(1 << 19), later(503);
        answered_502_in_its_middle: Point::RequestByte(1 << 19), page(502);
    }
}

#[test]
fn what_the_server_calls_final_is_not_tried_again() {
    for status in [400, 401, 403, 404, 405, 410, 411, 412, 413, 418, 422, 301, 302, 303, 307, 308] {
        let registry = Registry::start(Persona::default());
        let job = release(&registry);
        registry.script(Fault::always(Match::put("/v1.0.0/first"), Point::Head, answer(status)));
        let ran = job.run_in_short().exits_with(1).has_a_hint_for_each_error().has_retries(0);
        assert_ne!(ran.statuses()["first"], "uploaded", "{status}");
        let sent = registry.requests().iter().filter(|request| request.target.ends_with("/first")).count();
        assert_eq!(sent, 1, "{status}");
    }
}

#[test]
fn the_retries_that_were_asked_for_are_made_and_no_more() {
    for retries in [0, 1, 4] {
        let registry = Registry::start(Persona::default());
        let mut job = release(&registry);
        job.input("retries", retries.to_string());
        registry.script(Fault::always(Match::put("/v1.0.0/second"), Point::BeforeStore, answer(500)));
        let ran = job.run_in_short().exits_with(1);
        let sent = registry.requests().iter().filter(|request| request.target.ends_with("/second")).count();
        assert_eq!(sent, 1 + retries);
        assert_eq!(ran.statuses()["second"], "failed");
        assert_eq!(ran.statuses()["third"], "uploaded", "the others go on");
        if retries > 0 {
            ran.has_retries(retries).says(&format!("/second, {} attempts)", retries + 1));
        }
    }
}

#[test]
fn a_list_that_stays_away_is_asked_for_as_often_as_was_asked_for() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::always(Match::list(), Point::Head, answer(503)));
    release(&registry).run_in_short().exits_with(1).has_codes(&["server-unavailable"]);
    assert_eq!(registry.requests().len(), 4);
}

#[test]
fn html_where_json_belongs_is_final() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::always(Match::list(), Point::Head, page(200)));
    release(&registry).run_in_short().exits_with(1).has_codes(&["web-page"]).has_retries(0);
    assert_eq!(registry.requests().len(), 1);
}

#[test]
fn a_409_that_the_list_does_not_know_of_is_looked_up_again_and_not_sent_again() {
    let registry = Registry::start(Persona::default());
    let mut job = release(&registry);
    // Somebody else stores it at the moment, last of all; the list shows it, and nothing but it, one look later.
    job.input("concurrency", "1");
    let other = Action::then(|world| world.seed("alice", "widget", "v1.0.0", "second", b"22222"));
    registry.script(Fault::once(Match::put("/v1.0.0/second"), Point::BeforeStore, other));
    registry.script(Fault::once(Match::list(), Point::Head, Action::Lag(1)).skip(1));
    let ran = job.run_in_short().exits_with(0).has_retries(2);
    assert_eq!(ran.statuses()["second"], "unchanged");
    let sent = registry.requests().iter().filter(|request| request.target.ends_with("/second")).count();
    assert_eq!(sent, 1);
}

#[test]
fn a_409_of_other_content_is_a_conflict_with_both_contents() {
    let registry = Registry::start(Persona::default());
    let job = release(&registry);
    let other = Action::then(|world| world.seed("alice", "widget", "v1.0.0", "second", b"other"));
    registry.script(Fault::once(Match::put("/v1.0.0/second"), Point::BeforeStore, other));
    let ran = job.run_in_short().exits_with(1).has_codes(&["conflict"]).says("`second`").says("5 bytes");
    assert_eq!(ran.statuses()["second"], "failed");
    assert_eq!(registry.read("alice", "widget", "v1.0.0", "second").as_deref(), Some(&b"other"[..]));
}

#[test]
fn what_cannot_be_looked_up_is_unknown() {
    let registry = Registry::start(Persona::default());
    let job = release(&registry);
    registry.script(Fault::once(Match::put("/v1.0.0/second"), Point::AfterStore, Action::Reset));
    registry.script(Fault::always(Match::list(), Point::Head, answer(500)).skip(1));
    let ran = job.run_in_short().exits_with(1).has_a_hint_for_each_error();
    assert_eq!(ran.statuses()["second"], "unknown");
    assert_eq!(ran.outputs["urls"], "");
}

#[test]
fn a_list_that_is_away_does_not_keep_a_deleted_file_from_its_place() {
    for at in [Point::BeforeStore, Point::AfterStore] {
        let registry = Registry::start(Persona::default());
        let mut job = replacing_release(&registry);
        job.input("retries", "0");
        // The forge is away from the moment at which the file is deleted, for a while.
        registry.script(Fault::once(Match::put("/v1.0.0/first"), at, page(502)));
        registry.script(Fault::always(Match::put("/v1.0.0/first"), Point::Head, page(502)).skip(1).times(9));
        registry.script(Fault::always(Match::list(), Point::Head, page(502)).skip(3).times(9));
        let ran = job.run_in_short().exits_with(0);
        assert_eq!(ran.statuses()["first"], "replaced");
        assert_eq!(registry.read("alice", "widget", "v1.0.0", "first").as_deref(), Some(&b"1"[..]));
    }
}

#[test]
fn a_deletion_that_does_not_happen_is_told_as_it_is() {
    for (action, code) in [(Action::Reset, "connection-broken"), (answer(500), "server-error")] {
        let registry = Registry::start(Persona::default());
        let job = replacing_release(&registry);
        registry.script(Fault::always(Match::delete("/v1.0.0/first"), Point::BeforeStore, action));
        let ran = job.run_in_short().exits_with(1).has_codes(&[code]);
        assert_eq!(ran.statuses()["first"], "failed");
    }
}

#[test]
fn each_deletion_follows_a_look_at_what_is_there() {
    let registry = Registry::start(Persona::default());
    let job = replacing_release(&registry);
    // While the server asks for a pause somebody else publishes.
    let other = Action::then(|world| {
        world.delete("alice", "widget", "v1.0.0", "first");
        world.seed("alice", "widget", "v1.0.0", "first", b"a third one's");
    });
    registry.script(Fault::once(Match::delete("/v1.0.0/first"), Point::Head, other));
    registry.script(Fault::once(Match::delete("/v1.0.0/first"), Point::Head, later(429)));
    job.run_in_short().exits_with(1).has_codes(&["changed-by-another-job"]);
    assert_eq!(registry.read("alice", "widget", "v1.0.0", "first").as_deref(), Some(&b"a third one's"[..]));
}

#[test]
fn what_took_the_place_of_a_deleted_file_stays_and_is_told() {
    let registry = Registry::start(Persona::default());
    let job = replacing_release(&registry);
    let other = Action::then(|world| world.seed("alice", "widget", "v1.0.0", "first", b"other"));
    registry.script(Fault::once(Match::delete("/v1.0.0/first"), Point::AfterStore, other));
    registry.script(Fault::once(Match::delete("/v1.0.0/first"), Point::AfterStore, Action::Reset));
    job.run_in_short().exits_with(1).has_codes(&["changed-by-another-job"]);
    assert_eq!(registry.read("alice", "widget", "v1.0.0", "first").as_deref(), Some(&b"other"[..]));
}

#[test]
fn a_list_that_still_shows_what_was_deleted_is_read_again() {
    for (on, skip) in [(Match::list(), 3), (Match::put("/v1.0.0/first"), 0)] {
        let registry = Registry::start(Persona::default());
        let job = replacing_release(&registry);
        if skip == 0 {
            registry.script(Fault::once(on, Point::AfterStore, Action::Reset));
        }
        registry.script(Fault::once(Match::list(), Point::Head, Action::Lag(2)).skip(3));
        let ran = job.run_in_short().exits_with(0);
        assert_eq!(ran.statuses()["first"], "replaced");
        assert_eq!(registry.read("alice", "widget", "v1.0.0", "first").as_deref(), Some(&b"1"[..]));
    }
}

#[test]
fn what_took_the_place_of_a_replacement_is_not_taken_for_what_was_deleted() {
    let registry = Registry::start(Persona::default());
    let job = replacing_release(&registry);
    let other = Action::then(|world| {
        assert!(world.delete("alice", "widget", "v1.0.0", "first"));
        world.seed("alice", "widget", "v1.0.0", "first", b"a third one's");
    });
    registry.script(Fault::once(Match::put("/v1.0.0/first"), Point::AfterStore, other));
    let ran = job.run_in_short().exits_with(1).has_codes(&["upload-mismatch"]).has_retries(0);
    assert_eq!(ran.statuses()["first"], "failed");
}

#[test]
fn a_replacement_that_is_refused_where_nothing_was_deleted_is_told_as_refused() {
    let registry = Registry::start(Persona::default());
    let job = replacing_release(&registry);
    registry.script(Fault::once(Match::delete("/v1.0.0/first"), Point::BeforeStore, answer(204)));
    registry.script(Fault::always(Match::put("/v1.0.0/first"), Point::Head, answer(413)));
    let ran = job.run_in_short().exits_with(1).has_a_hint_for_each_error().has_codes(&["body-limit-exceeded"]);
    assert_eq!(ran.statuses()["first"], "failed");
}

#[test]
fn what_comes_in_between_is_told_where_the_replacement_is_refused() {
    let registry = Registry::start(Persona::default());
    let job = replacing_release(&registry);
    let other = Action::then(|world| world.seed("alice", "widget", "v1.0.0", "first", b"a third one's"));
    registry.script(Fault::once(Match::put("/v1.0.0/first"), Point::Head, other));
    registry.script(Fault::once(Match::put("/v1.0.0/first"), Point::Head, answer(413)));
    let ran = job.run_in_short().exits_with(1).has_codes(&["changed-by-another-job"]);
    assert_eq!(ran.statuses()["first"], "failed");
}

#[test]
fn a_file_whose_answer_was_lost_counts_as_uploaded_though_a_later_list_is_behind() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "z", b"what was there");
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/z", "ours").input("if-file-exists", "overwrite").input("retries", "3");
    registry.script(Fault::once(Match::put("/v1.0.0/a"), Point::AfterStore, Action::Reset));
    // Of `a`, the deletion and the replacement the list after them knows nothing.
    registry.script(Fault::once(Match::list(), Point::Head, Action::Lag(3)).skip(3));
    let ran = job.run_in_short().exits_with(0);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded", "replaced"]);
}

#[test]
fn a_refusal_that_hides_behind_a_lost_answer_does_not_hide_that_the_file_is_there() {
    let registry = Registry::start(Persona::default());
    let job = release(&registry);
    let full = Answer::text(413, "enforcePackagesQuota");
    registry.script(Fault::once(Match::put("/v1.0.0/third"), Point::AfterStore, Action::Reset));
    registry.script(Fault::once(question(), Point::Head, Action::Answer(full)).skip(1));
    registry.seed("alice", "widget", "v1.0.0", "zero", b"");
    let ran = job.run_in_short().exits_with(0);
    assert_eq!(ran.statuses()["third"], "uploaded");
}

#[test]
fn a_refusal_of_a_file_is_final_and_costs_no_further_request() {
    let words = [(400, "invalid filename"), (403, "package type size"), (404, "404 page not found"), (413, "")];
    for (status, words) in words {
        let registry = Registry::start(Persona::default());
        let refused = Action::Answer(Answer::text(status, words));
        registry.script(Fault::always(Match::put("/v1.0.0/second"), Point::BeforeStore, refused));
        let ran = release(&registry).run_in_short().exits_with(1).has_retries(0);
        assert_eq!(ran.statuses()["second"], "failed", "{status}");
        // The lists at both ends, an upload for each file, the version's page, and a probe for what a proxy says too.
        let probes = usize::from(status == 404);
        assert_eq!(registry.requests().len() - probes, 6, "{:?}", registry.requests());
    }
}

#[test]
fn a_502_stays_what_is_told_where_the_question_is_no_more_than_unlucky_too() {
    for status in [418, 500] {
        let registry = Registry::start(Persona::default());
        let job = release(&registry);
        registry.script(Fault::always(Match::put("/v1.0.0/second"), Point::Head, page(502)));
        registry.script(Fault::always(question(), Point::Head, answer(status)));
        let ran = job.run_in_short().exits_with(1).has_codes(&["server-unavailable"]);
        ran.does_not_say(&format!("{status} ")).has_retries(3);
    }
}

#[test]
fn a_refusal_that_hides_behind_a_502_is_what_is_told_and_nothing_is_tried_again() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "other", b"makes the version");
    let mut job = Job::new(&registry);
    job.file("dist/first", "1").input("retries", "3");
    registry.script(Fault::always(Match::put("/v1.0.0/first"), Point::Head, page(502)));
    let full = Answer::text(413, "enforcePackagesQuota");
    registry.script(Fault::always(question(), Point::Head, Action::Answer(full)));
    let ran = job.run_in_short().exits_with(1).has_a_hint_for_each_error().has_codes(&["quota-exceeded"]);
    assert_eq!(ran.has_retries(0).does_not_say("502 ").statuses()["first"], "failed");
}

#[test]
fn a_pause_that_the_server_asks_for_is_obeyed_by_date_too() {
    let registry = Registry::start(Persona::default());
    let date = "Sun, 06 Nov 2094 08:49:37 GMT";
    let pause = Action::Answer(Answer::text(503, "").header("Retry-After", date));
    let job = release(&registry);
    let ran = heals(&job, &registry, Fault::once(Match::list(), Point::Head, pause));
    // As long as a pause may be, which is 4 ms in this run.
    ran.has_retries(1).says("in 0.0 s").says("503 Service Unavailable");
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
fn a_connection_that_went_stale_costs_no_retry() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "first", b"1");
    let mut job = release(&registry);
    job.input("retries", "0");
    // Between the list and the first upload the server ends its connections, as after a time-out of its own.
    let publication = job.run_to(|event| match event {
        Event::Unchanged => {
            registry.stop_listening();
            registry.listen_again();
            while !holds_a_stale_connection(Job::address_of(&registry).port()) {
                std::thread::yield_now();
            }
        }
        Event::Retry => panic!("it is tried again"),
        Event::Progress { .. } | Event::Note(_) => {}
    });
    assert!(publication.is_complete());
}

#[test]
fn a_server_that_is_not_there_is_waited_for() {
    let registry = Registry::start(Persona::default());
    let mut job = release(&registry);
    job.input("retries", "5");
    registry.stop_listening();
    let publication = job.run_to(|event| match event {
        Event::Retry => registry.listen_again(),
        Event::Unchanged | Event::Progress { .. } | Event::Note(_) => {}
    });
    assert!(publication.is_complete());
}

#[test]
fn a_slow_transfer_is_no_broken_one() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "first", b"1");
    let mut job = release(&registry);
    job.input("retries", "0").input("timeout", "1");
    // Both take half as long again as nothing may move.
    let slowly = || Action::drip(15, 20, Duration::from_millis(100));
    registry.script(Fault::once(Match::list(), Point::AnswerByte(0), slowly()));
    let slowly = || Action::drip(15, 1 << 16, Duration::from_millis(100));
    registry.script(Fault::once(Match::put("/v1.0.0/third"), Point::RequestByte(0), slowly()));
    job.run().exits_with(0);
    assert_eq!(registry.acted().len(), 2);
}

#[test]
fn a_file_that_changes_between_two_tries_is_not_published() {
    let changes: [fn(&Path) -> io::Result<()>; 5] = [
        |path| fs::write(path, "other"),
        |path| fs::write(path, "2222"),
        |path| fs::write(path, "222222"),
        |path| fs::remove_file(path),
        |path| {
            fs::write(path.with_extension("new"), "22222").and_then(|()| fs::rename(path.with_extension("new"), path))
        },
    ];
    for change in changes {
        let registry = Registry::start(Persona::default());
        let job = release(&registry);
        let path = job.workspace().join("dist/second");
        let change = Action::then(move |_| change(&path).expect("it can be changed"));
        registry.script(Fault::once(Match::put("/v1.0.0/second"), Point::BeforeStore, change));
        registry.script(Fault::once(Match::put("/v1.0.0/second"), Point::BeforeStore, answer(500)));
        let ran =
            job.run_in_short().exits_with(1).has_a_hint_for_each_error().has_retries(1).has_codes(&["file-changed"]);
        assert_eq!(ran.statuses()["second"], "failed");
        assert_eq!(registry.read("alice", "widget", "v1.0.0", "second"), None);
    }
}

#[test]
fn a_file_that_goes_away_before_it_is_compared_is_no_success() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "second", b"22222");
    let job = release(&registry);
    let path = job.workspace().join("dist/second");
    let gone = Action::then(move |_| fs::remove_file(&path).expect("it can be removed"));
    registry.script(Fault::once(Match::list(), Point::Head, gone));
    let ran = job.run_in_short().exits_with(1).has_a_hint_for_each_error().has_codes(&["file-changed"]);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["not-attempted", "failed", "not-attempted"]);
}

#[test]
fn a_file_that_goes_away_before_a_lost_answer_is_looked_up_is_unknown() {
    let registry = Registry::start(Persona::default());
    let job = release(&registry);
    let path = job.workspace().join("dist/second");
    let gone = Action::then(move |_| fs::remove_file(&path).expect("it can be removed"));
    registry.script(Fault::once(Match::put("/v1.0.0/second"), Point::AfterStore, gone));
    registry.script(Fault::once(Match::put("/v1.0.0/second"), Point::AfterStore, Action::Reset));
    let ran = job.run_in_short().exits_with(1).has_a_hint_for_each_error().has_codes(&["file-changed"]);
    assert_eq!(ran.statuses()["second"], "unknown", "it is there");
}

#[test]
fn a_refused_replacement_is_missing_also_where_the_list_still_shows_what_was_deleted() {
    let registry = Registry::start(Persona::default());
    let job = replacing_release(&registry);
    registry.script(Fault::always(Match::put("/v1.0.0/first"), Point::Head, answer(413)));
    registry.script(Fault::once(Match::list(), Point::Head, Action::Lag(1)).skip(3));
    let ran = job.run_in_short().exits_with(1).has_a_hint_for_each_error().has_codes(&["replaced-file-missing"]);
    assert_eq!(ran.statuses()["first"], "failed");
}
