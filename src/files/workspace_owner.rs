//! The owner of files that are created in the workspace.
//!
//! Container actions run as root. Later steps and the next checkout cannot change or delete root's files in another user's
//! workspace (seen on GitHub's self-hosted runners). So root gives the files it creates to the workspace's owner.

use std::os::fd::AsFd;

use rustix::fs::{AtFlags, chownat, fstat};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, geteuid};

/// The user and the group of the workspace.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorkspaceOwner(Uid, Gid);

impl WorkspaceOwner {
    /// Returns the owner of an open workspace; `None` if this process is not root, or the workspace is root's.
    pub(super) fn of(workspace: impl AsFd) -> Option<Self> {
        let stat = fstat(workspace).ok()?;
        let (user, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        (geteuid().is_root() && !user.is_root()).then_some(Self(user, group))
    }

    /// Gives an open file or folder to this user. It can be open with `O_PATH`.
    pub(super) fn give_to(self, file: impl AsFd) -> Result<(), Errno> {
        chownat(file, "", Some(self.0), Some(self.1), AtFlags::EMPTY_PATH)
    }
}
