//! The renewal of ID tokens in time.

use std::time::Duration;

use embedded_registry::{Action, Answer, Fault, IdTokens, Match, Point, Registry, Request};
use rustix::process::Signal;

use super::{forgejo, publishing, requests, run, used};
use crate::harness::Job;
use crate::package::{put, seed};
use crate::stopping::{holds, stopped};

fn pause(milliseconds: u64) -> Action {
    Action::Pause { pause: Duration::from_millis(milliseconds), every: 0, times: 1 }
}

fn life(seconds: u64) -> IdTokens {
    IdTokens::default().life(Duration::from_secs(seconds))
}

/// A job that publishes that many files.
fn many(registry: &Registry, audience: &str, count: usize) -> Job {
    let mut job = publishing(registry, audience, &[]);
    for number in 0..count {
        job.file(format!("dist/{number:03}"), number.to_string());
    }
    job
}

#[test]
fn a_token_of_five_minutes_is_enough_for_a_hundred_files() {
    let (registry, audience) = forgejo(life(300));
    run(&many(&registry, &audience, 100), &registry).exits_with(0).has_statuses(&["uploaded"; 100]);
    assert_eq!((requests(&registry).0.len(), used(&registry).len()), (1, 1));
}

#[test]
fn tokens_of_three_seconds_are_renewed_during_a_run_and_none_is_requested_in_vain() {
    let (registry, audience) = forgejo(life(3));
    // A hundred files, eight at a time, in more than the half of three seconds.
    registry.add_fault(Fault::always(Match::put(""), Point::AfterStore, pause(250)));
    let mut job = many(&registry, &audience, 100);
    let ran = run(job.input("concurrency", "8"), &registry).exits_with(0).has_statuses(&["uploaded"; 100]);
    let issued = registry.issued_id_tokens();
    assert!(issued.len() > 1, "{}", ran.log);
    assert_eq!(used(&registry).into_iter().collect::<Vec<_>>().len(), issued.len());
    assert_eq!(ran.masks.len(), issued.len() + 1);
}

#[test]
fn eight_uploads_that_begin_when_the_token_ends_share_one_renewal() {
    let (registry, audience) = forgejo(life(3));
    // The first upload goes alone. When it ends, the token has to be renewed.
    registry.add_fault(Fault::once(Match::put(""), Point::AfterStore, pause(1600)));
    registry.add_fault(Fault::once(Match::id_token(), Point::Head, pause(100)).skip(1));
    let mut job = many(&registry, &audience, 9);
    run(job.input("concurrency", "8"), &registry).exits_with(0).has_statuses(&["uploaded"; 9]);
    let (asked, others) = requests(&registry);
    let uploads: Vec<&Request> = others.iter().filter(|request| request.method == "PUT").collect();
    assert_eq!(uploads.len(), 9);
    let issued = registry.issued_id_tokens();
    for upload in &uploads[1..] {
        assert_eq!(upload.header("Authorization"), Some(&*format!("Bearer {}", issued[1])));
        assert!(Some(upload.started) > asked[1].finished);
    }
    let during = asked.iter().filter(|request| request.started < uploads[8].started).count();
    assert_eq!(during, 2);
}

#[test]
fn a_token_that_ends_during_an_upload_is_renewed_only_for_the_next_request() {
    let (registry, audience) = forgejo(life(2));
    registry.add_fault(Fault::once(Match::put(""), Point::AfterStore, pause(2500)));
    let ran = run(&publishing(&registry, &audience, &[("a", "1")]), &registry).exits_with(0);
    ran.has_statuses(&["uploaded"]).has_retries(0);
    let (asked, others) = requests(&registry);
    let upload = others.iter().find(|request| request.method == "PUT").expect("an upload");
    let during = |request: &&Request| request.started > upload.started && Some(request.started) < upload.finished;
    assert_eq!(asked.iter().filter(during).count(), 0);
    assert!(asked.len() > 1);
}

