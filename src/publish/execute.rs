//! The loop on one version: list, plan, execute, until nothing is left to do.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use super::error::PublishError;
use super::tracked::Tracked;
use super::{Halt, Job, Save};
use crate::files::Content;
use crate::hint;
use crate::listing::{Listing, RegistryFile};
use crate::package::FileName;
use crate::plan::{self, Desired, Listed, Op, STALE};
use crate::registry::{FailureKind, Registry, Retries, RetryRule, wait_for_longest};
use crate::state::{Event, State};

/// The timeout of the last list after a signal.
pub(super) const LAST_LIST_TIMEOUT: Duration = Duration::from_secs(1);

/// The result of the check of write access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteAccess {
    /// It was not checked yet.
    NotChecked,
    /// The server itself did not respond to the check. A proxy may reject only the unusual file name of the check.
    Unknown,
    /// The server confirmed it, or stored a file.
    Confirmed,
}

/// A step between two lists.
enum Step {
    /// These files are uploaded.
    Upload(Vec<usize>),
    /// This content is deleted, and the file is uploaded.
    Replace(usize, RegistryFile),
    /// This extra file is deleted.
    Delete(RegistryFile),
    Nothing,
}

/// The run on one version.
pub(super) struct VersionRun<'a> {
    pub(super) job: Job<'a>,
    pub(super) registry: Registry<'a>,
    pub(super) files: Vec<Tracked>,
    /// The extra files of an alias at the start, which are deleted; `None` if this is no alias.
    pub(super) extras: Option<Listing>,
    /// The extra files that this run has deleted, with the retries that are left for each.
    deleted: Vec<(RegistryFile, Retries)>,
    pub(super) write_access: WriteAccess,
    /// Errors that do not concern a single file.
    pub(super) errors: Vec<PublishError>,
}

impl<'a> VersionRun<'a> {
    pub(super) fn new(
        job: Job<'a>,
        registry: Registry<'a>,
        files: impl IntoIterator<Item = (Desired, Content)>,
        prefix: &str,
    ) -> Self {
        let tracked = |file: (Desired, Content)| {
            let label = format!("{prefix}{}", file.0.name);
            Tracked::new(file, label, &registry)
        };
        let files = files.into_iter().map(tracked).collect();
        let write_access = WriteAccess::NotChecked;
        Self { job, registry, files, extras: None, deleted: Vec::new(), write_access, errors: Vec::new() }
    }

    /// Adds the checksums file, and removes an earlier one.
    pub(super) fn set_checksums_file(&mut self, file: Tracked) {
        self.files.retain(|file| !file.desired.is_checksums_file);
        self.files.push(file);
    }

    /// Returns the checksums file, once it is made.
    pub(super) fn checksums_file(&self) -> Option<&Tracked> {
        self.files.last().filter(|file| file.desired.is_checksums_file)
    }

    /// Lists, plans and executes until nothing is left to do, or nothing more can be done. Every round that is not the last
    /// costs retries. Returns the last list.
    pub(super) async fn settle(&mut self, save: &mut Save<'_>) -> Result<Listing, Halt> {
        let stop = self.job.context.stop.clone();
        let (mut listing, mut ops) = stop.or(self.list_and_plan()).await??;
        // If there is any conflict, nothing is uploaded.
        if self.has_failed() {
            return Ok(listing);
        }
        while !self.has_fatal_error() {
            match self.next_step(&ops) {
                Step::Upload(files) if !self.are_current(&files, &listing).await => break,
                Step::Upload(files) => stop.or(self.upload_round(files, listing.version_exists)).await?,
                Step::Replace(..) | Step::Delete(_) if !stop.or(self.check_write_access()).await? => break,
                Step::Replace(index, seen) => self.replace(index, seen, save).await?,
                Step::Delete(seen) => self.delete(&seen).await?,
                Step::Nothing => break,
            }
            (listing, ops) = stop.or(self.list_and_plan()).await??;
        }
        Ok(listing)
    }

    /// Whether files are still what the version needs: a checksums file has to cover its list. That of an alias is a copy.
    async fn are_current(&self, files: &[usize], listing: &Listing) -> bool {
        match self.checksums_file().filter(|_| self.extras.is_none() && files.contains(&(self.files.len() - 1))) {
            Some(file) => self.job.compare_checksums(&file.content, listing).await,
            None => true,
        }
    }

