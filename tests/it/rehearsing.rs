//! Dry runs of a seal, of aliases and of a link: what follows from files that are not there yet.

use std::collections::BTreeSet;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::{AWKWARD_NAMES, Job};
use crate::planning::{asked, plan};

fn seed(registry: &Registry, version: &str, files: &[(&str, &str)]) {
    for (name, content) in files {
        registry.seed("alice", "widget", version, name, content.as_bytes());
    }
}

/// A dry run that publishes a new file and a changed one, seals, moves `latest` and links; another job has published one
/// file more.
fn job(registry: &Registry) -> Job {
    seed(registry, "v1.0.0", &[("changed", "first"), ("theirs", "of another job")]);
    seed(
        registry,
        "latest",
        &[("theirs", "of another job"), ("changed", "first"), ("stray", "x"), ("SHA256SUMS", "old")],
    );
    let mut job = Job::new(registry);
    job.file("dist/changed", "the second").file("dist/new", "1");
    job.input("if-file-exists", "overwrite").input("checksums", "SHA256SUMS").input("aliases", "latest");
    job.input("link-repository", "widget").input("dry-run", "true");
    job
}

/// A dry run that publishes nothing of its own, and seals.
fn sealing(registry: &Registry) -> Job {
    let mut job = Job::new(registry);
    job.without("INPUT_FILES").input("checksums", "SHA256SUMS").input("dry-run", "true");
    job
}

/// Everything that the registry has of the package.
fn has(registry: &Registry) -> Vec<String> {
    let versions = ["v1.0.0", "latest"];
    let files = versions.iter().flat_map(|version| {
        let files = registry.files("alice", "widget", version).into_iter();
        files.map(move |file| format!("{version}/{} {} {}", file.name, file.size, file.sha256))
    });
    let link = registry.world().link_of("alice", "widget");
    files.chain(link).collect()
}

/// The requests that change something, each with version and file.
fn changes(registry: &Registry) -> BTreeSet<String> {
    let requests = registry.requests().into_iter();
    let changes = requests.filter(|request| request.method != "GET" && !request.target.ends_with("/%2A"));
    let place = |target: &str| target.split_once("/widget/").expect("it is about the package").1.to_owned();
    changes.map(|request| format!("{} {}", request.method, place(&request.target))).collect()
}

#[test]
fn files_seal_alias_and_link_are_planned_in_the_order_of_the_run_and_nothing_is_changed() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        let job = job(&registry);
        let before = has(&registry);
        let ran = job.run().exits_with(0).does_not_say("error:").does_not_say("warning:");
        let rows = [
            "upload 1 B nothing new",
            "replace 10 B other content, 5 B changed",
            "seal 217 B nothing SHA256SUMS of 3 files",
            "alias 1 same, 2 other, 1 missing, 1 left over version latest",
            "upload 1 B nothing latest/new",
            "replace 10 B other content, 5 B latest/changed",
            "delete 1 B left over latest/stray",
            "replace 217 B other content, 3 B latest/SHA256SUMS",
            "link no visible link repository alice/widget",
        ];
        assert_eq!(plan(&ran), rows, "{persona:?}: {}", ran.log);
        // Whether `latest` is a higher release already is asked for, too.
        let releases = "GET alice?type=generic&q=widget&limit=50&page=1";
        assert_eq!(asked(&registry), ["GET files", "GET files", releases, "PUT %2A", "GET v1.0.0"], "{persona:?}");
        assert_eq!(has(&registry), before, "{persona:?}");
        let statuses = ran.statuses();
        assert_eq!(["changed", "new", "SHA256SUMS"].map(|name| statuses[name].as_str()), ["planned"; 3]);
        assert_eq!((ran.outputs["checksums-file"].as_str(), ran.outputs["failed"].as_str()), ("", "0"));
    }
}

