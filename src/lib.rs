//! Publishes files to the generic package registry of Gitea and Forgejo, and downloads them from there.
//!
//! The modules in reading order, which is the order in which data flows:
//!
//! 1. [`runner`]: the environment and the runner;
//! 2. [`inputs`]: `INPUT_*` -> [`inputs::Inputs`], with `secret`, `credentials`, the names of [`package`], the `network` that leads
//!    to the server and its `certificate`s, with the `client_certificate`;
//! 3. [`run`]: runs one of the two [`command`]s;
//! 4. `files`: patterns -> the local files; the folder that files are written to;
//! 5. `publish`: the publish command, top to bottom, with `plan` (pure: files and the `listing` -> the operation for
//!    each file), [`registry`] (the HTTP client) and [`checksum`];
//! 6. `download`: the download command, top to bottom, with the same client; `version`: finds the highest release;
//! 7. [`report`]: outcomes -> log, outputs and exit code; all text from outside goes through [`sanitize`].
//!
//! The library reads no environment, prints nothing and never exits: `main` does.

mod blocking;
mod certificate;
pub mod checksum;
mod client_certificate;
pub mod command;
mod credentials;
mod download;
mod files;
mod hint;
mod host;
pub mod inputs;
mod listing;
mod network;
pub mod package;
mod plan;
mod publish;
pub mod registry;
pub mod report;
pub mod run;
pub mod runner;
pub mod sanitize;
mod secret;
mod state;
pub mod stop;
mod suggest;
mod unexpanded;
mod units;
mod version;
