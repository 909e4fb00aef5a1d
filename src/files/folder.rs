//! The folder that files are written to, and a file that is being written: under a name of its own beside its place, until it
//! is whole.
//!
//! The folder is opened component by component without following a link in any of them, and everything in it is named
//! relative to what was opened: a folder that is swapped for a link meanwhile leads nowhere else.

use std::collections::HashSet;
use std::fs::{File, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, flock, fsync, mkdirat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::local::{ENTER, LocalFile};
use super::place::{Place, PlaceError, PlaceFault};
use crate::checksum::{Hasher, Sha256};
use crate::package::FileName;

/// Opens a folder to read what is in it.
const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What there is under a file's name.
#[derive(Debug)]
pub enum Found {
    /// Nothing, or something that a file may take the place of: a link is replaced, and not followed.
    Nothing,
    /// A file that can be read.
    File(LocalFile),
}

/// An open folder in the workspace.
#[derive(Debug)]
pub struct Folder {
    open: OwnedFd,
    place: Place,
}

impl Folder {
    /// Opens the folder; `None` where it is missing.
    pub fn open(place: &Place) -> Result<Option<Self>, PlaceError> {
        match Self::enter(place, false) {
            Err(PlaceError { fault: PlaceFault::Open(error), .. }) if error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Opens the folder, and makes what is missing of it.
    pub fn make(place: &Place) -> Result<Self, PlaceError> {
        Self::enter(place, true)
    }

    fn enter(place: &Place, makes: bool) -> Result<Self, PlaceError> {
        let mut path = PathBuf::new();
        let fault = |path: &Path, error: Errno| {
            let fault = match error {
                Errno::LOOP | Errno::NOTDIR => PlaceFault::NoFolder,
                error => PlaceFault::Open(error.into()),
            };
            PlaceError { path: path.to_owned(), fault }
        };
        let mut open = rustix::fs::open(&place.workspace, ENTER, Mode::empty()).map_err(|error| fault(&path, error))?;
        for component in &place.within {
            path.push(component);
            if makes {
                match mkdirat(&open, component, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(fault(&path, error)),
                }
            }
            open = openat(&open, component, ENTER, Mode::empty()).map_err(|error| fault(&path, error))?;
        }
        Ok(Self { open, place: place.clone() })
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What there is under a file's name; an error where that is a folder.
    pub fn find(&self, name: &FileName) -> Result<Found, PlaceError> {
        let path = self.place.path_of(name);
        match statat(&self.open, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                Err(PlaceError { path, fault: PlaceFault::Folder })
            }
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                // One that cannot be read is replaced.
                Ok(LocalFile::at(&self.place.workspace, &path).map_or(Found::Nothing, Found::File))
            }
            Ok(_) | Err(Errno::NOENT) => Ok(Found::Nothing),
            Err(error) => Err(PlaceError { path, fault: PlaceFault::Open(error.into()) }),
        }
    }

    /// Has the names of its files on the disk.
    pub fn settle(&self) -> Result<(), PlaceError> {
        // What was opened for its path alone cannot be synced; where it cannot be read, that is left to the system.
        let Ok(folder) = openat(&self.open, ".", READ, Mode::empty()) else { return Ok(()) };
        fsync(&folder).map_err(|error| {
            let fault = PlaceFault::Write { missing: None, source: error.into() };
            PlaceError { path: self.place.within.clone(), fault }
        })
    }

    /// Takes a file away, where it is there. Where it stays, nobody minds.
    pub fn remove(&self, name: &FileName) {
        let _ = unlinkat(&self.open, name.as_str(), AtFlags::empty());
    }

    /// Takes a folder in it away, where that is empty.
    pub fn remove_empty(&self, name: &str) {
        let _ = unlinkat(&self.open, name, AtFlags::REMOVEDIR);
    }

    /// Takes away what killed runs have left of files other than these, and that nobody writes. Where it stays, nobody
    /// minds.
    pub fn sweep(&self, but: &[&FileName]) {
        let kept: HashSet<String> = but.iter().map(|name| part_of(name)).collect();
        let Ok(entries) = openat(&self.open, ".", READ, Mode::empty()).and_then(Dir::new) else { return };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name.starts_with('.') && name.ends_with(PART) && !kept.contains(name) {
                self.remove_unlocked(name);
            }
        }
    }

    /// Takes a file away, unless another run has locked it.
    fn remove_unlocked(&self, part: &str) {
        const OPEN: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
        let Ok(file) = openat(&self.open, part, OPEN, Mode::empty()).map(File::from) else { return };
        let is_file = file.metadata().is_ok_and(|file| file.is_file());
        if is_file && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // Who has opened it meanwhile sees that it has lost its name.
            let _ = unlinkat(&self.open, part, AtFlags::empty());
        }
    }

    /// Begins, or goes on, to write a file beside its place.
    pub fn begin(self: &Arc<Self>, name: &FileName) -> Result<(Unfinished, Writing), PlaceError> {
        let path = self.place.path_of(name);
        let part = part_of(name);
        let fault = |fault| PlaceError { path: path.clone(), fault };
        let of_part = |fault| PlaceError { path: self.place.within.join(&part), fault };
        let wrong = |error: Errno| fault(PlaceFault::Write { missing: None, source: error.into() });
        // Each time somebody else may have been faster.
        for _ in 0..8 {
            const OPEN: OFlags = OFlags::RDWR
                .union(OFlags::CREATE)
                .union(OFlags::NOFOLLOW)
                .union(OFlags::NONBLOCK)
                .union(OFlags::CLOEXEC);
            let file = match openat(&self.open, &part, OPEN, Mode::from_raw_mode(0o666)) {
                Ok(file) => File::from(file),
                // A link, or a socket: nothing of ours.
                Err(Errno::LOOP | Errno::NXIO) => {
                    unlinkat(&self.open, &part, AtFlags::empty()).map_err(wrong)?;
                    continue;
                }
                Err(Errno::ISDIR) => return Err(of_part(PlaceFault::Folder)),
                // Another user's: it can be taken away where the folder is ours.
                Err(error @ (Errno::ACCESS | Errno::PERM)) => {
                    if unlinkat(&self.open, &part, AtFlags::empty()).is_ok() {
                        continue;
                    }
                    return Err(wrong(error));
                }
                Err(error) => return Err(wrong(error)),
            };
            // Some file systems know no locks, and say otherwise.
            if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
                return Err(fault(PlaceFault::Busy));
            }
            let ours = file.metadata().map_err(|source| fault(PlaceFault::Write { missing: None, source }))?;
            let is_there = statat(&self.open, &part, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (ours.dev(), ours.ino()));
            if !is_there {
                continue;
            }
            // What has a second name is somebody else's too.
            if !ours.is_file() || ours.nlink() != 1 {
                unlinkat(&self.open, &part, AtFlags::empty()).map_err(wrong)?;
                continue;
            }
            let lock = file.try_clone().map_err(|source| fault(PlaceFault::Write { missing: None, source }))?;
            let (folder, name) = (Arc::clone(self), name.clone());
            let unfinished = Unfinished { folder, part, name, is_in_place: false, _lock: lock };
            let writing = Writing { file, hasher: Hasher::default(), length: 0, found: ours.len(), size: None, path };
            return Ok((unfinished, writing));
        }
        Err(fault(PlaceFault::Busy))
    }
}

