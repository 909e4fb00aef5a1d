//! Why a run fails: before its first request, or after it.

use url::Url;

use crate::advice::Advise;
use crate::files::{FileError, SelectError};
use crate::package::FileName;
use crate::plan::{Conflict, PlanError};
use crate::registry::{RegistryError, SetupError};

/// Why a run ended before its first request.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// The patterns find no files, or some that cannot be published.
    #[error(transparent)]
    Select(SelectError),
    /// The files' names are not those of a version.
    #[error(transparent)]
    Plan(PlanError),
    /// There is no HTTP client.
    #[error(transparent)]
    Setup(SetupError),
}

impl Advise for Rejected {
    fn advice(&self) -> Option<String> {
        match self {
            Self::Select(error) => error.advice(),
            Self::Plan(error) => error.advice(),
            Self::Setup(_) => Some("Check the proxy variables of the runner (HTTP_PROXY, HTTPS_PROXY)".to_owned()),
        }
    }
}

/// What failed in a run that came as far as its first request.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The registry, or the way there.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Other content is on the registry.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The registry took a file, and does not list it.
    #[error("`{name}` is not on the registry, though it was taken there: {url}")]
    Lost {
        /// The file's name.
        name: FileName,
        /// Where it should be.
        url: Url,
    },
    /// The registry lists other content than was sent.
    #[error("`{name}` is on the registry with other content than was sent: {theirs} there, {ours} here")]
    Altered {
        /// The file's name.
        name: FileName,
        /// What is there.
        theirs: String,
        /// What was sent.
        ours: String,
    },
}

impl Advise for PublishError {
    fn advice(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.advice(),
            Self::File(error) => error.advice(),
            Self::Conflict(_) => Some(
                "Use a new version, or delete the file on the registry first; a rebuild is rarely bit for bit the same, \
                 so publish the first build's files again where you have them"
                    .to_owned(),
            ),
            Self::Lost { .. } => Some("Run the step again, and look at the forge's log if it stays so".to_owned()),
            Self::Altered { .. } => Some(
                "Delete the file on the registry and run the step again; find out whether another job publishes the \
                 same name, and whether the forge's storage is sound"
                    .to_owned(),
            ),
        }
    }

    fn brief(&self) -> String {
        match self {
            Self::Registry(error) => error.brief(),
            other => other.to_string(),
        }
    }
}
