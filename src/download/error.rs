//! Why a download fails.

use std::sync::Arc;

use crate::advice::{Advise, Plural};
use crate::checksum::Sha256;
use crate::files::{BadLine, Mistake, PlaceError};
use crate::package::{BadName, FileName, Target};
use crate::registry::RegistryError;
use crate::report::VerifiedBy;
use crate::sanitize::{Names, Sanitized};
use crate::stop::Stopped;
use crate::suggest::SimilarNames;
use crate::units::Bytes;

/// What failed in a run that came as far as its first request.
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
    #[error("there is no package {}/{} on {}", .target.owner, .target.package, .target.server)]
    NoPackage {
        /// What was asked for.
        target: Box<Target>,
        /// Packages with names like it.
        similar: SimilarNames,
    },
    /// The package has no such version.
    #[error("there is no version {} of package {}/{}", .target.version, .target.owner, .target.package)]
    NoVersion {
        /// What was asked for.
        target: Box<Target>,
        /// Versions with names like it.
        similar: SimilarNames,
    },
    /// A line that stands for none of the version's files.
    #[error("no file of version {version} matches `{line}`", version = .target.version)]
    NoFile {
        /// What was asked for.
        target: Box<Target>,
        /// The line as it was typed.
        line: Sanitized,
        /// Files with names like it.
        similar: SimilarNames,
    },
    /// Lines that take away all that the others stand for.
    #[error("the lines that begin with `!` take away every file")]
    AllExcluded,
    /// A line that is no pattern, and no file's name.
    #[error("`{line}` is the name of no file, and {bad}")]
    BadLine {
        /// The line as it was typed.
        line: Sanitized,
        /// What is wrong with it.
        bad: BadLine,
    },
    /// A line that matches nothing, and is meant for another tool.
    #[error("no file matches `{line}`: the line {mistake}")]
    Mistake {
        /// The line as it was typed.
        line: Sanitized,
        /// What is wrong with it.
        mistake: Mistake,
    },
    /// A line with `!` above the line that adds its files.
    #[error("`{line}` takes nothing away, because a later line adds its files")]
    TakenAwayTooEarly {
        /// The line as it was typed.
        line: Sanitized,
    },
    /// A new name that cannot be given to a file.
    #[error("failed to rename `{name}`: {why}")]
    NewName {
        /// The name on the registry.
        name: FileName,
        /// What is wrong with the new name.
        why: String,
    },
    /// Files to which lines give one name.
    #[error("failed to rename {names}: each would be called `{here}`")]
    SameNewName {
        /// The names on the registry.
        names: Names,
        /// The name in the workspace.
        here: FileName,
    },
    /// A line that only a list could tell the files of.
    #[error("which files `{line}` stands for is not known: the registry does not list its files to visitors")]
    Wildcard {
        /// The line as it was typed.
        line: Sanitized,
        /// What the registry said to that.
        #[source]
        cause: Arc<RegistryError>,
    },
    /// Names that would lead elsewhere, or that no file should have.
    #[error("{}", hostile_in_words(.0))]
    Hostile(Hostile),
    /// A name that was typed and that no file can have.
    #[error("no file can be called that: the {0}")]
    BadName(BadName),
    /// Names that the registry takes for one.
    #[error("`{0}` and `{1}` are one file on the registry, which does not regard case, and would be two here")]
    SameName(FileName, FileName),
    /// A name with the token in it.
    #[error("a file's name contains the token or another secret, which everybody would see")]
    Secret,
    /// The file of checksums is not there.
    #[error("version {} has no file `{name}` to verify against", .target.version)]
    NoChecksums {
        /// What was asked for.
        target: Box<Target>,
        /// Its name.
        name: FileName,
        /// Files with names like it.
        similar: SimilarNames,
    },
    /// The file of checksums is none.
    #[error("`{name}` cannot be used to verify: {why}")]
    BadChecksums {
        /// Its name.
        name: FileName,
        /// What is wrong with it.
        why: String,
    },
    /// The file of checksums names another hash than the registry.
    #[error("`{name}` is not what `{checksums}` says: SHA-256 {listed} on the registry, {named} there")]
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
    #[error("`{name}` is not in `{checksums}`, so nothing there verifies it")]
    NotNamed {
        /// The file.
        name: FileName,
        /// The file of checksums.
        checksums: FileName,
        /// What it names instead: the file in a folder.
        in_folder: Option<Sanitized>,
    },
    /// Other bytes came than were promised.
    #[error("`{name}` did not come as it should, also when it was fetched again: {}", in_words(.expected, .came))]
    Differs {
        /// The file.
        name: FileName,
        /// What it should be.
        expected: Box<Expected>,
        /// What came: its length in bytes, and its hash where all of it came.
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

/// What is known of a file before it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Its length in bytes.
    pub(crate) size: Option<u64>,
    /// Its hash.
    pub(crate) sha256: Option<Sha256>,
    /// Whose word that is.
    pub(crate) by: VerifiedBy,
}

