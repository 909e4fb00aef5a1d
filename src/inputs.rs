//! The action's inputs: `INPUT_*` -> `RawInputs` (what was typed) -> [`Inputs`] (what it means).
//!
//! Every rule about an input lives here, and nothing behind this module sees a raw string. All problems are found
//! before anything is reported, so that one run names them all.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use url::Url;

use crate::advice::Advise;
use crate::files::{IfNoneFound, Line, Selection, is_git};
use crate::package::{BadName, Owner, PackageName, ServerUrl, Target, Version};
use crate::runner::{Environment, Runner};
use crate::secret::{Credentials, Redactor, Secret};
use crate::untrusted::Untrusted;

macro_rules! raw_inputs {
    ($($field:ident: $type:ty = $name:literal),+ $(,)?) => {
        /// The inputs as they were typed; an input that is empty counts as not given.
        #[derive(Debug, Default, Deserialize)]
        struct RawInputs {
            $(#[serde(rename = $name)] $field: Option<$type>,)+
        }

        /// The names of the inputs, as `action.yml` declares them.
        pub const NAMES: &[&str] = &[$($name),+];
    };
}

raw_inputs! {
    files: String = "files",
    token: Secret = "token",
    server_url: String = "server-url",
    owner: String = "owner",
    repo: String = "repo",
    version: String = "version",
    version_strip_prefix: String = "version-strip-prefix",
    username: String = "username",
    working_directory: String = "working-directory",
    if_no_files_found: String = "if-no-files-found",
    include_hidden_files: String = "include-hidden-files",
    concurrency: String = "concurrency",
}

/// What a run is to do, with every input checked.
#[derive(Debug)]
pub struct Inputs {
    /// Which files to publish.
    pub selection: Selection,
    /// Where they go.
    pub target: Target,
    /// As whom.
    pub credentials: Credentials,
    /// How many uploads may run at a time.
    pub concurrency: usize,
}

/// What was read of the environment.
#[derive(Debug)]
pub struct Reading {
    /// The inputs, or all problems of all of them.
    pub inputs: Result<Inputs, Vec<InputError>>,
    /// What nobody may see, as far as it was given: the token, and what Basic authentication makes of it.
    pub secrets: Vec<Secret>,
    /// What is worth a warning, though nothing is wrong.
    pub warnings: Vec<String>,
}

/// What is wrong with one input.
#[derive(Debug, thiserror::Error)]
pub struct InputError {
    input: &'static str,
    /// The value as it was given; never that of a secret.
    value: Option<Untrusted>,
    problem: String,
    accepted: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "input `{}`: `{value}` {}", self.input, self.problem),
            None => write!(f, "input `{}` {}", self.input, self.problem),
        }
    }
}

impl Advise for InputError {
    fn advice(&self) -> Option<String> {
        Some(self.accepted.clone())
    }
}

impl Inputs {
    /// Reads every input and checks it.
    #[must_use]
    pub fn read(environment: &Environment, runner: &Runner) -> Reading {
        let mut reader = Reader { problems: Vec::new(), warnings: Vec::new() };
        let given = reader.collect(environment);
        // Every field is optional text, so nothing in here can be of the wrong form.
        let raw: RawInputs =
            envy::from_iter(given.iter().map(|(name, value)| ((*name).to_owned(), value.clone()))).unwrap_or_default();
        let inputs = reader.inputs(&raw, runner);
        if let Some(token) = &raw.token {
            reader.look_for_the_token(token, &given);
        }
        let mut secrets: Vec<Secret> = raw.token.iter().map(|token| Secret::new(token.expose().trim())).collect();
        secrets.extend(inputs.iter().map(|inputs| inputs.credentials.basic()));
        let inputs = inputs.filter(|_| reader.problems.is_empty()).ok_or(reader.problems);
        Reading { inputs, secrets, warnings: reader.warnings }
    }
}

/// Checks one input after the other and keeps what is wrong.
struct Reader {
    problems: Vec<InputError>,
    warnings: Vec<String>,
}

impl Reader {
    fn problem(
        &mut self,
        input: &'static str,
        value: Option<&str>,
        problem: impl Into<String>,
        accepted: impl Into<String>,
    ) {
        self.problems.push(InputError {
            input,
            value: value.map(Untrusted::new),
            problem: problem.into(),
            accepted: accepted.into(),
        });
    }

