//! Draws the settings of a world from a seed. `faults` draws its faults.
//!
//! In every fourth world, all faults are temporary: each occurs once, and there are as many retries as faults. The
//! same applies if two jobs run at the same time. In some of these worlds, the only fault is an outage, and there is
//! one retry. The program has waits of half a second and more, so its worlds have few faults except signals. In half
//! of them a signal ends the program, SIGKILL more often than SIGTERM.

use std::time::Duration;

use embedded_registry::{Action, Persona};
use fastrand::Rng;
use generic_packages::command::Command;

use super::faults;
use super::kind::Kind;
use super::link;
use super::world::{Act, Content, Event, File, Runs, Setting, World};

/// Usual and unusual names. None is the beginning of another, not even percent-encoded.
pub(crate) const NAMES: [&str; 14] = [
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
const VERSIONS: [&str; 4] = ["v1.0.0", "feature/x", "1.0 \u{e9}", "1.0+b?c#d"];
/// A size in bytes for which write access is checked before the upload.
const LARGE: usize = 1024 * 1024 + 1;
/// The number of additional retries if another job runs at the same time.
const TRIES_AGAINST_A_RIVAL: u32 = 8;
/// The lives of ID tokens in seconds. A short one is renewed during a slow run.
const ID_TOKEN_LIVES: [u64; 4] = [2, 5, 60, 300];

/// Draws the world of a seed.
pub(crate) fn world<K: Kind>(seed: u64) -> World<K> {
    let mut rng = Rng::with_seed(seed ^ K::SALT);
    let runs = if seed.is_multiple_of(K::PROGRAM_EVERY) { Runs::Program } else { Runs::Library };
    let id_token_life = (rng.u8(0..6) == 0).then(|| Duration::from_secs(one_of(&mut rng, &ID_TOKEN_LIVES)));
    let setting = Setting {
        seed,
        persona: if id_token_life.is_some() { Persona::Forgejo16 } else { one_of(&mut rng, &Persona::all()) },
        id_token_life,
        runs,
        concurrency: rng.usize(1..=8),
        retries: if runs == Runs::Program { rng.u32(0..=1) } else { rng.u32(0..=6) },
        stall_timeout: Duration::from_secs(10),
        is_dry: K::TASK == Command::Publish && rng.u8(0..8) == 0,
        link: if K::TASK == Command::Publish { link::draw(&mut rng) } else { None },
    };
    let of = K::draw(&mut rng, &setting);
    let has_rival = of.has_rival();
    let heals = runs == Runs::Library && rng.u8(0..4) == 0 && !has_rival;
    let mut world = World { setting, of, heals, events: Vec::new() };
    // The requests of two runs cannot be distinguished.
    world.setting.is_dry &= !has_rival;
    if heals && rng.u8(0..3) == 0 {
        world.events = faults::outage(&mut rng, &world, true).into();
        // The server may be back before the first probe.
        world.setting.retries = 1;
    } else if heals || has_rival {
        world.events = (0..rng.usize(0..6)).map(|_| faults::temporary_fault(&mut rng, &world)).collect();
        let tries = u32::try_from(world.events.len()).unwrap_or_default();
        world.setting.retries = tries + if has_rival { TRIES_AGAINST_A_RIVAL } else { 0 };
    } else {
        let count = rng.usize(0..if runs == Runs::Program { 4 } else { 9 });
        world.events = (0..count).map(|_| faults::event(&mut rng, &world)).collect();
        if runs == Runs::Library && rng.u8(0..4) == 0 {
            let outage = faults::outage(&mut rng, &world, false);
            world.events.extend(outage);
        }
    }
    if runs == Runs::Program {
        world.events.retain(|event| !matches!(event.act, Act::Fault(Action::Hang)));
        if rng.bool() {
            let act = if rng.u8(0..3) > 0 { Act::Kill } else { Act::Terminate };
            let (on, at) = faults::place(&mut rng, &world);
            world.events.push(Event { on, at, act, times: 1, skip: rng.usize(0..4) });
        }
    }
    K::settle(&mut world);
    if world.has_fault(|action| matches!(action, Action::Hang)) {
        world.setting.stall_timeout = Duration::from_millis(150);
    }
    world
}

pub(crate) fn one_of<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(0..from.len())].clone()
}

/// Draws the name of a version, most often a usual one.
pub(crate) fn version(rng: &mut Rng) -> &'static str {
    if rng.u8(0..4) > 0 { VERSIONS[0] } else { one_of(rng, &VERSIONS) }
}

/// Returns all names except some, in random order.
pub(crate) fn names(rng: &mut Rng, but: &[&str]) -> impl Iterator<Item = String> + use<> {
    let mut names = NAMES.map(str::to_owned).to_vec();
    names.retain(|name| !but.contains(&name.as_str()));
    rng.shuffle(&mut names);
    names.into_iter()
}

/// Draws `least` to `most` files with the next names.
pub(crate) fn files(rng: &mut Rng, names: &mut impl Iterator<Item = String>, least: usize, most: usize) -> Vec<File> {
    let count = rng.usize(least..=most);
    names.take(count).map(|name| (name, content(rng))).collect()
}

pub(crate) fn content(rng: &mut Rng) -> Content {
    let length = match rng.u8(0..18) {
        0 => 0,
        1 => 1,
        2 => 64 * 1024 - 1,
        3 => 64 * 1024,
        4 => 64 * 1024 + 1,
        5 => LARGE,
        6 => 300_000,
        _ => rng.usize(2..8000),
    };
    Content { of: rng.u64(..), length }
}

/// Draws another content, of the same or a different length.
pub(crate) fn other_than(content: Content, rng: &mut Rng) -> Content {
    let is_of_same_length = content.length > 0 && rng.bool();
    Content { of: rng.u64(..), length: content.length + usize::from(!is_of_same_length) }
}

pub(crate) fn in_other_case(name: &str) -> String {
    let swapped = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    name.chars().map(swapped).collect()
}
