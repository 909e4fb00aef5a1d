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
use crate::credentials::User;
use crate::package::{FileName, Target};
use crate::registry::{ByteCounter, Observer, Registry};
use crate::runner::Runner;
use crate::secret::Redactor;
use crate::stop::Stop;

/// Receives the events of a run.
pub trait Reporter: Observer {
    /// Reports that inputs, local files and names are valid. The first request follows.
    fn begin(&self, header: &Header<'_>);
    /// Reports a warning: something may be wrong, but nothing has failed.
    fn warn(&self, warning: &str);
    /// Reports a notice: the program made a decision that the user may not expect. Nothing is wrong.
    fn notice(&self, notice: &str);
    /// Reports that a part of the run begins or has ended.
    fn announce(&self, part: &str);
    /// A transfer continues. Called every [`Reporter::progress_interval`].
    fn report_progress(&self, progress: &Progress<'_>);
    /// Returns how often the progress of a transfer is reported.
    fn progress_interval(&self) -> Duration;
    /// Reports that a transfer has ended, successfully or not.
    fn end_transfer(&self, name: &str);
    /// Reports a finished file: uploaded, downloaded or unchanged. The list that verifies an upload is read later.
    fn finish_file(&self, status: Status, name: &str, size: u64, took: Option<Duration>);
}

/// The parts of the program that a run needs from its caller.
pub struct RunContext<'a> {
    /// Receives the events of the run.
    pub reporter: &'a dyn Reporter,
    /// Reports the signal that ends the run early.
    pub stop: Stop,
    /// Saves the report so far, in case the run is killed.
    pub save: &'a dyn Fn(&RunReport),
}

/// The progress of a transfer.
#[derive(Debug)]
pub struct Progress<'a> {
    /// The command, which determines the direction of the transfer.
    pub command: Command,
    /// The name of the file in the log.
    pub name: &'a str,
    /// The number of bytes transferred so far.
    pub moved: u64,
    /// The total number of bytes; `None` if it is unknown.
    pub size: Option<u64>,
    /// The time since the transfer began.
    pub took: Duration,
}

/// The header of the log.
#[derive(Debug)]
pub struct Header<'a> {
    pub(crate) command: Command,
    /// The version that files are uploaded to or downloaded from.
    pub(crate) target: &'a Target,
    /// The user that sends the requests.
    pub(crate) user: User,
    /// Whether this is a dry run.
    pub(crate) is_dry_run: bool,
    /// The number of files and their total size in bytes; `None` if they are not known yet.
    pub(crate) files: Option<(usize, u64)>,
    /// The checksums file to publish.
    pub(crate) checksums: Option<&'a FileName>,
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
                reporter.report_progress(&Progress {
                    command,
                    name,
                    moved: counter.bytes(),
                    size,
                    took: started.elapsed(),
                });
            }
        }
    };
    let result = tokio::select! {
        result = transfer => result,
        () = report => unreachable!("the report goes on for as long as the transfer does"),
    };
    reporter.end_transfer(name);
    result
}

/// Writes the outputs and the summary to the files of the runner. An error there is no failure of the run, so it is returned as
/// a warning. The summary has the remarks of the run too.
#[must_use]
pub fn write_results(report: &RunReport, remarks: &[Remark], runner: &Runner, redactor: &Redactor) -> Vec<String> {
    let mut warnings = write_outputs(report, runner);
    if let Some(path) = &runner.summary {
        let written = append::append(path, &summary::markdown(report, remarks, runner.action.as_ref(), redactor));
        warnings.extend(written.err().map(|error| format!("failed to write the job summary: {error}")));
    }
    warnings
}

/// Writes the outputs. If they are written twice, runners use the later ones.
#[must_use]
pub fn write_outputs(report: &RunReport, runner: &Runner) -> Vec<String> {
    let (outputs, mut warnings) = output::outputs(report);
    match &runner.output {
        Some(path) => {
            // A runner that runs the job on its host has no such file in the container.
            if runner.reads_commands() && !path.exists() {
                warnings
                    .push("the file in `GITHUB_OUTPUT` does not exist, so later steps may get no outputs".to_owned());
            }
            warnings.extend(
                output::write(&outputs, path).err().map(|error| format!("failed to write the outputs: {error}")),
            );
        }
        None if runner.reads_commands() => {
            warnings.push("`GITHUB_OUTPUT` is not set, so later steps get no outputs".to_owned());
        }
        None => {}
    }
    warnings
}
