//! Lines that are written as in other tools.

use embedded_registry::{Persona, Registry};

use super::{job_with, publishes, refuses};
use crate::harness::Ran;

/// Runs a job with these lines under each policy for lines that find nothing; it has to be refused under all of them.
#[track_caller]
fn is_always_refused(files: &[&str], lines: &str, error: &str, hint: &str) {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, files);
    for policy in ["error", "warn", "ignore"] {
        job.input("if-no-files-found", policy);
        let ran = refuses(&mut job, &registry, lines, error);
        assert_eq!(ran.errors().len(), 1, "{}", ran.log);
        ran.says(&format!("hint: {hint}"));
    }
}

#[track_caller]
fn is_bad(line: &str, problem: &str, hint: &str) {
    is_always_refused(&["dist/a.zip", "x"], line, &format!("error: input `files`: `{line}` {problem}"), hint);
}

#[test]
fn comments_are_refused() {
    let problem = "has a comment, and comments are not supported";
    is_bad("# linux", problem, "Remove the line, or write `[#]` for a `#` in a name");
    is_bad("dist/*.zip # x64", problem, "Write `dist/*.zip`, or `[#]` for a `#` in a name");
    is_bad("dist/*.zip => {name} # x64", problem, "Write `dist/*.zip => {name}`, or `[#]` for a `#` in a name");
    is_bad("dist/** # x64", problem, "Write `dist/**`, or `[#]` for a `#` in a name");
}

