//! The registry's rules for names: broken ones are found before anything is sent.

use std::collections::BTreeSet;

use embedded_registry::{Persona, Registry};

use crate::harness::Job;

/// File names that servers were recorded to refuse (`file:*`), as far as a disk can hold them, and some of their kin;
/// each as the log shows it, and what is said to be wrong with it.
const REFUSED: [(&str, &str, &str); 22] = [
    ("a,b", "a,b", "contains `,`"),
    ("a'b", "a'b", "contains `'`"),
    ("a\"b", "a\"b", "contains `\"`"),
    ("a*b", "a*b", "contains `*`"),
    ("a?b", "a?b", "contains `?`"),
    ("a<b", "a<b", "contains `<`"),
    ("a>b", "a>b", "contains `>`"),
    ("a|b", "a|b", "contains `|`"),
    ("a\\b", "a\\b", "contains `\\`"),
    ("a`b", "a`b", "contains ```"),
    ("\u{e9}", "\u{e9}", "contains `\u{e9}`"),
    ("\u{540d}", "\u{540d}", "contains `\u{540d}`"),
    ("a\u{a0}b", "a\u{a0}b", "contains `\u{a0}`"),
    ("a\tb", "a\\tb", "contains `\\t`"),
    ("a\n::debug::b", "a\\n::debug::b", "contains `\\n`"),
    ("a\r", "a\\r", "contains `\\r`"),
    ("a\u{1b}[31mb", "a\\u{1b}[31mb", "contains `\\u{1b}`"),
    ("a\u{7f}", "a\\u{7f}", "contains `\\u{7f}`"),
    ("a\u{202e}b", "a\\u{202e}b", "contains `\\u{202e}`"),
    (" a", " a", "starts or ends with a space"),
    ("a ", "a ", "starts or ends with a space"),
    ("  ", "  ", "starts or ends with a space"),
];

#[test]
fn each_file_name_that_the_registry_rejects_is_rejected_before_any_request() {
    let registry = Registry::start(Persona::default());
    for (name, shown, problem) in REFUSED {
        let mut job = Job::new(&registry);
        let ran = job.file(format!("dist/{name}"), "").file("dist/good", "").run_rejected(&registry);
        let ran = ran.says(&format!("error: failed to publish `dist/{shown}`: the file name `{shown}` {problem}"));
        // The error lists the allowed characters.
        ran.has_codes(&["invalid-file-name"]).says("`-_+=:;.()[]{}~!@#$%^&`");
    }
}

#[test]
fn all_invalid_names_are_reported_at_once() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for (name, ..) in REFUSED {
        job.file(format!("dist/{name}"), "");
    }
    job.file("dist/x/same", "").file("dist/y/same", "").file("dist/y/SAME", "").file("dist/good", "");
    let ran = job.input("files", "dist/**").run_rejected(&registry);
    let ran = ran.has_codes(&["invalid-file-name", "duplicate-name"]).says(&format!("{} files", REFUSED.len()));
    ran.says("`dist/x/same` and `dist/y/SAME` and `dist/y/same`");
}

#[test]
fn an_invalid_name_can_be_excluded() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a,b", "").file("dist/c", "").input("files", "dist/*\n!dist/a,b");
    assert_eq!(job.run().exits_with(0).files().len(), 1);
}

#[test]
fn files_with_one_name_are_rejected_whatever_its_case_and_their_content() {
    let registry = Registry::start(Persona::default());
    for (paths, lines, files) in [
        (&["x/app", "y/app", "y/z/app", "x/other", "y/single"][..], "x/*\ny/*", "`x/app` and `y/app` under one name: "),
        (
            &["x/app", "y/app", "y/z/app", "x/single", "y/single"],
            "**",
            "`app` (`x/app` and `y/app` and `y/z/app`), `single` (`x/single` and `y/single`)",
        ),
        (
            &["dist/README", "dist/readme", "dist/Readme", "dist/readme2"],
            "dist/*",
            "`dist/README` and `dist/Readme` and `dist/readme` under one name: ",
        ),
        (&["x/a.TXT", "y/A.txt"], "[xy]/*", "`x/a.TXT` and `y/A.txt`"),
        (
            &["a/app", "b/app", "c/app", "d/app"],
            "*/app",
            "`a/app` and `b/app` and `c/app` and `d/app` under one name: ",
        ),
        (
            &["a/app", "b/app", "c/app", "d/app", "e/app", "f/app"],
            "*/app",
            "`a/app` and `b/app` and `c/app` and `d/app` and 2 more under one name: ",
        ),
    ] {
        let mut job = Job::new(&registry);
        for path in paths {
            job.file(path, "same");
        }
        job.input("files", lines).run_rejected(&registry).has_codes(&["duplicate-name"]).says(files);
    }
    // Also if they are one file.
    let mut job = Job::new(&registry);
    job.file("dist/app", "same").link("out/app", "../dist/app").input("files", "dist/*\nout/*");
    job.run_rejected(&registry).has_codes(&["duplicate-name"]).says("`dist/app` and `out/app`");
}

