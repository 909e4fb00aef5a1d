//! The server: connections, and what one request goes through.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;

use crate::answer::{Answer, Body, Reply};
use crate::blob::{Spool, first_part};
use crate::fault::{Action, Call, Faults, Point};
use crate::http::{Connection, Head, Left, PIECE};
use crate::log::Log;
use crate::world::World;
use crate::{Options, api, packages};

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) base: String,
    pub(crate) world: World,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
}

/// Go reads this much of a body that nobody wanted, to keep the connection (net/http, maxPostHandlerReadBytes).
const READ_AFTER_ANSWER: u64 = 256 * 1024;
/// Go waits this long before it closes a connection on a client that may still send, so that the client has a chance
/// to read the answer before the reset destroys it (net/http, rstAvoidanceDelay).
const BEFORE_RESET: Duration = Duration::from_millis(500);
/// Bodies that are no uploads: names of users.
const SMALL_BODY: usize = 64 * 1024;

/// Serves until the sender of `stop` goes.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: oneshot::Receiver<()>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is not blocking");
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(serve_connection(Connection::new(stream), Arc::clone(&shared)));
                }
                // Out of file descriptors, most likely; some will come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::select! {
        () = accept => {}
        _ = stop => {}
    }
}

async fn serve_connection(mut connection: Connection, shared: Arc<Shared>) {
    while let Ok(Some(head)) = connection.read_head().await {
        let parsed = head.and_then(|head| head.body().map(|left| (head, left)));
        let Ok((head, left)) = parsed else {
            let reply = Reply::go_error(400, "400 Bad Request");
            let _ = connection.write(&[&reply.head(true)[..], b"400 Bad Request"].concat()).await;
            return;
        };
        let mut exchange = Exchange::new(&shared, &mut connection, head, left);
        let ended = exchange.run().await;
        shared.log.finish(exchange.id, None);
        match ended {
            End::KeepAlive => {}
            End::Close => return,
            End::CloseSoftly => {
                let _ = connection.stream.shutdown().await;
                tokio::time::sleep(BEFORE_RESET).await;
                return;
            }
            End::Reset => {
                let _ = connection.stream.set_zero_linger();
                return;
            }
        }
    }
}

/// How a request leaves its connection.
#[derive(Debug)]
enum End {
    KeepAlive,
    Close,
    /// As Go's server does: no more is sent, and the reset comes a little later.
    CloseSoftly,
    Reset,
}

/// Why a request does not get its own answer.
enum Stop {
    End(End),
    Answer(Answer),
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::End(End::Close)
    }
}

/// One request and its answer.
struct Exchange<'a> {
    shared: &'a Shared,
    connection: &'a mut Connection,
    head: Head,
    id: u64,
    segments: Option<Vec<String>>,
    faults: Vec<(Point, Action)>,
    left: Left,
    body_read: u64,
    /// The client waits for `100 Continue` before it sends its body.
    continue_awaited: bool,
}

impl<'a> Exchange<'a> {
    fn new(shared: &'a Shared, connection: &'a mut Connection, head: Head, left: Left) -> Self {
        let segments = head.segments(&shared.options.path_prefix);
        let call = segments.as_deref().and_then(Call::of);
        let continue_awaited = head.expects_continue() && left != Left::Length(0);
        let faults = shared.faults.take(&head, call);
        let id = shared.log.start(&head);
        Self { shared, connection, head, id, segments, faults, left, body_read: 0, continue_awaited }
    }

    async fn run(&mut self) -> End {
        let (reply, scripted) = match self.respond().await {
            Ok(reply) => (reply, false),
            Err(Stop::Answer(answer)) => (Reply::from(answer), true),
            Err(Stop::End(end)) => return end,
        };
        match self.send(reply, scripted).await {
            Ok(end) | Err(Stop::End(end)) => end,
            Err(Stop::Answer(_)) => End::Close,
        }
    }

