//! Draws a world from a seed.
//!
//! Passing faults are drawn more often than final ones, which end a run soon. What is left out, so that every check
//! stays decidable:
//!
//! - A list that shows the registry as it was earlier is not combined with others who take files away: what it shows of
//!   them was true once.
//! - Where others take files away, a list that was made reaches us: what goes wrong with lists goes wrong before. So
//!   what was there when the last list was made is all that a run can know at its end: what it says has to hold of
//!   that, or of what is there in the end.
//! - No list names a file that is not there.
//!
//! In every fourth world everything passes: each thing goes wrong once, and there are as many retries as such things.
//!
//! Each world whose seed is a multiple of 25 runs the program. It has waits of half a second and more, so little goes
//! wrong there but for signals.

use std::time::Duration;

use embedded_registry::{Action, Alter, Answer, Persona, Point};
use fastrand::Rng;

use super::world::{Act, Content, Event, File, Later, On, Policy, Runs, World};

/// Names that nobody would choose, none of them the beginning of another, also percent-encoded.
pub(super) const NAMES: [&str; 14] = [
    "app.tar.gz",
    "SHA256SUMS",
    "a b.txt",
    "x%2Fy.bin",
    "-rf",
    "~tilde",
    "[1]{2}(3)",
    "c#d&e=f;g.txt",
    "@at!",
    "$dollar^",
    "Widget_1.0.0_AMD64.deb",
    ".hidden",
    "%41.txt",
    "plus+plus:colon",
];
pub(super) const VERSIONS: [&str; 4] = ["v1.0.0", "feature/x", "1.0 \u{e9}", "1.0+b?c#d"];
/// The registry is asked for the right to write before a file of more than 1 MiB is sent.
const LARGE: usize = 1024 * 1024 + 1;
/// How much goes wrong at most where all of it passes.
const PASSING: usize = 5;

/// The world of a seed.
pub(crate) fn world(seed: u64) -> World {
    let mut rng = Rng::with_seed(seed);
    let runs = if seed.is_multiple_of(25) { Runs::Program } else { Runs::Library };
    let files = files(&mut rng);
    let mut world = World {
        seed,
        persona: Persona::all()[rng.usize(0..9)],
        version: VERSIONS[if rng.u8(0..4) > 0 { 0 } else { rng.usize(0..4) }],
        files,
        unrelated: (0..rng.usize(0..3)).map(|n| (format!("other-{n}.txt"), content(&mut rng, 100))).collect(),
        policy: [Policy::Fail, Policy::Skip, Policy::Overwrite, Policy::Overwrite][rng.usize(0..4)],
        concurrency: rng.usize(1..=8),
        retries: if runs == Runs::Program { rng.u32(0..=1) } else { rng.u32(0..=6) },
        silence: Duration::from_secs(10),
        runs,
        heals: runs == Runs::Library && rng.u8(0..4) == 0,
        events: Vec::new(),
    };
    if world.heals {
        world.events = (0..rng.usize(0..=PASSING)).map(|_| passing(&mut rng, &world)).collect();
        world.retries = u32::try_from(world.events.len()).unwrap_or_default();
        return world;
    }
    let most = if runs == Runs::Program { 3 } else { 8 };
    world.events = (0..rng.usize(0..=most)).map(|_| event(&mut rng, &world)).collect();
    if runs == Runs::Program && rng.bool() {
        let act = if rng.bool() { Act::Kill } else { Act::Terminate };
        let (on, at) = place(&mut rng, &world);
        world.events.push(Event { on, at, act, times: 1, skip: rng.usize(0..4) });
    }
    leave_out_what_cannot_be_decided(&mut world);
    if world.events.iter().any(|event| matches!(event.act, Act::Fault(Action::Hang))) {
        world.silence = Duration::from_millis(150);
    }
    world
}

fn leave_out_what_cannot_be_decided(world: &mut World) {
    let is_program = world.runs == Runs::Program;
    let takes_away = world.events.iter().any(|event| event.act.takes_away());
    world.events.retain(|event| {
        let about_lists = matches!(event.on, On::List | On::Any);
        let after_list = matches!(event.at, Point::AfterStore | Point::AnswerByte(_));
        let alters = matches!(event.act, Act::Fault(Action::Lag(_) | Action::Alter(_)));
        let is_fault = matches!(event.act, Act::Fault(_));
        !(takes_away && about_lists && is_fault && (after_list || alters))
            && !(is_program && matches!(event.act, Act::Fault(Action::Hang)))
    });
}

