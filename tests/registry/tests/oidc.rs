//! Authorized integrations: what an ID token may do, and each refusal.

mod endpoint;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::behaviour::{FILE, FILES, connect};
use crate::client::{Ask, Got};
use embedded_registry::{
    Action, Fault, IdTokenKey, IdTokens, Integration, Match, Options, Persona, Point, Registry, Rule,
};

const LINK: &str = "/api/v1/packages/alice/generic/tool/-/link/widget";
const ACME: &str = "/api/packages/acme/generic/tool/1.0/a.txt";

/// A Forgejo 16 that issues the given tokens, and the audience of its integration.
fn forgejo(integration: Integration, tokens: IdTokens) -> (Registry, String) {
    let registry = Registry::start(Persona::Forgejo16);
    let audience = registry.add_integration(integration);
    registry.offer_id_tokens(tokens);
    (registry, audience)
}

fn send(registry: &Registry, ask: &Ask) -> Got {
    connect(registry).ask(ask).unwrap()
}

/// The message of an error of `/api/v1`, with the token taken out of it, and how often it was in it.
fn message(got: &Got, token: &str) -> (String, usize) {
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    let message = body["message"].as_str().unwrap();
    (message.replace(token, "JWT"), message.matches(token).count())
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The token with another header and its old claims and signature.
fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

/// Both families of paths refuse the token, and the API names the reason.
fn assert_refused(registry: &Registry, token: &str, reason: &str) {
    registry.seed("alice", "tool", "1.0", "a.txt", b"hello\n");
    for ask in [Ask::put(FILE, "x"), Ask::new("GET", FILE), Ask::new("DELETE", FILE)] {
        let got = send(registry, &ask.bearer(token));
        assert_eq!((got.status, got.text().as_str()), (401, "authGroup.Verify\n"), "{reason}");
        assert_eq!(got.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(got.header("www-authenticate"), None);
    }
    let got = send(registry, &Ask::new("GET", FILES).bearer(token));
    let (message, echoes) = message(&got, token);
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!((got.status, echoes, lines.len()), (401, 2, 4), "{message}");
    assert_eq!(lines[1], "access token does not exist [sha: JWT]");
    assert_eq!(lines[2], "task with token \"JWT\": resource does not exist");
    assert_eq!(lines[3], format!("authorized integration: parse JWT error: {reason}"));
    assert_eq!(registry.files("alice", "tool", "1.0").len(), 1);
}

fn unverifiable(reason: &str) -> String {
    format!("token is unverifiable: error while executing keyfunc: {reason}")
}

#[test]
fn an_id_token_puts_gets_lists_links_and_deletes_in_both_schemes() {
    let rule = Rule::eq("repository", "acme/widget");
    let (registry, audience) = forgejo(Integration::of("alice").rule(rule), IdTokens::default());
    let token = registry.issue_id_token(&audience);
    for scheme in ["Bearer", "token"] {
        let send = |ask: Ask| send(&registry, &ask.header("Authorization", &format!("{scheme} {token}")));
        assert_eq!(send(Ask::put(FILE, "hello\n")).status, 201);
        assert_eq!(send(Ask::put(FILE, "hello\n")).status, 409);
        let invalid = send(Ask::put(&FILE.replace("a.txt", "*"), "x"));
        assert_eq!((invalid.status, invalid.text().as_str()), (400, "invalid filename"));
        assert_eq!(send(Ask::new("GET", FILE)).body, b"hello\n");
        let list: Value = serde_json::from_slice(&send(Ask::new("GET", FILES)).body).unwrap();
        assert_eq!((&list[0]["name"], &list[0]["Size"]), (&json!("a.txt"), &json!(6)));
        let linked = send(Ask::new("POST", LINK)).status;
        assert_eq!(linked, if scheme == "Bearer" { 201 } else { 400 }, "it is linked only once");
        assert_eq!(send(Ask::new("DELETE", FILE)).status, 204);
        // The organization's packages, to which alice has write access.
        assert_eq!(send(Ask::put(ACME, "x")).status, 201);
        assert_eq!(send(Ask::new("DELETE", ACME)).status, 204);
    }
    assert_eq!(registry.issued_id_tokens(), [token]);
}

#[test]
fn an_integration_without_rules_accepts_each_token_with_its_audience() {
    let (registry, audience) = forgejo(Integration::of("bob"), IdTokens::default().claim("repository", "eve/evil"));
    let path = FILE.replace("alice", "bob");
    let put = Ask::put(&path, "x").bearer(&registry.issue_id_token(&audience));
    assert_eq!(send(&registry, &put).status, 201);
    registry.remove_integration(&audience);
    assert_eq!(send(&registry, &put).status, 401);
}

#[test]
fn a_token_is_checked_when_an_upload_begins_and_not_when_it_ends() {
    let (registry, audience) = forgejo(Integration::of("alice"), IdTokens::default());
    let token = registry.issue_id_token(&audience);
    let remove = Action::then(move |world| world.remove_integration(&audience));
    registry.add_fault(Fault::once(Match::put("a.txt"), Point::RequestByte(1), remove));
    assert_eq!(send(&registry, &Ask::put(FILE, "hello\n").bearer(&token)).status, 201);
    assert_eq!(registry.acted_faults().len(), 1);
    let next = Ask::put(&FILE.replace("a.txt", "b.txt"), "hello\n").bearer(&token);
    assert_eq!(send(&registry, &next).status, 401);
}

#[test]
fn audiences_look_like_those_of_the_server_and_differ() {
    let registry = Registry::start(Persona::Forgejo16);
    let [first, second] = [(); 2].map(|()| registry.add_integration(Integration::of("alice")));
    assert_ne!(first, second);
    let lengths: Vec<usize> = first.strip_prefix("u:2:").unwrap().split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12]);
}

