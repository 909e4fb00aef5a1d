//! What happened on the registry, as the registry's own hooks saw it.

use std::collections::BTreeMap;

use embedded_registry::{self as registry, StoredFile};

use super::super::script::{OWNER, PACKAGE};
use super::super::world::Content;

/// The files of the version, by their names in lower case.
pub(crate) type Seen = BTreeMap<String, StoredFile>;

/// What the version has now.
pub(crate) fn seen(registry: &registry::World, version: &str) -> Seen {
    registry.files(OWNER, PACKAGE, version).into_iter().map(|file| (file.name.to_lowercase(), file)).collect()
}

/// In the order in which it happened.
#[derive(Default)]
pub(crate) struct Entries {
    version: &'static str,
    /// What the version had when each list was made.
    pub(crate) lists: Vec<Seen>,
    /// What others have done to which names, and how many lists there were before.
    pub(crate) changes: Vec<Change>,
    /// What was there at the start or came from others, and was not taken away by others.
    pub(crate) theirs: Seen,
    /// What was there when the DELETE of a file of ours came, and is not any more.
    pub(crate) deletions: Vec<Deletion>,
    /// The name of the file whose DELETE was reached last, and what was there. There is one at a time.
    asked_to_delete: Option<(String, Option<StoredFile>)>,
    late: Vec<(Late, Later)>,
    /// The token is worth nothing any more, so that nothing is shown.
    revoked: bool,
}

/// Something that others have done.
pub(crate) struct Change {
    /// The name in lower case.
    pub(crate) name: String,
    /// How many lists were made before.
    pub(crate) lists: usize,
    /// Whether it came with a list or a DELETE, so that nobody can have listed between it and a DELETE.
    pub(crate) is_unforeseeable: bool,
}

/// A deletion that we asked for.
pub(crate) struct Deletion {
    /// The name in lower case.
    pub(crate) name: String,
    pub(crate) content: StoredFile,
    /// How many lists were made before.
    pub(crate) lists: usize,
    /// How many changes by others there were before.
    pub(crate) changes: usize,
}

/// What was asked for and is not done yet.
#[derive(Clone)]
pub(crate) enum Late {
    Store(String, Content),
    Delete(String),
}

/// When something happens that was asked for earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Later {
    /// Before a list is made, so many lists later.
    List(usize),
    /// When the next head of an upload has come.
    Put,
    /// When the run has ended.
    End,
}

impl Entries {
    /// Of a run that is to begin.
    pub(crate) fn new(version: &'static str, now: &registry::World) -> Self {
        Self { version, theirs: seen(now, version), ..Self::default() }
    }

    fn changed(&mut self, name: &str, is_unforeseeable: bool) {
        let (name, lists) = (name.to_lowercase(), self.lists.len());
        self.changes.push(Change { name, lists, is_unforeseeable });
    }

    /// Somebody else uploads a file.
    pub(crate) fn publish(&mut self, to: &registry::World, name: &str, of: Content, unforeseeable: bool) {
        if to.store(OWNER, PACKAGE, self.version, name, &of.bytes()) {
            self.changed(name, unforeseeable);
            let stored = seen(to, self.version).remove(&name.to_lowercase());
            self.theirs.extend(stored.map(|file| (name.to_lowercase(), file)));
        }
    }

    /// Somebody else deletes a file.
    pub(crate) fn delete(&mut self, on: &registry::World, name: &str, unforeseeable: bool) {
        if on.delete(OWNER, PACKAGE, self.version, name) {
            self.changed(name, unforeseeable);
            self.theirs.remove(&name.to_lowercase());
        }
    }

    /// A list was asked for, and made where the token is good.
    pub(crate) fn listed(&mut self, at: &registry::World) {
        if !self.revoked {
            self.lists.push(seen(at, self.version));
        }
    }

    /// Makes the token worthless.
    pub(crate) fn revoke(&mut self, at: &registry::World, token: &str) {
        at.revoke(token);
        self.revoked = true;
    }

    /// A DELETE of a file of ours is carried out next.
    pub(crate) fn deletes(&mut self, at: &registry::World, name: &str) {
        let there = seen(at, self.version).remove(&name.to_lowercase());
        self.asked_to_delete = Some((name.to_owned(), there));
    }

    /// It was carried out, or refused.
    pub(crate) fn deleted(&mut self, at: &registry::World, name: &str) {
        let before = self.asked_to_delete.take().filter(|(asked, _)| asked == name).and_then(|(_, before)| before);
        let name = name.to_lowercase();
        if let Some(content) = before.filter(|_| !seen(at, self.version).contains_key(&name)) {
            let (lists, changes) = (self.lists.len(), self.changes.len());
            self.deletions.push(Deletion { name, content, lists, changes });
        }
    }

    /// Which file the DELETE that was reached last is about.
    pub(crate) fn being_deleted(&self) -> Option<String> {
        self.asked_to_delete.as_ref().map(|(name, _)| name.clone())
    }

    /// Puts down what is to be done later.
    pub(crate) fn postpone(&mut self, late: Late, until: Later) {
        self.late.push((late, until));
    }

    /// Does what is due.
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
            // A server refuses what is there by then, and what is there no longer.
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
