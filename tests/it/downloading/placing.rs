//! Where files are written to, and what stands in the way there.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use embedded_registry::{Action, Fault, Match, Persona, Point, Registry};
use generic_packages::files::{Folder, Place, PlaceError, PlaceFault};
use generic_packages::package::FileName;
use rustix::fs::inotify;

use super::{release, tools};
use crate::harness::Job;
use crate::rights::run_without_rights;

#[test]
fn a_folder_outside_the_workspace_is_refused_before_anything_is_asked() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    let outside = job.outside("beside");
    fs::create_dir_all(&outside).expect("a folder");
    job.link("link", &outside).link("dead", "nowhere").file("file", "").folder(".git/hooks").link("git", ".git");
    for path in [
        "..",
        "a/../../b",
        "/etc",
        "link",
        "link/deeper",
        "dead/x",
        "file",
        "file/x",
        ".git",
        "new/.GIT/x",
        "git/hooks",
        "tools\nmore",
    ] {
        job.input("path", path).is_refused(&registry).has_codes(&["invalid-input"]).says("input `path`");
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
        job.input("path", path).is_refused(&registry).has_codes(&[code]).says(named);
        assert_eq!(fs::read_dir(job.workspace()).expect("a folder").count(), 0);
    }
    // A folder of that name is no mistake.
    for path in ["~", r"tools\bin"] {
        job.folder(path).input("path", path).run().exits_with(0);
        assert_eq!(fs::read(job.workspace().join(path).join("a.txt")).expect("a file"), b"hello\n");
    }
}

#[test]
fn all_that_is_wrong_with_the_inputs_is_told_at_once() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.input("path", "..").input("files", "a/b\n..").input("executable", "!x").input("checksums", "a/b");
    job.input("retries", "many").input("version", "..").input("if-no-files-found", "wran");
    let ran = job.is_refused(&registry);
    assert_eq!(ran.codes.len(), 8, "{}", ran.log);
    ran.says("input `files`: `a/b`").says("input `executable`").says("input `checksums`: `a/b`");
}

#[test]
fn a_link_in_a_files_place_is_replaced_and_not_followed() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    let outside = job.outside("secret");
    fs::write(&outside, "stays").expect("a file");
    job.link("tools/a.txt", &outside).link("tools/.app.generic-packages-part", &outside);
    job.run().exits_with(0);
    assert_eq!(fs::read(&outside).expect("a file"), b"stays");
    assert!(!job.workspace().join("tools/a.txt").is_symlink());
    assert_eq!(tools(&job)["a.txt"], b"hello\n");
}

#[test]
fn what_has_a_second_name_is_not_written_through() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    let outside = job.outside("secret");
    fs::write(&outside, "stays").expect("a file");
    job.folder("tools");
    fs::hard_link(&outside, job.workspace().join("tools/.a.txt.generic-packages-part")).expect("a second name");
    job.run().exits_with(0);
    assert_eq!(fs::read(&outside).expect("a file"), b"stays");
}

#[test]
fn a_folder_that_becomes_a_link_meanwhile_leads_nowhere() {
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
    registry.script(Fault::once(Match::list(), Point::Head, swap.clone()));
    let ran = job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&["destination-is-no-folder"]);
    assert_eq!(ran.outputs["downloaded"], "0");
    // What was opened before stays what it is, and it is told that the files are not where they should be.
    let (registry, mut job) = (release(Persona::default()), Job::downloading(&registry));
    job.against(&registry);
    let (folder, target) = (job.workspace().join("tools"), outside.clone());
    let swap = Action::then(move |_| {
        fs::rename(&folder, folder.with_file_name("moved")).expect("it can be moved");
        symlink(&target, &folder).expect("a link can be made");
    });
    registry.script(Fault::once(Match::get("app"), Point::Head, swap));
    let ran = job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&["destination-changed"]);
    assert_eq!(ran.outputs["downloaded"], "0");
    assert_eq!(fs::read_dir(outside).expect("a folder").count(), 0);
    assert_eq!(fs::read_dir(job.workspace().join("moved")).expect("a folder").count(), 3);
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

