//! The listening socket, which can stop listening for a while.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc as commands, oneshot, watch};

use crate::server::{Shared, serve_connection};

/// The maximum number of connections that wait to be accepted, as in the standard library.
const BACKLOG: u32 = 128;

/// Starts and stops listening.
pub(crate) struct ListenSwitch {
    commands: commands::UnboundedSender<Command>,
    /// The number of times that listening was stopped. Connections from before a stop are closed.
    closed: watch::Sender<u64>,
}

pub(crate) struct Command {
    listen: bool,
    done: mpsc::Sender<()>,
}

impl ListenSwitch {
    pub(crate) fn new() -> (Self, commands::UnboundedReceiver<Command>) {
        let (sender, receiver) = commands::unbounded_channel();
        (Self { commands: sender, closed: watch::Sender::new(0) }, receiver)
    }

    /// Starts or stops listening, and blocks until that is done.
    pub(crate) fn listen(&self, listen: bool) {
        let (done, is_done) = mpsc::channel();
        if self.commands.send(Command { listen, done }).is_ok() {
            // An error means that the registry has stopped.
            let _ = is_done.recv();
        }
    }

    /// Returns a handle that shows a new connection when it must end.
    pub(crate) fn epoch(&self) -> ListenPeriod {
        let closed = self.closed.subscribe();
        let number = *closed.borrow();
        ListenPeriod { number, closed }
    }
}

/// A period of listening.
pub(crate) struct ListenPeriod {
    number: u64,
    closed: watch::Receiver<u64>,
}

impl ListenPeriod {
    pub(crate) async fn ends(&mut self) {
        let number = self.number;
        // An error means that the registry has stopped.
        let _ = self.closed.wait_for(|now| *now != number).await;
    }
}

enum Socket {
    Listening(tokio::net::TcpListener),
    /// Bound, so that no other process gets the port meanwhile.
    Bound(TcpSocket),
}

/// Serves until the sender of `stop` is dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut commands: commands::UnboundedReceiver<Command>,
    mut stop: oneshot::Receiver<()>,
) {
    let address = listener.local_addr().expect("a bound socket has an address");
    let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is not blocking");
    let mut socket = Socket::Listening(listener);
    loop {
        tokio::select! {
            stream = accept(&socket) => {
                let (faults, epoch) = (shared.faults.take_for_connection(), shared.door.epoch());
                tokio::spawn(serve_connection(stream, Arc::clone(&shared), faults, epoch));
            }
            Some(Command { listen, done }) = commands.recv() => {
                socket = match (socket, listen) {
                    (Socket::Listening(listener), false) => {
                        drop(listener);
                        shared.door.closed.send_modify(|closed| *closed += 1);
                        Socket::Bound(bind(address).await)
                    }
                    (Socket::Bound(socket), true) => {
                        Socket::Listening(socket.listen(BACKLOG).expect("a bound socket can listen"))
                    }
                    (socket, _) => socket,
                };
                // The result is not needed if the requesting thread is gone.
                let _ = done.send(());
            }
            _ = &mut stop => return,
        }
    }
}

/// Binds a port that was released. A process that is being started has a copy of the old socket until its exec, so
/// this may take a moment.
async fn bind(address: SocketAddr) -> TcpSocket {
    const MOST: u32 = 5000;
    let mut tries = 0;
    loop {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        let socket = socket.expect("sockets can be had");
        // Connections of the old socket may linger.
        socket.set_reuseaddr(true).expect("addresses can be used again");
        match socket.bind(address) {
            Ok(()) => return socket,
            Err(error) => assert!(tries < MOST, "the port that was left is not free: {error}"),
        }
        tries += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn accept(socket: &Socket) -> TcpStream {
    let Socket::Listening(listener) = socket else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Most likely no file descriptor is free. Some will be released.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
