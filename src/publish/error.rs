//! Why a run fails after its first request.

use url::Url;

use crate::download::DownloadError;
use crate::files::{FileError, Mistake, PlaceError};
use crate::hint::{Explain, Plural};
use crate::package::{BadName, FileName, ServerUrl, Target, Version};
use crate::plan::{Conflict, ConflictTime, Diff};
use crate::registry::RegistryError;
use crate::sanitize::{Names, Sanitized};
use crate::stop::Stopped;
use crate::suggest::SimilarNames;

/// The evidence about a file that could not be verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Evidence {
    #[error("an earlier list showed it")]
    Listed,
    #[error("the registry accepted it")]
    Accepted,
    #[error("its upload was interrupted ({0})")]
    Interrupted(String),
}

/// An error of a run that sent a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// A request failed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file already exists with different content.
    #[error("{}", conflict_in_words(conflict, *.when))]
    Conflict {
        conflict: Conflict,
        /// When it was found.
        when: ConflictTime,
        /// The page of the version, where files can be deleted.
        page: Url,
    },
    /// The old file was deleted, but the upload of the new one failed.
    #[error(
        "failed to replace `{name}`: {} missing on the registry",
        if *.is_certain { "the old file was deleted, but the upload failed. The file is now" }
        else { "the upload is not confirmed. The file may be" }
    )]
    Missing {
        name: FileName,
        /// Whether it is known to be missing.
        is_certain: bool,
        /// Why the upload failed, if known.
        #[source]
        cause: Option<Box<PublishError>>,
    },
    /// The copy of the checksums file cannot be written to the workspace.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// No file of the version matches a line of `expect`.
    #[error("failed to create the checksums file of {version}: no file matches `{line}` from `expect`")]
    Expected {
        line: Sanitized,
        version: Version,
        /// The mistake in the line, if it is one.
        mistake: Option<Mistake>,
        /// Names of the version that are similar.
        similar: SimilarNames,
    },
    /// A version without files.
    #[error("failed to create the checksums file: {}/{} {} has no files", .0.owner, .0.package, .0.version)]
    NoFiles(Box<Target>),
    /// Files whose names cannot be in a checksums file.
    #[error("{}", unsafe_names_in_words(names, why))]
    UnsafeNames {
        names: Names,
        /// Why the first name is rejected.
        why: String,
    },
    /// The checksums file on the registry does not match the version.
    #[error("{}", outdated_in_words(name, version, *.times))]
    ChecksumsOutdated {
        name: FileName,
        version: Version,
        /// The number of attempts, if other jobs changed the version during each.
        times: Option<u32>,
    },
    /// An alias is not identical to the version.
    #[error("alias {alias} {}", alias_in_words(version, .state.as_ref()))]
    AliasDiffers {
        alias: Version,
        /// The version that it should be identical to.
        version: Version,
        /// Its files now, compared with those of the version; `None` if the list failed.
        state: Option<Diff>,
        /// Why; `None` if a signal canceled the run.
        #[source]
        cause: Option<Box<PublishError>>,
    },
    /// Other jobs changed an alias after each update.
    #[error("other jobs changed alias {alias} during each of {times} attempts")]
    Unsettled {
        alias: Version,
        /// The number of attempts.
        times: u32,
    },
    /// Another job changed an alias during its update, and the package now has a release that the alias must follow.
    #[error("another job changed alias {alias} at the same time, and the package now has release {release}")]
    Superseded { alias: Version, release: Version },
    /// A file name that is not valid in a request.
    #[error("cannot delete or upload a file of the alias: the {0}")]
    UnsafeName(BadName),
    /// A file of the version cannot be downloaded.
    #[error(transparent)]
    Download(#[from] Box<DownloadError>),
    /// A signal canceled the run.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The registry accepted a file, or reports that it exists, but does not list it.
    #[error("failed to verify `{name}`: the registry {}, but its list of files does not show it", if *.was_accepted { "accepted it" } else { "has a file of this name" })]
    NotListed {
        /// Whether the registry accepted it.
        was_accepted: bool,
        name: FileName,
        server: ServerUrl,
    },
    /// The package's list of versions lacks the published version.
    #[error("failed to compare the releases of the package: the list of its versions does not show {version}")]
    VersionNotListed { version: Version, server: ServerUrl },
    /// An extra file that was deleted, but is still listed.
    #[error("failed to verify the deletion of `{name}`: the list of files still shows it")]
    StillListed { name: FileName, server: ServerUrl },
    /// A file may be on the registry, but the list of files could not be read.
    #[error("failed to verify `{name}`: {evidence}, but the list of files could not be read")]
    NotVerified { name: FileName, evidence: Evidence },
    /// A file that an earlier list showed is no longer listed.
    #[error("failed to verify `{name}`: an earlier list showed it, but the registry no longer lists it ({url})")]
    Lost {
        name: FileName,
        /// The URL of the file.
        url: Url,
    },
}

