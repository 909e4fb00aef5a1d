//! The plan of a dry run: a row for each thing that a real run would do, or keep.

/// One thing that a real run would do, or keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A file that the registry lacks is uploaded.
    Upload,
    /// A file replaces different content.
    Replace,
    /// An identical file is kept.
    Unchanged,
    /// Different content is kept, as the user wishes; or an alias, or a link.
    Skip,
    /// Different content already exists, and the run fails.
    Conflict,
    /// An extra file of an alias is deleted.
    Delete,
    /// An alias is made identical to this version; the rows after it say how.
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

    /// Returns the word for it in log and summary.
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

    /// Whether it changes files, which needs write access.
    pub(crate) fn changes_files(self) -> bool {
        matches!(self, Self::Upload | Self::Replace | Self::Delete)
    }
}

/// A row of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) action: Action,
    /// Its object: the name of a file, after the alias if it is a file of one; an alias; or a repository with its owner. It
    /// has been sanitized.
    pub(crate) what: String,
    /// The length of a file in bytes.
    pub(crate) size: Option<u64>,
    /// The object on the registry now, in a few words.
    pub(crate) there: String,
}