#[test]
fn a_claim_that_differs_from_its_rule_is_refused_with_both_values() {
    let main = || IdTokens::default().claim("ref", "refs/heads/main");
    for (rule, tokens, reason) in [
        (
            Rule::eq("repository", "acme/other"),
            IdTokens::default(),
            "claim \"repository\" must be \"acme/other\", but was \"acme/widget\"",
        ),
        (
            Rule::eq("environment", "release"),
            IdTokens::default(),
            "claim rule on \"environment\" couldn't be satisfied: claim not found",
        ),
        (
            Rule::one_of("event_name", &["release", "schedule"]),
            IdTokens::default(),
            "claim \"event_name\" must be one of [\"release\" \"schedule\"], but was \"push\"",
        ),
        (
            Rule::glob("ref", "refs/tags/*"),
            main(),
            "claim \"ref\" must match glob \"refs/tags/*\", but value \"refs/heads/main\" did not match",
        ),
        (
            Rule::eq("run_id", "1"),
            IdTokens::default().claim("run_id", 1),
            "claim \"run_id\" must be a string, but was float64",
        ),
        (
            Rule::eq("sub", "x"),
            IdTokens::default().claim("sub", Value::Null),
            "claim \"sub\" must be \"x\", but was \"\"",
        ),
    ] {
        let integration = Integration::of("alice").rule(Rule::eq("actor", "alice")).rule(rule);
        let (registry, audience) = forgejo(integration, tokens);
        let token = registry.issue_id_token(&audience);
        assert_refused(&registry, &token, &unverifiable(&format!("claim mismatch: {reason}")));
    }
}

#[test]
fn a_token_satisfies_rules_of_each_kind_at_once() {
    let integration = Integration::of("alice")
        .rule(Rule::eq("repository", "acme/widget"))
        .rule(Rule::one_of("event_name", &["release", "push"]))
        .rule(Rule::glob("ref", "refs/tags/v*"))
        .rule(Rule::glob("sub", "repo:*v1.0.0"));
    let (registry, audience) = forgejo(integration, IdTokens::default());
    let put = Ask::put(FILE, "x").bearer(&registry.issue_id_token(&audience));
    assert_eq!(send(&registry, &put).status, 201);
}

#[test]
fn a_wrong_issuer_or_audience_is_refused() {
    let not_found = unverifiable("matching authorized_integration not found");
    let (registry, _) = forgejo(Integration::of("alice"), IdTokens::default());
    let token = registry.issue_id_token("u:2:00000000-0000-4000-8000-000000000000");
    assert_refused(&registry, &token, &not_found);
    for (tokens, reason) in [
        (IdTokens::default().claim("iss", "https://example.com"), not_found.clone()),
        (IdTokens::default().claim("iss", Value::Null), unverifiable("invalid `iss` claim: \"\"")),
        (audiences(&[]), unverifiable("required one and only one `aud` claim, but received 0")),
        (audiences(&["u:2:x", "u:2:y"]), unverifiable("required one and only one `aud` claim, but received 2")),
    ] {
        let (registry, audience) = forgejo(Integration::of("alice"), tokens);
        let token = registry.issue_id_token(&audience);
        assert_refused(&registry, &token, &reason);
    }
}

fn audiences(audiences: &[&str]) -> IdTokens {
    let audiences = audiences.iter().map(|audience| (*audience).to_owned()).collect();
    IdTokens { audiences: Some(audiences), ..IdTokens::default() }
}

