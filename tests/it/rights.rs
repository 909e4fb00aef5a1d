//! Runs with the rights of another user.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use embedded_registry::Registry;

use crate::harness::{Job, Ran, print_skipped};

/// Runs a job with the rights of a user who is not root, as whom nothing is unreadable; `None` where that is not
/// possible.
pub(crate) fn run_without_rights(job: &Job, registry: &Registry) -> Option<Ran> {
    const NOBODY: u32 = 65_534;
    registry.clear_requests();
    let mut command = job.command();
    if fs::metadata("/proc/self").expect("this process").uid() == 0 {
        // The program itself may lie where only root gets at it. A copy that this process wrote could be held open by
        // what other tests start just then, and not be run.
        let program = job.outside("program");
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_generic-packages")).arg(&program).status();
        assert!(copied.is_ok_and(|status| status.success()), "the program can be copied");
        // What a runner makes for a step has to be that user's.
        for file in ["output", "summary"] {
            fs::write(job.outside(file), "").expect("a file can be written");
        }
        for path in ["", "output", "summary"] {
            chown(job.outside(path), Some(NOBODY), Some(NOBODY)).expect("root may change owners");
        }
        if Command::new(&program).arg("--version").uid(NOBODY).gid(NOBODY).output().is_err() {
            print_skipped("what a user other than root may read: this system lets us be no other");
            return None;
        }
        let mut other = Command::new(program);
        other.args(command.get_args()).env_clear().current_dir(job.workspace());
        other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).uid(NOBODY).gid(NOBODY);
        command = other;
    }
    Some(job.run_as(command))
}
