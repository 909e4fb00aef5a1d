//! Downloads without a token: from registries that show their lists to everybody, and from those that do not.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};
use generic_packages::checksum::Sha256;

use super::{asked, release, tools};
use crate::harness::Job;

/// A file of checksums for these files.
fn checksums(files: &[(&str, &[u8])]) -> String {
    generic_packages::checksum::write_list(files.iter().map(|(name, bytes)| (*name, Sha256::of(bytes))))
}

/// A release with a checksums file that has these lines.
fn with_checksums(files: &[(&str, &[u8])]) -> Registry {
    let registry = release(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "SHA256SUMS", checksums(files).as_bytes());
    registry
}

/// A job that downloads these files of v1.0.0 with a token.
fn member(registry: &Registry, files: &str) -> Job {
    let mut job = Job::downloading(registry);
    job.input("version", "v1.0.0").input("files", files);
    job
}

/// Like `member`, but without a token.
fn visitor(registry: &Registry, files: &str) -> Job {
    let mut job = member(registry, files);
    job.without("INPUT_TOKEN");
    job
}

#[test]
fn a_public_package_needs_no_token_where_the_registry_lists_it() {
    let registry = release(Persona::Forgejo15);
    let mut job = visitor(&registry, "");
    let ran = job.without("INPUT_VERSION").run().exits_with(0);
    assert_eq!((tools(&job).len(), ran.outputs["version"].as_str()), (3, "v1.0.0"));
    assert!(registry.requests().iter().all(|request| request.header("Authorization").is_none()));
    assert_eq!(ran.masks, [""; 0]);
}

#[test]
fn where_the_registry_lists_nothing_to_visitors_names_are_fetched_and_what_is_unverified_is_called_so() {
    for persona in Persona::all().into_iter().filter(|persona| *persona != Persona::Forgejo15) {
        let registry = release(persona);
        let job = visitor(&registry, "app\na.txt");
        let ran = job.run().exits_with(0);
        let ran = ran.says("warning: ").says("(401 Unauthorized: token is required)");
        assert_eq!(asked(&registry).len(), 3, "{:?}", asked(&registry));
        assert_eq!((tools(&job)["a.txt"].as_slice(), tools(&job)["app"].len()), (&b"hello\n"[..], 300_000));
        assert!(ran.files().iter().all(|file| file["verified-by"] == "none" && file["sha256"].is_string()));
        assert_eq!(ran.outputs["total-size"], "300006");
    }
}

#[test]
fn a_file_of_checksums_verifies_where_the_registry_lists_nothing() {
    let registry = with_checksums(&[("a.txt", b"hello\n"), ("app", &vec![7; 300_000])]);
    let mut job = visitor(&registry, "app\na.txt\nSHA256SUMS");
    job.input("checksums", "SHA256SUMS");
    let ran = job.file("tools/a.txt", "hello\n").run().exits_with(0);
    let by = |name: &str| {
        let files = ran.files();
        let file = files.iter().find(|file| file["name"] == name).expect("it is there");
        (file["status"].as_str().expect("a word").to_owned(), file["verified-by"].as_str().expect("a word").to_owned())
    };
    let words = |status: &str, by: &str| (status.to_owned(), by.to_owned());
    assert_eq!(by("app"), words("downloaded", "checksums"));
    // What is here already needs no request.
    assert_eq!(by("a.txt"), words("unchanged", "checksums"));
    assert_eq!(by("SHA256SUMS"), words("downloaded", "none"));
    assert_eq!(asked(&registry).iter().filter(|request| request.ends_with("a.txt")).count(), 0);
}

#[test]
fn what_differs_from_the_checksums_is_an_error() {
    let registry = with_checksums(&[("a.txt", b"other\n")]);
    let mut job = visitor(&registry, "a.txt");
    job.input("checksums", "SHA256SUMS");
    job.file("tools/a.txt", "old");
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["download-mismatch"]);
    assert_eq!(tools(&job)["a.txt"], b"old");

    // With a list, the registry's word has to be the same.
    let mut job = Job::downloading(&registry);
    job.input("checksums", "SHA256SUMS");
    let ran = job.input("files", "a*").run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["checksums-mismatch", "not-in-checksums-file"]).says("`a.txt`");
    assert!(!tools(&job).contains_key("a.txt"));
}

