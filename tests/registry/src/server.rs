//! Serves connections and requests.

use std::io::{self, Cursor, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::action::Action;
use crate::answer::{Answer, Body, Reply};
use crate::blob::Spool;
use crate::fault::{Call, Faults, Pending, Point};
use crate::http::{Connection, Head, PIECE};
use crate::listener::{ListenPeriod, ListenSwitch};
use crate::log::Log;
use crate::race::Race;
use crate::world::World;
use crate::{Options, api, oidc, packages};

/// The state that all connections share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) base: String,
    pub(crate) world: World,
    pub(crate) log: Log,
    pub(crate) faults: Faults,
    pub(crate) race: Race,
    pub(crate) door: ListenSwitch,
}

/// The number of bytes that Go reads of an unwanted body to keep the connection (net/http, maxPostHandlerReadBytes).
const READ_AFTER_ANSWER: u64 = 256 * 1024;
/// The time that Go waits before it closes a connection to a client that may still send, so that the client can read
/// the response before the reset (net/http, rstAvoidanceDelay).
const BEFORE_RESET: Duration = Duration::from_millis(500);

/// Serves a connection until one side closes it, or the registry stops listening.
pub(crate) async fn serve_connection(
    stream: TcpStream,
    shared: Arc<Shared>,
    faults: Vec<Pending>,
    mut epoch: ListenPeriod,
) {
    let mut connection = Connection::new(stream);
    for pending in faults {
        shared.faults.note(&pending);
        match perform(&shared, &mut connection, pending.action).await {
            Ok(()) => {}
            Err(Stop::End(end)) => return close(connection, end).await,
            Err(Stop::Answer(answer)) => {
                let body = answer.body.clone();
                let _ = connection.write(&[Reply::from(answer).head(true), body].concat()).await;
                return close(connection, End::CloseSoftly).await;
            }
        }
    }
    loop {
        let head = tokio::select! {
            biased;
            () = epoch.ends() => return,
            head = connection.read_head() => head,
        };
        let Ok(Some(head)) = head else { return };
        let parsed = head.and_then(|head| head.body_length().map(|left| (head, left)));
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
            ended => return close(connection, ended).await,
        }
    }
}

async fn close(mut connection: Connection, end: End) {
    match end {
        End::KeepAlive | End::Close => {}
        End::CloseSoftly => {
            let _ = connection.stream.shutdown().await;
            tokio::time::sleep(BEFORE_RESET).await;
        }
        End::Reset => {
            let _ = connection.stream.set_zero_linger();
        }
    }
}

/// Performs an action. Returns an error if the request or the connection must not continue.
async fn perform(shared: &Arc<Shared>, connection: &mut Connection, action: Action) -> Result<(), Stop> {
    match action {
        Action::Reset => return Err(Stop::End(End::Reset)),
        Action::Close => return Err(Stop::End(End::Close)),
        Action::Answer(answer) => return Err(Stop::Answer(answer)),
        Action::Raw(bytes) => {
            connection.write(&bytes).await?;
            return Err(Stop::End(End::Close));
        }
        Action::Hang => {
            connection.wait_until_closed().await;
            return Err(Stop::End(End::Close));
        }
        Action::Pause { pause, .. } => tokio::time::sleep(pause).await,
        Action::StopListening(time) => {
            tokio::task::block_in_place(|| shared.door.listen(false));
            let shared = Arc::clone(shared);
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                tokio::task::block_in_place(|| shared.door.listen(true));
            });
        }
        Action::RunHook(hook) => tokio::task::block_in_place(|| hook(&shared.world)),
        Action::CorruptUpload | Action::CorruptDownload | Action::OutdatedList(_) | Action::Alter(_) => {}
    }
    Ok(())
}

/// The end of a request for its connection.
#[derive(Debug)]
enum End {
    KeepAlive,
    Close,
    /// Sends no more, and resets a little later, as Go's server does.
    CloseSoftly,
    Reset,
}

/// The reason why a request does not get its normal response.
enum Stop {
    End(End),
    Answer(Answer),
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::End(End::Close)
    }
}

