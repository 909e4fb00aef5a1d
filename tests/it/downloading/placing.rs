//! Where files are written to, and what stands in the way there.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use embedded_registry::{Action, Fault, Match, Persona, Point, Registry};

use super::{release, tools};
use crate::harness::{Job, Ran};
use crate::rights::run_without_rights;

#[test]
fn a_folder_outside_the_workspace_is_refused_before_anything_is_asked() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    let outside = job.outside("beside");
    fs::create_dir_all(&outside).expect("a folder");
    job.link("link", &outside).link("dead", "nowhere").file("file", "").folder(".git/hooks").link("git", ".git");
    let paths = ["..", "a/../../b", "/etc", "link", "link/deeper", "dead/x"];
    for path in paths.into_iter().chain(["file", "file/x", ".git", "new/.GIT/x", "git/hooks", "tools\nmore"]) {
        job.input("path", path).run_rejected(&registry).has_codes(&["invalid-input"]).says("input `path`");
    }
    assert_eq!(fs::read_dir(outside).expect("a folder").count(), 0);
    // As the runner calls it, it is in the workspace.
    job.input("path", job.workspace().join("tools")).run().exits_with(0);
    assert_eq!(tools(&job).len(), 3);
}

#[test]
fn a_path_as_in_a_shell_or_on_windows_is_refused_before_anything_is_asked() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    for (path, code, named) in [
        ("~/tools", "unexpanded-variable", "`~/`"),
        ("~", "unexpanded-variable", "`~`"),
        ("$HOME/tools", "unexpanded-variable", "`$HOME`"),
        ("%USERPROFILE%", "unexpanded-variable", "`%USERPROFILE%`"),
        (r"tools\bin", "backslash-in-pattern", "`path: tools/bin`"),
        (r"C:\tools", "windows-path", "`path: tools`"),
        ("D:/tools", "windows-path", "`path: tools`"),
        (r"D:\a\widget\widget\tools", "windows-path", "`path: tools`"),
    ] {
        job.input("path", path).run_rejected(&registry).has_codes(&[code]).says(named);
        assert_eq!(fs::read_dir(job.workspace()).expect("a folder").count(), 0);
    }
    // A folder of that name is no mistake.
    for path in ["~", r"tools\bin"] {
        job.folder(path).input("path", path).run().exits_with(0);
        assert_eq!(fs::read(job.workspace().join(path).join("a.txt")).expect("a file"), b"hello\n");
    }
}

#[test]
fn all_invalid_inputs_are_reported_at_once() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.input("path", "..").input("files", "a/b\n..").input("executable", "!x").input("checksums", "a/b");
    job.input("retries", "many").input("version", "..").input("if-no-files-found", "wran");
    let ran = job.run_rejected(&registry);
    assert_eq!(ran.codes.len(), 8, "{}", ran.log);
    ran.says("input `files`: `a/b`").says("input `executable`").says("input `checksums`: `a/b`");
}

#[test]
fn a_link_in_a_files_place_is_replaced_and_not_followed() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    let outside = job.outside("secret");
    fs::write(&outside, "stays").expect("a file");
    job.link("tools/a.txt", &outside).run().exits_with(0).says("3 downloaded");
    assert_eq!(fs::read(&outside).expect("a file"), b"stays");
    assert!(!job.workspace().join("tools/a.txt").is_symlink());
    assert_eq!(tools(&job)["a.txt"], b"hello\n");
}

#[test]
fn what_killed_runs_have_left_is_deleted_and_nothing_else() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    let outside = job.outside("secret");
    fs::write(&outside, "stays").expect("a file");
    let parts = [".a.generic-packages-part", ".b.generic-packages-part", ".c.generic-packages-part"];
    let [left, link, second_name] = parts.map(|name| format!("tools/{name}"));
    let others = ["a.generic-packages-part", ".a.generic-packages-part.txt"];
    job.input("files", "a.txt").input("path", "tools");
    // Also by a run that has nothing to download.
    for says in ["1 downloaded", "1 unchanged"] {
        job.file(&left, "hel").link(&link, &outside);
        fs::hard_link(&outside, job.workspace().join(&second_name)).expect("a second name");
        for name in others {
            job.file(format!("tools/{name}"), "stays");
        }
        job.run().exits_with(0).says(says);
        assert_eq!(tools(&job).into_keys().collect::<Vec<_>>(), [others[1], others[0], "a.txt"]);
        assert_eq!(fs::read(&outside).expect("a file"), b"stays");
    }
}

#[test]
fn a_folder_that_becomes_a_link_during_the_run_leads_nowhere() {
    // What was opened before stays what it is, and it is an error that the files are not where they should be.
    for (on, code, moved) in
        [(Match::list(), "destination-is-no-folder", 1), (Match::get("app"), "destination-changed", 3)]
    {
        let registry = release(Persona::default());
        let mut job = Job::downloading(&registry);
        let (folder, outside) = (job.workspace().join("tools"), job.outside("beside"));
        fs::create_dir_all(&outside).expect("a folder");
        job.file("tools/a.txt", "old");
        let target = outside.clone();
        let swap = Action::then(move |_| {
            fs::rename(&folder, folder.with_file_name("moved")).expect("it can be moved");
            symlink(&target, &folder).expect("a link can be made");
        });
        registry.add_fault(Fault::once(on, Point::Head, swap));
        let ran = job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&[code]);
        assert_eq!(ran.outputs["downloaded"], "0");
        assert_eq!(fs::read_dir(outside).expect("a folder").count(), 0);
        assert_eq!(fs::read_dir(job.workspace().join("moved")).expect("a folder").count(), moved);
    }
}

