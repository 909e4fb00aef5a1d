//! The checksums file of a version: `checksums`, `expect`, the output `checksums-file`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use generic_packages::checksum::Sha256;
use rustix::process::Signal;

use crate::harness::{AWKWARD_NAMES, Job, gather, run_at_once};
use crate::package::{
    another_job_deletes, another_job_publishes, answers, changes, contents, count, put, read, script, seed,
};
use crate::rights::run_without_rights;
use crate::stopping::{holds, stopped};

const SUMS: &str = "SHA256SUMS";

/// A version with these files, and a job that only publishes its checksums file.
fn version(files: &[(&str, &str)]) -> (Registry, Job) {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", files);
    let mut job = Job::new(&registry);
    job.without("INPUT_FILES").input("checksums", SUMS);
    (registry, job)
}

/// The checksums file of these files.
fn sums(files: &[(&str, &str)]) -> String {
    let lines = files.iter().map(|(name, content)| format!("{}  {name}\n", Sha256::of(content.as_bytes())));
    lines.collect::<Vec<_>>().concat()
}

/// Where a job leaves a copy of the checksums file.
fn copy(job: &Job) -> PathBuf {
    job.workspace().join(".generic-packages/SHA256SUMS")
}

fn publishes<'a>(job: &'a mut Job, name: &str, content: &str) -> &'a mut Job {
    job.file(format!("dist/{name}"), content).input("files", "dist/*")
}

fn refuses<'a>(job: &'a mut Job, registry: &Registry, file: &str) -> &'a mut Job {
    answers(registry, put(file), Answer::text(400, "invalid filename"));
    job
}

#[test]
fn the_checksums_file_has_every_file_of_the_version_and_is_uploaded_last() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        seed(&registry, "v1.0.0", &[("other-job.zip", "theirs")]);
        let mut job = Job::publishing(&registry, &[("b", "22"), ("a", "1")]);
        let ran = job.input("checksums", SUMS).run().exits_with(0).has_statuses(&["uploaded"; 3]);
        ran.has_outputs(&[("uploaded", "3"), ("checksums-file", ".generic-packages/SHA256SUMS")]);
        let expected = sums(&[("a", "1"), ("b", "22"), ("other-job.zip", "theirs")]);
        assert_eq!(read(&registry, SUMS).as_ref(), Some(&expected), "{persona:?}");
        assert_eq!(fs::read_to_string(copy(&job)).expect("the copy"), expected);
        assert_eq!(changes(&registry).last().map(String::as_str), Some("PUT v1.0.0/SHA256SUMS"));
    }
}

#[test]
fn sha256sum_accepts_the_checksums_file_for_all_names() {
    let (registry, job) = version(&[("-", "-")]);
    for name in AWKWARD_NAMES {
        seed(&registry, "v1.0.0", &[(name, name)]);
    }
    job.run().exits_with(0);
    let folder = job.outside("downloaded");
    fs::create_dir(&folder).expect("a folder");
    for (name, content) in contents(&registry, "v1.0.0") {
        fs::write(folder.join(name), content).expect("a file");
    }
    for sums in [folder.join(SUMS), copy(&job)] {
        let checked = Command::new("sha256sum").args(["--strict", "-c"]).arg(sums).current_dir(&folder).output();
        let checked = checked.expect("coreutils are installed");
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{said}");
        assert_eq!(said.lines().filter(|line| line.ends_with(": OK")).count(), AWKWARD_NAMES.len() + 1);
    }
}

