//! Tests the troubleshooting page for failed downloads.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use super::{Case, errors, failed_as, json, rejected_as, text};
use crate::downloading::placing::run_with_little_space;
use crate::harness::Job;
use crate::network::{Identity, Manners, Proxy, TlsFront, naming};

pub(super) const CASES: &[Case] = &[
    ("No such version", || failed(|job, _| job.input("version", "1.2.0"))),
    ("No such package", || failed(|job, _| job.input("repo", "wigdet"))),
    ("No file of the version matches", || failed(|job, _| job.input("files", "app-windows-*"))),
    ("A line that is neither a pattern nor a name", || failed(|job, _| job.input("files", "app-{linux"))),
    ("The token cannot read packages", || {
        failed(|job, registry| job.token(&registry.token("alice_none")).input("username", "alice"))
    }),
    ("A wildcard without a token", || failed(|job, _| job.without("INPUT_TOKEN").input("files", "app-*"))),
    ("The latest version without a token", || failed(|job, _| job.without("INPUT_TOKEN").without("INPUT_VERSION"))),
    ("No such file", || failed(|job, _| job.without("INPUT_TOKEN").input("files", "app-windows"))),
    ("No such version or package", || {
        failed(|job, _| job.without("INPUT_TOKEN").input("version", "v1.3.0").input("repo", "wigdet"))
    }),
    ("The package is visible to members only", || {
        failed(|job, registry| {
            registry.seed("secretorg", "widget", "v1.2.0", "app-linux", b"content");
            job.without("INPUT_TOKEN").input("owner", "secretorg")
        })
    }),
    ("A name that no file can have", || failed(|job, _| job.without("INPUT_TOKEN").input("files", "caf\u{e9}"))),
    ("Two lines for one file", || failed(|job, _| job.without("INPUT_TOKEN").input("files", "app-linux\nApp-Linux"))),
    ("Two files with the same new name in the workspace", || failed(|job, _| job.input("files", "app-* => app"))),
    ("A new name that is not allowed in the workspace", || failed(|job, _| job.input("files", "app-linux => HEAD"))),
    ("A name on the registry that leads out of `path`", || {
        failed(|job, registry| {
            let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
            let list = format!(r#"[{{"name":"../../.bashrc","size":5,"sha256":"{hash}"}}]"#);
            registry.add_fault(Fault::always(Match::list(), Point::Head, json(200, &list)));
            job.input("files", "*")
        })
    }),
    ("The content does not match the registry", || get(Action::CorruptDownload)),
    ("The content does not match the checksums file", || {
        failed(|job, registry| {
            registry.add_fault(Fault::always(Match::get("/app-linux"), Point::Head, Action::CorruptDownload));
            job.without("INPUT_TOKEN").input("checksums", "SHA256SUMS")
        })
    }),
    ("The checksums file does not list the file", || {
        failed(|job, _| job.without("INPUT_TOKEN").input("checksums", "SHA256SUMS").input("files", "app-darwin"))
    }),
    ("Checksums file and registry differ", || failed(|job, _| job.input("checksums", "OLD-SHA256SUMS"))),
    ("The registry has a different file than the pinned one", || {
        failed(|job, _| pinned(job).file("ci/SHA256SUMS", format!("{}  app-linux\n", "c".repeat(64))))
    }),
    ("The downloaded file is not the pinned one", || {
        failed(|job, registry| {
            registry.add_fault(Fault::always(Match::get("/app-linux"), Point::Head, Action::CorruptDownload));
            pinned(job).without("INPUT_TOKEN")
        })
    }),
    ("A file is not pinned", || failed(|job, _| pinned(job).input("files", "app-*"))),
    ("A pinned name has a folder", || {
        failed(|job, _| pinned(job).file("ci/SHA256SUMS", format!("{HASH}  dist/app-linux\n")))
    }),
    ("No pinned name matches", || failed(|job, _| pinned(job).without("INPUT_TOKEN").input("files", "app-windows-*"))),
    ("The checksums file is not in the workspace", || rejected(|job| job.input("checksums", "./ci/SHA256SUMS"))),
    ("The file in the workspace is not a checksums file", || {
        rejected(|job| job.input("checksums", "./ci/SHA256SUMS").file("ci/SHA256SUMS", ""))
    }),
    ("A path in `checksums` without `./`", || rejected(|job| job.input("checksums", "ci/SHA256SUMS"))),
    ("The file is not a checksums file", || failed(|job, _| job.input("checksums", "app-darwin"))),
    ("The checksums file does not exist", || failed(|job, _| job.input("checksums", "SHA256SUM"))),
    ("303: object storage uses http", storage_by_http),
    ("Object storage rejects the download", || storage(|_| text(403, "AccessDenied"))),
    ("303: object storage redirects without end", || storage(|place| redirect(&format!("{place}/again")))),
    ("A redirect to the runner itself", redirect_to_the_runner),
    ("The disk is full", full_disk),
    ("A folder has the name of the file", || failed(|job, _| job.folder("tools/app-linux"))),
    ("The temporary file was removed", || {
        failed(|job, registry| {
            let folder = job.workspace().join("tools");
            let cleans_up = Action::then(move |_| {
                for entry in std::fs::read_dir(&folder).expect("it is there") {
                    std::fs::remove_file(entry.expect("an entry").path()).expect("it can be removed");
                }
            });
            registry.add_fault(Fault::once(Match::get("/app-linux"), Point::Head, cleans_up));
            job
        })
    }),
    ("The list of versions changes while it is read", || {
        failed(|job, registry| {
            for number in 0..60 {
                registry.seed("acme", "widget", &format!("nightly-{number}"), "app-linux", b"content");
            }
            let count = std::sync::atomic::AtomicUsize::new(0);
            let adds = Action::then(move |world| {
                let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                world.seed("acme", "widget", &format!("late-{number}"), "app-linux", b"content");
            });
            registry.add_fault(Fault::always(Match::versions(), Point::Head, adds));
            job.without("INPUT_VERSION")
        })
    }),
    ("`path` leads out of the workspace", || rejected(|job| job.input("path", "../tools"))),
    ("`path` is a path of a shell or of Windows", || rejected(|job| job.input("path", r"tools\bin"))),
    ("A download runs on a host label", host_label),
    ("`files` contains a folder", || rejected(|job| job.input("files", "dist/app-linux"))),
];

/// `sha256sum` of the content of app-linux.
const HASH: &str = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";

/// Adds a checksums file in the workspace to the step.
fn pinned(job: &mut Job) -> &mut Job {
    job.file("ci/SHA256SUMS", format!("{HASH}  app-linux\n")).input("checksums", "./ci/SHA256SUMS")
}

/// The step that the page talks of.
fn job(registry: &Registry) -> Job {
    for (name, content) in [("app-linux", "content"), ("app-darwin", "other content")] {
        registry.seed("acme", "widget", "v1.2.0", name, content.as_bytes());
    }
    registry.seed("acme", "widget", "v1.2.0", "SHA256SUMS", format!("{HASH}  app-linux\n").as_bytes());
    let old = "c".repeat(64);
    registry.seed("acme", "widget", "v1.2.0", "OLD-SHA256SUMS", format!("{old}  app-linux\n").as_bytes());
    registry.seed("acme", "widget", "v1.1.0", "app-linux", b"older content");
    let mut job = Job::downloading(registry);
    job.input("owner", "acme").input("repo", "widget").input("version", "v1.2.0").input("files", "app-linux");
    job
}

fn failed(change: impl for<'a> FnOnce(&'a mut Job, &Registry) -> &'a mut Job) -> String {
    failed_as(job, change)
}

