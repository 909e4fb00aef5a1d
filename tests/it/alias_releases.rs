//! Aliases that follow releases: a pre-release or a lower release does not move them.

use std::collections::BTreeMap;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::{Job, Ran};

/// A job that publishes a version, with its name as the only content, and updates aliases.
fn job(registry: &Registry, version: &str, aliases: &str) -> Job {
    let mut job = Job::new(registry);
    job.file("dist/app", version).input("version", version);
    job.input("checksums", "SHA256SUMS").input("aliases", aliases);
    job
}

fn release(registry: &Registry, version: &str, aliases: &str) -> Ran {
    job(registry, version, aliases).run().exits_with(0).does_not_say("error:").does_not_say("warning:")
}

/// The version that an alias is identical to; empty if there is no such alias.
fn held_by(registry: &Registry, alias: &str) -> String {
    let content = registry.read("alice", "widget", alias, "app").unwrap_or_default();
    String::from_utf8(content).expect("a text")
}

fn notices(ran: &Ran) -> Vec<String> {
    ran.unbroken().lines().filter_map(|line| line.strip_prefix("notice: ")).map(str::to_owned).collect()
}

/// How many times the package's versions were listed.
fn lists(registry: &Registry) -> usize {
    registry.requests().iter().filter(|request| request.target.contains("/api/v1/packages/alice?")).count()
}

fn changes_of(registry: &Registry, version: &str) -> usize {
    let place = format!("/widget/{version}/");
    let requests = registry.requests().into_iter().filter(|request| request.method != "GET");
    requests.filter(|request| request.target.contains(&place)).count()
}

#[test]
fn latest_stays_at_the_highest_release_when_the_job_of_a_lower_one_runs_again() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        for version in ["v1.9.0", "v1.9.1", "v1.10.0"] {
            let ran = release(&registry, version, "latest").does_not_say("notice");
            assert_eq!((held_by(&registry, "latest").as_str(), ran.outputs["aliases"].as_str()), (version, "latest"));
        }
        let why = "updated: the package has the higher release v1.10.0";
        registry.forget_requests();
        let dry = job(&registry, "v1.9.0", "latest").input("dry-run", "true").run().exits_with(0);
        assert_eq!(notices(&dry), [format!("alias latest would not be {why}")], "{persona:?}");
        let row = "| ` alias latest ` | skip |  | 2 different |";
        assert!(dry.summary.contains(row) && dry.outputs["aliases"].is_empty(), "{}", dry.summary);
        let ran = release(&registry, "v1.9.0", "latest");
        assert_eq!(notices(&ran), [format!("alias latest is not {why}")], "{persona:?}");
        let annotation = format!("::notice title=generic-packages::alias latest is not {why}");
        assert!(ran.log.lines().any(|line| line == annotation), "{}", ran.log);
        assert!(ran.summary.contains(&format!("- notice: ` alias latest is not {why} `")), "{}", ran.summary);
        assert_eq!((held_by(&registry, "latest").as_str(), changes_of(&registry, "latest")), ("v1.10.0", 0));
        assert_eq!((ran.outputs["aliases"].as_str(), ran.statuses()["SHA256SUMS"].as_str()), ("", "unchanged"));
        let ran =
            release(&registry, "v1.10.0", "latest").does_not_say("notice").says("alice/widget v1.10.0 and latest: ");
        assert_eq!(ran.outputs["aliases"], "latest");
    }
}

#[test]
fn a_pre_release_moves_only_aliases_that_do_not_follow_releases() {
    let registry = Registry::start(Persona::default());
    release(&registry, "v1.0.0", "latest\nstable");
    registry.forget_requests();
    let ran = release(&registry, "v2.0.0-rc.1", "latest\nnext\nstable\nv2\n2.0\nLatest-rc");
    let stays = |alias: &str| format!("alias {alias} is not updated: v2.0.0-rc.1 is a pre-release");
    assert_eq!(notices(&ran), ["latest", "stable", "v2", "2.0"].map(stays));
    assert_eq!((ran.outputs["aliases"].as_str(), lists(&registry)), ("next\nLatest-rc", 0));
    let ran = ran.says("and next and Latest-rc: ");
    assert!(ran.summary.contains("- notice: ` alias v2 is not updated"), "{}", ran.summary);
    assert_eq!(held_by(&registry, "latest") + &held_by(&registry, "stable"), "v1.0.0v1.0.0");
    assert_eq!(held_by(&registry, "v2") + &held_by(&registry, "2.0"), "");
    // The first versions of a package are often pre-releases.
    let registry = Registry::start(Persona::default());
    release(&registry, "v1.0.0-rc.1", "latest");
    assert_eq!(held_by(&registry, "latest"), "");
}

