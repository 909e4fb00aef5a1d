//! The image by hand, with `docker run`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use embedded_registry::{Action, Fault, Match, Persona, Point, Registry};

use crate::engine::{Container, Engine, Ran, ask, git, succeeds};
use crate::network::Network;

/// A container that publishes `dist/*` of its workspace, as the README has it.
fn by_hand<'a>(engine: &'a Engine, server_url: &str, token: &str) -> Container<'a> {
    let container = Container::new(engine).file("dist/app.tar.gz", "an archive").file("dist/SHA256SUMS", "its sum");
    let workspace = container.workspace();
    container
        .mount(&workspace, "/workspace")
        .option("--workdir")
        .option("/workspace")
        .input("files", "dist/*")
        .input("token", token)
        .input("server_url", server_url)
        .input("owner", "alice")
        .input("repo", "widget")
        .input("version", "1.2.0")
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn the_image_tells_by_hand_how_to_use_it() {
    let engine = Engine::new();
    let help = Container::new(&engine).run(&["--help"]).exits_with(0);
    for text in ["Usage: generic-packages publish", "INPUT_SERVER_URL", "docker run", "server-url"] {
        assert!(help.log.contains(text), "{text:?} is not in the help:\n{}", help.log);
    }
    let version = Container::new(&engine).run(&["--version"]).exits_with(0);
    assert_eq!(version.log.trim(), format!("generic-packages {}", env!("CARGO_PKG_VERSION")));
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn the_image_publishes_by_hand() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::default());
    let token = registry.token("alice_write");
    let container = by_hand(&engine, &registry.url(), &token).option("--network").option("host");
    container.run(&[]).exits_with(0).says("Published 2 files to").keeps(&token);
    assert_eq!(registry.read("alice", "widget", "1.2.0", "app.tar.gz").as_deref(), Some(&b"an archive"[..]));
    container.run(&[]).exits_with(0).says("2 unchanged");
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_name_in_the_containers_hosts_file_is_found() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::default());
    let token = registry.token("alice_write");
    let url = registry.url().replace("127.0.0.1", "forge.test");
    let container = by_hand(&engine, &url, &token).option("--network").option("host");
    container.option("--add-host").option("forge.test:127.0.0.1").run(&[]).exits_with(0).says("2 uploaded");
}

/// A static program looks names up by itself, and is easily one that cannot.
#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_name_that_only_a_name_server_knows_is_found() {
    let engine = Engine::new();
    let network = Network::new();
    // The engine's own name server knows a container of the network by its name.
    let registry = network.registry(&engine);
    let container = by_hand(&engine, "http://forge.test:3000", &registry.token);
    container.option("--network").option(&network.name).run(&[]).exits_with(0).says("2 uploaded");
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_wrong_token_ends_the_container_with_the_cause_and_the_cure() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::default());
    let container = by_hand(&engine, &registry.url(), "wrong-token-of-alice").option("--network").option("host");
    container.run(&[]).exits_with(1).says("401 Unauthorized").says("hint:").keeps("wrong-token-of-alice");
}

/// The program is the first process of its container, for which signals do nothing by default.
#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_container_that_is_stopped_says_what_is_published_and_ends_by_itself() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::default());
    let (come, comes) = channel();
    registry.add_fault(Fault::once(
        Match::put("app.tar.gz"),
        Point::Head,
        Action::then(move |_| come.send(()).expect("the test waits")),
    ));
    registry.add_fault(Fault::once(Match::put("app.tar.gz"), Point::Head, Action::Hang));
    let name = format!("generic-packages-stopped-{}", registry.url().rsplit(':').next().expect("a port"));
    let container = by_hand(&engine, &registry.url(), &registry.token("alice_write"));
    let container = container.option("--network").option("host").option("--name").option(&name);
    let running = container.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the client starts");
    let begun = comes.recv_timeout(Duration::from_mins(1));
    // It is killed after so long, and ends with 137 then.
    ask(["stop", "--time", "60", &name]);
    begun.expect("an upload begins");
    let ran = Ran::of(running.wait_with_output().expect("the client ends"));
    ran.exits_with(143).says("SIGTERM canceled the run").says("unknown 10 B app.tar.gz");
}

/// GitHub's self-hosted runners run as a user of their own, and containers as root.
#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn what_the_image_creates_as_root_can_be_changed_and_cleaned_by_the_workspaces_owner() {
    const RUNNER: u32 = 1001;
    let engine = Engine::new();
    let registry = Registry::start(Persona::default());
    let container = by_hand(&engine, &registry.url(), &registry.token("alice_write"));
    let container = container.option("--network").option("host").option("--user").option("0:0");
    let container = container.input("checksums", "SUMS").input("aliases", "latest").input("path", "tools/new");
    let workspace = container.workspace();
    succeeds(git(&workspace).args(["init", "--quiet"]));
    let outer = workspace.parent().expect("it is in a folder");
    fs::set_permissions(outer, Permissions::from_mode(0o755)).expect("rights can be set");
    succeeds(Command::new("chown").args(["-R", "1001:1001"]).arg(&workspace));
    container.run(&["publish"]).exits_with(0);
    let container = container.input("files", "*");
    container.run(&["download"]).exits_with(0).says("3 downloaded");
    let as_runner = |program: &str, arguments: &[&str]| {
        let mut command = git(&workspace);
        if program != "git" {
            command = Command::new(program);
        }
        command.current_dir(&workspace).uid(RUNNER).gid(RUNNER).args(arguments);
        succeeds(&mut command)
    };
    as_runner("chmod", &["-R", "u+w,go-rwx", "tools", ".generic-packages"]);
    as_runner("mv", &["tools/new/app.tar.gz", "tools/moved"]);
    assert_eq!(fs::metadata(workspace.join("tools/moved")).expect("it was moved").uid(), RUNNER);
    as_runner("git", &["clean", "-ffdx", "--quiet"]);
    let left: Vec<_> =
        fs::read_dir(&workspace).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left, [".git"]);
}
