//! The inputs `version` and `version-strip-prefix`: a version is given, or it is the tag.

use embedded_registry::{Persona, Registry};

use super::{job, refuses, sent};
use crate::harness::Job;

/// The version that a run of the workflow on this ref is published to, with that prefix to be removed.
fn version_of(git_ref: &str, prefix: &str) -> String {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    let ran = job.variable("GITHUB_REF", git_ref).input("version-strip-prefix", prefix).run().exits_with(0);
    let version = ran.outputs["version"].clone();
    assert_eq!(registry.files("alice", "widget", &version).len(), 1, "{}", ran.log);
    version
}

#[test]
fn the_version_is_the_unchanged_tag() {
    for tag in ["v1.2.0", "1.0.0+build.1", "release/2.0", "refs/tags/v1", "\u{e9}", "main", "v1%2F0"] {
        assert_eq!(version_of(&format!("refs/tags/{tag}"), ""), tag);
    }
}

#[test]
fn a_slash_in_a_tag_stays_in_one_path_segment() {
    let registry = Registry::start(Persona::default());
    job(&registry).variable("GITHUB_REF", "refs/tags/release/2.0").run().exits_with(0);
    assert_eq!(sent(&registry).0, "/api/packages/alice/generic/widget/release%2F2.0/a");
}

#[test]
fn a_prefix_is_removed_once_from_the_start() {
    for (tag, prefix, version) in [
        ("v1.2.0", "v", "1.2.0"),
        ("vv1", "v", "v1"),
        ("1.v", "v", "1.v"),
        ("V1", "v", "V1"),
        ("release/2.0", "release/", "2.0"),
        ("v1", " v\n", "1"),
        ("1.0", "v", "1.0"),
        ("a*b", "a*", "b"),
    ] {
        assert_eq!(version_of(&format!("refs/tags/{tag}"), prefix), version, "{tag} {prefix}");
    }
}

#[test]
fn a_prefix_that_is_the_whole_tag_is_rejected() {
    let registry = Registry::start(Persona::default());
    refuses(&registry, "version-strip-prefix", "v1.0.0", "invalid-input");
}

#[test]
fn the_rest_after_a_prefix_must_be_a_version() {
    let registry = Registry::start(Persona::default());
    for tag in ["v ..", "v.."] {
        let mut job = job(&registry);
        job.variable("GITHUB_REF", format!("refs/tags/{tag}")).input("version-strip-prefix", "v");
        job.run_rejected(&registry).has_codes(&["invalid-input"]).says("`version`");
    }
}

#[test]
fn the_git_ref_of_a_tag_in_version_is_published_as_its_tag() {
    let registry = Registry::start(Persona::default());
    for (prefix, version) in [("", "v1.2.3"), ("v", "1.2.3")] {
        let mut job = job(&registry);
        job.variable("GITHUB_REF", "refs/heads/main").input("version", " refs/tags/v1.2.3\n");
        let ran = job.input("version-strip-prefix", prefix).run().exits_with(0);
        assert_eq!(ran.outputs["version"], version);
        assert_eq!(registry.files("alice", "widget", version).len(), 1);
    }
    assert_eq!(registry.files("alice", "widget", "refs/tags/v1.2.3").len(), 0);
    let mut job = Job::downloading(&registry);
    assert_eq!(job.input("version", "refs/tags/v1.2.3").run().exits_with(0).outputs["version"], "v1.2.3");
}

#[test]
fn a_git_ref_that_is_not_a_tag_is_not_a_version() {
    let registry = Registry::start(Persona::default());
    refuses(&registry, "version", "refs/tags/", "invalid-input");
    refuses(&registry, "version", "\"1.0.0\"", "invalid-input");
    for git_ref in ["refs/heads/main", "refs/pull/7/merge", "refs/tagsx/v1"] {
        refuses(&registry, "version", git_ref, "invalid-input");
        let ran = Job::downloading(&registry).input("version", git_ref).run_rejected(&registry);
        ran.has_codes(&["invalid-input"]).says(&format!("error: failed to read input `version`: `{git_ref}`"));
    }
}

#[test]
fn a_given_version_is_unchanged() {
    for version in ["2.0", "v2.0", "refs", "a b", "\u{e9}"] {
        let registry = Registry::start(Persona::default());
        let mut job = job(&registry);
        let ran = job.input("version", version).input("version-strip-prefix", "v").run().exits_with(0);
        assert_eq!(ran.outputs["version"], version);
        assert_eq!(registry.files("alice", "widget", version).len(), 1);
    }
}

#[test]
fn without_a_tag_version_is_required() {
    let registry = Registry::start(Persona::default());
    for git_ref in ["refs/heads/main", "refs/pull/7/merge", "refs/heads/refs/tags/v1", "v1.0.0", "refs/tagsx/v1", ""] {
        let mut job = job(&registry);
        // That is the branch's name on a branch, and must not be called a version.
        job.variable("GITHUB_REF", git_ref).variable("GITHUB_REF_NAME", "main").variable("GITHUB_REF_TYPE", "tag");
        job.run_rejected(&registry)
            .has_codes(&["missing-input"])
            .says("error: failed to read input `version`")
            .says(git_ref);
        job.input("version", "1.0").run().exits_with(0);
    }
    job(&registry).without("GITHUB_REF").run_rejected(&registry).has_codes(&["missing-input"]).says("`version`");
}