#[test]
fn what_is_not_in_the_checksums_is_an_error_with_a_list_too() {
    let registry = with_checksums(&[("a.txt", b"hello\n"), ("dist/empty", b"")]);
    for mut job in [visitor, member].map(|job| job(&registry, "a.txt\napp\nempty")) {
        let ran = job.input("checksums", "SHA256SUMS").run().exits_with(1).has_a_hint_for_each_error();
        let ran = ran.has_codes(&["not-in-checksums-file"; 2]).says("`app`").says("`!app`");
        ran.says("`empty`").says("`dist/empty`");
        assert_eq!(tools(&job).len(), 0);
        job.input("files", "a.txt\napp\n!app").run().exits_with(0);
        assert_eq!(tools(&job).into_keys().collect::<Vec<_>>(), ["a.txt"]);
    }
    // The registry does not regard case.
    let mut job = visitor(&registry, "A.txt");
    job.input("checksums", "SHA256SUMS").run().exits_with(0).says("1 downloaded");
}

#[test]
fn a_file_of_checksums_that_is_here_already_is_not_fetched_and_one_that_came_wrong_once_more() {
    let registry = with_checksums(&[("a.txt", b"hello\n")]);
    let mut job = member(&registry, "a.txt");
    job.input("checksums", "SHA256SUMS");
    registry.add_fault(Fault::once(Match::get("SHA256SUMS"), Point::Head, Action::CorruptDownload));
    job.run().exits_with(0);
    assert_eq!(asked(&registry).len(), 4, "{:?}", asked(&registry));
    registry.clear_requests();
    job.file("tools/SHA256SUMS", checksums(&[("a.txt", b"hello\n")])).run().exits_with(0);
    assert_eq!(asked(&registry).len(), 1, "{:?}", asked(&registry));
    // One of another time says nothing, and is no fetch that came wrong.
    registry.add_fault(Fault::once(Match::get("SHA256SUMS"), Point::Head, Action::CorruptDownload));
    job.file("tools/SHA256SUMS", "old").run().exits_with(0);
    assert_eq!(asked(&registry).len(), 4, "{:?}", asked(&registry));
}

#[test]
fn what_is_no_file_of_checksums_verifies_nothing() {
    let registry = release(Persona::default());
    for (token, name, code) in [
        (true, "none", "checksums-file-not-found"),
        (true, "a.txt", "invalid-checksums-file"),
        (false, "empty", "invalid-checksums-file"),
        (false, "none", "file-not-found"),
    ] {
        let mut job = if token { member(&registry, "app") } else { visitor(&registry, "app") };
        job.input("checksums", name)
            .run()
            .exits_with(1)
            .has_a_hint_for_each_error()
            .has_codes(&[code])
            .says(&format!("`{name}`"));
        assert_eq!(tools(&job).len(), 0, "{name}");
    }
    registry.add_fault(Fault::always(Match::get("a.txt"), Point::Head, Action::CorruptDownload));
    let mut job = Job::downloading(&registry);
    job.input("checksums", "a.txt").run().exits_with(1).has_codes(&["invalid-checksums-file"]);
}

#[test]
fn wildcards_need_a_list() {
    let registry = release(Persona::default());
    for files in ["*", "a*\napp", "app-{a,b}"] {
        let job = visitor(&registry, files);
        let ran = job.run().exits_with(1).has_a_hint_for_each_error();
        ran.has_codes(&["token-required"]).says("caused by: 401 Unauthorized: token is required");
        assert_eq!(tools(&job).len(), 0);
    }
    // A name may look like a pattern that is none, and lines may take away.
    registry.seed("alice", "widget", "v1.0.0", "a{b", b"content");
    let job = visitor(&registry, "a{b\napp\na.txt\n!app*");
    job.run().exits_with(0);
    assert_eq!(tools(&job).into_keys().collect::<Vec<_>>(), ["a.txt", "a{b"]);
}

#[test]
fn the_newest_version_needs_a_token_where_no_version_is_called_so() {
    let registry = release(Persona::default());
    let mut job = visitor(&registry, "app");
    let ran = job.without("INPUT_VERSION").run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["version-not-found"]).says("`token`");
    registry.seed("alice", "widget", "latest", "app", b"of that name");
    let ran = job.run().exits_with(0);
    assert_eq!((tools(&job)["app"].as_slice(), ran.outputs["version"].as_str()), (&b"of that name"[..], "latest"));
}

