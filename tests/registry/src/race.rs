//! The race of first uploads, on servers that have it.
//!
//! There, an upload that finds no version creates it, with its package, in a transaction of its own. Whoever finds none
//! either before that is committed fails with a unique index of PostgreSQL, is answered 500, and stores nothing
//! (`burst-new` of Gitea 1.22.6 and 1.24.7). Here the window between looking and committing is open for as long as a commit
//! takes, and longer while another upload to that version runs; it closes when one has come into it. So clients that
//! upload at the same time do race, and one that is alone never does.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::answer::Reply;
use crate::store::Place;

/// How long the window stays open when no other upload runs: about a commit on a disk.
const COMMIT: Duration = Duration::from_millis(10);
/// How long the window stays open for another upload that runs, but does not come.
const WINDOW: Duration = Duration::from_millis(250);

/// A version: its owner, its package and its own name, both in lower case.
type Key = (u64, String, String);

/// The uploads to one version.
#[derive(Default)]
struct Uploads {
    /// How many run.
    running: usize,
    /// One of them creates the version.
    is_created: bool,
    /// So many came meanwhile, and wait for that to end.
    waiting: usize,
}

/// The uploads that run, by version.
pub(crate) struct Race(watch::Sender<HashMap<Key, Uploads>>);

impl Default for Race {
    fn default() -> Self {
        Self(watch::Sender::new(HashMap::new()))
    }
}

impl Race {
    /// Notes that an upload runs, from its head on.
    pub(crate) fn enter(&self, place: &Place) -> Runner<'_> {
        let runner =
            Runner { race: self, key: (place.owner, place.package.to_lowercase(), place.version.to_lowercase()) };
        runner.change(|uploads| uploads.running += 1);
        runner
    }
}

/// An upload that runs; it ends when this is dropped.
pub(crate) struct Runner<'a> {
    race: &'a Race,
    key: Key,
}

impl Runner<'_> {
    /// Stores the upload, unless it comes while another creates the version; None then.
    pub(crate) async fn store(
        &self,
        version_exists: impl Fn() -> bool,
        store: impl FnOnce() -> Reply,
    ) -> Option<Reply> {
        loop {
            let (mut creates, mut is_late) = (false, false);
            self.change(|uploads| {
                is_late = uploads.is_created;
                creates = !is_late && !version_exists();
                uploads.is_created |= creates;
                uploads.waiting += usize::from(is_late);
            });
            if creates {
                let _creation = Creation(self);
                // Whether the time is over or not: what counts is who is there.
                let _ = timeout(COMMIT, self.until(|uploads| uploads.waiting > 0 || uploads.running > 1)).await;
                let _ = timeout(WINDOW, self.until(|uploads| uploads.waiting > 0 || uploads.running == 1)).await;
                return Some(store());
            }
            if !is_late {
                return Some(store());
            }
            // PostgreSQL lets the second insertion wait for the end of the first transaction.
            self.until(|uploads| !uploads.is_created).await;
            self.change(|uploads| uploads.waiting -= 1);
            if version_exists() {
                return None;
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Uploads)) {
        self.race.0.send_modify(|all| change(all.entry(self.key.clone()).or_default()));
    }

    async fn until(&self, holds: impl Fn(&Uploads) -> bool) {
        let mut changes = self.race.0.subscribe();
        // The sender lives as long as the runner.
        let _ = changes.wait_for(|all| all.get(&self.key).is_none_or(&holds)).await;
    }
}

impl Drop for Runner<'_> {
    fn drop(&mut self) {
        self.race.0.send_modify(|all| {
            if let Some(uploads) = all.get_mut(&self.key) {
                uploads.running -= 1;
                if uploads.running == 0 {
                    all.remove(&self.key);
                }
            }
        });
    }
}

/// The creation of a version; its window closes when this is dropped.
struct Creation<'a>(&'a Runner<'a>);

impl Drop for Creation<'_> {
    fn drop(&mut self) {
        self.0.change(|uploads| uploads.is_created = false);
    }
}
