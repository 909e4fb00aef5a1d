//! One binary for all tests of the registry.

mod behaviour;
mod client;
mod connections;
mod faults;
mod lists;
mod oidc;
mod race;
mod replay;
