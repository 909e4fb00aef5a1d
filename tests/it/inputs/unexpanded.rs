//! Variables, commands and expressions that nothing expands.

use embedded_registry::{Persona, Registry};

use super::job;
use crate::harness::Job;

#[test]
fn a_variable_in_an_input_is_an_error_that_shows_the_expression() {
    let registry = Registry::start(Persona::default());
    for input in ["version", "owner", "repo", "username", "server-url", "working-directory", "aliases", "checksums"] {
        for (value, hint) in [
            ("$GITHUB_REF_NAME", "`${{ github.ref_name }}`"),
            ("x-${VERSION}", "`${{ env.VERSION }}`"),
            ("%VERSION%", "`${{ env.VERSION }}`"),
            ("$(git describe)", "`id`"),
            ("${{ github.ref_name", "`with:`"),
        ] {
            let ran = job(&registry).input(input, value).run_rejected(&registry).says(hint);
            let part = value.trim_start_matches("x-");
            // An alias without checksums is another problem.
            ran.has_codes(&["unexpanded-variable"])
                .says(&format!("error: failed to read input `{input}`: it contains `{part}`"));
        }
    }
    // The inputs that require `checksums` are no problem of their own.
    let mut job = job(&registry);
    job.input("checksums", "$SUMS").input("expect", "app").input("aliases", "latest");
    job.run_rejected(&registry).has_codes(&["unexpanded-variable"]);
    for input in ["version", "path", "owner"] {
        let ran = Job::downloading(&registry).input(input, "$HOME/x").run_rejected(&registry);
        ran.has_codes(&["unexpanded-variable"])
            .says(&format!("error: failed to read input `{input}`: it contains `$HOME`"));
    }
}

#[test]
fn the_hint_for_a_home_folder_is_a_path_relative_to_the_workspace() {
    let registry = Registry::start(Persona::default());
    for value in ["$GITHUB_WORKSPACE/tools", "${GITHUB_WORKSPACE}", "$HOME/x", "$(pwd)/x", "%USERPROFILE%"] {
        let ran = job(&registry).input("working-directory", value).run_rejected(&registry);
        ran.has_codes(&["unexpanded-variable"]).does_not_say("${{");
        let ran = Job::downloading(&registry).input("path", value).run_rejected(&registry);
        ran.has_codes(&["unexpanded-variable"]).does_not_say("${{");
    }
}

#[test]
fn no_part_of_a_private_key_is_shown_as_a_variable() {
    let registry = Registry::start(Persona::default());
    let pem =
        "friendlyName: build ${host\n-----BEGIN PRIVATE KEY-----\nMIIEvQSECRETSECRET\n-----END PRIVATE KEY-----\n}";
    let mut job = job(&registry);
    job.secret("MIIEvQSECRETSECRET").input("client-certificate", pem).run_rejected(&registry);
    job.without("INPUT_CLIENT-CERTIFICATE").input("ca-certificate", pem).run_rejected(&registry);
}

#[test]
fn a_part_of_a_password_that_is_written_as_a_variable_is_not_shown() {
    let registry = Registry::start(Persona::default());
    for (input, value) in [("username", "alice:pass$WORD1"), ("server-url", "https://alice:pass$WORD1@git.example.com")]
    {
        let mut job = job(&registry);
        let ran = job.secret("$WORD1").input(input, value).run_rejected(&registry);
        ran.has_codes(&["unexpanded-variable"])
            .says(&format!("error: failed to read input `{input}`"))
            .does_not_say("WORD1");
    }
}

#[test]
fn a_token_that_is_a_variable_is_rejected_before_any_request() {
    let registry = Registry::start(Persona::default());
    for token in ["$PACKAGES_TOKEN", "${PACKAGES_TOKEN}", "%PACKAGES_TOKEN%", "${{ secrets.PACKAGES_TOKEN }}"] {
        let ran = job(&registry).input("token", token).run_rejected(&registry);
        ran.has_codes(&["unexpanded-variable"]).says("`token`");
    }
}
