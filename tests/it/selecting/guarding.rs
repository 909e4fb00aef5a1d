//! Tests that files outside the workspace, files in `.git` and unreadable or special files are not published.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use embedded_registry::{Persona, Registry};

use super::{job_with, publishes, refuses};
use crate::harness::{Job, Ran, print_skipped};
use crate::rights::run_without_rights;

/// Makes a FIFO, or with `mknod` a device; `false` where the system does not let us.
fn make(command: &str, path: &Path, arguments: &[&str]) -> bool {
    Command::new(command).arg(path).args(arguments).status().is_ok_and(|status| status.success())
}

/// The files below a folder and what they hold, to be found wherever they do not belong.
fn secrets_beside(job: &Job) -> String {
    fs::create_dir(job.outside("beside")).expect("a folder");
    fs::write(job.outside("beside/secret"), "secret").expect("a file can be written");
    job.outside("beside").display().to_string()
}

#[test]
fn a_link_to_a_file_in_the_workspace_is_published_under_its_own_name() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("build/app-1.2", "the program").link("dist/app", "../build/app-1.2").link("dist/latest", "app");
    let absolute = job.workspace().join("build/app-1.2");
    job.link("dist/absolute", absolute);
    let ran = publishes(&mut job, "dist/*", &["absolute", "app", "latest"]);
    publishes(&mut job, "dist/app", &["app"]);
    for name in ["absolute", "app", "latest"] {
        assert_eq!(registry.read("alice", "widget", "v1.0.0", name).as_deref(), Some(&b"the program"[..]), "{name}");
    }
    assert_eq!(ran.outputs["total-size"], "33");
}

#[test]
fn a_link_out_of_the_workspace_is_rejected() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    let beside = secrets_beside(&job);
    job.link("dist/b", format!("{beside}/secret")).link("dist/c", "../../beside/secret").link("dist/d", "c");
    for path in ["dist/b", "dist/c", "dist/d"] {
        refuses(&mut job, &registry, path, "outside-workspace");
    }
    for line in ["dist/*", "**"] {
        refuses(&mut job, &registry, line, "outside-workspace").says("`dist/b`, `dist/c`, `dist/d`");
    }
    publishes(&mut job, "dist/*\n!dist/[bcd]", &["a"]);
}

#[test]
fn a_folder_link_out_of_the_workspace_is_not_followed() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    let beside = secrets_beside(&job);
    job.link("dist/out", &beside).link("root", "/").link("up", "..");
    // A wildcard passes it over as any other folder.
    publishes(&mut job, "**", &["a"]);
    publishes(&mut job, "dist/**\n*/*\n**/*", &["a"]);
    refuses(&mut job, &registry, "*/*/secret", "no-files-found");
    refuses(&mut job, &registry, "**/secret", "no-files-found");
    // A line that goes through it is no accident.
    let up = format!("up/{}/secret", Path::new(&beside).file_name().expect("a name").display());
    for line in ["dist/out/secret", "root/etc/passwd", "root/proc/self/environ", &up] {
        refuses(&mut job, &registry, line, "outside-workspace");
    }
    for (line, folder) in [("dist/out/*", "dist/out"), ("root/**", "root"), ("up/beside/*", "up/beside")] {
        refuses(&mut job, &registry, line, "outside-workspace").says(&format!("error: failed to read `{folder}`"));
    }
}

#[test]
fn the_environment_with_the_token_in_it_is_never_published() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    job.link("dist/b", "/proc/self/environ").link("dist/c", "/proc").link("dist/d", "/dev/stdin");
    for path in ["dist/b", "dist/c/self/environ"] {
        refuses(&mut job, &registry, path, "outside-workspace");
    }
    refuses(&mut job, &registry, "dist/*", "outside-workspace").says("`dist/b`");
    refuses(&mut job, &registry, "dist/c/self/*", "outside-workspace");
    refuses(&mut job, &registry, "dist/d", "outside-workspace");
    publishes(&mut job, "dist/**\n!dist/[bd]", &["a"]);
}

#[test]
fn wildcards_skip_git_silently() {
    let registry = Registry::start(Persona::default());
    let mut job =
        job_with(&registry, &["a", ".git/config", ".git/hooks/b", "sub/.git/config", "sub/c", "wt/.git", "wt/d"]);
    job.input("include-hidden-files", "true");
    for lines in ["**", "**/*", "*\n*/*", "{**,*}", "**\n!.git/**", "**\n!sub/.git/*"] {
        let ran = publishes(&mut job, lines, &["a", "c", "d"]);
        assert!(lines.contains("git") || !ran.log.contains(".git"), "{}", ran.log);
    }
    for line in ["*/config", "**/config", ".*/config", ".gi?/*", ".g[i]t/config", "*/.gi?/config", "**/hooks/*"] {
        refuses(&mut job, &registry, line, "no-files-found").does_not_say("caused by");
    }
}

