//! Makes a registry of a world: what is there, and a script of what goes wrong or happens.

use std::net::{Ipv4Addr, TcpStream};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use embedded_registry::{Action, Answer, Fault, Match, Options, Point, Registry};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::journal::{Journal, Late, OWNER, PACKAGE, seen};
use super::run::Ender;
use super::world::{Act, Content, Event, Later, On, World};

/// What clients leave as it is in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'+');
/// The token that the run has, and the one that it has when that may have been revoked.
pub(crate) const TOKENS: [&str; 2] = ["alice_write", "alice_all"];
/// Other versions than the one that is published to, of other packages and owners too.
pub(crate) const ELSEWHERE: [(&str, &str, &str); 3] =
    [(OWNER, PACKAGE, "v0.9.0"), (OWNER, "gadget", "v1.0.0"), ("acme", PACKAGE, "v1.0.0")];

/// The last segment of a file's URL.
pub(crate) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// A registry on which everything is as at the start, and what its hooks write.
pub(crate) fn registry(world: &World) -> (Registry, Journal) {
    let leaves_its_port = |event: &Event| matches!(event.act, Act::Fault(Action::StopListening(_)));
    let port = if world.events.iter().any(leaves_its_port) { port() } else { 0 };
    let registry = Registry::start_with(Options { persona: world.persona, port, ..Options::default() });
    for file in &world.files {
        if let Some((name, content)) = &file.there {
            registry.seed(OWNER, PACKAGE, world.version, name, &content.bytes());
        }
        for (owner, package, version) in ELSEWHERE {
            registry.seed(owner, package, version, &file.name, file.name.as_bytes());
        }
    }
    for (name, content) in &world.unrelated {
        registry.seed(OWNER, PACKAGE, world.version, name, &content.bytes());
    }
    let journal = Journal::new(seen(registry.world(), world.version));
    (registry, journal)
}

/// A free port that the system gives to nobody who asks for any: a registry that leaves off listening must not find
/// that another has been given its own meanwhile.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(process::id() % 10_000).unwrap_or_default();
    loop {
        let port = 15_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed) % 10_000) % 10_000;
        // Not by taking it: a process that is being started would have a copy of our socket for a moment.
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            return port;
        }
    }
}

/// Lets the registry write the journal, and everything happen that the world has.
pub(crate) fn script(registry: &Registry, world: &Arc<World>, journal: &Journal, ender: &Arc<Ender>) {
    observe(registry, world, journal);
    for event in &world.events {
        let fault = Fault {
            times: event.times,
            skip: event.skip,
            ..Fault::once(on(event.on, world), event.at, action(event, registry, world, journal, ender))
        };
        registry.script(fault);
        if matches!(event.act, Act::StoreLater(..) | Act::DeleteLater(..)) {
            registry.script(Fault {
                times: event.times,
                skip: event.skip,
                ..Fault::once(on(event.on, world), event.at, Action::Reset)
            });
        }
    }
}

/// Hooks that change nothing but what is late. They come first, so that they see everything as it is.
fn observe(registry: &Registry, world: &Arc<World>, journal: &Journal) {
    let hook = |does: fn(&Journal, &World, usize, &embedded_registry::World), file: usize| {
        let (journal, world) = (journal.clone(), Arc::clone(world));
        Action::then(move |registry| does(&journal, &world, file, registry))
    };
    let late = |later| match later {
        Later::Put => hook(|j, w, _, r| j.entries().catch_up(r, w.version, Later::Put), 0),
        _ => hook(|j, w, _, r| j.entries().catch_up(r, w.version, Later::List(0)), 0),
    };
    registry.script(Fault::always(Match::list(), Point::BeforeStore, late(Later::List(0))));
    registry.script(Fault::always(Match::put(""), Point::Head, late(Later::Put)));
    let looks = hook(|j, w, _, r| j.entries().looked(r, w.version), 0);
    registry.script(Fault::always(Match::list(), Point::AfterStore, looks));
    for (index, file) in world.files.iter().enumerate() {
        let on = || Match::delete(&format!("/{}", segment(&file.name)));
        let before = hook(|j, w, file, r| j.entries().deletes(r, w, file), index);
        registry.script(Fault::always(on(), Point::BeforeStore, before));
        let after = hook(|j, w, file, r| j.entries().deleted(r, w, file), index);
        registry.script(Fault::always(on(), Point::AfterStore, after));
    }
}

fn on(on: On, world: &World) -> Match {
    match on {
        On::Any => Match::any(),
        On::List => Match::list(),
        On::Version => Match::version(),
        On::AnyPut => Match::put(""),
        On::Put(file) => Match::put(&format!("/{}", segment(&world.files[file].name))),
        On::Question => Match::put("/%2A"),
        On::AnyDelete => Match::delete(""),
    }
}

fn action(event: &Event, registry: &Registry, world: &Arc<World>, journal: &Journal, ender: &Arc<Ender>) -> Action {
    if let Act::Fault(action) = &event.act {
        return with_echo(action, &registry.token(TOKENS[0]));
    }
    let (world, journal, ender) = (Arc::clone(world), journal.clone(), Arc::clone(ender));
    let act = event.act.clone();
    // Nobody can have looked between this and a DELETE that follows.
    let unforeseeable = matches!(event.on, On::List | On::AnyDelete | On::Any);
    Action::then(move |registry| {
        let mut entries = journal.entries();
        let version = world.version;
        let name = |file: usize| world.files[file].name.as_str();
        let other = Content { of: world.seed ^ 0x5eed, length: 777 };
        match act {
            Act::Fault(_) => {}
            Act::PublishSame(file) => {
                entries.publish(registry, version, name(file), world.files[file].content, unforeseeable);
            }
            Act::PublishOther(file) => entries.publish(registry, version, name(file), other, unforeseeable),
            Act::Replace(file) => {
                entries.delete(registry, version, name(file), unforeseeable);
                entries.publish(registry, version, name(file), other, unforeseeable);
            }
            Act::Delete(file) => entries.delete(registry, version, name(file), unforeseeable),
            Act::PublishUnrelated => entries.publish(registry, version, "other-9.txt", other, unforeseeable),
            Act::DeleteUnrelated => entries.delete(registry, version, "other-0.txt", unforeseeable),
            Act::StoreLater(file, later) => {
                entries.postpone(Late::Store(name(file).to_owned(), world.files[file].content), later);
            }
            // Whichever file it is about.
            Act::DeleteLater(_, later) => {
                if let Some(file) = entries.being_deleted() {
                    entries.postpone(Late::Delete(name(file).to_owned()), later);
                }
            }
            Act::Revoke => entries.revoke(registry, TOKENS[0]),
            Act::Terminate => ender.terminate(),
            Act::Kill => ender.kill(),
        }
    })
}

/// An answer that shows the token to whoever reads it.
pub(crate) fn with_echo(action: &Action, token: &str) -> Action {
    match action {
        Action::Answer(answer) => {
            let body = String::from_utf8_lossy(&answer.body).replace("TOKEN", token);
            Action::Answer(Answer { body: body.into_bytes(), ..answer.clone() })
        }
        other => other.clone(),
    }
}
