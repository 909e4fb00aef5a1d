//! Servers that lead to object storage.

use embedded_registry::{Action, Answer, Fault, Match, Persona, Point, Registry};

use super::{own_address, release, release_at, tools};
use crate::harness::{Job, print_skipped};
use crate::network::{Identity, Manners, Proxy, TlsFront, naming};

/// Where a registry has the file, by another name of its host.
pub(super) fn place(registry: &Registry, name: &str) -> String {
    let url = registry.url().replace("127.0.0.1", "localhost");
    format!("{url}/api/packages/alice/generic/widget/v1.0.0/{name}?X-Amz-Signature=0123456789abcdef")
}

pub(super) fn leads(status: u16, place: &str) -> Action {
    Action::Answer(Answer::empty(status).header("Location", place))
}

/// A registry that redirects downloads of `app` to the other one.
fn redirected(status: u16) -> (Registry, Registry) {
    let (registry, storage) = (release(Persona::default()), release(Persona::default()));
    registry.add_fault(Fault::always(Match::get("app"), Point::Head, leads(status, &place(&storage, "app"))));
    (registry, storage)
}

/// Lets a job reach a registry by https.
fn by_https(job: &mut Job, registry: &Registry) -> TlsFront {
    let identity = Identity::self_signed(&naming(&["localhost"]));
    job.input("ca-certificate", &*identity.pem);
    let front = TlsFront::start(identity, Job::address_of(registry));
    job.input("server-url", front.url());
    front
}

fn job(registry: &Registry) -> Job {
    let mut job = Job::downloading(registry);
    job.input("files", "app");
    job
}

#[test]
fn a_file_in_object_storage_comes_from_there_without_the_token_and_the_headers() {
    for status in [302, 303, 307] {
        let (registry, storage) = redirected(status);
        let mut job = job(&registry);
        job.input("headers", "X-Gate: a-password-of-the-gate").secret("a-password-of-the-gate");
        job.variable("RUNNER_DEBUG", "1");
        let ran = job.run().exits_with(0).does_not_say("X-Amz-Signature");
        assert_eq!(tools(&job)["app"], vec![7; 300_000]);
        assert_eq!(ran.files()[0]["verified-by"], "registry");
        let asked = registry.requests().pop().expect("the server is asked");
        assert!(asked.header("Authorization").is_some() && asked.header("X-Gate").is_some());
        let asked = storage.requests().pop().expect("the storage is asked");
        assert!(asked.target.ends_with("/app?X-Amz-Signature=0123456789abcdef"), "{}", asked.target);
        assert_eq!((asked.header("Authorization"), asked.header("X-Gate")), (None, None));
    }
}

#[test]
fn the_way_to_object_storage_is_chosen_for_itself() {
    // The proxy reaches one of the two, and nothing else does.
    for is_behind in ["server", "storage"] {
        let (registry, storage) = match (is_behind, own_address()) {
            // What a proxy reaches may lead to no address of the runner itself.
            ("server", None) => {
                print_skipped("a storage that is reached without the proxy: no address but loopback");
                continue;
            }
            ("server", Some(address)) => (release(Persona::default()), release_at(address)),
            _ => (release(Persona::default()), release(Persona::default())),
        };
        let (behind, near) = if is_behind == "server" { (&registry, &storage) } else { (&storage, &registry) };
        let proxy = Proxy::start(Manners::Open, Job::address_of(behind));
        let far = |path: &str| format!("http://far.example.com{path}");
        let path = "/api/packages/alice/generic/widget/v1.0.0/app";
        let place = if is_behind == "server" { format!("{}{path}", near.url()) } else { far(path) };
        registry.add_fault(Fault::always(Match::get("app"), Point::Head, leads(303, &place)));
        let mut job = job(&registry);
        let near = Job::address_of(near).ip().to_string();
        job.variable("HTTP_PROXY", proxy.url()).variable("NO_PROXY", near);
        if is_behind == "server" {
            job.input("server-url", far(""));
        }
        job.run().exits_with(0);
        assert_eq!(tools(&job)["app"], vec![7; 300_000]);
        assert!(
            !proxy.heads().is_empty() && proxy.heads().iter().all(|head| head.contains(" http://far.example.com/"))
        );
    }
}

