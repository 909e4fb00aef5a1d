//! Headers of the user's own, which a gate in front of the server wants to see.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use crate::harness::{Job, Ran};

const SECRET: &str = "0fdc3b5a7e914c2d8f60/a+b";

fn job(registry: &Registry, headers: &str) -> Job {
    let mut job = Job::new(registry);
    job.file("dist/app", "content").input("headers", headers);
    job
}

#[test]
fn headers_go_with_every_request_and_are_hidden() {
    let registry = Registry::start(Persona::default());
    let headers =
        format!("CF-Access-Client-Id: 5d41402abc4b.access\n\n  cf-access-client-secret :{SECRET}  \r\nX-On: 1");
    let ran = job(&registry, &headers).secret(SECRET).secret("5d41402abc4b.access").run().exits_with(0);
    assert!(registry.requests().len() >= 4);
    for request in registry.requests() {
        assert_eq!(request.header("CF-Access-Client-Id"), Some("5d41402abc4b.access"));
        assert_eq!(request.header("CF-Access-Client-Secret"), Some(SECRET));
        assert_eq!(request.header("X-On"), Some("1"));
        assert!(request.header("Authorization").is_some_and(|basic| basic.starts_with("Basic ")));
    }
    for mask in [SECRET, "5d41402abc4b.access"] {
        assert!(ran.masks.contains(&format!("::add-mask::{mask}")), "{:?}", ran.masks);
    }
}

#[test]
fn a_cookie_may_be_given_and_its_content_alone_is_hidden_too() {
    let registry = Registry::start(Persona::default());
    let echo = Answer::text(403, format!("bad session {SECRET}"));
    registry.add_fault(Fault::always(Match::list(), Point::Head, Action::Answer(echo)));
    let mut job = job(&registry, &format!("Cookie: seen=1; CF_Authorization={SECRET}"));
    let ran = job.secret(SECRET).run().exits_with(1).says("403 Forbidden: bad session ***");
    assert!(ran.masks.contains(&format!("::add-mask::{SECRET}")), "{:?}", ran.masks);
    assert_eq!(registry.requests()[0].header("cookie"), Some(&*format!("seen=1; CF_Authorization={SECRET}")));
}

#[test]
fn what_a_server_sends_back_of_a_header_is_taken_out_in_every_form() {
    let registry = Registry::start(Persona::default());
    for echo in [
        SECRET.to_owned(),
        SECRET.replace('/', "%2F").replace('+', "%2b"),
        SECRET.replace('/', "\\/"),
        SECRET.to_uppercase(),
        "MGZkYzNiNWE3ZTkxNGMyZDhmNjAvYSti".to_owned(),
    ] {
        registry.clear_faults();
        let answer = Answer::text(403, format!("bad {echo} here"));
        registry.add_fault(Fault::always(Match::list(), Point::Head, Action::Answer(answer)));
        let mut job = job(&registry, &format!("X-Gate: {SECRET}\nX-Other: another-secret"));
        job.secret(SECRET).secret(&echo).run().exits_with(1).says("403 Forbidden: bad *** here");
    }
}

#[test]
fn a_page_whose_address_has_the_value_of_a_header_is_not_handed_on() {
    let registry = Registry::start(Persona::default());
    let value = "0fdc3b5a7e914c2d8f60";
    let answer = Answer::json(
        200,
        format!(r#"{{"html_url":"http://git.example.com/{value}/alice/-/packages/generic/widget/v1.0.0"}}"#),
    );
    registry.add_fault(Fault::always(Match::version(), Point::Head, Action::Answer(answer)));
    let ran = job(&registry, &format!("X-Gate: {value}")).secret(value).run().exits_with(0);
    assert_eq!(ran.outputs["package-url"], format!("{}/alice/-/packages/generic/widget/v1.0.0", registry.url()));
}

#[test]
fn short_and_public_values_are_no_secrets() {
    let registry = Registry::start(Persona::default());
    let host = registry.url().trim_start_matches("http://").to_owned();
    let headers = format!("X-One: true\nX-Two: 1\nX-Three: generic\nX-Forwarded-Host: {host}\nX-Five: seven77");
    let ran = job(&registry, &headers).run().exits_with(0);
    assert_eq!(ran.masks.len(), 2, "the token, and what Basic makes of it: {:?}", ran.masks);
    let ran = ran.does_not_say("***");
    assert!(ran.outputs["urls"].starts_with(&registry.url()));
    assert_eq!(registry.requests()[0].header("X-Forwarded-Host"), Some(&*host));
}

#[test]
fn headers_that_are_ours_and_those_of_a_connection_are_rejected() {
    let registry = Registry::start(Persona::default());
    for name in [
        "Authorization",
        "Content-Length",
        "Content-Type",
        "Expect",
        "Host",
        "User-Agent",
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authentication-Info",
        "Proxy-Authorization",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    ] {
        for spelled in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
            let mut job = job(&registry, &format!("X-Good: fine\n{spelled}: {SECRET}"));
            let ran = job.secret(SECRET).run_rejected(&registry);
            ran.has_codes(&["invalid-input"]).says(&format!("line 2 sets `{}`", name.to_lowercase()));
        }
    }
}

