//! Results for people and later steps: the log, the outputs, the summary, the exit code.
//!
//! The library reports through [`Reporter`]; only the binary knows where the log goes.

mod append;
mod background;
mod console;
mod live;
mod message;
mod output;
mod plan;
mod recipe;
mod remark;
mod run_report;
mod summary;
mod text;

use std::time::Duration;

use tokio::time::Instant;

pub use self::background::BackgroundWriter;
pub use self::console::Console;
pub(crate) use self::plan::{Action, Planned};
pub(crate) use self::remark::Remark;
pub(crate) use self::run_report::{Local, Outcome, VerifiedBy};
pub use self::run_report::{RunReport, Status};
use crate::command::Command;
use crate::package::Target;
use crate::registry::{ByteCounter, Observer, Registry};
use crate::runner::Runner;
use crate::secret::{Redactor, User};
use crate::stop::Stop;

/// Receives the events of a run.
pub trait Reporter: Observer {
    /// Inputs, local files and names are good; the first request follows.
    fn begins(&self, header: &Header<'_>);
    /// Something may be wrong, though nothing has failed.
    fn warns(&self, warning: &str);
    /// The program decided something that the user may not expect. Nothing is wrong.
    fn notices(&self, notice: &str);
    /// A new part of the run begins, or has ended.
    fn announces(&self, part: &str);
    /// A transfer continues. Called every [`Reporter::progress_interval`].
    fn progresses(&self, progress: &Progress<'_>);
    /// Returns how often the progress of a transfer is reported.
    fn progress_interval(&self) -> Duration;
    /// A transfer has ended, in whichever way.
    fn transfer_ends(&self, name: &str);
    /// A file is where it belongs: uploaded, downloaded, or unchanged without a transfer. The list that verifies an upload is
    /// still to come.
    fn file_is_done(&self, status: Status, name: &str, size: u64, took: Option<Duration>);
}

/// The parts of the program that a run needs from its caller.
pub struct RunContext<'a> {
    /// Receives the events of the run.
    pub reporter: &'a dyn Reporter,
    /// Knows whether the run is to end before its end.
    pub stop: Stop,
    /// Saves what is known so far, in case the run is killed.
    pub save: &'a dyn Fn(&RunReport),
}

/// How far a transfer is.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Which way the bytes go.
    pub command: Command,
    /// The file, as the log names it.
    pub name: &'a str,
    /// How many bytes have moved.
    pub moved: u64,
    /// How many there are; `None` if that is unknown.
    pub size: Option<u64>,
    /// Since it began.
    pub took: Duration,
}

/// The header of the log.
#[derive(Debug)]
pub struct Header<'a> {
    pub(crate) command: Command,
    /// Where the files go, or come from.
    pub(crate) target: &'a Target,
    /// As whom.
    pub(crate) user: User,
    /// Whether nothing is to be changed.
    pub(crate) is_dry: bool,
    /// How many files there are, and their length together in bytes; `None` if the registry is yet to be asked.
    pub(crate) files: Option<(usize, u64)>,
}

/// Runs the transfer of a file, and reports its progress, unless the server is waited for.
pub(crate) async fn with_progress<T>(
    reporter: &dyn Reporter,
    registry: &Registry<'_>,
    (command, name, size): (Command, &str, Option<u64>),
    counter: &ByteCounter,
    transfer: impl Future<Output = T>,
) -> T {
    let started = Instant::now();
    let report = async {
        let mut interval = tokio::time::interval(reporter.progress_interval());
        interval.tick().await;
        loop {
            interval.tick().await;
            if !registry.is_waiting() {
                reporter.progresses(&Progress { command, name, moved: counter.bytes(), size, took: started.elapsed() });
            }
        }
    };
    let result = tokio::select! {
        result = transfer => result,
        () = report => unreachable!("the report goes on for as long as the transfer does"),
    };
    reporter.transfer_ends(name);
    result
}

/// Writes the outputs and the summary to the files of the runner. An error there is no failure of the run, so it is returned as
/// a warning. The summary has the remarks of the run too.
#[must_use]
pub fn hand_over(report: &RunReport, remarks: &[Remark], runner: &Runner, redactor: &Redactor) -> Vec<String> {
    let mut warnings = hand_over_outputs(report, runner);
    if let Some(path) = &runner.summary {
        let written = append::append(path, &summary::markdown(report, remarks, runner.action.as_ref(), redactor));
        warnings.extend(written.err().map(|error| format!("the summary is lost: {error}")));
    }
    warnings
}

/// Writes the outputs. If they are written twice, runners use the later ones.
#[must_use]
pub fn hand_over_outputs(report: &RunReport, runner: &Runner) -> Vec<String> {
    let (outputs, mut warnings) = output::outputs(report);
    match &runner.output {
        Some(path) => {
            // A runner that runs the job on its host has no such file in the container.
            if runner.reads_commands() && !path.exists() {
                warnings.push("GITHUB_OUTPUT is not there, so later steps may get no outputs".to_owned());
            }
            warnings.extend(output::write(&outputs, path).err().map(|error| format!("the outputs are lost: {error}")));
        }
        None if runner.reads_commands() => {
            warnings.push("GITHUB_OUTPUT is not set, so later steps get no outputs".to_owned());
        }
        None => {}
    }
    warnings
}