fn in_words(expected: &Expected, (size, sha256): &(u64, Option<Sha256>)) -> String {
    let theirs = match expected.by {
        VerifiedBy::Checksums => "by the file of checksums",
        VerifiedBy::Registry | VerifiedBy::None => "by the registry's word",
    };
    match (expected.size, expected.sha256, sha256) {
        (Some(wanted), _, _) if wanted != *size => {
            format!("{} {theirs}, {} came", Bytes::exact(wanted), Bytes::exact(*size))
        }
        (_, Some(wanted), Some(sha256)) => format!("SHA-256 {wanted} {theirs}, {sha256} came"),
        _ => format!("{} came", Bytes::exact(*size)),
    }
}

impl DownloadError {
    /// Whether both tell of one cause, if of several files, and every file would meet it.
    pub(super) fn says_the_same_of_every_file_as(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Registry(one), Self::Registry(other)) if one.says_the_same_of_every_file_as(other))
    }

    /// Whether every other file of this run would meet the same.
    pub(super) fn meets_every_file(&self) -> bool {
        matches!(self, Self::Registry(error) if error.meets_every_file())
    }
}

impl Advise for DownloadError {
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
            Self::TakenAwayTooEarly { .. } => "excluded-too-early",
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

    fn advice(&self) -> Option<String> {
        let there = |similar: &SimilarNames, check: &str, none: String| match similar.in_words() {
            Some(names) => format!("{check}: there is {names}"),
            None => none,
        };
        Some(match self {
            Self::Registry(error) => return error.advice(),
            Self::Place(error) => return error.advice(),
            Self::Stopped(stopped) => return stopped.advice(),
            Self::NoPackage { target, similar } => {
                let none = format!(
                    "Check `owner` and `repo`: {} has no generic package, or none that may be seen here, or packages \
                     are disabled on {}",
                    target.owner, target.server
                );
                there(similar, "Check `repo`", none)
            }
            Self::NoVersion { target, similar } => {
                let Target { server, owner, .. } = &**target;
                let none = format!(
                    "Check `version`, and `repo`: {owner} may have no such package, or packages are disabled on \
                     {server}"
                );
                there(similar, "Check `version`", none)
            }
            Self::NoFile { similar, .. } => {
                there(similar, "Check `files`", "Check `files`: the version has no files".to_owned())
            }
            Self::NoChecksums { similar, .. } => {
                there(similar, "Check `checksums`", "Check `checksums`: the version has no files".to_owned())
            }
            Self::AllExcluded => "Take one of these lines out".to_owned(),
            Self::BadLine { bad, .. } => return bad.advice(),
            Self::Mistake { mistake, .. } => return mistake.advice(),
            Self::TakenAwayTooEarly { line } => {
                format!("Move `{line}` below that line, because lines are applied in order")
            }
            Self::NewName { .. } => "Correct the name behind `=>`, or what its placeholders stand for".to_owned(),
            Self::SameNewName { .. } => {
                "Put `{name}` into the name behind `=>`, or give each file a name in a line of its own".to_owned()
            }
            Self::Wildcard { .. } => "Set `token` to a personal access token with the scope read:package, from a \
                                      secret. If the owner is public, you can name the files without wildcards instead"
                .to_owned(),
            Self::Hostile(Hostile { patterns, .. }) if let [pattern] = &patterns[..] => format!(
                "Have the file taken off the registry, and find out who published it; a line `!{pattern}` in `files` leaves \
                 it out (`?` is any character)"
            ),
            Self::Hostile(Hostile { patterns, .. }) => format!(
                "Delete the files from the registry, and find out who published them. To skip them, add lines to `files`, \
                 such as {} (`?` is any character)",
                patterns.iter().map(|pattern| format!("`!{pattern}`")).collect::<Vec<_>>().join(", ")
            ),
            Self::BadName(_) => "Correct the name in `files`".to_owned(),
            Self::SameName(..) => "Leave one of the lines out".to_owned(),
            Self::Secret => "Have the file taken off the registry, and make a new token".to_owned(),
            Self::BadChecksums { .. } => "Name a file in `checksums` that `sha256sum -c` could read, with a line for each \
                                          file: 64 hexadecimal digits, two blanks, the name"
                .to_owned(),
            Self::NotNamed { in_folder: Some(path), .. } => format!(
                "Have the file of checksums made in the folder of the files: it names `{path}`, and a version has no folders"
            ),
            Self::NotNamed { name, .. } => format!(
                "Have the file of checksums made again for all files of the version, as `checksums` does when publishing, \
                 or leave this one out with a line `!{name}` in `files`"
            ),
            Self::NotAsNamed { .. } => "Find out who changed which of the two; the file was not downloaded".to_owned(),
            Self::Differs { expected, .. } if expected.by == VerifiedBy::Checksums => {
                "Find out who changed the file or the file of checksums, and whether the forge's storage is sound; what \
                 was here before is as it was"
                    .to_owned()
            }
            Self::Differs { .. } => "Run the step again, since another job may be replacing the file; if it stays so, look \
                                     at what stands in front of the forge, and at its storage; what was here before is as \
                                     it was"
                .to_owned(),
        })
    }

    fn brief(&self) -> String {
        match self {
            Self::Registry(error) => error.brief(),
            other => other.to_string(),
        }
    }

    fn plural(&self) -> Option<Plural> {
        match self {
            Self::Registry(error) => error.plural(),
            _ => None,
        }
    }
}
