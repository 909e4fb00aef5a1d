//! Tests the owner of the files and folders that root creates in another user's workspace.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::process::Command;

use embedded_registry::{Persona, Registry};
use rustix::process::geteuid;

use crate::harness::{Job, print_skipped};
use crate::package::seed;

/// The user and the group of GitHub's self-hosted runners in its own images.
const RUNNER: (u32, u32) = (1001, 1002);

/// Gives the workspace to a runner's user; `false` if only root may do that, and this process is not root.
fn is_runners(job: &Job) -> bool {
    if !geteuid().is_root() {
        print_skipped("what root creates in another user's workspace: this process is not root");
        return false;
    }
    chown(job.workspace(), Some(RUNNER.0), Some(RUNNER.1)).expect("root may change owners");
    true
}

/// The user and the group of a path in the workspace.
fn owner(job: &Job, path: &str) -> (u32, u32) {
    let metadata = fs::symlink_metadata(job.workspace().join(path)).expect(path);
    (metadata.uid(), metadata.gid())
}

#[test]
fn what_root_downloads_belongs_to_the_workspaces_owner() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("app", "1")]);
    let mut job = Job::downloading(&registry);
    job.folder("roots");
    if !is_runners(&job) {
        return;
    }
    job.input("path", "roots/new/tools").input("executable", "app").run().exits_with(0);
    for path in ["roots/new", "roots/new/tools", "roots/new/tools/app"] {
        assert_eq!(owner(&job, path), RUNNER, "{path}");
    }
    // What was there already keeps its owner.
    assert_eq!(owner(&job, "roots"), (0, 0));
}

#[test]
fn the_checksums_file_that_root_writes_belongs_to_the_workspaces_owner() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("of-another-job", "1")]);
    let mut job = Job::new(&registry);
    job.file("dist/a", "2");
    if !is_runners(&job) {
        return;
    }
    job.input("checksums", "SHA256SUMS").input("aliases", "nightly").run().exits_with(0);
    for path in [".generic-packages", ".generic-packages/SHA256SUMS"] {
        assert_eq!(owner(&job, path), RUNNER, "{path}");
    }
}

#[test]
fn files_that_may_not_be_given_away_are_no_error() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("app", "1")]);
    let mut job = Job::downloading(&registry);
    if !is_runners(&job) {
        return;
    }
    job.variable("RUNNER_DEBUG", "1");
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-chown"]).env_clear();
    if !command.arg("true").status().is_ok_and(|status| status.success()) {
        return print_skipped("root without the right to change owners: setpriv does not work here");
    }
    let ran =
        job.run_as(job.command_of(&["setpriv", "--bounding-set", "-chown"])).exits_with(0).does_not_say("warning:");
    ran.says("failed to give the files to the workspace's owner: Operation not permitted");
    assert_eq!(owner(&job, "tools/app"), (0, 0));
}
