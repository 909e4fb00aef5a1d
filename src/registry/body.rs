//! The body of an upload: a file that is read and hashed on a separate thread while it is sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _, stream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::checksum::{Hasher, Sha256};
use crate::files::{Content, FileError};

/// The maximum number of chunks that wait to be sent.
const AHEAD: usize = 2;

/// Counts the bytes of a transfer that were passed to the connection or received from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByteCounter(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    bytes: AtomicU64,
    last: Mutex<Option<Instant>>,
}

impl ByteCounter {
    /// Returns the number of bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Sets the number of bytes, without counting them as moved now.
    pub(crate) fn set_start(&self, bytes: u64) {
        self.0.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Returns when the last byte moved, if any did.
    pub(crate) fn last_moved(&self) -> Option<Instant> {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// The result of reading the file that was sent.
pub(super) type Outcome = oneshot::Receiver<Result<Sha256, FileError>>;

/// Begins to read a file, and returns its bytes as they are sent. They end in an error, before the last chunk, if the file is
/// not what was checked: the server stores nothing of an upload that breaks off (recorded). The [`Outcome`] says why.
pub(super) fn read(
    content: Content,
    sent: ByteCounter,
) -> (impl Stream<Item = Result<Bytes, &'static str>> + Send + 'static, Outcome) {
    let (sender, mut chunks) = mpsc::channel(AHEAD);
    let (done, outcome) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut hasher = Hasher::default();
        let taken = content.read(|chunk| {
            hasher.update(&chunk);
            sender.blocking_send(Ok(chunk)).is_ok()
        });
        // If the receiver is gone, the upload has ended. The outcome is sent first, so that it is available when the stream
        // ends.
        match taken {
            Ok(true) => drop(done.send(Ok(hasher.finish()))),
            Ok(false) => {}
            Err(error) => {
                drop(done.send(Err(error)));
                drop(sender.blocking_send(Err("the file could not be read to its end")));
            }
        }
    });
    let body = stream::poll_fn(move |context| chunks.poll_recv(context)).inspect_ok(move |chunk| sent.add(chunk.len()));
    (body, outcome)
}
