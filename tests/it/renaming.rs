//! New names: `pattern => name` in a line of `files`.

use std::collections::BTreeMap;

use embedded_registry::{Persona, Registry};

use crate::harness::{Job, Ran};

/// Returns the name and the content of each file of v1.0.0 on the registry.
fn stored(registry: &Registry) -> BTreeMap<String, String> {
    let content = |name: &str| registry.read("alice", "widget", "v1.0.0", name).expect("it is listed");
    let files = registry.files("alice", "widget", "v1.0.0").into_iter();
    files.map(|file| (file.name.clone(), String::from_utf8(content(&file.name)).expect("text"))).collect()
}

/// A job with files that hold their own paths.
fn job(registry: &Registry, paths: &[&str]) -> Job {
    let mut job = Job::new(registry);
    for path in paths {
        job.file(path, path);
    }
    job
}

/// Publishes files that hold their own paths, and returns the paths by the names that they have then.
#[track_caller]
fn published(paths: &[&str], lines: &str) -> Vec<(String, String)> {
    let registry = Registry::start(Persona::default());
    job(&registry, paths).input("files", lines).run().exits_with(0);
    stored(&registry).into_iter().collect()
}

/// Returns the result of a run whose `files` lines are rejected before the first request.
#[track_caller]
fn refused(paths: &[&str], lines: &str) -> Ran {
    let registry = Registry::start(Persona::default());
    job(&registry, paths).input("files", lines).run_rejected(&registry)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect()
}

const TARGETS: [&str; 2] = ["target/aarch64-linux/release/app", "target/x86_64-linux/release/app"];

#[test]
fn a_file_is_published_under_the_name_after_the_arrow() {
    assert_eq!(published(&["dist/app"], "dist/app => app-1.0"), pairs(&[("app-1.0", "dist/app")]));
    // Blanks around both are nobody's.
    assert_eq!(published(&["dist/app"], "  dist/app\t =>   my app  "), pairs(&[("my app", "dist/app")]));
}

#[test]
fn outputs_and_url_have_the_new_name() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    let ran = job.file("dist/app", "").input("files", "dist/app => app 1").run().exits_with(0);
    assert_eq!(ran.files()[0]["name"], "app 1");
    assert!(ran.outputs["urls"].ends_with("/v1.0.0/app%201"), "{}", ran.outputs["urls"]);
    assert_eq!(job.run().exits_with(0).statuses()["app 1"], "unchanged");
}

#[test]
fn a_number_means_the_whole_component_that_its_wildcard_matches() {
    let expected = pairs(&[("app-aarch64-linux", TARGETS[0]), ("app-x86_64-linux", TARGETS[1])]);
    assert_eq!(published(&TARGETS, "target/*/release/app => app-{1}"), expected);
    // Not only the part that the wildcard itself matches.
    let line = "target/*-linux/release/a* => {2}.{1}";
    let expected = pairs(&[("app.aarch64-linux", TARGETS[0]), ("app.x86_64-linux", TARGETS[1])]);
    assert_eq!(published(&TARGETS, line), expected);
}

#[test]
fn braces_and_literal_wildcards_do_not_count() {
    let paths = ["a/x[1]/app", "b/x[1]/app"];
    let expected = pairs(&[("app-in-a-as-app", paths[0])]);
    assert_eq!(published(&paths, "{a,c}/x[[]1]/ap? => {1}-in-a-as-{name}"), expected);
    let expected = pairs(&[("a", paths[0]), ("b", paths[1])]);
    assert_eq!(published(&paths, "[!c]/x[[]1[]]/app => {1}"), expected);
    // A class of all but two is none of these.
    assert_eq!(published(&paths, "[!]c]/x[[]1[]]/app => {1}"), expected);
}

#[test]
fn with_braces_the_matching_pattern_determines_the_numbers() {
    let paths = ["x/one/app", "y/two"];
    assert_eq!(published(&paths, "{?/one/app,y/*} => {1}"), pairs(&[("two", paths[1]), ("x", paths[0])]));
}

#[test]
fn name_and_dir_mean_the_files_name_and_its_folder() {
    let paths = ["build/linux/app.bin", "build/macos/app.bin"];
    let expected = pairs(&[("linux_app.bin", paths[0]), ("macos_app.bin", paths[1])]);
    assert_eq!(published(&paths, "**/*.bin => {dir}_{name}"), expected);
    // The folder counts from the workspace, also where the pattern begins lower.
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("build/app", "").input("working-directory", "build").input("files", "app => {dir}-{name}");
    job.run().exits_with(0);
    assert_eq!(stored(&registry).into_keys().collect::<Vec<_>>(), ["build-app"]);
}

