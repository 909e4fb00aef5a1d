//! ID tokens of the job in place of a stored token, on Forgejo 16.

mod endpoint;
mod given;
mod refused;
mod renewed;

use std::collections::BTreeSet;

use embedded_registry::{IdTokens, Integration, Persona, Registry, Request};

use crate::harness::{Job, Ran};
use crate::package::{contents, link_of};

/// A Forgejo 16 that issues these tokens to jobs, and the audience of an integration of alice.
fn forgejo(tokens: IdTokens) -> (Registry, String) {
    let registry = Registry::start(Persona::Forgejo16);
    let audience = registry.add_integration(Integration::of("alice"));
    registry.offer_id_tokens(tokens);
    (registry, audience)
}

/// Lets a job of Forgejo Actions use ID tokens of that registry.
pub(crate) fn with_id_tokens<'j>(job: &'j mut Job, registry: &Registry, audience: &str) -> &'j mut Job {
    let token = registry.id_token_request_token();
    job.variable("FORGEJO_ACTIONS", "true").variable("ACTIONS_ID_TOKEN_REQUEST_URL", registry.id_token_url());
    job.variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &token).secret(&token);
    job.without("INPUT_TOKEN").input("oidc-audience", audience)
}

/// A job that publishes these files.
fn publishing(registry: &Registry, audience: &str, files: &[(&str, &str)]) -> Job {
    let mut job = Job::publishing(registry, files);
    job.variable("RUNNER_DEBUG", "1");
    with_id_tokens(&mut job, registry, audience);
    job
}

/// Runs a job, and searches all its output for the issued tokens.
pub(crate) fn run(job: &Job, registry: &Registry) -> Ran {
    job.run().shows_no_jwt(&registry.issued_id_tokens())
}

/// The requests for ID tokens, and all others.
fn requests(registry: &Registry) -> (Vec<Request>, Vec<Request>) {
    registry.requests().into_iter().partition(|request| request.target.starts_with("/api/actions/"))
}

/// The ID tokens with which requests were sent to the server.
fn used(registry: &Registry) -> BTreeSet<String> {
    let (_, others) = requests(registry);
    let bearer = |request: &Request| request.header("Authorization")?.strip_prefix("Bearer ").map(str::to_owned);
    others.iter().map(|request| bearer(request).expect("each request has a token")).collect()
}

#[test]
fn a_release_needs_one_id_token_for_all_its_requests_and_no_stored_token() {
    let (registry, audience) = forgejo(IdTokens::default());
    let mut job = publishing(&registry, &audience, &[("a", "1"), ("b", "22")]);
    job.input("checksums", "SHA256SUMS").input("aliases", "latest").input("link-repository", "widget");
    let ran = run(&job, &registry).exits_with(0).has_statuses(&["uploaded"; 3]).does_not_say("warning:");
    assert_eq!(contents(&registry, "v1.0.0").len(), 3);
    assert_eq!(contents(&registry, "latest"), contents(&registry, "v1.0.0"));
    assert_eq!(link_of(&registry).as_deref(), Some("alice/widget"));
    let ran = ran.says(&format!("to alice/widget v1.0.0 at {} with an ID token", registry.url()));
    let (asked, _) = requests(&registry);
    let [asked] = &asked[..] else { panic!("{asked:?}") };
    let request_token = registry.id_token_request_token();
    assert_eq!(asked.header("Authorization"), Some(&*format!("Bearer {request_token}")));
    assert!(asked.target.ends_with(&format!("?api-version=2.0&audience={}", audience.replace(':', "%3A"))));
    let issued = registry.issued_id_tokens();
    assert_eq!(used(&registry).into_iter().collect::<Vec<_>>(), issued);
    let masks = [format!("::add-mask::{request_token}"), format!("::add-mask::{}", issued[0])];
    assert_eq!(ran.masks, masks, "the request token is masked first, the ID token before it is used");
}

#[test]
fn a_download_uses_id_tokens_for_private_packages_too() {
    let (registry, audience) = forgejo(IdTokens::default());
    registry.seed("secretorg", "widget", "v1.0.0", "app", b"content");
    let mut job = Job::downloading(&registry);
    job.input("owner", "secretorg");
    let ran = run(with_id_tokens(&mut job, &registry, &audience), &registry).exits_with(0);
    ran.has_statuses(&["downloaded"]).says("with an ID token");
    assert_eq!(used(&registry).len(), 1);
}

#[test]
fn a_dry_run_with_an_audience_reads_the_registry_and_changes_nothing() {
    let (registry, audience) = forgejo(IdTokens::default());
    let mut job = publishing(&registry, &audience, &[("a", "1")]);
    run(job.input("dry-run", "true"), &registry).exits_with(0).has_statuses(&["planned"]);
    assert_eq!((used(&registry).len(), contents(&registry, "v1.0.0").len()), (1, 0));
    registry.clear_requests();
    // Without an audience too, as without a token.
    run(job.without("INPUT_OIDC-AUDIENCE"), &registry).exits_with(0).has_statuses(&["planned"]);
    assert_eq!(registry.requests(), []);
}
