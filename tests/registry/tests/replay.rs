//! Every recorded request, asked again of the persona of its server: the answers have to be the recorded ones.
//!
//! Left out are `large-*`, which are byte counters, and `burst-*`, which `race.rs` looks at. Ids and dates are not compared, nor the order
//! within lists of versions, most of which were made within one second.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::client::{Ask, Client, Got};
use embedded_registry::{Options, Persona, Registry};

/// Cases that are known not to match: persona (or empty for all), id, why. One that matches has no place here.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// Headers whose values have to be the same; dates, lengths and framing follow from the rest.
const HEADERS: [&str; 9] = [
    "accept-ranges",
    "cache-control",
    "content-disposition",
    "content-range",
    "content-type",
    "link",
    "location",
    "www-authenticate",
    "x-total-count",
];

/// The method that 405 allows is a random one of several; a date is never the recorded one.
const PRESENT: [&str; 2] = ["allow", "last-modified"];

#[test]
fn gitea_1_22_6_answers_as_recorded() {
    replay(Persona::Gitea1_22);
}

#[test]
fn gitea_1_22_6_on_postgres_answers_as_recorded() {
    replay(Persona::Gitea1_22Postgres);
}

#[test]
fn gitea_1_24_7_answers_as_recorded() {
    replay(Persona::Gitea1_24);
}

#[test]
fn gitea_1_24_7_on_postgres_answers_as_recorded() {
    replay(Persona::Gitea1_24Postgres);
}

#[test]
fn gitea_1_26_3_answers_as_recorded() {
    replay(Persona::Gitea1_26);
}

#[test]
fn gitea_1_26_3_on_postgres_answers_as_recorded() {
    replay(Persona::Gitea1_26Postgres);
}

#[test]
fn forgejo_7_0_16_answers_as_recorded() {
    replay(Persona::Forgejo7);
}

#[test]
fn forgejo_11_0_15_answers_as_recorded() {
    replay(Persona::Forgejo11);
}

#[test]
fn forgejo_15_0_3_answers_as_recorded() {
    replay(Persona::Forgejo15);
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
        size_limit: Some(8 << 20),
        clock: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_455_004)),
        ..Options::default()
    });
    let excepted: BTreeSet<&str> =
        EXCEPTIONS.iter().filter(|(of, _, _)| of.is_empty() || *of == name).map(|(_, id, _)| *id).collect();
    let (mut asked, mut complaints, mut wrong) = (0, Vec::new(), BTreeSet::new());
    for case in recording["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        if id.starts_with("large-") || id.starts_with("burst-") {
            continue;
        }
        seed_before(&registry, id);
        let ask = ask_of(&registry, id, &case["request"]);
        let got = Client::connect(&registry.url()).unwrap().ask(&ask).unwrap();
        asked += 1;
        let differences = differences(&registry, &case["response"], &got);
        if !differences.is_empty() {
            wrong.insert(id);
        }
        if differences.is_empty() == excepted.contains(id) {
            complaints
                .push(format!("{id}: {}", if excepted.contains(id) { "matches after all" } else { &differences }));
        }
    }
    #[expect(clippy::print_stdout, reason = "the count is what --nocapture is for")]
    {
        println!("REPLAY {name}: {} of {asked} match", asked - wrong.len());
    }
    assert!(complaints.is_empty(), "{name}:\n{}", complaints.join("\n"));
    assert!(asked > 200, "{name}: only {asked} requests were found in the recording");
}

/// Files that were put without being recorded, to be deleted or redirected.
fn seed_before(registry: &Registry, id: &str) {
    match id {
        "delete-read-token" => {
            for (version, file) in
                [("1.0", "a.txt"), ("1.0", "b.txt"), ("2.0", "a.txt"), ("3.0", "a.txt"), ("4.0", "a.txt")]
            {
                registry.seed("alice", "del", version, file, b"old\n");
            }
        }
        "rename-setup" => registry.seed("dave", "p", "0.9", "a.txt", b"old\n"),
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
    ask.chunked = request["chunked"].as_bool().unwrap_or(false);
    ask
}

/// What differs, for people; empty if nothing does.
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
            for field in ["id", "created_at"] {
                object.entry(field).and_modify(|value| *value = Value::Null);
            }
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
