//! Dry runs of files, checksums, aliases and links: the plan that they print, and that they change nothing.

use std::collections::BTreeSet;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use rustix::process::Signal;

use crate::harness::{AWKWARD_NAMES, Job, Ran};
use crate::stopping::{holds, stopped};

/// A version with a file that is the same here and one that is not, and a job with these and a new one.
fn job(registry: &Registry) -> Job {
    registry.seed("alice", "widget", "v1.0.0", "changed", b"the first build");
    registry.seed("alice", "widget", "v1.0.0", "same", b"same");
    let mut job = Job::new(registry);
    job.file("dist/changed", "the second").file("dist/new", vec![7; 2_000]).file("dist/same", "same");
    job.input("dry-run", "true");
    job
}

/// The plan in the log: the words of each row below its head.
fn plan(ran: &Ran) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let rows = ran.log.lines().map(words).skip_while(|line| line != "plan size on the registry what").skip(1);
    rows.take_while(|line| !line.is_empty() && !line.starts_with("::")).collect()
}

/// Method and last segment of each request.
fn asked(registry: &Registry) -> Vec<String> {
    let requests = registry.requests();
    requests.iter().map(|asked| format!("{} {}", asked.method, asked.target.rsplit('/').next().expect("one"))).collect()
}

#[test]
fn a_dry_run_tells_what_a_run_would_do_and_changes_nothing() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        let mut job = job(&registry);
        job.input("if-file-exists", "overwrite");
        let before = registry.files("alice", "widget", "v1.0.0");
        let ran = job.run().exits_with(0).does_not_say("error:");
        let rows =
            ["upload 1.9 KiB missing new", "unchanged 4 B identical same", "replace 10 B different, 15 B changed"];
        assert_eq!(plan(&ran), rows, "{persona:?}: {}", ran.log);
        let sentence = "Dry run: nothing was changed. A real run would succeed: 1 upload, 1 replace, 1 unchanged";
        assert!(ran.log.contains(sentence), "{}", ran.log);
        // What the first look finds is told in the plan alone.
        assert_eq!(ran.log.matches("unchanged  ").count(), 1, "{}", ran.log);
        assert_eq!(asked(&registry), ["GET files", "PUT %2A", "GET v1.0.0"]);
        assert_eq!(registry.files("alice", "widget", "v1.0.0"), before);
    }
}

#[test]
fn the_summary_has_the_plan_as_a_table_and_no_commands() {
    let registry = Registry::start(Persona::default());
    let ran = job(&registry).input("if-file-exists", "skip").input("link-repository", "gadget").run().exits_with(0);
    let table = "| what | plan | size | on the registry |\n|---|---|---:|---|\n\
                 | ` changed ` | skip | 10 B | different, 15 B |\n\
                 | ` new ` | upload | 1.9 KiB | missing |\n\
                 | ` same ` | unchanged | 4 B | identical |\n\
                 | ` repository alice/gadget ` | link |  | no visible link |\n";
    assert!(ran.summary.contains(table), "{}", ran.summary);
    assert!(!ran.summary.contains("```"), "{}", ran.summary);
}

#[test]
fn what_would_be_sent_is_planned_in_the_outputs() {
    let registry = Registry::start(Persona::default());
    let ran = job(&registry).input("if-file-exists", "overwrite").run().exits_with(0);
    let statuses: Vec<(String, String)> = ran.statuses().into_iter().collect();
    let expected = [("changed", "planned"), ("new", "planned"), ("same", "unchanged")];
    assert_eq!(statuses, expected.map(|(name, status)| (name.to_owned(), status.to_owned())));
    let counts = ["uploaded", "replaced", "unchanged", "skipped", "failed", "total-size"];
    assert_eq!(counts.map(|name| ran.outputs[name].as_str()), ["0", "0", "1", "0", "0", "4"]);
    assert!(ran.outputs["urls"].ends_with("/same") && !ran.outputs["urls"].contains('\n'));
    assert!(ran.outputs["package-url"].ends_with("/alice/-/packages/generic/widget/v1.0.0"));
}

