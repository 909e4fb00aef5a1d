//! A job: a workspace, a runner's environment, and the program started in it as a runner starts it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use embedded_registry::{Action, Registry};
use generic_packages::command::Command as Task;
use generic_packages::inputs::Inputs;
use generic_packages::registry::{Exchange, Limits, Observer, Retry};
use generic_packages::report::{self, Console, Header, Progress, Reporter, RunContext, RunReport, Status};
use generic_packages::run;
use generic_packages::runner::{Environment, Runner};
use generic_packages::stop::Stop;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tempfile::TempDir;

/// Names that a server takes, and that something on the way to it might not leave as they are.
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

/// How a line of the log about a retry begins.
pub(crate) const RETRY: &str = "  retrying in ";

/// A step of a workflow of the repository alice/widget, run on the tag v1.0.0 by alice, with a good token.
pub(crate) struct Job {
    task: Task,
    folder: TempDir,
    variables: BTreeMap<OsString, OsString>,
    /// What may not be seen anywhere.
    secrets: Vec<String>,
    /// What is in the file for the outputs before the step.
    outputs_so_far: String,
}

/// What a run of the program left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    /// The log, without the `::add-mask::` lines and, unless the job has set `RUNNER_DEBUG`, without debug messages.
    pub(crate) log: String,
    /// The code of each error, where a runner reads the log.
    pub(crate) codes: Vec<String>,
    /// The outputs, as a runner reads them.
    pub(crate) outputs: BTreeMap<String, String>,
    /// What the program has put into the file for the outputs.
    pub(crate) written: String,
    /// The step's part of the job's summary.
    pub(crate) summary: String,
    /// The `::add-mask::` lines.
    pub(crate) masks: Vec<String>,
}

impl Job {
    pub(crate) fn new(registry: &Registry) -> Self {
        let mut job = Self::on_no_forge();
        // What a test lets fail once is to be seen to fail.
        job.input("retries", "0");
        job.against(registry);
        job
    }

    /// A step that downloads everything of the latest version into the folder `tools`.
    pub(crate) fn downloading(registry: &Registry) -> Self {
        let mut job = Self::new(registry);
        job.downloads();
        job
    }

    /// Makes it a step that downloads everything of the latest version into the folder `tools`.
    pub(crate) fn downloads(&mut self) -> &mut Self {
        self.task = Task::Download;
        self.without("INPUT_FILES").input("path", "tools")
    }

    /// Makes it a step that publishes what is in `dist`.
    pub(crate) fn publishes(&mut self) -> &mut Self {
        self.task = Task::Publish;
        self.without("INPUT_PATH").input("files", "dist/*")
    }

    /// What the step does.
    pub(crate) fn task(&self) -> Task {
        self.task
    }

