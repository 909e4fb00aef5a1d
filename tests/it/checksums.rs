//! The checksums file of a version: `checksums`, `expect`, the output `checksums-file`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use generic_packages::checksum::Hasher;

use crate::harness::{Job, Ran, gather};
use crate::stopping::{holds, stopped};

/// A job that publishes the checksums file of version v1.0.0, and publishes nothing of its own.
fn checksums_job(registry: &Registry) -> Job {
    let mut job = Job::new(registry);
    job.without("INPUT_FILES").input("checksums", "SHA256SUMS");
    job
}

fn seed(registry: &Registry, name: &str, content: &str) {
    registry.seed("alice", "widget", "v1.0.0", name, content.as_bytes());
}

fn read(registry: &Registry, name: &str) -> Option<String> {
    registry.read("alice", "widget", "v1.0.0", name).map(|bytes| String::from_utf8(bytes).expect("a text"))
}

/// The line of a list that `sha256sum` would write.
fn line(name: &str, content: &str) -> String {
    let mut hasher = Hasher::default();
    hasher.update(content.as_bytes());
    format!("{}  {name}\n", hasher.finish())
}

/// What the checksums file of the version has to be now.
fn right_checksums(registry: &Registry) -> String {
    let mut files = registry.files("alice", "widget", "v1.0.0");
    files.retain(|file| !file.name.eq_ignore_ascii_case("SHA256SUMS"));
    files.sort_by(|one, other| one.name.cmp(&other.name));
    files.iter().map(|file| format!("{}  {}\n", file.sha256, file.name)).collect::<Vec<_>>().concat()
}

/// The changes that were asked for, each with the name of its file.
fn changes(registry: &Registry) -> Vec<String> {
    let requests = registry.requests();
    let last = |target: &str| target.rsplit('/').next().unwrap_or_default().to_owned();
    let changes = requests.iter().filter(|request| request.method != "GET");
    changes.map(|request| format!("{} {}", request.method, last(&request.target))).collect()
}

/// Where a job finds the copy of the checksums file.
fn copy(job: &Job) -> PathBuf {
    job.workspace().join(".generic-packages/SHA256SUMS")
}

/// What a job does on the registry between two looks of ours.
fn another_publishes(name: &'static str) -> Action {
    Action::then(move |world| {
        world.store("alice", "widget", "v1.0.0", name, b"late");
    })
}

#[test]
fn the_checksums_file_names_every_file_of_the_version_and_is_uploaded_last() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        seed(&registry, "other-job.zip", "theirs");
        let mut job = Job::new(&registry);
        job.file("dist/b", "22").file("dist/a", "1").input("checksums", "SHA256SUMS");
        let ran = job.run().exits_with(0);
        let wanted = [line("a", "1"), line("b", "22"), line("other-job.zip", "theirs")].concat();
        assert_eq!(read(&registry, "SHA256SUMS"), Some(wanted.clone()), "{persona:?}");
        assert_eq!(changes(&registry).last().map(String::as_str), Some("PUT SHA256SUMS"));
        assert_eq!(ran.statuses()["SHA256SUMS"], "uploaded");
        assert_eq!(ran.outputs["uploaded"], "3");
        assert_eq!(ran.outputs["checksums-file"], ".generic-packages/SHA256SUMS");
        assert_eq!(fs::read_to_string(copy(&job)).expect("the copy"), wanted);
    }
}

#[test]
fn sha256sum_accepts_a_version_with_checksums_whatever_the_names_are() {
    let registry = Registry::start(Persona::default());
    for name in crate::harness::AWKWARD_NAMES.iter().chain(&["-"]) {
        seed(&registry, name, name);
    }
    let job = checksums_job(&registry);
    job.run().exits_with(0);
    let folder = job.outside("downloaded");
    fs::create_dir(&folder).expect("a folder");
    for file in registry.files("alice", "widget", "v1.0.0") {
        fs::write(folder.join(&file.name), read(&registry, &file.name).expect("it is there")).expect("a file");
    }
    for sums in [folder.join("SHA256SUMS"), copy(&job)] {
        let checked = Command::new("sha256sum").args(["--strict", "-c"]).arg(sums).current_dir(&folder).output();
        let checked = checked.expect("coreutils are there");
        let said = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "{said}");
        assert_eq!(said.lines().filter(|line| line.ends_with(": OK")).count(), 26);
    }
}

