//! Hints that name the right fix where several causes look alike.

use embedded_registry::{Answer, Match, Persona, Registry};

use crate::harness::{Job, Ran};
use crate::package::answers;

/// A job with one file for the organization acme.
fn job(registry: &Registry, token: &str) -> Job {
    let mut job = Job::publishing(registry, &[("a", "1")]);
    job.input("owner", "acme").token(&registry.token(token));
    job
}

/// A download of everything from the private organization secretorg.
fn private_download(registry: &Registry) -> Job {
    registry.seed("secretorg", "widget", "v1.0.0", "app", b"content");
    let mut job = Job::downloading(registry);
    job.input("owner", "secretorg").input("version", "v1.0.0");
    job
}

/// The hint of the only error.
#[track_caller]
fn hint(ran: Ran) -> String {
    let ran = ran.exits_with(1).has_a_hint_for_each_error();
    assert_eq!(ran.errors().len(), 1, "{}", ran.log);
    let log = ran.unwrapped_log();
    let hint = log.lines().find_map(|line| line.strip_prefix("  hint: ")).expect("a hint");
    hint.replace(registry_url(&log), "https://git.example.com")
}

/// The address of the registry, which each log begins with.
fn registry_url(log: &str) -> &str {
    let start = log.find("http://127.0.0.1:").expect("an address");
    let end = log[start + 17..].find(|c: char| !c.is_ascii_digit()).expect("an end");
    &log[start..start + 17 + end]
}

#[test]
fn a_token_without_write_access_may_be_the_jobs_own_and_the_hint_says_so() {
    let registry = Registry::start(Persona::default());
    for token in ["alice_read", "carol_write"] {
        let hint = hint(job(&registry, token).run());
        let expected = "Give the token the scope write:package, or give the token's user write access to packages of \
                        acme. If the token is the job's own, set `token` to a personal access token instead: \
                        https://git.example.com/user/settings/applications";
        assert_eq!(hint, expected);
    }
    let hint = hint(job(&registry, "carol_write").input("username", "carol").run());
    assert!(hint.contains("or give carol write access to packages of acme. If the token is the job's own"), "{hint}");
}

#[test]
fn the_jobs_own_token_is_named_as_the_cause_if_the_runner_sets_it_in_a_variable() {
    let registry = Registry::start(Persona::default());
    for variable in ["GITHUB_TOKEN", "GITEA_TOKEN", "FORGEJO_TOKEN"] {
        let token = registry.token("carol_write");
        let hint = hint(job(&registry, "carol_write").variable(variable, token).run());
        let expected = "Create a personal access token with the scope write:package, because the job's own token \
                        cannot publish packages: https://git.example.com/user/settings/applications";
        assert_eq!(hint, expected);
    }
}

#[test]
fn nobody_is_asked_to_make_the_jobs_user_a_member_of_a_private_owner() {
    let registry = Registry::start(Persona::default());
    let token = registry.token("bob_write");
    let mut job = private_download(&registry);
    let unrecognized = hint(job.token(&token).input("username", "bob").run());
    let expected = "Set `token` to a personal access token of a member of secretorg, which is private. The job's own \
                    token has no access to private owners";
    assert_eq!(unrecognized, expected);
    let recognized = hint(job.variable("GITEA_TOKEN", token).run());
    let expected = "Create a personal access token with the scope read:package, because the job's own token has no \
                    access to packages of secretorg: https://git.example.com/user/settings/applications";
    assert_eq!(recognized, expected);
}

#[test]
fn a_token_for_public_owners_only_is_named_as_that_by_the_list_and_by_an_upload() {
    let personas = Persona::all().into_iter().filter(|persona| *persona != Persona::Forgejo7);
    for persona in personas {
        let registry = Registry::start(persona);
        registry.seed("secretorg", "widget", "v1.0.0", "other", b"content");
        for (version, words) in [("v1.0.0", "token scope is limited to public packages"), ("v2.0.0", "reqToken")] {
            let ran = job(&registry, "alice_publiconly").input("owner", "secretorg").input("version", version).run();
            let hint = hint(ran.says(&format!("403 Forbidden: {words}")));
            let expected = "Create a personal access token with access to all owners, because this one is limited to \
                            public owners and secretorg is private: https://git.example.com/user/settings/applications";
            assert_eq!(hint, expected, "{persona:?}");
        }
    }
}

