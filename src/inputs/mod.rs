//! The action's inputs: `INPUT_*` -> `RawInputs` (what was typed) -> [`Inputs`] (what it means).
//!
//! Every rule about an input lives here, and nothing behind this module sees a raw string. All problems are found
//! before anything is reported, so that one run names them all.

mod checksums;
mod collect;
mod destination;
mod download;
mod link;
mod network;
mod raw;
mod selection;
mod unknown;

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use self::destination::SHORTEST_TOKEN;
pub(crate) use self::download::DownloadOptions;
use self::network::Address;
use self::raw::{NAMES, RawInputs};
use self::unknown::DRY_RUN;
use crate::advice::{Advise, Plural};
use crate::command::Command;
use crate::files::{BadLine, Line, LocalFile, Selection};
use crate::package::{BadName, FileName, Owner, RepositoryName, ServerUrl, Target, Version};
use crate::runner::{Environment, Runner};
use crate::sanitize::Sanitized;
use crate::secret::{Credentials, Redactor, Secret, User};
use crate::suggest::suggest;
use crate::way::Way;

/// What a run is to do, with every input checked.
#[derive(Debug)]
pub struct Inputs {
    /// The command, and what only it needs.
    pub(crate) task: Task,
    /// Where the files go, or come from. For downloads the version may stand for another: see [`DownloadOptions`].
    pub(crate) target: Target,
    /// The user and token; `None` for a download of a public package, and for a dry run that asks no registry.
    pub(crate) credentials: Option<Credentials>,
    /// How many transfers may run at a time.
    pub(crate) concurrency: usize,
    /// How many times one file, or one question, is tried again.
    pub(crate) retries: u32,
    /// How long nothing may move while bytes are sent or received.
    pub timeout: Duration,
    /// What the way to the server needs.
    pub(crate) way: Way,
    /// Replaces every secret of the inputs in a text.
    pub(crate) redactor: Redactor,
}

/// What is to be done, and what only that needs.
#[derive(Debug)]
pub(crate) enum Task {
    /// Files of the workspace go to the registry.
    Publish(PublishOptions),
    /// Files of the registry come into the workspace.
    Download(DownloadOptions),
}

/// What is to be published.
#[derive(Debug)]
pub(crate) struct PublishOptions {
    /// Which files.
    pub(crate) selection: Selection,
    /// What to do where the registry has other content under a file's name.
    pub(crate) if_file_exists: IfFileExists,
    /// Whether the version is to be sealed then, and how.
    pub(crate) checksums: Option<ChecksumsOptions>,
    /// The owner's repository that the package is to be linked to.
    pub(crate) link_repository: Option<RepositoryName>,
    /// Whether nothing is to be changed, and only told what would be.
    pub(crate) dry_run: bool,
}

/// How a version is sealed: a file of checksums of all its other files is its last one.
#[derive(Clone, Debug)]
pub(crate) struct ChecksumsOptions {
    /// The name of that file.
    pub(crate) name: FileName,
    /// Patterns on names, for each of which the version has to have a file.
    pub(crate) expect: Vec<Line>,
    /// Other versions that are to become what this one is then, in the order in which they were given.
    pub(crate) aliases: Vec<Version>,
}

/// What to do where the registry has other content under a file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfFileExists {
    /// End with an error, and leave the registry as it is.
    Fail,
    /// Keep what the registry has.
    Skip,
    /// Delete what the registry has, and send ours.
    Overwrite,
}

/// What was read of the environment.
#[derive(Debug)]
pub struct Reading {
    /// The inputs, or all problems of all of them.
    pub inputs: Result<Inputs, Vec<InputError>>,
    /// What nobody may see, as far as it was given: the token and what Basic authentication makes of it, the values of
    /// headers, and a proxy's credentials.
    pub secrets: Vec<Secret>,
    /// What takes these out of a text.
    pub redactor: Redactor,
    /// What is worth a warning, though nothing is wrong.
    pub warnings: Vec<String>,
}

/// What is wrong with one input, or with one variable of the environment.
#[derive(Debug, thiserror::Error)]
pub struct InputError {
    code: &'static str,
    input: &'static str,
    /// The value as it was given; never that of a secret.
    value: Option<Sanitized>,
    problem: String,
    accepted: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if NAMES.contains(&self.input) { "input" } else { "variable" };
        match &self.value {
            Some(value) => write!(f, "{kind} `{}`: `{value}` {}", self.input, self.problem),
            None => write!(f, "{kind} `{}` {}", self.input, self.problem),
        }
    }
}

