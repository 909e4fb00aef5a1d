//! A release of our own, from its version to every action.yml there is: the steps of `.ci/release`, with a registry for
//! images and a repository that are on this machine.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use embedded_registry::{Persona, Registry};
use tempfile::TempDir;

use crate::engine::{Engine, Ran, ask, docker, git, repository, succeeds};
use crate::image::set_base;
use crate::runner::{Forge, Project};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_release_is_tagged_once_its_image_is_there_and_can_be_run_again() {
    let engine = Engine::new();
    let release = Release::new();
    let this = ask(["version", "--format", "{{.Server.Arch}}"]);
    let other = if this == "amd64" { "arm64" } else { "amd64" };
    let major = format!("v{}", VERSION.split('.').next().expect("a major version"));

    release.pin_base(&engine);
    release.step(&["check", VERSION]).exits_with(0).says("released=false");
    let nowhere = format!("sha256:{}", "0".repeat(64));
    release.step(&["tag", VERSION, &nowhere, "amd64", "arm64"]).exits_with(1).says("error: failed to pull");
    release.step(&["move", VERSION]).exits_with(1).says("is not tagged");
    assert_eq!(release.tags(), "\n", "there is no tag without its image");

    let image = release.step(&["build", VERSION, &this]).exits_with(0);
    let name = image.log.lines().find(|line| line.starts_with(&release.host)).expect("it prints the name").to_owned();
    let label = r#"{{index .Config.Labels "org.opencontainers.image.source"}}"#;
    let source = ask(["image", "inspect", "--format", label, &name]);
    assert_eq!(source, format!("http://{}/Alice/Generic-Packages", release.host));
    release
        .step(&["build", VERSION, other])
        .exits_with(1)
        .says("hint: Run this step on a machine with that architecture");
    let single = release.step(&["push", VERSION, &this]).exits_with(0).digest();
    let pulled = release.step(&["pull", VERSION, &this, &single]).exits_with(0);
    pulled.says(&format!("{}/alice/generic-packages@{single}", release.host));
    let pretended = release.pretend_to_build(&name, other, &release.head());
    release.step(&["pull", VERSION, &this, &pretended]).exits_with(1).says(&pretended);
    // Whoever may push moves the tag that the image was pushed with.
    let moved = release.pretend_to_build(&name, &this, &release.head());
    let digest = release.step(&["index", VERSION, &single, &pretended]).exits_with(0).digest();
    let index =
        ask(["manifest", "inspect", "--insecure", &format!("{}/alice/generic-packages@{digest}", release.host)]);
    assert!(index.contains(&single) && index.contains(&pretended) && !index.contains(&moved), "{index}");
    let released = format!("docker://{}/alice/generic-packages@{digest}", release.host);

    let bill = release.step(&["bill", VERSION]).exits_with(0).log;
    release.assets(&digest, &bill).exits_with(0);
    release.has_assets(&this);

    let of_one = release.step(&["tag", VERSION, &single, "amd64", "arm64"]).exits_with(1);
    of_one.says("hint: Run the steps build, push and index at the commit of the release, for each platform");
    assert_eq!(release.tags(), "\n", "there is no tag without an image for each platform");
    release.step(&["tag", VERSION, &digest, "amd64", "arm64"]).exits_with(0);
    release.step(&["move", VERSION]).exits_with(0);
    release.git(&["fetch", "--quiet", "--tags", "origin"]);
    let tags = release.git(&["tag", "--list"]);
    assert_eq!(tags.contains(&format!("{major}\n")), !VERSION.contains('-'), "{tags}");
    for tag in tags.lines() {
        for action in release.actions() {
            let text = release.git(&["show", &format!("{tag}:{action}")]);
            assert!(text.lines().any(|line| line == format!("  image: {released}")), "{tag}: {text}");
        }
    }
    for action in release.actions() {
        assert!(release.git(&["show", &format!("main:{action}")]).contains("Dockerfile"), "main builds its image");
    }

    let tags = release.tags();
    release.step(&["check", VERSION]).exits_with(0).says("released=true").says(&format!("digest={digest}"));
    release.step(&["tag", VERSION, &digest, "amd64", "arm64"]).exits_with(0).says("is already");
    release
        .step(&["tag", VERSION, &nowhere, "amd64", "arm64"])
        .exits_with(1)
        .says("already tagged, with another image");
    release.step(&["move", VERSION]).exits_with(0);
    assert_eq!(release.tags(), tags, "a release that is run again moves nothing");

    let registry = Registry::start(Persona::default());
    for told in ["4 uploaded", "4 unchanged"] {
        let token = registry.token("alice_write");
        let mut publish = release.command(&["publish", VERSION, "assets"]);
        publish.env("GITHUB_SERVER_URL", registry.url()).env("GITHUB_ACTOR", "alice").env("INPUT_TOKEN", &token);
        publish.env("GITHUB_WORKSPACE", release.path("checkout"));
        Ran::of(publish.output().expect("the script starts")).exits_with(0).says(told).keeps(&token);
    }

    let workflow =
        include_str!("workflows/release.yml").replace("OWNER/generic-packages@v1", "alice/generic-packages@v1");
    let checkout = release.checkout(&format!("v{VERSION}"));
    let project = Project::new(&engine, &workflow).uses("alice/generic-packages@v1", &checkout);
    let ran = project.push_tag("v1.2.0", &Forge::of(&registry)).exits_with(0);
    ran.prints("uploaded 4 unchanged 0 failed 0 of 38 bytes in version 1.2.0");
}

