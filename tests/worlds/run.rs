//! Runs the library or the program in a world, as a runner does, and reads what it leaves behind.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use embedded_registry::Registry;
use generic_packages::command::{self, Caller, Command as Task};
use generic_packages::inputs::Inputs;
use generic_packages::registry::{Jitter, Limits};
use generic_packages::report::{self, Account, Console, Ending, Reporter as _};
use generic_packages::runner::{Environment, Runner};
use generic_packages::stop::{Signal, Stop};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::journal::{OWNER, PACKAGE};
use super::world::{Runs, World};

/// A workspace with the local files, and the environment of a step.
pub(crate) struct Job {
    folder: TempDir,
    variables: BTreeMap<OsString, OsString>,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    /// The log, without the `::add-mask::` lines.
    pub(crate) log: String,
    /// The file for the outputs.
    pub(crate) outputs: String,
    /// The file for the summary.
    pub(crate) summary: String,
}

/// Ends a run before its end.
#[derive(Default)]
pub(crate) struct Ender {
    library: Notify,
    /// Of the program, as long as it may run.
    program: Mutex<Option<rustix::fd::OwnedFd>>,
    started: Condvar,
    runs_program: bool,
}

impl Ender {
    pub(crate) fn new(runs: Runs) -> Self {
        Self { runs_program: runs == Runs::Program, ..Self::default() }
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.library.notify_one();
        self.signal(rustix::process::Signal::TERM);
    }

    /// Ends it at once. Nothing happens to the library, which is never killed alone.
    pub(crate) fn kill(&self) {
        self.signal(rustix::process::Signal::KILL);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        if !self.runs_program {
            return;
        }
        let program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        // The first request may come before we know whom we have started.
        let known = self.started.wait_timeout_while(program, Duration::from_secs(10), |program| program.is_none());
        let (program, _) = known.unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = &*program {
            // Who has ended already needs no signal.
            let _ = pidfd_send_signal(program, signal);
        }
    }

    fn has_started(&self, process: u32) {
        let process = i32::try_from(process).ok().and_then(Pid::from_raw).expect("a process has an id");
        let process = pidfd_open(process, PidfdFlags::empty()).expect("a process that nobody has waited for is there");
        *self.program.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        self.started.notify_all();
    }
}

impl Job {
    /// A job that publishes to that registry.
    pub(crate) fn new(world: &World, registry: &Registry) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dist = folder.path().join("workspace/dist");
        fs::create_dir_all(&dist).expect("a workspace");
        for file in &world.files {
            fs::write(dist.join(&file.name), file.content.bytes()).expect("a file can be written");
        }
        let mut job = Self { folder, variables: BTreeMap::new() };
        for name in ["output", "summary"] {
            fs::write(job.path(name), "").expect("a runner makes the file");
        }
        for (name, value) in [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY_OWNER", OWNER),
            ("GITHUB_ACTOR", OWNER),
            ("INPUT_FILES", "dist/*"),
            ("INPUT_INCLUDE-HIDDEN-FILES", "true"),
            ("INPUT_VERSION", world.version),
            ("INPUT_IF-FILE-EXISTS", world.policy.word()),
            ("INPUT_CONCURRENCY", &world.concurrency.to_string()),
            ("INPUT_RETRIES", &world.retries.to_string()),
            ("GITHUB_SERVER_URL", &registry.url()),
            ("GITHUB_REPOSITORY", &format!("{OWNER}/{PACKAGE}")),
        ] {
            job.variables.insert(name.into(), value.into());
        }
        for (name, path) in
            [("GITHUB_WORKSPACE", "workspace"), ("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary")]
        {
            job.variables.insert(name.into(), job.path(path).into());
        }
        job
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same job with that token, and nothing written by a run before.
    pub(crate) fn with_token(&mut self, token: &str) -> &Self {
        self.variables.insert("INPUT_TOKEN".into(), token.into());
        for name in ["output", "summary"] {
            fs::write(self.path(name), "").expect("a runner makes the file");
        }
        self
    }

    /// Runs the library as the program does, with waits of milliseconds.
    pub(crate) fn run_library(&self, world: &World, silence: Duration, ender: &Arc<Ender>) -> Result<Ran, String> {
        let environment = Environment::new(self.variables.clone(), self.path("workspace"));
        let runner = Runner::detect(&environment);
        let mut log = Vec::new();
        let console = Console::new(&mut log, &runner, None);
        let reading = Inputs::read(Task::Publish, &environment, &runner);
        console.opens(&reading);
        let mut inputs = reading.inputs.map_err(|errors| format!("the inputs are refused: {errors:?}"))?;
        inputs.timeout = silence;
        let save = |account: Account| {
            for warning in report::hand_over_outputs(&account.into(), &runner) {
                console.warns(&warning);
            }
        };
        let told = Arc::clone(ender);
        let stopped = async move {
            told.library.notified().await;
            Signal::Terminate
        };
        let stop = Stop::when(stopped, std::future::pending());
        let caller = Caller { reporter: &console, stop, save: &save };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let ending = runtime.block_on(command::run(&inputs, limits(world.seed, silence), &caller));
        runtime.shutdown_background();
        if matches!(ending, Ending::Rejected(..)) {
            return Err("the files are refused".to_owned());
        }
        for warning in report::hand_over(&ending, &runner, &reading.redactor) {
            console.warns(&warning);
        }
        console.closes(&ending);
        drop(console);
        Ok(self.ran(Some(ending.exit_code().into()), &String::from_utf8_lossy(&log)))
    }

    /// Runs the program.
    pub(crate) fn run_program(&self, program: &Path, ender: &Ender) -> io::Result<Ran> {
        let mut command = Command::new(program);
        command.arg("publish").env_clear().envs(&self.variables).current_dir(self.path("workspace"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        ender.has_started(child.id());
        let output = child.wait_with_output()?;
        let log = [output.stdout, output.stderr].concat();
        Ok(self.ran(output.status.code(), &String::from_utf8_lossy(&log)))
    }

    fn ran(&self, code: Option<i32>, log: &str) -> Ran {
        let log: Vec<&str> = log.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
        let read = |name| fs::read_to_string(self.path(name)).unwrap_or_default();
        Ran { code, log: log.join("\n"), outputs: read("output"), summary: read("summary") }
    }
}

fn limits(seed: u64, silence: Duration) -> Limits {
    let chance = Mutex::new(fastrand::Rng::with_seed(seed));
    Limits {
        connect: Duration::from_secs(10),
        answer: silence,
        idle: Duration::from_millis(20),
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(4),
        longest_pause: Duration::from_millis(3),
        jitter: Jitter::new(move || chance.lock().unwrap_or_else(PoisonError::into_inner).f64()),
        ..Limits::default()
    }
}
