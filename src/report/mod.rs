//! What people and later steps are told: the log, the outputs, the exit code.
//!
//! The library reports through [`Reporter`]; only the binary knows where the log goes.

mod console;
mod live;
mod output;
mod summary;
pub mod units;

use std::fmt::Display;
use std::time::Duration;

use serde::Serialize;
use url::Url;

pub use self::console::Console;
pub use self::output::NAMES as OUTPUT_NAMES;
use self::output::Outputs;
use crate::advice::{Advise, Problem};
use crate::checksum::Sha256;
use crate::package::{FileName, Target};
use crate::runner::Runner;
use crate::secret::Redactor;
use crate::stop::Signal;
use crate::untrusted::Untrusted;

/// Hears of a run as it goes on.
pub trait Reporter: Sync {
    /// Inputs, files and names are good; the first request follows.
    fn begins(&self, header: &Header<'_>);
    /// Something is worth a look, though nothing has failed.
    fn warns(&self, warning: &str);
    /// Something is worth knowing, and nothing to worry about.
    fn notes(&self, note: &str);
    /// Something failed that is tried again after a wait, which begins now.
    fn retries(&self, retry: &Retry<'_>);
    /// An upload goes on. Heard of every [`Reporter::progress_interval`].
    fn progresses(&self, progress: &Progress<'_>);
    /// How often to hear of an upload that goes on.
    fn progress_interval(&self) -> Duration;
    /// The registry has a file already, bit for bit.
    fn file_unchanged(&self, name: &FileName, size: u64);
    /// An upload has ended, in whichever way.
    fn upload_ends(&self, name: &FileName);
    /// An upload has ended with the registry's word that it has the file. The next look at the registry is still to come.
    fn file_sent(&self, name: &FileName, size: u64, took: Duration);
    /// A request has had its answer, or has none to wait for.
    fn request_ends(&self, exchange: &Exchange<'_>);
}

/// What is tried again, and when.
pub struct Retry<'a> {
    /// What failed, in a few words.
    pub what: &'a (dyn Display + Sync),
    /// Why.
    pub why: &'a (dyn Display + Sync),
    /// How long from now.
    pub wait: Duration,
    /// Which retry it is, from 1.
    pub number: u32,
    /// How many there can be.
    pub of: u32,
}

/// How far an upload is.
#[derive(Debug)]
pub struct Progress<'a> {
    /// The file.
    pub name: &'a FileName,
    /// How many bytes were sent.
    pub sent: u64,
    /// How many there are.
    pub size: u64,
    /// Since it began.
    pub took: Duration,
}

/// A request and its answer, without anything secret.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, percent-encoded.
    pub path: &'a str,
    /// The status of the answer; `None` where there is none.
    pub status: Option<u16>,
    /// From the first byte of the request to the head of the answer.
    pub took: Duration,
}

/// What a run is about to do.
#[derive(Debug)]
pub struct Header<'a> {
    /// Where the files go.
    pub target: &'a Target,
    /// As whom; empty where nobody is named.
    pub username: Untrusted,
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
    /// It was sent in place of other content, and is on the registry bit for bit.
    Replaced,
    /// The registry has other content under its name, and was to keep it.
    Skipped,
    /// It is not on the registry, or not as it is here.
    Failed,
    /// It may be on the registry: it could not be verified.
    Unknown,
    /// It was not sent, since the run had to end before.
    NotAttempted,
}

impl Status {
    const ALL: [Self; 7] = [
        Self::Uploaded,
        Self::Replaced,
        Self::Unchanged,
        Self::Skipped,
        Self::Failed,
        Self::Unknown,
        Self::NotAttempted,
    ];

    /// The word for it in log and outputs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Uploaded => "uploaded",
            Self::Unchanged => "unchanged",
            Self::Replaced => "replaced",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::NotAttempted => "not-attempted",
        }
    }

    /// Whether the file is on the registry, bit for bit.
    #[must_use]
    pub fn is_published(self) -> bool {
        matches!(self, Self::Uploaded | Self::Replaced | Self::Unchanged)
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

/// What a run has done that came as far as its first request. `outcomes` has every file of the plan, in its order.
pub struct Publication {
    /// What was published to.
    pub target: Target,
    /// What became of each file.
    pub outcomes: Vec<Outcome>,
    /// All that failed.
    pub errors: Vec<Problem>,
    /// The page of the version, where it has one.
    pub page: Option<Url>,
    /// What ended the run before its end.
    pub stopped: Option<Signal>,
}

impl Publication {
    /// Whether every file is on the registry, bit for bit, but for those that were to be skipped.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_as_wanted = |status: Status| status.is_published() || status == Status::Skipped;
        self.errors.is_empty() && self.outcomes.iter().all(|outcome| is_as_wanted(outcome.status))
    }
}

