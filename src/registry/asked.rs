//! What a request is for.

use std::fmt;

use crate::package::{FileName, RepositoryName};

/// What the registry was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The list of the version's files.
    Files,
    /// The right to write.
    Right,
    /// To store a file.
    Upload(FileName),
    /// To delete a file, so that another can take its place.
    Delete(FileName),
    /// To delete a file for good.
    Remove(FileName),
    /// The version itself: its page, and the repository that its package is linked to.
    Version,
    /// To link the package to that repository.
    Link(RepositoryName),
    /// The versions of the package, or the packages of the owner.
    Versions,
    /// The content of a file.
    Download(FileName),
}

impl Asked {
    /// What it is about, in a few words.
    pub(super) fn in_short(&self) -> String {
        match self {
            Self::Files => "the list of files".to_owned(),
            Self::Right => "the question for the right to write".to_owned(),
            Self::Upload(name) | Self::Download(name) => format!("`{name}`"),
            Self::Delete(name) | Self::Remove(name) => format!("deleting `{name}`"),
            Self::Version => "the question about the version".to_owned(),
            Self::Link(name) => format!("linking to `{name}`"),
            Self::Versions => "the list of versions".to_owned(),
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files => f.write_str("the registry does not say which files the version has"),
            Self::Right => f.write_str("the registry does not let us publish"),
            Self::Upload(name) => write!(f, "`{name}` is not published"),
            Self::Delete(name) => write!(f, "`{name}` is not replaced, since it cannot be deleted first"),
            Self::Remove(name) => write!(f, "`{name}` cannot be deleted"),
            Self::Version => f.write_str("the registry does not say where the version's page is"),
            Self::Link(name) => write!(f, "the package is not linked to the repository {name}"),
            Self::Versions => f.write_str("the registry does not say which versions there are"),
            Self::Download(name) => write!(f, "`{name}` is not downloaded"),
        }
    }
}
