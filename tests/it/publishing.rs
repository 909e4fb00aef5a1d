//! What a run publishes, what it asks for, and in which order.

use std::fs::File;
use std::process::Command;

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry, Request};

use crate::harness::{AWKWARD_NAMES, Job, gather};

/// Method and path of each request, the paths cut to what tells them apart.
fn asked(registry: &Registry) -> Vec<String> {
    let short = |request: &Request| {
        let path = request.target.trim_start_matches("/api/packages/alice/generic/widget/v1.0.0/");
        let path = path.replace("/api/v1/packages/alice/generic/widget/v1.0.0", "version");
        format!("{} {path}", request.method)
    };
    registry.requests().iter().map(short).collect()
}

/// The upload of a file of that name.
fn put(name: &str) -> Match {
    Match::put(&format!("/v1.0.0/{name}"))
}

/// How many bytes of bodies the registry has read.
fn bytes_sent(registry: &Registry) -> u64 {
    registry.requests().iter().map(|request| request.body_bytes).sum()
}

#[test]
fn every_file_is_published_bit_for_bit_and_its_url_is_told() {
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        let mut job = Job::new(&registry);
        job.file("dist/a.txt", "hello\n").file("dist/app", vec![7; 300_000]).file("dist/empty", "");
        let ran = job.run().exits_with(0);
        assert_eq!(registry.read("alice", "widget", "v1.0.0", "a.txt").as_deref(), Some(&b"hello\n"[..]));
        assert_eq!(registry.read("alice", "widget", "v1.0.0", "app"), Some(vec![7; 300_000]));
        assert_eq!(registry.read("alice", "widget", "v1.0.0", "empty"), Some(Vec::new()));
        let base = registry.url();
        let url = |name: &str| format!("{base}/api/packages/alice/generic/widget/v1.0.0/{name}");
        assert_eq!(ran.outputs["urls"], [url("a.txt"), url("app"), url("empty")].join("\n"));
        assert_eq!(ran.outputs["package-url"], format!("{base}/alice/-/packages/generic/widget/v1.0.0"));
        let counts =
            ["version", "uploaded", "unchanged", "failed", "total-size"].map(|name| ran.outputs[name].as_str());
        assert_eq!(counts, ["v1.0.0", "3", "0", "0", "300006"]);
        let stored: Vec<String> =
            registry.files("alice", "widget", "v1.0.0").into_iter().map(|file| file.sha256).collect();
        for file in ran.files() {
            assert!(stored.iter().any(|sha256| file["sha256"] == sha256.as_str()), "{file}");
        }
    }
}

#[test]
fn awkward_names_arrive_as_they_are() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for name in AWKWARD_NAMES {
        job.file(format!("dist/{name}"), name);
    }
    job.input("include-hidden-files", "true").input("files", "dist/*");
    let ran = job.run().exits_with(0);
    for name in AWKWARD_NAMES {
        assert_eq!(registry.read("alice", "widget", "v1.0.0", name).as_deref(), Some(name.as_bytes()), "{name}");
    }
    assert_eq!(ran.files().len(), AWKWARD_NAMES.len());
    // A download by anybody's means brings back the same bytes.
    for file in ran.files() {
        let url = file["url"].as_str().expect("a URL");
        let got = Command::new("curl").args(["-fsS", "--globoff", url]).output().expect("curl runs");
        assert_eq!(got.stdout, file["name"].as_str().expect("a name").as_bytes(), "{url}");
    }
}

#[test]
fn new_files_cost_three_requests_more_than_there_are_files() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/b", "12").file("dist/a", "1").file("dist/c", "123");
    job.run().exits_with(0);
    let requests = asked(&registry);
    assert_eq!(requests.len(), 3 + 3, "{requests:?}");
    // The smallest makes the version, alone.
    assert_eq!(requests[..2], ["GET version/files", "PUT a"]);
    assert_eq!(requests[4..], ["GET version/files", "GET version"]);
}

#[test]
fn a_large_file_is_sent_only_when_the_right_to_write_is_known() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/large", vec![1; 1024 * 1024 + 1]);
    job.run().exits_with(0);
    assert_eq!(asked(&registry), ["GET version/files", "PUT %2A", "PUT large", "GET version/files", "GET version"]);

    // A smaller one that goes first and alone tells the same.
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/large", vec![1; 1024 * 1024 + 1]).file("dist/small", "1");
    job.run().exits_with(0);
    assert_eq!(asked(&registry), ["GET version/files", "PUT small", "PUT large", "GET version/files", "GET version"]);

    // Where the version exists nothing goes alone.
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "other", b"x");
    job.against(&registry).run().exits_with(0);
    assert_eq!(asked(&registry)[..2], ["GET version/files", "PUT %2A"]);
}

#[test]
fn for_a_file_of_one_mebibyte_the_right_to_write_is_not_asked_for() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", vec![1; 1024 * 1024]);
    job.run().exits_with(0);
    assert_eq!(asked(&registry), ["GET version/files", "PUT a", "GET version/files", "GET version"]);
}

