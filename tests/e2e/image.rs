//! Tests the content, the configuration, the size and the build of the image.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::engine::{Engine, ask, docker, repository, succeeds};

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn the_image_has_the_program_and_the_roots_of_trust_and_nothing_else() {
    let engine = Engine::new();
    let container = ask(["create", &engine.image]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let archive = folder.path().join("files.tar");
    ask(["export", "--output", archive.to_str().expect("UTF-8"), &container]);
    ask(["rm", &container]);
    let listed = succeeds(Command::new("tar").arg("-tf").arg(&archive));
    // The engine itself makes these in every container.
    let engines = [".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"];
    let mut files: Vec<&str> = listed.lines().filter(|name| !name.ends_with('/') && !engines.contains(name)).collect();
    files.sort_unstable();
    assert_eq!(files, ["etc/ssl/certs/ca-certificates.crt", "generic-packages"]);

    succeeds(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(folder.path()).arg("generic-packages"));
    let program = fs::read(folder.path().join("generic-packages")).expect("the program is there");
    let asks_for_a_loader = program.windows(b"/ld-linux".len()).any(|window| window == b"/ld-linux");
    assert!(program.starts_with(b"\x7fELF") && !asks_for_a_loader, "the program is static");
}

/// A user could not write the runner's files, and a runner sets the folder itself.
#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn the_image_sets_neither_a_user_nor_a_folder_and_says_what_it_is() {
    let engine = Engine::new();
    let of = |format: &str| ask(["image", "inspect", "--format", format, &engine.image]);
    assert_eq!(of("{{.Config.User}}|{{.Config.WorkingDir}}|{{json .Config.Entrypoint}}|{{json .Config.Cmd}}"), {
        r#"||["/generic-packages"]|["publish"]"#
    });
    assert_eq!(of("{{index .Config.Labels \"org.opencontainers.image.title\"}}"), "generic-packages");
    assert_eq!(of("{{index .Config.Labels \"org.opencontainers.image.licenses\"}}"), "MIT");
    assert!(of("{{index .Config.Labels \"org.opencontainers.image.description\"}}").starts_with("Publish"));
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn the_image_takes_at_most_2_7_megabytes_of_a_network() {
    let engine = Engine::new();
    let mut save = docker(["save", &engine.image]).stdout(Stdio::piped()).spawn().expect("the client starts");
    let archive = save.stdout.take().expect("a pipe");
    let packed = Command::new("gzip").arg("-9").stdin(archive).output().expect("gzip starts").stdout;
    assert!(save.wait().expect("the client ends").success());
    assert!((1_000_000..=2_700_000).contains(&packed.len()), "{} bytes", packed.len());
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_change_of_source_does_not_build_the_dependencies_again() {
    let engine = Engine::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    copy_the_context(folder.path());
    let changed = folder.path().join("src/lib.rs");
    let mut source = fs::OpenOptions::new().append(true).open(changed).expect("the library is there");
    // An engine that keeps what it has built must not know this change either.
    writeln!(source, "// {:016x}", getrandom::u64().expect("chance")).expect("a line more");
    let id = folder.path().join("id");
    let mut build = docker(["build", "--iidfile", id.to_str().expect("UTF-8")]);
    let log = succeeds(build.arg(folder.path()));
    // A program that is the same byte for byte makes the image under test, which stays.
    let made = fs::read_to_string(id).expect("the image's id");
    if made != ask(["image", "inspect", "--format", "{{.Id}}", &engine.image]) {
        ask(["rmi", &made]);
    }
    let steps: Vec<&str> = log.split("\nStep ").collect();
    let taken = |text: &str| steps.iter().find(|step| step.contains(text)).expect(text).contains("Using cache");
    assert!(taken("Stands in for the library"), "{log}");
    assert!(!taken("COPY src src"), "{log}");
}

/// Copies what the image and the action are made of, as a checkout of the repository has it, with the base image that
/// `.ci/e2e` has found.
pub(crate) fn copy_the_context(to: &std::path::Path) {
    let ignored = fs::read_to_string(repository().join(".dockerignore")).expect("a list of what the build reads");
    let read = ignored.lines().filter_map(|line| line.strip_prefix('!'));
    for path in read.chain([".dockerignore", "Dockerfile", "action.yml", "download"]) {
        let parent = to.join(path).parent().expect("a folder").to_owned();
        fs::create_dir_all(&parent).expect("folders can be made");
        // Rights and times come along: the builder compares the rights.
        succeeds(Command::new("cp").arg("-a").arg(repository().join(path)).arg(parent));
    }
    set_base(&to.join("Dockerfile"), &Engine::new().job_image);
}

/// Lets a Dockerfile build from that image.
pub(crate) fn set_base(dockerfile: &std::path::Path, image: &str) {
    let text = fs::read_to_string(dockerfile).expect("a Dockerfile");
    let (before, rest) = text.split_once("\nFROM ").expect("it builds from an image");
    let (_, after) = rest.split_once(" AS build\n").expect("it names the stage");
    fs::write(dockerfile, format!("{before}\nFROM {image} AS build\n{after}")).expect("a file can be written");
}