#[test]
fn what_is_missing_is_an_error_without_a_list_too() {
    let registry = release(Persona::default());
    for (input, value, code) in [
        ("files", "none", "file-not-found"),
        ("version", "v9", "version-not-found"),
        ("repo", "wigdet", "version-not-found"),
        ("checksums", "NOPE", "file-not-found"),
    ] {
        let mut job = visitor(&registry, "app");
        job.input(input, value);
        job.run().exits_with(1).has_a_hint_for_each_error().has_codes(&[code]).says(value).does_not_say("warning: ");
    }
    let mut job = visitor(&registry, "");
    job.without("INPUT_VERSION")
        .input("owner", "alcie")
        .run()
        .exits_with(1)
        .has_codes(&["owner-not-found"])
        .says("`owner`");
}

#[test]
fn what_does_not_say_how_long_it_is_is_not_taken_where_nothing_else_would_tell() {
    let registry = release(Persona::default());
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello\n\r\n0\r\n\r\n".to_vec();
    registry.add_fault(Fault::always(Match::get("a.txt"), Point::Head, Action::Raw(chunked)));
    let mut job = visitor(&registry, "a.txt");
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["unexpected-response"]);
    // With a hash alone, what has no end would fill the disk.
    let sums = checksums(&[("a.txt", b"hello\n")]);
    registry.seed("alice", "widget", "v1.0.0", "SHA256SUMS", sums.as_bytes());
    let ran = job.input("checksums", "SHA256SUMS").run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["unexpected-response"]);
    assert_eq!(tools(&job).len(), 0);
    // A list says how long it is.
    let mut job = Job::downloading(&registry);
    job.input("files", "a.txt").run().exits_with(0);
    assert_eq!(tools(&job)["a.txt"], b"hello\n");
}

