//! Draws the faults and events of a world: the requests, the point and the action.
//!
//! Temporary faults are drawn more often than permanent ones, which end a run early.

use std::time::Duration;

use embedded_registry::{Action, Alteration, Answer, Call, Match, Persona, Point};
use fastrand::Rng;

use super::draw::one_of;
use super::kind::Kind;
use super::world::{Act, Event, Runs, World, is_about_lists};

/// Bytes that are not HTTP.
const NO_HTTP: &[u8] = b"\x16\x03\x01\0\0";

/// The lengths of outages: a moment, a restart and a minute (scaled from seconds to milliseconds), and longer than a
/// run waits.
const OUTAGES: [Duration; 4] =
    [Duration::from_millis(2), Duration::from_millis(8), Duration::from_millis(60), Duration::from_secs(30)];

/// Draws requests, and a point in them.
pub(super) fn place<K: Kind>(rng: &mut Rng, world: &World<K>) -> (Match, Point) {
    let is_about_link = world.setting.link.is_some() && rng.u8(0..8) == 0;
    let is_about_id_tokens = world.setting.id_token_life.is_some() && rng.u8(0..6) == 0;
    let (on, length) = if is_about_id_tokens {
        (Match::id_token(), 0)
    } else if is_about_link {
        (one_of(rng, &[Match::link(), Match::version()]), 0)
    } else {
        world.of.requests(rng)
    };
    let length = length as u64;
    let within = one_of(rng, &[0, 1, length / 2, length * 9 / 10, 65535, 65536, length]).min(length);
    let at = match (rng.u8(0..10), on.method.as_deref(), on.call) {
        (0..2, ..) => Point::Head,
        (2..4, ..) => Point::AfterStore,
        (4, None, None) => Point::Accept,
        (4..6, Some("PUT"), _) => Point::RequestByte(within),
        (4..8, Some("GET"), Some(Call::File)) => Point::AnswerByte(within),
        (6, ..) => Point::AnswerByte(rng.u64(0..30)),
        _ => Point::BeforeStore,
    };
    (on, at)
}

/// Draws the number of matching requests that pass first.
fn skip(rng: &mut Rng) -> usize {
    if rng.bool() { 0 } else { rng.usize(0..4) }
}

/// Draws any event.
pub(super) fn event<K: Kind>(rng: &mut Rng, world: &World<K>) -> Event<K::Others> {
    let (on, at) = place(rng, world);
    let is_program = world.setting.runs == Runs::Program;
    let times = match rng.u8(0..10) {
        0..6 => 1,
        6..9 if !is_program => rng.usize(2..4),
        9 if !is_program => usize::MAX,
        _ => 2,
    };
    let skip = skip(rng);
    let act = match rng.u8(0..40) {
        0..22 => Act::Fault(fault(rng, &on, world)),
        22..34 => Act::Others(world.of.others(rng)),
        34..36 => Act::Revoke,
        36..38 => Act::Terminate,
        38 => Act::Fault(drip(rng)),
        _ => Act::Fault(Action::StopListening(one_of(rng, &OUTAGES))),
    };
    match act {
        // A hang costs time, so it affects at most two requests.
        Act::Fault(Action::Hang) => Event { on, at, act, times: times.min(2), skip },
        Act::Fault(_) => Event { on, at, act, times, skip },
        // Between two lists is where others catch a run out.
        Act::Others(_) if rng.bool() => {
            let early = rng.bool();
            let skip = rng.usize(0..if early { 5 } else { 12 });
            Event { on: Match::list(), at: Point::BeforeStore, act, times: 1, skip }
        }
        // Other jobs act once.
        act => Event { on, at: within_a_request(at), act, times: 1, skip },
    }
}

/// Draws a fault that occurs once, and must not fail the run.
pub(super) fn temporary_fault<K: Kind>(rng: &mut Rng, world: &World<K>) -> Event<K::Others> {
    let (on, at) = place(rng, world);
    let action = match rng.u8(0..12) {
        0..2 => Action::Reset,
        2 => Action::Close,
        // Within a response, these bytes would be part of it.
        3 if !matches!(at, Point::AnswerByte(_)) => Action::Raw(NO_HTTP.into()),
        4 => Action::Answer(Answer::text(408, "Request Timeout")),
        5 => Action::Answer(Answer::text(429, "slow down").header("Retry-After", "1")),
        6..8 => Action::Answer(Answer::internal_error(world.setting.persona)),
        8 => Action::Answer(Answer::html(504, "<title>504 Gateway Time-out</title>")),
        _ => Action::Answer(Answer::html(502, "<title>502 Bad Gateway</title>")),
    };
    // Without a request, a response could answer any later one.
    Event { on, at: within_a_request(at), act: Act::Fault(action), times: 1, skip: skip(rng) }
}

