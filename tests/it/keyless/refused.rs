//! Refusals of ID tokens by the server.

use std::thread;

use embedded_registry::{
    Action, Answer, Fault, IdTokenKey, IdTokens, Integration, Match, Persona, Point, Registry, Rule,
};

use super::{forgejo, publishing, requests, run, used, with_id_tokens};
use crate::harness::{Job, Ran};
use crate::package::{changes, contents};

/// A run with tokens of that kind, for an integration.
fn refused(integration: &Integration, tokens: &IdTokens) -> Ran {
    let registry = Registry::start(Persona::Forgejo16);
    let audience = registry.add_integration(integration.clone());
    registry.offer_id_tokens(tokens.clone());
    let ran = run(&publishing(&registry, &audience, &[("a", "1")]), &registry).exits_with(1);
    assert_eq!(changes(&registry), [""; 0], "{}", ran.log);
    ran.has_a_hint_for_each_error().says("failed to list the files of alice/widget v1.0.0")
}

#[test]
fn each_reason_of_the_server_has_its_hint_and_the_token_is_not_shown() {
    let alice = || Integration::of("alice");
    let tokens = IdTokens::default;
    let audiences = |audiences: &[&str]| IdTokens {
        audiences: Some(audiences.iter().map(ToString::to_string).collect()),
        ..IdTokens::default()
    };
    let cases = [
        (
            alice().rule(Rule::eq("repository", "acme/other")),
            tokens(),
            "id-token-claims",
            r#"claim "repository" must be "acme/other", but was "acme/widget""#,
        ),
        (alice().rule(Rule::eq("environment", "release")), tokens(), "id-token-claims", "claim not found"),
        (alice().rule(Rule::glob("ref", "refs/heads/*")), tokens(), "id-token-claims", "claim mismatch"),
        (alice().rule(Rule::one_of("actor", &["bob"])), tokens(), "id-token-claims", "claim mismatch"),
        (alice(), audiences(&["u:2:other"]), "id-token-audience", "matching authorized_integration not found"),
        (alice().issuer("https://other.invalid"), tokens(), "id-token-audience", "authorized_integration not found"),
        (alice(), audiences(&["u:2:a", "u:2:b"]), "bad-id-token", "one and only one `aud` claim, but received 2"),
        (alice(), audiences(&[]), "bad-id-token", "one and only one `aud` claim, but received 0"),
        (alice(), IdTokens { key: IdTokenKey::Other, ..tokens() }, "bad-id-token", "token signature is invalid"),
        (alice(), IdTokens { issued_at_offset: -7200, ..tokens() }, "id-token-time", "token is expired"),
        (alice(), IdTokens { issued_at_offset: 600, ..tokens() }, "id-token-time", "token used before issued"),
    ];
    // At once, because each waits two seconds for its second attempt.
    thread::scope(|scope| {
        for (integration, tokens, code, says) in &cases {
            scope.spawn(move || {
                let ran = refused(integration, tokens).has_codes(&[code]).says("401 Unauthorized").says(says);
                // The server repeats the token twice, in the texts before the reason.
                assert_eq!(ran.log.matches("other reasons that the server gave").count(), 2, "{}", ran.log);
                let ran = ran.says("access token does not exist [sha: ***]; task with token \"***\"");
                ran.does_not_say("eyJ");
            });
        }
    });
}

