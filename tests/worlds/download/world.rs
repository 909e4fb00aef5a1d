//! A world for downloads: what a version has, what is here already, and what goes wrong or happens meanwhile.

use std::time::Duration;

use embedded_registry::{Action, Persona, Point};

use super::super::world::{Content, Runs};

/// Everything that a run meets.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is drawn alone")]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) persona: Persona,
    pub(super) version: &'static str,
    /// Whether the version is to be found by `latest`.
    pub(super) is_latest: bool,
    pub(super) files: Vec<File>,
    /// Whether there is no token.
    pub(super) is_visitor: bool,
    /// Whether the version has a file of checksums, which is to be used.
    pub(super) has_checksums: bool,
    pub(super) concurrency: usize,
    pub(super) retries: u32,
    /// How long nothing may move. Short where something hangs.
    pub(super) silence: Duration,
    pub(super) runs: Runs,
    /// Whether everything that goes wrong passes while tries are left, so that the run has to end as if nothing had.
    pub(super) heals: bool,
    pub(super) events: Vec<Event>,
}

/// A file of the version.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) content: Content,
    /// What is here under its name.
    pub(super) here: Option<Content>,
    /// What an earlier run has left of it.
    pub(super) part: Option<Content>,
    pub(super) is_wanted: bool,
}

/// Something that goes wrong, or happens, during a request.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) on: On,
    pub(super) at: Point,
    pub(super) act: Act,
    /// On how many requests; `usize::MAX` means on all.
    pub(super) times: usize,
    /// How many matching requests pass first.
    pub(super) skip: usize,
}

/// Which requests. Files go by their index in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    Any,
    Versions,
    List,
    AnyGet,
    Get(usize),
}

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A fault of the registry or of the way there.
    Fault(Action),
    /// Another job replaces a file, by one of the same length or of another.
    Replace(usize, Content),
    /// Another job deletes a file.
    Delete(usize),
    /// The token is made worthless.
    Revoke,
    /// The run is asked to end.
    Terminate,
    /// The program is killed. Only where the program runs.
    Kill,
}

/// The file of checksums.
pub(super) const CHECKSUMS: &str = "checksums.sha256";

impl World {
    /// Whether the registry shows its lists to who asks.
    pub(super) fn is_listed(&self) -> bool {
        !self.is_visitor || self.persona == Persona::Forgejo15
    }

    /// Whether it may be that only the length of what comes is known to be right: also where somebody else refuses the
    /// list.
    pub(super) fn may_be_unverified(&self) -> bool {
        let is_refused = |event: &Event| matches!(&event.act, Act::Fault(Action::Answer(it)) if it.status == 401);
        self.is_visitor && !self.has_checksums && (!self.is_listed() || self.events.iter().any(is_refused))
    }

    pub(super) fn has(&self, meant: impl Fn(&Act) -> bool) -> bool {
        self.events.iter().any(|event| meant(&event.act))
    }

    /// Whether bytes come, under a good status, that are not those of the file.
    pub(super) fn lies(&self) -> bool {
        self.events.iter().any(|event| match &event.act {
            Act::Fault(Action::SendOtherBytes) => true,
            Act::Fault(Action::Raw(_)) => matches!(event.at, Point::AnswerByte(_)),
            Act::Fault(Action::Answer(answer)) => answer.status < 300,
            _ => false,
        })
    }
}
