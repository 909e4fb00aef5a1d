//! The last look: only what the registry lists, with the right size and hash, is a success.

use std::time::Duration;

use super::error::PublishError;
use super::{Halt, Run, content};
use crate::listing::Listing;
use crate::plan::Step;
use crate::report::Status;
use crate::stop::Signal;

/// How long a run that was asked to end may look at the registry.
const LAST_LOOK: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Holds what was sent against the list, and sends again what was taken but is not listed. Returns whether the
    /// version exists.
    pub(super) async fn verify(&mut self) -> Result<bool, Halt> {
        // What was to be replaced and was not is not to be replaced any more.
        self.tally.replacements.clear();
        let registry = self.sender.registry;
        let mut budget = registry.budget();
        loop {
            let listing = match registry.files().await {
                Ok(listing) => listing,
                Err(error) => {
                    self.know_nothing();
                    return Err(PublishError::from(error).into());
                }
            };
            self.settle(&listing).await;
            self.give_up_replacements();
            let lost = self.compare_with_sent(&listing);
            let Some(&first) = lost.first() else { return Ok(listing.version_exists) };
            let what = format!("`{}` is not on the registry", self.files[first].name);
            let why = match self.tally.outcomes[first].status {
                Status::Skipped => "it was skipped for other content, which is there no longer",
                _ => "it was taken there, but is not listed",
            };
            if !registry.rest(&mut budget, &what, &why, None).await {
                for index in lost {
                    let outcome = &self.tally.outcomes[index];
                    let (name, url) = (outcome.name.clone(), outcome.url.clone());
                    let was_taken = outcome.status.is_published();
                    self.tally.fails(index, PublishError::Lost { name, url, was_taken });
                }
                return Ok(listing.version_exists);
            }
            self.send_again(&lost).await;
        }
    }

    /// Which files were taken but are not listed, or were skipped for content that is there no longer. One that is
    /// listed with other content has failed.
    fn compare_with_sent(&mut self, listing: &Listing) -> Vec<usize> {
        let mut lost = Vec::new();
        for index in 0..self.files.len() {
            let outcome = &self.tally.outcomes[index];
            if outcome.status == Status::Skipped && listing.find(&outcome.name).is_none() {
                lost.push(index);
            }
            let (true, Some(sha256)) = (outcome.status.is_published(), outcome.sha256) else { continue };
            match listing.find(&outcome.name) {
                Some(theirs) if theirs.holds(outcome.size, sha256) => {}
                Some(theirs) => {
                    let altered = PublishError::Altered {
                        name: outcome.name.clone(),
                        theirs: content(theirs.size, theirs.sha256),
                        ours: content(outcome.size, sha256),
                    };
                    self.tally.fails(index, altered);
                }
                None => lost.push(index),
            }
        }
        lost
    }

    /// Sends files again; what they count as does not change, but for those that were skipped and are not any more.
    async fn send_again(&mut self, lost: &[usize]) {
        let before: Vec<Status> = lost.iter().map(|&index| self.tally.outcomes[index].status).collect();
        self.send_rest(lost).await;
        for (&index, before) in lost.iter().zip(before) {
            let status = &mut self.tally.outcomes[index].status;
            if status.is_published() && before.is_published() {
                *status = before;
            }
        }
        self.give_up_replacements();
    }

    /// At the end nothing is replaced any more, whoever published other content in between.
    fn give_up_replacements(&mut self) {
        for (index, conflict) in std::mem::take(&mut self.tally.replacements) {
            self.tally.fails(index, PublishError::Overtaken(conflict));
        }
    }

    /// What became of the files whose uploads had no good answer: the list knows. Where such a file kept others from
    /// being sent, that is an error even if the registry has it.
    pub(super) async fn settle(&mut self, listing: &Listing) {
        for (index, doubt) in std::mem::take(&mut self.tally.doubts) {
            let file = &self.files[index];
            let is_replacement = matches!(doubt, PublishError::Missing { .. });
            match self.sender.step(file, listing).await {
                Ok(Step::Unchanged(sha256)) => {
                    let status = if is_replacement { Status::Replaced } else { Status::Uploaded };
                    self.tally.is_there(index, status, sha256);
                    let name = &file.name;
                    self.sender
                        .reporter
                        .notes(&format!("`{name}` had no good answer, but the registry has it bit for bit"));
                    if self.tally.held_up_by == Some(index) {
                        self.tally.errors.push(doubt);
                    }
                }
                // What was seen there is deleted, so this is from somebody else.
                Ok(Step::Conflict(conflict)) if is_replacement => {
                    self.tally.fails(index, PublishError::Overtaken(conflict));
                }
                Ok(Step::Conflict(conflict)) => self.tally.differs(index, conflict, self.sender.reporter),
                Ok(Step::Upload) => self.tally.fails(index, doubt),
                Err(error) => {
                    self.tally.outcomes[index].status = Status::Unknown;
                    self.tally.errors.extend([doubt, error.into()]);
                }
            }
        }
    }

    /// Nothing can be verified any more, also not what the first list showed.
    fn know_nothing(&mut self) {
        self.tally.errors.extend(std::mem::take(&mut self.tally.doubts).into_values());
        for outcome in &mut self.tally.outcomes {
            if outcome.status.is_published() {
                outcome.status = Status::Unknown;
            }
        }
    }

    /// The run is to end now: one quick look, so that what is said to be published is.
    pub(super) async fn take_stock(&mut self, signal: Signal) {
        let looked = tokio::time::timeout(LAST_LOOK, self.sender.registry.files_at_once()).await;
        match looked {
            Ok(Ok(listing)) => {
                for outcome in &mut self.tally.outcomes {
                    let theirs = listing.find(&outcome.name);
                    let is_there =
                        outcome.sha256.is_some_and(|ours| theirs.is_some_and(|file| file.holds(outcome.size, ours)));
                    if outcome.status.is_published() && !is_there {
                        outcome.status = Status::Unknown;
                    }
                    if outcome.status == Status::Skipped && theirs.is_none() {
                        outcome.status = Status::NotAttempted;
                    }
                }
                self.tally.errors.extend(std::mem::take(&mut self.tally.doubts).into_values());
            }
            _ => self.know_nothing(),
        }
        self.tally.errors.push(PublishError::Stopped(signal));
    }
}
