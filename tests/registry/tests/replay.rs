//! Recorded requests, sent again to the persona of their server: the answers have to be the recorded ones.
//!
//! Left out are requests that the program never sends, `large-*`, which are byte counters, and `burst-*`, which `race.rs`
//! looks at. Ids and dates are not compared, nor the order within lists of versions, most of which were made within one
//! second.

use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::client::{Ask, Client, Got};
use embedded_registry::{Options, Persona, Registry};

/// Cases with requests that the program never sends, and that the registry has no answer to.
const NOT_REPLAYED: [&str; 17] = [
    "api-latest",
    "api-latest-unknown",
    "api-package",
    "api-user-self",
    "auth-query-token",
    "delete-package-api",
    "delete-version",
    "delete-version-api",
    "forgejo-version-api",
    "get-content-type-multipart-form-data",
    "head",
    "put-content-type-application-x-www-form-urlencoded",
    "put-content-type-multipart-form-data",
    "put-over-size-limit-9MiB-limit-8MiB",
    "rename-setup",
    "unlink",
    "unlink-again",
];

/// Headers whose values have to be the same; dates, lengths and framing follow from the rest.
const HEADERS: [&str; 8] = [
    "accept-ranges",
    "cache-control",
    "content-disposition",
    "content-range",
    "content-type",
    "location",
    "www-authenticate",
    "x-total-count",
];

/// The method that 405 allows is a random one of several; a date is never the recorded one.
const PRESENT: [&str; 2] = ["allow", "last-modified"];

#[test]
fn every_server_answers_as_recorded() {
    for persona in Persona::all() {
        replay(persona);
    }
}

pub(crate) fn recording_of(persona: Persona) -> Value {
    let file = format!("{}.json", persona.name());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn replay(persona: Persona) {
    let name = persona.name();
    let recording = recording_of(persona);
    let registry = Registry::start_with(Options {
        persona,
        fixed_time: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_455_004)),
        ..Options::default()
    });
    let (mut asked, mut wrong) = (0, Vec::new());
    for case in recording["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        prepare(&registry, id);
        if NOT_REPLAYED.contains(&id) || ["version-api-", "large-", "burst-"].iter().any(|start| id.starts_with(start))
        {
            continue;
        }
        let ask = ask_of(&registry, id, &case["request"]);
        let got = Client::connect(&registry.url()).unwrap().ask(&ask).unwrap();
        asked += 1;
        let differences = differences(&registry, &case["response"], &got);
        if !differences.is_empty() {
            wrong.push(format!("{id}: {differences}"));
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    assert!(asked > 200, "{name}: only {asked} requests were found in the recording");
}

/// Makes the changes that were not recorded, or that need another method here.
fn prepare(registry: &Registry, id: &str) {
    match id {
        "delete-read-token" => {
            for file in ["a.txt", "b.txt"] {
                registry.seed("alice", "del", "1.0", file, b"old\n");
            }
        }
        "rename-setup" => {
            registry.seed("dave", "p", "0.9", "a.txt", b"old\n");
            registry.rename_user("dave", "david");
        }
        _ => {}
    }
}

fn with_tokens(registry: &Registry, text: &str) -> String {
    let secrets = registry.world().secrets();
    secrets.into_iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), &value))
}

fn ask_of(registry: &Registry, id: &str, request: &Value) -> Ask {
    let mut ask = Ask::new(request["method"].as_str().unwrap(), "");
    ask.target = with_tokens(registry, request["path"].as_str().unwrap());
    for (name, value) in request["headers"].as_object().unwrap() {
        ask = ask.header(name, value.as_str().unwrap());
    }
    if let Some(auth) = request["auth"].as_str() {
        let auth = with_tokens(registry, auth);
        let value = match (id, auth.strip_prefix("Basic of ")) {
            // What could not be decoded was recorded as nothing.
            ("auth-garbage", _) => "Basic !!!".to_owned(),
            ("auth-base64-in-user", _) => {
                let inner = STANDARD.encode(format!("alice:{}\n", registry.token("alice_write")));
                format!("Basic {}", STANDARD.encode(format!("{inner}:")))
            }
            (_, Some(pair)) => format!("Basic {}", STANDARD.encode(pair)),
            (_, None) => auth,
        };
        ask = ask.header("Authorization", &value);
    }
    if let Some(length) = request["body_bytes"].as_u64() {
        ask.body = Some(match request["body"].as_str() {
            Some(body) => body.as_bytes().to_vec(),
            None => request["body_of"].as_str().unwrap().repeat(usize::try_from(length).unwrap()).into_bytes(),
        });
        assert_eq!(ask.body.as_ref().map(|body| body.len() as u64), Some(length), "{id}: the body is not given whole");
    }
    ask
}

/// Returns the differences in readable form, or an empty text if there are none.
fn differences(registry: &Registry, recorded: &Value, got: &Got) -> String {
    let mut found = Vec::new();
    let mut compare = |what: &str, wanted: String, got: String| {
        if wanted != got {
            found.push(format!("{what} was recorded as {wanted:?}, not {got:?}"));
        }
    };
    compare("status", recorded["status"].to_string(), got.status.to_string());
    for name in HEADERS {
        let ours = got.header(name).map(|value| value.replace(&registry.url(), "<base>"));
        let recorded = recorded["headers"][name].as_str();
        compare(name, format!("{recorded:?}"), format!("{:?}", ours.as_deref()));
    }
    for name in PRESENT {
        let is_recorded = recorded["headers"].get(name).is_some();
        compare(name, is_recorded.to_string(), got.header(name).is_some().to_string());
    }
    let ours = got.text().replace(&registry.url(), "<base>");
    compare("body", comparable(recorded["body"].as_str().unwrap_or_default()), comparable(&ours));
    found.join("\n  ")
}

/// A body without what differs from run to run. Lists of versions are sorted.
fn comparable(body: &str) -> String {
    let Ok(mut json) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
    let blank = |object: &mut Value| {
        if let Some(object) = object.as_object_mut() {
            object.remove("id");
            object.remove("created_at");
        }
    };
    blank(&mut json);
    if let Some(list) = json.as_array_mut() {
        list.iter_mut().for_each(blank);
        if list.iter().any(|entry| entry.get("version").is_some()) {
            list.sort_by_key(ToString::to_string);
        }
    }
    json.to_string()
}