#[test]
fn a_checksums_file_is_published_only_if_it_is_missing_or_outdated_and_every_file_is_published() {
    type Change = for<'a> fn(&'a mut Job, &Registry) -> &'a mut Job;
    let old = ("sha256sums", "an older one");
    let replaced = ["DELETE v1.0.0/SHA256SUMS", "PUT v1.0.0/SHA256SUMS"];
    // The files of the version, the codes of errors, the statuses, and the changes.
    #[expect(clippy::type_complexity, reason = "one row of a table")]
    let cases: &[(&[(&str, &str)], Change, &[&str], &[&str], &[&str])] = &[
        (&[("a", "1")], |job, _| job, &[], &["uploaded"], &replaced[1..]),
        (&[("a", "1"), (SUMS, &sums(&[("a", "1")]))], |job, _| job, &[], &["unchanged"], &[]),
        (&[("a", "1"), old], |job, _| job.input("if-file-exists", "fail"), &[], &["replaced"], &replaced),
        (&[("a", "1"), old], |job, _| job.input("if-file-exists", "skip"), &[], &["replaced"], &replaced),
        (&[("a", "1"), old], |job, _| job.input("if-file-exists", "overwrite"), &[], &["replaced"], &replaced),
        // No other file is replaced unless `if-file-exists` says so.
        (&[("a", "1")], |job, _| publishes(job, "a", "2"), &["conflict"], &["not-attempted", "failed"], &[]),
        // A skipped file is covered as it is on the registry.
        (
            &[("a", "1")],
            |job, _| publishes(job, "a", "2").input("if-file-exists", "skip"),
            &[],
            &["uploaded", "skipped"],
            &replaced[1..],
        ),
        (
            &[("a", "1")],
            |job, registry| publishes(refuses(job, registry, "b"), "b", "2"),
            &["invalid-file-name"],
            &["not-attempted", "failed"],
            &["PUT v1.0.0/b"],
        ),
        // The checksums file itself does not count as an expected file or as a file of the version.
        (
            &[("app-x86_64-linux", "1"), old],
            |job, _| job.input("expect", "*-x86_64-*\n*-aarch64-*\n\n  [S]*\n"),
            &["expected-file-missing"; 2],
            &["not-attempted"],
            &[],
        ),
        (
            &[("app-x86", "1"), ("app-arm", "1")],
            |job, _| job.input("expect", "app-{x86,arm}"),
            &[],
            &["uploaded"],
            &["PUT v1.0.0/SHA256SUMS"],
        ),
        (&[], |job, _| job, &["version-has-no-files"], &["not-attempted"], &[]),
        (&[old], |job, _| job, &["version-has-no-files"], &["not-attempted"], &[]),
    ];
    for (files, change, codes, statuses, changed) in cases {
        let (registry, mut job) = version(files);
        change(&mut job, &registry);
        let ran = job.run().exits_with(i32::from(!codes.is_empty())).has_codes(codes).has_statuses(statuses);
        assert_eq!(changes(&registry), *changed, "{}", ran.log);
        let is_good = codes.is_empty();
        ran.has_outputs(&[("checksums-file", if is_good { ".generic-packages/SHA256SUMS" } else { "" })]);
        assert_eq!(copy(&job).exists(), is_good);
        if is_good {
            let covered = files.iter().copied().filter(|(name, _)| !name.eq_ignore_ascii_case(SUMS));
            let mut covered: Vec<(&str, &str)> = covered.collect();
            covered.sort_unstable();
            assert_eq!(read(&registry, SUMS), Some(sums(&covered)));
        }
    }
}

#[test]
fn wildcards_do_not_match_the_checksums_file_or_its_folder() {
    let (registry, mut job) = version(&[]);
    job.file("dist/a", "1").file("dist/SHA256SUMS", "of a build").file("out/sha256sums", "of another");
    job.input("files", "dist/*\n{out,dist}/*\n!dist/SHA256SUMS").run().exits_with(0).does_not_say("warning: ");
    assert_eq!(read(&registry, SUMS), Some(sums(&[("a", "1")])));
    job.input("files", "out/*").run_rejected(&registry).has_codes(&["no-files-found"]).says("out/sha256sums");
    job.without("INPUT_CHECKSUMS").input("include-hidden-files", "true").input("files", "**/a");
    job.file(".generic-packages/a", "2").run().exits_with(0).has_statuses(&["unchanged"]);
    job.input("files", ".generic-packages/S*").run().exits_with(0).has_statuses(&["unchanged"]);
}