#[test]
fn a_transfer_from_object_storage_goes_on_where_it_broke() {
    let (registry, storage) = redirected(303);
    storage.add_fault(Fault::once(Match::get("app"), Point::AnswerByte(200_000), Action::Close));
    let mut job = job(&registry);
    job.input("retries", "1").run_with_short_waits().exits_with(0);
    assert_eq!(tools(&job)["app"], vec![7; 300_000]);
    // A key to the storage may have had its time, so the server is asked anew.
    assert_eq!(registry.requests().iter().filter(|request| request.target.ends_with("/app")).count(), 2);
    assert_eq!(storage.requests()[1].header("Range"), Some("bytes=200000-"));
}

#[test]
fn no_redirect_leads_from_https_to_http() {
    let (registry, storage) = redirected(303);
    let mut job = job(&registry);
    let _front = by_https(&mut job, &registry);
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["redirect-to-http"]).says("localhost").does_not_say("X-Amz");
    assert_eq!(storage.requests(), []);
}

#[test]
fn object_storage_that_leads_from_https_to_http_is_reported_as_that() {
    let (registry, storage) = (release(Persona::default()), release(Persona::default()));
    let identities = [naming(&["localhost"]), naming(&["localhost"])].map(|params| Identity::self_signed(&params));
    let pems = identities.each_ref().map(|identity| identity.pem.clone()).concat();
    let [front, storage_front] = identities;
    let front = TlsFront::start(front, Job::address_of(&registry));
    let storage_front = TlsFront::start(storage_front, Job::address_of(&storage));
    let to_storage = place(&storage, "app").replace("http:", "https:");
    let to_storage = to_storage.replace(&storage.url()[17..], &storage_front.address().port().to_string());
    registry.add_fault(Fault::always(Match::get("/app"), Point::Head, leads(303, &to_storage)));
    storage.add_fault(Fault::always(Match::get("/app"), Point::Head, leads(303, "http://internal.example.com/app")));
    let mut job = job(&registry);
    job.input("server-url", front.url()).input("ca-certificate", pems);
    let ran = job.run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["redirect-to-http"]).does_not_say("internal");
}

#[test]
fn a_redirect_for_good_is_not_followed() {
    for status in [301, 308] {
        let (registry, storage) = redirected(status);
        let ran = job(&registry).run().exits_with(1).has_a_hint_for_each_error().does_not_say("X-Amz");
        ran.has_codes(&["redirected"]).says("`server-url`").says("http://localhost");
        assert_eq!(storage.requests(), []);
    }
}

#[test]
fn a_place_that_is_none_for_a_file_is_not_asked() {
    let long = format!("http://localhost/{}", "x".repeat(8 * 1024));
    for (place, host) in [
        ("http://user:word@localhost:1/app", "localhost"),
        ("http://user@localhost:1/app", "localhost"),
        ("ftp://localhost/app", "localhost"),
        ("s3://bucket/app", "bucket"),
        (&long, "localhost"),
    ] {
        let registry = release(Persona::default());
        registry.add_fault(Fault::always(Match::get("app"), Point::Head, leads(303, place)));
        let ran = job(&registry).run().exits_with(1).has_a_hint_for_each_error().does_not_say("user");
        ran.has_codes(&["object-storage-error"]).says(&format!("redirects to {host} for this file"));
    }
}

#[test]
fn the_same_address_by_https_is_a_server_url_that_is_wrong() {
    let registry = release(Persona::default());
    let https = format!("{}/api/packages/alice/generic/widget/v1.0.0/app", registry.url().replace("http:", "https:"));
    registry.add_fault(Fault::always(Match::get("app"), Point::Head, leads(302, &https)));
    let ran = job(&registry).run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["https-required"]).says("https://127.0.0.1");
}

#[test]
fn object_storage_may_lead_on_to_the_same_path_by_https() {
    let (registry, storage) = redirected(303);
    let identity = Identity::self_signed(&naming(&["localhost"]));
    let mut job = job(&registry);
    job.input("ca-certificate", &*identity.pem);
    let front = TlsFront::start(identity, Job::address_of(&storage));
    let to_front = format!("{}/api/packages/alice/generic/widget/v1.0.0/app", front.url());
    storage.add_fault(Fault::once(Match::get("/app"), Point::Head, leads(307, &to_front)));
    job.run().exits_with(0);
    assert_eq!(tools(&job)["app"], vec![7; 300_000]);
}

