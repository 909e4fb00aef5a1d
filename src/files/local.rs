//! One local file: checked once, and opened only if it still is what was checked.

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

/// How much is read at a time, in bytes: large enough that system calls do not count, small enough that dozens of
/// uploads fit into a few megabytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// How a folder on the way is opened: it has to be one, and no link to one.
pub(super) const ENTER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A regular file in the workspace that can be read.
#[derive(Clone, Debug)]
pub(crate) struct LocalFile {
    /// The path relative to the workspace, as the patterns found it.
    pub(crate) path: PathBuf,
    /// The length in bytes.
    pub(crate) size: u64,
    /// The workspace, without any links in its path.
    workspace: PathBuf,
    /// The path in the workspace without any links, to be opened.
    within: PathBuf,
    identity: Identity,
}

/// What tells a file from the one that may take its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: Option<SystemTime>,
    /// When anything of the file was changed last, in seconds and nanoseconds. Unlike the time before, nobody can set it back.
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

/// Why a file cannot be published.
#[derive(Debug)]
pub(crate) struct FileError {
    /// The path relative to the workspace.
    pub(crate) path: PathBuf,
    /// What is wrong with it.
    pub(crate) fault: FileFault,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Sanitized::path(&self.path), self.fault)
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
pub(crate) enum FileFault {
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
    /// A file that was there when it was checked.
    #[error("is no longer there")]
    Gone,
    /// A file that gives nothing.
    #[error("could not be read on for {} s", .0.as_secs())]
    Stalled(Duration),
    /// Another file, or other content, since it was checked.
    #[error("has changed while it was being published")]
    Changed,
    /// What the system says.
    #[error("cannot be read")]
    System(#[source] io::Error),
}

/// What makes files and folders readable.
pub(super) const READABLE: &str =
    "Give the step the right to read it, for example with `chmod -R a+rX` in a step before";

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
            FileFault::System(error) => hint::code_of_system(error),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match &self.fault {
            FileFault::Folder => "Take the folder away, or put a file in its place".to_owned(),
            FileFault::Special(_) => {
                "Copy its content to a regular file, or take it away with a line `!path`".to_owned()
            }
            FileFault::BrokenLink => {
                "Build the file that it points to first, or take the link away with `!path`".to_owned()
            }
            FileFault::Outside => "Copy the file into the workspace".to_owned(),
            FileFault::Git => "Copy what you want to publish to a folder of its own".to_owned(),
            FileFault::NotUtf8 => "Rename the file; the registry takes ASCII names".to_owned(),
            FileFault::Gone | FileFault::Changed => {
                "Let everything that writes the file end before this step, then run it again".to_owned()
            }
            FileFault::System(error) if error.kind() == io::ErrorKind::PermissionDenied => READABLE.to_owned(),
            FileFault::System(error) if hint::is_of_open_files(error) => hint::OPEN_FILES.to_owned(),
            FileFault::Stalled(_) | FileFault::System(_) => {
                "Look at the disk and the mounts of the runner, then run the step again".to_owned()
            }
        })
    }

    fn plural(&self) -> Option<Plural> {
        let text = match &self.fault {
            FileFault::Special(_) => "{} files are no regular files",
            FileFault::BrokenLink => "{} files are links to nothing",
            FileFault::Outside => "{} files lead outside the workspace, and nothing outside it is published",
            FileFault::Git => "{} files lead into .git, where checkout leaves its token",
            FileFault::NotUtf8 => "{} files have names that are not valid UTF-8",
            FileFault::Gone => "{} files are no longer there",
            FileFault::Changed => "{} files have changed while they were being published",
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
    /// Returns whether both are one file, whatever their names are.
    #[must_use]
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.identity.device, self.identity.inode) == (other.identity.device, other.identity.inode)
    }

    /// Checks that a path, relative to the (real) workspace, is a regular file in it that can be read.
    pub(crate) fn check(workspace: &Path, path: &Path) -> Result<Self, FileError> {
        Self::find(workspace, path).map_err(|fault| FileError { path: path.to_owned(), fault })
    }

    fn find(workspace: &Path, path: &Path) -> Result<Self, FileFault> {
        if path.to_str().is_none() {
            return Err(FileFault::NotUtf8);
        }
        let within = resolve(workspace, path)?;
        Ok(Self { path: path.to_owned(), ..Self::at(workspace, &within)? })
    }

    /// The regular file at a path in the (real) workspace that has no links in it.
    pub(super) fn at(workspace: &Path, within: &Path) -> Result<Self, FileFault> {
        let (_, metadata) = open(workspace, within)?;
        let identity = Identity::of(&metadata);
        let (path, within) = (within.to_owned(), within.to_owned());
        Ok(Self { path, size: metadata.len(), workspace: workspace.to_owned(), within, identity })
    }

    /// Gives everybody who may read the file the right to execute it, if it still is what was checked.
    pub(crate) fn make_executable(&self) -> Result<(), FileError> {
        make_executable(&self.open()?).map_err(|error| self.error(FileFault::System(error)))
    }

    /// The file's own name, which is its name on the registry.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        self.path.file_name().and_then(OsStr::to_str).unwrap_or_default()
    }

    /// Hands out the content in chunks, the last one only when the file has proved to be what was checked; ends early
    /// where `take` says `false`. Returns whether all chunks were taken.
    pub(crate) fn read(&self, mut take: impl FnMut(Bytes) -> bool) -> Result<bool, FileError> {
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
        // Some file systems give no length, /proc among them.
        if left == 0 && file.read(&mut [0]).is_ok_and(|more| more > 0) {
            return Err(self.error(FileFault::Changed));
        }
        self.still_the_same(&file).map_err(|fault| self.error(fault))?;
        Ok(held.is_none_or(take))
    }

    /// Opens the file, if it still is what was checked.
    fn open(&self) -> Result<File, FileError> {
        self.open_as_checked().map_err(|fault| self.error(fault))
    }

    fn open_as_checked(&self) -> Result<File, FileFault> {
        let (file, metadata) = open(&self.workspace, &self.within).map_err(|fault| match fault {
            // It was a regular file when it was checked.
            FileFault::Folder | FileFault::Special(_) => FileFault::Changed,
            fault => fault,
        })?;
        self.same(&metadata)?;
        Ok(file)
    }

    /// Makes sure that what was read is the file that was checked: nothing wrote to it meanwhile, and nothing took
    /// its place.
    fn still_the_same(&self, file: &File) -> Result<(), FileFault> {
        self.same(&file.metadata().map_err(FileFault::System)?)?;
        self.open_as_checked().map(drop)
    }

    fn same(&self, metadata: &Metadata) -> Result<(), FileFault> {
        if Identity::of(metadata) == self.identity { Ok(()) } else { Err(FileFault::Changed) }
    }

    fn error(&self, fault: FileFault) -> FileError {
        FileError { path: self.path.clone(), fault }
    }
}

