//! Tests the meaning, the default and the valid values of each input.

mod server_url;
mod token;
mod unexpanded;
mod unknown;
mod version;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::{Job, Ran, gather};

/// The inputs that need not be given.
const OPTIONAL: [&str; 10] = [
    "server-url",
    "owner",
    "repo",
    "version",
    "version-strip-prefix",
    "username",
    "working-directory",
    "if-no-files-found",
    "include-hidden-files",
    "concurrency",
];

/// A job with one file to publish.
fn job(registry: &Registry) -> Job {
    let mut job = Job::new(registry);
    job.file("dist/a", "content");
    job
}

/// Runs a job with this input, which has to be refused by name and with that code alone.
#[track_caller]
fn refuses(registry: &Registry, input: &str, value: impl Into<OsString>, code: &str) -> Ran {
    let ran = job(registry).input(input, value).run_rejected(registry);
    ran.has_codes(&[code]).says(&format!("error: failed to read input `{input}`"))
}

/// Where the file went to, and as whom.
#[track_caller]
fn sent(registry: &Registry) -> (String, String) {
    let requests = registry.requests();
    let upload = requests.iter().find(|request| request.method == "PUT").expect("a file was sent");
    let basic = upload.header("Authorization").and_then(|value| value.strip_prefix("Basic ")).expect("Basic");
    let basic = String::from_utf8(STANDARD.decode(basic).expect("base64")).expect("UTF-8");
    (upload.target.clone(), basic.split_once(':').expect("a colon").0.to_owned())
}

/// Returns the highest number of parallel uploads of a job. Each upload waits until `awaited` uploads have arrived.
fn uploads_at_once(registry: &Registry, job: &mut Job, awaited: usize) -> usize {
    registry.seed("alice", "widget", "v1.0.0", "other", b"makes the version");
    registry.add_fault(Fault::always(Match::put("/v1.0.0/"), Point::BeforeStore, gather(awaited)));
    for number in 0..40 {
        job.file(format!("dist/{number}"), "content");
    }
    job.run().exits_with(0);
    registry.max_uploads_in_flight()
}

#[test]
fn the_workflow_sets_the_default_of_missing_inputs() {
    let registry = Registry::start(Persona::default());
    job(&registry).run().exits_with(0).does_not_say("warning:");
    assert_eq!(sent(&registry), ("/api/packages/alice/generic/widget/v1.0.0/a".into(), "alice".into()));
}

#[test]
fn an_empty_input_counts_as_not_set() {
    for empty in ["", " ", "\n", " \r\n\t "] {
        let registry = Registry::start(Persona::default());
        let mut job = job(&registry);
        job.file("dist/.hidden", "");
        for input in OPTIONAL {
            job.input(input, empty);
        }
        let ran = job.run().exits_with(0).does_not_say("warning:");
        assert_eq!(sent(&registry), ("/api/packages/alice/generic/widget/v1.0.0/a".into(), "alice".into()));
        assert_eq!(ran.files().len(), 1);
        for input in ["files", "token"] {
            refuses(&registry, input, empty, "missing-input");
        }
    }
}

#[test]
fn an_empty_variable_of_the_runner_counts_as_not_set() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    job.variable("GITHUB_REPOSITORY_OWNER", "").variable("GITHUB_ACTOR", "");
    job.run().exits_with(0);
    assert_eq!(sent(&registry), ("/api/packages/alice/generic/widget/v1.0.0/a".into(), String::new()));
    job.variable("GITHUB_REPOSITORY", "").variable("GITHUB_SERVER_URL", "").variable("GITHUB_REF", "");
    let ran = job.run_rejected(&registry);
    for input in ["owner", "repo", "server-url", "version"] {
        assert!(ran.log.contains(&format!("error: failed to read input `{input}`")), "{}", ran.log);
    }
    ran.has_codes(&["missing-input"; 4]);
}

#[test]
fn the_default_owner_is_the_owner_of_the_repository() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    job.without("GITHUB_REPOSITORY_OWNER").variable("GITHUB_REPOSITORY", "acme/gadget").run().exits_with(0);
    assert_eq!(sent(&registry).0, "/api/packages/acme/generic/gadget/v1.0.0/a");
}

#[test]
fn every_input_has_priority_over_the_workflow() {
    for (before, after) in [("", ""), (" ", "\n"), ("\n\t", " \r\n")] {
        let registry = Registry::start(Persona::default());
        let elsewhere = Registry::start(Persona::default());
        let mut job = job(&elsewhere);
        job.against(&registry).variable("GITHUB_SERVER_URL", elsewhere.url());
        job.file("build/.b/c", "");
        for (input, value) in [
            ("server-url", registry.url().as_str()),
            ("owner", "acme"),
            ("repo", "gadget"),
            ("version", "2.0"),
            ("username", "somebody"),
            ("working-directory", "build"),
            ("include-hidden-files", "true"),
            ("if-no-files-found", "warn"),
            ("concurrency", "32"),
            ("files", "*/*\n*.none"),
        ] {
            job.input(input, format!("{before}{value}{after}"));
        }
        job.run().exits_with(0).says("warning: failed to match `*.none`");
        assert_eq!(sent(&registry), ("/api/packages/acme/generic/gadget/2.0/c".into(), "somebody".into()));
        assert_eq!(elsewhere.requests(), []);
    }
}

