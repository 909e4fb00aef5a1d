//! Runs the library or the program in a world, as a runner does, and reads the results.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use embedded_registry::Registry;
use generic_packages::command::Command as Task;
use generic_packages::inputs::Inputs;
use generic_packages::registry::Limits;
use generic_packages::report::{self, Console, Reporter as _, RunContext, RunReport};
use generic_packages::run;
use generic_packages::runner::{Environment, Runner};
use generic_packages::stop::{Signal, Stop};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::script::{OWNER, PACKAGE};
use super::world::{Runs, Setting};

/// A workspace with its files, and the environment of a step.
pub(crate) struct Job {
    task: Task,
    folder: TempDir,
    variables: BTreeMap<OsString, OsString>,
}

/// The results of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Whether it was a dry run.
    pub(crate) is_dry: bool,
    /// The exit code; `None` if a signal ended the program.
    pub(crate) code: Option<i32>,
    /// The log, without the `::add-mask::` lines.
    pub(crate) log: String,
    /// The content of the output file.
    pub(crate) outputs: String,
    /// The content of the summary file.
    pub(crate) summary: String,
}

/// Ends a run early.
#[derive(Default)]
pub(crate) struct Canceler {
    library: Notify,
    /// The process of the program, once it has started.
    program: Mutex<Option<rustix::fd::OwnedFd>>,
    started: Condvar,
    runs_program: bool,
}

impl Canceler {
    pub(crate) fn new(runs: Runs) -> Self {
        Self { runs_program: runs == Runs::Program, ..Self::default() }
    }

    /// Sends SIGTERM to the program, or cancels the library's run.
    pub(crate) fn terminate(&self) {
        self.library.notify_one();
        self.signal(rustix::process::Signal::TERM);
    }

