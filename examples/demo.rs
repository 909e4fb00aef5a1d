//! Shows both commands on the embedded registry: the dry run of a release, the release with its checksums file and
//! `latest`, its re-run, and a conflict. Then a download, its re-run, a download that breaks, and a version that does
//! not exist.
//!
//! `cargo run --example demo` publishes real files through the program that the actions run: its own executable, a
//! packed archive of this repository's sources. It verifies the downloads with `sha256sum`, and runs the executable.

mod program;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};
use embedded_registry::{Action, Fault, Match, Persona, Point, Registry};

/// A step of a workflow: the program, with the environment that a runner would give it.
struct Step {
    program: PathBuf,
    workspace: PathBuf,
    registry: Registry,
}

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let workspace = folder.path().join("workspace");
    fs::create_dir_all(workspace.join("dist"))?;
    let step = Step {
        program: program::build(!cfg!(debug_assertions))?,
        workspace,
        registry: Registry::start(Persona::Gitea1_26),
    };
    say("A Gitea 1.26 answers at", &step.registry.url());

    say(
        "A dry run of a release:",
        "the files that would be uploaded to v1.0.0, its checksums file, and the changes to the alias `latest`",
    );
    step.make_release()?;
    ensure!(step.publish(&[("INPUT_DRY-RUN", "true")])? == 0, "the dry run failed");
    ensure!(step.registry.files("alice", "widget", "v1.0.0").is_empty(), "the dry run has uploaded files");

    say(
        "The release:",
        "uploads the executable, the sources and a checksums file, updates the alias `latest`, and links the package",
    );
    ensure!(step.publish(&[])? == 0, "the release failed");
    ensure!(step.registry.files("alice", "widget", "latest").len() == 3, "`latest` is not identical to v1.0.0");

    say("The same step again:", "all files are identical on the registry, so nothing is uploaded");
    ensure!(step.publish(&[])? == 0, "the re-run failed");

    say("A rebuild:", "a file already exists with different content, so nothing is uploaded and the step fails");
    fs::write(step.workspace.join("dist/sources.tar.gz"), "something else\n")?;
    ensure!(step.publish(&[])? == 1, "the step did not fail");

    say("The files on the registry:", "");
    show(&step.registry);

    say("Another job downloads the latest version:", "the executable, the sources, and the checksums file");
    ensure!(step.download("latest")? == 0, "the download failed");
    say("sha256sum -c", "verifies the downloaded files");
    step.check()?;
    let tool = step.workspace.join("tools/generic-packages");
    let version = Command::new(&tool).arg("--version").output()?;
    say("The version of the downloaded executable:", String::from_utf8_lossy(&version.stdout).trim());

    say("The same step again:", "all files are identical in the workspace, so nothing is downloaded");
    step.registry.clear_requests();
    ensure!(step.download("latest")? == 0, "the re-run failed");
    say("Requests:", &step.sent_requests());

    say("A connection that breaks at 90 %:", "only the rest is downloaded again, and the whole file is verified");
    let size = fs::metadata(&tool)?.len();
    fs::remove_dir_all(step.workspace.join("tools"))?;
    step.registry.clear_requests();
    let at = Point::AnswerByte(size * 9 / 10);
    step.registry.add_fault(Fault::once(Match::get("/generic-packages"), at, Action::Close));
    ensure!(step.download("v1.0.0")? == 0, "the download was not resumed");
    say("Bytes sent", &format!("of a file of {size} bytes: {}", step.sent_bytes()));
    ensure!(step.sent_bytes().contains(" and "), "the connection did not break");

    say("A version that does not exist:", "the step fails, and its hint lists the versions");
    ensure!(step.download("1.0.0")? == 1, "the step did not fail");
    Ok(())
}

impl Step {
    /// Writes release files to `dist`, as a build would.
    fn make_release(&self) -> anyhow::Result<()> {
        let dist = self.workspace.join("dist");
        fs::copy(&self.program, dist.join("generic-packages"))?;
        let packed = Command::new("tar")
            .args(["-czf"])
            .arg(dist.join("sources.tar.gz"))
            .args(["-C", env!("CARGO_MANIFEST_DIR"), "Cargo.toml", "Cargo.lock", "src", "tests", "README.md"])
            .status()?;
        ensure!(packed.success(), "failed to pack the sources");
        Ok(())
    }

    /// Verifies the downloaded files with `sha256sum`.
    fn check(&self) -> anyhow::Result<()> {
        let mut command = Command::new("sha256sum");
        let checked = command.args(["-c", "SHA256SUMS"]).current_dir(self.workspace.join("tools")).status()?;
        ensure!(checked.success(), "a file does not match its checksum");
        Ok(())
    }

    /// Publishes the files in `dist`. Returns the exit code.
    fn publish(&self, more: &[(&str, &str)]) -> anyhow::Result<i32> {
        let inputs = [("INPUT_FILES", "dist/*"), ("INPUT_CHECKSUMS", "SHA256SUMS"), ("INPUT_ALIASES", "latest")];
        self.run("publish", &[&inputs[..], &[("INPUT_LINK-REPOSITORY", "true")], more].concat())
    }

    /// Downloads the files of a version. Returns the exit code.
    fn download(&self, version: &str) -> anyhow::Result<i32> {
        let inputs = [("INPUT_VERSION", version), ("INPUT_PATH", "tools")];
        self.run("download", &[&inputs[..], &[("INPUT_EXECUTABLE", "generic-packages")]].concat())
    }

    /// Runs the step with its log on the terminal. Returns the exit code.
    fn run(&self, command: &str, inputs: &[(&str, &str)]) -> anyhow::Result<i32> {
        let status = Command::new(&self.program)
            .arg(command)
            .env_clear()
            .envs([("GITHUB_ACTIONS", "true"), ("GITEA_ACTIONS", "true"), ("GITHUB_ACTOR", "alice")])
            .envs([("GITHUB_REPOSITORY", "alice/widget"), ("GITHUB_REF", "refs/tags/v1.0.0")])
            .env("GITHUB_SERVER_URL", self.registry.url())
            .env("GITHUB_WORKSPACE", &self.workspace)
            .env("GITHUB_OUTPUT", self.workspace.join("output"))
            .env("INPUT_TOKEN", self.registry.token("alice_write"))
            .envs(inputs.iter().copied())
            .status()?;
        status.code().context("a signal ended the step")
    }

    /// Returns the requests since the list was cleared.
    fn sent_requests(&self) -> String {
        let requests =
            self.registry.requests().into_iter().map(|request| format!("{} {}", request.method, request.target));
        requests.collect::<Vec<_>>().join(", ")
    }

    /// Returns the number of bytes of the executable that were sent in each download.
    fn sent_bytes(&self) -> String {
        let requests = self.registry.requests().into_iter();
        let files = requests.filter(|request| request.target.ends_with("/generic-packages"));
        files.map(|request| request.answer_bytes.to_string()).collect::<Vec<_>>().join(" and ")
    }
}

#[expect(clippy::print_stdout, reason = "a demo prints to the terminal")]
fn say(heading: &str, text: &str) {
    println!("\n=== {heading} {text}");
}

#[expect(clippy::print_stdout, reason = "a demo prints to the terminal")]
fn show(registry: &Registry) {
    for file in registry.files("alice", "widget", "v1.0.0") {
        println!("{}  {:>9}  {}", file.sha256, file.size, file.name);
    }
}
