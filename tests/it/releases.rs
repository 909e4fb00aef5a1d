//! Aliases that follow releases: a pre-release or a lower release does not move them.

use std::collections::BTreeMap;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::{Job, Ran};
use crate::package::{another_job_publishes, answers, changes, contents, seed};

/// A job that publishes a version, with its name as the only content, and updates aliases.
fn job(registry: &Registry, version: &str, aliases: &str) -> Job {
    let mut job = Job::publishing(registry, &[("app", version)]);
    job.input("version", version).input("checksums", "SHA256SUMS").input("aliases", aliases);
    job
}

fn release(registry: &Registry, version: &str, aliases: &str) -> Ran {
    job(registry, version, aliases).run().exits_with(0).does_not_say("error:").does_not_say("warning:")
}

/// The version that an alias is identical to; empty if there is no such alias.
fn held_by(registry: &Registry, alias: &str) -> String {
    contents(registry, alias).remove("app").unwrap_or_default()
}

/// Returns the number of requests that list the package's versions.
fn lists(registry: &Registry) -> usize {
    registry.requests().iter().filter(|request| request.target.contains("/api/v1/packages/alice?")).count()
}

/// Another job publishes v2.0.0 and moves `latest` to it, when the request comes.
fn another_job_releases(registry: &Registry, on: &Match) {
    for version in ["v2.0.0", "latest"] {
        registry.add_fault(Fault::once(on.clone(), Point::AfterStore, another_job_publishes(version, "app", "v2.0.0")));
    }
}

const STAYS: &str = "alias latest is not updated: the package has the higher release v2.0.0";

#[test]
fn latest_stays_at_the_highest_release_when_the_job_of_a_lower_one_runs_again() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        for version in ["v1.9.0", "v1.9.1", "v1.10.0"] {
            release(&registry, version, "latest").does_not_say("notice").has_outputs(&[("aliases", "latest")]);
            assert_eq!(held_by(&registry, "latest"), version, "{persona:?}");
        }
        let why = "updated: the package has the higher release v1.10.0";
        registry.clear_requests();
        let dry = job(&registry, "v1.9.0", "latest").input("dry-run", "true").run().exits_with(0);
        assert_eq!(dry.lines("notice: "), [format!("alias latest would not be {why}")], "{persona:?}");
        let dry = dry.has_outputs(&[("aliases", "")]);
        assert!(dry.summary.contains("| ` alias latest ` | skip |  | 2 different |"), "{}", dry.summary);
        let ran = release(&registry, "v1.9.0", "latest").has_outputs(&[("aliases", "")]);
        let notice = format!("alias latest is not {why}");
        assert_eq!(ran.lines("notice: "), [notice.as_str()], "{persona:?}");
        assert_eq!(ran.lines("::notice title=generic-packages::"), [notice.as_str()], "{persona:?}");
        assert!(ran.summary.contains(&format!("- notice: ` {notice} `")), "{}", ran.summary);
        assert_eq!((held_by(&registry, "latest").as_str(), changes(&registry)), ("v1.10.0", vec![]));
        assert_eq!(ran.statuses()["SHA256SUMS"], "unchanged");
        release(&registry, "v1.10.0", "latest").does_not_say("notice").has_outputs(&[("aliases", "latest")]);
    }
}

