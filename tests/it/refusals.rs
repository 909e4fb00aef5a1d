//! Responses that are easily misread.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::{Job, Ran, gather};
use crate::package::{answers, put, seed};

/// A run with three small files, where one kind of request gets another answer.
fn answered(on: Match, answer: Answer) -> Ran {
    let registry = Registry::start(Persona::default());
    registry.add_fault(Fault::always(on, Point::BeforeStore, Action::Answer(answer)));
    Job::publishing(&registry, &[("a", "1"), ("b", "22"), ("c", "333")]).run()
}

/// The answer of a list or a version call, given before anybody is asked who he is.
fn first_response(on: Match, answer: Answer) -> Ran {
    let registry = Registry::start(Persona::default());
    answers(&registry, on, answer);
    Job::publishing(&registry, &[("a", "1")]).run()
}

#[test]
fn a_page_whose_address_is_not_plain_is_not_shown() {
    let registry = Registry::start(Persona::default());
    let token = registry.token("alice_write");
    let path = "alice/-/packages/generic/widget/v1.0.0";
    for page in [
        "javascript:alert(1)".to_owned(),
        format!("ftp://h/{path}"),
        "https://h/".to_owned(),
        "https://h/evil".to_owned(),
        "https://h/alice/-/packages/generic/widget/v2.0.0".to_owned(),
        "https://h/alice/-/packages/generic/gadget/v1.0.0".to_owned(),
        "https://h/bob/-/packages/generic/widget/v1.0.0".to_owned(),
        "https://h/alice/-/packages/generic/widget%2Fv1.0.0".to_owned(),
        format!("https://h/{path}/"),
        format!("https://h/%FF/{path}"),
        format!("https://a;b/{path}"),
        format!("https://$(id)/{path}"),
        format!("https://h/{path}##[add-path]/evil"),
        format!("https://h/{token}/{path}"),
        format!("https://h/{}/{path}", "x".repeat(3_000)),
    ] {
        let answer = Answer::json(200, format!(r#"{{"html_url":"{page}"}}"#));
        registry.clear_faults();
        answers(&registry, Match::version(), answer);
        let ran = Job::publishing(&registry, &[("a", "1")]).run().exits_with(0).says("warning: ");
        assert_eq!(ran.outputs["package-url"], format!("{}/alice/-/packages/generic/widget/v1.0.0", registry.url()));
        assert!(!ran.log.contains("##["), "{}", ran.log);
    }
}

#[test]
fn two_refusals_that_each_file_would_meet_are_two_errors() {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("other", "creates the version")]);
    let both = gather(2);
    for (name, answer) in
        [("a", Answer::text(413, "enforcePackagesQuota")), ("b", Answer::text(404, "404 page not found"))]
    {
        registry.add_fault(Fault::once(put(name), Point::BeforeStore, both.clone()));
        registry.add_fault(Fault::once(put(name), Point::BeforeStore, Action::Answer(answer)));
    }
    let mut job = Job::publishing(&registry, &[("a", "1"), ("b", "22")]);
    job.input("concurrency", "2");
    job.run().exits_with(1).has_codes(&["quota-exceeded", "wrong-server-url"]);
}

#[test]
fn a_version_or_package_that_the_server_refuses_stops_the_run() {
    for (words, code) in
        [("invalid package version", "invalid-version"), ("invalid package name", "invalid-package-name")]
    {
        let ran = answered(put(""), Answer::text(400, words)).exits_with(1).has_codes(&[code]);
        let attempted = ran.statuses().values().filter(|status| *status != "not-attempted").count();
        assert_eq!(attempted, 1, "{}", ran.log);
    }
    let ran = answered(put(""), Answer::text(400, "invalid filename")).exits_with(1);
    assert!(ran.statuses().values().all(|status| status == "failed"), "{}", ran.log);
}

/// A version that exists, a check for write access that is answered by that, and files of which two are large.
fn checked(action: Action) -> (Registry, Job) {
    let registry = Registry::start(Persona::default());
    seed(&registry, "v1.0.0", &[("other", "creates the version")]);
    registry.add_fault(Fault::always(Match::put("%2A"), Point::Head, action));
    let mut job = Job::publishing(&registry, &[("small", "1")]);
    job.file("dist/large", vec![0; 1_100_000]).file("dist/larger", vec![0; 1_200_000]);
    (registry, job)
}

#[test]
fn a_rejection_of_the_check_of_write_access_ends_the_run_before_any_upload() {
    for (status, text, code) in [
        (400, "invalid package name", "invalid-package-name"),
        (400, "invalid package version", "invalid-version"),
        (401, "Failed to authenticate user", "bad-token"),
        (401, "authGroup.Verify", "bad-token"),
        (401, "reqPackageAccess", "no-write-access"),
        (403, "reqToken", "public-only-token"),
        (404, "Not found.", "owner-not-found"),
        (413, "enforcePackagesQuota", "quota-exceeded"),
    ] {
        let (registry, mut job) = checked(Action::Answer(Answer::text(status, text)));
        for dry_run in ["true", "false"] {
            let ran = job.input("dry-run", dry_run).run().exits_with(1).has_a_hint_for_each_error();
            ran.has_codes(&[code]).says(text).does_not_say("warning:");
        }
        assert_eq!(registry.requests().iter().map(|request| request.body_bytes).sum::<u64>(), 0, "{status} {text}");
    }
}

