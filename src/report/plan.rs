//! What a dry run tells: a row for each thing that a real run would do, or leave as it is.

/// What a real run would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A file is sent that the registry does not have.
    Upload,
    /// A file takes the place of other content.
    Replace,
    /// A file is there, bit for bit.
    Unchanged,
    /// Other content stays, as it is asked for.
    Skip,
    /// Other content is in the way, and the run fails.
    Conflict,
    /// The package is linked to a repository.
    Link,
}

impl Action {
    pub(super) const ALL: [Self; 6] =
        [Self::Upload, Self::Replace, Self::Unchanged, Self::Skip, Self::Conflict, Self::Link];

    /// The word for it in log and summary.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Replace => "replace",
            Self::Unchanged => "unchanged",
            Self::Skip => "skip",
            Self::Conflict => "conflict",
            Self::Link => "link",
        }
    }
}

/// A row of the plan.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What would be done.
    pub action: Action,
    /// With what: the name of a file, or a repository with its owner. It has been made harmless.
    pub what: String,
    /// The length of a file in bytes.
    pub size: Option<u64>,
    /// What is there now, in a few words of ours.
    pub there: String,
}

/// How many of each there are: `2 upload, 1 conflict`.
pub(super) fn counts(plan: &[Planned]) -> String {
    let count = |action: Action| plan.iter().filter(|row| row.action == action).count();
    let all = Action::ALL.into_iter().map(|action| (count(action), action)).filter(|(count, _)| *count > 0);
    all.map(|(count, action)| format!("{count} {}", action.word())).collect::<Vec<_>>().join(", ")
}
