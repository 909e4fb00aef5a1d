//! `docs/troubleshooting.md` has each kind of error as it is printed, and nothing that is not printed.
//!
//! Each case is a heading of that page; what the program prints in that case is the block below it.

mod checksums;
mod downloading;
mod files;
mod inputs;
mod keyless;
mod linking;
mod network;
mod publishing;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use embedded_registry::{Action, Answer, Persona, Registry};

use crate::harness::Job;

/// The heading, and what the program prints below it.
type Case = (&'static str, fn() -> String);

/// The step that the page publishes with.
fn job(registry: &Registry) -> Job {
    let mut job = Job::new(registry);
    job.file("dist/app.tar.gz", "content").input("owner", "acme").input("repo", "widget").input("version", "1.2.0");
    job
}

/// The errors of a run that fails after a change to its job or to the registry.
fn failed(change: impl for<'a> FnOnce(&'a mut Job, &Registry) -> &'a mut Job) -> String {
    failed_as(job, change)
}

/// Like `failed`, but for another step.
fn failed_as(step: fn(&Registry) -> Job, change: impl for<'a> FnOnce(&'a mut Job, &Registry) -> &'a mut Job) -> String {
    let registry = Registry::start(Persona::default());
    let mut job = step(&registry);
    let ran = change(&mut job, &registry).run().exits_with(1);
    errors(&ran.log, &registry.url())
}

/// The errors of a run that is rejected before it sends anything.
fn rejected(change: impl FnOnce(&mut Job) -> &mut Job) -> String {
    rejected_as(job, change)
}

/// Like `rejected`, but for another step.
fn rejected_as(step: fn(&Registry) -> Job, change: impl FnOnce(&mut Job) -> &mut Job) -> String {
    let registry = Registry::start(Persona::default());
    let ran = change(&mut step(&registry)).run().exits_with(2);
    assert_eq!(registry.requests(), []);
    errors(&ran.log, &registry.url())
}

/// A web page with that title in place of the registry's response.
fn page(status: u16, title: &str) -> Action {
    Action::Answer(Answer::html(status, format!("<html><title>{title}</title></html>")))
}

fn text(status: u16, text: &str) -> Action {
    Action::Answer(Answer::text(status, text))
}

fn json(status: u16, text: &str) -> Action {
    Action::Answer(Answer::json(status, text))
}

/// The errors in a log, each part of them on one line, with the page's server instead of the test's.
fn errors(log: &str, server: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut inside = false;
    for line in log.lines() {
        match line {
            _ if ["error: ", "  caused by: ", "  hint: "].iter().any(|part| line.starts_with(part)) => {
                inside = true;
                parts.push(line.to_owned());
            }
            _ if inside && line.starts_with("        ") => {
                let part = parts.last_mut().expect("a part goes before");
                *part = format!("{part} {}", line.trim_start());
            }
            _ => inside = false,
        }
    }
    let host = server.split("//").last().and_then(|host| host.split(':').next()).unwrap_or_default();
    let text = parts.join("\n").replace(server.trim_end_matches('/'), "https://git.example.com");
    text.replace(host, "git.example.com")
}

/// A section of the page with that block instead of its own.
fn with_block(section: &str, block: &str) -> String {
    let (before, rest) = section.split_once("```text\n").expect("a section has a block");
    let (_, after) = rest.split_once("\n```").expect("a block ends");
    format!("{before}```text\n{block}\n```{after}")
}

/// If snapshots are to be updated, the page is too.
#[test]
fn the_page_has_each_kind_of_error_as_it_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md");
    let page = fs::read_to_string(&path).expect("the page is there");
    let cases = [publishing::CASES, network::CASES, inputs::CASES, files::CASES];
    let others = [downloading::CASES, linking::CASES, checksums::CASES, keyless::CASES];
    let cases = cases.into_iter().chain(others).flatten();
    let mut blocks: BTreeMap<&str, String> = cases.map(|(heading, case)| (*heading, case())).collect();
    let mut sections = page.split("\n### ");
    let mut updated = sections.next().expect("a split has a first part").to_owned();
    let mut wrong = Vec::new();
    for section in sections {
        let (heading, _) = section.split_once('\n').expect("a heading ends");
        let block = blocks.remove(heading).unwrap_or_else(|| panic!("nothing leads to {heading}"));
        let printed = with_block(section, &block);
        if printed != section {
            wrong.push(format!("### {heading}\n\n```text\n{block}\n```\n"));
        }
        updated = updated + "\n### " + &printed;
    }
    assert!(blocks.is_empty(), "the page has no heading for these: {blocks:?}");
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        fs::write(path, updated).expect("the page can be written");
    } else {
        assert!(wrong.is_empty(), "the page does not have these as they are printed:\n\n{}", wrong.join("\n"));
    }
}
