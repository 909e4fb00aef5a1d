//! Visits many worlds: `cargo run --release --example worlds -- COUNT [SEED]`. It uses only the loopback interface,
//! and exits with 1 if any check fails.

mod program;
#[path = "../tests/worlds/mod.rs"]
mod worlds;

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use worlds::WorldRange;

/// The number of worlds between two progress lines.
const STEP: u64 = 500;
/// The number of failures that are shown in full.
const SHOWN: usize = 5;

#[expect(clippy::print_stdout, reason = "it prints to the terminal")]
fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = env::args().skip(1);
    let count = arguments.next().unwrap_or_else(|| "10000".to_owned()).parse().context("COUNT is not a number")?;
    let first = match arguments.next() {
        Some(seed) => seed.parse().context("SEED is not a number")?,
        None => u64::from(getrandom::u32().context("failed to choose a random seed")?),
    };
    let program = program::build(!cfg!(debug_assertions))?;
    println!("{count} worlds from seed {first}");
    let started = Instant::now();
    let range = WorldRange { first, count, program: &program, at_a_time: 8 };
    let failures = range.visit(|visited| {
        if visited.is_multiple_of(STEP) {
            println!("{visited} of {count} after {:.0} s", started.elapsed().as_secs_f64());
        }
    });
    for failure in failures.iter().take(SHOWN) {
        println!("{}", failure.report);
    }
    let seeds: Vec<u64> = failures.iter().map(|failure| failure.seed).collect();
    let took = started.elapsed().as_secs_f64();
    println!("{count} worlds from seed {first} in {took:.0} s: {} fail {seeds:?}", failures.len());
    Ok(ExitCode::from(u8::from(!failures.is_empty())))
}
