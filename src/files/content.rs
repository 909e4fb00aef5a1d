//! The content of a file that is to be uploaded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::local::CHUNK;
use super::{FileError, FileFault, LocalFile};
use crate::checksum::{Hasher, Sha256};

/// The content of a file that is to be uploaded.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// A file of the workspace.
    File(LocalFile),
    /// Bytes in memory.
    Memory(Bytes),
}

impl Content {
    /// Returns the length in bytes.
    #[must_use]
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::File(file) => file.size,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Passes the content to `take` in chunks, as [`LocalFile::read`] does.
    pub(crate) fn read(&self, mut take: impl FnMut(Bytes) -> bool) -> Result<bool, FileError> {
        match self {
            Self::File(file) => file.read(take),
            Self::Memory(bytes) => {
                let starts = (0..bytes.len()).step_by(CHUNK);
                Ok(starts.map(|start| bytes.slice(start..bytes.len().min(start + CHUNK))).all(&mut take))
            }
        }
    }

    /// Hashes the content. A disk that returns no data for `timeout` is an error.
    pub(crate) async fn hash(&self, timeout: Duration) -> Result<Sha256, FileError> {
        match self {
            Self::File(file) => hash(file, timeout).await,
            Self::Memory(bytes) => Ok(Sha256::of(bytes)),
        }
    }
}

/// Hashes a file. A disk that returns no data for `timeout` is an error. Dropping the future ends the reading.
pub(crate) async fn hash(file: &LocalFile, timeout: Duration) -> Result<Sha256, FileError> {
    let begun = Instant::now();
    let millis = move || u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    // The thread reads on only while this function holds the counter.
    let last_read = Arc::new(AtomicU64::new(0));
    let progress = Arc::downgrade(&last_read);
    let to_read = file.clone();
    let mut reading = tokio::task::spawn_blocking(move || {
        let mut hasher = Hasher::default();
        to_read.read(|chunk| {
            hasher.update(&chunk);
            progress.upgrade().map(|last_read| last_read.store(millis(), Ordering::Relaxed)).is_some()
        })?;
        Ok(hasher.finish())
    });
    let deadline = || begun + Duration::from_millis(last_read.load(Ordering::Relaxed)) + timeout;
    loop {
        match timeout_at(deadline(), &mut reading).await {
            Ok(hash) => return hash.expect("the thread does not panic"),
            Err(_) if Instant::now() < deadline() => {}
            Err(_) => return Err(FileError { path: file.path.clone(), fault: FileFault::Stalled(timeout) }),
        }
    }
}
