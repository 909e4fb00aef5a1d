//! Why a download fails.

use std::sync::Arc;

use crate::checksum::Sha256;
use crate::files::{BadLine, Mistake, PlaceError};
use crate::hint::{Explain, Plural};
use crate::package::{BadName, FileName, Target};
use crate::registry::RegistryError;
use crate::report::VerifiedBy;
use crate::sanitize::{Names, Sanitized};
use crate::stop::Stopped;
use crate::suggest::SimilarNames;
use crate::units::Bytes;

/// An error of a download that sent a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// The registry, or the way there.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// A file cannot be put into its place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Somebody asked the run to end.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The owner has no such package.
    #[error("failed to find package {}/{} on {}", .target.owner, .target.package, .target.server)]
    NoPackage {
        /// The requested version.
        target: Box<Target>,
        /// Packages with names like it.
        similar: SimilarNames,
    },
    /// The package has no such version.
    #[error("failed to find version {} of {}/{}", .target.version, .target.owner, .target.package)]
    NoVersion {
        /// The requested version.
        target: Box<Target>,
        /// Versions with names like it.
        similar: SimilarNames,
    },
    /// A line that stands for none of the version's files.
    #[error("failed to match `{line}`: {version} has no such file", version = .target.version)]
    NoFile {
        /// The requested version.
        target: Box<Target>,
        /// The line as it was typed.
        line: Sanitized,
        /// Files with names like it.
        similar: SimilarNames,
    },
    /// Lines that exclude every file.
    #[error("failed to select files: lines that start with `!` exclude every file")]
    AllExcluded,
    /// A line that is no pattern, and no file's name.
    #[error("failed to match `{line}`: no file has this name, and {bad}")]
    BadLine {
        /// The line as it was typed.
        line: Sanitized,
        /// The problem of it.
        bad: BadLine,
    },
    /// A line that matches nothing, and is meant for another tool.
    #[error("failed to match `{line}`: the line {mistake}")]
    Mistake {
        /// The line as it was typed.
        line: Sanitized,
        /// The problem of it.
        mistake: Mistake,
    },
    /// A line with `!` above the line that adds its files.
    #[error("failed to apply `{line}`: a later line adds its files again")]
    ExcludedTooEarly {
        /// The line as it was typed.
        line: Sanitized,
    },
    /// A new name that cannot be given to a file.
    #[error("failed to rename `{name}`: {why}")]
    NewName {
        /// The name on the registry.
        name: FileName,
        /// The problem of the new name.
        why: String,
    },
    /// Files to which lines give one name.
    #[error("failed to rename {names}: each would get the name `{here}`")]
    SameNewName {
        /// The names on the registry.
        names: Names,
        /// The name in the workspace.
        here: FileName,
    },
    /// A line that only a list could tell the files of.
    #[error("failed to match `{line}`: the registry does not list files without a token")]
    Wildcard {
        /// The line as it was typed.
        line: Sanitized,
        /// The response of the registry.
        #[source]
        cause: Arc<RegistryError>,
    },
    /// Names that would lead elsewhere, or that no file should have.
    #[error("{}", hostile_in_words(.0))]
    Hostile(Hostile),
    /// A name that was typed and that no file can have.
    #[error("failed to download a file by its name: the {0}")]
    BadName(BadName),
    /// Names that the registry takes for one.
    #[error(
        "failed to download `{0}` and `{1}`: they are one file on the registry, which does not distinguish upper and lower case"
    )]
    SameName(FileName, FileName),
    /// A name with the token in it.
    #[error("failed to download a file: its name contains the token or another secret")]
    Secret,
    /// The file of checksums is not there.
    #[error("failed to find the checksums file `{name}` in {}", .target.version)]
    NoChecksums {
        /// The requested version.
        target: Box<Target>,
        /// Its name.
        name: FileName,
        /// Files with names like it.
        similar: SimilarNames,
    },
    /// The file of checksums is none.
    #[error("failed to read the checksums file `{name}`: {why}")]
    BadChecksums {
        /// Its name.
        name: FileName,
        /// The problem of it.
        why: String,
    },
    /// The file of checksums names another hash than the registry.
    #[error("failed to verify `{name}`: SHA-256 mismatch (registry: {listed}, `{checksums}`: {named})")]
    NotAsNamed {
        /// The file.
        name: FileName,
        /// The file of checksums.
        checksums: FileName,
        /// The registry's hash.
        listed: Sha256,
        /// The one that is named.
        named: Sha256,
    },
    /// The file of checksums does not name the file.
    #[error("failed to verify `{name}`: `{checksums}` does not contain it")]
    NotNamed {
        /// The file.
        name: FileName,
        /// The file of checksums.
        checksums: FileName,
        /// The path in a folder that it contains instead.
        in_folder: Option<Sanitized>,
    },
    /// Other bytes came than were promised.
    #[error("failed to download `{name}`: {}", mismatch_in_words(.expected, .came))]
    Differs {
        /// The file.
        name: FileName,
        /// The expected size and hash.
        expected: Box<Expected>,
        /// The received length in bytes, and the hash if all bytes came.
        came: (u64, Option<Sha256>),
    },
}

