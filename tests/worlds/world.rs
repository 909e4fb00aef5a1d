//! A world: what is published, what is there already, and what goes wrong or happens meanwhile.
//!
//! It is plain data that follows from its seed alone, so that a seed replays it and `Debug` shows it.

use std::fmt;
use std::time::Duration;

use embedded_registry::{Action, Persona, Point};

/// Everything that a run meets.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) persona: Persona,
    pub(crate) version: &'static str,
    /// The local files.
    pub(crate) files: Vec<File>,
    /// Files of the version that are not published.
    pub(crate) unrelated: Vec<(String, Content)>,
    pub(crate) policy: Policy,
    pub(crate) concurrency: usize,
    pub(crate) retries: u32,
    /// How long nothing may move. Short where something hangs.
    pub(crate) silence: Duration,
    pub(crate) runs: Runs,
    /// Whether everything that goes wrong passes while tries are left, so that the run has to end as if nothing had.
    pub(crate) heals: bool,
    pub(crate) events: Vec<Event>,
}

/// A local file, and what the registry has under its name.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) content: Content,
    /// What is there: its spelling of the name, and its content.
    pub(crate) there: Option<(String, Content)>,
}

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

/// `if-file-exists`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Fail,
    Skip,
    Overwrite,
}

impl Policy {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::Overwrite => "overwrite",
        }
    }
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
pub(crate) struct Event {
    pub(crate) on: On,
    pub(crate) at: Point,
    pub(crate) act: Act,
    /// On how many requests; `usize::MAX` means on all.
    pub(crate) times: usize,
    /// How many matching requests pass first.
    pub(crate) skip: usize,
}

/// Which requests. Files go by their index in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Any,
    List,
    Version,
    /// Uploads, and the question for the right, which is one.
    AnyPut,
    Put(usize),
    Question,
    AnyDelete,
}

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A fault of the registry or of the way there.
    Fault(Action),
    /// Another job publishes what we publish.
    PublishSame(usize),
    /// Another job publishes other content under our name.
    PublishOther(usize),
    /// Another job replaces what is there under our name.
    Replace(usize),
    /// Another job deletes what is there under our name.
    Delete(usize),
    /// Another job publishes a file of another name.
    PublishUnrelated,
    /// Another job deletes a file of another name.
    DeleteUnrelated,
    /// The connection of an upload is reset, and what it carried is stored only later.
    StoreLater(usize, Later),
    /// The connection of a DELETE is reset, and it is carried out only later.
    DeleteLater(usize, Later),
    /// The token is made worthless.
    Revoke,
    /// The run is asked to end.
    Terminate,
    /// The program is killed. Only where the program runs.
    Kill,
}

impl Act {
    /// The file that somebody else changes, or that changes later than anybody was told.
    pub(crate) fn file(&self) -> Option<usize> {
        match self {
            Self::PublishSame(file)
            | Self::PublishOther(file)
            | Self::Replace(file)
            | Self::Delete(file)
            | Self::StoreLater(file, _)
            | Self::DeleteLater(file, _) => Some(*file),
            _ => None,
        }
    }

    /// Whether it takes away what may have been ours.
    pub(crate) fn takes_away(&self) -> bool {
        matches!(self, Self::Replace(_) | Self::Delete(_) | Self::DeleteLater(..))
    }
}

/// When something happens that was asked for earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Later {
    /// Before a list is made, so many lists later.
    List(usize),
    /// When the next head of an upload has come.
    Put,
    /// When the run has ended.
    End,
}