#[test]
fn a_path_inside_git_is_rejected() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["a", ".git/config", "sub/.git/config", "wt/.git"]);
    let lines = [".git", ".git/config", "./.git//config", ".git/*", ".git/**", ".GIT/config", ".Git/config", "wt/.git"];
    let others = ["sub/.git/config", "**/.git/config", "*/.git", "{a,.git/config}", "{sub,.git}/*", ".gi{t,x}/config"];
    for line in lines.into_iter().chain(others) {
        for hidden in ["false", "true"] {
            job.input("include-hidden-files", hidden);
            refuses(&mut job, &registry, line, "inside-git");
        }
    }
}

#[test]
fn a_link_into_git_is_rejected() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["a", ".git/config", "sub/.git/config", "sub/s", "wt/.git", "dist/b"]);
    job.link("dist/c", "../.git/config").link("dist/d", "../sub/.git/config").link("dist/e", "../wt/.git");
    job.link("git", ".git").link("dist/sub", "../sub");
    for path in ["dist/c", "dist/d", "dist/e"] {
        refuses(&mut job, &registry, path, "inside-git");
    }
    for line in ["dist/*", "**"] {
        refuses(&mut job, &registry, line, "inside-git").says("`dist/c`, `dist/d`, `dist/e`");
    }
    for (line, path) in [("git/config", "git/config"), ("git/*", "git"), ("git/conf??", "git")] {
        refuses(&mut job, &registry, line, "inside-git").says(&format!("error: failed to read `{path}`"));
    }
    job.input("include-hidden-files", "true");
    publishes(&mut job, "**\n!dist/[cde]", &["a", "b", "s"]);
    publishes(&mut job, "dist/sub/**", &["s"]);
}

#[test]
fn names_that_only_look_like_git_are_accepted() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &[".gitignore", ".github/a", "x.git/b", "git/c", ".git2"]);
    publishes(&mut job, ".gitignore\n.github/*\nx.git/*\ngit/c\n.git2", &[".git2", "a", ".gitignore", "c", "b"]);
}

#[test]
fn a_line_can_name_a_folder_link_in_the_workspace_and_links_in_a_circle_are_walked_once() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["builds/7/a", "builds/7/deep/b"]);
    job.link("current", "builds/7").link("builds/7/self", ".").link("builds/7/deep/top", "../../..");
    publishes(&mut job, "current/*", &["a"]);
    publishes(&mut job, "current/**", &["a", "b"]);
    publishes(&mut job, "current/deep/b", &["b"]);
    publishes(&mut job, "**", &["a", "b"]);
    publishes(&mut job, "builds/7/self/*", &["a"]);
}

#[test]
fn a_broken_link_is_rejected_and_reported_once() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    job.link("dist/b", "none");
    let ran = refuses(&mut job, &registry, "dist/b", "broken-link");
    // Once for people, and once for the annotation.
    assert_eq!(ran.log.matches("`dist/b`").count(), 2, "{}", ran.log);
    refuses(&mut job, &registry, "dist/*", "broken-link");
    job.link("c", "c");
    refuses(&mut job, &registry, "*", "file-system-error");
}

#[test]
fn a_fifo_a_socket_and_a_device_are_rejected_without_waiting() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["fifos/a", "sockets/a", "devices/a"]);
    let path = |path: &str| job.workspace().join(path);
    assert!(make("mkfifo", &path("fifos/b"), &[]));
    let _listener = UnixListener::bind(path("sockets/b")).expect("a socket can be made");
    let has_device = make("mknod", &path("devices/b"), &["c", "1", "3"]);
    job.link("fifos/c", "b").link("null/b", "/dev/null");
    for line in ["fifos/b", "fifos/c", "sockets/b", "sockets/*"] {
        refuses(&mut job, &registry, line, "not-a-regular-file");
    }
    refuses(&mut job, &registry, "fifos/*", "not-a-regular-file").says("`fifos/b`").says("`fifos/c`");
    for line in ["null/b", "null/*"] {
        refuses(&mut job, &registry, line, "outside-workspace");
    }
    if has_device {
        refuses(&mut job, &registry, "devices/b", "not-a-regular-file");
    } else {
        print_skipped("a device in the workspace: mknod is not allowed here");
    }
}

#[test]
fn a_name_that_is_not_utf_8_is_rejected() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "out/b"]);
    job.file(Path::new("dist").join(OsStr::from_bytes(b"b\xff")), "").file(OsStr::from_bytes(b"out/\xfe/c"), "");
    refuses(&mut job, &registry, "dist/*", "invalid-file-name").says("dist/b\u{fffd}");
    refuses(&mut job, &registry, "**/c", "invalid-file-name").says("out/\u{fffd}/c");
    let ran = refuses(&mut job, &registry, "**", "invalid-file-name").has_codes(&["invalid-file-name"]);
    ran.says("`dist/b\u{fffd}`, `out/\u{fffd}/c`");
    // What no line wants is nobody's concern.
    publishes(&mut job, "dist/a\nout/*", &["a", "b"]);
}

#[test]
fn all_files_that_cannot_be_read_are_reported_at_once() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", ".git/config"]);
    job.link("dist/b", "none").link("dist/c", "/etc/passwd").link("dist/d", "../.git/config").folder("dir");
    let ran = job.input("files", "dist/*\ndir\nnone").run_rejected(&registry);
    ran.has_codes(&["is-a-folder", "no-files-found", "broken-link", "outside-workspace", "inside-git"]).says("`none`");
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own file");
}

