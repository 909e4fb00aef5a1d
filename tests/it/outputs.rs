//! Tests the outputs, the exit code and the workflow commands, which later steps and the runner read.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::Job;
use crate::package::answers;

const NAMES: [&str; 12] = [
    "files",
    "urls",
    "package-url",
    "version",
    "uploaded",
    "replaced",
    "unchanged",
    "skipped",
    "failed",
    "total-size",
    "checksums-file",
    "aliases",
];

/// A job with two files to publish.
fn job(registry: &Registry) -> Job {
    Job::publishing(registry, &[("a", "1"), ("b c", "22")])
}

/// The delimiter of the first output.
fn delimiter(written: &str) -> &str {
    written.lines().next().and_then(|line| line.strip_prefix("files<<")).expect("the first output is `files`")
}

#[test]
fn outputs_are_written_as_runners_read_them() {
    let registry = Registry::start(Persona::default());
    let ran = job(&registry).run().exits_with(0);
    let delimiter = delimiter(&ran.written);
    let base = format!("{}/api/packages/alice/generic/widget/v1.0.0", registry.url());
    let digest = |file: usize| registry.files("alice", "widget", "v1.0.0")[file].sha256.clone();
    let row = |name: &str, url: &str, size: u64, sha256: String| {
        format!(r#"{{"name":"{name}","url":"{base}/{url}","size":{size},"sha256":"{sha256}","status":"uploaded"}}"#)
    };
    let files = format!("[\n{},\n{}\n]", row("a", "a", 1, digest(0)), row("b c", "b%20c", 2, digest(1)));
    let page = format!("{}/alice/-/packages/generic/widget/v1.0.0", registry.url());
    let urls = format!("{base}/a\n{base}/b%20c");
    let values = [&files, &urls, &page, "v1.0.0", "2", "0", "0", "0", "0", "3", "", ""];
    let entry = |(name, value)| format!("{name}<<{delimiter}\n{value}\n{delimiter}\n");
    let expected: String = NAMES.into_iter().zip(values).map(entry).collect();
    assert_eq!(ran.written, expected);
}

#[test]
fn no_value_can_end_its_own_entry_because_each_run_has_its_own_delimiter() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry);
    let (one, other) = (job.run().exits_with(0), job.run().exits_with(0));
    assert_ne!(delimiter(&one.written), delimiter(&other.written));
    assert!(delimiter(&one.written).len() >= 32);
}

#[test]
fn outputs_are_added_to_those_of_earlier_writers() {
    let registry = Registry::start(Persona::default());
    // The last one is a line that is still open. Each run checks that earlier outputs are still there.
    for so_far in ["other=value\n", "other<<x\na\nb\nx\n", "other=value"] {
        let ran = job(&registry).set_existing_outputs(so_far).run().exits_with(0);
        assert_eq!((ran.outputs.len(), ran.written.starts_with('\n')), (NAMES.len(), !so_far.ends_with('\n')));
    }
}

#[test]
fn the_name_of_a_file_or_a_version_cannot_write_outputs() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::publishing(&registry, &[("x=1", ""), ("files<<y", "")]);
    job.input("files", "dist/x=1");
    let ran = job.input("version", "uploaded<<x").run().exits_with(0);
    assert_eq!((ran.outputs.len(), ran.outputs["version"].as_str()), (NAMES.len(), "uploaded<<x"));
    job.input("version", "1\nuploaded=9").run_rejected(&registry).has_codes(&["invalid-input"]);
}

#[test]
fn a_job_without_a_file_for_outputs_succeeds_with_a_warning() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    for value in [None, Some("")] {
        match value {
            None => job.without("GITHUB_OUTPUT"),
            Some(value) => job.variable("GITHUB_OUTPUT", value),
        };
        let ran = job.run().exits_with(0).says("warning: `GITHUB_OUTPUT`");
        assert_eq!(ran.written, "");
    }
    // Who starts the program by hand has no later steps.
    job.without("GITHUB_ACTIONS").run().exits_with(0).does_not_say("warning:");
}