/// One request and its response.
struct Exchange<'a> {
    shared: &'a Arc<Shared>,
    connection: &'a mut Connection,
    head: Head,
    id: u64,
    segments: Option<Vec<String>>,
    faults: Vec<Pending>,
    /// The number of bytes of the body that are not read yet.
    left: u64,
    body_read: u64,
}

impl<'a> Exchange<'a> {
    fn new(shared: &'a Arc<Shared>, connection: &'a mut Connection, head: Head, left: u64) -> Self {
        let segments = head.segments(&shared.options.path_prefix);
        let call = segments.as_deref().and_then(Call::of);
        let faults = shared.faults.take_for_request(&head, call);
        let id = shared.log.start(&head);
        Self { shared, connection, head, id, segments, faults, left, body_read: 0 }
    }

    async fn run(&mut self) -> End {
        let (mut reply, scripted) = match self.respond().await {
            Ok(reply) => (reply, false),
            Err(Stop::Answer(answer)) => (Reply::from(answer), true),
            Err(Stop::End(end)) => return end,
        };
        self.apply(|action| match action {
            Action::Alter(alter) => reply.alter(alter),
            Action::CorruptDownload => reply.corrupt(),
            _ => false,
        });
        match self.send(reply, scripted).await {
            Ok(end) | Err(Stop::End(end)) => end,
            Err(Stop::Answer(_)) => End::Close,
        }
    }

