//! The action's inputs: `INPUT_*` -> `RawInputs` (what was typed) -> [`Inputs`] (what it means).
//!
//! Every rule about an input is here, and no other module sees a raw string. All problems are collected before any is
//! reported, so that one run shows them all.

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
use crate::command::Command;
use crate::files::{BadLine, Line, LocalFile, Selection};
use crate::hint::{Explain, Plural};
use crate::network::Network;
use crate::package::{BadName, FileName, Owner, RepositoryName, ServerUrl, Target, Version};
use crate::runner::{Environment, Runner};
use crate::sanitize::Sanitized;
use crate::secret::{Credentials, Redactor, Secret, User};
use crate::suggest::suggest;

/// The checked inputs of a run.
#[derive(Debug)]
pub struct Inputs {
    /// The command, and what only it needs.
    pub(crate) task: Task,
    /// The version to publish or download. For downloads, `latest` can mean another one: see [`DownloadOptions`].
    pub(crate) target: Target,
    /// The user and token. `None` for a download of a public package, and for a dry run without the registry.
    pub(crate) credentials: Option<Credentials>,
    /// The number of transfers at a time.
    pub(crate) concurrency: usize,
    /// The number of retries per file and per request.
    pub(crate) retries: u32,
    /// The time after which a transfer that moves no data counts as broken.
    pub timeout: Duration,
    /// Certificates, proxies and headers for the connection to the server.
    pub(crate) network: Network,
    /// Replaces every secret of the inputs in a text.
    pub(crate) redactor: Redactor,
}

/// The command, with the options that only it has.
#[derive(Debug)]
pub(crate) enum Task {
    /// Upload files of the workspace.
    Publish(PublishOptions),
    /// Download files into the workspace.
    Download(DownloadOptions),
}

/// The options of the command that publishes.
#[derive(Debug)]
pub(crate) struct PublishOptions {
    /// The files to publish.
    pub(crate) selection: Selection,
    /// The policy for files that already exist with different content.
    pub(crate) if_file_exists: IfFileExists,
    /// The checksums file to publish, if any.
    pub(crate) checksums: Option<ChecksumsOptions>,
    /// The repository to link the package to.
    pub(crate) link_repository: Option<RepositoryName>,
    /// Whether nothing is changed, and only the plan is shown.
    pub(crate) dry_run: bool,
}

/// The checksums file of a version, and what depends on it.
#[derive(Clone, Debug)]
pub(crate) struct ChecksumsOptions {
    /// The name of the checksums file.
    pub(crate) name: FileName,
    /// File name patterns. The version must have a file for each.
    pub(crate) expect: Vec<Line>,
    /// The aliases to update, in the order of the input.
    pub(crate) aliases: Vec<Version>,
}

/// The policy for files that already exist with different content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfFileExists {
    /// Fail without a change on the registry.
    Fail,
    /// Keep the registry's file.
    Skip,
    /// Delete the registry's file, and upload the local one.
    Overwrite,
}

/// The result of reading the environment.
#[derive(Debug)]
pub struct Reading {
    /// The inputs, or all problems of all of them.
    pub inputs: Result<Inputs, Vec<InputError>>,
    /// All secrets that were given: the token and its form in Basic authentication, the values of headers, and the
    /// credentials of proxies.
    pub secrets: Vec<Secret>,
    /// Removes these secrets from text.
    pub redactor: Redactor,
    /// Warnings for the log.
    pub warnings: Vec<String>,
}

/// A problem of one input, or of one environment variable.
#[derive(Debug, thiserror::Error)]
pub struct InputError {
    code: &'static str,
    input: &'static str,
    /// The value or the line that is wrong, in backticks, as the user wrote it. Never a secret.
    value: Option<String>,
    problem: String,
    hint: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if NAMES.contains(&self.input) { "input" } else { "variable" };
        let subject = self.value.as_deref().unwrap_or("it");
        write!(f, "failed to read {kind} `{}`: {subject} {}", self.input, self.problem)
    }
}

impl Explain for InputError {
    fn code(&self) -> &'static str {
        self.code
    }

    fn hint(&self) -> Option<String> {
        Some(self.hint.clone())
    }

    fn plural(&self) -> Option<Plural> {
        let item = self.value.clone()?;
        let problem = self.problem.replace("{}", "{ }");
        Some(Plural {
            text: format!("failed to read input `{}`: each of {{}} lines {problem}", self.input),
            item,
            is_hint_an_example: true,
        })
    }
}

