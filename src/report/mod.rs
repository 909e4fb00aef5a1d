//! What people and later steps are told: the log, the outputs, the exit code.
//!
//! The library reports through [`Reporter`]; only the binary knows where the log goes.

mod console;
mod output;
pub mod units;

use std::time::Duration;

use serde::Serialize;
use url::Url;

pub use self::console::Console;
pub use self::output::{NAMES as OUTPUT_NAMES, OutputError, Outputs};
use crate::checksum::Sha256;
use crate::package::{FileName, Target};

/// Hears of a run as it goes on.
pub trait Reporter: Sync {
    /// Inputs, files and names are good; the first request follows.
    fn begins(&self, header: &Header<'_>);
    /// Something is worth a look, though nothing has failed.
    fn warns(&self, warning: &str);
    /// A file has come to its end, but for the last look at the registry. `took` is for those that were sent.
    fn file_ends(&self, outcome: &Outcome, took: Option<Duration>);
}

/// What a run is about to do.
#[derive(Debug)]
pub struct Header<'a> {
    /// Where the files go.
    pub target: &'a Target,
    /// As whom; text from outside.
    pub username: &'a str,
    /// How many files there are.
    pub files: usize,
    /// Their length together, in bytes.
    pub total_size: u64,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It was sent, and is on the registry bit for bit.
    Uploaded,
    /// It was on the registry already, bit for bit.
    Unchanged,
    /// It is not on the registry, or not as it is here.
    Failed,
    /// It may be on the registry: it could not be verified.
    Unknown,
    /// It was not sent, since the run had to end before.
    NotAttempted,
}

impl Status {
    /// The word for it in log and outputs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Uploaded => "uploaded",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::NotAttempted => "not-attempted",
        }
    }

    /// Whether the file is on the registry, bit for bit.
    #[must_use]
    pub fn is_published(self) -> bool {
        matches!(self, Self::Uploaded | Self::Unchanged)
    }
}

/// A file of the plan and what became of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name on the registry.
    pub name: FileName,
    /// Where it is downloaded from.
    pub url: Url,
    /// Its length in bytes.
    pub size: u64,
    /// Its hash, where it was read to its end.
    pub sha256: Option<Sha256>,
    /// What became of it.
    pub status: Status,
}
