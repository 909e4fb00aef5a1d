//! Signals that cancel a run.

use std::fmt;
use std::future::{self, Future};
use std::io;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::signal::unix::{SignalKind, signal};

use crate::hint::Explain;

/// A signal that cancels a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: sent by Ctrl-C, and first by GitHub's runner when it cancels a step.
    Interrupt,
    /// SIGTERM: sent when a container is stopped.
    Terminate,
}

impl Signal {
    /// Returns the exit code of a process that this signal ended: 128 plus its number.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// A run that a signal canceled.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0} canceled the run")]
pub(crate) struct Stopped(pub(crate) Signal);

impl Explain for Stopped {
    fn code(&self) -> &'static str {
        "stopped-by-signal"
    }

    fn hint(&self) -> Option<String> {
        Some("Run the step again; identical files are skipped".to_owned())
    }
}

/// The signals that cancel the run. By default there are none.
#[derive(Clone)]
pub struct Stop {
    signal: Shared<BoxFuture<'static, Signal>>,
    abort: Shared<BoxFuture<'static, ()>>,
}

impl Stop {
    /// Cancels the run on `signal`. It may finish what must not be left half done, until `abort`.
    pub fn when(
        signal: impl Future<Output = Signal> + Send + 'static,
        abort: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self { signal: signal.boxed().shared(), abort: abort.boxed().shared() }
    }

    /// Cancels the run on SIGINT and SIGTERM. A second SIGINT cancels everything at once: a runner sends one, and a person can
    /// press Ctrl-C again. Must be called within a runtime.
    pub fn on_signals() -> io::Result<Self> {
        // With a handler, a limit on file sizes gives an error of the file instead of ending the process.
        drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let first = async move {
            tokio::select! {
                _ = interrupt.recv() => Signal::Interrupt,
                _ = terminate.recv() => Signal::Terminate,
            }
        };
        let mut interrupts = signal(SignalKind::interrupt())?;
        let second = async move {
            interrupts.recv().await;
            interrupts.recv().await;
        };
        Ok(Self::when(first, second))
    }

    /// Waits until the run is canceled.
    pub(crate) async fn wait_for_signal(&self) -> Signal {
        self.signal.clone().await
    }

    /// Waits until everything is to be canceled at once.
    pub(crate) async fn wait_for_abort(&self) {
        self.abort.clone().await;
    }

    /// Runs the work, and drops it if the run is canceled.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, Signal> {
        tokio::select! {
            biased;
            signal = self.wait_for_signal() => Err(signal),
            result = work => Ok(result),
        }
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::when(future::pending(), future::pending())
    }
}
