//! An HTTP client of the tests' own, which sends paths and headers as they are and can stop in the middle of a body.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

impl Ask {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), ..Self::default() }
    }

    pub(crate) fn put(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..Self::new("PUT", target) }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn basic(self, user: &str, password: &str) -> Self {
        let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        self.header("Authorization", &value)
    }

    fn head(&self) -> Vec<u8> {
        let mut lines = vec![format!("{} {} HTTP/1.1", self.method, self.target), "Host: registry".to_owned()];
        lines.extend(self.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.extend(self.body.as_ref().map(|body| format!("Content-Length: {}", body.len())));
        (lines.join("\r\n") + "\r\n\r\n").into_bytes()
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The read timeout of the client. A test fails when it is exceeded.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to a server at `http://host:port...`.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(url: &str) -> io::Result<Self> {
        let address = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    pub(crate) fn send_head(&mut self, ask: &Ask) -> io::Result<()> {
        self.write(&ask.head())
    }

    pub(crate) fn send(&mut self, ask: &Ask) -> io::Result<()> {
        self.send_head(ask)?;
        self.write(ask.body.as_deref().unwrap_or_default())
    }

    /// Sends nothing more; the server sees the end of what was sent.
    pub(crate) fn stop_sending(&mut self) -> io::Result<()> {
        self.0.get_mut().shutdown(Shutdown::Write)
    }

    /// Sends, and reads the answer.
    pub(crate) fn ask(&mut self, ask: &Ask) -> io::Result<Got> {
        self.send(ask)?;
        self.receive()
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches("\r\n").to_owned())
    }

    /// Reads one answer.
    pub(crate) fn receive(&mut self) -> io::Result<Got> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or(io::ErrorKind::InvalidData)?;
        let mut got = Got { status, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            got.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        if matches!(status, 204 | 304) {
            return Ok(got);
        }
        if got.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).map_err(|_| io::ErrorKind::InvalidData)?;
                let mut piece = vec![0; size];
                self.0.read_exact(&mut piece)?;
                self.line()?;
                if size == 0 {
                    return Ok(got);
                }
                got.body.extend(piece);
            }
        }
        let length = got.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        got.body = vec![0; length];
        self.0.read_exact(&mut got.body)?;
        Ok(got)
    }

    /// Everything that comes until the connection ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let ended = self.0.read_to_end(&mut rest).map_err(|error| error.kind());
        assert!(!matches!(ended, Err(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)), "it does not end");
        rest
    }

    /// So many bytes, as they come.
    pub(crate) fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether the server has nothing more to say: the end of the stream, or an error.
    pub(crate) fn is_over(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        }
    }
}