fn conflict_in_words(conflict: &Conflict, when: ConflictTime) -> String {
    let (name, difference) = (&conflict.name, conflict.difference());
    match when {
        ConflictTime::Before => conflict.to_string(),
        ConflictTime::DuringRun => {
            format!("failed to replace `{name}`: the registry's file changed during this run ({difference})")
        }
        ConflictTime::AfterUpload => format!(
            "failed to verify `{name}`: the registry accepted the upload but has different content ({difference})"
        ),
    }
}

fn outdated_in_words(name: &FileName, version: &Version, times: Option<u32>) -> String {
    match times {
        Some(times) => {
            format!(
                "failed to update `{name}` of {version}: other jobs changed the version during each of {times} attempts"
            )
        }
        None => format!(
            "failed to verify `{name}` of {version}: the published checksums file does not match the files of the version"
        ),
    }
}

fn alias_in_words(version: &Version, state: Option<&Diff>) -> String {
    match state {
        Some(state) => format!("does not match {version}: {state}"),
        None => format!("may not match {version}: failed to list its files"),
    }
}

fn unsafe_names_in_words(names: &Names, why: &str) -> String {
    match names.count {
        1 => format!("failed to create the checksums file: a file of the version has the name {names}, which {why}"),
        count => format!(
            "failed to create the checksums file because of the names of {count} files: {names}. The first is rejected because it {why}"
        ),
    }
}

impl PublishError {
    /// Returns why it failed, without what.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Registry(error) => error.cause.to_string(),
            other => other.to_string(),
        }
    }
}