#[test]
fn doubled_braces_are_literal() {
    assert_eq!(published(&["app"], "app => {{{name}}}-{{1}}"), pairs(&[("{app}-{1}", "app")]));
}

#[test]
fn the_last_arrow_counts_and_a_line_that_names_an_existing_file_means_that_file() {
    assert_eq!(published(&["a => b"], "a => b => c"), pairs(&[("c", "a => b")]));
    assert_eq!(published(&["a => b", "ab"], "a [=]> * => c\nab"), pairs(&[("ab", "ab"), ("c", "a => b")]));
    // Its own name is none that the registry takes, and a line with `!` can take it away.
    refused(&["a => b", "a"], "a => b").has_codes(&["invalid-file-name"]).says("`a => b`");
    assert_eq!(published(&["a => b", "ab"], "*\n!a => b"), pairs(&[("ab", "ab")]));
}

#[test]
fn an_arrow_without_spaces_is_part_of_a_name() {
    for line in ["app=>b", "app=> b", "app =>b"] {
        refused(&["app"], line).has_codes(&["no-files-found"]).says(&format!("`{line}`"));
    }
}

#[test]
fn a_file_gets_every_new_name_and_its_own_only_without_one() {
    let paths = ["dist/app", "dist/lib"];
    let expected = pairs(&[("app-1", paths[0]), ("app-latest", paths[0]), ("lib", paths[1])]);
    assert_eq!(published(&paths, "dist/app => app-1\ndist/*\n*/app => app-latest"), expected);
    assert_eq!(published(&paths, "dist/*\ndist/app => app-1\ndist/app => app-latest\n*/app => app-1"), expected);
    assert_eq!(published(&paths[..1], "dist/app => app-1\ndist/*"), pairs(&[("app-1", paths[0])]));
    let expected = pairs(&[("app", paths[0]), ("app-1", paths[0])]);
    assert_eq!(published(&paths, "dist/app => app-1\ndist/app => {name}"), expected);
}

#[test]
fn an_exclusion_applies_to_all_names_of_a_file() {
    let paths = ["dist/app", "dist/lib"];
    assert_eq!(published(&paths, "dist/* => new-{name}\n!dist/app"), pairs(&[("new-lib", paths[1])]));
}

#[test]
fn files_with_one_new_name_are_reported_with_a_distinguishing_placeholder() {
    let hint = |paths: &[&str], lines: &str, hint: &str| {
        let ran = refused(paths, lines);
        assert_eq!(ran.errors().len(), 1, "{}", ran.log);
        ran.says(&format!("hint: {hint}"));
    };
    let one = "failed to publish `target/aarch64-linux/release/app` and `target/x86_64-linux/release/app` under one \
               name: each is renamed to `app`";
    assert_eq!(refused(&TARGETS, "target/*/release/app => app").errors(), [one]);
    let values_are = "to the name after `=>`. Its values are";
    let values = format!("Add `{{1}}` {values_are} `aarch64-linux` and `x86_64-linux`");
    hint(&TARGETS, "target/*/release/app => app", &values);
    hint(&["x/a", "x/b"], "x/* => same", &format!("Add `{{name}}` {values_are} `a` and `b`"));
    // Behind `**` there are no numbers, but the folder has a name.
    hint(&["p/x/a", "q/y/a"], "**/a => same", &format!("Add `{{dir}}` {values_are} `x` and `y`"));
    // Each line counts for itself.
    let values = format!("Add `{{1}}` {values_are} `q` and `p`");
    hint(&["x/p/lib/a", "q/lib/a"], "x/*/lib/a => same\n?/lib/a => same", &values);
    let unique = "after the pattern so that each name is unique. By default, only the last part of a path is published";
    hint(&["a/x/lib/app", "a/y/lib/app"], "[ab]/*/lib/app", &format!("Add ` => {{2}}-{{name}}` {unique}"));
    hint(&["x/app", "y/app"], "x/*\ny/*", &format!("Add ` => {{dir}}-{{name}}` {unique}"));
    // With one placeholder `p` stands for the same in two of them.
    let unique = "hint: Use a unique name after each `=>`. The registry does not distinguish upper and lower case";
    let ran = refused(&["p/q/a/f", "p/r/a/f", "s/q/a/f"], "*/*/a/f => f").says(unique);
    assert!(!ran.log.contains('{'), "{}", ran.log);
    assert!(!refused(&["x/a", "x/A"], "x/*").log.contains('{'));
    assert!(!refused(&["x/a", "y/b"], "x/a => b\ny/b").log.contains('{'));
}

