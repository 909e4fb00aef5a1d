//! Runs the built program against a real server: a Gitea or a Forgejo that is running already.
//!
//! Where it is, and who may write there, is in the environment, see [`server`]; without that each test says that it
//! tests nothing. A test publishes to a package of its own, whose name ends at random, and deletes it when it ends, also
//! when it fails. What the server has is read with curl: nothing of the program takes part in judging it.

mod cuts;
#[expect(dead_code, unused_imports, reason = "the rest of it is for the tests on the embedded registry")]
#[path = "../it/harness/mod.rs"]
mod harness;
mod proxy;
mod publishing;
mod races;
mod server;