/// Runs the job with these lines while nobody may list these folders; `None` where everybody may.
fn run_with_closed(job: &mut Job, registry: &Registry, folders: &[&str], lines: &str) -> Option<Ran> {
    job.input("files", lines);
    let set_modes = |mode| {
        for folder in folders {
            set_mode(&job.workspace().join(folder), mode);
        }
    };
    set_modes(0o000);
    let ran = run_without_rights(job, registry);
    set_modes(0o755);
    ran
}

#[test]
fn a_file_that_cannot_be_read_is_rejected() {
    let registry = Registry::start(Persona::default());
    let job = job_with(&registry, &["dist/a", "dist/b"]);
    set_mode(&job.workspace().join("dist/b"), 0o000);
    let Some(ran) = run_without_rights(&job, &registry) else { return };
    let ran = ran.exits_with(2).has_a_hint_for_each_error().has_codes(&["permission-denied"]).says("chmod");
    assert!(ran.log.contains("Permission denied"), "{}", ran.log);
    assert_eq!((registry.requests(), ran.outputs["files"].as_str()), (Vec::new(), "[]"));
}

#[test]
fn a_folder_that_cannot_be_listed_is_an_error_if_a_line_needs_it() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/closed/b"]);
    let Some(ran) = run_with_closed(&mut job, &registry, &["dist/closed"], "dist/**") else { return };
    let ran = ran.exits_with(2).has_a_hint_for_each_error().has_codes(&["permission-denied"]);
    assert_eq!(ran.outputs["files"], "[]");
    run_with_closed(&mut job, &registry, &["dist/closed"], "dist/*").map(|ran| ran.exits_with(0));
}

#[test]
fn a_hidden_folder_that_cannot_be_listed_is_skipped_by_wildcards() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/.closed/b", "dist/deep/.closed/c"]);
    let closed = ["dist/.closed", "dist/deep/.closed"];
    run_with_closed(&mut job, &registry, &closed, "dist/**").map(|ran| ran.exits_with(0));
}

#[test]
fn the_name_of_a_folder_that_cannot_be_listed_is_no_workflow_command() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    let closed = "dist/x\n::set-env name=A::b";
    job.folder(closed);
    // What a log may not hold is looked for in every run.
    let Some(ran) = run_with_closed(&mut job, &registry, &[closed], "dist/**") else { return };
    ran.exits_with(2).has_codes(&["permission-denied"]).says("dist/x\\n::set-env name=A::b");
}

#[test]
fn a_folder_without_access_does_not_count_as_empty() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "build/out/app"]);
    job.input("if-no-files-found", "ignore");
    for lines in ["dist/a\nbuild/out/app", "dist/a\nbuild/out/*", "dist/a\nbuild/*"] {
        let Some(ran) = run_with_closed(&mut job, &registry, &["build"], lines) else { return };
        ran.exits_with(2).has_a_hint_for_each_error().has_codes(&["permission-denied"]).says("Permission denied");
    }
}

#[test]
fn names_outside_the_workspace_and_in_git_are_not_shown() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", ".git/config"]);
    let outside = job.outside("outside");
    fs::create_dir(&outside).and_then(|()| fs::write(outside.join("private-name.pem"), "")).expect("a file outside");
    job.link("dist/out", &outside).link("dist/git", "../.git");
    for line in ["dist/out/none", "dist/out/*.txt", "dist/git/none", "dist/git/x*"] {
        let ran = job.input("files", line).run_rejected(&registry).says("error: failed to read `dist/");
        ran.does_not_say("private-name").does_not_say("config");
    }
}

#[test]
fn links_to_folders_that_a_wildcard_matches_are_reported() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "build/1.2/b"]);
    job.link("dist/latest", "../build/1.2").link("dist/etc", "/etc");
    publishes(&mut job, "dist/**", &["a"]).says("warning: ").says("`dist/etc`, `dist/latest`");
    refuses(&mut job, &registry, "dist/lat*/b", "no-files-found").says("dist/latest");
    publishes(&mut job, "dist/latest/*", &["b"]);
}

#[test]
fn exclusions_include_hidden_files() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/.env"]);
    publishes(&mut job, "dist/a\ndist/.env\n!dist/*v", &["a"]);
}

#[test]
fn a_file_without_a_length_does_not_count_as_empty() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    // As in a container that is started in /proc.
    job.variable("GITHUB_WORKSPACE", "/proc").input("files", "version");
    let ran = job.run().exits_with(1).has_codes(&["file-changed"]);
    assert_eq!(ran.statuses()["version"], "failed");
    assert_eq!(registry.files("alice", "widget", "v1.0.0"), []);
}

#[test]
fn a_workspace_inside_git_is_rejected() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &[".git/config"]);
    let inside = job.workspace().join(".git");
    job.variable("GITHUB_WORKSPACE", inside);
    refuses(&mut job, &registry, "config", "invalid-input");
}
