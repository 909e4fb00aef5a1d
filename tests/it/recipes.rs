//! Tests the commands in the summary for downloads and verification. The tests copy and run them unchanged.

use std::fs;
use std::process::{Command, Output};

use embedded_registry::{Action, Answer, Fault, Match, Options, Persona, Point, Registry};

use crate::harness::{AWKWARD_NAMES, Job, Ran};

/// A job with these files that publishes the checksums file of its version.
fn checksums_job(registry: &Registry, files: &[(&str, &str)]) -> Job {
    let mut job = Job::new(registry);
    for (name, content) in files {
        job.file(format!("dist/{name}"), content);
    }
    job.input("checksums", "SHA256SUMS").input("include-hidden-files", "true");
    job
}

/// The block of that language in a summary, where it has one.
fn block(ran: &Ran, language: &str) -> Option<String> {
    let (_, rest) = ran.summary.split_once(&format!("\n```{language}\n"))?;
    Some(rest.split_once("\n```\n").expect("a block ends").0.to_owned())
}

/// Runs commands in an empty folder, and returns how that ended and which files are there then, with their content.
fn run(commands: &str) -> (Output, Vec<(String, Vec<u8>)>) {
    let folder = tempfile::tempdir().expect("a folder");
    let shell = Command::new("sh").args(["-ec", commands]).current_dir(folder.path()).output().expect("a shell");
    let entries = fs::read_dir(folder.path()).expect("the folder").map(|entry| entry.expect("an entry"));
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| (entry.file_name().into_string().expect("text"), fs::read(entry.path()).expect("a file")))
        .collect();
    files.sort();
    (shell, files)
}

#[test]
fn the_commands_bring_every_file_and_verify_it() {
    let registry =
        Registry::start_with(Options { path_prefix: "/a%27b%20%24%28c%29".to_owned(), ..Options::default() });
    let mut job = Job::new(&registry);
    let names: Vec<&str> = AWKWARD_NAMES.into_iter().chain(["-", "plain-1.0.tar.gz"]).collect();
    for name in &names {
        job.file(format!("dist/{name}"), name);
    }
    job.input("include-hidden-files", "true").input("version", "a b/c");
    let commands = block(&job.run().exits_with(0), "sh").expect("commands");
    let (shell, files) = run(&commands);
    assert!(shell.status.success(), "{commands}\n{shell:?}");
    let mut expected: Vec<(String, Vec<u8>)> =
        names.iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec())).collect();
    expected.sort();
    assert_eq!(files, expected, "{commands}");
    let said = String::from_utf8(shell.stdout).expect("text");
    assert_eq!(said.lines().filter(|line| line.ends_with(": OK")).count(), names.len(), "{said}");
}

#[test]
fn the_commands_fail_where_a_file_is_not_what_was_published() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    let commands = block(&job.file("dist/app", "good").run().exits_with(0), "sh").expect("commands");
    assert!(registry.world().delete("alice", "widget", "v1.0.0", "app"));
    assert!(!run(&commands).0.status.success());
    registry.seed("alice", "widget", "v1.0.0", "app", b"evil");
    assert!(!run(&commands).0.status.success());
}

#[test]
fn the_commands_are_as_people_write_them() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    let ran = job.file("dist/app", "").file("dist/a b", "").run().exits_with(0);
    let base = format!("{}/api/packages/alice/generic/widget/v1.0.0", registry.url());
    let sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let commands = format!(
        "curl -fsSL -o 'a b' {base}/a%20b\ncurl -fsSLO {base}/app\nsha256sum -c <<'EOF'\n{sum}  a b\n{sum}  app\nEOF"
    );
    assert_eq!(block(&ran, "sh"), Some(commands));
    let step = format!(
        "- uses: OWNER/generic-packages/download@v1\n  with:\n    server-url: \"{}\"\n    owner: \"alice\"\n    \
         repo: \"widget\"\n    version: \"v1.0.0\"",
        registry.url()
    );
    assert_eq!(block(&ran, "yaml"), Some(step));
    // A re-run says the same.
    assert_eq!(block(&job.run().exits_with(0), "sh"), block(&ran, "sh"));
}

