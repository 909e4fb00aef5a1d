//! Downloads that are verified with a checksums file of the workspace.

use std::fs;

use embedded_registry::{Action, Fault, Match, Persona, Point, Registry};
use generic_packages::checksum::{Sha256, write_list};

use super::{asked, release, tools};
use crate::harness::{Job, Ran};

const PINS: &str = "ci/SHA256SUMS";

/// The contents of the files that [`release`] has.
fn contents() -> [(&'static str, Vec<u8>); 3] {
    [("a.txt", b"hello\n".to_vec()), ("app", vec![7; 300_000]), ("empty", Vec::new())]
}

/// The checksums of these files.
fn pins(names: &[&str]) -> String {
    let contents = contents();
    let files = contents.iter().filter(|(name, _)| names.contains(name));
    write_list(files.map(|(name, bytes)| (*name, Sha256::of(bytes))))
}

/// A job that downloads v1.0.0 with a token, and verifies it with this checksums file of the workspace.
fn member(registry: &Registry, pins: &str) -> Job {
    let mut job = Job::downloading(registry);
    job.input("version", "v1.0.0").input("checksums", format!("./{PINS}")).file(PINS, pins);
    job
}

/// Like `member`, but without a token.
fn visitor(registry: &Registry, pins: &str) -> Job {
    let mut job = member(registry, pins);
    job.without("INPUT_TOKEN");
    job
}

/// The jobs of a member, of a visitor who sees the list, and of a visitor who does not.
fn all_kinds(pins: &str) -> [(Registry, Job); 3] {
    let kinds = [(Persona::default(), true), (Persona::Forgejo15, false), (Persona::default(), false)];
    kinds.map(|(persona, has_token)| {
        let registry = release(persona);
        let job = if has_token { member(&registry, pins) } else { visitor(&registry, pins) };
        (registry, job)
    })
}

fn verified_by(ran: &Ran) -> Vec<String> {
    ran.files().iter().map(|file| file["verified-by"].as_str().expect("a word").to_owned()).collect()
}

#[test]
fn pinned_files_are_verified_by_the_workspace_with_and_without_a_list() {
    for (registry, mut job) in all_kinds(&pins(&["a.txt", "app"])) {
        let ran = job.input("files", "a.txt\napp => tool").run().exits_with(0);
        assert_eq!(verified_by(&ran), ["workspace"; 2]);
        assert_eq!((&tools(&job)["a.txt"][..], tools(&job)["tool"].len()), (&b"hello\n"[..], 300_000));
        let rows: Vec<&str> = ran.summary.lines().filter(|line| line.contains(" | workspace | downloaded |")).collect();
        assert_eq!(rows.len(), 2, "{}", ran.summary);
        let ran = ran.says("pinned by `./ci/SHA256SUMS`").says("all verified by SHA-256").does_not_say("warning: ");
        assert!(!ran.log.contains("size only"), "{}", ran.log);
        assert!(asked(&registry).iter().all(|request| !request.contains("SHA256SUMS")), "{:?}", asked(&registry));

        registry.clear_requests();
        let ran = job.run().exits_with(0).has_statuses(&["unchanged"; 2]);
        assert_eq!((verified_by(&ran), asked(&registry).len()), (vec!["workspace".to_owned(); 2], 1));
    }
}

#[test]
fn a_changed_file_is_refused_before_its_download_if_the_registry_lists_it() {
    for persona in Persona::all() {
        let registry = release(persona);
        registry.seed("alice", "widget", "v1.0.1", "app", b"an attack");
        let mut jobs = vec![member(&registry, &pins(&["app"]))];
        if persona == Persona::Forgejo15 {
            jobs.push(visitor(&registry, &pins(&["app"])));
        }
        for mut job in jobs {
            registry.clear_requests();
            job.input("version", "v1.0.1").input("files", "app").file("tools/app", "old");
            let ran = job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&["checksums-mismatch"]);
            ran.says(&format!(
                "registry: {}, `./ci/SHA256SUMS`: {}",
                Sha256::of(b"an attack"),
                Sha256::of(&vec![7; 300_000])
            ))
            .says("failed to verify `app`: the registry has a different file than the pinned one");
            assert_eq!(asked(&registry), ["GET api v1.0.1/files"]);
            assert_eq!(tools(&job).into_iter().collect::<Vec<_>>(), [("app".to_owned(), b"old".to_vec())]);
        }
    }
}

