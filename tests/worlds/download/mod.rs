//! Worlds for downloads, and what has to hold in each:
//!
//! - (i) exit code 0 means that each wanted file is here with a content that the registry had under its name, or, where
//!   nothing could verify, with the length that the server promised;
//! - (ii) whatever the exit code, and also where the program was killed, what is here under a wanted name is what was here
//!   before or such a content, and under any other name what was here before;
//! - (iii) nothing is left beside the files by a run that was not killed;
//! - (iv) outputs and summary say what is here, and of what is unchanged nothing was asked;
//! - (v) a run after it in which nothing goes wrong brings all that is there;
//! - (vi) no secret is seen anywhere, and a visitor sends none.

mod check;
mod draw;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use embedded_registry::{Action, Fault, Match, Options, Registry};
use generic_packages::checksum::Hasher;
use generic_packages::command::Command;

use self::check::Scene;
use self::world::{Act, CHECKSUMS, Event, On, World};
use super::journal::{OWNER, PACKAGE};
use super::run::{Ender, Job, Ran};
use super::script::{TOKENS, segment, with_echo};
use super::world::Content;
use super::{PATIENCE, check as common, until_idle};

/// All contents that the registry ever had, by their names.
type History = Arc<Mutex<BTreeMap<String, Vec<Vec<u8>>>>>;

/// Everything in the folder, by its name.
type Here = BTreeMap<String, Vec<u8>>;

/// Lets the world of a seed run its course; the error says what does not hold in it.
pub(super) fn visit(seed: u64, program: &Path) -> Result<(), String> {
    let world = Arc::new(draw::world(seed));
    let mut visit = Visit { world: &world, program, violations: Vec::new(), runs: Vec::new(), requests: Vec::new() };
    let panic = catch_unwind(AssertUnwindSafe(|| visit.go())).err();
    let Visit { violations, runs, requests, .. } = visit;
    super::report(seed, panic, violations, || format!("{world:#?}"), &runs, &requests)
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
        let (registry, history) = registry(world);
        let ender = Arc::new(Ender::new(world.runs));
        script(&registry, world, &history, &ender);
        let mut job = job(world, &registry);
        let before = here(&job);
        let token = registry.token(TOKENS[0]);
        let Some(ran) = self.run(&mut job, &token, world.silence, &ender) else { return };
        until_idle(&registry, world.has(|act| matches!(act, Act::Fault(Action::Hang))));
        let requests = registry.requests();
        self.requests = requests.iter().map(|it| (format!("{} {}", it.method, it.target), it.status)).collect();
        let after = here(&job);
        let known = history.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let scene = Scene { world, ran: &ran, before: &before, after: &after, known: &known, requests: &requests };
        self.violations.extend(scene.violations());
        if world.events.is_empty() || world.heals {
            self.violations.extend(check::differs_from_expected(world, &registry, &ran, &before, &after));
        }
        self.runs.push(ran);

        registry.clear_script();
        let before = here(&job);
        let revoked = world.has(|act| matches!(act, Act::Revoke));
        let ender = Arc::new(Ender::new(world.runs));
        let token = registry.token(TOKENS[usize::from(revoked)]);
        let Some(ran) = self.run(&mut job, &token, PATIENCE, &ender) else { return };
        self.violations.extend(check::differs_from_expected(world, &registry, &ran, &before, &here(&job)));
        self.runs.push(ran);
    }

    fn run(&mut self, job: &mut Job, token: &str, silence: Duration, ender: &Arc<Ender>) -> Option<Ran> {
        let World { runs, seed, is_visitor, .. } = **self.world;
        let job = job.with_token(Some(token).filter(|_| !is_visitor));
        match job.run(runs, seed, self.program, silence, ender) {
            Ok(ran) => {
                // A token that the run does not have is none of its secrets.
                if !is_visitor {
                    self.violations.extend(common::shown_secrets(&ran, token));
                }
                Some(ran)
            }
            Err(error) => {
                self.violations.push(error);
                None
            }
        }
    }
}

/// The SHA-256 of some bytes, in lower-case hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish().to_string()
}

