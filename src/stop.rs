//! A run that is asked to end before its end.

use std::fmt;
use std::future::{self, Future};
use std::io;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::signal::unix::{SignalKind, signal};

use crate::hint::Explain;

/// Why a run is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C, and how GitHub's runner begins to cancel a step.
    Interrupt,
    /// SIGTERM: how containers are stopped.
    Terminate,
}

impl Signal {
    /// What a process exits with that such a signal has ended: 128 and the signal's number.
    #[must_use]
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

/// A run that a signal ended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0} ended the run before its end")]
pub(crate) struct Stopped(pub(crate) Signal);

impl Explain for Stopped {
    fn code(&self) -> &'static str {
        "stopped-by-signal"
    }

    fn hint(&self) -> Option<String> {
        Some("Run the step again: what is there already stays as it is".to_owned())
    }
}

/// Knows whether the run is to end. The default is that it never is.
#[derive(Clone)]
pub struct Stop {
    signal: Shared<BoxFuture<'static, Signal>>,
    insistence: Shared<BoxFuture<'static, ()>>,
}

impl Stop {
    /// The run is to end when the signal comes, and to leave what it may still finish when somebody insists on it.
    pub fn when(
        signal: impl Future<Output = Signal> + Send + 'static,
        insistence: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self { signal: signal.boxed().shared(), insistence: insistence.boxed().shared() }
    }

    /// The run is to end when the process is asked to, from now on. Two times SIGINT insists on it: a runner sends one,
    /// and a person presses the keys again. It has to be called within a runtime.
    pub fn on_signals() -> io::Result<Self> {
        // A limit on the size of files is an error of the file then, and does not end the process without a word.
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
        let again = async move {
            interrupts.recv().await;
            interrupts.recv().await;
        };
        Ok(Self::when(first, again))
    }

    /// Waits until the run is to end.
    pub(crate) async fn comes(&self) -> Signal {
        self.signal.clone().await
    }

    /// Waits until the run is to end at once.
    pub(crate) async fn wait_for_insistence(&self) {
        self.insistence.clone().await;
    }

    /// Does that, and drops it where the run is to end before.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, Signal> {
        tokio::select! {
            biased;
            signal = self.comes() => Err(signal),
            result = work => Ok(result),
        }
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::when(future::pending(), future::pending())
    }
}
