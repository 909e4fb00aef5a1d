//! One local file, which is checked once and opened only if it has not changed.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, Metadata, Permissions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawMode, openat, statat};
use rustix::io::Errno;

use super::git::is_git;
use crate::hint::{self, Explain, Plural};
use crate::sanitize::Sanitized;

/// The size of a chunk, in bytes: large enough that system calls do not matter, small enough that dozens of uploads fit into
/// a few megabytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// The flags for opening a folder of a path. A link to a folder is an error.
pub(super) const ENTER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A regular file in the workspace that can be read.
#[derive(Clone, Debug)]
pub(crate) struct LocalFile {
    /// The path relative to the workspace, as a pattern found it.
    pub(crate) path: PathBuf,
    /// The length in bytes.
    pub(crate) size: u64,
    /// The workspace, without any links in its path.
    workspace: PathBuf,
    /// The path in the workspace without links, for opening it.
    within: PathBuf,
    identity: Identity,
}

/// Distinguishes a file from a file that replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: Option<SystemTime>,
    /// The time of the last change of any kind, in seconds and nanoseconds. Unlike `modified`, it cannot be set back.
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: metadata.modified().ok(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// A file that cannot be read, and why.
#[derive(Debug)]
pub(crate) struct FileError {
    /// The path relative to the workspace.
    pub(crate) path: PathBuf,
    /// Why it cannot be read.
    pub(crate) fault: FileFault,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to read `{}`", Sanitized::path(&self.path))?;
        if matches!(self.fault, FileFault::System(_)) { Ok(()) } else { write!(f, ": it {}", self.fault) }
    }
}

impl std::error::Error for FileError {
    /// Returns only the system's reason, because the message contains the fault.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.fault.source()
    }
}

