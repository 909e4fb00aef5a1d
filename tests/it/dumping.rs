//! Tests that core dumps and other processes of the same user cannot read the program's memory. It holds the token.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use embedded_registry::{Match, Persona, Point, Registry};
use rustix::process::{Signal, geteuid};

use crate::harness::{Job, print_skipped};
use crate::stopping::{holds, send};

/// A user without rights on any system: the files of root's processes in `/proc` are root's in any case.
const NOBODY: u32 = 65_534;

#[test]
fn the_memory_of_the_program_gets_into_no_core_dump() {
    let registry = Registry::start(Persona::default());
    let moment = holds(&registry, Match::list(), Point::Head, 0);
    let mut job = Job::publishing(&registry, &[("a", "1")]);
    job.input("timeout", "3600");
    let ran = job.run_while(job.command(), |child| {
        moment.recv_timeout(Duration::from_secs(20)).expect("the moment comes");
        let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("the limits of a process");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("this limit");
        assert_eq!(core.split_whitespace().skip(4).collect::<Vec<_>>(), ["0", "0", "bytes"]);
        send(child, Signal::ABORT);
    });
    assert_eq!(ran.code, None, "{}", ran.log);
    let names = fs::read_dir(job.workspace()).expect("the workspace").map(|entry| entry.expect("an entry").file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["dist"]);
}

#[test]
fn no_other_process_of_the_user_can_read_the_memory_of_the_program() {
    let registry = Registry::start(Persona::default());
    let moment = holds(&registry, Match::list(), Point::Head, 0);
    let mut job = Job::publishing(&registry, &[("a", "1")]);
    job.input("timeout", "3600").without("GITHUB_OUTPUT").without("GITHUB_STEP_SUMMARY");
    let mut command = job.command();
    let mut user = geteuid().as_raw();
    if user == 0 {
        user = NOBODY;
        command.uid(NOBODY);
        let folder = job.outside("");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("rights can be set");
        if job.command().arg("--help").uid(NOBODY).output().is_err() {
            return print_skipped("that the program cannot be dumped: nobody cannot start it here");
        }
    }
    job.run_while(command, |child| {
        moment.recv_timeout(Duration::from_secs(20)).expect("the moment comes");
        // The kernel gives these files to root if the process cannot be dumped (proc(5)).
        let environment = fs::metadata(format!("/proc/{}/environ", child.id())).expect("the process runs");
        assert_ne!(environment.uid(), user);
        send(child, Signal::TERM);
    })
    .exits_with(143);
}
