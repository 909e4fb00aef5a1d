//! What is known of each file. Whatever ends the run, it ends as this says: a file counts as `unknown` from the moment
//! that it is sent until a list shows what became of it.

use std::time::Duration;

use url::Url;

use super::error::{Evidence, PublishError};
use super::send::Stumble;
use crate::checksum::Sha256;
use crate::files::FileError;
use crate::inputs::IfFileExists;
use crate::package::ServerUrl;
use crate::plan::{Conflict, NamedFile, Step};
use crate::registry::{Budget, Cause, Next, Refusal, Registry};
use crate::report::{Outcome, Reporter, Status};

/// What is known of one file of the plan.
pub(super) struct Entry {
    /// The file's length in bytes.
    pub(super) size: u64,
    /// What is told of it if the run ends now.
    pub(super) outcome: Outcome,
    /// The tries that it has left.
    pub(super) budget: Budget,
    /// What is to happen when the list has been read.
    pub(super) todo: Todo,
    /// Why it is not published, as far as that is known.
    pub(super) error: Option<PublishError>,
    /// Whether the registry said that it took it, and no list has shown it since.
    was_taken: bool,
    /// Whether what is there under its name may be from us.
    may_be_ours: bool,
    /// What was deleted, or may have been, so that it can take its place.
    pub(super) deleted: Option<Conflict>,
    /// What to do where the registry has other content under its name.
    if_file_exists: IfFileExists,
}

/// What is to happen with a file when the list has been read, and shows nothing under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Todo {
    /// It is sent.
    Send,
    /// The list is read again: the registry has it, or says so, but the list does not show it.
    Look,
    /// Nothing.
    Nothing,
    /// What is there is to be deleted first.
    Replace(Conflict),
}

impl Entry {
    fn new(file: &NamedFile, registry: &Registry<'_>, if_file_exists: IfFileExists) -> Self {
        let budget = registry.budget();
        let outcome = Outcome {
            name: file.name.clone(),
            url: registry.target().file_url(&file.name),
            size: Some(file.local.size),
            sha256: None,
            status: Status::NotAttempted,
            local: None,
        };
        let todo = Todo::Send;
        let size = file.local.size;
        let (error, deleted) = (None, None);
        Self { size, outcome, budget, todo, error, was_taken: false, may_be_ours: false, deleted, if_file_exists }
    }

    /// The file is on its way: from here on it may be on the registry.
    pub(super) fn begins(&mut self) {
        self.outcome.status = Status::Unknown;
    }

    /// What is there is deleted from here on, so that the file can take its place.
    pub(super) fn begins_to_replace(&mut self, seen: Conflict, retries: u32) {
        self.begins();
        self.todo = Todo::Nothing;
        self.budget.allow_at_least(retries);
        self.deleted = Some(seen);
    }

    /// What was to be deleted was not.
    pub(super) fn mark_not_deleted(&mut self, seen: Conflict) {
        self.outcome.status = Status::NotAttempted;
        self.todo = Todo::Replace(seen);
        self.error = None;
        self.was_taken = false;
        self.deleted = None;
    }

    /// The registry says that it has taken the file.
    pub(super) fn mark_accepted(&mut self, sha256: Sha256) {
        self.outcome.sha256 = Some(sha256);
        self.todo = Todo::Nothing;
        self.error = None;
        self.was_taken = true;
    }

    /// A try had no good end. What becomes of the file is for the list to say.
    pub(super) fn stumbles(&mut self, stumble: Stumble) {
        let Stumble { error, next, begun, moved } = stumble;
        self.budget.failed(&error, begun, moved);
        let exists = matches!(error.cause, Cause::Refused { refusal: Refusal::Exists, .. });
        self.may_be_ours |= error.was_sent() && !exists;
        if next == Next::Final && matches!(error.cause, Cause::Refused { .. }) {
            // The registry stores nothing of what it refuses.
            self.outcome.status = Status::Failed;
        }
        self.todo = match next {
            Next::Final | Next::LookOnly => Todo::Nothing,
            Next::LookFirst if exists => Todo::Look,
            Next::Again | Next::LookFirst => Todo::Send,
        };
        self.error = Some(error.after(self.budget.tries()).into());
    }

