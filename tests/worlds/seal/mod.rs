//! Worlds for seals and aliases, and what has to hold in each:
//!
//! - (i) exit code 0 means that the seal is that of all the version's files, the aliases are the version, byte for byte, and
//!   the run's own files are in it;
//! - (ii) any other comes with an error;
//! - (iii) outside the aliases nothing but the seal is deleted or replaced, and no version that is not named changes;
//! - (iv) outputs and summary say what is there;
//! - (v) a run after it in which nothing goes wrong makes all of it right, whatever was left behind;
//! - (vi) no secret is seen anywhere;
//! - (vii) of two runs at once, where both are green, each alias is one of the two versions as it is.

mod check;
mod draw;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use embedded_registry::{self as registry, Action, Fault, Match, Options, Point, Registry};
use generic_packages::checksum::{Hasher, Sha256};
use generic_packages::command::Command;

use self::check::{Scene, is_sealed, told_briefly};
use self::world::{ALIASES, Act, Event, OTHER, On, SEAL, VERSION, World};
use super::journal::{OWNER, PACKAGE};
use super::run::{Ender, Job, Ran};
use super::script::{ELSEWHERE, TOKENS, segment, with_echo};
use super::world::{Content, Runs};
use super::{PATIENCE, check as common, until_idle};

/// The contents of a version's files by their names.
type Files = BTreeMap<String, Vec<u8>>;

/// What each version had when the last list of it was made.
type Looks = BTreeMap<&'static str, Files>;

/// The versions that a run may read or change.
const VERSIONS: [&str; 4] = [VERSION, OTHER, ALIASES[0], ALIASES[1]];

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
        let registry = stocked(world);
        let elsewhere = || ELSEWHERE.map(|(owner, package, version)| registry.files(owner, package, version));
        let start_elsewhere = elsewhere();
        let looks = Arc::new(Mutex::new(Looks::new()));
        let ender = Arc::new(Ender::new(world.runs));
        script(&registry, world, &looks, &ender);
        let mut job = job(world, &registry, VERSION, &world.own);
        let token = registry.token(TOKENS[0]);
        let (ran, rival) = self.run_both(&mut job, &registry, &token, &ender);
        let Some(ran) = ran else { return };
        until_idle(&registry, world.has(|act| matches!(act, Act::Fault(Action::Hang))));
        let requests = registry.requests();
        self.requests = requests.iter().map(|it| (format!("{} {}", it.method, it.target), it.status)).collect();
        let end: BTreeMap<_, _> = VERSIONS.map(|version| (version, files(registry.world(), version))).into();
        if let Some(rival) = rival {
            self.violations.extend(mixture(world, &[&ran, &rival], &end));
            self.runs.push(rival);
        } else {
            let looks = looks.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let scene = Scene { world, ran: &ran, looks: &looks, end: &end, requests: &requests };
            self.violations.extend(scene.violations());
            if (world.events.is_empty() || world.heals) && ran.code != Some(0) {
                self.violations.push(format!("(v) everything passes, and the exit code is {:?}", ran.code));
            }
        }
        self.runs.push(ran);

        registry.clear_script();
        let revoked = world.has(|act| matches!(act, Act::Revoke));
        let ender = Arc::new(Ender::new(world.runs));
        let token = registry.token(TOKENS[usize::from(revoked)]);
        // What was stored of an own file by a broken store is another's content, and stays.
        if self.is_spoilt(&files(registry.world(), VERSION)) {
            return;
        }
        let Some(ran) = self.run(&mut job, &token, PATIENCE, &ender) else { return };
        let version = files(registry.world(), VERSION);
        let are_right = ALIASES[..world.aliases.len()].iter().all(|alias| files(registry.world(), alias) == version);
        if ran.code != Some(0) || !is_sealed(&version) || !are_right {
            self.violations.push(format!("(v) the run after it ends with {:?}: {}", ran.code, told_briefly(&version)));
        }
        self.runs.push(ran);
        if elsewhere() != start_elsewhere {
            self.violations.push(format!("(iii) elsewhere there is {:?} and not {start_elsewhere:?}", elsewhere()));
        }
    }

    fn is_spoilt(&self, version: &Files) -> bool {
        self.world.own.iter().any(|(name, ours)| version.get(name).is_some_and(|there| *there != ours.bytes()))
    }

    /// The run, and its rival at the same time where there is one.
    fn run_both(
        &mut self,
        ours: &mut Job,
        registry: &Registry,
        token: &str,
        ender: &Arc<Ender>,
    ) -> (Option<Ran>, Option<Ran>) {
        let world = self.world;
        let Some(rival) = &world.rival else { return (self.run(ours, token, world.silence, ender), None) };
        let mut theirs = job(world, registry, rival.version(), &rival.own);
        let (program, theirs) = (self.program, theirs.with_token(Some(token)));
        thread::scope(|scope| {
            let ender = Arc::new(Ender::new(Runs::Library));
            let seed = world.seed ^ 1;
            let rival = scope.spawn(move || theirs.run(Runs::Library, seed, program, PATIENCE, &ender));
            let ours = self.run(ours, token, world.silence, &Arc::new(Ender::new(world.runs)));
            let rival = rival.join().expect("a run does not panic");
            self.violations.extend(rival.as_ref().err().cloned());
            (ours, rival.ok())
        })
    }

    fn run(&mut self, job: &mut Job, token: &str, silence: Duration, ender: &Arc<Ender>) -> Option<Ran> {
        let World { runs, seed, .. } = **self.world;
        match job.with_token(Some(token)).run(runs, seed, self.program, silence, ender) {
            Ok(ran) => {
                self.violations.extend(common::shown_secrets(&ran, token));
                Some(ran)
            }
            Err(error) => {
                self.violations.push(error);
                None
            }
        }
    }
}

