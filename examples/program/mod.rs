//! Builds the program that the action runs, for the examples.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Builds the program and returns its path.
pub(crate) fn build(is_release: bool) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    // ring is built again whenever these variables differ, and `cargo run` has set them to ours.
    env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"CARGO_PKG_")).for_each(|(name, _)| {
        cargo.env_remove(name);
    });
    cargo.args(["build", "--quiet", "--bin", "generic-packages"]);
    if is_release {
        cargo.arg("--release");
    }
    ensure!(cargo.status()?.success(), "failed to build the program");
    let example = env::current_exe()?;
    let target = example.ancestors().nth(3).context("the example is not in a build folder")?;
    Ok(target.join(if is_release { "release" } else { "debug" }).join("generic-packages"))
}
