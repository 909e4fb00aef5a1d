//! A job: a workspace, a runner's environment, and the program, started as a runner does.

mod library;
mod ran;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use embedded_registry::{Action, Registry};
use generic_packages::command::Command as Task;
use tempfile::TempDir;

pub(crate) use self::library::Event;
pub(crate) use self::ran::{RETRY, Ran};

/// Names that servers accept, but that clients or proxies might change.
pub(crate) const AWKWARD_NAMES: [&str; 25] = [
    "a b",
    "-dash",
    "a+b",
    "a#b",
    "a%b",
    "%41",
    "a~b",
    "a[1]",
    "a{b}",
    "x;y",
    "x=y",
    "x:y",
    "(x)",
    "!x",
    "a@b",
    "a$b",
    "a^b",
    "a&b",
    ".hidden",
    "::set-env name=X::y",
    "##[add-path]z",
    "{}",
    "a  b",
    "~",
    "$(id)",
];

/// A step of a workflow of the repository alice/widget, run on the tag v1.0.0 by alice, with a valid token.
pub(crate) struct Job {
    task: Task,
    folder: TempDir,
    variables: BTreeMap<OsString, OsString>,
    /// The secrets, which must not appear in any output.
    secrets: Vec<String>,
    /// The content of the output file before the step.
    outputs_so_far: String,
}

impl Job {
    pub(crate) fn new(registry: &Registry) -> Self {
        let mut job = Self::without_server();
        // A fault that a test scripts once must make the run fail.
        job.input("retries", "0");
        job.against(registry);
        job
    }

    /// A step that publishes these files of the folder `dist`.
    pub(crate) fn publishing(registry: &Registry, files: &[(&str, &str)]) -> Self {
        let mut job = Self::new(registry);
        for (name, content) in files {
            job.file(format!("dist/{name}"), content);
        }
        job
    }

    /// Creates a step that downloads all files of the latest version to the folder `tools`.
    pub(crate) fn downloading(registry: &Registry) -> Self {
        let mut job = Self::new(registry);
        job.downloads();
        job
    }

    /// Turns it into a step that downloads all files of the latest version to the folder `tools`.
    pub(crate) fn downloads(&mut self) -> &mut Self {
        self.task = Task::Download;
        self.without("INPUT_FILES").input("path", "tools")
    }

    /// Turns it into a step that publishes the files in `dist`.
    pub(crate) fn publishes(&mut self) -> &mut Self {
        self.task = Task::Publish;
        self.without("INPUT_PATH").input("files", "dist/*")
    }

    /// Returns the task of the step.
    pub(crate) fn task(&self) -> Task {
        self.task
    }