#[test]
fn an_arrow_without_spaces_is_reported_without_a_match() {
    refused(&["dist/b"], "dist/b=>c").has_codes(&["no-files-found"]).says("`=>`");
}

#[test]
fn a_file_with_the_name_of_the_checksums_file_can_be_renamed() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("x/SHA256SUMS", "1").file("y/SHA256SUMS", "2").input("checksums", "SHA256SUMS");
    let ran = job.input("files", "x/* => {dir}-{name}\ny/SHA256SUMS => build.sums").run().exits_with(0);
    assert_eq!(ran.statuses().into_keys().collect::<Vec<_>>(), ["SHA256SUMS", "build.sums", "x-SHA256SUMS"]);
}

#[test]
fn new_names_that_differ_only_in_case_are_rejected() {
    let ran = refused(&["x/a", "x/b"], "x/a => App\nx/b => app");
    ran.has_codes(&["duplicate-name"]).says("`x/a` and `x/b` under one name: ");
}

#[test]
fn an_invalid_new_name_is_reported_before_files_are_searched() {
    for (line, code) in [
        ("app => {arch}", "unknown-placeholder"),
        ("app => {}", "unknown-placeholder"),
        ("app => {0}", "unknown-placeholder"),
        ("app => {name", "unbalanced-brace"),
        ("app => name}", "unbalanced-brace"),
        ("app => {1}", "empty-placeholder"),
        ("*/a? => {3}", "empty-placeholder"),
        ("{a,b} => {1}", "empty-placeholder"),
        ("{*/x,y} => {1}", "empty-placeholder"),
        ("**/*.x => {1}", "empty-placeholder"),
        ("*/**/*.x => {2}", "empty-placeholder"),
        ("!app => b", "name-for-excluded-file"),
        ("app =>", "invalid-file-name"),
        ("app => dist/{name}", "invalid-file-name"),
        ("app => caf\u{e9}", "invalid-file-name"),
        ("=> b", "empty-pattern"),
        ("../app => b", "outside-workspace"),
        (".git/config => b", "inside-git"),
    ] {
        let ran = refused(&["app"], &format!("{line}\nnone*"));
        ran.has_codes(&[code]).says(&format!("input `files`: `{line}`"));
    }
}

#[test]
fn a_new_name_that_is_invalid_for_one_file_is_reported_with_that_file() {
    let ran = refused(&["x/good", "x/b,d", "x/a'b"], "x/* => {1}.bin");
    ran.has_codes(&["invalid-file-name"]).says("`x/a'b`").says("`x/b,d`").says("`=>`");
    refused(&["a,b"], "a,b").has_codes(&["invalid-file-name"]).does_not_say("after `=>`");
    // A new name makes good what is bad.
    assert_eq!(published(&["x/b,d"], "x/* => bd"), pairs(&[("bd", "x/b,d")]));
}

#[test]
fn a_file_in_the_top_folder_has_no_dir() {
    let ran = refused(&["app", "x/app"], "{*,*/*} => {dir}-{name}");
    ran.has_codes(&["empty-placeholder"]).says("`app`: `{dir}`");
}

#[test]
fn a_new_name_cannot_contain_the_token_or_a_workflow_command() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("app", "");
    job.input("files", format!("app => {}", registry.token("alice_write")));
    job.run_rejected(&registry).has_codes(&["secret-in-input"]).says("`files`");
    job.file(format!("x/{}/app", registry.token("alice_write")), "").input("files", "x/*/app => {1}");
    job.run_rejected(&registry).has_codes(&["secret-in-name"]);
    let name = "::set-env name=X::y";
    let ran = job.input("files", format!("app => {name}")).run().exits_with(0);
    assert_eq!(ran.statuses()[name], "uploaded");
    job.input("files", "app => {::debug::##[add-path]}").run_rejected(&registry);
}

#[test]
fn a_variable_in_a_new_name_is_rejected() {
    for part in ["$VERSION", "${VERSION}", "%VERSION%", "$(git describe)", "${{ env.V }}", "$env:V"] {
        let ran = refused(&["a"], &format!("a => app-{part}"));
        ran.has_codes(&["unexpanded-variable"]).says(&format!("`{part}`"));
    }
}
