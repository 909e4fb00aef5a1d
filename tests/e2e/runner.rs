//! nektos/act, as a maintainer runs a workflow with it.

use std::fs;
use std::path::Path;
use std::process::Command;

use embedded_registry::Registry;
use tempfile::TempDir;

use crate::engine::{Engine, Ran, git, succeeds};
use crate::image::copy_the_context;

/// The server that a workflow runs on.
pub(crate) struct Forge {
    pub(crate) url: String,
    /// A token of alice's that may write.
    pub(crate) token: String,
}

impl Forge {
    pub(crate) fn of(registry: &Registry) -> Self {
        Self { url: registry.url(), token: registry.token("alice_write") }
    }
}

/// The event that starts a workflow.
#[derive(Clone, Copy)]
pub(crate) enum Event<'a> {
    /// A tag was pushed.
    Tag(&'a str),
    /// A branch was pushed.
    Branch(&'a str),
    /// Its time has come; it runs on the default branch.
    Schedule,
}

/// A repository with a workflow, and a runner that has never run.
pub(crate) struct Project<'a> {
    engine: &'a Engine,
    folder: TempDir,
    options: Vec<String>,
    secrets: Vec<(&'static str, String)>,
    network: String,
}

impl<'a> Project<'a> {
    /// A project that uses the action as this checkout has it, under the name that a workflow writes.
    pub(crate) fn new(engine: &'a Engine, workflow: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = Self { engine, folder, options: Vec::new(), secrets: Vec::new(), network: "host".to_owned() };
        let action = project.folder.path().join("action");
        copy_the_context(&action);
        // The runner names its containers after the workflow, and tests run at the same time.
        let workflow = workflow.replacen("name: ", &format!("name: {:08x} ", getrandom::u32().expect("chance")), 1);
        // Both actions are in one repository, and the runner looks for that.
        project.uses("OWNER/generic-packages@v1", &action).file(".github/workflows/workflow.yml", &workflow)
    }

    /// Lets a name in `uses:` stand for a folder.
    pub(crate) fn uses(mut self, name: &str, folder: &Path) -> Self {
        self.options.extend(["--local-repository".to_owned(), format!("{name}={}", folder.display())]);
        self
    }

    /// Sets a variable of the repository, which `vars` has.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.options.extend(["--var".to_owned(), format!("{name}={value}")]);
        self
    }

    /// Sets a secret of the repository, which `secrets` has.
    pub(crate) fn secret(mut self, name: &'static str, value: &str) -> Self {
        self.secrets.push((name, value.to_owned()));
        self
    }

    /// Lets the jobs run in that network, and not in the host's own.
    pub(crate) fn network(self, name: &str) -> Self {
        Self { network: name.to_owned(), ..self }
    }

    /// The repository's root.
    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("widget")
    }

    /// Puts a file into the repository.
    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
        fs::write(path, content).expect("a file can be written");
        self
    }

    /// Runs the workflow as of a push of that tag.
    pub(crate) fn push_tag(&self, tag: &str, forge: &Forge) -> Ran {
        self.run(Event::Tag(tag), forge)
    }

    /// Runs the workflow as of that event.
    pub(crate) fn run(&self, event: Event, forge: &Forge) -> Ran {
        self.commit();
        let (name, payload) = match event {
            Event::Tag(tag) => ("push", format!(r#"{{"ref": "refs/tags/{tag}"}}"#)),
            Event::Branch(branch) => ("push", format!(r#"{{"ref": "refs/heads/{branch}"}}"#)),
            Event::Schedule => ("schedule", "{}".to_owned()),
        };
        let event = self.folder.path().join("event.json");
        fs::write(&event, payload).expect("a file can be written");
        let home = self.folder.path().join("home");
        fs::create_dir_all(&home).expect("a folder");
        let mut act = Command::new("act");
        act.args([name, "--rm", "--pull=false", "--container-daemon-socket", "-", "--eventpath"]);
        act.arg(event).args(["--actor", "alice", "--network", &self.network]);
        for label in ["ubuntu-latest", "docker"] {
            act.arg("--platform").arg(format!("{label}={}", self.engine.job_image));
        }
        // Otherwise the runner takes them from the checkout, or says github.com.
        for (name, value) in [
            ("GITHUB_SERVER_URL", forge.url.as_str()),
            ("GITHUB_REPOSITORY", "alice/widget"),
            ("GITHUB_REPOSITORY_OWNER", "alice"),
        ] {
            act.arg("--env").arg(format!("{name}={value}"));
        }
        let secrets = [("PACKAGES_TOKEN", forge.token.clone())];
        let secrets: Vec<_> = secrets.iter().chain(&self.secrets).collect();
        for (name, value) in &secrets {
            // The value comes from the environment: no argument of a process shows it.
            act.args(["--secret", name]).env(name, value);
        }
        act.args(&self.options).current_dir(self.root()).env("HOME", home);
        let ran = Ran::of(act.output().expect("act starts"));
        secrets.iter().fold(ran, |ran, (_, value)| ran.keeps(value))
    }

    /// A checkout that is a repository, as the runner expects it.
    fn commit(&self) {
        let git = |arguments: &[&str]| succeeds(git(&self.root()).args(arguments));
        if !self.root().join(".git").exists() {
            git(&["init", "--quiet"]);
        }
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--allow-empty", "--message", "A release"]);
    }
}

impl Ran {
    /// Returns the lines that the steps of the jobs print, without the runner's prefix.
    pub(crate) fn printed(&self) -> Vec<&str> {
        self.log.lines().filter_map(|line| line.split_once("  | ")).map(|(_, printed)| printed).collect()
    }

    /// Ends the test where no step prints that line.
    #[track_caller]
    pub(crate) fn prints(self, line: &str) -> Self {
        assert!(self.printed().contains(&line), "no step prints {line:?}:\n{}", self.log);
        self
    }
}