/// Where a path in the workspace leads: the path below the workspace without any links in it. Both are paths of folders
/// or files that exist.
pub(super) fn resolve(workspace: &Path, path: &Path) -> Result<PathBuf, FileFault> {
    let typed = workspace.join(path);
    let real = typed.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if typed.is_symlink() => FileFault::BrokenLink,
        _ => FileFault::System(error),
    })?;
    let within = real.strip_prefix(workspace).map_err(|_| FileFault::Outside)?;
    if within.iter().any(is_git) { Err(FileFault::Git) } else { Ok(within.to_owned()) }
}

/// Opens a path in the workspace for reading. No link is followed in any component, so that a folder that is swapped
/// for one cannot lead elsewhere; and the other end of a FIFO that took the file's place is not waited for.
fn open(workspace: &Path, within: &Path) -> Result<(File, Metadata), FileFault> {
    const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
    let fault = |error: Errno| match error {
        Errno::NOENT => FileFault::Gone,
        // What was a folder or a file is a link now, or the other way round.
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
    let metadata = file.metadata().map_err(FileFault::System)?;
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

/// Gives everybody who may read a file the right to execute it.
pub(super) fn make_executable(file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode();
    let wanted = mode | (mode & 0o444) >> 2;
    match wanted == mode {
        true => Ok(()),
        // It would change what has another name elsewhere.
        false if metadata.nlink() != 1 => Err(io::ErrorKind::PermissionDenied.into()),
        false => file.set_permissions(Permissions::from_mode(wanted)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_is_followed_where_there_was_none() {
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