/// Two runs of two commits share a version until one of them has tagged it.
#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn no_tag_names_an_image_of_another_commit() {
    let engine = Engine::new();
    let release = Release::new();
    let this = ask(["version", "--format", "{{.Server.Arch}}"]);
    let pushed = release.pretend_to_build(&engine.image, &this, &release.head());
    let digest = release.step(&["index", VERSION, &pushed]).exits_with(0).digest();
    release.commit();
    release.step(&["pull", VERSION, &this, &pushed]).exits_with(1).says("at the commit of the release");
    release.step(&["tag", VERSION, &digest, &this]).exits_with(1).says("at the commit of the release");
    assert_eq!(release.tags(), "\n");
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_release_begins_with_a_version_that_the_sources_name_and_nobody_has() {
    let release = Release::new();
    release.step(&["check", "v1.0.0"]).exits_with(1).says("`v1.0.0` is not a version").says("without a v");
    release.step(&["check", "9.9.9"]).exits_with(1).says("not 9.9.9").says("hint: Set the version in Cargo.toml");
    let github = release.command(&["image", VERSION]).env("GITHUB_SERVER_URL", "https://github.com").output();
    Ran::of(github.expect("the script starts")).exits_with(1).says("Set the repository's variable IMAGE_REGISTRY");
    let named = release.command(&["image", VERSION]).env("IMAGE_REGISTRY", "images.example.com").output();
    Ran::of(named.expect("the script starts")).exits_with(0).says("images.example.com/alice/generic-packages");

    release.git(&["checkout", "--quiet", "-b", "topic"]);
    release.commit();
    release.git(&["push", "--quiet", "origin", "topic"]);
    release
        .step(&["check", VERSION])
        .exits_with(1)
        .says("is not on the default branch, main")
        .says("hint: Merge the commit");
    // What is merged is on it, also when it is no longer the newest commit.
    release.git(&["commit", "--quiet", "--allow-empty", "--message", "A later change"]);
    release.git(&["push", "--quiet", "origin", "topic:main"]);
    release.git(&["checkout", "--quiet", "topic~"]);
    release.step(&["check", VERSION]).exits_with(0).says("released=false");

    release.git(&["push", "--quiet", "origin", &format!("main~:refs/tags/v{VERSION}")]);
    release.step(&["check", VERSION]).exits_with(1).says("is already tagged, for another commit");

    fs::write(release.folder.path().join("checkout/CHANGELOG.md"), "# Changelog\n").expect("a file can be written");
    release.step(&["check", VERSION]).exits_with(1).says("CHANGELOG.md has no section").says("hint:");
}

/// Taken for one without tags, it would have everything made again, and the tag of the major version deleted.
#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn an_origin_that_does_not_answer_is_no_origin_without_tags_and_hears_the_token_in_a_header() {
    let release = Release::new();
    let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let url = format!("http://{}/alice/widget.git", socket.local_addr().expect("an address"));
    release.git(&["remote", "set-url", "origin", &url]);
    let heard = std::thread::spawn(move || {
        let mut heard = Vec::new();
        let (mut stream, _) = socket.accept().expect("git comes");
        for line in BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
            heard.push(line);
        }
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").expect("an answer");
        heard
    });
    let mut check = release.command(&["check", VERSION]);
    let ran = Ran::of(check.env("PUSH_TOKEN", "the-token-of-the-job").output().expect("the script starts"));
    ran.exits_with(1).says("failed to list the tags of the origin").keeps("the-token-of-the-job");
    // base64 of x-access-token:the-token-of-the-job
    let header = "Authorization: Basic eC1hY2Nlc3MtdG9rZW46dGhlLXRva2VuLW9mLXRoZS1qb2I=";
    let heard = heard.join().expect("nobody panics");
    assert!(heard.iter().any(|line| line == header), "{heard:?}");
    for step in [["move", VERSION].as_slice(), &["tag", VERSION, "sha256:0", "amd64"]] {
        release.step(step).exits_with(1).says("failed to list the tags of the origin");
    }
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn the_tag_of_a_major_version_only_moves_to_its_newest_release() {
    let release = Release::new();
    for (tag, commit) in [("v3.2.0", "main~"), ("v3.10.0", "main"), ("v3.11.0-rc.1", "main"), ("v30.0.0", "main")] {
        release.git(&["push", "--quiet", "origin", &format!("{commit}:refs/tags/{tag}")]);
    }
    release.step(&["move", "3.2.0"]).exits_with(0).says("v3 is unchanged: 3.10.0 is higher");
    release.step(&["move", "3.11.0-rc.1"]).exits_with(0).says("v3 is unchanged: 3.11.0-rc.1 is a pre-release");
    assert!(!release.tags().contains("refs/tags/v3\n"), "{}", release.tags());
    release.step(&["move", "3.10.0"]).exits_with(0).says("v3 is v3.10.0");
    assert!(release.tags().contains("refs/tags/v3\n"), "{}", release.tags());
}