#[test]
fn bad_inputs_are_refused() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::publishing(&registry, &[("a", "1"), ("SUMS[1]", "1")]);
    for (checksums, expect, files, codes, named) in [
        (SUMS, "", "dist/a\nSHA256SUMS", &["invalid-input"][..], "input `files`: `SHA256SUMS`"),
        (SUMS, "", "dist/a\ndist/sha256sums", &["invalid-input"], "input `files`: `dist/sha256sums`"),
        // The characters have no meaning in a name that is typed.
        ("sums[1]", "", "dist/a\ndist/SUMS[1]", &["reserved-name"], "`sums[1]`"),
        ("a/b", "a/*\n", "dist/a", &["invalid-input", "folder-in-name"], "`expect`"),
        (".git", "x", "dist/a", &["invalid-input"], "`checksums`"),
        ("HEAD", "x", "dist/a", &["invalid-input"], "`checksums`"),
        (".Generic-Packages-Part", "x", "dist/a", &["invalid-input"], "`checksums`"),
        ("a,b", "x", "dist/a", &["invalid-input"], "`checksums`"),
        // Not a file that is to be listed, and not a switch.
        (
            "app.tar.gz",
            "x",
            "dist/a",
            &["invalid-input"],
            "`app.tar.gz` is not the name of a checksums file with SHA-256",
        ),
        ("true", "x", "dist/a", &["invalid-input"], "`true` is not the name of a checksums file"),
        ("Downloads", "x", "dist/a", &["invalid-input"], "`checksums`"),
        (SUMS, "a\n!b", "dist/a", &["invalid-input"], "`expect`"),
        (SUMS, "{app\nsha256sums", "dist/a", &["unbalanced-brace", "invalid-input"], "`expect`"),
        ("", "a", "dist/a", &["invalid-input"], "`expect`"),
    ] {
        job.input("checksums", checksums).input("expect", expect).input("files", files);
        job.run_rejected(&registry).has_codes(codes).says(named);
    }
}

#[test]
fn a_place_that_cannot_take_the_copy_is_refused_before_any_request() {
    for (spoil, code) in [
        ((|job| job.file(".generic-packages", "")) as fn(&mut Job) -> &mut Job, "destination-is-no-folder"),
        (|job| job.link(".generic-packages", "dist"), "destination-is-no-folder"),
        (|job| job.folder(".generic-packages/SHA256SUMS"), "destination-is-a-folder"),
        // Files that are downloaded for an alias.
        (|job| job.input("aliases", "latest").file(".generic-packages/downloads", ""), "destination-is-no-folder"),
    ] {
        let (registry, mut job) = version(&[]);
        spoil(publishes(&mut job, "a", "1"));
        for dry_run in ["true", "false"] {
            job.input("dry-run", dry_run).run_rejected(&registry).has_codes(&[code]).does_not_say("`path`");
        }
    }
    // Without an alias nothing is downloaded.
    let (registry, mut job) = version(&[("a", "1")]);
    job.file(".generic-packages/downloads", "").run().exits_with(0);
    registry.clear_requests();
    let folder = job.folder(".generic-packages").workspace().join(".generic-packages");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).expect("rights can be changed");
    let Some(ran) = run_without_rights(&job, &registry) else { return };
    let ran = ran.exits_with(2).has_a_hint_for_each_error().has_codes(&["permission-denied"]);
    ran.says("caused by: Permission denied");
    assert_eq!(registry.requests(), []);
}

#[test]
fn the_copy_replaces_what_is_in_its_place_and_follows_no_link() {
    let (registry, mut job) = version(&[("a", "1")]);
    let victim = job.outside("victim");
    fs::write(&victim, "untouched").expect("a file");
    // Another step writes there, too.
    let path = copy(&job);
    let writes = Action::then(move |_| fs::write(&path, "another step's").expect("the link can be written through"));
    registry.add_fault(Fault::once(Match::put("/SHA256SUMS"), Point::Head, writes));
    job.link(".generic-packages/SHA256SUMS", &victim).run().exits_with(0);
    assert_eq!(fs::read_to_string(copy(&job)).expect("the copy"), sums(&[("a", "1")]));
    assert_eq!(read(&registry, SUMS), Some(sums(&[("a", "1")])));
    assert_ne!(fs::read_to_string(&victim).expect("the file"), sums(&[("a", "1")]));
}

