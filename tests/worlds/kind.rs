//! What a kind of world has to say of itself: what is drawn, what the run is, and what has to hold.

use std::fmt;

use embedded_registry::{self as registry, Match, Registry, Request};
use fastrand::Rng;
use generic_packages::command::Command;

use super::job::{Job, Ran};
use super::journal::Journal;
use super::outputs::Outputs;
use super::script::TOKENS;
use super::world::{Setting, World};

/// A kind of world; a value of it is what only such a world has.
pub(crate) trait Kind: Clone + fmt::Debug + Send + Sync + 'static {
    /// What it is called in a report.
    const NAME: &'static str;
    /// What the run does.
    const TASK: Command;
    /// The program runs where the seed is a multiple of this, and the library elsewhere.
    const PROGRAM_EVERY: u64;
    /// Keeps the kinds apart that are drawn from one seed.
    const SALT: u64;
    /// Whether a list may be drawn that shows what is not there. Where it may not, what was there when the last list was
    /// made is what a run knows at its end.
    const LISTS_MAY_LIE: bool;

    /// What other jobs do meanwhile.
    type Others: Clone + fmt::Debug + Send + Sync + 'static;
    /// What is put down while a run goes on.
    type Entries: Send + 'static;
    /// All that a run can change, as it is at one moment.
    type State;

    /// What only this kind has, but for what others do.
    fn draw(rng: &mut Rng, setting: &Setting) -> Self;

    /// Some of the requests of a run, and the length of a file that they may be about.
    fn requests(&self, rng: &mut Rng) -> (Match, usize);

    /// Something that others do.
    fn others(&self, rng: &mut Rng) -> Self::Others;

    /// Makes of what was drawn a world in which everything can be decided.
    fn settle(_world: &mut World<Self>) {}

    /// Puts what is there at the start on the registry.
    fn stock(&self, registry: &Registry) -> Self::Entries;

    /// Lets the registry put down what it sees. These hooks come before everything else that happens.
    fn observe(&self, _registry: &Registry, _journal: &Journal<Self::Entries>) {}

    /// Does what others do, during one of these requests.
    fn act(&self, others: &Self::Others, during: &Match, on: &registry::World, entries: &mut Self::Entries);

    /// Makes the token worthless.
    fn revoke(on: &registry::World, _entries: &mut Self::Entries) {
        on.revoke(TOKENS[0]);
    }

    /// Does what is late when a run has ended.
    fn catch_up(_on: &registry::World, _entries: &mut Self::Entries) {}

    /// Makes a bare job the one of this world.
    fn job(&self, job: Job) -> Job;

    /// Makes a bare job the one that runs at the same time, where one does.
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

    /// How everything is now.
    fn state(&self, registry: &Registry, job: &Job) -> Self::State;
}

/// What has to hold in a kind of world; the numbers are those of its promises.
pub(crate) trait Promises: Kind {
    /// What is wrong with the outputs.
    fn wrong_outputs(scene: &Scene<'_, Self>, outputs: &Outputs) -> Vec<String>;

    /// Whether a run of this world may send this request.
    fn may_send(scene: &Scene<'_, Self>, request: &Request) -> bool;

    /// What is wrong with what was done.
    fn wrong_actions(scene: &Scene<'_, Self>) -> Vec<String>;

    /// (v): what is wrong with a run that nothing stood in the way of for long.
    fn wrong_ending(scene: &Scene<'_, Self>, outputs: &Outputs) -> Vec<String>;
}

/// A run in its world, and what is known around it.
pub(crate) struct Scene<'a, K: Kind> {
    pub(crate) world: &'a World<K>,
    pub(crate) ran: &'a Ran,
    /// The job that ran at the same time.
    pub(crate) rival: Option<&'a Ran>,
    pub(crate) before: &'a K::State,
    pub(crate) after: &'a K::State,
    pub(crate) entries: &'a K::Entries,
    /// What the package was linked to before, and is after.
    pub(crate) linked: [Option<String>; 2],
    pub(crate) requests: &'a [Request],
    /// Whether the run before it was broken off, so that an upload of its may still be on its way when this one begins.
    pub(crate) follows_a_break: bool,
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
            follows_a_break: false,
        }
    }
}