#[test]
fn the_requested_audience_with_a_second_one_is_refused() {
    let (registry, audience) = forgejo(Integration::of("alice"), IdTokens::default());
    registry.offer_id_tokens(audiences(&[&audience, "sigstore"]));
    let token = registry.issue_id_token(&audience);
    assert_refused(&registry, &token, &unverifiable("required one and only one `aud` claim, but received 2"));
}

#[test]
fn times_are_checked_by_the_second() {
    let hour = Duration::from_hours(1);
    for (issued_at_offset, life, reason) in [
        (-3601, hour, "token has invalid claims: token is expired"),
        (0, Duration::ZERO, "token has invalid claims: token is expired"),
        (60, hour, "token has invalid claims: token is not valid yet, token used before issued"),
    ] {
        let tokens = IdTokens { issued_at_offset, life, ..IdTokens::default() };
        let (registry, audience) = forgejo(Integration::of("alice"), tokens);
        let token = registry.issue_id_token(&audience);
        assert_refused(&registry, &token, reason);
    }
    // Forgejo sets `nbf`, GitHub does too, but `iat` alone is enough for a rejection.
    let tokens = IdTokens { issued_at_offset: 60, ..IdTokens::default() }.claim("nbf", Value::Null);
    let (registry, audience) = forgejo(Integration::of("alice"), tokens);
    let token = registry.issue_id_token(&audience);
    assert_refused(&registry, &token, "token has invalid claims: token used before issued");
}

#[test]
fn the_clock_of_tokens_is_not_the_fixed_one_of_versions() {
    let fixed_time = Some(std::time::SystemTime::UNIX_EPOCH);
    let options = Options { persona: Persona::Forgejo16, fixed_time, ..Options::default() };
    let registry = Registry::start_with(options);
    let audience = registry.add_integration(Integration::of("alice"));
    registry.offer_id_tokens(IdTokens::default());
    let claims = part(&registry.issue_id_token(&audience), 1);
    assert!(claims["iat"].as_u64().unwrap() > 1_700_000_000);
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
}

#[test]
fn a_wrong_signature_is_refused_after_the_claims() {
    let wrong = "token signature is invalid: crypto/rsa: verification error";
    let other_key = || IdTokens { key: IdTokenKey::Other, ..IdTokens::default() };
    let (registry, audience) = forgejo(Integration::of("alice"), other_key());
    let token = registry.issue_id_token(&audience);
    assert_refused(&registry, &token, wrong);

    // Claims are checked first, so the reason is theirs.
    let (registry, audience) = forgejo(Integration::of("alice").rule(Rule::eq("ref", "x")), other_key());
    let token = registry.issue_id_token(&audience);
    let reason = "claim mismatch: claim \"ref\" must be \"x\", but was \"refs/tags/v1.0.0\"";
    assert_refused(&registry, &token, &unverifiable(reason));

    // The claims of one token with the signature of another.
    let (registry, audience) = forgejo(Integration::of("alice"), IdTokens::default());
    let first = registry.issue_id_token(&audience);
    registry.offer_id_tokens(IdTokens::default().claim("ref", "refs/heads/main"));
    let second = registry.issue_id_token(&audience);
    let (signed, _) = first.rsplit_once('.').unwrap();
    let (_, signature) = second.rsplit_once('.').unwrap();
    assert_refused(&registry, &format!("{signed}.{signature}"), wrong);
}

#[test]
fn a_wrong_header_is_refused_before_the_claims() {
    for (header, reason) in [
        (json!({"alg": "RS256"}), unverifiable("failed finding key identifer (kid) in JWT headers")),
        (json!({"alg": "none", "kid": "x"}), "token signature is invalid: signing method none is invalid".to_owned()),
    ] {
        let (registry, audience) = forgejo(Integration::of("alice"), IdTokens::default());
        let token = with_header(&registry.issue_id_token(&audience), &header);
        assert_refused(&registry, &token, &reason);
    }
}