#[test]
fn a_user_name_with_a_colon_is_rejected() {
    let registry = Registry::start(Persona::default());
    // What stands behind the colon may be a password.
    for name in ["alice:hunter2", ":hunter2", "hunter2:"] {
        refuses(&registry, "username", name, "invalid-input").does_not_say("hunter2");
    }
    refuses(&registry, "username", "a\u{7f}b", "invalid-input");
    // The actor's name is no better than a given one.
    let ran = job(&registry).variable("GITHUB_ACTOR", "a:b").run_rejected(&registry);
    ran.has_codes(&["invalid-input"]).says("`username`");
}

#[test]
fn a_token_in_quotation_marks_is_rejected_and_in_user_and_token_each_part_is_hidden() {
    let registry = Registry::start(Persona::default());
    refuses(&registry, "token", "\"0123456789abcdef\"", "invalid-input").does_not_say("0123456789abcdef");
    let ran = refuses(&registry, "token", "Bearer 0123456789abcdef", "invalid-input").does_not_say("0123456789abcdef");
    ran.says("begins with `Bearer `");
    let echo = Action::Answer(Answer::text(401, "no such token: 0123456789abcdef"));
    registry.add_fault(Fault::always(Match::list(), Point::Head, echo));
    let ran = job(&registry).token("alice:0123456789abcdef").secret("0123456789abcdef").run().exits_with(1);
    ran.has_codes(&["bad-token"]).says("no such token: ***");
}

#[test]
fn a_variable_whose_name_only_looks_like_one_of_the_runner_is_ignored() {
    let registry = Registry::start(Persona::default());
    // The Kelvin sign is a K in lower case.
    let mut job = job(&registry);
    job.variable("GITHUB_TO\u{212a}EN", "x").variable("GITHUB_TOKEN", "0123456789abcdef").variable("github_actor", "x");
    job.run().exits_with(0);
}

#[test]
fn any_other_user_name_is_accepted() {
    for name in ["somebody", "Ren\u{e9}e M\u{fc}ller", "a@b", "0"] {
        let registry = Registry::start(Persona::default());
        job(&registry).input("username", name).run().exits_with(0).says(&format!("at {} as {name}", registry.url()));
        assert_eq!(sent(&registry).1, name);
    }
}

#[test]
fn a_boolean_has_the_spellings_of_runners() {
    let registry = Registry::start(Persona::default());
    for (value, count) in [("true", 2), ("True", 2), ("TRUE", 2), ("false", 1), ("False", 1), ("FALSE", 1)] {
        let mut job = job(&registry);
        let ran = job.file("dist/.b", "").input("include-hidden-files", value).run().exits_with(0);
        assert_eq!(ran.files().len(), count, "{value}");
    }
    for value in ["yes", "no", "1", "0", "on", "tRUE", "t", "true,false", "\"true\""] {
        refuses(&registry, "include-hidden-files", value, "invalid-input");
    }
}

#[test]
fn if_no_files_found_is_one_of_three_words() {
    let registry = Registry::start(Persona::default());
    for (value, code) in [("error", 2), ("warn", 0), ("ignore", 0)] {
        let mut job = job(&registry);
        job.input("files", "none").input("if-no-files-found", value).run().exits_with(code);
    }
    for (value, hint) in [("Error", "Use `error`. "), ("ignored", "Use `ignore`. "), ("warn\nignore", ""), ("0", "")] {
        let ran = refuses(&registry, "if-no-files-found", value, "invalid-input");
        ran.says(hint).says("`error`, `warn`, `ignore`");
    }
}

#[test]
fn concurrency_is_a_whole_number_from_1_to_32() {
    let registry = Registry::start(Persona::default());
    for value in ["0", "33", "-1", "2.5", "four", "1e1", "0x4", "4 4", "18446744073709551617"] {
        refuses(&registry, "concurrency", value, "invalid-input");
    }
    for value in ["1", "32"] {
        job(&registry).input("concurrency", value).run().exits_with(0);
    }
}

#[test]
fn four_uploads_run_at_once_by_default_and_up_to_32_if_that_is_set() {
    for (concurrency, expected) in [("", 4), ("32", 32)] {
        let registry = Registry::start(Persona::default());
        let mut job = job(&registry);
        assert_eq!(uploads_at_once(&registry, job.input("concurrency", concurrency), expected), expected);
    }
}