#[test]
fn a_conflict_fails_a_dry_run_and_the_rest_of_the_plan_is_told_too() {
    let registry = Registry::start(Persona::default());
    let ran = job(&registry).run().exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["conflict"]);
    assert_eq!(plan(&ran)[0], "conflict 10 B different, 15 B changed");
    assert_eq!(ran.statuses()["new"], "not-attempted");
    assert_eq!(ran.outputs["failed"], "2");
}

#[test]
fn a_dry_run_exits_as_the_real_run_after_it() {
    type Spoil = for<'a> fn(&'a mut Job, &Registry) -> &'a mut Job;
    let worlds: [(Spoil, i32); 12] = [
        (|job, _| job, 1),
        (|job, _| job.input("if-file-exists", "skip"), 0),
        (|job, _| job.input("if-file-exists", "overwrite"), 0),
        (|job, _| job.input("files", "dist/same"), 0),
        (|job, _| job.input("files", "dist/new\ndist/same"), 0),
        (|job, _| job.input("version", "v2"), 0),
        (|job, _| job.token("0123456789abcdef"), 1),
        (|job, registry| job.token(&registry.token("alice_read")).input("files", "dist/new"), 1),
        // Nothing would be written, so no right is needed.
        (|job, registry| job.token(&registry.token("alice_read")).input("files", "dist/same"), 0),
        (|job, registry| job.token(&registry.token("bob_write")).input("files", "dist/new"), 1),
        (|job, _| job.input("owner", "alcie"), 1),
        (|job, _| job.input("files", "none*"), 2),
    ];
    for (number, (spoil, code)) in worlds.into_iter().enumerate() {
        let registry = Registry::start(Persona::default());
        let mut job = job(&registry);
        spoil(&mut job, &registry);
        let (dry, real) = (job.run().code, job.input("dry-run", "false").run().code);
        assert_eq!((dry, real), (Some(code), Some(code)), "world {number}");
    }
}

#[test]
fn a_missing_right_is_told_with_the_plan() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    let job = job.input("files", "dist/new").token(&registry.token("alice_read"));
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    assert_eq!(plan(&ran), ["upload 1.9 KiB missing new"]);
    let ran = ran.has_codes(&["no-write-access"]);
    assert_eq!(ran.statuses()["new"], "not-attempted");
}

#[test]
fn the_right_is_asked_for_only_where_anything_would_be_written() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    for (files, policy, asks) in [
        ("dist/same", "fail", false),
        ("dist/changed", "fail", false),
        ("dist/changed", "skip", false),
        ("dist/changed", "overwrite", true),
        ("dist/new", "fail", true),
        ("dist/*", "fail", true),
    ] {
        registry.forget_requests();
        job.input("files", files).input("if-file-exists", policy).run();
        assert_eq!(asked(&registry).contains(&"PUT %2A".to_owned()), asks, "{files} {policy}");
    }
}

#[test]
fn a_version_that_is_not_there_yet_has_no_page_and_its_link_is_not_known() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    let ran = job.file("dist/a", "1").input("dry-run", "true").input("link-repository", "true").run().exits_with(0);
    assert_eq!(plan(&ran), ["upload 1 B missing a", "link not known yet: version is new repository alice/widget"]);
    assert_eq!(ran.outputs["package-url"], "");
    assert_eq!(asked(&registry), ["GET files", "PUT %2A"]);
}

#[test]
fn a_link_that_is_there_is_left_in_the_plan_too() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    job.input("files", "dist/same").input("dry-run", "").input("link-repository", "gadget").run().exits_with(0);
    job.input("dry-run", "true");
    let ran = job.run().exits_with(0).does_not_say("warning:");
    assert_eq!(plan(&ran)[1], "unchanged already linked repository alice/gadget");
    let ran = job.input("link-repository", "widget").run().exits_with(0);
    let ran = ran.says("warning: ").says("alice/gadget");
    assert_eq!(plan(&ran)[1], "skip linked elsewhere repository alice/widget");
    assert_eq!(registry.world().link_of("alice", "widget").as_deref(), Some("alice/gadget"));
}

