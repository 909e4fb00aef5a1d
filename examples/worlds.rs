//! Visits many worlds: `cargo run --release --example worlds -- COUNT [SEED]`. It uses only the loopback interface,
//! and exits with 1 if any check fails.

#[path = "../tests/worlds/mod.rs"]
mod worlds;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use worlds::WorldRange;

/// The number of worlds between two progress lines.
const STEP: u64 = 500;
/// The number of failures that are shown in full.
const SHOWN: usize = 5;

#[expect(clippy::print_stdout, reason = "it speaks to the person who runs it")]
fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = env::args().skip(1);
    let count = arguments.next().unwrap_or_else(|| "10000".to_owned()).parse().context("COUNT is no number")?;
    let first = match arguments.next() {
        Some(seed) => seed.parse().context("SEED is no number")?,
        None => u64::from(getrandom::u32().context("there is no chance")?),
    };
    let program = build()?;
    println!("{count} worlds from seed {first}");
    let started = Instant::now();
    let tour = WorldRange { first, count, program: &program, at_a_time: 8 };
    let failures = tour.visit(|visited| {
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

/// Builds the program that the action runs, and returns its path.
fn build() -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--bin", "generic-packages"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    ensure!(cargo.status()?.success(), "the program cannot be built");
    let example = env::current_exe()?;
    let folder = example.parent().and_then(Path::parent).context("examples lie in a folder of the build")?;
    Ok(folder.join("generic-packages"))
}
