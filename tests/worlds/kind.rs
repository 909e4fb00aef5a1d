//! The traits of a kind of world: its data, its run and its checks.

use std::fmt;

use embedded_registry::{self as registry, Match, Registry, Request};
use fastrand::Rng;
use generic_packages::command::Command;

use super::credential::Credential;
use super::job::{Job, Ran};
use super::journal::Journal;
use super::outputs::Outputs;
use super::world::{Setting, World};

/// A kind of world. Its value is the data that only this kind has.
pub(crate) trait Kind: Clone + fmt::Debug + Send + Sync + 'static {
    /// Its name in reports.
    const NAME: &'static str;
    /// The command of the run.
    const TASK: Command;
    /// The program runs if the seed is a multiple of this number; otherwise the library runs.
    const PROGRAM_EVERY: u64;
    /// Makes the random numbers of each kind different for the same seed.
    const SALT: u64;
    /// Whether lists may differ from the stored files. If not, a run knows at its end what was stored when the last
    /// list was made.
    const CAN_ALTER_LISTS: bool;

    /// The actions of other jobs.
    type Others: Clone + fmt::Debug + Send + Sync + 'static;
    /// The entries that are recorded during a run.
    type Entries: Send + 'static;
    /// Everything that a run can change, at one moment.
    type State;

    /// Draws the data of this kind, except the actions of other jobs.
    fn draw(rng: &mut Rng, setting: &Setting) -> Self;

    /// Draws a selection of requests, and the length of a file that they may transfer.
    fn requests(&self, rng: &mut Rng) -> (Match, usize);

    /// Draws an action of another job.
    fn others(&self, rng: &mut Rng) -> Self::Others;

    /// Changes the drawn events so that every check is decidable.
    fn settle(_world: &mut World<Self>) {}

    /// Stores the initial files on the registry.
    fn store_initial_files(&self, registry: &Registry) -> Self::Entries;

    /// Adds hooks that record events. They act before the events of the world.
    fn observe(&self, _registry: &Registry, _journal: &Journal<Self::Entries>) {}

    /// Performs an action of another job, during one of the matching requests.
    fn act(&self, others: &Self::Others, during: &Match, on: &registry::World, entries: &mut Self::Entries);

    /// Revokes the credential of the run.
    fn revoke(credential: &Credential, on: &registry::World, _entries: &mut Self::Entries) {
        credential.revoke(on);
    }

    /// Executes the delayed requests after the end of a run.
    fn catch_up(_on: &registry::World, _entries: &mut Self::Entries) {}

    /// Configures a job for this world.
    fn job(&self, job: Job) -> Job;

    /// Configures the job that runs at the same time, if there is one.
    fn rival(&self, _job: Job) -> Option<Job> {
        None
    }

    /// Whether another job runs at the same time.
    fn has_rival(&self) -> bool {
        false
    }

    /// Whether the run has no token.
    fn is_visitor(&self) -> bool {
        false
    }

    /// Returns the current state.
    fn state(&self, registry: &Registry, job: &Job) -> Self::State;
}

/// The checks of a kind of world. Numbers such as (i) refer to the promises in its module.
pub(crate) trait Promises: Kind {
    /// Returns the violations in the outputs.
    fn wrong_outputs(scene: &Scene<'_, Self>, outputs: &Outputs) -> Vec<String>;

    /// Whether a run of this world may send this request.
    fn may_send(scene: &Scene<'_, Self>, request: &Request) -> bool;

    /// Returns the violations in the requests and the resulting files.
    fn wrong_actions(scene: &Scene<'_, Self>) -> Vec<String>;

    /// (v): returns the violations of a run without lasting faults.
    fn wrong_ending(scene: &Scene<'_, Self>, outputs: &Outputs) -> Vec<String>;
}

/// A run in its world, with the data for its checks.
pub(crate) struct Scene<'a, K: Kind> {
    pub(crate) world: &'a World<K>,
    pub(crate) ran: &'a Ran,
    /// The job that ran at the same time.
    pub(crate) rival: Option<&'a Ran>,
    pub(crate) before: &'a K::State,
    pub(crate) after: &'a K::State,
    pub(crate) entries: &'a K::Entries,
    /// The package's link before and after the run.
    pub(crate) linked: [Option<String>; 2],
    pub(crate) requests: &'a [Request],
    /// Whether the previous run was broken off, so that one of its uploads may still be running.
    pub(crate) follows_interrupted_run: bool,
}

impl<'a, K: Kind> Scene<'a, K> {
    pub(crate) fn of(
        world: &'a World<K>,
        entries: &'a K::Entries,
        ran: &'a Ran,
        before: &'a K::State,
        after: &'a K::State,
    ) -> Self {
        Self {
            world,
            ran,
            rival: None,
            before,
            after,
            entries,
            linked: [None, None],
            requests: &[],
            follows_interrupted_run: false,
        }
    }
}
