//! Links of the package to a repository.

use embedded_registry::{Action, Answer, Fault, Match, Options, Persona, Point, Registry};
use rustix::process::Signal;

use crate::harness::{Job, Ran};
use crate::package::{answers, link_of, seed};
use crate::stopping::{holds, stopped};

/// A job with one file that wants the package linked.
fn job(registry: &Registry, repository: &str) -> Job {
    let mut job = Job::publishing(registry, &[("a", "1")]);
    job.input("link-repository", repository);
    job
}

/// Returns the number of requests to link the package.
fn asked_to_link(registry: &Registry) -> usize {
    registry.requests().iter().filter(|request| request.method == "POST").count()
}

/// The warnings of a run that succeeded.
fn warnings_of(ran: Ran) -> Vec<String> {
    let ran = ran.exits_with(0).does_not_say("error:");
    assert_eq!(ran.outputs["uploaded"], "1");
    ran.unwrapped_log().lines().filter_map(|line| line.strip_prefix("warning: ")).map(str::to_owned).collect()
}

const WITH_LINKS: [Persona; 4] = [Persona::Gitea1_24, Persona::Gitea1_26, Persona::Forgejo11, Persona::Forgejo15];

const WITHOUT_LINKS: [Persona; 2] = [Persona::Gitea1_22, Persona::Forgejo7];

#[test]
fn the_package_is_linked_once_and_last() {
    for persona in WITH_LINKS {
        let registry = Registry::start(persona);
        let job = job(&registry, "gadget");
        job.run().exits_with(0).does_not_say("warning:");
        assert_eq!(link_of(&registry).as_deref(), Some("alice/gadget"), "{persona:?}");
        let last = registry.requests().pop().expect("requests");
        let target = "/api/v1/packages/alice/generic/widget/-/link/gadget";
        assert_eq!((last.method.as_str(), last.target.as_str()), ("POST", target));
        // A second run finds it linked, and asks for nothing.
        registry.clear_requests();
        job.run().exits_with(0).does_not_say("warning:");
        assert_eq!(asked_to_link(&registry), 0, "{persona:?}");
    }
}

#[test]
fn a_server_that_cannot_link_is_a_warning_with_a_hint() {
    for persona in WITHOUT_LINKS {
        let registry = Registry::start(persona);
        let warnings = warnings_of(job(&registry, "true").run());
        let cure = format!(
            "Remove `link-repository`, because Gitea before 1.24 and Forgejo before 11 have no API for it. To link the \
             package by hand: {}/alice/-/packages/generic/widget/v1.0.0/settings",
            registry.url()
        );
        assert!(
            matches!(&warnings[..], [one] if one.contains("404 page not found") && one.ends_with(&cure)),
            "{warnings:?}"
        );
        assert_eq!(asked_to_link(&registry), 1, "{persona:?}");
    }
    let registry = Registry::start(Persona::default());
    answers(&registry, Match::link(), Answer::text(405, ""));
    let warnings = warnings_of(job(&registry, "true").run());
    assert!(matches!(&warnings[..], [one] if one.contains("405") && one.contains("by hand")), "{warnings:?}");
}

#[test]
fn true_means_the_repository_of_the_workflow_if_it_belongs_to_the_owner_on_this_server() {
    for (value, linked) in [
        ("true", Some("alice/widget")),
        ("TRUE", Some("alice/widget")),
        ("alice/gadget", Some("alice/gadget")),
        ("ALICE/gadget", Some("alice/gadget")),
        ("false", None),
        ("", None),
    ] {
        let registry = Registry::start(Persona::default());
        job(&registry, value).run().exits_with(0).does_not_say("warning:");
        assert_eq!(link_of(&registry).as_deref(), linked, "{value}");
    }
    let registry = Registry::start(Persona::default());
    // The same server in other words, and the owner too.
    let mut job = job(&registry, "true");
    job.input("server-url", format!("{}/", registry.url())).input("owner", "Alice").run().exits_with(0);
    assert_eq!(link_of(&registry).as_deref(), Some("alice/widget"));
    let registry = Registry::start_with(Options { path_prefix: "/git".to_owned(), ..Options::default() });
    let mut job = Job::publishing(&registry, &[("a", "1")]);
    job.input("link-repository", "true").input("server-url", registry.url());
    job.variable("GITHUB_SERVER_URL", format!("{}/", registry.url())).run().exits_with(0);
    assert_eq!(link_of(&registry).as_deref(), Some("alice/widget"));
}

