//! One local file: checked once, and opened only if it still is what was checked.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;

use super::pattern::is_git;
use crate::advice::Advise;
use crate::checksum::{Hasher, Sha256};
use crate::untrusted::Untrusted;

/// How much is read at a time, in bytes: large enough that system calls do not count, small enough that dozens of
/// uploads fit into a few megabytes.
const CHUNK: usize = 64 * 1024;

/// A regular file in the workspace that can be read.
#[derive(Clone, Debug)]
pub struct LocalFile {
    /// The path relative to the workspace, as the patterns found it.
    pub path: PathBuf,
    /// The length in bytes.
    pub size: u64,
    /// The path without any links, to be opened.
    real: PathBuf,
    identity: Identity,
}

/// What tells a file from the one that may take its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: Option<SystemTime>,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), size: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// Why a file cannot be published.
#[derive(Debug)]
pub struct FileError {
    /// The path relative to the workspace.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: FileFault,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Untrusted::path(&self.path), self.fault)
    }
}

impl std::error::Error for FileError {
    /// The fault is part of what is said already; the system's reason is not.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.fault.source()
    }
}

/// What can be wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// A folder that a line names.
    #[error("is a folder, and only files are published")]
    Folder,
    /// A FIFO, a socket or a device.
    #[error("is a {0}, and only regular files are published")]
    Special(&'static str),
    /// A link to nothing.
    #[error("is a link to nothing")]
    BrokenLink,
    /// A link that leads out of the workspace.
    #[error("leads outside the workspace, and nothing outside it is published")]
    Outside,
    /// A link that leads into `.git`.
    #[error("leads into .git, where checkout leaves its token")]
    Git,
    /// A name that no URL could carry.
    #[error("has a name that is not valid UTF-8")]
    NotUtf8,
    /// Another file, or other content, since it was checked.
    #[error("has changed while it was being published")]
    Changed,
    /// What the system says.
    #[error("cannot be read")]
    System(#[source] io::Error),
}

impl Advise for FileError {
    fn advice(&self) -> Option<String> {
        let path = Untrusted::path(&self.path);
        Some(match &self.fault {
            FileFault::Folder => format!("Write `{path}/*` for the files in it, or `{path}/**` for those below it too"),
            FileFault::Special(_) => {
                "Copy its content to a regular file, or take it away with a line `!path`".to_owned()
            }
            FileFault::BrokenLink => {
                "Build the file that it points to first, or take the link away with `!path`".to_owned()
            }
            FileFault::Outside => "Copy the file into the workspace".to_owned(),
            FileFault::Git => "Copy what you want to publish to a folder of its own".to_owned(),
            FileFault::NotUtf8 => "Rename the file; the registry takes ASCII names".to_owned(),
            FileFault::Changed => {
                "Let everything that writes the file end before this step, then run it again".to_owned()
            }
            FileFault::System(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                "Give the step the right to read it, for example with `chmod -R a+rX` in a step before".to_owned()
            }
            FileFault::System(_) => "Look at the disk and the mounts of the runner, then run the step again".to_owned(),
        })
    }
}

impl LocalFile {
    /// Checks that a path, relative to the (real) workspace, is a regular file in it that can be read.
    pub fn check(workspace: &Path, path: &Path) -> Result<Self, FileError> {
        Self::find(workspace, path).map_err(|fault| FileError { path: path.to_owned(), fault })
    }

    fn find(workspace: &Path, path: &Path) -> Result<Self, FileFault> {
        let typed = workspace.join(path);
        if path.to_str().is_none() {
            return Err(FileFault::NotUtf8);
        }
        let real = match typed.canonicalize() {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound && typed.is_symlink() => {
                return Err(FileFault::BrokenLink);
            }
            Err(error) => return Err(FileFault::System(error)),
        };
        let Ok(within) = real.strip_prefix(workspace) else { return Err(FileFault::Outside) };
        if within.iter().any(is_git) {
            return Err(FileFault::Git);
        }
        regular(&fs::metadata(&real).map_err(FileFault::System)?)?;
        let (_, metadata) = open(&real)?;
        Ok(Self { path: path.to_owned(), size: metadata.len(), real, identity: Identity::of(&metadata) })
    }

    /// The file's own name, which is its name on the registry.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(OsStr::to_str).unwrap_or_default()
    }

    /// Hands out the content in chunks, the last one only when the file has proved to be what was checked; ends early
    /// where `take` says `false`. Returns whether all chunks were taken.
    pub fn read(&self, mut take: impl FnMut(Bytes) -> bool) -> Result<bool, FileError> {
        let mut file = self.open()?;
        let mut left = self.size;
        let mut held: Option<Bytes> = None;
        while left > 0 {
            let mut chunk = vec![0; usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK))];
            let count = match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.error(FileFault::System(error))),
            };
            chunk.truncate(count);
            left -= count as u64;
            if let Some(previous) = held.replace(chunk.into())
                && !take(previous)
            {
                return Ok(false);
            }
        }
        self.still_the_same(&file).map_err(|fault| self.error(fault))?;
        Ok(held.is_none_or(take))
    }

    /// The hash of the content.
    pub fn hash(&self) -> Result<Sha256, FileError> {
        let mut hasher = Hasher::default();
        self.read(|chunk| {
            hasher.update(&chunk);
            true
        })?;
        Ok(hasher.finish())
    }

    /// Opens the file, if it still is what was checked.
    fn open(&self) -> Result<File, FileError> {
        let opened = open(&self.real).and_then(|(file, metadata)| self.same(&metadata).map(|()| file));
        opened.map_err(|fault| self.error(fault))
    }

    /// Makes sure that what was read is the file that was checked: nothing wrote to it meanwhile, and nothing took
    /// its place.
    fn still_the_same(&self, file: &File) -> Result<(), FileFault> {
        self.same(&file.metadata().map_err(FileFault::System)?)?;
        match fs::symlink_metadata(&self.real) {
            Ok(metadata) => self.same(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FileFault::Changed),
            Err(error) => Err(FileFault::System(error)),
        }
    }

    fn same(&self, metadata: &Metadata) -> Result<(), FileFault> {
        if Identity::of(metadata) == self.identity { Ok(()) } else { Err(FileFault::Changed) }
    }

    fn error(&self, fault: FileFault) -> FileError {
        FileError { path: self.path.clone(), fault }
    }
}

/// Opens a path for reading without following a link in its last component and without waiting for the other end of
/// a FIFO that may have taken the file's place.
fn open(path: &Path) -> Result<(File, Metadata), FileFault> {
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => FileFault::Changed,
        _ => FileFault::System(error),
    })?;
    let metadata = file.metadata().map_err(FileFault::System)?;
    regular(&metadata)?;
    Ok((file, metadata))
}

fn regular(metadata: &Metadata) -> Result<(), FileFault> {
    let kind = metadata.file_type();
    if kind.is_file() {
        Ok(())
    } else if kind.is_dir() {
        Err(FileFault::Folder)
    } else if kind.is_fifo() {
        Err(FileFault::Special("FIFO"))
    } else if kind.is_socket() {
        Err(FileFault::Special("socket"))
    } else {
        Err(FileFault::Special("device"))
    }
}
