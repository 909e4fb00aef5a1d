//! Tests the troubleshooting page for failed links and failed dry runs.

use std::ffi::OsStr;

use embedded_registry::{Fault, Match, Persona, Point, Registry};

use super::{Case, failed, job, json, rejected};
use crate::harness::Job;

pub(super) const CASES: &[Case] = &[
    ("The check of write access fails", || {
        failed(|job, registry| job.input("dry-run", "true").token(&registry.token("alice_read")))
    }),
    ("The server cannot link packages", || warned(Persona::Gitea1_22, "widget", |_| {})),
    ("No such repository", || warned(Persona::default(), "wigdet", |_| {})),
    ("The package is linked to another repository", || {
        // The organization has no repository in the embedded registry, so the response is scripted.
        let page = "http://git.example.com/acme/-/packages/generic/widget/1.2.0";
        let about = format!(r#"{{"html_url":"{page}","repository":{{"full_name":"acme/gadget"}}}}"#);
        not_linked(Match::version(), 200, &about)
    }),
    ("No access to the repository", || not_linked(Match::link(), 403, r#"{"message":"permission denied"}"#)),
    ("No write access to packages of the owner", || {
        let message = r#"{"message":"user should have specific permission or be a site admin"}"#;
        not_linked(Match::link(), 403, message)
    }),
    ("A repository of another owner", || rejected(|job| job.input("link-repository", "alice/widget"))),
    ("The workflow's repository belongs to another owner", || rejected(|job| job.input("link-repository", "true"))),
    ("The workflow's repository is on another server", || {
        rejected(|job| {
            let here = job.environment()[OsStr::new("GITHUB_SERVER_URL")].clone();
            job.input("server-url", here).variable("GITHUB_SERVER_URL", "https://github.com");
            job.input("link-repository", "true")
        })
    }),
];

/// The warnings of a run that publishes its file and then cannot link its package.
fn warned(persona: Persona, repository: &str, script: impl FnOnce(&Registry)) -> String {
    let registry = Registry::start(persona);
    script(&registry);
    let mut job: Job = job(&registry);
    let log = job.input("link-repository", repository).run().exits_with(0).unwrapped_log();
    let warnings: Vec<&str> = log.lines().filter(|line| line.starts_with("warning: ")).collect();
    warnings.join("\n").replace(&registry.url(), "https://git.example.com")
}

fn not_linked(on: Match, status: u16, answer: &str) -> String {
    let answer = json(status, answer);
    warned(Persona::default(), "widget", |registry| registry.add_fault(Fault::always(on, Point::Head, answer)))
}
