//! Visits a world of any kind: a run with the events of the world, then a run without faults. If it publishes, a dry
//! run comes before the second run.

use std::any::Any;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use embedded_registry::{Action, Registry};
use generic_packages::command::Command;

use super::check;
use super::credential::{Credential, credentials};
use super::draw;
use super::dry_run;
use super::job::{Canceler, Job, Ran};
use super::journal::Journal;
use super::kind::{Kind, Promises, Scene};
use super::script::{self, OWNER, PACKAGE};
use super::world::{Act, Runs, Setting, World};

/// The timeout of runs without faults.
const RUN_TIMEOUT: Duration = Duration::from_secs(30);

/// Visits the world of one kind of a seed. The error contains the violations with all details.
pub(super) fn visit<K: Promises>(seed: u64, program: &Path) -> Result<(), String> {
    let world = Arc::new(draw::world::<K>(seed));
    let mut visit = Visit {
        world: &world,
        program,
        credentials: Vec::new(),
        violations: Vec::new(),
        runs: Vec::new(),
        requests: Vec::new(),
    };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| visit.run_world())) {
        visit.violations.push(format!("a panic: {}", in_words(panic.as_ref())));
    }
    if visit.violations.is_empty() { Ok(()) } else { Err(visit.report()) }
}

fn in_words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("of an unknown type")
}

fn linked_to(registry: &Registry) -> Option<String> {
    registry.world().linked_repository(OWNER, PACKAGE)
}

struct Visit<'a, K: Kind> {
    world: &'a Arc<World<K>>,
    program: &'a Path,
    /// The credential of the run, and the one of the later run if the first one may have been revoked.
    credentials: Vec<Arc<Credential>>,
    violations: Vec<String>,
    runs: Vec<Ran>,
    /// The requests of the first run, with the status of each response.
    requests: Vec<(String, Option<u16>)>,
}

