//! Answers that are behind, cut, or written otherwise.

use serde_json::Value;

use crate::behaviour::{FILE, FILES, ask, connect, signed};
use crate::client::Ask;
use embedded_registry::{Action, Alteration, Fault, Match, Persona, Point, Registry};

const VERSION: &str = "/api/v1/packages/alice/generic/tool/1.0";
const VERSIONS: &str = "/api/v1/packages/alice?q=tool";

fn with_one_file() -> Registry {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "tool", "1.0", "a.txt", b"hello\n");
    registry
}

/// Returns the response to a GET request with a list that is outdated by `changes` changes.
fn behind(registry: &Registry, changes: usize, target: &str) -> (u16, String) {
    registry.add_fault(Fault::once(Match::any(), Point::Head, Action::OutdatedList(changes)));
    let got = ask(registry, Ask::new("GET", target));
    (got.status, got.text())
}

fn listed(registry: &Registry, changes: usize) -> Vec<String> {
    let (status, text) = behind(registry, changes, FILES);
    if status == 404 {
        return Vec::new();
    }
    let list: Vec<Value> = serde_json::from_str(&text).unwrap();
    list.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_list_that_lags_is_as_before_the_last_changes() {
    let registry = with_one_file();
    assert_eq!(ask(&registry, Ask::put(&FILE.replace("a.txt", "b.txt"), "b")).status, 201);
    assert_eq!(ask(&registry, Ask::put(FILE, "a")).status, 409, "which is no change");
    assert_eq!(ask(&registry, Ask::new("DELETE", FILE)).status, 204);
    let lists = [0, 1, 2, 3, usize::MAX].map(|changes| listed(&registry, changes).join(" "));
    assert_eq!(lists, ["b.txt", "a.txt b.txt", "a.txt", "", ""]);
    assert_eq!(registry.acted_faults().len(), 5);
    assert_eq!(ask(&registry, Ask::new("GET", FILES)).text().matches("sha256").count(), 1, "it catches up");
}

#[test]
fn a_list_that_lags_shows_what_was_overwritten() {
    let registry = with_one_file();
    let before = ask(&registry, Ask::new("GET", FILES)).text();
    assert_eq!(ask(&registry, Ask::new("DELETE", FILE)).status, 204);
    assert_eq!(ask(&registry, Ask::put(FILE, "other\n")).status, 201);
    assert_ne!(ask(&registry, Ask::new("GET", FILES)).text(), before);
    assert_eq!(behind(&registry, 1, FILES).0, 404);
    assert_eq!(behind(&registry, 2, FILES), (200, before));
    assert_eq!(behind(&registry, 2, FILE), (200, "hello\n".to_owned()));
}

#[test]
fn a_version_whose_last_file_was_deleted_comes_back_for_those_who_are_behind() {
    let registry = with_one_file();
    registry.seed("alice", "tool", "2.0", "c.txt", b"c");
    registry.seed("alice", "another", "1.0", "d.txt", b"d");
    let targets = [FILES, VERSION, VERSIONS, FILE];
    let before = targets.map(|target| (200, ask(&registry, Ask::new("GET", target)).text()));
    assert_eq!(ask(&registry, Ask::new("DELETE", FILE)).status, 204);
    assert_eq!(behind(&registry, 0, FILES).0, 404);
    assert_eq!(targets.map(|target| behind(&registry, 1, target)), before);
}

#[test]
fn what_writes_does_not_lag_and_where_nothing_changed_nothing_acts() {
    let registry = Registry::start(Persona::default());
    registry.add_fault(Fault::always(Match::any(), Point::Head, Action::OutdatedList(usize::MAX)));
    assert_eq!(ask(&registry, Ask::new("GET", FILES)).status, 404);
    assert_eq!(ask(&registry, Ask::put(FILE, "a")).status, 201);
    assert_eq!(ask(&registry, Ask::put(FILE, "a")).status, 409);
    assert!(registry.acted_faults().is_empty());
    assert_eq!(ask(&registry, Ask::new("GET", FILES)).status, 404);
    assert_eq!(ask(&registry, Ask::new("DELETE", FILE)).status, 204);
    assert_eq!(registry.acted_faults().len(), 1);
}

#[test]
fn a_list_that_is_cut_is_framed_as_a_complete_one() {
    for (files, length) in [(1, 20), (1, 0), (9, 20), (9, 2500)] {
        let registry = Registry::start(Persona::default());
        for number in 0..files {
            registry.seed("alice", "tool", "1.0", &format!("{number}"), b"hello\n");
        }
        let whole = ask(&registry, Ask::new("GET", FILES)).body;
        registry.add_fault(Fault::once(Match::list(), Point::Head, Action::Alter(Alteration::CutAt(length))));
        let mut client = connect(&registry);
        let cut = client.ask(&signed(&registry, Ask::new("GET", FILES))).unwrap();
        assert_eq!((cut.status, &cut.body[..]), (200, &whole[..length]));
        assert_eq!(registry.requests()[1].status, Some(200), "it was sent to its end");
        let again = client.ask(&signed(&registry, Ask::new("GET", FILES))).unwrap();
        assert_eq!(again.body, whole, "the connection stays");
    }
}

#[test]
fn hashes_are_in_upper_case_and_names_are_not() {
    let registry = with_one_file();
    registry.seed("alice", "tool", "1.0", "sha256", b"abc");
    registry.add_fault(Fault::always(Match::list(), Point::Head, Action::Alter(Alteration::UpperCaseHashes)).times(1));
    let lists = [(), ()].map(|()| ask(&registry, Ask::new("GET", FILES)).text());
    let [upper, own] = lists.map(|text| serde_json::from_str::<Vec<Value>>(&text).unwrap());
    for (mut upper, own) in upper.into_iter().zip(own) {
        for hash in ["md5", "sha1", "sha256", "sha512"] {
            let wanted = own[hash].as_str().unwrap().to_ascii_uppercase();
            assert_eq!(upper[hash].as_str(), Some(wanted.as_str()));
            upper[hash] = own[hash].clone();
        }
        assert_eq!(upper, own, "nothing else has changed");
    }
}

#[test]
fn changes_to_an_answer_add_up_and_count_as_acted_only_where_they_change_something() {
    let registry = with_one_file();
    let alters = [Alteration::UpperCaseHashes, Alteration::CutAt(27)];
    for alter in alters {
        registry.add_fault(Fault::always(Match::any(), Point::Head, Action::Alter(alter)));
    }
    assert_eq!(ask(&registry, Ask::new("GET", FILE)).text(), "hello\n");
    assert!(registry.acted_faults().is_empty());
    assert_eq!(ask(&registry, Ask::new("GET", FILES)).text(), "[{\"id\":1,\"size\":6,\"name\":\"a");
    assert_eq!(registry.acted_faults().len(), 2);
}
