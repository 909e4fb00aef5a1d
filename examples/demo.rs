//! The main job on the embedded registry, as a maintainer meets it: a release with its seal, its re-run, and a conflict.
//!
//! `cargo run --example demo` publishes real files through the program that the action runs: its own executable, a
//! packed archive of this repository's sources. The version is sealed, and `sha256sum` checks what the registry has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use embedded_registry::{Persona, Registry};

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
    let step = Step { program: build()?, workspace, registry: Registry::start(Persona::Gitea1_26) };
    say("A Gitea 1.26 answers at", &step.registry.url());

    say("A release:", "the executable and the sources go to version v1.0.0, which is sealed then");
    step.make_release()?;
    ensure!(step.publish()? == 0, "the release failed");

    say("The same step again:", "everything is there, so nothing is sent");
    ensure!(step.publish()? == 0, "the re-run failed");

    say("sha256sum -c", "on what the registry has, with the copy of the seal");
    step.check()?;

    say("A rebuild:", "a file has other content now, so nothing is sent and the step fails");
    fs::write(step.workspace.join("dist/generic-packages-src.tar.gz"), "something else\n")?;
    ensure!(step.publish()? == 1, "the conflict was not noticed");

    say("What the registry has:", "");
    show(&step.registry);
    Ok(())
}

/// Builds the program that the action runs, and gives its path.
fn build() -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--bin", "generic-packages"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    ensure!(cargo.status()?.success(), "the program cannot be built");
    let example = std::env::current_exe()?;
    let folder = example.parent().and_then(Path::parent).context("examples lie in a folder of the build")?;
    Ok(folder.join("generic-packages"))
}

impl Step {
    /// What a build would leave in `dist`.
    fn make_release(&self) -> anyhow::Result<()> {
        let dist = self.workspace.join("dist");
        fs::copy(&self.program, dist.join("generic-packages"))?;
        let packed = Command::new("tar")
            .args(["-czf"])
            .arg(dist.join("generic-packages-src.tar.gz"))
            .args(["-C", env!("CARGO_MANIFEST_DIR"), "Cargo.toml", "Cargo.lock", "src", "tests", "README.md"])
            .status()?;
        ensure!(packed.success(), "the sources cannot be packed");
        Ok(())
    }

    /// Lets `sha256sum` check what the registry has.
    fn check(&self) -> anyhow::Result<()> {
        let folder = self.workspace.join("downloaded");
        fs::create_dir_all(&folder)?;
        for file in self.registry.files("alice", "widget", "v1.0.0") {
            let stored = self.registry.path_of("alice", "widget", "v1.0.0", &file.name).context("it is there")?;
            fs::copy(stored, folder.join(&file.name))?;
        }
        let copy = self.workspace.join(".generic-packages/SHA256SUMS");
        let checked = Command::new("sha256sum").arg("-c").arg(copy).current_dir(&folder).status()?;
        ensure!(checked.success(), "the seal does not hold");
        Ok(())
    }

    /// Runs the step; its log goes to the terminal. Gives its exit code.
    fn publish(&self) -> anyhow::Result<i32> {
        let status = Command::new(&self.program)
            .arg("publish")
            .env_clear()
            .envs([("GITHUB_ACTIONS", "true"), ("GITEA_ACTIONS", "true"), ("GITHUB_ACTOR", "alice")])
            .envs([("GITHUB_REPOSITORY", "alice/widget"), ("GITHUB_REF", "refs/tags/v1.0.0")])
            .env("GITHUB_SERVER_URL", self.registry.url())
            .env("GITHUB_WORKSPACE", &self.workspace)
            .env("GITHUB_OUTPUT", self.workspace.join("output"))
            .env("INPUT_FILES", "dist/*")
            .env("INPUT_CHECKSUMS", "SHA256SUMS")
            .env("INPUT_TOKEN", self.registry.token("alice_write"))
            .status()?;
        status.code().context("a signal ended the step")
    }
}

#[expect(clippy::print_stdout, reason = "a demo speaks to the person who runs it")]
fn say(heading: &str, text: &str) {
    println!("\n=== {heading} {text}");
}

#[expect(clippy::print_stdout, reason = "a demo speaks to the person who runs it")]
fn show(registry: &Registry) {
    for file in registry.files("alice", "widget", "v1.0.0") {
        println!("{}  {:>9}  {}", file.sha256, file.size, file.name);
    }
}