impl Inputs {
    /// Reads every input of a command and checks it.
    ///
    /// # Panics
    /// Never, because every field is optional text and every name is unique.
    #[must_use]
    pub fn read(command: Command, environment: &Environment, runner: &Runner) -> Reading {
        let mut reader =
            Reader { command, problems: Vec::new(), warnings: Vec::new(), secrets: Vec::new(), secret_file: None };
        let given = reader.collect(environment);
        let raw: RawInputs =
            envy::from_iter(given.iter().map(|(name, value)| ((*name).to_owned(), value.expose().to_owned())))
                .expect("every field is optional text, and every name is unique");
        let mut inputs = reader.inputs(&raw, runner, environment);
        let token = raw.token.as_ref().map(|token| Secret::new(token.expose().trim()));
        let credentials = inputs.as_ref().and_then(|inputs| inputs.credentials.as_ref());
        let redactor = match (credentials, &token) {
            (Some(credentials), _) => credentials.redactor(),
            (None, Some(token)) => Redactor::default().with(std::slice::from_ref(token)),
            (None, None) => Redactor::default(),
        };
        let basic = credentials.map(Credentials::basic);
        reader.reject_token(&redactor, &given);
        reader.reject_header_values(&given);
        let redactor = redactor.with(&reader.secrets);
        if let Some(inputs) = &mut inputs {
            inputs.redactor = redactor.clone();
        }
        // A runner would mask every text that contains a shorter one.
        let mut secrets: Vec<Secret> =
            token.into_iter().filter(|token| token.expose().len() >= SHORTEST_TOKEN).collect();
        secrets.extend(basic);
        secrets.append(&mut reader.secrets);
        let inputs = inputs.filter(|_| reader.problems.is_empty()).ok_or(reader.problems);
        Reading { inputs, secrets, redactor, warnings: reader.warnings }
    }

    /// Returns the user that sends the requests.
    #[must_use]
    pub(crate) fn user(&self) -> User {
        let Some(credentials) = &self.credentials else { return User::Nobody };
        credentials.user().map_or(User::Unnamed, User::Named)
    }

    /// Returns the command.
    #[must_use]
    pub(crate) fn command(&self) -> Command {
        match self.task {
            Task::Publish(_) => Command::Publish,
            Task::Download(_) => Command::Download,
        }
    }
}

/// Reads one input after the other and collects the problems.
struct Reader {
    command: Command,
    problems: Vec<InputError>,
    warnings: Vec<String>,
    /// Secrets other than the token.
    secrets: Vec<Secret>,
    /// The file in the workspace that an input names and that contains a secret.
    secret_file: Option<Box<LocalFile>>,
}

impl Reader {
    fn problem(
        &mut self,
        input: &'static str,
        value: Option<&str>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.reject("invalid-input", input, value, problem, hint);
    }

    /// Adds a problem that has a code of its own.
    fn reject(
        &mut self,
        code: &'static str,
        input: &'static str,
        value: Option<&str>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems.push(InputError {
            code,
            input,
            value: value.map(|value| format!("`{}`", Sanitized::new(value))),
            problem: problem.into(),
            hint: hint.into(),
        });
    }

    /// Adds a problem for a required input that is not set, unless another problem of it is known.
    fn missing(&mut self, input: &'static str, problem: impl Into<String>, hint: impl Into<String>) {
        if self.problems.iter().all(|known| known.input != input) {
            self.reject("missing-input", input, None, problem, hint);
        }
    }

    fn bad_line(&mut self, input: &'static str, line: &str, bad: &BadLine) {
        self.reject(bad.code(), input, Some(line), bad.to_string(), bad.hint().unwrap_or_default());
    }

    fn bad_name<T>(&mut self, input: &'static str, result: Result<T, BadName>, hint: &str) -> Option<T> {
        match result {
            Ok(name) => Some(name),
            Err(bad) => {
                self.problems.push(InputError {
                    code: "invalid-input",
                    input,
                    value: Some(format!("`{}`", bad.name)),
                    problem: bad.why,
                    hint: hint.to_owned(),
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
        // Before `files`, which must not select a file with a secret.
        let address = Address { server: server.as_ref(), owner: owner.as_ref(), package: package.as_ref() };
        let network = self.network(raw, runner, environment, &address);
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
            network: network?,
            // Set when all inputs are read, because only then all secrets are known.
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
            let problem = format!("is not a whole number from {} to {}", range.start(), range.end());
            let hint = format!("Set `{input}` to such a number, or remove it to use the default, {default}");
            self.problem(input, Some(text), problem, hint);
        }
        number
    }

    /// Reads a boolean in the spellings that runners accept (YAML 1.2's core schema).
    fn boolean(&mut self, input: &'static str, text: Option<&str>) -> Option<bool> {
        match text.map(str::trim) {
            None | Some("false" | "False" | "FALSE") => Some(false),
            Some("true" | "True" | "TRUE") => Some(true),
            Some(other) => {
                let hint = format!("Set `{input}` to `true` or `false`");
                self.problem(input, Some(other), "is neither `true` nor `false`", hint);
                None
            }
        }
    }

    /// Reads one of a few words; the first is the default.
    fn choice<T: Copy>(&mut self, input: &'static str, text: Option<&str>, words: &[(&str, T)]) -> Option<T> {
        let Some(text) = text.map(str::trim) else { return Some(words[0].1) };
        if let Some((_, choice)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*choice);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let hint = match suggest(&text.to_lowercase(), &names) {
            Some(word) => format!("Use `{word}`. Allowed: {listed}"),
            None => format!("Use one of {listed}"),
        };
        self.problem(input, Some(text), "is not a known value", hint);
        None
    }
}