impl Advise for InputError {
    fn code(&self) -> &'static str {
        self.code
    }

    fn advice(&self) -> Option<String> {
        Some(self.accepted.clone())
    }

    /// The lines of one input can have the same mistake.
    fn plural(&self) -> Option<Plural> {
        let item = format!("`{}`", self.value.as_ref()?);
        let problem = self.problem.replace("{}", "{ }");
        Some(Plural {
            text: format!("input `{}`: each of {{}} lines {problem}", self.input),
            item,
            is_hint_an_example: true,
        })
    }
}

impl Inputs {
    /// Reads every input of a command and checks it.
    ///
    /// # Panics
    /// Never: what is read is optional text, each name once.
    #[must_use]
    pub fn read(command: Command, environment: &Environment, runner: &Runner) -> Reading {
        let mut reader =
            Reader { command, problems: Vec::new(), warnings: Vec::new(), secrets: Vec::new(), secret_file: None };
        let given = reader.collect(environment);
        let raw: RawInputs =
            envy::from_iter(given.iter().map(|(name, value)| ((*name).to_owned(), value.expose().to_owned())))
                .expect("every field is optional text, and every name there once");
        let mut inputs = reader.inputs(&raw, runner, environment);
        let token = raw.token.as_ref().map(|token| Secret::new(token.expose().trim()));
        let credentials = inputs.as_ref().and_then(|inputs| inputs.credentials.as_ref());
        let redactor = match (credentials, &token) {
            (Some(credentials), _) => credentials.redactor(),
            (None, Some(token)) => Redactor::of_token(token),
            (None, None) => Redactor::default(),
        };
        let basic = credentials.map(Credentials::basic);
        reader.reject_token(&redactor, &given);
        reader.reject_header_values(&given);
        let redactor = redactor.with(&reader.secrets);
        if let Some(inputs) = &mut inputs {
            inputs.redactor = redactor.clone();
        }
        // A runner would hide each text that holds a shorter one.
        let mut secrets: Vec<Secret> =
            token.into_iter().filter(|token| token.expose().len() >= SHORTEST_TOKEN).collect();
        secrets.extend(basic);
        secrets.append(&mut reader.secrets);
        let inputs = inputs.filter(|_| reader.problems.is_empty()).ok_or(reader.problems);
        Reading { inputs, secrets, redactor, warnings: reader.warnings }
    }

    /// As whom requests are made.
    #[must_use]
    pub(crate) fn user(&self) -> User {
        let Some(credentials) = &self.credentials else { return User::Nobody };
        credentials.user().map_or(User::Unnamed, User::Named)
    }

    /// What is to be done.
    #[must_use]
    pub(crate) fn command(&self) -> Command {
        match self.task {
            Task::Publish(_) => Command::Publish,
            Task::Download(_) => Command::Download,
        }
    }
}

/// Checks one input after the other and keeps what is wrong.
struct Reader {
    command: Command,
    problems: Vec<InputError>,
    warnings: Vec<String>,
    /// What nobody may see beside the token.
    secrets: Vec<Secret>,
    /// The file in the workspace that an input names and that holds a secret.
    secret_file: Option<Box<LocalFile>>,
}

impl Reader {
    fn problem(
        &mut self,
        input: &'static str,
        value: Option<&str>,
        problem: impl Into<String>,
        accepted: impl Into<String>,
    ) {
        self.reject("invalid-input", input, value, problem, accepted);
    }

    /// Adds a problem that has a code of its own.
    fn reject(
        &mut self,
        code: &'static str,
        input: &'static str,
        value: Option<&str>,
        problem: impl Into<String>,
        accepted: impl Into<String>,
    ) {
        self.problems.push(InputError {
            code,
            input,
            value: value.map(Sanitized::new),
            problem: problem.into(),
            accepted: accepted.into(),
        });
    }

    /// An input that is needed and not there; nothing where it was there, but could not be read.
    fn missing(&mut self, input: &'static str, problem: impl Into<String>, accepted: impl Into<String>) {
        if self.problems.iter().all(|known| known.input != input) {
            self.reject("missing-input", input, None, problem, accepted);
        }
    }

    fn bad_line(&mut self, input: &'static str, line: &str, bad: &BadLine) {
        self.reject(bad.code(), input, Some(line), bad.to_string(), bad.advice().unwrap_or_default());
    }