#[test]
fn of_a_version_with_checksums_the_commands_bring_all_that_it_has_and_hold_it_against_the_checksums_file() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "of another job", b"theirs");
    let ran = checksums_job(&registry, &[("app", "ours")]).run().exits_with(0);
    let base = format!("{}/api/packages/alice/generic/widget/v1.0.0", registry.url());
    let sum = &registry.files("alice", "widget", "v1.0.0")[2];
    assert_eq!(sum.name, "SHA256SUMS");
    let commands = format!(
        "curl -fsSLO {base}/app\ncurl -fsSL -o 'of another job' {base}/of%20another%20job\ncurl -fsSLO {base}/SHA256SUMS\n\
         sha256sum -c - SHA256SUMS <<'EOF'\n{}  SHA256SUMS\nEOF",
        sum.sha256
    );
    assert_eq!(block(&ran, "sh").as_ref(), Some(&commands));
    let (shell, files) = run(&commands);
    assert!(shell.status.success() && files.len() == 3, "{shell:?}");
    assert_eq!(String::from_utf8_lossy(&shell.stdout), "SHA256SUMS: OK\napp: OK\nof another job: OK\n");
    let step = block(&ran, "yaml").expect("a step");
    assert!(step.ends_with("    version: \"v1.0.0\"\n    checksums: \"SHA256SUMS\""), "{step}");
    // A job that publishes only the checksums file gives the same commands.
    let ran = checksums_job(&registry, &[]).without("INPUT_FILES").run().exits_with(0);
    assert_eq!((block(&ran, "sh"), block(&ran, "yaml")), (Some(commands), Some(step)));
}

#[test]
fn the_commands_of_a_version_with_checksums_fail_where_a_file_or_the_checksums_file_is_another() {
    let spoilt = ["app", "of another job", "SHA256SUMS"];
    for name in spoilt {
        let registry = Registry::start(Persona::default());
        registry.seed("alice", "widget", "v1.0.0", "of another job", b"theirs");
        let ran = checksums_job(&registry, &[("app", "ours")]).run().exits_with(0);
        assert!(registry.world().delete("alice", "widget", "v1.0.0", name));
        let evil = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  app\n";
        registry.seed("alice", "widget", "v1.0.0", name, evil.as_bytes());
        let (shell, _) = run(&block(&ran, "sh").expect("commands"));
        assert!(!shell.status.success(), "{name}: {shell:?}");
    }
}

#[test]
fn a_version_with_checksums_of_awkward_names_is_downloaded_and_verified_whatever_its_checksums_file_is_called() {
    for name_of_checksums in ["-sums", "my sums", "%41sums", "~sha"] {
        let registry = Registry::start(Persona::default());
        let files: Vec<(&str, &str)> =
            AWKWARD_NAMES.iter().filter(|name| **name != name_of_checksums).map(|n| (*n, *n)).collect();
        let mut job = checksums_job(&registry, &files);
        let ran = job.input("checksums", name_of_checksums).run().exits_with(0);
        let commands = block(&ran, "sh").expect("commands");
        let (shell, came) = run(&commands);
        assert!(shell.status.success() && came.len() == files.len() + 1, "{commands}\n{shell:?}");
    }
}

#[test]
fn a_checksums_file_that_failed_is_in_no_commands() {
    let registry = Registry::start(Persona::default());
    let ran = checksums_job(&registry, &[("app", "ours")]).input("expect", "*.exe").run().exits_with(1);
    assert!(!ran.summary.contains("```"), "{}", ran.summary);
}

#[test]
fn the_step_calls_the_action_as_the_documents_do() {
    let registry = Registry::start(Persona::default());
    let step = block(&Job::new(&registry).file("dist/a", "").run(), "yaml").expect("a step");
    let call = step.lines().next().expect("a line");
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("the README");
    assert!(call.contains("uses: ") && readme.lines().any(|line| line == call), "{call}");
}