#[test]
fn true_is_refused_if_the_repository_of_the_workflow_does_not_belong_to_the_owner_on_this_server() {
    let registry = Registry::start(Persona::default());
    let refused = |spoil: fn(&mut Job) -> &mut Job, named: &str| {
        let mut job = job(&registry, "true");
        let ran = spoil(&mut job).run_rejected(&registry);
        ran.has_codes(&["invalid-input"]).says("error: failed to read input `link-repository`: `true`").says(named);
    };
    refused(
        |job| {
            let url = job.environment()[std::ffi::OsStr::new("GITHUB_SERVER_URL")].clone();
            job.input("server-url", url).variable("GITHUB_SERVER_URL", "https://github.com")
        },
        "https://github.com",
    );
    refused(|job| job.input("owner", "acme"), "alice/widget, but the package belongs to acme");
    refused(|job| job.without("GITHUB_REPOSITORY").input("repo", "widget"), "");
}

#[test]
fn a_repository_of_another_owner_or_of_no_name_is_refused() {
    let registry = Registry::start(Persona::default());
    for value in ["acme/widget", "a b", "alice/", "a/b/c", "alice/b/c", "https://git.example.com/alice/widget", ".."] {
        let ran = job(&registry, value).run_rejected(&registry).has_codes(&["invalid-input"]).says("`link-repository`");
        ran.says("`true`");
    }
}

#[test]
fn a_package_that_is_linked_to_another_repository_keeps_its_link_with_a_warning() {
    let registry = Registry::start(Persona::default());
    job(&registry, "gadget").run().exits_with(0);
    registry.clear_requests();
    // The server knows it by another case.
    job(&registry, "Gadget").run().exits_with(0).does_not_say("warning:");
    let ran = job(&registry, "widget").run().exits_with(0).does_not_say("error:");
    ran.says("warning: ").says("alice/gadget").says("alice/widget");
    assert_eq!((link_of(&registry).as_deref(), asked_to_link(&registry)), (Some("alice/gadget"), 0));
}

#[test]
fn a_repository_that_does_not_exist_or_may_not_be_linked_to_is_a_warning() {
    let registry = Registry::start(Persona::default());
    let warnings = warnings_of(job(&registry, "wigdet").run());
    let cure = "Correct `link-repository`, because alice has no repository of that name";
    assert!(matches!(&warnings[..], [one] if one.ends_with(cure)), "{warnings:?}");
    assert_eq!(link_of(&registry), None);
    for (status, message, cure) in [
        (403, "permission denied", "Give the token's user write access to packages of that repository"),
        (403, "token does not have at least one of required scope(s): [write:package]", "with the scope write:package"),
        (404, "package does not exist", "Check `version` and `repo`"),
        (500, "", "check the server's log"),
    ] {
        let registry = Registry::start(Persona::default());
        let answer = Answer::json(status, format!(r#"{{"message":"{message}"}}"#));
        answers(&registry, Match::link(), answer);
        let warnings = warnings_of(job(&registry, "gadget").run());
        assert!(matches!(&warnings[..], [one] if one.contains(cure)), "{message}: {warnings:?}");
    }
}

#[test]
fn a_token_that_may_only_read_links_nothing_and_that_is_a_warning() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry, "true");
    job.input("link-repository", "").run().exits_with(0);
    job.token(&registry.token("alice_read")).input("link-repository", "true");
    let ran = job.run().exits_with(0).says("warning: ");
    ran.says("the scope write:package");
    assert_eq!(link_of(&registry), None);
}

#[test]
fn a_link_whose_response_is_lost_is_read_before_it_is_retried() {
    let registry = Registry::start(Persona::default());
    registry.add_fault(Fault::once(Match::link(), Point::AfterStore, Action::Reset));
    // There is no second try here, and yet a second look.
    let warnings = warnings_of(job(&registry, "true").run());
    assert_eq!((warnings, link_of(&registry).as_deref(), asked_to_link(&registry)), (vec![], Some("alice/widget"), 1));
}

#[test]
fn a_link_is_retried_after_a_fault_that_passes() {
    let registry = Registry::start(Persona::default());
    registry.add_fault(Fault::once(Match::link(), Point::Head, Action::Answer(Answer::html(502, ""))));
    registry.add_fault(Fault::once(Match::version(), Point::Head, Action::Answer(Answer::html(502, ""))));
    let warnings = warnings_of(job(&registry, "true").input("retries", "2").run_with_short_waits());
    assert_eq!((warnings, link_of(&registry).as_deref()), (vec![], Some("alice/widget")));
}