/// A checkout of this project with an origin, and a registry for its images; all of it is gone when it is dropped.
struct Release {
    folder: TempDir,
    images: Child,
    host: String,
}

impl Release {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (images, host) = serve_images(&folder);
        let release = Self { folder, images, host };
        let (checkout, origin) = (release.path("checkout"), release.path("origin"));
        for path in [&checkout, &origin] {
            fs::create_dir(path).expect("a folder");
        }
        succeeds(git(&origin).args(["init", "--quiet", "--bare"]));
        succeeds(git(&checkout).args(["init", "--quiet"]));
        // What stands here, committed or not.
        let list = "git ls-files -z --cached --others --exclude-standard";
        let copy = format!("{list} | xargs -0 ls -d 2> /dev/null | tr '\\n' '\\0' | xargs -0 cp --parents -t \"$0\"");
        succeeds(Command::new("sh").args(["-c", &copy]).arg(&checkout).current_dir(repository()));
        release.git(&["remote", "add", "origin", origin.to_str().expect("UTF-8")]);
        release.commit();
        let changes = fs::read_to_string(checkout.join("CHANGELOG.md")).expect("a changelog");
        // A commit that is released has the heading already.
        let heading = format!("## [{VERSION}] - 2026-01-02\n\n### Before\n\n");
        let changes = changes.replacen("## [", &format!("{heading}## ["), 1);
        fs::write(checkout.join("CHANGELOG.md"), changes).expect("a file");
        set_base(&checkout.join("Dockerfile"), &format!("rust:1@sha256:{}", "0".repeat(64)));
        release.commit();
        release.git(&["push", "--quiet", "origin", "main"]);
        release
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("checkout/.ci/release"));
        command.args(arguments).stdin(Stdio::null());
        // The registry is at the server's own host; names on a server may have capitals, those of images have none.
        command.env("GITHUB_SERVER_URL", format!("http://{}", self.host)).env_remove("IMAGE_REGISTRY");
        command.env("GITHUB_REPOSITORY", "Alice/Generic-Packages");
        command
    }

    fn step(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().expect("the script starts"))
    }

    #[track_caller]
    fn git(&self, arguments: &[&str]) -> String {
        succeeds(git(&self.path("checkout")).args(arguments))
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "A change"]);
    }

    /// Lets the Dockerfile build from a base image that the registry has, and pins it.
    fn pin_base(&self, engine: &Engine) {
        let dockerfile = self.path("checkout/Dockerfile");
        let base = format!("{}/base:1", self.host);
        ask(["tag", &engine.job_image, &base]);
        let digest = digest_of(&ask(["push", &base]));
        let publish = || {
            self.commit();
            self.git(&["push", "--quiet", "origin", "main"]);
        };
        set_base(&dockerfile, &base);
        publish();
        self.step(&["check", VERSION]).exits_with(1).says("the Dockerfile's base image has no digest");
        let pinned = format!("\nFROM {base}@{digest} AS build\n");
        // The second time it renews what the first has set.
        for _ in 0..2 {
            succeeds(&mut Command::new(self.path("checkout/.ci/pin-base-image")));
            let text = fs::read_to_string(&dockerfile).expect("a Dockerfile");
            assert!(text.contains(&pinned), "{text}");
        }
        publish();
    }

    fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// The tags that the origin has, and what they are on.
    fn tags(&self) -> String {
        self.git(&["ls-remote", "--tags", "origin"]) + "\n"
    }

    /// Every action.yml of the project.
    fn actions(&self) -> Vec<String> {
        self.git(&["ls-files", "action.yml", "*/action.yml"]).lines().map(str::to_owned).collect()
    }

    /// A checkout of that tag.
    fn checkout(&self, tag: &str) -> PathBuf {
        let to = self.path("released");
        succeeds(git(self.folder.path()).args(["clone", "--quiet", "--branch", tag]).arg(self.path("origin")).arg(&to));
        to
    }

    /// The step that takes the programs out of the image.
    fn assets(&self, digest: &str, bill: &str) -> Ran {
        let mut assets = self.command(&["assets", VERSION, "assets", digest, "amd64", "arm64"]);
        let mut running =
            assets.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a start");
        running.stdin.take().expect("a pipe").write_all(bill.as_bytes()).ok();
        Ran::of(running.wait_with_output().expect("the script ends"))
    }

    /// Pushes an image as of that commit, for a kind of machine that this need not be: with the program of one that was
    /// built. Returns its digest.
    fn pretend_to_build(&self, built: &str, arch: &str, commit: &str) -> String {
        let name = format!("{}/alice/generic-packages:{VERSION}-{arch}-{}", self.host, &commit[..12]);
        let context = self.path(&format!("of-{arch}"));
        fs::create_dir(&context).expect("a folder");
        let container = ask(["create", built]);
        ask(["cp", &format!("{container}:/generic-packages"), context.to_str().expect("UTF-8")]);
        ask(["rm", &container]);
        let dockerfile = "FROM scratch\nCOPY generic-packages /\nENTRYPOINT [\"/generic-packages\"]\n";
        fs::write(context.join("Dockerfile"), dockerfile).expect("a file can be written");
        // The cache of Docker 20.10 takes what was built for one platform for another.
        let mut make = docker(["build", "--no-cache", "--tag", &name, "--platform", &format!("linux/{arch}")]);
        succeeds(make.args(["--label", &format!("org.opencontainers.image.revision={commit}")]).arg(&context));
        digest_of(&ask(["push", &name]))
    }

    #[track_caller]
    fn has_assets(&self, this: &str) {
        let assets = self.path("checkout/assets");
        let checked = succeeds(Command::new("sha256sum").args(["--check", "SHA256SUMS"]).current_dir(&assets));
        let names: Vec<&str> = checked.lines().filter_map(|line| line.strip_suffix(": OK")).collect();
        let expected = ["generic-packages-linux-aarch64", "generic-packages-linux-x86_64", "generic-packages.cdx.json"];
        assert_eq!(names, expected);
        let machine = if this == "amd64" { "x86_64" } else { "aarch64" };
        let program = assets.join(format!("generic-packages-linux-{machine}"));
        assert_eq!(succeeds(Command::new(program).arg("--version")), format!("generic-packages {VERSION}"));
        let bill = fs::read_to_string(assets.join("generic-packages.cdx.json")).expect("a bill of materials");
        let bill: serde_json::Value = serde_json::from_str(&bill).expect("JSON");
        let parts: Vec<&str> =
            bill["components"].as_array().expect("a list").iter().filter_map(|c| c["name"].as_str()).collect();
        assert!(parts.contains(&"reqwest") && parts.contains(&"ring"), "{parts:?}");
        assert!(!parts.contains(&"embedded-registry") && !parts.contains(&"rcgen"), "what only tests need: {parts:?}");
    }
}

