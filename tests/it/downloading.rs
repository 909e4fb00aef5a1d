//! Tests downloads: the files, the requests, and the changes in the workspace.

mod breaking;
mod choosing;
mod git;
mod names;
mod origins;
mod pinned;
pub(crate) mod placing;
mod redirects;
mod renaming;
mod visitors;

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use embedded_registry::{Options, Persona, Registry, Request};

use crate::harness::Job;

/// Method and path of each request, the paths cut to what tells them apart.
pub(crate) fn asked(registry: &Registry) -> Vec<String> {
    let short = |request: &Request| {
        let path = request.target.trim_start_matches("/api/packages/alice/generic/widget/");
        let path = path.replace("/api/v1/packages/alice/generic/widget/", "api ");
        let path = path.replace("/api/v1/packages/alice?type=generic&q=widget&limit=50&page=", "versions ");
        format!("{} {path}", request.method)
    };
    registry.requests().iter().map(short).collect()
}

/// Everything that is in the folder `tools` of the workspace, by its name.
pub(crate) fn tools(job: &Job) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = fs::read_dir(job.workspace().join("tools")) else { return BTreeMap::new() };
    let entry = |path: PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        (name, fs::read(path).expect("a file"))
    };
    entries.map(|found| entry(found.expect("an entry").path())).collect()
}

/// A registry with three files in version v1.0.0, and nothing scripted.
pub(crate) fn release(persona: Persona) -> Registry {
    with_release(Registry::start(persona))
}

/// Like `release`, but at another address of this machine.
fn release_at(address: IpAddr) -> Registry {
    with_release(Registry::start_with(Options { address, ..Options::default() }))
}

fn with_release(registry: Registry) -> Registry {
    registry.seed("alice", "widget", "v1.0.0", "a.txt", b"hello\n");
    registry.seed("alice", "widget", "v1.0.0", "app", &vec![7; 300_000]);
    registry.seed("alice", "widget", "v1.0.0", "empty", b"");
    registry
}

/// An address of this machine that is not a loopback one, if it has one. Nothing is sent to find it out.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(("192.0.2.1", 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
}

#[test]
fn every_file_is_identical_and_in_the_folder_of_path() {
    for persona in Persona::all() {
        let registry = release(persona);
        let job = Job::downloading(&registry);
        let ran = job.run().exits_with(0);
        let wanted: [(String, Vec<u8>); 3] =
            [("a.txt", b"hello\n".to_vec()), ("app", vec![7; 300_000]), ("empty", Vec::new())]
                .map(|(name, bytes)| (name.to_owned(), bytes));
        assert_eq!(tools(&job), BTreeMap::from(wanted));
        let outputs = ["version", "path", "downloaded", "unchanged", "total-size"];
        assert_eq!(outputs.map(|name| ran.outputs[name].as_str()), ["v1.0.0", "tools", "3", "0", "300006"]);
        assert_eq!(ran.outputs.len(), outputs.len() + 1);
        let stored = registry.files("alice", "widget", "v1.0.0");
        for file in ran.files() {
            let name = file["name"].as_str().expect("a name");
            let theirs = stored.iter().find(|stored| stored.name == name).expect("it is there");
            assert_eq!((&file["sha256"], &file["size"]), (&theirs.sha256.as_str().into(), &theirs.size.into()));
            assert_eq!(file["path"], format!("tools/{name}"));
            assert_eq!((&file["status"], &file["verified-by"]), (&"downloaded".into(), &"registry".into()));
            assert!(file["url"].as_str().expect("a URL").ends_with(&format!("/widget/v1.0.0/{name}")), "{file}");
        }
    }
}

#[test]
fn the_latest_version_costs_two_questions_and_each_file_one() {
    let registry = release(Persona::default());
    Job::downloading(&registry).run().exits_with(0);
    let mut requests = asked(&registry);
    assert_eq!(requests[..2], ["GET versions 1", "GET api v1.0.0/files"]);
    requests[2..].sort();
    assert_eq!(requests[2..], ["GET v1.0.0/a.txt", "GET v1.0.0/app", "GET v1.0.0/empty"]);

    registry.clear_requests();
    Job::downloading(&registry).input("version", "v1.0.0").input("files", "a.txt").run().exits_with(0);
    assert_eq!(asked(&registry), ["GET api v1.0.0/files", "GET v1.0.0/a.txt"]);
}

#[test]
fn what_is_here_already_is_not_asked_for() {
    let registry = release(Persona::default());
    let job = Job::downloading(&registry);
    job.run().exits_with(0);
    registry.clear_requests();
    let ran = job.run().exits_with(0);
    assert_eq!(asked(&registry), ["GET versions 1", "GET api v1.0.0/files"]);
    assert_eq!(["downloaded", "unchanged", "total-size"].map(|name| ran.outputs[name].as_str()), ["0", "3", "300006"]);
}

