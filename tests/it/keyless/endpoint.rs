//! The endpoint of the runner that issues ID tokens.

use std::time::Duration;

use embedded_registry::{Action, Answer, Fault, IdTokens, Integration, Match, Persona, Point, Registry};

use super::{forgejo, publishing, requests, run, with_id_tokens};
use crate::harness::{Job, Ran};
use crate::package::answers;

const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvOmFjbWUvd2lkZ2V0In0.c2lnbmF0dXJl";

fn fails(answer: Answer) -> Ran {
    let (registry, audience) = forgejo(IdTokens::default());
    answers(&registry, Match::id_token(), answer);
    let mut job = publishing(&registry, &audience, &[("a", "1")]);
    let ran = run(job.secret(JWT), &registry).exits_with(1).has_a_hint_for_each_error();
    assert_eq!(requests(&registry).1, [], "{}", ran.log);
    ran.says("error: failed to get an ID token of this job")
}

#[test]
fn an_endpoint_that_is_slow_or_fails_once_is_waited_for() {
    let slow = Action::Pause { pause: Duration::from_millis(700), every: 0, times: 1 };
    for (action, retries) in [
        (slow, 0),
        (Action::Answer(Answer::text(500, "internal server error")), 1),
        (Action::Answer(Answer::html(502, "<title>502 Bad Gateway</title>")), 1),
        (Action::Answer(Answer::text(429, "")), 1),
        (Action::Reset, 1),
    ] {
        let (registry, audience) = forgejo(IdTokens::default());
        registry.add_fault(Fault::once(Match::id_token(), Point::Head, action));
        let mut job = publishing(&registry, &audience, &[("a", "1")]);
        let ran = run(job.input("retries", "1"), &registry).exits_with(0).has_statuses(&["uploaded"]);
        ran.has_retries(retries);
        assert_eq!(requests(&registry).0.len(), retries + 1);
    }
}