#[test]
fn a_plan_states_no_more_of_a_link_than_the_registry_shows() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    job.input("files", "dist/same").input("dry-run", "").input("link-repository", "gadget").run().exits_with(0);
    let page = format!("{}/alice/-/packages/generic/widget/v1.0.0", registry.url());
    let about = format!(r#"{{"html_url":"{page}","repository":null}}"#);
    registry.script(Fault::always(Match::version(), Point::Head, Action::Answer(Answer::json(200, about))));
    let ran = job.input("dry-run", "true").input("link-repository", "widget").run().exits_with(0);
    assert_eq!(plan(&ran)[1], "link no visible link repository alice/widget");
    ran.says("a dry run does not check whether the registry accepts the link to alice/widget");
    // Whatever the plan says, the real run warns and succeeds.
    job.input("dry-run", "").run().exits_with(0).says("warning: ");
}

#[test]
fn a_plan_is_told_in_the_order_of_the_files_and_folded_where_it_is_long() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for number in 0..20 {
        job.file(format!("dist/{number:02}"), "");
    }
    let ran = job.input("dry-run", "true").run().exits_with(0).does_not_say("::group::");
    let names: Vec<String> = (0..20).map(|number| format!("upload 0 B missing {number:02}")).collect();
    assert_eq!(plan(&ran), names);
    job.file("dist/20", "").run().exits_with(0).says("::group::the plan").says("::endgroup::");
}

#[test]
fn a_list_that_is_not_to_be_had_fails_a_dry_run_without_a_plan() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::always(Match::list(), Point::Head, Action::Answer(Answer::text(500, ""))));
    let ran = job(&registry).run().exits_with(1).has_a_hint_for_each_error();
    assert_eq!(plan(&ran), [""; 0]);
    ran.has_codes(&["server-error"]).does_not_say("plan");
}

#[test]
fn a_file_that_cannot_be_read_any_more_fails_a_dry_run_and_keeps_no_other_from_being_planned() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "2").input("dry-run", "true");
    let gone = job.workspace().join("dist/a");
    let goes = Action::then(move |_| std::fs::remove_file(&gone).expect("it is there"));
    registry.script(Fault::once(Match::list(), Point::Head, goes));
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    assert_eq!((ran.errors().len(), plan(&ran)), (1, vec!["upload 1 B missing b".to_owned()]), "{}", ran.log);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["failed", "planned"]);
    // But nothing is replaced then.
    registry.seed("alice", "widget", "v1.0.0", "b", b"other");
    let gone = job.file("dist/a", "1").input("if-file-exists", "overwrite").workspace().join("dist/a");
    registry.clear_script();
    let goes = Action::then(move |_| std::fs::remove_file(&gone).expect("it is there"));
    registry.script(Fault::once(Match::list(), Point::Head, goes));
    let ran = job.run().exits_with(1);
    assert_eq!(plan(&ran), [""; 0]);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["failed", "not-attempted"]);
}

#[test]
fn a_signal_ends_a_dry_run_before_it_knows() {
    let registry = Registry::start(Persona::default());
    let moment = holds(&registry, Match::put("%2A"), Point::Head, 0);
    let mut job = job(&registry);
    job.input("if-file-exists", "overwrite").input("timeout", "3600");
    let ran = stopped(&job, &moment, Signal::INT).exits_with(130).has_codes(&["stopped-by-signal"]);
    ran.says("The plan is incomplete: 1 upload, 1 replace, 1 unchanged");
}

#[test]
fn a_dry_run_of_nothing_tells_so() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.input("dry-run", "true").input("if-no-files-found", "ignore");
    job.run().exits_with(0).says("warning: ").says("Dry run");
    assert_eq!(registry.requests(), []);
}

#[test]
fn dry_run_is_true_or_false() {
    let registry = Registry::start(Persona::default());
    job(&registry).input("dry-run", "yes").is_refused(&registry).has_codes(&["invalid-input"]).says("`dry-run`");
}

#[test]
fn a_dry_run_finds_bad_names_as_a_real_one_does() {
    let registry = Registry::start(Persona::default());
    job(&registry).file("dist/a,b", "").is_refused(&registry).has_codes(&["invalid-file-name"]).says("dist/a,b");
}

#[test]
fn no_name_in_a_plan_commands_the_runner() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for name in AWKWARD_NAMES {
        job.file(format!("dist/{name}"), name);
    }
    // That nothing in the log does is looked at in every run.
    let ran = job.input("include-hidden-files", "true").input("dry-run", "true").run().exits_with(0);
    assert_eq!(plan(&ran).len(), AWKWARD_NAMES.len());
    assert!(
        ran.log.contains("  \\::set-env name=X::y") && ran.summary.contains("| ` \\::set-env name=X::y ` | upload |")
    );
}

