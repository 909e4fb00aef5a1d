//! Files that change after they were checked: what was checked is what is published, or nothing.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use embedded_registry::{Action, Fault, Match, Persona, Point, Registry};

use super::job_with;
use crate::harness::{Job, Ran};

type Change = fn(&Path);

/// The changes to a file. They keep its length if possible, so that only its other properties show the change.
const CHANGES: &[(&str, Change)] = &[
    ("rewritten in place", |path| fs::write(path, vec![b'x'; length(path)]).expect("it can be written")),
    ("replaced", |path| {
        let other = path.with_extension("other");
        fs::write(&other, vec![b'x'; length(path)]).expect("it can be written");
        // Not even the time tells it apart.
        age(&other);
        fs::rename(&other, path).expect("it can be renamed");
    }),
    ("made longer", |path| {
        fs::write(path, vec![b'x'; length(path) + 1]).expect("it can be written");
        age(path);
    }),
    ("made shorter", |path| {
        File::options().write(true).open(path).and_then(|file| file.set_len(1)).expect("it can be cut");
        age(path);
    }),
    ("made empty", |path| {
        File::create(path).expect("it can be emptied");
    }),
    ("deleted", |path| fs::remove_file(path).expect("it can be deleted")),
    ("turned into a link to the same file", |path| {
        let moved = path.with_extension("moved");
        fs::rename(path, &moved).expect("it can be renamed");
        std::os::unix::fs::symlink(&moved, path).expect("a link can be made");
    }),
    ("turned into a link to a secret", |path| {
        fs::remove_file(path).expect("it can be deleted");
        std::os::unix::fs::symlink("/proc/self/environ", path).expect("a link can be made");
    }),
    ("turned into a folder", |path| {
        fs::remove_file(path).and_then(|()| fs::create_dir(path)).expect("a folder can be made");
    }),
    ("turned into a FIFO", |path| {
        fs::remove_file(path).expect("it can be deleted");
        assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
    }),
    ("reached by another way", |path| {
        // The folder that it lies in becomes a link to one with a file of the same name, length and time.
        let folder = path.parent().expect("a folder");
        let other = folder.with_extension("other");
        fs::create_dir(&other).expect("a folder");
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            fs::copy(entry.path(), other.join(entry.file_name())).expect("it can be copied");
            age(&other.join(entry.file_name()));
        }
        fs::rename(folder, folder.with_extension("moved")).expect("it can be renamed");
        std::os::unix::fs::symlink(&other, folder).expect("a link can be made");
    }),
    ("rewritten in place, with its time put back", |path| {
        until_the_clock_ticks(path, || {
            fs::write(path, vec![b'x'; length(path)]).expect("it can be written");
            age(path);
        });
    }),
    // What changes the rights may have changed the content, and put its time back.
    ("given other rights", |path| {
        until_the_clock_ticks(path, || {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("rights can be changed");
        });
    }),
];

/// Repeats a change until it shows in the time that nobody can set: before Linux 6.13 its clock ticks every few
/// milliseconds.
fn until_the_clock_ticks(path: &Path, change: impl Fn()) {
    let changed = || fs::metadata(path).map(|file| (file.ctime(), file.ctime_nsec())).expect("the file");
    let before = changed();
    while changed() == before {
        change();
    }
}

fn length(path: &Path) -> usize {
    usize::try_from(fs::metadata(path).expect("the file").len()).expect("a small file")
}

/// Gives a file the time that all files of these tests have when they are checked, so that the clock decides nothing.
fn age(path: &Path) {
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::options().write(true).open(path).and_then(|file| file.set_modified(long_ago)).expect("it can be aged");
}

/// Lets a change happen to `in/a` at a point of a request, and runs the job.
fn run_with(job: &mut Job, registry: &Registry, on: Match, at: Point, change: Change) -> Ran {
    let path = job.workspace().join("in/a");
    age(&path);
    registry.add_fault(Fault::once(on, at, Action::then(move |_| change(&path))));
    job.input("files", "in/*\nout/*").input("concurrency", "1").run()
}

/// Checks a run after a file changed: it fails and names the file, and the registry does not have the file.
#[track_caller]
fn fails_by(what: &str, ran: Ran, registry: &Registry) -> Ran {
    let ran = ran.exits_with(1).has_a_hint_for_each_error();
    assert!(!ran.statuses().get("a").is_none_or(|status| status == "uploaded" || status == "unchanged"), "{what}");
    assert_eq!(registry.read("alice", "widget", "v1.0.0", "a"), None, "{what}");
    assert!(!ran.outputs["urls"].lines().any(|url| url.ends_with("/a")), "{what}");
    ran.has_codes(&["file-changed"]).says("in/a")
}

