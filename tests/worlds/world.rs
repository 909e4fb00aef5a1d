//! A world: the settings, the faults and the other jobs of a run.
//!
//! It is plain data that depends only on its seed, so that a seed reproduces it and `Debug` shows it.

use std::fmt;
use std::time::Duration;

use embedded_registry::{Action, Call, Match, Persona, Point};

use super::kind::Kind;
use super::link::Link;

/// Everything that affects a run.
#[derive(Clone, Debug)]
pub(crate) struct World<K: Kind> {
    pub(crate) setting: Setting,
    /// The data that only this kind of world has.
    pub(crate) of: K,
    /// Whether all faults are temporary and retries suffice, so that the run must end as if there were no faults.
    pub(crate) heals: bool,
    pub(crate) events: Vec<Event<K::Others>>,
}

/// The settings that every kind of world has.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) persona: Persona,
    /// The lifetime of ID tokens, if the run uses them in place of a stored token.
    pub(crate) id_token_life: Option<Duration>,
    pub(crate) runs: Runs,
    pub(crate) concurrency: usize,
    pub(crate) retries: u32,
    /// The timeout of transfers. It is short if a request hangs.
    pub(crate) stall_timeout: Duration,
    /// Whether the run is a dry run.
    pub(crate) is_dry: bool,
    /// The requested link.
    pub(crate) link: Option<Link>,
}

/// The code that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    /// The library, with waits of milliseconds.
    Library,
    /// The built program, with the default waits.
    Program,
}

/// A fault or another event during a request.
#[derive(Clone, Debug)]
pub(crate) struct Event<O> {
    pub(crate) on: Match,
    pub(crate) at: Point,
    pub(crate) act: Act<O>,
    /// The number of requests that it affects; `usize::MAX` means all.
    pub(crate) times: usize,
    /// The number of matching requests that pass first.
    pub(crate) skip: usize,
}

/// The action of an event.
#[derive(Clone, Debug)]
pub(crate) enum Act<O> {
    /// A fault of the registry or of the network.
    Fault(Action),
    /// An action of another job.
    Others(O),
    /// The token is revoked, or the integration for ID tokens is removed.
    Revoke,
    /// The run is canceled.
    Terminate,
    /// The program is killed. The library ignores it.
    Kill,
}

impl<K: Kind> World<K> {
    pub(crate) fn has(&self, meant: impl Fn(&Act<K::Others>) -> bool) -> bool {
        self.events.iter().any(|event| meant(&event.act))
    }

    pub(crate) fn has_fault(&self, meant: impl Fn(&Action) -> bool) -> bool {
        self.has(|act| matches!(act, Act::Fault(action) if meant(action)))
    }
}

/// Returns whether the requests include lists of files or versions.
pub(crate) fn is_about_lists(on: &Match) -> bool {
    matches!(on.call, None | Some(Call::Files | Call::Versions))
}

/// A file: its name and its content.
pub(crate) type File = (String, Content);

/// The bytes of a file, as a seed and a length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) of: u64,
    pub(crate) length: usize,
}

impl Content {
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut pattern = [0; 61];
        fastrand::Rng::with_seed(self.of).fill(&mut pattern);
        let mut bytes = pattern.repeat(self.length / pattern.len() + 1);
        bytes.truncate(self.length);
        bytes
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of {:x}", self.length, self.of)
    }
}
