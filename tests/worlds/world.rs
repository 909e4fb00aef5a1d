//! A world: what a run meets.
//!
//! It is plain data that follows from its seed alone, so that a seed replays it and `Debug` shows it.

use std::fmt;
use std::time::Duration;

use embedded_registry::{Action, Call, Match, Persona, Point};

use super::kind::Kind;
use super::link::Link;

/// Everything that a run meets.
#[derive(Clone, Debug)]
pub(crate) struct World<K: Kind> {
    pub(crate) setting: Setting,
    /// What only this kind of world has.
    pub(crate) of: K,
    /// Whether everything that goes wrong passes while tries are left, so that the run has to end as if nothing had.
    pub(crate) heals: bool,
    pub(crate) events: Vec<Event<K::Others>>,
}

/// What every kind of world has.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) seed: u64,
    pub(crate) persona: Persona,
    pub(crate) runs: Runs,
    pub(crate) concurrency: usize,
    pub(crate) retries: u32,
    /// How long nothing may move. Short where something hangs.
    pub(crate) silence: Duration,
    /// Whether the run is a dry one.
    pub(crate) is_dry: bool,
    /// The link that is asked for.
    pub(crate) link: Option<Link>,
}

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    /// The library, with waits of milliseconds.
    Library,
    /// The built program, with its own waits.
    Program,
}

/// Something that goes wrong, or happens, during a request.
#[derive(Clone, Debug)]
pub(crate) struct Event<O> {
    pub(crate) on: Match,
    pub(crate) at: Point,
    pub(crate) act: Act<O>,
    /// On how many requests; `usize::MAX` means on all.
    pub(crate) times: usize,
    /// How many matching requests pass first.
    pub(crate) skip: usize,
}

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Act<O> {
    /// A fault of the registry or of the way there.
    Fault(Action),
    /// What other jobs do.
    Others(O),
    /// The token is made worthless.
    Revoke,
    /// The run is asked to end.
    Terminate,
    /// The program is killed. Only where the program runs.
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

/// Whether lists of files or versions are among the requests.
pub(crate) fn is_about_lists(on: &Match) -> bool {
    matches!(on.call, None | Some(Call::Files | Call::Versions))
}

/// A file: its name and its content.
pub(crate) type File = (String, Content);

/// The bytes of a file, as a number that they follow from and a length.
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