#[test]
fn a_folder_in_a_files_place_is_an_error_and_nothing_is_written() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.folder("tools/app").file("tools/empty", "old");
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["destination-is-a-folder"]);
    assert_eq!(ran.statuses().into_iter().collect::<Vec<_>>().len(), 3);
    assert!(!job.workspace().join("tools/a.txt").exists());
    assert_eq!(fs::read(job.workspace().join("tools/empty")).expect("a file"), b"old");
    assert_eq!(ran.statuses()["app"], "failed");
}

/// Runs a job whose files may have no more than so many blocks of 512 or 1024 bytes, as on a full disk.
pub(crate) fn run_with_little_space(job: &Job, blocks: u32) -> Ran {
    let inner = job.command();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" download")]).arg(inner.get_program());
    shell.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(job.workspace());
    job.run_as(shell)
}

#[test]
fn a_full_disk_is_an_error_that_says_what_is_needed() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.file("tools/app", "old");
    let ran = run_with_little_space(&job, 100).exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["disk-full"]).says("caused by: File too large");
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["downloaded", "failed", "downloaded"]);
    assert_eq!(tools(&job).into_keys().collect::<Vec<_>>(), ["a.txt", "app", "empty"]);
    assert_eq!(tools(&job)["app"], b"old");
}

#[test]
fn a_folder_that_may_not_be_written_is_an_error_with_its_path() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.file("tools/a.txt", "old");
    let folder = job.workspace().join("tools");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).expect("rights can be changed");
    let Some(ran) = run_without_rights(&job, &registry) else { return };
    let ran = ran.exits_with(1).has_a_hint_for_each_error().has_codes(&["permission-denied"; 3]);
    ran.says("caused by: Permission denied");
    assert_eq!(tools(&job), [("a.txt".to_owned(), b"old".to_vec())].into());
    let Some(ran) = run_without_rights(job.input("path", "tools/deeper"), &registry) else { return };
    ran.exits_with(1).has_codes(&["permission-denied"]).says("Permission denied");
}

/// Lets everybody write to the folder of the downloads, and nobody else than its owner to a file in it.
fn not_theirs(job: &Job, name: &str) -> PathBuf {
    let folder = job.workspace().join("tools");
    let file = folder.join(name);
    for (path, mode) in [(&folder, 0o777), (&file, 0o444)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("rights can be changed");
    }
    file
}

#[test]
fn what_another_user_left_is_deleted() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.input("files", "a.txt").file("tools/.a.txt.generic-packages-part", "of root");
    not_theirs(&job, ".a.txt.generic-packages-part");
    let Some(ran) = run_without_rights(&job, &registry) else { return };
    ran.exits_with(0);
    assert_eq!(tools(&job), [("a.txt".to_owned(), b"hello\n".to_vec())].into());
}

#[test]
fn another_users_file_that_should_be_executable_is_fetched_anew() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.input("files", "a.txt").input("executable", "a.txt").file("tools/a.txt", "hello\n");
    let file = not_theirs(&job, "a.txt");
    let Some(ran) = run_without_rights(&job, &registry) else { return };
    ran.exits_with(0);
    let mode = fs::metadata(&file).expect("it is there").permissions().mode();
    assert_eq!((mode & 0o111 != 0, fs::read(&file).expect("a file")), (true, b"hello\n".to_vec()));
}

#[test]
fn what_has_another_name_elsewhere_gets_no_other_rights() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    let outside = job.outside("beside");
    fs::write(&outside, "hello\n").expect("a file");
    job.folder("tools");
    fs::hard_link(&outside, job.workspace().join("tools/a.txt")).expect("a second name");
    job.input("files", "a.txt").input("executable", "a.txt").run().exits_with(0);
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o111;
    assert_eq!((mode(&outside), mode(&job.workspace().join("tools/a.txt"))), (0, 0o111));
}

#[test]
fn a_file_has_the_rights_of_a_new_one_whatever_was_in_its_place() {
    let registry = release(Persona::default());
    for mode in [0o755, 0o777, 0o600, 0o4777] {
        let mut job = Job::downloading(&registry);
        job.file("tools/a.txt", "old");
        let path = |name: &str| job.workspace().join("tools").join(name);
        fs::set_permissions(path("a.txt"), fs::Permissions::from_mode(mode)).expect("rights can be changed");
        job.run().exits_with(0).says("3 downloaded");
        let mode_of = |name: &str| fs::metadata(path(name)).expect("it is there").permissions().mode();
        assert_eq!(mode_of("a.txt"), mode_of("empty"), "{mode:o}");
    }
}

#[test]
fn two_runs_at_once_both_put_the_whole_file_into_its_place() {
    let registry = Registry::start(Persona::default());
    let bytes: Vec<u8> = (0..2_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    registry.seed("alice", "widget", "v1.0.0", "app", &bytes);
    let job = Job::downloading(&registry);
    let (other, folder, whole) = (Mutex::new(job.command()), job.workspace().join("tools"), bytes.clone());
    // While the first one receives, the second one begins and ends.
    let second = Action::then(move |_| {
        let ran = other.lock().expect("it runs once").output().expect("it runs");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        assert_eq!(fs::read(folder.join("app")).expect("a file"), whole);
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 2, "the first one's file is left to it");
    });
    registry.add_fault(Fault::once(Match::get("app"), Point::AnswerByte(500_000), second));
    job.run().exits_with(0).says("1 downloaded");
    assert_eq!(tools(&job), [("app".to_owned(), bytes)].into());
}
