//! Runs a command with the connection that both commands share.

use std::io;

use crate::command::Command;
use crate::download::download;
use crate::hint::{self, Explain};
use crate::inputs::{Inputs, Task};
use crate::publish::publish;
use crate::registry::{Connection, Limits};
use crate::report::{RunContext, RunReport};

/// An error from starting the runtime.
#[derive(Debug, thiserror::Error)]
#[error("failed to start the runtime")]
pub struct StartError(#[from] io::Error);

impl Explain for StartError {
    fn code(&self) -> &'static str {
        match &self.0 {
            error if hint::is_open_files_limit(error) => "too-many-open-files",
            _ => "start-failed",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match &self.0 {
            error if hint::is_open_files_limit(error) => {
                "Raise the runner's limit on open files (`ulimit -n`) to 128 or more".to_owned()
            }
            _ => "Check the limits of the runner (`ulimit -a`), then run the step again".to_owned(),
        })
    }
}

/// Runs the command of the inputs. Their timeout and retries replace those in `limits`.
pub async fn run(inputs: &Inputs, limits: Limits, context: &RunContext<'_>) -> RunReport {
    let connection = Connection {
        command: inputs.command(),
        credentials: inputs.credentials.clone(),
        network: inputs.network.clone(),
        redactor: inputs.redactor.clone(),
        limits: limits.with(inputs.timeout, inputs.retries),
        stop: context.stop.clone(),
        observer: context.reporter,
    };
    match &inputs.task {
        Task::Publish(task) => {
            let ran = Box::pin(publish(inputs, task, connection, context)).await;
            ran.unwrap_or_else(|errors| RunReport { errors, ..RunReport::new(Command::Publish, None) })
        }
        Task::Download(task) => {
            let ran = download(inputs, task, connection, context).await;
            ran.unwrap_or_else(|error| RunReport::rejected(Command::Download, vec![error]))
        }
    }
}
