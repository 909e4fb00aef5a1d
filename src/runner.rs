//! The runner that started the program, and the variables that it sets.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::secret::Secret;

/// The environment of the program, which `main` reads once.
///
/// It contains secrets, so it has no `Debug`.
pub struct Environment {
    variables: Vec<(OsString, OsString)>,
    directory: PathBuf,
}

impl Environment {
    /// Creates an environment from its variables and the working directory.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>, directory: impl Into<PathBuf>) -> Self {
        // A name can occur twice. Other programs read the first.
        let mut known = HashSet::new();
        let variables = variables.into_iter().filter(|(name, _)| known.insert(name.clone())).collect();
        Self { variables, directory: directory.into() }
    }

    /// Returns the variables in the order of the system.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.variables.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Returns the working directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns a variable as a path; empty means not set.
    fn path(&self, name: &str) -> Option<PathBuf> {
        self.variables().find(|(known, value)| *known == name && !value.is_empty()).map(|(_, value)| value.into())
    }

    /// Returns the variables that are text, are not empty, and have only ASCII and no lower-case letter in their names. envy ignores
    /// case, and a variable `act` must not look like one of the runner.
    fn texts(&self) -> impl Iterator<Item = (String, String)> {
        self.variables().filter_map(|(name, value)| {
            let name =
                name.to_str().filter(|name| name.is_ascii() && !name.contains(|c: char| c.is_ascii_lowercase()))?;
            let value = value.to_str().filter(|value| !value.is_empty())?;
            Some((name.to_owned(), value.to_owned()))
        })
    }
}

/// The kinds of runners, by the variables that each sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Forgejo's runner; it sets `GITEA_ACTIONS` too.
    Forgejo,
    /// Gitea's `act_runner`.
    Gitea,
    /// GitHub's runner.
    GitHub,
    /// nektos/act on a local machine.
    Act,
    /// No runner: started by hand.
    None,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forgejo => "Forgejo Actions",
            Self::Gitea => "Gitea Actions",
            Self::GitHub => "GitHub Actions",
            Self::Act => "act",
            Self::None => "no runner",
        })
    }
}

/// The variables of runners that are text.
#[derive(Deserialize)]
struct Variables {
    forgejo_actions: Option<String>,
    gitea_actions: Option<String>,
    github_actions: Option<String>,
    act: Option<String>,
    github_server_url: Option<String>,
    github_repository: Option<String>,
    github_repository_owner: Option<String>,
    github_ref: Option<String>,
    github_actor: Option<String>,
    github_action_repository: Option<String>,
    github_action_ref: Option<String>,
    runner_debug: Option<String>,
    github_token: Option<Secret>,
    gitea_token: Option<Secret>,
    forgejo_token: Option<Secret>,
}

/// An action, as a workflow refers to it: `repository@ref`. Both are safe to show in a workflow.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    /// Owner and name of its repository.
    pub(crate) repository: String,
    /// A tag, a branch or a commit.
    pub(crate) git_ref: String,
}

impl Action {
    fn of(repository: Option<String>, git_ref: Option<String>) -> Option<Self> {
        let (repository, git_ref) = (repository?, git_ref?);
        let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        let is_good = repository.matches('/').count() == 1 && is_plain(&repository) && is_plain(&git_ref);
        is_good.then_some(Self { repository, git_ref })
    }
}

/// Whether the job can get ID tokens, by `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
#[derive(Clone, Debug)]
pub(crate) enum IdTokens {
    /// It can: where to request them, and the token for that.
    Offered { url: String, token: Secret },
    /// Not this job: a variable is empty (seen on Forgejo without `enable-openid-connect`).
    Empty,
    /// At least one variable is not set.
    Unset,
}

