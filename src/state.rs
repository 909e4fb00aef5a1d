//! The state of one file in a run, and the function that returns the next state after an event.

use crate::listing::RegistryFile;

/// The state of a desired file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// This run has stored nothing of it on the registry.
    Planned,
    /// The registry has different content under its name, which is deleted first.
    ToReplace {
        /// The listed content. Only this is deleted.
        seen: RegistryFile,
    },
    /// Its upload has started. The registry may have it.
    Sent {
        /// The next step if the next list does not show it; `None` while the upload is running.
        if_missing: Option<IfMissing>,
        /// Whether an upload that has ended may have reached the server.
        may_be_stored: bool,
        /// The content that was deleted for it, or may have been.
        deleted: Option<RegistryFile>,
    },
    /// The registry accepted it, and no list has shown it since.
    Accepted {
        /// The content that was deleted for it.
        deleted: Option<RegistryFile>,
    },
    /// A list showed the identical file.
    Verified {
        /// Whether this run uploaded it; otherwise it existed before.
        was_uploaded: bool,
        /// The content that was deleted for it.
        deleted: Option<RegistryFile>,
    },
    /// The registry keeps different content under its name, because of `if-file-exists: skip`.
    Skipped,
    /// It is not on the registry.
    Failed {
        /// The content that was deleted for it. The file is missing now.
        deleted: Option<RegistryFile>,
    },
    /// It may be on the registry, but no list could confirm it.
    Unverified {
        /// Whether the registry accepted it, or may have.
        may_be_stored: bool,
        /// The content that was deleted for it, or may have been.
        deleted: Option<RegistryFile>,
    },
}

/// The next step if a list does not show a file that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfMissing {
    /// It is uploaded again.
    Retry,
    /// The list is read again, because the registry says that it has the file.
    ListAgain,
    /// It has failed.
    Fail,
}

/// An event that changes the state of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Its upload begins.
    UploadStarted,
    /// The deletion of the existing content starts.
    DeleteStarted { seen: RegistryFile },
    /// The registry accepted its upload.
    Accepted,
    /// The registry rejected its upload, or no list shows it, and it is not uploaded again.
    NotStored,
    /// Its upload ended without a clear response.
    Interrupted { if_missing: IfMissing, may_be_stored: bool },
    /// A list shows the identical file.
    Identical,
    /// The registry has different content, which is to be deleted first.
    Different { seen: RegistryFile },
    /// A list shows different content, which the registry keeps.
    Skipped,
    /// No list shows it, and it is uploaded next.
    Missing,
    /// A list contradicts its state, and is read again.
    ListAgain,
    /// A list contradicts its state, and no retry is left.
    ListRetriesUsed,
    /// The local file can no longer be read.
    Unreadable,
    /// It has failed, regardless of its state.
    Failed,
    /// The list can no longer be read.
    ListFailed,
}

impl State {
    /// Returns the state after an event.
    #[must_use]
    #[expect(clippy::match_same_arms, reason = "an arm for each rule, in the order of the events")]
    pub(crate) fn after(self, event: Event) -> Self {
        let deleted = self.deleted().cloned();
        match (self, event) {
            (state, Event::UploadStarted) => {
                Self::Sent { if_missing: None, may_be_stored: state.may_be_stored(), deleted }
            }
            (state, Event::DeleteStarted { seen }) => Self::Sent {
                if_missing: Some(IfMissing::Fail),
                may_be_stored: state.may_be_stored(),
                deleted: Some(seen),
            },
            (_, Event::Different { seen }) => Self::ToReplace { seen },
            (_, Event::Accepted) => Self::Accepted { deleted },
            (_, Event::NotStored) => Self::Failed { deleted },
            (state, Event::Interrupted { if_missing, may_be_stored }) => Self::Sent {
                if_missing: Some(if_missing),
                may_be_stored: may_be_stored || state.may_be_stored(),
                deleted,
            },
            (state @ Self::Verified { .. }, Event::Identical) => state,
            (state, Event::Identical) => {
                let is_under_way = matches!(state, Self::Sent { if_missing: None, .. });
                Self::Verified { was_uploaded: is_under_way || state.may_be_stored() || deleted.is_some(), deleted }
            }
            (_, Event::Skipped) => Self::Skipped,
            (Self::ToReplace { .. }, Event::Missing) => Self::Planned,
            (Self::Verified { was_uploaded: false, .. } | Self::Skipped, Event::ListAgain) => Self::Planned,
            (Self::Verified { .. }, Event::ListAgain) => Self::Accepted { deleted },
            (Self::Sent { may_be_stored, .. }, Event::ListAgain) => {
                Self::Sent { if_missing: Some(IfMissing::ListAgain), may_be_stored, deleted }
            }
            (Self::Verified { was_uploaded: false, .. } | Self::Skipped, Event::ListRetriesUsed) => {
                Self::Failed { deleted: None }
            }
            (Self::Sent { .. }, Event::ListRetriesUsed) if deleted.is_some() => Self::Failed { deleted },
            (state @ (Self::Sent { .. } | Self::Accepted { .. } | Self::Verified { .. }), Event::ListRetriesUsed) => {
                Self::Unverified { may_be_stored: state.may_be_stored(), deleted: None }
            }
            (state @ (Self::Sent { .. } | Self::Accepted { .. } | Self::Unverified { .. }), Event::Unreadable) => {
                Self::Unverified { may_be_stored: state.may_be_stored(), deleted }
            }
            (_, Event::Unreadable | Event::Failed) => Self::Failed { deleted: None },
            (Self::Sent { if_missing: Some(_), may_be_stored: false, deleted: None }, Event::ListFailed) => {
                Self::Planned
            }
            (state @ Self::Sent { deleted: Some(_), .. }, Event::ListFailed) => state,
            (state @ (Self::Sent { .. } | Self::Accepted { .. } | Self::Verified { .. }), Event::ListFailed) => {
                Self::Unverified { may_be_stored: state.may_be_stored(), deleted: None }
            }
            // Nothing of it is on the registry, or the event adds no information.
            (state, Event::Missing | Event::ListAgain | Event::ListRetriesUsed | Event::ListFailed) => state,
        }
    }