/// Draws an outage: the server stops listening during a request, whose connection breaks, after it has responded to
/// another one. The outage is short if `heals`.
pub(super) fn outage<K: Kind>(rng: &mut Rng, world: &World<K>, heals: bool) -> [Event<K::Others>; 2] {
    let (on, at) = place(rng, world);
    // The first request of a run is for a list, or for an ID token.
    let is_first = is_about_lists(&on) || on.call == Some(Call::IdToken);
    let skip = skip(rng).max(usize::from(is_first));
    let length = one_of(rng, if heals { &OUTAGES[..3] } else { &OUTAGES });
    [Action::StopListening(length), Action::Reset].map(|action| Event {
        on: on.clone(),
        at: within_a_request(at),
        act: Act::Fault(action),
        times: 1,
        skip,
    })
}

/// Replaces a point without a request by the head of a request.
fn within_a_request(at: Point) -> Point {
    if at == Point::Accept { Point::Head } else { at }
}

fn drip(rng: &mut Rng) -> Action {
    Action::drip(rng.u32(1..4), rng.u64(1..90_000), Duration::from_millis(rng.u64(0..4)))
}

fn fault<K: Kind>(rng: &mut Rng, on: &Match, world: &World<K>) -> Action {
    match (rng.u8(0..24), on.method.as_deref(), on.call) {
        (0..4, ..) => Action::Reset,
        (4..7, ..) => Action::Close,
        (7, ..) => Action::Hang,
        (8, ..) => {
            let begun: [&[u8]; 2] = [b"HTTP/1.1 201 Created\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Le"];
            Action::Raw(one_of(rng, &[b"HTTP/1.1 2", NO_HTTP, begun[0], begun[1]]).into())
        }
        (9, ..) => drip(rng),
        (10..12, _, Some(Call::Files | Call::Versions | Call::IdToken)) => {
            Action::Alter(Alteration::CutAt(rng.usize(0..60)))
        }
        (12, _, Some(Call::Files)) => Action::Alter(Alteration::UpperCaseHashes),
        (13..15, _, Some(Call::Files)) if K::CAN_ALTER_LISTS => Action::OutdatedList(rng.usize(1..4)),
        (10..14, Some("PUT"), Some(Call::File)) => Action::CorruptUpload,
        (10..14, Some("GET"), Some(Call::File)) => Action::CorruptDownload,
        _ => {
            let soon = if world.setting.runs == Runs::Library && rng.bool() { "1" } else { "0" };
            let may_lie = K::CAN_ALTER_LISTS || !is_about_lists(on);
            Action::Answer(answer(rng, on, world.setting.persona, soon, may_lie))
        }
    }
}

/// Draws a response in place of the server's.
fn answer(rng: &mut Rng, on: &Match, persona: Persona, soon: &str, may_lie: bool) -> Answer {
    let page = "<html><head><title>502 Bad Gateway</title></head></html>";
    match rng.u8(0..40) {
        0..4 => Answer::internal_error(persona),
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
        21 => Answer::empty(303).header("Location", "http://127.0.0.1:1/elsewhere?signature=TOKEN"),
        22 => Answer::text(400, "invalid filename"),
        23 => Answer::text(401, "Failed to authenticate user"),
        24 => Answer::text(401, "reqPackageAccess"),
        25 => Answer::text(403, "maximum allowed package storage quota exceeded"),
        26 => Answer::text(403, "maximum allowed package type size exceeded"),
        27 => Answer::html(413, "<title>413 Request Entity Too Large</title>"),
        28 => Answer::text(200, "not the file"),
        29 => Answer::text(206, "not the rest").header("Content-Range", "bytes 1-12/13"),
        30 => Answer::text(416, "invalid range: failed to overlap"),
        31 => Answer::json(200, "[{\"name\":\"app.tar.gz\",\"size\":"),
        32 => Answer::json(200, "{\"surprise\":true}"),
        33 if may_lie => Answer::json(200, "[]"),
        34 if may_lie => Answer::text(404, "Not found."),
        35 if may_lie => Answer::text(404, "package file does not exist"),
        36 if may_lie => Answer::json(404, "{\"message\":\"package does not exist\"}"),
        37..39 if on.call != Some(Call::Files) => Answer::text(409, "package file already exists"),
        _ => Answer::json(401, "{\"message\":\"access token does not exist [sha: TOKEN]\"}"),
    }
}