#[test]
fn object_storage_may_lead_on_within_itself_but_not_for_good() {
    let (registry, storage) = (release(Persona::default()), release(Persona::default()));
    registry.add_fault(Fault::always(Match::get("app"), Point::Head, leads(303, &place(&storage, "other"))));
    storage.add_fault(Fault::once(Match::get("other"), Point::Head, leads(307, "app?key=0123456789")));
    job(&registry).run().exits_with(0).does_not_say("0123456789");
    storage.add_fault(Fault::once(Match::get("other"), Point::Head, leads(308, "app?key=0123456789")));
    let mut again = job(&registry);
    let ran = again.input("path", "elsewhere").run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["object-storage-error"]).does_not_say("0123456789");
}

#[test]
fn a_page_that_is_a_file_comes_from_storage_where_something_tells_that_it_is_it() {
    const PAGE: &str = "<html><title>Notes</title></html>";
    let (registry, storage) = (Registry::start(Persona::default()), Registry::start(Persona::default()));
    registry.seed("alice", "widget", "v1.0.0", "app", PAGE.as_bytes());
    let sums = format!("{}  app\n", generic_packages::checksum::Sha256::of(PAGE.as_bytes()));
    registry.seed("alice", "widget", "v1.0.0", "SHA256SUMS", sums.as_bytes());
    registry.add_fault(Fault::always(Match::get("/app"), Point::Head, leads(303, &place(&storage, "app"))));
    storage.add_fault(Fault::always(Match::get("/app"), Point::Head, Action::Answer(Answer::html(200, PAGE))));
    job(&registry).run().exits_with(0);
    let mut visitor = job(&registry);
    visitor.without("INPUT_TOKEN").input("version", "v1.0.0").run().exits_with(1).has_codes(&["object-storage-error"]);
    visitor.input("checksums", "SHA256SUMS").run().exits_with(0);
    assert_eq!(tools(&visitor)["app"], PAGE.as_bytes());
}

#[test]
fn redirects_end() {
    let ((registry, storage), elsewhere) = (redirected(303), release(Persona::default()));
    storage.add_fault(Fault::always(Match::get("app"), Point::Head, leads(303, &place(&elsewhere, "app"))));
    elsewhere.add_fault(Fault::always(Match::get("app"), Point::Head, leads(303, &place(&storage, "app"))));
    let ran = job(&registry).run().exits_with(1).has_a_hint_for_each_error();
    ran.has_codes(&["too-many-redirects"]).does_not_say("X-Amz");
    assert_eq!(storage.requests().len() + elsewhere.requests().len(), 5);
}

#[test]
fn an_error_of_object_storage_is_reported_as_its_own() {
    let (registry, storage) = redirected(303);
    storage.add_fault(Fault::always(Match::get("app"), Point::Head, Action::Answer(Answer::text(403, "AccessDenied"))));
    let ran = job(&registry).run().exits_with(1).has_a_hint_for_each_error().says("403 Forbidden");
    ran.has_codes(&["object-storage-error"]).does_not_say("X-Amz");

    storage.clear_faults();
    let page = Answer::html(200, "<html><title>Welcome</title></html>");
    storage.add_fault(Fault::always(Match::get("app"), Point::Head, Action::Answer(page)));
    job(&registry).run().exits_with(1).has_codes(&["object-storage-error"]);

    storage.stop_listening();
    let ran = job(&registry).run().exits_with(1).has_a_hint_for_each_error().has_codes(&["connection-failed"]);
    ran.says("http://127.0.0.1");
}

#[test]
fn a_redirect_within_the_forge_is_not_followed() {
    for location in ["/user/login", "app"] {
        let registry = release(Persona::default());
        registry.add_fault(Fault::always(Match::get("app"), Point::Head, leads(303, location)));
        let ran = job(&registry).run().exits_with(1).has_a_hint_for_each_error().has_codes(&["web-page"]);
        if location.starts_with('/') {
            ran.says(&format!("303 See Other: redirect to {location} ("));
        }
        assert_eq!(registry.requests().len(), 3);
    }
    let registry = Registry::start(Persona::default());
    registry.seed("dave", "widget", "v1.0.0", "app", b"content");
    registry.rename_user("dave", "david");
    let mut job = job(&registry);
    let ran = job.input("owner", "dave").token(&registry.token("dave_write")).run().exits_with(1);
    ran.has_codes(&["owner-renamed"]).says("`owner: david`");
}
