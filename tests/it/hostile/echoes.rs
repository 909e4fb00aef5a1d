//! Servers and names that hold a secret. Whatever mechanically made form a secret has, it is shown nowhere.
//!
//! A server that knows the token can always write it in a way that no program finds, backwards or with a blank between
//! its characters; what is held here is that nobody gives it away by mistake, and that we do not put it together.

use embedded_registry::{Action, Answer, Fault as Script, Match, Persona, Point, Registry};
use serde_json::json;

use super::findings::{Fault, Findings};
use super::run::{Run, Under};
use super::secrets;
use crate::harness::Job;

/// Secrets with everything that some encoding changes: a token as the servers make them, and what may be a password.
pub(super) const TOKENS: [&str; 3] =
    ["3b1f0c9d8e7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c", "pa+ss/w=\"rd'&<é>?#~!*%41\\n|`x", "glpat:::x::y-secret"];

/// All that a run has shown, searched for a secret.
pub(super) fn faults(run: &Run, token: &str) -> Vec<Fault> {
    let texts = [("the log", &run.log), ("the outputs", &run.outputs), ("the summary", &run.summary)];
    texts.iter().flat_map(|(what, text)| secrets::check(what, text, "alice", token)).collect()
}

fn answers(on: Match, answer: Answer) -> Script {
    Script::always(on, Point::Head, Action::Answer(answer))
}

/// A run against a server that has that answer; any link and any exit code will do here.
fn shown(registry: &Registry, job: &mut Job, token: &str, script: Script, count: usize) -> Vec<Fault> {
    registry.clear_faults();
    // A good server but for that: the token is one that it does not know.
    registry.add_fault(script);
    registry.add_fault(answers(Match::list(), Answer::json(200, "[]")));
    registry.add_fault(answers(Match::put(""), Answer::text(201, "")));
    registry.add_fault(answers(Match::version(), Answer::json(200, json!({ "html_url": registry.url() }).to_string())));
    let run = Run::with_links(job.token(token), Under::turn(count), 1, |_| true);
    faults(&run, token)
}

#[test]
fn no_response_shows_a_secret() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let mut job = Job::new(&registry);
    job.file("dist/a", "content");
    for token in TOKENS {
        for (count, echo) in secrets::echoes("alice", token).iter().enumerate() {
            let said = format!("no such token [{echo}], go away");
            let page = format!("<title>{said}</title>");
            let message = json!({ "message": said }).to_string();
            let rows = json!([{ "name": echo, "size": 1, "sha256": echo }]).to_string();
            // The parser escapes what it tells of once more; nobody undoes that twice.
            let size = if echo.contains('\\') { "" } else { echo };
            let size = json!([{ "name": "a", "size": size, "sha256": echo }]).to_string();
            let scripts = [
                answers(Match::list(), Answer::text(401, said.clone())),
                answers(Match::list(), Answer::json(403, message.clone())),
                answers(Match::list(), Answer::html(200, page.clone())),
                answers(Match::list(), Answer::json(200, rows)),
                answers(Match::list(), Answer::json(200, size)),
                answers(Match::put("/a"), Answer::text(418, said.clone())),
                answers(Match::put("/a"), Answer::json(500, message.clone())),
                answers(Match::put("/a"), Answer::html(413, page)),
                answers(Match::version(), Answer::json(404, message)),
            ];
            // Each form at three places; over all forms every place has had its turn.
            for (place, script) in scripts.into_iter().enumerate().filter(|(place, _)| place % 3 == count % 3) {
                findings.take(&format!("{echo} at {place}"), shown(&registry, &mut job, token, script, count));
            }
        }
    }
    findings.are_none_in(300);
}

#[test]
fn no_address_shows_a_secret() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let mut job = Job::new(&registry);
    job.file("dist/a", "content");
    for token in TOKENS {
        for (count, echo) in secrets::echoes("alice", token).iter().enumerate() {
            // What is no character of a header, or of a URL, comes with what a parser takes out of it.
            let split = format!("{}\t{}", &echo[..4], &echo[4..]);
            let broken = format!("{}\n{}", &echo[..4], &echo[4..]);
            let forms = |secret: &str| {
                [
                    format!("https://evil.example/{secret}"),
                    format!("https://evil.example/?token={secret}"),
                    format!("https://evil.example/#{secret}"),
                    format!("https://alice:{secret}@evil.example/"),
                    format!("/api/v1/packages/{secret}/generic/x"),
                    format!("{}/{secret}", registry.url().replace("http:", "https:")),
                ]
            };
            for secret in [echo, &split] {
                let place = &forms(secret)[count % 6];
                let script = answers(Match::list(), Answer::text(307, "").header("Location", place));
                findings.take(&format!("Location {place}"), shown(&registry, &mut job, token, script, count));
            }
            for secret in [echo, &broken] {
                let place = &forms(secret)[count % 4];
                let script = answers(Match::version(), Answer::json(200, json!({ "html_url": place }).to_string()));
                findings.take(&format!("html_url {place}"), shown(&registry, &mut job, token, script, count));
            }
        }
    }
    findings.are_none_in(400);
}