#[test]
fn a_full_disk_is_an_error_that_says_what_is_needed() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.file("tools/app", "old");
    let inner = job.command();
    // No file may have more than so many blocks of 512 or 1024 bytes.
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 100; exec \"$0\" download"]).arg(inner.get_program());
    shell.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(job.workspace());
    let ran = job.run_as(shell).exits_with(1).has_a_hint_for_each_error();
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

/// An open folder for downloads.
fn open_folder(workspace: &Path) -> Arc<Folder> {
    let place = Place { workspace: workspace.canonicalize().expect("a path"), within: PathBuf::new() };
    Arc::new(Folder::make(&place).expect("a folder"))
}

#[test]
fn what_another_user_left_of_a_file_is_begun_anew() {
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
fn what_another_run_has_lost_is_not_put_into_its_place_by_it() {
    let workspace = tempfile::tempdir().expect("a temporary folder");
    let folder = open_folder(workspace.path());
    let name = FileName::parse("tool").expect("a name");
    let (first, _) = folder.begin(&name).expect("nobody else writes");
    // Whoever cleans up in between, another run begins a part of the same name.
    let part = workspace.path().join(".tool.generic-packages-part");
    fs::remove_file(&part).expect("it is there");
    let (second, mut writing) = folder.begin(&name).expect("the name is free");
    let lost = first.finish(0).expect_err("it would be what the second has written so far");
    assert!(matches!(lost.fault, PlaceFault::TakenAway), "{lost}");
    assert!(part.exists(), "the second goes on");
    writing.write(b"whole").expect("it is written");
    second.finish(5).expect("its place is free");
    assert_eq!(fs::read(workspace.path().join("tool")).expect("it is in its place"), b"whole");

    // What has another length is not what was written, whoever has changed it.
    for length in [4, 6, 0] {
        let (cut, mut writing) = folder.begin(&name).expect("the name is free");
        writing.write(b"whole").expect("it is written");
        fs::File::options().write(true).open(&part).and_then(|file| file.set_len(length)).expect("it can be changed");
        let lost = cut.finish(5).expect_err("it is not what was written");
        assert!(matches!(lost.fault, PlaceFault::TakenAway), "{lost}");
        assert!(!part.exists());
    }

    let (third, _) = folder.begin(&name).expect("nobody else writes");
    fs::remove_file(&part).expect("it is there");
    let (fourth, _) = folder.begin(&name).expect("the name is free");
    drop(third);
    assert!(part.exists(), "what failed takes away its own alone");
    drop(fourth);
    assert!(!part.exists());
}

#[test]
fn a_part_that_a_run_is_at_is_left_to_it_whoever_may_write_it() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.input("files", "a.txt").file("tools/.a.txt.generic-packages-part", "of root");
    let part = not_theirs(&job, ".a.txt.generic-packages-part");
    let busy = fs::File::open(&part).expect("a file");
    busy.lock().expect("nobody else has it");
    let Some(ran) = run_without_rights(&job, &registry) else { return };
    ran.exits_with(1).has_a_hint_for_each_error().has_codes(&["destination-in-use"]);
    assert_eq!(tools(&job)[".a.txt.generic-packages-part"], b"of root");

    // What cannot even be looked at is named.
    fs::set_permissions(&part, fs::Permissions::from_mode(0o400)).expect("rights can be changed");
    let Some(ran) = run_without_rights(&job, &registry) else { return };
    ran.exits_with(1);
}