#[test]
fn a_misspelt_dry_run_is_refused_and_does_not_come_true() {
    let registry = Registry::start(Persona::default());
    for name in ["INPUT_DRYRUN", "INPUT_DRY-RUNS", "INPUT_DRY", "INPUT_DRY_MODE"] {
        let mut job = Job::new(&registry);
        let ran = job.file("dist/a", "1").variable(name, "true").is_refused(&registry);
        ran.has_codes(&["unknown-input"]).says("`dry-run`").says("`dry-run: true`");
        // In a composite action it can be an input of that action.
        job.input("dry-run", "true").run().exits_with(0).says("warning: unknown input ignored: `");
    }
}

#[test]
fn a_dry_run_without_a_token_checks_what_needs_no_registry_and_asks_nothing() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "22").without("INPUT_TOKEN").input("dry-run", "true");
    job.input("checksums", "SHA256SUMS")
        .input("expect", "a")
        .input("aliases", "latest")
        .input("link-repository", "true");
    registry.forget_requests();
    let ran = job.run().exits_with(0);
    assert_eq!(registry.requests(), []);
    let ran = ran.says("Dry run without a token: 2 files");
    assert!(ran.statuses().values().all(|status| status == "planned"), "{:?}", ran.statuses());
    assert!(ran.summary.contains("| ` a ` | upload | 1 B | not checked |"), "{}", ran.summary);
    // What needs no registry is checked: inputs, patterns and names.
    job.input("concurrency", "0").is_refused(&registry);
    job.input("concurrency", "1").input("files", "dist/none").is_refused(&registry);
    job.file("dist/\u{e9}", "").input("files", "dist/*").is_refused(&registry);
    job.input("dry-run", "false").is_refused(&registry).has_codes(&["missing-input"]).says("`token`");
}

fn seed(registry: &Registry, version: &str, files: &[(&str, &str)]) {
    for (name, content) in files {
        registry.seed("alice", "widget", version, name, content.as_bytes());
    }
}

