//! `docs/troubleshooting.md` has each kind of error as it is printed, and nothing that is not printed.
//!
//! Each case is a heading of that page; what the program prints in that case is the block below it.

mod checksums;
mod downloading;
mod linking;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use embedded_registry::{Action, Answer, Fault, Match, Options, Persona, Point, Registry};
use generic_packages::command::Command;
use generic_packages::inputs::Inputs;
use generic_packages::registry::Limits;
use generic_packages::report::{Console, RunContext};
use generic_packages::run;
use generic_packages::runner::{Environment, Runner};
use generic_packages::stop::Stop;
use rcgen::CertificateParams;

use crate::harness::{Job, Ran};
use crate::network::{Authority, Clients, Identity, Manners, Proxy, TlsFront, authority, authority_with, naming};
use crate::open_files::run_with;

/// The heading, and what leads to it.
pub(crate) type Case = (&'static str, fn() -> String);

const CASES: &[Case] = &[
    ("The token is wrong or expired", || refused_token("0123456789abcdef0123456789abcdef01234567")),
    ("The token is revoked during the run", || put_answers(Answer::text(401, "Failed to authenticate user"))),
    ("The token is `user:token`", || refused_token("alice:0123456789abcdef0123456789abcdef01234567")),
    ("The token is base64", || refused_token("YWxpY2U6MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nwo=")),
    ("The token is a JWT", || refused_token("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvOmFjbWUvd2lkZ2V0In0.c2lnbmF0dXJl")),
    ("The token has no scope for packages", || with_token("alice_none")),
    ("The token has no write access", || with_token("alice_read")),
    ("The token is the job's own", jobs_own_token),
    ("The owner is private", private_owner),
    ("The token is for public owners only", public_only),
    ("The server requires a sign-in", || {
        list_answers(Answer::json(403, r#"{"message":"Only signed in user is allowed to call APIs."}"#))
    }),
    ("No such owner", unknown_owner),
    ("Packages are disabled", || put_answers(Answer::text(404, "Not found."))),
    ("307: the owner was renamed", renamed_owner),
    ("The sub-path is missing", missing_sub_path),
    ("200: a web page responds", || list_answers(Answer::html(200, "<html><title>Sign in</title></html>"))),
    ("A bot check responds", || list_answers(Answer::html(403, "<html><title>Just a moment...</title></html>"))),
    ("301: http instead of https", https_only),
    ("301: the server redirects to another host", || {
        list_answers(Answer::text(301, "").header("Location", "https://elsewhere.example.com/api/v1/"))
    }),
    ("405: the path does not accept uploads", || put_answers(Answer::text(405, ""))),
    ("A version with a slash behind a proxy", slash_in_version),
    ("400: the server rejects the name", || put_answers(Answer::text(400, "invalid filename"))),
    ("The file is too large for the server", || {
        put_answers(Answer::text(403, "maximum allowed package type size exceeded"))
    }),
    ("The owner's storage limit is reached", || {
        put_answers(Answer::text(403, "maximum allowed package storage quota exceeded"))
    }),
    ("The owner has too many versions", || put_answers(Answer::text(403, "maximum allowed package count exceeded"))),
    ("The owner's quota", || put_answers(Answer::text(413, "enforcePackagesQuota"))),
    ("The proxy's body limit", || {
        put_answers(Answer::html(413, "<html><title>413 Request Entity Too Large</title></html>"))
    }),
    ("Different content under the same name", conflict),
    ("Different content of the same size", conflict_of_one_size),
    ("409: the file exists but is not listed", || put_answers(Answer::text(409, "package file already exists"))),
    ("A file is missing after a failed replacement", || {
        let page = Answer::html(413, "<html><title>413 Request Entity Too Large</title></html>");
        replacing(Fault::always(Match::put("/1.2.0/app.tar.gz"), Point::Head, Action::Answer(page)))
    }),
    ("The old file cannot be deleted", || {
        replacing(Fault::always(
            Match::delete(""),
            Point::Head,
            Action::Answer(Answer::text(500, "internal server error")),
        ))
    }),
    ("The old file has changed during the run", || {
        replacing(Fault::once(
            Match::list(),
            Point::AfterStore,
            Action::then(|world| {
                if world.delete("acme", "widget", "1.2.0", "app.tar.gz") {
                    world.seed("acme", "widget", "1.2.0", "app.tar.gz", b"another job's");
                }
            }),
        ))
    }),
    ("An error of the server", || put_answers(Answer::text(500, "internal server error"))),
    ("An error of the proxy", || put_answers(Answer::html(502, "<html><title>502 Bad Gateway</title></html>"))),
    ("The server limits the rate of requests", || put_answers(Answer::text(429, "Too Many Requests"))),
    ("418: not a response of the registry", || put_answers(Answer::text(418, "I'm a teapot"))),
    ("The response is not a list", || list_answers(Answer::json(200, r#"{"message":"not what you think"}"#))),
    ("The connection breaks", || put_fails(Action::Reset)),
    ("The server stopped responding", stopped_server),
    ("No connection", || no_connection("0.0.0.0")),
    ("The server is on a loopback address", || {
        no_connection("127.0.0.1").replace("git.example.com in a", "127.0.0.1 in a")
    }),
    ("The host has no address", unknown_host),
    ("The server does not use TLS", no_tls),
    ("An unknown authority", || certificate(&naming(&["localhost"]), "")),
    ("A self-signed certificate", || certificate(&as_authority(naming(&["localhost"])), "")),
    ("The certificate was renewed with another key", || {
        certificate(&naming(&["localhost"]), &Identity::self_signed(&as_authority(naming(&["localhost"]))).pem)
    }),
    ("The certificate in `ca-certificate` is not an authority", || {
        certificate(&naming(&["localhost"]), &Identity::self_signed(&naming(&["localhost"])).pem)
    }),
    ("The authority in `ca-certificate` has expired", expired_authority),
    ("The certificate has expired", expired_certificate),
    ("The certificate is not valid yet", early_certificate),
    ("The certificate is for other names", || trusted_certificate(&naming(&["forge.example.com", "10.1.2.3"]))),
    ("The certificate names no host", || trusted_certificate(&as_authority(naming(&[])))),
    ("The certificate is not for servers", || {
        let mut params = naming(&["localhost"]);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        trusted_certificate(&params)
    }),
    ("The server requires a client certificate", || client_certificate(None)),
    ("400: nginx requires a client certificate", || {
        let page = "<html><head><title>400 No required SSL certificate was sent</title></head></html>";
        list_answers(Answer::html(400, page))
    }),
    ("The server rejects the client certificate", || client_certificate(Some(&authority()))),
    ("407: the proxy requires a password", || through_proxy("proxy.example.com", Manners::Wants(String::new()))),
    ("407: the proxy rejects the password", || {
        through_proxy("bob:a-password@proxy.example.com", Manners::Wants(String::new()))
    }),
    ("The proxy does not connect", || through_proxy("proxy.example.com", Manners::Answers("502 Bad Gateway"))),
    ("The proxy cannot be reached", || proxy_that_refuses("0.0.0.0")),
    ("The proxy is on a loopback address", || {
        proxy_that_refuses("127.0.0.1").replace("proxy.example.com", "127.0.0.1")
    }),
    ("The proxy has no address", unknown_proxy),
    ("The proxy is not trusted", untrusted_proxy),
    ("A file is not listed after its upload", || put_answers(Answer::text(201, ""))),
    ("The registry has different content after the upload", || put_fails(Action::StoreOtherBytes)),
    ("The server does not respond in time", silent_server),
    ("A file changes while it is published", changing_file),
    ("Inputs are missing", || told_before(|job| job.without("INPUT_TOKEN").without("INPUT_FILES"))),
    ("No version on a branch", || {
        told_before(|job| job.without("INPUT_VERSION").variable("GITHUB_REF", "refs/heads/main"))
    }),
    ("A version that changes the path of a URL", || told_before(|job| job.input("version", ".."))),
    ("A git ref that is not a tag in `version`", || told_before(|job| job.input("version", "refs/heads/main"))),
    ("A variable in an input", || told_before(|job| job.input("version", "$GITHUB_REF_NAME"))),
    ("An input of another action", || told_before(|job| job.without("INPUT_REPO").input("package_name", "widget"))),
    ("The token is too short", || told_before(|job| job.token("hunter2"))),
    ("The workflow's server is GitHub", || told_before(|job| job.variable("GITHUB_SERVER_URL", "https://github.com"))),
    ("`server-url` is not a URL", || told_before(|job| job.input("server-url", "git.example.com"))),
    ("`server-url` has a password", || told_before(|job| job.input("server-url", "https://alice:pw@git.example.com"))),
    ("An unknown value", || told_before(|job| job.input("if-no-files-found", "wran"))),
    ("A number out of range", || told_before(|job| job.input("concurrency", "99"))),
    ("The token is in another input", || {
        told_before(|job| {
            let token = "0123456789abcdef0123456789abcdef01234567";
            job.token(token).input("username", token)
        })
    }),
    ("`ca-certificate` is not a certificate", || told_before(|job| job.input("ca-certificate", "certs/ca.pem"))),
    ("`ca-certificate` contains a private key", || {
        told_before(|job| job.input("ca-certificate", Identity::self_signed(&naming(&["localhost"])).key_pem))
    }),
    ("`client-certificate` has no private key", || {
        told_before(|job| job.input("client-certificate", Identity::self_signed(&naming(&["localhost"])).pem))
    }),
    ("`headers` has bad lines", || {
        told_before(|job| job.input("headers", "X-Gate\nHost: a.example.com\nX-Empty:\nX-Id: 1\nx-id: 2"))
    }),
    ("The value of a header is in another input", || {
        told_before(|job| job.input("headers", "X-Gate: 0123456789").input("version", "0123456789"))
    }),
    ("A proxy that cannot be used", || {
        told_before(|job| job.variable("HTTP_PROXY", "socks5://bob:a-password@proxy.example.com:1080"))
    }),
    ("No file matches", || told_before(|job| job.input("files", "dits/*.tar.gz"))),
    ("Only hidden files match", || told_before(|job| job.file("out/.app", "").input("files", "out/*"))),
    ("Only folders match", || told_before(|job| job.file("out/linux/app", "").input("files", "out/*"))),
    ("Only another case matches", || told_before(|job| job.input("files", "Dist/*.tar.gz"))),
    ("The workspace is empty", empty_workspace),
    ("The job runs on a host label", host_label),
    ("Several patterns in one line", || told_before(|job| job.input("files", "dist/*.tar.gz, dist/*.zip"))),
    ("A YAML list", || told_before(|job| job.input("files", "- dist/*.tar.gz"))),
    ("Quotes around a pattern", || told_before(|job| job.input("files", "\"dist/*.tar.gz\""))),
    ("A comment", || told_before(|job| job.input("files", "dist/*.tar.gz # x64"))),
    ("A variable in `files`", || told_before(|job| job.input("files", "$GITHUB_WORKSPACE/dist/*"))),
    ("Backslashes in a pattern", || told_before(|job| job.input("files", r"dist\*.tar.gz"))),
    ("An absolute Windows path", || told_before(|job| job.input("files", r"C:\build\*"))),
    ("A pattern for bash", || told_before(|job| job.input("files", "dist/@(app|lib).tar.gz"))),
    ("A slash at the end of a pattern", || told_before(|job| job.input("files", "dist/*/"))),
    ("A file name in another Unicode normalization", || {
        told_before(|job| job.file("dist/cafe\u{301}.zip", "").input("files", "dist/caf\u{e9}.zip"))
    }),
    ("A line with `!` for files in another folder", || told_before(|job| job.input("files", "dist/*\n!app.tar.gz"))),
    ("A line with `!` above the line that adds the files", || {
        told_before(|job| job.input("files", "!dist/*.tar.gz\ndist/*"))
    }),
    ("A folder is named", || told_before(|job| job.input("files", "dist"))),
    ("Every file is excluded", || told_before(|job| job.input("files", "dist/*\n!dist/*"))),
    ("A path with `..`", || told_before(|job| job.input("files", "../secret"))),
    ("An absolute path outside the workspace", || told_before(|job| job.input("files", "/home/runner/work/dist/*"))),
    ("A path into `.git`", || told_before(|job| job.input("files", ".git/config"))),
    ("An unmatched brace", || told_before(|job| job.input("files", "dist/{app,lib"))),
    ("Braces that nest too deep", || told_before(|job| job.input("files", "dist/{{{{{{{{{{{app,lib}}}}}}}}}}}"))),
    ("An invalid pattern", || told_before(|job| job.input("files", "dist/**app"))),
    ("A link out of the workspace", || told_before(|job| job.link("dist/environ", "/proc/self/environ"))),
    ("The limit on open files is too low", || {
        let registry = Registry::start(Persona::default());
        blocks(&run_with(&job(&registry), 8).exits_with(2).log, &registry.url())
    }),
    ("A link to nothing", || told_before(|job| job.link("dist/latest", "app-2.tar.gz"))),
    ("A name that the registry does not accept", || told_before(|job| job.file("dist/caf\u{e9}.txt", ""))),
    ("Two files with the same name", || {
        told_before(|job| job.file("out/app.tar.gz", "").input("files", "**/*.tar.gz"))
    }),
    ("Two files with the same new name", || {
        told_before(|job| job.file("out/app.tar.gz", "").input("files", "*/app.tar.gz => app.tgz"))
    }),
    ("An unknown placeholder", || told_before(|job| job.input("files", "dist/*.tar.gz => app-{arch}.tar.gz"))),
    ("A placeholder without its wildcard", || told_before(|job| job.input("files", "**/*.tar.gz => app-{1}.tar.gz"))),
    ("An unmatched brace in a new name", || told_before(|job| job.input("files", "dist/*.tar.gz => app-{name"))),
    ("A new name for excluded files", || told_before(|job| job.input("files", "dist/*\n!dist/*.tar.gz => app.tar.gz"))),
    ("A new name that the registry does not accept", || {
        told_before(|job| job.input("files", "dist/*.tar.gz => linux/{name}"))
    }),
    ("A new name that is invalid for one file", || {
        told_before(|job| job.file("dist/caf\u{e9}.tar.gz", "").input("files", "dist/* => new-{name}"))
    }),
    ("A file without a folder", || told_before(|job| job.file("app", "").input("files", "app* => {dir}-{name}"))),
    ("Two names that differ only in case", || told_before(|job| job.file("dist/APP.tar.gz", ""))),
];

/// What the program says before it sends anything.
pub(crate) fn told_before(spoil: impl FnOnce(&mut Job) -> &mut Job) -> String {
    let registry = Registry::start(Persona::default());
    let ran = spoil(&mut job(&registry)).run().exits_with(2);
    assert!(registry.requests().is_empty());
    blocks(&ran.log, &registry.url())
}

fn empty_workspace() -> String {
    told_before(|job| {
        fs::remove_dir_all(job.workspace().join("dist")).expect("the folder can be removed");
        job
    })
}

fn host_label() -> String {
    told_before(|job| {
        fs::remove_dir_all(job.workspace().join("dist")).expect("the folder can be removed");
        job.without("GITHUB_OUTPUT")
    })
}

fn changing_file() -> String {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    let path = job.workspace().join("dist/app.tar.gz");
    let write = Action::then(move |_| fs::write(&path, "other content").expect("the file can be written"));
    registry.script(Fault::once(Match::list(), Point::Head, write));
    told(&registry, &mut job)
}

/// The program waits a minute; the library is told to wait for less.
fn silent_server() -> String {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::always(Match::list(), Point::Head, Action::Hang));
    let mut job = job(&registry);
    job.input("timeout", "1");
    let environment = Environment::new(job.environment(), job.workspace());
    let runner = Runner::detect(&environment);
    let mut log = Vec::new();
    let console = Console::new(&mut log, &runner, None);
    let inputs = Inputs::read(Command::Publish, &environment, &runner).inputs.expect("good inputs");
    let context = RunContext { reporter: &console, stop: Stop::default(), save: &|_| {} };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    console.closes(&runtime.block_on(run::run(&inputs, Limits::default(), &context)));
    drop(console);
    blocks(&String::from_utf8(log).expect("UTF-8"), &registry.url())
}

fn stopped_server() -> String {
    let registry = Registry::start(Persona::default());
    for action in [Action::StopListening(Duration::from_hours(1)), Action::Reset] {
        registry.script(Fault::once(Match::put("/app.tar.gz"), Point::Head, action));
    }
    let ran = job(&registry).run_through_outage(&registry, Duration::MAX).exits_with(1);
    blocks(&ran.log, &registry.url())
}

fn put_answers(answer: Answer) -> String {
    put_fails(Action::Answer(answer))
}

fn put_fails(action: Action) -> String {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::always(Match::put("/app.tar.gz"), Point::BeforeStore, action));
    told(&registry, &mut job(&registry))
}

fn list_answers(answer: Answer) -> String {
    let registry = Registry::start(Persona::default());
    registry.script(Fault::always(Match::list(), Point::Head, Action::Answer(answer)));
    told(&registry, &mut job(&registry))
}

fn refused_token(token: &str) -> String {
    let registry = Registry::start(Persona::default());
    told(&registry, job(&registry).token(token))
}

fn with_token(name: &str) -> String {
    let registry = Registry::start(Persona::default());
    told(&registry, job(&registry).token(&registry.token(name)))
}

fn jobs_own_token() -> String {
    let registry = Registry::start(Persona::default());
    let token = registry.token("alice_read");
    told(&registry, job(&registry).token(&token).variable("GITEA_TOKEN", &token))
}

fn private_owner() -> String {
    let registry = Registry::start(Persona::default());
    registry.seed("secretorg", "widget", "1.2.0", "other", b"of a member");
    let token = registry.token("bob_write");
    told(&registry, job(&registry).input("owner", "secretorg").input("username", "bob").token(&token))
}

fn public_only() -> String {
    let registry = Registry::start(Persona::default());
    registry.seed("secretorg", "widget", "1.2.0", "other", b"of a member");
    told(&registry, job(&registry).input("owner", "secretorg").token(&registry.token("alice_publiconly")))
}

fn unknown_owner() -> String {
    let registry = Registry::start(Persona::default());
    told(&registry, job(&registry).input("owner", "alcie"))
}

fn renamed_owner() -> String {
    let registry = Registry::start(Persona::default());
    registry.rename_user("dave", "david");
    told(&registry, job(&registry).input("owner", "dave").token(&registry.token("dave_write")))
}

fn missing_sub_path() -> String {
    let registry = Registry::start_with(Options { path_prefix: "/git".to_owned(), ..Options::default() });
    let root = registry.url().trim_end_matches("/git").to_owned();
    let ran = job(&registry).input("server-url", &root).run().exits_with(1);
    blocks(&ran.log, &root)
}

fn https_only() -> String {
    let registry = Registry::start(Persona::default());
    let place = registry.url().replace("http://", "https://") + "/api/v1/packages/acme/generic/widget/1.2.0/files";
    registry.script(Fault::always(
        Match::list(),
        Point::Head,
        Action::Answer(Answer::text(301, "").header("Location", &place)),
    ));
    let ran = job(&registry).run().exits_with(1);
    let host = registry.url().replace("http://", "");
    blocks(&ran.log.replace(&host, "git.example.com"), "https://git.example.com")
}

fn slash_in_version() -> String {
    let registry = Registry::start(Persona::default());
    let answer = Answer::text(404, "404 page not found");
    registry.script(Fault::always(Match::list(), Point::Head, Action::Answer(answer)));
    told(&registry, job(&registry).input("version", "feature/x"))
}

fn conflict() -> String {
    let registry = Registry::start(Persona::default());
    registry.seed("acme", "widget", "1.2.0", "app.tar.gz", b"the first build");
    told(&registry, &mut job(&registry))
}

fn replacing(fault: Fault) -> String {
    let registry = Registry::start(Persona::default());
    registry.seed("acme", "widget", "1.2.0", "app.tar.gz", b"the first build");
    registry.script(fault);
    told(&registry, job(&registry).input("if-file-exists", "overwrite"))
}

fn conflict_of_one_size() -> String {
    let registry = Registry::start(Persona::default());
    registry.seed("acme", "widget", "1.2.0", "app.tar.gz", b"an app.");
    told(&registry, &mut job(&registry))
}

fn no_connection(host: &str) -> String {
    // A port that was free a moment ago, and that nobody else is given so soon.
    let registry = Registry::start(Persona::default());
    let (mut job, url) = (job(&registry), format!("http://{host}:{}", Job::address_of(&registry).port()));
    drop(registry);
    let ran = job.input("server-url", &url).run().exits_with(1);
    blocks(&ran.log, &url)
}

fn unknown_host() -> String {
    let registry = Registry::start(Persona::default());
    let ran = job(&registry).input("server-url", "https://git.example.invalid").run().exits_with(1);
    blocks(&ran.log, "https://git.example.com")
}

fn no_tls() -> String {
    let registry = Registry::start(Persona::default());
    let url = registry.url().replace("http://", "https://");
    let ran = job(&registry).input("server-url", &url).run().exits_with(1);
    blocks(&ran.log, &url)
}

/// What is said of a server with that certificate.
fn certificate(params: &CertificateParams, trusted: &str) -> String {
    shown_certificate(Identity::self_signed(params), trusted)
}

fn trusted_certificate(params: &CertificateParams) -> String {
    let identity = Identity::self_signed(params);
    let trusted = identity.pem.clone();
    shown_certificate(identity, &trusted)
}

fn shown_certificate(identity: Identity, trusted: &str) -> String {
    let registry = Registry::start(Persona::default());
    let front = TlsFront::start(identity, Job::address_of(&registry));
    let url = format!("https://localhost:{}", front.address().port());
    let ran = job(&registry).input("server-url", &url).input("ca-certificate", trusted).run().exits_with(1);
    blocks(&ran.log, &url)
}

/// What is said of a server that requires a client certificate, to a client that has one of that authority or none.
fn client_certificate(authority: Option<&Authority>) -> String {
    let registry = Registry::start(Persona::default());
    let identity = Identity::self_signed(&naming(&["localhost"]));
    let mut job = job(&registry);
    job.input("ca-certificate", identity.pem.clone());
    let clients = self::authority();
    let (behind, versions) = (Job::address_of(&registry), rustls::DEFAULT_VERSIONS);
    let front = TlsFront::start_for(identity, behind, versions, Clients::Required(&clients));
    let url = format!("https://localhost:{}", front.address().port());
    if let Some(authority) = authority {
        let client = Identity::signed(authority, &naming(&["client"]));
        job.input("client-certificate", client.pem + &client.key_pem);
    }
    blocks(&job.input("server-url", &url).run().exits_with(1).log, &url)
}

fn as_authority(mut params: CertificateParams) -> CertificateParams {
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
}

fn expired_certificate() -> String {
    let mut params = naming(&["localhost"]);
    params.not_after = rcgen::date_time_ymd(2025, 3, 1);
    certificate(&params, "")
}

fn expired_authority() -> String {
    let authority = authority_with(|params| params.not_after = rcgen::date_time_ymd(2025, 3, 1));
    shown_certificate(Identity::signed(&authority, &naming(&["localhost"])), &authority.pem())
}

fn early_certificate() -> String {
    let mut params = naming(&["localhost"]);
    params.not_before = rcgen::date_time_ymd(2125, 3, 1);
    let told = certificate(&params, "");
    let (before, now) = told.split_once("clock shows ").expect("the runner's time");
    format!("{before}clock shows 2026-03-01T12:00:00Z{}", &now["2026-03-01T12:00:00Z".len()..])
}

/// What is said of a proxy whose URL has its host in it.
fn through_proxy(proxy: &str, manners: Manners) -> String {
    let registry = Registry::start(Persona::default());
    let server = Proxy::start(manners, Job::address_of(&registry));
    let place = server.address().to_string();
    told_of_proxy(&registry, &format!("http://{}", proxy.replace("proxy.example.com", &place)), &place)
}

fn told_of_proxy(registry: &Registry, proxy: &str, place: &str) -> String {
    let mut job = job(registry);
    let ran = job.input("server-url", "https://git.example.com").variable("HTTPS_PROXY", proxy).run().exits_with(1);
    blocks(&ran.log.replace(place, "proxy.example.com:3128"), "https://git.example.com")
}

/// Nothing listens at the proxy's port.
fn proxy_that_refuses(host: &str) -> String {
    let gone = Registry::start(Persona::default());
    let place = format!("{host}:{}", Job::address_of(&gone).port());
    drop(gone);
    told_of_proxy(&Registry::start(Persona::default()), &format!("http://{place}"), &place)
}

fn unknown_proxy() -> String {
    let place = "proxy.example.invalid:3128";
    told_of_proxy(&Registry::start(Persona::default()), &format!("http://{place}"), place)
}

fn untrusted_proxy() -> String {
    let registry = Registry::start(Persona::default());
    let identity = Identity::signed(&authority(), &naming(&["localhost"]));
    let front = TlsFront::start(identity, Job::address_of(&registry));
    let place = format!("localhost:{}", front.address().port());
    told_of_proxy(&registry, &format!("https://{place}"), &place).replace("localhost", "proxy.example.com")
}

/// The step that the page talks of.
pub(crate) fn job(registry: &Registry) -> Job {
    let mut job = Job::new(registry);
    job.file("dist/app.tar.gz", "content").input("owner", "acme").input("repo", "widget").input("version", "1.2.0");
    job
}

/// What a failing run says of its errors.
pub(crate) fn told(registry: &Registry, job: &mut Job) -> String {
    let ran: Ran = job.run().exits_with(1);
    blocks(&ran.log, &registry.url())
}

/// The errors in a log, each part of them on one line, with the page's server instead of the test's.
fn blocks(log: &str, server: &str) -> String {
    let host = |url: &str| url.split("//").last().unwrap_or_default().split(':').next().unwrap_or_default().to_owned();
    let mut parts: Vec<String> = Vec::new();
    let mut inside = false;
    for line in log.lines() {
        match line {
            _ if ["error: ", "  caused by: ", "  hint: "].iter().any(|part| line.starts_with(part)) => {
                inside = true;
                parts.push(line.to_owned());
            }
            _ if inside && line.starts_with("        ") => {
                let part = parts.last_mut().expect("a part goes before");
                *part = format!("{part} {}", line.trim_start());
            }
            _ => inside = false,
        }
    }
    let text = parts.join("\n").replace(server.trim_end_matches('/'), "https://git.example.com");
    text.replace(&host(server), "git.example.com")
}

/// A section of the page with that block instead of its own.
fn with_block(section: &str, block: &str) -> String {
    let (before, rest) = section.split_once("```text\n").expect("a section has a block");
    let (_, after) = rest.split_once("\n```").expect("a block ends");
    format!("{before}```text\n{block}\n```{after}")
}

/// If snapshots are to be updated, the page is too.
#[test]
fn the_page_has_each_kind_of_error_as_it_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md");
    let page = fs::read_to_string(&path).expect("the page is there");
    let cases = CASES.iter().chain(downloading::CASES).chain(linking::CASES).chain(checksums::CASES);
    let mut blocks: BTreeMap<&str, String> = cases.map(|(heading, case)| (*heading, case())).collect();
    let mut sections = page.split("\n### ");
    let mut updated = sections.next().expect("a split has a first part").to_owned();
    let mut wrong = Vec::new();
    for section in sections {
        let (heading, _) = section.split_once('\n').expect("a heading ends");
        let block = blocks.remove(heading).unwrap_or_else(|| panic!("nothing leads to {heading}"));
        let printed = with_block(section, &block);
        if printed != section {
            wrong.push(format!("### {heading}\n\n```text\n{block}\n```\n"));
        }
        updated = updated + "\n### " + &printed;
    }
    assert!(blocks.is_empty(), "the page has no heading for these: {blocks:?}");
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        fs::write(path, updated).expect("the page can be written");
    } else {
        assert!(wrong.is_empty(), "the page does not have these as they are printed:\n\n{}", wrong.join("\n"));
    }
}
