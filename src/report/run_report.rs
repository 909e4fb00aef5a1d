//! The report of a run.

use std::iter;

use url::Url;

use super::plan::{Action, Planned};
use crate::checksum::Sha256;
use crate::command::Command;
use crate::hint::{self, Explain, Problem};
use crate::package::{FileName, Target, Version};
use crate::sanitize::Sanitized;
use crate::stop::Signal;
use crate::units;

/// The status of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was uploaded, and the registry has the identical file.
    Uploaded,
    /// It was downloaded and is at its destination.
    Downloaded,
    /// The identical file existed before.
    Unchanged,
    /// It replaced different content, and the registry has the identical file.
    Replaced,
    /// It already exists with different content, and `if-file-exists: skip` keeps that.
    Skipped,
    /// It is missing at its destination, or differs there.
    Failed,
    /// It may be on the registry, but was not verified.
    Unknown,
    /// It would be uploaded in a real run.
    Planned,
    /// It was not attempted, because the run ended early.
    NotAttempted,
}

impl Status {
    const ALL: [Self; 9] = [
        Self::Uploaded,
        Self::Replaced,
        Self::Downloaded,
        Self::Unchanged,
        Self::Skipped,
        Self::Planned,
        Self::Failed,
        Self::Unknown,
        Self::NotAttempted,
    ];

    /// Returns the word for the status in log and outputs.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Uploaded => "uploaded",
            Self::Downloaded => "downloaded",
            Self::Unchanged => "unchanged",
            Self::Replaced => "replaced",
            Self::Skipped => "skipped",
            Self::Planned => "planned",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::NotAttempted => "not-attempted",
        }
    }

    /// Whether the file is in place or skipped.
    #[must_use]
    pub(crate) fn is_success(self) -> bool {
        self.is_in_place() || self == Self::Skipped
    }

    /// Whether the identical file is at its destination.
    #[must_use]
    pub(crate) fn is_in_place(self) -> bool {
        matches!(self, Self::Uploaded | Self::Replaced | Self::Downloaded | Self::Unchanged)
    }
}

/// The source of the hash that a downloaded file was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VerifiedBy {
    /// The registry's list.
    Registry,
    /// The version's checksums file.
    Checksums,
    /// A checksums file of the workspace.
    Workspace,
    /// None: only the length was compared, with that which the server announced.
    None,
}

impl VerifiedBy {
    /// Returns the word for the source in outputs and summary.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Checksums => "checksums",
            Self::Workspace => "workspace",
            Self::None => "none",
        }
    }
}

/// The local side of a downloaded file.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    /// Its path relative to the workspace, not sanitized.
    pub(crate) path: String,
    /// The source of its hash.
    pub(crate) verified_by: VerifiedBy,
}

/// A file of the run and its status.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name on the registry.
    pub(crate) name: FileName,
    /// Where it is downloaded from.
    pub(crate) url: Url,
    /// Its length in bytes; `None` if that is unknown.
    pub(crate) size: Option<u64>,
    /// Its hash, if that is known.
    pub(crate) sha256: Option<Sha256>,
    /// Its status.
    pub status: Status,
    /// The local side of a download; `None` for a published file.
    pub(crate) local: Option<Local>,
}

/// The report of a run. `outcomes` has every file of the plan, in its order.
pub struct RunReport {
    pub(crate) command: Command,
    /// The version that was published to, or downloaded from; `None` if the errors have to be fixed before anything is sent.
    pub(crate) target: Option<Target>,
    /// The folder relative to the workspace that files were downloaded to; empty if there is none.
    pub(crate) folder: String,
    /// The path of the copy of the checksums file, relative to the workspace; empty if there is none.
    pub(crate) checksums_file: String,
    /// The files that the checksums file covers: every other file of the version. The checksums file is the last of `outcomes`.
    pub(crate) covered: Vec<FileName>,
    /// The aliases that are identical to this version now.
    pub(crate) aliases: Vec<Version>,
    /// The outcome of each file.
    pub outcomes: Vec<Outcome>,
    /// The plan, if this was a dry run.
    pub(crate) plan: Option<Vec<Planned>>,
    /// Whether no request was sent, because a dry run has no token.
    pub(crate) is_offline: bool,
    /// All that failed.
    pub errors: Vec<Problem>,
    /// The page of the version, if it has one.
    pub(crate) page: Option<Url>,
    /// The signal that ended the run early.
    pub stopped: Option<Signal>,
}

impl RunReport {
    /// Returns the report of a run that has done nothing.
    pub(crate) fn new(command: Command, target: Option<Target>) -> Self {
        Self {
            command,
            target,
            folder: String::new(),
            checksums_file: String::new(),
            covered: Vec::new(),
            aliases: Vec::new(),
            outcomes: Vec::new(),
            plan: None,
            is_offline: false,
            errors: Vec::new(),
            page: None,
            stopped: None,
        }
    }

    /// Returns the report of a run that could not start because of these errors.
    #[must_use]
    pub fn rejected(command: Command, errors: Vec<impl Explain + Send + Sync + 'static>) -> Self {
        Self { errors: hint::problems(errors), ..Self::new(command, None) }
    }

