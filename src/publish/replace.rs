//! Takes the place of what is on the registry: DELETE, then PUT, since the registry has no other way. In between the
//! file is missing there, so everything that can be made sure of is made sure of before.

use std::pin::pin;

use tokio::time::Instant;

use super::error::PublishError;
use super::send::{Sender, Stumble};
use super::{Halt, Run};
use crate::checksum::Sha256;
use crate::files;
use crate::plan::{self, Conflict, NamedFile, Step};
use crate::registry::{Cause, Next, Refusal, RegistryError};
use crate::stop::Signal;
use crate::units::{Bytes, Span};

/// How often a file is tried again that is missing on the registry until it is sent.
const RETRIES: u32 = 20;

/// What came of taking the place of a file.
enum Swapped {
    /// The registry says that it has taken ours.
    Taken(Sha256),
    /// Nothing was deleted.
    NotDeleted(RegistryError),
    /// What is there may be missing.
    Stumbled(Stumble),
    /// Somebody else was faster.
    Overtaken(Conflict),
    /// Nobody wants to wait for it any more.
    GivenUp,
}

impl Run<'_> {
    /// Replaces one file. The list is read just before, each time, and only what was seen there is deleted.
    pub(super) async fn replace(&mut self, index: usize, seen: Conflict) -> Result<(), Halt> {
        let stop = self.context.stop.clone();
        let registry = self.sender.registry;
        let file = &self.files[index];
        let sha256 = match stop.or(files::hash(&file.local, registry.silence())).await? {
            Ok(sha256) => sha256,
            Err(error) => {
                self.tally.entries[index].fails(error);
                return Ok(());
            }
        };
        let mut deletions = registry.budget();
        let mut may_be_deleted = false;
        loop {
            let listing = stop.or(registry.files()).await?.map_err(PublishError::from)?;
            let entry = &mut self.tally.entries[index];
            match plan::step(file, &listing, Some(sha256)) {
                Step::Unchanged(sha256) => {
                    entry.mark_verified(sha256, self.sender.reporter);
                    return Ok(());
                }
                Step::Conflict(now) if now.theirs != seen.theirs => {
                    entry.fails(PublishError::Overtaken(now));
                    return Ok(());
                }
                // Somebody else has deleted it: there is nothing to make way for.
                Step::Upload if !may_be_deleted => {
                    entry.mark_absent();
                    return Ok(());
                }
                Step::Upload | Step::Conflict(_) => {}
            }
            // Whether the run is to end is asked for the last time before the gap.
            stop.or(async {}).await?;
            entry.begins_to_replace(seen.clone(), RETRIES);
            let mut signal = None;
            let begun = Instant::now();
            let swapped = {
                let mut swap = pin!(swap(self.sender, file, sha256, &seen));
                tokio::select! {
                    biased;
                    swapped = &mut swap => swapped,
                    came = stop.comes() => {
                        signal = Some(came);
                        self.save_in_between(index, came);
                        tokio::select! {
                            biased;
                            swapped = &mut swap => swapped,
                            () = stop.wait_for_insistence() => Swapped::GivenUp,
                        }
                    }
                }
            };
            let entry = &mut self.tally.entries[index];
            let again = match swapped {
                Swapped::Taken(sha256) => {
                    let (name, away) = (&file.name, Span(begun.elapsed()));
                    self.sender.reporter.notes(&format!("`{name}` was away for {away} at most"));
                    entry.mark_accepted(sha256);
                    None
                }
                Swapped::NotDeleted(error) => {
                    entry.mark_not_deleted(seen.clone());
                    Some(error)
                }
                Swapped::Stumbled(stumble) => {
                    entry.stumbles(Stumble { next: Next::LookOnly, ..stumble });
                    None
                }
                Swapped::Overtaken(now) => {
                    entry.mark_not_deleted(seen.clone());
                    entry.fails(PublishError::Overtaken(now));
                    None
                }
                Swapped::GivenUp => None,
            };
            if let Some(signal) = signal {
                return Err(signal.into());
            }
            let Some(error) = again else { return Ok(()) };
            let is_final = error.next() == Next::Final;
            may_be_deleted |= !is_final && error.was_sent();
            if is_final || !stop.or(registry.wait(&mut deletions, &error)).await? {
                let error = error.after(deletions.tries());
                let entry = &mut self.tally.entries[index];
                // What the server says of a deletion that it may have carried out is for the next look to judge.
                if may_be_deleted && !is_final {
                    entry.begins_to_replace(seen, RETRIES);
                    entry.stumbles(Stumble { error, next: Next::LookOnly, begun: Instant::now(), moved: None });
                } else {
                    entry.fails(error);
                }
                return Ok(());
            }
        }
    }

    /// Says that the run is to end while a file is missing on the registry, in case that the end comes before the file.
    fn save_in_between(&self, index: usize, signal: Signal) {
        let name = &self.files[index].name;
        let way_out = match signal {
            Signal::Interrupt => ". A second SIGINT cancels it",
            Signal::Terminate => "",
        };
        self.sender.reporter.warns(&format!(
            "received {signal} while replacing `{name}`. The file is missing on the registry until its upload ends, so \
             the upload continues{way_out}"
        ));
        (self.context.save)(self.tells.map_or_else(|| self.so_far(Some(signal)), |tells| tells(signal)));
    }
}

