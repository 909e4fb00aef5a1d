//! Uploads that come at the same time.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier};
use std::thread;

use crate::behaviour::{ask, connect, signed};
use crate::client::{Ask, Got};
use crate::replay::recording_of;
use embedded_registry::{Action, Fault, Match, Persona, Point, Registry};

const RACING: [Persona; 2] = [Persona::Gitea1_22Postgres, Persona::Gitea1_24Postgres];

fn file(version: &str, name: &str) -> String {
    format!("/api/packages/alice/generic/tool/{version}/{name}")
}

/// Puts these files, each with a client of its own, none of which is stored before all have come.
fn put_at_once(registry: &Registry, paths: &[String]) -> Vec<Got> {
    let together = Arc::new(Barrier::new(paths.len()));
    let meet = Action::then(move |_| {
        together.wait();
    });
    registry.add_fault(Fault::always(Match::put(""), Point::BeforeStore, meet));
    let answers = thread::scope(|scope| {
        let clients: Vec<_> = paths.iter().map(|path| scope.spawn(|| ask(registry, Ask::put(path, "x")))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    registry.clear_faults();
    answers
}

fn sixteen(version: &str) -> Vec<String> {
    (0..16).map(|number| file(version, &number.to_string())).collect()
}

fn count(answers: &[Got], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

fn statuses(answers: &[Got]) -> BTreeSet<String> {
    answers.iter().map(|answer| answer.status.to_string()).collect()
}

/// The statuses of a recorded burst, once each.
fn recorded(persona: Persona, id: &str) -> BTreeSet<String> {
    let recording = recording_of(persona);
    let case = recording["cases"].as_array().unwrap().iter().find(|case| case["id"] == id).unwrap().clone();
    let answers = case["response"]["answers"].as_object().unwrap();
    answers.keys().flat_map(|key| key.split(' ')).map(ToOwned::to_owned).collect()
}

#[test]
fn first_uploads_at_once_are_answered_as_recorded() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        let answers = put_at_once(&registry, &sixteen("1.0"));
        assert_eq!(statuses(&answers), recorded(persona, "burst-new"), "{persona:?}");
    }
}

#[test]
fn an_upload_that_loses_the_race_gets_an_internal_error_and_is_not_stored() {
    for persona in RACING {
        let registry = Registry::start(persona);
        for round in ["1", "2", "3"] {
            let answers = put_at_once(&registry, &sixteen(round));
            let mut stored: Vec<String> =
                registry.files("alice", "tool", round).into_iter().map(|file| file.name).collect();
            stored.sort();
            let mut good: Vec<String> = (0..16).map(|number| number.to_string()).collect();
            good.retain(|number| answers[number.parse::<usize>().unwrap()].status == 201);
            good.sort();
            assert_eq!(stored, good, "{persona:?}");
            for lost in answers.iter().filter(|answer| answer.status == 500) {
                assert_eq!((lost.text().as_str(), lost.header("content-length")), ("", Some("0")));
            }
            assert!(count(&answers, 500) > 0 && count(&answers, 500) + count(&answers, 201) == 16);
            // The next attempt finds the version.
            for (path, answer) in sixteen(round).iter().zip(answers) {
                let again = if answer.status == 500 { 201 } else { 409 };
                assert_eq!(ask(&registry, Ask::put(path, "x")).status, again);
            }
        }
    }
}

#[test]
fn uploads_at_once_into_a_version_that_exists_are_all_stored() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        assert_eq!(ask(&registry, Ask::put(&file("1.0", "first"), "x")).status, 201);
        let answers = put_at_once(&registry, &sixteen("1.0"));
        assert_eq!(statuses(&answers), recorded(persona, "burst-primed"), "{persona:?}");
        assert_eq!(registry.files("alice", "tool", "1.0").len(), 17);
    }
}

#[test]
fn first_uploads_one_after_the_other_never_race() {
    for persona in RACING {
        let registry = Registry::start(persona);
        let mut client = connect(&registry);
        for path in sixteen("1.0").into_iter().chain(sixteen("2.0")) {
            assert_eq!(client.ask(&signed(&registry, Ask::put(&path, "x"))).unwrap().status, 201);
        }
    }
}

#[test]
fn the_same_file_put_at_once_is_stored_once() {
    for persona in Persona::all() {
        for is_primed in [false, true] {
            let registry = Registry::start(persona);
            if is_primed {
                registry.seed("alice", "tool", "1.0", "first", b"x");
            }
            let answers = put_at_once(&registry, &[(); 4].map(|()| file("1.0", "a")));
            assert_eq!(count(&answers, 201), 1, "{persona:?}");
            let races = RACING.contains(&persona) && !is_primed;
            let failures = count(&answers, 500);
            assert!(if races { failures > 0 } else { failures == 0 }, "{persona:?}: {failures} failures");
            assert_eq!(count(&answers, 409) + failures, 3, "{persona:?}");
        }
    }
}

#[test]
fn uploads_to_different_versions_do_not_race_and_names_are_the_same_in_any_case() {
    for persona in RACING {
        let registry = Registry::start(persona);
        let apart: Vec<String> = (0..16).map(|number| file(&number.to_string(), "a")).collect();
        assert_eq!(count(&put_at_once(&registry, &apart), 201), 16);
        let alike = ["rc", "Rc", "rC", "RC"].map(|version| file(version, version).replace("tool", version));
        assert!(count(&put_at_once(&registry, &alike), 500) > 0);
    }
}

#[test]
fn a_first_upload_does_not_wait_for_ever_for_another_that_hangs() {
    for persona in RACING {
        let registry = Registry::start(persona);
        registry.add_fault(Fault::once(Match::put(""), Point::RequestByte(1), Action::Hang));
        let mut hangs = connect(&registry);
        hangs.send(&signed(&registry, Ask::put(&file("1.0", "a"), "xx"))).unwrap();
        while registry.acted_faults().is_empty() {
            thread::yield_now();
        }
        assert_eq!(ask(&registry, Ask::put(&file("1.0", "b"), "x")).status, 201);
    }
}