#[test]
fn a_checksums_file_is_made_again_until_it_is_right() {
    let older = || another_job_publishes("v1.0.0", SUMS, "another job's");
    for (on, at, action, expected) in [
        // Another job publishes a file after the upload, or another checksums file before the deletion, between
        // deletion and upload, or after the upload.
        (Match::put("/SHA256SUMS"), Point::AfterStore, another_job_publishes("v1.0.0", "b", "2"), &["a", "b"][..]),
        (Match::put("/%2A"), Point::Head, older(), &["a"]),
        (Match::delete("/SHA256SUMS"), Point::AfterStore, older(), &["a"]),
        (Match::put("/SHA256SUMS"), Point::AfterStore, older(), &["a"]),
    ] {
        let (registry, mut job) = version(&[("a", "1"), (SUMS, "an older one")]);
        registry.add_fault(Fault::once(on, at, action));
        job.input("retries", "3").run_with_short_waits().exits_with(0).has_outputs(&[("failed", "0")]);
        let files = [("a", "1"), ("b", "2")];
        assert_eq!(read(&registry, SUMS), Some(sums(&files[..expected.len()])), "{}", registry.acted_faults().len());
        assert_eq!(registry.acted_faults().len(), 1);
    }
}

#[test]
fn a_version_that_changes_during_each_of_three_attempts_fails_and_the_next_run_repairs_it() {
    let (registry, job) = version(&[("a", "1")]);
    let number = AtomicUsize::new(0);
    let another = Action::then(move |world| {
        let name = format!("late-{}", number.fetch_add(1, Ordering::SeqCst));
        world.seed("alice", "widget", "v1.0.0", &name, b"late");
    });
    registry.add_fault(Fault::always(Match::put("/SHA256SUMS"), Point::AfterStore, another));
    let ran = job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&["checksums-outdated"]);
    ran.has_statuses(&["failed"]).has_outputs(&[("checksums-file", "")]);
    assert_eq!(count(&registry, "PUT v1.0.0/SHA256SUMS"), 3);
    registry.clear_faults();
    job.run().exits_with(0);
    let files = [("a", "1"), ("late-0", "late"), ("late-1", "late"), ("late-2", "late")];
    assert_eq!(read(&registry, SUMS), Some(sums(&files)));
}

#[test]
fn of_two_jobs_that_publish_checksums_at_once_both_succeed_and_the_checksums_file_is_right() {
    for files in [&[("a", "1")][..], &[("a", "1"), (SUMS, "an older one")]] {
        let (registry, mut one) = version(files);
        let (_, mut other) = version(&[]);
        one.input("retries", "5");
        other.against(&registry).input("retries", "5");
        // Neither goes on before both know the list.
        registry.add_fault(Fault::once(Match::list(), Point::AfterStore, gather(2)).times(2).skip(2));
        for ran in run_at_once(&[one, other], Job::run_with_short_waits) {
            ran.exits_with(0);
        }
        assert_eq!(read(&registry, SUMS), Some(sums(&[("a", "1")])));
    }
}

#[test]
fn a_checksums_file_that_another_job_makes_wrong_is_an_error_and_updates_no_alias() {
    let upload = || Match::put("/v1.0.0/SHA256SUMS");
    let deletes = |name: &'static str| Fault::once(upload(), Point::AfterStore, another_job_deletes("v1.0.0", name));
    let replaces = || Fault::once(upload(), Point::AfterStore, another_job_publishes("v1.0.0", "a", "theirs"));
    let (of_another_job, of_this_job) = (true, false);
    for (is_there, faults, codes, status) in [
        (of_this_job, vec![replaces()], &["changed-by-another-job", "checksums-outdated"][..], "failed"),
        (of_another_job, vec![replaces()], &["changed-by-another-job", "checksums-outdated"], "failed"),
        (of_another_job, vec![deletes("a")], &["checksums-outdated", "expected-file-missing"], "failed"),
        // The version is not created again by its checksums file.
        (of_another_job, vec![deletes("a"), deletes("b"), deletes(SUMS)], &["not-listed"], "unknown"),
    ] {
        let (registry, mut job) = version(if is_there { &[("a", "1"), ("b", "2")] } else { &[("b", "2")] });
        let is_deleted = faults.len() > 1 || codes.contains(&"expected-file-missing");
        script(&registry, faults);
        if !is_deleted {
            publishes(&mut job, "a", "1").input("if-file-exists", "overwrite");
        }
        let ran = job.input("expect", "a").input("aliases", "latest").run_with_short_waits().exits_with(1);
        let ran = ran.has_a_hint_for_each_error().has_codes(codes);
        assert_eq!(ran.statuses()[SUMS], status);
        ran.has_outputs(&[("checksums-file", "")]);
        assert_eq!(contents(&registry, "latest").len(), 0);
        assert_eq!(read(&registry, "a").as_deref(), if is_deleted { None } else { Some("theirs") });
        assert_eq!(changes(&registry).iter().filter(|change| change.starts_with("DELETE")).count(), 0);
    }
}

