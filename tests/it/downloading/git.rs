//! Tests downloads with git: no download creates a git repository, and a warning names overwritten tracked files.

use std::fs;
use std::path::Path;
use std::process::Command;

use embedded_registry::{Persona, Registry};
use generic_packages::checksum::Sha256;

use super::{release, tools};
use crate::harness::{Job, print_skipped};

/// Runs git in a folder with the settings of nobody; `None` if there is no git.
fn git(folder: &Path, arguments: &[&str]) -> Option<bool> {
    let mut git = Command::new("git");
    // A later git may not look into such folders by default.
    git.args(["-c", "safe.bareRepository=all"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    git.env_remove("GIT_DIR").env_remove("GIT_INDEX_FILE");
    git.output().ok().map(|output| output.status.success())
}

/// Whether there is a git to test with.
fn has_git() -> bool {
    let has_git = git(Path::new("/"), &["--version"]) == Some(true);
    if !has_git {
        print_skipped("what git makes of a download: there is no git");
    }
    has_git
}

#[track_caller]
fn succeeds(folder: &Path, arguments: &[&str]) {
    assert_eq!(git(folder, arguments), Some(true), "git {arguments:?}");
}

/// Configuration with which `git status` in the folder `tools` makes the file `ran` in the workspace.
const CONFIG: &str =
    "[core]\nrepositoryformatversion = 0\nbare = false\nworktree = .\nfsmonitor = \"touch ../ran; false\"\n";

/// Files that make of their folder a repository of its own, and of one in a workspace with worktree configuration.
const REPOSITORIES: [&[(&str, &str)]; 2] = [
    &[("HEAD", "ref: refs/heads/main\n"), ("config", CONFIG), ("objects", "x"), ("refs", "x")],
    &[("HEAD", "ref: refs/heads/main\n"), ("commondir", "../.git\n"), ("config.worktree", CONFIG)],
];

#[test]
fn a_download_makes_no_folder_a_repository_whose_configuration_git_would_run() {
    if !has_git() {
        return;
    }
    for files in REPOSITORIES {
        let registry = Registry::start(Persona::default());
        for (name, text) in files {
            registry.seed("alice", "widget", "v1.0.0", name, text.as_bytes());
        }
        let mut job = Job::downloading(&registry);
        let (workspace, ran) = (job.workspace(), job.workspace().join("ran"));
        succeeds(&workspace, &["init", "--quiet"]);
        succeeds(&workspace, &["config", "extensions.worktreeConfig", "true"]);

        // Whoever puts them there by hand lets git run what they name.
        for (name, text) in files {
            let path = job.file(Path::new("tools").join(name), text).workspace().join("tools").join(name);
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
                .expect("rights can be changed");
        }
        git(&workspace.join("tools"), &["status"]);
        assert!(ran.exists(), "git takes this for no repository: {files:?}");
        fs::remove_file(&ran).and_then(|()| fs::remove_dir_all(workspace.join("tools"))).expect("they can be removed");

        let refused = job.input("executable", "*").run().exits_with(1).has_a_hint_for_each_error();
        refused.has_codes(&["unsafe-name"]);
        assert_eq!(tools(&job).len(), 0, "nothing is written");
        job.input("files", "*\n!HEAD\n!commondir").run().exits_with(0);
        git(&workspace.join("tools"), &["status"]);
        assert!(!ran.exists(), "{:?}", tools(&job));
    }
}

/// A workspace in which git tracks `tools/a.txt`, which is to be replaced, the link `tools/empty`, which is too, and
/// `tools/app`, which stays as it is.
fn with_tracked_files(job: &mut Job) {
    job.file("tools/a.txt", "old").file("tools/app", vec![7; 300_000]).link("tools/empty", "a.txt").file("other", "");
    job.file("tools/a.txt.orig", "old").file("deeper/tools/a.txt", "old");
}

#[test]
fn files_that_git_tracks_and_that_a_download_overwrites_are_named_in_a_warning() {
    if !has_git() {
        return;
    }
    let registry = release(Persona::default());
    for (init, then) in [
        (&["init", "--quiet", "workspace"][..], &["update-index", "--index-version", "2"][..]),
        // A file of which only the intent to add it is known makes version 3.
        (&["init", "--quiet", "workspace"], &["add", "--intent-to-add", "other"]),
        (&["init", "--quiet", "workspace"], &["update-index", "--index-version", "4"]),
        (&["init", "--quiet", "--object-format=sha256", "workspace"], &["status"]),
        // As a submodule and a linked worktree have it.
        (&["init", "--quiet", "--separate-git-dir=elsewhere", "workspace"], &["status"]),
        // The workspace is a folder of the repository.
        (&["init", "--quiet", "."], &["status"]),
    ] {
        let mut job = Job::downloading(&registry);
        with_tracked_files(&mut job);
        succeeds(&job.outside(""), init);
        // Without all of them, there is nothing to warn of.
        succeeds(&job.workspace(), &["add", "tools"]);
        succeeds(&job.workspace(), then);
        let ran = job.run().exits_with(0).says("warning: ").says("2 files").says("`tools/a.txt`, `tools/empty`");
        assert_eq!(ran.statuses()["app"], "unchanged", "{init:?}");
        assert_eq!(tools(&job)["a.txt"], b"hello\n");
        // What is as it should be is not overwritten.
        job.run().exits_with(0).does_not_say("warning:");
    }
}

#[test]
fn of_many_tracked_files_the_first_five_are_named() {
    if !has_git() {
        return;
    }
    let registry = Registry::start(Persona::default());
    let mut job = Job::downloading(&registry);
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        registry.seed("alice", "widget", "v1.0.0", name, b"new");
        job.file(Path::new("tools").join(name), "old");
    }
    succeeds(&job.workspace(), &["init", "--quiet"]);
    succeeds(&job.workspace(), &["add", "tools"]);
    let ran = job.run().exits_with(0).says("warning: ").says("7 files");
    ran.says("`tools/a`, `tools/b`, `tools/c`, `tools/d`, `tools/e` and 2 more");
}

#[test]
fn an_index_that_cannot_be_read_is_no_warning() {
    let registry = release(Persona::default());
    for (index, debug) in [(Some("DIRC"), true), (None, false)] {
        let mut job = Job::downloading(&registry);
        with_tracked_files(&mut job);
        job.folder(".git").variable("RUNNER_DEBUG", "1");
        if let Some(index) = index {
            job.file(".git/index", index);
        }
        let ran = job.run().exits_with(0).does_not_say("warning:");
        assert_eq!(ran.log.contains("::debug::failed to read the index of git: unknown format"), debug);
    }
}

#[test]
fn a_checksums_file_in_the_repository_that_is_not_used_is_a_warning() {
    if !has_git() {
        return;
    }
    let registry = release(Persona::default());
    let sums = format!("{}  a.txt\n", Sha256::of(b"hello\n"));
    registry.seed("alice", "widget", "v1.0.0", "SHA256SUMS", sums.as_bytes());
    let mut job = Job::downloading(&registry);
    job.file("SHA256SUMS", &sums).input("files", "a.txt").input("checksums", "SHA256SUMS");
    job.run().exits_with(0).does_not_say("warning:");
    succeeds(&job.workspace(), &["init", "--quiet"]);
    succeeds(&job.workspace(), &["add", "SHA256SUMS"]);
    job.run().exits_with(0).says("warning: `SHA256SUMS` in your repository is not used");
    job.input("checksums", "./SHA256SUMS").run().exits_with(0).does_not_say("warning: `SHA256SUMS`");
}