#[test]
fn no_name_shows_a_secret() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let token = TOKENS[0];
    for (count, echo) in secrets::echoes("alice", token).iter().map(|echo| echo.replace('/', "_")).enumerate() {
        for (place, path) in ["dist/{}", "dist/{},", "dist/{}/a,", "dist/{}/x/same", ".{}"].iter().enumerate() {
            let mut job = Job::new(&registry);
            job.file("dist/y/same", "").file(path.replace("{}", &echo), "content").token(token);
            job.input("files", if place == 4 { "*" } else { "dist/**" });
            findings.take(
                &format!("{path} with {echo}"),
                faults(&Run::with_links(&mut job, Under::turn(count), 2, |_| true), token),
            );
        }
        let mut job = Job::new(&registry);
        job.link("dist/x", &echo).link(format!("dist/{echo}"), "nothing").token(token);
        findings.take(
            &format!("a link {echo}"),
            faults(&Run::with_links(&mut job, Under::turn(count), 2, |_| true), token),
        );
    }
    findings.are_none_in(180);
}

#[test]
fn no_input_and_no_variable_shows_a_secret() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let inputs = [
        "owner",
        "repo",
        "version",
        "username",
        "server-url",
        "working-directory",
        "if-no-files-found",
        "concurrency",
        "files",
    ];
    for token in TOKENS {
        for (count, echo) in secrets::echoes("alice", token).iter().enumerate() {
            let input = inputs[count % inputs.len()];
            let mut job = Job::new(&registry);
            job.file("dist/a", "").token(token).input(input, format!("x{echo}/..")).input("include-hidden-files", echo);
            job.variable("INPUT_FILE", echo);
            let run = Run::with_links(&mut job, Under::turn(count), 2, |_| true);
            findings.take(&format!("{input} is {echo}"), faults(&run, token));
        }
    }
    findings.are_none_in(80);
}

#[test]
fn the_password_of_a_proxy_is_shown_nowhere() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let password = "pr0xy-pa+ss\"w<rd>";
    let encoded = percent_encoding::utf8_percent_encode(password, percent_encoding::NON_ALPHANUMERIC).to_string();
    for (count, proxy) in [
        format!("http://bob:{encoded}@127.0.0.1:1"),
        format!("http://bob:{password}@127.0.0.1:1"),
        format!("socks5://bob:{encoded}@127.0.0.1:1"),
        format!("http://bob:{encoded}@"),
        format!("bob:{encoded}@127.0.0.1:1"),
        format!("http://bob:{encoded}@::debug::x\n::set-env name=X::y"),
    ]
    .iter()
    .enumerate()
    {
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"] {
            let mut job = Job::new(&registry);
            job.file("dist/a", "").variable(name, proxy).variable("INPUT_SERVER-URL", "http://git.example.invalid");
            let run = Run::with_links(&mut job, Under::turn(count), 1, |_| true);
            let faults: Vec<Fault> = run.faults.into_iter().filter(|fault| fault.kind != "another exit code").collect();
            let shown = secrets::check("the log", &format!("{}\n{}", run.log, run.summary), "bob", password);
            findings.take(&format!("{name}={proxy}"), faults.into_iter().chain(shown));
        }
    }
    findings.are_none_in(24);
}

#[test]
fn a_secret_that_a_runner_cannot_hide_is_not_sent_to_it() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let mut job = Job::new(&registry);
    job.file("dist/a", "");
    for token in TOKENS.into_iter().chain([":begins-with-a-colon", "::debug::x-secret", "ends-with-colons::"]) {
        for under in Under::ALL {
            // The server knows none of them.
            let mut run = Run::of(job.token(token), under, &registry, 1);
            let is_hidden = run.log.contains(&format!("::add-mask::{token}\n")) || token.contains('%');
            run.expects(
                is_hidden || under != Under::GitHub,
                "a token that GitHub's runner could hide",
                run.log.clone(),
            );
            let shown = faults(&run, token);
            findings.take(&format!("{token} under {under:?}"), run.faults.into_iter().chain(shown));
        }
    }
    findings.are_none_in(24);
}