#[test]
fn all_input_problems_are_reported_at_once() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    let bad = [
        ("files", "../a\n.git/b\n/c"),
        ("token", ""),
        ("server-url", "ftp://host"),
        ("owner", "a/b"),
        ("repo", "a b"),
        ("version", ".."),
        ("username", "a:b"),
        ("working-directory", ".."),
        ("if-no-files-found", "maybe"),
        ("include-hidden-files", "maybe"),
        ("concurrency", "0"),
    ];
    for (input, value) in bad {
        job.input(input, value);
    }
    let ran = job.run_rejected(&registry);
    for (input, _) in bad {
        assert!(ran.log.contains(&format!("error: failed to read input `{input}`")), "{input}: {}", ran.log);
    }
    // Of the patterns each has its own.
    assert_eq!(ran.errors().len(), bad.len() + 2, "{}", ran.log);
}

#[test]
fn lines_that_only_exclude_files_are_rejected() {
    let registry = Registry::start(Persona::default());
    refuses(&registry, "files", "!dist/*\n\n  !a", "invalid-input");
}

#[test]
fn an_underscore_can_replace_a_hyphen() {
    let registry = Registry::start(Persona::default());
    let elsewhere = Registry::start(Persona::default());
    let mut job = job(&elsewhere);
    job.against(&registry).variable("GITHUB_SERVER_URL", elsewhere.url());
    job.variable("INPUT_SERVER_URL", registry.url()).variable("INPUT_INCLUDE_HIDDEN_FILES", "true").file("dist/.b", "");
    assert_eq!(job.run().exits_with(0).files().len(), 2);
    assert_eq!(elsewhere.requests(), []);
    // Both spellings are good as long as they agree, or one says nothing.
    job.input("server-url", registry.url()).run().exits_with(0);
    job.input("server-url", "").run().exits_with(0);
    job.input("server-url", registry.url()).variable("INPUT_SERVER_URL", " ").run().exits_with(0);
}

#[test]
fn two_spellings_of_an_input_with_different_values_are_rejected() {
    let registry = Registry::start(Persona::default());
    for (input, one, other) in [
        ("server-url", registry.url().as_str(), "http://127.0.0.1:1"),
        ("include-hidden-files", "true", "false"),
        ("if-no-files-found", "error", "ignore"),
    ] {
        let underscored = format!("INPUT_{}", input.to_uppercase().replace('-', "_"));
        let ran = job(&registry).input(input, one).variable(&underscored, other).run_rejected(&registry);
        ran.has_codes(&["invalid-input"]).says(&format!("error: failed to read input `{input}`"));
    }
}

#[test]
fn an_input_that_is_not_utf_8_is_rejected_and_not_missing() {
    let registry = Registry::start(Persona::default());
    for input in OPTIONAL.into_iter().chain(["files", "token"]) {
        refuses(&registry, input, OsString::from_vec(b"a\xff".to_vec()), "invalid-input");
    }
}

#[test]
fn other_variables_can_contain_any_bytes() {
    let registry = Registry::start(Persona::default());
    let bytes = OsString::from_vec(b"\xff\xfe".to_vec());
    let mut job = job(&registry);
    for name in ["PATH", "LANG", "SECRET", "INPUT_SOMETHING", "INPUT_", "GITHUB_RUN_ID", "GITHUB_ACTOR"] {
        job.variable(name, bytes.clone());
    }
    let mut command = job.command();
    command.env(&bytes, &bytes).env(OsString::from_vec(b"INPUT_\xff".to_vec()), "x");
    job.run_as(command).exits_with(0).says("warning: 2 unknown inputs");
    // Who started the workflow is not known then, and that is no matter: the token tells.
    assert_eq!(sent(&registry).1, "");
}

#[test]
fn variables_in_lower_case_are_ignored() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").variable("github_ref", "refs/heads/x").variable("gitea_actions", "1").variable("act", "1");
    let ran = job.run().exits_with(0).says(" on GitHub Actions Publishing ");
    assert_eq!((ran.masks.len(), ran.outputs["version"].as_str()), (2, "v1.0.0"));
    // A shell's own `act` makes no runner, which would be told the token.
    job.without("GITHUB_ACTIONS").variable("ACT", "1");
    assert!(
        job.run()
            .exits_with(0)
            .says(concat!("generic-packages ", env!("CARGO_PKG_VERSION"), " Publishing "))
            .masks
            .is_empty()
    );
}

#[test]
fn a_prefix_that_the_tag_does_not_have_is_a_warning() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "1").input("version-strip-prefix", "release-");
    let ran = job.run().exits_with(0).says("warning: ").says("`release-`");
    assert_eq!(ran.outputs["version"], "v1.0.0");
}

#[test]
fn the_tokens_user_is_named_only_if_username_is_set() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    job.input("owner", "acme").token(&registry.token("bob_write"));
    job.run().exits_with(1).has_codes(&["no-write-access"]).does_not_say("bob");
    job.input("username", "bob")
        .run()
        .exits_with(1)
        .says(&format!("at {} as bob", registry.url()))
        .says("give bob write access");
}