#[test]
fn a_job_that_only_publishes_checksums_needs_no_files() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "a", "1");
    let ran = checksums_job(&registry).run().exits_with(0);
    assert_eq!(ran.statuses().into_iter().collect::<Vec<_>>(), [("SHA256SUMS".to_owned(), "uploaded".to_owned())]);
    assert_eq!(changes(&registry), ["PUT SHA256SUMS"]);
    assert_eq!(read(&registry, "SHA256SUMS"), Some(line("a", "1")));
}

#[test]
fn a_checksums_file_that_is_still_right_is_not_touched() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "a", "1");
    let job = checksums_job(&registry);
    job.run().exits_with(0);
    registry.forget_requests();
    let ran = job.run().exits_with(0);
    assert_eq!(ran.statuses()["SHA256SUMS"], "unchanged");
    assert_eq!(ran.outputs["checksums-file"], ".generic-packages/SHA256SUMS");
    assert_eq!(changes(&registry), [""; 0]);
}

#[test]
fn an_older_checksums_file_is_replaced_whatever_is_to_happen_with_other_content() {
    for policy in ["fail", "skip", "overwrite"] {
        let registry = Registry::start(Persona::default());
        seed(&registry, "a", "1");
        seed(&registry, "sha256sums", "an older one");
        let ran = checksums_job(&registry).input("if-file-exists", policy).run().exits_with(0);
        assert_eq!(ran.statuses()["SHA256SUMS"], "replaced", "{policy}");
        assert_eq!(changes(&registry), ["PUT %2A", "DELETE SHA256SUMS", "PUT SHA256SUMS"]);
        assert_eq!(read(&registry, "SHA256SUMS"), Some(line("a", "1")));
    }
}

#[test]
fn nothing_but_the_checksums_file_is_replaced_without_being_asked_for() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "a", "theirs");
    let mut job = Job::new(&registry);
    job.file("dist/a", "ours").file("dist/b", "2").input("checksums", "SHA256SUMS");
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["not-attempted", "failed", "not-attempted"]);
    assert_eq!(ran.outputs["checksums-file"], "");
    assert_eq!(changes(&registry), [""; 0]);
}

#[test]
fn what_was_skipped_is_covered_as_the_registry_has_it() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "a", "theirs");
    let mut job = Job::new(&registry);
    job.file("dist/a", "ours").input("checksums", "SHA256SUMS").input("if-file-exists", "skip").run().exits_with(0);
    assert_eq!(read(&registry, "SHA256SUMS"), Some(line("a", "theirs")));
}

#[test]
fn what_is_expected_and_missing_keeps_the_version_from_getting_checksums() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "app-x86_64-linux", "1");
    // The checksums file itself is nothing that could be expected.
    seed(&registry, "SHA256SUMS", "an older one");
    let mut job = checksums_job(&registry);
    job.input("expect", "*-x86_64-*\n*-aarch64-*\n\n  [S]*\n");
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["expected-file-missing"; 2]).says("`*-aarch64-*`").says("`app-x86_64-linux`");
    assert_eq!(ran.statuses()["SHA256SUMS"], "not-attempted");
    assert_eq!(ran.outputs["checksums-file"], "");
    assert_eq!(read(&registry, "SHA256SUMS").as_deref(), Some("an older one"));
    assert_eq!(changes(&registry), [""; 0]);
    seed(&registry, "app-aarch64-linux", "2");
    job.input("expect", "*-x86_64-*\napp-{aarch64,riscv}-linux").run().exits_with(0);
}

#[test]
fn a_version_without_files_gets_no_checksums() {
    let registry = Registry::start(Persona::default());
    checksums_job(&registry).run().exits_with(1).has_a_hint_for_each_error().has_codes(&["version-has-no-files"]);
    seed(&registry, "SHA256SUMS", "of what is gone");
    checksums_job(&registry).run().exits_with(1).has_codes(&["version-has-no-files"]);
    assert_eq!(changes(&registry), [""; 0]);
}

