//! Answers, names and inputs whose length costs a server nothing. What they cost a run grows with their length alone,
//! and a message stays one that a person reads.

use embedded_registry::{Answer, Match, Persona, Registry};
use serde_json::{Value, json};

use super::run::answers_only;
use crate::harness::{Job, Ran};

/// The content that every listed file has.
const SHA256: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn list(names: impl IntoIterator<Item = String>) -> Answer {
    let rows: Vec<Value> = names.into_iter().map(|name| json!({ "name": name, "size": 5, "sha256": SHA256 })).collect();
    Answer::json(200, Value::from(rows).to_string())
}

/// Ends the test where the log is longer than a person reads.
#[track_caller]
fn is_short(ran: Ran) -> Ran {
    assert!(ran.log.len() < 10_000 && ran.summary.len() < 10_000, "{} bytes of log", ran.log.len());
    ran
}

#[test]
fn a_megabyte_of_one_character_of_the_token_is_no_more_than_a_megabyte() {
    let registry = Registry::start(Persona::default());
    let token = registry.token("alice_write");
    let mut publishing = Job::new(&registry);
    publishing.file("dist/a", "content").token(&token);
    let mut downloading = Job::downloading(&registry);
    downloading.token(&token).input("version", "v1.0.0");
    for start in [&token[..1], &token[..39], &format!("%{:02x}", token.as_bytes()[0]), "&#", "\\u00"] {
        let long = start.repeat(1_000_000 / start.len());
        let garbled = json!([{ "name": "a", "sha256": "00", "size": long }]).to_string();
        answers_only(&registry, Match::list(), Answer::json(200, garbled));
        is_short(publishing.run().exits_with(1).says("invalid type: string"));
        answers_only(&registry, Match::list(), Answer::json(500, json!({ "message": long }).to_string()));
        is_short(publishing.run().exits_with(1).says("500 Internal Server Error"));
        answers_only(&registry, Match::list(), list([long.clone()]));
        is_short(downloading.run().exits_with(1).says("failed to download `").says("Allowed: 255"));
        answers_only(&registry, Match::version(), Answer::json(200, json!({ "html_url": long }).to_string()));
        is_short(publishing.run().exits_with(0).says("html_url"));
    }
}

#[test]
fn a_token_with_a_line_break_inside_is_not_shown() {
    let registry = Registry::start(Persona::default());
    let token = registry.token("alice_write");
    let mut job = Job::new(&registry);
    job.file("dist/a", "content").token(&token);
    for line_break in ["\n", "\r\n", "\r"] {
        let text = format!("bad token {}{line_break}{}", &token[..39], &token[39..]);
        for answer in [Answer::text(400, text.clone()), Answer::json(400, json!({ "message": text }).to_string())] {
            answers_only(&registry, Match::list(), answer);
            let ran = job.run().exits_with(1).says("bad token ***");
            assert!(!ran.log.contains(&token[..20]) && !ran.summary.contains(&token[..20]), "{}", ran.log);
        }
    }
}

#[test]
fn many_bad_names_are_one_error_with_their_number_and_the_first_five() {
    let registry = Registry::start(Persona::default());
    answers_only(&registry, Match::list(), list((0..20_000).map(|number| format!("bad?{number:05}"))));
    let mut job = Job::downloading(&registry);
    let ran = job.input("version", "v1.0.0").run().exits_with(1).has_a_hint_for_each_error();
    let ran = is_short(ran).says("failed to download 20000 files because of their names: `bad?00000`, ");
    let ran = ran.says("`bad?00004` and 19995 more. The first is rejected because it contains `?`");
    let ran = ran.says("such as `!bad?00000`, `!bad?00001`, ").does_not_say("bad?00005");
    assert_eq!(ran.errors().len(), 1);
    let mut job = Job::new(&registry);
    job.without("INPUT_FILES").input("checksums", "SHA256SUMS");
    let ran = is_short(job.run().exits_with(1).has_a_hint_for_each_error());
    let ran = ran.says("failed to create the checksums file because of the names of 20000 files: `bad?00000`, ");
    assert_eq!(ran.says("`bad?00004` and 19995 more").does_not_say("bad?00005").errors().len(), 1);
}

#[test]
fn of_many_errors_the_first_thousand_are_shown() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    let folders: Vec<String> = (0..1_030).map(|number| format!("dist/{number}")).collect();
    for folder in &folders {
        job.folder(folder);
    }
    let ran = job.input("files", folders.join("\n")).run_rejected(&registry);
    assert_eq!(ran.errors().len(), 1_001);
    ran.says("30 more errors are not shown");
}

#[test]
fn names_of_megabytes_are_not_compared_with_a_line_that_finds_nothing() {
    let registry = Registry::start(Persona::default());
    let long = |first: &str| first.repeat(4_000_000);
    answers_only(&registry, Match::list(), list([long("a"), long("b"), "apps".to_owned()]));
    let mut job = Job::downloading(&registry);
    job.input("version", "v1.0.0").input("files", "app");
    is_short(job.run().exits_with(1).says("Check `files`. Available: `apps` and 2 more"));
}

#[test]
fn rows_of_other_packages_and_versions_that_are_none_are_not_kept() {
    let registry = Registry::start(Persona::default());
    let good = json!({ "id": 1, "name": "widget", "version": "v1.0.0" });
    let other = json!({ "id": 2, "name": "widget-extra", "version": "v9.0.0" });
    let long = json!({ "id": 3, "name": "widget", "version": "9.9.9".repeat(100_000) });
    answers_only(
        &registry,
        Match::versions(),
        Answer::json(200, json!([long, other, good]).to_string()).header("X-Total-Count", "3"),
    );
    registry.seed("alice", "widget", "v1.0.0", "app", b"content");
    Job::downloading(&registry).run().exits_with(0).says("`latest` is v1.0.0, the highest release");
}

#[test]
fn a_list_of_versions_that_goes_on_and_on_is_read_up_to_64_mib() {
    let registry = Registry::start(Persona::default());
    let page = json!([{ "id": 1, "name": "x".repeat(4_000_000), "version": "1" }]).to_string();
    answers_only(&registry, Match::versions(), Answer::json(200, page).header("X-Total-Count", "1000000"));
    let job = Job::downloading(&registry);
    is_short(job.run().exits_with(1).says("the list is longer than 64.0 MiB").says("hint: Set `version`"));
    assert_eq!(registry.requests().len(), 17);
    // A page may have many more rows than were asked for.
    let page = Value::from(vec![json!({ "id": 1, "name": "widget", "version": "1" }); 25_000]).to_string();
    answers_only(&registry, Match::versions(), Answer::json(200, page).header("X-Total-Count", "1000000"));
    registry.clear_requests();
    is_short(job.run().exits_with(1).says("the list has more than 25000 versions"));
    assert_eq!(registry.requests().len(), 1);
}

#[test]
fn braces_that_nest_too_deep_are_refused_before_anything_is_asked() {
    let registry = Registry::start(Persona::default());
    for depth in [11, 60_000] {
        let line = format!("{}a,b{}", "{".repeat(depth), "}".repeat(depth));
        for mut job in [Job::new(&registry), Job::downloading(&registry)] {
            let ran = is_short(job.input("files", &line).run_rejected(&registry));
            ran.says("nests braces more than 10 levels deep")
                .says("hint: Write several lines instead of the inner braces");
        }
    }
}