    /// Marks a file as unverified, because the list could not be read again: what an earlier one showed may be different by
    /// now. Returns what is known of a file that is `unknown`.
    pub(super) fn mark_unverified(&mut self) -> Option<Evidence> {
        let was_listed = self.outcome.status.is_in_place();
        if was_listed {
            self.outcome.status = Status::Unknown;
        }
        if was_listed || self.was_taken {
            // What was deleted has been replaced.
            self.deleted = None;
            self.error = None;
        }
        match &self.error {
            _ if self.outcome.status != Status::Unknown || self.deleted.is_some() => None,
            _ if was_listed => Some(Evidence::Listed),
            _ if self.was_taken => Some(Evidence::Accepted),
            Some(PublishError::Registry(error)) if !self.may_be_ours && !error.was_sent() => {
                self.outcome.status = Status::NotAttempted;
                self.error = None;
                None
            }
            Some(PublishError::Registry(error)) => Some(Evidence::Interrupted(error.own_cause().to_string())),
            _ => None,
        }
    }

    /// It is not published, and that is the end of it.
    pub(super) fn fails(&mut self, error: impl Into<PublishError>) {
        self.outcome.status = Status::Failed;
        self.todo = Todo::Nothing;
        self.error = Some(error.into());
    }

    /// The registry has it, and that is not enough.
    pub(super) fn fail_verification(&mut self, error: impl Into<PublishError>) {
        self.deleted = None;
        self.fails(error);
    }

    /// The registry has it, bit for bit.
    pub(super) fn mark_verified(&mut self, sha256: Sha256, reporter: &dyn Reporter) {
        let Outcome { name, status: before, .. } = &self.outcome;
        let status = match before {
            before if before.is_in_place() => *before,
            _ if self.deleted.is_some() => Status::Replaced,
            _ if self.was_taken || self.may_be_ours => Status::Uploaded,
            _ => Status::Unchanged,
        };
        if status == Status::Unchanged && *before != Status::Unchanged {
            reporter.file_unchanged(name, self.size);
        } else if let Some(error) = &self.error {
            let reason = error.reason();
            reporter
                .notes(&format!("the answer about `{name}` was lost, but the registry has it bit for bit: {reason}"));
        }
        self.outcome.status = status;
        self.outcome.sha256 = Some(sha256);
        self.todo = Todo::Nothing;
        self.error = None;
        self.was_taken = false;
    }

