//! A file of a run, with its state, its error and its retries.

use tokio::time::Instant;

use super::Job;
use super::error::{Evidence, PublishError};
use crate::checksum::Sha256;
use crate::files::Content;
use crate::hint::Explain;
use crate::listing::RegistryFile;
use crate::plan::{Conflict, ConflictTime, Desired};
use crate::registry::{Cause, FailureKind, Registry, RegistryError, Retries, RetryRule};
use crate::report::{Outcome, Status};
use crate::state::{Event, IfMissing, State};

/// The number of retries of an upload while the file is missing on the registry.
pub(super) const REPLACEMENT_RETRIES: u32 = 20;

/// A failed upload.
#[derive(Debug)]
pub(super) struct FailedUpload {
    pub(super) error: RegistryError,
    pub(super) retry: RetryRule,
    /// When the upload began.
    pub(super) begun: Instant,
    /// When bytes last moved, if any did.
    pub(super) moved: Option<Instant>,
}

/// A file to upload, with its name in the log.
pub(super) struct Upload {
    pub(super) desired: Desired,
    pub(super) content: Content,
    pub(super) label: String,
    /// Its status after the upload: uploaded or replaced.
    pub(super) status_after: Status,
}

/// A desired file with its state.
pub(super) struct Tracked {
    pub(super) desired: Desired,
    pub(super) content: Content,
    /// Its name in the log.
    pub(super) label: String,
    pub(super) state: State,
    /// Whether a real run would upload it, in a dry run.
    pub(super) is_planned: bool,
    /// Why it is not on the registry, if known.
    pub(super) error: Option<PublishError>,
    pub(super) retries: Retries,
}

impl Tracked {
    pub(super) fn new((desired, content): (Desired, Content), label: String, registry: &Registry<'_>) -> Self {
        let retries = registry.retries();
        Self { desired, content, label, state: State::Planned, is_planned: false, error: None, retries }
    }

    /// Moves on to the state after an event.
    pub(super) fn apply(&mut self, event: Event) {
        self.state = std::mem::replace(&mut self.state, State::Planned).after(event);
    }

    /// Moves on to the state after an event, and sets the reason of its failure.
    pub(super) fn apply_with(&mut self, event: Event, error: impl Into<Option<PublishError>>) {
        self.apply(event);
        self.error = error.into();
    }

    /// Marks it as failed.
    pub(super) fn fail(&mut self, error: impl Into<PublishError>) {
        self.apply_with(Event::Failed, error.into());
    }

    /// Records that its content begins to be deleted from the registry.
    pub(super) fn start_replacing(&mut self, seen: RegistryFile) {
        self.apply(Event::DeleteStarted { seen });
        self.retries.allow_at_least(REPLACEMENT_RETRIES);
    }

    /// Records why an upload failed, and whether it is retried.
    pub(super) fn record_failure(&mut self, failed: FailedUpload) {
        let FailedUpload { error, retry, begun, moved } = failed;
        self.retries.note_failure(&error, begun, moved);
        let exists = error.kind() == FailureKind::Exists;
        let event = match retry {
            RetryRule::Never if matches!(error.cause, Cause::Rejected { .. }) => Event::NotStored,
            retry => {
                let if_missing = match retry {
                    RetryRule::Never | RetryRule::CheckOnly => IfMissing::Fail,
                    RetryRule::AfterCheck if exists => IfMissing::ListAgain,
                    RetryRule::Repeat | RetryRule::AfterCheck => IfMissing::Retry,
                };
                Event::Interrupted { if_missing, may_be_stored: error.was_sent() && !exists }
            }
        };
        self.apply_with(event, Some(error.with_attempts(self.retries.attempts()).into()));
    }

    /// Records that the list cannot be read, so that the file cannot be verified.
    pub(super) fn record_list_failure(&mut self) {
        let evidence = match (&self.state, &self.error) {
            (State::Verified { .. }, _) => Some(Evidence::Listed),
            (State::Accepted { .. }, _) => Some(Evidence::Accepted),
            (State::Sent { deleted: None, .. }, Some(PublishError::Registry(error))) => {
                Some(Evidence::Interrupted(error.own_cause().to_string()))
            }
            _ => None,
        };
        self.apply(Event::ListFailed);
        match (&self.state, evidence) {
            (State::Unverified { .. }, Some(evidence)) => {
                self.error = Some(PublishError::NotVerified { name: self.desired.name.clone(), evidence });
            }
            (State::Planned, _) => self.error = None,
            _ => {}
        }
    }