/// Why a file cannot be read. The texts follow on a subject: "it is a folder".
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileFault {
    /// A folder that a line names.
    #[error("is a folder, and only files are published")]
    Folder,
    /// A FIFO, a socket or a device.
    #[error("is a {0}, and only regular files are published")]
    Special(&'static str),
    /// A link to a missing file.
    #[error("is a broken link")]
    BrokenLink,
    /// A link that leads out of the workspace.
    #[error("is outside the workspace, and only files inside it are published")]
    Outside,
    /// A link that leads into `.git`.
    #[error("is inside `.git`, where the checkout action stores its token")]
    Git,
    /// A name that cannot be part of a URL.
    #[error("has a name that is not valid UTF-8")]
    NotUtf8,
    /// A file that was deleted after the check.
    #[error("no longer exists")]
    Gone,
    /// A file system that returns no data.
    #[error("returned no data for {} s", .0.as_secs())]
    Stalled(Duration),
    /// A file that was changed or replaced after the check.
    #[error("changed during this run")]
    Changed,
    /// An error of the system.
    #[error("cannot be read")]
    System(#[from] io::Error),
}

/// The hint for files and folders that are not readable.
pub(super) const READABLE: &str = "Make it readable for this step, for example with `chmod -R a+rX` in an earlier step";

/// The hint for other errors of the system.
pub(super) const CHECK_DISK: &str = "Check the disk and the mounts of the runner, then run the step again";

impl Explain for FileError {
    fn code(&self) -> &'static str {
        match &self.fault {
            FileFault::Folder => "is-a-folder",
            FileFault::Special(_) => "not-a-regular-file",
            FileFault::BrokenLink => "broken-link",
            FileFault::Outside => "outside-workspace",
            FileFault::Git => "inside-git",
            FileFault::NotUtf8 => "invalid-file-name",
            FileFault::Gone | FileFault::Changed => "file-changed",
            FileFault::Stalled(_) => "file-system-timeout",
            FileFault::System(error) => hint::system_error_code(error),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match &self.fault {
            FileFault::Folder => "Replace the folder with a file",
            FileFault::Special(_) => "Copy its content to a regular file, or exclude it with a line `!path`",
            FileFault::BrokenLink => "Create the file that the link points to, or exclude the link with a line `!path`",
            FileFault::Outside => "Copy the file into the workspace",
            FileFault::Git => "Copy the files to publish to a separate folder",
            FileFault::NotUtf8 => "Rename the file, because the registry accepts ASCII names only",
            FileFault::Gone | FileFault::Changed => {
                "Make sure that nothing writes the file during this step, then run the step again"
            }
            FileFault::System(error) if error.kind() == io::ErrorKind::PermissionDenied => READABLE,
            FileFault::System(error) if hint::is_open_files_limit(error) => hint::OPEN_FILES,
            FileFault::Stalled(_) | FileFault::System(_) => CHECK_DISK,
        };
        Some(hint.to_owned())
    }

    fn plural(&self) -> Option<Plural> {
        let text = match &self.fault {
            FileFault::Special(_) => "failed to read {} files that are not regular files",
            FileFault::BrokenLink => "failed to read {} broken links",
            FileFault::Outside => "failed to read {} files outside the workspace",
            FileFault::Git => "failed to read {} files inside `.git`, where the checkout action stores its token",
            FileFault::NotUtf8 => "failed to read {} files with names that are not valid UTF-8",
            FileFault::Gone => "failed to read {} files that no longer exist",
            FileFault::Changed => "failed to read {} files that changed during this run",
            FileFault::System(_) => "failed to read {} files",
            FileFault::Folder | FileFault::Stalled(_) => return None,
        };
        Some(Plural {
            text: text.to_owned(),
            item: format!("`{}`", Sanitized::path(&self.path)),
            is_hint_an_example: false,
        })
    }
}

impl LocalFile {
    /// Whether both are one file, under any names.
    #[must_use]
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.identity.device, self.identity.inode) == (other.identity.device, other.identity.inode)
    }

    /// Checks that a path in the (real) workspace is a regular, readable file.
    pub(crate) fn check(workspace: &Path, path: &Path) -> Result<Self, FileError> {
        let find = || {
            path.to_str().ok_or(FileFault::NotUtf8)?;
            Self::at(workspace, &resolve(workspace, path)?)
        };
        let file = find().map_err(|fault| FileError { path: path.to_owned(), fault })?;
        Ok(Self { path: path.to_owned(), ..file })
    }

    /// Checks a path in the (real) workspace that must not contain links.
    pub(super) fn at(workspace: &Path, within: &Path) -> Result<Self, FileFault> {
        let (_, metadata) = open(workspace, within)?;
        let identity = Identity::of(&metadata);
        let (path, within) = (within.to_owned(), within.to_owned());
        Ok(Self { path, size: metadata.len(), workspace: workspace.to_owned(), within, identity })
    }

    /// Makes the file executable for everybody who can read it, if it has not changed.
    pub(crate) fn make_executable(&self) -> Result<(), FileError> {
        self.open().and_then(|file| Ok(make_executable(&file)?)).map_err(|fault| self.error(fault))
    }

    /// Returns the last component of the path.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        self.path.file_name().and_then(OsStr::to_str).unwrap_or_default()
    }

    /// Passes the content to `take` in chunks, the last one only if the file has not changed. Ends early if `take` returns
    /// `false`. Returns whether all chunks were taken.
    pub(crate) fn read(&self, take: impl FnMut(Bytes) -> bool) -> Result<bool, FileError> {
        self.read_unchanged(take).map_err(|fault| self.error(fault))
    }

    /// Returns the content.
    pub(crate) fn read_to_end(&self) -> Result<Vec<u8>, FileError> {
        let mut bytes = Vec::new();
        self.read(|chunk| {
            bytes.extend_from_slice(&chunk);
            true
        })?;
        Ok(bytes)
    }

    fn read_unchanged(&self, mut take: impl FnMut(Bytes) -> bool) -> Result<bool, FileFault> {
        let mut file = self.open()?;
        let mut left = self.size;
        let mut held: Option<Bytes> = None;
        while left > 0 {
            let mut chunk = vec![0; usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK))];
            let count = match file.read(&mut chunk) {
                Ok(0) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count?,
            };
            chunk.truncate(count);
            left -= count as u64;
            if let Some(previous) = held.replace(chunk.into())
                && !take(previous)
            {
                return Ok(false);
            }
        }
        // Some file systems report no length, such as /proc.
        if left == 0 && file.read(&mut [0]).is_ok_and(|more| more > 0) {
            return Err(FileFault::Changed);
        }
        self.check_identity(&file.metadata()?)?;
        // Another file may have replaced it.
        self.open()?;
        Ok(held.is_none_or(take))
    }

    /// Opens the file, if it has not changed.
    fn open(&self) -> Result<File, FileFault> {
        let (file, metadata) = open(&self.workspace, &self.within).map_err(|fault| match fault {
            // It was a regular file when it was checked.
            FileFault::Folder | FileFault::Special(_) => FileFault::Changed,
            fault => fault,
        })?;
        self.check_identity(&metadata)?;
        Ok(file)
    }

    fn check_identity(&self, metadata: &Metadata) -> Result<(), FileFault> {
        if Identity::of(metadata) == self.identity { Ok(()) } else { Err(FileFault::Changed) }
    }

    fn error(&self, fault: FileFault) -> FileError {
        FileError { path: self.path.clone(), fault }
    }
}

