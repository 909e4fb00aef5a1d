//! Tests the files on the server after a run, and the result of a second run.

use std::collections::BTreeSet;

use crate::harness::{AWKWARD_NAMES, Ran};
use crate::server::Package;

/// The statuses that occur.
fn kinds(ran: &Ran) -> BTreeSet<String> {
    ran.statuses().into_values().collect()
}

#[test]
fn every_file_is_identical_on_the_server_and_a_re_run_finds_it_unchanged() {
    let Some(package) = Package::new("publishing and a re-run") else { return };
    let large = package.content(3_000_000);
    let files = [("a.txt", &b"hello\n"[..]), ("app.tar.gz", &large), ("empty", b"")];
    let mut job = package.job();
    for (name, bytes) in files {
        job.file(format!("dist/{name}"), bytes);
    }
    let ran = job.run().exits_with(0).says("3 uploaded, all verified by SHA-256");
    assert_eq!(ran.outputs["urls"].lines().count(), 3);
    package.holds(&files);

    let ran = job.run().exits_with(0).says("3 unchanged, all verified by SHA-256");
    assert_eq!((ran.outputs["uploaded"].as_str(), ran.outputs["unchanged"].as_str()), ("0", "3"));
    package.holds(&files);
}

#[test]
fn a_name_of_another_case_is_the_same_name() {
    let Some(package) = Package::new("a name of another case") else { return };
    package.job().file("dist/README", "read me").run().exits_with(0);
    let ran = package.job().file("dist/readme", "read me").run().exits_with(0);
    assert_eq!(ran.statuses()["readme"], "unchanged");
    package.holds(&[("README", "read me")]);
}

#[test]
fn with_a_conflict_nothing_is_sent_and_both_sizes_are_shown() {
    let Some(package) = Package::new("a conflict") else { return };
    let mut job = package.job();
    job.file("dist/longer", "12345").file("dist/other", "12345").file("dist/same", "12345").run().exits_with(0);
    let ran = job
        .file("dist/longer", "123456")
        .file("dist/other", "abcde")
        .file("dist/new", "new")
        .run()
        .exits_with(1)
        .says("2 files already exist with different content:")
        .says("`longer` (registry: 5 bytes, local: 6 bytes)")
        .says("`other` (same size, different SHA-256)")
        .has_a_hint_for_each_error();
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["failed", "not-attempted", "failed", "unchanged"]);
    package.holds(&[("longer", "12345"), ("other", "12345"), ("same", "12345")]);
}

#[test]
fn a_wrong_token_is_explained_and_nothing_is_sent() {
    let Some(package) = Package::new("a wrong token") else { return };
    let mut job = package.job();
    job.file("dist/a", "1").file("dist/large", vec![1; 2_000_000]).token("0123456789abcdef0123456789abcdef01234567");
    let ran = job
        .run()
        .exits_with(1)
        .has_a_hint_for_each_error()
        .says("401 Unauthorized")
        .says("Create a new personal access token");
    assert_eq!(kinds(&ran), BTreeSet::from(["not-attempted".to_owned()]));
    package.is_empty();
}

#[test]
fn awkward_names_arrive_as_they_are() {
    let Some(package) = Package::new("awkward names") else { return };
    let mut job = package.job();
    job.input("include-hidden-files", "true");
    for name in AWKWARD_NAMES {
        job.file(format!("dist/{name}"), name);
    }
    assert_eq!(kinds(&job.run().exits_with(0)), BTreeSet::from(["uploaded".to_owned()]));
    package.holds(&AWKWARD_NAMES.map(|name| (name, name)));
    assert_eq!(kinds(&job.run().exits_with(0)), BTreeSet::from(["unchanged".to_owned()]));
}

#[test]
fn many_files_of_one_job_all_arrive() {
    let Some(package) = Package::new("many files of one job") else { return };
    let files: Vec<(String, String)> = (0..100).map(|number| (format!("{number}"), "x".repeat(number * 100))).collect();
    let mut job = package.job();
    job.input("concurrency", "16");
    for (name, content) in &files {
        job.file(format!("dist/{name}"), content);
    }
    assert_eq!(kinds(&job.run().exits_with(0)), BTreeSet::from(["uploaded".to_owned()]));
    package.holds(&files);
}