#[test]
fn a_number_follows_the_highest_release_that_begins_with_it() {
    let registry = Registry::start(Persona::default());
    let aliases = "1\nv1\n1.2\nlatest";
    let mut expected: BTreeMap<&str, &str> = BTreeMap::new();
    for (version, updated) in [
        ("1.2.3", &["1", "v1", "1.2", "latest"][..]),
        ("v1.10.0", &["1", "v1", "latest"]),
        ("1.2.4", &["1.2"]),
        ("10.0.0", &["latest"]),
        ("1.10.1", &["1", "v1"]),
        ("1.20.0", &["1", "v1"]),
        ("1.2.3", &[]),
    ] {
        let ran = release(&registry, version, aliases);
        assert_eq!(ran.outputs["aliases"].lines().collect::<Vec<_>>(), updated, "{version}: {}", ran.log);
        expected.extend(updated.iter().map(|alias| (*alias, version)));
        for (alias, version) in &expected {
            assert_eq!(held_by(&registry, alias), *version, "{alias}");
        }
    }
    let ran = release(&registry, "1.2.0", aliases);
    let stays = |(alias, why)| format!("alias {alias} is not updated: {why}");
    let expected = [
        ("1", "the package has the higher release 1.20.0"),
        ("v1", "the package has the higher release 1.20.0"),
        ("1.2", "the package has the higher release 1.2.4"),
        ("latest", "the package has the higher release 10.0.0"),
    ];
    assert_eq!(notices(&ran), expected.map(stays));
    let ran = release(&registry, "2.0.0", "v1");
    assert_eq!(notices(&ran), ["alias v1 is not updated: 2.0.0 is not a release of v1"]);
}

#[test]
fn a_version_that_is_no_release_moves_latest_only_if_there_is_no_release() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0-rc.1", "app", b"a pre-release");
    let ran = release(&registry, "build-abc", "latest\nv1\nnightly");
    assert_eq!(ran.outputs["aliases"], "latest\nnightly");
    assert_eq!(notices(&ran), ["alias v1 is not updated: build-abc is not a release of v1"]);
    release(&registry, "2.0.0", "latest");
    let ran = release(&registry, "build-abd", "latest\nv1\nv2\nnightly");
    let expected = [
        ("latest", "build-abd is not a release, and the package has release 2.0.0"),
        ("v1", "build-abd is not a release of v1"),
        ("v2", "build-abd is not a release of v2"),
    ];
    assert_eq!(notices(&ran), expected.map(|(alias, why)| format!("alias {alias} is not updated: {why}")));
    assert_eq!(ran.outputs["aliases"], "nightly");
    assert_eq!(held_by(&registry, "latest") + &held_by(&registry, "nightly"), "2.0.0build-abd");
    // A date is the name of a snapshot.
    registry.seed("alice", "widget", "2026-11-29", "app", b"older");
    assert_eq!(release(&registry, "build-abe", "2026-11-29").outputs["aliases"], "2026-11-29");
    // What only counts builds is no release.
    assert_eq!(notices(&release(&registry, "build-7", "stable")).len(), 1);
}

#[test]
fn only_releases_with_one_prefix_are_compared() {
    let registry = Registry::start(Persona::default());
    for (version, updated) in [
        ("release-1.9.0", "latest"),
        ("release-1.10.0", "latest"),
        ("release-1.9.0", ""),
        ("lib-1.0.0", "latest"),
        ("2026-11-29", "latest"),
        ("2026-11-28", ""),
        ("24.04", ""),
    ] {
        assert_eq!(release(&registry, version, "latest").outputs["aliases"], updated, "{version}");
    }
}

