//! Where files are looked for: the workspace, `working-directory`, and lines that name folders.

use std::fs;

use embedded_registry::{Persona, Registry};

use super::{job_with, names, publishes, refuses};
use crate::harness::{Job, Ran};

#[test]
fn lines_are_relative_to_the_working_directory() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["a", "build/b", "build/out/c", "build/out/d"]);
    job.input("working-directory", "build");
    publishes(&mut job, "*", &["b"]);
    publishes(&mut job, "**", &["b", "c", "d"]);
    publishes(&mut job, "out/*\n!out/c", &["d"]);
    for folder in ["./build/out/", "build//out", " build/out \n"] {
        job.input("working-directory", folder);
        publishes(&mut job, "*", &["c", "d"]);
    }
    // An absolute path says itself what it is relative to.
    let absolute = job.workspace().join("build");
    job.input("working-directory", &absolute);
    publishes(&mut job, "*", &["b"]);
    let line = job.workspace().join("a");
    publishes(&mut job, line.to_str().expect("UTF-8"), &["a"]);
}

#[test]
fn the_working_directory_is_not_a_pattern() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["b[1]/a", "b1/b", ".hidden/c", "{x,y}/d"]);
    for (folder, found) in [("b[1]", "a"), (".hidden", "c"), ("{x,y}", "d")] {
        job.input("working-directory", folder);
        publishes(&mut job, "*", &[found]);
        publishes(&mut job, "**", &[found]);
        publishes(&mut job, found, &[found]);
    }
}

#[test]
fn an_invalid_working_directory_is_rejected() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", ".git/hooks/pre-commit"]);
    fs::create_dir(job.outside("beside")).expect("a folder");
    // Its name begins as the workspace's does.
    fs::create_dir(job.outside("workspace-2")).expect("a folder");
    let beside = job.outside("beside");
    job.link("out", &beside).link("git", ".git").link("nowhere", "none");
    let (beside, workspace_2) = (beside.display().to_string(), job.outside("workspace-2").display().to_string());
    let outside = ["..", "../beside", "dist/../../beside", &beside, &workspace_2, "/proc/self", "out"];
    let others = ["none", "nowhere", "dist/a", ".git", ".git/hooks", "git/hooks"];
    for folder in outside.into_iter().chain(others) {
        job.input("working-directory", folder);
        refuses(&mut job, &registry, "*", "invalid-input").says(&format!("input `working-directory`: `{folder}`"));
    }
}

#[test]
fn a_working_directory_may_be_a_link_to_a_folder_in_the_workspace() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["v2/a", "b"]);
    job.link("current", "v2").input("working-directory", "current");
    publishes(&mut job, "*", &["a"]);
    publishes(&mut job, "a", &["a"]);
}

#[test]
fn without_a_runner_the_current_folder_is_the_workspace() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    job.without("GITHUB_WORKSPACE");
    publishes(&mut job, "dist/*", &["a"]);
    job.variable("GITHUB_WORKSPACE", "");
    publishes(&mut job, "dist/*", &["a"]);
}

#[test]
fn the_workspace_can_be_a_link() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "b"]);
    let link = job.outside("linked");
    std::os::unix::fs::symlink(job.workspace(), &link).expect("a link can be made");
    job.variable("GITHUB_WORKSPACE", &link);
    publishes(&mut job, "dist/*", &["a"]);
    // The runner's name for it and its real one both lead there.
    for root in [link, job.workspace()] {
        publishes(&mut job, &format!("{}/dist/*\n{0}/b", root.display()), &["b", "a"]);
        job.input("working-directory", root.join("dist"));
        publishes(&mut job, "*", &["a"]);
        job.input("working-directory", "");
    }
}

#[test]
fn an_invalid_workspace_is_rejected() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    let file = job.workspace().join("dist/a");
    for (workspace, code) in [
        (job.outside("none"), "workspace-not-mounted"),
        (file, "invalid-input"),
        // In there lies /proc/self/environ.
        ("/".into(), "invalid-input"),
    ] {
        let text = format!("input `working-directory`: `{}`", workspace.display());
        job.variable("GITHUB_WORKSPACE", workspace);
        refuses(&mut job, &registry, "dist/*", code).says(&text);
    }
}

#[test]
fn a_line_that_names_a_folder_is_rejected_with_a_hint() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/x/b", "out/[a/b", "out/{a/c"]);
    job.link("current", "dist");
    // Also one whose name is no pattern.
    for line in ["out/[a", "out/{a"] {
        refuses(&mut job, &registry, line, "is-a-folder");
    }
    for (line, folder) in [("dist", "dist"), ("dist/", "dist"), ("./dist/x", "dist/x"), ("current", "current")] {
        refuses(&mut job, &registry, line, "is-a-folder").says(&format!("{folder}/*`")).says(&format!("{folder}/**`"));
    }
    // That it takes nothing away would be found out too late.
    refuses(&mut job, &registry, "**\n!dist", "is-a-folder");
    job.input("working-directory", "dist");
    refuses(&mut job, &registry, "x", "is-a-folder");
}

#[test]
fn the_hint_for_a_folder_works() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["build/dist/a", "build/dist/x/b", "build/c"]);
    let hint_of = |ran: &Ran, end: &str| {
        ran.log.split('`').find(|part| part.ends_with(end)).expect("the hint shows a line to write").to_owned()
    };
    for (folder, line) in [("", "build/dist"), ("build", "dist"), ("build", "./dist/")] {
        let ran = refuses(job.input("working-directory", folder), &registry, line, "is-a-folder");
        publishes(&mut job, &hint_of(&ran, "/*"), &["a"]);
        publishes(&mut job, &hint_of(&ran, "/**"), &["a", "b"]);
    }
    let ran = refuses(&mut job, &registry, "**\n!dist", "is-a-folder");
    publishes(&mut job, &format!("**\n{}", hint_of(&ran, "/**")), &["c"]);
}

