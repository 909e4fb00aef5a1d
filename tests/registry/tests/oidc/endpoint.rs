//! The endpoint that issues ID tokens to jobs, and the published key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rsa::PublicKeyComponents;
use ring::signature::RSA_PKCS1_2048_8192_SHA256;
use serde_json::{Value, json};

use super::{assert_refused, forgejo, part, send, unverifiable};
use crate::behaviour::FILE;
use crate::client::Ask;
use embedded_registry::{Action, Answer, Fault, IdTokens, Integration, Match, Options, Persona, Point, Registry};

/// Asks the endpoint for a token as a job does.
fn request_token(registry: &Registry, query: &str) -> Ask {
    let url = registry.id_token_url() + query;
    Ask::new("GET", url.strip_prefix(&registry.url()).unwrap()).bearer(&registry.id_token_request_token())
}

#[test]
fn the_endpoint_issues_a_token_for_the_requested_audience() {
    let (registry, audience) = forgejo(Integration::of("alice"), IdTokens::default());
    let got = send(&registry, &request_token(&registry, &format!("&audience={}", audience.replace(':', "%3A"))));
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/json;charset=utf-8")));
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    let token = body["value"].as_str().unwrap();
    assert_eq!(registry.issued_id_tokens(), [token]);
    assert_eq!(part(token, 0)["alg"], "RS256");
    let claims = part(token, 1);
    assert_eq!((&claims["aud"], &claims["iss"]), (&json!(audience), &json!(registry.id_token_issuer())));
    assert_eq!(send(&registry, &Ask::put(FILE, "x").bearer(token)).status, 201);
    let targets: Vec<String> = registry.requests().into_iter().map(|request| request.target).collect();
    assert!(targets.len() == 2 && targets[0].starts_with("/api/actions/_apis/"), "{targets:?}");
}

#[test]
fn without_an_audience_a_token_is_for_the_owner_and_the_registry_refuses_it() {
    let (registry, _) = forgejo(Integration::of("alice"), IdTokens::default());
    let got = send(&registry, &request_token(&registry, ""));
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    let token = body["value"].as_str().unwrap();
    assert_eq!(part(token, 1)["aud"], format!("{}/acme", registry.url()));
    assert_refused(&registry, token, &unverifiable("matching authorized_integration not found"));
}

#[test]
fn the_endpoint_refuses_as_the_server_does() {
    let (registry, _) = forgejo(Integration::of("alice"), IdTokens::default());
    let good = request_token(&registry, "&audience=x");
    let without = Ask { headers: Vec::new(), ..good.clone() };
    let wrong = without.clone().bearer("wrong");
    let basic = without.clone().basic("alice", "wrong");
    let other_run = Ask { target: good.target.replace("/1/", "/2/"), ..good.clone() };
    for (ask, status, text) in [
        (without, 401, "Bad authorization header\n"),
        (basic, 401, "Bad authorization header\n"),
        (wrong, 500, "Error runner api parsing authorization token\n"),
        (other_run, 400, "run-id does not match\n"),
        (Ask { method: "POST".to_owned(), ..good.clone() }, 405, ""),
    ] {
        let got = send(&registry, &ask);
        assert_eq!((got.status, got.text().as_str()), (status, text));
    }
    assert_eq!(registry.issued_id_tokens(), [""; 0]);
    assert_eq!(send(&registry, &good).status, 200);
    // A server that offers none does not have the path.
    assert_eq!(send(&Registry::start(Persona::Forgejo16), &good).status, 404);
}

#[test]
fn faults_act_on_the_endpoint_alone() {
    let (registry, audience) = forgejo(Integration::of("alice"), IdTokens::default());
    let broken = Action::Answer(Answer::html(502, "<h1>Bad Gateway</h1>"));
    registry.add_fault(Fault::once(Match::id_token(), Point::Head, broken));
    let put = Ask::put(FILE, "x").bearer(&registry.issue_id_token(&audience));
    assert_eq!(send(&registry, &put).status, 201);
    let ask = request_token(&registry, "&audience=x");
    assert_eq!([&ask; 2].map(|ask| send(&registry, ask).status), [502, 200]);
    assert_eq!(registry.acted_faults().len(), 1);
}

#[test]
fn the_published_key_verifies_the_tokens() {
    let options = Options { persona: Persona::Forgejo16, path_prefix: "/git".to_owned(), ..Options::default() };
    let registry = Registry::start_with(options);
    registry.offer_id_tokens(IdTokens::default());
    let get = |url: &str| -> Value {
        let origin = registry.url().trim_end_matches("/git").to_owned();
        let got = send(&registry, &Ask::new("GET", url.strip_prefix(&origin).unwrap()));
        serde_json::from_slice(&got.body).unwrap()
    };
    let configuration = get(&format!("{}/.well-known/openid-configuration", registry.id_token_issuer()));
    assert_eq!(configuration["issuer"], registry.id_token_issuer());
    let keys = get(configuration["jwks_uri"].as_str().unwrap());
    let token = registry.issue_id_token("x");
    assert_eq!(keys["keys"][0]["kid"], part(&token, 0)["kid"]);
    let number = |name: &str| URL_SAFE_NO_PAD.decode(keys["keys"][0][name].as_str().unwrap()).unwrap();
    let key = PublicKeyComponents { n: number("n"), e: number("e") };
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).unwrap();
}