fn rejected(change: impl FnOnce(&mut Job) -> &mut Job) -> String {
    rejected_as(job, change)
}

fn host_label() -> String {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    job.variable("GITHUB_OUTPUT", job.outside("none/output"));
    let printed = errors(&job.run().exits_with(2).log, &registry.url());
    printed.replace(&*job.workspace().to_string_lossy(), "/workspace/acme/widget")
}

/// Each download of the file ends so.
fn get(action: Action) -> String {
    failed(|job, registry| {
        registry.add_fault(Fault::always(Match::get("/app-linux"), Point::Head, action));
        job
    })
}

fn redirect(location: &str) -> Action {
    Action::Answer(Answer::empty(303).header("Location", location))
}

/// The registry redirects to object storage, which responds so.
fn storage(response: impl FnOnce(&str) -> Action) -> String {
    let storage = Registry::start(Persona::default());
    let place = storage.url().replace("127.0.0.1", "localhost");
    storage.add_fault(Fault::always(Match::any(), Point::Head, response(&place)));
    let printed = get(redirect(&format!("{place}/packages/ed/70/ed7002b4?X-Amz-Signature=1")));
    printed.replace(&place, "https://storage.example.com").replace("localhost", "storage.example.com")
}

fn storage_by_http() -> String {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    let leads = redirect("http://storage.example.com/packages/ed/70/ed7002b4");
    registry.add_fault(Fault::always(Match::get("/app-linux"), Point::Head, leads));
    let identity = Identity::self_signed(&naming(&["localhost"]));
    let pem = identity.pem.clone();
    let front = TlsFront::start(identity, Job::address_of(&registry));
    let url = front.url();
    let ran = job.input("server-url", &url).input("ca-certificate", pem).run().exits_with(1);
    errors(&ran.log, &url)
}

fn redirect_to_the_runner() -> String {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    let leads = redirect("http://127.0.0.1:9000/packages/ed/70/ed7002b4");
    registry.add_fault(Fault::always(Match::get("/app-linux"), Point::Head, leads));
    // A server that is on the runner itself may lead there.
    let proxy = Proxy::start(Manners::Open, Job::address_of(&registry));
    job.input("server-url", "http://git.example.com").variable("HTTP_PROXY", proxy.url());
    errors(&job.run().exits_with(1).log, "http://git.example.com")
}

fn full_disk() -> String {
    let registry = Registry::start(Persona::default());
    let mut job = job(&registry);
    registry.seed("acme", "widget", "v1.2.0", "image", &vec![0; 4 << 20]);
    job.input("files", "image");
    let ran = run_with_little_space(&job, 1000).exits_with(1);
    let printed = errors(&ran.log, &registry.url());
    // A full disk words it otherwise, and how much of a piece still fits is chance.
    let printed = printed.replace("File too large (os error 27)", "No space left on device (os error 28)");
    let (_, rest) = printed.split_once("failed to write `tools/image`: ").expect("how much is missing");
    let (missing, _) = rest.split_once(" are not written yet").expect("how much is missing");
    printed.replace(missing, "3.5 MiB")
}
