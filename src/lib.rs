//! Publishes files to the generic package registry of Gitea and Forgejo.
//!
//! The modules in reading order, which is the order in which data flows:
//!
//! 1. [`runner`]: the environment, and which runner it is;
//! 2. [`inputs`]: `INPUT_*` -> [`inputs::Inputs`], with [`secret`], the names of [`package`] and the [`way`] to the
//!    server;
//! 3. [`files`]: patterns -> the local files;
//! 4. [`publish`]: the use case, top to bottom, with
//!    [`plan`] (pure: files and the [`listing`] -> what to do with each file, or why not),
//!    [`registry`] (the HTTP client) and [`checksum`];
//! 5. [`report`]: outcomes -> log, outputs and exit code; all text from outside goes through [`untrusted`].
//!
//! The library reads no environment, prints nothing and never exits: `main` does.

pub mod advice;
pub mod checksum;
pub mod command;
pub mod download;
pub mod files;
pub mod inputs;
pub mod listing;
pub mod nearest;
pub mod package;
pub mod plan;
pub mod publish;
pub mod registry;
pub mod report;
pub mod runner;
pub mod secret;
pub mod stop;
pub mod untrusted;
pub mod way;
