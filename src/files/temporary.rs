//! Files that are written under a temporary name, and renamed when they are complete.
//!
//! The temporary name is random, so two runs never write to one file, and the last rename wins. A run keeps its temporary
//! files locked, so that no other run deletes them. The system unlocks them when the run ends, also if it is killed.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::folder::Folder;
use super::local::make_executable;
use super::place::{PlaceError, PlaceFault};
use crate::checksum::{Hasher, Sha256};
use crate::package::FileName;

/// The suffix of temporary names.
const SUFFIX: &str = ".generic-packages-part";

/// Whether a name is a name of temporary files.
#[must_use]
pub(crate) fn is_temporary_name(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(SUFFIX)
}

impl Folder {
    /// Deletes the temporary files of killed runs, if possible.
    pub(crate) fn remove_leftovers(&self) {
        self.remove_files(|name| name.starts_with('.') && name.ends_with(SUFFIX) && !self.is_locked(name));
    }

    fn is_locked(&self, name: &str) -> bool {
        const OPEN: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
        openat(&self.open, name, OPEN, Mode::empty())
            .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK))
    }

    /// Creates a temporary file.
    pub(crate) fn begin(self: &Arc<Self>, name: &FileName) -> Result<(TemporaryFile, FileWriter), PlaceError> {
        const NEW: OFlags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::CLOEXEC);
        let path = self.place.path_of(name);
        let create = || {
            let temporary_name = format!(".{:016x}{SUFFIX}", getrandom::u64()?);
            let file = File::from(openat(&self.open, &temporary_name, NEW, Mode::from_raw_mode(0o666))?);
            Ok((temporary_name, file))
        };
        let (temporary_name, file) = create().map_err(|source: io::Error| {
            let fault = PlaceFault::Write { missing: None, source };
            PlaceError { path: path.clone(), fault }
        })?;
        // If the file system has no locks, another run can delete the file. Then this run fails.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        let temporary =
            TemporaryFile { folder: Arc::clone(self), temporary_name, name: name.clone(), is_renamed: false };
        Ok((temporary, FileWriter { file, hasher: Hasher::default(), length: 0, size: None, path }))
    }
}

/// A temporary file. Dropping it deletes the file, unless it was renamed.
#[derive(Debug)]
pub(crate) struct TemporaryFile {
    folder: Arc<Folder>,
    temporary_name: String,
    name: FileName,
    is_renamed: bool,
}

impl TemporaryFile {
    /// Renames the file to its final name. A reader sees either the old file or the new one.
    pub(crate) fn finish(mut self, writing: &FileWriter, is_executable: bool) -> Result<(), PlaceError> {
        if is_executable {
            make_executable(&writing.file).map_err(|source| writing.wrong(source))?;
        }
        let Folder { open, .. } = &*self.folder;
        // Another process can have truncated it.
        let is_complete = writing.file.metadata().is_ok_and(|metadata| metadata.len() == writing.length);
        let renamed = if is_complete {
            self.folder.give_to_owner(&writing.file);
            renameat(open, &self.temporary_name, open, self.name.as_str())
        } else {
            Err(Errno::NOENT)
        };
        renamed.map_err(|error| match error {
            Errno::ISDIR => PlaceError { path: writing.path.clone(), fault: PlaceFault::Folder },
            Errno::NOENT => PlaceError { path: writing.path.clone(), fault: PlaceFault::TemporaryFileRemoved },
            error => writing.wrong(error.into()),
        })?;
        self.is_renamed = true;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.is_renamed {
            // If this fails, the next run deletes it.
            let _ = unlinkat(&self.folder.open, &self.temporary_name, AtFlags::empty());
        }
    }
}

/// Writes and hashes a temporary file.
#[derive(Debug)]
pub(crate) struct FileWriter {
    file: File,
    hasher: Hasher,
    length: u64,
    /// The expected number of bytes, if known.
    size: Option<u64>,
    path: PathBuf,
}

impl FileWriter {
    /// Returns the number of bytes written.
    #[must_use]
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Returns the hash of the bytes written.
    #[must_use]
    pub(crate) fn sha256(&self) -> Sha256 {
        self.hasher.clone().finish()
    }

    /// Sets the expected number of bytes.
    pub(crate) fn expect(&mut self, size: Option<u64>) {
        self.size = size;
    }

    /// Empties the file to start again.
    pub(crate) fn start_again(&mut self) -> Result<(), PlaceError> {
        self.hasher = Hasher::default();
        self.length = 0;
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map(drop).map_err(|source| self.wrong(source))
    }

    /// Writes the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), PlaceError> {
        self.file.write_all(bytes).map_err(|source| self.wrong(source))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn wrong(&self, source: io::Error) -> PlaceError {
        let missing = self.size.map(|size| size.saturating_sub(self.length));
        PlaceError { path: self.path.clone(), fault: PlaceFault::Write { missing, source } }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::Place;

    #[test]
    fn a_temporary_file_that_was_removed_or_changed_is_not_renamed() {
        let workspace = tempfile::tempdir().expect("a temporary folder");
        let place = Place { workspace: workspace.path().canonicalize().expect("a path"), within: PathBuf::new() };
        let folder = Arc::new(Folder::make(&place).expect("a folder"));
        let name = FileName::parse("tool").expect("a name");
        let spoilings: [fn(&File, &PathBuf) -> io::Result<()>; 3] =
            [|_, path| fs::remove_file(path), |file, _| file.set_len(4), |file, _| file.set_len(6)];
        for spoil in spoilings {
            let (temporary, mut writing) = folder.begin(&name).expect("a temporary file");
            writing.write(b"whole").expect("it is written");
            spoil(&writing.file, &workspace.path().join(&temporary.temporary_name)).expect("it can be changed");
            let lost = temporary.finish(&writing, false).expect_err("it is not what was written");
            assert!(matches!(lost.fault, PlaceFault::TemporaryFileRemoved), "{lost}");
            assert_eq!(fs::read_dir(workspace.path()).expect("a folder").count(), 0);
        }
    }
}
