//! The input `server-url`: which server a token may be sent to.

use embedded_registry::{Options, Persona, Registry};

use super::{job, refuses};

#[test]
fn github_has_no_registry_so_server_url_is_required() {
    let registry = Registry::start(Persona::default());
    for server in ["https://github.com", "https://github.com/", "https://GitHub.com", "https://www.github.com"] {
        let mut job = job(&registry);
        let ran = job.variable("GITHUB_SERVER_URL", server).run_rejected(&registry);
        ran.has_codes(&["invalid-input"]).says(&format!("error: failed to read input `server-url`: `{server}`"));
        // Then all is well.
        job.input("server-url", registry.url()).run().exits_with(0);
        refuses(&registry, "server-url", server, "invalid-input");
    }
}

#[test]
fn a_missing_server_is_an_error() {
    let registry = Registry::start(Persona::default());
    for (name, value) in [("GITHUB_SERVER_URL", ""), ("OTHER", "")] {
        let ran = job(&registry).without("GITHUB_SERVER_URL").variable(name, value).run_rejected(&registry);
        ran.has_codes(&["missing-input"]).says("`server-url`");
    }
}

#[test]
fn credentials_in_the_url_are_rejected_and_not_shown() {
    let registry = Registry::start(Persona::default());
    for url in [
        "https://alice:hunter2@git.example.com",
        "https://hunter2@git.example.com",
        "https://:hunter2@git.example.com/sub",
        "https://git.example.com/?token=hunter2",
        "https://git.example.com?hunter2",
        "https://git.example.com/#hunter2",
        "https://a:hunter2@git.example.com/?a#b",
        "alice:hunter2@git.example.com",
        "ssh://alice:hunter2@git.example.com",
        "https://alice:hunter2@",
        "https://alice:hunter2@git.example.com:99999",
        "git.example.com/?token=hunter2",
        "git.example.com#hunter2",
    ] {
        refuses(&registry, "server-url", url, "invalid-input").does_not_say("hunter2");
        // The workflow's own is looked at in the same way.
        let ran = job(&registry).variable("GITHUB_SERVER_URL", url).run_rejected(&registry);
        ran.has_codes(&["invalid-input"]).says("`server-url`").does_not_say("hunter2");
    }
}

#[test]
fn a_url_that_is_not_http_or_has_an_invalid_host_or_port_is_rejected() {
    let registry = Registry::start(Persona::default());
    for url in ["git.example.com", "git.example.com:3000", "ftp://host", "ssh://git.example.com", "/git", "x"] {
        refuses(&registry, "server-url", url, "invalid-input");
    }
    for (url, part) in [
        ("http://localhost:99999", "invalid port number"),
        ("https://git.example.com:port", "invalid port number"),
        ("http://1.2.3.4.5:1", "invalid IPv4 address"),
        ("http://[fe80::1%25lo]:80", "invalid IPv6 address"),
        ("http://git example.com", "invalid international domain name"),
        ("https://", "empty host"),
    ] {
        refuses(&registry, "server-url", url, "invalid-input").says(part);
    }
}

#[test]
fn a_sub_path_is_kept() {
    let options = Options { path_prefix: "/code/git".into(), ..Options::default() };
    let registry = Registry::start_with(options);
    for end in ["", "/", "//"] {
        let mut job = job(&registry);
        job.without("GITHUB_SERVER_URL").input("server-url", format!("{}{end}", registry.url()));
        let ran = job.run().exits_with(0);
        assert!(registry.requests().iter().all(|request| request.target.starts_with("/code/git/api/")));
        assert_eq!(ran.outputs["urls"], format!("{}/api/packages/alice/generic/widget/v1.0.0/a", registry.url()));
        assert_eq!(ran.outputs["package-url"], format!("{}/alice/-/packages/generic/widget/v1.0.0", registry.url()));
    }
    assert_eq!(registry.files("alice", "widget", "v1.0.0").len(), 1);
}

#[test]
fn an_unencrypted_token_to_another_machine_is_a_warning() {
    let registry = Registry::start(Persona::default());
    // Linux takes 0.0.0.0 for this machine, so that it can be reached; it is not one of the loopback's addresses.
    let url = registry.url().replace("127.0.0.1", "0.0.0.0");
    let mut job = job(&registry);
    job.input("server-url", &url).run().exits_with(0).says("warning: the token is sent to 0.0.0.0");
    job.input("server-url", "").variable("GITHUB_SERVER_URL", &url);
    job.run().exits_with(0).says("warning: the token is sent to 0.0.0.0");
}

#[test]
fn an_encrypted_or_local_token_is_no_warning() {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    for host in ["127.0.0.1", "localhost"] {
        job.input("server-url", registry.url().replace("127.0.0.1", host));
        job.run().exits_with(0).does_not_say("warning:");
    }
    // Nobody listens there, which is found out after the inputs are read.
    for url in ["https://127.0.0.1:1", "http://127.8.8.8:1", "http://[::1]:1", "https://0.0.0.0:1"] {
        let ran = job.input("server-url", url).run().exits_with(1).does_not_say("warning:");
        ran.has_codes(&["connection-failed"]);
    }
}