    /// The same, on a forge that is yet to be named, and without a token.
    pub(crate) fn on_no_forge() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("workspace")).expect("a workspace");
        let (variables, secrets, outputs_so_far) = (BTreeMap::new(), Vec::new(), String::new());
        let mut job = Self { task: Task::Publish, folder, variables, secrets, outputs_so_far };
        let workspace = job.workspace();
        let output = job.folder.path().join("output");
        let summary = job.folder.path().join("summary");
        job.variable("GITHUB_ACTIONS", "true");
        job.variable("GITHUB_WORKSPACE", workspace);
        job.variable("GITHUB_OUTPUT", output);
        job.variable("GITHUB_STEP_SUMMARY", summary);
        job.variable("GITHUB_REPOSITORY", "alice/widget");
        job.variable("GITHUB_REPOSITORY_OWNER", "alice");
        job.variable("GITHUB_REF", "refs/tags/v1.0.0");
        job.variable("GITHUB_REF_NAME", "v1.0.0");
        job.variable("GITHUB_ACTOR", "alice");
        job.variable("GITHUB_ACTION_REPOSITORY", "OWNER/generic-packages");
        job.variable("GITHUB_ACTION_REF", "v1");
        job.input("files", "dist/*");
        job
    }

    /// The address of an embedded registry.
    pub(crate) fn address_of(registry: &Registry) -> std::net::SocketAddr {
        registry.url().trim_start_matches("http://").parse().expect("an address")
    }

    /// Makes it a step of a workflow on that forge, with a good token.
    pub(crate) fn against(&mut self, registry: &Registry) -> &mut Self {
        self.variable("GITHUB_SERVER_URL", registry.url());
        self.token(&registry.token("alice_write"))
    }

    /// The workspace's path, as the runner gives it.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// Sets a variable of the environment.
    pub(crate) fn variable(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Takes a variable out of the environment.
    pub(crate) fn without(&mut self, name: &str) -> &mut Self {
        self.variables.remove(OsStr::new(name));
        self
    }

    /// Sets an input, as a runner hands it over.
    pub(crate) fn input(&mut self, name: &str, value: impl Into<OsString>) -> &mut Self {
        self.variable(&format!("INPUT_{}", name.to_uppercase()), value)
    }

    /// Sets the token, which no output may show from then on.
    pub(crate) fn token(&mut self, token: &str) -> &mut Self {
        self.secrets.push(token.trim().to_owned());
        self.input("token", token)
    }

    /// Names a text that no output may show from then on.
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

    /// Puts a link into the workspace; a target that is not absolute is relative to the folder of the link.
    pub(crate) fn link(&mut self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> &mut Self {
        let path = self.workspace().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
        symlink(target, path).expect("a link can be made");
        self
    }

    /// A path beside the workspace, where nothing may be published from.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts text into the file for the outputs, as steps before this one would.
    pub(crate) fn outputs_so_far(&mut self, text: &str) -> &mut Self {
        text.clone_into(&mut self.outputs_so_far);
        self
    }

    /// The variables of the step. Debug messages are on unless the test says otherwise, for the codes of errors.
    pub(crate) fn environment(&self) -> BTreeMap<OsString, OsString> {
        let mut variables = self.variables.clone();
        variables.entry("RUNNER_DEBUG".into()).or_insert_with(|| "1".into());
        variables
    }

    /// The environment of the step, and nothing else.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_generic-packages"));
        let word = match self.task {
            Task::Publish => "publish",
            Task::Download => "download",
        };
        command.arg(word).env_clear().envs(self.environment()).current_dir(self.workspace()).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end, and searches everything that it wrote for the secrets.
    pub(crate) fn run(&self) -> Ran {
        self.run_as(self.command())
    }

    /// The same, started in another way.
    pub(crate) fn run_as(&self, command: Command) -> Ran {
        self.run_while(command, |_| {})
    }

    /// The same, with something done to the program while it runs.
    pub(crate) fn run_while(&self, mut command: Command, act: impl FnOnce(&Child)) -> Ran {
        self.make_runners_files();
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        act(&child);
        let ran = child.wait_with_output().expect("the program ends");
        let stderr = String::from_utf8(ran.stderr).expect("standard error is UTF-8");
        assert_eq!(stderr, "", "the log is all that is written");
        self.read_what_it_left(ran.status.code(), ran.stdout)
    }

    /// Runs the library as the program does, with waits of milliseconds.
    pub(crate) fn run_in_short(&self) -> Ran {
        let limits = Limits {
            answer: Duration::from_secs(1),
            first_wait: Duration::from_millis(1),
            longest_wait: Duration::from_millis(4),
            longest_pause: Duration::from_millis(4),
            longest_outage: Duration::from_millis(200),
            first_probe_wait: Duration::from_millis(1),
            longest_probe_wait: Duration::from_millis(15),
            ..Limits::default()
        };
        self.run_library(|inputs| inputs.timeout = Duration::from_secs(1), limits, None)
    }

    /// Runs the library as the program does, with its own waits, on a clock that runs fast once the
    /// first fault acts. The registry listens again so long after that.
    pub(crate) fn run_through_outage(&self, registry: &Registry, length: Duration) -> Ran {
        self.run_library(|_| {}, Limits::default(), Some((registry, length)))
    }

    fn run_library(
        &self,
        change: impl FnOnce(&mut Inputs),
        limits: Limits,
        outage: Option<(&Registry, Duration)>,
    ) -> Ran {
        self.make_runners_files();
        let environment = Environment::new(self.environment(), self.workspace());
        let runner = Runner::detect(&environment);
        let reading = Inputs::read(self.task, &environment, &runner);
        let mut log = Vec::new();
        let console = Console::new(&mut log, &runner, None);
        console.hide(&reading.secrets, &reading.redactor);
        for warning in &reading.warnings {
            console.warns(warning);
        }
        let mut inputs = reading.inputs.expect("good inputs");
        change(&mut inputs);
        let context = RunContext { reporter: &console, stop: Stop::default(), save: &|_| {} };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let report = runtime.block_on(async {
            tokio::select! {
                report = run::run(&inputs, limits, &context) => report,
                () = end_outage(outage) => unreachable!("the clock runs for as long as the run does"),
            }
        });
        assert_eq!(report::hand_over(&report, &console.remarks(), &runner, &reading.redactor), [""; 0]);
        console.closes(&report);
        drop(console);
        self.read_what_it_left(Some(report.exit_code().into()), log)
    }

    /// Runs the library, and tells all of it to that reporter.
    pub(crate) fn run_to(&self, reporter: &dyn Reporter) -> RunReport {
        self.run_until(Stop::default(), reporter)
    }

    /// The same, until it is to end.
    pub(crate) fn run_until(&self, stop: Stop, reporter: &dyn Reporter) -> RunReport {
        let environment = Environment::new(self.environment(), self.workspace());
        let inputs = Inputs::read(self.task, &environment, &Runner::detect(&environment)).inputs.expect("good inputs");
        let context = RunContext { reporter, stop, save: &|_| {} };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let report = runtime.block_on(run::run(&inputs, Limits::default(), &context));
        assert!(!report.is_rejected(), "there is something to put right");
        report
    }

    fn make_runners_files(&self) {
        fs::write(self.folder.path().join("output"), &self.outputs_so_far).expect("a runner makes the file");
        fs::write(self.folder.path().join("summary"), "").expect("a runner makes the file");
    }

    /// Reads what a run left behind, and searches all of it for the secrets.
    fn read_what_it_left(&self, code: Option<i32>, stdout: Vec<u8>) -> Ran {
        let output_file = self.folder.path().join("output");
        let summary_file = self.folder.path().join("summary");
        let stdout = String::from_utf8(stdout).expect("the log is UTF-8");
        let (masks, log): (Vec<&str>, Vec<&str>) = stdout.lines().partition(|line| line.starts_with("::add-mask::"));
        let mut log = log.join("\n");
        let outputs = fs::read_to_string(&output_file).unwrap_or_default();
        let summary = fs::read_to_string(&summary_file).unwrap_or_default();
        for form in self.secret_forms() {
            assert!(!log.contains(&form), "the log shows a secret:\n{log}");
            assert!(!outputs.contains(&form), "the outputs show a secret:\n{outputs}");
            assert!(!summary.contains(&form), "the summary shows a secret:\n{summary}");
        }
        // A runner takes these for commands; the program has some of its own.
        let own = [
            "error title=generic-packages",
            "warning title=generic-packages",
            "notice title=generic-packages",
            "debug",
            "group",
            "endgroup",
        ];
        let commands = |line: &str| {
            let command = line.trim_start().strip_prefix("::");
            command.is_some_and(|line| !own.iter().any(|own| line.starts_with(&format!("{own}::"))))
        };
        assert!(!log.lines().any(commands) && !log.contains("##["), "the log commands the runner:\n{log}");
        assert!(!log.contains(|c: char| c.is_control() && c != '\n'), "the log controls the terminal: {log:?}");
        let codes = log.lines().filter_map(|line| debug_message(line)?.strip_prefix("error code: ")).map(str::to_owned);
        let codes = codes.collect();
        if !self.variables.contains_key(OsStr::new("RUNNER_DEBUG")) {
            log = log.lines().filter(|line| debug_message(line).is_none()).collect::<Vec<_>>().join("\n");
        }
        let written = outputs.strip_prefix(&self.outputs_so_far).expect("what was written before is still there");
        let is_open = !matches!(self.outputs_so_far.chars().last(), None | Some('\n'));
        Ran {
            code,
            log,
            codes,
            outputs: read_outputs(if is_open {
                written.strip_prefix('\n').expect("the open line ends")
            } else {
                written
            }),
            written: written.to_owned(),
            summary,
            masks: masks.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Runs the program, which has to refuse before it has asked the registry anything.
    #[track_caller]
    pub(crate) fn is_refused(&self, registry: &Registry) -> Ran {
        registry.forget_requests();
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

    /// Every form in which a secret could come out: as it is, percent-encoded, in base64 alone and behind a user name.
    fn secret_forms(&self) -> Vec<String> {
        let user = self.variables.get(OsStr::new("INPUT_USERNAME")).and_then(|name| name.to_str()).unwrap_or("alice");
        let mut forms = Vec::new();
        for secret in self.secrets.iter().filter(|secret| secret.len() >= 6) {
            for text in [secret.clone(), format!("{user}:{secret}")] {
                forms.push(utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string());
                for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                    forms.push(engine.encode(&text));
                }
            }
            forms.push(secret.clone());
        }
        forms
    }
}

impl Ran {
    /// The output `files`, with its JSON read.
    pub(crate) fn files(&self) -> Vec<Value> {
        serde_json::from_str(&self.outputs["files"]).expect("the output `files` is a JSON array")
    }

    /// The status of each file, by its name.
    pub(crate) fn statuses(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        self.files().iter().map(|file| (text(&file["name"]), text(&file["status"]))).collect()
    }

    /// Ends the test where the exit code is another one.
    #[track_caller]
    pub(crate) fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.log);
        self
    }

    /// The log with each text that is broken into lines on one line again.
    pub(crate) fn unbroken(&self) -> String {
        self.log.replace("\n        ", " ")
    }

    /// What the log says first of each error.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.unbroken().lines().filter_map(|line| line.strip_prefix("error: ")).map(str::to_owned).collect()
    }

    /// Ends the test where the codes of the errors are others.
    #[track_caller]
    pub(crate) fn has_codes(self, codes: &[&str]) -> Self {
        assert_eq!(self.codes, codes, "{}", self.log);
        self
    }

    /// Ends the test where the log has another number of retries.
    #[track_caller]
    pub(crate) fn has_retries(self, count: usize) -> Self {
        assert_eq!(self.log.matches(RETRY).count(), count, "{}", self.log);
        self
    }

    /// Ends the test where the log has no error, or one without a hint.
    #[track_caller]
    pub(crate) fn has_a_hint_for_each_error(self) -> Self {
        let told: Vec<&str> =
            self.log.lines().filter(|l| l.starts_with("error: ") || l.starts_with("  hint: ")).collect();
        let in_turn = told.chunks(2).all(|pair| matches!(pair, [e, h] if e.starts_with('e') && h.starts_with(' ')));
        assert!(!told.is_empty() && in_turn, "each error has a hint:\n{}", self.log);
        self
    }

    /// Whether the log has that text, however its lines are broken.
    fn has(&self, text: &str) -> bool {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        words(&self.log).contains(&words(text))
    }

    /// Ends the test where the log has that text.
    #[track_caller]
    pub(crate) fn does_not_say(self, text: &str) -> Self {
        assert!(!self.has(text), "{text:?} is in the log:\n{}", self.log);
        self
    }

    /// Ends the test where the log does not have that text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.has(text), "{text:?} is not in the log:\n{}", self.log);
        self
    }
}

