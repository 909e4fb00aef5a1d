//! Which version is taken, and which of its files.

use embedded_registry::{Action, Alteration, Answer, Fault, Match, Options, Persona, Point, Registry};

use super::{asked, release, tools};
use crate::harness::{AWKWARD_NAMES, Job};

/// A registry with these versions of alice/widget, oldest first, each with a file that has its name in it.
fn versions(persona: Persona, versions: &[&str]) -> Registry {
    let registry = Registry::start(persona);
    for version in versions {
        registry.seed("alice", "widget", version, "version", version.as_bytes());
    }
    // Names that contain ours are found too.
    registry.seed("alice", "widget-extra", "v9.9.9", "version", b"of another package");
    registry.seed("alice", "my-widget", "latest", "version", b"of another package");
    registry
}

#[test]
fn latest_is_the_version_of_that_name_else_the_highest_release_else_the_newest_version() {
    for persona in Persona::all() {
        for (given, wanted, text) in [
            (&["v2.0.0", "latest", "v1.0.0"][..], "latest", "the version named latest"),
            (&["v1.10.0", "v1.9.0", "2.0.0-rc.1"], "v1.10.0", "v1.10.0, the highest release"),
            (&["1.0.0", "24.04", "24.10", "v2"], "24.10", "24.10, the highest release"),
            (&["release-1.9.0", "release-1.10.0", "build-99"], "release-1.10.0", "release-1.10.0, the highest release"),
            (&["app/v1.3.0", "app/v1.2.0", "app/v2.0.0-rc.1"], "app/v1.3.0", "app/v1.3.0, the highest release"),
            (
                &["app-1.10.0", "app-1.9.0", "lib-2.0.0", "lib-1.9.0"],
                "lib-2.0.0",
                "lib-2.0.0, the highest release with the prefix of the newest release. The package also has releases with other prefixes",
            ),
            (
                &["nightly-1", "nightly-2", "v2.0.0-rc.1"],
                "nightly-2",
                "nightly-2, the newest version, because there is no release",
            ),
            (
                &["v2.0.0-rc.10", "v2.0.0-rc.9"],
                "v2.0.0-rc.10",
                "v2.0.0-rc.10, the highest pre-release, because there are no other versions",
            ),
        ] {
            let registry = versions(persona, given);
            let job = Job::downloading(&registry);
            let ran = job.run().exits_with(0);
            assert!(ran.unwrapped_log().contains(&format!("`latest` is {text}")), "{}", ran.log);
            assert_eq!(
                (ran.outputs["version"].as_str(), tools(&job)["version"].as_slice()),
                (wanted, wanted.as_bytes())
            );
        }
    }
}

#[test]
fn latest_by_date_is_no_version_that_a_shell_could_run() {
    let bad = [r#"";id;""#, "$(id)", "`id`", "a b", "a&b"];
    let registry = versions(Persona::default(), &[&["nightly"], &bad[..]].concat());
    let ran = Job::downloading(&registry).run().exits_with(0);
    assert_eq!(ran.outputs["version"], "nightly");
    let registry = versions(Persona::default(), &bad);
    let ran = Job::downloading(&registry).run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["version-not-found"]);
    // Whoever names one gets it.
    Job::downloading(&registry).input("version", "`id`").run().exits_with(0);
}

#[test]
fn latest_is_meant_in_any_case() {
    let registry = versions(Persona::default(), &["v1.0.0", "nightly"]);
    for version in ["Latest", "LATEST"] {
        let ran = Job::downloading(&registry).input("version", version).run().exits_with(0);
        assert_eq!(ran.outputs["version"], "v1.0.0");
    }
}

#[test]
fn a_list_that_changes_each_time_is_an_error() {
    let registry = Registry::start(Persona::default());
    for count in 0..60 {
        registry.seed("alice", "widget", &format!("nightly-{count}"), "version", b"newer");
    }
    let count = std::sync::atomic::AtomicUsize::new(0);
    let add = Action::then(move |world| {
        let count = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        world.seed("alice", "widget", &format!("more-{count}"), "version", b"newest");
    });
    registry.add_fault(Fault::always(Match::versions(), Point::Head, add));
    let ran = Job::downloading(&registry).run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["unexpected-response"]);
    assert_eq!(asked(&registry).len(), 6, "{:?}", asked(&registry));
}

#[test]
fn a_version_is_taken_as_it_is_given() {
    let registry = versions(Persona::default(), &["v1.0.0", "v2.0.0", "feature/x", "1.0 \u{e9}"]);
    for version in ["v1.0.0", "feature/x", "1.0 \u{e9}"] {
        let mut job = Job::downloading(&registry);
        let ran = job.input("version", version).run().exits_with(0).does_not_say("`latest` is");
        assert_eq!((ran.outputs["version"].as_str(), tools(&job)["version"].as_slice()), (version, version.as_bytes()));
    }
}