    async fn respond(&mut self) -> Result<Reply, Stop> {
        self.reach(Point::Head).await?;
        let shared = self.shared;
        let Some(segments) = self.segments.take() else { return Ok(packages::not_found()) };
        let reply = match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["api", "packages", _, "generic", _, _, _] if self.head.method == "PUT" => {
                return match packages::check_upload(shared, &self.head, &segments) {
                    Ok(upload) => self.upload(&upload).await,
                    Err(refusal) => Ok(refusal),
                };
            }
            ["api", "packages", ..] => {
                self.reach(Point::BeforeStore).await?;
                packages::answer(shared, &self.head, &segments)
            }
            ["api", "v1", ..] => {
                let body = self.small_body().await?;
                self.reach(Point::BeforeStore).await?;
                api::answer(shared, &self.head, &segments, &body)
            }
            ["api", "forgejo", "v1", "version"] => match shared.options.persona.forgejo_version() {
                Some((kind, body)) => {
                    Reply::from(Answer::empty(200).header("Content-Type", kind).with_body(body)).uncached()
                }
                None => packages::not_found(),
            },
            _ => packages::not_found(),
        };
        self.reach(Point::AfterStore).await?;
        Ok(reply)
    }

    async fn upload(&mut self, upload: &packages::Upload) -> Result<Reply, Stop> {
        let broken = self.faults.iter().any(|(_, action)| matches!(action, Action::StoreOtherBytes));
        let mut spool = Spool::new(broken)?;
        let mut piece = Vec::new();
        while self.read_piece(&mut piece).await? {
            spool.write(&piece)?;
        }
        let blob = spool.finish()?;
        self.reach(Point::BeforeStore).await?;
        let kind = self.head.header("Content-Type").unwrap_or_default().to_ascii_lowercase();
        let blob = if kind.starts_with("application/x-www-form-urlencoded") {
            // It is read as a form, and then nothing is left of it (put-content-type-application-x-www-form-urlencoded).
            None
        } else if kind.starts_with("multipart/form-data") {
            // The first part alone is stored (get-content-type-multipart-form-data).
            first_part(&blob, self.head.header("Content-Type").unwrap_or_default())?
        } else {
            Some(blob)
        };
        let reply = match blob {
            Some(blob) => packages::store(self.shared, upload, blob),
            None => packages::internal_error(self.shared),
        };
        self.reach(Point::AfterStore).await?;
        Ok(reply)
    }

    async fn small_body(&mut self) -> Result<Vec<u8>, Stop> {
        let (mut body, mut piece) = (Vec::new(), Vec::new());
        while body.len() < SMALL_BODY && self.read_piece(&mut piece).await? {
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// Reads the next piece of the body; false at its end.
    async fn read_piece(&mut self, piece: &mut Vec<u8>) -> Result<bool, Stop> {
        if std::mem::take(&mut self.continue_awaited) {
            self.connection.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        self.reach(Point::RequestByte(self.body_read)).await?;
        let mut limit = PIECE;
        for (point, _) in &self.faults {
            if let Point::RequestByte(byte) = point
                && *byte > self.body_read
            {
                limit = usize::try_from(byte - self.body_read).map_or(limit, |distance| limit.min(distance));
            }
        }
        self.connection.read_piece(&mut self.left, limit, piece).await?;
        self.body_read += piece.len() as u64;
        self.shared.log.read(self.id, piece.len() as u64);
        Ok(!piece.is_empty())
    }

    /// Lets the faults for this point act, if there are any.
    async fn reach(&mut self, point: Point) -> Result<(), Stop> {
        while let Some(index) = self.faults.iter().position(|(at, _)| *at == point) {
            match self.faults.remove(index).1 {
                Action::Reset => return Err(Stop::End(End::Reset)),
                Action::Close => return Err(Stop::End(End::Close)),
                Action::Answer(answer) => return Err(Stop::Answer(answer)),
                Action::StoreOtherBytes => {}
                Action::Hang => {
                    self.connection.until_closed().await;
                    return Err(Stop::End(End::Close));
                }
                Action::Then(hook) => tokio::task::block_in_place(|| hook(&self.shared.world)),
            }
        }
        Ok(())
    }

    /// Deals with a body that nobody wanted, as Go's server does; true if the connection can be used again.
    async fn drop_body(&mut self) -> Result<bool, Stop> {
        if self.continue_awaited || matches!(self.left, Left::Length(length) if length > READ_AFTER_ANSWER) {
            return Ok(false);
        }
        let mut piece = Vec::new();
        let end = self.body_read + READ_AFTER_ANSWER;
        while self.left != Left::Length(0) && self.body_read <= end {
            self.read_piece(&mut piece).await?;
        }
        Ok(self.left == Left::Length(0))
    }

    async fn send(&mut self, reply: Reply, scripted: bool) -> Result<End, Stop> {
        let body_is_dealt_with = self.drop_body().await?;
        let asks_to_close =
            self.head.is_http_1_0 || self.head.header("Connection").is_some_and(|it| it.eq_ignore_ascii_case("close"));
        let close = asks_to_close || !body_is_dealt_with;
        let has_body = self.head.method != "HEAD" && !matches!(reply.status, 204 | 304);
        let mut head = reply.head(close);
        match &reply.body {
            Body::Bytes(bytes) if !has_body || !self.cuts_answer() => {
                // One write: a client that waits for the answer must not wait for a second packet.
                if has_body {
                    head.extend(framed(bytes, reply.is_chunked()));
                }
                self.shared.log.finish(self.id, Some(reply.status));
                self.connection.write(&head).await?;
            }
            Body::Bytes(bytes) => {
                self.connection.write(&head).await?;
                let chunked = reply.is_chunked();
                self.send_pieces(bytes.as_slice(), bytes.len() as u64, chunked, reply.status).await?;
            }
            Body::File(blob, range) => {
                self.connection.write(&head).await?;
                if has_body {
                    let mut file = std::fs::File::open(blob.path())?;
                    file.seek(SeekFrom::Start(range.start))?;
                    self.send_pieces(file, range.end - range.start, false, reply.status).await?;
                } else {
                    self.shared.log.finish(self.id, Some(reply.status));
                }
            }
        }
        Ok(match (close, body_is_dealt_with || scripted) {
            (false, _) => End::KeepAlive,
            (true, true) => End::Close,
            (true, false) => End::CloseSoftly,
        })
    }

    fn cuts_answer(&self) -> bool {
        self.faults.iter().any(|(point, _)| matches!(point, Point::AnswerByte(_)))
    }

    async fn send_pieces(
        &mut self,
        mut bytes: impl io::Read,
        length: u64,
        chunked: bool,
        status: u16,
    ) -> Result<(), Stop> {
        let mut sent = 0;
        loop {
            self.reach(Point::AnswerByte(sent)).await?;
            let mut limit = (length - sent).min(PIECE as u64);
            for (point, _) in &self.faults {
                if let Point::AnswerByte(byte) = point
                    && *byte > sent
                {
                    limit = limit.min(byte - sent);
                }
            }
            let mut piece = Vec::new();
            bytes.by_ref().take(limit).read_to_end(&mut piece)?;
            sent += piece.len() as u64;
            let is_last = sent >= length;
            let cut_at_end = self.faults.iter().any(|(point, _)| *point == Point::AnswerByte(length));
            if is_last && !cut_at_end {
                self.shared.log.finish(self.id, Some(status));
            }
            let end: &[u8] = if chunked && is_last { b"0\r\n\r\n" } else { b"" };
            let piece = if chunked && !piece.is_empty() { chunk(&piece) } else { piece };
            if is_last && cut_at_end {
                self.connection.write(&piece).await?;
                self.reach(Point::AnswerByte(length)).await?;
                self.shared.log.finish(self.id, Some(status));
                self.connection.write(end).await?;
                return Ok(());
            }
            self.connection.write(&[&piece[..], end].concat()).await?;
            if is_last {
                return Ok(());
            }
        }
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn framed(bytes: &[u8], chunked: bool) -> Vec<u8> {
    if chunked { [&chunk(bytes)[..], b"0\r\n\r\n"].concat() } else { bytes.to_vec() }
}
