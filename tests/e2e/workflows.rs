//! Workflows on a real runner.

use embedded_registry::{IdTokens, Integration, Persona, Registry, Request};

use crate::engine::Engine;
use crate::network::Network;
use crate::runner::{Forge, Project};

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_pushed_tag_publishes_a_release_and_a_later_step_has_its_outputs() {
    let engine = Engine::new();
    let network = Network::new();
    let registry = network.registry(&engine);
    // By a name, as every real server is.
    let forge = Forge { url: "http://forge.test:3000".to_owned(), token: registry.token.clone() };
    let project = Project::new(&engine, include_str!("workflows/release.yml")).network(&network.name);

    let ran = project.push_tag("v1.2.0", &forge).exits_with(0);
    let ran = ran.says("Published 4 files to alice/widget 1.2.0: 4 uploaded, all verified by SHA-256");
    let ran = ran.prints("uploaded 4 unchanged 0 failed 0 of 38 bytes in version 1.2.0");
    // The registry names itself by an address that means every machine itself.
    let ran = ran.prints("page http://forge.test:3000/alice/-/packages/generic/widget/1.2.0");
    let base = "http://forge.test:3000/api/packages/alice/generic/widget/1.2.0";
    let ran = ran.prints(&format!("url {base}/app.tar.gz")).prints("first SHA256SUMS");
    // The summary, as the runner shows it.
    ran.says("Summary - ").says(&format!("(<{base}/app.tar.gz>)"));

    let again = project.push_tag("v1.2.0", &forge).exits_with(0);
    again.prints("uploaded 0 unchanged 4 failed 0 of 38 bytes in version 1.2.0");
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_matrix_of_four_platforms_fans_out_into_one_version_and_a_last_job_publishes_checksums_aliases_and_the_link() {
    let engine = Engine::new();
    // The server on which jobs that make a version at once meet the most trouble.
    let registry = Registry::start(Persona::Gitea1_24Postgres);
    let project = Project::new(&engine, include_str!("workflows/matrix.yml"));
    let ran = project.push_tag("v2.0.0", &Forge::of(&registry)).exits_with(0);
    let ran = ran.says("SHA256SUMS (checksums of 4 files)").says("Alias latest matches v2.0.0: 5 files");
    let mut ran = ran.says("Linked to repository alice/widget").says("`latest` is the version named latest");
    for platform in ["amd64", "arm64", "armv7", "riscv64"] {
        ran = ran.prints(&format!("app-linux-{platform}: OK"));
    }
    let mut files = registry.files("alice", "widget", "v2.0.0");
    files.retain(|file| file.name != "SHA256SUMS");
    files.sort_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["app-linux-amd64", "app-linux-arm64", "app-linux-armv7", "app-linux-riscv64"]);
    for file in &files {
        let stored = registry.read("alice", "widget", "v2.0.0", &file.name).expect("it is listed");
        assert_eq!(stored, format!("built as {}", file.name).into_bytes());
    }
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_failure_turns_the_job_red_and_shows_the_cure() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::default());
    let project = Project::new(&engine, include_str!("workflows/failure.yml"));
    let ran = project.push_tag("v1.0.0", &Forge::of(&registry)).exits_with(1);
    let ran = ran.says("401 Unauthorized").says("hint: ").says("Job failed");
    let ran = ran.prints("the step failed: failed 1, uploaded 0");
    assert!(!ran.printed().contains(&"this step must not run"), "{}", ran.log);
    assert_eq!(registry.files("alice", "widget", "v1.0.0"), []);
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn files_are_found_in_a_checkout_in_another_place() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::default());
    let project =
        Project::new(&engine, include_str!("workflows/elsewhere.yml")).file("packaging/readme.txt", "read me");
    project.push_tag("v1.0.0", &Forge::of(&registry)).exits_with(0);
    let stored = registry.read("alice", "widget", "v1.0.0", "readme.txt");
    assert_eq!(stored.as_deref(), Some(&b"read me"[..]));
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn what_one_job_publishes_the_next_downloads_and_runs() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::Forgejo15);
    let project = Project::new(&engine, include_str!("workflows/download.yml"));
    let ran = project.push_tag("v1.4.0", &Forge::of(&registry)).exits_with(0);
    let ran = ran.says("`latest` is v1.4.0, the highest release");
    let ran = ran.prints("widget runs, 2 words").prints("a lothidden");
    ran.prints("3 downloaded, then 3 unchanged of version v1.4.0");
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_job_with_id_tokens_publishes_and_downloads_without_a_stored_token() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::Forgejo16);
    let audience = registry.add_integration(Integration::of("alice"));
    registry.offer_id_tokens(IdTokens::default());
    let request_token = registry.id_token_request_token();
    let project = Project::new(&engine, include_str!("workflows/keyless.yml"))
        .variable("OIDC_AUDIENCE", &audience)
        .variable("ID_TOKEN_REQUEST_URL", &registry.id_token_url())
        .secret("ID_TOKEN_REQUEST_TOKEN", &request_token);

    let ran = project.push_tag("v1.5.0", &Forge::of(&registry)).exits_with(0);
    let ran = ran.says(&format!("Downloading from alice/widget latest at {} with an ID token", registry.url()));
    let ran = ran.says("Published 3 files to alice/widget v1.5.0: 3 uploaded, all verified by SHA-256");
    let ran = ran.prints("3 uploaded, 3 downloaded");
    let issued = registry.issued_id_tokens();
    issued.iter().fold(ran, |ran, id_token| ran.keeps(id_token));
    for (name, content) in [("app.tar.gz", "an archive"), ("notes.txt", "a lot")] {
        assert_eq!(registry.read("alice", "widget", "v1.5.0", name).as_deref(), Some(content.as_bytes()));
    }
    // Each step requests one ID token with its request token, and sends nothing else to the server.
    let (asked, others): (Vec<Request>, Vec<Request>) =
        registry.requests().into_iter().partition(|request| request.target.starts_with("/api/actions/"));
    assert_eq!((asked.len(), issued.len()), (2, 2), "{asked:?}");
    let bearers: Vec<String> = issued.iter().map(|id_token| format!("Bearer {id_token}")).collect();
    let is_keyless = |request: &Request| bearers.iter().any(|own| request.header("Authorization") == Some(own));
    assert!(!others.is_empty() && others.iter().all(is_keyless), "{others:?}");
}

