//! The engine, the image under test, and a container of it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The environment variable for the image under test. `.ci/e2e` sets it, and `JOB_IMAGE` for the image of the jobs.
const IMAGE: &str = "GENERIC_PACKAGES_E2E_IMAGE";
const JOB_IMAGE: &str = "GENERIC_PACKAGES_E2E_JOB_IMAGE";

/// An engine that has the image under test.
pub(crate) struct Engine {
    /// The image that the Dockerfile makes.
    pub(crate) image: String,
    /// An image with a shell and the usual small programs, which jobs run in.
    pub(crate) job_image: String,
}

impl Engine {
    /// The engine that `.ci/e2e` has prepared.
    ///
    /// # Panics
    /// If it has not.
    pub(crate) fn new() -> Self {
        let text = |name| {
            let value = env::var_os(name).and_then(|value| value.into_string().ok());
            value.unwrap_or_else(|| panic!("{name} is not set: `.ci/e2e` sets it, and runs these tests"))
        };
        Self { image: text(IMAGE), job_image: text(JOB_IMAGE) }
    }
}

/// The engine's client.
pub(crate) fn docker<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Returns the output of a `docker` command that must succeed.
#[track_caller]
pub(crate) fn ask<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> String {
    succeeds(&mut docker(arguments))
}

/// Runs a program that has to succeed, and gives what it prints.
#[track_caller]
pub(crate) fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let printed = String::from_utf8(stdout).expect("UTF-8");
    assert!(status.success(), "{command:?} ends with {status}:\n{printed}\n{}", String::from_utf8_lossy(&stderr));
    printed.trim_end().to_owned()
}

/// git as nobody has set it up, in that folder.
pub(crate) fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").current_dir(folder);
    git.args(["-c", "user.name=alice", "-c", "user.email=alice@example.com", "-c", "init.defaultBranch=main"]);
    git
}

/// The root of this repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program of this workspace, which cargo has built beside this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("this test has a path");
    let path = test.parent().and_then(Path::parent).expect("tests lie in a folder of the build").join(name);
    assert!(path.is_file(), "{} is not built: cargo build --workspace", path.display());
    path
}

/// A container of the image under test, with a workspace of its own that is mounted into it.
pub(crate) struct Container<'a> {
    engine: &'a Engine,
    options: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    folder: TempDir,
}

impl<'a> Container<'a> {
    /// One with nothing mounted.
    pub(crate) fn new(engine: &'a Engine) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["workspace", "files"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        Self { engine, options: Vec::new(), variables: Vec::new(), folder }
    }

    /// Adds an option of `docker run`.
    pub(crate) fn option(mut self, option: impl Into<OsString>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Sets a variable, in a way in which no argument of a process shows its value.
    pub(crate) fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Sets an input, as a runner hands it over.
    pub(crate) fn input(self, name: &str, value: &str) -> Self {
        self.variable(&format!("INPUT_{}", name.to_uppercase()), value)
    }

    /// Writes a file into the workspace.
    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        let path = self.workspace().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
        fs::write(path, content).expect("a file can be written");
        self
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// Where the files for outputs, summary and variables are, on the host.
    pub(crate) fn runners_files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// Makes an empty file as a runner makes those for outputs, summary and variables.
    pub(crate) fn runners_file(self, name: &str) -> Self {
        fs::write(self.runners_files().join(name), "").expect("a file can be written");
        self
    }

    /// Shows a folder of the host in the container.
    pub(crate) fn mount(self, host: &Path, inside: &str) -> Self {
        let mut volume = host.as_os_str().to_owned();
        volume.push(format!(":{inside}"));
        self.option("--volume").option(volume)
    }

    /// Runs the image with these arguments to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command().args(arguments).output().expect("the client starts"))
    }

    /// The client's call that starts it; arguments for the image go behind it.
    pub(crate) fn command(&self) -> Command {
        let mut command = docker(["run", "--rm"]);
        command.args(&self.options);
        for (name, value) in &self.variables {
            command.args(["--env", name]).env(name, value);
        }
        command.arg(&self.engine.image);
        command
    }
}

/// The exit code and the output of a program.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    /// The standard output, followed by the standard error.
    pub(crate) log: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let log = [output.stdout, output.stderr].concat();
        Self { code: output.status.code(), log: String::from_utf8(log).expect("the log is UTF-8") }
    }

    #[track_caller]
    pub(crate) fn exits_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.log);
        self
    }

    /// Ends the test where the log has not that text, however its lines are broken.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&self.log).contains(&words(text)), "{text:?} is not in the log:\n{}", self.log);
        self
    }

    /// Ends the test where a line shows the secret that is not there to have it masked.
    #[track_caller]
    pub(crate) fn keeps(self, secret: &str) -> Self {
        let shows = |line: &str| line.contains(secret) && !line.contains("::add-mask::");
        assert!(!self.log.lines().any(shows), "the log shows a secret:\n{}", self.log);
        self
    }
}
