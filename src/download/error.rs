//! Errors of a download.

use std::sync::Arc;

use crate::checksum::Sha256;
use crate::files::{BadLine, PlaceError, SelectError};
use crate::hint::{Explain, Plural};
use crate::inputs::ChecksumsFile;
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
    /// A request failed.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// A file cannot be written.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A signal canceled the run.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The requested package, version or file is not on the registry. `similar` has similar names.
    #[error("{}", missing_in_words(missing, target))]
    NotFound { missing: Missing, target: Box<Target>, similar: SimilarNames },
    /// Lines that select files wrongly, in a way that does not depend on the command.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// A line that is neither a valid pattern nor the name of a file.
    #[error("failed to match `{line}`: no file has this name, and the line {bad}")]
    BadLine { line: Sanitized, bad: BadLine },
    /// A line with `!` above the line that adds its files.
    #[error("failed to exclude `{line}`: a later line adds its files again")]
    ExcludedTooEarly { line: Sanitized },
    /// A new name that is not allowed.
    #[error("failed to rename `{name}`: {why}")]
    NewName { name: FileName, why: String },
    /// Several files that lines rename to the same name.
    #[error("failed to rename {names}: each would get the name `{local_name}`")]
    SameNewName { names: Names, local_name: FileName },
    /// A line with wildcards, without a list of files.
    #[error("failed to match `{line}`: the registry does not list files without a token")]
    Wildcard {
        line: Sanitized,
        #[source]
        cause: Arc<RegistryError>,
    },
    /// Names that lead out of the folder, or that no local file may have.
    #[error("{}", unsafe_names_in_words(.0))]
    UnsafeNames(Vec<UnsafeName>),
    /// A typed name that is not a valid file name.
    #[error("failed to download a file by its name: the {0}")]
    BadName(BadName),
    /// Two spellings of one file on the registry.
    #[error(
        "failed to download `{0}` and `{1}`: they are one file on the registry, which does not distinguish upper and lower case"
    )]
    SameName(FileName, FileName),
    /// A name that contains a secret.
    #[error("failed to download a file: its name contains the token or another secret")]
    Secret,
    /// The checksums file has no list of checksums.
    #[error("failed to read the checksums file `{name}`: {why}")]
    BadChecksums { name: FileName, why: String },
    /// The checksums file and the registry give different hashes.
    #[error(
        "failed to verify `{name}`: {} (registry: {listed}, `{checksums}`: {named})",
        difference_in_words(checksums)
    )]
    ChecksumsMismatch { name: FileName, checksums: ChecksumsFile, listed: Sha256, named: Sha256 },
    /// The checksums file does not contain the file.
    #[error("failed to verify `{name}`: `{checksums}` does not contain it")]
    NotInChecksums {
        name: FileName,
        checksums: ChecksumsFile,
        /// The path in a folder that it contains instead.
        in_folder: Option<Sanitized>,
    },
    /// The downloaded bytes have a wrong length or hash.
    #[error("failed to download `{name}`: {}", mismatch_in_words(.expected, .received))]
    Mismatch {
        name: FileName,
        /// The expected size and hash.
        expected: Box<Expected>,
        /// The received length in bytes, and the hash if all bytes came.
        received: (u64, Option<Sha256>),
    },
}

impl From<RegistryError> for DownloadError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error.into())
    }
}

/// A requested item that is not on the registry.
#[derive(Debug)]
pub(crate) enum Missing {
    Package,
    Version,
    /// A file for this line.
    File(Sanitized),
    /// A name for this line, in this checksums file of the workspace.
    Pin(Sanitized, ChecksumsFile),
    ChecksumsFile(FileName),
}

fn missing_in_words(missing: &Missing, Target { server, owner, package, version }: &Target) -> String {
    match missing {
        Missing::Package => format!("failed to find package {owner}/{package} on {server}"),
        Missing::Version => format!("failed to find version {version} of {owner}/{package}"),
        Missing::File(line) => format!("failed to match `{line}`: {version} has no such file"),
        Missing::Pin(line, checksums) => format!("failed to match `{line}`: `{checksums}` contains no such file"),
        Missing::ChecksumsFile(name) => format!("failed to find the checksums file `{name}` in {version}"),
    }
}

/// A file on the registry that is not downloaded because of its name.
#[derive(Debug)]
pub(crate) struct UnsafeName {
    /// The name; text from outside.
    pub(crate) name: String,
    pub(crate) why: String,
}