#[test]
fn the_old_token_serves_until_its_end_if_the_renewal_fails() {
    let (registry, audience) = forgejo(life(6));
    registry.add_fault(Fault::once(Match::put(""), Point::AfterStore, pause(3100)));
    let no = Action::Answer(Answer::text(500, "no"));
    registry.add_fault(Fault::always(Match::id_token(), Point::Head, no).skip(1));
    let ran = run(&many(&registry, &audience, 3), &registry).exits_with(0).has_statuses(&["uploaded"; 3]);
    assert_eq!((requests(&registry).0.len(), used(&registry).len()), (2, 1), "{}", ran.log);
}

#[test]
fn a_server_that_restarts_when_the_token_is_renewed_is_waited_for() {
    let (registry, audience) = forgejo(life(2));
    registry.add_fault(Fault::once(Match::put(""), Point::AfterStore, pause(1100)));
    // After the first token, the list and an upload: the renewal and two probes.
    let away = Action::Answer(Answer::html(502, "<title>502 Bad Gateway</title>"));
    registry.add_fault(Fault::once(Match::any(), Point::Head, away).skip(3).times(3));
    let ran = run(&many(&registry, &audience, 3), &registry).exits_with(0).has_statuses(&["uploaded"; 3]);
    ran.says("stopped responding; waiting for it").says("responds again after");
}

#[test]
fn a_replacement_begins_with_a_token_that_lasts_for_its_upload_too() {
    let (registry, audience) = forgejo(life(8));
    seed(&registry, "v1.0.0", &[("b", "theirs")]);
    // Then the token is good for other requests, but not for a deletion.
    registry.add_fault(Fault::once(put("a"), Point::AfterStore, pause(2200)));
    let mut job = publishing(&registry, &audience, &[("a", "1"), ("b", "ours")]);
    let ran = run(job.input("if-file-exists", "overwrite"), &registry).exits_with(0);
    ran.has_statuses(&["uploaded", "replaced"]);
    let (asked, others) = requests(&registry);
    let deletion = others.iter().find(|request| request.method == "DELETE").expect("a deletion");
    let upload = others.iter().rfind(|request| request.method == "PUT").expect("an upload");
    let second = format!("Bearer {}", registry.issued_id_tokens()[1]);
    assert_eq!([deletion, upload].map(|request| request.header("Authorization")), [Some(&*second); 2]);
    assert!(asked.iter().all(|request| request.started < deletion.started), "nothing is between deletion and upload");
}

#[test]
fn the_last_list_of_a_canceled_run_uses_the_old_token() {
    let (registry, audience) = forgejo(life(12));
    registry.add_fault(Fault::once(put("b"), Point::BeforeStore, pause(6100)));
    registry.add_fault(Fault::once(Match::id_token(), Point::Head, Action::Hang).skip(1));
    let moment = holds(&registry, put("b"), Point::BeforeStore, 0);
    let ran = stopped(&publishing(&registry, &audience, &[("a", "1"), ("b", "2")]), &moment, Signal::TERM);
    ran.exits_with(143).has_statuses(&["uploaded", "unknown"]);
    assert_eq!(requests(&registry).0.len(), 1);
}

#[test]
fn an_upload_whose_token_ends_in_the_buffer_of_a_proxy_is_sent_again_with_a_new_token() {
    let (registry, audience) = forgejo(life(4));
    registry.add_fault(Fault::once(put("a"), Point::Head, pause(4200)));
    let ran = run(&publishing(&registry, &audience, &[("a", "1")]), &registry).exits_with(0);
    ran.has_statuses(&["uploaded"]).has_retries(0).says("debug: the server refused an ID token: 401 Unauthorized");
    let (_, others) = requests(&registry);
    let uploads: Vec<&Request> = others.iter().filter(|request| request.method == "PUT").collect();
    assert_eq!(uploads.len(), 2);
    assert_ne!(uploads[0].header("Authorization"), uploads[1].header("Authorization"));
}
