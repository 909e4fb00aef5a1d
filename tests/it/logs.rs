//! Whole logs and summaries as they are printed, one snapshot each: here, and in `docs/troubleshooting.md`, wording is
//! pinned.
//!
//! CONTRIBUTING.md has the command that updates them.

use embedded_registry::{Action, Answer, Fault, IdTokens, Integration, Match, Persona, Point, Registry, Rule};
use rustix::process::Signal;

use crate::harness::{Job, Ran};
use crate::keyless;
use crate::stopping::{holds, stopped};

/// Makes a run on that registry.
type Case = fn(&Registry, &mut Job) -> Ran;

/// The name of the snapshot, the exit code, and what leads to the log.
const LOGS: &[(&str, i32, Case)] = &[
    ("release", 0, release),
    ("re-run", 0, |registry, job| {
        release(registry, job);
        job.run()
    }),
    ("overwrite", 0, |registry, job| {
        release(registry, job);
        job.file("dist/app", "the second build").input("if-file-exists", "overwrite").run()
    }),
    ("conflict", 1, |registry, job| {
        registry.seed("alice", "widget", "v1.0.0", "app", b"another build");
        job.run()
    }),
    ("skip", 0, |registry, job| {
        registry.seed("alice", "widget", "v1.0.0", "app", b"another build");
        job.input("if-file-exists", "skip").run()
    }),
    ("refused-file", 1, |registry, job| {
        let refused = Answer::text(403, "maximum allowed package type size exceeded");
        registry.add_fault(Fault::always(Match::put("/app"), Point::Head, Action::Answer(refused)));
        with_everything(job).run()
    }),
    ("wrong-token", 1, |_, job| job.token("0123456789abcdef0123456789abcdef01234567").run()),
    ("lost-response", 0, |registry, job| {
        registry.add_fault(Fault::once(Match::put("/app"), Point::AfterStore, Action::Reset));
        job.run()
    }),
    ("retries", 0, |registry, job| {
        registry.add_fault(Fault::once(Match::put("/app"), Point::BeforeStore, Action::Reset));
        job.input("retries", "3").run_with_short_waits()
    }),
    ("dry-run", 0, |_, job| with_everything(job).input("dry-run", "true").run()),
    ("download", 0, |registry, job| {
        release(registry, job);
        self::job(registry).downloads().run()
    }),
    ("pinned-download", 0, |registry, job| pinned(registry, job, b"content").run()),
    ("tampered-download", 1, |registry, job| pinned(registry, job, b"tampered").run()),
    ("tampered-download-without-a-list", 1, |registry, job| {
        pinned(registry, job, b"tampered").without("INPUT_TOKEN").input("files", "tool*").run()
    }),
    ("cancelled", 143, |registry, job| {
        let moment = holds(registry, Match::put("/app"), Point::BeforeStore, 0);
        stopped(job.input("timeout", "3600"), &moment, Signal::TERM)
    }),
    ("bad-inputs", 2, |_, job| {
        job.input("retries", "many").input("version", "$TAG").input("file", "app").without("INPUT_TOKEN").run()
    }),
    ("no-files-found", 2, |_, job| job.input("files", "dist/*.zip\nbuild/*").run()),
    ("github", 1, |registry, job| {
        registry.seed("alice", "widget", "v1.0.0", "app", b"another build");
        job.without("FORGEJO_ACTIONS").input("files", "dist/*\nbuild/*").input("if-no-files-found", "warn").run()
    }),
];

const SUMMARIES: &[(&str, i32, Case)] = &[
    ("release-summary", 0, release),
    ("failure-summary", 1, |registry, job| {
        registry.seed("alice", "widget", "v1.0.0", "app", b"another build");
        job.run()
    }),
    ("dry-run-summary", 0, |_, job| with_everything(job).input("dry-run", "true").run()),
];