    /// Creates a step without a server and without a token.
    pub(crate) fn without_server() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("workspace")).expect("a workspace");
        let (variables, secrets, outputs_so_far) = (BTreeMap::new(), Vec::new(), String::new());
        let mut job = Self { task: Task::Publish, folder, variables, secrets, outputs_so_far };
        for (name, path) in [
            ("WORKSPACE", job.workspace()),
            ("OUTPUT", job.outside("output")),
            ("STEP_SUMMARY", job.outside("summary")),
        ] {
            job.variable(&format!("GITHUB_{name}"), path);
        }
        for (name, value) in [
            ("ACTIONS", "true"),
            ("REPOSITORY", "alice/widget"),
            ("REPOSITORY_OWNER", "alice"),
            ("REF", "refs/tags/v1.0.0"),
            ("REF_NAME", "v1.0.0"),
            ("ACTOR", "alice"),
            ("ACTION_REPOSITORY", "OWNER/generic-packages"),
            ("ACTION_REF", "v1"),
        ] {
            job.variable(&format!("GITHUB_{name}"), value);
        }
        job.input("files", "dist/*");
        job
    }

    /// Returns the address of an embedded registry.
    pub(crate) fn address_of(registry: &Registry) -> std::net::SocketAddr {
        registry.url().trim_start_matches("http://").parse().expect("an address")
    }

    /// Sets the workflow's server to a registry, and a valid token.
    pub(crate) fn against(&mut self, registry: &Registry) -> &mut Self {
        self.variable("GITHUB_SERVER_URL", registry.url());
        self.token(&registry.token("alice_write"))
    }

    /// Returns the path of the workspace, as the runner sets it.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// Sets a variable of the environment.
    pub(crate) fn variable(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Removes a variable from the environment.
    pub(crate) fn without(&mut self, name: &str) -> &mut Self {
        self.variables.remove(OsStr::new(name));
        self
    }

    /// Sets an input, as a runner passes it.
    pub(crate) fn input(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.variable(&format!("INPUT_{}", name.to_uppercase()), value)
    }

    /// Sets the token, which no output may show from then on.
    pub(crate) fn token(&mut self, token: &str) -> &mut Self {
        self.secrets.push(token.trim().to_owned());
        self.input("token", token)
    }

    /// Adds a text that no output may show from then on.
    pub(crate) fn secret(&mut self, text: &str) -> &mut Self {
        self.secrets.push(text.to_owned());
        self
    }

    /// Writes a file into the workspace.
    pub(crate) fn file(&mut self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &mut Self {
        let path = self.workspace().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
        fs::write(path, content).expect("a file can be written");
        self
    }

    /// Makes a folder in the workspace.
    pub(crate) fn folder(&mut self, path: impl AsRef<Path>) -> &mut Self {
        fs::create_dir_all(self.workspace().join(path)).expect("folders can be made");
        self
    }

    /// Creates a link in the workspace. A relative target is relative to the folder of the link.
    pub(crate) fn link(&mut self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> &mut Self {
        let path = self.workspace().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
        symlink(target, path).expect("a link can be made");
        self
    }

    /// Returns a path next to the workspace, from which nothing may be published.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets the existing text of the output file, as earlier steps would write it.
    pub(crate) fn set_existing_outputs(&mut self, text: &str) -> &mut Self {
        text.clone_into(&mut self.outputs_so_far);
        self
    }

    /// Returns the variables of the step. By default, debug messages are on, because they contain the codes of errors.
    pub(crate) fn environment(&self) -> BTreeMap<OsString, OsString> {
        let mut variables = self.variables.clone();
        variables.entry("RUNNER_DEBUG".into()).or_insert_with(|| "1".into());
        variables
    }

    /// Returns a command for the program, with only the environment of the step.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_generic-packages"));
        let word = match self.task {
            Task::Publish => "publish",
            Task::Download => "download",
        };
        command.arg(word).env_clear().envs(self.environment()).current_dir(self.workspace()).stdin(Stdio::null());
        command
    }

    /// The command of the step, as the last arguments of another program, which starts it.
    pub(crate) fn command_of(&self, starter: &[&str]) -> Command {
        let step = self.command();
        let mut command = Command::new(starter[0]);
        command.args(&starter[1..]).arg(step.get_program()).args(step.get_args());
        command.env_clear().envs(self.environment()).current_dir(self.workspace());
        command
    }

    /// Runs the program to its end, and searches all its output for the secrets.
    pub(crate) fn run(&self) -> Ran {
        self.run_as(self.command())
    }

    /// Runs a command for the program, as [`Job::run`] does.
    pub(crate) fn run_as(&self, command: Command) -> Ran {
        self.run_while(command, |_| {})
    }

    /// Runs a command for the program, as [`Job::run`] does, and calls `act` while it runs.
    pub(crate) fn run_while(&self, mut command: Command, act: impl FnOnce(&Child)) -> Ran {
        self.make_runners_files();
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        act(&child);
        let ran = child.wait_with_output().expect("the program ends");
        let stderr = String::from_utf8(ran.stderr).expect("standard error is UTF-8");
        assert_eq!(stderr, "", "the log is all that is written");
        self.read_results(ran.status.code(), ran.stdout)
    }

    fn make_runners_files(&self) {
        fs::write(self.outside("output"), &self.outputs_so_far).expect("a runner makes the file");
        fs::write(self.outside("summary"), "").expect("a runner makes the file");
    }

    fn read_results(&self, code: Option<i32>, stdout: Vec<u8>) -> Ran {
        let user = self.variables.get(OsStr::new("INPUT_USERNAME")).and_then(|name| name.to_str()).unwrap_or("alice");
        // What is shorter may be in any text by chance.
        let secrets = self.secrets.iter().filter(|secret| secret.len() >= 6);
        let secrets: Vec<String> = secrets.flat_map(|secret| ran::forms(secret, user)).collect();
        let shows_debug = self.variables.contains_key(OsStr::new("RUNNER_DEBUG"));
        Ran::read((code, stdout), self.folder.path(), &self.outputs_so_far, &secrets, shows_debug)
    }

    /// Runs the program, and asserts that it rejects its inputs before the first request.
    #[track_caller]
    pub(crate) fn run_rejected(&self, registry: &Registry) -> Ran {
        registry.clear_requests();
        let ran = self.run().exits_with(2).has_a_hint_for_each_error();
        assert_eq!(registry.requests(), [], "nothing is asked:\n{}", ran.log);
        for name in self.task.outputs() {
            let nothing = match name {
                "files" => "[]",
                "urls" | "package-url" | "version" | "path" | "checksums-file" | "aliases" => "",
                _ => "0",
            };
            assert_eq!(ran.outputs[name], nothing, "{name}");
        }
        ran.says(match self.task {
            Task::Publish => "Nothing was uploaded",
            Task::Download => "Nothing was downloaded",
        })
    }
}

/// Runs these jobs at the same time.
pub(crate) fn run_at_once(jobs: &[Job], run: impl Fn(&Job) -> Ran + Sync) -> Vec<Ran> {
    thread::scope(|scope| {
        let runs: Vec<_> = jobs.iter().map(|job| scope.spawn(|| run(job))).collect();
        runs.into_iter().map(|run| run.join().expect("no run panics")).collect()
    })
}

/// Prints what a test skips on this machine. The text bypasses the output capture of the test runner.
pub(crate) fn print_skipped(what: &str) {
    drop(writeln!(io::stderr(), "not tested: {what}"));
}

/// Returns an action that delays each request until `expected` requests have arrived, at most for 20 seconds.
pub(crate) fn gather(expected: usize) -> Action {
    let arrived = Arc::new((Mutex::new(0), Condvar::new()));
    Action::then(move |_| {
        let (count, all) = &*arrived;
        let mut count = count.lock().expect("no hook panics");
        *count += 1;
        all.notify_all();
        drop(all.wait_timeout_while(count, Duration::from_secs(20), |count| *count < expected));
    })
}