#[test]
fn a_file_for_outputs_that_cannot_be_written_does_not_change_the_exit_code() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    // In host mode the container has no such folder.
    for path in [job.outside("none/output"), job.workspace()] {
        let ran = job.variable("GITHUB_OUTPUT", path).run().exits_with(0);
        ran.says("warning: failed to write the outputs").does_not_say("error:");
        // Nor a success of a failure.
        job.input("concurrency", "0").run().exits_with(2).says("warning: failed to write the outputs");
        job.input("concurrency", "");
    }
}

#[test]
fn a_missing_file_for_outputs_is_created_with_a_warning() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    let path = job.outside("absent");
    job.variable("GITHUB_OUTPUT", &path).run().exits_with(0).says("warning: the file in `GITHUB_OUTPUT`");
    assert!(fs::read_to_string(&path).expect("it was created").starts_with("files<<"));
    // Now it exists.
    job.run().exits_with(0).does_not_say("warning:");
}

#[test]
fn a_full_disk_leaves_no_part_of_an_entry_in_the_runners_files() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    // The limit is 512 or 1,024 bytes, as the shell counts.
    let command = job.command_of(&["sh", "-c", "ulimit -f 1; exec \"$0\" publish"]);
    // That the earlier entry is still there is checked in every run.
    let ran = job.set_existing_outputs("other=value\n").run_as(command).exits_with(0);
    let ran = ran.says("warning: failed to write the outputs: File too large");
    let ran = ran.says("warning: failed to write the job summary: File too large");
    assert_eq!((ran.written.as_str(), ran.summary.as_str()), ("", ""));
}

#[test]
fn a_fifo_or_a_device_for_outputs_or_summary_is_refused_and_stops_nothing() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry);
    let fifo = job.outside("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).expect("a FIFO can be made");
    // Opened to read and write: a FIFO with a reader, which takes what is written, and then one without.
    let reader = fs::OpenOptions::new().read(true).write(true).open(&fifo).expect("a reader");
    for (path, reader) in [(fifo.clone(), Some(reader)), (fifo, None), ("/dev/null".into(), None)] {
        for (variable, what) in [("GITHUB_OUTPUT", "outputs"), ("GITHUB_STEP_SUMMARY", "job summary")] {
            let mut job = self::job(&registry);
            let ran = job.variable(variable, &path).run().exits_with(0);
            ran.says(&format!("warning: failed to write the {what}: not a regular file"));
        }
        drop(reader);
    }
}

#[test]
fn the_file_for_outputs_keeps_its_owner_and_rights() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    let path = job.outside("theirs");
    fs::write(&path, "a=b\n")
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o640)))
        .expect("a file");
    job.variable("GITHUB_OUTPUT", &path).run().exits_with(0);
    assert_eq!(fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&path).expect("text").starts_with("a=b\nfiles<<"));
}

/// A job with so many files of the longest names; a row of `files` has 690 characters then, and a URL 331.
fn job_with_long_names(registry: &Registry, count: usize) -> Job {
    let mut job = Job::new(registry);
    for number in 0..count {
        job.file(format!("dist/{number:03}{}", "a".repeat(252)), "1");
    }
    job.input("concurrency", "32");
    job
}

#[test]
fn an_output_that_would_be_too_long_is_left_empty_and_the_others_are_set() {
    // The first is a little over 100 KiB where the second is not.
    for (count, is_url_list_too_long) in [(150, false), (400, true)] {
        let registry = Registry::start(Persona::default());
        let job = job_with_long_names(&registry, count);
        let ran = job.run().exits_with(0).says("warning: output `files` is empty");
        assert_eq!(ran.outputs["files"], "");
        assert_eq!(ran.outputs["urls"].lines().count(), if is_url_list_too_long { 0 } else { count });
        assert_eq!(ran.log.contains("warning: output `urls` is empty"), is_url_list_too_long, "{}", ran.log);
        let counts = ["uploaded", "unchanged", "failed", "total-size"].map(|name| ran.outputs[name].clone());
        assert_eq!(counts, [count.to_string(), "0".into(), "0".into(), count.to_string()]);
        assert_eq!(ran.outputs["version"], "v1.0.0");
        assert!(ran.outputs.values().all(|value| value.len() <= 100 * 1024));
    }
}