    /// Chooses what is done next: uploads first, then replacements and deletions one by one, and the checksums file when
    /// all other files are uploaded. If anything has failed, nothing is deleted.
    fn next_step(&self, ops: &[Op]) -> Step {
        let is_last = |index: usize| self.files.get(index).is_some_and(|file| file.desired.is_checksums_file);
        for of_last in [false, true] {
            let ops = || ops.iter().enumerate().filter(|(index, _)| is_last(*index) == of_last);
            let uploads: Vec<usize> = ops().filter(|(_, op)| **op == Op::Upload).map(|(index, _)| index).collect();
            if !uploads.is_empty() {
                return Step::Upload(uploads);
            }
            if self.has_failed() {
                return Step::Nothing;
            }
            let replacement = ops().find_map(|(index, op)| match op {
                Op::Replace(now) => Some(Step::Replace(index, now.existing.clone())),
                _ => None,
            });
            let extras = ops().filter_map(|(_, op)| if let Op::Delete(seen) = op { Some(seen) } else { None });
            // An old list may still show those that were deleted.
            let deletion = extras.min_by_key(|seen| self.was_deleted(seen)).map(|seen| Step::Delete(seen.clone()));
            if let Some(step) = replacement.or(deletion) {
                return step;
            }
        }
        Step::Nothing
    }

    fn was_deleted(&self, seen: &RegistryFile) -> bool {
        self.deleted.iter().any(|(file, _)| file == seen)
    }

    /// Reads the list and plans the operations. If the list contradicts the known states, it is read again.
    pub(super) async fn list_and_plan(&mut self) -> Result<(Listing, Vec<Op>), Halt> {
        loop {
            let listing = self.registry.list_files().await?;
            let needs_hash = |index: &usize| self.files[*index].desired.needs_hash(&listing);
            for (index, error) in self.hash((0..self.files.len()).filter(needs_hash).collect()).await {
                self.files[index].apply_with(Event::Unreadable, error);
            }
            let files = self.files.iter().map(|file| (&file.desired, &file.state));
            let ops = plan::plan(files, &listing, self.extras.as_ref());
            let contradictions = (0..self.files.len()).zip(&ops);
            let contradictions =
                contradictions.filter_map(|(index, op)| Some((index, self.apply(index, op)?))).collect();
            if !self.wait_for_list(contradictions).await {
                return Ok((listing, ops));
            }
        }
    }

    /// Hashes files. Returns the unreadable ones with their errors.
    pub(super) async fn hash(&mut self, indices: Vec<usize>) -> Vec<(usize, PublishError)> {
        let (files, timeout) = (&self.files, self.registry.stall_timeout());
        let hash = async |index: usize| (index, files[index].content.hash(timeout).await);
        let hashes: Vec<_> = stream::iter(indices).map(hash).buffered(self.job.inputs.concurrency).collect().await;
        let mut unreadable = Vec::new();
        for (index, hash) in hashes {
            match hash {
                Ok(sha256) => self.files[index].desired.sha256 = Some(sha256),
                Err(error) => unreadable.push((index, error.into())),
            }
        }
        unreadable
    }

