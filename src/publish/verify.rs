//! What the registry's list says of each file: only what it shows, with the right size and hash, is a success.

use std::time::Duration;

use futures_util::StreamExt as _;

use super::error::PublishError;
use super::{Halt, Run};
use crate::listing::Listing;
use crate::stop::{Signal, Stopped};

/// How long a run that was asked to end may look at the registry.
pub(super) const LAST_LOOK: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Reads the list, and takes note of what it shows of each file. Where that is strange it is read again.
    pub(super) async fn look(&mut self) -> Result<Listing, Halt> {
        let registry = self.sender.registry;
        loop {
            let listing = registry.files().await.map_err(PublishError::from)?;
            let strange = self.compare(&listing).await;
            let Some(wait) = self.tally.look_again(&strange, registry) else { return Ok(listing) };
            tokio::time::sleep(wait).await;
        }
    }

    /// Holds every file against what is there. Returns those for which the list has to be read once more, and why.
    async fn compare(&mut self, listing: &Listing) -> Vec<(usize, &'static str)> {
        let sender = self.sender;
        let steps: Vec<_> = futures_util::stream::iter(self.files.iter().zip(&self.tally.entries))
            .map(|(file, entry)| sender.step(file, entry.outcome.sha256, listing))
            .buffered(self.inputs.concurrency)
            .collect()
            .await;
        let mut strange = Vec::new();
        for (index, step) in steps.into_iter().enumerate() {
            strange.extend(self.tally.is_listed_as(index, step, sender.reporter).map(|why| (index, why)));
        }
        strange
    }

    /// The run is to end now: one quick look, so that what is said to be published is.
    pub(super) async fn take_stock(&mut self, signal: Signal) {
        if self.task.dry_run {
            // It has changed nothing that is to be looked at again.
            self.tally.errors.push(Stopped(signal).into());
            return;
        }
        let looked = tokio::time::timeout(LAST_LOOK, self.sender.registry.files_now()).await;
        let listing = looked.ok().and_then(Result::ok);
        for entry in &mut self.tally.entries {
            let theirs = listing.as_ref().and_then(|listing| listing.find(&entry.outcome.name));
            match (theirs, entry.outcome.sha256) {
                (Some(theirs), Some(ours)) if theirs.holds(entry.size, ours) => {
                    entry.mark_verified(ours, self.sender.reporter);
                }
                // The signal is the reason.
                _ if entry.mark_unverified().is_some() => entry.error = None,
                _ => {}
            }
        }
        if let Some(listing) = &listing
            && !self.still_fits(listing).await
        {
            self.mark_checksums_outdated();
        }
        // The version may have changed since they were compared with it, and nobody looks at them again.
        self.aliases.clear();
        self.tally.errors.push(Stopped(signal).into());
    }
}