impl<K: Promises> Visit<'_, K> {
    /// Visits the world. Ends early if a run cannot start, which is a violation.
    fn run_world(&mut self) -> Option<()> {
        let World { setting, of, .. } = &**self.world;
        let (registry, journal) = script::registry(self.world);
        self.credentials = credentials(&registry, setting).into();
        let elsewhere = script::elsewhere(&registry);
        let mut job = of.job(Job::new(K::TASK, &registry, setting));
        let is_broken_off = self.run_with_events(&mut job, &registry, &journal)?;
        registry.clear_faults();
        registry.resume_listening();
        K::catch_up(registry.world(), &mut journal.entries());
        self.run_without_faults(&mut job, &registry, &journal, is_broken_off)?;
        let now = script::elsewhere(&registry);
        if now != elsewhere {
            self.violations.push(format!("(iii) other packages have {now:?}, expected {elsewhere:?}"));
        }
        Some(())
    }

    /// Runs the job with the events of the world. Returns whether it was broken off.
    fn run_with_events(&mut self, job: &mut Job, registry: &Registry, journal: &Journal<K::Entries>) -> Option<bool> {
        let world = self.world;
        let World { setting, of, .. } = &**world;
        let ender = Arc::new(Canceler::new(setting.runs));
        script::script(registry, world, journal, &self.credentials[0], &ender);
        job.set_dry_run(setting.is_dry);
        let (before, linked) = (of.state(registry, job), linked_to(registry));
        let (ran, rival) = self.run_both(job, registry, &ender)?;
        until_idle(registry, world.has_fault(|action| matches!(action, Action::Hang)));
        let requests = registry.requests();
        self.requests = requests.iter().map(|it| (format!("{} {}", it.method, it.target), it.status)).collect();
        let after = of.state(registry, job);
        let linked = [linked, linked_to(registry)];
        let wrong = if setting.is_dry {
            check::violations_of_dry_run(world, &ran, &requests)
        } else {
            let entries = journal.entries();
            let scene = Scene { linked, requests: &requests, ..Scene::of(world, &entries, &ran, &before, &after) };
            Scene { rival: rival.as_ref(), ..scene }.violations()
        };
        self.violations.extend(wrong);
        let is_broken_off = !matches!(ran.code, Some(0 | 1)) || setting.stall_timeout < RUN_TIMEOUT / 10;
        self.runs.extend(rival.into_iter().chain([ran]));
        Some(is_broken_off)
    }

    /// Runs the job without faults, after a dry run if it publishes.
    fn run_without_faults(
        &mut self,
        job: &mut Job,
        registry: &Registry,
        journal: &Journal<K::Entries>,
        follows_a_break: bool,
    ) -> Option<()> {
        let world = self.world;
        let dry = if K::TASK == Command::Publish {
            let dry = self.run_once_without_faults(job, registry, true)?;
            // Requests of the run that was broken off may still arrive.
            let requests = if follows_a_break { Vec::new() } else { registry.requests() };
            self.violations.extend(check::violations_of_dry_run(world, &dry, &requests));
            Some(dry)
        } else {
            None
        };
        let (before, linked) = (world.of.state(registry, job), linked_to(registry));
        let ran = self.run_once_without_faults(job, registry, false)?;
        let after = world.of.state(registry, job);
        let entries = journal.entries();
        let linked = [linked, linked_to(registry)];
        let scene = Scene {
            linked,
            follows_interrupted_run: follows_a_break,
            ..Scene::of(world, &entries, &ran, &before, &after)
        };
        self.violations.extend(scene.violations_without_faults());
        if let Some(dry) = dry.as_ref().filter(|_| !follows_a_break) {
            self.violations.extend(dry_run::differences(dry, &ran, &registry.requests()));
        }
        self.runs.extend(dry.into_iter().chain([ran]));
        Some(())
    }

    fn run_once_without_faults(&mut self, job: &mut Job, registry: &Registry, is_dry: bool) -> Option<Ran> {
        registry.clear_requests();
        job.set_dry_run(is_dry);
        let is_revoked = self.world.has(|act| matches!(act, Act::Revoke));
        let credential = Arc::clone(&self.credentials[usize::from(is_revoked)]);
        let setting = Setting { stall_timeout: RUN_TIMEOUT, ..self.world.setting.clone() };
        self.run(job, registry, &credential, &setting, &Arc::new(Canceler::new(setting.runs)))
    }

    /// Runs the job, and its rival at the same time if there is one.
    fn run_both(&mut self, ours: &mut Job, registry: &Registry, ender: &Arc<Canceler>) -> Option<(Ran, Option<Ran>)> {
        let World { setting, of, .. } = &**self.world;
        let credential = Arc::clone(&self.credentials[0]);
        let Some(mut theirs) = of.rival(Job::new(K::TASK, registry, setting)) else {
            return Some((self.run(ours, registry, &credential, setting, ender)?, None));
        };
        let (theirs, program) = (theirs.with_credential(credential.variables(registry)), self.program);
        let apart = Setting { seed: setting.seed ^ 1, runs: Runs::Library, ..setting.clone() };
        thread::scope(|scope| {
            let rival = scope.spawn(move || theirs.run(&apart, program, &Arc::new(Canceler::new(apart.runs))));
            let ours = self.run(ours, registry, &credential, setting, ender);
            let rival = rival.join().expect("a run does not panic");
            Some((ours?, Some(self.has_run(rival, &credential.secrets(registry))?)))
        })
    }

    fn run(
        &mut self,
        job: &mut Job,
        registry: &Registry,
        credential: &Credential,
        setting: &Setting,
        ender: &Arc<Canceler>,
    ) -> Option<Ran> {
        // A token that the run does not have is not one of its secrets.
        let credential = Some(credential).filter(|_| !self.world.of.is_visitor());
        let variables = credential.map(|credential| credential.variables(registry));
        let result = job.with_credential(variables.unwrap_or_default()).run(setting, self.program, ender);
        let secrets = credential.map(|credential| credential.secrets(registry));
        self.has_run(result, &secrets.unwrap_or_default())
    }

    fn has_run(&mut self, result: Result<Ran, String>, secrets: &[String]) -> Option<Ran> {
        match result {
            Ok(ran) => {
                self.violations.extend(check::shown_secrets(&ran, secrets));
                Some(ran)
            }
            Err(error) => {
                self.violations.push(error);
                None
            }
        }
    }

    /// Returns the violations, the whole world, the logs and the requests.
    fn report(&self) -> String {
        let World { setting, of, heals, events } = &**self.world;
        let mut report = format!("world {}, {}:\n", setting.seed, K::NAME);
        // Writing to a String cannot fail.
        for violation in &self.violations {
            let _ = writeln!(report, "- {violation}");
        }
        let _ = writeln!(report, "{setting:?}\nheals: {heals}\n{of:#?}");
        for event in events {
            let _ = writeln!(report, "{event:?}");
        }
        for ran in &self.runs {
            let _ = writeln!(report, "--- run with exit code {:?}:\n{}\n---", ran.code, ran.log);
        }
        for (request, status) in &self.requests {
            let _ = writeln!(report, "{request} {status:?}");
        }
        report
    }
}

/// Waits until the registry has finished every request, including those that no client waits for. A request that
/// hangs with unread data never notices that its client is gone. It has no further effect.
fn until_idle(registry: &Registry, hangs: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let longest = if hangs { Duration::from_secs(1) } else { RUN_TIMEOUT };
    let idle = async {
        while registry.requests().iter().any(|request| request.finished.is_none()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let ended = runtime.block_on(async { tokio::time::timeout(longest, idle).await });
    assert!(hangs || ended.is_ok(), "a request did not end after its client disconnected");
}