#[test]
fn a_refused_right_costs_no_byte_of_a_large_file() {
    for (token, status) in [("bob_write", "401"), ("alice_read", "401")] {
        let registry = Registry::start(Persona::default());
        let mut job = Job::new(&registry);
        job.file("dist/large", vec![1; 2_000_000]).token(&registry.token(token));
        let ran = job.run().exits_with(1).has_codes(&["no-write-access"]).says(status);
        assert_eq!(bytes_sent(&registry), 0);
        assert_eq!(ran.statuses()["large"], "not-attempted");
    }
}

#[test]
fn a_re_run_sends_nothing_and_is_green() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "2");
    job.run().exits_with(0);
    registry.forget_requests();
    let ran = job.run().exits_with(0);
    assert_eq!(asked(&registry), ["GET version/files", "GET version"]);
    assert_eq!((ran.outputs["uploaded"].as_str(), ran.outputs["unchanged"].as_str()), ("0", "2"));
    assert_eq!(ran.outputs["urls"].lines().count(), 2);
}

#[test]
fn a_name_of_another_case_is_the_same_name() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "README", b"read me");
    let mut job = Job::new(&registry);
    job.file("dist/readme", "read me");
    assert_eq!(job.run().exits_with(0).statuses()["readme"], "unchanged");
    job.file("dist/readme", "read us");
    job.run().exits_with(1).has_codes(&["conflict"]).says("`readme`").says("`README`");
}

#[test]
fn with_a_conflict_nothing_is_sent_and_both_contents_are_told() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "longer", b"12345");
    registry.seed("alice", "widget", "v1.0.0", "other", b"12345");
    registry.seed("alice", "widget", "v1.0.0", "same", b"12345");
    let mut job = Job::new(&registry);
    job.file("dist/longer", "123456").file("dist/other", "abcde").file("dist/same", "12345").file("dist/new", "new");
    let ran = job.run().exits_with(1).has_codes(&["conflict"]).says("`longer`").says("`other`");
    assert!(registry.requests().iter().all(|request| request.method == "GET"));
    let statuses: Vec<(String, String)> = ran.statuses().into_iter().collect();
    let expected = [("longer", "failed"), ("new", "not-attempted"), ("other", "failed"), ("same", "unchanged")];
    assert_eq!(statuses, expected.map(|(name, status)| (name.to_owned(), status.to_owned())));
    assert_eq!(ran.outputs["failed"], "3");
    // One conflict is told in full.
    job.input("files", "dist/longer").run().exits_with(1).has_codes(&["conflict"]).says("5 bytes").says("6 bytes");
    let ran = job.input("files", "dist/other").run().exits_with(1).has_codes(&["conflict"]).says("5 bytes");
    let ran = ran.says("5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5");
    ran.says("36bbe50ed96841d10443bcb670d6554f0a34b761be67ec9c4a8ad2c0c44ca42c");
}

#[test]
fn as_many_uploads_run_at_once_as_are_allowed_and_no_more() {
    for concurrency in [1, 3] {
        let registry = Registry::start(Persona::default());
        registry.seed("alice", "widget", "v1.0.0", "other", b"makes the version");
        registry.script(Fault::always(Match::put("/v1.0.0/"), Point::BeforeStore, gather(concurrency)));
        let mut job = Job::new(&registry);
        job.input("concurrency", concurrency.to_string());
        for number in 0..8 {
            job.file(format!("dist/{number}"), "content");
        }
        job.run().exits_with(0);
        assert_eq!(registry.max_uploads_in_flight(), concurrency);
    }
}

#[test]
fn a_refusal_that_meets_every_file_stops_the_run() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::once(put("b"), Point::Head, Action::Answer(Answer::text(401, "reqPackageAccess"))));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "22").file("dist/c", "333").input("concurrency", "1");
    let ran = job.run().exits_with(1).has_codes(&["no-write-access"]).says("`b`");
    // After the first, which goes alone, the largest go first.
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded", "failed", "uploaded"]);

    let registry = Registry::start(Persona::default());
    registry.script(Fault::once(put("c"), Point::Head, Action::Answer(Answer::text(401, "reqPackageAccess"))));
    let ran = job.against(&registry).run().exits_with(1);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded", "not-attempted", "failed"]);
}

#[test]
fn a_refusal_of_one_file_lets_the_others_go_on() {
    let registry = Registry::start(Persona::default());
    let too_large = Answer::text(403, "maximum allowed package type size exceeded");
    registry.script(Fault::always(put("b"), Point::BeforeStore, Action::Answer(too_large)));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "22").file("dist/c", "333");
    let ran =
        job.run().exits_with(1).has_codes(&["file-too-large"]).says("403 Forbidden: maximum allowed package type");
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded", "failed", "uploaded"]);
}

#[test]
fn only_201_is_a_success() {
    for status in [200, 202, 204, 301, 302, 307, 400, 403, 404, 405, 409, 413, 418, 429, 500, 502, 503] {
        let registry = Registry::start(Persona::default());
        registry.script(Fault::always(put("a"), Point::BeforeStore, Action::Answer(Answer::text(status, "no"))));
        let mut job = Job::new(&registry);
        job.file("dist/a", "1");
        let ran = job.run().exits_with(1);
        assert_eq!(ran.statuses()["a"], "failed", "{status}");
        assert_eq!(ran.outputs["urls"], "", "{status}");
    }
}

