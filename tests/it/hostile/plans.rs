//! Hostile names and echoes of secrets in the plan of a dry run: what an alias has too many, and what the package is
//! linked to.

use embedded_registry::{Action, Answer, Fault as Script, Match, Persona, Point, Registry};
use generic_packages::package::FileName;
use serde_json::json;

use super::echoes::{TOKENS, faults};
use super::findings::Findings;
use super::run::{Run, Under};
use super::{corpus, secrets};
use crate::harness::Job;

/// A dry run that publishes the checksums file of a version and moves an alias, of which the registry lists that one
/// file.
fn job(registry: &Registry) -> Job {
    registry.seed("alice", "widget", "v1.0.0", "a", b"content");
    let mut job = Job::new(registry);
    job.without("INPUT_FILES").input("checksums", "SHA256SUMS").input("aliases", "latest");
    job.input("link-repository", "widget").input("dry-run", "true");
    job
}

fn lists(registry: &Registry, name: &str) {
    let rows = json!([{ "name": name, "size": 1, "sha256": "0".repeat(64) }]).to_string();
    registry.clear_faults();
    registry.add_fault(Script::always(
        Match::list().containing("/latest/"),
        Point::Head,
        Action::Answer(Answer::json(200, rows)),
    ));
}

/// An extra file is planned to be deleted where a request can have its name, and is an error otherwise.
fn code(name: &str) -> i32 {
    i32::from(FileName::parse(name).is_err())
}

#[test]
fn hostile_names_in_an_alias_are_harmless_in_its_plan() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let mut job = job(&registry);
    let names = [corpus::utf8(corpus::core()), corpus::registry_names(corpus::core())].concat();
    for (count, name) in names.iter().enumerate() {
        lists(&registry, name);
        let mut run = Run::of(&mut job, Under::turn(count), &registry, code(name));
        let is_planned = run.log.contains("\n  delete  ") && run.summary.contains(" | delete | 1 B | extra file |\n");
        run.expects(is_planned == (code(name) == 0), "an extra file that is not planned", name);
        findings.take(name, run.faults);
    }
    findings.are_none_in(300);
}

#[test]
fn hostile_repositories_are_harmless_if_a_link_is_planned_or_exists() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let mut job = job(&registry);
    let page = format!("{}/alice/-/packages/generic/widget/v1.0.0", registry.url());
    for (count, name) in corpus::utf8(corpus::core()).iter().enumerate() {
        let about = json!({ "html_url": page, "repository": { "full_name": name } }).to_string();
        registry.clear_faults();
        registry.add_fault(Script::always(Match::version(), Point::Head, Action::Answer(Answer::json(200, about))));
        job.input("dry-run", if count % 2 == 0 { "true" } else { "false" });
        let mut run = Run::of(&mut job, Under::turn(count), &registry, 0);
        let is_told = run.log.contains("warning: the package is already linked to repository");
        run.expects(is_told, "a link that is not named", name);
        findings.take(name, run.faults);
    }
    findings.are_none_in(150);
}

#[test]
fn no_plan_shows_a_secret() {
    let mut findings = Findings::default();
    for token in TOKENS {
        let registry = Registry::start(Persona::default());
        let mut job = job(&registry);
        job.token(token);
        for (count, echo) in secrets::echoes("alice", token).iter().enumerate() {
            lists(&registry, echo);
            let all = Match::put("/%2A");
            registry.add_fault(Script::always(all, Point::Head, Action::Answer(Answer::text(400, "invalid filename"))));
            let list = json!([{ "name": "a", "size": 1, "sha256": "0".repeat(64) }]).to_string();
            registry.add_fault(Script::always(Match::list(), Point::Head, Action::Answer(Answer::json(200, list))));
            let mut run = Run::with_links(&mut job, Under::turn(count), code(echo), |_| true);
            let is_planned = run.log.contains("\n  delete  ");
            run.expects(is_planned == (code(echo) == 0), "an extra file that is not planned", echo);
            findings.take(&format!("an extra file {echo}"), faults(&run, token));
        }
    }
    findings.are_none_in(80);
}