    /// The registry has other content under its name. Returns why the list has to be read once more, where it has.
    fn differs(&mut self, now: Conflict, page: &Url, reporter: &dyn Reporter) -> Option<&'static str> {
        let is_what_was_deleted = self.deleted.as_ref().is_some_and(|seen| seen.theirs == now.theirs);
        if is_what_was_deleted && (self.was_taken || self.outcome.status == Status::Replaced) {
            self.was_taken = true;
            return Some("its list still shows what was deleted");
        }
        if self.was_taken {
            self.fail_verification(PublishError::Altered(now));
        } else if let Some(seen) = self.deleted.take() {
            match self.error.take() {
                // The list may be behind, and the file be missing.
                Some(error) if is_what_was_deleted && self.todo != Todo::Look => {
                    self.deleted = Some(seen);
                    self.error = Some(error);
                    self.todo = Todo::Look;
                    return Some("its list still shows what was deleted");
                }
                // It was not deleted after all, and this is why.
                Some(error) if is_what_was_deleted => self.fails(error),
                _ => self.fails(PublishError::Overtaken(now)),
            }
        } else {
            match self.if_file_exists {
                IfFileExists::Fail => self.fails(PublishError::Conflict { conflict: now, page: page.clone() }),
                IfFileExists::Skip => {
                    if self.outcome.status != Status::Skipped {
                        reporter.warns(&format!("{now}; it is skipped, so the registry's content stays"));
                    }
                    self.outcome.status = Status::Skipped;
                    self.todo = Todo::Nothing;
                    self.error = None;
                }
                // Only what was seen first is to be deleted.
                IfFileExists::Overwrite => match &self.todo {
                    // Ours was there: this is what somebody has put there since.
                    _ if self.outcome.status.is_in_place() => self.fails(PublishError::Overtaken(now)),
                    Todo::Replace(seen) if seen.theirs != now.theirs => self.fails(PublishError::Overtaken(now)),
                    _ => {
                        self.outcome.status = Status::NotAttempted;
                        self.todo = Todo::Replace(now);
                        self.error = None;
                    }
                },
            }
        }
        None
    }

    /// Whether another job was faster, or has put something else in its place since.
    pub(super) fn was_overtaken(&self) -> bool {
        matches!(self.error, Some(PublishError::Overtaken(_) | PublishError::Altered(_)))
    }

    /// The registry has nothing under its name. Returns why the list has to be read once more, where it has.
    pub(super) fn mark_absent(&mut self) -> Option<&'static str> {
        match (self.outcome.status, &self.todo) {
            (Status::NotAttempted, _) | (Status::Unknown, Todo::Send) => self.todo = Todo::Send,
            (Status::Unknown, _) if self.was_taken => return Some("it was taken there, but is not listed"),
            (Status::Unknown, Todo::Look) if self.deleted.is_none() => {
                return Some("the registry says that it has it, but does not list it");
            }
            (Status::Unknown, _) => self.outcome.status = Status::Failed,
            (Status::Failed, _) => {}
            // All that has been seen there.
            (status, _) => {
                self.was_taken = matches!(status, Status::Uploaded | Status::Replaced);
                return Some("it is there no longer");
            }
        }
        None
    }

    /// The list is read again before anything else happens to it.
    fn mark_for_next_list(&mut self) {
        if self.was_taken || self.todo != Todo::Look {
            self.outcome.status = Status::Unknown;
            self.todo = if self.was_taken { Todo::Look } else { Todo::Send };
        }
    }

    /// The list was read often enough. A file that the registry accepted is not sent again: the list may be old.
    fn mark_lost(&mut self, server: &ServerUrl) {
        let (name, url) = (self.outcome.name.clone(), self.outcome.url.clone());
        let is_unknown = self.was_taken || self.todo == Todo::Look && self.deleted.is_none();
        if self.was_taken {
            self.error = Some(PublishError::NotListed { name, server: server.clone(), was_accepted: true });
            self.deleted = None;
        } else if is_unknown {
            self.error = Some(PublishError::NotListed { name, server: server.clone(), was_accepted: false });
        } else if self.error.is_none() {
            self.error = Some(PublishError::Lost { name, url });
        }
        self.outcome.status = if is_unknown { Status::Unknown } else { Status::Failed };
        self.todo = Todo::Nothing;
    }

    /// Whether the run fails because of it, as the last list has shown.
    fn has_failed(&self) -> bool {
        let is_unknown = self.outcome.status == Status::Unknown && self.todo == Todo::Nothing && self.error.is_some();
        is_unknown || self.outcome.status == Status::Failed
    }

    /// What is said of it at the end, where there is anything to say.
    fn into_error(self) -> Option<PublishError> {
        let is_certain = match self.outcome.status {
            Status::Failed => true,
            Status::Unknown => false,
            _ => return None,
        };
        match (self.deleted, self.error) {
            (Some(_), cause) => {
                let cause = cause.map(Box::new);
                Some(PublishError::Missing { name: self.outcome.name, is_certain, cause })
            }
            (None, error) => error,
        }
    }
}

/// What is known of all files. They go by their index in the plan.
pub(super) struct Tally {
    pub(super) entries: Vec<Entry>,
    /// What failed that is about no single file.
    pub(super) errors: Vec<PublishError>,
    /// Where files can be deleted by hand.
    page: Url,
}

impl Tally {
    pub(super) fn new(files: &[NamedFile], registry: &Registry<'_>, if_file_exists: IfFileExists) -> Self {
        let entry = |file| Entry::new(file, registry, if_file_exists);
        let page = registry.target().page_url();
        Self { entries: files.iter().map(entry).collect(), errors: Vec::new(), page }
    }

    /// Takes one more file into the plan, behind all others, which takes the place of whatever has its name.
    pub(super) fn adds(&mut self, file: &NamedFile, registry: &Registry<'_>) {
        self.entries.push(Entry::new(file, registry, IfFileExists::Overwrite));
    }