#[test]
fn the_real_run_changes_what_the_dry_run_has_planned_and_nothing_else() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    let dry = job.run().exits_with(0);
    let planned: BTreeSet<String> = plan(&dry)
        .iter()
        .flat_map(|row| {
            let words: Vec<&str> = row.split(' ').collect();
            let what = words.last().expect("a word");
            let place = if what.contains('/') { (*what).to_owned() } else { format!("v1.0.0/{what}") };
            match words[0] {
                "upload" => vec![format!("PUT {place}")],
                "replace" => vec![format!("DELETE {place}"), format!("PUT {place}")],
                "delete" => vec![format!("DELETE {place}")],
                "seal" => vec!["PUT v1.0.0/SHA256SUMS".to_owned()],
                "link" => vec!["POST -/link/widget".to_owned()],
                _ => vec![],
            }
        })
        .collect();
    registry.forget_requests();
    let ran = job.input("dry-run", "false").run().exits_with(0);
    assert_eq!(changes(&registry), planned, "{}", ran.log);
    // The seal too has the hash that was foretold, from files that were not there yet.
    let (dry, real) = (dry.outputs["files"].replace("planned", ""), ran.outputs["files"].as_str());
    assert_eq!(dry, real.replace("uploaded", "").replace("replaced", ""));
    assert!(real.contains(r#""name":"SHA256SUMS""#), "{real}");
    // Now there is nothing to do.
    registry.forget_requests();
    let ran = job.input("dry-run", "true").run().exits_with(0);
    let rows = [
        "unchanged 10 B the same changed",
        "unchanged 1 B the same new",
        "unchanged 217 B the same SHA256SUMS of 3 files",
        "unchanged the same version latest",
        "unchanged already linked repository alice/widget",
    ];
    assert_eq!(plan(&ran), rows);
    assert_eq!(changes(&registry), BTreeSet::new());
    assert_eq!(asked(&registry).iter().filter(|line| *line == "PUT %2A").count(), 0, "nothing is to be written");
}

#[test]
fn a_dry_run_that_only_seals_says_of_how_many_files() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1"), ("b", "2"), ("sha256sums", "an older one")]);
    let ran = sealing(&registry).run().exits_with(0);
    assert_eq!(plan(&ran), ["seal 136 B other content, 12 B SHA256SUMS of 2 files"]);
    assert_eq!(ran.statuses().into_iter().collect::<Vec<_>>(), [("SHA256SUMS".to_owned(), "planned".to_owned())]);
    assert_eq!(asked(&registry), ["GET files", "PUT %2A", "GET v1.0.0"]);
    let row = "| ` SHA256SUMS of 2 files ` | seal | 136 B | other content, 12 B |";
    assert!(ran.summary.contains(row) && !ran.summary.contains("```"), "{}", ran.summary);
}

#[test]
fn what_is_expected_may_come_with_the_run_and_what_stays_missing_fails_the_dry_run() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    job.input("expect", "new\ntheirs\nchanged").run().exits_with(0);
    let ran = job.input("expect", "new\n*-aarch64-*").run().exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["expected-file-missing"]).says("`*-aarch64-*`");
    let rows = ["upload 1 B nothing new", "replace 10 B other content, 5 B changed"];
    assert_eq!(plan(&ran), rows, "neither seal, alias nor link follow");
    let statuses = ran.statuses();
    let names = ["changed", "new", "SHA256SUMS"];
    assert_eq!(names.map(|name| statuses[name].as_str()), ["planned", "planned", "not-attempted"]);
}

#[test]
fn after_a_conflict_neither_seal_alias_nor_link_are_planned() {
    let registry = Registry::start(Persona::default());
    let ran = job(&registry).input("if-file-exists", "fail").run().exits_with(1).has_a_hint_for_each_error();
    assert_eq!(plan(&ran), ["conflict 10 B other content, 5 B changed", "upload 1 B nothing new"]);
    assert_eq!(ran.statuses()["SHA256SUMS"], "not-attempted");
    assert_eq!(asked(&registry), ["GET files", "PUT %2A", "GET v1.0.0"]);
}

#[test]
fn without_the_right_to_write_the_plan_is_told_and_nothing_of_it_would_come() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    let before = has(&registry);
    let ran = job.token(&registry.token("alice_read")).run().exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["no-write-access"]);
    assert_eq!(plan(&ran).len(), 8, "all but the link: {}", ran.log);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["not-attempted"; 3]);
    assert_eq!(has(&registry), before);
}

#[test]
fn a_seal_or_an_alias_alone_needs_the_right_to_write_and_where_both_are_right_nothing_does() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1")]);
    let mut job = sealing(&registry);
    job.input("dry-run", "false").run().exits_with(0);
    job.input("dry-run", "true").token(&registry.token("alice_read"));
    let refused = |job: &Job, row: &str| {
        let ran = job.run().exits_with(1).has_codes(&["no-write-access"]);
        assert!(plan(&ran).iter().any(|told| told.starts_with(row)), "{}", ran.log);
    };
    job.run().exits_with(0);
    refused(job.input("aliases", "latest"), "alias 2 missing");
    seed(&registry, "v1.0.0", &[("b", "2")]);
    refused(job.without("INPUT_ALIASES"), "seal 136 B");
    job.input("aliases", "latest").input("dry-run", "false").token(&registry.token("alice_write")).run().exits_with(0);
    job.input("dry-run", "true").token(&registry.token("alice_read")).run().exits_with(0);
    seed(&registry, "latest", &[("stray", "x")]);
    refused(&job, "delete 1 B left over latest/stray");
}