/// An administrator can have fewer on a page than are asked for.
#[test]
fn a_page_that_is_short_is_not_taken_for_the_last() {
    for (page_limit, persona) in [(30, Persona::Gitea1_26), (1, Persona::Forgejo15)] {
        let registry = Registry::start_with(Options { persona, page_limit, ..Options::default() });
        registry.seed("alice", "widget", "v2.0.0", "version", b"v2.0.0");
        for count in 0..40 {
            registry.seed("alice", "widget", &format!("nightly-{count}"), "version", b"newer");
        }
        Job::downloading(&registry).run().exits_with(0).says("`latest` is v2.0.0");
    }
}

#[test]
fn all_pages_of_the_list_are_read() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v3.0.0", "version", b"v3.0.0");
    for count in 0..120 {
        registry.seed("alice", "widget", &format!("v2.0.{count}"), "version", b"older");
    }
    let job = Job::downloading(&registry);
    job.run().exits_with(0);
    assert_eq!(tools(&job)["version"], b"v3.0.0");
    assert_eq!(asked(&registry)[..3], ["GET versions 1", "GET versions 2", "GET versions 3"]);
}

/// A row that is deleted on a page moves one from the next page onto it.
#[test]
fn a_list_that_changes_while_it_is_read_is_read_anew() {
    let registry = Registry::start(Persona::default());
    for count in 0..50 {
        registry.seed("alice", "widget", &format!("v1.0.{count}"), "version", b"older");
    }
    registry.seed("alice", "widget", "v3.0.0", "version", b"v3.0.0");
    for count in 0..50 {
        registry.seed("alice", "widget", &format!("nightly-{count}"), "version", b"newer");
    }
    // It stands first on the second page, and moves to the end of the first.
    let delete = Action::then(|world| assert!(world.delete("alice", "widget", "nightly-7", "version")));
    registry.add_fault(Fault::once(Match::versions().containing("page=2"), Point::Head, delete));
    let job = Job::downloading(&registry);
    job.run().exits_with(0).says("`latest` is v3.0.0");
    assert_eq!(asked(&registry)[..4], ["GET versions 1", "GET versions 2", "GET versions 1", "GET versions 2"]);
}

#[test]
fn the_error_of_a_missing_version_suggests_similar_versions() {
    let registry = versions(Persona::default(), &["v1.2.0", "v1.3.0", "v0.9.0", "nightly", "v1.0.0"]);
    let mut job = Job::downloading(&registry);
    let ran = job.input("version", "1.2.0").run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["version-not-found"]).says("`v1.2.0`").says("and 1 more");
    assert_eq!(tools(&job).len(), 0);
}

#[test]
fn the_error_of_a_missing_package_suggests_similar_packages() {
    let registry = versions(Persona::default(), &["v1.0.0"]);
    for version in ["latest", "v1.0.0"] {
        let mut job = Job::downloading(&registry);
        let ran = job.input("repo", "wigdet").input("version", version).run().exits_with(1).has_a_hint_for_each_error();
        ran.has_codes(&["package-not-found"]).says("`repo`").says("`widget`");
    }
    let mut job = Job::downloading(&registry);
    job.input("owner", "acme").run().exits_with(1).has_codes(&["package-not-found"]);
    job.input("owner", "alcie").run().exits_with(1).has_codes(&["owner-not-found"]).says("alcie");
}

#[test]
fn patterns_choose_among_the_names_on_the_registry() {
    let registry = Registry::start(Persona::default());
    for name in ["app-linux", "app-darwin", "app.txt", ".hidden", "SHA256SUMS"] {
        registry.seed("alice", "widget", "v1.0.0", name, name.as_bytes());
    }
    for (files, wanted) in [
        ("*", &[".hidden", "SHA256SUMS", "app-darwin", "app-linux", "app.txt"][..]),
        ("app-{linux,darwin}", &["app-darwin", "app-linux"]),
        ("app*\n!*.txt\n!app-linux", &["app-darwin"]),
        ("*\n!app*\n[!S]*", &[".hidden", "SHA256SUMS", "app-darwin", "app-linux", "app.txt"]),
        ("app?txt\n./SHA256SUMS", &["SHA256SUMS", "app.txt"]),
    ] {
        let mut job = Job::downloading(&registry);
        job.input("files", files).run().exits_with(0);
        assert_eq!(tools(&job).into_keys().collect::<Vec<_>>(), wanted, "{files}");
    }
}