    /// Takes note of what the list shows of a file. Returns why the list has to be read once more, where it has.
    pub(super) fn is_listed_as(
        &mut self,
        index: usize,
        step: Result<Step, FileError>,
        reporter: &dyn Reporter,
    ) -> Option<&'static str> {
        let entry = &mut self.entries[index];
        match step {
            Ok(Step::Unchanged(sha256)) => entry.mark_verified(sha256, reporter),
            Ok(Step::Conflict(now)) if entry.outcome.status != Status::Failed => {
                return entry.differs(now, &self.page, reporter);
            }
            Ok(Step::Upload) => return entry.mark_absent(),
            Ok(Step::Conflict(_)) => {}
            Err(error) if entry.outcome.status == Status::Unknown => {
                entry.todo = Todo::Nothing;
                entry.error = Some(error.into());
            }
            Err(error) => entry.fails(error),
        }
        None
    }

    /// Spends a try on each of these, for which the list has to be read once more. Returns whether there is any use in
    /// that, and for how long to wait before.
    pub(super) fn look_again(
        &mut self,
        strange: &[(usize, &'static str)],
        registry: &Registry<'_>,
    ) -> Option<Duration> {
        let mut longest = None;
        for &(index, why) in strange {
            let entry = &mut self.entries[index];
            let what = format!("`{}`", entry.outcome.name);
            match registry.spend(&mut entry.budget, &what, &why, None) {
                Some(wait) => {
                    entry.mark_for_next_list();
                    longest = longest.max(Some(wait));
                }
                None => entry.mark_lost(&registry.target().server),
            }
        }
        longest
    }

    /// Spends a try on each of these, which had no good end. Returns for how long to wait before the next.
    pub(super) fn try_again(&mut self, stumbled: &[usize], registry: &Registry<'_>) -> Duration {
        let mut longest = Duration::ZERO;
        for &index in stumbled {
            let entry = &mut self.entries[index];
            let (Todo::Send | Todo::Look, Some(PublishError::Registry(error))) = (&entry.todo, &entry.error) else {
                continue;
            };
            match registry.spend_on(&mut entry.budget, error) {
                Some(wait) => longest = longest.max(wait),
                None => entry.todo = Todo::Nothing,
            }
        }
        longest
    }

    /// Takes note that the list could not be read, so that nothing more can be verified.
    pub(super) fn record_list_failure(&mut self, error: PublishError) {
        self.errors.push(error);
        for entry in &mut self.entries {
            if let Some(evidence) = entry.mark_unverified() {
                entry.error = Some(PublishError::NotVerified { name: entry.outcome.name.clone(), evidence });
            }
        }
    }

    /// The files that are to be sent now.
    pub(super) fn to_send(&self) -> Vec<usize> {
        (0..self.entries.len()).filter(|&index| self.entries[index].todo == Todo::Send).collect()
    }

    /// The next file that is to take the place of what is there.
    pub(super) fn to_replace(&self) -> Option<(usize, Conflict)> {
        self.entries.iter().enumerate().find_map(|(index, entry)| match &entry.todo {
            Todo::Replace(seen) => Some((index, seen.clone())),
            _ => None,
        })
    }

    /// Whether anything has failed for good.
    pub(super) fn has_failed(&self) -> bool {
        !self.errors.is_empty() || self.entries.iter().any(Entry::has_failed)
    }

    /// Whether anything has failed for good that every other file would meet as well.
    pub(super) fn is_hopeless(&self) -> bool {
        let meets_every_file = |entry: &Entry| entry.error.as_ref().is_some_and(PublishError::meets_every_file);
        !self.errors.is_empty()
            || self.entries.iter().any(|entry| entry.outcome.status == Status::Failed && meets_every_file(entry))
    }

    pub(super) fn outcomes(&self) -> Vec<Outcome> {
        self.entries.iter().map(|entry| entry.outcome.clone()).collect()
    }

    /// What failed; what is missing for our doing goes first, and what could not be verified last. What meets every
    /// file is said once, though several uploads that ran at once have met it.
    pub(super) fn into_errors(self) -> Vec<PublishError> {
        let mut errors: Vec<PublishError> = Vec::new();
        for error in self.entries.into_iter().filter_map(Entry::into_error).chain(self.errors) {
            if !error.meets_every_file() || !errors.iter().any(|known| known.says_the_same_of_every_file_as(&error)) {
                errors.push(error);
            }
        }
        errors.sort_by_key(|error| match error {
            PublishError::Missing { .. } => 0,
            PublishError::NotVerified { .. } => 2,
            _ => 1,
        });
        errors
    }
}