impl Ran {
    /// The digest that a step prints.
    fn digest(&self) -> String {
        self.log.lines().find(|line| line.starts_with("sha256:")).expect("it prints the digest").to_owned()
    }
}

/// The digest in what the client prints of a push.
fn digest_of(pushed: &str) -> String {
    let digest = pushed.split_once("digest: ").and_then(|(_, rest)| rest.split(' ').next());
    digest.expect("a digest").to_owned()
}

impl Drop for Release {
    fn drop(&mut self) {
        drop(self.images.kill());
        drop(self.images.wait());
        // By its name, because the image itself is what jobs run in.
        drop(docker(["rmi", &format!("{}/base:1", self.host)]).output());
        let images = docker(["images", "--quiet", &format!("{}/alice/generic-packages", self.host)]).output();
        for image in images.map(|output| output.stdout).unwrap_or_default().split(|byte| *byte == b'\n') {
            drop(docker(["rmi", "--force", &String::from_utf8_lossy(image)]).output());
        }
    }
}

/// Starts a registry for images, and says where it is.
fn serve_images(folder: &TempDir) -> (Child, String) {
    // Any port that is free now: the registry cannot say which it would take itself.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let config = folder.path().join("registry.yml");
    let storage = folder.path().join("images");
    let text = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {free}\n",
        storage.display()
    );
    fs::write(&config, text).expect("a file can be written");
    let mut serve = Command::new("docker-registry");
    serve.arg("serve").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut images = serve.spawn().expect("a registry for images starts");
    let log = images.stderr.take().expect("a pipe");
    let mut lines = BufReader::new(log).lines();
    let listens = lines.by_ref().map_while(Result::ok).any(|line| line.contains("listening on"));
    assert!(listens, "the registry for images ends at once");
    // It must not stop at a pipe that nobody empties.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    (images, free.to_string())
}
