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
fn the_working_directory_is_no_pattern() {
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
fn a_working_directory_that_is_none_in_the_workspace_is_refused() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", ".git/hooks/pre-commit"]);
    fs::create_dir(job.outside("beside")).expect("a folder");
    // Its name begins as the workspace's does.
    fs::create_dir(job.outside("workspace-2")).expect("a folder");
    let beside = job.outside("beside");
    job.link("out", &beside).link("git", ".git").link("nowhere", "none");
    let (beside, workspace_2) = (beside.display().to_string(), job.outside("workspace-2").display().to_string());
    for (folder, problem) in [
        ("..", "lies outside the workspace"),
        ("../beside", "lies outside the workspace"),
        ("dist/../../beside", "lies outside the workspace"),
        (&beside, "lies outside the workspace"),
        (&workspace_2, "lies outside the workspace"),
        ("/proc/self", "lies outside the workspace"),
        ("out", "lies outside the workspace"),
        ("none", "cannot be opened"),
        ("nowhere", "cannot be opened"),
        ("dist/a", "is no folder"),
        (".git", "lies inside .git"),
        (".git/hooks", "lies inside .git"),
        ("git/hooks", "lies inside .git"),
    ] {
        job.input("working-directory", folder);
        refuses(&mut job, &registry, "*", &format!("input `working-directory`: `{folder}` {problem}"));
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
fn without_a_workspace_of_a_runner_the_current_folder_is_it() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    job.without("GITHUB_WORKSPACE");
    publishes(&mut job, "dist/*", &["a"]);
    job.variable("GITHUB_WORKSPACE", "");
    publishes(&mut job, "dist/*", &["a"]);
}

#[test]
fn the_workspace_may_be_reached_through_a_link() {
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
fn a_workspace_that_is_none_is_refused() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    let file = job.workspace().join("dist/a");
    for (workspace, problem) in [
        (job.outside("none"), "is the workspace, but cannot be opened"),
        (file, "is the workspace, but no folder"),
        // In there lies /proc/self/environ.
        ("/".into(), "would make the whole file system the workspace"),
    ] {
        let text = format!("input `working-directory`: `{}` {problem}", workspace.display());
        job.variable("GITHUB_WORKSPACE", workspace);
        refuses(&mut job, &registry, "dist/*", &text);
    }
}

#[test]
fn an_empty_workspace_is_said_to_be_empty() {
    let registry = Registry::start(Persona::default());
    refuses(&mut Job::new(&registry), &registry, "dist/*", "the workspace is empty; no checkout or build in this job?");
}

#[test]
fn a_line_that_names_a_folder_is_refused_with_the_cure() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/x/b"]);
    job.link("current", "dist");
    for (line, folder) in [("dist", "dist"), ("dist/", "dist"), ("./dist/x", "dist/x"), ("current", "current")] {
        refuses(&mut job, &registry, line, &format!("error: {folder} is a folder, and only files are published"))
            .says(&format!("{folder}/*` for the files in it"))
            .says(&format!("{folder}/**` for those below it"));
    }
    // That it takes nothing away would be found out too late.
    refuses(&mut job, &registry, "**\n!dist", "error: dist is a folder");
    job.input("working-directory", "dist");
    refuses(&mut job, &registry, "x", "error: dist/x is a folder");
}

#[test]
fn the_cure_for_a_folder_works_as_it_is_written() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["build/dist/a", "build/dist/x/b", "build/c"]);
    let cure = |ran: &Ran, end: &str| {
        ran.log.split('`').find(|part| part.ends_with(end)).expect("the hint shows a line to write").to_owned()
    };
    for (folder, line) in [("", "build/dist"), ("build", "dist"), ("build", "./dist/")] {
        let ran = refuses(job.input("working-directory", folder), &registry, line, "is a folder");
        publishes(&mut job, &cure(&ran, "/*"), &["a"]);
        publishes(&mut job, &cure(&ran, "/**"), &["a", "b"]);
    }
    let ran = refuses(&mut job, &registry, "**\n!dist", "is a folder");
    publishes(&mut job, &format!("**\n{}", cure(&ran, "/**")), &["c"]);
}

#[test]
fn a_folder_that_a_wildcard_meets_is_passed_over() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/deep/b", "dist/deeper/c"]);
    job.folder("dist/empty").link("dist/linked", "deep");
    publishes(&mut job, "dist/*", &["a"]).does_not_say("deep").does_not_say("warning:");
    publishes(&mut job, "dist/**", &["a", "b", "c"]);
    refuses(&mut job, &registry, "dist/dee*", "no file matches `dist/dee*`");
}

