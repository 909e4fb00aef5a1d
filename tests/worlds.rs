//! Checks the promises of the program in random worlds: see `worlds/mod.rs`.
//!
//! `WORLD_SEED=... cargo test --test worlds` visits one world again, and `WORLD_COUNT=...` sets the number of worlds
//! from there on. Uploads run at the same time, so that a world may need a few visits until it fails again. `cargo
//! run --release --example worlds -- 10000` visits many.

#[path = "worlds/mod.rs"]
mod worlds;

use std::env;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Instant;

use worlds::WorldRange;

/// The number of worlds that a test run visits.
const COUNT: u64 = 500;

#[test]
fn all_promises_hold_in_every_world() {
    let given =
        |name| env::var_os(name).map(|text| text.to_str().and_then(|text| text.parse().ok()).expect("a number"));
    let seed = given("WORLD_SEED");
    let count = given("WORLD_COUNT").unwrap_or(if seed.is_some() { 1 } else { COUNT });
    let first = seed.unwrap_or_else(|| getrandom::u32().map(u64::from).expect("a random number"));
    // Bypasses the output capture of the test runner.
    let say = |text: &str| drop(writeln!(io::stderr(), "{text}"));
    say(&format!("{count} worlds from seed {first}"));
    let started = Instant::now();
    let range = WorldRange { first, count, program: Path::new(env!("CARGO_BIN_EXE_generic-packages")), at_a_time: 8 };
    let failures = range.visit(|_| {});
    say(&format!("{count} worlds from seed {first}: {:.1} s", started.elapsed().as_secs_f64()));
    let reports: Vec<&str> = failures.iter().take(3).map(|failure| failure.report.as_str()).collect();
    let seeds: Vec<u64> = failures.iter().map(|failure| failure.seed).collect();
    assert!(
        failures.is_empty(),
        "{}\n{} of {count} worlds fail: {seeds:?}. To repeat one: WORLD_SEED={} cargo test --test worlds",
        reports.join("\n"),
        failures.len(),
        seeds[0],
    );
}
