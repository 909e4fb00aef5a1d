//! A network of containers, in which the registry has a name.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::engine::{Engine, ask, docker, program};

/// A network of containers, which is gone when it is dropped.
pub(crate) struct Network {
    pub(crate) name: String,
}

impl Network {
    pub(crate) fn new() -> Self {
        let name = format!("generic-packages-{:016x}", getrandom::u64().expect("random numbers"));
        ask(["network", "create", &name]);
        Self { name }
    }

    /// The embedded registry in a container that is called `forge.test` there.
    pub(crate) fn registry(&self, engine: &Engine) -> Served {
        let program = program("embedded-registry");
        let volume = format!("{}:/embedded-registry:ro", program.display());
        let id = ask([
            "run",
            "--detach",
            "--network",
            &self.name,
            "--network-alias",
            "forge.test",
            "--volume",
            &volume,
            &engine.job_image,
            "/embedded-registry",
            "--address",
            "0.0.0.0",
            "--port",
            "3000",
        ]);
        let mut served = Served { id, token: String::new() };
        let mut log = docker(["logs", "--follow", &served.id]).stdout(Stdio::piped()).spawn().expect("a log");
        let lines = BufReader::new(log.stdout.take().expect("a pipe")).lines();
        // It prints its tokens when it listens.
        let token = lines
            .map_while(Result::ok)
            .find_map(|line| line.trim().strip_prefix("alice_write").map(|token| token.trim().to_owned()));
        log.kill().expect("the client still runs");
        log.wait().expect("the client ends");
        served.token = token.expect("it prints its tokens; does it run in the image for jobs?");
        served
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(docker(["network", "rm", &self.name]).output());
    }
}

/// The embedded registry in a container, which is gone when it is dropped.
pub(crate) struct Served {
    id: String,
    /// A token of alice's that may write.
    pub(crate) token: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(docker(["rm", "--force", &self.id]).output());
    }
}
