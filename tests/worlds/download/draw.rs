//! Draws a world for downloads from a seed.
//!
//! In every fourth world everything passes: each thing goes wrong once, and there are as many retries as such things.
//! Each world whose seed is a multiple of 10 runs the program; in half of these a signal ends it at some moment, SIGKILL
//! more often than SIGTERM.

use std::time::Duration;

use embedded_registry::{Action, Alter, Answer, Persona, Point};
use fastrand::Rng;

use super::super::draw::{NAMES, VERSIONS};
use super::super::world::{Content, Runs};
use super::world::{Act, Event, File, On, World};

/// How much goes wrong at most where all of it passes.
const PASSING: usize = 5;

/// The world of a seed.
pub(super) fn world(seed: u64) -> World {
    let mut rng = Rng::with_seed(!seed);
    let runs = if seed.is_multiple_of(10) { Runs::Program } else { Runs::Library };
    let is_visitor = rng.u8(0..3) == 0;
    let mut world = World {
        seed,
        persona: Persona::all()[rng.usize(0..9)],
        version: VERSIONS[if rng.u8(0..4) > 0 { 0 } else { rng.usize(0..4) }],
        is_latest: !is_visitor && rng.bool(),
        files: files(&mut rng),
        is_visitor,
        has_checksums: rng.u8(0..3) == 0,
        concurrency: rng.usize(1..=8),
        retries: if runs == Runs::Program { rng.u32(0..=1) } else { rng.u32(0..=6) },
        silence: Duration::from_secs(10),
        runs,
        heals: runs == Runs::Library && rng.u8(0..4) == 0,
        events: Vec::new(),
    };
    if !world.is_listed() {
        // Where nobody lists the files, these would be patterns.
        for (index, file) in world.files.iter_mut().enumerate().filter(|(_, file)| file.name.contains(['[', '{'])) {
            file.name = format!("plain-{index}");
        }
    }
    if world.heals {
        world.events = (0..rng.usize(0..=PASSING)).map(|_| passing(&mut rng, &world)).collect();
        world.retries = u32::try_from(world.events.len()).unwrap_or_default();
        return world;
    }
    let most = if runs == Runs::Program { 2 } else { 8 };
    world.events = (0..rng.usize(0..=most)).map(|_| event(&mut rng, &world)).collect();
    if runs == Runs::Program && rng.bool() {
        let act = if rng.u8(0..4) > 0 { Act::Kill } else { Act::Terminate };
        let (on, at) = place(&mut rng, &world);
        world.events.push(Event { on, at, act, times: 1, skip: rng.usize(0..3) });
    }
    if runs == Runs::Program {
        world.events.retain(|event| !matches!(event.act, Act::Fault(Action::Hang)));
    }
    if world.has(|act| matches!(act, Act::Fault(Action::Hang))) {
        world.silence = Duration::from_millis(150);
    }
    world
}

fn files(rng: &mut Rng) -> Vec<File> {
    let mut names = NAMES;
    rng.shuffle(&mut names);
    let count = rng.usize(1..=6);
    let mut files: Vec<File> = names[..count].iter().map(|name| file(rng, name)).collect();
    if files.iter().all(|file| !file.is_wanted) {
        files[0].is_wanted = true;
    }
    files
}

fn file(rng: &mut Rng, name: &str) -> File {
    let length = match rng.u8(0..12) {
        0 => 0,
        1 => 1,
        2 => 64 * 1024,
        3 => 64 * 1024 + 1,
        4 => 1024 * 1024 + 1,
        5 => 300_000,
        _ => rng.usize(2..8000),
    };
    let content = content(rng, length);
    let other = |rng: &mut Rng| Content { of: rng.u64(..), length: if rng.bool() { length } else { length + 1 } };
    let here = match rng.u8(0..6) {
        0..3 => None,
        3 => Some(content),
        _ => Some(other(rng)),
    };
    let part = match rng.u8(0..8) {
        0..5 => None,
        // The beginning of it, or all.
        5..7 => Some(Content { length: if rng.u8(0..3) == 0 { length } else { rng.usize(0..=length) }, ..content }),
        _ => Some(other(rng)),
    };
    File { name: name.to_owned(), content, here, part, is_wanted: rng.u8(0..4) > 0 }
}

fn content(rng: &mut Rng, length: usize) -> Content {
    Content { of: rng.u64(..), length }
}

/// Which requests, and where in them.
fn place(rng: &mut Rng, world: &World) -> (On, Point) {
    let file = rng.usize(0..world.files.len());
    let on = match rng.u8(0..12) {
        0..2 => On::List,
        2 => On::Versions,
        3..8 => On::Get(file),
        8..11 => On::AnyGet,
        _ => On::Any,
    };
    let length = world.files[file].content.length as u64;
    let at = match rng.u8(0..10) {
        0..2 => Point::Head,
        2..4 => Point::AfterStore,
        4 if on == On::Any => Point::Accept,
        4..8 => Point::AnswerByte([0, 1, length / 2, length * 9 / 10, 65536, length][rng.usize(0..6)].min(length)),
        _ => Point::BeforeStore,
    };
    (on, at)
}

