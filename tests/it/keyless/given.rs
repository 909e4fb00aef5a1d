//! The input `oidc-audience`, and the runner's variables.

use std::ffi::OsString;

use embedded_registry::{IdTokens, Persona, Registry};

use super::{forgejo, publishing, with_id_tokens};
use crate::harness::Job;

const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
const RUNNERS: [&str; 3] = ["GITHUB_ACTIONS", "GITEA_ACTIONS", "FORGEJO_ACTIONS"];

#[test]
fn a_token_and_an_audience_together_are_an_error_that_explains_both_ways() {
    let (registry, audience) = forgejo(IdTokens::default());
    for mut job in [Job::publishing(&registry, &[("a", "1")]), Job::downloading(&registry)] {
        with_id_tokens(&mut job, &registry, &audience).token(&registry.token("alice_write"));
        let ran = job.run_rejected(&registry).has_codes(&["invalid-input"]);
        ran.says("failed to read input `oidc-audience`").says("Remove `token`").says("or remove `oidc-audience`");
    }
}

#[test]
fn neither_is_an_error_for_publishing_that_names_both_ways_if_the_job_can_get_id_tokens() {
    let (registry, audience) = forgejo(IdTokens::default());
    let mut job = publishing(&registry, &audience, &[("a", "1")]);
    job.without("INPUT_OIDC-AUDIENCE");
    let ran = job.run_rejected(&registry).has_codes(&["missing-input"]);
    ran.says("Set `token` to").says("Or set `oidc-audience` to");
    for variable in [URL, TOKEN] {
        job.variable(variable, "");
        job.run_rejected(&registry).has_codes(&["missing-input"]).does_not_say("oidc-audience");
    }
}

#[test]
fn the_hint_for_a_job_without_id_tokens_depends_on_the_runner() {
    let (registry, audience) = forgejo(IdTokens::default());
    let forgejo = "`enable-openid-connect: true` on the job";
    for (runner, hint) in [
        (Some("FORGEJO_ACTIONS"), forgejo),
        (Some("GITEA_ACTIONS"), "Gitea Actions has no ID tokens"),
        (Some("GITHUB_ACTIONS"), "`permissions: id-token: write` on the job"),
        (None, "Use `token` instead of `oidc-audience`"),
    ] {
        for (value, problem) in [(Some(""), "is empty"), (None, "is not set")] {
            for variable in [URL, TOKEN] {
                let mut job = publishing(&registry, &audience, &[("a", "1")]);
                job.without("RUNNER_DEBUG");
                for other in RUNNERS {
                    job.without(other);
                }
                if let Some(runner) = runner {
                    job.variable(runner, "true");
                }
                match value {
                    Some(value) => job.variable(variable, value),
                    None => job.without(variable),
                };
                let ran = job.run_rejected(&registry).says("failed to read input `oidc-audience`");
                let ran = ran.says(problem).says(hint);
                let codes: &[&str] = if runner.is_some() { &["id-tokens-unavailable"] } else { &[] };
                let ran = ran.has_codes(codes);
                let is_about_forks = ran.unwrapped_log().contains("Pull requests from forks get no ID tokens");
                assert_eq!(is_about_forks, matches!(runner, Some("FORGEJO_ACTIONS" | "GITHUB_ACTIONS")));
            }
        }
    }
}

