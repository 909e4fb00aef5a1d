//! What the summary says on how to download and verify: it is pasted and run as it stands.

use std::fs;
use std::process::{Command, Output};

use embedded_registry::{Action, Answer, Fault, Match, Options, Persona, Point, Registry};

use crate::harness::{AWKWARD_NAMES, Job, Ran};

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
    let registry = Registry::start_with(Options { path_prefix: "/a'b $(c)".replace(' ', "%20"), ..Options::default() });
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
        let ran = job.input("version", version).run().exits_with(0);
        let line = ran.summary.lines().find_map(|line| line.strip_prefix("    version: ")).map(str::to_owned);
        assert_eq!(line.as_deref(), shown, "{}", ran.summary);
        assert!(ran.summary.contains("curl"), "{}", ran.summary);
    }
}

#[test]
fn for_many_files_the_step_alone_is_told() {
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
    registry.script(Fault::always(Match::put("/v1.0.0/bad"), Point::BeforeStore, refusal));
    let mut job = Job::new(&registry);
    let ran = job.file("dist/bad", "").file("dist/good", "").run().exits_with(1);
    assert!(!ran.summary.contains("```"), "{}", ran.summary);
    registry.clear_script();
    registry.seed("alice", "widget", "v1.0.0", "bad", b"other");
    let ran = job.input("if-file-exists", "skip").run().exits_with(0);
    let commands = block(&ran, "sh").expect("commands");
    assert!(commands.contains("good") && !commands.contains("bad"), "{commands}");
    // With nothing in its place there is nothing to download.
    let ran = job.input("files", "dist/bad").run().exits_with(0);
    assert!(!ran.summary.contains("```"), "{}", ran.summary);
}

#[test]
fn a_download_tells_no_commands() {
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