#[test]
fn all_bad_lines_are_reported_at_once_and_not_shown() {
    let registry = Registry::start(Persona::default());
    let lines = [
        "sensitive-without-a-colon",
        "sensitive name: sensitive-one",
        "X-Twice: sensitive-two",
        "x-twice: sensitive-three",
        "X-Empty:",
        "X-Bell: sensitive\u{7}four",
        "X-Return: sensitive\rX-Smuggled: five",
        "X-Far: sensit\u{ef}ve-six",
        ": sensitive-seven",
        "Host: sensitive-eight",
    ];
    let ran = job(&registry, &lines.join("\n")).run_rejected(&registry).does_not_say("sensit").does_not_say("smuggled");
    // Lines with the same problem are one error.
    let errors = ran.errors();
    let words: Vec<&str> = errors.iter().flat_map(|error| error.split("line ").skip(1)).collect();
    let lines = words.iter().map(|word| word.trim_end_matches(',').split([' ', ',']).next().unwrap_or_default());
    assert_eq!(lines.collect::<Vec<_>>(), ["1", "2", "9", "4", "3", "5", "6", "7", "8", "10"], "{errors:?}");
    ran.has_codes(&["invalid-input"; 6]);
}

#[test]
fn values_are_hidden_also_where_something_else_is_wrong() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry, &format!("X-Gate: {SECRET}\nno header"));
    let ran: Ran = job.secret(SECRET).without("INPUT_TOKEN").input("concurrency", SECRET).run_rejected(&registry);
    assert!(ran.masks.contains(&format!("::add-mask::{SECRET}")), "{:?}", ran.masks);
    ran.has_codes(&["missing-input", "invalid-input", "secret-in-input"]).says("line 2 ");
}

#[test]
fn a_value_in_another_input_or_in_the_name_of_a_file_is_rejected() {
    let registry = Registry::start(Persona::default());
    let value = "0fdc3b5a7e914c2d8f60";
    for input in ["version", "username", "files", "working-directory"] {
        let mut job = job(&registry, &format!("X-Gate: {value}"));
        let ran = job.secret(value).input(input, value).run_rejected(&registry);
        ran.has_codes(&["secret-in-input"]).says(&format!("error: failed to read input `{input}`"));
    }
    let mut job = job(&registry, &format!("X-Gate: {value}"));
    job.secret(value).file(format!("dist/{value}.txt"), "").run_rejected(&registry).has_codes(&["secret-in-name"]);
}

#[test]
fn the_token_may_stand_in_a_header() {
    let registry = Registry::start(Persona::default());
    let token = registry.token("alice_write");
    job(&registry, &format!("X-Forge-Token: {token}")).run().exits_with(0);
    assert_eq!(registry.requests()[0].header("X-Forge-Token"), Some(&*token));
}

#[test]
fn a_variable_as_the_value_of_a_header_is_rejected() {
    let registry = Registry::start(Persona::default());
    for value in ["$GATE_KEY", "${{ secrets.GATE_KEY }}", "%GATE_KEY%"] {
        let mut job = Job::new(&registry);
        job.file("dist/a", "1").input("headers", format!("X-Gate: {value}"));
        job.run_rejected(&registry).has_codes(&["invalid-input"]);
    }
}