    /// Records that a list shows it, identical.
    pub(super) fn keep(&mut self, Job { task, context, .. }: Job<'_>) {
        let (before, error) = (self.status(), self.error.take());
        self.apply(Event::Identical);
        if self.status() == Status::Unchanged && before != Status::Unchanged {
            // The plan of a dry run has it.
            if !task.dry_run {
                context.reporter.finish_file(Status::Unchanged, &self.label, self.desired.size, None);
            }
        } else if let Some(error) = error {
            let (name, reason) = (&self.desired.name, error.reason());
            context.reporter.note(&format!(
                "no confirmation of the upload of `{name}`, but the registry has the identical file: {reason}"
            ));
        }
    }

    /// Records that the registry keeps different content under its name, and warns of it once.
    pub(super) fn skip(&mut self, now: &Conflict, job: Job<'_>) {
        if self.state != State::Skipped {
            job.context.reporter.warn(&format!("{now}: skipped; the registry keeps its file"));
        }
        self.apply_with(Event::Skipped, None);
    }

    /// Records that the list was read often enough. A file that the registry accepted is not uploaded again: the list may
    /// be old.
    pub(super) fn give_up_listing(&mut self, registry: &Registry<'_>) {
        let was_accepted = match &self.state {
            State::Accepted { .. } | State::Verified { was_uploaded: true, .. } => Some(true),
            State::Sent { deleted: None, .. } => Some(false),
            _ => None,
        };
        let name = self.desired.name.clone();
        let error = match (was_accepted, self.error.take()) {
            (Some(was_accepted), _) => {
                let server = registry.target().server.clone();
                PublishError::NotListed { name, server, was_accepted }
            }
            (None, Some(error)) => error,
            (None, None) => PublishError::Lost { url: registry.target().file_url(&name), name },
        };
        self.apply_with(Event::ListRetriesUsed, error);
    }

    /// Records how an upload ended. Returns whether it failed.
    pub(super) fn record_upload(&mut self, result: Result<Sha256, FailedUpload>) -> bool {
        match result {
            Ok(sha256) => {
                self.desired.sha256 = Some(sha256);
                self.apply_with(Event::Accepted, None);
                false
            }
            Err(failed) => {
                self.record_failure(failed);
                true
            }
        }
    }

    /// Whether every other file would fail with the same error now.
    pub(super) fn stops_other_files(&self) -> bool {
        self.error.as_ref().is_some_and(Explain::affects_every_file)
    }

    pub(super) fn is_verified(&self) -> bool {
        matches!(self.state, State::Verified { .. })
    }

    pub(super) fn has_failed(&self) -> bool {
        match self.state {
            State::Failed { .. } => true,
            State::Unverified { .. } => self.error.is_some(),
            _ => false,
        }
    }

    /// Whether another job changed the file before or after this run's upload.
    pub(super) fn was_overtaken(&self) -> bool {
        matches!(
            &self.error,
            Some(PublishError::Conflict { when: ConflictTime::DuringRun | ConflictTime::AfterUpload, .. })
        )
    }

    pub(super) fn status(&self) -> Status {
        match self.state {
            State::Planned | State::ToReplace { .. } if self.is_planned => Status::Planned,
            State::Planned | State::ToReplace { .. } => Status::NotAttempted,
            State::Sent { .. } | State::Accepted { .. } | State::Unverified { .. } => Status::Unknown,
            State::Verified { deleted: Some(_), .. } => Status::Replaced,
            State::Verified { was_uploaded: true, .. } => Status::Uploaded,
            State::Verified { .. } => Status::Unchanged,
            State::Skipped => Status::Skipped,
            State::Failed { .. } => Status::Failed,
        }
    }

    /// Returns a copy of everything that an upload needs, so that it does not borrow the run.
    pub(super) fn to_upload(&self) -> Upload {
        let becomes = if self.state.deleted().is_some() { Status::Replaced } else { Status::Uploaded };
        Upload {
            desired: self.desired.clone(),
            content: self.content.clone(),
            label: self.label.clone(),
            status_after: becomes,
        }
    }

    /// Returns the outcome of the file if the run ends now.
    pub(super) fn outcome(&self, registry: &Registry<'_>) -> Outcome {
        Outcome {
            name: self.desired.name.clone(),
            url: registry.target().file_url(&self.desired.name),
            size: Some(self.desired.size),
            sha256: self.desired.sha256,
            status: self.status(),
            local: None,
        }
    }

    /// Returns why it is not on the registry as it should be; `None` if it is, or if nothing was attempted.
    pub(super) fn into_error(self) -> Option<PublishError> {
        let is_certain = match self.state {
            State::Failed { .. } => true,
            State::Sent { .. } | State::Accepted { .. } | State::Unverified { .. } => false,
            _ => return None,
        };
        match self.state.deleted() {
            Some(_) => {
                let cause = self.error.map(Box::new);
                Some(PublishError::Missing { name: self.desired.name, is_certain, cause })
            }
            None => self.error,
        }
    }
}