/// A dry run that publishes a new file, a changed one and the checksums file, moves `latest` and links; another job has
/// published one file more.
fn release(registry: &Registry) -> Job {
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

/// A dry run that publishes only the checksums file.
fn checksums_job(registry: &Registry) -> Job {
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
fn files_checksums_file_alias_and_link_are_planned_in_the_order_of_the_run_and_nothing_is_changed() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        let job = release(&registry);
        let before = has(&registry);
        let ran = job.run().exits_with(0).does_not_say("error:").does_not_say("warning:");
        let rows = [
            "upload 1 B missing new",
            "replace 10 B different, 5 B changed",
            "upload 217 B missing SHA256SUMS (checksums of 3 files)",
            "alias 1 identical, 2 different, 1 missing, 1 extra alias latest",
            "upload 1 B missing latest/new",
            "replace 10 B different, 5 B latest/changed",
            "delete 1 B extra file latest/stray",
            "replace 217 B different, 3 B latest/SHA256SUMS",
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
    let mut job = release(&registry);
    let dry = job.run().exits_with(0);
    let planned: BTreeSet<String> = plan(&dry)
        .iter()
        .flat_map(|row| {
            let words: Vec<&str> = row.split(' ').collect();
            let what = row.split(" (").next().and_then(|row| row.rsplit(' ').next()).expect("a word");
            let place = if what.contains('/') { what.to_owned() } else { format!("v1.0.0/{what}") };
            match words[0] {
                "upload" => vec![format!("PUT {place}")],
                "replace" => vec![format!("DELETE {place}"), format!("PUT {place}")],
                "delete" => vec![format!("DELETE {place}")],
                "link" => vec!["POST -/link/widget".to_owned()],
                _ => vec![],
            }
        })
        .collect();
    registry.forget_requests();
    let ran = job.input("dry-run", "false").run().exits_with(0);
    assert_eq!(changes(&registry), planned, "{}", ran.log);
    // The checksums file too has the hash that was foretold, from files that were not there yet.
    let (dry, real) = (dry.outputs["files"].replace("planned", ""), ran.outputs["files"].as_str());
    assert_eq!(dry, real.replace("uploaded", "").replace("replaced", ""));
    assert!(real.contains(r#""name":"SHA256SUMS""#), "{real}");
    // Now there is nothing to do.
    registry.forget_requests();
    let ran = job.input("dry-run", "true").run().exits_with(0);
    let rows = [
        "unchanged 10 B identical changed",
        "unchanged 1 B identical new",
        "unchanged 217 B identical SHA256SUMS (checksums of 3 files)",
        "unchanged identical alias latest",
        "unchanged already linked repository alice/widget",
    ];
    assert_eq!(plan(&ran), rows);
    assert_eq!(changes(&registry), BTreeSet::new());
    assert_eq!(asked(&registry).iter().filter(|line| *line == "PUT %2A").count(), 0, "nothing is to be written");
}

#[test]
fn a_dry_run_that_only_publishes_checksums_says_of_how_many_files() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1"), ("b", "2"), ("sha256sums", "an older one")]);
    let ran = checksums_job(&registry).run().exits_with(0);
    assert_eq!(plan(&ran), ["replace 136 B different, 12 B SHA256SUMS (checksums of 2 files)"]);
    assert_eq!(ran.statuses().into_iter().collect::<Vec<_>>(), [("SHA256SUMS".to_owned(), "planned".to_owned())]);
    assert_eq!(asked(&registry), ["GET files", "PUT %2A", "GET v1.0.0"]);
    let row = "| ` SHA256SUMS (checksums of 2 files) ` | replace | 136 B | different, 12 B |";
    assert!(ran.summary.contains(row) && !ran.summary.contains("```"), "{}", ran.summary);
}

#[test]
fn what_is_expected_may_come_with_the_run_and_what_stays_missing_fails_the_dry_run() {
    let registry = Registry::start(Persona::default());
    let mut job = release(&registry);
    job.input("expect", "new\ntheirs\nchanged").run().exits_with(0);
    let ran = job.input("expect", "new\n*-aarch64-*").run().exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["expected-file-missing"]).says("`*-aarch64-*`");
    let rows = ["upload 1 B missing new", "replace 10 B different, 5 B changed"];
    assert_eq!(plan(&ran), rows, "neither checksums file, alias nor link follow");
    let statuses = ran.statuses();
    let names = ["changed", "new", "SHA256SUMS"];
    assert_eq!(names.map(|name| statuses[name].as_str()), ["planned", "planned", "not-attempted"]);
}

#[test]
fn after_a_conflict_neither_checksums_file_alias_nor_link_are_planned() {
    let registry = Registry::start(Persona::default());
    let ran = release(&registry).input("if-file-exists", "fail").run().exits_with(1).has_a_hint_for_each_error();
    assert_eq!(plan(&ran), ["conflict 10 B different, 5 B changed", "upload 1 B missing new"]);
    assert_eq!(ran.statuses()["SHA256SUMS"], "not-attempted");
    assert_eq!(asked(&registry), ["GET files", "PUT %2A", "GET v1.0.0"]);
}

#[test]
fn without_the_right_to_write_the_plan_is_told_and_nothing_of_it_would_come() {
    let registry = Registry::start(Persona::default());
    let mut job = release(&registry);
    let before = has(&registry);
    let ran = job.token(&registry.token("alice_read")).run().exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["no-write-access"]);
    assert_eq!(plan(&ran).len(), 8, "all but the link: {}", ran.log);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["not-attempted"; 3]);
    assert_eq!(has(&registry), before);
}

#[test]
fn a_checksums_file_or_an_alias_alone_needs_the_right_to_write_and_where_both_are_right_nothing_does() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1")]);
    let mut job = checksums_job(&registry);
    job.input("dry-run", "false").run().exits_with(0);
    job.input("dry-run", "true").token(&registry.token("alice_read"));
    let refused = |job: &Job, row: &str| {
        let ran = job.run().exits_with(1).has_codes(&["no-write-access"]);
        assert!(plan(&ran).iter().any(|told| told.starts_with(row)), "{}", ran.log);
    };
    job.run().exits_with(0);
    refused(job.input("aliases", "latest"), "alias 2 missing");
    seed(&registry, "v1.0.0", &[("b", "2")]);
    refused(job.without("INPUT_ALIASES"), "replace 136 B");
    job.input("aliases", "latest").input("dry-run", "false").token(&registry.token("alice_write")).run().exits_with(0);
    job.input("dry-run", "true").token(&registry.token("alice_read")).run().exits_with(0);
    seed(&registry, "latest", &[("stray", "x")]);
    refused(&job, "delete 1 B extra file latest/stray");
}

