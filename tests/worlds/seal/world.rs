//! A world for seals and aliases: what the version and its aliases have, and what goes wrong or happens meanwhile.

use std::time::Duration;

use embedded_registry::{Action, Persona, Point};

use super::super::world::{Content, Runs};

/// The name of the seal.
pub(super) const SEAL: &str = "SHA256SUMS";

/// The version that is sealed.
pub(super) const VERSION: &str = "v1.0.0";
/// The version that another run seals, where it is not the same.
pub(super) const OTHER: &str = "v2.0.0";
/// The versions that become what it is.
pub(super) const ALIASES: [&str; 2] = ["latest", "night/ly"];

/// Everything that a run meets.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) persona: Persona,
    /// What the run publishes itself.
    pub(super) own: Vec<(String, Content)>,
    /// What the version has already, of other jobs.
    pub(super) there: Vec<(String, Content)>,
    /// Whether it has a seal that is not right.
    pub(super) has_old_seal: bool,
    /// What each alias has.
    pub(super) aliases: Vec<Vec<(String, Content)>>,
    /// Another run at the same time, where there is one.
    pub(super) rival: Option<Rival>,
    pub(super) concurrency: usize,
    pub(super) retries: u32,
    /// How long nothing may move. Short where something hangs.
    pub(super) silence: Duration,
    pub(super) runs: Runs,
    /// Whether everything that goes wrong passes while tries are left, so that the run has to end as if nothing had.
    pub(super) heals: bool,
    pub(super) events: Vec<Event>,
}

/// A run that seals at the same time, and makes the same aliases.
#[derive(Clone, Debug)]
pub(super) struct Rival {
    /// Whether it seals another version.
    pub(super) is_of_other: bool,
    pub(super) own: Vec<(String, Content)>,
}

impl Rival {
    pub(super) fn version(&self) -> &'static str {
        if self.is_of_other { OTHER } else { VERSION }
    }
}

/// Something that goes wrong, or happens, during a request.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) on: On,
    /// Whether it is about requests for an alias alone.
    pub(super) of_alias: bool,
    pub(super) at: Point,
    pub(super) act: Act,
    /// On how many requests; `usize::MAX` means on all.
    pub(super) times: usize,
    /// How many matching requests pass first.
    pub(super) skip: usize,
}

/// Which requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    List,
    /// Uploads, and the question for the right, which is one.
    Put,
    PutOfSeal,
    Get,
    Delete,
}

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A fault of the registry or of the way there.
    Fault(Action),
    /// Another job publishes a file of that number to the version.
    Publish(usize),
    /// Another job replaces the seal.
    ReplaceSeal,
    /// Another job publishes a file to the first alias.
    PublishToAlias,
    /// Another job replaces what the first alias has under the name of that number.
    ReplaceInAlias(usize),
    /// Another job deletes that there.
    DeleteInAlias(usize),
    /// The token is made worthless.
    Revoke,
    /// The run is asked to end.
    Terminate,
    /// The program is killed. Only where the program runs.
    Kill,
}

impl World {
    pub(super) fn has(&self, meant: impl Fn(&Act) -> bool) -> bool {
        self.events.iter().any(|event| meant(&event.act))
    }

    /// The names that the version may come to have, but for the seal.
    pub(super) fn names(&self) -> Vec<&str> {
        self.own.iter().chain(&self.there).map(|(name, _)| name.as_str()).collect()
    }
}
