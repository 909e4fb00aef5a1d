//! Responses of the registry, and of what stands in front of it, to a run that publishes.

use std::fs;
use std::time::Duration;

use embedded_registry::{Action, Answer, Fault, Match, Options, Persona, Point, Registry};
use generic_packages::command::Command;
use generic_packages::inputs::Inputs;
use generic_packages::registry::Limits;
use generic_packages::report::{Console, RunContext};
use generic_packages::run;
use generic_packages::runner::{Environment, Runner};
use generic_packages::stop::Stop;

use super::{Case, errors, failed, job, json, page, text};
use crate::harness::Job;

pub(super) const CASES: &[Case] = &[
    ("The token is wrong or expired", || failed(|job, _| job.token("0123456789abcdef0123456789abcdef01234567"))),
    ("The token is revoked during the run", || put(text(401, "Failed to authenticate user"))),
    ("The token is `user:token`", || failed(|job, _| job.token("alice:0123456789abcdef0123456789abcdef01234567"))),
    ("The token is base64", || {
        failed(|job, _| job.token("YWxpY2U6MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nwo="))
    }),
    ("The token is a JWT", || {
        failed(|job, _| job.token("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvOmFjbWUvd2lkZ2V0In0.c2lnbmF0dXJl"))
    }),
    ("The token has no scope for packages", || failed(|job, registry| job.token(&registry.token("alice_none")))),
    ("The token has no write access", || failed(|job, registry| job.token(&registry.token("alice_read")))),
    ("The token is the job's own", || {
        failed(|job, registry| {
            let token = registry.token("alice_read");
            job.token(&token).variable("GITEA_TOKEN", &token)
        })
    }),
    ("The owner is private", || {
        in_a_private_owner(|job, registry| job.input("username", "bob").token(&registry.token("bob_write")))
    }),
    ("The token is for public owners only", || {
        in_a_private_owner(|job, registry| job.token(&registry.token("alice_publiconly")))
    }),
    ("The server requires a sign-in", || {
        list(json(403, r#"{"message":"Only signed in user is allowed to call APIs."}"#))
    }),
    ("No such owner", || failed(|job, _| job.input("owner", "alcie"))),
    ("Packages are disabled", || put(text(404, "Not found."))),
    ("307: the owner was renamed", || {
        failed(|job, registry| {
            registry.rename_user("dave", "david");
            job.input("owner", "dave").token(&registry.token("dave_write"))
        })
    }),
    ("The sub-path is missing", missing_sub_path),
    ("200: a web page responds", || list(page(200, "Sign in"))),
    ("A bot check responds", || list(page(403, "Just a moment..."))),
    ("301: http instead of https", https_only),
    ("301: the server redirects to another host", || {
        list(Action::Answer(Answer::text(301, "").header("Location", "https://elsewhere.example.com/api/v1/")))
    }),
    ("405: the path does not accept uploads", || put(text(405, ""))),
    ("A version with a slash behind a proxy", || {
        failed(|job, registry| {
            registry.add_fault(Fault::always(Match::list(), Point::Head, text(404, "404 page not found")));
            job.input("version", "feature/x")
        })
    }),
    ("400: the server rejects the name", || put(text(400, "invalid filename"))),
    ("The file is too large for the server", || put(text(403, "maximum allowed package type size exceeded"))),
    ("The owner's storage limit is reached", || put(text(403, "maximum allowed package storage quota exceeded"))),
    ("The owner has too many versions", || put(text(403, "maximum allowed package count exceeded"))),
    ("The owner's quota", || put(text(413, "enforcePackagesQuota"))),
    ("The proxy's body limit", || put(page(413, "413 Request Entity Too Large"))),
    ("Different content under the same name", || over(b"the first build", |job, _| job)),
    ("Different content of the same size", || over(b"an app.", |job, _| job)),
    ("409: the file exists but is not listed", || put(text(409, "package file already exists"))),
    ("A file is missing after a failed replacement", || {
        replacing(Fault::always(
            Match::put("/1.2.0/app.tar.gz"),
            Point::Head,
            page(413, "413 Request Entity Too Large"),
        ))
    }),
    ("The old file cannot be deleted", || {
        replacing(Fault::always(Match::delete(""), Point::Head, text(500, "internal server error")))
    }),
    ("The old file has changed during the run", || {
        let change = Action::then(|world| {
            if world.delete("acme", "widget", "1.2.0", "app.tar.gz") {
                world.seed("acme", "widget", "1.2.0", "app.tar.gz", b"another job's");
            }
        });
        replacing(Fault::once(Match::list(), Point::AfterStore, change))
    }),
    ("An error of the server", || put(text(500, "internal server error"))),
    ("An error of the proxy", || put(page(502, "502 Bad Gateway"))),
    ("The server limits the rate of requests", || put(text(429, "Too Many Requests"))),
    ("418: not a response of the registry", || put(text(418, "I'm a teapot"))),
    ("The response is not a list", || list(json(200, r#"{"message":"not what you think"}"#))),
    ("The connection breaks", || put(Action::Reset)),
    ("The server stopped responding", stopped_server),
    ("400: nginx requires a client certificate", || {
        let head = "<html><head><title>400 No required SSL certificate was sent</title></head></html>";
        list(Action::Answer(Answer::html(400, head)))
    }),
    ("A file is not listed after its upload", || put(text(201, ""))),
    ("The registry has different content after the upload", || put(Action::CorruptUpload)),
    ("The server does not respond in time", silent_server),
    ("A file changes while it is published", || {
        failed(|job, registry| {
            let path = job.workspace().join("dist/app.tar.gz");
            let write = Action::then(move |_| fs::write(&path, "other content").expect("the file can be written"));
            registry.add_fault(Fault::once(Match::list(), Point::Head, write));
            job
        })
    }),
];

/// Each upload of the file ends so.
fn put(action: Action) -> String {
    failed(|job, registry| {
        registry.add_fault(Fault::always(Match::put("/app.tar.gz"), Point::BeforeStore, action));
        job
    })
}

/// Each list of the files ends so.
fn list(action: Action) -> String {
    failed(|job, registry| {
        registry.add_fault(Fault::always(Match::list(), Point::Head, action));
        job
    })
}

/// The owner is an organization that only members see.
fn in_a_private_owner(change: impl for<'a> FnOnce(&'a mut Job, &Registry) -> &'a mut Job) -> String {
    failed(|job, registry| {
        registry.seed("secretorg", "widget", "1.2.0", "other", b"of a member");
        change(job.input("owner", "secretorg"), registry)
    })
}

/// The registry has a file of that name and this content.
fn over(content: &[u8], change: impl for<'a> FnOnce(&'a mut Job, &Registry) -> &'a mut Job) -> String {
    failed(|job, registry| {
        registry.seed("acme", "widget", "1.2.0", "app.tar.gz", content);
        change(job, registry)
    })
}

fn replacing(fault: Fault) -> String {
    over(b"the first build", |job, registry| {
        registry.add_fault(fault);
        job.input("if-file-exists", "overwrite")
    })
}

/// The program waits a minute. The library waits for a second.
fn silent_server() -> String {
    let registry = Registry::start(Persona::default());
    registry.add_fault(Fault::always(Match::list(), Point::Head, Action::Hang));
    let mut job = job(&registry);
    job.input("timeout", "1");
    let environment = Environment::new(job.environment(), job.workspace());
    let runner = Runner::detect(&environment);
    let mut log = Vec::new();
    let console = Console::new(&mut log, &runner, None);
    let inputs = Inputs::read(Command::Publish, &environment, &runner).inputs.expect("good inputs");
    let context = RunContext { reporter: &console, stop: Stop::default(), save: &|_| {} };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    console.write_end(&runtime.block_on(run::run(&inputs, Limits::default(), &context)));
    drop(console);
    errors(&String::from_utf8(log).expect("UTF-8"), &registry.url())
}

fn stopped_server() -> String {
    let registry = Registry::start(Persona::default());
    for action in [Action::StopListening(Duration::from_hours(1)), Action::Reset] {
        registry.add_fault(Fault::once(Match::put("/app.tar.gz"), Point::Head, action));
    }
    let ran = job(&registry).run_through_outage(&registry, Duration::MAX).exits_with(1);
    errors(&ran.log, &registry.url())
}

fn missing_sub_path() -> String {
    let registry = Registry::start_with(Options { path_prefix: "/git".to_owned(), ..Options::default() });
    let root = registry.url().trim_end_matches("/git").to_owned();
    errors(&job(&registry).input("server-url", &root).run().exits_with(1).log, &root)
}

fn https_only() -> String {
    let registry = Registry::start(Persona::default());
    let place = registry.url().replace("http://", "https://") + "/api/v1/packages/acme/generic/widget/1.2.0/files";
    let leads = Action::Answer(Answer::text(301, "").header("Location", &place));
    registry.add_fault(Fault::always(Match::list(), Point::Head, leads));
    let ran = job(&registry).run().exits_with(1);
    let host = registry.url().replace("http://", "");
    errors(&ran.log.replace(&host, "git.example.com"), "https://git.example.com")
}