#[test]
fn an_integration_without_access_has_a_hint_about_its_user_and_its_scope() {
    let registry = Registry::start(Persona::Forgejo16);
    registry.offer_id_tokens(IdTokens::default());
    for (integration, owner, code, hint) in [
        (
            Integration::of("alice").scope("read:package"),
            "alice",
            "no-write-access",
            "write access to packages of alice",
        ),
        (Integration::of("carol"), "acme", "no-write-access", "write access to packages of acme"),
        (Integration::of("acme"), "acme", "no-write-access", "cannot own an integration"),
        (Integration::of("alice").scope("read:misc"), "alice", "missing-scope", "the scope write:package"),
        (
            Integration::of("alice").scope("public-only,write:package"),
            "secretorg",
            "public-only-token",
            "Remove the limit to public owners",
        ),
    ] {
        let audience = registry.add_integration(integration);
        let mut job = publishing(&registry, &audience, &[("a", "1")]);
        let ran = run(job.input("owner", owner), &registry).exits_with(1).has_codes(&[code]);
        let ran = ran.says(hint).says("authorized integration").says("/user/settings/authorized-integrations");
        ran.does_not_say("`token`");
        assert_eq!(registry.files(owner, "widget", "v1.0.0").len(), 0);
    }
    let mut job = Job::downloading(&registry);
    registry.seed("secretorg", "widget", "v1.0.0", "app", b"content");
    let audience = registry.add_integration(Integration::of("bob"));
    job.input("owner", "secretorg").input("version", "v1.0.0");
    let ran = run(with_id_tokens(&mut job, &registry, &audience), &registry).exits_with(1);
    ran.says("authorized integration").says("read access to packages of secretorg").does_not_say("`token`");
}

#[test]
fn a_server_without_integrations_leads_back_to_the_token() {
    for (persona, code) in
        [(Persona::Forgejo15, "id-tokens-not-supported"), (Persona::Gitea1_26, "id-tokens-not-supported")]
    {
        let registry = Registry::start(persona);
        registry.offer_id_tokens(IdTokens::default());
        let ran = run(&publishing(&registry, "u:2:3", &[("a", "1")]), &registry).exits_with(1).has_codes(&[code]);
        ran.says("Use `token`").says("Forgejo 16 and later");
    }
}

#[test]
fn a_server_whose_clock_is_a_second_behind_accepts_a_new_token_at_the_second_attempt() {
    let (registry, audience) = forgejo(IdTokens { issued_at_offset: 1, ..IdTokens::default() });
    let ran = run(&publishing(&registry, &audience, &[("a", "1")]), &registry);
    ran.exits_with(0).has_statuses(&["uploaded"]).has_retries(0);
    let (asked, _) = requests(&registry);
    assert_eq!((asked.len(), used(&registry).len()), (1, 1), "it is the same token");
}

#[test]
fn a_new_token_that_is_refused_is_sent_once_more_with_the_whole_file() {
    let refusal = Action::Answer(Answer::text(401, "authGroup.Verify"));
    for times in [1, 2] {
        let (registry, audience) = forgejo(IdTokens::default());
        registry.add_fault(Fault::once(Match::put("/a"), Point::BeforeStore, refusal.clone()).times(times));
        let content = "x".repeat(100_000);
        let ran = run(&publishing(&registry, &audience, &[("a", &content)]), &registry).has_retries(0);
        let uploads: Vec<u64> = registry
            .requests()
            .iter()
            .filter(|request| request.method == "PUT" && request.target.ends_with("/a"))
            .map(|request| request.body_bytes)
            .collect();
        assert_eq!(uploads, [100_000; 2], "{}", ran.log);
        if times == 1 {
            ran.exits_with(0).has_statuses(&["uploaded"]);
            assert_eq!(contents(&registry, "v1.0.0")["a"], content);
        } else {
            ran.exits_with(1).has_codes(&["bad-id-token"]).says("401 Unauthorized: authGroup.Verify");
        }
    }
}

#[test]
fn a_download_with_a_new_token_that_is_refused_is_sent_once_more() {
    let (registry, audience) = forgejo(IdTokens::default());
    registry.seed("alice", "widget", "v1.0.0", "app", b"content");
    let refusal = Action::Answer(Answer::text(401, "authGroup.Verify"));
    registry.add_fault(Fault::once(Match::get("/app"), Point::Head, refusal));
    let mut job = Job::downloading(&registry);
    run(with_id_tokens(&mut job, &registry, &audience), &registry).exits_with(0).has_statuses(&["downloaded"]);
}

#[test]
fn missing_write_access_is_reported_without_a_second_attempt() {
    let (registry, _) = forgejo(IdTokens::default());
    let audience = registry.add_integration(Integration::of("alice").scope("read:package"));
    run(&publishing(&registry, &audience, &[("a", "1")]), &registry).exits_with(1);
    assert_eq!(registry.requests().iter().filter(|request| request.method == "PUT").count(), 1);
}