#[test]
fn outputs_of_up_to_100_kib_are_whole_and_valid() {
    let registry = Registry::start(Persona::default());
    let ran = job_with_long_names(&registry, 145).run().exits_with(0).does_not_say("warning:");
    let length = ran.outputs["files"].len();
    assert!((98 * 1024..100 * 1024).contains(&length), "{length}");
    assert_eq!((ran.files().len(), ran.outputs["urls"].lines().count()), (145, 145));
    // A line of more than 64 KiB is lost on older runners.
    assert!(ran.written.lines().all(|line| line.len() < 1024));
}

#[test]
fn outputs_count_verified_files_when_a_file_fails() {
    let registry = Registry::start(Persona::default());
    let refusal = Answer::text(400, "invalid filename");
    registry.add_fault(Fault::always(Match::put("/v1.0.0/b%20c"), Point::BeforeStore, Action::Answer(refusal)));
    let ran = job(&registry).run().exits_with(1);
    assert_eq!(ran.outputs.keys().map(String::as_str).collect::<Vec<_>>().len(), NAMES.len());
    let counts = ["uploaded", "unchanged", "failed", "total-size", "version"].map(|name| ran.outputs[name].as_str());
    assert_eq!(counts, ["1", "0", "1", "1", "v1.0.0"]);
    assert!(ran.outputs["urls"].ends_with("/v1.0.0/a") && ran.outputs["urls"].lines().count() == 1);
    assert!(ran.outputs["package-url"].ends_with("/alice/-/packages/generic/widget/v1.0.0"));
    let rows: Vec<_> = ran.files().iter().map(|row| (row["status"].clone(), row["sha256"].is_string())).collect();
    assert_eq!(rows, [("uploaded".into(), true), ("failed".into(), false)]);
}

#[test]
fn outputs_are_written_when_the_registry_cannot_be_reached() {
    let registry = Registry::start(Persona::default());
    let ran = job(&registry)
        .input("server-url", "http://127.0.0.1:1")
        .run()
        .exits_with(1)
        .has_a_hint_for_each_error()
        .has_statuses(&["not-attempted", "not-attempted"]);
    let counts = ["uploaded", "unchanged", "failed", "total-size"].map(|name| ran.outputs[name].as_str());
    assert_eq!(counts, ["0", "0", "2", "0"]);
    assert_eq!((ran.outputs["urls"].as_str(), ran.outputs["package-url"].as_str()), ("", ""));
}

#[test]
fn outputs_are_written_when_nothing_was_sent() {
    let registry = Registry::start(Persona::default());
    // That they say so is looked at in every refusal.
    for (input, value) in [("concurrency", "0"), ("files", "none"), ("files", "dist"), ("token", "")] {
        let ran = job(&registry).input(input, value).run_rejected(&registry);
        let names: Vec<&str> = ran.written.lines().filter_map(|line| Some(line.split_once("<<")?.0)).collect();
        assert_eq!(names, NAMES);
    }
}