#[test]
fn where_a_file_of_the_run_is_not_published_no_checksums_are_published() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "other", "1");
    let refused = Action::Answer(Answer::text(400, "invalid filename"));
    registry.script(Fault::always(Match::put("/v1.0.0/a"), Point::Head, refused));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").input("checksums", "SHA256SUMS");
    let ran = job.run().exits_with(1);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["not-attempted", "failed"]);
    assert_eq!((read(&registry, "SHA256SUMS"), copy(&job).exists()), (None, false));
}

#[test]
fn wildcards_pass_over_the_name_of_the_checksums_file_whatever_its_case() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/SHA256SUMS", "of a build").file("out/sha256sums", "of another");
    job.input("files", "dist/*\n{out,dist}/*\n!dist/SHA256SUMS").input("checksums", "SHA256SUMS");
    let ran = job.run().exits_with(0).does_not_say("warning: ");
    assert_eq!(ran.statuses().into_keys().collect::<Vec<_>>(), ["SHA256SUMS", "a"]);
    assert_eq!(read(&registry, "SHA256SUMS"), Some(line("a", "1")));
}

#[test]
fn wildcards_do_not_enter_the_folder_of_the_copy() {
    let registry = Registry::start(Persona::default());
    let mut job = checksums_job(&registry);
    seed(&registry, "a", "1");
    job.run().exits_with(0);
    job.without("INPUT_CHECKSUMS").file("b", "2").input("include-hidden-files", "true").input("files", "**");
    assert_eq!(job.run().exits_with(0).statuses().into_keys().collect::<Vec<_>>(), ["b"]);
    let ran = job.input("files", ".generic-packages/*").run().exits_with(0);
    assert_eq!(ran.statuses()["SHA256SUMS"], "unchanged");
}

#[test]
fn lines_that_find_only_the_name_of_the_checksums_file_find_nothing() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/SHA256SUMS", "of a build").input("checksums", "SHA256SUMS");
    job.is_refused(&registry).has_codes(&["no-files-found"]).says("`dist/*`").says("dist/SHA256SUMS");
}

#[test]
fn a_line_that_names_the_checksums_file_is_refused() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/SUMS[1]", "1").input("checksums", "SHA256SUMS");
    for named in ["SHA256SUMS", "dist/sha256sums"] {
        job.input("files", format!("dist/a\n{named}"));
        job.is_refused(&registry).has_codes(&["invalid-input"]).says(&format!("input `files`: `{named}`"));
    }
    // Whatever its characters mean in a pattern.
    job.input("files", "dist/a\ndist/SUMS[1]").input("checksums", "sums[1]");
    job.is_refused(&registry).has_codes(&["reserved-name"]).says("`sums[1]`");
}

#[test]
fn bad_names_and_patterns_are_refused_together() {
    let registry = Registry::start(Persona::default());
    let mut job = checksums_job(&registry);
    let ran = job.input("checksums", "a/b").input("expect", "a/*\n").is_refused(&registry);
    assert_eq!(ran.errors().len(), 2, "{}", ran.log);
    for bad in [".git", "HEAD", ".Generic-Packages-Part", "a,b", "Mirrored"] {
        let ran = job.input("checksums", bad).input("expect", "x").is_refused(&registry);
        ran.has_codes(&["invalid-input"]).says("`checksums`");
    }
    job.input("checksums", "SHA256SUMS").input("expect", "a\n!b");
    job.is_refused(&registry).has_codes(&["invalid-input"]).says("`expect`");
    job.input("expect", "{app\nsha256sums");
    job.is_refused(&registry).has_codes(&["unbalanced-brace", "invalid-input"]).says("`expect`");
    job.without("INPUT_CHECKSUMS").input("files", "dist/*");
    job.is_refused(&registry).has_codes(&["invalid-input"]).says("`expect`");
}