#[test]
fn the_versions_are_listed_before_each_such_alias_changes_and_only_if_that_decides() {
    let registry = Registry::start(Persona::default());
    release(&registry, "1.0.0", "nightly\nnext\nbuild-2026-11-29");
    assert_eq!(lists(&registry), 0);
    release(&registry, "1.0.0", "nightly\nlatest\nstable\nv1");
    assert_eq!(lists(&registry), 3);
    release(&registry, "1.0.0", "nightly\nlatest\nstable\nv1");
    assert_eq!(lists(&registry), 3);
    // There are 50 on a page.
    registry.seed("alice", "widget", "0.9.0", "app", b"0.9.0");
    for number in 0..60 {
        registry.seed("alice", "widget", &format!("0.8.{number}"), "app", b"older");
    }
    let ran = release(&registry, "0.9.0", "latest");
    assert_eq!(notices(&ran), ["alias latest is not updated: the package has the higher release 1.0.0"]);
    assert_eq!(lists(&registry), 5);
}

#[test]
fn if_the_versions_cannot_be_listed_no_such_alias_is_updated_and_the_step_fails() {
    let registry = Registry::start(Persona::default());
    release(&registry, "v1.0.0", "latest\nnightly");
    for answer in
        [Answer::text(500, ""), Answer::json(200, "{"), Answer::json(401, r#"{"message":"token is required"}"#)]
    {
        registry.clear_script();
        registry.script(Fault::always(Match::versions(), Point::Head, Action::Answer(answer)));
        let mut job = job(&registry, "v2.0.0", "nightly\nlatest");
        for dry_run in ["true", "false"] {
            let ran = job.input("dry-run", dry_run).run().exits_with(1).has_a_hint_for_each_error();
            ran.has_codes(&["alias-mismatch"]).says("0 of 2 files").says("caused by: ");
            assert_eq!(held_by(&registry, "latest"), "v1.0.0");
        }
        assert_eq!(job.run().outputs["aliases"], "nightly");
    }
    // A list that is there at the second attempt is enough.
    registry.clear_script();
    let fails = Action::Answer(Answer::text(502, ""));
    registry.script(Fault::once(Match::versions(), Point::Head, fails));
    let ran = job(&registry, "v2.0.0", "latest").input("retries", "1").run_in_short().exits_with(0);
    assert_eq!((ran.outputs["aliases"].as_str(), held_by(&registry, "latest").as_str()), ("latest", "v2.0.0"));
}

/// Publishes a release and moves the alias `latest` to it, as another job would do.
fn another_job() -> Action {
    Action::then(|world| {
        for version in ["v2.0.0", "latest"] {
            world.delete("alice", "widget", version, "app");
            world.seed("alice", "widget", version, "app", b"v2.0.0");
        }
    })
}

#[test]
fn a_higher_release_of_another_job_counts_until_the_alias_is_changed() {
    for on in [Match::put("/v1.0.0/app"), Match::put("/v1.0.0/SHA256SUMS"), Match::list().containing("/latest/")] {
        let registry = Registry::start(Persona::default());
        release(&registry, "v0.9.0", "latest");
        registry.script(Fault::once(on, Point::AfterStore, another_job()));
        let ran = release(&registry, "v1.0.0", "latest");
        assert_eq!(notices(&ran), ["alias latest is not updated: the package has the higher release v2.0.0"]);
        assert_eq!(held_by(&registry, "latest"), "v2.0.0");
    }
}

#[test]
fn a_higher_release_that_appears_while_one_alias_is_changed_counts_for_the_next() {
    let registry = Registry::start(Persona::default());
    release(&registry, "v0.9.0", "latest");
    registry.script(Fault::once(Match::put("/v1/SHA256SUMS"), Point::AfterStore, another_job()));
    let ran = release(&registry, "v1.0.0", "v1\nlatest");
    assert_eq!(notices(&ran), ["alias latest is not updated: the package has the higher release v2.0.0"]);
    assert_eq!((held_by(&registry, "latest").as_str(), ran.outputs["aliases"].as_str()), ("v2.0.0", "v1"));
}

#[test]
fn a_higher_release_that_another_job_makes_latest_meanwhile_is_not_replaced_and_the_step_fails() {
    let registry = Registry::start(Persona::default());
    release(&registry, "v0.9.0", "latest");
    registry.script(Fault::once(Match::put("/latest/SHA256SUMS"), Point::AfterStore, another_job()));
    let ran = job(&registry, "v1.0.0", "latest").input("retries", "2").run_in_short().exits_with(1);
    let ran = ran.has_a_hint_for_each_error().has_codes(&["alias-mismatch"]).says("v2.0.0");
    assert_eq!((held_by(&registry, "latest").as_str(), ran.outputs["aliases"].as_str()), ("v2.0.0", ""));
}