    /// Returns the content that was deleted for it, or may have been.
    #[must_use]
    pub(crate) fn deleted(&self) -> Option<&RegistryFile> {
        match self {
            Self::Sent { deleted, .. }
            | Self::Accepted { deleted }
            | Self::Verified { deleted, .. }
            | Self::Failed { deleted }
            | Self::Unverified { deleted, .. } => deleted.as_ref(),
            Self::Planned | Self::ToReplace { .. } | Self::Skipped => None,
        }
    }

    /// Whether an upload of this run that has ended may have reached the server.
    fn may_be_stored(&self) -> bool {
        match self {
            Self::Sent { may_be_stored, .. } | Self::Unverified { may_be_stored, .. } => *may_be_stored,
            Self::Accepted { .. } => true,
            Self::Verified { was_uploaded, .. } => *was_uploaded,
            Self::Planned | Self::ToReplace { .. } | Self::Skipped | Self::Failed { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use super::*;
    use crate::checksum::Sha256;

    /// A legend, an empty line, and every transition.
    const TRANSITIONS: &str = include_str!("state.txt");

    fn seen() -> RegistryFile {
        RegistryFile { name: "a".to_owned(), size: 1, sha256: Sha256::of(b"1") }
    }

    fn states() -> Vec<(String, State)> {
        let mut states = vec![
            ("planned".to_owned(), State::Planned),
            ("to-replace".to_owned(), State::ToReplace { seen: seen() }),
            ("skipped".to_owned(), State::Skipped),
        ];
        for (plus, deleted) in [("", None), ("+", Some(seen()))] {
            for (mark, may_be_stored) in [("", false), ("!", true)] {
                for (name, if_missing) in [
                    ("under-way", None),
                    ("retry", Some(IfMissing::Retry)),
                    ("list-again", Some(IfMissing::ListAgain)),
                    ("fail", Some(IfMissing::Fail)),
                ] {
                    let state = State::Sent { if_missing, may_be_stored, deleted: deleted.clone() };
                    states.push((format!("{name}{mark}{plus}"), state));
                }
                let state = State::Unverified { may_be_stored, deleted: deleted.clone() };
                states.push((format!("unverified{mark}{plus}"), state));
            }
            states.push((format!("accepted{plus}"), State::Accepted { deleted: deleted.clone() }));
            let state = State::Verified { was_uploaded: true, deleted: deleted.clone() };
            states.push((format!("uploaded{plus}"), state));
            states.push((format!("failed{plus}"), State::Failed { deleted }));
        }
        states.push(("unchanged".to_owned(), State::Verified { was_uploaded: false, deleted: None }));
        states
    }

    fn events() -> Vec<(&'static str, Event)> {
        let interrupted = |if_missing, may_be_stored| Event::Interrupted { if_missing, may_be_stored };
        vec![
            ("upload-started", Event::UploadStarted),
            ("delete-started", Event::DeleteStarted { seen: seen() }),
            ("accepted", Event::Accepted),
            ("not-stored", Event::NotStored),
            ("interrupted", interrupted(IfMissing::Retry, false)),
            ("interrupted!", interrupted(IfMissing::Retry, true)),
            ("identical", Event::Identical),
            ("different", Event::Different { seen: seen() }),
            ("skipped", Event::Skipped),
            ("missing", Event::Missing),
            ("list-again", Event::ListAgain),
            ("list-retries-used", Event::ListRetriesUsed),
            ("unreadable", Event::Unreadable),
            ("failed", Event::Failed),
            ("list-failed", Event::ListFailed),
        ]
    }

    #[test]
    fn each_event_leads_from_each_state_to_the_next() {
        let states = states();
        let mut table = String::new();
        for (event_name, event) in events() {
            let mut changed = BTreeMap::<&str, Vec<&str>>::new();
            for (name, state) in &states {
                let next = state.clone().after(event.clone());
                let (next, _) = states.iter().find(|(_, known)| *known == next).expect("a known state");
                if next != name {
                    changed.entry(next).or_default().push(name);
                }
            }
            let _ = writeln!(table, "{event_name}");
            for (next, names) in changed {
                let _ = writeln!(table, "  -> {next}: {}", names.join(" "));
            }
        }
        let (_, transitions) = TRANSITIONS.split_once("\n\n").expect("a legend");
        assert_eq!(table, transitions, "all transitions:\n{table}");
    }
}