#[test]
fn a_proxy_that_blocks_the_check_of_write_access_does_not_block_the_uploads() {
    let text = |status, text: &str| Action::Answer(Answer::text(status, text));
    let page = |status| Action::Answer(Answer::html(status, "<html><title>Request blocked</title></html>"));
    for action in [
        page(200),
        page(400),
        page(401),
        page(403),
        page(404),
        page(405),
        page(502),
        text(200, ""),
        text(201, ""),
        text(400, "invalid request"),
        text(401, "unauthorized"),
        text(403, "blocked by rule 42"),
        text(404, "404 page not found"),
        text(418, ""),
        text(500, ""),
        Action::Answer(Answer::text(302, "").header("Location", "/login")),
        Action::Reset,
        Action::Close,
        Action::Raw(b"\x16\x03\x01".to_vec()),
    ] {
        let (registry, mut job) = checked(action.clone());
        let dry = job.input("dry-run", "true").run().exits_with(0);
        dry.says("warning: ");
        let ran = job.input("dry-run", "false").variable("RUNNER_DEBUG", "1").run();
        let ran = ran.exits_with(0).does_not_say("warning:").does_not_say("error:").has_statuses(&["uploaded"; 3]);
        let told = ran.log.matches("::debug::failed to check write access to packages of alice: ").count();
        assert_eq!(told, 1, "{}", ran.log);
        let requests = registry.requests();
        let uploads = requests.iter().filter(|request| request.method == "PUT" && !request.target.ends_with("%2A"));
        let first = uploads.clone().next().expect("an upload");
        assert!(first.target.ends_with("/small"), "the smallest file goes first, alone");
        let is_alone = uploads.skip(1).all(|request| Some(request.started) >= first.finished);
        assert!(is_alone, "{requests:?}");
    }
}

#[test]
fn if_the_check_of_write_access_is_blocked_the_smallest_file_stands_in_for_it() {
    let (registry, job) = checked(Action::Answer(Answer::html(403, "<html><title>Request blocked</title></html>")));
    answers(&registry, put(""), Answer::text(401, "reqPackageAccess"));
    let ran = job.run().exits_with(1).has_codes(&["no-write-access"]);
    let statuses: Vec<(String, String)> = ran.statuses().into_iter().collect();
    let expected = [("large", "not-attempted"), ("larger", "not-attempted"), ("small", "failed")];
    assert_eq!(statuses, expected.map(|(name, status)| (name.to_owned(), status.to_owned())));
}

#[test]
fn a_replacement_goes_on_though_the_check_of_write_access_is_blocked() {
    let (registry, mut job) = checked(Action::Answer(Answer::html(403, "<html><title>Request blocked</title></html>")));
    seed(&registry, "v1.0.0", &[("small", "theirs")]);
    let ran = job.input("if-file-exists", "overwrite").run().exits_with(0);
    assert_eq!(ran.statuses()["small"], "replaced");
}

#[test]
fn a_redirect_is_an_error_with_the_base_url_it_leads_to() {
    let list = "/api/v1/packages/alice/generic/widget/v1.0.0/files";
    let redirect =
        |status, place: &str| first_response(Match::list(), Answer::text(status, "").header("Location", place));
    redirect(301, &format!("https://git.example.com/forge{list}"))
        .exits_with(1)
        .has_codes(&["redirected"])
        .says("https://git.example.com/forge");
    redirect(302, "/user/login?redirect_to=x").exits_with(1).has_codes(&["web-page"]);
    redirect(307, "/login").exits_with(1).has_codes(&["web-page"]);
    redirect(307, &list.replace("/alice/", "/alicia/"))
        .exits_with(1)
        .has_codes(&["owner-renamed"])
        .says("`owner: alicia`");
    redirect(307, "::set-env name=X::y\u{7f}").exits_with(1);
    // Only the path is shown.
    for place in ["https://user:secret-word@sso.example.com/login", "//sso.example.com/?state=secret-word#secret-word"]
    {
        let ran = redirect(302, place).exits_with(1).has_codes(&["redirected"]);
        ran.says("sso.example.com").does_not_say("secret-word");
    }
}

#[test]
fn a_web_page_is_recognized_whatever_the_spelling_of_its_type() {
    let page = Answer::empty(200).header("Content-Type", "Text/HTML; charset=x");
    let page = page.with_body("<html><title>Sign in</title>");
    first_response(Match::list(), page).exits_with(1).has_codes(&["web-page"]).says("200 OK: Sign in");
}

#[test]
fn a_list_with_both_spellings_of_the_size_is_read() {
    let row = r#"[{"name":"a","size":1,"Size":1,"sha256":"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"}]"#;
    let ran = first_response(Match::list(), Answer::json(200, row)).exits_with(0);
    assert_eq!(ran.statuses()["a"], "unchanged");
}

#[test]
fn a_list_without_hashes_or_sizes_is_no_list() {
    for row in [r#"[{"name":"a","size":1,"sha256":""}]"#, r#"[{"name":"a","sha256":""}]"#, "null", "{}", "[1]", "[", ""]
    {
        first_response(Match::list(), Answer::json(200, row)).exits_with(1).has_codes(&["unexpected-response"]);
    }
}

#[test]
fn a_list_that_contradicts_itself_is_no_list() {
    let row = |sha256: &str| format!(r#"{{"name":"a","size":1,"sha256":"{sha256}"}}"#);
    let ours = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
    let list = format!("[{},{}]", row(&"0".repeat(64)), row(ours));
    first_response(Match::list(), Answer::json(200, list))
        .exits_with(1)
        .has_codes(&["unexpected-response"])
        .says("`a`");
}
