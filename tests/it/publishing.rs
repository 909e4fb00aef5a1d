//! Tests the files that a run publishes, and the requests that it sends.

use std::fs::File;
use std::process::Command;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::{AWKWARD_NAMES, Job, gather};
use crate::package::{another_job_deletes, answers, contents, put, read, requests, seed};

#[test]
fn every_file_is_published_as_it_is_with_its_url_in_the_outputs() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        let mut job = Job::publishing(&registry, &[("a.txt", "hello\n"), ("empty", "")]);
        let ran = job.file("dist/app", vec![7; 300_000]).run().exits_with(0);
        let text = |name: &str| read(&registry, name);
        assert_eq!((text("a.txt").as_deref(), text("empty").as_deref()), (Some("hello\n"), Some("")));
        assert_eq!(registry.read("alice", "widget", "v1.0.0", "app"), Some(vec![7; 300_000]));
        let base = registry.url();
        let urls =
            ["a.txt", "app", "empty"].map(|name| format!("{base}/api/packages/alice/generic/widget/v1.0.0/{name}"));
        let page = format!("{base}/alice/-/packages/generic/widget/v1.0.0");
        let ran = ran.has_outputs(&[("urls", &urls.join("\n")), ("package-url", &page), ("version", "v1.0.0")]);
        let counts = [("uploaded", "3"), ("unchanged", "0"), ("failed", "0"), ("total-size", "300006")];
        let ran = ran.has_outputs(&counts);
        let stored = registry.files("alice", "widget", "v1.0.0");
        for file in ran.files() {
            assert!(stored.iter().any(|stored| file["sha256"] == stored.sha256.as_str()), "{file}");
        }
    }
}

#[test]
fn awkward_names_are_published_and_downloaded_by_curl_unchanged() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for name in AWKWARD_NAMES {
        job.file(format!("dist/{name}"), name);
    }
    let ran = job.input("include-hidden-files", "true").run().exits_with(0);
    assert_eq!(contents(&registry, "v1.0.0"), AWKWARD_NAMES.map(|name| (name.to_owned(), name.to_owned())).into());
    assert_eq!(ran.files().len(), AWKWARD_NAMES.len());
    for file in ran.files() {
        let url = file["url"].as_str().expect("a URL");
        let got = Command::new("curl").args(["-fsS", "--globoff", url]).output().expect("curl runs");
        assert_eq!(got.stdout, file["name"].as_str().expect("a name").as_bytes(), "{url}");
    }
}

#[test]
fn a_run_sends_three_requests_more_than_there_are_files_and_checks_write_access_before_a_large_upload() {
    let large = (1 << 20) + 1;
    for (exists, files, expected) in [
        // The smallest creates the version, alone.
        (false, &[("b", 2), ("a", 1), ("c", 3)][..], &["PUT a", "PUT c", "PUT b"][..]),
        (false, &[("large", large)], &["PUT %2A", "PUT large"]),
        (false, &[("mebibyte", 1 << 20)], &["PUT mebibyte"]),
        // A smaller upload shows that there is write access. If the version exists, none is alone.
        (false, &[("large", large), ("small", 1)], &["PUT small", "PUT large"]),
        (true, &[("large", large)], &["PUT %2A", "PUT large"]),
    ] {
        let registry = Registry::start(Persona::default());
        if exists {
            seed(&registry, "v1.0.0", &[("other", "x")]);
        }
        let mut job = Job::new(&registry);
        for (name, size) in files {
            job.file(format!("dist/{name}"), vec![1; *size]);
        }
        job.input("concurrency", "1").run().exits_with(0);
        let expected = [&["GET v1.0.0/files"], expected, &["GET v1.0.0/files", "GET v1.0.0"]].concat();
        let expected = expected.iter().map(|line| line.replace("PUT ", "PUT v1.0.0/"));
        assert_eq!(requests(&registry), expected.collect::<Vec<_>>());
        // A second run uploads nothing.
        registry.clear_requests();
        let ran = job.run().exits_with(0);
        let unchanged = files.len().to_string();
        let ran = ran.has_outputs(&[("uploaded", "0"), ("unchanged", &unchanged)]);
        assert_eq!(ran.outputs["urls"].lines().count(), files.len());
        assert_eq!(requests(&registry), ["GET v1.0.0/files", "GET v1.0.0"]);
    }
}

#[test]
fn a_name_of_another_case_is_the_same_name() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("README", "read me")]);
    let mut job = Job::publishing(&registry, &[("readme", "read me")]);
    job.run().exits_with(0).has_statuses(&["unchanged"]);
    job.file("dist/readme", "read us");
    job.run().exits_with(1).has_codes(&["conflict"]).says("`readme`").says("`README`");
}

#[test]
fn with_a_conflict_nothing_is_uploaded_and_both_contents_are_named() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("longer", "12345"), ("other", "12345"), ("same", "12345")]);
    let files = [("longer", "123456"), ("other", "abcde"), ("same", "12345"), ("new", "new")];
    let mut job = Job::publishing(&registry, &files);
    let ran = job.run().exits_with(1).has_codes(&["conflict"]).says("`longer`").says("`other`");
    ran.has_statuses(&["failed", "not-attempted", "failed", "unchanged"]).has_outputs(&[("failed", "3")]);
    assert!(registry.requests().iter().all(|request| request.method == "GET"));
    // A single conflict has the sizes, or the hashes of equal sizes.
    job.input("files", "dist/longer").run().exits_with(1).has_codes(&["conflict"]).says("5 bytes").says("6 bytes");
    let ran = job.input("files", "dist/other").run().exits_with(1).has_codes(&["conflict"]).says("5 bytes");
    let ran = ran.says("5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5");
    ran.says("36bbe50ed96841d10443bcb670d6554f0a34b761be67ec9c4a8ad2c0c44ca42c");
}