#[test]
fn a_failure_ends_in_one_command_if_a_runner_reads_it() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    let commands = |log: &str| log.lines().filter(|line| line.starts_with("::")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(commands(&job.run().exits_with(0).log), [""; 0]);
    job.file("dist/a", "2");
    for (input, value, code, text) in [
        ("concurrency", "", 1, "Published 1 of 2 files to alice/widget v1.0.0: 1 unchanged, 1 failed"),
        ("concurrency", "0", 2, "Nothing was uploaded"),
        ("files", "none", 2, "Nothing was uploaded"),
    ] {
        let ran = job.input(input, value).run().exits_with(code);
        let commands = commands(&ran.log);
        assert!(matches!(&commands[..], [command] if command.ends_with(text)), "{commands:?}");
        assert_eq!(ran.log.lines().last().map(|line| line.starts_with("::error")), Some(true));
    }
    // Nobody reads commands where the program was started by hand.
    job.without("GITHUB_ACTIONS");
    for (input, value, code) in [("files", "none", 2), ("files", "dist/*", 2), ("concurrency", "", 1)] {
        assert_eq!(commands(&job.input(input, value).run().exits_with(code).log), [""; 0]);
    }
}

#[test]
fn the_log_names_its_runner() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    let program = concat!("generic-packages ", env!("CARGO_PKG_VERSION"));
    // Each sets the variables of those before it too.
    for (variable, name) in [
        ("GITHUB_ACTIONS", "GitHub Actions"),
        ("ACT", "act"),
        ("GITEA_ACTIONS", "Gitea Actions"),
        ("FORGEJO_ACTIONS", "Forgejo Actions"),
    ] {
        let ran = job.variable(variable, "true").run().exits_with(0).says(&format!("{program} on {name} Publishing"));
        assert_eq!(ran.masks.len(), 2);
    }
    for variable in ["GITHUB_ACTIONS", "ACT", "GITEA_ACTIONS", "FORGEJO_ACTIONS"] {
        job.variable(variable, "");
    }
    job.run().exits_with(0).says(&format!("{program} Publishing"));
}

#[test]
fn an_unknown_command_is_an_error_and_does_nothing() {
    let registry = Registry::start(Persona::default());
    let job = job(&registry);
    for (arguments, code, text) in [
        (&[][..], 2, "publish"),
        (&["dist/*"], 2, "publish"),
        (&["publish", "dist/*"], 2, "error: `publish` takes no arguments"),
        (&["--publish"], 2, "publish"),
        (&["--help"], 0, "publish"),
        (&["--version"], 0, concat!("generic-packages ", env!("CARGO_PKG_VERSION"))),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_generic-packages"));
        command.args(arguments).current_dir(job.workspace()).env_clear();
        command.envs(job.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
        job.run_as(command).exits_with(code).says(text);
    }
    assert_eq!(registry.requests(), []);
}

#[test]
fn every_link_leads_to_the_public_address_that_the_server_names_and_every_request_to_server_url() {
    let registry = Registry::start(Persona::default());
    let public = "https://git.example.org/sub/path";
    let about = format!(r#"{{"html_url":"{public}/alice/-/packages/generic/widget/v1.0.0"}}"#);
    answers(&registry, Match::version(), Answer::json(200, about));
    let mut job = Job::publishing(&registry, &[("a", "1")]);
    job.input("checksums", "SHA256SUMS");
    for status in ["uploaded", "unchanged"] {
        let ran = job.run().exits_with(0);
        let base = format!("{public}/api/packages/alice/generic/widget/v1.0.0");
        assert_eq!(ran.outputs["urls"], format!("{base}/a\n{base}/SHA256SUMS"));
        assert_eq!(ran.files()[0]["url"], format!("{base}/a"));
        assert_eq!(ran.files()[0]["status"], status);
        assert_eq!(ran.outputs["package-url"], format!("{public}/alice/-/packages/generic/widget/v1.0.0"));
        let ran = ran.says(&format!("verified by SHA-256 {public}/alice/-/packages/generic/widget/v1.0.0"));
        assert!(!ran.summary.contains(&registry.url()), "{}", ran.summary);
        assert!(ran.summary.contains(&format!("curl -fsSLO {base}/a")), "{}", ran.summary);
        assert!(ran.summary.contains(&format!("server-url: \"{public}\"")), "{}", ran.summary);
    }
}