/// The runner of this step. An empty variable counts as not set.
#[derive(Clone, Debug)]
pub struct Runner {
    /// The kind of runner.
    pub(crate) kind: Kind,
    /// `GITHUB_WORKSPACE`, or the working directory if that is not set.
    pub(crate) workspace: PathBuf,
    /// `GITHUB_OUTPUT`: the file for the step's outputs.
    pub(crate) output: Option<PathBuf>,
    /// `GITHUB_SERVER_URL`: the server that runs the workflow.
    pub(crate) server_url: Option<String>,
    /// The owner of the workflow's repository.
    pub(crate) owner: Option<String>,
    /// The name of the workflow's repository, without its owner.
    pub(crate) repository: Option<String>,
    /// `GITHUB_REF`: a tag if it starts with `refs/tags/`, also for releases and manual runs on a tag.
    pub(crate) git_ref: Option<String>,
    /// `GITHUB_ACTOR`: the user who started the workflow.
    pub(crate) actor: Option<String>,
    /// `GITHUB_STEP_SUMMARY`: the file for the step's part of the job summary, in Markdown.
    pub(crate) summary: Option<PathBuf>,
    /// The action that runs; `None` if it is in the workflow's repository, or if the runner does not set it.
    pub(crate) action: Option<Action>,
    /// Whether the person who started the workflow asked for debug messages.
    pub(crate) debug: bool,
    /// The ID tokens of the job.
    pub(crate) id_tokens: IdTokens,
    /// The tokens of the job, which cannot publish packages (seen on Forgejo 7, 11 and 15).
    jobs_own: Vec<Secret>,
}

impl Runner {
    /// Reads the variables that runners set.
    ///
    /// # Panics
    /// Never, because every field of `Variables` is an optional text, and every name occurs once.
    #[must_use]
    pub fn detect(environment: &Environment) -> Self {
        let variables: Variables = envy::from_iter(environment.texts()).expect("optional texts with different names");
        let kind = match &variables {
            Variables { forgejo_actions: Some(_), .. } => Kind::Forgejo,
            Variables { gitea_actions: Some(_), .. } => Kind::Gitea,
            // act sets GITHUB_ACTIONS too.
            Variables { github_actions: Some(_), act: Some(_), .. } => Kind::Act,
            Variables { github_actions: Some(_), .. } => Kind::GitHub,
            _ => Kind::None,
        };
        let (owner, repository) = match variables.github_repository.as_deref().and_then(|name| name.split_once('/')) {
            Some((owner, name)) => (Some(owner.to_owned()), Some(name.to_owned())),
            None => (None, variables.github_repository),
        };
        let [url, request_token] = ["URL", "TOKEN"].map(|name| {
            let name = format!("ACTIONS_ID_TOKEN_REQUEST_{name}");
            let (_, value) = environment.variables().find(|(known, _)| *known == name.as_str())?;
            Some(value.to_string_lossy().trim().to_owned())
        });
        let id_tokens = match (url, request_token) {
            (Some(url), Some(token)) if url.is_empty() || token.is_empty() => IdTokens::Empty,
            (Some(url), Some(token)) => IdTokens::Offered { url, token: Secret::new(token) },
            _ => IdTokens::Unset,
        };
        let tokens = [variables.github_token, variables.gitea_token, variables.forgejo_token];
        Self {
            kind,
            workspace: environment.path("GITHUB_WORKSPACE").unwrap_or_else(|| environment.directory().to_owned()),
            output: environment.path("GITHUB_OUTPUT"),
            server_url: variables.github_server_url,
            owner: variables.github_repository_owner.or(owner),
            repository,
            git_ref: variables.github_ref,
            actor: variables.github_actor,
            summary: environment.path("GITHUB_STEP_SUMMARY"),
            action: Action::of(variables.github_action_repository, variables.github_action_ref),
            debug: variables.runner_debug.is_some_and(|debug| debug == "1"),
            id_tokens,
            jobs_own: tokens.into_iter().flatten().collect(),
        }
    }

    /// Whether a token is one that the runner gives to every job.
    pub(crate) fn is_jobs_own(&self, token: &Secret) -> bool {
        self.jobs_own.iter().any(|own| own.expose() == token.expose())
    }

    /// Whether the runner's files exist. A container on a host label cannot see them (seen on Gitea's and Forgejo's
    /// runners).
    pub(crate) fn has_runner_files(&self) -> bool {
        !self.reads_commands() || self.output.as_deref().is_some_and(Path::exists)
    }

    /// Whether a runner reads workflow commands in the log, so that the program was not started by hand.
    #[must_use]
    pub fn reads_commands(&self) -> bool {
        self.kind != Kind::None
    }
}