    async fn respond(&mut self) -> Result<Reply, Stop> {
        self.run_faults_at(Point::Head).await?;
        let shared = self.shared;
        let Some(segments) = self.segments.take() else { return Ok(packages::not_found()) };
        let reply = match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["api", "packages", _, "generic", _, _, _] if self.head.method == "PUT" => {
                return match packages::check_upload(shared, &self.head, &segments) {
                    Ok(upload) => self.upload(&upload).await,
                    Err(refusal) => Ok(refusal),
                };
            }
            ["api", family @ ("packages" | "v1" | "actions"), ..] => {
                self.run_faults_at(Point::BeforeStore).await?;
                let lag = self.lag();
                match family {
                    "packages" => packages::answer(shared, &self.head, &segments, lag),
                    "v1" => api::answer(shared, &self.head, &segments, lag),
                    _ => oidc::answer(shared, &self.head, &segments),
                }
            }
            _ => packages::not_found(),
        };
        self.run_faults_at(Point::AfterStore).await?;
        Ok(reply)
    }

    async fn upload(&mut self, upload: &packages::Upload) -> Result<Reply, Stop> {
        let shared = self.shared;
        let runner = shared.options.persona.first_uploads_race().then(|| shared.race.enter(&upload.place));
        let mut spool = Spool::new(self.has(|action| matches!(action, Action::CorruptUpload)))?;
        let mut piece = Vec::new();
        while self.read_piece(&mut piece).await? {
            spool.write(&piece)?;
        }
        let blob = spool.finish()?;
        self.run_faults_at(Point::BeforeStore).await?;
        let store = || packages::store(shared, upload, blob);
        let reply = match &runner {
            None => store(),
            Some(runner) => {
                let stored = runner.store(|| shared.world.has_version(&upload.place), store).await;
                stored.unwrap_or_else(|| packages::internal_error(shared))
            }
        };
        drop(runner);
        self.apply(|action| matches!(action, Action::CorruptUpload) && reply.status == 201);
        self.run_faults_at(Point::AfterStore).await?;
        Ok(reply)
    }

    /// Reads the next piece of the body. Returns `false` at its end.
    async fn read_piece(&mut self, piece: &mut Vec<u8>) -> Result<bool, Stop> {
        self.run_faults_at(Point::RequestByte(self.body_read)).await?;
        let limit = self.until_next(self.body_read, |at| match at {
            Point::RequestByte(byte) => Some(byte),
            _ => None,
        });
        self.connection.read_piece(&mut self.left, limit, piece).await?;
        self.body_read += piece.len() as u64;
        self.shared.log.read(self.id, piece.len() as u64);
        Ok(!piece.is_empty())
    }

    /// Returns the maximum number of bytes to transfer at once: up to the next byte at which a fault acts.
    fn until_next(&self, done: u64, byte: impl Fn(Point) -> Option<u64>) -> u64 {
        let ahead = self.faults.iter().filter_map(|pending| byte(pending.at)).filter(|byte| *byte > done);
        ahead.min().map_or(PIECE, |byte| PIECE.min(byte - done))
    }

    /// Performs the faults for this point.
    async fn run_faults_at(&mut self, point: Point) -> Result<(), Stop> {
        let is_due = |pending: &Pending| pending.at == point && !pending.action.is_independent_of_point();
        while let Some(index) = self.faults.iter().position(is_due) {
            let pending = self.faults.remove(index);
            self.shared.faults.note(&pending);
            self.faults.extend(pending.next());
            perform(self.shared, self.connection, pending.action).await?;
        }
        Ok(())
    }

    fn has(&self, is_meant: impl Fn(&Action) -> bool) -> bool {
        self.faults.iter().any(|pending| is_meant(&pending.action))
    }

    /// Removes the faults whose action was applied, and records that they acted.
    fn apply(&mut self, mut apply: impl FnMut(&Action) -> bool) {
        self.faults.retain(|pending| {
            let applied = apply(&pending.action);
            if applied {
                self.shared.faults.note(pending);
            }
            !applied
        });
    }

    /// Returns the number of latest changes that this request does not see.
    fn lag(&mut self) -> usize {
        let mut lag = 0;
        if self.head.method == "GET" && self.shared.world.state().packages.have_changed() {
            self.apply(|action| match action {
                Action::OutdatedList(changes) => {
                    lag = lag.max(*changes);
                    true
                }
                _ => false,
            });
        }
        lag
    }

    /// Discards an unwanted body, as Go's server does. Returns whether the connection can be reused.
    async fn drop_body(&mut self) -> Result<bool, Stop> {
        if self.left > READ_AFTER_ANSWER {
            return Ok(false);
        }
        let mut piece = Vec::new();
        while self.left > 0 {
            self.read_piece(&mut piece).await?;
        }
        Ok(true)
    }

    async fn send(&mut self, reply: Reply, scripted: bool) -> Result<End, Stop> {
        let body_is_dealt_with = self.drop_body().await?;
        let asks_to_close = self.head.header("Connection").is_some_and(|it| it.eq_ignore_ascii_case("close"));
        let close = asks_to_close || reply.closes_connection() || !body_is_dealt_with;
        let has_body = !matches!(reply.status, 204 | 304);
        let mut head = reply.head(close);
        match &reply.body {
            Body::Bytes(bytes) if !has_body || !self.cuts_answer() => {
                // A single write, so that a client does not have to wait for a second packet.
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
                let mut file = std::fs::File::open(blob.path())?;
                file.seek(SeekFrom::Start(range.start))?;
                let mut first = [0];
                if reply.is_spoiled {
                    file.read_exact(&mut first)?;
                }
                let other = Cursor::new([!first[0]]).take(reply.is_spoiled.into());
                self.send_pieces(other.chain(file), range.end - range.start, false, reply.status).await?;
            }
        }
        Ok(match (close, body_is_dealt_with || scripted) {
            (false, _) => End::KeepAlive,
            (true, true) => End::Close,
            (true, false) => End::CloseSoftly,
        })
    }

    fn cuts_answer(&self) -> bool {
        self.faults.iter().any(|pending| matches!(pending.at, Point::AnswerByte(_)))
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
            self.run_faults_at(Point::AnswerByte(sent)).await?;
            let limit = self.until_next(sent, |at| match at {
                Point::AnswerByte(byte) => Some(byte),
                _ => None,
            });
            let mut piece = Vec::new();
            bytes.by_ref().take(limit.min(length - sent)).read_to_end(&mut piece)?;
            sent += piece.len() as u64;
            self.shared.log.add_sent_bytes(self.id, piece.len() as u64);
            let is_last = sent >= length;
            let cut_at_end = self.faults.iter().any(|pending| pending.at == Point::AnswerByte(length));
            if is_last && !cut_at_end {
                self.shared.log.finish(self.id, Some(status));
            }
            let end: &[u8] = if chunked && is_last { b"0\r\n\r\n" } else { b"" };
            let piece = if chunked && !piece.is_empty() { chunk(&piece) } else { piece };
            if is_last && cut_at_end {
                self.connection.write(&piece).await?;
                self.run_faults_at(Point::AnswerByte(length)).await?;
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
