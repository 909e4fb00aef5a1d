//! What stands in the way of a link, and of a dry run.

use std::ffi::OsStr;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use super::{Case, job, told, told_before};
use crate::harness::{Job, Ran};

pub(super) const CASES: &[Case] = &[
    ("The check of write access fails", || {
        let registry = Registry::start(Persona::default());
        told(&registry, job(&registry).input("dry-run", "true").token(&registry.token("alice_read")))
    }),
    ("The server cannot link packages", || warned(Persona::Gitea1_22, |job| job.input("link-repository", "widget"))),
    ("No such repository", || warned(Persona::default(), |job| job.input("link-repository", "wigdet"))),
    ("The package is linked to another repository", linked_elsewhere),
    ("No access to the repository", || {
        let answer = Answer::json(403, r#"{"message":"permission denied"}"#);
        not_linked(Fault::always(Match::link(), Point::Head, Action::Answer(answer)))
    }),
    ("No write access to packages of the owner", || {
        let answer = Answer::json(403, r#"{"message":"user should have specific permission or be a site admin"}"#);
        not_linked(Fault::always(Match::link(), Point::Head, Action::Answer(answer)))
    }),
    ("A repository of another owner", || told_before(|job| job.input("link-repository", "alice/widget"))),
    ("The workflow's repository belongs to another owner", || told_before(|job| job.input("link-repository", "true"))),
    ("The workflow's repository is on another server", || {
        told_before(|job| {
            let here = job.environment()[OsStr::new("GITHUB_SERVER_URL")].clone();
            job.input("server-url", here).variable("GITHUB_SERVER_URL", "https://github.com");
            job.input("link-repository", "true")
        })
    }),
];

/// What a run warns of that publishes its file all the same.
fn warned(persona: Persona, spoil: impl FnOnce(&mut Job) -> &mut Job) -> String {
    let registry = Registry::start(persona);
    warnings_of(&spoil(&mut job(&registry)).run(), &registry)
}

fn not_linked(fault: Fault) -> String {
    let registry = Registry::start(Persona::default());
    registry.script(fault);
    warnings_of(&job(&registry).input("link-repository", "widget").run(), &registry)
}

/// The organisation has no repository in the embedded registry, so a user's is told as its.
fn linked_elsewhere() -> String {
    let page = "http://git.example.com/acme/-/packages/generic/widget/1.2.0";
    let about = format!(r#"{{"html_url":"{page}","repository":{{"full_name":"acme/gadget"}}}}"#);
    not_linked(Fault::always(Match::version(), Point::Head, Action::Answer(Answer::json(200, about))))
}

fn warnings_of(ran: &Ran, registry: &Registry) -> String {
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    let log = ran.unbroken();
    let warnings: Vec<&str> = log.lines().filter(|line| line.starts_with("warning: ")).collect();
    warnings.join("\n").replace(&registry.url(), "https://git.example.com")
}