#[test]
fn as_many_uploads_run_at_once_as_the_input_says() {
    for concurrency in [1, 3] {
        let registry = Registry::start(Persona::default());
        seed(&registry, "v1.0.0", &[("other", "creates the version")]);
        registry.add_fault(Fault::always(put(""), Point::BeforeStore, gather(concurrency)));
        let mut job = Job::new(&registry);
        for number in 0..8 {
            job.file(format!("dist/{number}"), "content");
        }
        job.input("concurrency", concurrency.to_string()).run().exits_with(0);
        assert_eq!(registry.max_uploads_in_flight(), concurrency);
    }
}

#[test]
fn a_refusal_that_each_file_would_meet_ends_the_run() {
    // After the first, which is uploaded alone, the largest are uploaded first.
    for (name, statuses) in [("b", ["uploaded", "failed", "uploaded"]), ("c", ["uploaded", "not-attempted", "failed"])]
    {
        let registry = Registry::start(Persona::default());
        registry.add_fault(Fault::once(put(name), Point::Head, Action::Answer(Answer::text(401, "reqPackageAccess"))));
        let mut job = Job::publishing(&registry, &[("a", "1"), ("b", "22"), ("c", "333")]);
        let ran = job.input("concurrency", "1").run().exits_with(1).has_codes(&["no-write-access"]);
        ran.says(&format!("`{name}`")).has_statuses(&statuses);
    }
}

#[test]
fn only_201_is_a_success() {
    for status in [200, 202, 204, 301, 302, 307, 400, 403, 404, 405, 409, 413, 418, 429, 500, 502, 503] {
        let registry = Registry::start(Persona::default());
        registry.add_fault(Fault::always(put("a"), Point::BeforeStore, Action::Answer(Answer::text(status, "no"))));
        let ran = Job::publishing(&registry, &[("a", "1")]).run().exits_with(1);
        ran.has_statuses(&["failed"]).has_outputs(&[("urls", "")]);
    }
}

#[test]
fn no_redirect_is_followed() {
    let [elsewhere, registry] = [(); 2].map(|()| Registry::start(Persona::default()));
    let place = format!("{}/api/packages/alice/generic/widget/v1.0.0/a", elsewhere.url());
    for on in [put("a"), Match::list()] {
        registry.clear_faults();
        answers(&registry, on, Answer::text(307, "").header("Location", &place));
        Job::publishing(&registry, &[("a", "1")]).run().exits_with(1).says("307 Temporary Redirect");
    }
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn without_the_last_list_uploaded_and_identical_files_are_unknown() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("b", "22")]);
    registry.add_fault(Fault::once(put("a"), Point::BeforeStore, another_job_deletes("v1.0.0", "b")));
    registry.add_fault(Fault::always(Match::list(), Point::Head, Action::Answer(Answer::text(500, ""))).skip(1));
    let ran = Job::publishing(&registry, &[("a", "1"), ("b", "22")]).run().exits_with(1);
    let ran = ran.has_codes(&["server-error", "not-verified", "not-verified"]).has_statuses(&["unknown", "unknown"]);
    ran.has_outputs(&[("failed", "2"), ("urls", "")]);
}

#[test]
fn a_refusal_is_the_reason_though_the_server_closes_in_the_middle_of_the_body() {
    let answer_and_close = || Action::Answer(Answer::text(401, "Failed to authenticate user"));
    for round in 0..50 {
        let registry = Registry::start(Persona::default());
        let job = Job::publishing(&registry, &[("large", "")]);
        let file = File::options().write(true).open(job.workspace().join("dist/large")).expect("the file is there");
        file.set_len(200 << 20).expect("a sparse file");
        // The token is good for the list and for the check, and revoked while the upload runs. Then the server
        // answers and closes at once, and the answer comes through, or is lost to a reset.
        let (point, end) = match round % 2 {
            0 => (Point::Head, answer_and_close()),
            _ => (Point::RequestByte(1 << 20), Action::Reset),
        };
        registry.add_fault(Fault::once(put("large"), point, Action::then(|world| world.revoke("alice_write"))));
        registry.add_fault(Fault::once(put("large"), point, end));
        let ran = job.run().exits_with(1).says("401 Unauthorized: Failed to authenticate user");
        // It may have been refused, or broken off.
        let is_expected = [["bad-token"; 2], ["bad-token", "not-verified"]].iter().any(|codes| ran.codes == codes);
        assert!(is_expected, "{}", ran.log);
    }
}

#[test]
fn the_token_is_masked_before_anything_else_if_a_runner_reads_the_log() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::publishing(&registry, &[("a", "1")]);
    let masks = job.run().masks;
    assert_eq!((masks.len(), &masks[0]), (2, &format!("::add-mask::{}", registry.token("alice_write"))));
    // Without a runner nothing would hide the line.
    assert!(job.without("GITHUB_ACTIONS").run().exits_with(0).masks.is_empty());
}
