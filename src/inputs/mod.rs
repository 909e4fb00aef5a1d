//! The action's inputs: `INPUT_*` -> `RawInputs` (as typed) -> [`Inputs`] (checked).
//!
//! Every rule about an input is here, and no other module sees a raw string. All problems are collected before any is
//! reported, so that one run shows them all.

mod checksums;
mod checksums_file;
mod collect;
mod destination;
mod download;
mod error;
mod id_token;
mod link;
mod network;
mod raw;
mod selection;
mod unknown;
mod workspace_file;

use std::ops::RangeInclusive;
use std::time::Duration;

pub(crate) use self::checksums_file::ChecksumsFile;
use self::collect::collect;
use self::destination::SHORTEST_TOKEN;
pub(crate) use self::download::DownloadOptions;
pub use self::error::InputError;
use self::raw::RawInputs;
use self::unknown::DRY_RUN;
use crate::command::Command;
use crate::credentials::{AccessToken, Credentials, User};
use crate::files::{Line, LocalFile, Selection};
use crate::network::Network;
use crate::package::{FileName, Owner, RepositoryName, ServerUrl, Target, Version};
use crate::runner::{Environment, IdTokens, Runner};
use crate::secret::{Redactor, Secret};
use crate::suggest::suggest;

/// The checked inputs of a run.
#[derive(Debug)]
pub struct Inputs {
    /// The command, with the options that only it has.
    pub(crate) task: Task,
    /// The version to publish or download. For downloads, `latest` can mean another one: see [`DownloadOptions`].
    pub(crate) target: Target,
    /// How the run authenticates. `None` for a download of a public package, and for a dry run without the registry.
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

impl Inputs {
    /// Reads every input of a command and checks it.
    #[must_use]
    pub fn read(command: Command, environment: &Environment, runner: &Runner) -> Reading {
        let mut problems = Vec::new();
        let (raw, warning) = collect(command, environment, &mut problems);
        let raw = &raw;
        let warnings = warning.into_iter().collect();
        let mut reader =
            Reader { command, raw, runner, environment, problems, warnings, secrets: Vec::new(), secret_file: None };
        let mut inputs = reader.inputs();
        let token = raw.get("token").map(Secret::new);
        // Also if another input is bad: it is secret from the start.
        reader.hide_request_token();
        let credentials = inputs.as_ref().and_then(|inputs| inputs.credentials.as_ref());
        let redactor = match (credentials, &token) {
            (Some(credentials), _) => credentials.redactor(),
            (None, Some(token)) => Redactor::default().with(std::slice::from_ref(token)),
            (None, None) => Redactor::default(),
        };
        let basic = credentials.and_then(Credentials::basic);
        // A header is as secret as the token.
        reader.reject_secrets(&redactor, &["token", "headers"], "the token", "token");
        let headers = raw.get("headers").unwrap_or_default();
        let values = reader.secrets.iter().filter(|secret| headers.contains(secret.expose()));
        let values = Redactor::default().with(&values.cloned().collect::<Vec<_>>());
        let exempt = ["token", "headers", "ca-certificate", "client-certificate"];
        reader.reject_secrets(&values, &exempt, "the value of a header from `headers`", "value");
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
        self.credentials.as_ref().map_or(User::Nobody, Credentials::user)
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
struct Reader<'a> {
    command: Command,
    raw: &'a RawInputs,
    runner: &'a Runner,
    environment: &'a Environment,
    problems: Vec<InputError>,
    warnings: Vec<String>,
    /// Secrets other than the token.
    secrets: Vec<Secret>,
    /// The file in the workspace that an input names and that contains a secret.
    secret_file: Option<Box<LocalFile>>,
}

impl Reader<'_> {
    /// Returns a value, or keeps the problem. An input with another problem does not count as missing, and neither does a
    /// token if `oidc-audience` has a problem.
    fn keep<T>(&mut self, result: Result<T, InputError>) -> Option<T> {
        match result {
            Ok(value) => return Some(value),
            Err(error) if self.problems.iter().any(|known| known.explains_missing(&error)) => {}
            Err(error) => self.problems.push(error),
        }
        None
    }

    /// Reads each line of a text, without empty ones. Returns what the lines mean, if all are good.
    fn each_line<T>(&mut self, text: &str, read: impl FnMut(&str) -> Result<T, InputError>) -> Option<Vec<T>> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let read: Vec<Option<T>> = lines.map(read).map(|result| self.keep(result)).collect();
        read.into_iter().collect()
    }