    fn bad_name<T>(&mut self, input: &'static str, result: Result<T, BadName>, accepted: &str) -> Option<T> {
        match result {
            Ok(name) => Some(name),
            Err(bad) => {
                let problem = bad.why;
                self.problems.push(InputError { input, value: Some(bad.name), problem, accepted: accepted.to_owned() });
                None
            }
        }
    }

    /// Picks our inputs out of the environment. Shells cannot name a hyphen, so `INPUT_SERVER_URL` is taken for
    /// `INPUT_SERVER-URL`.
    fn collect(&mut self, environment: &Environment) -> BTreeMap<&'static str, String> {
        let mut found = BTreeMap::<&'static str, String>::new();
        for (variable, value) in environment.variables() {
            let Some(given) = variable.to_str().and_then(|name| name.strip_prefix("INPUT_")) else { continue };
            if value.is_empty() {
                continue;
            }
            let folded = given.to_lowercase().replace('_', "-");
            let Some(name) = NAMES.iter().find(|name| **name == folded) else {
                if let Some(near) = nearest(&folded, NAMES) {
                    let given = Untrusted::new(given);
                    self.warnings
                        .push(format!("INPUT_{given} is no input of this action and does nothing: `{near}` is"));
                }
                continue;
            };
            match value.to_str() {
                None => self.problem(name, None, "is not valid UTF-8", "Give the value as UTF-8 text"),
                Some(text) if text.trim().is_empty() => {}
                Some(text) => match found.insert(name, text.to_owned()) {
                    Some(other) if other != text => self.problem(
                        name,
                        None,
                        "is given twice, with a hyphen and with an underscore, and the values differ",
                        "Set one of the two variables",
                    ),
                    _ => {}
                },
            }
        }
        found
    }

    fn inputs(&mut self, raw: &RawInputs, runner: &Runner) -> Option<Inputs> {
        let token = self.token(raw);
        let server = self.server(raw, runner);
        let owner = self.owner(raw, runner);
        let package = self.package(raw, runner);
        let version = self.version(raw, runner);
        let username = self.username(raw, runner);
        let selection = self.selection(raw, runner);
        let concurrency = self.concurrency(raw);
        Some(Inputs {
            selection: selection?,
            target: Target { server: server?, owner: owner?, package: package?, version: version? },
            credentials: Credentials {
                username: username?,
                is_jobs_own: token.as_ref().is_some_and(|token| runner.is_jobs_own(token)),
                token: token?,
            },
            concurrency: concurrency?,
        })
    }

    /// White space around a token is a frequent accident, and a newline in it is a 401 (recorded).
    fn token(&mut self, raw: &RawInputs) -> Option<Secret> {
        let accepted = "Give a personal access token with the scope write:package, from a secret: \
                        `token: ${{ secrets.PACKAGES_TOKEN }}`";
        let Some(token) = &raw.token else {
            self.problem("token", None, "is not given, or its secret is empty", accepted);
            return None;
        };
        let token = token.expose().trim();
        if token.chars().any(|c| c.is_control() || c.is_whitespace()) {
            self.problem("token", None, "has white space or a control character inside", accepted);
            return None;
        }
        Some(Secret::new(token))
    }

    fn server(&mut self, raw: &RawInputs, runner: &Runner) -> Option<ServerUrl> {
        let accepted = "Give the base URL of the forge: `server-url: https://git.example.com`, with the sub-path where \
                        it has one";
        let given = raw.server_url.as_deref().map(str::trim);
        let Some(text) = given.or(runner.server_url.as_deref()) else {
            self.problem("server-url", None, "is not given, and there is no workflow's server to take", accepted);
            return None;
        };
        // What follows may hold a password: it is shown only once that is ruled out.
        let url = match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => url,
            _ if text.contains('@') => {
                self.problem("server-url", None, "is no URL that begins with https:// or http://", accepted);
                return None;
            }
            _ => {
                self.problem("server-url", Some(text), "does not begin with https:// or http://", accepted);
                return None;
            }
        };
        let faults: Vec<&str> = [
            (!url.username().is_empty() || url.password().is_some(), "has a user name or a password in it"),
            (url.query().is_some(), "has a query in it"),
            (url.fragment().is_some(), "has a fragment in it"),
        ]
        .into_iter()
        .filter_map(|(wrong, words)| wrong.then_some(words))
        .collect();
        if !faults.is_empty() {
            self.problem("server-url", None, faults.join(" and "), accepted);
            return None;
        }
        if url.host_str().is_some_and(|host| host == "github.com" || host == "www.github.com") {
            let problem = if given.is_some() {
                "is GitHub, which has no generic package registry"
            } else {
                "is the workflow's server, and GitHub has no generic package registry"
            };
            self.problem("server-url", Some(text), problem, accepted);
            return None;
        }
        let loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let server = ServerUrl::new(url);
        if !server.is_https() && !loopback {
            let host = Untrusted::new(server.host());
            self.warnings.push(format!("the token goes to {host} unencrypted: `server-url` begins with http://"));
        }
        Some(server)
    }

    fn owner(&mut self, raw: &RawInputs, runner: &Runner) -> Option<Owner> {
        let accepted = "Give the user or organisation that owns the package: `owner: acme`";
        let Some(owner) = raw.owner.as_deref().map(str::trim).or(runner.owner.as_deref()) else {
            self.problem(
                "owner",
                None,
                "is not given, and there is no workflow's repository to take it from",
                accepted,
            );
            return None;
        };
        self.bad_name("owner", Owner::parse(owner), accepted)
    }

    fn package(&mut self, raw: &RawInputs, runner: &Runner) -> Option<PackageName> {
        let accepted = "Give the name of the package: `repo: widget`";
        let Some(name) = raw.repo.as_deref().map(str::trim).or(runner.repository.as_deref()) else {
            self.problem("repo", None, "is not given, and there is no workflow's repository to take it from", accepted);
            return None;
        };
        self.bad_name("repo", PackageName::parse(name), accepted)
    }

    /// The version as given, else the tag. `GITHUB_REF_NAME` would be a branch's name on a branch: it is not asked.
    fn version(&mut self, raw: &RawInputs, runner: &Runner) -> Option<Version> {
        let accepted = "Give the version, such as `version: 1.2.0`, or run the workflow on a tag (`on: push: tags`)";
        if let Some(version) = &raw.version {
            return self.bad_name("version", Version::parse(version.trim()), accepted);
        }
        let git_ref = runner.git_ref.as_deref();
        let Some(tag) = git_ref.and_then(|name| name.strip_prefix("refs/tags/")) else {
            let problem = match git_ref {
                Some(other) => {
                    format!("is not given, and the workflow runs on {}, which is no tag", Untrusted::new(other))
                }
                None => "is not given, and the workflow does not run on a tag".to_owned(),
            };
            self.problem("version", None, problem, accepted);
            return None;
        };
        let prefix = raw.version_strip_prefix.as_deref().map_or("", str::trim);
        if tag == prefix {
            self.problem(
                "version-strip-prefix",
                Some(prefix),
                "is the whole tag, and no version would be left",
                accepted,
            );
            return None;
        }
        self.bad_name("version", Version::parse(tag.strip_prefix(prefix).unwrap_or(tag)), accepted)
    }

    /// The registry looks at the token alone, so that even an empty user name works (recorded).
    fn username(&mut self, raw: &RawInputs, runner: &Runner) -> Option<String> {
        let name = raw.username.as_deref().map(str::trim).or(runner.actor.as_deref()).unwrap_or_default();
        if let Some(c) = name.chars().find(|&c| c == ':' || c.is_control()) {
            let problem = if c == ':' { "has a colon" } else { "has a control character" };
            let accepted = "Give the name of the user whom the token belongs to, and the token in `token`";
            // Somebody may have written `user:token` here.
            self.problem("username", None, format!("{problem}, which Basic authentication does not allow"), accepted);
            return None;
        }
        Some(name.to_owned())
    }

    fn selection(&mut self, raw: &RawInputs, runner: &Runner) -> Option<Selection> {
        let workspace = self.workspace(runner);
        let base = workspace.as_deref().and_then(|workspace| self.base(raw, runner, workspace));
        let if_none_found = self.choice(
            "if-no-files-found",
            raw.if_no_files_found.as_deref(),
            &[("error", IfNoneFound::Error), ("warn", IfNoneFound::Warn), ("ignore", IfNoneFound::Ignore)],
        );
        let include_hidden = self.boolean("include-hidden-files", raw.include_hidden_files.as_deref());
        let lines = self.lines(raw, runner, workspace.as_deref(), base.as_deref());
        Some(Selection {
            workspace: workspace?,
            base: base?,
            lines: lines?,
            if_none_found: if_none_found?,
            include_hidden: include_hidden?,
            sees_runner: !runner.reads_commands() || runner.output.as_deref().is_some_and(Path::exists),
        })
    }

    fn workspace(&mut self, runner: &Runner) -> Option<PathBuf> {
        let shown = runner.workspace.to_string_lossy();
        match runner.workspace.canonicalize() {
            Ok(path) if path == Path::new("/") => {
                // In there lies /proc/self/environ, and with it the token.
                let accepted =
                    "Set GITHUB_WORKSPACE, or start the container with `-v \"$PWD:/workspace\" -w /workspace`";
                self.problem(
                    "working-directory",
                    Some("/"),
                    "would make the whole file system the workspace",
                    accepted,
                );
                None
            }
            Ok(path) if path.is_dir() => Some(path),
            Ok(_) => {
                self.problem(
                    "working-directory",
                    Some(&shown),
                    "is the workspace, but no folder",
                    "Set GITHUB_WORKSPACE",
                );
                None
            }
            Err(error) => {
                let accepted = "Run the step in a job that has a workspace: container actions do not see it on a \
                                runner with a host label";
                let problem = format!("is the workspace, but cannot be opened: {error}");
                self.problem("working-directory", Some(&shown), problem, accepted);
                None
            }
        }
    }

    fn base(&mut self, raw: &RawInputs, runner: &Runner, workspace: &Path) -> Option<PathBuf> {
        let Some(text) = raw.working_directory.as_deref().map(str::trim) else {
            return Some(workspace.to_owned());
        };
        let accepted = "Give a folder in the workspace, relative to it: `working-directory: build`";
        let within = Path::new(text).strip_prefix(&runner.workspace).unwrap_or(Path::new(text));
        let problem = match workspace.join(within).canonicalize() {
            Ok(path) if !path.starts_with(workspace) => "lies outside the workspace".to_owned(),
            Ok(path) if path.iter().any(is_git) => "lies inside .git".to_owned(),
            Ok(path) if !path.is_dir() => "is no folder".to_owned(),
            Ok(path) => return Some(path),
            Err(error) => format!("cannot be opened: {error}"),
        };
        self.problem("working-directory", Some(text), problem, accepted);
        None
    }

    fn lines(
        &mut self,
        raw: &RawInputs,
        runner: &Runner,
        workspace: Option<&Path>,
        base: Option<&Path>,
    ) -> Option<Vec<Line>> {
        let accepted = "Give a pattern a line, relative to `working-directory`: `files: dist/*.tar.gz`";
        let Some(text) = raw.files.as_deref() else {
            self.problem("files", None, "is not given", accepted);
            return None;
        };
        let mut lines = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            // Without a workspace there is a problem already; the patterns are checked for their form all the same.
            let workspace = workspace.unwrap_or(&runner.workspace);
            match Line::parse(line, workspace, &runner.workspace, base.unwrap_or(workspace)) {
                Ok(line) => lines.push(line),
                Err(bad) => self.problem("files", Some(line), bad.to_string(), bad.advice().unwrap_or_default()),
            }
        }
        if !text.lines().any(|line| !line.trim().is_empty() && !line.trim().starts_with('!')) {
            self.problem("files", None, "only takes files away", accepted);
            return None;
        }
        Some(lines)
    }

    fn concurrency(&mut self, raw: &RawInputs) -> Option<usize> {
        let Some(text) = raw.concurrency.as_deref().map(str::trim) else { return Some(4) };
        let number = text.parse().ok().filter(|number| (1..=32).contains(number));
        if number.is_none() {
            self.problem("concurrency", Some(text), "is out of range", "Give a whole number from 1 to 32");
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
        let accepted = match nearest(&text.to_lowercase(), &names) {
            Some(near) => format!("Did you mean `{near}`? Accepted are {listed}"),
            None => format!("Accepted are {listed}"),
        };
        self.problem(input, Some(text), "is not known", accepted);
        None
    }

    /// A token that was put into another input as well would end up in URLs, outputs or errors.
    fn look_for_the_token(&mut self, token: &Secret, given: &BTreeMap<&'static str, String>) {
        let redactor = Redactor::of_token(&Secret::new(token.expose().trim()));
        for (name, _) in given.iter().filter(|(name, value)| **name != "token" && redactor.finds(value)) {
            self.problems.retain(|problem| problem.input != *name);
            self.problem(name, None, "contains the token, which everybody would see", "Take the token out of it");
        }
    }
}

/// The one of some words that a mistyped word is closest to, where it is close at all.
fn nearest<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    words
        .iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), *known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 5)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
