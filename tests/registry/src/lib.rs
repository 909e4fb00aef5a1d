//! An embedded generic package registry for tests.
//!
//! It serves HTTP on the loopback interface, and stores files until it is dropped. It responds like one of ten servers,
//! its [`Persona`]. `tests/replay.rs` compares the responses of nine of them with the recordings in `recordings/`.
//! A [`Fault`] can reset a connection in the middle of an upload, respond in place of the server, or change the
//! stored data during a request.
//!
//! ```
//! use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
//!
//! let registry = Registry::start(Persona::Forgejo15);
//! registry.seed("alice", "tool", "1.0", "a.txt", b"hello\n");
//! registry.add_fault(Fault::once(Match::list(), Point::Head, Action::Answer(Answer::html(502, "<h1>Bad Gateway</h1>"))));
//! // ... run the program under test against registry.url() with registry.token("alice_write") ...
//! assert_eq!(registry.files("alice", "tool", "1.0")[0].size, 6);
//! assert!(registry.requests().is_empty());
//! ```
//!
//! The users are root1 (an administrator), alice, bob, carol and dave. The organizations are acme (public), secretorg
//! (private) and limitedorg (for signed-in users). alice is an owner of all three, and carol has read access in a
//! team of acme. alice has the repositories widget and gadget. [`World::token`] knows these names: `alice_write`,
//! `bob_write`, `carol_write` and `dave_write` (scope write:package), `alice_read` (read:package), `alice_none`
//! (read:misc), `alice_publiconly` (public-only and write:package), `alice_all` and `root_all` (everything). It also
//! knows each user's password, such as `alice_password`.
//!
//! # ID tokens
//! After [`World::offer_id_tokens`], a job can get ID tokens at [`Registry::id_token_url`]. [`Persona::Forgejo16`] accepts
//! them if a user has an [`Integration`] with their audience:
//!
//! ```
//! use embedded_registry::{IdTokens, Integration, Persona, Registry, Rule};
//!
//! let registry = Registry::start(Persona::Forgejo16);
//! let audience = registry.add_integration(Integration::of("alice").rule(Rule::eq("repository", "acme/widget")));
//! registry.offer_id_tokens(IdTokens::default());
//! // ... run the program with `audience`, registry.id_token_url() and registry.id_token_request_token() ...
//! ```
//!
//! # Layout
//! `listener` accepts connections, and `server` processes their requests and applies faults at each point. `fault`
//! selects requests and points, `action` defines the effects. `race` simulates the race of first uploads. `http`
//! reads requests, and `answer` writes responses. `packages` and `api` implement the two families of paths.
//! `oidc` issues and verifies ID tokens. `accounts`, `store` and `blob` contain the data, behind the lock of `world`. `persona` contains the differences
//! between servers.

mod accounts;
mod action;
mod answer;
mod api;
mod blob;
mod fault;
mod guard;
mod hex;
mod http;
mod json;
mod listener;
mod log;
mod names;
mod oidc;
mod packages;
mod persona;
mod race;
mod server;
mod store;
mod world;

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::ops::Deref;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;

pub use action::{Action, Alteration};
pub use answer::Answer;
pub use fault::{Call, Fault, Match, Point};
pub use log::Request;
pub use oidc::{IdTokenKey, IdTokens, Integration, Rule};
pub use persona::Persona;
pub use world::World;

use fault::Faults;
use listener::ListenSwitch;
use log::Log;
use race::Race;
use server::Shared;

/// The options of a registry.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server that it emulates.
    pub persona: Persona,
    /// The sub-path of all URLs, such as `/git`, without a trailing slash; empty for none.
    pub path_prefix: String,
    /// The address it listens on.
    pub address: IpAddr,
    /// The port; 0 for any free one.
    pub port: u16,
    /// A fixed time, for tests in which the order of versions must not depend on the clock.
    pub fixed_time: Option<SystemTime>,
    /// The maximum number of versions per page, regardless of the requested number: 50 on the recorded servers.
    pub page_limit: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            persona: Persona::default(),
            path_prefix: String::new(),
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            fixed_time: None,
            page_limit: 50,
        }
    }
}

/// A file of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Its name as it was first spelled.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// The SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
}

/// A running registry. It stops when it is dropped.
pub struct Registry {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Registry {
    /// Starts a registry on any free port.
    ///
    /// # Panics
    /// As [`Registry::start_with`].
    #[must_use]
    pub fn start(persona: Persona) -> Self {
        Self::start_with(Options { persona, ..Options::default() })
    }

    /// Starts a registry.
    ///
    /// # Panics
    /// If the port is in use, or no thread can be started.
    #[must_use]
    pub fn start_with(options: Options) -> Self {
        let listener = TcpListener::bind((options.address, options.port)).expect("the port is free");
        listener.set_nonblocking(true).expect("sockets can be made non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let base = format!("http://{address}{}", options.path_prefix);
        let (door, commands) = ListenSwitch::new();
        let shared = Arc::new(Shared {
            world: World::new(&options, &base),
            base,
            log: Log::default(),
            faults: Faults::default(),
            race: Race::default(),
            door,
            options,
        });
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
            let runtime = runtime.expect("a runtime can be built");
            runtime.block_on(listener::serve(listener, served, commands, stopped));
            // A hook that waits forever must not block the end of a failed test.
            runtime.shutdown_timeout(Duration::from_secs(2));
        });
        Self { shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns the base URL with its sub-path, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        self.shared.base.clone()
    }

    /// Returns the URL at which a job asks for ID tokens, with a query: `ACTIONS_ID_TOKEN_REQUEST_URL`.
    #[must_use]
    pub fn id_token_url(&self) -> String {
        format!("{}{}", self.shared.base, oidc::TARGET)
    }

    /// Returns the issuer of its ID tokens, their claim `iss`.
    #[must_use]
    pub fn id_token_issuer(&self) -> String {
        self.shared.world.state().oidc.issuer.clone()
    }

    /// Returns the server that it emulates.
    #[must_use]
    pub fn persona(&self) -> Persona {
        self.shared.options.persona
    }

    /// Returns the stored data, as hooks receive it.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.shared.world
    }

    /// Returns all requests so far, in the order in which their heads were read.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.all()
    }

    /// Returns the largest number of uploads that ran at the same time.
    #[must_use]
    pub fn max_uploads_in_flight(&self) -> usize {
        log::max_in_flight(self.requests().iter().filter(|request| request.method == "PUT"))
    }

    /// Clears the list of requests.
    pub fn clear_requests(&self) {
        self.shared.log.forget();
    }

    /// Adds a fault for later requests.
    pub fn add_fault(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// Removes all faults for later requests. [`Registry::acted_faults`] keeps the faults that have acted.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Returns the faults that have acted, in order, once per affected request or connection. A fault whose point was
    /// not reached, or that changed nothing, is not included.
    #[must_use]
    pub fn acted_faults(&self) -> Vec<Fault> {
        self.shared.faults.acted()
    }

    /// Stops listening: new connections are refused, idle ones are closed, and others are closed after their current
    /// request. The port stays reserved.
    pub fn stop_listening(&self) {
        self.shared.door.listen(false);
    }

    /// Starts listening again after [`Registry::stop_listening`].
    pub fn resume_listening(&self) {
        self.shared.door.listen(true);
    }
}

/// Lets tests read and change the content of the registry, as hooks can.
impl Deref for Registry {
    type Target = World;

    fn deref(&self) -> &World {
        self.world()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already printed.
            let _ = thread.join();
        }
    }
}