#[test]
fn a_dry_run_of_a_checksums_file_exits_as_the_real_run_after_it() {
    type Spoil = for<'a> fn(&'a mut Job, &Registry) -> &'a mut Job;
    let worlds: [(Spoil, i32); 15] = [
        (|job, _| job, 0),
        (|job, _| job.input("expect", "new\nchanged\ntheirs"), 0),
        (|job, _| job.input("expect", "n?w\n*.exe"), 1),
        (|job, _| job.input("if-file-exists", "fail"), 1),
        (|job, _| job.input("if-file-exists", "skip"), 0),
        (|job, _| job.without("INPUT_FILES"), 0),
        (|job, _| job.without("INPUT_FILES").input("expect", "new"), 1),
        // There are no files to cover.
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
        let mut job = release(&registry);
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
    let mut job = release(&registry);
    job.without("INPUT_FILES").input("aliases", "nightly/x\nlatest");
    let ran = job.run().exits_with(0);
    let rows = plan(&ran);
    assert_eq!(
        rows[1..5],
        [
            "alias 3 missing alias nightly/x",
            "upload 5 B missing nightly/x/changed",
            "upload 14 B missing nightly/x/theirs",
            "upload 147 B missing nightly/x/SHA256SUMS",
        ]
    );
    assert_eq!(rows[5], "alias 2 identical, 1 different, 1 extra alias latest");
    let refusal = Action::Answer(Answer::json(403, r#"{"message":"no"}"#));
    registry.script(Fault::always(Match::list().containing("nightly%2Fx"), Point::Head, refusal));
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    assert_eq!(plan(&ran), ["upload 147 B missing SHA256SUMS (checksums of 2 files)"]);
    ran.has_codes(&["alias-mismatch"]).says("nightly/x");
}

#[test]
fn a_dry_run_asks_no_server_to_link_and_says_so_of_a_version_that_is_new() {
    for persona in [Persona::Gitea1_22, Persona::Gitea1_26, Persona::Forgejo7, Persona::Forgejo15] {
        let registry = Registry::start(persona);
        let mut job = release(&registry);
        let last = |job: &Job| plan(&job.run().exits_with(0)).pop().expect("a row");
        assert_eq!(last(&job), "link no visible link repository alice/widget", "{persona:?}");
        job.input("version", "v2");
        assert_eq!(last(&job), "link not known yet: version is new repository alice/widget", "{persona:?}");
        assert!(registry.requests().iter().all(|request| request.method != "POST"), "{persona:?}");
    }
}

#[test]
fn a_dry_run_without_checksums_warns_of_a_checksums_file_that_would_be_stale() {
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
    let ran = checksums_job(&registry).input("aliases", "x##[add-path]|x").run().exits_with(0);
    let count = |word: &str| plan(&ran).iter().filter(|row| row.starts_with(word)).count();
    assert_eq!((count("upload"), count("delete")), (AWKWARD_NAMES.len() + 3, AWKWARD_NAMES.len()));
    let row = "| ` x##\\[add-path]\\|x/\\::set-env name=X::y! ` | delete | 9 B | extra file |";
    assert!(ran.summary.contains(row), "{}", ran.summary);
}

#[test]
fn a_file_that_is_called_like_the_token_is_not_told_in_the_plan() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("a", "1")]);
    let token = registry.token("alice_write");
    seed(&registry, "latest", &[(&token, "somebody knows it")]);
    // That no secret is told anywhere is looked at in every run.
    let ran = checksums_job(&registry).input("aliases", "latest").run().exits_with(0);
    assert!(plan(&ran).iter().any(|row| row.starts_with("delete 17 B")), "{}", ran.log);
}