impl From<RegistryError> for DownloadError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error.into())
    }
}

/// Files on the registry that are not downloaded because of their names.
#[derive(Debug)]
pub(crate) struct Hostile {
    /// Their names.
    pub(crate) names: Names,
    /// Why the first one is refused.
    pub(crate) why: String,
    /// Patterns for `files` that match the first few.
    pub(crate) patterns: Vec<String>,
}

impl Hostile {
    /// Adds others to these.
    pub(super) fn extend(&mut self, others: Self) {
        let count = self.names.count + others.names.count;
        others.names.shown.into_iter().for_each(|name| self.names.add(name));
        self.names.count = count;
        self.patterns.extend(others.patterns);
        self.patterns.truncate(self.names.shown.len());
    }
}

fn hostile_in_words(Hostile { names, why, .. }: &Hostile) -> String {
    match names.count {
        1 => format!("failed to download {names}: {why}"),
        count => format!(
            "failed to download {count} files because of their names: {names}. The first is refused because {why}"
        ),
    }
}

/// The expected size and hash of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Its length in bytes.
    pub(crate) size: Option<u64>,
    /// Its hash.
    pub(crate) sha256: Option<Sha256>,
    /// Whose word that is.
    pub(crate) by: VerifiedBy,
}

fn mismatch_in_words(expected: &Expected, (size, sha256): &(u64, Option<Sha256>)) -> String {
    let source = match expected.by {
        VerifiedBy::Checksums => "checksums file",
        VerifiedBy::Registry | VerifiedBy::None => "registry",
    };
    match (expected.size, expected.sha256, sha256) {
        (Some(wanted), _, _) if wanted != *size => {
            let (wanted, size) = (Bytes::exact(wanted), Bytes::exact(*size));
            format!("wrong length after 2 attempts ({source}: {wanted}, downloaded: {size})")
        }
        (_, Some(wanted), Some(sha256)) => {
            format!("SHA-256 mismatch after 2 attempts ({source}: {wanted}, downloaded: {sha256})")
        }
        _ => format!("wrong length after 2 attempts (downloaded: {})", Bytes::exact(*size)),
    }
}