/// Resolves the links in a path, and returns the path relative to the workspace.
pub(super) fn resolve(workspace: &Path, path: &Path) -> Result<PathBuf, FileFault> {
    let typed = workspace.join(path);
    let real = typed.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if typed.is_symlink() => FileFault::BrokenLink,
        _ => FileFault::System(error),
    })?;
    let within = real.strip_prefix(workspace).map_err(|_| FileFault::Outside)?;
    if within.iter().any(is_git) { Err(FileFault::Git) } else { Ok(within.to_owned()) }
}

/// Opens a path in the workspace for reading. No link is followed, so that a folder that is replaced by a link cannot lead
/// elsewhere. A FIFO that replaced the file is not waited for.
fn open(workspace: &Path, within: &Path) -> Result<(File, Metadata), FileFault> {
    const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    let fault = |error: Errno| match error {
        Errno::NOENT => FileFault::Gone,
        // A folder or a file was replaced by a link, or the other way round.
        Errno::LOOP | Errno::NOTDIR => FileFault::Changed,
        error => FileFault::System(error.into()),
    };
    let mut folder = rustix::fs::open(workspace, ENTER, Mode::empty()).map_err(fault)?;
    for component in within.parent().into_iter().flatten() {
        folder = openat(&folder, component, ENTER, Mode::empty()).map_err(fault)?;
    }
    let name = within.file_name().ok_or(FileFault::Folder)?;
    // A socket cannot be opened, and a device may do something when it is.
    regular(statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(fault)?.st_mode)?;
    let file = File::from(openat(&folder, name, READ, Mode::empty()).map_err(fault)?);
    let metadata = file.metadata()?;
    regular(metadata.mode())?;
    Ok((file, metadata))
}

fn regular(mode: RawMode) -> Result<(), FileFault> {
    match FileType::from_raw_mode(mode) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(FileFault::Folder),
        FileType::Symlink => Err(FileFault::Changed),
        FileType::Fifo => Err(FileFault::Special("FIFO")),
        FileType::Socket => Err(FileFault::Special("socket")),
        _ => Err(FileFault::Special("device")),
    }
}

/// Makes a file executable for everybody who can read it.
pub(super) fn make_executable(file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode();
    let wanted = mode | (mode & 0o444) >> 2;
    match wanted == mode {
        true => Ok(()),
        // It would also change the file under its other names.
        false if metadata.nlink() != 1 => Err(io::ErrorKind::PermissionDenied.into()),
        false => file.set_permissions(Permissions::from_mode(wanted)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_path_component_that_became_a_link_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = folder.path();
        std::fs::create_dir_all(top.join("ws/dist")).expect("folders");
        std::fs::create_dir_all(top.join("outside")).expect("folders");
        std::fs::write(top.join("ws/dist/a"), "ours").expect("a file");
        std::fs::write(top.join("outside/a"), "ours").expect("a file");
        symlink(top.join("outside"), top.join("ws/swapped")).expect("a link");
        symlink(top.join("outside/a"), top.join("ws/dist/b")).expect("a link");
        let opened = |path: &str| open(&top.join("ws"), Path::new(path));
        assert!(opened("dist/a").is_ok());
        for path in ["swapped/a", "dist/b", "dist/a/x"] {
            assert!(matches!(opened(path), Err(FileFault::Changed)), "{path}: {:?}", opened(path));
        }
        assert!(matches!(opened("dist/none"), Err(FileFault::Gone)));
    }
}
