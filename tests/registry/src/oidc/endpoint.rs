//! The paths below `/api/actions`: the endpoint that issues ID tokens to jobs, and the keys of the issuer.

use serde::Serialize;
use serde_json::json;

use super::jwt;
use crate::answer::Reply;
use crate::http::Head;
use crate::packages;
use crate::server::Shared;

/// The path and query of the endpoint, as jobs of the run 1 get it.
pub(crate) const TARGET: &str = "/api/actions/_apis/pipelines/workflows/1/idtoken?api-version=2.0";

#[derive(Serialize)]
struct Issued {
    value: String,
}

/// Handles a request under `/api/actions`. Without offered tokens, nothing is there.
pub(crate) fn answer(shared: &Shared, head: &Head, segments: &[String]) -> Reply {
    let segments: Vec<&str> = segments.iter().skip(2).map(String::as_str).collect();
    if !shared.world.state().oidc.offers_tokens() {
        return packages::not_found();
    }
    match segments[..] {
        ["_apis", "pipelines", "workflows", run, "idtoken"] => issue(shared, head, run).unwrap_or_else(|error| error),
        [".well-known", "openid-configuration"] => {
            let issuer = &shared.world.state().oidc.issuer;
            let keys = format!("{issuer}/.well-known/keys");
            let algorithms = ["RS256"];
            let configuration =
                json!({"issuer": issuer, "jwks_uri": keys, "id_token_signing_alg_values_supported": algorithms});
            Reply::json(200, &configuration)
        }
        [".well-known", "keys"] => Reply::json(200, &json!({"keys": [jwt::ISSUER.public()]})),
        _ => packages::not_found(),
    }
}

fn issue(shared: &Shared, head: &Head, run: &str) -> Result<Reply, Reply> {
    if head.method != "GET" {
        return Err(Reply::wrong_method("GET"));
    }
    let authorization = head.header("Authorization").unwrap_or_default();
    let (scheme, token) = authorization.split_once(' ').unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Reply::go_error(401, "Bad authorization header\n"));
    }
    let mut state = shared.world.state();
    if token != state.oidc.request_token() {
        return Err(Reply::go_error(500, "Error runner api parsing authorization token\n"));
    }
    if run != "1" {
        return Err(Reply::go_error(400, "run-id does not match\n"));
    }
    let audience = head.query_value("audience").filter(|audience| !audience.is_empty());
    let value = state.oidc.issue(&shared.base, audience.as_deref()).expect("tokens are offered, and stay so");
    Ok(Reply::json(200, &Issued { value }))
}