impl UnsafeName {
    /// Returns a pattern for `files` that matches the name, and contains no character that has a meaning in a pattern.
    fn pattern(&self) -> String {
        /// The number of characters that the pattern repeats.
        const LONGEST: usize = 64;
        let is_path = matches!(&*self.name, "." | "..");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+@#~".contains(c) && !is_path;
        let start = self.name.chars().take(LONGEST).map(|c| if is_plain(c) { c } else { '?' });
        start.chain(self.name.chars().nth(LONGEST).map(|_| '*')).collect()
    }
}

fn unsafe_names_in_words(files: &[UnsafeName]) -> String {
    let names: Names = files.iter().map(|file| Sanitized::new(&file.name)).collect();
    match files {
        [UnsafeName { why, .. }] => format!("failed to download {names}: {why}"),
        _ => format!(
            "failed to download {} files because of their names: {names}. The first is rejected because {}",
            files.len(),
            files[0].why
        ),
    }
}

/// The expected size and hash of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) size: Option<u64>,
    pub(crate) sha256: Option<Sha256>,
    /// The source of the hash.
    pub(crate) by: VerifiedBy,
}

fn difference_in_words(checksums: &ChecksumsFile) -> &'static str {
    match checksums {
        ChecksumsFile::OfVersion(_) => "SHA-256 mismatch",
        ChecksumsFile::OfWorkspace(_) => "the registry has a different file than the pinned one",
    }
}

fn mismatch_in_words(expected: &Expected, (size, sha256): &(u64, Option<Sha256>)) -> String {
    let source = match expected.by {
        VerifiedBy::Checksums => "checksums file",
        VerifiedBy::Workspace => "pinned",
        VerifiedBy::Registry | VerifiedBy::None => "registry",
    };
    match (expected.size, expected.sha256, sha256) {
        (Some(wanted), _, _) if wanted != *size => {
            let (wanted, size) = (Bytes::exact(wanted), Bytes::exact(*size));
            // No checksums file contains a size.
            format!("wrong size after 2 attempts (registry: {wanted}, downloaded: {size})")
        }
        (_, Some(wanted), Some(sha256)) => {
            format!("SHA-256 mismatch after 2 attempts ({source}: {wanted}, downloaded: {sha256})")
        }
        _ => format!("wrong size after 2 attempts (downloaded: {})", Bytes::exact(*size)),
    }
}