#[test]
fn the_rest_of_a_file_that_does_not_say_how_long_it_is_is_not_taken_either() {
    let registry = with_checksums(&[("a.txt", b"hello\n")]);
    let head = |status: &str| {
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nLast-Modified: Tue, 24 Nov 2026 00:00:00 GMT\r\n")
    };
    let half = head("200 OK") + "Content-Length: 6\r\n\r\nhel";
    let rest = head("206 Partial Content")
        + "Content-Range: bytes 3-5/*\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nlo\n\r\n0\r\n\r\n";
    registry.add_fault(Fault::once(Match::get("a.txt"), Point::Head, Action::Raw(half.into())));
    registry.add_fault(Fault::once(Match::get("a.txt"), Point::Head, Action::Raw(rest.into())));
    let mut job = visitor(&registry, "a.txt");
    job.input("checksums", "SHA256SUMS").input("retries", "1");
    job.run_with_short_waits().exits_with(0).says("verified by SHA-256");
    assert_eq!(tools(&job)["a.txt"], b"hello\n");
    let ranges: Vec<_> =
        registry.requests().iter().rev().take(3).map(|it| it.header("Range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("bytes=3-".to_owned()), None], "all of it is asked for");
}

#[test]
fn the_checksums_of_as_many_files_as_a_version_can_have_are_read() {
    let registry = release(Persona::default());
    let names: Vec<String> = (0..20_000).map(|number| format!("{number:05}-{}", "n".repeat(50))).collect();
    let files = names.iter().map(|name| (name.as_str(), Sha256::of(b""))).chain([("A.txt", Sha256::of(b"hello\n"))]);
    let sums = generic_packages::checksum::write_list(files);
    assert!(sums.len() > 2 * 1024 * 1024);
    registry.seed("alice", "widget", "v1.0.0", "SHA256SUMS", sums.as_bytes());
    for mut job in [visitor, member].map(|job| job(&registry, "a.txt")) {
        job.input("checksums", "SHA256SUMS").run().exits_with(0);
    }
}

#[test]
fn a_file_of_checksums_that_is_longer_than_any_list_is_not_fetched() {
    let registry = release(Persona::default());
    let list = format!(r#"[{{"name":"large","size":{},"sha256":"{}"}}]"#, 64 * 1024 * 1024 + 1, Sha256::of(b""));
    registry.add_fault(Fault::always(Match::list(), Point::Head, Action::Answer(Answer::json(200, list))));
    let mut job = Job::downloading(&registry);
    let ran = job.input("checksums", "large").run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["invalid-checksums-file"]).says("`large`");
    assert_eq!(asked(&registry).len(), 2, "{:?}", asked(&registry));
}

#[test]
fn what_only_members_may_see_wants_a_token() {
    let registry = Registry::start(Persona::default());
    registry.seed("secretorg", "widget", "v1.0.0", "app", b"content");
    let mut job = visitor(&registry, "app");
    let ran =
        job.input("owner", "secretorg").run().exits_with(1).has_a_hint_for_each_error().has_codes(&["token-required"]);
    ran.says("403 Forbidden: user should have specific");

    // A server that shows nothing to anybody who is not signed in.
    let refusal = Answer::json(403, r#"{"message":"Only signed in user is allowed to call APIs."}"#);
    registry.add_fault(Fault::always(Match::list(), Point::Head, Action::Answer(refusal)));
    registry.add_fault(Fault::always(
        Match::get(""),
        Point::Head,
        Action::Answer(Answer::text(401, "reqPackageAccess")),
    ));
    job.input("owner", "alice").run().exits_with(1).has_codes(&["token-required"]).says("`token`");
}

/// A proxy can reject requests too. Its response does not mean that anonymous users have no
/// access.
#[test]
fn only_the_words_of_a_forge_mean_that_it_shows_its_lists_to_no_visitor() {
    for (answer, words) in [
        (Answer::text(401, "Unauthorized"), "401 Unauthorized"),
        (Answer::json(401, r#"{"message":"a token is required by this gate"}"#), "by this gate"),
        (Answer::json(403, r#"{"message":"blocked"}"#), "403 Forbidden: blocked"),
        (Answer::text(403, "token is required"), "403 Forbidden: token is required"),
    ] {
        let registry = release(Persona::default());
        registry.add_fault(Fault::always(Match::list(), Point::Head, Action::Answer(answer)));
        let job = visitor(&registry, "app");
        let ran = job.run().exits_with(1).has_a_hint_for_each_error();
        ran.says(words).has_codes(&["token-required"]);
        assert_eq!(tools(&job).len(), 0);
    }
}

#[test]
fn a_bad_token_is_an_error_though_no_token_would_do() {
    let registry = release(Persona::Forgejo15);
    let mut job = visitor(&registry, "");
    // It is sent back in the answer, and shown nowhere.
    let ran = job.token("0123456789abcdef0123456789abcdef01234567").run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["bad-token"]).says("401 Unauthorized");
}

#[test]
fn a_file_that_breaks_is_resumed_if_its_date_is_known_and_the_server_takes_ranges() {
    for is_verified in [false, true] {
        let registry = release(Persona::default());
        let mut job = if is_verified { member(&registry, "app") } else { visitor(&registry, "app") };
        job.input("retries", "1");
        registry.add_fault(Fault::once(Match::get("app"), Point::AnswerByte(200_000), Action::Close));
        job.run_with_short_waits().exits_with(0);
        assert_eq!(tools(&job)["app"], vec![7; 300_000]);
        assert_eq!(registry.requests().pop().expect("a request").status, Some(206));

        for fields in ["", "Accept-Ranges: none\r\nLast-Modified: Tue, 24 Nov 2026 00:00:00 GMT\r\n"] {
            job.file("tools/app", "old");
            let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 300000\r\n\r\n");
            let half = [head.as_bytes(), &vec![7; 100_000]].concat();
            registry.add_fault(Fault::once(Match::get("app"), Point::Head, Action::Raw(half)));
            job.run_with_short_waits().exits_with(0).says("the connection was interrupted");
            assert_eq!(tools(&job)["app"], vec![7; 300_000]);
            assert_eq!(registry.requests().pop().expect("a request").header("Range"), None);
        }
    }
}

#[test]
fn a_refusal_that_breaks_off_in_its_middle_is_asked_for_again() {
    let registry = release(Persona::default());
    registry.add_fault(Fault::once(Match::list(), Point::AnswerByte(1), Action::Close));
    let mut job = visitor(&registry, "app");
    job.input("retries", "1").run_with_short_waits().exits_with(0);
    assert_eq!(tools(&job)["app"].len(), 300_000);
}

#[test]
fn nothing_is_said_to_be_verified_that_was_not_downloaded() {
    let registry = release(Persona::default());
    registry.add_fault(Fault::always(Match::get("a.txt"), Point::Head, Action::Answer(Answer::text(500, ""))));
    let mut job = Job::downloading(&registry);
    let ran = job.input("files", "a.txt\napp").run().exits_with(1);
    let files: Vec<serde_json::Value> = serde_json::from_str(&ran.outputs["files"]).expect("JSON");
    let verified: Vec<bool> = files.iter().map(|file| file.get("verified-by").is_some()).collect();
    assert_eq!(verified, [false, true], "{}", ran.outputs["files"]);
    assert!(
        ran.summary.contains(" |  | failed |") && ran.summary.contains(" | registry | downloaded |"),
        "{}",
        ran.summary
    );
}
