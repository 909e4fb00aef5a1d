//! Replaces content on the registry: DELETE, then PUT, because the registry has no other way. In between, the file is
//! missing on the registry, so everything that can be checked is checked before.

use std::pin::pin;

use tokio::time::Instant;

use super::execute::VersionRun;
use super::tracked::{FailedUpload, REPLACEMENT_RETRIES, Tracked};
use super::upload::upload_once;
use super::{Halt, Save};
use crate::checksum::Sha256;
use crate::listing::RegistryFile;
use crate::plan::{self, Conflict, ConflictTime, Listed, Op};
use crate::registry::{Cause, FailureKind, Registry, RegistryError, RetryRule};
use crate::report::RunContext;
use crate::state::Event;
use crate::stop::Signal;
use crate::units::{Bytes, Span};

/// The result of a DELETE and the PUT after it.
enum Swapped {
    /// The registry accepted the file.
    Accepted(Sha256),
    /// Nothing was deleted.
    NotDeleted(RegistryError),
    /// The file may be missing on the registry.
    Interrupted(FailedUpload),
    /// Another job uploaded different content.
    Overtaken(Conflict),
    /// A second signal canceled it.
    GivenUp,
}

impl VersionRun<'_> {
    /// Replaces one file. The list is read before each attempt, and only the content `seen` is deleted.
    pub(super) async fn replace(&mut self, index: usize, seen: RegistryFile, save: &mut Save<'_>) -> Result<(), Halt> {
        let stop = self.job.context.stop.clone();
        if self.files[index].desired.sha256.is_none()
            && let Some((_, error)) = stop.or(self.hash(vec![index])).await?.pop()
        {
            self.files[index].fail(error);
            return Ok(());
        }
        let mut deletions = self.registry.retries();
        let mut may_be_deleted = false;
        loop {
            let listing = stop.or(self.registry.list_files()).await??;
            let op = plan::decide(&self.files[index].desired, &self.files[index].state, &listing);
            // If another job has deleted it, there is nothing to delete.
            let is_to_delete = matches!(op, Op::Replace(_)) || op == Op::Upload && may_be_deleted;
            if !is_to_delete {
                self.apply(index, &op);
                return Ok(());
            }
            // This is the last place at which a signal cancels the run before the file is missing.
            stop.or(async {}).await?;
            self.files[index].start_replacing(seen.clone());
            let mut signal = None;
            let begun = Instant::now();
            let swapped = {
                let mut swap = pin!(delete_and_upload(&self.registry, self.job.context, &self.files[index], &seen));
                tokio::select! {
                    biased;
                    swapped = &mut swap => swapped,
                    came = stop.wait_for_signal() => {
                        signal = Some(came);
                        self.warn_and_save(index, came, save);
                        tokio::select! {
                            biased;
                            swapped = &mut swap => swapped,
                            () = stop.wait_for_abort() => Swapped::GivenUp,
                        }
                    }
                }
            };
            let file = &mut self.files[index];
            let mut not_deleted = None;
            match swapped {
                Swapped::Accepted(sha256) => {
                    let (name, missing) = (&file.desired.name, Span(begun.elapsed()));
                    self.job.context.reporter.note(&format!("`{name}` was unavailable for {missing} at most"));
                    file.desired.sha256 = Some(sha256);
                    file.apply_with(Event::Accepted, None);
                }
                Swapped::NotDeleted(error) => {
                    file.apply_with(Event::Different { seen: seen.clone() }, None);
                    not_deleted = Some(error);
                }
                Swapped::Interrupted(failed) => {
                    file.record_failure(FailedUpload { retry: RetryRule::CheckOnly, ..failed });
                }
                Swapped::Overtaken(now) => drop(self.apply(index, &Op::Conflict(now, ConflictTime::DuringRun))),
                Swapped::GivenUp => {}
            }
            if let Some(signal) = signal {
                return Err(signal.into());
            }
            let Some(error) = not_deleted else { return Ok(()) };
            let is_final = error.retry_rule() == RetryRule::Never;
            may_be_deleted |= !is_final && error.was_sent();
            if is_final || !stop.or(self.registry.wait_before_retry(&mut deletions, &error)).await? {
                let error = error.with_attempts(deletions.attempts());
                let file = &mut self.files[index];
                // The deletion may have succeeded despite the error, so the next list decides.
                if may_be_deleted && !is_final {
                    file.start_replacing(seen);
                    file.record_failure(FailedUpload {
                        error,
                        retry: RetryRule::CheckOnly,
                        begun: Instant::now(),
                        moved: None,
                    });
                } else {
                    file.fail(error);
                }
                return Ok(());
            }
        }
    }

    /// Warns that a file is missing on the registry, and saves the outputs in case the runner kills the program.
    fn warn_and_save(&self, index: usize, signal: Signal, save: &mut Save<'_>) {
        let name = &self.files[index].desired.name;
        let way_out = match signal {
            Signal::Interrupt => ". A second SIGINT cancels it",
            Signal::Terminate => "",
        };
        self.job.context.reporter.warn(&format!(
            "received {signal} while replacing `{name}`. The file is missing on the registry until its upload ends, so \
             the upload continues{way_out}"
        ));
        save(self, signal);
    }
}

