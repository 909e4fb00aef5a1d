//! Tests the examples in the documents. They are linted with the inputs of `action.yml`, and run if possible.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use embedded_registry::{Persona, Registry};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::engine::{Engine, Ran, repository, succeeds};
use crate::image::copy_the_context;
use crate::runner::{Event as Trigger, Forge, Project};

/// The `uses` line of the publish action in the documents.
const USES: &str = "uses: OWNER/generic-packages@v1";

/// The `uses` line of the download action in the documents.
const DOWNLOADS: &str = "uses: OWNER/generic-packages/download@v1";

/// The host that the documents give for an example.
const HOST: &str = "https://git.example.com";

/// A block of YAML in a document.
struct Example {
    /// The document's name and the block's number in it.
    name: String,
    text: String,
}

impl Example {
    fn is_whole(&self) -> bool {
        self.text.lines().any(|line| line == "jobs:")
    }

    /// Whether a runner can run it here: what hands files over needs a service of the server, and so do ID tokens.
    fn can_run(&self) -> bool {
        self.is_whole() && !["-artifact@", "oidc-audience:"].iter().any(|service| self.text.contains(service))
    }

    /// A whole workflow, also where the document shows a step or a few inputs of one.
    fn workflow(&self) -> String {
        let around =
            "name: example\non: push\npermissions: {}\njobs:\n  example:\n    runs-on: ubuntu-latest\n    steps:\n";
        let indented = |by: &str| by.to_owned() + &self.text.trim_end().replace('\n', &format!("\n{by}")) + "\n";
        match self.text.trim_start() {
            _ if self.is_whole() => self.text.clone(),
            text if text.starts_with("- ") => format!("{around}{}", indented("      ")),
            _ => format!("{around}      - {USES}\n        with:\n{}", self.inputs(&indented("      "))),
        }
    }

    /// The inputs that it gives, and those that no step goes without.
    fn inputs(&self, given: &str) -> String {
        let missing = ["files", "token"].into_iter().filter(|name| !self.text.contains(&format!("{name}: ")));
        missing.map(|name| format!("          {name}: x\n")).chain([given.to_owned()]).collect()
    }
}

/// Every block of YAML in the README and in docs/.
fn examples() -> Vec<Example> {
    let mut pages: Vec<PathBuf> = fs::read_dir(repository().join("docs"))
        .expect("a folder of documents")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.push(repository().join("README.md"));
    pages.sort();
    let mut examples = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).expect("a document");
        let stem = page.file_stem().and_then(|stem| stem.to_str()).expect("UTF-8");
        let mut block: Option<String> = None;
        for event in Parser::new(&text) {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if &*language == "yaml" => {
                    block = Some(String::new());
                }
                Event::Text(text) => block.iter_mut().for_each(|block| block.push_str(&text)),
                Event::End(TagEnd::CodeBlock) => {
                    if let Some(text) = block.take() {
                        // Where an action is looked up is decided by the server.
                        let text = text.replace("uses: https://git.example.com/OWNER/", "uses: OWNER/");
                        examples.push(Example { name: format!("{stem}-{}", examples.len()), text });
                    }
                }
                _ => {}
            }
        }
    }
    examples
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn every_example_in_the_documents_passes_the_linters_and_gives_inputs_that_there_are() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let workflows = folder.path().join(".github/workflows");
    fs::create_dir_all(&workflows).expect("folders can be made");
    succeeds(Command::new("git").args(["init", "--quiet"]).current_dir(folder.path()));
    copy_the_context(folder.path());
    let examples = examples();
    assert!(examples.len() > 10, "there are {} examples", examples.len());
    for example in &examples {
        // A linter knows the inputs of an action in the same repository.
        let mut workflow = example.workflow().replace(USES, "uses: ./").replace(DOWNLOADS, "uses: ./download");
        // The linters know GitHub's words for what Forgejo's key allows.
        workflow = workflow.replace("enable-openid-connect: true", "permissions: { id-token: write }");
        // Forgejo warns of `permissions:`, so its workflows have none. For GitHub, the linter asks for it.
        if !workflow.contains("\npermissions:") {
            workflow = workflow.replacen("\njobs:\n", "\npermissions: {}\njobs:\n", 1);
        }
        fs::write(workflows.join(format!("{}.yml", example.name)), workflow).expect("a file can be written");
    }
    let lint = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).current_dir(folder.path()).output();
        Ran::of(output.expect("the linter starts")).exits_with(0);
    };
    lint("actionlint", &[]);
    // People read a tag; they are told to pin.
    let config = "rules:\n  unpinned-uses:\n    config:\n      policies:\n        \"*\": ref-pin\n  self-repository:\n    disable: true\n";
    fs::write(folder.path().join("zizmor.yml"), config).expect("a file can be written");
    lint("zizmor", &["--quiet", "--offline", "--config", "zizmor.yml", ".github/workflows"]);
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn every_workflow_in_the_documents_that_can_run_here_publishes() {
    let engine = Engine::new();
    let runs: Vec<Example> = examples().into_iter().filter(Example::can_run).collect();
    assert!(runs.len() >= 9, "{} workflows can run", runs.len());
    for example in runs {
        let registry = Registry::start(Persona::default());
        let workflow = example.text.replace(HOST, &registry.url());
        let trigger = if workflow.contains("schedule:") { Trigger::Schedule } else { Trigger::Tag("v1.2.0") };
        let ran = Project::new(&engine, &workflow).run(trigger, &Forge::of(&registry));
        assert_eq!(ran.code, Some(0), "{}:\n{}", example.name, ran.log);
        let verified = ran
            .printed()
            .iter()
            .filter(|line| line.starts_with("Published ") && line.ends_with("verified by SHA-256"))
            .count();
        // A job of a matrix for each platform but the first.
        let steps = workflow.matches(USES).count() + workflow.matches(", linux-").count();
        assert_eq!(verified, steps, "{}:\n{}", example.name, ran.log);
    }
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn the_workflow_that_checks_a_release_on_a_branch_shows_the_plan_and_changes_nothing() {
    let engine = Engine::new();
    let example = examples().into_iter().find(|example| example.is_whole() && example.text.contains("dry-run:"));
    let registry = Registry::start(Persona::default());
    let example = example.expect("a workflow has a dry run");
    let ran = Project::new(&engine, &example.text).run(Trigger::Branch("main"), &Forge::of(&registry));
    assert_eq!(ran.code, Some(0), "{}", ran.log);
    let is_told = |line: &&str| line.starts_with("Dry run: nothing was changed. A real run would succeed: ");
    assert!(ran.printed().iter().any(is_told), "{}", ran.log);
    for version in ["next", "latest"] {
        assert!(registry.files("alice", "widget", version).is_empty(), "{}", ran.log);
    }
}