    /// Kills the program. Has no effect on the library.
    pub(crate) fn kill(&self) {
        self.signal(rustix::process::Signal::KILL);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        if !self.runs_program {
            return;
        }
        let program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        // The first request may come before the process is known.
        let known = self.started.wait_timeout_while(program, Duration::from_secs(10), |program| program.is_none());
        let (program, _) = known.unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = &*program {
            // A process that has ended needs no signal.
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
    /// Creates a job of a workflow of the package's repository, with the settings that every kind of world has.
    pub(crate) fn new(task: Task, registry: &Registry, setting: &Setting) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(folder.path().join("workspace")).expect("a workspace");
        let mut job = Self { task, folder, variables: BTreeMap::new() };
        for (name, path) in
            [("GITHUB_WORKSPACE", "workspace"), ("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary")]
        {
            job.variables.insert(name.into(), job.path(path).into());
        }
        job.with(&[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY_OWNER", OWNER),
            ("GITHUB_ACTOR", OWNER),
            ("GITHUB_SERVER_URL", &registry.url()),
            ("GITHUB_REPOSITORY", &format!("{OWNER}/{PACKAGE}")),
            ("INPUT_CONCURRENCY", &setting.concurrency.to_string()),
            ("INPUT_RETRIES", &setting.retries.to_string()),
            ("INPUT_LINK-REPOSITORY", setting.link.as_ref().map_or("", |link| link.wanted)),
        ])
    }

    /// Adds variables to the job.
    pub(crate) fn with(mut self, variables: &[(&str, &str)]) -> Self {
        self.variables.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Writes a file into the workspace.
    pub(crate) fn file(&mut self, path: &str, bytes: &[u8]) {
        let path = self.path("workspace").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
        fs::write(path, bytes).expect("a file can be written");
    }

    /// Returns a path in the folder of the job, such as the workspace.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes the job a dry run or a real run.
    pub(crate) fn set_dry_run(&mut self, is_dry: bool) {
        self.variables.insert("INPUT_DRY-RUN".into(), is_dry.to_string().into());
    }

    /// Sets the variables of a credential, and empties the files of an earlier run.
    pub(crate) fn with_credential(&mut self, variables: Vec<(&str, String)>) -> &Self {
        self.variables.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        for name in ["output", "summary"] {
            fs::write(self.path(name), "").expect("a runner makes the file");
        }
        self
    }

    /// Runs the job. The error means that it could not run at all.
    pub(crate) fn run(&self, setting: &Setting, program: &Path, ender: &Arc<Canceler>) -> Result<Ran, String> {
        match setting.runs {
            Runs::Library => self.run_library(setting, ender),
            Runs::Program => {
                self.run_program(program, ender).map_err(|error| format!("the program does not start: {error}"))
            }
        }
    }

    /// Runs the library as the program does, with waits of milliseconds.
    fn run_library(&self, setting: &Setting, ender: &Arc<Canceler>) -> Result<Ran, String> {
        let environment = Environment::new(self.variables.clone(), self.path("workspace"));
        let runner = Runner::detect(&environment);
        let mut log = Vec::new();
        let console = Console::new(&mut log, &runner, None);
        let reading = Inputs::read(self.task, &environment, &runner);
        console.hide(&reading.secrets, &reading.redactor);
        for warning in &reading.warnings {
            console.warn(warning);
        }
        let mut inputs = reading.inputs.map_err(|errors| format!("the inputs are invalid: {errors:?}"))?;
        inputs.timeout = setting.stall_timeout;
        let save = |so_far: &RunReport| {
            for warning in report::write_outputs(so_far, &runner) {
                console.warn(&warning);
            }
        };
        let signaled = Arc::clone(ender);
        let stopped = async move {
            signaled.library.notified().await;
            Signal::Terminate
        };
        let stop = Stop::when(stopped, std::future::pending());
        let context = RunContext { reporter: &console, stop, save: &save };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let ran = runtime.block_on(run::run(&inputs, limits(setting), &context));
        runtime.shutdown_background();
        if ran.is_rejected() {
            return Err("something is to be put right before".to_owned());
        }
        for warning in report::write_results(&ran, &console.remarks(), &runner, &reading.redactor) {
            console.warn(&warning);
        }
        console.write_end(&ran);
        drop(console);
        Ok(self.ran(Some(ran.exit_code().into()), &String::from_utf8_lossy(&log)))
    }

    /// Runs the built program to its end.
    fn run_program(&self, program: &Path, ender: &Canceler) -> io::Result<Ran> {
        let mut command = Command::new(program);
        let word = match self.task {
            Task::Publish => "publish",
            Task::Download => "download",
        };
        command.arg(word).env_clear().envs(&self.variables).current_dir(self.path("workspace"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        ender.has_started(child.id());
        let output = child.wait_with_output()?;
        let log = [output.stdout, output.stderr].concat();
        Ok(self.ran(output.status.code(), &String::from_utf8_lossy(&log)))
    }

    fn ran(&self, code: Option<i32>, log: &str) -> Ran {
        let log: Vec<&str> = log.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
        let read = |name| fs::read_to_string(self.path(name)).unwrap_or_default();
        let is_dry = self.variables.get(OsStr::new("INPUT_DRY-RUN")).is_some_and(|value| value == "true");
        Ran { is_dry, code, log: log.join("\n"), outputs: read("output"), summary: read("summary") }
    }
}

fn limits(setting: &Setting) -> Limits {
    let chance = Mutex::new(fastrand::Rng::with_seed(setting.seed));
    Limits {
        connect_timeout: Duration::from_secs(10),
        answer: setting.stall_timeout,
        idle_timeout: Duration::from_millis(20),
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(4),
        longest_pause: Duration::from_millis(3),
        longest_outage: Duration::from_secs(1),
        first_probe_wait: Duration::from_millis(1),
        longest_probe_wait: Duration::from_millis(15),
        jitter: Arc::new(move || chance.lock().unwrap_or_else(PoisonError::into_inner).f64()),
        ..Limits::default()
    }
}
