//! Draws a world for seals and aliases from a seed.
//!
//! No list is drawn that shows what is not there: what was there when the last list was made is what a run knows at its end.
//! In every fourth world everything passes: each thing goes wrong once, and there are as many retries as such things. In
//! every fifth two runs race, and what goes wrong passes too. Each world whose seed is a multiple of 20 runs the program; in
//! half of these a signal ends it.

use std::time::Duration;

use embedded_registry::{Action, Alter, Answer, Persona, Point};
use fastrand::Rng;

use super::super::draw::NAMES;
use super::super::world::{Content, Runs};
use super::world::{ALIASES, Act, Event, On, Rival, SEAL, World};

/// How much goes wrong at most where all of it passes.
const PASSING: usize = 5;

/// The world of a seed.
pub(super) fn world(seed: u64) -> World {
    let mut rng = Rng::with_seed(seed ^ 0x5ea1);
    let runs = if seed.is_multiple_of(20) { Runs::Program } else { Runs::Library };
    let mut names: Vec<&str> = NAMES.into_iter().filter(|name| *name != SEAL).collect();
    rng.shuffle(&mut names);
    let mut names = names.into_iter();
    let mut files = |rng: &mut Rng, least: usize, most: usize| -> Vec<(String, Content)> {
        let count = rng.usize(least..=most);
        names.by_ref().take(count).map(|name| (name.to_owned(), content(rng))).collect()
    };
    let own = files(&mut rng, 0, 3);
    let there = files(&mut rng, usize::from(own.is_empty()), 3);
    let strays = files(&mut rng, 0, 2);
    let rival = (runs == Runs::Library && rng.u8(0..5) == 0)
        .then(|| Rival { is_of_other: rng.bool(), own: files(&mut rng, 1, 3) });
    let count = rng.usize(0..=ALIASES.len());
    let aliases = (0..count).map(|_| alias(&mut rng, [&own[..], &there[..]].concat(), &strays)).collect();
    let mut world = World {
        seed,
        persona: Persona::all()[rng.usize(0..9)],
        own,
        there,
        has_old_seal: rng.u8(0..3) == 0,
        aliases,
        rival,
        concurrency: rng.usize(1..=6),
        retries: if runs == Runs::Program { rng.u32(0..=1) } else { rng.u32(0..=6) },
        silence: Duration::from_secs(10),
        heals: runs == Runs::Library && rng.u8(0..4) == 0,
        runs,
        events: Vec::new(),
    };
    if world.heals || world.rival.is_some() {
        world.heals = world.rival.is_none();
        world.events = (0..rng.usize(0..=PASSING)).map(|_| passing(&mut rng, &world)).collect();
        world.retries = u32::try_from(world.events.len()).unwrap_or_default() + if world.heals { 0 } else { 8 };
        return world;
    }
    let most = if runs == Runs::Program { 2 } else { 6 };
    world.events = (0..rng.usize(0..=most)).map(|_| event(&mut rng, &world)).collect();
    if runs == Runs::Program && rng.bool() {
        let act = if rng.bool() { Act::Kill } else { Act::Terminate };
        let (on, at) = place(&mut rng);
        world.events.push(Event { on, of_alias: rng.bool(), at, act, times: 1, skip: rng.usize(0..3) });
    }
    if runs == Runs::Program {
        world.events.retain(|event| !matches!(event.act, Act::Fault(Action::Hang)));
    }
    if world.has(|act| matches!(act, Act::Fault(Action::Hang))) {
        world.silence = Duration::from_millis(150);
    }
    world
}

/// What an alias has: some of the version's files, some that are other, some of another case, and strays.
fn alias(rng: &mut Rng, version: Vec<(String, Content)>, strays: &[(String, Content)]) -> Vec<(String, Content)> {
    let mut files = Vec::new();
    for (name, ours) in version {
        let in_other_case = name.to_ascii_uppercase();
        match rng.u8(0..6) {
            0..2 => {}
            2 => files.push((name, ours)),
            3 => files.push((in_other_case, ours)),
            4 => files.push((name, content(rng))),
            _ => files.push((name, Content { of: rng.u64(..), ..ours })),
        }
    }
    files.extend(strays.iter().cloned());
    if rng.bool() {
        files.push((SEAL.to_owned(), content(rng)));
    }
    files
}

fn content(rng: &mut Rng) -> Content {
    let length = match rng.u8(0..10) {
        0 => 0,
        1 => 64 * 1024 + 1,
        2 => 1024 * 1024 + 1,
        _ => rng.usize(1..6000),
    };
    Content { of: rng.u64(..), length }
}

/// Which requests, and where in them.
fn place(rng: &mut Rng) -> (On, Point) {
    let on = [On::List, On::List, On::Put, On::Put, On::Put, On::PutOfSeal, On::Get, On::Delete][rng.usize(0..8)];
    let at = match rng.u8(0..8) {
        0..2 => Point::Head,
        2 => Point::RequestByte(rng.u64(0..3000)),
        3..5 => Point::AfterStore,
        5 => Point::AnswerByte(rng.u64(0..30)),
        _ => Point::BeforeStore,
    };
    (on, at)
}

