//! A file that is being written: under a name of its own beside its place, until it is whole.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, RawMode, flock, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::folder::{Folder, READ};
use super::local::make_executable;
use super::place::{PlaceError, PlaceFault};
use crate::checksum::{Hasher, Sha256};
use crate::package::FileName;

impl Folder {
    /// Takes away what killed runs have left of files other than these, and that nobody writes. Where it stays, nobody
    /// minds.
    pub(crate) fn sweep(&self, but: &[&FileName]) {
        let kept: HashSet<String> = but.iter().map(|name| part_of(name)).collect();
        let Ok(entries) = openat(&self.open, ".", READ, Mode::empty()).and_then(Dir::new) else { return };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name.starts_with('.') && name.ends_with(PART) && !kept.contains(name) {
                let _ = self.remove_unlocked(name);
            }
        }
    }

    /// Takes all of its files away. Where they stay, nobody minds.
    pub(crate) fn empty(&self) {
        let Ok(entries) = openat(&self.open, ".", READ, Mode::empty()).and_then(Dir::new) else { return };
        for entry in entries.flatten() {
            let _ = unlinkat(&self.open, entry.file_name(), AtFlags::empty());
        }
    }

    /// Takes a part away, unless another run has locked it.
    fn remove_unlocked(&self, part: &str) -> Result<Removed, Errno> {
        const OPEN: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
        let file = File::from(openat(&self.open, part, OPEN, Mode::empty())?);
        // Who has the lock is the only one to take away or rename what has it; who has opened it meanwhile sees that it
        // has lost its name.
        let is_ours = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && self.is_still(part, &file);
        if !is_ours {
            return Ok(Removed::Not);
        }
        unlinkat(&self.open, part, AtFlags::empty())?;
        Ok(Removed::Gone)
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
            const OPEN: OFlags = OFlags::RDWR.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
            const MAKE: OFlags = OPEN.union(OFlags::CREATE).union(OFlags::EXCL);
            let made = openat(&self.open, &part, MAKE, Mode::from_raw_mode(NEW_MODE));
            let is_new = made.is_ok();
            let opened = match made {
                Err(Errno::EXIST) => openat(&self.open, &part, OPEN, Mode::empty()),
                made => made,
            };
            let file = match opened {
                Ok(file) => Arc::new(File::from(file)),
                Err(Errno::NOENT) => continue,
                // A link, or a socket: nothing of ours.
                Err(Errno::LOOP | Errno::NXIO) => {
                    unlinkat(&self.open, &part, AtFlags::empty()).map_err(wrong)?;
                    continue;
                }
                Err(Errno::ISDIR) => return Err(of_part(PlaceFault::Folder)),
                // Another user's: it can be taken away where the folder is ours.
                Err(error @ (Errno::ACCESS | Errno::PERM)) => match self.remove_unlocked(&part) {
                    Ok(Removed::Gone) => continue,
                    Ok(Removed::Not) => return Err(fault(PlaceFault::Busy)),
                    Err(Errno::NOENT) => return Err(wrong(error)),
                    Err(Errno::ACCESS) => return Err(of_part(PlaceFault::Foreign)),
                    Err(error) => {
                        return Err(of_part(PlaceFault::Write { missing: None, source: error.into() }));
                    }
                },
                Err(error) => return Err(wrong(error)),
            };
            // Some file systems know no locks, and say otherwise.
            if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
                return Err(fault(PlaceFault::Busy));
            }
            if !self.is_still(&part, &file) {
                continue;
            }
            let ours = file.metadata().map_err(|source| fault(PlaceFault::Write { missing: None, source }))?;
            // What has a second name is somebody else's too. What has another owner or other rights than a new file would keep
            // them.
            let has_rights_of_new = is_new || umask().is_some_and(|umask| ours.mode() & 0o7777 == NEW_MODE & !umask);
            let is_of_another = ours.uid() != geteuid().as_raw();
            if !ours.is_file() || ours.nlink() != 1 || !has_rights_of_new || is_of_another && !is_new {
                unlinkat(&self.open, &part, AtFlags::empty()).map_err(wrong)?;
                continue;
            }
            let (folder, name, lock) = (Arc::clone(self), name.clone(), Arc::clone(&file));
            let unfinished = Unfinished { folder, part, name, is_in_place: false, lock };
            let writing = Writing { file, hasher: Hasher::default(), length: 0, found: ours.len(), size: None, path };
            return Ok((unfinished, writing));
        }
        Err(fault(PlaceFault::Busy))
    }
}

/// The mode of a new file, before the umask.
const NEW_MODE: RawMode = 0o666;

/// The mask for the rights of new files; `None` if the system does not say.
fn umask() -> Option<RawMode> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    RawMode::from_str_radix(umask.trim(), 8).ok()
}

/// What has become of a part that nobody wants.
enum Removed {
    Gone,
    /// Another run has it, or has had it.
    Not,
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
pub(crate) fn is_part(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(PART)
}

/// Takes an unfinished file away, unless it comes to its place.
#[derive(Debug)]
pub struct Unfinished {
    folder: Arc<Folder>,
    part: String,
    name: FileName,
    is_in_place: bool,
    /// Keeps the lock after what wrote the file has ended: another run that took it up before it has left its name
    /// would write into what is in its place then. It goes after the name has.
    lock: Arc<File>,
}

impl Unfinished {
    /// Puts the file of that length into its place. A reader sees the old file or the new one, also after a crash, once the
    /// folder has [settled](Folder::settle).
    pub fn finish(mut self, length: u64) -> Result<(), PlaceError> {
        let Folder { open, place, .. } = &*self.folder;
        let path = place.path_of(&self.name);
        let fault = |error| match error {
            Errno::ISDIR => PlaceFault::Folder,
            error => PlaceFault::Write { missing: None, source: error.into() },
        };
        let wrong = |error| PlaceError { path: path.clone(), fault: fault(error) };
        // Whoever takes a part away lets others begin one of the same name: theirs is not what was written here.
        let is_whole = self.lock.metadata().is_ok_and(|metadata| metadata.len() == length);
        if !is_whole || !self.folder.is_still(&self.part, &self.lock) {
            return Err(PlaceError { path, fault: PlaceFault::TakenAway });
        }
        self.folder.give_to_owner(&self.lock);
        renameat(open, &self.part, open, self.name.as_str()).map_err(wrong)?;
        self.is_in_place = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_in_place && self.folder.is_still(&self.part, &self.lock) {
            // Where it stays, the next run knows it again.
            let _ = unlinkat(&self.folder.open, &self.part, AtFlags::empty());
        }
    }
}

/// A file that is being written, and hashed on the way.
#[derive(Debug)]
pub struct Writing {
    file: Arc<File>,
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
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The hash of what it has.
    #[must_use]
    pub(crate) fn sha256(&self) -> Sha256 {
        self.hasher.clone().finish()
    }

    /// Says how many bytes there are to be.
    pub(crate) fn expect(&mut self, size: Option<u64>) {
        self.size = size;
    }

    /// How many bytes an earlier run has left.
    #[must_use]
    pub(crate) fn found(&self) -> u64 {
        self.found
    }

    /// Takes what an earlier run has left for the beginning.
    pub(crate) fn keep(&mut self) -> Result<(), PlaceError> {
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
