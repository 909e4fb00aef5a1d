//! The plan of a dry run: one row per action of a real run.

/// One action of a real run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A file that the registry lacks is uploaded.
    Upload,
    /// A file replaces different content.
    Replace,
    /// An identical file is kept.
    Unchanged,
    /// Different content is kept, as `if-file-exists: skip` requires; or an alias or a link is kept.
    Skip,
    /// Different content already exists, and the run fails.
    Conflict,
    /// An extra file of an alias is deleted.
    Delete,
    /// An alias is made identical to this version; the rows after it list its files.
    Alias,
    /// The package is linked to a repository.
    Link,
}

impl Action {
    pub(super) const ALL: [Self; 8] = [
        Self::Upload,
        Self::Replace,
        Self::Unchanged,
        Self::Skip,
        Self::Conflict,
        Self::Alias,
        Self::Delete,
        Self::Link,
    ];

    /// Returns the word for the action in log and summary.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Replace => "replace",
            Self::Unchanged => "unchanged",
            Self::Skip => "skip",
            Self::Conflict => "conflict",
            Self::Delete => "delete",
            Self::Alias => "alias",
            Self::Link => "link",
        }
    }

    /// Returns the words after a number in the result of a dry run: `2 to upload, 1 alias to update`.
    pub(super) fn in_sentence(self, count: usize) -> &'static str {
        match self {
            Self::Upload => "to upload",
            Self::Replace => "to replace",
            Self::Unchanged => "unchanged",
            Self::Skip => "to skip",
            Self::Conflict => "in conflict",
            Self::Alias if count == 1 => "alias to update",
            Self::Alias => "aliases to update",
            Self::Delete => "to delete",
            Self::Link => "link to create",
        }
    }

    /// Whether the action changes files, which requires write access.
    pub(crate) fn changes_files(self) -> bool {
        matches!(self, Self::Upload | Self::Replace | Self::Delete)
    }
}

/// A row of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) action: Action,
    /// The object of the action: a file name, prefixed with the alias if it is a file of an alias; an alias; or a
    /// repository with its owner. The text is already sanitized.
    pub(crate) what: String,
    /// The length of a file in bytes.
    pub(crate) size: Option<u64>,
    /// The current state of the object on the registry, in a few words.
    pub(crate) on_registry: String,
}
