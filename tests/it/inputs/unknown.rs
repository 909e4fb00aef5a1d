//! Inputs that the action does not have.

use embedded_registry::{Persona, Registry};

use super::job;
use crate::harness::Job;

#[test]
fn an_unknown_input_that_can_only_mean_one_input_is_an_error() {
    let registry = Registry::start(Persona::default());
    for (variable, ours, given) in [
        ("INPUT_PACKAGE_NAME", "repo", "gadget"),
        ("INPUT_PACKAGE-NAME", "repo", "gadget"),
        ("INPUT_PACKAGE_VERSION", "version", "2.0"),
        ("INPUT_TAG_NAME", "version", "2.0"),
        ("INPUT_API_URL", "server-url", &registry.url()),
        ("INPUT_OVERWRITE_FILES", "if-file-exists", "fail"),
        ("INPUT_FAIL_ON_UNMATCHED_FILES", "if-no-files-found", "error"),
        ("INPUT_SERVERURL", "server-url", &registry.url()),
        ("INPUT_IFFILEEXISTS", "if-file-exists", "fail"),
    ] {
        let name = variable.trim_start_matches("INPUT_").to_lowercase();
        let mut job = job(&registry);
        let ran = job.variable(variable, "x").run_rejected(&registry);
        let ran = ran.has_codes(&["unknown-input"]).says(&format!("error: failed to read input `{ours}`"));
        ran.says(&format!("hint: Use `{ours}")).says(&format!("`{name}`"));
        // If ours is set too, it is what counts: a composite action may have an input of that name.
        let ran = job.input(ours, given).run().exits_with(0);
        ran.says(&format!("warning: unknown input ignored: `{name}` (use `{ours}`)"));
    }
}

#[test]
fn files_in_an_unknown_input_are_an_error_and_do_not_mean_all_files() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "widget", "v1.0.0", "app", b"1");
    for name in ["asset_paths", "file_glob", "fileName"] {
        let mut publishing = job(&registry);
        let mut downloading = Job::downloading(&registry);
        for job in [publishing.without("INPUT_FILES"), &mut downloading] {
            let ran = job.input(name, "x").run_rejected(&registry);
            ran.has_codes(&["unknown-input"]).says("`files`");
        }
    }
    let mut job = Job::downloading(&registry);
    let ran = job.without("INPUT_PATH").input("out-file-path", "tools").run_rejected(&registry);
    ran.has_codes(&["unknown-input"]).says("`path`");
    // A misspelled pin would verify nothing.
    for name in ["checksum", "checksums-file", "sha256", "checksumz"] {
        let mut job = Job::downloading(&registry);
        let ran = job.input(name, "./tools/SHA256SUMS").run_rejected(&registry);
        ran.has_codes(&["unknown-input"]).says("`checksums`");
    }
}

#[test]
fn general_names_are_one_warning_with_suggestions() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    for name in ["tag", "name", "path", "url", "overwrite", "skip-existing", "password", "token-s", "draft", "FILE"] {
        job.input(name, "x");
    }
    let ran = job.run().exits_with(0);
    assert_eq!(ran.log.matches("warning:").count(), 1, "{}", ran.log);
    let ran = ran.says("warning: 10 unknown inputs");
    for named in [
        "`tag` (use `version`)",
        "`name` (use `repo`)",
        "`path` (use `files`)",
        "`url` (use `server-url`)",
        "`overwrite` (use `if-file-exists`)",
        "`skip-existing` (use `if-file-exists`)",
        "`password` (use `token`)",
        "`token-s` (use `token`)",
        "`draft`",
        "`file` (use `files`)",
    ] {
        assert!(ran.unwrapped_log().contains(named), "{named}: {}", ran.log);
    }
}

#[test]
fn a_misspelled_input_is_a_warning() {
    let registry = Registry::start(Persona::default());
    for (variable, meant) in [
        ("INPUT_TOKENS", "token"),
        ("INPUT_WORKING-DIRECTOR", "working-directory"),
        ("INPUT_CONCURENCY", "concurrency"),
        ("INPUT_INCLUDE-HIDEN-FILES", "include-hidden-files"),
        ("INPUT_IF-NO-FILE-FOUND", "if-no-files-found"),
    ] {
        let name = variable.trim_start_matches("INPUT_").to_lowercase();
        let ran = job(&registry).variable(variable, "x").run().exits_with(0);
        ran.says(&format!("warning: unknown input ignored: `{name}` (use `{meant}`)"));
        // An empty one was not meant to do anything.
        job(&registry).variable(variable, " ").run().exits_with(0).does_not_say("warning:");
    }
    // The warning is there also if the run fails because of the missing input.
    let ran = job(&registry).without("INPUT_FILES").variable("INPUT_FILE", "dist/*").run_rejected(&registry);
    ran.has_codes(&["missing-input"]).says("`files`").says("warning: unknown input ignored: `file` (use `files`)");
}

#[test]
fn inputs_of_the_runner_itself_are_not_unknown() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    job.input("args", "publish").input("entrypoint", "/x").run().exits_with(0).does_not_say("warning:");
}
