//! Draws random worlds, runs the library or the program in each over real sockets, and compares the results with the
//! registry.
//!
//! A seed has a world of each kind: `publish`, `download` and `checksums`. Each defines its random parts, its run, and its
//! checks. Shared by all kinds: `kind` is their trait; `world` has the settings and events of a run; `draw` and `faults`
//! choose them at random; `script` sets up the registry; `credential` has the credentials; `job` runs the library or the
//! program; `outputs` parses the outputs; `check`, `link` and `dry_run` check every run; `visit` does all of this in order.

mod check;
mod checksums;
mod credential;
mod download;
mod draw;
mod dry_run;
mod faults;
mod job;
mod journal;
mod kind;
mod link;
mod outputs;
mod publish;
mod script;
mod visit;
mod world;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use self::checksums::Checksums;
use self::download::Download;
use self::publish::Publish;

/// A sequence of worlds to visit.
pub(crate) struct WorldRange<'a> {
    /// The seed of the first world. The others have the next numbers.
    pub(crate) first: u64,
    /// The number of worlds.
    pub(crate) count: u64,
    /// The built program, for worlds in which it runs.
    pub(crate) program: &'a Path,
    /// The number of worlds at a time. They spend most of their time waiting.
    pub(crate) at_a_time: usize,
}

/// A world with violations.
pub(crate) struct Failure {
    /// Its seed.
    pub(crate) seed: u64,
    /// The violations, the whole world, and the log.
    pub(crate) report: String,
}

impl WorldRange<'_> {
    /// Visits every world. `visited` is called with the number of finished worlds.
    pub(crate) fn visit(&self, visited: impl Fn(u64) + Sync) -> Vec<Failure> {
        let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
        let failures = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..self.at_a_time {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= self.count {
                            return;
                        }
                        let seed = self.first.wrapping_add(index);
                        if let Err(report) = visit(seed, self.program) {
                            failures.lock().unwrap_or_else(PoisonError::into_inner).push(Failure { seed, report });
                        }
                        visited(done.fetch_add(1, Ordering::Relaxed) + 1);
                    }
                });
            }
        });
        let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        failures.sort_by_key(|failure| failure.seed);
        failures
    }
}

/// Visits the worlds of a seed, one of each kind. The error contains the violations.
fn visit(seed: u64, program: &Path) -> Result<(), String> {
    let visits = [visit::visit::<Publish>, visit::visit::<Download>, visit::visit::<Checksums>];
    let reports: Vec<String> = visits.iter().filter_map(|visit| visit(seed, program).err()).collect();
    if reports.is_empty() { Ok(()) } else { Err(reports.concat()) }
}