/// Inputs that are refused, and their values, for a step in a workspace with the files of [`mistaken`].
const PUBLISHING: &[(&str, &str)] = &[
    ("files", "../app"),
    ("files", "/etc/passwd"),
    ("files", "/home/runner/work/widget/widget/dist/app"),
    ("files", r"C:\build\*"),
    ("files", r"dist\app"),
    ("files", ".git/config"),
    ("files", "link"),
    ("files", "dead"),
    ("files", "dist"),
    ("files", "dist/*/"),
    ("files", "dist/[a"),
    ("files", "dist/{a"),
    ("files", "{0,1,2,3,4,5,6,7,8,9}{0,1,2,3,4,5,6,7,8,9}{0,1,2,3,4,5,6,7,8,9}{0,1}"),
    ("files", "!"),
    ("files", "!dist/*"),
    ("files", "dist/*\n!dist/*"),
    ("files", "!dist/*.md\ndist/*"),
    ("files", "dist/*\n!app"),
    ("files", "# all"),
    ("files", "- dist/*"),
    ("files", "'dist/*'"),
    ("files", "dist/app,dist/notes.md"),
    ("files", "dist/@(app|lib)"),
    ("files", "dist/app{1..3}"),
    ("files", "$HOME/app"),
    ("files", "$GITHUB_WORKSPACE/dist/*"),
    ("files", "$(ls)"),
    ("files", "${{ env.FILE }}"),
    ("files", "~/app"),
    ("files", "dist/.*.zip"),
    ("files", "dist/APP"),
    ("files", "*/*.none"),
    ("files", "*"),
    ("files", "dist/*\nother/*"),
    ("files", "dist/* => same"),
    ("files", "dist/* => {arch}"),
    ("files", "dist/app => {1}"),
    ("files", "dist/app => {name"),
    ("files", "dist/app => bin/app"),
    ("files", "bad,name"),
    ("files", "!dist/app => b"),
    ("token", "user name"),
    ("token", "hunter2"),
    ("token", "$TOKEN"),
    ("server-url", "git.example.com"),
    ("server-url", "https://alice:password@git.example.com/?query"),
    ("server-url", "http://localhost:99999"),
    ("server-url", "https://github.com"),
    ("owner", "a/b"),
    ("repo", "alice/widget"),
    ("version", ".."),
    ("version", "refs/heads/main"),
    ("version", "\"1.0.0\""),
    ("version-strip-prefix", "v1.0.0"),
    ("username", "alice:password"),
    ("working-directory", ".."),
    ("working-directory", ".git"),
    ("working-directory", "none"),
    ("working-directory", "bad,name"),
    ("if-no-files-found", "Warn"),
    ("if-file-exists", "replace"),
    ("include-hidden-files", "yes"),
    ("concurrency", "0"),
    ("timeout", "0"),
    ("headers", "sensitive"),
    ("headers", "a name: sensitive-one\nX-Twice: sensitive-two\nx-twice: sensitive-three\nX-Empty:\nX-Far: \u{ef}"),
    (
        "headers",
        "Host: 1\nAuthorization: 1\nExpect: 1\nUser-Agent: 1\nConnection: 1\nProxy-Authorization: 1\nContent-Type: 1",
    ),
    ("headers", "X-Gate: $SECRET"),
    ("ca-certificate", "missing.pem"),
    ("ca-certificate", "../ca.pem"),
    ("ca-certificate", "bad,name"),
    ("client-certificate", "missing.pem"),
    ("client-certificate", "bad,name"),
    ("checksums", "a/b"),
    ("checksums", ".git"),
    ("expect", "app"),
    ("aliases", "latest"),
    ("link-repository", "acme/widget"),
    ("link-repository", "a/b/c"),
    ("dry-run", "yes"),
    ("overwrite_files", "true"),
];

const DOWNLOADING: &[(&str, &str)] = &[
    ("path", ".."),
    ("path", "/etc"),
    ("path", ".git"),
    ("path", "link/tools"),
    ("path", "dead/tools"),
    ("path", "dist/app"),
    ("path", "~/tools"),
    ("path", "$HOME/tools"),
    ("path", r"tools\bin"),
    ("path", "D:/tools"),
    ("files", "a/b"),
    ("executable", "!app"),
    ("checksums", "./none"),
    ("checksums", "./dist"),
    ("checksums", "./link/passwd"),
    ("checksums", "./dist/notes.md"),
    ("checksums", "dist/SHA256SUMS"),
];

/// A workspace in which files can be named by mistake.
fn mistaken(job: &mut Job) {
    job.file("other/app", "another").file(".git/config", "").file("bad,name", "").folder("dist/deep");
    job.link("link", "/etc").link("dead", "nowhere");
}

/// A step that publishes two files, one at a time, so that the lines have an order.
fn job(registry: &Registry) -> Job {
    let mut job = Job::new(registry);
    job.file("dist/app", "the first build").file("dist/notes.md", "notes").input("concurrency", "1");
    job.variable("FORGEJO_ACTIONS", "true");
    job
}