/// A release, its aliases, those of them that are updated, and why the others are not, in their order.
type Release = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// The releases of packages, one after the other.
const PACKAGES: &[&[Release]] = &[
    &[
        ("v1.0.0", "latest stable", "latest stable", &[]),
        ("v2.0.0-rc.1", "latest next stable v2 2.0 Latest-rc", "next Latest-rc", &["v2.0.0-rc.1 is a pre-release"; 4]),
    ],
    // The first versions of a package are often pre-releases.
    &[("v1.0.0-rc.1", "latest", "", &["v1.0.0-rc.1 is a pre-release"])],
    // A number is followed by the releases that begin with it.
    &[
        ("1.2.3", "1 v1 1.2 latest", "1 v1 1.2 latest", &[]),
        ("v1.10.0", "1 v1 1.2 latest", "1 v1 latest", &["v1.10.0 is not a release of 1.2"]),
        ("1.2.4", "1 v1 1.2 latest", "1.2", &["the package has the higher release v1.10.0"; 3]),
        ("10.0.0", "1 v1 1.2 latest", "latest", &["10.0.0 is not a release of 1"]),
        ("1.10.1", "1 v1 1.2 latest", "1 v1", &["1.10.1 is not a release of 1.2"]),
        ("1.20.0", "1 v1 1.2 latest", "1 v1", &["1.20.0 is not a release of 1.2"]),
        ("1.2.3", "1 v1 1.2 latest", "", &["the package has the higher release 1.20.0"; 2]),
        (
            "1.2.0",
            "1.2 latest",
            "",
            &["the package has the higher release 1.2.4", "the package has the higher release 10.0.0"],
        ),
    ],
    // Other versions move `latest` only if there is no release; a date is the name of a snapshot.
    &[
        ("v1.0.0-rc.1", "none", "none", &[]),
        ("build-abc", "latest v1 nightly", "latest nightly", &["build-abc is not a release of v1"]),
        ("2.0.0", "latest", "latest", &[]),
        (
            "build-abd",
            "latest v1 v2 nightly",
            "nightly",
            &[
                "build-abd is not a release, and the package has release 2.0.0",
                "build-abd is not a release of v1",
                "build-abd is not a release of v2",
            ],
        ),
        ("2026-11-29", "none", "none", &[]),
        ("build-abe", "2026-11-29", "2026-11-29", &[]),
        ("build-7", "stable", "", &["build-7 is not a release, and the package has release 2026-11-29"]),
    ],
    // Releases with other prefixes are not compared.
    &[
        ("release-1.9.0", "latest", "latest", &[]),
        ("release-1.10.0", "latest", "latest", &[]),
        ("release-1.9.0", "latest", "", &["the package has the higher release release-1.10.0"]),
        ("lib-1.0.0", "latest", "latest", &[]),
        ("2026-11-29", "latest", "latest", &[]),
        ("2026-11-28", "latest", "", &["the package has the higher release 2026-11-29"]),
        ("24.04", "latest", "", &["the package has the higher release 2026-11-29"]),
    ],
];

#[test]
fn an_alias_moves_only_to_a_higher_release_of_those_that_it_follows() {
    for releases in PACKAGES {
        let registry = Registry::start(Persona::default());
        let mut expected: BTreeMap<&str, &str> = BTreeMap::new();
        for (version, aliases, updated, reasons) in *releases {
            let ran = release(&registry, version, &aliases.replace(' ', "\n"));
            assert_eq!(ran.outputs["aliases"].replace('\n', " "), *updated, "{version}: {}", ran.log);
            let stays = aliases.split(' ').filter(|alias| !updated.split(' ').any(|other| other == *alias));
            let notices = ran.lines("notice: ");
            assert_eq!(notices.len(), stays.clone().count(), "{notices:?}");
            for ((alias, reason), notice) in stays.zip(*reasons).zip(notices) {
                assert_eq!(notice, format!("alias {alias} is not updated: {reason}"));
            }
            expected.extend(updated.split_whitespace().map(|alias| (alias, *version)));
            for (alias, version) in &expected {
                assert_eq!(held_by(&registry, alias), *version, "{alias}");
            }
        }
    }
}

#[test]
fn the_versions_are_listed_before_each_such_alias_changes_and_only_if_that_decides() {
    let registry = Registry::start(Persona::default());
    for (version, aliases, sum) in [
        ("1.0.0", "nightly\nnext\nbuild-2026-11-29", 0),
        ("1.0.0-rc.1", "latest", 0),
        ("1.0.0", "nightly\nlatest\nstable\nv1", 3),
        ("1.0.0", "nightly\nlatest\nstable\nv1", 3),
    ] {
        release(&registry, version, aliases);
        assert_eq!(lists(&registry), sum, "{aliases}");
    }
    // There are 50 on a page.
    for number in 0..60 {
        seed(&registry, &format!("0.8.{number}"), &[("app", "older")]);
    }
    release(&registry, "0.9.0", "latest").has_outputs(&[("aliases", "")]);
    assert_eq!(lists(&registry), 5);
}

