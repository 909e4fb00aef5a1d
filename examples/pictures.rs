//! Draws `docs/log.svg` and `docs/plan.svg` from real runs: `cargo run --release --example pictures`.
//!
//! The program publishes a release to the embedded registry: first as a dry run, then with a connection that breaks.

mod program;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use embedded_registry::{Action, Fault, Match, Persona, Point, Registry};

const DRY: &str = "INPUT_DRY-RUN";

fn main() -> anyhow::Result<()> {
    let program = program::build(true)?;
    let workspace = tempfile::tempdir()?;
    let files = [("widget-linux-amd64.tar.gz", 8_650_000), ("widget-linux-arm64.tar.gz", 8_178_893)];
    fs::create_dir(workspace.path().join("dist"))?;
    fs::write(workspace.path().join("output"), "")?;
    for (name, size) in files {
        fs::write(workspace.path().join("dist").join(name), vec![b'x'; size])?;
    }
    let registry = Registry::start(Persona::Gitea1_26);
    let plan = run(&program, workspace.path(), &registry, &[(DRY, "true")])?;
    let interrupts = Fault::once(Match::put("/widget-linux-arm64.tar.gz"), Point::AfterStore, Action::Close);
    registry.add_fault(interrupts);
    let log = run(&program, workspace.path(), &registry, &[])?;
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    fs::write(docs.join("plan.svg"), picture("The plan of a dry run", &plan)?)?;
    fs::write(docs.join("log.svg"), picture("The log of a release", &log)?)?;
    Ok(())
}

/// Runs a release step. Returns its log, with example names of server and owner.
fn run(program: &Path, workspace: &Path, registry: &Registry, more: &[(&str, &str)]) -> anyhow::Result<String> {
    let url = registry.url();
    let output = Command::new(program)
        .arg("publish")
        .env_clear()
        .current_dir(workspace)
        .envs([("GITHUB_ACTIONS", "true"), ("GITEA_ACTIONS", "true"), ("GITHUB_REPOSITORY", "alice/widget")])
        .envs([("GITHUB_REF", "refs/tags/v1.2.0"), ("GITHUB_ACTOR", "alice")])
        .envs([("INPUT_FILES", "dist/*"), ("INPUT_CHECKSUMS", "SHA256SUMS"), ("INPUT_ALIASES", "latest")])
        .envs([("INPUT_LINK-REPOSITORY", "true"), ("INPUT_CONCURRENCY", "1")])
        .env("GITHUB_SERVER_URL", &url)
        .env("GITHUB_WORKSPACE", workspace)
        .env("GITHUB_OUTPUT", workspace.join("output"))
        .env("INPUT_TOKEN", registry.token("alice_write"))
        .envs(more.iter().copied())
        .output()?;
    ensure!(output.status.success(), "the run failed:\n{}", String::from_utf8_lossy(&output.stdout));
    let log = String::from_utf8(output.stdout).context("the log is not UTF-8")?;
    let lines: Vec<&str> = log.lines().filter(|line| !line.starts_with("::")).collect();
    let log = lines.join("\n").replace(url.trim_end_matches('/'), "https://git.example.com");
    Ok(log.replace("alice/", "acme/"))
}

/// Draws a log as a terminal shows it.
fn picture(title: &str, log: &str) -> anyhow::Result<String> {
    let height = 20 * log.lines().count() + 40;
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"{height}\" viewBox=\"0 0 900 {height}\" \
         role=\"img\" aria-label=\"{title}\">\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1b1f24\"/>\n\
         <g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,monospace\" font-size=\"13.5\" fill=\"#d6dde4\" \
         xml:space=\"preserve\">\n"
    );
    let mut color = "";
    for (number, line) in log.lines().enumerate() {
        color = match line {
            _ if line.starts_with("Published") || line.starts_with("Dry run: n") => " fill=\"#7ee2a0\"",
            _ if line.starts_with("  retrying") || line.starts_with("  no confirmation of the upload") => {
                " fill=\"#f2cc60\""
            }
            _ if line.starts_with("        ") || line.starts_with("https://") => color,
            _ => "",
        };
        let text = line.replace('&', "&amp;").replace('<', "&lt;");
        let y = 20 * number + 32;
        writeln!(picture, "<text x=\"20\" y=\"{y}\"{color} style=\"white-space:pre\">{text}</text>")?;
    }
    Ok(picture + "</g>\n</svg>\n")
}