/// What a [`Listener`] hears.
pub(crate) enum Event {
    /// A transfer goes on.
    Progress { moved: u64, size: Option<u64> },
    /// A file is there already.
    Unchanged,
    /// Something is tried again.
    Retry,
    /// Something is worth knowing.
    Note(String),
}

/// Hears of a run of the library.
pub(crate) struct Listener<F>(pub(crate) F);

impl<F: Fn(Event) + Sync> Observer for Listener<F> {
    fn notes(&self, note: &str) {
        (self.0)(Event::Note(note.to_owned()));
    }
    fn retries(&self, _: &Retry<'_>) {
        (self.0)(Event::Retry);
    }
    fn request_ends(&self, _: &Exchange<'_>) {}
}

impl<F: Fn(Event) + Sync> Reporter for Listener<F> {
    fn begins(&self, _: &Header<'_>) {}
    fn warns(&self, _: &str) {}
    fn notices(&self, _: &str) {}
    fn announces(&self, _: &str) {}
    fn file_is_done(&self, status: Status, _: &str, _: u64, _: Option<Duration>) {
        if status == Status::Unchanged {
            (self.0)(Event::Unchanged);
        }
    }
    fn transfer_ends(&self, _: &str) {}
    fn progress_interval(&self) -> Duration {
        Duration::from_millis(1)
    }
    fn progresses(&self, progress: &Progress<'_>) {
        (self.0)(Event::Progress { moved: progress.moved, size: progress.size });
    }
}

/// Lets the registry listen again so long after its first fault, on a clock that runs fast until then.
async fn end_outage(outage: Option<(&Registry, Duration)>) {
    const STEP: Duration = Duration::from_millis(20);
    let Some((registry, mut left)) = outage else { return std::future::pending().await };
    tokio::time::pause();
    loop {
        // While a thread is busy the clock does not move by itself, so that no timeout ends a request that is under way.
        tokio::task::spawn_blocking(|| {}).await.expect("nothing panics");
        let is_away = !registry.acted().is_empty() && !left.is_zero();
        tokio::time::advance(if is_away { STEP } else { STEP / 5 }).await;
        if is_away {
            left = left.saturating_sub(STEP);
            if left.is_zero() {
                registry.listen_again();
            }
        }
    }
}

/// Says what a test leaves out on this machine. It goes past what the test runner keeps to itself of tests that pass.
pub(crate) fn says_that_it_is_not_tested(what: &str) {
    drop(writeln!(io::stderr(), "not tested: {what}"));
}

/// Lets no request go on before so many have come. The time-out ends a test in which they never do.
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

/// The text of a debug message, as each runner gets it.
fn debug_message(line: &str) -> Option<&str> {
    line.strip_prefix("::debug::").or_else(|| line.strip_prefix("debug: "))
}

/// Reads an output file as GitHub's runner does: `name<<delimiter`, the value, the delimiter.
fn read_outputs(text: &str) -> BTreeMap<String, String> {
    let mut outputs = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (name, delimiter) = line.split_once("<<").expect("an entry begins with its name and delimiter");
        let value: Vec<&str> = lines.by_ref().take_while(|line| *line != delimiter).collect();
        // Written twice, the later one counts.
        outputs.insert(name.to_owned(), value.join("\n"));
    }
    outputs
}