impl Explain for DownloadError {
    fn code(&self) -> &'static str {
        match self {
            Self::Registry(error) => error.code(),
            Self::Place(error) => error.code(),
            Self::Stopped(stopped) => stopped.code(),
            Self::BadLine { bad, .. } => bad.code(),
            Self::Mistake { mistake, .. } => mistake.code(),
            Self::NoPackage { .. } => "package-not-found",
            Self::NoVersion { .. } => "version-not-found",
            Self::NoFile { .. } => "no-files-found",
            Self::AllExcluded => "all-files-excluded",
            Self::ExcludedTooEarly { .. } => "excluded-too-early",
            Self::NewName { .. } | Self::BadName(_) => "invalid-file-name",
            Self::SameNewName { .. } | Self::SameName(..) => "duplicate-name",
            Self::Wildcard { .. } => "token-required",
            Self::Hostile(_) => "unsafe-name",
            Self::Secret => "secret-in-name",
            Self::NoChecksums { .. } => "checksums-file-not-found",
            Self::BadChecksums { .. } => "invalid-checksums-file",
            Self::NotNamed { .. } => "not-in-checksums-file",
            Self::NotAsNamed { .. } => "checksums-mismatch",
            Self::Differs { .. } => "download-mismatch",
        }
    }

    fn hint(&self) -> Option<String> {
        let there = |similar: &SimilarNames, check: &str, none: String| match similar.in_words() {
            Some(names) => format!("{check}. Available: {names}"),
            None => none,
        };
        Some(match self {
            Self::Registry(error) => return error.hint(),
            Self::Place(error) => return error.hint(),
            Self::Stopped(stopped) => return stopped.hint(),
            Self::NoPackage { target, similar } => {
                let none = format!(
                    "Check `owner` and `repo`. {} has no generic package that is visible here, or packages are disabled \
                     on {}",
                    target.owner, target.server
                );
                there(similar, "Check `repo`", none)
            }
            Self::NoVersion { target, similar } => {
                let Target { server, owner, .. } = &**target;
                let none = format!(
                    "Check `version` and `repo`. {owner} may have no such package, or packages are disabled on {server}"
                );
                there(similar, "Check `version`", none)
            }
            Self::NoFile { similar, .. } => {
                there(similar, "Check `files`", "Check `version`, because it has no files".to_owned())
            }
            Self::NoChecksums { similar, .. } => {
                there(similar, "Check `checksums`", "Check `version`, because it has no files".to_owned())
            }
            Self::AllExcluded => "Remove one of these lines".to_owned(),
            Self::BadLine { bad, .. } => return bad.hint(),
            Self::Mistake { mistake, .. } => return mistake.hint(),
            Self::ExcludedTooEarly { line } => {
                format!("Move `{line}` below that line, because lines are applied in order")
            }
            Self::NewName { .. } => "Correct the name after `=>`, or the values of its placeholders".to_owned(),
            Self::SameNewName { .. } => {
                "Add `{name}` to the name after `=>`, or rename each file in its own line".to_owned()
            }
            Self::Wildcard { .. } => "Set `token` to a personal access token with the scope read:package, from a \
                                      secret. If the owner is public, you can name the files without wildcards instead"
                .to_owned(),
            Self::Hostile(Hostile { patterns, .. }) if let [pattern] = &patterns[..] => format!(
                "Delete the file from the registry, and check which job published it. To skip it, add a line `!{pattern}` to `files` \
                 (`?` is any character)"
            ),
            Self::Hostile(Hostile { patterns, .. }) => format!(
                "Delete the files from the registry, and check which job published them. To skip them, add lines to `files`, \
                 such as {} (`?` is any character)",
                patterns.iter().map(|pattern| format!("`!{pattern}`")).collect::<Vec<_>>().join(", ")
            ),
            Self::BadName(_) => "Correct the name in `files`".to_owned(),
            Self::SameName(..) => "Remove one of the lines".to_owned(),
            Self::Secret => "Delete the file from the registry, and create a new token".to_owned(),
            Self::BadChecksums { .. } => "Set `checksums` to a file that `sha256sum -c` can read: one line per file with 64 \
                                          hexadecimal digits, two spaces and the name"
                .to_owned(),
            Self::NotNamed { in_folder: Some(path), .. } => format!(
                "Create the checksums file in the folder of the files. It contains `{path}`, but a version has no folders"
            ),
            Self::NotNamed { name, .. } => format!(
                "Publish with `checksums` again, so that the checksums file covers all files of the version. Or exclude this \
                 file with `!{name}` in `files`"
            ),
            Self::NotAsNamed { .. } => "Check which job changed the file or the checksums file. The file was not downloaded".to_owned(),
            Self::Differs { expected, .. } if expected.by == VerifiedBy::Checksums => {
                "Check which job changed the file or the checksums file, and check the server's storage. The local file is \
                 unchanged"
                    .to_owned()
            }
            Self::Differs { .. } => "Run the step again, because another job may be replacing the file. If the error \
                                     persists, check the proxy in front of the server, and its storage. The local file is \
                                     unchanged"
                .to_owned(),
        })
    }

    fn request(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.request(),
            _ => None,
        }
    }

    fn meets_every_file(&self) -> bool {
        matches!(self, Self::Registry(error) if error.meets_every_file())
    }

    fn plural(&self) -> Option<Plural> {
        match self {
            Self::Registry(error) => error.plural(),
            _ => None,
        }
    }
}
