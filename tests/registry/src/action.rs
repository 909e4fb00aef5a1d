//! What faults do when their point is reached.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::Answer;
use crate::world::World;

/// What happens at a point.
#[derive(Clone)]
pub enum Action {
    /// The connection is reset: the client meets an error, whatever was sent before may be lost.
    Reset,
    /// The connection is closed. If the client has sent more than was read, the system makes a reset of it.
    Close,
    /// Nothing more happens until the client gives up or the registry stops.
    Hang,
    /// Another answer. Where the body was not read, at most 256 KiB of it are read and thrown away, as a Go server
    /// would; if there is more, the connection is closed at once, so that a client that still sends meets a reset.
    /// Within an answer ([`Point::AnswerByte`](crate::Point::AnswerByte)) it closes the connection.
    Answer(Answer),
    /// These bytes in place of an answer, or of the rest of one, whatever they are; then the connection is closed. If
    /// the client has sent more than was read, the system makes a reset of it, and the bytes may be lost.
    Raw(Vec<u8>),
    /// The request waits, and goes on.
    Pause {
        /// How long it waits each time.
        pause: Duration,
        /// Within a body: after how many more bytes it waits again.
        every: u64,
        /// Within a body: how often it waits. Elsewhere it waits once.
        times: u32,
    },
    /// Nobody listens for so long: new connections are refused. The request goes on, idle connections end, and others
    /// end after the request they are busy with. [`Registry::listen_again`](crate::Registry::listen_again) ends it
    /// early.
    StopListening(Duration),
    /// Other bytes are stored than were sent, behind a good answer: a broken store. The point does not matter.
    StoreOtherBytes,
    /// Other bytes of a file are sent than are stored: a broken way. The point does not matter.
    SendOtherBytes,
    /// A GET or a HEAD is answered as before so many of the latest changes, as by a replica that is behind. A change is
    /// a file stored or deleted; who is who, and what is linked to what, is as it is now. The point does not matter.
    Lag(usize),
    /// The answer is changed before it is framed, so that its framing fits. The point does not matter.
    Alter(Alter),
    /// The hook is called, and the request goes on. It may change the world, and may block.
    Then(Arc<dyn Fn(&World) + Send + Sync>),
}

/// A change to the body of an answer. Bodies of files are left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alter {
    /// No more than so many bytes are there.
    CutAt(usize),
    /// The hashes in a list of files are in upper case.
    UpperCaseHashes,
}

impl Action {
    /// [`Action::Then`], from a closure.
    pub fn then(hook: impl Fn(&World) + Send + Sync + 'static) -> Self {
        Self::Then(Arc::new(hook))
    }

    /// An [`Action::Pause`] before each of the next so many pieces of a body, which have so many bytes; the rest follows
    /// at once.
    #[must_use]
    pub fn drip(pieces: u32, bytes: u64, pause: Duration) -> Self {
        Self::Pause { pause, every: bytes, times: pieces }
    }

    /// Whether the request goes on afterwards, so that other faults of the same point act too.
    pub(crate) fn lets_go_on(&self) -> bool {
        self.is_about_the_whole() || matches!(self, Self::Pause { .. } | Self::StopListening(_) | Self::Then(_))
    }

    /// Whether it acts wherever it has to, in place of at its point.
    pub(crate) fn is_about_the_whole(&self) -> bool {
        matches!(self, Self::StoreOtherBytes | Self::SendOtherBytes | Self::Lag(_) | Self::Alter(_))
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
            Self::StoreOtherBytes => formatter.write_str("StoreOtherBytes"),
            Self::SendOtherBytes => formatter.write_str("SendOtherBytes"),
            Self::Lag(changes) => formatter.debug_tuple("Lag").field(changes).finish(),
            Self::Alter(alter) => formatter.debug_tuple("Alter").field(alter).finish(),
            Self::Then(_) => formatter.write_str("Then(..)"),
        }
    }
}

/// The hashes of a file in a list of files.
const HASHES: [&str; 4] = ["md5", "sha1", "sha256", "sha512"];

impl Alter {
    /// Changes a body; what it can't be applied to stays as it is.
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

/// The text with what follows each `key` in upper case, up to the next quotation mark.
fn with_upper_case_values(text: &str, key: &str) -> String {
    let mut parts = text.split(key);
    let mut changed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (value, rest) = part.split_at(part.find('"').unwrap_or(part.len()));
        changed.extend([key, &value.to_ascii_uppercase(), rest]);
    }
    changed
}