fn registry(world: &World) -> (Registry, History) {
    let registry = Registry::start_with(Options { persona: world.persona, ..Options::default() });
    let mut known = BTreeMap::new();
    let mut sums = String::new();
    // Others that are not meant.
    registry.seed(OWNER, PACKAGE, "v0.9.0", "older.txt", b"of an older version");
    registry.seed(OWNER, "widget-extra", "v9.0.0", "app.tar.gz", b"of another package");
    for file in &world.files {
        let bytes = file.content.bytes();
        registry.seed(OWNER, PACKAGE, world.version, &file.name, &bytes);
        // Writing to a String cannot fail.
        let _ = writeln!(sums, "{}  {}", sha256(&bytes), file.name);
        known.insert(file.name.clone(), vec![bytes]);
    }
    if world.has_checksums {
        registry.seed(OWNER, PACKAGE, world.version, CHECKSUMS, sums.as_bytes());
    }
    (registry, Arc::new(Mutex::new(known)))
}

fn job(world: &World, registry: &Registry) -> Job {
    let lines: Vec<String> =
        world.files.iter().filter(|file| file.is_wanted).map(|file| format!("./{}", file.name)).collect();
    let version = if world.is_latest && world.version == "v1.0.0" { "latest" } else { world.version };
    let mut job = Job::new(Command::Download, registry).with(&[
        ("INPUT_FILES", &lines.join("\n")),
        ("INPUT_VERSION", version),
        ("INPUT_PATH", "tools"),
        ("INPUT_CHECKSUMS", if world.has_checksums { CHECKSUMS } else { "" }),
        ("INPUT_CONCURRENCY", &world.concurrency.to_string()),
        ("INPUT_RETRIES", &world.retries.to_string()),
    ]);
    job.file("tools/unrelated", b"stays");
    for file in &world.files {
        if let Some(content) = file.here {
            job.file(&format!("tools/{}", file.name), &content.bytes());
        }
        if let Some(content) = file.part {
            job.file(&format!("tools/{}", part_of(&file.name)), &content.bytes());
        }
    }
    job
}

fn part_of(name: &str) -> String {
    format!(".{name}.generic-packages-part")
}

fn here(job: &Job) -> Here {
    let entries = fs::read_dir(job.path("workspace/tools")).expect("it is there").flatten();
    let named = |entry: fs::DirEntry| Some((entry.file_name().into_string().ok()?, fs::read(entry.path()).ok()?));
    entries.filter_map(named).collect()
}

fn script(registry: &Registry, world: &Arc<World>, history: &History, ender: &Arc<Ender>) {
    for event in &world.events {
        let on = match event.on {
            On::Any => Match::any(),
            On::Versions => Match::versions(),
            On::List => Match::list(),
            On::AnyGet => Match::get(""),
            On::Get(file) => Match::get(&format!("/{}", segment(&world.files[file].name))),
        };
        let action = action(event, registry, world, history, ender);
        registry.script(Fault { times: event.times, skip: event.skip, ..Fault::once(on, event.at, action) });
    }
}

fn action(event: &Event, registry: &Registry, world: &Arc<World>, history: &History, ender: &Arc<Ender>) -> Action {
    let (world, history, ender) = (Arc::clone(world), Arc::clone(history), Arc::clone(ender));
    match event.act.clone() {
        Act::Fault(action) => with_echo(&action, &registry.token(TOKENS[0])),
        Act::Replace(file, content) => Action::then(move |registry| {
            let (name, bytes) = (&world.files[file].name, Content::bytes(content));
            let mut known = history.lock().unwrap_or_else(PoisonError::into_inner);
            known.get_mut(name).expect("every file is known").push(bytes.clone());
            registry.delete(OWNER, PACKAGE, world.version, name);
            registry.store(OWNER, PACKAGE, world.version, name, &bytes);
        }),
        Act::Delete(file) => Action::then(move |registry| {
            registry.delete(OWNER, PACKAGE, world.version, &world.files[file].name);
        }),
        Act::Revoke => Action::then(|registry| registry.revoke(TOKENS[0])),
        Act::Terminate => Action::then(move |_| ender.terminate()),
        Act::Kill => Action::then(move |_| ender.kill()),
    }
}
