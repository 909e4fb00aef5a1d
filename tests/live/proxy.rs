//! A proxy between the program and the server, on the loopback interface. It hands requests on as they are, and does
//! one thing of its own: it breaks a connection, or holds the last bytes of uploads back until all have come.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::harness::print_skipped;
use crate::server::Package;

/// Where a connection breaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// When so many bytes of the body have gone to the server, on both sides at once.
    BodyAt(usize),
    /// When the server has taken the file and said so, which the client never hears.
    Answer,
}

/// A running proxy. It stops when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Dropped with the proxy, and everything that runs in it.
    _runtime: Runtime,
}

struct Shared {
    /// Host and port of the server.
    server: String,
    /// The sub-path that the server lives under.
    path: String,
    deed: Deed,
    has_acted: AtomicBool,
}

/// The fault that the proxy causes.
enum Deed {
    /// Breaks the first upload of that file.
    Cut { file: String, cut: Cut },
    /// Holds uploads back until so many have come.
    Gather { expected: usize, arrived: watch::Sender<usize> },
}

/// A request, as far as it matters here.
struct Head {
    method: String,
    target: String,
    body_length: u64,
    /// The text of the request to the server.
    text: String,
}

impl Proxy {
    /// Breaks the first upload of a file.
    pub(crate) fn that_cuts(package: &Package, file: &str, cut: Cut) -> Option<Self> {
        Self::start(package, Deed::Cut { file: file.to_owned(), cut })
    }

    /// Lets no upload end before so many have come; each later one goes through.
    pub(crate) fn that_gathers(package: &Package, expected: usize) -> Option<Self> {
        Self::start(package, Deed::Gather { expected, arrived: watch::Sender::new(0) })
    }

    /// Starts on any free port; `None` where the server cannot be stood in front of.
    fn start(package: &Package, deed: Deed) -> Option<Self> {
        let url = package.server();
        if url.scheme() != "http" {
            print_skipped("what needs a proxy in between: the server is not asked by plain http");
            return None;
        }
        let host = url.host_str().expect("a URL of http has a host");
        let server = format!("{host}:{}", url.port_or_known_default().expect("http has a port"));
        let path = url.path().trim_end_matches('/').to_owned();
        let shared = Arc::new(Shared { server, path, deed, has_acted: AtomicBool::new(false) });
        let runtime = Runtime::new().expect("a runtime can be built");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("there is a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared_by_all = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&shared_by_all);
                // An error means that one of the two has gone, as is to be seen on the other.
                tokio::spawn(async move { shared.serve(client).await.ok() });
            }
        });
        Some(Self { address, shared, _runtime: runtime })
    }

    /// Returns the URL to use in place of the server's URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.path)
    }

    /// Whether it has done what it was to do; a test in which it has not shows nothing.
    pub(crate) fn has_acted(&self) -> bool {
        self.shared.has_acted.load(Ordering::SeqCst)
    }
}

impl Shared {
    /// Serves one request: both sides are told that the connection ends with it, so that the end of the answer shows.
    async fn serve(&self, client: TcpStream) -> io::Result<()> {
        let mut client = BufReader::new(client);
        let head = self.read_head(&mut client).await?;
        let cut = self.cut_of(&head);
        let mut server = TcpStream::connect(&self.server).await?;
        server.write_all(head.text.as_bytes()).await?;
        if let Some(Cut::BodyAt(bytes)) = cut {
            copy(&mut (&mut client).take(bytes as u64), &mut server).await?;
            self.has_acted.store(true, Ordering::SeqCst);
            client.get_ref().set_zero_linger()?;
            return server.set_zero_linger();
        }
        if let Some(Cut::Answer) = cut {
            copy(&mut (&mut client).take(head.body_length), &mut server).await?;
            let mut answer = Vec::new();
            server.read_to_end(&mut answer).await?;
            self.has_acted.store(answer.starts_with(b"HTTP/1.1 201 "), Ordering::SeqCst);
            return client.get_ref().set_zero_linger();
        }
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_server, mut to_server) = server.split();
        let request = async {
            // All but the last byte: the server has nothing left to do before it stores, so that all store at once.
            let (most, last) = (head.body_length.saturating_sub(1), head.body_length.min(1));
            copy(&mut (&mut from_client).take(most), &mut to_server).await?;
            self.gather(&head).await;
            copy(&mut (&mut from_client).take(last), &mut to_server).await
        };
        let answer = async {
            copy(&mut from_server, &mut to_client).await?;
            to_client.shutdown().await
        };
        // A server may answer before it has read everything, and close.
        let (_, answered) = tokio::join!(request, answer);
        answered
    }

    async fn read_head(&self, client: &mut BufReader<TcpStream>) -> io::Result<Head> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            client.read_line(&mut line).await?;
            match line.trim_end() {
                "" if line.is_empty() => return Err(ErrorKind::UnexpectedEof.into()),
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let first = lines.remove(0);
        let mut words = first.split(' ').map(str::to_owned);
        let (method, target) = words.next().zip(words.next()).ok_or(ErrorKind::InvalidData)?;
        let named = |line: &String, name: &str| {
            line.split_once(':')
                .filter(|(is, _)| is.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        let length = lines.iter().find_map(|line| named(line, "content-length"));
        let body_length = length.map_or(Ok(0), |length| length.parse()).map_err(|_| ErrorKind::InvalidData)?;
        lines.retain(|line| named(line, "host").is_none() && named(line, "connection").is_none());
        let text = format!("{first}\r\nHost: {}\r\nConnection: close\r\n{}\r\n\r\n", self.server, lines.join("\r\n"));
        Ok(Head { method, target, body_length, text })
    }

    /// Where this request is to be cut; each later one goes through.
    fn cut_of(&self, head: &Head) -> Option<Cut> {
        match &self.deed {
            Deed::Cut { file, cut }
                if head.method == "PUT"
                    && head.target.ends_with(&format!("/{file}"))
                    && !self.has_acted.load(Ordering::SeqCst) =>
            {
                Some(*cut)
            }
            _ => None,
        }
    }

    /// The time-out ends a test in which too few come.
    async fn gather(&self, head: &Head) {
        if let Deed::Gather { expected, arrived } = &self.deed
            && head.method == "PUT"
            // The question for the right to write is an upload of nothing.
            && head.body_length > 0
        {
            let mut all = arrived.subscribe();
            arrived.send_modify(|count| *count += 1);
            if timeout(Duration::from_secs(20), all.wait_for(|count| count >= expected)).await.is_ok() {
                self.has_acted.store(true, Ordering::SeqCst);
            }
        }
    }
}