fn event(rng: &mut Rng, world: &World) -> Event {
    let (on, at) = place(rng, world);
    let is_program = world.runs == Runs::Program;
    let times = match rng.u8(0..10) {
        0..6 => 1,
        6..9 if !is_program => rng.usize(2..4),
        9 if !is_program => usize::MAX,
        _ => 2,
    };
    let skip = if rng.bool() { 0 } else { rng.usize(0..3) };
    let file = rng.usize(0..world.files.len());
    let act = match rng.u8(0..20) {
        0..14 => Act::Fault(fault(rng, on, world)),
        14..16 => {
            let length = world.files[file].content.length;
            let length = if rng.bool() { length } else { length + 7 };
            Act::Replace(file, content(rng, length))
        }
        16 => Act::Delete(file),
        17 => Act::Revoke,
        18 => Act::Terminate,
        _ => Act::Fault(Action::drip(rng.u32(1..4), rng.u64(1..90_000), Duration::from_millis(rng.u64(0..4)))),
    };
    match act {
        // A hang costs time, so it ends.
        Act::Fault(Action::Hang) => Event { on, at, act, times: times.min(2), skip },
        Act::Fault(_) => Event { on, at, act, times, skip },
        // What others do, they do once; there is no request yet when a connection comes.
        act => Event { on, at: if at == Point::Accept { Point::Head } else { at }, act, times: 1, skip },
    }
}

/// Something that goes wrong once, and is no reason to fail.
fn passing(rng: &mut Rng, world: &World) -> Event {
    let (on, at) = place(rng, world);
    let skip = if rng.bool() { 0 } else { rng.usize(0..3) };
    let action = match rng.u8(0..10) {
        0..3 => Action::Reset,
        3..5 => Action::Close,
        5 => Action::Answer(Answer::text(408, "Request Timeout")),
        6 => Action::Answer(Answer::text(429, "slow down").header("Retry-After", "1")),
        7 => Action::Answer(Answer::internal_error(world.persona)),
        8 => Action::Answer(Answer::html(504, "<title>504 Gateway Time-out</title>")),
        _ => Action::Answer(Answer::html(502, "<title>502 Bad Gateway</title>")),
    };
    // An answer that nobody asked for is one to any question.
    let at = if at == Point::Accept { Point::Head } else { at };
    Event { on, at, act: Act::Fault(action), times: 1, skip }
}

fn fault(rng: &mut Rng, on: On, world: &World) -> Action {
    match (rng.u8(0..24), on) {
        (0..5, _) => Action::Reset,
        (5..8, _) => Action::Close,
        (8, _) => Action::Hang,
        (9, _) => Action::Raw(
            [&b"HTTP/1.1 2"[..], b"\x16\x03\x01\0\0", b"HTTP/1.1 200 OK\r\nContent-Le"][rng.usize(0..3)].into(),
        ),
        (10..12, On::List | On::Versions) => Action::Alter(Alter::CutAt(rng.usize(0..60))),
        (12, On::List) => Action::Alter(Alter::UpperCaseHashes),
        (10..14, On::Get(_) | On::AnyGet) => Action::SendOtherBytes,
        _ => Action::Answer(answer(rng, world)),
    }
}

/// An answer in the server's place.
fn answer(rng: &mut Rng, world: &World) -> Answer {
    let page = "<html><head><title>502 Bad Gateway</title></head></html>";
    match rng.u8(0..28) {
        0..4 => Answer::internal_error(world.persona),
        4..8 => Answer::html(502, page),
        8..10 => Answer::html(503, page).header("Retry-After", "0"),
        10..12 => Answer::html(504, page),
        12 => Answer::text(408, "Request Timeout"),
        13 => Answer::text(425, "Too Early"),
        14..16 => Answer::text(429, "slow down").header("Retry-After", "0"),
        16 => Answer::html(200, "<title>Sign in</title>"),
        17 => Answer::text(200, "not the file"),
        18 => Answer::text(206, "not the rest").header("Content-Range", "bytes 1-12/13"),
        19 => Answer::text(416, "invalid range: failed to overlap"),
        20 => Answer::empty(204),
        21 => Answer::empty(303).header("Location", "http://127.0.0.1:1/elsewhere?signature=TOKEN"),
        22 => Answer::text(401, "reqPackageAccess"),
        23 => Answer::json(401, "{\"message\":\"access token does not exist [sha: TOKEN]\"}"),
        24 => Answer::text(404, "package file does not exist"),
        25 => Answer::json(404, "{\"message\":\"package does not exist\"}"),
        26 => Answer::json(200, "[]"),
        _ => Answer::json(200, "[{\"name\":\"app.tar.gz\",\"size\":"),
    }
}
