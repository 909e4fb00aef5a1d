//! Dry runs of files, checksums files, aliases and links: their plans, and that they change nothing.
//!
//! The snapshot `dry-run-plans` has the wording of every plan.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use rustix::process::Signal;

use crate::harness::{AWKWARD_NAMES, Job, Ran};
use crate::logs::assert_snapshot;
use crate::package::{answers, changes, contents, link_of, requests, seed};
use crate::stopping::{holds, stopped};

/// A dry run of an identical file, a different one and a new one; the version also has a file of another job.
fn files(registry: &Registry) -> Job {
    seed(registry, "v1.0.0", &[("changed", "the first"), ("same", "same"), ("theirs", "of another job")]);
    let mut job = Job::publishing(registry, &[("changed", "the second"), ("new", "1"), ("same", "same")]);
    job.input("dry-run", "true");
    job
}

/// Like `files`, with a checksums file, an alias and a link.
fn release(registry: &Registry) -> Job {
    let older = [("theirs", "of another job"), ("changed", "the first"), ("extra", "x"), ("SHA256SUMS", "old")];
    seed(registry, "latest", &older);
    let mut job = files(registry);
    job.input("if-file-exists", "overwrite").input("checksums", "SHA256SUMS").input("aliases", "latest");
    job.input("link-repository", "widget");
    job
}

/// A dry run that publishes only the checksums file of a version with one file.
fn checksums(registry: &Registry) -> Job {
    seed(registry, "v1.0.0", &[("a", "1")]);
    let mut job = Job::new(registry);
    job.without("INPUT_FILES").input("checksums", "SHA256SUMS").input("dry-run", "true");
    job
}

/// Makes the changes of a dry run.
fn run_really(job: &mut Job) -> &mut Job {
    job.input("dry-run", "false").run().exits_with(0);
    job.input("dry-run", "true")
}

fn read_only<'a>(job: &'a mut Job, registry: &Registry) -> &'a mut Job {
    job.token(&registry.token("alice_read"))
}

fn only<'a>(job: &'a mut Job, files: &str) -> &'a mut Job {
    job.input("files", files)
}

fn links<'a>(job: &'a mut Job, repository: &str) -> &'a mut Job {
    only(job, "dist/same").input("link-repository", repository)
}

/// The version or alias has one file more.
fn with<'a>(job: &'a mut Job, registry: &Registry, version: &str, file: (&str, &str)) -> &'a mut Job {
    seed(registry, version, &[file]);
    job
}

/// The registry gives this answer to lists of a version.
fn lists<'a>(job: &'a mut Job, registry: &Registry, version: &str, status: u16, json: &str) -> &'a mut Job {
    answers(registry, Match::list().containing(version), Answer::json(status, json));
    job
}

/// Changes a dry run, or the registry.
type Change = for<'a> fn(&'a mut Job, &Registry) -> &'a mut Job;

