//! Records the content of each list, as the registry's hooks see it.

use std::collections::BTreeMap;

use embedded_registry::{self as registry, StoredFile};

use super::super::script::{self, Files, OWNER, PACKAGE};
use super::CHECKSUMS;

/// The lists and unsafe requests that were recorded during a run.
#[derive(Default)]
pub(crate) struct Lists {
    /// The version that is covered by a checksums file.
    version: &'static str,
    /// The files of each version at the time of its last list.
    pub(super) last: BTreeMap<&'static str, Files>,
    /// The files of each version when the list before the last one was made. A signal drops a list, and the registry
    /// may send that list after the next one.
    pub(super) before_last: BTreeMap<&'static str, Files>,
    /// The version of the last list of all.
    pub(super) latest: &'static str,
    /// The lists of each version, in order.
    shown: BTreeMap<&'static str, Vec<Vec<StoredFile>>>,
    /// The unsafe requests. A deletion is unsafe if only one list has shown the deleted content. An upload of the
    /// checksums file is unsafe if the last list has shown no other file.
    pub(super) unsafe_requests: Vec<String>,
    /// Whether the version's checksums file was to be deleted, and no list has shown one since: it is sent again
    /// whatever there is.
    is_replacing: bool,
}

impl Lists {
    /// Creates an empty record for a run that publishes the checksums file of a version.
    pub(super) fn at(version: &'static str) -> Self {
        Self { version, ..Self::default() }
    }

    /// Records a list.
    pub(super) fn listed(&mut self, at: &registry::World, version: &'static str) {
        self.latest = version;
        if version == self.version && at.files(OWNER, PACKAGE, version).iter().any(|file| file.name == CHECKSUMS) {
            self.is_replacing = false;
        }
        if let Some(before) = self.last.insert(version, script::files(at, version)) {
            self.before_last.insert(version, before);
        }
        self.shown.entry(version).or_default().push(at.files(OWNER, PACKAGE, version));
    }

    /// Records an upload of the version's checksums file. It must not recreate a version that other jobs have deleted.
    pub(super) fn checksums_are_put(&mut self) {
        let is_empty = self.last.get(self.version).is_none_or(|files| files.keys().all(|name| *name == CHECKSUMS));
        if is_empty && !self.is_replacing {
            self.unsafe_requests.push(
                "the checksums file was uploaded, but the last list had no other files of the version".to_owned(),
            );
        }
    }

    /// Records a DELETE of the file that the last list has shown, because the current file may be another one. If the
    /// last list had no such file, the response to an earlier DELETE was wrong.
    pub(super) fn deletes(&mut self, version: &'static str, name: &str) {
        self.is_replacing |= version == self.version && name == CHECKSUMS;
        let shown = self.shown.get(version).map(Vec::as_slice).unwrap_or_default();
        let find = |list: &Vec<StoredFile>| list.iter().find(|file| file.name.eq_ignore_ascii_case(name)).cloned();
        let wanted = shown.last().and_then(find);
        // An identical file that another job restores during the replacement is not different content.
        let is_new = !shown.iter().rev().skip(1).any(|list| find(list) == wanted);
        if let Some(file) = wanted.filter(|_| is_new) {
            self.unsafe_requests.push(format!("{file:?} of {version} was deleted after one list"));
        }
    }
}
