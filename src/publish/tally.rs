//! What has become of each file so far.

use std::collections::BTreeMap;

use url::Url;

use super::error::PublishError;
use super::send::{Ended, Failure};
use crate::checksum::Sha256;
use crate::inputs::IfFileExists;
use crate::package::Target;
use crate::plan::{Conflict, NamedFile};
use crate::report::{Outcome, Reporter, Status};

/// What has become of each file so far. Files go by their index in the plan.
pub(super) struct Tally {
    /// One for each file of the plan. Whatever ends the run, it ends as these say.
    pub(super) outcomes: Vec<Outcome>,
    /// What went wrong with files that may be on the registry all the same.
    pub(super) doubts: BTreeMap<usize, PublishError>,
    /// The files that are to take the place of what is there.
    pub(super) replacements: BTreeMap<usize, Conflict>,
    pub(super) errors: Vec<PublishError>,
    /// The file in doubt for which others were not sent, where there is one.
    pub(super) held_up_by: Option<usize>,
    /// Whether anything was sent.
    pub(super) has_sent: bool,
    if_file_exists: IfFileExists,
    /// Where files can be deleted by hand.
    page: Url,
}

impl Tally {
    pub(super) fn new(files: &[NamedFile], target: &Target, if_file_exists: IfFileExists) -> Self {
        let outcome = |file: &NamedFile| Outcome {
            name: file.name.clone(),
            url: target.file_url(&file.name),
            size: file.local.size,
            sha256: None,
            status: Status::NotAttempted,
        };
        Self {
            outcomes: files.iter().map(outcome).collect(),
            doubts: BTreeMap::new(),
            replacements: BTreeMap::new(),
            errors: Vec::new(),
            held_up_by: None,
            has_sent: false,
            if_file_exists,
            page: target.page_url(),
        }
    }

    /// The file is on its way: from here on it may be on the registry.
    pub(super) fn begins(&mut self, index: usize) {
        self.outcomes[index].status = Status::Unknown;
        self.has_sent = true;
    }

    /// The registry has the file.
    pub(super) fn is_there(&mut self, index: usize, status: Status, sha256: Sha256) {
        self.outcomes[index].status = status;
        self.outcomes[index].sha256 = Some(sha256);
    }

    pub(super) fn fails(&mut self, index: usize, error: impl Into<PublishError>) {
        self.outcomes[index].status = Status::Failed;
        self.errors.push(error.into());
    }

    /// The registry has other content under the name.
    pub(super) fn differs(&mut self, index: usize, conflict: Conflict, reporter: &dyn Reporter) {
        let outcome = &mut self.outcomes[index];
        match self.if_file_exists {
            IfFileExists::Fail => {
                let page = self.page.clone();
                self.fails(index, PublishError::Conflict { conflict, page });
            }
            IfFileExists::Skip => {
                outcome.status = Status::Skipped;
                reporter.warns(&format!("{conflict}; it is skipped, so the registry's content stays"));
            }
            IfFileExists::Overwrite => {
                outcome.status = Status::NotAttempted;
                self.replacements.insert(index, conflict);
            }
        }
    }

    /// Takes note of what sending a file came to; `true` where no other file is to be sent.
    pub(super) fn record(&mut self, index: usize, result: Result<Ended, Failure>, reporter: &dyn Reporter) -> bool {
        match result {
            Ok(Ended::Stored(status, sha256)) => self.is_there(index, status, sha256),
            Ok(Ended::Differs(conflict)) => self.differs(index, conflict, reporter),
            Err(Failure { error, may_be_there: true, ends_run }) => {
                self.outcomes[index].status = Status::Unknown;
                self.doubts.insert(index, error);
                return ends_run;
            }
            Err(Failure { error, ends_run, .. }) => {
                self.outcomes[index].status = Status::Failed;
                // What meets every file is said once, though several uploads that ran at once have met it.
                if !(ends_run && self.errors.iter().any(|known| known.has_the_cause_of(&error))) {
                    self.errors.push(error);
                }
                return ends_run;
            }
        }
        false
    }

    /// A file ended the sending; `others` were left to send.
    pub(super) fn holds_up(&mut self, index: usize, others: bool) {
        if others && self.doubts.contains_key(&index) {
            self.held_up_by.get_or_insert(index);
        }
    }

    /// Whether something has gone wrong, or is in doubt.
    pub(super) fn is_clouded(&self) -> bool {
        !(self.errors.is_empty() && self.doubts.is_empty())
    }
}
