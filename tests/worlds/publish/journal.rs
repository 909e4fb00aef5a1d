//! Records lists, changes and deletions on the registry through its hooks.

use std::collections::BTreeMap;

use embedded_registry::{self as registry, StoredFile};

use super::super::credential::Credential;
use super::super::script::{OWNER, PACKAGE};
use super::super::world::Content;

/// The files of a version by their names in lower case.
pub(crate) type Seen = BTreeMap<String, StoredFile>;

/// Returns the current files of a version.
pub(crate) fn seen(registry: &registry::World, version: &str) -> Seen {
    registry.files(OWNER, PACKAGE, version).into_iter().map(|file| (file.name.to_lowercase(), file)).collect()
}

/// The recorded events, in order.
#[derive(Default)]
pub(crate) struct Entries {
    version: &'static str,
    /// The files of the version at the time of each list.
    pub(crate) lists: Vec<Seen>,
    /// The changes by other jobs.
    pub(crate) changes: Vec<Change>,
    /// The files that existed at the start or came from other jobs, and that no other job deleted.
    pub(crate) theirs: Seen,
    /// The files that a DELETE of the run has deleted.
    pub(crate) deletions: Vec<Deletion>,
    /// The name in the last DELETE, and the file at that time. There is only one DELETE at a time.
    asked_to_delete: Option<(String, Option<StoredFile>)>,
    late: Vec<(Late, Later)>,
    /// Whether the credential was revoked, so that no list is returned.
    revoked: bool,
}

/// A change by another job.
pub(crate) struct Change {
    /// The name in lower case.
    pub(crate) name: String,
    /// The number of lists before it.
    pub(crate) lists: usize,
    /// Whether it came with a list or a DELETE, so that nobody can have listed between it and a DELETE.
    pub(crate) is_unforeseeable: bool,
}

/// A deletion that the run requested.
pub(crate) struct Deletion {
    /// The name in lower case.
    pub(crate) name: String,
    pub(crate) content: StoredFile,
    /// The number of lists before it.
    pub(crate) lists: usize,
    /// The number of changes by other jobs before it.
    pub(crate) changes: usize,
}

/// A delayed request.
#[derive(Clone)]
pub(crate) enum Late {
    Store(String, Content),
    Delete(String),
}

/// The time at which a delayed request is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Later {
    /// Before a list, after this number of other lists.
    List(usize),
    /// When the head of the next upload was read.
    Put,
    /// When the run has ended.
    End,
}

impl Entries {
    /// Creates the entries for a run that is about to start.
    pub(crate) fn new(version: &'static str, now: &registry::World) -> Self {
        Self { version, theirs: seen(now, version), ..Self::default() }
    }

    fn changed(&mut self, name: &str, is_unforeseeable: bool) {
        let (name, lists) = (name.to_lowercase(), self.lists.len());
        self.changes.push(Change { name, lists, is_unforeseeable });
    }

    /// Uploads a file as another job.
    pub(crate) fn publish(&mut self, to: &registry::World, name: &str, of: Content, unforeseeable: bool) {
        if to.store(OWNER, PACKAGE, self.version, name, &of.bytes()) {
            self.changed(name, unforeseeable);
            let stored = seen(to, self.version).remove(&name.to_lowercase());
            self.theirs.extend(stored.map(|file| (name.to_lowercase(), file)));
        }
    }

    /// Deletes a file as another job.
    pub(crate) fn delete(&mut self, on: &registry::World, name: &str, unforeseeable: bool) {
        if on.delete(OWNER, PACKAGE, self.version, name) {
            self.changed(name, unforeseeable);
            self.theirs.remove(&name.to_lowercase());
        }
    }

    /// Records a list, if the credential is valid.
    pub(crate) fn listed(&mut self, at: &registry::World) {
        if !self.revoked {
            self.lists.push(seen(at, self.version));
        }
    }

    /// Revokes the credential, and records that.
    pub(crate) fn revoke(&mut self, at: &registry::World, credential: &Credential) {
        credential.revoke(at);
        self.revoked = true;
    }

    /// Records the file that a DELETE of the run is about to delete.
    pub(crate) fn before_delete(&mut self, at: &registry::World, name: &str) {
        let there = seen(at, self.version).remove(&name.to_lowercase());
        self.asked_to_delete = Some((name.to_owned(), there));
    }

    /// Records whether the DELETE has deleted the file.
    pub(crate) fn deleted(&mut self, at: &registry::World, name: &str) {
        let before = self.asked_to_delete.take().filter(|(asked, _)| asked == name).and_then(|(_, before)| before);
        let name = name.to_lowercase();
        if let Some(content) = before.filter(|_| !seen(at, self.version).contains_key(&name)) {
            let (lists, changes) = (self.lists.len(), self.changes.len());
            self.deletions.push(Deletion { name, content, lists, changes });
        }
    }

    /// Returns the name in the last DELETE.
    pub(crate) fn last_deleted_name(&self) -> Option<String> {
        self.asked_to_delete.as_ref().map(|(name, _)| name.clone())
    }

    /// Adds a delayed request.
    pub(crate) fn postpone(&mut self, late: Late, until: Later) {
        self.late.push((late, until));
    }

    /// Executes the delayed requests that are due.
    pub(crate) fn catch_up(&mut self, with: &registry::World, now: Later) {
        let mut due = Vec::new();
        self.late.retain_mut(|(late, until)| match (now, &mut *until) {
            (Later::List(_), Later::List(more)) if *more > 0 => {
                *more -= 1;
                true
            }
            (Later::End, _) | (Later::List(_), Later::List(_)) | (Later::Put, Later::Put) => {
                due.push(late.clone());
                false
            }
            _ => true,
        });
        for late in due {
            // A server rejects an upload of an existing file, and a deletion of a missing one.
            let name = match late {
                Late::Store(name, content) => {
                    with.store(OWNER, PACKAGE, self.version, &name, &content.bytes());
                    name
                }
                Late::Delete(name) => {
                    with.delete(OWNER, PACKAGE, self.version, &name);
                    self.theirs.remove(&name.to_lowercase());
                    name
                }
            };
            self.changed(&name, true);
        }
    }
}
