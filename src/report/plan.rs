//! What a dry run tells: a row for each thing that a real run would do, or leave as it is.

/// What a real run would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A file is sent that the registry does not have.
    Upload,
    /// A file takes the place of other content.
    Replace,
    /// A file is there, bit for bit.
    Unchanged,
    /// Other content stays, as it is asked for; or an alias, or a link.
    Skip,
    /// Other content is in the way, and the run fails.
    Conflict,
    /// A file is deleted that an alias should not have.
    Delete,
    /// The version gets its file of checksums.
    Seal,
    /// Another version becomes what this one is then; what that takes follows.
    Alias,
    /// The package is linked to a repository.
    Link,
}

impl Action {
    pub(super) const ALL: [Self; 9] = [
        Self::Upload,
        Self::Replace,
        Self::Unchanged,
        Self::Skip,
        Self::Conflict,
        Self::Seal,
        Self::Alias,
        Self::Delete,
        Self::Link,
    ];

    /// The word for it in log and summary.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Replace => "replace",
            Self::Unchanged => "unchanged",
            Self::Skip => "skip",
            Self::Conflict => "conflict",
            Self::Delete => "delete",
            Self::Seal => "seal",
            Self::Alias => "alias",
            Self::Link => "link",
        }
    }

    /// Whether it changes files, for which the right to write is needed.
    pub(crate) fn changes_files(self) -> bool {
        matches!(self, Self::Upload | Self::Replace | Self::Delete | Self::Seal)
    }
}

/// A row of the plan.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// What would be done.
    pub(crate) action: Action,
    /// With what: the name of a file, behind the version where that is an alias; a version; or a repository with its
    /// owner. It has been made harmless.
    pub(crate) what: String,
    /// The length of a file in bytes.
    pub(crate) size: Option<u64>,
    /// What is there now, in a few words of ours.
    pub(crate) there: String,
}

/// How many of each there are: `2 upload, 1 conflict`.
pub(super) fn counts(plan: &[Planned]) -> String {
    let count = |action: Action| plan.iter().filter(|row| row.action == action).count();
    let all = Action::ALL.into_iter().map(|action| (count(action), action)).filter(|(count, _)| *count > 0);
    all.map(|(count, action)| format!("{count} {}", action.word())).collect::<Vec<_>>().join(", ")
}