    /// Whether errors have to be fixed before anything is sent.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.target.is_none()
    }

    /// Whether every file is in place or skipped, without errors. After a dry run: whether a real run would succeed, as
    /// far as it can be predicted.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let is_good = |status: Status| status.is_success() || status == Status::Planned;
        self.errors.is_empty() && self.outcomes.iter().all(|outcome| is_good(outcome.status))
    }

    /// Returns the exit code: 0 if every file is in place or skipped; 1 if an operation failed; 2 if an error must be
    /// fixed before anything can be uploaded; 130 and 143 if a signal ended the run.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.stopped {
            Some(signal) => signal.exit_code(),
            None if self.is_rejected() => 2,
            None => u8::from(!self.is_complete()),
        }
    }

    /// Returns a title of one to four words.
    pub(super) fn title(&self) -> &'static str {
        match (self.command, self.exit_code()) {
            (Command::Publish, _) if self.plan.is_some() => "Dry run of publishing",
            (Command::Publish, 0) => "Published",
            (Command::Publish, _) => "Failed to publish",
            (Command::Download, 0) => "Downloaded",
            (Command::Download, _) => "Failed to download",
        }
    }

    /// Returns one sentence, such as `Published 2 of 3 files to acme/widget 1.2.0: 2 uploaded, 1 failed`. Names in it
    /// may contain anything, so `name` formats them.
    pub(super) fn sentence(&self, name: impl Fn(&str) -> String) -> String {
        match (&self.target, &self.plan, self.command) {
            (None, _, Command::Publish) => "Nothing was uploaded".to_owned(),
            (None, _, Command::Download) => "Nothing was downloaded".to_owned(),
            (Some(_), Some(plan), _) => self.sentence_of_dry_run(plan),
            (Some(target), None, _) => self.sentence_of_run(target, name),
        }
    }

    /// Returns the sentence of a real run: the number of verified files, and the number of files per status. The
    /// registry may have files that the run could not verify, so the sentence gives no number of files on the registry.
    fn sentence_of_run(&self, target: &Target, name: impl Fn(&str) -> String) -> String {
        let count = |status: Status| self.outcomes.iter().filter(|outcome| outcome.status == status).count();
        let all = self.outcomes.len();
        let in_place = self.outcomes.iter().filter(|outcome| outcome.status.is_in_place()).count();
        let done = match self.command {
            Command::Publish => "Published",
            Command::Download => "Downloaded",
        };
        if all == 0 {
            return format!("{done} no files");
        }
        let files = match (in_place == all, units::files(all)) {
            (true, all) => all,
            (false, all) => format!("{in_place} of {all}"),
        };
        let with_errors = if in_place == all && !self.is_complete() { ", with errors" } else { "" };
        let counts = units::counts(Status::ALL.map(|status| (count(status), status.word().replace('-', " "))));
        let version = name(&format!("{}/{} {}", target.owner, target.package, target.version));
        if count(Status::Unknown) > 0 {
            return format!("Verified {files} of {version} by SHA-256: {counts}");
        }
        let route = match (self.command, self.folder.as_str()) {
            (Command::Publish, _) => {
                let aliases = self.aliases.iter().map(|alias| name(&alias.to_string()));
                let mut all: Vec<String> = iter::once(version).chain(aliases).collect();
                let last = all.pop().unwrap_or_default();
                if all.is_empty() { format!("to {last}") } else { format!("to {} and {last}", all.join(", ")) }
            }
            (Command::Download, ".") => format!("from {version} to the workspace"),
            (Command::Download, folder) => format!("from {version} to {}", name(&Sanitized::new(folder).to_string())),
        };
        let how_verified = if in_place == all { self.how_verified() } else { String::new() };
        format!("{done} {files} {route}{with_errors}: {counts}{how_verified}")
    }

    /// Returns what a real run would do, by the plan of this dry run.
    fn sentence_of_dry_run(&self, plan: &[Planned]) -> String {
        if self.is_offline && self.stopped.is_none() {
            let files = units::files(plan.iter().filter(|row| row.size.is_some()).count());
            return format!("Dry run without a token: {files} checked, no request sent to the registry");
        }
        let count = |action: Action| plan.iter().filter(|row| row.action == action).count();
        let counts = match units::counts(Action::ALL.map(|action| (count(action), action.in_sentence(count(action))))) {
            counts if counts.is_empty() => counts,
            counts => format!(": {counts}"),
        };
        let verdict = match (self.stopped, self.is_complete()) {
            (Some(_), _) => "The plan is incomplete",
            (None, true) => "A real run would succeed",
            (None, false) if count(Action::Conflict) > 0 => "A real run would fail before it uploads anything",
            (None, false) => "A real run would fail",
        };
        format!("Dry run: nothing was changed. {verdict}{counts}")
    }

    /// Returns how the files were verified, if all of them were.
    fn how_verified(&self) -> String {
        let is_unverified =
            |outcome: &&Outcome| outcome.local.as_ref().is_some_and(|local| local.verified_by == VerifiedBy::None);
        let all = if self.outcomes.len() == 1 { "" } else { "all " };
        match self.outcomes.iter().filter(is_unverified).count() {
            0 => format!(", {all}verified by SHA-256"),
            count if count == self.outcomes.len() => format!(", {all}verified by size only"),
            count => format!(", {} verified by SHA-256, {count} by size only", self.outcomes.len() - count),
        }
    }
}