#[test]
fn other_content_under_the_same_name_is_replaced_also_where_its_length_is_the_same() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.file("tools/a.txt", "HELLO\n").file("tools/app", "short").file("tools/mine", "stays");
    let ran = job.run().exits_with(0);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["downloaded"; 3]);
    let tools = tools(&job);
    assert_eq!(
        (&tools["a.txt"][..], tools["app"].len(), &tools["mine"][..]),
        (&b"hello\n"[..], 300_000, &b"stays"[..])
    );
}

#[test]
fn files_named_so_can_be_executed_and_no_others() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    // What is unchanged gets the right too.
    job.file("tools/a.txt", "hello\n").input("executable", "a*\n!app\nnone-*");
    let ran = job.run().exits_with(0).says("warning: ").says("`none-*`");
    assert_eq!(ran.statuses()["a.txt"], "unchanged");
    let folder = job.workspace().join("tools");
    let mode = |name: &str| fs::metadata(folder.join(name)).expect("a file").permissions().mode();
    assert_eq!((mode("a.txt") & 0o100, mode("app") & 0o111, mode("empty") & 0o111), (0o100, 0, 0));

    job.input("executable", "app\nempty").run().exits_with(0);
    assert_eq!((mode("app") & 0o100, mode("empty") & 0o100), (0o100, 0o100));
    fs::remove_file(folder.join("app")).expect("it is there");
    let ran = job.run().exits_with(0);
    assert_eq!((ran.statuses()["app"].as_str(), mode("app") & 0o100), ("downloaded", 0o100));
}

#[test]
fn files_go_to_the_workspace_or_to_the_folder_of_path_which_is_made() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    let ran = job.without("INPUT_PATH").run().exits_with(0);
    assert_eq!(fs::read(job.workspace().join("a.txt")).expect("a file"), b"hello\n");
    assert_eq!((ran.outputs["path"].as_str(), &ran.files()[0]["path"]), (".", &"a.txt".into()));
    let ran = job.input("path", "build/./deep/tools/").run().exits_with(0);
    assert_eq!(fs::read(job.workspace().join("build/deep/tools/a.txt")).expect("a file"), b"hello\n");
    assert_eq!(ran.outputs["path"], "build/deep/tools");
}

#[test]
fn a_download_fails_before_it_asks_anything_if_the_container_has_no_access_to_the_workspace() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.variable("GITHUB_OUTPUT", job.outside("none/output"));
    let ran = job.run().exits_with(2).has_a_hint_for_each_error();
    ran.has_codes(&["workspace-not-mounted"]).says("`runs-on`");
    assert_eq!(registry.requests(), []);
    assert!(fs::read_dir(job.workspace()).expect("the workspace").next().is_none());
    // An empty workspace alone is no error, and a missing output file alone is a warning.
    job.file("README.md", "").run().exits_with(0).says("warning: failed to write the outputs");
    Job::downloading(&registry).run().exits_with(0);
}

#[test]
fn what_was_published_comes_back() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/large", (0..3_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[2]).collect::<Vec<u8>>());
    job.file("dist/empty", "").file("dist/one", "1");
    job.run().exits_with(0);
    job.downloads().input("version", "v1.0.0").run().exits_with(0);
    for (name, bytes) in tools(&job) {
        assert_eq!(fs::read(job.workspace().join("dist").join(&name)).expect("a file"), bytes, "{name}");
    }
    assert_eq!(tools(&job).len(), 3);
    // And nothing is to be published then.
    job.publishes().input("files", "tools/*").run().exits_with(0).says("3 unchanged");
}

#[test]
fn the_log_reads_like_this() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.file("tools/a.txt", "hello\n").input("files", "a*");
    let log = job.run().exits_with(0).log.replace(&registry.url(), "https://git.example.com");
    let lines: Vec<&str> = log.lines().collect();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(lines[0], format!("generic-packages {version} on GitHub Actions"));
    assert_eq!(lines[1], "Downloading from alice/widget latest at https://git.example.com with a token");
    assert_eq!(lines[2], "");
    assert_eq!(lines[3], "  `latest` is v1.0.0, the highest release");
    assert_eq!(lines[4], "  2 files, 292.9 KiB, to tools");
    assert_eq!(lines[5], "  unchanged            6 B           a.txt");
    assert!(lines[6].starts_with("  downloaded     292.9 KiB  ") && lines[6].ends_with(" s  app"), "{log}");
    assert_eq!(lines[7], "");
    let sentence =
        "Downloaded 2 files from alice/widget v1.0.0 to tools: 1 downloaded, 1 unchanged, all verified by SHA-256";
    assert_eq!(lines[8..].join("").replace("        ", " "), sentence);
}

#[test]
fn the_summary_has_a_row_for_each_file() {
    let registry = release(Persona::default());
    let ran = Job::downloading(&registry).run().exits_with(0);
    let rows: Vec<&str> = ran.summary.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(rows.len(), 4, "{}", ran.summary);
    assert_eq!(rows[0], "| file | size | SHA-256 | verified by | status |");
    assert!(
        rows[1].starts_with("| [` a.txt `](<http") && rows[1].ends_with(" | registry | downloaded |"),
        "{}",
        rows[1]
    );
}