#[test]
fn a_line_that_is_a_files_name_means_that_file_whatever_its_characters() {
    let registry = Registry::start(Persona::default());
    for name in ["a[1]", "a1", "b"] {
        registry.seed("alice", "widget", "v1.0.0", name, b"content");
    }
    for (files, wanted) in [("a[1]", &["a[1]"][..]), ("*\n!a[1]", &["a1", "b"]), ("a[[]1]\na[1-9]", &["a1", "a[1]"])] {
        let mut job = Job::downloading(&registry);
        job.input("files", files).run().exits_with(0);
        assert_eq!(tools(&job).into_keys().collect::<Vec<_>>(), wanted, "{files}");
    }
}

#[test]
fn the_error_of_a_line_without_a_match_suggests_similar_names() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    let ran = job.input("files", "*.tar.gz\nA.txt\na.txt\n!none").run().exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["no-files-found"; 2]).says("`*.tar.gz`").says("`A.txt`");
    ran.says("`a.txt`");
    assert_eq!(tools(&job).len(), 0);

    let ran = job.input("if-no-files-found", "warn").run().exits_with(0);
    ran.says("warning: failed to match `*.tar.gz`: v1.0.0").says("`!none`").says("1 downloaded");
    let ran = job.input("if-no-files-found", "ignore").input("files", "none").run().exits_with(0);
    let ran = ran.does_not_say("`none`");
    assert_eq!((ran.outputs["files"].as_str(), ran.outputs["version"].as_str()), ("[]", "v1.0.0"));
    job.without("INPUT_IF-NO-FILES-FOUND")
        .input("files", "*\n!*")
        .run()
        .exits_with(1)
        .has_codes(&["all-files-excluded"]);
}

#[test]
fn a_line_that_is_not_a_pattern_is_an_error_unless_it_is_a_name() {
    let registry = release(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "a{b", b"content");
    let mut job = Job::downloading(&registry);
    job.input("files", "a{b").run().exits_with(0);
    let ran = job.input("files", "c{d\n[").run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["unbalanced-brace", "invalid-pattern"]).says("`c{d`").says("`[`");
}

#[test]
fn awkward_names_come_back_byte_for_byte() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for name in AWKWARD_NAMES {
        job.file(format!("dist/{name}"), name);
    }
    job.input("include-hidden-files", "true").run().exits_with(0);
    job.downloads().input("version", "v1.0.0").run().exits_with(0);
    assert_eq!(tools(&job), AWKWARD_NAMES.map(|name| (name.to_owned(), name.as_bytes().to_vec())).into());
    // Each by its name alone, with a token and without a list.
    std::fs::remove_dir_all(job.workspace().join("tools")).expect("it is there");
    let lines: Vec<String> = AWKWARD_NAMES.iter().map(|name| format!("./{name}")).collect();
    job.input("files", lines.join("\n")).run().exits_with(0).says("25 downloaded");
}

#[test]
fn a_name_of_255_characters_has_room_for_a_part_beside_it() {
    let registry = Registry::start(Persona::default());
    let name = "n".repeat(255);
    registry.seed("alice", "widget", "v1.0.0", &name, b"content");
    let job = Job::downloading(&registry);
    job.run().exits_with(0);
    assert_eq!(tools(&job), [(name, b"content".to_vec())].into());
}

#[test]
fn lists_of_every_form_are_read() {
    let registry = release(Persona::default());
    registry.add_fault(Fault::once(Match::list(), Point::Head, Action::Alter(Alteration::UpperCaseHashes)));
    let job = Job::downloading(&registry);
    job.run().exits_with(0);
    assert_eq!(tools(&job).len(), 3);
    let garbled = Answer::json(200, r#"[{"name":"a"}]"#);
    registry.add_fault(Fault::always(Match::versions(), Point::Head, Action::Answer(garbled)));
    let ran = Job::downloading(&registry).run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["unexpected-response"]);
}

#[test]
fn a_version_of_which_nothing_could_be_asked_for_is_passed_over() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "app", b"content");
    let rows = r#"[{"id":9,"name":"widget","version":".."},{"id":8,"name":"widget","version":"a\u001b[31m"},
        {"id":7,"name":"WIDGET","version":"v1.0.0"},{"id":6,"name":"widget2","version":"v2.0.0"}]"#;
    registry.add_fault(Fault::once(Match::versions(), Point::Head, Action::Answer(Answer::json(200, rows))));
    Job::downloading(&registry).run().exits_with(0).says("`latest` is v1.0.0");
}