impl Explain for PublishError {
    fn code(&self) -> &'static str {
        match self {
            Self::Registry(error) => error.code(),
            Self::File(error) => error.code(),
            Self::Place(error) => error.code(),
            Self::Download(error) => error.code(),
            Self::Stopped(stopped) => stopped.code(),
            Self::Conflict { when: ConflictTime::Before, .. } => "conflict",
            Self::Conflict { when: ConflictTime::DuringRun, .. } => "changed-by-another-job",
            Self::Conflict { when: ConflictTime::AfterUpload, .. } => "upload-mismatch",
            Self::Missing { .. } => "replaced-file-missing",
            Self::NotListed { .. } => "not-listed",
            Self::StillListed { .. } => "still-listed",
            Self::VersionNotListed { .. } => "version-not-listed",
            Self::NotVerified { .. } => "not-verified",
            Self::Lost { .. } => "file-lost",
            Self::Expected { .. } => "expected-file-missing",
            Self::NoFiles(_) => "version-has-no-files",
            Self::UnsafeNames { .. } | Self::UnsafeName(_) => "unsafe-name",
            Self::ChecksumsOutdated { .. } => "checksums-outdated",
            Self::AliasDiffers { .. } => "alias-mismatch",
            Self::Unsettled { .. } => "alias-unsettled",
            Self::Superseded { .. } => "alias-superseded",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Registry(error) => return error.hint(),
            Self::File(error) => return error.hint(),
            Self::Place(error) => return error.hint(),
            Self::Download(error) => return error.hint(),
            Self::Stopped(stopped) => return stopped.hint(),
            Self::Conflict { when: ConflictTime::Before, page, .. } => &format!(
                "Publish the first build's files again, because a rebuild rarely produces identical files. Or use a new \
                 version, set `if-file-exists: overwrite`, or delete the old file: {page}"
            ),
            Self::Conflict { when: ConflictTime::DuringRun, .. } => {
                "Check which other job publishes the same file name to this version, then run the step again"
            }
            Self::Conflict { when: ConflictTime::AfterUpload, .. } => {
                "Check whether another job publishes the same file name to this version. If not, check the server's storage. Then \
                 run the step again"
            }
            Self::Missing { cause, .. } => {
                &join_hints(cause.as_deref(), "run the step again to upload the new file. The old file is not restored")
            }
            Self::AliasDiffers { cause, .. } => {
                // The next run uploads the missing file too.
                let cause = match cause.as_deref() {
                    Some(Self::Missing { cause, .. }) => cause,
                    // This step would not update the alias again.
                    Some(superseded @ Self::Superseded { .. }) => return superseded.hint(),
                    _ => cause,
                };
                &join_hints(cause.as_deref(), "run the step again; it changes only files that are not identical")
            }
            Self::Unsettled { alias, .. } => &format!(
                "Allow only one job at a time to update alias {alias} (the key `concurrency:` of the workflow)"
            ),
            Self::Superseded { alias, release } => {
                &format!("Run the job of {release} again: it makes alias {alias} identical to {release}")
            }
            Self::Expected { mistake: Some(mistake), .. } => return mistake.hint(),
            Self::Expected { similar, version, .. } => {
                let names = similar.in_words().unwrap_or_else(|| "no files".to_owned());
                &format!(
                    "Add the publishing jobs to `needs:` of this job, or correct `expect`. Version {version} has {names}"
                )
            }
            Self::NoFiles(_) => "Check `version` and `repo`, and add the publishing jobs to `needs:` of this job",
            Self::UnsafeNames { names, .. } if names.count > 1 => {
                "Delete the files from the registry, and check which job published them"
            }
            Self::UnsafeNames { .. } | Self::UnsafeName(_) => {
                "Delete the file from the registry, and check which job published it"
            }
            Self::ChecksumsOutdated { times: None, .. } => {
                "Fix the other errors, then run the step again to update the checksums file"
            }
            Self::ChecksumsOutdated { times: Some(_), .. } => {
                "Set `checksums` in one job only, list all publishing jobs in its `needs:`, then run that job again"
            }
            Self::NotListed { server, .. }
            | Self::StillListed { server, .. }
            | Self::VersionNotListed { server, .. } => &format!(
                "Turn off the cache for {server}/api/ in the proxy in front of the server. If there is no cache, check the \
                 server's log. Then run the step again"
            ),
            Self::NotVerified { .. } => {
                "Run the step again: it verifies every file, and uploads those that the registry lacks"
            }
            Self::Lost { .. } => "Run the step again. If the error persists, check the server's log",
        };
        Some(hint.to_owned())
    }

    fn request(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.request(),
            Self::Missing { cause, .. } | Self::AliasDiffers { cause, .. } => cause.as_ref()?.request(),
            _ => None,
        }
    }

    fn affects_every_file(&self) -> bool {
        matches!(self, Self::Registry(error) if error.affects_every_file())
    }

    fn plural(&self) -> Option<Plural> {
        let of_files = |text: &str, item| Some(Plural { text: text.to_owned(), item, is_hint_an_example: false });
        match self {
            Self::Registry(error) => error.plural(),
            Self::File(error) => error.plural(),
            Self::Conflict { conflict, when: ConflictTime::Before, .. } => {
                of_files("{} files already exist with different content", conflict.in_brief())
            }
            Self::NotListed { name, was_accepted: true, .. } => {
                of_files("failed to verify {} files that the registry accepted, but does not list", format!("`{name}`"))
            }
            Self::NotVerified { name, evidence } => {
                let text = match evidence {
                    Evidence::Listed => "failed to verify {} files that an earlier list showed",
                    Evidence::Accepted => "failed to verify {} files that the registry accepted",
                    Evidence::Interrupted(_) => "failed to verify {} files whose upload was interrupted",
                };
                of_files(text, format!("`{name}`"))
            }
            _ => None,
        }
    }
}

/// Joins the hint of a cause, if there is one, and the instruction after it.
fn join_hints(cause: Option<&PublishError>, then: &str) -> String {
    let hint = cause.and_then(Explain::hint);
    // A hint that only asks to run the step again is already included in `then`.
    match hint.filter(|hint| !hint.starts_with("Run the step again")) {
        Some(hint) => {
            let hint = [", then run the step again", ". Then run the step again"]
                .into_iter()
                .fold(&*hint, |hint, end| hint.split(end).next().unwrap_or_default());
            format!("{hint}. Then {then}")
        }
        None => format!("{}{}", then[..1].to_uppercase(), &then[1..]),
    }
}
