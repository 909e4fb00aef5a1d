//! A run that is asked to end before its end.

use std::fmt;
use std::future::{self, Future};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

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
    pub fn exit_code(self) -> u8 {
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

/// Knows whether the run is to end. The default is that it never is.
#[derive(Clone)]
pub struct Stop(Shared<BoxFuture<'static, Signal>>);

impl Stop {
    /// The run is to end when that comes.
    pub fn when(signal: impl Future<Output = Signal> + Send + 'static) -> Self {
        Self(signal.boxed().shared())
    }

    /// Waits until the run is to end.
    pub async fn comes(&self) -> Signal {
        self.0.clone().await
    }

    /// Does that, and drops it where the run is to end before.
    pub async fn or<T, E: From<Signal>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        tokio::select! {
            biased;
            signal = self.comes() => Err(signal.into()),
            result = work => result,
        }
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::when(future::pending())
    }
}
