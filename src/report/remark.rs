//! Warnings and notices.

/// The level of a remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Something may be wrong, although nothing has failed.
    Warning,
    /// The program made a decision that the user may not expect. Nothing is wrong.
    Notice,
}

impl Level {
    pub(super) const ALL: [Self; 2] = [Self::Warning, Self::Notice];

    /// Returns the word for the level in the log and the summary, which is also the name of the workflow command.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// A warning or a notice of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub(crate) level: Level,
    /// Its text.
    pub text: String,
}