fn with_everything(job: &mut Job) -> &mut Job {
    job.input("checksums", "SHA256SUMS").input("aliases", "latest").input("link-repository", "widget")
}

fn release(_: &Registry, job: &mut Job) -> Ran {
    with_everything(job).run()
}

/// Turns the step into one that downloads a tool with this content, of which the workspace has pinned another.
fn pinned<'a>(registry: &Registry, job: &'a mut Job, content: &[u8]) -> &'a mut Job {
    registry.seed("alice", "widget", "v1.0.0", "tool", content);
    // `sha256sum` of the text "content".
    let hash = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";
    job.downloads().input("version", "v1.0.0").input("files", "tool").input("checksums", "./tools/SHA256SUMS");
    job.file("tools/SHA256SUMS", format!("{hash}  tool\n"))
}

fn compare(cases: &[(&str, i32, Case)], text: fn(&Ran) -> String) {
    for (name, code, case) in cases {
        let registry = Registry::start(Persona::default());
        assert_snapshot(name, &text(&case(&registry, &mut job(&registry)).exits_with(*code)));
    }
}

/// The whole log, as a runner gets it.
fn log(ran: &Ran) -> String {
    format!("{}\n{}", ran.masks.join("\n"), ran.log)
}

/// Compares a text with the snapshot of that name, or updates the snapshot. Every snapshot goes through this.
#[track_caller]
pub(crate) fn assert_snapshot(name: &str, text: &str) {
    let text = unchanging(text);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

/// Replaces everything in a text that differs from run to run.
fn unchanging(text: &str) -> String {
    let version = concat!("generic-packages ", env!("CARGO_PKG_VERSION"));
    let text = text.replace(version, "generic-packages 0.0.0");
    let without_port = |rest: &str| rest.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
    let mut parts = text.split("127.0.0.1:");
    let first = parts.next().expect("a split has a first part").to_owned();
    let text = parts.fold(first, |text, rest| text + "127.0.0.1:12345" + &without_port(rest));
    let mut parts: Vec<&str> = text.split(" s").collect();
    let last = parts.pop().expect("a split has a last part");
    let without_time = |part: &&str| {
        let number = part.rsplit([' ', '(']).next().filter(|word| word.contains('.') && word.parse::<f64>().is_ok());
        number.map_or_else(|| format!("{part} s"), |number| format!("{}0.0 s", part.trim_end_matches(number)))
    };
    parts.iter().map(without_time).collect::<String>() + last
}

/// The errors of each of these inputs.
fn errors(registry: &Registry, mistakes: &[(&str, &str)], step: fn(&mut Job) -> &mut Job) -> String {
    let told = mistakes.iter().map(|(input, value)| {
        let mut job = job(registry);
        mistaken(&mut job);
        let ran = step(&mut job).input(input, *value).run_rejected(registry);
        let errors: Vec<&str> = ran.log.lines().filter(|line| !line.starts_with("Nothing was ")).collect();
        format!("{input}: {value}\n{}\n", errors.join("\n"))
    });
    told.collect::<Vec<_>>().join("\n")
}

#[test]
fn each_mistake_in_an_input_is_explained_as_in_its_snapshot() {
    let registry = Registry::start(Persona::default());
    assert_snapshot("mistakes-publishing", &errors(&registry, PUBLISHING, |job| job));
    assert_snapshot("mistakes-downloading", &errors(&registry, DOWNLOADING, Job::downloads));
}

#[test]
fn each_log_is_printed_as_its_snapshot() {
    compare(LOGS, log);
}

#[test]
fn each_log_with_id_tokens_is_printed_as_its_snapshot() {
    for (name, code, integration) in [
        ("keyless-release", 0, Integration::of("alice")),
        ("keyless-refused", 1, Integration::of("alice").rule(Rule::glob("ref", "refs/heads/*"))),
    ] {
        let registry = Registry::start(Persona::Forgejo16);
        let audience = registry.add_integration(integration);
        registry.offer_id_tokens(IdTokens::default());
        let mut job = job(&registry);
        let job = with_everything(keyless::with_id_tokens(&mut job, &registry, &audience));
        assert_snapshot(name, &keyless::run(job, &registry).exits_with(code).log);
    }
}

#[test]
fn each_summary_is_written_as_its_snapshot() {
    compare(SUMMARIES, |ran| ran.summary.clone());
}