fn files(rng: &mut Rng) -> Vec<File> {
    let mut names = NAMES;
    rng.shuffle(&mut names);
    let count = rng.usize(1..=8);
    names[..count].iter().map(|name| file(rng, name)).collect()
}

fn file(rng: &mut Rng, name: &str) -> File {
    let length = match rng.u8(0..16) {
        0 => 0,
        1 => 1,
        2 => 64 * 1024 - 1,
        3 => 64 * 1024,
        4 => 64 * 1024 + 1,
        5 => LARGE,
        _ => rng.usize(2..8000),
    };
    let ours = content(rng, length);
    let spelling = if rng.u8(0..4) == 0 { in_other_case(name) } else { name.to_owned() };
    let there = match rng.u8(0..9) {
        0..5 => None,
        5 => Some(ours),
        6 if length > 0 => Some(content(rng, length)),
        _ => Some(content(rng, length + 1)),
    };
    File { name: name.to_owned(), content: ours, there: there.map(|theirs| (spelling, theirs)) }
}

fn content(rng: &mut Rng, length: usize) -> Content {
    Content { of: rng.u64(..), length }
}

fn in_other_case(name: &str) -> String {
    let swapped = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    name.chars().map(swapped).collect()
}

/// Which requests, and where in them.
fn place(rng: &mut Rng, world: &World) -> (On, Point) {
    let file = rng.usize(0..world.files.len());
    let on = match rng.u8(0..16) {
        0..4 => On::List,
        4..6 => On::AnyPut,
        6..11 => On::Put(file),
        11 => On::Question,
        12..14 => On::AnyDelete,
        14 => On::Version,
        _ => On::Any,
    };
    let length = world.files[file].content.length as u64;
    let at = match rng.u8(0..10) {
        0..2 => Point::Head,
        2..4 if matches!(on, On::Put(_) | On::AnyPut) => {
            Point::RequestByte([0, 1, length / 2, 65535, 65536, length][rng.usize(0..6)].min(length))
        }
        4..6 => Point::AfterStore,
        6 => Point::AnswerByte(rng.u64(0..30)),
        7 if on == On::Any => Point::Accept,
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
    let skip = if rng.bool() { 0 } else { rng.usize(0..4) };
    let act = match rng.u8(0..40) {
        0..22 => Act::Fault(fault(rng, on, world)),
        22..34 => others(rng, world.files.len()),
        34..36 => Act::Revoke,
        36..38 => Act::Terminate,
        _ => Act::Fault(Action::StopListening(Duration::from_millis(rng.u64(1..5)))),
    };
    match act {
        // A hang costs time, so it ends.
        Act::Fault(Action::Hang) => Event { on, at, act, times: times.min(2), skip },
        Act::StoreLater(file, _) => Event { on: On::Put(file), at: Point::BeforeStore, act, times: 1, skip },
        Act::DeleteLater(..) => Event { on: On::AnyDelete, at: Point::BeforeStore, act, times: 1, skip },
        Act::Fault(_) => Event { on, at, act, times, skip },
        // What others do, they do once; there is no request yet when a connection comes.
        act => Event { on, at: if at == Point::Accept { Point::Head } else { at }, act, times: 1, skip },
    }
}

/// Something that goes wrong once, and is no reason to fail.
fn passing(rng: &mut Rng, world: &World) -> Event {
    let (on, at) = place(rng, world);
    let skip = if rng.bool() { 0 } else { rng.usize(0..4) };
    let action = match (rng.u8(0..12), on) {
        (0..2, _) => Action::Reset,
        (2, _) => Action::Close,
        // Within an answer these would be words of it.
        (3, _) if !matches!(at, Point::AnswerByte(_)) => Action::Raw(b"\x16\x03\x01\0\0".into()),
        (4..8, On::Put(_)) if at != Point::AfterStore => Action::Answer(Answer::empty(201)),
        (4, _) => Action::Answer(Answer::text(408, "Request Timeout")),
        (5, _) => Action::Answer(Answer::text(429, "slow down").header("Retry-After", "1")),
        (6..8, _) => Action::Answer(Answer::internal_error(world.persona)),
        (8, _) => Action::Answer(Answer::html(504, "<title>504 Gateway Time-out</title>")),
        _ => Action::Answer(Answer::html(502, "<title>502 Bad Gateway</title>")),
    };
    // An answer that nobody asked for is one to any question.
    let at = if at == Point::Accept { Point::Head } else { at };
    Event { on, at, act: Act::Fault(action), times: 1, skip }
}

fn others(rng: &mut Rng, files: usize) -> Act {
    let file = rng.usize(0..files);
    let later = [Later::List(0), Later::List(1), Later::Put, Later::End][rng.usize(0..4)];
    match rng.u8(0..12) {
        0..2 => Act::PublishSame(file),
        2..4 => Act::PublishOther(file),
        4..6 => Act::Replace(file),
        6 => Act::Delete(file),
        7 => Act::PublishUnrelated,
        8 => Act::DeleteUnrelated,
        9..11 => Act::StoreLater(file, later),
        _ => Act::DeleteLater(file, later),
    }
}

fn fault(rng: &mut Rng, on: On, world: &World) -> Action {
    match (rng.u8(0..24), on) {
        (0..3, _) => Action::Reset,
        (3..5, _) => Action::Close,
        (5, _) => Action::Hang,
        (6, _) => Action::Raw(
            [&b"HTTP/1.1 2"[..], b"\x16\x03\x01\0\0", b"HTTP/1.1 201 Created\r\nContent-Le"][rng.usize(0..3)].into(),
        ),
        (7, _) => Action::drip(rng.u32(1..4), rng.u64(1..5000), Duration::from_millis(rng.u64(0..4))),
        (8..10, On::List) => Action::Lag(rng.usize(1..4)),
        (10..12, On::List) => Action::Alter(Alter::CutAt(rng.usize(0..60))),
        (12, On::List) => Action::Alter(Alter::UpperCaseHashes),
        (8..11, On::Put(_) | On::AnyPut) => Action::StoreOtherBytes,
        _ => Action::Answer(answer(rng, on, world)),
    }
}

/// An answer in the server's place.
fn answer(rng: &mut Rng, on: On, world: &World) -> Answer {
    let soon = if world.runs == Runs::Library && rng.bool() { "1" } else { "0" };
    let page = "<html><head><title>502 Bad Gateway</title></head></html>";
    match rng.u8(0..34) {
        0..4 => Answer::internal_error(world.persona),
        4..8 => Answer::html(502, page),
        8..10 => Answer::html(503, page).header("Retry-After", soon),
        10..12 => Answer::html(504, page),
        12 => Answer::text(408, "Request Timeout"),
        13 => Answer::text(425, "Too Early"),
        14..16 => Answer::text(429, "slow down").header("Retry-After", soon),
        16 => Answer::html(200, "<title>Sign in</title>"),
        17..19 => Answer::empty(201),
        19 => Answer::empty(204),
        20 => Answer::empty(307).header("Location", "/api/packages/alicia/generic/widget/v1.0.0/x"),
        21 => Answer::text(400, "invalid filename"),
        22 => Answer::text(401, "Failed to authenticate user"),
        23 => Answer::text(401, "reqPackageAccess"),
        24 => Answer::text(403, "maximum allowed package storage quota exceeded"),
        25 => Answer::text(403, "maximum allowed package type size exceeded"),
        26 => Answer::text(404, "Not found."),
        27 => Answer::text(404, "package file does not exist"),
        28 => Answer::json(404, "{\"message\":\"package does not exist\"}"),
        29..31 if on != On::List => Answer::text(409, "package file already exists"),
        29 => Answer::json(200, "[]"),
        30 => Answer::json(200, "[{\"name\":\"app.tar.gz\",\"size\":"),
        31 => Answer::json(200, "{\"surprise\":true}"),
        32 => Answer::html(413, "<title>413 Request Entity Too Large</title>"),
        _ => Answer::json(401, "{\"message\":\"access token does not exist [sha: TOKEN]\"}"),
    }
}
