//! The race of first uploads on servers with PostgreSQL.
//!
//! On these servers, an upload that finds no version creates it, with its package, in a separate transaction. Another
//! upload that finds no version before the commit violates a unique index of PostgreSQL, gets a 500, and stores
//! nothing (`burst-new` of Gitea 1.22.6 and 1.24.7). Here the window between check and commit is as long as a commit,
//! or longer while another upload to that version runs. It closes when another upload has entered it. So parallel
//! uploads always race, and a single upload never does.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::answer::Reply;
use crate::store::Place;

/// The window if no other upload runs: about the time of a commit on a disk.
const COMMIT: Duration = Duration::from_millis(10);
/// The longest window for another upload that runs.
const WINDOW: Duration = Duration::from_millis(250);

/// A version: its owner, and the names of its package and of itself in lower case.
type Key = (u64, String, String);

/// The uploads to one version.
#[derive(Default)]
struct Uploads {
    /// The number of running uploads.
    running: usize,
    /// Whether one of them is creating the version.
    is_created: bool,
    /// The number of uploads that wait for the end of the creation.
    waiting: usize,
}

/// The running uploads by version.
pub(crate) struct Race(watch::Sender<HashMap<Key, Uploads>>);

impl Default for Race {
    fn default() -> Self {
        Self(watch::Sender::new(HashMap::new()))
    }
}

impl Race {
    /// Registers an upload when its head was read.
    pub(crate) fn enter(&self, place: &Place) -> RunningUpload<'_> {
        let runner = RunningUpload {
            race: self,
            key: (place.owner, place.package.to_lowercase(), place.version.to_lowercase()),
        };
        runner.change(|uploads| uploads.running += 1);
        runner
    }
}

/// A running upload. Dropping it ends the upload.
pub(crate) struct RunningUpload<'a> {
    race: &'a Race,
    key: Key,
}

impl RunningUpload<'_> {
    /// Stores the upload; `None` if another upload was creating the version at the same time.
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
                // A timeout is not an error here.
                let _ = timeout(COMMIT, self.until(|uploads| uploads.waiting > 0 || uploads.running > 1)).await;
                let _ = timeout(WINDOW, self.until(|uploads| uploads.waiting > 0 || uploads.running == 1)).await;
                return Some(store());
            }
            if !is_late {
                return Some(store());
            }
            // PostgreSQL delays the second insertion until the first transaction ends.
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
        // The sender exists as long as the runner.
        let _ = changes.wait_for(|all| all.get(&self.key).is_none_or(&holds)).await;
    }
}

impl Drop for RunningUpload<'_> {
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

/// The creation of a version. Dropping it closes its window.
struct Creation<'a>(&'a RunningUpload<'a>);

impl Drop for Creation<'_> {
    fn drop(&mut self) {
        self.0.change(|uploads| uploads.is_created = false);
    }
}