#[test]
fn a_place_that_cannot_take_the_copy_is_told_before_anything_is_sent() {
    let registry = Registry::start(Persona::default());
    for (spoil, code) in [
        ((|job| job.file(".generic-packages", "")) as fn(&mut Job) -> &mut Job, "destination-is-no-folder"),
        (|job| job.link(".generic-packages", "dist"), "destination-is-no-folder"),
        (|job| job.folder(".generic-packages/SHA256SUMS"), "destination-is-a-folder"),
    ] {
        let mut job = Job::new(&registry);
        job.file("dist/a", "1").input("checksums", "SHA256SUMS");
        spoil(&mut job).is_refused(&registry).has_codes(&[code]).does_not_say("`path`");
    }
}

#[test]
fn the_copy_replaces_a_link_and_does_not_follow_it() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "a", "1");
    let mut job = checksums_job(&registry);
    let victim = job.outside("victim");
    fs::write(&victim, "untouched").expect("a file");
    job.link(".generic-packages/SHA256SUMS", &victim).run().exits_with(0);
    assert_eq!(fs::read_to_string(&victim).expect("it is there"), "untouched");
    assert_eq!(fs::read_to_string(copy(&job)).expect("the copy"), line("a", "1"));
}

#[test]
fn a_file_that_comes_while_checksums_are_published_is_covered_too() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "a", "1");
    registry.script(Fault::once(Match::put("/SHA256SUMS"), Point::AfterStore, another_publishes("late")));
    let ran = checksums_job(&registry).run().exits_with(0);
    assert_eq!(read(&registry, "SHA256SUMS"), Some([line("a", "1"), line("late", "late")].concat()));
    assert_eq!(ran.outputs["failed"], "0");
}

#[test]
fn a_version_that_changes_during_each_attempt_is_given_up_after_three_times() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "a", "1");
    let count = std::sync::atomic::AtomicUsize::new(0);
    let another = Action::then(move |world| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        world.seed("alice", "widget", "v1.0.0", &format!("late-{number}"), b"late");
    });
    registry.script(Fault::always(Match::put("/SHA256SUMS"), Point::AfterStore, another));
    let ran = checksums_job(&registry).run().exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["checksums-outdated"]);
    assert_eq!(ran.statuses()["SHA256SUMS"], "failed");
    assert_eq!(ran.outputs["checksums-file"], "");
    assert_eq!(changes(&registry).iter().filter(|change| *change == "PUT SHA256SUMS").count(), 3);
    registry.clear_script();
    checksums_job(&registry).run().exits_with(0);
    assert_eq!(read(&registry, "SHA256SUMS"), Some(right_checksums(&registry)));
}

#[test]
fn a_checksums_file_that_another_job_was_faster_with_is_made_anew_where_it_is_not_right() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "a", "1");
    seed(&registry, "SHA256SUMS", "an older one");
    // Just before the deletion, in its gap, and when ours was taken.
    for (on, at) in [
        (Match::put("/%2A"), Point::Head),
        (Match::delete("/SHA256SUMS"), Point::AfterStore),
        (Match::put("/SHA256SUMS"), Point::AfterStore),
    ] {
        registry.world().delete("alice", "widget", "v1.0.0", "SHA256SUMS");
        seed(&registry, "SHA256SUMS", "an older one");
        let another = Action::then(|world| {
            world.delete("alice", "widget", "v1.0.0", "SHA256SUMS");
            world.seed("alice", "widget", "v1.0.0", "SHA256SUMS", b"another job's");
        });
        registry.script(Fault::once(on.clone(), at, another));
        let mut job = checksums_job(&registry);
        job.input("retries", "3").run_in_short().exits_with(0);
        assert_eq!(read(&registry, "SHA256SUMS"), Some(line("a", "1")), "{on:?}");
    }
}