#[test]
fn publishing_into_a_version_with_checksums_warns_that_the_checksums_file_is_outdated() {
    for name in [SUMS, "sha256sums"] {
        let (registry, _) = version(&[(name, "an older one")]);
        let mut job = Job::publishing(&registry, &[("a", "1")]);
        let ran = job.run().exits_with(0).says(&format!("warning: `{name}`"));
        ran.says(&format!("`checksums: {name}`"));
        // Nothing changes, the job publishes a checksums file of its own, or its checksums file has another name.
        job.run().exits_with(0).does_not_say("warning: ");
        job.file("dist/b", "2")
            .file(format!("dist/{name}"), "an older one")
            .run()
            .exits_with(0)
            .does_not_say("warning: ");
        let mut job = Job::publishing(&registry, &[("c", "3")]);
        job.input("checksums", "sums.txt").run().exits_with(0).does_not_say("warning:");
    }
}

#[test]
fn a_file_whose_name_no_checksums_file_could_have_keeps_the_version_from_getting_checksums() {
    let (registry, job) = version(&[("a", "1")]);
    for name in [r"a\nb", r"..\\x", "../x", &registry.token("alice_write")] {
        registry.clear_faults();
        let list = format!(r#"[{{"name":"{name}","size":1,"sha256":"{}"}}]"#, "0".repeat(64));
        answers(&registry, Match::list(), Answer::json(200, list));
        job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&["unsafe-name"]);
    }
    assert_eq!(read(&registry, SUMS), None);
}

#[test]
fn a_signal_before_the_checksums_file_leaves_the_version_without_it() {
    let (registry, mut job) = version(&[]);
    publishes(&mut job, "a", "1").input("timeout", "3600");
    let moment = holds(&registry, Match::put("/SHA256SUMS"), Point::BeforeStore, 0);
    let ran = stopped(&job, &moment, Signal::TERM).exits_with(143).has_codes(&["stopped-by-signal"]);
    ran.has_statuses(&["unknown", "uploaded"]).has_outputs(&[("checksums-file", "")]);
    assert_eq!(read(&registry, SUMS), None);
    registry.clear_faults();
    job.run().exits_with(0);
    assert_eq!(read(&registry, SUMS), Some(sums(&[("a", "1")])));
}

#[test]
fn a_signal_after_another_job_has_outdated_the_checksums_file_says_so() {
    let (registry, mut job) = version(&[("a", "1")]);
    let upload = || Match::put("/latest/");
    registry.add_fault(Fault::once(upload(), Point::Head, another_job_publishes("v1.0.0", "b", "theirs")));
    let moment = holds(&registry, upload(), Point::Head, 0);
    let ran = stopped(job.input("aliases", "latest").input("timeout", "3600"), &moment, Signal::TERM).exits_with(143);
    let ran = ran.has_a_hint_for_each_error().has_statuses(&["failed"]).has_outputs(&[("checksums-file", "")]);
    assert!(ran.errors().iter().any(|error| error.contains("`SHA256SUMS`")), "{}", ran.log);
}

#[test]
fn a_list_in_a_line_of_expect_is_explained() {
    let (registry, mut job) = version(&[("app-x86", "1"), ("app-arm", "1")]);
    let ran = job.input("expect", "app-x86, app-arm").run().exits_with(1).has_codes(&["expected-file-missing"]);
    ran.says("hint: Write one pattern per line").says("`app-x86`").does_not_say("`needs:`");
    assert_eq!(changes(&registry), [""; 0]);
}