/// (vii): both are green, and something is neither of the two, or a seal does not hold.
fn mixture(world: &World, runs: &[&Ran], end: &BTreeMap<&'static str, Files>) -> Vec<String> {
    let mut wrong = Vec::new();
    for ran in runs {
        if !matches!(ran.code, Some(0 | 1)) {
            wrong.push(format!("(ii) the exit code is {:?}", ran.code));
        }
    }
    if runs.iter().any(|ran| ran.code != Some(0)) {
        return wrong;
    }
    let versions: &[&str] =
        if world.rival.as_ref().is_some_and(|rival| rival.is_of_other) { &[VERSION, OTHER] } else { &[VERSION] };
    for version in versions.iter().filter(|version| !is_sealed(&end[**version])) {
        wrong.push(format!("(vii) {version} is not sealed: {}", told_briefly(&end[version])));
    }
    for alias in &ALIASES[..world.aliases.len()] {
        if !versions.iter().any(|version| end[alias] == end[version]) {
            wrong.push(format!("(vii) {alias} is a mixture: {}", told_briefly(&end[alias])));
        }
    }
    wrong
}

fn sha256(bytes: &[u8]) -> Sha256 {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

/// What a version has now.
fn files(registry: &registry::World, version: &str) -> Files {
    let read = |name: &str| registry.read(OWNER, PACKAGE, version, name).unwrap_or_default();
    registry.files(OWNER, PACKAGE, version).into_iter().map(|file| (file.name.clone(), read(&file.name))).collect()
}

/// A registry on which everything is as at the start.
fn stocked(world: &World) -> Registry {
    let registry = Registry::start_with(Options { persona: world.persona, ..Options::default() });
    let seed = |version: &str, files: &[(String, Content)]| {
        for (name, content) in files {
            registry.seed(OWNER, PACKAGE, version, name, &content.bytes());
        }
    };
    seed(VERSION, &world.there);
    if world.has_old_seal {
        registry.seed(OWNER, PACKAGE, VERSION, &SEAL.to_lowercase(), b"of an earlier run");
    }
    for (alias, files) in ALIASES.iter().zip(&world.aliases) {
        seed(alias, files);
    }
    for (owner, package, version) in ELSEWHERE.into_iter().filter(|(_, _, version)| *version != OTHER) {
        registry.seed(owner, package, version, "kept.txt", b"of somebody else");
    }
    registry
}

fn job(world: &World, registry: &Registry, version: &str, own: &[(String, Content)]) -> Job {
    let mut job = Job::new(Command::Publish, registry).with(&[
        ("INPUT_FILES", if own.is_empty() { "" } else { "dist/*" }),
        ("INPUT_INCLUDE-HIDDEN-FILES", "true"),
        ("INPUT_VERSION", version),
        ("INPUT_CHECKSUMS", SEAL),
        ("INPUT_ALSO-VERSION", &ALIASES[..world.aliases.len()].join("\n")),
        ("INPUT_CONCURRENCY", &world.concurrency.to_string()),
        ("INPUT_RETRIES", &world.retries.to_string()),
    ]);
    for (name, content) in own {
        job.file(&format!("dist/{name}"), &content.bytes());
    }
    job
}

/// Lets the registry note what each look shows, and everything happen that the world has.
fn script(registry: &Registry, world: &Arc<World>, looks: &Arc<Mutex<Looks>>, ender: &Arc<Ender>) {
    for version in VERSIONS {
        let looks = Arc::clone(looks);
        let look = Action::then(move |registry| {
            let files = files(registry, version);
            looks.lock().unwrap_or_else(PoisonError::into_inner).insert(version, files);
        });
        let lists = Match::list().containing(&format!("/{}/", segment(version)));
        registry.script(Fault::always(lists, Point::AfterStore, look));
    }
    for event in &world.events {
        let place = if event.of_alias { format!("/{}/", segment(ALIASES[0])) } else { String::new() };
        let on = match event.on {
            On::List => Match::list().containing(&place),
            On::Put => Match::put(&place),
            On::PutOfSeal => Match::put(&if event.of_alias { format!("{place}{SEAL}") } else { format!("/{SEAL}") }),
            // Only the version is downloaded from.
            On::Get => Match::get(""),
            On::Delete => Match::delete(&place),
        };
        let action = action(event, registry, world, ender);
        registry.script(Fault { times: event.times, skip: event.skip, ..Fault::once(on, event.at, action) });
    }
}

fn action(event: &Event, registry: &Registry, world: &Arc<World>, ender: &Arc<Ender>) -> Action {
    let (world, ender) = (Arc::clone(world), Arc::clone(ender));
    let act = match event.act.clone() {
        Act::Fault(action) => return with_echo(&action, &registry.token(TOKENS[0])),
        act => act,
    };
    Action::then(move |registry| {
        let alias = ALIASES[0];
        let named = |number: usize| world.names()[number % world.names().len()].to_owned();
        let replace = |version: &str, name: &str| {
            registry.delete(OWNER, PACKAGE, version, name);
            registry.store(OWNER, PACKAGE, version, name, b"another job's");
        };
        match act {
            Act::Publish(number) => {
                registry.store(OWNER, PACKAGE, VERSION, &format!("late-{number}"), b"late");
            }
            Act::ReplaceSeal => replace(VERSION, SEAL),
            Act::PublishToAlias if !world.aliases.is_empty() => {
                registry.store(OWNER, PACKAGE, alias, "late-stray", b"late");
            }
            Act::ReplaceInAlias(number) if !world.aliases.is_empty() => replace(alias, &named(number)),
            Act::DeleteInAlias(number) => {
                registry.delete(OWNER, PACKAGE, alias, &named(number));
            }
            Act::Fault(_) | Act::PublishToAlias | Act::ReplaceInAlias(_) => {}
            Act::Revoke => registry.revoke(TOKENS[0]),
            Act::Terminate => ender.terminate(),
            Act::Kill => ender.kill(),
        }
    })
}
