//! Creates the registry of a world, with its files and its scripted events.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpStream};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use embedded_registry::{self as registry, Action, Answer, Fault, Options, Registry, Request, StoredFile};
use generic_packages::checksum::{Hasher, Sha256};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::credential::Credential;
use super::job::Canceler;
use super::journal::Journal;
use super::kind::Kind;
use super::world::{Act, Event, World};

/// The owner of the packages.
pub(crate) const OWNER: &str = "alice";
/// The package that is tested.
pub(crate) const PACKAGE: &str = "widget";
/// Unrelated versions, also of other packages and owners.
pub(crate) const ELSEWHERE: [(&str, &str, &str); 4] = [
    (OWNER, PACKAGE, "v0.9.0"),
    (OWNER, "gadget", "v1.0.0"),
    (OWNER, "widget-extra", "v9.0.0"),
    ("acme", PACKAGE, "v1.0.0"),
];
/// The characters that clients percent-encode in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+');

/// The contents of files by their names.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Returns the last segment of a file's URL.
pub(crate) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// The last segment of what a request asks for.
pub(crate) fn last_segment(request: &Request) -> &str {
    request.target.rsplit('/').next().unwrap_or_default()
}

pub(crate) fn sha256(bytes: &[u8]) -> Sha256 {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// Returns the current files of a version.
pub(crate) fn files(registry: &registry::World, version: &str) -> Files {
    let read = |name: &str| registry.read(OWNER, PACKAGE, version, name).unwrap_or_default();
    registry.files(OWNER, PACKAGE, version).into_iter().map(|file| (file.name.clone(), read(&file.name))).collect()
}

/// Returns the files of the unrelated versions.
pub(crate) fn elsewhere(registry: &Registry) -> [Vec<StoredFile>; 4] {
    ELSEWHERE.map(|(owner, package, version)| registry.files(owner, package, version))
}

/// Starts a registry with the initial files of a world, and creates the journal for its hooks.
pub(crate) fn registry<K: Kind>(world: &World<K>) -> (Registry, Journal<K::Entries>) {
    let leaves_its_port = world.has_fault(|action| matches!(action, Action::StopListening(_)));
    let port = if leaves_its_port { port() } else { 0 };
    let registry = Registry::start_with(Options { persona: world.setting.persona, port, ..Options::default() });
    for (owner, package, version) in ELSEWHERE {
        registry.seed(owner, package, version, "kept.txt", b"of somebody else");
    }
    if let Some(link) = &world.setting.link {
        link.stock(&registry);
    }
    let journal = Journal::new(world.of.store_initial_files(&registry));
    (registry, journal)
}

/// Returns a free port that the system never assigns automatically, so that no other process gets it while the
/// registry does not listen.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(process::id() % 10_000).unwrap_or_default();
    loop {
        let port = 15_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed) % 10_000) % 10_000;
        // The port is not bound for this check, because a process that is being started would hold a copy of the socket
        // for a moment.
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            return port;
        }
    }
}

/// Adds the hooks of the journal and the events of the world to the registry.
pub(crate) fn script<K: Kind>(
    registry: &Registry,
    world: &Arc<World<K>>,
    journal: &Journal<K::Entries>,
    credential: &Arc<Credential>,
    ender: &Arc<Canceler>,
) {
    world.of.observe(registry, journal);
    for event in &world.events {
        let action = action(event, registry, world, journal, credential, ender);
        let fault = Fault::once(event.on.clone(), event.at, action);
        registry.add_fault(fault.times(event.times).skip(event.skip));
    }
}

fn action<K: Kind>(
    event: &Event<K::Others>,
    registry: &Registry,
    world: &Arc<World<K>>,
    journal: &Journal<K::Entries>,
    credential: &Arc<Credential>,
    ender: &Arc<Canceler>,
) -> Action {
    let (world, credential, ender) = (Arc::clone(world), Arc::clone(credential), Arc::clone(ender));
    let Event { on, act, .. } = event.clone();
    match act {
        Act::Fault(action) => with_echo(action, &credential.repeated(registry)),
        Act::Others(others) => journal.hook(move |entries, now| world.of.act(&others, &on, now, entries)),
        Act::Revoke => journal.hook(move |entries, now| K::revoke(&credential, now, entries)),
        Act::Terminate => Action::then(move |_| ender.terminate()),
        Act::Kill => Action::then(move |_| ender.kill()),
    }
}

/// Replaces `TOKEN` in a scripted response by the token.
fn with_echo(action: Action, token: &str) -> Action {
    match action {
        Action::Answer(answer) => {
            let body = String::from_utf8_lossy(&answer.body).replace("TOKEN", token);
            Action::Answer(Answer { body: body.into_bytes(), ..answer })
        }
        other => other,
    }
}