#[test]
fn an_endpoint_that_refuses_or_answers_something_else_ends_the_run_before_the_first_request_to_the_server() {
    let json = |text: String| Answer::json(200, text);
    let long = format!(r#"{{"value":"{JWT}{}"}}"#, "x".repeat(65_536));
    for (answer, code, says) in [
        (
            Answer::text(401, "Bad authorization header"),
            "id-token-refused",
            "401 Unauthorized: Bad authorization header",
        ),
        (Answer::text(400, "run-id does not match"), "id-token-failed", "400 Bad Request: run-id does not match"),
        (Answer::text(500, "no"), "id-token-failed", "500 Internal Server Error: no"),
        (Answer::empty(302).header("Location", "/elsewhere"), "id-token-failed", "302 Found"),
        // An answer that is not read as a token is not shown either.
        (Answer::json(203, format!(r#"{{"value":"{JWT}"}}"#)), "id-token-failed", "203 Non Authoritative"),
        (Answer::html(200, "<title>Sign in</title>"), "unexpected-response", "it is a web page"),
        (json(format!("\"{JWT}\"")), "unexpected-response", "it has no string `value`"),
        (json(format!(r#"{{"value":["{JWT}"]}}"#)), "unexpected-response", "it has no string `value`"),
        (json(format!(r#"{{"value":"{JWT}"}}"#)), "unexpected-response", "its JWT has no `exp`"),
        (json(r#"{"value":"no token"}"#.to_owned()), "unexpected-response", "its `value` is not a JWT"),
        (Answer::text(200, JWT), "unexpected-response", "it is not JSON"),
        (json(long), "unexpected-response", "it is longer than 64.0 KiB"),
    ] {
        fails(answer).has_codes(&[code]).says(says).has_retries(0);
    }
}

#[test]
fn a_failing_endpoint_is_asked_as_often_as_retries_allow() {
    let (registry, audience) = forgejo(IdTokens::default());
    answers(&registry, Match::id_token(), Answer::text(500, "no"));
    let mut job = publishing(&registry, &audience, &[("a", "1")]);
    let ran = run(job.input("retries", "2"), &registry).exits_with(1).has_retries(2);
    ran.has_codes(&["id-token-failed"]).says("3 attempts");
    assert_eq!(requests(&registry).0.len(), 3);
}

#[test]
fn if_a_renewal_fails_the_run_ends_with_one_error_after_its_retries() {
    let (registry, audience) = forgejo(IdTokens::default().life(Duration::from_secs(2)));
    // The token has ended when the first upload has. The others begin at once.
    let slow = Action::Pause { pause: Duration::from_millis(2100), every: 0, times: 1 };
    registry.add_fault(Fault::once(Match::put(""), Point::AfterStore, slow));
    let no = Action::Answer(Answer::text(500, "no"));
    registry.add_fault(Fault::always(Match::id_token(), Point::Head, no).skip(1));
    let files: Vec<String> = (0..9).map(|number| number.to_string()).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|name| (&**name, "content")).collect();
    let mut job = publishing(&registry, &audience, &files);
    let ran = run(job.input("concurrency", "8").input("retries", "1"), &registry).exits_with(1);
    // The file that was uploaded can no longer be verified.
    let ran = ran.has_codes(&["id-token-failed", "not-verified"]);
    assert_eq!(requests(&registry).0.len(), 1 + 2, "{}", ran.log);
}

#[test]
fn an_endpoint_on_another_origin_gets_no_headers_and_only_its_status_is_shown() {
    let server = Registry::start(Persona::Forgejo16);
    let runner = Registry::start(Persona::Forgejo15);
    runner.offer_id_tokens(IdTokens::default());
    let audience = server.add_integration(Integration::of("alice").issuer(&runner.id_token_issuer()));
    let mut job = Job::publishing(&server, &[("a", "1")]);
    with_id_tokens(&mut job, &runner, &audience)
        .input("headers", "X-Gate: 0123456789abcdef")
        .secret("0123456789abcdef");
    run(&job, &runner).exits_with(0).has_statuses(&["uploaded"]);
    let asked = runner.requests();
    assert_eq!((asked.len(), asked[0].header("X-Gate")), (1, None));
    assert!(server.requests().iter().all(|request| request.header("X-Gate").is_some()));
    answers(&runner, Match::id_token(), Answer::text(401, "a text of somebody else"));
    let ran = run(&job, &runner).exits_with(1).has_codes(&["id-token-refused"]);
    let ran = ran.says(&format!("401 Unauthorized (GET {}/)", runner.url()));
    ran.does_not_say("somebody else").does_not_say("idtoken");
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_named() {
    let (registry, audience) = forgejo(IdTokens::default());
    let mut job = publishing(&registry, &audience, &[("a", "1")]);
    job.variable("ACTIONS_ID_TOKEN_REQUEST_URL", "http://127.0.0.1:1/idtoken?api-version=2.0");
    let ran = run(&job, &registry).exits_with(1).has_codes(&["connection-failed"]);
    ran.says("Check that the runner can reach 127.0.0.1, which issues the ID tokens of the job");
    assert_eq!(registry.requests(), []);
}

#[test]
fn a_proxy_on_the_way_to_an_endpoint_elsewhere_is_named() {
    let (registry, audience) = forgejo(IdTokens::default());
    let mut job = publishing(&registry, &audience, &[("a", "1")]);
    job.variable("ACTIONS_ID_TOKEN_REQUEST_URL", "http://runner.example.com/idtoken?api-version=2.0");
    job.variable("HTTP_PROXY", "http://0.0.0.0:1").variable("NO_PROXY", "127.0.0.1");
    let ran = run(&job, &registry).exits_with(1).has_codes(&["proxy-unreachable"]);
    ran.says("0.0.0.0:1").says("`HTTP_PROXY`").does_not_say("Check that the runner can reach");
}