#[test]
fn there_is_no_step_where_the_runner_does_not_say_what_the_action_is_called() {
    let registry = Registry::start(Persona::default());
    for (repository, git_ref) in [("", "v1"), ("alice/packages", ""), ("a", "v1"), ("a/b", "v1 #"), ("a/b\nc", "v1")] {
        let mut job = Job::new(&registry);
        job.variable("GITHUB_ACTION_REPOSITORY", repository).variable("GITHUB_ACTION_REF", git_ref);
        let ran = job.file("dist/a", "").run().exits_with(0);
        assert!(block(&ran, "sh").is_some() && block(&ran, "yaml").is_none(), "{}", ran.summary);
    }
    let mut job = Job::new(&registry);
    job.variable("GITHUB_ACTION_REPOSITORY", "bob/packages").variable("GITHUB_ACTION_REF", "0a1b2c");
    let step = block(&job.file("dist/a", "").run().exits_with(0), "yaml").expect("a step");
    assert!(step.starts_with("- uses: bob/packages/download@0a1b2c\n"), "{step}");
}

#[test]
fn the_step_has_the_version_as_it_is_and_no_mark_that_misleads() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "");
    for (version, shown) in [
        ("1.10", Some(r#""1.10""#)),
        (r#"a"b\c: #d"#, Some(r#""a\"b\\c: #d""#)),
        ("a\u{202e}b\u{feff}", Some(r#""a\U0000202Eb\U0000FEFF""#)),
        ("\u{e9}", Some("\"\u{e9}\"")),
        ("```", Some("\"```\"")),
        // Nothing keeps a runner from taking it for an expression.
        ("${{github.token}}", None),
    ] {
        // No input could have an expression that is not evaluated; a tag can.
        let ran = job.variable("GITHUB_REF", format!("refs/tags/{version}")).run().exits_with(0);
        let line = ran.summary.lines().find_map(|line| line.strip_prefix("    version: ")).map(str::to_owned);
        assert_eq!(line.as_deref(), shown, "{}", ran.summary);
        assert!(ran.summary.contains("curl"), "{}", ran.summary);
    }
}

#[test]
fn for_many_files_only_the_step_is_shown() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for number in 0..50 {
        job.file(format!("dist/{number}"), "");
    }
    let ran = job.run().exits_with(0);
    assert!(block(&ran, "sh").is_some() && block(&ran, "yaml").is_some());
    let ran = job.file("dist/50", "").run().exits_with(0);
    assert!(block(&ran, "sh").is_none() && block(&ran, "yaml").is_some());
}

#[test]
fn what_failed_or_was_skipped_is_in_no_commands() {
    let registry = Registry::start(Persona::default());
    let refusal = Action::Answer(Answer::text(400, "invalid filename"));
    registry.add_fault(Fault::always(Match::put("/v1.0.0/bad"), Point::BeforeStore, refusal));
    let mut job = Job::new(&registry);
    let ran = job.file("dist/bad", "").file("dist/good", "").run().exits_with(1);
    assert!(!ran.summary.contains("```"), "{}", ran.summary);
    registry.clear_faults();
    registry.seed("alice", "widget", "v1.0.0", "bad", b"other");
    let ran = job.input("if-file-exists", "skip").run().exits_with(0);
    let commands = block(&ran, "sh").expect("commands");
    assert!(commands.contains("good") && !commands.contains("bad"), "{commands}");
    // With nothing in its place there is nothing to download.
    let ran = job.input("files", "dist/bad").run().exits_with(0);
    assert!(!ran.summary.contains("```"), "{}", ran.summary);
}

#[test]
fn the_summary_of_a_download_has_no_commands() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "a", b"1");
    let ran = Job::downloading(&registry).run().exits_with(0);
    assert!(!ran.summary.contains("```"), "{}", ran.summary);
}

#[test]
fn a_summary_stays_short_enough_for_github_with_its_commands() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    // The longest that names, version and owner can be: each character of the version has twelve in a URL.
    let version = "\u{1f600}".repeat(255);
    for number in 0..50 {
        job.file(format!("dist/{number:02}{}", "%".repeat(253)), "");
    }
    let ran = job.input("version", version).run().exits_with(0);
    assert!(ran.summary.len() < 1024 * 1024 && block(&ran, "sh").is_some(), "{}", ran.summary.len());
}