#[test]
fn a_file_that_changed_after_the_check_is_not_published() {
    for (what, change) in CHANGES {
        let registry = Registry::start(Persona::default());
        let mut job = job_with(&registry, &["out/before-a", "out/z"]);
        // So much is sent in several pieces, of which only the last is kept back until the file has been read.
        job.file("in/a", vec![b'a'; 500_000]);
        let ran = run_with(&mut job, &registry, Match::list(), Point::Head, *change);
        let ran = fails_by(what, ran, &registry);
        let uploads = registry.requests().into_iter().filter(|request| request.target.ends_with("/v1.0.0/a"));
        assert_eq!(uploads.map(|request| request.body_bytes).sum::<u64>(), 0, "{what}: not a byte is sent");
        // It is the file's own fault, so the others go on.
        let statuses: Vec<String> = ran.statuses().into_values().collect();
        assert_eq!(statuses, ["failed", "uploaded", "uploaded"], "{what}");
    }
}

#[test]
fn a_file_that_changed_after_the_check_is_not_compared() {
    for (what, change) in CHANGES {
        let registry = Registry::start(Persona::default());
        let mut job = job_with(&registry, &["out/z"]);
        // What it holds now is there, and also what it will hold.
        job.file("in/a", "xxxxxxxxxx");
        registry.seed("alice", "widget", "v1.0.0", "a", b"xxxxxxxxxx");
        let ran = run_with(&mut job, &registry, Match::list(), Point::Head, *change);
        let ran = ran.exits_with(1).has_a_hint_for_each_error();
        assert_eq!(ran.statuses()["a"], "failed", "{what}");
        ran.has_codes(&["file-changed"]).says("in/a");
        // No file is known to be in conflict, but this one may be: nothing is sent.
        assert!(registry.requests().iter().all(|request| request.method == "GET"), "{what}");
    }
}

#[test]
fn a_file_that_was_empty_at_the_check_is_not_published_as_empty() {
    for (what, change) in [("made longer", CHANGES[2].1), ("replaced", CHANGES[1].1), ("deleted", CHANGES[5].1)] {
        let registry = Registry::start(Persona::default());
        let mut job = job_with(&registry, &["out/z"]);
        job.file("in/a", "");
        let ran = run_with(&mut job, &registry, Match::list(), Point::Head, change);
        fails_by(what, ran, &registry);
    }
}

#[test]
fn a_file_that_changes_during_its_upload_is_not_published() {
    // More than Linux holds on the way between two processes (4 MiB to be sent, and as much to be read as the reader's
    // speed is worth), so that the program still has to read most of it when the change happens. It takes no place on
    // the disk.
    const SIZE: u64 = 8 * 1024 * 1024;
    let is_small = |what: &str| what == "made longer" || what.starts_with("rewritten in place");
    for (what, change) in CHANGES.iter().filter(|(what, _)| !is_small(what)) {
        changes_while_it_is_sent(SIZE, what, *change);
    }
    let write_one_byte: Change = |path| {
        use std::os::unix::fs::FileExt as _;
        File::options().write(true).open(path).and_then(|file| file.write_all_at(b"x", 9)).expect("it can be written");
    };
    changes_while_it_is_sent(SIZE, "rewritten where it was read already", write_one_byte);
    let write_one_byte_unseen: Change = |path| {
        use std::os::unix::fs::FileExt as _;
        until_the_clock_ticks(path, || {
            let file = File::options().write(true).open(path).expect("it can be opened");
            file.write_all_at(b"x", 9).expect("it can be written");
            age(path);
        });
    };
    changes_while_it_is_sent(
        SIZE,
        "rewritten where it was read already, with its time put back",
        write_one_byte_unseen,
    );
    let append: Change = |path| {
        use std::io::Write as _;
        File::options().append(true).open(path).and_then(|mut file| file.write_all(b"x")).expect("it can be written");
        age(path);
    };
    changes_while_it_is_sent(SIZE, "made longer", append);
}

fn changes_while_it_is_sent(size: u64, what: &str, change: Change) {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["out/z"]);
    job.file("in/a", "");
    let path = job.workspace().join("in/a");
    File::options().write(true).open(path).and_then(|file| file.set_len(size)).expect("it can be made longer");
    let upload = Match::put("/v1.0.0/a");
    let ran = run_with(&mut job, &registry, upload, Point::RequestByte(64 * 1024), change);
    let ran = fails_by(what, ran, &registry);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["failed", "uploaded"], "{what}");
    let sent = registry.requests().iter().map(|request| request.body_bytes).max();
    assert!(sent < Some(size), "{what}: the last bytes are kept back");
}