/// The name of a case in the snapshot, what is changed for it, the codes of the errors, and the statuses of the files,
/// those of equal ones in a row once.
type Case = (&'static str, Change, &'static str, &'static str);

/// Cases of [`files`].
const FILES: &[Case] = &[
    ("a conflict", |job, _| job, "conflict", "failed not-attempted unchanged"),
    ("only a conflict", |job, _| only(job, "dist/changed"), "conflict", "failed"),
    ("skip", |job, _| job.input("if-file-exists", "skip"), "", "skipped planned unchanged"),
    ("only a skip", |job, _| only(job, "dist/changed").input("if-file-exists", "skip"), "", "skipped"),
    ("overwrite", |job, _| job.input("if-file-exists", "overwrite"), "", "planned unchanged"),
    ("an identical file", |job, _| only(job, "dist/same"), "", "unchanged"),
    ("a new file", |job, _| only(job, "dist/new"), "", "planned"),
    ("a new version", |job, _| job.input("version", "v2"), "", "planned"),
    ("a wrong token", |job, _| job.token("0123456789abcdef"), "bad-token", "not-attempted"),
    ("no write access", |job, r| read_only(only(job, "dist/new"), r), "no-write-access", "not-attempted"),
    ("no need for write access", |job, r| read_only(only(job, "dist/same"), r), "", "unchanged"),
    ("no such owner", |job, _| job.input("owner", "alcie"), "owner-not-found", "not-attempted"),
    ("a list that cannot be read", |job, r| lists(job, r, "", 500, ""), "server-error", "not-attempted"),
    ("a link", |job, _| links(job, "widget"), "", "unchanged"),
    ("a link that exists", |job, _| run_really(links(job, "gadget")), "", "unchanged"),
    ("a link to elsewhere", |job, _| links(run_really(links(job, "gadget")), "widget"), "", "unchanged"),
    (
        "a checksums file that would be outdated",
        |job, r| with(only(job, "dist/new"), r, "v1.0.0", ("SHA256SUMS", "old")),
        "",
        "planned",
    ),
    (
        "a link that the token's user cannot see",
        |job, r| {
            let page = format!("{}/alice/-/packages/generic/widget/v1.0.0", r.url());
            let about = format!(r#"{{"html_url":"{page}","repository":null}}"#);
            run_really(links(job, "gadget"));
            answers(r, Match::version(), Answer::json(200, about));
            links(job, "widget")
        },
        "",
        "unchanged",
    ),
];

/// Cases of [`release`], with the checksums file first among the files.
const RELEASES: &[Case] = &[
    ("a release", |job, _| job, "", "planned unchanged"),
    ("a release again", |job, _| run_really(job), "", "unchanged"),
    ("a new release", |job, _| job.input("version", "v2"), "", "planned"),
    ("expected files", |job, _| job.input("expect", "new\ntheirs\nchanged"), "", "planned unchanged"),
    (
        "an expected file that is missing",
        |job, _| job.input("expect", "new\n*-aarch64-*"),
        "expected-file-missing",
        "not-attempted planned unchanged",
    ),
    (
        "a release with a conflict",
        |job, _| job.input("if-file-exists", "fail"),
        "conflict",
        "not-attempted failed not-attempted unchanged",
    ),
    ("a release that skips", |job, _| job.input("if-file-exists", "skip"), "", "planned skipped planned unchanged"),
    ("a release without write access", read_only, "no-write-access", "not-attempted unchanged"),
    (
        "a file whose name no workspace could have",
        |job, r| with(only(job, "dist/same"), r, "v1.0.0", (".git", "")),
        "",
        "planned unchanged",
    ),
    ("an alias without a list", |job, r| lists(job, r, "/latest/", 403, "{}"), "alias-mismatch", "planned unchanged"),
    (
        "an extra file that no request could delete",
        |job, r| {
            let list = format!(r#"[{{"name":"../app","size":1,"sha256":"{}"}}]"#, "0".repeat(64));
            lists(job, r, "/latest/", 200, &list)
        },
        "alias-mismatch",
        "planned unchanged",
    ),
    ("several aliases", |job, _| only(job, "dist/same").input("aliases", "nightly/x\nlatest"), "", "planned unchanged"),
    (
        "several aliases, the first without a list",
        |job, r| {
            let job = only(job, "dist/same").input("aliases", "nightly/x\nlatest");
            lists(job, r, "nightly%2Fx", 403, "{}")
        },
        "alias-mismatch",
        "planned unchanged",
    ),
];

/// Cases of [`checksums`].
const CHECKSUMS: &[Case] = &[
    ("a checksums file", |job, _| job, "", "planned"),
    ("an older one of another case", |job, r| with(job, r, "v1.0.0", ("sha256sums", "an older one")), "", "planned"),
    ("no files to cover", |job, _| job.input("version", "v2"), "version-has-no-files", "not-attempted"),
    ("a missing file of another job", |job, _| job.input("expect", "b"), "expected-file-missing", "not-attempted"),
    ("a checksums file without write access", read_only, "no-write-access", "not-attempted"),
    ("an identical one without write access", |job, r| read_only(run_really(job), r), "", "unchanged"),
    (
        "an outdated one without write access",
        |job, r| with(read_only(run_really(job), r), r, "v1.0.0", ("b", "2")),
        "no-write-access",
        "not-attempted",
    ),
    (
        "a new alias without write access",
        |job, r| read_only(run_really(job), r).input("aliases", "latest"),
        "no-write-access",
        "not-attempted",
    ),
    (
        "an identical alias without write access",
        |job, r| read_only(run_really(job.input("aliases", "latest")), r),
        "",
        "unchanged",
    ),
    (
        "an extra file without write access",
        |job, r| with(read_only(run_really(job.input("aliases", "latest")), r), r, "latest", ("extra", "x")),
        "no-write-access",
        "not-attempted",
    ),
];

/// The rows of the plan in the log, with single spaces.
fn plan(ran: &Ran) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let rows = ran.log.lines().map(words).skip_while(|line| line != "plan size on the registry what").skip(1);
    rows.take_while(|line| !line.is_empty() && !line.starts_with("::")).collect()
}

/// The log without its heading, its errors and its commands, which other snapshots have.
fn wording(ran: &Ran) -> String {
    let others = ["error: ", "  caused by: ", "  hint: ", "::", "http", "generic-packages ", "Dry run: publishing "];
    let log = ran.unwrapped_log();
    let lines = log.lines().filter(|line| !line.is_empty() && !others.iter().any(|other| line.starts_with(other)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Everything that the registry has of the package.
fn state(registry: &Registry) -> impl PartialEq + std::fmt::Debug {
    (["v1.0.0", "v2", "latest", "nightly/x"].map(|version| contents(registry, version)), link_of(registry))
}

#[test]
fn a_dry_run_plans_what_a_run_would_do_changes_nothing_and_exits_like_the_run() {
    let mut text = String::new();
    for (base, cases) in [(files as fn(&Registry) -> Job, FILES), (release, RELEASES), (checksums, CHECKSUMS)] {
        for (name, change, codes, statuses) in cases {
            let registry = Registry::start(Persona::default());
            let mut job = base(&registry);
            change(&mut job, &registry);
            let before = state(&registry);
            registry.clear_requests();
            let ran = job.run();
            let mut found: Vec<String> = ran.statuses().into_values().collect();
            found.dedup();
            let outcome = (ran.code, ran.codes.join(" "), found.join(" "));
            let expected = (Some(i32::from(!codes.is_empty())), (*codes).to_owned(), (*statuses).to_owned());
            assert_eq!(outcome, expected, "{name}: {}", ran.log);
            assert_eq!((changes(&registry), state(&registry)), (vec![], before), "{name}");
            // Write access is checked only if something would be written.
            let rows = plan(&ran);
            let writes = rows.iter().any(|row| ["upload ", "replace ", "delete "].iter().any(|op| row.starts_with(op)));
            let checks = requests(&registry).iter().filter(|request| request.ends_with("/%2A")).count();
            assert_eq!(checks, usize::from(writes), "{name}: {:?}", requests(&registry));
            assert_eq!(
                ran.summary.lines().filter(|line| line.starts_with("| ` ")).count(),
                rows.len(),
                "{}",
                ran.summary
            );
            assert!(!ran.summary.contains("```"), "{}", ran.summary);
            writeln!(text, "{name}:\n{}\n", wording(&ran)).expect("text can be written");
            let real = job.input("dry-run", "false").run();
            assert_eq!(real.code, ran.code, "{name}: {}", real.log);
        }
    }
    assert_snapshot("dry-run-plans", &text);
}

#[test]
fn a_dry_run_makes_the_same_plan_on_every_server_with_as_few_requests() {
    let plans: BTreeSet<Vec<String>> = Persona::all()
        .into_iter()
        .map(|persona| {
            let registry = Registry::start(persona);
            let ran = release(&registry).run().exits_with(0).does_not_say("error:").does_not_say("warning:");
            // The list of versions tells whether `latest` is a higher release.
            let releases = "GET /api/v1/packages/alice?type=generic&q=widget&limit=50&page=1";
            let expected = ["GET v1.0.0/files", "GET latest/files", releases, "PUT v1.0.0/%2A", "GET v1.0.0"];
            assert_eq!(requests(&registry), expected, "{persona:?}");
            plan(&ran.has_outputs(&[("checksums-file", ""), ("failed", "0")]))
        })
        .collect();
    assert_eq!(plans.len(), 1, "{plans:?}");
}

#[test]
fn outputs_count_only_identical_files() {
    let registry = Registry::start(Persona::default());
    let mut job = files(&registry);
    let ran = job.input("if-file-exists", "overwrite").run().exits_with(0);
    let ran = ran.has_outputs(&[("uploaded", "0"), ("replaced", "0"), ("unchanged", "1"), ("total-size", "4")]);
    assert!(ran.outputs["urls"].ends_with("/same") && !ran.outputs["urls"].contains('\n'));
    // A new version has no page.
    job.input("version", "v2").run().exits_with(0).has_outputs(&[("package-url", ""), ("unchanged", "0")]);
}

#[test]
fn the_real_run_makes_exactly_the_changes_of_the_plan() {
    let registry = Registry::start(Persona::default());
    let mut job = release(&registry);
    let dry = job.run().exits_with(0);
    let real = job.input("dry-run", "false").run().exits_with(0);
    let expected = [
        "PUT v1.0.0/new",
        "DELETE v1.0.0/changed",
        "PUT v1.0.0/changed",
        "PUT v1.0.0/SHA256SUMS",
        "PUT latest/new",
        "PUT latest/same",
        "DELETE latest/changed",
        "PUT latest/changed",
        "DELETE latest/extra",
        "DELETE latest/SHA256SUMS",
        "PUT latest/SHA256SUMS",
        "POST -/link/widget",
    ];
    let sorted = |changes: Vec<String>| changes.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(sorted(changes(&registry)), sorted(expected.map(str::to_owned).into()), "{}", real.log);
    assert_eq!(changes(&registry).len(), expected.len());
    // The plan has the hash of the checksums file, which covers files that were not published yet.
    let (dry, real) = (&dry.outputs["files"], &real.outputs["files"]);
    assert_eq!(dry.replace("planned", ""), real.replace("uploaded", "").replace("replaced", ""));
    assert!(real.contains(r#""name":"SHA256SUMS""#), "{real}");
}

#[test]
fn a_plan_has_the_order_of_the_files_and_is_folded_if_it_is_long() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for number in 0..20 {
        job.file(format!("dist/{number:02}"), "");
    }
    let ran = job.input("dry-run", "true").run().exits_with(0).does_not_say("::group::");
    let names: Vec<String> = plan(&ran).iter().map(|row| row[row.len() - 2..].to_owned()).collect();
    assert_eq!(names, (0..20).map(|number| format!("{number:02}")).collect::<Vec<_>>());
    job.file("dist/20", "").run().exits_with(0).says("::group::the plan").says("::endgroup::");
}

#[test]
fn a_file_that_cannot_be_read_fails_a_dry_run_and_the_others_are_planned_unless_they_replace() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::publishing(&registry, &[("a", "1"), ("b", "2")]);
    job.input("dry-run", "true").input("if-file-exists", "overwrite");
    let path = job.workspace().join("dist/a");
    for (status, rows) in [("planned", 1), ("not-attempted", 0)] {
        fs::write(&path, "1").expect("the file can be written");
        let path = path.clone();
        let delete = Action::then(move |_| fs::remove_file(&path).expect("the file is there"));
        registry.add_fault(Fault::once(Match::list(), Point::Head, delete));
        let ran = job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&["file-changed"]);
        assert_eq!(plan(&ran.has_statuses(&["failed", status])).len(), rows);
        registry.clear_faults();
        registry.world().store("alice", "widget", "v1.0.0", "b", b"other");
    }
}

#[test]
fn a_signal_leaves_a_plan_that_says_that_it_is_incomplete() {
    let registry = Registry::start(Persona::default());
    let moment = holds(&registry, Match::put("%2A"), Point::Head, 0);
    let mut job = files(&registry);
    job.input("if-file-exists", "overwrite").input("timeout", "3600");
    let ran = stopped(&job, &moment, Signal::INT).exits_with(130).has_codes(&["stopped-by-signal"]);
    ran.says("The plan is incomplete: 1 to upload, 1 to replace, 1 unchanged");
}

#[test]
fn names_in_a_plan_command_no_runner() {
    let registry = Registry::start(Persona::default());
    let mut job = checksums(&registry);
    for name in AWKWARD_NAMES {
        job.file(format!("dist/{name}"), name);
        seed(&registry, "x##[add-path]|x", &[(&format!("{name}!"), "extra")]);
    }
    // Each run checks that nothing in its log is a command.
    job.input("files", "dist/*").input("include-hidden-files", "true").input("aliases", "x##[add-path]|x");
    let rows = plan(&job.run().exits_with(0));
    let count = |op: &str| rows.iter().filter(|row| row.starts_with(op)).count();
    assert_eq!((count("upload "), count("delete ")), (2 * AWKWARD_NAMES.len() + 3, AWKWARD_NAMES.len()));
}

#[test]
fn a_misspelled_dry_run_is_refused() {
    let registry = Registry::start(Persona::default());
    for name in ["INPUT_DRYRUN", "INPUT_DRY-RUNS", "INPUT_DRY", "INPUT_DRY_MODE"] {
        let mut job = Job::publishing(&registry, &[("a", "1")]);
        let ran = job.variable(name, "true").run_rejected(&registry);
        ran.has_codes(&["unknown-input"]).says("`dry-run`").says("`dry-run: true`");
        // In a composite action it can be an input of that action.
        job.input("dry-run", "true").run().exits_with(0).says("warning: unknown input ignored: `");
    }
}

#[test]
fn a_dry_run_without_files_or_without_a_token_sends_no_request() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.input("dry-run", "true").input("if-no-files-found", "ignore");
    job.run().exits_with(0).says("warning: ").says("Dry run");
    let mut job = Job::publishing(&registry, &[("a", "1"), ("b", "22")]);
    job.without("INPUT_TOKEN").input("dry-run", "true").input("checksums", "SHA256SUMS").input("expect", "a");
    job.input("aliases", "latest").input("link-repository", "true");
    let ran = job.run().exits_with(0).has_statuses(&["planned"; 3]).says("Dry run without a token: 2 files");
    assert!(ran.summary.contains("| ` a ` | upload | 1 B | not checked |"), "{}", ran.summary);
    assert_eq!(registry.requests(), []);
    // Inputs, patterns and names are checked without the registry.
    job.input("concurrency", "0").run_rejected(&registry);
    job.input("concurrency", "1").input("files", "dist/none").run_rejected(&registry);
    job.file("dist/\u{e9}", "").input("files", "dist/*").run_rejected(&registry);
    job.input("dry-run", "false").run_rejected(&registry).has_codes(&["missing-input"]).says("`token`");
}