impl Explain for DownloadError {
    fn code(&self) -> &'static str {
        match self {
            Self::Registry(error) => error.code(),
            Self::Place(error) => error.code(),
            Self::Stopped(stopped) => stopped.code(),
            Self::BadLine { bad, .. } => bad.code(),
            Self::Select(error) => error.code(),
            Self::NotFound { missing, .. } => match missing {
                Missing::Package => "package-not-found",
                Missing::Version => "version-not-found",
                Missing::File(_) | Missing::Pin(..) => "no-files-found",
                Missing::ChecksumsFile(_) => "checksums-file-not-found",
            },
            Self::ExcludedTooEarly { .. } => "excluded-too-early",
            Self::NewName { .. } | Self::BadName(_) => "invalid-file-name",
            Self::SameNewName { .. } | Self::SameName(..) => "duplicate-name",
            Self::Wildcard { .. } => "token-required",
            Self::UnsafeNames(_) => "unsafe-name",
            Self::Secret => "secret-in-name",
            Self::BadChecksums { .. } => "invalid-checksums-file",
            Self::NotInChecksums { .. } => "not-in-checksums-file",
            Self::ChecksumsMismatch { .. } => "checksums-mismatch",
            Self::Mismatch { .. } => "download-mismatch",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Registry(error) => return error.hint(),
            Self::Place(error) => return error.hint(),
            Self::Stopped(stopped) => return stopped.hint(),
            Self::NotFound { missing, target, similar } => {
                let Target { owner, server, .. } = &**target;
                let input = match missing {
                    Missing::Package => "repo",
                    Missing::Version => "version",
                    Missing::File(_) | Missing::Pin(..) => "files",
                    Missing::ChecksumsFile(_) => "checksums",
                };
                match (similar.in_words(), missing) {
                    (Some(names), _) => &format!("Check `{input}`. Available: {names}"),
                    (None, Missing::Package) => &format!(
                        "Check `owner` and `repo`. {owner} has no generic package that this user can see, or packages are \
                         disabled on {server}"
                    ),
                    (None, Missing::Version) => &format!(
                        "Check `version` and `repo`. {owner} may have no such package, or packages are disabled on {server}"
                    ),
                    (None, Missing::Pin(_, checksums)) => {
                        &format!("Write the names in `{checksums}` without folders, because a version has no folders")
                    }
                    (None, _) => "Check `version`, because it has no files",
                }
            }
            Self::Select(error) => return error.hint(),
            Self::BadLine { bad, .. } => return bad.hint(),
            Self::ExcludedTooEarly { line } => {
                &format!("Move `{line}` below that line, because lines are applied in order")
            }
            Self::NewName { .. } => "Correct the name after `=>`, or the values of its placeholders",
            Self::SameNewName { .. } => "Add `{name}` to the name after `=>`, or rename each file in its own line",
            Self::Wildcard { .. } => {
                "Set `token` to a personal access token with the scope read:package, from a secret. If the owner is public, \
                 you can name the files without wildcards instead"
            }
            Self::UnsafeNames(files) if let [file] = &files[..] => &format!(
                "Delete the file from the registry, and check which job published it. To skip it, add a line `!{}` to `files` \
                 (`?` is any character)",
                file.pattern()
            ),
            Self::UnsafeNames(files) => {
                let patterns = files.iter().take(Names::SHOWN).map(|file| format!("`!{}`", file.pattern()));
                &format!(
                    "Delete the files from the registry, and check which job published them. To skip them, add lines to \
                     `files`, such as {} (`?` is any character)",
                    patterns.collect::<Vec<_>>().join(", ")
                )
            }
            Self::BadName(_) => "Correct the name in `files`",
            Self::SameName(..) => "Remove one of the lines",
            Self::Secret => "Delete the file from the registry, and create a new token",
            Self::BadChecksums { .. } => {
                "Set `checksums` to a file that `sha256sum -c` can read: one line per file with 64 hexadecimal digits, two \
                 spaces and the name"
            }
            Self::NotInChecksums { name, checksums: file @ ChecksumsFile::OfWorkspace(_), in_folder } => {
                &match in_folder {
                    Some(path) => {
                        format!("Replace `{path}` with `{name}` in `{file}`, because a version has no folders")
                    }
                    None => format!(
                        "Add a line with the hash of the reviewed file to `{file}`. Or exclude this file with `!{name}` in `files`"
                    ),
                }
            }
            Self::NotInChecksums { in_folder: Some(path), .. } => &format!(
                "Create the checksums file in the folder of the files. It contains `{path}`, but a version has no folders"
            ),
            Self::NotInChecksums { name, .. } => &format!(
                "Publish with `checksums` again, so that the checksums file covers all files of the version. Or exclude this \
                 file with `!{name}` in `files`"
            ),
            Self::ChecksumsMismatch { checksums: pinned @ ChecksumsFile::OfWorkspace(_), .. } => &format!(
                "Check whether `version` or the file on the registry was changed. Update the hash in `{pinned}` only after you \
                 have reviewed the new file. Nothing was downloaded"
            ),
            Self::ChecksumsMismatch { .. } => {
                "Check which job changed the file or the checksums file. Nothing was downloaded"
            }
            Self::Mismatch { expected, .. } if expected.by == VerifiedBy::Workspace => {
                "Check whether `version` or the file on the registry was changed, and check the proxy in front of the server. \
                 Update the pinned hash only after you have reviewed the new file. The local file is unchanged"
            }
            Self::Mismatch { expected, .. } if expected.by == VerifiedBy::Checksums => {
                "Check which job changed the file or the checksums file, and check the server's storage. The local file is \
                 unchanged"
            }
            Self::Mismatch { .. } => {
                "Run the step again, because another job may be replacing the file. If the error persists, check the proxy in \
                 front of the server, and its storage. The local file is unchanged"
            }
        };
        Some(hint.to_owned())
    }

    fn request(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.request(),
            _ => None,
        }
    }

    fn affects_every_file(&self) -> bool {
        matches!(self, Self::Registry(error) if error.affects_every_file())
    }

    fn plural(&self) -> Option<Plural> {
        match self {
            Self::Registry(error) => error.plural(),
            Self::NotInChecksums { name, checksums, in_folder: None } => Some(Plural {
                text: format!("failed to verify {{}} files that `{checksums}` does not contain"),
                item: format!("`{name}`"),
                is_hint_an_example: true,
            }),
            Self::ChecksumsMismatch { name, checksums, listed, named } => Some(Plural {
                text: format!("failed to verify {{}} files: the registry and `{checksums}` have different hashes"),
                item: format!(
                    "`{name}` (registry: {}…, expected: {}…)",
                    &listed.to_string()[..12],
                    &named.to_string()[..12]
                ),
                is_hint_an_example: true,
            }),
            _ => None,
        }
    }
}
