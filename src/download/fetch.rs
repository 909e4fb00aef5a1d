//! Downloads one file to its destination.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout};

use super::error::{DownloadError, Expected};
use super::select::Item;
use crate::checksum::Sha256;
use crate::command::Command;
use crate::files::{FileWriter, Folder, PlaceError, PlaceFault};
use crate::registry::{ByteCounter, KnownProperties, Part, Registry, RegistryError};
use crate::report::{Reporter, Status, with_progress};

/// The maximum number of chunks that wait to be written.
const AHEAD: usize = 2;

/// Downloads files to a folder.
#[derive(Clone, Copy)]
pub(crate) struct Fetcher<'a> {
    pub(crate) registry: &'a Registry<'a>,
    pub(crate) reporter: &'a dyn Reporter,
    pub(crate) folder: &'a Arc<Folder>,
}

/// The length in bytes and the hash of a downloaded file.
pub(crate) type Fetched = (u64, Sha256);

/// The received length of a file in bytes, and its hash if all bytes came.
type Received = (u64, Option<Sha256>);

/// The part of a file that is kept between two attempts.
struct PartialFile {
    /// `None` while a thread writes.
    writing: Option<FileWriter>,
    /// The `Last-Modified` of the file. Without it, the rest may belong to another file.
    modified: Option<HeaderValue>,
    /// The length from the registry's list, or from the response if there is no list.
    size: Option<u64>,
}

impl Fetcher<'_> {
    /// Downloads a file to its place.
    pub(crate) async fn fetch(self, item: &Item) -> Result<Fetched, DownloadError> {
        let (begun, name) = (Instant::now(), item.name.to_string());
        let moved = ByteCounter::default();
        let file = (Command::Download, name.as_str(), item.expected.size);
        let transfer = self.fetch_until_verified(item, &moved);
        let (size, sha256) = with_progress(self.reporter, self.registry, file, &moved, transfer).await?;
        self.reporter.finish_file(Status::Downloaded, &name, size, Some(begun.elapsed()));
        Ok((size, sha256))
    }

    /// Downloads a file, and gives it its name if its content is as expected. If it is not, downloads it a second time.
    async fn fetch_until_verified(self, item: &Item, moved: &ByteCounter) -> Result<Fetched, DownloadError> {
        let (temporary, writing) = self.folder.begin(&item.local_name)?;
        let mut partial = PartialFile { writing: Some(writing), modified: None, size: None };
        let mut is_last = false;
        loop {
            let attempt = self
                .registry
                .with_retries_of_transfer(moved, async || self.receive(item, &mut partial, moved).await)
                .await?;
            let received = attempt?;
            let expected = Expected { size: partial.size, ..item.expected };
            if let (length, Some(sha256)) = received
                && expected.size.is_none_or(|size| size == length)
                && expected.sha256.is_none_or(|wanted| wanted == sha256)
            {
                // From here on nothing waits: on a signal, the file is either not in its place, or reported to be there.
                temporary.finish(&partial.take(), item.is_executable)?;
                return Ok((length, sha256));
            }
            if is_last {
                return Err(DownloadError::Mismatch { name: item.name.clone(), expected: expected.into(), received });
            }
            self.reporter
                .note(&format!("`{}` has a wrong length or SHA-256; downloading it again from the start", item.name));
            partial.modified = None;
            is_last = true;
        }
    }

    /// Receives a file, or its missing rest, without retries. The inner error is an error of the disk, which is not
    /// retried.
    async fn receive(
        self,
        item: &Item,
        partial: &mut PartialFile,
        moved: &ByteCounter,
    ) -> Result<Result<Received, PlaceError>, RegistryError> {
        let part = partial.part();
        // The connection may have broken after the last byte.
        if let (Some(part), Some(writing)) = (&part, &partial.writing)
            && part.size == Some(part.length)
        {
            return Ok(Ok((part.length, Some(writing.sha256()))));
        }
        let promised = KnownProperties { size: item.expected.size, has_hash: item.expected.sha256.is_some() };
        let mut incoming = self.registry.fetch(&item.name, part.as_ref(), &promised).await?;
        partial.modified.clone_from(&incoming.modified);
        partial.size = item.expected.size.or(incoming.size);
        moved.set_start(incoming.start);
        let mut writing = partial.take();
        writing.expect(partial.size);
        let mut too_long = None;
        let (chunks, thread) = begin_to_write(writing, incoming.start);
        let ended = loop {
            match incoming.next(moved).await {
                // An endless body must not fill the disk.
                Ok(Some(_)) if partial.size.is_some_and(|size| moved.bytes() > size) => {
                    too_long = Some(incoming.size.unwrap_or_else(|| moved.bytes()));
                    break Ok(());
                }
                Ok(Some(chunk)) => match timeout(self.registry.stall_timeout(), chunks.send(chunk)).await {
                    Ok(Ok(())) => {}
                    // The thread stopped with an error, which it returns.
                    Ok(Err(_)) => break Ok(()),
                    Err(_) => return Ok(Err(self.stalled(item))),
                },
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        drop(chunks);
        let Ok(written) = timeout(self.registry.stall_timeout(), thread).await else {
            return Ok(Err(self.stalled(item)));
        };
        let (writing, written) = written.expect("the thread does not panic");
        let received = match too_long {
            Some(length) => (length, None),
            None => (writing.length(), Some(writing.sha256())),
        };
        partial.writing = Some(writing);
        match written {
            Err(error) => Ok(Err(error)),
            Ok(()) => ended.map(|()| Ok(received)),
        }
    }

    fn stalled(self, item: &Item) -> PlaceError {
        let path = self.folder.place().path_of(&item.local_name);
        PlaceError { path, fault: PlaceFault::Stalled(self.registry.stall_timeout()) }
    }
}

impl PartialFile {
    fn take(&mut self) -> FileWriter {
        self.writing.take().expect("an attempt that is retried, or has succeeded, gives it back")
    }

    /// Returns the beginning of the file if its rest can be requested.
    fn part(&self) -> Option<Part> {
        let length = self.writing.as_ref().map_or(0, FileWriter::length);
        let modified = self.modified.clone().filter(|_| length > 0)?;
        Some(Part { length, size: self.size, modified })
    }
}

/// A thread that writes, with its result.
type Writer = JoinHandle<(FileWriter, Result<(), PlaceError>)>;

/// Writes and hashes chunks on a separate thread. The first chunk is at `start` in the file: 0, or the length so far.
fn begin_to_write(mut writing: FileWriter, start: u64) -> (mpsc::Sender<Bytes>, Writer) {
    let (sender, mut chunks) = mpsc::channel::<Bytes>(AHEAD);
    let thread = spawn_blocking(move || {
        let mut written = if start == writing.length() { Ok(()) } else { writing.start_again() };
        while written.is_ok()
            && let Some(chunk) = chunks.blocking_recv()
        {
            written = writing.write(&chunk);
        }
        (writing, written)
    });
    (sender, thread)
}
