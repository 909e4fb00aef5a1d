//! The action as people meet it: its image, built from the Dockerfile, on a real container engine, and in workflows
//! that a real runner runs. The registry is the embedded one, on the host.
//!
//! `.ci/e2e` brings what this needs, says so in the environment, and runs what is ignored without.

mod containers;
mod docs;
mod engine;
mod image;
mod network;
mod release;
mod runner;
mod runners;
mod workflows;
