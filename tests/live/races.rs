//! Tests parallel uploads: of the jobs of a matrix to one version, and of one job.
//!
//! The proxy delays uploads until all have arrived, so that no upload can see another one. Gitea 1.22 and 1.24 and
//! Forgejo 7 on PostgreSQL respond with 500 to some of them if two create the same row. Such a row is a package, a
//! version, a file, or the content of files.

use std::thread;

use crate::harness::{Job, Ran};
use crate::proxy::Proxy;
use crate::server::Package;

const AT_ONCE: usize = 16;

/// Runs all at the same time.
fn run_at_once(jobs: &[Job]) -> Vec<Ran> {
    thread::scope(|scope| {
        let running: Vec<_> = jobs.iter().map(|job| scope.spawn(|| job.run())).collect();
        running.into_iter().map(|ran| ran.join().expect("what the program wrote is in order")).collect()
    })
}

#[test]
fn jobs_that_make_one_version_at_once_all_publish_their_files() {
    let Some(package) = Package::new("jobs that make a version at once") else { return };
    let Some(proxy) = Proxy::that_gathers(&package, AT_ONCE) else { return };
    let files: Vec<(String, String)> =
        (0..AT_ONCE).map(|job| (format!("{job}.txt"), format!("of job {job}"))).collect();
    let job_of = |(name, content): &(String, String)| {
        let mut job = package.job();
        job.input("server-url", proxy.url()).file(format!("dist/{name}"), content);
        job
    };
    let jobs: Vec<Job> = files.iter().map(job_of).collect();
    for ((name, _), ran) in files.iter().zip(run_at_once(&jobs)) {
        assert_eq!(ran.exits_with(0).statuses()[name], "uploaded");
    }
    assert!(proxy.has_acted(), "the uploads have met");
    package.holds(&files);
}

#[test]
fn one_file_that_many_jobs_publish_at_once_is_there_and_no_failure_of_any() {
    let Some(package) = Package::new("one file of many jobs") else { return };
    let Some(proxy) = Proxy::that_gathers(&package, AT_ONCE) else { return };
    let content = package.content(300_000);
    let new_job = |_| {
        let mut job = package.job();
        job.input("server-url", proxy.url()).file("dist/app", &content);
        job
    };
    let jobs: Vec<Job> = (0..AT_ONCE).map(new_job).collect();
    let statuses: Vec<String> =
        run_at_once(&jobs).into_iter().map(|ran| ran.exits_with(0).statuses()["app"].clone()).collect();
    assert!(statuses.iter().any(|status| status == "uploaded"), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status.as_str(), "uploaded" | "unchanged")), "{statuses:?}");
    assert!(proxy.has_acted(), "the uploads have met");
    package.holds(&[("app", &content)]);
}

#[test]
fn files_of_one_content_that_a_job_publishes_at_once_all_arrive() {
    let Some(package) = Package::new("files of one content") else { return };
    let Some(proxy) = Proxy::that_gathers(&package, AT_ONCE) else { return };
    package.job().file("dist/first", "makes the version").run().exits_with(0);
    let content = package.content(30_000);
    let mut files: Vec<(String, &[u8])> = (0..AT_ONCE).map(|number| (format!("{number}"), &content[..])).collect();
    let mut job = package.job();
    job.input("server-url", proxy.url()).input("concurrency", AT_ONCE.to_string());
    for (name, content) in &files {
        job.file(format!("dist/{name}"), content);
    }
    let ran = job.run().exits_with(0);
    assert!(ran.statuses().values().all(|status| status == "uploaded"), "{}", ran.log);
    assert!(proxy.has_acted(), "the uploads have met");
    files.push(("first".to_owned(), b"makes the version"));
    package.holds(&files);
}