#[test]
fn no_line_leads_out_of_the_workspace() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    fs::write(job.outside("secret"), "secret").expect("a file can be written");
    fs::create_dir(job.outside("workspace-2")).expect("a folder");
    fs::write(job.outside("workspace-2/secret"), "secret").expect("a file can be written");
    for line in ["../secret", "dist/../../secret", "./../secret", "{dist,..}/*", "..", "dist/..", "*/../*", "!../x"] {
        refuses(&mut job, &registry, line, &format!("input `files`: `{line}` has `..` in it"));
    }
    let absolute = ["secret", "*", "workspace-2/*", "workspace-2/secret"].map(|name| job.outside(name));
    let absolute = absolute.iter().map(|path| path.display().to_string());
    for line in absolute.chain(["/".into(), "/etc/passwd".into(), "/proc/self/environ".into(), "!/etc/*".into()]) {
        refuses(
            &mut job,
            &registry,
            &line,
            &format!("input `files`: `{line}` is an absolute path outside the workspace"),
        )
        .says("${{ github.workspace }}");
    }
    // Braces are no way around it.
    refuses(&mut job, &registry, "{/etc/passwd,dist/a}", "is an absolute path outside the workspace");
}

#[test]
fn an_absolute_path_into_the_workspace_is_good() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/b", "c"]);
    let root = job.workspace().display().to_string();
    publishes(&mut job, &format!("{root}/dist/a"), &["a"]);
    publishes(&mut job, &format!("{root}/**\n!{root}/dist/a"), &["c", "b"]);
    refuses(&mut job, &registry, &root, "is a folder, and only files are published");
}

#[test]
fn two_dots_are_a_part_of_a_name_as_any_other() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a..b", "dist/...", "..dist/c"]);
    let ran = publishes(&mut job, "dist/a..b\ndist/...\n..dist/*", &["c", "...", "a..b"]);
    assert_eq!(names(&ran).len(), 3);
}

#[test]
fn a_file_is_no_folder_to_look_in() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/b"]);
    for line in ["dist/a/x", "dist/a/*", "dist/a/**"] {
        refuses(&mut job, &registry, line, &format!("no file matches `{line}`: dist has a, b"));
    }
    // A slash at the end is no more than that.
    publishes(&mut job, "dist/a/", &["a"]);
}

#[test]
fn what_comes_closest_to_a_line_that_finds_nothing_is_told() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/.env", "dist/.cache/a", "out/x/b", "out/[y]/d", "README.md", "x86/c"]);
    for (line, near, hint) in [
        ("dist/*", "only hidden files would, such as dist/.env", "Set `include-hidden-files: true`"),
        ("dist/**", "only hidden files would, such as dist/.cache/a, dist/.env", "or write the dot in the pattern"),
        ("out/*", "only folders do, such as out/[y], out/x", "Write `/*` behind it for the files in them"),
        ("readme.*", "only files of another case would, such as README.md", "Write the name in the case that it has"),
        ("X86/*", "only files of another case would, such as x86/c", "Write the name in the case that it has"),
        ("out/[y]", "only folders do, such as out/[y]", "Write `/*` behind it for the files in them"),
        ("out/x/*.zip", "out/x has b", "Correct the pattern, or build the file first"),
        ("none/*.zip", "the workspace has README.md, dist/, out/, x86/", "Correct the pattern"),
    ] {
        refuses(&mut job, &registry, line, &format!("no file matches `{line}`: {near}")).says(hint);
    }
}

#[test]
fn lines_that_find_nothing_in_one_folder_are_one_error() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/b", "dist/c", "dist/d", "dist/widget.tar.gz"]);
    let text = "no file matches 2 lines (dist has a, b, c, d and 1 more): `dist/widget.tgz`, `dist/d-*`";
    refuses(&mut job, &registry, "dist/widget.tgz\ndist/d-*", text);
}

#[test]
fn a_container_that_sees_nothing_of_the_job_is_told_from_an_empty_workspace() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    let text = "the container sees neither the job's workspace nor GITHUB_OUTPUT";
    let ran = job.variable("GITHUB_OUTPUT", job.outside("none/output")).run().exits_with(2);
    ran.has_a_hint_for_each_error().says(text).says("Set `runs-on` to a label that maps to a container image");
    // With one of the two it is something else.
    job.file("a", "").run().exits_with(2).does_not_say(text);
}

#[test]
fn a_folder_whose_name_is_no_pattern_is_a_folder_all_the_same() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/[a/b", "dist/{a/c"]);
    for line in ["dist/[a", "dist/{a"] {
        refuses(&mut job, &registry, line, &format!("error: {line} is a folder, and only files are published"));
    }
}