#[test]
fn a_changed_file_is_refused_after_its_download_if_the_registry_does_not_list_it() {
    let registry = release(Persona::default());
    // Of the same length, so that only the hash tells.
    registry.seed("alice", "widget", "v1.0.1", "a.txt", b"HELLO\n");
    for here in [None, Some("old")] {
        let mut job = visitor(&registry, &pins(&["a.txt"]));
        job.input("version", "v1.0.1").input("files", "a.txt");
        if let Some(here) = here {
            job.file("tools/a.txt", here);
        }
        let ran = job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&["download-mismatch"]);
        let ran = ran.has_statuses(&["failed"]).says(&format!(
            "pinned: {}, downloaded: {}",
            Sha256::of(b"hello\n"),
            Sha256::of(b"HELLO\n")
        ));
        assert!(ran.files()[0].get("verified-by").is_none(), "{}", ran.outputs["files"]);
        let left: Vec<_> = tools(&job).into_values().collect();
        assert_eq!(left, here.map(|here| here.as_bytes().to_vec()).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn content_that_changes_on_its_way_is_refused_though_list_and_pin_agree() {
    let registry = release(Persona::default());
    registry.add_fault(Fault::always(Match::get("a.txt"), Point::Head, Action::CorruptDownload));
    let mut job = member(&registry, &pins(&["a.txt"]));
    let ran = job.input("files", "a.txt").run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["download-mismatch"]).says(&format!("pinned: {}, downloaded: ", Sha256::of(b"hello\n")));
    assert_eq!(tools(&job).len(), 0);
}

#[test]
fn a_file_that_is_not_pinned_is_an_error_before_any_download() {
    for (registry, mut job) in all_kinds(&pins(&["a.txt"])) {
        let ran = job.input("files", "a.txt\napp\nempty").run().exits_with(1).has_a_hint_for_each_error();
        let ran = ran.has_codes(&["not-in-checksums-file"]).says("`!app`");
        ran.says("failed to verify 2 files that `./ci/SHA256SUMS` does not contain: `app`, `empty`");
        assert_eq!((tools(&job).len(), asked(&registry).len()), (0, 1));
    }
    // The default of `files` is every file of the version.
    let registry = release(Persona::default());
    member(&registry, &pins(&["a.txt", "app"]))
        .run()
        .exits_with(1)
        .has_codes(&["not-in-checksums-file"])
        .says("`empty`");
    member(&registry, &pins(&["a.txt", "app", "empty"])).run().exits_with(0).says("3 downloaded");
}

#[test]
fn patterns_match_the_pinned_names_if_the_registry_lists_nothing() {
    let registry = release(Persona::default());
    // Names with a folder, and names that no registry accepts, are not names of files of a version.
    let empty = Sha256::of(b"");
    let mut job = visitor(&registry, &format!("{}{empty}  dist/deep\n{empty}  b,c\n", pins(&["a.txt", "app"])));
    let ran = job.run().exits_with(0).says("patterns match the names in `./ci/SHA256SUMS`").says("2 downloaded");
    assert_eq!((verified_by(&ran), tools(&job).len()), (vec!["workspace".to_owned(); 2], 2));
    let ran = job.input("files", "a*\n!app").run().exits_with(0);
    assert_eq!(ran.statuses().into_keys().collect::<Vec<_>>(), ["a.txt"]);

    let ran = job.input("files", "b*").run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["no-files-found"]).says("`./ci/SHA256SUMS` contains no such file").says("Available: ");
    job.input("if-no-files-found", "warn").run().exits_with(0).says("warning: failed to match `b*`");

    // A pinned file that the version does not have is requested, and missing.
    let extra = format!("{}{}  gone\n", pins(&["a.txt"]), Sha256::of(b""));
    visitor(&registry, &extra)
        .run()
        .exits_with(1)
        .has_a_hint_for_each_error()
        .has_codes(&["file-not-found"])
        .says("`gone`");
    // With a list, `*` is what the version has.
    registry.seed("alice", "widget", "v1.1.0", "a.txt", b"hello\n");
    member(&registry, &extra).input("version", "v1.1.0").run().exits_with(0).says("1 downloaded");
}

