//! Takes the place of what is on the registry: DELETE, then PUT, since the registry has no other way. In between the
//! file is missing there, so everything that can be made sure of is made sure of before.

use std::pin::pin;

use super::error::PublishError;
use super::send::{Ended, Failure, Sender};
use super::{Halt, Run};
use crate::checksum::Sha256;
use crate::plan::{self, Conflict, NamedFile, Step};
use crate::registry::Next;
use crate::report::Status;
use crate::report::units::Bytes;
use crate::stop::{Signal, Stop};

/// How often a file is tried again that is missing on the registry until it is sent.
const RETRIES: u32 = 20;

impl Run<'_> {
    /// Replaces one file after the other. Where anything went wrong before, nothing is deleted any more.
    pub(super) async fn replace_all(&mut self, stop: &Stop) -> Result<(), Halt> {
        if self.tally.replacements.is_empty() || !self.is_clear(stop).await? {
            return Ok(());
        }
        match stop.or(async { Ok(self.make_sure_of_the_right().await?) }).await {
            Err(Halt::Failed(error)) => {
                self.tally.errors.push(*error);
                return Ok(());
            }
            Err(stopped) => return Err(stopped),
            Ok(()) => {}
        }
        while let Some((index, seen)) = self.tally.replacements.pop_first() {
            let file = &self.files[index];
            let sha256 = match stop.or(prepare(self.sender, file, &seen)).await {
                Ok(Ready::Swap(sha256)) => sha256,
                Ok(Ready::Same(sha256)) => {
                    self.tally.is_there(index, Status::Unchanged, sha256);
                    self.sender.reporter.file_unchanged(&file.name, file.local.size);
                    continue;
                }
                Err(Halt::Failed(error)) => {
                    self.tally.fails(index, *error);
                    return Ok(());
                }
                Err(stopped @ Halt::Stopped(_)) => return Err(stopped),
            };
            self.tally.begins(index);
            let mut signal = None;
            let result = {
                let mut swap = pin!(swap(self.sender, file, sha256, &seen));
                tokio::select! {
                    result = &mut swap => result,
                    came = stop.comes() => {
                        signal = Some(came);
                        self.save_in_between(index, came);
                        swap.await
                    }
                }
            };
            self.tally.record(index, result, self.sender.reporter);
            if let Some(signal) = signal {
                return Err(Halt::Stopped(signal));
            }
            // After the last one, the last look knows.
            if self.tally.replacements.is_empty() || !self.is_clear(stop).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether nothing has gone wrong so far. Where something is in doubt, the list knows what became of it.
    async fn is_clear(&mut self, stop: &Stop) -> Result<bool, Halt> {
        if self.tally.errors.is_empty() && !self.tally.doubts.is_empty() {
            let registry = self.sender.registry;
            match stop.or(async { Ok(registry.files().await.map_err(PublishError::from)?) }).await {
                Ok(listing) => self.settle(&listing).await,
                Err(Halt::Failed(error)) => self.tally.errors.push(*error),
                Err(stopped @ Halt::Stopped(_)) => return Err(stopped),
            }
        }
        Ok(!self.tally.is_clouded())
    }

    /// Says that the run is to end while a file is missing on the registry, in case that the end comes before the file.
    fn save_in_between(&self, index: usize, signal: Signal) {
        let name = &self.files[index].name;
        self.sender.reporter.warns(&format!(
            "{signal} came while `{name}` is being replaced: until its upload ends it is missing on the registry, so \
             the upload goes on"
        ));
        (self.caller.save)(self.so_far(Some(signal)));
    }
}

/// Makes sure, just before something is deleted, that the file is as it was and the registry has what was seen there.
/// Nothing is to be deleted where it has our content by now.
async fn prepare(sender: Sender<'_>, file: &NamedFile, seen: &Conflict) -> Result<Ready, Halt> {
    let sha256 = sender.registry.hash(&file.local).await.map_err(PublishError::File)?;
    let listing = sender.registry.files().await.map_err(PublishError::Registry)?;
    match plan::step(file, &listing, Some(sha256)) {
        Step::Conflict(now) if now.theirs != seen.theirs => Err(PublishError::Overtaken(now).into()),
        Step::Conflict(_) | Step::Upload => Ok(Ready::Swap(sha256)),
        Step::Unchanged(sha256) => Ok(Ready::Same(sha256)),
    }
}

/// What is to be done, just before anything is deleted.
enum Ready {
    /// Nothing: the registry has that content by now.
    Same(Sha256),
    /// Delete what is there, and send the content with that hash.
    Swap(Sha256),
}

/// Deletes what was seen, and sends the file.
async fn swap(sender: Sender<'_>, file: &NamedFile, sha256: Sha256, seen: &Conflict) -> Result<Ended, Failure> {
    let theirs = &seen.theirs;
    sender.reporter.notes(&format!(
        "replacing `{}`: {} with SHA-256 {} are deleted on the registry",
        file.name,
        Bytes::exact(theirs.size),
        theirs.sha256
    ));
    if let Some(ended) = delete(sender, file, sha256, seen).await? {
        return Ok(ended);
    }
    match sender.send(file, sender.registry.budget_of_at_least(RETRIES)).await {
        Ok(Ended::Stored(_, sha256)) => Ok(Ended::Stored(Status::Replaced, sha256)),
        Ok(Ended::Differs(now)) => Err(overtaken(now)),
        Err(Failure { error, may_be_there, ends_run }) => {
            Err(Failure { error: missing(file, seen, error, !may_be_there), may_be_there, ends_run })
        }
    }
}

/// Deletes what was seen, until it is gone or for as long as there is hope. Where somebody else has put our content in
/// its place, there is nothing to send any more.
async fn delete(
    sender: Sender<'_>,
    file: &NamedFile,
    sha256: Sha256,
    seen: &Conflict,
) -> Result<Option<Ended>, Failure> {
    let mut budget = sender.registry.budget();
    loop {
        let Err(error) = sender.registry.delete(&file.name).await else { return Ok(None) };
        let next = error.next();
        if matches!(next, Next::LookFirst | Next::LookOnly) {
            let Ok(listing) = sender.registry.files().await else {
                let error = missing(file, seen, error.into(), false);
                return Err(Failure { error, may_be_there: true, ends_run: true });
            };
            match plan::step(file, &listing, Some(sha256)) {
                Step::Upload => {
                    let (name, cause) = (&file.name, &error.cause);
                    let note = format!("the answer about deleting `{name}` was lost, but it is gone: {cause}");
                    sender.reporter.notes(&note);
                    return Ok(None);
                }
                Step::Unchanged(sha256) => return Ok(Some(Ended::Stored(Status::Replaced, sha256))),
                Step::Conflict(now) if now.theirs != seen.theirs => return Err(overtaken(now)),
                Step::Conflict(_) => {}
            }
        }
        if next == Next::Final || !sender.registry.wait(&mut budget, &error).await {
            return Err(Failure::new(error.after(budget.tries()), false));
        }
    }
}

fn missing(file: &NamedFile, seen: &Conflict, cause: PublishError, is_certain: bool) -> PublishError {
    PublishError::Missing { name: file.name.clone(), is_certain, seen: seen.clone(), cause: Box::new(cause) }
}

fn overtaken(now: Conflict) -> Failure {
    Failure { error: PublishError::Overtaken(now), may_be_there: false, ends_run: false }
}
