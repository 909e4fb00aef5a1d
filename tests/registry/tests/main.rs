//! One binary for all tests of the registry.

mod behaviour;
mod client;
mod faults;
mod replay;
