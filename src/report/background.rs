//! Writes the log on a separate thread, so that a pipe that nobody reads blocks neither transfers nor signals.

use std::io::{self, Write};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// Sends all output to a thread, which writes it in order. Clones share the thread.
///
/// The queue is unbounded: a bound could only block or lose lines. If nobody reads, it grows by about 100 bytes per file
/// and per retry, and by as much per transfer every 10 seconds.
#[derive(Clone)]
pub struct BackgroundWriter {
    queue: Sender<Message>,
}

enum Message {
    Write(Vec<u8>),
    /// Called when everything before it is written.
    Call(Box<dyn FnOnce() + Send>),
}

impl BackgroundWriter {
    /// Starts the thread.
    pub fn start(mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, messages) = mpsc::channel();
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            for message in messages {
                match message {
                    // If the log can no longer be written, publishing continues.
                    Message::Write(bytes) => {
                        let _: io::Result<()> = out.write_all(&bytes).and_then(|()| out.flush());
                    }
                    Message::Call(call) => call(),
                }
            }
        })?;
        Ok(Self { queue })
    }

    /// Waits until everything so far is written.
    pub async fn wait_until_written(&self) {
        let (call, called) = oneshot::channel();
        self.send(Message::Call(Box::new(move || call.send(()).unwrap_or_default())));
        called.await.unwrap_or_default();
    }

    /// Blocks until everything so far is written, at most for `longest`.
    pub fn block_until_written(&self, longest: Duration) {
        let (call, called) = mpsc::channel();
        self.send(Message::Call(Box::new(move || call.send(()).unwrap_or_default())));
        called.recv_timeout(longest).unwrap_or_default();
    }

    /// The thread ends only with the process.
    fn send(&self, message: Message) {
        drop(self.queue.send(message));
    }
}

impl Write for BackgroundWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(Message::Write(bytes.to_owned()));
        Ok(bytes.len())
    }

    /// Does not wait: the thread flushes after each piece.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