    fn bad_name<T>(&mut self, input: &'static str, result: Result<T, BadName>, accepted: &str) -> Option<T> {
        match result {
            Ok(name) => Some(name),
            Err(bad) => {
                self.problems.push(InputError {
                    code: "invalid-input",
                    input,
                    value: Some(bad.name),
                    problem: bad.why,
                    accepted: accepted.to_owned(),
                });
                None
            }
        }
    }

    fn inputs(&mut self, raw: &RawInputs, runner: &Runner, environment: &Environment) -> Option<Inputs> {
        let dry_run = self.boolean(DRY_RUN, raw.dry_run.as_deref());
        let token = self.token(raw, dry_run == Some(true));
        let server = self.server(raw, runner);
        let owner = self.owner(raw, runner);
        let package = self.package(raw, runner);
        let version = match self.command {
            Command::Publish => self.version(raw, runner),
            Command::Download => self.version_to_download(raw),
        };
        let username = self.username(raw, runner);
        // Before the files: they must not include a secret.
        let address = Address { server: server.as_ref(), owner: owner.as_ref(), package: package.as_ref() };
        let way = self.way(raw, runner, environment, &address);
        let task = match self.command {
            Command::Publish => {
                let destination = server.as_ref().zip(owner.as_ref());
                self.publish_options(raw, runner, version.as_ref(), destination, dry_run).map(Task::Publish)
            }
            Command::Download => self.download_options(raw, runner).map(Task::Download),
        };
        let concurrency = self.whole_number("concurrency", raw.concurrency.as_deref(), 1..=32, 4);
        let retries = self.whole_number("retries", raw.retries.as_deref(), 0..=100, 5);
        let timeout = self.whole_number("timeout", raw.timeout.as_deref(), 1..=3600, 60);
        let username = username?;
        let is_jobs_own = token.as_ref().is_some_and(|token| runner.is_jobs_own(token));
        Some(Inputs {
            task: task?,
            target: Target { server: server?, owner: owner?, package: package?, version: version? },
            credentials: token.map(|token| Credentials {
                username,
                is_named: raw.username.is_some(),
                token,
                is_jobs_own,
            }),
            concurrency: concurrency? as usize,
            retries: retries?,
            timeout: Duration::from_secs(timeout?.into()),
            way: way?,
            // All secrets are known when all inputs are read.
            redactor: Redactor::default(),
        })
    }

    fn publish_options(
        &mut self,
        raw: &RawInputs,
        runner: &Runner,
        version: Option<&Version>,
        destination: Option<(&ServerUrl, &Owner)>,
        dry_run: Option<bool>,
    ) -> Option<PublishOptions> {
        let selection = self.selection(raw, runner);
        let policies =
            [("fail", IfFileExists::Fail), ("skip", IfFileExists::Skip), ("overwrite", IfFileExists::Overwrite)];
        let if_file_exists = self.choice("if-file-exists", raw.if_file_exists.as_deref(), &policies);
        let checksums = self.checksums_options(raw, version);
        let link_repository = self.link_repository(raw, runner, destination);
        Some(PublishOptions {
            selection: selection?,
            if_file_exists: if_file_exists?,
            checksums,
            link_repository: link_repository?,
            dry_run: dry_run?,
        })
    }

    fn whole_number(
        &mut self,
        input: &'static str,
        text: Option<&str>,
        range: RangeInclusive<u32>,
        default: u32,
    ) -> Option<u32> {
        let Some(text) = text.map(str::trim) else { return Some(default) };
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let problem = format!("is no whole number from {} to {}", range.start(), range.end());
            self.problem(input, Some(text), problem, format!("Give one, or leave it out for {default}"));
        }
        number
    }

    /// The spellings of a boolean that runners accept (YAML 1.2's core schema).
    fn boolean(&mut self, input: &'static str, text: Option<&str>) -> Option<bool> {
        match text.map(str::trim) {
            None | Some("false" | "False" | "FALSE") => Some(false),
            Some("true" | "True" | "TRUE") => Some(true),
            Some(other) => {
                self.problem(input, Some(other), "is neither true nor false", "Give `true` or `false`");
                None
            }
        }
    }

    /// One of a few words; the first is the default.
    fn choice<T: Copy>(&mut self, input: &'static str, text: Option<&str>, words: &[(&str, T)]) -> Option<T> {
        let Some(text) = text.map(str::trim) else { return Some(words[0].1) };
        if let Some((_, choice)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*choice);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let accepted = match suggest(&text.to_lowercase(), &names) {
            Some(word) => format!("Did you mean `{word}`? Accepted are {listed}"),
            None => format!("Accepted are {listed}"),
        };
        self.problem(input, Some(text), "is not known", accepted);
        None
    }
}