#[test]
fn an_audience_or_a_variable_that_cannot_be_right_is_rejected() {
    let (registry, audience) = forgejo(IdTokens::default());
    let url = registry.id_token_url();
    let with_password = url.replace("http://", "http://alice:hunter22@");
    for (name, value, names) in [
        ("INPUT_OIDC-AUDIENCE", "u:2: 3", "input `oidc-audience`"),
        ("INPUT_OIDC-AUDIENCE", "u:2:\u{200b}3", "input `oidc-audience`"),
        ("INPUT_OIDC-AUDIENCE", "\"u:2:3\"", "input `oidc-audience`"),
        // It could be a token, so it is neither shown nor sent.
        ("INPUT_OIDC-AUDIENCE", "1d76edb6938a8a4ca3ba92063bc25239761d3ad8", "input `oidc-audience`"),
        (URL, "git.example.com/idtoken", "variable `ACTIONS_ID_TOKEN_REQUEST_URL`"),
        (URL, "ftp://git.example.com/idtoken", "variable `ACTIONS_ID_TOKEN_REQUEST_URL`"),
        (URL, &with_password, "variable `ACTIONS_ID_TOKEN_REQUEST_URL`"),
        (TOKEN, "two parts", "variable `ACTIONS_ID_TOKEN_REQUEST_TOKEN`"),
    ] {
        let mut job = publishing(&registry, &audience, &[("a", "1")]);
        let ran = job.variable(name, OsString::from(value)).secret(value).run_rejected(&registry);
        ran.has_codes(&["invalid-input"]).says(&format!("failed to read {names}"));
    }
}

#[test]
fn an_audience_that_is_not_expanded_is_one_error() {
    let (registry, _) = forgejo(IdTokens::default());
    let job = publishing(&registry, "${{ vars.AUDIENCE }}", &[("a", "1")]);
    job.run_rejected(&registry).has_codes(&["unexpanded-variable"]);
}

#[test]
fn a_dry_run_in_a_job_without_id_tokens_skips_the_registry() {
    let (registry, audience) = forgejo(IdTokens::default());
    let mut job = publishing(&registry, &audience, &[("a", "1")]);
    job.input("dry-run", "true").variable(URL, "").variable(TOKEN, "");
    let ran = job.run().exits_with(0).says("Dry run without a token: 1 file checked");
    ran.says("warning: this job gets no ID tokens").says("`enable-openid-connect: true`");
    // As for a fork, whose jobs never get ID tokens.
    job.variable("GITHUB_REF", "refs/pull/1/merge").input("version", "1.0.0");
    job.run().exits_with(0).does_not_say("warning:");
    assert_eq!(registry.requests(), []);
}

#[test]
fn an_audience_in_token_is_an_error_that_names_the_input_for_it() {
    let (registry, audience) = forgejo(IdTokens::default());
    let mut job = Job::publishing(&registry, &[("a", "1")]);
    job.token(&audience)
        .run()
        .exits_with(1)
        .has_codes(&["bad-token"])
        .says("hint: Set `oidc-audience` instead of `token`");
}

#[test]
fn the_request_token_is_hidden_from_the_start() {
    let (registry, audience) = forgejo(IdTokens::default());
    let token = registry.id_token_request_token();
    let mut job = publishing(&registry, &audience, &[("a", "1")]);
    let ran = job.input("version", &token).run_rejected(&registry).has_codes(&["secret-in-input"]);
    assert_eq!(ran.masks, [format!("::add-mask::{token}")]);
    // Also if another input is bad, so that no credentials are read.
    let ran = job.input("username", "a:b").input("server-url", format!("http://{token}.invalid")).run();
    assert_eq!((ran.code, ran.masks.len()), (Some(2), 1), "{}", ran.log);
}

#[test]
fn the_hint_for_the_jobs_own_token_names_id_tokens_first_if_the_job_can_get_them() {
    let registry = Registry::start(Persona::Forgejo16);
    registry.offer_id_tokens(IdTokens::default());
    let token = registry.token("carol_write");
    let mut job = Job::publishing(&registry, &[("a", "1")]);
    job.input("owner", "acme").token(&token).variable("FORGEJO_TOKEN", &token);
    job.run().exits_with(1).has_codes(&["no-write-access"]).does_not_say("oidc-audience");
    job.variable(URL, registry.id_token_url()).variable(TOKEN, registry.id_token_request_token());
    job.run()
        .exits_with(1)
        .says("hint: Set `oidc-audience` instead of `token`")
        .says("Or create a personal access token");
    assert_eq!(registry.issued_id_tokens(), [""; 0]);
}
