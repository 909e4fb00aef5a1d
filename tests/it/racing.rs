//! Many jobs of a matrix publish to one new version at once.

use std::env;
use std::thread;

use embedded_registry::{Fault, Match, Persona, Point, Registry};

use crate::harness::{Job, Ran, gather};

/// The number of jobs that run in parallel.
const JOBS: usize = 16;

/// The personas whose first uploads race, and one whose first uploads do not.
const PERSONAS: [Persona; 3] = [Persona::Gitea1_22Postgres, Persona::Gitea1_24Postgres, Persona::Forgejo15];

/// Returns the number of rounds per persona: `RACE_ROUNDS`, or 1 if it is not set.
#[expect(clippy::disallowed_methods, reason = "the rule is for the program")]
fn rounds() -> usize {
    env::var("RACE_ROUNDS").map_or(1, |rounds| rounds.parse().expect("RACE_ROUNDS is a number"))
}

/// Runs a job each with these contents of `dist/NAME`, all at once: none has its list before all have asked for it, and
/// none is heard with its upload before all are there.
fn at_once(registry: &Registry, files: impl Fn(usize) -> (String, String)) -> Vec<Ran> {
    for meeting in [Match::list(), Match::put("")] {
        registry.add_fault(Fault::once(meeting, Point::Head, gather(JOBS)).times(JOBS));
    }
    let jobs: Vec<Job> = (0..JOBS)
        .map(|number| {
            let (name, content) = files(number);
            let mut job = Job::new(registry);
            job.file(format!("dist/{name}"), content).input("retries", "5");
            job
        })
        .collect();
    thread::scope(|scope| {
        let runs: Vec<_> = jobs.iter().map(|job| scope.spawn(|| job.run())).collect();
        runs.into_iter().map(|run| run.join().expect("no run panics")).collect()
    })
}

fn faults(registry: &Registry) -> usize {
    registry.requests().iter().filter(|request| request.status == Some(500)).count()
}

#[expect(clippy::print_stdout, reason = "a figure for those who ask for it with --nocapture")]
fn on_every_persona(test: impl Fn(&Registry)) {
    for persona in PERSONAS {
        let (mut faults_met, rounds) = (0, rounds());
        for _ in 0..rounds {
            let registry = Registry::start(persona);
            test(&registry);
            faults_met += faults(&registry);
        }
        assert_eq!(faults_met > 0, persona != Persona::Forgejo15, "{} races as recorded", persona.name());
        println!("{}: {rounds} rounds of {JOBS} jobs, {faults_met} answers of 500", persona.name());
    }
}

#[test]
fn different_files_of_many_jobs_are_all_published() {
    on_every_persona(|registry| {
        for ran in at_once(registry, |number| (format!("file-{number}"), number.to_string())) {
            ran.exits_with(0);
        }
        for number in 0..JOBS {
            let stored = registry.read("alice", "widget", "v1.0.0", &format!("file-{number}"));
            assert_eq!(stored, Some(number.to_string().into_bytes()));
        }
    });
}

#[test]
fn an_identical_file_of_many_jobs_is_published_once_and_all_jobs_succeed() {
    on_every_persona(|registry| {
        for ran in at_once(registry, |_| ("file".to_owned(), "the same".to_owned())) {
            ran.exits_with(0);
        }
        assert_eq!(registry.files("alice", "widget", "v1.0.0").len(), 1);
    });
}

#[test]
fn of_different_contents_of_one_name_one_is_published_and_the_other_jobs_fail_with_both_hashes() {
    on_every_persona(|registry| {
        let runs = at_once(registry, |number| ("file".to_owned(), format!("content {number:02}")));
        let (green, red): (Vec<Ran>, Vec<Ran>) = runs.into_iter().partition(|ran| ran.code == Some(0));
        assert_eq!((green.len(), red.len()), (1, JOBS - 1));
        let theirs = &registry.files("alice", "widget", "v1.0.0")[0].sha256;
        assert_eq!(green[0].files()[0]["sha256"], theirs.as_str());
        for ran in red {
            let ran = ran.exits_with(1).says("`file`").says(theirs);
            assert_eq!(ran.statuses()["file"], "failed");
        }
    });
}