#[test]
fn a_dry_run_of_a_seal_exits_as_the_real_run_after_it() {
    type Spoil = for<'a> fn(&'a mut Job, &Registry) -> &'a mut Job;
    let worlds: [(Spoil, i32); 15] = [
        (|job, _| job, 0),
        (|job, _| job.input("expect", "new\nchanged\ntheirs"), 0),
        (|job, _| job.input("expect", "n?w\n*.exe"), 1),
        (|job, _| job.input("if-file-exists", "fail"), 1),
        (|job, _| job.input("if-file-exists", "skip"), 0),
        (|job, _| job.without("INPUT_FILES"), 0),
        (|job, _| job.without("INPUT_FILES").input("expect", "new"), 1),
        // There is nothing to seal.
        (|job, _| job.without("INPUT_FILES").input("version", "v2"), 1),
        (|job, _| job.input("version", "v2"), 0),
        (|job, registry| job.without("INPUT_FILES").token(&registry.token("alice_read")), 1),
        (|job, _| job.input("aliases", "v1.0.0"), 2),
        (
            |job, registry| {
                // A file of another job that may lie in no workspace.
                seed(registry, "v1.0.0", &[(".git", "")]);
                job
            },
            0,
        ),
        (|job, _| job.input("files", "dist/new => .git"), 0),
        (
            |job, registry| {
                let refusal = Action::Answer(Answer::json(403, r#"{"message":"no"}"#));
                registry.script(Fault::always(Match::list().containing("/latest/"), Point::Head, refusal));
                job
            },
            1,
        ),
        (
            |job, registry| {
                // A stray that no request could delete.
                let rows = r#"[{"name":"../app","size":1,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]"#;
                let answer = Action::Answer(Answer::json(200, rows));
                registry.script(Fault::always(Match::list().containing("/latest/"), Point::Head, answer));
                job
            },
            1,
        ),
    ];
    for (number, (spoil, code)) in worlds.into_iter().enumerate() {
        let registry = Registry::start(Persona::default());
        let mut job = job(&registry);
        spoil(&mut job, &registry);
        let before = has(&registry);
        let dry = job.run();
        assert_eq!(has(&registry), before, "world {number}");
        let real = job.input("dry-run", "false").run();
        assert_eq!((dry.code, real.code), (Some(code), Some(code)), "world {number}: {}\n{}", dry.log, real.log);
    }
}

#[test]
fn several_aliases_are_planned_each_and_none_behind_one_that_cannot_be() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    job.without("INPUT_FILES").input("aliases", "nightly/x\nlatest");
    let ran = job.run().exits_with(0);
    let rows = plan(&ran);
    assert_eq!(
        rows[1..5],
        [
            "alias 3 missing version nightly/x",
            "upload 5 B nothing nightly/x/changed",
            "upload 14 B nothing nightly/x/theirs",
            "upload 147 B nothing nightly/x/SHA256SUMS",
        ]
    );
    assert_eq!(rows[5], "alias 2 same, 1 other, 1 left over version latest");
    let refusal = Action::Answer(Answer::json(403, r#"{"message":"no"}"#));
    registry.script(Fault::always(Match::list().containing("nightly%2Fx"), Point::Head, refusal));
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    assert_eq!(plan(&ran), ["seal 147 B nothing SHA256SUMS of 2 files"]);
    ran.has_codes(&["alias-mismatch"]).says("nightly/x");
}

#[test]
fn a_dry_run_asks_no_server_to_link_and_says_so_of_a_version_that_is_new() {
    for persona in [Persona::Gitea1_22, Persona::Gitea1_26, Persona::Forgejo7, Persona::Forgejo15] {
        let registry = Registry::start(persona);
        let mut job = job(&registry);
        let last = |job: &Job| plan(&job.run().exits_with(0)).pop().expect("a row");
        assert_eq!(last(&job), "link no visible link repository alice/widget", "{persona:?}");
        job.input("version", "v2");
        assert_eq!(last(&job), "link not known yet: version is new repository alice/widget", "{persona:?}");
        assert!(registry.requests().iter().all(|request| request.method != "POST"), "{persona:?}");
    }
}

#[test]
fn a_dry_run_without_checksums_warns_of_a_seal_that_would_be_stale() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1"), ("SHA256SUMS", "old")]);
    let mut job = Job::new(&registry);
    let ran = job.file("dist/b", "2").input("dry-run", "true").run().exits_with(0);
    ran.says("warning: `SHA256SUMS`");
    job.file("dist/a", "1").input("files", "dist/a").run().exits_with(0).does_not_say("warning: ");
}

#[test]
fn no_name_of_an_alias_commands_the_runner_or_spoils_the_table() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1")]);
    for name in AWKWARD_NAMES {
        seed(&registry, "v1.0.0", &[(name, name)]);
        seed(&registry, "x##[add-path]|x", &[(&format!("{name}!"), "left over")]);
    }
    // That nothing in the log does is looked at in every run.
    let ran = sealing(&registry).input("aliases", "x##[add-path]|x").run().exits_with(0);
    let count = |word: &str| plan(&ran).iter().filter(|row| row.starts_with(word)).count();
    assert_eq!((count("upload"), count("delete")), (AWKWARD_NAMES.len() + 2, AWKWARD_NAMES.len()));
    let row = "| ` x##\\[add-path]\\|x/\\::set-env name=X::y! ` | delete | 9 B | left over |";
    assert!(ran.summary.contains(row), "{}", ran.summary);
}

#[test]
fn a_file_that_is_called_like_the_token_is_not_told_in_the_plan() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1")]);
    let token = registry.token("alice_write");
    seed(&registry, "latest", &[(&token, "somebody knows it")]);
    // That no secret is told anywhere is looked at in every run.
    let ran = sealing(&registry).input("aliases", "latest").run().exits_with(0);
    assert!(plan(&ran).iter().any(|row| row.starts_with("delete 17 B")), "{}", ran.log);
}
