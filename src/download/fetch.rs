//! One file: from the registry to its place.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};

use super::error::{DownloadError, Expected};
use super::select::Item;
use crate::blocking::on_own_thread;
use crate::checksum::Sha256;
use crate::command::Command;
use crate::files::{Folder, PlaceError, PlaceFault, Unfinished, Writing};
use crate::package::FileName;
use crate::registry::{Moved, Part, Promised, Registry, RegistryError};
use crate::report::{Progress, Reporter, with_progress};
use crate::units;

/// How many chunks wait to be written.
const AHEAD: usize = 2;

/// How long somebody else's glance at an unfinished file may take, and how many there may be one after the other.
const GLANCE: Duration = Duration::from_millis(10);
const GLANCES: u32 = 50;

/// Fetches files.
#[derive(Clone, Copy)]
pub(crate) struct Fetcher<'a> {
    pub(crate) registry: &'a Registry<'a>,
    pub(crate) reporter: &'a dyn Reporter,
    pub(crate) folder: &'a Arc<Folder>,
}

/// A file that is in its place: its length in bytes and its hash.
pub(crate) type Fetched = (u64, Sha256);

/// What there is of a file between two tries. While it is received it is with that, and where a disk gives no answer it is
/// with the thread that waits for it.
struct State {
    writing: Option<Writing>,
    /// When the file was changed that it is of.
    modified: Option<HeaderValue>,
    /// The length that the registry lists, or else that the server has promised.
    size: Option<u64>,
}

/// How a try ended that met no fault of the way.
enum Came {
    Whole(Writing),
    /// More came than there should be: the length that the server gives, or what came until that was seen.
    OfLength(u64, Writing),
    /// The disk is at fault.
    NotWritten(PlaceError),
}

