//! The actions of faults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::Answer;
use crate::world::World;

/// The action of a fault at its point.
#[derive(Clone)]
pub enum Action {
    /// The connection is reset. The client gets an error, and data that was sent before may be lost.
    Reset,
    /// The connection is closed. If the client has sent more than was read, the system resets it instead.
    Close,
    /// The request hangs until the client gives up or the registry stops.
    Hang,
    /// Another response is sent. If the body was not read, at most 256 KiB of it are read and discarded, as a Go server
    /// does. If there is more, the connection is closed immediately, so that a client that still sends gets a reset.
    /// Within a response ([`Point::AnswerByte`](crate::Point::AnswerByte)), the connection is closed.
    Answer(Answer),
    /// These bytes are sent in place of a response or its rest, then the connection is closed. If the client has sent
    /// more than was read, the system resets the connection, and the bytes may be lost.
    Raw(Vec<u8>),
    /// The request waits and continues.
    Pause {
        /// The length of each wait.
        pause: Duration,
        /// Within a body: the number of bytes between two waits.
        every: u64,
        /// Within a body: the number of waits. Elsewhere it waits once.
        times: u32,
    },
    /// The registry does not listen for this long, so new connections are refused. The request continues, idle
    /// connections are closed, and others are closed after their current request.
    /// [`Registry::resume_listening`](crate::Registry::resume_listening) ends it early.
    StopListening(Duration),
    /// Bytes other than the sent ones are stored, with a successful response: a broken storage. The point does not
    /// matter.
    CorruptUpload,
    /// Bytes other than the stored ones are sent: a transfer error. The point does not matter.
    CorruptDownload,
    /// A GET or a HEAD is answered as before so many of the latest changes, as by a replica that is behind. A change is
    /// a file stored or deleted; who is who, and what is linked to what, is as it is now. The point does not matter.
    OutdatedList(usize),
    /// The body of the response is changed before its length is computed. The point does not matter.
    Alter(Alteration),
    /// The hook is called, and the request continues. The hook may change the stored data, and may block.
    RunHook(Arc<dyn Fn(&World) + Send + Sync>),
}

/// A change to the body of a response. Contents of files are not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alteration {
    /// The body is cut to this number of bytes.
    CutAt(usize),
    /// The hashes in a list of files become upper case.
    UpperCaseHashes,
}

impl Action {
    /// Creates an [`Action::RunHook`] from a closure.
    pub fn then(hook: impl Fn(&World) + Send + Sync + 'static) -> Self {
        Self::RunHook(Arc::new(hook))
    }

    /// Creates an [`Action::Pause`] that waits before each of the next `pieces` of `bytes` bytes. The rest of the body
    /// is not delayed.
    #[must_use]
    pub fn drip(pieces: u32, bytes: u64, pause: Duration) -> Self {
        Self::Pause { pause, every: bytes, times: pieces }
    }

    /// Whether the request continues afterwards, so that other faults of the same point act too.
    pub(crate) fn lets_request_continue(&self) -> bool {
        self.is_independent_of_point() || matches!(self, Self::Pause { .. } | Self::StopListening(_) | Self::RunHook(_))
    }

    /// Whether it acts independently of its point.
    pub(crate) fn is_independent_of_point(&self) -> bool {
        matches!(self, Self::CorruptUpload | Self::CorruptDownload | Self::OutdatedList(_) | Self::Alter(_))
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset => formatter.write_str("Reset"),
            Self::Close => formatter.write_str("Close"),
            Self::Hang => formatter.write_str("Hang"),
            Self::Answer(answer) => formatter.debug_tuple("Answer").field(answer).finish(),
            Self::Raw(bytes) => write!(formatter, "Raw(b\"{}\")", bytes.escape_ascii()),
            Self::Pause { pause, every, times } => {
                let mut fields = formatter.debug_struct("Pause");
                fields.field("pause", pause).field("every", every).field("times", times).finish()
            }
            Self::StopListening(time) => formatter.debug_tuple("StopListening").field(time).finish(),
            Self::CorruptUpload => formatter.write_str("StoreOtherBytes"),
            Self::CorruptDownload => formatter.write_str("SendOtherBytes"),
            Self::OutdatedList(changes) => formatter.debug_tuple("Lag").field(changes).finish(),
            Self::Alter(alter) => formatter.debug_tuple("Alter").field(alter).finish(),
            Self::RunHook(_) => formatter.write_str("Then(..)"),
        }
    }
}

/// The hashes of a file in a list of files.
const HASHES: [&str; 4] = ["md5", "sha1", "sha256", "sha512"];

impl Alteration {
    /// Changes a body, if the change applies to it.
    pub(crate) fn apply(&self, body: &mut Vec<u8>) {
        match self {
            Self::CutAt(length) => body.truncate(*length),
            Self::UpperCaseHashes => {
                let Ok(text) = str::from_utf8(body) else { return };
                let mut text = text.to_owned();
                for hash in HASHES {
                    text = with_upper_case_values(&text, &format!("\"{hash}\":\""));
                }
                *body = text.into_bytes();
            }
        }
    }
}

/// Returns the text with the value after each `key` in upper case, up to the next quotation mark.
fn with_upper_case_values(text: &str, key: &str) -> String {
    let mut parts = text.split(key);
    let mut changed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (value, rest) = part.split_at(part.find('"').unwrap_or(part.len()));
        changed.extend([key, &value.to_ascii_uppercase(), rest]);
    }
    changed
}
