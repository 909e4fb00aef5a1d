//! Hostile text and echoes of secrets wherever a download takes something from outside: versions, names, refusals,
//! places that a redirect leads to, files of checksums.

use embedded_registry::{Action, Answer, Fault as Script, Match, Persona, Point, Registry};
use serde_json::json;

use super::echoes::{TOKENS, faults};
use super::findings::Findings;
use super::run::{Run, Under};
use super::{corpus, secrets};
use crate::harness::Job;

fn answers(on: Match, answer: Answer) -> Script {
    Script::always(on, Point::Head, Action::Answer(answer))
}

/// The SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Returns the responses of a hostile server. Each contains this text in a different place.
fn scripts(text: &str, is_header: bool) -> Vec<Script> {
    let message = json!({ "message": text }).to_string();
    let mut scripts = vec![
        answers(Match::versions(), Answer::json(401, message.clone())),
        answers(Match::versions(), Answer::json(200, json!([{ "id": 7, "name": text, "version": "v1" }]).to_string())),
        answers(
            Match::versions(),
            Answer::json(200, json!([{ "id": 7, "name": "widget", "version": text }]).to_string()),
        ),
        // The parser escapes what it tells of once more; nobody undoes that twice.
        answers(
            Match::versions(),
            Answer::json(
                200,
                json!([{ "id": if text.contains('\\') { "" } else { text }, "name": text, "version": 1 }]).to_string(),
            ),
        ),
        answers(Match::list(), Answer::json(200, json!([{ "name": text, "size": 0, "sha256": EMPTY }]).to_string())),
        answers(Match::list(), Answer::json(200, json!([{ "name": "a", "size": 0, "sha256": text }]).to_string())),
        answers(
            Match::list(),
            Answer::json(404, json!({ "message": format!("package does not exist {text}") }).to_string()),
        ),
        answers(Match::get("/a"), Answer::text(418, text)),
        answers(Match::get("/a"), Answer::text(404, format!("package does not exist {text}"))),
        answers(Match::get("/a"), Answer::html(200, format!("<title>{text}</title>"))),
        answers(Match::get("/sums"), Answer::text(200, text)),
        answers(Match::get("/sums"), Answer::text(200, format!("{EMPTY}  {text}"))),
    ];
    if is_header {
        for place in
            [text.to_owned(), format!("https://evil.example/{text}?{text}"), format!("https://{text}.example/")]
        {
            scripts.push(answers(Match::get("/a"), Answer::empty(303).header("Location", &place)));
        }
        scripts.push(answers(Match::get("/a"), Answer::empty(200).header("Content-Encoding", text)));
        scripts.push(answers(Match::get("/a"), Answer::empty(200).header("Last-Modified", text).with_body("x")));
    }
    scripts
}

/// A job that meets the script, on a server that is good but for that.
fn job<'a>(registry: &Registry, job: &'a mut Job, script: Script, count: usize) -> &'a mut Job {
    registry.clear_faults();
    registry.add_fault(script);
    registry.add_fault(answers(Match::versions(), Answer::json(200, r#"[{"id":1,"name":"widget","version":"v1"}]"#)));
    let rows = json!(["a", "sums"].map(|name| json!({ "name": name, "size": 0, "sha256": EMPTY })));
    registry.add_fault(answers(Match::list(), Answer::json(200, rows.to_string())));
    registry.add_fault(answers(Match::get(""), Answer::empty(200)));
    // What is unchanged would not be asked for.
    drop(std::fs::remove_dir_all(job.workspace().join("tools")));
    // The file of checksums, a wrong version, and the latest take their turns.
    job.without("INPUT_CHECKSUMS").without("INPUT_VERSION");
    match count % 3 {
        0 => job.input("checksums", "sums"),
        1 => job.input("version", "none"),
        _ => job,
    }
}

fn is_header(text: &str) -> bool {
    !text.contains(['\0', '\n', '\r']) && text.len() < 20_000
}

#[test]
fn responses_to_a_download_are_harmless() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let mut step = Job::downloading(&registry);
    for (count, text) in corpus::utf8(corpus::core()).iter().enumerate() {
        // Each text at three places; over all texts every place has had its turn.
        let scripts = scripts(text, is_header(text)).into_iter().enumerate();
        for (place, script) in scripts.filter(|(place, _)| place % 6 == count % 6) {
            let job = job(&registry, &mut step, script, count + place);
            let mut run = Run::with_links(job, Under::turn(count), 1, |link| link.starts_with(&registry.url()));
            // Some of it does no harm: then the files come.
            run.faults.retain(|fault| fault.kind != "another exit code" || !run.log.contains("verified by SHA-256"));
            findings.take(&format!("{place}: {text}"), run.faults);
        }
    }
    findings.are_none_in(400);
}

#[test]
fn no_download_shows_a_secret() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let mut step = Job::downloading(&registry);
    for token in TOKENS {
        for (count, echo) in secrets::echoes("alice", token).iter().enumerate() {
            let scripts = scripts(echo, is_header(echo)).into_iter().enumerate();
            for (place, script) in scripts.filter(|(place, _)| place % 4 == count % 4) {
                let job = job(&registry, &mut step, script, count + place).token(token);
                let run = Run::with_links(job, Under::turn(count), 1, |_| true);
                findings.take(&format!("{echo} at {place}"), faults(&run, token));
            }
        }
    }
    findings.are_none_in(350);
}