impl Fetcher<'_> {
    /// Brings a file into its place. Its folder is not [settled](Folder::settle) yet.
    pub(crate) async fn fetch(self, item: &Item) -> Result<Fetched, DownloadError> {
        let begun = Instant::now();
        let moved = Moved::default();
        let progress = |took| {
            let (moved, size) = (moved.bytes(), item.expected.size);
            let progress = Progress { command: Command::Download, name: &item.name, moved, size, took };
            (!self.registry.is_waiting()).then_some(progress)
        };
        let result = with_progress(self.reporter, progress, self.bring(item, &moved)).await;
        self.reporter.transfer_ends(&item.name);
        let (size, sha256) = result?;
        self.reporter.file_downloaded(&item.name, size, begun.elapsed());
        Ok((size, sha256))
    }

    async fn bring(self, item: &Item, moved: &Moved) -> Result<Fetched, DownloadError> {
        let (unfinished, mut writing) = self.begin(&item.here).await?;
        writing.expect(item.expected.size);
        writing = self.take_up(item, writing).await?;
        let mut is_taken_up = writing.length() > 0;
        let mut state = State { writing: Some(writing), modified: None, size: item.expected.size };
        let mut is_last = false;
        loop {
            let came = self
                .registry
                .persist_while(|| moved.last_moved(), async || self.receive(item, &mut state, moved).await)
                .await?;
            let (mut writing, came) = match came {
                Came::NotWritten(error) => return Err(error.into()),
                Came::OfLength(length, writing) => (writing, (length, None)),
                Came::Whole(writing) => {
                    let came = (writing.length(), Some(writing.sha256()));
                    (writing, came)
                }
            };
            let (wanted, is_executable) = (Expected { size: state.size, ..item.expected }, item.is_executable);
            if let (length, Some(sha256)) = came
                && wanted.size.is_none_or(|size| size == length)
                && wanted.sha256.is_none_or(|wanted| wanted == sha256)
            {
                on_own_thread(move || writing.settle(is_executable)).await?;
                // From here on nothing waits: a signal finds the file either not in its place, or told to be there.
                unfinished.finish(length)?;
                return Ok((length, sha256));
            }
            if is_last {
                return Err(DownloadError::Differs { name: item.name.clone(), expected: wanted.into(), came });
            }
            self.reporter.notes(&format!("`{}` did not come as it should: once more from the start", item.name));
            state.writing = Some(on_own_thread(move || writing.start_again().map(|()| writing)).await?);
            (state.modified, state.size) = (None, item.expected.size);
            // What an earlier run has left is nothing that came now.
            is_last = !std::mem::take(&mut is_taken_up);
        }
    }

    /// Begins to write. Who has the lock may have it for a glance only, to see that nobody has it.
    async fn begin(self, name: &FileName) -> Result<(Unfinished, Writing), PlaceError> {
        for _ in 0..GLANCES {
            match self.folder.begin(name) {
                Err(PlaceError { fault: PlaceFault::Busy, .. }) => sleep(GLANCE).await,
                begun => return begun,
            }
        }
        self.folder.begin(name)
    }

    /// Goes on with what an earlier run has left, where a hash tells in the end whether that was right.
    async fn take_up(self, item: &Item, mut writing: Writing) -> Result<Writing, DownloadError> {
        let found = writing.found();
        let fits = item.expected.size.is_none_or(|size| found <= size);
        if found > 0 && fits && item.expected.sha256.is_some() {
            let size = units::Bytes(found);
            self.reporter.notes(&format!("going on with `{}`, of which an earlier run has left {size}", item.name));
            return Ok(on_own_thread(move || writing.keep().map(|()| writing)).await?);
        }
        Ok(on_own_thread(move || writing.start_again().map(|()| writing)).await?)
    }

    /// Receives a file once, or what is missing of it.
    async fn receive(self, item: &Item, state: &mut State, moved: &Moved) -> Result<Came, RegistryError> {
        let mut writing = state.writing.take().expect("a try that is to be repeated gives it back");
        let length = writing.length();
        // An earlier run may have left all of it.
        if length > 0 && item.expected.size == Some(length) {
            return Ok(Came::Whole(writing));
        }
        // Without its date, and without a hash, nothing would tell that the file has changed.
        let may_go_on = state.modified.is_some() || item.expected.sha256.is_some();
        let part = Some(Part { length, size: state.size, modified: state.modified.clone() }).filter(|_| may_go_on);
        let promised = Promised { size: item.expected.size, has_hash: item.expected.sha256.is_some() };
        let mut incoming = match self.registry.fetch(&item.name, part.as_ref(), &promised).await {
            Ok(incoming) => incoming,
            Err(error) => {
                state.writing = Some(writing);
                return Err(error);
            }
        };
        state.modified.clone_from(&incoming.modified);
        moved.starts_at(incoming.start);
        if incoming.start != length
            && let Err(error) = writing.start_again()
        {
            return Ok(Came::NotWritten(error));
        }
        state.size = item.expected.size.or(incoming.size);
        writing.expect(state.size);
        let mut too_long = None;
        let (chunks, thread) = begin_to_write(writing);
        let received = loop {
            match incoming.next(moved).await {
                // What has no end must not fill the disk.
                Ok(Some(_)) if state.size.is_some_and(|size| moved.bytes() > size) => {
                    too_long = Some(incoming.size.unwrap_or_else(|| moved.bytes()));
                    break Ok(());
                }
                Ok(Some(chunk)) => match timeout(self.registry.silence(), chunks.send(chunk)).await {
                    Ok(Ok(())) => {}
                    // The thread has met an error, and tells it.
                    Ok(Err(_)) => break Ok(()),
                    Err(_) => return Ok(Came::NotWritten(self.stalled(item))),
                },
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        drop(chunks);
        let Ok(written) = timeout(self.registry.silence(), thread).await else {
            return Ok(Came::NotWritten(self.stalled(item)));
        };
        let (writing, written) = written.expect("the thread does not panic");
        match (written, received, too_long) {
            (Err(error), ..) => Ok(Came::NotWritten(error)),
            (Ok(()), Ok(()), None) => Ok(Came::Whole(writing)),
            (Ok(()), Ok(()), Some(length)) => Ok(Came::OfLength(length, writing)),
            (Ok(()), Err(error), _) => {
                state.writing = Some(writing);
                Err(error)
            }
        }
    }

    fn stalled(self, item: &Item) -> PlaceError {
        let path = self.folder.place().path_of(&item.here);
        PlaceError { path, fault: PlaceFault::Stalled(self.registry.silence()) }
    }
}

/// A thread that writes, and what it comes to.
type Writer = JoinHandle<(Writing, Result<(), PlaceError>)>;

/// Writes chunks as they come, and hashes them, on a thread of its own.
fn begin_to_write(mut writing: Writing) -> (mpsc::Sender<Bytes>, Writer) {
    let (sender, mut chunks) = mpsc::channel::<Bytes>(AHEAD);
    let thread = spawn_blocking(move || {
        while let Some(chunk) = chunks.blocking_recv() {
            if let Err(error) = writing.write(&chunk) {
                return (writing, Err(error));
            }
        }
        (writing, Ok(()))
    });
    (sender, thread)
}