#[test]
fn names_can_have_the_maximum_length_of_every_server() {
    let registry = Registry::start(Persona::default());
    // No disk of Linux holds a longer file name; the other names are not on a disk.
    let name = "a".repeat(255);
    let mut job = Job::new(&registry);
    // The registry counts characters: these have two bytes each.
    let version = "\u{e9}".repeat(255);
    job.file(format!("dist/{name}"), "").input("version", &version).input("repo", &name).run().exits_with(0);
    assert_eq!(registry.files("alice", &name, &version)[0].name, name);
}

#[test]
fn longer_names_are_rejected() {
    let registry = Registry::start(Persona::default());
    for (input, name) in [("version", "\u{e9}"), ("repo", "a"), ("owner", "a")] {
        let mut job = Job::new(&registry);
        job.file("dist/a", "").input(input, name.repeat(256));
        let ran = job.run_rejected(&registry).has_codes(&["invalid-input"]).says("256 characters");
        ran.says(&format!("error: failed to read input `{input}`: `{name}{name}"));
    }
    let mut job = Job::new(&registry);
    job.file("dist/a", "").variable("GITHUB_REF", format!("refs/tags/{}", "v".repeat(256)));
    job.run_rejected(&registry).has_codes(&["invalid-input"]).says("error: failed to read input `version`");
}

#[test]
fn a_package_is_named_as_the_registry_allows() {
    let registry = Registry::start(Persona::default());
    for name in ["a", "7", "ab", "a.b", ".hidden", "-x", "_x", "+x", "A_b-c+d.e"] {
        Job::new(&registry).file("dist/a", "").input("repo", name).run().exits_with(0);
        assert_eq!(registry.files("alice", name, "v1.0.0").len(), 1, "{name}");
    }
    for name in ["-", "_", ".", "+", "..", "a b", "a@b", "@scope", "a~b", "alice/a", "\u{e9}", "\u{540d}", "a%2Fb"] {
        let ran = Job::new(&registry).file("dist/a", "").input("repo", name).run_rejected(&registry);
        ran.has_codes(&["invalid-input"]).says(&format!("error: failed to read input `repo`: `{name}` "));
    }
    // A name with its owner is the accident that happens most.
    let mut job = Job::new(&registry);
    job.file("dist/a", "").input("repo", "alice/widget");
    job.run_rejected(&registry).has_codes(&["invalid-input"]).says("`alice/widget`");
    // The name of the workflow's repository is no better than a given one.
    let mut job = Job::new(&registry);
    let ran = job.file("dist/a", "").variable("GITHUB_REPOSITORY", "alice/a b").run_rejected(&registry);
    ran.has_codes(&["invalid-input"]).says("input `repo`: `a b`");
}

#[test]
fn an_owner_is_named_as_the_registry_allows() {
    let registry = Registry::start(Persona::default());
    for name in ["alice/widget", "a b", "..", ".", "\u{e9}", "a?b", "a#b", "%2e%2e"] {
        let ran = Job::new(&registry).file("dist/a", "").input("owner", name).run_rejected(&registry);
        ran.has_codes(&["invalid-input"]).says(&format!("error: failed to read input `owner`: `{name}` "));
    }
}

#[test]
fn a_version_can_be_any_text_that_the_registry_accepts() {
    let registry = Registry::start(Persona::default());
    let good =
        ["1.0.0+build.1", "feature/x", "a b", "\u{e9}", "~", "v1:2", "%", "%2F", "a?b", "a#b", "-", "...", "latest"];
    for version in good {
        let ran = Job::new(&registry).file("dist/a", "").input("version", version).run().exits_with(0);
        assert_eq!(registry.files("alice", "widget", version).len(), 1, "{version}");
        assert_eq!(ran.outputs["version"], version);
    }
    let stored: BTreeSet<String> = registry.requests().into_iter().map(|request| request.target).collect();
    assert!(stored.len() >= good.len(), "no two versions are one: {stored:?}");
    for (version, shown) in [(".", "."), ("..", ".."), ("a\u{1b}b", "a\\u{1b}b"), ("a\nb", "a\\nb"), ("a\tb", "a\\tb")]
    {
        let ran = Job::new(&registry).file("dist/a", "").input("version", version).run_rejected(&registry);
        ran.says(&format!("error: failed to read input `version`: `{shown}` "));
    }
}
