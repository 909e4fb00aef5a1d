//! New names: `pattern => name` in a line of `files`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use super::tools;
use crate::harness::{Job, Ran};

/// A registry whose files hold their own names.
fn registry(names: &[&str]) -> Registry {
    let registry = Registry::start(Persona::default());
    for name in names {
        registry.seed("alice", "widget", "v1.0.0", name, name.as_bytes());
    }
    registry
}

/// Downloads files that hold their own names, and returns the names in the workspace with the contents.
#[track_caller]
fn downloaded(names: &[&str], lines: &str) -> Vec<(String, String)> {
    let registry = registry(names);
    let mut job = Job::downloading(&registry);
    job.input("version", "v1.0.0").input("files", lines).run().exits_with(0);
    tools(&job).into_iter().map(|(name, content)| (name, String::from_utf8(content).expect("text"))).collect()
}

/// Returns the result of a run that fails before it writes a file.
#[track_caller]
fn fails(names: &[&str], lines: &str, code: i32) -> Ran {
    let registry = registry(names);
    let mut job = Job::downloading(&registry);
    let ran = job.input("version", "v1.0.0").input("files", lines).run().exits_with(code).has_a_hint_for_each_error();
    assert!(tools(&job).is_empty(), "nothing is written");
    ran
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

#[test]
fn a_file_is_downloaded_to_the_name_behind_the_arrow() {
    let names = ["app-linux.tar.gz", "lib"];
    let expected = pairs(&[("app.tgz", names[0])]);
    assert_eq!(downloaded(&names, "app-linux.tar.gz => app.tgz"), expected);
    assert_eq!(downloaded(&names, "app-*.tar.gz => app.tgz"), expected);
    let expected = pairs(&[("lib", names[1]), ("new-{app-linux.tar.gz}", names[0])]);
    assert_eq!(downloaded(&names, "*\napp-* => new-{{{name}}}"), expected);
    assert_eq!(downloaded(&names, "*\napp-* => new-{{{1}}}"), expected);
    assert_eq!(downloaded(&names, "* => x-{name}\n!app-*"), pairs(&[("x-lib", "lib")]));
}

#[test]
fn a_file_gets_each_name_that_lines_give_it() {
    let expected = pairs(&[("app", "app"), ("app-1", "app")]);
    assert_eq!(downloaded(&["app"], "app => app-1\napp => {name}\n*"), expected);
}

#[test]
fn outputs_have_the_name_on_the_registry_and_the_path_in_the_workspace() {
    let registry = registry(&["app-linux"]);
    let mut job = Job::downloading(&registry);
    job.input("files", "app-linux => app");
    let ran = job.run().exits_with(0);
    assert_eq!((&ran.files()[0]["name"], &ran.files()[0]["path"]), (&"app-linux".into(), &"tools/app".into()));
    // The next run finds it under its new name.
    assert_eq!(job.run().exits_with(0).statuses()["app-linux"], "unchanged");
}

#[test]
fn a_file_may_be_named_as_another_on_the_registry_that_is_not_selected() {
    assert_eq!(downloaded(&["app", "app-linux"], "app-linux => app"), pairs(&[("app", "app-linux")]));
}

#[test]
fn executable_means_the_old_and_the_new_name() {
    for executable in ["app-linux", "app", "app*\n!x"] {
        let registry = registry(&["app-linux"]);
        let mut job = Job::downloading(&registry);
        let ran = job.input("files", "app-linux => app").input("executable", executable).run().exits_with(0);
        let mode = fs::metadata(job.workspace().join("tools/app")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o100, 0o100, "{executable}");
        ran.does_not_say("warning:");
    }
}

#[test]
fn a_file_is_verified_by_its_name_on_the_registry() {
    let registry = registry(&["app-linux"]);
    let sums = "1caad77123740709e55bcf4c75d1d520a6812e8689518852046f25888322e212  app-linux\n";
    registry.seed("alice", "widget", "v1.0.0", "SHA256SUMS", sums.as_bytes());
    let mut job = Job::downloading(&registry);
    job.input("files", "app-linux => app").input("checksums", "SHA256SUMS").run().exits_with(0);
    let other = format!("{}  app-linux\n", "c".repeat(64));
    registry.seed("alice", "widget", "v1.0.0", "OTHER", other.as_bytes());
    job.input("checksums", "OTHER").run().exits_with(1).has_codes(&["checksums-mismatch"]).says("`app-linux`");
}

#[test]
fn without_a_list_a_new_name_is_given_to_a_file_that_is_named() {
    let registry = registry(&["app-linux"]);
    let refusal = Answer::json(403, r#"{"message":"Only signed in user is allowed to call APIs."}"#);
    registry.add_fault(Fault::always(Match::list(), Point::Head, Action::Answer(refusal)));
    let mut job = Job::downloading(&registry);
    job.without("INPUT_TOKEN").input("version", "v1.0.0").input("files", "app-linux => app").run().exits_with(0);
    assert_eq!(tools(&job)["app"], b"app-linux");
}

#[test]
fn two_files_of_one_new_name_are_an_error() {
    let names = ["a", "b", "c"];
    for (lines, taken, new) in [
        ("* => same", "`a`, `b`, `c`", "`same`"),
        ("a => same\nb => SAME", "`a`, `b`", "`same`"),
        ("a => b\nb", "`a`, `b`", "`b`"),
    ] {
        fails(&names, lines, 1).has_codes(&["duplicate-name"]).says(taken).says(new);
    }
}

#[test]
fn an_invalid_new_name_is_rejected_before_any_request() {
    for (line, code) in [
        ("app => {dir}-{name}", "empty-placeholder"),
        ("app => {1}", "empty-placeholder"),
        ("app => {arch}", "unknown-placeholder"),
        ("app => bin/app", "invalid-file-name"),
        ("!app => b", "name-for-excluded-file"),
    ] {
        let registry = registry(&["app"]);
        let ran = Job::downloading(&registry).input("files", line).run_rejected(&registry);
        ran.has_codes(&[code]).says(&format!("error: failed to read input `files`: `{line}`"));
    }
}

#[test]
fn a_new_name_is_none_that_git_or_this_program_takes_for_its_own() {
    for name in [".git", "HEAD", ".generic-packages", ".a.generic-packages-part"] {
        let ran = fails(&["app"], &format!("app => {name}"), 1);
        ran.has_codes(&["invalid-file-name"]).says("`app`").says(&format!("`{name}`"));
    }
    // A new name makes good what is bad.
    assert_eq!(downloaded(&["HEAD"], "HEAD => head.txt"), pairs(&[("head.txt", "HEAD")]));
    let ran = fails(&["aaa"], &format!("* => {}{{name}}", "n".repeat(253)), 1);
    ran.has_codes(&["invalid-file-name"]).says("`=>`");
}

#[test]
fn lines_as_in_other_tools_are_errors_that_show_what_to_write() {
    let names = ["a.zip", "b.zip"];
    for policy in ["error", "ignore"] {
        for (lines, code, instead) in [
            ("a.zip, b.zip", "several-patterns", "`a.zip`, `b.zip`"),
            ("a.zip b.zip", "several-patterns", "`a.zip`, `b.zip`"),
            ("\"a.zip\"", "quoted-pattern", "`a.zip`"),
            ("- a.zip", "yaml-list", "`a.zip`"),
            ("*.zip # x", "comment-in-pattern", "`*.zip`, or `[#]`"),
            ("!a.zip\n*", "excluded-too-early", "`!a.zip`"),
            ("*\n!a.zip,b.zip", "several-patterns", "`!a.zip`, `!b.zip`"),
        ] {
            let registry = registry(&names);
            let mut job = Job::downloading(&registry);
            let ran = job.input("if-no-files-found", policy).input("files", lines).run().exits_with(1);
            ran.has_codes(&[code]).says(instead);
        }
    }
    let names = ["# a", "- b", "$HOME"];
    assert_eq!(downloaded(&names, "# a\n- b\n$HOME"), pairs(&[("# a", "# a"), ("$HOME", "$HOME"), ("- b", "- b")]));
}