#[test]
fn no_redirect_is_followed() {
    let elsewhere = Registry::start(Persona::default());
    let registry = Registry::start(Persona::default());
    let place = format!("{}/api/packages/alice/generic/widget/v1.0.0/a", elsewhere.url());
    let answer = Answer::text(307, "").header("Location", &place);
    registry.script(Fault::always(put("a"), Point::Head, Action::Answer(answer.clone())));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1");
    job.run().exits_with(1).says("307 Temporary Redirect");
    registry.clear_script();
    registry.script(Fault::always(Match::list(), Point::Head, Action::Answer(answer)));
    job.run().exits_with(1).says("307 Temporary Redirect");
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn what_the_registry_stores_otherwise_is_no_success() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::always(put("a"), Point::BeforeStore, Action::StoreOtherBytes));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "22");
    let ran = job.run().exits_with(1).has_codes(&["upload-mismatch"]);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["failed", "uploaded"]);
    let theirs = &registry.files("alice", "widget", "v1.0.0")[0];
    ran.says(&theirs.sha256).says("6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b");
}

#[test]
fn what_cannot_be_verified_is_unknown() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::always(Match::list(), Point::Head, Action::Answer(Answer::text(500, ""))).skip(1));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "22");
    let ran = job.run().exits_with(1).has_codes(&["server-error", "not-verified"]);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["unknown", "unknown"]);
    assert_eq!((ran.outputs["failed"].as_str(), ran.outputs["urls"].as_str()), ("2", ""));
}

#[test]
fn a_lost_answer_is_looked_up_on_the_registry() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::once(put("b"), Point::AfterStore, Action::Reset));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "22");
    let ran = job.run().exits_with(0);
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["uploaded", "uploaded"]);
}

#[test]
fn a_new_file_that_changes_during_the_run_fails_alone() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").file("dist/b", "22");
    let path = job.workspace().join("dist/a");
    let change = Action::then(move |_| std::fs::write(&path, "other").expect("it can be written"));
    registry.script(Fault::once(Match::list(), Point::Head, change));
    let ran = job.run().exits_with(1).has_codes(&["file-changed"]).says("dist/a");
    assert_eq!(ran.statuses().into_values().collect::<Vec<_>>(), ["failed", "uploaded"]);
}

#[test]
fn a_refusal_is_told_though_the_server_closes_in_the_middle_of_the_body() {
    let answer_and_close = || Action::Answer(Answer::text(401, "Failed to authenticate user"));
    for round in 0..50 {
        let registry = Registry::start(Persona::default());
        let mut job = Job::new(&registry);
        job.file("dist/large", "");
        let file = File::options().write(true).open(job.workspace().join("dist/large")).expect("the file is there");
        file.set_len(200 << 20).expect("a sparse file");
        // The token is good for the list and for the question, and revoked while the upload runs. Then the server
        // answers and closes at once, and the answer comes through, or is lost to a reset.
        let (point, end) = match round % 2 {
            0 => (Point::Head, answer_and_close()),
            _ => (Point::RequestByte(1 << 20), Action::Reset),
        };
        registry.script(Fault::once(put("large"), point, Action::then(|world| world.revoke("alice_write"))));
        registry.script(Fault::once(put("large"), point, end));
        let ran = job.run().exits_with(1).says("401 Unauthorized: Failed to authenticate user");
        // It may have been refused, or broken off.
        assert!(
            [["bad-token"; 2], ["bad-token", "not-verified"]].iter().any(|codes| ran.codes == codes),
            "{}",
            ran.log
        );
    }
}

#[test]
fn a_refusal_that_a_proxy_turns_into_a_502_is_told() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::once(Match::list(), Point::AfterStore, Action::then(|world| world.revoke("alice_write"))));
    registry.script(Fault::once(put("a"), Point::Head, Action::Answer(Answer::html(502, "Bad Gateway"))));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1");
    job.run().exits_with(1).has_codes(&["bad-token", "not-verified"]);
}

#[test]
fn a_page_that_is_not_told_is_the_usual_one_and_no_failure() {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::always(Match::version(), Point::Head, Action::Answer(Answer::text(500, ""))));
    let mut job = Job::new(&registry);
    job.file("dist/a", "1");
    let ran = job.run().exits_with(0).says("warning: ");
    assert_eq!(ran.outputs["package-url"], format!("{}/alice/-/packages/generic/widget/v1.0.0", registry.url()));
}

#[test]
fn the_token_is_masked_before_anything_else_where_a_runner_listens() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1");
    let ran = job.run();
    assert_eq!(ran.masks.len(), 2);
    assert_eq!(ran.masks[0], format!("::add-mask::{}", registry.token("alice_write")));
    // Nobody would hide the line where the program was started by hand.
    job.without("GITHUB_ACTIONS");
    assert!(job.run().exits_with(0).masks.is_empty());
}
