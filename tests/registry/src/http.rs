//! Reads requests without an HTTP library, because faults need to know every byte.

use std::io;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;

/// The maximum size of a head, in bytes. Go's own limit is 1 MiB.
const HEAD_LIMIT: usize = 256 * 1024;
/// The number of bytes of a body that are read at a time.
pub(crate) const PIECE: u64 = 64 * 1024;

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// The target as it was sent, with the query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// Returns the first header with a name, ignoring case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// Returns a value of the query, unescaped.
    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        let pairs = self.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
        Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
    }

    /// Returns the path segments after the prefix, each unescaped once; `None` outside the prefix. Empty segments are
    /// dropped, so that trailing and double slashes are ignored (`put-trailing-slash`, `put-empty-package-name`). `.`
    /// and `..` are ordinary names (`version:..`).
    pub(crate) fn segments(&self, prefix: &str) -> Option<Vec<String>> {
        let path = self.path().strip_prefix(prefix).filter(|rest| rest.starts_with('/'))?;
        let parts = path.split('/').filter(|segment| !segment.is_empty());
        Some(parts.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect())
    }

    fn is_well_escaped(&self) -> bool {
        let mut parts = self.path().split('%');
        parts.next();
        parts.all(|part| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()))
    }

    /// Returns the length of the body in bytes, or an error if the head does not state it clearly. The program never
    /// sends chunked bodies.
    pub(crate) fn body_length(&self) -> Result<u64, Malformed> {
        match (self.header("Transfer-Encoding"), self.header("Content-Length")) {
            (None, None) => Ok(0),
            (None, Some(length)) => length.trim().parse().map_err(|_| Malformed),
            (Some(_), _) => Err(Malformed),
        }
    }
}

/// Bytes that are not a valid request.
#[derive(Debug)]
pub(crate) struct Malformed;

/// A connection of a client, with the bytes that were read ahead.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    ahead: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self { stream, ahead: Vec::new() }
    }

    /// Reads the next head; `None` if the client closed the connection.
    pub(crate) async fn read_head(&mut self) -> io::Result<Option<Result<Head, Malformed>>> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 100];
            let mut request = httparse::Request::new(&mut headers);
            let parsed = match request.parse(&self.ahead) {
                Err(_) => return Ok(Some(Err(Malformed))),
                Ok(httparse::Status::Partial) => None,
                Ok(httparse::Status::Complete(length)) => Some((length, head_of(&request))),
            };
            if let Some((length, head)) = parsed {
                self.ahead.drain(..length);
                return Ok(Some(if head.is_well_escaped() { Ok(head) } else { Err(Malformed) }));
            }
            if self.ahead.len() > HEAD_LIMIT {
                return Ok(Some(Err(Malformed)));
            }
            self.ahead.reserve(4096);
            if self.stream.read_buf(&mut self.ahead).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads at most `limit` of the bytes that are left of a body into `piece`, which is emptied first and stays empty at
    /// the end of the body. A body that breaks off is an error.
    pub(crate) async fn read_piece(&mut self, left: &mut u64, limit: u64, piece: &mut Vec<u8>) -> io::Result<()> {
        piece.clear();
        let limit = usize::try_from(limit.min(*left)).map_err(|_| io::ErrorKind::InvalidInput)?;
        if limit == 0 {
            return Ok(());
        }
        if self.ahead.is_empty() {
            piece.resize(limit, 0);
            let read = self.stream.read(piece).await?;
            piece.truncate(read);
        } else {
            let rest = self.ahead.split_off(limit.min(self.ahead.len()));
            *piece = std::mem::replace(&mut self.ahead, rest);
        }
        *left -= piece.len() as u64;
        if piece.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Waits until the client closes its side, without reading its data.
    pub(crate) async fn wait_until_closed(&self) {
        while let Ok(ready) = self.stream.ready(Interest::READABLE | Interest::ERROR).await {
            if ready.is_read_closed() || ready.is_error() {
                return;
            }
            // The socket stays ready as long as there is unread data.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }
}

fn head_of(request: &httparse::Request<'_, '_>) -> Head {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let header =
        |header: &httparse::Header<'_>| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned());
    Head {
        method: text(request.method),
        target: text(request.path),
        headers: request.headers.iter().map(header).collect(),
    }
}