#[test]
fn a_good_token_without_write_access_gets_the_refusals_of_access_tokens() {
    for integration in [Integration::of("alice").scope("read:package"), Integration::of("bob"), Integration::of("acme")]
    {
        let (registry, audience) = forgejo(integration.clone(), IdTokens::default());
        registry.seed("acme", "tool", "1.0", "b.txt", b"hello\n");
        let token = registry.issue_id_token(&audience);
        let send = |ask: Ask| send(&registry, &ask.bearer(&token));
        let put = send(Ask::put(ACME, "x"));
        assert_eq!((put.status, put.text().as_str()), (401, "reqPackageAccess\n"), "{integration:?}");
        assert_eq!(put.header("www-authenticate"), Some("Basic realm=\"Gitea Package API\""));
        assert_eq!(send(Ask::new("GET", &ACME.replace("a.txt", "b.txt"))).status, 200);
        assert_eq!(send(Ask::new("GET", &FILES.replace("alice", "acme"))).status, 200);
    }
    let (registry, audience) = forgejo(Integration::of("alice").scope("read:misc"), IdTokens::default());
    registry.seed("alice", "tool", "1.0", "a.txt", b"hello\n");
    let token = registry.issue_id_token(&audience);
    for ask in [Ask::put(FILE, "x"), Ask::new("GET", FILE)] {
        let got = send(&registry, &ask.bearer(&token));
        assert_eq!((got.status, got.text().as_str()), (401, "reqPackageAccess\n"));
    }
    let list = send(&registry, &Ask::new("GET", FILES).bearer(&token));
    let (message, echoes) = message(&list, &token);
    assert_eq!((list.status, echoes), (403, 0));
    assert_eq!(message, "token does not have at least one of required scope(s): [read:package]");
}

#[test]
fn an_id_token_as_a_password_is_refused() {
    let (registry, audience) = forgejo(Integration::of("alice"), IdTokens::default());
    let token = registry.issue_id_token(&audience);
    let put = send(&registry, &Ask::put(FILE, "x").basic("alice", &token));
    assert_eq!((put.status, put.text().as_str()), (401, "authGroup.Verify\n"));
    let list = send(&registry, &Ask::new("GET", FILES).basic("alice", &token));
    let (message, echoes) = message(&list, &token);
    assert_eq!((list.status, echoes), (401, 2));
    assert!(message.contains("user's password is invalid [uid: 2, name: alice]"), "{message}");
    assert!(!message.contains("authorized integration"), "{message}");
}

#[test]
fn a_wrong_access_token_gets_the_texts_of_each_way_to_sign_in() {
    let registry = Registry::start(Persona::Forgejo16);
    let malformed = "token is malformed: token contains an invalid number of segments";
    let list = send(&registry, &Ask::new("GET", FILES).basic("alice", "secret"));
    let texts = "access token does not exist [sha: JWT]\ntask with token \"JWT\": resource does not exist";
    let expected = format!("{malformed}\nuser's password is invalid [uid: 2, name: alice]\n{texts}");
    assert_eq!(message(&list, "secret"), (expected, 2));
    let list = send(&registry, &Ask::new("GET", FILES).bearer("secret"));
    let expected = format!("{malformed}\n{texts}\nauthorized integration: parse JWT error: {malformed}");
    assert_eq!(message(&list, "secret"), (expected, 2));
    for token in ["alice_write", "alice_password"] {
        let put = Ask::put(&FILE.replace("a.txt", token), "x").basic("alice", &registry.token(token));
        assert_eq!(send(&registry, &put).status, 201);
    }
}

#[test]
fn servers_without_integrations_refuse_their_own_id_tokens() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        registry.offer_id_tokens(IdTokens::default());
        let audience = registry.add_integration(Integration::of("alice"));
        let token = registry.issue_id_token(&audience);
        let is_latest_gitea = matches!(persona, Persona::Gitea1_26 | Persona::Gitea1_26Postgres);
        let put = send(&registry, &Ask::put(FILE, "x").bearer(&token));
        let text = if is_latest_gitea { "Failed to authenticate user\n" } else { "authGroup.Verify\n" };
        assert_eq!((put.status, put.text().as_str()), (401, text), "{persona:?}");
        let list = send(&registry, &Ask::new("GET", FILES).bearer(&token));
        let text = if is_latest_gitea {
            "invalid username, password or token"
        } else {
            "user does not exist [uid: 0, name: ]"
        };
        assert_eq!((list.status, message(&list, &token)), (401, (text.to_owned(), 0)), "{persona:?}");
    }
}

#[test]
fn a_registry_accepts_the_tokens_of_another_issuer() {
    let issuer = Registry::start(Persona::default());
    issuer.offer_id_tokens(IdTokens::default());
    let registry = Registry::start(Persona::Forgejo16);
    let audience = registry.add_integration(Integration::of("alice").issuer(&issuer.id_token_issuer()));
    let put = |token: &str| send(&registry, &Ask::put(FILE, "x").bearer(token)).status;
    registry.offer_id_tokens(IdTokens::default());
    assert_eq!(put(&registry.issue_id_token(&audience)), 401);
    assert_eq!(put(&issuer.issue_id_token(&audience)), 201);
}

#[test]
fn forgejo_16_is_found_by_its_name_and_has_no_recording() {
    assert_eq!(Persona::from_name("forgejo-16"), Some(Persona::Forgejo16));
    assert!(!Persona::all().contains(&Persona::Forgejo16));
}