#[test]
fn a_folder_that_a_wildcard_matches_is_skipped() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/deep/b", "dist/deeper/c"]);
    job.folder("dist/empty").link("dist/linked", "deep");
    publishes(&mut job, "dist/*", &["a"]).does_not_say("deep").does_not_say("warning:");
    publishes(&mut job, "dist/**", &["a", "b", "c"]);
    refuses(&mut job, &registry, "dist/dee*", "no-files-found");
}

#[test]
fn no_line_leads_out_of_the_workspace() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    fs::write(job.outside("secret"), "secret").expect("a file can be written");
    fs::create_dir(job.outside("workspace-2")).expect("a folder");
    fs::write(job.outside("workspace-2/secret"), "secret").expect("a file can be written");
    for line in ["../secret", "dist/../../secret", "./../secret", "{dist,..}/*", "..", "dist/..", "*/../*", "!../x"] {
        refuses(&mut job, &registry, line, "outside-workspace");
    }
    let absolute = ["secret", "*", "workspace-2/*", "workspace-2/secret"].map(|name| job.outside(name));
    let absolute = absolute.iter().map(|path| path.display().to_string());
    for line in absolute.chain(["/".into(), "/etc/passwd".into(), "/proc/self/environ".into(), "!/etc/*".into()]) {
        refuses(&mut job, &registry, &line, "outside-workspace");
    }
    // Braces are no way around it.
    refuses(&mut job, &registry, "{/etc/passwd,dist/a}", "outside-workspace");
}

#[test]
fn an_absolute_path_in_the_workspace_is_accepted() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/b", "c"]);
    let root = job.workspace().display().to_string();
    publishes(&mut job, &format!("{root}/dist/a"), &["a"]);
    publishes(&mut job, &format!("{root}/**\n!{root}/dist/a"), &["c", "b"]);
    refuses(&mut job, &registry, &root, "is-a-folder");
}

#[test]
fn two_dots_can_be_part_of_a_name() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a..b", "dist/...", "..dist/c"]);
    let ran = publishes(&mut job, "dist/a..b\ndist/...\n..dist/*", &["c", "...", "a..b"]);
    assert_eq!(names(&ran).len(), 3);
}

#[test]
fn a_file_is_not_entered_like_a_folder() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/b"]);
    for line in ["dist/a/x", "dist/a/*", "dist/a/**"] {
        refuses(&mut job, &registry, line, "no-files-found");
    }
    // A slash at the end is no more than that.
    publishes(&mut job, "dist/a/", &["a"]);
}

#[test]
fn a_line_without_a_match_is_explained_by_the_nearest_match() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/.env", "dist/.cache/a", "out/x/b", "out/[y]/d", "README.md", "x86/c"]);
    for (line, near, hint) in [
        ("dist/*", "dist/.env", "`include-hidden-files: true`"),
        ("dist/**", "`dist/.cache/a`, `dist/.env`", "`include-hidden-files: true`"),
        ("out/*", "`out/[y]`, `out/x`", "`/*`"),
        ("readme.*", "README.md", "case"),
        ("X86/*", "x86/c", "case"),
        ("out/[y]", "out/[y]", "`/*`"),
        ("out/x/*.zip", "`out/x` contains `b`", "`if-no-files-found: warn`"),
        ("none/*.zip", "`README.md`, `dist/`, `out/`, `x86/`", "`if-no-files-found: warn`"),
    ] {
        refuses(&mut job, &registry, line, "no-files-found").says(near).says(hint);
    }
}

#[test]
fn lines_without_a_match_in_one_folder_are_one_error() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/b", "dist/c", "dist/d", "dist/widget.tar.gz"]);
    let ran = refuses(&mut job, &registry, "dist/widget.tgz\ndist/d-*", "no-files-found");
    ran.says("2 lines (no file matches; `dist` contains `a`, `b`, `c`, `d` and 1 more): `dist/widget.tgz`, `dist/d-*`");
}

#[test]
fn a_container_on_a_host_label_is_distinguished_from_an_empty_workspace() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    let ran = job.variable("GITHUB_OUTPUT", job.outside("none/output")).run().exits_with(2);
    ran.has_a_hint_for_each_error().has_codes(&["no-files-found"]).says("GITHUB_OUTPUT").says("`runs-on`");
    // With one of the two it is something else.
    job.file("a", "").run().exits_with(2).does_not_say("`runs-on`");
}
