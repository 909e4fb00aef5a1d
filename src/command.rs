//! The commands of the program: what they share, and where they part.

use std::io;

use crate::advice::{self, Advise};
use crate::download::download;
use crate::inputs::{Inputs, Task};
use crate::publish::publish;
use crate::registry::Limits;
use crate::report::{Account, Ending, Reporter};
use crate::stop::Stop;

/// What the program is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Files of the workspace go to the registry.
    Publish,
    /// Files of the registry come into the workspace.
    Download,
}

impl Command {
    /// The command of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "publish" => Some(Self::Publish),
            "download" => Some(Self::Download),
            _ => None,
        }
    }
}

/// Why nothing could be started.
#[derive(Debug, thiserror::Error)]
#[error("failed to start")]
pub struct StartError(#[from] io::Error);

impl Advise for StartError {
    fn code(&self) -> &'static str {
        match &self.0 {
            error if advice::is_of_open_files(error) => "too-many-open-files",
            _ => "start-failed",
        }
    }

    fn advice(&self) -> Option<String> {
        Some(match &self.0 {
            error if advice::is_of_open_files(error) => {
                "Raise the runner's limit on open files (`ulimit -n`) to 128 or more".to_owned()
            }
            _ => "Look at the limits of the runner (`ulimit -a`), then run the step again".to_owned(),
        })
    }
}

/// Who lets a command run, and wants to hear of it.
pub struct Caller<'a> {
    /// Hears of the run as it goes on.
    pub reporter: &'a dyn Reporter,
    /// Knows whether the run is to end before its end.
    pub stop: Stop,
    /// Puts down what is so far, in case that nothing else ever is.
    pub save: &'a dyn Fn(Account),
}

/// Does what the inputs say. Their time-out and retries take the place of those in `limits`.
pub async fn run(inputs: &Inputs, limits: Limits, caller: &Caller<'_>) -> Ending {
    let limits = limits.with(inputs.timeout, inputs.retries);
    match &inputs.task {
        Task::Publish(task) => match Box::pin(publish(inputs, task, limits, caller)).await {
            Ok(account) => account.into(),
            Err(problems) => Ending::rejected(Command::Publish, problems),
        },
        Task::Download(task) => match download(inputs, task, limits, caller).await {
            Ok(account) => account.into(),
            Err(problem) => Ending::rejected(Command::Download, vec![problem]),
        },
    }
}