#[test]
fn a_link_that_another_job_makes_meanwhile_counts() {
    let registry = Registry::start(Persona::default());
    // What the other job's link makes of ours, whichever repository it took.
    let refusal = Answer::json(400, r#"{"message":"invalid argument"}"#);
    let linked = |name: &str| {
        let page = format!("{}/alice/-/packages/generic/widget/v1.0.0", registry.url());
        let about = format!(r#"{{"html_url":"{page}","repository":{{"full_name":"{name}"}}}}"#);
        registry.clear_faults();
        answers(&registry, Match::link(), refusal.clone());
        registry
            .add_fault(Fault::always(Match::version(), Point::Head, Action::Answer(Answer::json(200, about))).skip(1));
    };
    linked("alice/widget");
    let ran = job(&registry, "widget").run().exits_with(0);
    ran.does_not_say("warning:");
    linked("alice/gadget");
    job(&registry, "widget").run().exits_with(0).says("warning: ").says("alice/gadget");
}

#[test]
fn a_version_whose_page_cannot_be_read_is_not_linked_and_has_the_usual_page() {
    let registry = Registry::start(Persona::default());
    answers(&registry, Match::version(), Answer::text(500, ""));
    let ran = job(&registry, "true").run().exits_with(0).says("warning: ");
    assert!(ran.outputs["package-url"].ends_with("/alice/-/packages/generic/widget/v1.0.0"));
    assert_eq!(asked_to_link(&registry), 0);
}

#[test]
fn a_run_that_fails_links_nothing() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "other")]);
    job(&registry, "true").run().exits_with(1);
    // What is skipped is as it was wanted.
    assert_eq!((link_of(&registry), asked_to_link(&registry)), (None, 0));
    job(&registry, "true").input("if-file-exists", "skip").run().exits_with(0);
    assert_eq!(link_of(&registry).as_deref(), Some("alice/widget"));
}

#[test]
fn a_link_is_the_last_change_after_checksums_file_and_aliases_and_none_is_made_if_these_fail() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry, "true");
    job.input("checksums", "SHA256SUMS").input("aliases", "latest").input("retries", "0");
    let no = Action::Answer(Answer::text(413, ""));
    registry.add_fault(Fault::once(Match::put("/v1.0.0/SHA256SUMS"), Point::Head, no.clone()));
    registry.add_fault(Fault::once(Match::put("/latest/SHA256SUMS"), Point::Head, no));
    for _ in 0..2 {
        job.run().exits_with(1);
        assert_eq!((link_of(&registry), asked_to_link(&registry)), (None, 0));
    }
    job.run().exits_with(0);
    let changes: Vec<String> =
        registry.requests().into_iter().filter(|asked| asked.method != "GET").map(|asked| asked.method).collect();
    assert_eq!(changes.last().map(String::as_str), Some("POST"), "{changes:?}");
    assert_eq!((link_of(&registry).as_deref(), asked_to_link(&registry)), (Some("alice/widget"), 1));
}

#[test]
fn a_signal_during_the_link_is_a_warning_because_all_files_are_published() {
    let registry = Registry::start(Persona::default());
    let moment = holds(&registry, Match::link(), Point::Head, 0);
    let warnings = warnings_of(stopped(job(&registry, "true").input("timeout", "3600"), &moment, Signal::TERM));
    assert_eq!(
        warnings,
        ["received SIGTERM before the package was linked to alice/widget. Run the step again to link it"]
    );
}

#[test]
fn a_link_that_the_tokens_user_cannot_see_is_requested_once_and_named_in_a_warning() {
    let registry = Registry::start(Persona::default());
    job(&registry, "gadget").run().exits_with(0);
    // So the server answers whom it lets see no such repository.
    let about =
        format!(r#"{{"html_url":"{}/alice/-/packages/generic/widget/v1.0.0","repository":null}}"#, registry.url());
    answers(&registry, Match::version(), Answer::json(200, about));
    registry.clear_requests();
    let ran = job(&registry, "widget").input("retries", "5").run().exits_with(0).does_not_say("error:");
    let text = "because the token's user cannot see the linked one: http";
    assert!(ran.unwrapped_log().contains(text), "{}", ran.log);
    assert_eq!(asked_to_link(&registry), 1);
}

#[test]
fn the_warning_about_a_link_is_in_the_summary_too() {
    let registry = Registry::start(Persona::default());
    let ran = job(&registry, "wigdet").run().exits_with(0);
    let line = ran.summary.lines().find(|line| line.starts_with("- warning: ")).unwrap_or_default();
    assert!(line.contains("repository wigdet") && line.contains("Correct `link-repository`"), "{}", ran.summary);
}
