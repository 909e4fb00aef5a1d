//! ID tokens of the job: refusals of the server, the endpoint of the runner, and the input.

use embedded_registry::{Action, Answer, Fault, IdTokens, Integration, Match, Persona, Point, Registry, Rule};

use super::{Case, errors, job};
use crate::harness::Job;

pub(super) const CASES: &[Case] = &[
    ("The claim rules do not match", || {
        refused(Integration::of("alice").rule(Rule::eq("repository", "acme/gadget")), IdTokens::default())
    }),
    ("No authorized integration has the audience", || {
        refused(Integration::of("alice").issuer("https://token.actions.githubusercontent.com"), IdTokens::default())
    }),
    ("The clocks differ", || {
        refused(Integration::of("alice"), IdTokens { issued_at_offset: 60, ..IdTokens::default() })
    }),
    ("The ID token is refused during the run", || {
        on_forgejo(Integration::of("alice"), IdTokens::default(), 1, |job, registry| {
            answers(registry, Match::put("/app.tar.gz"), Answer::text(401, "authGroup.Verify"));
            job
        })
    }),
    ("The user of the integration has no write access", || refused(Integration::of("carol"), IdTokens::default())),
    ("The integration has no scope for packages", || {
        refused(Integration::of("alice").scope("read:misc"), IdTokens::default())
    }),
    ("The server accepts no ID tokens", || {
        on(Persona::Forgejo15, |registry| {
            registry.offer_id_tokens(IdTokens::default());
            "u:2:7d0f0d6e-4d8c-4d5e-8a55-0a1f3d0c2b11".to_owned()
        })
    }),
    ("The runner's server refuses the request for an ID token", || {
        endpoint(Answer::text(401, "Bad authorization header"))
    }),
    ("The runner's server issues no ID token", || endpoint(Answer::text(500, "internal server error"))),
    ("The response of the runner's server has no ID token", || endpoint(Answer::html(200, "<title>Sign in</title>"))),
    ("The job gets no ID tokens on Forgejo", || without_variables("FORGEJO_ACTIONS", true)),
    ("The job gets no ID tokens on GitHub", || without_variables("GITHUB_ACTIONS", false)),
    ("`token` and `oidc-audience` are both set", || {
        on_forgejo(Integration::of("alice"), IdTokens::default(), 2, |job, registry| {
            job.token(&registry.token("alice_write"))
        })
    }),
];

fn answers(registry: &Registry, on: Match, answer: Answer) {
    registry.add_fault(Fault::always(on, Point::Head, Action::Answer(answer)));
}

/// The step that the page publishes with, in a job that gets ID tokens.
fn keyless(registry: &Registry, audience: &str) -> Job {
    let mut job = job(registry);
    job.variable("FORGEJO_ACTIONS", "true").without("INPUT_TOKEN").input("oidc-audience", audience);
    job.variable("ACTIONS_ID_TOKEN_REQUEST_URL", registry.id_token_url());
    job.variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN", registry.id_token_request_token());
    job
}

fn on(persona: Persona, audience: impl Fn(&Registry) -> String) -> String {
    let registry = Registry::start(persona);
    let audience = audience(&registry);
    errors(&keyless(&registry, &audience).run().exits_with(1).log, &registry.url())
}

fn on_forgejo(
    integration: Integration,
    tokens: IdTokens,
    code: i32,
    change: impl for<'a> FnOnce(&'a mut Job, &Registry) -> &'a mut Job,
) -> String {
    let registry = Registry::start(Persona::Forgejo16);
    registry.offer_id_tokens(tokens);
    let mut job = keyless(&registry, &registry.add_integration(integration));
    errors(&change(&mut job, &registry).run().exits_with(code).log, &registry.url())
}

fn refused(integration: Integration, tokens: IdTokens) -> String {
    on_forgejo(integration, tokens, 1, |job, _| job)
}

fn endpoint(answer: Answer) -> String {
    on_forgejo(Integration::of("alice"), IdTokens::default(), 1, |job, registry| {
        answers(registry, Match::id_token(), answer);
        job
    })
}

/// A job whose runner does not offer ID tokens: the variables are empty, or not set.
fn without_variables(runner: &str, are_empty: bool) -> String {
    on_forgejo(Integration::of("alice"), IdTokens::default(), 2, |job, _| {
        job.without("FORGEJO_ACTIONS").variable(runner, "true");
        for name in ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"] {
            if are_empty {
                job.variable(name, "");
            } else {
                job.without(name);
            }
        }
        job
    })
}