    /// Rejects a secret in another input: it would end up in URLs, outputs or errors.
    fn reject_secrets(&mut self, redactor: &Redactor, exempt: &[&str], what: &str, to_remove: &str) {
        for (name, _) in self.raw.all().filter(|(name, text)| !exempt.contains(name) && redactor.contains_secret(text))
        {
            self.problems.retain(|problem| problem.input != name);
            let problem = format!("contains {what}, which would become public");
            let hint = format!("Remove the {to_remove} from this input");
            self.problems.push(InputError::new(name, None, problem, hint).with_code("secret-in-input"));
        }
    }

    fn inputs(&mut self) -> Option<Inputs> {
        let dry_run = self.boolean(DRY_RUN);
        let token = self.keep(self.token(dry_run == Some(true))).flatten();
        // In `user:token`, the token alone is secret too.
        if let Some((_, token)) = token.as_ref().and_then(|token| token.expose().split_once(':'))
            && token.len() >= SHORTEST_TOKEN
        {
            self.hide(token);
        }
        let id_token = self.id_token_request(dry_run == Some(true));
        let id_token = self.keep(id_token).flatten();
        let server = self.server();
        let server = self.keep(server);
        let owner = self.keep(self.owner());
        let package = self.keep(self.package());
        let version = match self.command {
            Command::Publish => self.version(),
            Command::Download => self.version_to_download(),
        };
        let version = self.keep(version);
        let username = self.keep(self.username());
        // Before `files`, which must not select a file with a secret.
        let network = self.network(server.as_ref(), owner.as_ref(), package.as_ref());
        let task = match self.command {
            Command::Publish => {
                let destination = server.as_ref().zip(owner.as_ref());
                self.publish_options(version.as_ref(), destination, dry_run).map(Task::Publish)
            }
            Command::Download => self.download_options().map(Task::Download),
        };
        let concurrency = self.whole_number("concurrency", 1..=32, 4);
        let retries = self.whole_number("retries", 0..=100, 5);
        let timeout = self.whole_number("timeout", 1..=3600, 60);
        let username = username?;
        let access_token = |token| {
            Credentials::Token(AccessToken {
                username,
                is_named: self.raw.get("username").is_some(),
                is_jobs_own: self.runner.is_jobs_own(&token),
                can_get_id_tokens: matches!(self.runner.id_tokens, IdTokens::Offered { .. }),
                token,
            })
        };
        Some(Inputs {
            task: task?,
            target: Target { server: server?, owner: owner?, package: package?, version: version? },
            credentials: id_token.map(Credentials::IdToken).or_else(|| token.map(access_token)),
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
        version: Option<&Version>,
        destination: Option<(&ServerUrl, &Owner)>,
        dry_run: Option<bool>,
    ) -> Option<PublishOptions> {
        let selection = self.selection();
        let policies =
            [("fail", IfFileExists::Fail), ("skip", IfFileExists::Skip), ("overwrite", IfFileExists::Overwrite)];
        let if_file_exists = self.choice("if-file-exists", &policies);
        let checksums = self.checksums_options(version);
        let link_repository = self.keep(self.link_repository(destination));
        Some(PublishOptions {
            selection: selection?,
            if_file_exists: if_file_exists?,
            checksums,
            link_repository: link_repository?,
            dry_run: dry_run?,
        })
    }

    fn whole_number(&mut self, input: &'static str, range: RangeInclusive<u32>, default: u32) -> Option<u32> {
        let Some(text) = self.raw.get(input) else { return Some(default) };
        self.keep(text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let problem = format!("is not a whole number from {} to {}", range.start(), range.end());
            let hint = format!("Set `{input}` to such a number, or remove it to use the default, {default}");
            InputError::new(input, Some(text), problem, hint)
        }))
    }

    /// Reads a boolean in the spellings that runners accept (YAML 1.2's core schema).
    fn boolean(&mut self, input: &'static str) -> Option<bool> {
        self.keep(match self.raw.get(input) {
            None | Some("false" | "False" | "FALSE") => Ok(false),
            Some("true" | "True" | "TRUE") => Ok(true),
            Some(other) => {
                let hint = format!("Set `{input}` to `true` or `false`");
                Err(InputError::new(input, Some(other), "is neither `true` nor `false`", hint))
            }
        })
    }

    /// Reads one of a few words; the first is the default.
    fn choice<T: Copy>(&mut self, input: &'static str, words: &[(&str, T)]) -> Option<T> {
        let Some(text) = self.raw.get(input) else { return Some(words[0].1) };
        let known = words.iter().find(|(word, _)| *word == text);
        self.keep(known.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let hint = match suggest(&text.to_lowercase(), &names) {
                Some(word) => format!("Use `{word}`. Allowed: {listed}"),
                None => format!("Use one of {listed}"),
            };
            InputError::new(input, Some(text), "is not a known value", hint)
        }))
    }
}
