//! The input `checksums` of a download: a file of the version, or a file of the workspace.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::{InputError, Reader, workspace_file};
use crate::checksum::{self, NotAList, Sha256};
use crate::listing::LONGEST_LIST;
use crate::package::FileName;
use crate::sanitize::Sanitized;

const INPUT: &str = "checksums";

/// The beginning of a path of the workspace. A name on the registry contains no `/`.
const WORKSPACE: &str = "./";

const INVALID: &str = "invalid-checksums-file";

/// The checksums file that verifies the files of a download.
#[derive(Clone, Debug)]
pub(crate) enum ChecksumsFile {
    /// A file of the version.
    OfVersion(FileName),
    /// A file of the workspace. It pins the files: the registry cannot change what is accepted.
    OfWorkspace(Arc<PinnedChecksums>),
}

/// A checksums file of the workspace.
#[derive(Debug)]
pub(crate) struct PinnedChecksums {
    /// The path, as the user wrote it.
    path: Sanitized,
    /// The last component of the path.
    pub(crate) name: String,
    /// The hash of the checksums file itself.
    pub(crate) sha256: Sha256,
    /// The hashes by name.
    pub(crate) hashes: Arc<BTreeMap<String, Sha256>>,
}

impl ChecksumsFile {
    /// Whether it is a file of the workspace.
    #[must_use]
    pub(crate) fn is_of_workspace(&self) -> bool {
        matches!(self, Self::OfWorkspace(_))
    }
}

impl fmt::Display for ChecksumsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfVersion(name) => name.fmt(f),
            Self::OfWorkspace(pinned) => pinned.path.fmt(f),
        }
    }
}

impl Reader<'_> {
    pub(super) fn checksums_file(&self) -> Result<Option<ChecksumsFile>, InputError> {
        let Some(text) = self.raw.get(INPUT) else { return Ok(None) };
        if text.starts_with(WORKSPACE) {
            return self.pinned_checksums(text).map(|pinned| pinned.map(Arc::new).map(ChecksumsFile::OfWorkspace));
        }
        let path = if text.contains('/') && !text.starts_with(['/', '.']) { text } else { "tools/SHA256SUMS" };
        let hint = format!(
            "Set `checksums` to the name of a checksums file of the version, such as `checksums: SHA256SUMS`, or to the path \
             of a file in the workspace, such as `checksums: ./{}`",
            Sanitized::new(path)
        );
        FileName::parse(text)
            .map(|name| Some(ChecksumsFile::OfVersion(name)))
            .map_err(InputError::bad_name(INPUT, &hint))
    }

    /// Reads a checksums file of the workspace. A workspace that cannot be opened is reported for `path`.
    fn pinned_checksums(&self, text: &str) -> Result<Option<PinnedChecksums>, InputError> {
        let error = |problem: &str, code, hint: &str| InputError::new(INPUT, Some(text), problem, hint).with_code(code);
        let example =
            "Set `checksums` to the path of a checksums file in the workspace, such as `checksums: ./tools/SHA256SUMS`";
        let unreadable = |file: workspace_file::Unreadable| match file.code {
            workspace_file::NOT_FOUND => {
                let hint = "Check out the repository in an earlier step, or correct the path, which is relative to the workspace";
                error(&file.problem, "checksums-file-not-found", hint)
            }
            code => error(&file.problem, code, example),
        };
        let content =
            "Write one line per file into it, as `sha256sum` does: 64 hexadecimal digits, two spaces and the name";
        let Ok(workspace) = self.workspace() else { return Ok(None) };
        if self.check_workspace(&workspace).is_err() {
            return Ok(None);
        }
        if text.contains(char::is_control) {
            return Err(error("contains a line break or another control character", "invalid-input", example));
        }
        let within: PathBuf = Path::new(text).components().filter(|part| *part != Component::CurDir).collect();
        let file = workspace_file::check(&workspace, &within).map_err(unreadable)?;
        let bytes = workspace_file::read(&file, LONGEST_LIST as u64).map_err(unreadable)?;
        let bytes = bytes.ok_or_else(|| error("is larger than 64 MiB", INVALID, example))?;
        let hashes = checksum::read_list(&bytes).map_err(|not| match not {
            NotAList::Empty => error("contains no line with a SHA-256 and a name", INVALID, content),
            NotAList::BadHash(line) => {
                error(&format!("has no SHA-256 of 64 hexadecimal digits in line {line}"), INVALID, content)
            }
            NotAList::Twice(name, line) => {
                let problem = format!("has two different hashes for `{name}`, the second in line {line}");
                error(&problem, INVALID, "Remove one of the two lines")
            }
        })?;
        Ok(Some(PinnedChecksums {
            path: Sanitized::new(text),
            name: file.name().to_owned(),
            sha256: Sha256::of(&bytes),
            hashes: Arc::new(hashes),
        }))
    }
}
