//! The folder that files are written to.
//!
//! It is opened component by component without following links, and its files are opened relative to it. So a folder that
//! is replaced by a link cannot lead elsewhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;

use super::local::{ENTER, FileFault, LocalFile};
use super::place::{Place, PlaceError, PlaceFault};
use super::workspace_owner::WorkspaceOwner;
use crate::hint;
use crate::package::FileName;

/// An open folder in the workspace.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(super) open: OwnedFd,
    pub(super) place: Place,
    /// The workspace's owner, if created files must be given to it.
    owner: Option<WorkspaceOwner>,
    /// The first error of giving a created file to the owner.
    ownership_error: OnceLock<Errno>,
}

impl Folder {
    /// Opens the folder, or returns `None` if it does not exist.
    pub(crate) fn open(place: &Place) -> Result<Option<Self>, PlaceError> {
        match Self::enter(place, false) {
            Err(PlaceError { fault: PlaceFault::Open(error), .. }) if error.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Opens the folder, and creates missing components.
    pub(crate) fn make(place: &Place) -> Result<Self, PlaceError> {
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
        let open = rustix::fs::open(&place.workspace, ENTER, Mode::empty()).map_err(|error| fault(&path, error))?;
        let (owner, ownership_error) = (WorkspaceOwner::of(&open), OnceLock::new());
        let mut folder = Self { open, place: place.clone(), owner, ownership_error };
        for component in &place.within {
            path.push(component);
            let made =
                if makes { mkdirat(&folder.open, component, Mode::from_raw_mode(0o777)) } else { Err(Errno::EXIST) };
            if let Err(error) = made
                && error != Errno::EXIST
            {
                return Err(fault(&path, error));
            }
            let next = openat(&folder.open, component, ENTER, Mode::empty()).map_err(|error| fault(&path, error))?;
            if made.is_ok() {
                folder.give_to_owner(&next);
            }
            folder.open = next;
        }
        Ok(folder)
    }

    /// Gives a created file to the workspace's owner, if that is permitted.
    pub(super) fn give_to_owner(&self, created: impl AsFd) {
        if let Some(Err(error)) = self.owner.map(|owner| owner.give_to(created)) {
            let _ = self.ownership_error.set(error);
        }
    }

    /// Returns the first error of giving a created file to the workspace's owner.
    #[must_use]
    pub(crate) fn ownership_error(&self) -> Option<io::Error> {
        self.ownership_error.get().map(|error| (*error).into())
    }

    /// Returns the path of the folder.
    #[must_use]
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Finds the readable file under a name. A folder is an error. Anything else is replaced, such as a link.
    pub(crate) fn find(&self, name: &FileName) -> Result<Option<LocalFile>, PlaceError> {
        let path = self.place.path_of(name);
        match statat(&self.open, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                Err(PlaceError { path, fault: PlaceFault::Folder })
            }
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                match LocalFile::at(&self.place.workspace, &path) {
                    Ok(file) => Ok(Some(file)),
                    Err(FileFault::System(error)) if hint::is_open_files_limit(&error) => {
                        Err(PlaceError { path, fault: PlaceFault::Open(error) })
                    }
                    Err(_) => Ok(None),
                }
            }
            Ok(_) | Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(PlaceError { path, fault: PlaceFault::Open(error.into()) }),
        }
    }

    /// Whether anything exists under a name.
    #[must_use]
    pub(crate) fn has(&self, name: &FileName) -> bool {
        statat(&self.open, name.as_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Checks that the folder was not moved or replaced.
    pub(crate) fn verify_place(&self) -> Result<(), PlaceError> {
        let is_here = match Self::open(&self.place) {
            Ok(Some(now)) => match (fstat(&self.open), fstat(&now.open)) {
                (Ok(ours), Ok(now)) => (ours.st_dev, ours.st_ino) == (now.st_dev, now.st_ino),
                _ => false,
            },
            Ok(None) | Err(PlaceError { fault: PlaceFault::NoFolder, .. }) => false,
            Err(error) => return Err(error),
        };
        if is_here { Ok(()) } else { Err(PlaceError { path: self.place.within.clone(), fault: PlaceFault::Moved }) }
    }

    /// Deletes a folder in it, if empty.
    pub(crate) fn remove_empty(&self, name: &str) {
        let _ = unlinkat(&self.open, name, AtFlags::REMOVEDIR);
    }

    /// Deletes all its files, if possible.
    pub(crate) fn remove_all_files(&self) {
        self.remove_files(|_| true);
    }

    /// Deletes the files with unwanted names, if possible.
    pub(super) fn remove_files(&self, is_unwanted: impl Fn(&str) -> bool) {
        const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
        let Ok(entries) = openat(&self.open, ".", READ, Mode::empty()).and_then(Dir::new) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_str().is_ok_and(&is_unwanted) {
                let _ = unlinkat(&self.open, entry.file_name(), AtFlags::empty());
            }
        }
    }
}