#[test]
fn of_two_jobs_that_publish_checksums_at_once_both_are_green_and_the_checksums_file_is_right() {
    for older in [None, Some("an older one")] {
        let registry = Registry::start(Persona::default());
        seed(&registry, "a", "1");
        if let Some(older) = older {
            seed(&registry, "SHA256SUMS", older);
        }
        // Neither goes on before both know what is there.
        registry.script(Fault::once(Match::list(), Point::AfterStore, gather(2)).times(2).skip(2));
        let jobs = [checksums_job(&registry), checksums_job(&registry)].map(|mut job| {
            job.input("retries", "5");
            job
        });
        let runs: Vec<Ran> = std::thread::scope(|scope| {
            let runs: Vec<_> = jobs.iter().map(|job| scope.spawn(|| job.run_in_short())).collect();
            runs.into_iter().map(|run| run.join().expect("no run panics")).collect()
        });
        for ran in runs {
            ran.exits_with(0);
        }
        assert_eq!(read(&registry, "SHA256SUMS"), Some(line("a", "1")));
    }
}

#[test]
fn publishing_into_a_version_with_checksums_warns_that_the_checksums_file_is_stale() {
    for name_of_checksums in ["SHA256SUMS", "sha256sums"] {
        let registry = Registry::start(Persona::default());
        seed(&registry, name_of_checksums, "an older one");
        let mut job = Job::new(&registry);
        job.file("dist/a", "1");
        let ran = job.run().exits_with(0).says(&format!("warning: `{name_of_checksums}`"));
        ran.says(&format!("`checksums: {name_of_checksums}`"));
        // Nothing changes.
        job.run().exits_with(0).does_not_say("warning: ");
        // A job that publishes its own checksums file is not warned.
        let mut job = Job::new(&registry);
        job.file("dist/b", "2")
            .file(format!("dist/{name_of_checksums}"), "an older one")
            .run()
            .exits_with(0)
            .does_not_say("warning: ");
    }
}

#[test]
fn a_file_whose_name_no_list_of_checksums_could_have_keeps_the_version_from_getting_checksums() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "a", "1");
    let sha256 = "0".repeat(64);
    for name in [r"a\nb", r"..\\x", "../x"] {
        let list = format!(r#"[{{"name":"{name}","size":1,"sha256":"{sha256}"}}]"#);
        registry.script(Fault::always(Match::list(), Point::Head, Action::Answer(Answer::json(200, list.clone()))));
        let ran = checksums_job(&registry).run().exits_with(1).has_a_hint_for_each_error();
        ran.has_codes(&["unsafe-name"]);
        registry.clear_script();
    }
    let token = registry.token("alice_write");
    let list = format!(r#"[{{"name":"{token}","size":1,"sha256":"{sha256}"}}]"#);
    registry.script(Fault::always(Match::list(), Point::Head, Action::Answer(Answer::json(200, list.clone()))));
    checksums_job(&registry).run().exits_with(1).has_codes(&["unsafe-name"]);
    assert_eq!(read(&registry, "SHA256SUMS"), None);
}

#[test]
fn a_signal_before_the_checksums_file_leaves_the_version_without_checksums_and_says_so() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").input("checksums", "SHA256SUMS").input("timeout", "3600");
    let moment = holds(&registry, Match::put("/SHA256SUMS"), Point::BeforeStore, 0);
    let ran = stopped(&job, &moment, rustix::process::Signal::TERM).exits_with(143);
    let ran = ran.has_codes(&["stopped-by-signal"]);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["unknown", "uploaded"]);
    assert_eq!((ran.outputs["checksums-file"].as_str(), read(&registry, "SHA256SUMS")), ("", None));
    registry.clear_script();
    job.run().exits_with(0);
    assert_eq!(read(&registry, "SHA256SUMS"), Some(line("a", "1")));
}

#[test]
fn another_step_in_the_same_workspace_does_not_disturb_the_checksums_file() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").input("checksums", "SHA256SUMS");
    let path = copy(&job);
    let writes = Action::then(move |_| fs::write(&path, "another step's").expect("the folder is there"));
    registry.script(Fault::once(Match::put("/SHA256SUMS"), Point::Head, writes));
    job.run().exits_with(0);
    assert_eq!(read(&registry, "SHA256SUMS"), Some(line("a", "1")));
    assert_eq!(fs::read_to_string(copy(&job)).expect("the copy"), line("a", "1"));
}