/// `uses: docker://IMAGE` has no action.yml, and hands its `with:` over as inputs all the same.
#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn the_image_itself_can_be_used_as_a_step() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::default());
    let workflow = include_str!("workflows/image.yml").replace("IMAGE", &engine.image);
    Project::new(&engine, &workflow).push_tag("v1.0.0", &Forge::of(&registry)).exits_with(0);
    assert_eq!(registry.read("alice", "widget", "v1.0.0", "app").as_deref(), Some(&b"an app"[..]));
}

/// The other form that a released action.yml has: an image that is pulled, where that of the checkout is built.
#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn an_action_that_names_its_image_works_as_one_that_is_built() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::default());
    let released = tempfile::tempdir().expect("a temporary folder");
    let action = include_str!("../../action.yml");
    let action = action.replace("image: Dockerfile", &format!("image: docker://{}", engine.image));
    std::fs::write(released.path().join("action.yml"), action).expect("a file can be written");
    let workflow = include_str!("workflows/release.yml").replace("OWNER/", "released/");
    let project = Project::new(&engine, &workflow).uses("released/generic-packages@v1", released.path());
    let ran = project.push_tag("v1.2.0", &Forge::of(&registry)).exits_with(0);
    ran.prints("uploaded 4 unchanged 0 failed 0 of 38 bytes in version 1.2.0");
    let awkward = registry.read("alice", "widget", "1.2.0", "!x [1] + %41 {}");
    assert_eq!(awkward.as_deref(), Some(&b"a lot"[..]));
    assert!(registry.read("alice", "widget", "1.2.0", "notes;=:@$^&~.txt").is_some());
}