#[test]
fn a_json_web_token_is_named_as_one() {
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvOmFjbWUvd2lkZ2V0In0.c2lnbmF0dXJlLW9mLWEtdG9rZW4";
    for persona in Persona::all() {
        let registry = Registry::start(persona);
        let hint = hint(job(&registry, "alice_write").token(jwt).run());
        let expected = "Set `token` to a personal access token with the scope write:package. The current value is a \
                        JWT, such as the ID token of a job, and not an access token: \
                        https://git.example.com/user/settings/applications";
        assert_eq!(hint, expected, "{persona:?}");
    }
}

#[test]
fn of_several_reasons_the_last_is_the_cause_and_the_others_are_for_debugging() {
    let registry = Registry::start(Persona::Forgejo15);
    let token = registry.token("alice_write");
    let message = [
        &format!("token is malformed: {token}"),
        "user's password is invalid [uid: 2, name: alice]",
        &format!("::debug::{token}"),
        &format!("access token does not exist [sha: {token}]"),
        "",
    ]
    .join(r"\n");
    answers(&registry, Match::list(), Answer::json(401, format!(r#"{{"message":"{message}"}}"#)));
    let mut job = job(&registry, "alice_write");
    let ran = job.run().exits_with(1).says("caused by: 401 Unauthorized: access token does not exist [sha: ***] (GET");
    ran.does_not_say("malformed").does_not_say("password is invalid");
    let ran = job.variable("RUNNER_DEBUG", "1").run().exits_with(1);
    let others = "::debug::other reasons that the server gave: token is malformed: ***; user's password is invalid \
                  [uid: 2, name: alice]; : :debug: :***";
    let told: Vec<&str> = ran.log.lines().filter(|line| line.contains("malformed")).collect();
    assert_eq!(told, [others]);
}

#[test]
fn a_reason_behind_long_ones_is_still_the_cause() {
    let registry = Registry::start(Persona::Forgejo15);
    let jwt = format!("eyJhbGciOiJSUzI1NiJ9.{}.{}", "a".repeat(6_000), "b".repeat(342));
    let message = format!(r"token is malformed: {jwt}\n{jwt}: not found\nparse JWT error: token is expired");
    answers(&registry, Match::list(), Answer::json(401, format!(r#"{{"message":"{message}"}}"#)));
    let ran = job(&registry, "alice_write").token(&jwt).run().exits_with(1);
    ran.says("caused by: 401 Unauthorized: parse JWT error: token is expired (GET");
}

#[test]
fn the_title_of_a_page_is_shown_without_html_entities() {
    for (title, shown) in [
        ("Sign in &ndash; Caf&#233; &amp; Bar", "Sign in \u{2013} Caf\u{e9} & Bar"),
        ("What&#x27;s &quot;this&quot;&nbsp;?", "What's \"this\" ?"),
        ("R&D &unknown; &#; &amp", "R&D &unknown; &#; &amp"),
        ("&lt;b&gt; &amp;lt;", "<b> &lt;"),
        ("a&#10;::set-env name=x::y&#27;", "a\\n::set-env name=x::y\\u{1b}"),
        ("&#58;:set-env name=x::y", "\\::set-env name=x::y"),
    ] {
        let registry = Registry::start(Persona::default());
        answers(&registry, Match::list(), Answer::html(403, format!("<html><title>{title}</title></html>")));
        let ran = job(&registry, "alice_write").run().exits_with(1);
        assert!(ran.unwrapped_log().contains(&format!("caused by: 403 Forbidden: {shown} (GET ")), "{}", ran.log);
    }
}

#[test]
fn a_link_that_is_refused_for_the_packages_of_the_owner_says_whose_access_is_missing() {
    let registry = Registry::start(Persona::default());
    let refusal = Answer::json(403, r#"{"message":"user should have specific permission or be a site admin"}"#);
    answers(&registry, Match::link(), refusal);
    let mut job = Job::new(&registry);
    let ran = job.file("dist/a", "1").input("link-repository", "true").run().exits_with(0);
    let ran = ran
        .says("Give the token's user write access to packages of alice. If the token is the job's own, set `token` to");
    ran.does_not_say("of that repository");
}

#[test]
fn a_package_that_is_not_there_may_be_one_of_a_server_with_packages_disabled() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::downloading(&registry);
    let newest = hint(job.run());
    let expected = "Check `owner` and `repo`. alice has no generic package that this user can see, or packages are \
                    disabled on https://git.example.com";
    assert_eq!(newest, expected);
    assert_eq!(hint(job.input("version", "v1.0.0").run()), expected);
    let visitor = hint(job.without("INPUT_TOKEN").run());
    let expected = "Check `version` and `repo`. alice may have no such package, or packages are disabled on \
                    https://git.example.com";
    assert_eq!(visitor, expected);
}

#[test]
fn a_wildcard_without_a_token_needs_one_if_the_owner_is_private() {
    let registry = Registry::start(Persona::default());
    let mut job = private_download(&registry);
    job.without("INPUT_TOKEN");
    // A private owner is refused by the token that is missing, or by its own name.
    let (unknown, refused) = ("token is required", "user should have specific permission or be a site admin");
    for (status, words, expected) in [
        (
            401,
            unknown,
            "Set `token` to a personal access token with the scope read:package, from a secret. If the owner is \
             public, you can name the files without wildcards instead",
        ),
        (
            403,
            refused,
            "Set `token` to a personal access token with the scope read:package, from a secret. The token's user \
             needs read access to packages of secretorg: https://git.example.com/user/settings/applications",
        ),
    ] {
        registry.clear_faults();
        answers(&registry, Match::list(), Answer::json(status, format!(r#"{{"message":"{words}"}}"#)));
        assert_eq!(hint(job.run()), expected);
    }
    registry.clear_faults();
    answers(&registry, Match::list(), Answer::json(401, format!(r#"{{"message":"{unknown}"}}"#)));
    let named = hint(job.input("files", "app").run());
    assert!(
        named.starts_with("Set `token` to a personal access token with the scope read:package, from a secret."),
        "{named}"
    );
}

#[test]
fn a_version_that_is_too_long_or_is_a_dot_is_rejected_with_the_input_to_change() {
    let registry = Registry::start(Persona::default());
    let long = "1".repeat(256);
    let shorten = "hint: Shorten the version to 255 characters or less";
    for (version, hint) in [(long.as_str(), shorten), (".", "hint: Set `version`"), ("..", "hint: Set `version`")] {
        let mut job = Job::publishing(&registry, &[("a", "1")]);
        job.input("checksums", "SHA256SUMS").input("version", version);
        job.run_rejected(&registry).says("error: failed to read input `version`").says(hint);
        job.input("version", "1.0").input("aliases", version);
        job.run_rejected(&registry)
            .says("error: failed to read input `aliases`")
            .says(&hint.replace("the version", "the alias").replace("`version`", "`aliases`"));
        let mut job = Job::downloading(&registry);
        job.input("version", version).run_rejected(&registry).says(hint);
    }
    let mut job = Job::publishing(&registry, &[("a", "1")]);
    job.variable("GITHUB_REF", format!("refs/tags/{long}")).run_rejected(&registry).says(shorten);
}

#[test]
fn a_server_on_a_loopback_address_is_not_reached_from_a_container() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry, "alice_write");
    let port = Job::address_of(&registry).port();
    drop(registry);
    for host in ["127.0.0.1", "localhost"] {
        let ran = job.input("server-url", format!("http://{host}:{port}")).run().exits_with(1);
        let ran = ran.says("failed to connect to the server").says(&format!(
            "hint: Set `server-url` to the server's public name or to an address of its host, because {host} in a \
             container is the container itself. Outside a container, check the port"
        ));
        ran.does_not_say("that the runner can reach");
    }
    let ran = job.input("server-url", format!("http://0.0.0.0:{port}")).run().exits_with(1);
    ran.says("hint: Check host and port in `server-url`, and that the runner can reach 0.0.0.0");
}
