//! Lines that are written as in other tools.

use embedded_registry::{Persona, Registry};

use super::{job_with, publishes, refuses};
use crate::harness::Ran;

/// Runs a job with this line under each policy for lines that find nothing; it has to be refused under all of them, with
/// that code, and with that to write or to set instead.
#[track_caller]
fn is_always_refused(files: &[&str], line: &str, code: &str, instead: &str) {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, files);
    for policy in ["error", "warn", "ignore"] {
        job.input("if-no-files-found", policy);
        refuses(&mut job, &registry, line, code).has_codes(&[code]).says(instead);
    }
}

/// Lines that are written as in other tools, the code of the error, and what it shows to write or to set instead.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("# linux", "comment-in-pattern", "`[#]`"),
    ("dist/*.zip # x64", "comment-in-pattern", "`dist/*.zip`"),
    ("dist/*.zip => {name} # x64", "comment-in-pattern", "`dist/*.zip => {name}`"),
    ("dist/** # x64", "comment-in-pattern", "`dist/**`"),
    ("- dist/*.zip", "yaml-list", "`dist/*.zip`"),
    (r#"- "dist/**""#, "yaml-list", "`dist/**`"),
    (r#"["dist/*.zip", "x"]"#, "yaml-list", "`dist/*.zip`, `x`"),
    ("[dist/{a,b}.zip, x]", "yaml-list", "`dist/{a,b}.zip`, `x`"),
    (r#""dist/*.zip""#, "quoted-pattern", "`dist/*.zip`"),
    (r#""dist/**""#, "quoted-pattern", "`dist/**`"),
    ("'dist/*.zip' => {name}", "quoted-pattern", "`dist/*.zip => {name}`"),
    ("'dist/a.zip' => 'my a.zip'", "quoted-pattern", "`dist/a.zip => my a.zip`"),
    ("!'dist/*.zip'", "quoted-pattern", "`!dist/*.zip`"),
    (r#""dist/a.zip", "x""#, "quoted-pattern", "`dist/a.zip`, `x`"),
    ("$HOME/x", "unexpanded-variable", "`$HOME`"),
    ("dist/${NAME}.zip", "unexpanded-variable", "`${{ env.NAME }}`"),
    ("%USERPROFILE%/x", "unexpanded-variable", "`%USERPROFILE%`"),
    ("dist/%NAME%", "unexpanded-variable", "`${{ env.NAME }}`"),
    ("dist/%NAME%", "unexpanded-variable", "`[%]`"),
    ("$(ls)", "unexpanded-variable", "`id`"),
    ("dist/${{ env.NAME }}.zip", "unexpanded-variable", "`with:`"),
    ("a[$]b/$NAME", "unexpanded-variable", "`${{ env.NAME }}`"),
    ("~/x", "unexpanded-variable", "`~/`"),
    ("$GITHUB_WORKSPACE/dist/*", "unexpanded-variable", "`dist/*`"),
    ("${GITHUB_WORKSPACE}/dist/*", "unexpanded-variable", "`dist/*`"),
    ("$PWD/dist/*", "unexpanded-variable", "`dist/*`"),
    ("$(pwd)/dist/*", "unexpanded-variable", "`dist/*`"),
    ("!$GITHUB_WORKSPACE/x", "unexpanded-variable", "`!x`"),
    ("!$(pwd)/x", "unexpanded-variable", "`!x`"),
    (r"C:\build\*", "windows-path", "`/`"),
    ("D:/a/*", "windows-path", "`/`"),
    (r"\\server\share\*", "windows-path", "`/`"),
    (r"D:\a\widget\widget\dist\*.zip", "windows-path", "`dist/*.zip`"),
    // Where runners have the workspace.
    ("/home/runner/work/widget/widget/dist/*.zip", "outside-workspace", "`dist/*.zip`"),
    ("/__w/widget/widget/dist/*.zip", "outside-workspace", "`dist/*.zip`"),
    ("/workspace/alice/widget/dist/*.zip", "outside-workspace", "`dist/*.zip`"),
    ("/opt/build/*", "outside-workspace", "`/opt/build/*`"),
    ("dist/@(a|b).zip", "unsupported-pattern", "`dist/{a,b}.zip`"),
    ("dist/a?(.zip)", "unsupported-pattern", "`dist/a{,.zip}`"),
    ("!(x)", "unsupported-pattern", "`*`, `!x`"),
    ("dist/+(a).zip", "unsupported-pattern", "`*`, `{a,b}`"),
    ("dist/a{1..3}.zip", "unsupported-pattern", "`dist/a{1,2,3}.zip`"),
    ("dist/a{1..300}.zip", "unsupported-pattern", "`{1,2,3}`"),
    // In a shell, it means folders only.
    ("**/", "trailing-slash", "`**`"),
    ("!dist/*/", "trailing-slash", "`!dist/*/*`"),
    (".", "is-a-folder", "`**`"),
    ("./", "is-a-folder", "`**`"),
    ("./.", "is-a-folder", "`**`"),
    (r"dist\*.zip", "backslash-in-pattern", "`dist/*.zip`"),
    (r"dist\*.zip => {name}", "backslash-in-pattern", "`dist/*.zip => {name}`"),
];

#[test]
fn lines_as_in_other_tools_are_rejected_with_what_to_write() {
    for (line, code, instead) in MISTAKES {
        is_always_refused(&["dist/a.zip", "x"], line, code, instead);
    }
    is_always_refused(&["dist/a/b", "dist/c"], "dist/*/", "trailing-slash", "`dist/*/*`");
    // A line that matches nothing either is not shown.
    let registry = Registry::start(Persona::default());
    let ran = refuses(&mut job_with(&registry, &["x"]), &registry, r"dist\*.zip", "backslash-in-pattern");
    ran.does_not_say("`dist/*.zip`");
}

#[test]
fn a_corrected_path_is_relative_to_the_working_directory() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["build/dist/a"]);
    job.input("working-directory", "build");
    refuses(&mut job, &registry, "$GITHUB_WORKSPACE/build/dist/*", "unexpanded-variable").says("`dist/*`");
    refuses(&mut job, &registry, "$GITHUB_WORKSPACE/other/*", "unexpanded-variable");
    refuses(&mut job, &registry, "/home/runner/work/widget/widget/build/dist/*", "outside-workspace").says("`dist/*`");
    refuses(&mut job, &registry, ".", "is-a-folder").says("`**`");
}

/// Files of such names are rare, but the registry accepts them.
#[test]
fn a_line_that_names_an_existing_file_is_not_a_mistake() {
    let registry = Registry::start(Persona::default());
    let names = ["# a", "$HOME", "%c%", "(d)", "- b", "@(e)", "[f;g]", "h #1", "i; j", "k $(id) l", "m{1..3}"];
    let mut job = job_with(&registry, &names);
    publishes(&mut job, &names.join("\n"), &names);
    publishes(
        &mut job,
        "*\n!(d)\n!@(e)\n!# a",
        &["$HOME", "%c%", "- b", "[f;g]", "h #1", "i; j", "k $(id) l", "m{1..3}"],
    );
    // And what is written as a class is the character.
    publishes(&mut job, "[#]*\n[$]H*\nh [#]*\n@[(]*", &["# a", "$HOME", "@(e)", "h #1"]);
}

#[test]
fn a_list_in_one_line_is_rejected_with_the_lines_to_write() {
    let files = ["dist/a.bin", "dist/b.bin", "c"];
    let lists = ["dist/a.bin,dist/b.bin", "dist/a.bin, dist/b.bin", "dist/a.bin dist/b.bin", "dist/a.bin;dist/b.bin"];
    for list in lists {
        is_always_refused(&files, list, "several-patterns", "`dist/a.bin`, `dist/b.bin`");
    }
    is_always_refused(&files, r"dist\a.bin, c", "several-patterns", "`dist/a.bin`, `c`");
    is_always_refused(&files, "dist/{a,b}.bin,none", "several-patterns", "`dist/{a,b}.bin`, `none`");
    // Names may have blanks and semicolons, so that each item has to be there.
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &files);
    for line in ["c none", "c;none"] {
        refuses(&mut job, &registry, line, "no-files-found");
    }
}

#[test]
fn a_list_of_new_names_is_rejected_with_the_lines_to_write() {
    is_always_refused(&["a", "c"], "a => b, c => d", "several-patterns", "`a => b`, `c => d`");
}

/// The two look the same.
#[test]
fn a_different_unicode_normalization_is_reported_with_a_line_to_write() {
    let (composed, decomposed) = ("dist/caf\u{e9}.zip", "dist/cafe\u{301}.zip");
    for (line, file) in [(composed, decomposed), (decomposed, composed)] {
        is_always_refused(&[file], line, "unicode-normalization", "`dist/caf*.zip => cafe.zip`");
        let registry = Registry::start(Persona::default());
        publishes(&mut job_with(&registry, &[file]), "dist/caf*.zip => cafe.zip", &["cafe.zip"]);
    }
    is_always_refused(&["re\u{301}/a.zip"], "r\u{e9}/*.zip", "unicode-normalization", "`r*/*.zip`");
}

#[test]
fn an_invalid_name_is_reported_with_a_line_that_renames_it() {
    let registry = Registry::start(Persona::default());
    for (file, name) in [
        ("dist/caf\u{e9}.zip", "cafe.zip"),
        ("dist/a,b'c", "a_b_c"),
        ("dist/\u{540d}.zip", "_.zip"),
        ("!x/{a}?", "{a}_"),
    ] {
        let mut job = job_with(&registry, &[file, "dist/other"]);
        let ran = refuses(&mut job, &registry, "**", "invalid-file-name");
        let (_, line) = ran
            .unwrapped_log()
            .split_once("or use the line `")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .expect("a line");
        let line = line.split('`').next().expect("it ends").to_owned();
        let ran = job.input("files", format!("**\n{line}")).run().exits_with(0);
        let names: Vec<String> = ran.statuses().into_keys().collect();
        assert!(names.len() == 2 && names.contains(&name.to_owned()), "{line}: {names:?}");
    }
    // No line can have a line break, and the path is the one that lines have.
    let mut job = job_with(&registry, &["dist/a\nb"]);
    refuses(&mut job, &registry, "**", "invalid-file-name");
    let mut job = job_with(&registry, &["build/caf\u{e9}"]);
    job.input("working-directory", "build");
    refuses(&mut job, &registry, "*", "invalid-file-name").says("`caf\u{e9} => cafe`");
}

#[track_caller]
fn without_effect(lines: &str, policy: &str) -> Ran {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/app.zip", "dist/x/lib.zip", "dist/a"]);
    job.input("if-no-files-found", policy).input("files", lines).run()
}

#[test]
fn an_exclusion_without_effect_is_an_error_if_files_with_that_name_are_selected() {
    for policy in ["error", "warn", "ignore"] {
        for (line, names, hint) in [
            ("!app.zip", "dist/app.zip", "!**/app.zip"),
            ("!*.zip", "`dist/app.zip`, `dist/x/lib.zip`", "!**/*.zip"),
            ("! lib.{zip,tar}", "dist/x/lib.zip", "!**/lib.{zip,tar}"),
        ] {
            let ran = without_effect(&format!("dist/**\n{line}"), policy)
                .exits_with(2)
                .has_codes(&["excluded-in-one-folder"]);
            ran.says(&format!("error: failed to exclude `{line}`")).says(names).says(&format!("`{hint}`"));
        }
    }
    // The file is not selected in the end.
    without_effect("dist/**\n!app.zip\n!dist/app.zip", "error").exits_with(0).says("warning: `!app.zip`");
    without_effect("dist/**\n!none.zip\n!other/*", "error").exits_with(0).says("warning: `!other/*`");
    without_effect("dist/**\n!none.zip\n!other/*", "ignore").exits_with(0).does_not_say("warning:");
}

#[test]
fn an_exclusion_above_the_line_that_adds_is_an_error() {
    for policy in ["error", "warn", "ignore"] {
        let ran = without_effect("!dist/*.zip\ndist/*", policy).exits_with(2).has_codes(&["excluded-too-early"]);
        ran.says("error: failed to exclude `!dist/*.zip`").says("`dist/app.zip`");
    }
    // Excluded files can be added again.
    without_effect("dist/*\n!dist/*.zip\ndist/app.zip", "error").exits_with(0);
}

#[test]
fn mistakes_in_exclusions_are_reported() {
    let lines = r"dist/**
!dist\app.zip";
    let ran = without_effect(lines, "ignore").exits_with(2);
    ran.has_codes(&["backslash-in-pattern"]).says(r"`!dist\app.zip`").says("`!dist/app.zip`");
    let ran = without_effect("dist/**\n!dist/app.zip, dist/a", "ignore").exits_with(2);
    ran.has_codes(&["several-patterns"]).says("`!dist/app.zip`, `!dist/a`");
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    let codes = ["comment-in-pattern", "yaml-list", "quoted-pattern", "unexpanded-variable", "trailing-slash"];
    job.input("files", "# a\n- b\n'c'\n$D/e\ndist/*/").run_rejected(&registry).has_codes(&codes);
    let codes = ["several-patterns", "backslash-in-pattern", "excluded-in-one-folder"];
    job.input("files", "dist/a,b\ndist\\a\n!a\ndist/a").run_rejected(&registry).has_codes(&codes);
}
