//! New names: `pattern => name` in a line of `files`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use embedded_registry::{Action, Answer};
use embedded_registry::{Fault, Match, Persona, Point, Registry};

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

/// What the program says of lines that end the run before anything is written.
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
        ran.does_not_say("none of the files");
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
    job.input("checksums", "OTHER").run().exits_with(1).says("`app-linux` is not what `OTHER` says");
}

#[test]
fn without_a_list_a_new_name_is_given_to_a_file_that_is_named() {
    let registry = registry(&["app-linux"]);
    let refusal = Answer::json(403, r#"{"message":"Only signed in user is allowed to call APIs."}"#);
    registry.script(Fault::always(Match::list(), Point::Head, Action::Answer(refusal)));
    let mut job = Job::downloading(&registry);
    job.without("INPUT_TOKEN").input("version", "v1.0.0").input("files", "app-linux => app").run().exits_with(0);
    assert_eq!(tools(&job)["app"], b"app-linux");
}

#[test]
fn two_files_of_one_new_name_are_an_error() {
    let names = ["a", "b", "c"];
    let hint = "hint: Put `{name}` into the name behind `=>`, or give each file a name in a line of its own";
    for (lines, error) in [
        ("* => same", "failed to rename `a`, `b`, `c`: each would be called `same`"),
        ("a => same\nb => SAME", "failed to rename `a`, `b`: each would be called `same`"),
        ("a => b\nb", "failed to rename `a`, `b`: each would be called `b`"),
    ] {
        let ran = fails(&names, lines, 1);
        assert_eq!(ran.errors(), [error]);
        ran.says(hint);
    }
}

#[test]
fn a_name_that_cannot_be_given_is_told_before_anything_is_asked() {
    for (line, problem) in [
        ("app => {dir}-{name}", "has `{dir}` in its name, and files on the registry are in no folder"),
        ("app => {1}", "has `{1}` in its name, and no component of its pattern holds a wildcard"),
        ("app => {arch}", "has `{arch}` in its name, which is no placeholder"),
        ("app => bin/app", "gives a name that the registry refuses: it has the character `/`"),
        ("!app => b", "takes files away, and what is taken away gets no name"),
    ] {
        let registry = registry(&["app"]);
        let ran = Job::downloading(&registry).input("files", line).is_refused(&registry);
        ran.says(&format!("error: input `files`: `{line}` {problem}"));
    }
}

#[test]
fn a_new_name_is_none_that_git_or_this_program_takes_for_its_own() {
    for name in [".git", "HEAD", ".generic-packages", ".a.generic-packages-part"] {
        let ran = fails(&["app"], &format!("app => {name}"), 1);
        ran.says(&format!("error: failed to rename `app`: `{name}` is not allowed because"));
    }
    // A new name makes good what is bad.
    assert_eq!(downloaded(&["HEAD"], "HEAD => head.txt"), pairs(&[("head.txt", "HEAD")]));
    let ran = fails(&["aaa"], &format!("* => {}{{name}}", "n".repeat(253)), 1);
    ran.says("has 256 characters: 255 are allowed").says("hint: Correct the name behind `=>`");
}

#[test]
fn lines_that_are_written_as_in_other_tools_are_told() {
    let names = ["a.zip", "b.zip"];
    for policy in ["error", "ignore"] {
        for (lines, error, hint) in [
            (
                "a.zip, b.zip",
                "no file matches `a.zip, b.zip`: the line is a list",
                "Write one pattern per line: `a.zip`, `b.zip`",
            ),
            (
                "a.zip b.zip",
                "no file matches `a.zip b.zip`: the line is a list",
                "Write one pattern per line: `a.zip`, `b.zip`",
            ),
            ("\"a.zip\"", "`\"a.zip\"` is the name of no file, and has quotes", "Remove the quotes: `a.zip`"),
            ("- a.zip", "`- a.zip` is the name of no file, and is a YAML list", "Write one pattern per line: `a.zip`"),
            ("*.zip # x", "`*.zip # x` is the name of no file, and has a comment", "Write `*.zip`, or `[#]`"),
            ("!a.zip\n*", "`!a.zip` takes nothing away, because a later line adds its files", "Move `!a.zip` below"),
            (
                "*\n!a.zip,b.zip",
                "no file matches `!a.zip,b.zip`: the line is a list",
                "Write one pattern per line: `!a.zip`, `!b.zip`",
            ),
        ] {
            let registry = registry(&names);
            let mut job = Job::downloading(&registry);
            let ran = job.input("if-no-files-found", policy).input("files", lines).run().exits_with(1);
            ran.says(&format!("error: {error}")).says(&format!("hint: {hint}"));
        }
    }
    let names = ["# a", "- b", "$HOME"];
    assert_eq!(downloaded(&names, "# a\n- b\n$HOME"), pairs(&[("# a", "# a"), ("$HOME", "$HOME"), ("- b", "- b")]));
}