/// Deletes what was seen, and sends the file until the registry has it or for as long as there is hope. Once anything may
/// be deleted, a list that is not to be had is no reason to stop: to send a file that is there after all does no harm.
async fn swap(sender: Sender<'_>, file: &NamedFile, sha256: Sha256, seen: &Conflict) -> Swapped {
    let registry = sender.registry;
    let (size, theirs) = (Bytes::exact(seen.theirs.size), seen.theirs.sha256);
    sender.reporter.notes(&format!("replacing `{}`: {size} with SHA-256 {theirs} are deleted", file.name));
    let begun = Instant::now();
    let mut undeleted = match registry.delete(&file.name).await {
        // It may be deleted, and the server is away.
        Err(error) if matches!(error.cause, Cause::Outage { .. }) && error.was_sent() => {
            return Swapped::Stumbled(Stumble { error, next: Next::LookOnly, begun, moved: None });
        }
        Err(error) if matches!(error.next(), Next::Again | Next::Final) => return Swapped::NotDeleted(error),
        Err(error) => {
            let (name, cause) = (&file.name, &error.cause);
            let note = match cause {
                Cause::Refused { refusal: Refusal::NotThere, .. } => {
                    format!("another job has deleted `{name}`: {cause}")
                }
                _ => format!("uploading `{name}`, although it is unclear whether the old file was deleted: {cause}"),
            };
            sender.reporter.notes(&note);
            Some(error)
        }
        Ok(()) => None,
    };
    let mut budget = registry.budget();
    budget.allow_at_least(RETRIES);
    loop {
        let stumble = match sender.upload(file).await {
            Ok(sha256) => return Swapped::Taken(sha256),
            Err(stumble) => stumble,
        };
        budget.failed(&stumble.error, stumble.begun, stumble.moved);
        let may_pass = matches!(stumble.next, Next::Again | Next::LookFirst);
        if !may_pass || !registry.wait(&mut budget, &stumble.error).await {
            let error = stumble.error.after(budget.tries());
            return Swapped::Stumbled(Stumble { error, ..stumble });
        }
        let Ok(listing) = registry.files_at_once().await else { continue };
        match plan::step(file, &listing, Some(sha256)) {
            Step::Upload => {}
            Step::Unchanged(sha256) => return Swapped::Taken(sha256),
            Step::Conflict(now) if now.theirs == seen.theirs => match undeleted.take() {
                Some(error) => return Swapped::NotDeleted(error),
                // The list is behind; where it is not, deleting it again is what is to be done.
                None => drop(registry.delete(&file.name).await),
            },
            Step::Conflict(now) => return Swapped::Overtaken(now),
        }
    }
}