#[test]
fn yaml_lists_are_refused_with_the_lines_to_write() {
    let problem = "is a YAML list, and this input is text";
    is_bad("- dist/*.zip", problem, "Write one pattern per line: `dist/*.zip`");
    is_bad(r#"- "dist/**""#, problem, "Write one pattern per line: `dist/**`");
    is_bad(r#"["dist/*.zip", "x"]"#, problem, "Write one pattern per line: `dist/*.zip`, `x`");
    is_bad("[dist/{a,b}.zip, x]", problem, "Write one pattern per line: `dist/{a,b}.zip`, `x`");
}

#[test]
fn quotes_are_refused_with_the_lines_to_write() {
    let problem = "has quotes, which would be part of the name";
    is_bad(r#""dist/*.zip""#, problem, "Remove the quotes: `dist/*.zip`");
    is_bad(r#""dist/**""#, problem, "Remove the quotes: `dist/**`");
    is_bad("'dist/*.zip' => {name}", problem, "Remove the quotes: `dist/*.zip => {name}`");
    is_bad("'dist/a.zip' => 'my a.zip'", problem, "Remove the quotes: `dist/a.zip => my a.zip`");
    is_bad("!'dist/*.zip'", problem, "Remove the quotes: `!dist/*.zip`");
    is_bad(r#""dist/a.zip", "x""#, problem, "Remove the quotes: `dist/a.zip`, `x`");
}

#[test]
fn what_a_shell_would_expand_is_refused_with_the_path_in_the_workspace() {
    for (line, part, hint) in [
        ("$HOME/x", "$HOME", "Write a path relative to the workspace: the container does not see the home folder"),
        ("dist/${NAME}.zip", "${NAME}", "Write `${{ env.NAME }}`: inputs have no shell"),
        ("%USERPROFILE%/x", "%USERPROFILE%", "Write a path relative to the workspace"),
        ("dist/%NAME%", "%NAME%", "Write `${{ env.NAME }}`: inputs have no shell, or write `[%]` for a `%`"),
        ("$(ls)", "$(ls)", "Run the command in an earlier step with an `id`"),
        ("dist/${{ env.NAME }}.zip", "${{ env.NAME }}", "Write the expression in the workflow's `with:`"),
    ] {
        is_bad(line, &format!("contains `{part}`, which is not expanded"), hint);
    }
    let hint = "Write `${{ env.NAME }}`: inputs have no shell, or write `[$]` for a `$` in a name";
    is_bad("a[$]b/$NAME", "contains `$NAME`", hint);
    is_bad("~/x", "contains `~/`, which is not expanded", "Write a path relative to the workspace");
    for variable in ["$GITHUB_WORKSPACE", "${GITHUB_WORKSPACE}", "$PWD", "$(pwd)"] {
        let problem = format!("contains `{variable}`, which is not expanded");
        let hint = "Write the path relative to the workspace: `dist/*`";
        is_bad(&format!("{variable}/dist/*"), &problem, hint);
        is_bad(&format!("!{variable}/x"), &problem, "Write the path relative to the workspace: `!x`");
    }
}

#[test]
fn the_path_to_write_instead_is_relative_to_the_working_directory() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["build/dist/a"]);
    job.input("working-directory", "build");
    refuses(
        &mut job,
        &registry,
        "$GITHUB_WORKSPACE/build/dist/*",
        "hint: Write the path relative to the workspace: `dist/*`",
    );
    refuses(&mut job, &registry, "$GITHUB_WORKSPACE/other/*", "hint: Write a path relative to the workspace");
    refuses(&mut job, &registry, "/home/runner/work/widget/widget/build/dist/*", "hint: Write `dist/*`, without");
    refuses(&mut job, &registry, ".", "hint: Write `**` for all files in it");
}

#[test]
fn windows_paths_are_refused_by_that_name() {
    let hint = "Write the path relative to the workspace, with `/` between folders";
    for line in [r"C:\build\*", "D:/a/*", r"\\server\share\*"] {
        is_bad(line, "is an absolute Windows path", hint);
    }
    is_bad(r"D:\a\widget\widget\dist\*.zip", "is an absolute Windows path", &format!("{hint}: `dist/*.zip`"));
}

#[test]
fn paths_of_a_runner_are_refused_with_the_path_in_the_workspace() {
    for workspace in ["/home/runner/work/widget/widget", "/__w/widget/widget", "/workspace/alice/widget"] {
        is_bad(
            &format!("{workspace}/dist/*.zip"),
            "is an absolute path outside the workspace",
            "Write `dist/*.zip`, without `${{ github.workspace }}`",
        );
    }
    is_bad(
        "/opt/build/*",
        "is an absolute path outside the workspace",
        "Write the path relative to the workspace, without",
    );
}

#[test]
fn patterns_of_bash_are_refused_with_what_they_are_here() {
    let name = "or `[(]` for a `(` in a name";
    is_bad("dist/@(a|b).zip", "has `@(..)`, which only bash supports", &format!("Write `dist/{{a,b}}.zip`, {name}"));
    is_bad("dist/a?(.zip)", "has `?(..)`, which only bash supports", &format!("Write `dist/a{{,.zip}}`, {name}"));
    is_bad("!(x)", "has `!(..)`, which only bash supports", &format!("Write `*`, `!x`, {name}"));
    is_bad("dist/+(a).zip", "has `+(..)`, which only bash supports", "Use `*`, `{a,b}` or several lines");
    is_bad("dist/a{1..3}.zip", "has the range `{1..3}`", "Write `dist/a{1,2,3}.zip`");
    is_bad("dist/a{1..300}.zip", "has the range `{1..300}`", "List the alternatives, as in `{1,2,3}`, or use `*`");
}

#[test]
fn a_slash_at_the_end_of_a_pattern_is_refused_because_it_means_folders_in_a_shell() {
    let problem = "ends with `/`, and only files are published";
    let hint = "Write `dist/*/*` for the files in these folders, or `dist/*/**` for those in subfolders too";
    is_always_refused(&["dist/a/b", "dist/c"], "dist/*/", &format!("`dist/*/` {problem}"), hint);
    is_bad("**/", problem, "Write `**` for the files in these folders");
    is_bad("!dist/*/", problem, "Write `!dist/*/*` for the files");
}

#[test]
fn the_folder_itself_is_refused_with_the_pattern_for_its_files() {
    let registry = Registry::start(Persona::default());
    for line in [".", "./", "./."] {
        is_bad(line, "is a folder, and only files are published", "Write `**` for all files in it");
    }
    let mut job = job_with(&registry, &["a"]);
    let workspace = job.workspace().display().to_string();
    refuses(&mut job, &registry, &workspace, "is a folder, and only files are published");
}

/// Files of such names are rare, but the registry accepts them.
#[test]
fn a_line_that_names_an_existing_file_is_no_mistake() {
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
fn a_list_in_one_line_is_refused_with_the_lines_to_write() {
    let files = ["dist/a.bin", "dist/b.bin", "c"];
    let lists = ["dist/a.bin,dist/b.bin", "dist/a.bin, dist/b.bin", "dist/a.bin dist/b.bin", "dist/a.bin;dist/b.bin"];
    for list in lists {
        let error = format!("error: no file matches `{list}`: the line is a list");
        is_always_refused(&files, list, &error, "Write one pattern per line: `dist/a.bin`, `dist/b.bin`");
    }
    let error = r"error: no file matches `dist\a.bin, c`: the line is a list";
    is_always_refused(&files, r"dist\a.bin, c", error, "Write one pattern per line: `dist/a.bin`, `c`");
    let hint = "Write one pattern per line: `dist/{a,b}.bin`, `none`";
    is_always_refused(&files, "dist/{a,b}.bin,none", "the line is a list", hint);
    // Names may have blanks and semicolons, so that each item has to be there.
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &files);
    for line in ["c none", "c;none"] {
        refuses(&mut job, &registry, line, &format!("no file matches `{line}`: the workspace has c, dist/"));
    }
}

#[test]
fn a_list_of_new_names_is_refused_with_the_lines_to_write() {
    let hint = "Write one pattern per line: `a => b`, `c => d`";
    is_always_refused(&["a", "c"], "a => b, c => d", "the line is a list", hint);
}

#[test]
fn backslashes_are_refused_with_slashes_in_their_place() {
    let error = r"error: no file matches `dist\*.zip`: the line has `\`, which does not separate folders";
    let hint = "Write `/` between folders: `dist/*.zip";
    is_always_refused(&["dist/a.zip"], r"dist\*.zip", error, hint);
    is_always_refused(
        &["dist/a.zip"],
        r"dist\*.zip => {name}",
        error,
        "Write `/` between folders: `dist/*.zip => {name}`",
    );
    // A line that matches nothing either is not shown.
    let registry = Registry::start(Persona::default());
    let ran = refuses(&mut job_with(&registry, &["x"]), &registry, r"dist\*.zip", error);
    ran.says("hint: Write `/` between folders").does_not_say("folders: `dist/*.zip`");
}

/// The two look the same.
#[test]
fn another_unicode_normalization_is_told_with_a_line_that_can_be_published() {
    let (composed, decomposed) = ("dist/caf\u{e9}.zip", "dist/cafe\u{301}.zip");
    for (line, file) in [(composed, decomposed), (decomposed, composed)] {
        let error = "has other Unicode code points (NFC or NFD)";
        let hint = "Write `dist/caf*.zip => cafe.zip`, because the registry accepts ASCII names only";
        is_always_refused(&[file], line, error, hint);
        let registry = Registry::start(Persona::default());
        publishes(&mut job_with(&registry, &[file]), "dist/caf*.zip => cafe.zip", &["cafe.zip"]);
    }
    let hint = "Write `r*/*.zip`, because the registry";
    is_always_refused(&["re\u{301}/a.zip"], "r\u{e9}/*.zip", "the line looks like the name of a file", hint);
}

#[test]
fn a_name_that_the_registry_refuses_is_told_with_a_line_that_renames_it() {
    let registry = Registry::start(Persona::default());
    for (file, name) in [
        ("dist/caf\u{e9}.zip", "cafe.zip"),
        ("dist/a,b'c", "a_b_c"),
        ("dist/\u{540d}.zip", "_.zip"),
        ("!x/{a}?", "{a}_"),
    ] {
        let mut job = job_with(&registry, &[file, "dist/other"]);
        let ran = refuses(&mut job, &registry, "**", &format!("error: {file}: the file name"));
        let (_, line) =
            ran.unbroken().split_once("or write `").map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a line");
        let line = line.split('`').next().expect("it ends").to_owned();
        let ran = job.input("files", format!("**\n{line}")).run().exits_with(0);
        let names: Vec<String> = ran.statuses().into_keys().collect();
        assert!(names.len() == 2 && names.contains(&name.to_owned()), "{line}: {names:?}");
    }
    // No line can have a line break, and the path is the one that lines have.
    let mut job = job_with(&registry, &["dist/a\nb"]);
    refuses(&mut job, &registry, "**", "hint: Rename the file before this step, or take it away");
    let mut job = job_with(&registry, &["build/caf\u{e9}"]);
    job.input("working-directory", "build");
    refuses(&mut job, &registry, "*", "or write `caf\u{e9} => cafe`");
}

#[track_caller]
fn in_vain(lines: &str, policy: &str) -> Ran {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/app.zip", "dist/x/lib.zip", "dist/a"]);
    job.input("if-no-files-found", policy).input("files", lines).run()
}

#[test]
fn a_name_that_takes_nothing_away_is_an_error_while_files_of_that_name_are_selected() {
    for policy in ["error", "warn", "ignore"] {
        for (line, names, hint) in [
            ("!app.zip", "dist/app.zip", "!**/app.zip"),
            ("!*.zip", "dist/app.zip, dist/x/lib.zip", "!**/*.zip"),
            ("! lib.{zip,tar}", "dist/x/lib.zip", "!**/lib.{zip,tar}"),
        ] {
            let ran = in_vain(&format!("dist/**\n{line}"), policy).exits_with(2);
            assert_eq!(
                ran.errors(),
                [format!("`{line}` takes nothing away, but files of that name are selected: {names}")]
            );
            ran.says(&format!("hint: Write `{hint}` for that name in all folders"));
        }
    }
    // The file is not selected in the end.
    in_vain("dist/**\n!app.zip\n!dist/app.zip", "error").exits_with(0).says("warning: `!app.zip` takes nothing away");
    in_vain("dist/**\n!none.zip\n!other/*", "error").exits_with(0).says("warning: `!other/*` takes nothing away");
    in_vain("dist/**\n!none.zip\n!other/*", "ignore").exits_with(0).does_not_say("warning:");
}

#[test]
fn a_line_that_takes_away_above_the_line_that_adds_is_an_error() {
    for policy in ["error", "warn", "ignore"] {
        let ran = in_vain("!dist/*.zip\ndist/*", policy).exits_with(2);
        assert_eq!(ran.errors(), ["`!dist/*.zip` takes nothing away, because a later line adds dist/app.zip"]);
        ran.says("hint: Move `!dist/*.zip` below that line, because lines are applied in order");
    }
    // What is taken away may be added again.
    in_vain("dist/*\n!dist/*.zip\ndist/app.zip", "error").exits_with(0);
}

#[test]
fn mistakes_in_lines_that_take_away_are_told_too() {
    let lines = r"dist/**
!dist\app.zip";
    let ran = in_vain(lines, "ignore").exits_with(2);
    ran.says(r"no file matches `!dist\app.zip`: the line has `\`")
        .says("hint: Write `/` between folders: `!dist/app.zip`");
    let ran = in_vain("dist/**\n!dist/app.zip, dist/a", "ignore").exits_with(2);
    ran.says("hint: Write one pattern per line: `!dist/app.zip`, `!dist/a`");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    let ran = refuses(&mut job, &registry, "# a\n- b\n'c'\n$D/e\ndist/*/", "has a comment");
    assert_eq!(ran.errors().len(), 5, "{}", ran.log);
    let ran = refuses(&mut job, &registry, "dist/a,b\ndist\\a\n!a\ndist/a", "the line is a list");
    assert_eq!(ran.errors().len(), 3, "{}", ran.log);
}
