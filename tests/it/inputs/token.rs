//! The input `token`: never seen, wherever it was put.

use embedded_registry::{Persona, Registry};

use super::{OPTIONAL, job};
use crate::harness::Job;

/// A token as a URL's host may hold it, which knows no upper case.
const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

#[test]
fn white_space_around_a_token_is_ignored() {
    let registry = Registry::start(Persona::default());
    let token = registry.token("alice_write");
    for (before, after) in [("", "\n"), (" ", ""), ("\t", "\r\n"), ("\n\n", "  \n")] {
        registry.clear_requests();
        let ran = job(&registry).token(&format!("{before}{token}{after}")).run().exits_with(0);
        assert_eq!(ran.masks[0], format!("::add-mask::{token}"));
    }
}

#[test]
fn white_space_and_invisible_characters_inside_a_token_are_rejected() {
    let registry = Registry::start(Persona::default());
    for token in [
        "0123456789 abcdef",
        "0123456789\nabcdef",
        "0123456789\tabcdef",
        "0123456789\u{1b}abcdef",
        "0123456789\u{200b}abcdef",
    ] {
        let ran = job(&registry).token(token).run_rejected(&registry);
        ran.has_codes(&["invalid-input"]).says("`token`");
    }
}

#[test]
fn a_token_of_fewer_than_eight_characters_is_rejected_and_not_shown() {
    let registry = Registry::start(Persona::default());
    for token in ["hunter2", " hunter2\n", "ééééééé", "x"] {
        for mut job in [job(&registry), Job::downloading(&registry)] {
            let ran = job.token(token).run_rejected(&registry);
            let ran = ran.has_codes(&["invalid-input"]).says("`token`");
            assert!(!ran.log.contains("hunter2") && !ran.log.contains("éé") && !ran.summary.contains("hunter2"));
        }
    }
    job(&registry).token("hunter22").run().exits_with(1).has_codes(&["bad-token"]).says("401 Unauthorized");
}

#[test]
fn a_missing_token_has_a_hint() {
    let registry = Registry::start(Persona::default());
    job(&registry).without("INPUT_TOKEN").run_rejected(&registry).has_codes(&["missing-input"]).says("`token`");
}

#[test]
fn a_token_in_another_input_is_rejected_and_not_shown() {
    let registry = Registry::start(Persona::default());
    for input in OPTIONAL.into_iter().chain(["files"]) {
        for value in [TOKEN.to_owned(), format!("x{TOKEN}y"), format!("a\n../{TOKEN}"), format!("https://{TOKEN}.org")]
        {
            let ran = job(&registry).token(TOKEN).input(input, value).run_rejected(&registry);
            ran.has_codes(&["secret-in-input"]).says(&format!("error: failed to read input `{input}`"));
        }
    }
    // In any form in which it can be had back.
    for form in [
        "YWxpY2U6MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nw==",
        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nw",
    ] {
        let ran = job(&registry).token(TOKEN).input("version", form).input("username", "alice").run_rejected(&registry);
        ran.has_codes(&["secret-in-input"]).says("`version`");
    }
    // Behind another name the letters of the token itself are others.
    let form = "YWxpY2lhOjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc=";
    let ran = job(&registry).token(TOKEN).input("version", form).input("username", "alicia").run_rejected(&registry);
    ran.has_codes(&["secret-in-input"]).says("`version`");
}

#[test]
fn no_warning_shows_a_token() {
    let registry = Registry::start(Persona::default());
    // What a run says is searched for the token, here as everywhere.
    for (token, input, value) in [
        (TOKEN.to_owned(), "server-url", format!("http://{TOKEN}.invalid")),
        (TOKEN.to_owned(), "server-url", format!("http://host.invalid/{TOKEN}")),
        // White space around it is no part of it.
        (format!(" {TOKEN}\n"), "repo", TOKEN.to_owned()),
    ] {
        let ran = job(&registry).token(&token).input(input, value).run_rejected(&registry);
        ran.has_codes(&["secret-in-input"]).says(&format!("error: failed to read input `{input}`"));
    }
    // Nor if another input is bad, so that nothing is known of whom it belongs to.
    let mut job = job(&registry);
    job.token(TOKEN).input("server-url", format!("http://{TOKEN}.invalid")).input("username", "a:b");
    job.run_rejected(&registry).says("***.invalid");
}

#[test]
fn no_file_name_in_the_workspace_shows_a_token() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    job.token(TOKEN).file(format!("out/{TOKEN}"), "").file(format!("{TOKEN}/a,b"), "");
    job.input("files", "out/*").run_rejected(&registry).has_codes(&["secret-in-name"]);
    job.input("files", "out/none").run_rejected(&registry).has_codes(&["no-files-found"]);
    job.input("files", "*/a,b").run_rejected(&registry).has_codes(&["invalid-file-name"]).says("`a,b`");
}

#[test]
fn a_token_is_masked_even_if_another_input_is_invalid() {
    let registry = Registry::start(Persona::default());
    let ran = job(&registry).token(TOKEN).input("concurrency", "0").run_rejected(&registry);
    assert_eq!(ran.masks[0], format!("::add-mask::{TOKEN}"));
}