/// The name under which a file is written: a later run knows it again.
fn part_of(name: &FileName) -> String {
    /// The longest name that Linux's file systems take, in bytes.
    const LONGEST: usize = 255;
    let part = format!(".{}{PART}", name.as_str());
    if part.len() <= LONGEST {
        return part;
    }
    format!(".{}{PART}", Sha256::of(name.as_str().as_bytes()))
}

/// How the names of files end that are not whole.
const PART: &str = ".generic-packages-part";

/// Whether a name is one that this program gives to files that are not whole.
#[must_use]
pub fn is_part(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(PART)
}

/// Takes an unfinished file away, unless it comes to its place.
#[derive(Debug)]
pub struct Unfinished {
    folder: Arc<Folder>,
    part: String,
    name: FileName,
    is_in_place: bool,
    /// Keeps the lock after what wrote the file has closed it: another run that took it up before it has left its name
    /// would write into what is in its place then. It goes after the name has.
    _lock: File,
}

impl Unfinished {
    /// Puts the file into its place. A reader sees the old file or the new one, also after a crash, once the folder has
    /// [settled](Folder::settle).
    pub fn finish(mut self) -> Result<(), PlaceError> {
        let Folder { open, place } = &*self.folder;
        let path = place.path_of(&self.name);
        let fault = |error| match error {
            Errno::ISDIR => PlaceFault::Folder,
            error => PlaceFault::Write { missing: None, source: error.into() },
        };
        let wrong = |error| PlaceError { path: path.clone(), fault: fault(error) };
        renameat(open, &self.part, open, self.name.as_str()).map_err(wrong)?;
        self.is_in_place = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_in_place {
            // Where it stays, the next run knows it again.
            let _ = unlinkat(&self.folder.open, &self.part, AtFlags::empty());
        }
    }
}