    /// Applies what the list shows of a file. Returns why the list has to be read again, if it does.
    pub(super) fn apply(&mut self, index: usize, op: &Op) -> Option<&'static str> {
        let file = &mut self.files[index];
        match op {
            Op::Keep => file.keep(self.job),
            Op::Upload => file.apply(Event::Missing),
            Op::Replace(now) => file.apply_with(Event::Different { seen: now.existing.clone() }, None),
            Op::Skip(now) => file.skip(now, self.job),
            Op::Conflict(now, when) => {
                let (conflict, when, page) = (now.clone(), *when, self.registry.target().page_url());
                file.fail(PublishError::Conflict { conflict, when, page });
            }
            Op::ListAgain(why) => return Some(why),
            Op::GiveUp => file.apply(Event::NotStored),
            // This is why its content was not deleted.
            Op::Blocked => file.apply(Event::Failed),
            Op::Nothing | Op::Delete(_) => {}
        }
        None
    }

    /// Waits before the list is read again, which costs each of these files a retry; `false` if no retry is left.
    async fn wait_for_list(&mut self, contradictions: Vec<(usize, &'static str)>) -> bool {
        let Self { registry, files, .. } = self;
        let waits = contradictions.into_iter().map(|(index, why)| {
            let file = &mut files[index];
            let what = format!("`{}`", file.desired.name);
            let wait = registry.spend_retry(&mut file.retries, &what, &why, None);
            match wait {
                Some(_) => file.apply(Event::ListAgain),
                None => file.give_up_listing(registry),
            }
            wait
        });
        wait_for_longest(waits).await
    }

    /// Deletes an extra file, with retries. If it was deleted before, only waits until the list is read again.
    async fn delete(&mut self, seen: &RegistryFile) -> Result<(), Halt> {
        let stop = &self.job.context.stop;
        let name = FileName::parse(&seen.name).map_err(PublishError::UnsafeName)?;
        if let Some((_, retries)) = self.deleted.iter_mut().find(|(file, _)| file == seen) {
            let wait = self.registry.spend_retry(retries, &format!("`{name}`"), &STALE, None);
            if !stop.or(wait_for_longest([wait])).await? {
                let server = self.registry.target().server.clone();
                self.errors.push(PublishError::StillListed { name, server });
            }
            return Ok(());
        }
        self.job.context.reporter.note(&format!("deleting `{name}`, which is an extra file"));
        let mut retries = self.registry.retries();
        loop {
            let error = match stop.or(self.registry.delete(&name)).await? {
                Err(error) if error.kind() != FailureKind::NotFound => error,
                _ => {
                    self.deleted.push((seen.clone(), retries));
                    return Ok(());
                }
            };
            let is_final = error.retry_rule() == RetryRule::Never;
            if is_final || !stop.or(self.registry.wait_before_retry(&mut retries, &error)).await? {
                self.errors.push(error.with_attempts(retries.attempts()).into());
                return Ok(());
            }
            // Only the content that was listed before is deleted.
            let listing = stop.or(self.registry.list_files()).await??;
            if listing.find_same_name(seen) != Some(seen) {
                return Ok(());
            }
        }
    }

    /// Ends a run that cannot read the list, so that nothing more can be verified.
    pub(super) fn record_list_failure(&mut self, errors: Vec<PublishError>) {
        self.errors.extend(errors);
        self.files.iter_mut().for_each(Tracked::record_list_failure);
    }

    /// Lists the version one last time, with a short timeout. Listed files are verified, the others unknown. Returns
    /// the list.
    pub(super) async fn list_after_signal(&mut self) -> Option<Listing> {
        self.registry.expect_no_further_requests();
        let listed = tokio::time::timeout(LAST_LIST_TIMEOUT, self.registry.list_files_once()).await;
        let listing = listed.ok().and_then(Result::ok);
        for file in &mut self.files {
            let listed = listing.as_ref().map(|listing| file.desired.compare(listing));
            if matches!(listed, Some(Listed::Identical(_))) {
                file.keep(self.job);
            } else {
                file.record_list_failure();
                // The signal is the reason.
                file.error.take_if(|error| matches!(error, PublishError::NotVerified { .. }));
            }
        }
        listing
    }

    /// Whether anything has failed.
    pub(super) fn has_failed(&self) -> bool {
        !self.errors.is_empty() || self.files.iter().any(Tracked::has_failed)
    }

    /// Whether an error has occurred that every other file would have too.
    pub(super) fn has_fatal_error(&self) -> bool {
        let is_failed = |file: &&Tracked| matches!(file.state, State::Failed { .. });
        !self.errors.is_empty() || self.files.iter().filter(is_failed).any(Tracked::stops_other_files)
    }

    /// Returns the errors: files that are missing because of this run first, files that could not be verified last. An
    /// error that affects every file is returned once, even if several parallel uploads have it.
    pub(super) fn into_errors(self) -> Vec<PublishError> {
        let errors = self.files.into_iter().filter_map(Tracked::into_error).chain(self.errors);
        let mut errors = hint::without_repetitions(errors);
        errors.sort_by_key(|error| match error {
            PublishError::Missing { .. } => 0,
            PublishError::NotVerified { .. } => 2,
            _ => 1,
        });
        errors
    }
}