#[test]
fn pinned_names_can_start_with_a_dot_and_a_slash_but_have_no_folders() {
    let sha256 = Sha256::of(b"hello\n");
    for line in [format!("{sha256}  ./a.txt"), format!("{sha256} *a.txt"), format!("SHA256 (a.txt) = {sha256}")] {
        for (_registry, mut job) in all_kinds(&format!("# reviewed\n{line}\n")) {
            let ran = job.input("files", "a.txt").run().exits_with(0);
            assert_eq!(verified_by(&ran), ["workspace"], "{line}");
        }
    }
    // The registry ignores case.
    for (_registry, mut job) in all_kinds(&format!("{sha256}  A.TXT\n")) {
        job.input("files", "a.txt").run().exits_with(0).says("1 downloaded");
    }
    for (_registry, mut job) in all_kinds(&format!("{sha256}  dist/a.txt\n")) {
        let ran = job.input("files", "a.txt").run().exits_with(1).has_a_hint_for_each_error();
        ran.has_codes(&["not-in-checksums-file"]).says("Replace `dist/a.txt` with `a.txt` in `./ci/SHA256SUMS`");
        assert_eq!(tools(&job).len(), 0);
    }
    let registry = release(Persona::default());
    let ran = visitor(&registry, &format!("{sha256}  dist/a.txt\n")).run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["no-files-found"]).says("without folders");
}

#[test]
fn the_checksums_file_of_the_version_must_be_identical_to_the_pinned_one() {
    let registry = release(Persona::default());
    let listed = pins(&["a.txt", "app", "empty"]);
    registry.seed("alice", "widget", "v1.0.0", "SHA256SUMS", listed.as_bytes());
    let job = member(&registry, &listed);
    let ran = job.run().exits_with(0).says("4 downloaded");
    assert_eq!((verified_by(&ran), tools(&job)["SHA256SUMS"].len()), (vec!["workspace".to_owned(); 4], listed.len()));

    let reviewed = format!("# reviewed\n{listed}");
    let mut job = member(&registry, &reviewed);
    let ran = job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&["not-in-checksums-file"]);
    ran.says("`!SHA256SUMS`");
    job.input("files", "*\n!SHA256SUMS").run().exits_with(0).says("3 downloaded");

    let mut job = visitor(&registry, &reviewed);
    job.input("files", "SHA256SUMS").run().exits_with(1).has_codes(&["download-mismatch"]);
    job.file(PINS, &listed).run().exits_with(0).says("1 downloaded");
}

#[test]
fn a_bad_pinned_file_is_an_input_error_before_any_request() {
    let registry = release(Persona::default());
    let sha256 = Sha256::of(b"hello\n");
    let good = format!("{sha256}  a.txt\n");
    let twice = format!("{good}{}  a.txt\n", Sha256::of(b""));
    for (path, code, text) in [
        ("./none", "checksums-file-not-found", "`./none` cannot be read: "),
        ("./empty", "invalid-checksums-file", "`./empty` contains no line with a SHA-256 and a name"),
        ("./page", "invalid-checksums-file", "`./page` contains no line with a SHA-256 and a name"),
        ("./twice", "invalid-checksums-file", "`./twice` has two different hashes for `a.txt`, the second in line 2"),
        ("./short", "invalid-checksums-file", "`./short` has no SHA-256 of 64 hexadecimal digits in line 2"),
        ("./large", "invalid-checksums-file", "`./large` is larger than 64 MiB"),
        ("./", "is-a-folder", "`./` is a folder"),
        ("./folder", "is-a-folder", "`./folder` is a folder"),
        ("./../outside", "outside-workspace", "`./../outside` is outside the workspace"),
        ("./../none", "outside-workspace", "`./../none` is outside the workspace"),
        (".//etc/hostname", "checksums-file-not-found", "`.//etc/hostname` cannot be read: "),
        ("./leads-out", "outside-workspace", "`./leads-out` is outside the workspace"),
        ("./leads-out-by-folder/outside", "outside-workspace", "is outside the workspace"),
        ("./.git/SHA256SUMS", "inside-git", "is inside `.git`"),
        ("./leads-to-git", "inside-git", "is inside `.git`"),
        ("./dead", "broken-link", "is a broken link"),
        ("./two\n./lines", "invalid-input", "contains a line break"),
        ("tools/SHA256SUMS", "invalid-input", "such as `checksums: ./tools/SHA256SUMS`"),
        ("ci/pins", "invalid-input", "such as `checksums: ./ci/pins`"),
        ("../pins", "invalid-input", "such as `checksums: ./tools/SHA256SUMS`"),
        ("./$FILE", "unexpanded-variable", "`$FILE`"),
    ] {
        let mut job = member(&registry, &good);
        fs::write(job.outside("outside"), &good).expect("a file");
        job.file("empty", "").file("page", "<html></html>").file("twice", &twice).file("large", "").folder("folder");
        job.file("short", format!("{good}{}  app\n", &sha256.to_string()[1..]));
        let large = fs::File::options().write(true).open(job.workspace().join("large")).expect("a file");
        large.set_len(64 * 1024 * 1024 + 1).expect("a length");
        let outside = job.outside("outside");
        job.link("leads-out", outside).link("leads-out-by-folder", "..").file(".git/SHA256SUMS", &good);
        job.link("leads-to-git", ".git/SHA256SUMS").link("dead", "none");
        let ran = job.input("checksums", path).run_rejected(&registry).has_codes(&[code]).says(text);
        assert!(ran.errors()[0].contains("`checksums`"), "{}", ran.log);
    }
}