/// Gives everybody who may read a file the right to execute it.
pub(super) fn make_executable(file: &File) -> io::Result<()> {
    let mode = file.metadata()?.permissions().mode();
    let wanted = mode | (mode & 0o444) >> 2;
    if wanted == mode { Ok(()) } else { file.set_permissions(Permissions::from_mode(wanted)) }
}

/// A file that is being written, and hashed on the way.
#[derive(Debug)]
pub struct Writing {
    file: File,
    hasher: Hasher,
    length: u64,
    /// How many bytes an earlier run has left.
    found: u64,
    /// How many there are to be, where that is known.
    size: Option<u64>,
    path: PathBuf,
}

impl Writing {
    /// How many bytes it has.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The hash of what it has.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        self.hasher.clone().finish()
    }

    /// Says how many bytes there are to be.
    pub fn expect(&mut self, size: Option<u64>) {
        self.size = size;
    }

    /// How many bytes an earlier run has left.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Takes what an earlier run has left for the beginning.
    pub fn keep(&mut self) -> Result<(), PlaceError> {
        let read = |writing: &mut Self| {
            writing.file.seek(SeekFrom::Start(0))?;
            let mut chunk = vec![0; 64 * 1024];
            loop {
                let count = writing.file.read(&mut chunk)?;
                if count == 0 {
                    return Ok(());
                }
                writing.hasher.update(&chunk[..count]);
                writing.length += count as u64;
            }
        };
        read(self).map_err(|source| self.wrong(source))
    }

    /// Begins from the start.
    pub fn start_again(&mut self) -> Result<(), PlaceError> {
        self.hasher = Hasher::default();
        self.length = 0;
        self.found = 0;
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map(drop).map_err(|source| self.wrong(source))
    }

    /// Writes the next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), PlaceError> {
        self.file.write_all(bytes).map_err(|source| self.wrong(source))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Has all of it on the disk.
    pub fn settle(&mut self, is_executable: bool) -> Result<(), PlaceError> {
        if is_executable {
            make_executable(&self.file).map_err(|source| self.wrong(source))?;
        }
        self.file.sync_all().map_err(|source| self.wrong(source))
    }

    fn wrong(&self, source: io::Error) -> PlaceError {
        let missing = self.size.map(|size| size.saturating_sub(self.length));
        PlaceError { path: self.path.clone(), fault: PlaceFault::Write { missing, source } }
    }
}
