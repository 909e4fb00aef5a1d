//! Dry runs: what they tell, and that they change nothing.

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
pub(crate) fn plan(ran: &Ran) -> Vec<String> {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let rows = ran.log.lines().map(words).skip_while(|line| line != "plan size on the registry what").skip(1);
    rows.take_while(|line| !line.starts_with(['D', 'e', ':'])).collect()
}

/// Method and last segment of each request.
pub(crate) fn asked(registry: &Registry) -> Vec<String> {
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
            ["upload 1.9 KiB nothing new", "unchanged 4 B the same same", "replace 10 B other content, 15 B changed"];
        assert_eq!(plan(&ran), rows, "{persona:?}: {}", ran.log);
        let sentence = "Dry run, nothing was changed; a real run would succeed: 1 upload, 1 replace, 1 unchanged";
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
                 | ` changed ` | skip | 10 B | other content, 15 B |\n\
                 | ` new ` | upload | 1.9 KiB | nothing |\n\
                 | ` same ` | unchanged | 4 B | the same |\n\
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
    assert_eq!(plan(&ran)[0], "conflict 10 B other content, 15 B changed");
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
    assert_eq!(plan(&ran), ["upload 1.9 KiB nothing new"]);
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
    assert_eq!(plan(&ran), ["upload 1 B nothing a", "link not known yet: version is new repository alice/widget"]);
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
    let names: Vec<String> = (0..20).map(|number| format!("upload 0 B nothing {number:02}")).collect();
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
    assert_eq!((ran.errors().len(), plan(&ran)), (1, vec!["upload 1 B nothing b".to_owned()]), "{}", ran.log);
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
    ran.says("not known: 1 upload, 1 replace, 1 unchanged");
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
    assert!(ran.summary.contains("registry not asked"), "{}", ran.summary);
    // What needs no registry is checked: inputs, patterns and names.
    job.input("concurrency", "0").is_refused(&registry);
    job.input("concurrency", "1").input("files", "dist/none").is_refused(&registry);
    job.file("dist/\u{e9}", "").input("files", "dist/*").is_refused(&registry);
    job.input("dry-run", "false").is_refused(&registry).has_codes(&["missing-input"]).says("`token`");
}