#[test]
fn a_glance_at_a_part_keeps_nobody_from_writing_it() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.input("files", "a.txt").file("tools/.a.txt.generic-packages-part", "hel");
    let path = job.workspace().join("tools/.a.txt.generic-packages-part");
    let part = fs::File::open(&path).expect("a file");
    part.lock().expect("nobody else has it");
    let events = inotify::init(inotify::CreateFlags::CLOEXEC).expect("the system tells of files");
    inotify::add_watch(&events, &path, inotify::WatchFlags::CLOSE_WRITE).expect("a file can be watched");
    let ran = job.run_while(job.command(), |_| {
        // Once the run has opened the part in vain; the time-out of the test runner ends it otherwise.
        let mut room = [std::mem::MaybeUninit::uninit(); 512];
        inotify::Reader::new(&events, &mut room).next().expect("it is opened and closed");
        drop(part);
    });
    ran.exits_with(0);
    assert_eq!(tools(&job), [("a.txt".to_owned(), b"hello\n".to_vec())].into());
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
fn a_file_has_the_rights_of_a_new_one_whatever_a_part_of_it_has() {
    let registry = release(Persona::default());
    for mode in [0o755, 0o777, 0o666, 0o600, 0o4777, 0o2644] {
        let mut job = Job::downloading(&registry);
        job.file("tools/.a.txt.generic-packages-part", "hel");
        let path = |name: &str| job.workspace().join("tools").join(name);
        fs::set_permissions(path(".a.txt.generic-packages-part"), fs::Permissions::from_mode(mode))
            .expect("rights can be changed");
        job.run().exits_with(0);
        let mode_of = |name: &str| fs::metadata(path(name)).expect("it is there").permissions().mode();
        assert_eq!(mode_of("a.txt"), mode_of("empty"), "{mode:o}");
        assert_eq!(tools(&job)["a.txt"], b"hello\n");
    }
}

#[test]
fn a_folder_where_a_file_would_be_written_is_named() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    let ran = job.folder("tools/.a.txt.generic-packages-part").run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["destination-is-a-folder"]);
    assert_eq!(fs::read(job.workspace().join("tools/app")).expect("the others come").len(), 300_000);
}

#[test]
fn a_file_that_another_run_writes_is_left_to_it() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    job.file("tools/.a.txt.generic-packages-part", "of the other");
    let part = fs::File::open(job.workspace().join("tools/.a.txt.generic-packages-part")).expect("a file");
    part.lock().expect("nobody else has it");
    let ran = job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&["destination-in-use"]);
    assert_eq!(ran.statuses()["a.txt"], "failed");
    assert_eq!(tools(&job)[".a.txt.generic-packages-part"], b"of the other");
}

#[test]
fn two_runs_at_once_leave_whole_files() {
    let registry = Registry::start(Persona::default());
    let bytes: Vec<u8> = (0..2_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    registry.seed("alice", "widget", "v1.0.0", "app", &bytes);
    let job = Job::downloading(&registry);
    let other = job.command();
    let second = std::thread::scope(|scope| {
        let mut other = other;
        let second = scope.spawn(move || other.stdout(std::process::Stdio::piped()).output().expect("it runs"));
        let ran = job.run();
        // The one that comes second may find that the first is at it.
        assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.log);
        second.join().expect("it ends")
    });
    assert!(matches!(second.status.code(), Some(0 | 1)));
    assert_eq!(tools(&job), [("app".to_owned(), bytes)].into());
}

/// Somebody who could take up what has all of its bytes, but not its place, would write into what is in its place then.
#[test]
fn a_file_is_nobody_elses_before_it_is_in_its_place() {
    let workspace = tempfile::tempdir().expect("a temporary folder");
    let folder = open_folder(workspace.path());
    let name = FileName::parse("tool").expect("a name");
    let is_busy = || matches!(folder.begin(&name), Err(PlaceError { fault: PlaceFault::Busy, .. }));

    let (unfinished, mut writing) = folder.begin(&name).expect("nobody else writes");
    writing
        .start_again()
        .and_then(|()| writing.write(b"whole"))
        .and_then(|()| writing.settle(false))
        .expect("it is written");
    drop(writing);
    assert!(is_busy(), "another run could take it up");
    unfinished.finish(5).expect("its place is free");
    assert_eq!(fs::read(workspace.path().join("tool")).expect("it is in its place"), b"whole");
    assert!(!is_busy(), "what is in its place keeps nobody from writing anew");
}