/// Deletes the content that was seen, and uploads the file until the registry has it or no retry is left. If the list cannot be
/// read after the deletion, the upload is repeated all the same: an upload of an existing file does no harm.
async fn delete_and_upload(
    registry: &Registry<'_>,
    context: &RunContext<'_>,
    file: &Tracked,
    seen: &RegistryFile,
) -> Swapped {
    let (desired, to_upload) = (&file.desired, file.to_upload());
    let (name, size, theirs) = (&desired.name, Bytes::exact(seen.size), seen.sha256);
    context.reporter.note(&format!("replacing `{name}`: deleting {size} with SHA-256 {theirs}"));
    let begun = Instant::now();
    let mut unclear_deletion = match registry.delete_to_replace(name).await {
        // The content may be deleted, and the server is unavailable.
        Err(error) if matches!(error.cause, Cause::Outage { .. }) && error.was_sent() => {
            return Swapped::Interrupted(FailedUpload { error, retry: RetryRule::CheckOnly, begun, moved: None });
        }
        Err(error) if matches!(error.retry_rule(), RetryRule::Repeat | RetryRule::Never) => {
            return Swapped::NotDeleted(error);
        }
        Err(error) => {
            let cause = &error.cause;
            let note = match error.kind() {
                FailureKind::NotFound => format!("another job has deleted `{name}`: {cause}"),
                _ => format!("uploading `{name}`, although it is unclear whether the old file was deleted: {cause}"),
            };
            context.reporter.note(&note);
            Some(error)
        }
        Ok(()) => None,
    };
    let mut retries = registry.retries();
    retries.allow_at_least(REPLACEMENT_RETRIES);
    loop {
        let failed = match upload_once(registry, context.reporter, &to_upload).await {
            Ok(sha256) => return Swapped::Accepted(sha256),
            Err(failed) => failed,
        };
        retries.note_failure(&failed.error, failed.begun, failed.moved);
        let may_pass = matches!(failed.retry, RetryRule::Repeat | RetryRule::AfterCheck);
        if !may_pass || !registry.wait_before_retry(&mut retries, &failed.error).await {
            let error = failed.error.with_attempts(retries.attempts());
            return Swapped::Interrupted(FailedUpload { error, ..failed });
        }
        let Ok(listing) = registry.list_files_once().await else { continue };
        match desired.compare(&listing) {
            Listed::Nothing => {}
            Listed::Identical(sha256) => return Swapped::Accepted(sha256),
            Listed::Other(now) if now.existing == *seen => match unclear_deletion.take() {
                Some(error) => return Swapped::NotDeleted(error),
                // The list may be outdated. If it is not, the file must be deleted again.
                None => drop(registry.delete_to_replace(name).await),
            },
            Listed::Other(now) => return Swapped::Overtaken(now),
        }
    }
}