#[test]
fn a_pinned_file_can_be_reached_through_a_link_in_the_workspace() {
    let registry = release(Persona::default());
    let mut job = member(&registry, &pins(&["a.txt"]));
    job.link("pins", "ci").link("SUMS", "pins/SHA256SUMS").input("files", "a.txt");
    for path in ["./pins/SHA256SUMS", "./SUMS", "././ci/../ci/SHA256SUMS", ".//ci//SHA256SUMS"] {
        job.input("checksums", path).run().exits_with(0).says(&format!("pinned by `{path}`"));
    }
}

#[test]
fn a_workspace_that_cannot_be_seen_is_one_error() {
    let registry = release(Persona::default());
    let mut job = Job::downloading(&registry);
    let output = job.outside("none/output");
    job.input("checksums", "./SHA256SUMS").variable("GITHUB_OUTPUT", output);
    let ran = job.run().exits_with(2).has_a_hint_for_each_error();
    ran.has_codes(&["workspace-not-mounted"]);
}

#[test]
fn latest_with_pinned_files_is_a_warning_that_names_the_version() {
    let registry = release(Persona::default());
    let mut job = member(&registry, &pins(&["app"]));
    job.input("files", "app").run().exits_with(0).does_not_say("warning: ");
    let ran = job.without("INPUT_VERSION").run().exits_with(0).says("warning: ");
    ran.says("fails after a new release. Set `version` to `v1.0.0`").has_outputs(&[("version", "v1.0.0")]);
    // When that has happened, the new version is not the one to set.
    registry.seed("alice", "widget", "v1.1.0", "app", b"newer");
    let ran = job.run().exits_with(1).has_codes(&["checksums-mismatch"]).says("`latest` is v1.1.0");
    ran.says("Set `version` to the release that you have reviewed").does_not_say("Set `version` to `v1.1.0`");
    registry.seed("alice", "widget", "latest", "app", &vec![7; 300_000]);
    job.without("INPUT_TOKEN").run().exits_with(0).says("Set `version` to the release that you have reviewed");
}

#[test]
fn tampered_files_are_one_error_before_that_of_a_file_that_is_not_pinned() {
    let registry = release(Persona::default());
    let [pinned, theirs] = [b"reviewed".to_vec(), vec![7; 300_000]].map(|content| Sha256::of(&content).to_string());
    let mut job = member(&registry, &format!("{pinned}  app\n{pinned}  empty\n"));
    let ran = job.input("files", "app\na.txt\nempty").run().exits_with(1).has_a_hint_for_each_error();
    let ran = ran.has_codes(&["checksums-mismatch", "not-in-checksums-file"]);
    ran.says("failed to verify 2 files: the registry and `./ci/SHA256SUMS` have different hashes: `app`")
        .says(&format!("`app` (registry: {}…, expected: {}…)", &theirs[..12], &pinned[..12]));
    assert_eq!(tools(&job).len(), 0);
}
