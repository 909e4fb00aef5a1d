//! Requests, read by hand: fault scripts need to know of every byte.

use std::io;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;

/// More than any head of these tests; Go's own limit is 1 MiB.
const HEAD_LIMIT: usize = 256 * 1024;
/// How much of a body is read at a time.
pub(crate) const PIECE: usize = 64 * 1024;

/// The head of a request.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// As it was sent, with the query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) is_http_1_0: bool,
}

impl Head {
    /// The first header of that name, which is compared without regard to case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// A value of the query, unescaped.
    pub(crate) fn query_value(&self, name: &str) -> Option<String> {
        let pairs = self.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
        Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
    }

    /// The segments of the path behind the prefix, each unescaped once. Empty ones are dropped, so that a trailing or a
    /// double slash means nothing (`put-trailing-slash`, `put-empty-package-name`); `.` and `..` are names like others
    /// (`version:..`). None outside the prefix.
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

    /// How much of a body follows; an error when the head does not say it plainly.
    pub(crate) fn body(&self) -> Result<Left, Malformed> {
        if let Some(encoding) = self.header("Transfer-Encoding") {
            return if encoding.eq_ignore_ascii_case("chunked") { Ok(Left::ChunkHead) } else { Err(Malformed) };
        }
        match self.header("Content-Length") {
            None => Ok(Left::Length(0)),
            Some(length) => length.trim().parse().map(Left::Length).map_err(|_| Malformed),
        }
    }

    pub(crate) fn expects_continue(&self) -> bool {
        self.header("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }
}

/// What can't be read as a request.
#[derive(Debug)]
pub(crate) struct Malformed;

/// What is left of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Length(u64),
    ChunkHead,
    Chunk(u64),
}

/// A connection of a client, with what was read ahead.
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    ahead: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        Self { stream, ahead: Vec::new() }
    }

    /// The next head; None when the client closed instead.
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
            if self.fill().await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.ahead.reserve(4096);
        self.stream.read_buf(&mut self.ahead).await
    }

    /// Reads at most `limit` bytes of a body into `piece`, which is emptied first and stays empty at the end of the
    /// body. A body that breaks off is an error.
    pub(crate) async fn read_piece(&mut self, left: &mut Left, limit: usize, piece: &mut Vec<u8>) -> io::Result<()> {
        piece.clear();
        loop {
            match *left {
                Left::Length(0) => return Ok(()),
                Left::Length(length) => {
                    self.read_raw(limit.min(usize::try_from(length).unwrap_or(limit)), piece).await?;
                    *left = Left::Length(length - piece.len() as u64);
                    return Ok(());
                }
                Left::Chunk(length) => {
                    self.read_raw(limit.min(usize::try_from(length).unwrap_or(limit)), piece).await?;
                    let length = length - piece.len() as u64;
                    *left = Left::Chunk(length);
                    if length == 0 {
                        self.read_line().await?;
                        *left = Left::ChunkHead;
                    }
                    return Ok(());
                }
                Left::ChunkHead => {
                    let line = self.read_line().await?;
                    let size = line.split(';').next().unwrap_or_default().trim();
                    let size = u64::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
                    *left = if size > 0 { Left::Chunk(size) } else { Left::Length(0) };
                    // Trailers mean nothing here.
                    while size == 0 && !self.read_line().await?.is_empty() {}
                }
            }
        }
    }

    async fn read_raw(&mut self, limit: usize, piece: &mut Vec<u8>) -> io::Result<()> {
        if self.ahead.is_empty() {
            piece.resize(limit.min(PIECE), 0);
            let read = self.stream.read(piece).await?;
            piece.truncate(read);
        } else {
            let rest = self.ahead.split_off(limit.min(PIECE).min(self.ahead.len()));
            *piece = std::mem::replace(&mut self.ahead, rest);
        }
        if piece.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    async fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.ahead.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.ahead[..end]).into_owned();
                self.ahead.drain(..end + 2);
                return Ok(line);
            }
            if self.ahead.len() > HEAD_LIMIT {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Waits for the client to close its side, without reading what it sends.
    pub(crate) async fn until_closed(&self) {
        while let Ok(ready) = self.stream.ready(Interest::READABLE | Interest::ERROR).await {
            if ready.is_read_closed() || ready.is_error() {
                return;
            }
            // Readiness stays as long as there is something to read.
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
        is_http_1_0: request.version == Some(0),
    }
}
