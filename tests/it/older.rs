//! An alias that is a higher release already, and a job of an older one that runs again.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::{Job, Ran};

/// A run that publishes, seals and moves `latest`.
fn release(registry: &Registry, version: &str, spoil: impl Fn(&mut Job)) -> Ran {
    let mut job = Job::new(registry);
    job.file("dist/app", version).input("version", version);
    job.input("checksums", "SHA256SUMS").input("aliases", "latest");
    spoil(&mut job);
    job.run().exits_with(0).does_not_say("error:")
}

#[test]
fn who_takes_an_alias_back_to_an_older_release_is_warned() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        let dry = |version: &str| {
            release(&registry, version, |job| {
                job.input("dry-run", "true");
            })
        };
        for version in ["v1.9.0", "v1.9.1", "v1.10.0"] {
            dry(version).does_not_say("warning:");
            release(&registry, version, |_| {}).does_not_say("warning:");
        }
        let ran = dry("v1.9.0");
        let text = "version latest is what v1.10.0 is, a higher release, and would become what v1.9.0 is";
        assert!(ran.unbroken().contains(text), "{persona:?}: {}", ran.log);
        let ran = release(&registry, "v1.9.0", |_| {});
        let text = "warning: version latest was what v1.10.0 is, a higher release, and becomes what v1.9.0 is; where that is not \
                    wanted, run the job of v1.10.0 again";
        assert!(ran.unbroken().contains(text), "{persona:?}: {}", ran.log);
        assert!(ran.summary.contains("- warning: ` version latest was what v1.10.0 is"), "{}", ran.summary);
        // It is what was asked for.
        let content = registry.read("alice", "widget", "latest", "app");
        assert_eq!(content.as_deref(), Some(&b"v1.9.0"[..]), "{persona:?}");
        release(&registry, "v1.9.0", |_| {}).does_not_say("warning:");
    }
}

#[test]
fn an_alias_of_a_major_version_is_held_against_the_releases_of_that() {
    let registry = Registry::start(Persona::default());
    let rolls = |version: &str, name: &'static str| {
        release(&registry, version, |job| {
            job.input("aliases", name);
        })
    };
    rolls("1.8.0", "v1");
    rolls("1.9.0", "v1");
    rolls("2.0.0", "v2").does_not_say("warning:");
    let ran = rolls("1.8.0", "v1");
    assert!(ran.unbroken().contains("version v1 was what 1.9.0 is, a higher release"), "{}", ran.log);
    // A release is not held against itself.
    rolls("1.8.0", "2.0.0").does_not_say("warning:");
}

#[test]
fn nobody_is_warned_where_versions_are_no_releases_or_the_name_is_no_release() {
    let registry = Registry::start(Persona::default());
    release(&registry, "v2.0.0-rc.1", |_| {});
    release(&registry, "v1.0.0", |_| {}).does_not_say("warning:");
    release(&registry, "nightly-7", |_| {}).does_not_say("warning:");
    // What lies in `latest` is of no release.
    release(&registry, "v0.9.0", |_| {}).does_not_say("warning:");
}

#[test]
fn a_registry_that_does_not_say_which_releases_there_are_keeps_no_name_from_being_moved() {
    let registry = Registry::start(Persona::default());
    for version in ["v1.0.0", "v2.0.0"] {
        release(&registry, version, |_| {});
    }
    for answer in [Answer::text(500, ""), Answer::json(200, "{"), Answer::text(401, "token is required")] {
        registry.clear_script();
        registry.script(Fault::always(Match::versions(), Point::Head, Action::Answer(answer)));
        release(&registry, "v1.0.0", |_| {}).does_not_say("warning:").says("version latest is what v1.0.0 is");
        release(&registry, "v2.0.0", |_| {});
    }
}