/// How a run ended.
pub enum Ending {
    /// Before its first request, with everything that has to be put right.
    Rejected(Vec<Problem>),
    /// After it.
    Published(Box<Publication>),
}

impl Ending {
    /// The end of a run that has problems of one kind.
    #[must_use]
    pub fn rejected(problems: Vec<impl Advise + Send + Sync + 'static>) -> Self {
        Self::Rejected(problems.into_iter().map(|problem| Box::new(problem) as Problem).collect())
    }

    /// What the step exits with: 0 where every file is on the registry, bit for bit, but for those that were to be
    /// skipped; 1 where something failed; 2 where something has to be put right before anything can be sent; 130 and 143
    /// where a signal ended it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Rejected(_) => 2,
            Self::Published(publication) => match publication.stopped {
                Some(signal) => signal.exit_code(),
                None => u8::from(!publication.is_complete()),
            },
        }
    }

    /// What became of each file.
    fn outcomes(&self) -> &[Outcome] {
        match self {
            Self::Rejected(_) => &[],
            Self::Published(publication) => &publication.outcomes,
        }
    }

    /// Everything that went wrong.
    fn problems(&self) -> Vec<&dyn Advise> {
        let problems = match self {
            Self::Rejected(problems) => problems,
            Self::Published(publication) => &publication.errors,
        };
        problems.iter().map(|problem| &**problem as &dyn Advise).collect()
    }

    /// The page of the version, where it has one.
    fn page(&self) -> Option<&Url> {
        match self {
            Self::Rejected(_) => None,
            Self::Published(publication) => publication.page.as_ref(),
        }
    }

    /// One sentence: `2 of 3 files on the registry: 2 uploaded, 1 failed`.
    fn sentence(&self) -> String {
        let Self::Published(publication) = self else { return "Nothing was sent".to_owned() };
        let outcomes = &publication.outcomes;
        let published = outcomes.iter().filter(|outcome| outcome.status.is_published()).count();
        let all = units::files(outcomes.len());
        let counts = Status::ALL
            .into_iter()
            .map(|status| (outcomes.iter().filter(|outcome| outcome.status == status).count(), status))
            .filter(|(count, _)| *count > 0)
            .map(|(count, status)| format!("{count} {}", status.word()))
            .collect::<Vec<_>>()
            .join(", ");
        match (outcomes.len(), publication.is_complete()) {
            (0, _) => "No file was published: there is none".to_owned(),
            (_, true) if published == outcomes.len() => {
                format!("{all} on the registry, verified by size and SHA-256: {counts}")
            }
            (_, true) => format!("{published} of {all} on the registry, verified by size and SHA-256: {counts}"),
            (_, false) => format!("{published} of {all} on the registry: {counts}"),
        }
    }
}

/// Writes the outputs and the summary to where the runner wants them. What stands in the way is no failure of what
/// was published: it is returned as warnings.
#[must_use]
pub fn hand_over(ending: &Ending, runner: &Runner, redactor: &Redactor) -> Vec<String> {
    let mut warnings = hand_over_outputs(ending, runner);
    if let Some(path) = &runner.summary {
        let written = summary::write(path, &summary::markdown(ending, redactor));
        warnings.extend(written.err().map(|error| format!("the summary is lost: {error}")));
    }
    warnings
}

/// The outputs alone. Written twice, the later ones count: that is how runners read them.
#[must_use]
pub fn hand_over_outputs(ending: &Ending, runner: &Runner) -> Vec<String> {
    let (outputs, mut warnings) = Outputs::of(ending);
    match &runner.output {
        Some(path) => {
            // A runner that runs the job on its host has no such file in the container.
            if runner.reads_commands() && !path.exists() {
                warnings.push("GITHUB_OUTPUT is not there, so later steps may get no outputs".to_owned());
            }
            warnings.extend(outputs.write(path).err().map(|error| format!("the outputs are lost: {error}")));
        }
        None if runner.reads_commands() => {
            warnings.push("GITHUB_OUTPUT is not set, so later steps get no outputs".to_owned());
        }
        None => {}
    }
    warnings
}