fn event(rng: &mut Rng, world: &World) -> Event {
    let (on, at) = place(rng);
    let of_alias = !world.aliases.is_empty() && rng.bool();
    let is_program = world.runs == Runs::Program;
    let times = match rng.u8(0..10) {
        0..6 => 1,
        6..9 if !is_program => rng.usize(2..4),
        9 if !is_program => usize::MAX,
        _ => 2,
    };
    let skip = if rng.bool() { 0 } else { rng.usize(0..4) };
    let number = rng.usize(0..8);
    let act = match rng.u8(0..24) {
        0..12 => Act::Fault(fault(rng, on, world)),
        12..14 => Act::Publish(number),
        14..16 => Act::ReplaceSeal,
        16..18 => Act::PublishToAlias,
        18..20 => Act::ReplaceInAlias(number),
        20 => Act::DeleteInAlias(number),
        21 => Act::Revoke,
        22 => Act::Terminate,
        _ => Act::Fault(Action::drip(rng.u32(1..4), rng.u64(1..5000), Duration::from_millis(rng.u64(0..4)))),
    };
    match act {
        // A hang costs time, so it ends.
        Act::Fault(Action::Hang) => Event { on, of_alias, at, act, times: times.min(2), skip },
        Act::Fault(_) => Event { on, of_alias, at, act, times, skip },
        // What others do comes with requests that were heard.
        act => Event { on, of_alias, at: Point::BeforeStore, act, times: 1, skip },
    }
}

/// Something that goes wrong once, and is no reason to fail.
fn passing(rng: &mut Rng, world: &World) -> Event {
    let (on, at) = place(rng);
    let of_alias = !world.aliases.is_empty() && rng.bool();
    let skip = if rng.bool() { 0 } else { rng.usize(0..4) };
    let action = match rng.u8(0..8) {
        0..2 => Action::Reset,
        2 => Action::Close,
        3 => Action::Answer(Answer::text(408, "Request Timeout")),
        4 => Action::Answer(Answer::text(429, "slow down").header("Retry-After", "1")),
        5 => Action::Answer(Answer::internal_error(world.persona)),
        6 => Action::Answer(Answer::html(504, "<title>504 Gateway Time-out</title>")),
        _ => Action::Answer(Answer::html(502, "<title>502 Bad Gateway</title>")),
    };
    // A 408 says that nothing was stored, and within an answer it is a lie.
    let at = match (&action, at) {
        (Action::Answer(answer), Point::AfterStore) if matches!(answer.status, 408 | 429) => Point::Head,
        (_, at) => at,
    };
    Event { on, of_alias, at, act: Act::Fault(action), times: 1, skip }
}

fn fault(rng: &mut Rng, on: On, world: &World) -> Action {
    match (rng.u8(0..24), on) {
        (0..5, _) => Action::Reset,
        (5..8, _) => Action::Close,
        (8, _) => Action::Hang,
        (9, _) => Action::Raw([&b"HTTP/1.1 2"[..], b"\x16\x03\x01\0\0"][rng.usize(0..2)].into()),
        (10..12, On::List) => Action::Alter(Alter::CutAt(rng.usize(0..60))),
        (12, On::List) => Action::Alter(Alter::UpperCaseHashes),
        (10..13, On::Get) => Action::SendOtherBytes,
        (10..13, On::Put | On::PutOfSeal) => Action::StoreOtherBytes,
        _ => Action::Answer(answer(rng, on, world)),
    }
}

/// An answer in the server's place.
fn answer(rng: &mut Rng, on: On, world: &World) -> Answer {
    let page = "<html><head><title>502 Bad Gateway</title></head></html>";
    match rng.u8(0..22) {
        0..3 => Answer::internal_error(world.persona),
        3..6 => Answer::html(502, page),
        6..8 => Answer::html(503, page).header("Retry-After", "0"),
        8 => Answer::html(504, page),
        9 => Answer::text(408, "Request Timeout"),
        10..12 => Answer::text(429, "slow down").header("Retry-After", "0"),
        12 => Answer::html(200, "<title>Sign in</title>"),
        13 if on != On::List => Answer::empty(201),
        14 if on != On::List => Answer::empty(204),
        15 => Answer::text(401, "reqPackageAccess"),
        16 => Answer::text(403, "maximum allowed package storage quota exceeded"),
        17 if on != On::List => Answer::text(404, "package file does not exist"),
        18 if on != On::List => Answer::text(409, "package file already exists"),
        19 => Answer::html(413, "<title>413 Request Entity Too Large</title>"),
        _ => Answer::json(401, "{\"message\":\"access token does not exist [sha: TOKEN]\"}"),
    }
}