#[test]
fn if_the_versions_cannot_be_listed_no_such_alias_is_updated_and_the_step_fails() {
    let registry = Registry::start(Persona::default());
    release(&registry, "v1.0.0", "latest\nnightly");
    let mut job = job(&registry, "v2.0.0", "nightly\nlatest");
    for answer in
        [Answer::text(500, ""), Answer::json(200, "{"), Answer::json(401, r#"{"message":"token is required"}"#)]
    {
        registry.clear_faults();
        answers(&registry, Match::versions(), answer);
        for (dry_run, updated) in [("true", ""), ("false", "nightly")] {
            let ran = job.input("dry-run", dry_run).run().exits_with(1).has_a_hint_for_each_error();
            let ran = ran.has_codes(&["alias-mismatch"]).has_outputs(&[("aliases", updated)]);
            ran.says("0 of 2 files").says("caused by: ");
            assert_eq!(held_by(&registry, "latest"), "v1.0.0");
        }
    }
    // A list that is read at the second attempt is enough.
    registry.clear_faults();
    registry.add_fault(Fault::once(Match::versions(), Point::Head, Action::Answer(Answer::text(502, ""))));
    job.input("retries", "1").run_with_short_waits().exits_with(0).has_outputs(&[("aliases", "nightly\nlatest")]);
    assert_eq!(held_by(&registry, "latest"), "v2.0.0");
}

#[test]
fn a_higher_release_of_another_job_counts_until_the_alias_is_changed() {
    for (on, aliases, updated) in [
        (Match::put("/v1.0.0/app"), "latest", ""),
        (Match::put("/v1.0.0/SHA256SUMS"), "latest", ""),
        (Match::list().containing("/latest/"), "latest", ""),
        // It appears while another alias is changed.
        (Match::put("/v1/SHA256SUMS"), "v1\nlatest", "v1"),
    ] {
        let registry = Registry::start(Persona::default());
        release(&registry, "v0.9.0", "latest");
        another_job_releases(&registry, &on);
        let ran = release(&registry, "v1.0.0", aliases).has_outputs(&[("aliases", updated)]);
        assert_eq!(ran.lines("notice: "), [STAYS]);
        assert_eq!(held_by(&registry, "latest"), "v2.0.0");
    }
}

#[test]
fn a_higher_release_that_another_job_makes_latest_meanwhile_is_not_replaced_and_the_step_fails() {
    let registry = Registry::start(Persona::default());
    release(&registry, "v0.9.0", "latest");
    another_job_releases(&registry, &Match::put("/latest/SHA256SUMS"));
    let ran = job(&registry, "v1.0.0", "latest").input("retries", "2").run_with_short_waits().exits_with(1);
    let ran = ran.has_a_hint_for_each_error().has_codes(&["alias-mismatch"]).says("v2.0.0");
    ran.has_outputs(&[("aliases", "")]);
    assert_eq!(held_by(&registry, "latest"), "v2.0.0");
}

#[test]
fn a_higher_release_that_appears_while_files_are_downloaded_for_an_alias_keeps_the_alias() {
    let registry = Registry::start(Persona::default());
    release(&registry, "v0.9.0", "latest");
    seed(&registry, "v1.0.0", &[("other", "of another job")]);
    another_job_releases(&registry, &Match::get("/v1.0.0/other"));
    let ran = release(&registry, "v1.0.0", "latest").has_outputs(&[("aliases", "")]);
    assert_eq!(ran.lines("notice: "), [STAYS]);
    assert_eq!(held_by(&registry, "latest"), "v2.0.0");
}

#[test]
fn a_list_of_versions_that_lacks_the_published_one_updates_no_such_alias() {
    let registry = Registry::start(Persona::default());
    release(&registry, "v2.0.0", "latest");
    // A cache with an old list, from before the first release.
    answers(&registry, Match::versions(), Answer::json(200, "[]"));
    let ran = job(&registry, "v1.0.0", "latest").run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["alias-mismatch"]).says("does not show v1.0.0").says(&format!("cache for {}/api/", registry.url()));
    assert_eq!(held_by(&registry, "latest"), "v2.0.0");
}
