//! Draws worlds, runs the library or the program in each over real sockets, and holds what comes of it against what the
//! registry has:
//!
//! - (i) exit code 0 means that each file of the plan is there bit for bit, or `skipped`;
//! - (ii) any other means that each file of the plan that is not there is named, and each that is named as published is
//!   there; doubt is `unknown`;
//! - (iii) no file that the user did not ask to overwrite has changed or gone;
//! - (iv) what outputs and summary call published is on the registry;
//! - (v) a run after it in which nothing goes wrong ends as the policy has it;
//! - (vi) no secret is seen anywhere.
//!
//! `draw` says how a world is drawn so that this can be decided. Each seed has a world for downloads too, and one
//! for seals and aliases: see `download` and `seal`.

mod check;
mod download;
mod draw;
mod journal;
mod run;
mod script;
mod seal;
mod told;
mod world;

use std::any::Any;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use embedded_registry::{Action, Registry};

use self::check::Scene;
use self::journal::seen;
use self::run::{Ender, Job, Ran};
use self::script::{ELSEWHERE, TOKENS};
use self::world::{Act, Later, World};

/// A run that nothing stands in the way of may take its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Many worlds.
pub(crate) struct Tour<'a> {
    /// The seed of the first; the others follow it.
    pub(crate) first: u64,
    /// How many.
    pub(crate) count: u64,
    /// The built program, for those in which it runs.
    pub(crate) program: &'a Path,
    /// How many at a time; most of their time is waiting.
    pub(crate) at_a_time: usize,
}

/// A world in which something does not hold.
pub(crate) struct Failure {
    /// Its seed.
    pub(crate) seed: u64,
    /// What does not hold, the whole world, and the log.
    pub(crate) report: String,
}

impl Tour<'_> {
    /// Visits every world; `visited` hears how many are behind us.
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

/// Lets the worlds of a seed run their course; the error says what does not hold in them.
fn visit(seed: u64, program: &Path) -> Result<(), String> {
    let world = Arc::new(draw::world(seed));
    let mut visit = Visit { world: &world, program, violations: Vec::new(), runs: Vec::new(), requests: Vec::new() };
    let panic = catch_unwind(AssertUnwindSafe(|| visit.go())).err();
    let Visit { violations, runs, requests, .. } = visit;
    let published = report(seed, panic, violations, || told_briefly(&world), &runs, &requests);
    [published, download::visit(seed, program), seal::visit(seed, program)].into_iter().collect()
}

/// What does not hold in a world, with all that there is to know of it.
fn report(
    seed: u64,
    panic: Option<Box<dyn Any + Send>>,
    mut violations: Vec<String>,
    world: impl Fn() -> String,
    runs: &[Ran],
    requests: &[(String, Option<u16>)],
) -> Result<(), String> {
    violations.extend(panic.map(|panic| format!("a panic: {}", in_words(panic.as_ref()))));
    if violations.is_empty() {
        return Ok(());
    }
    let mut report = format!("world {seed}:\n");
    // Writing to a String cannot fail.
    for violation in &violations {
        let _ = writeln!(report, "- {violation}");
    }
    let _ = writeln!(report, "{}", world());
    for ran in runs {
        let _ = writeln!(report, "--- a run, exit code {:?}:\n{}\n---", ran.code, ran.log);
    }
    for (request, status) in requests {
        let _ = writeln!(report, "{request} {status:?}");
    }
    Err(report)
}

/// The whole world, a line for each file and each event.
fn told_briefly(world: &World) -> String {
    let World { files, unrelated, events, .. } = world;
    let rest = World { files: Vec::new(), unrelated: Vec::new(), events: Vec::new(), ..world.clone() };
    let files: Vec<String> = files.iter().map(|file| format!("\n  {file:?}")).collect();
    let events: Vec<String> = events.iter().map(|event| format!("\n  {event:?}")).collect();
    let (files, events) = (files.concat(), events.concat());
    format!("{rest:?}\nunrelated: {unrelated:?}\nfiles:{files}\nevents:{events}")
}

fn in_words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("of another kind")
}

struct Visit<'a> {
    world: &'a Arc<World>,
    program: &'a Path,
    violations: Vec<String>,
    runs: Vec<Ran>,
    /// Those of the first run, and the status of each answer.
    requests: Vec<(String, Option<u16>)>,
}

impl Visit<'_> {
    fn go(&mut self) {
        let world = self.world;
        let (registry, journal) = script::registry(world);
        let elsewhere = || ELSEWHERE.map(|(owner, package, version)| registry.files(owner, package, version));
        let now = || seen(registry.world(), world.version);
        let (start, start_elsewhere) = (now(), elsewhere());
        let ender = Arc::new(Ender::new(world.runs));
        script::script(&registry, world, &journal, &ender);
        let mut job = Job::publishing(world, &registry);
        let Some(ran) = self.run(&mut job, &registry, TOKENS[0], world.silence, &ender) else { return };
        let hangs = world.events.iter().any(|event| matches!(event.act, Act::Fault(Action::Hang)));
        until_idle(&registry, hangs);
        let (end, requests) = (now(), registry.requests());
        let told =
            |request: &embedded_registry::Request| (format!("{} {}", request.method, request.target), request.status);
        self.requests = requests.iter().map(told).collect();
        let entries = journal.entries();
        let scene = Scene { world, ran: &ran, entries: &entries, requests: &requests, end: &end };
        self.violations.extend(scene.violations());
        if world.events.is_empty() || world.heals {
            self.violations.extend(check::differs_from_expected(world, &start, &ran, &end, false));
        }
        drop(entries);
        let was_broken_off = !matches!(ran.code, Some(0 | 1)) || world.silence < PATIENCE / 10;
        self.runs.push(ran);

        registry.clear_script();
        registry.listen_again();
        journal.entries().catch_up(registry.world(), world.version, Later::End);
        let before = now();
        let revoked = world.events.iter().any(|event| matches!(event.act, Act::Revoke));
        let ender = Arc::new(Ender::new(world.runs));
        let Some(ran) = self.run(&mut job, &registry, TOKENS[usize::from(revoked)], PATIENCE, &ender) else { return };
        self.violations.extend(check::differs_from_expected(world, &before, &ran, &now(), was_broken_off));
        self.runs.push(ran);
        if elsewhere() != start_elsewhere {
            self.violations.push(format!("(iii) elsewhere there is {:?} and not {start_elsewhere:?}", elsewhere()));
        }
    }

    fn run(
        &mut self,
        job: &mut Job,
        registry: &Registry,
        token: &str,
        silence: Duration,
        ender: &Arc<Ender>,
    ) -> Option<Ran> {
        let token = registry.token(token);
        let job = job.with_token(Some(&token));
        match job.run(self.world.runs, self.world.seed, self.program, silence, ender) {
            Ok(ran) => {
                self.violations.extend(check::shown_secrets(&ran, &token));
                Some(ran)
            }
            Err(error) => {
                self.violations.push(error);
                None
            }
        }
    }
}

/// Waits until the registry has dealt with every request, also with those that nobody waits for any more. One that
/// hangs and has not read all that was sent never learns that its client is gone; it does nothing any more.
fn until_idle(registry: &Registry, hangs: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let patience = if hangs { Duration::from_secs(1) } else { PATIENCE };
    let idle = async {
        while registry.requests().iter().any(|request| request.finished.is_none()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let ended = runtime.block_on(async { tokio::time::timeout(patience, idle).await });
    assert!(hangs || ended.is_ok(), "a request goes on without its client");
}
