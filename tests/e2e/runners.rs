//! The environments of runners that cannot be started here, imitated as they give them to a container action: variables,
//! folders, files, and what is missing.

use std::fs;

use embedded_registry::{Persona, Registry};

use crate::engine::{Container, Engine, Ran};

/// The workflow's step, as any runner gives it: inputs with hyphens and line breaks, on a tag.
fn step<'a>(engine: &'a Engine, registry: &Registry, workspace: &str) -> Container<'a> {
    let container = Container::new(engine).file("dist/app.tar.gz", "an archive").file("dist/a b", "a blank");
    container
        .option("--network")
        .option("host")
        .option("--workdir")
        .option(workspace)
        .input("files", "dist/*.tar.gz\ndist/a b\n")
        .input("token", &registry.token("alice_write"))
        .input("version-strip-prefix", "v")
        // What a workflow does not give is there all the same, and empty.
        .input("if-file-exists", "")
        .input("working-directory", "")
        .variable("CI", "true")
        .variable("GITHUB_ACTIONS", "true")
        .variable("GITHUB_ACTION", "__me_generic-packages")
        .variable("GITHUB_ACTION_PATH", "")
        .variable("GITHUB_ACTOR", "alice")
        .variable("GITHUB_EVENT_NAME", "push")
        .variable("GITHUB_REF", "refs/tags/v1.2.0")
        .variable("GITHUB_REF_NAME", "v1.2.0")
        .variable("GITHUB_REF_TYPE", "tag")
        .variable("GITHUB_REPOSITORY", "alice/widget")
        .variable("GITHUB_REPOSITORY_OWNER", "alice")
        .variable("GITHUB_SERVER_URL", registry.url())
        .variable("GITHUB_TOKEN", "the-jobs-own-token")
        .variable("GITHUB_WORKSPACE", workspace)
}

/// Mounts the workspace at `workspace`, and the folder of the runner's files at `files`.
fn mounted<'a>(container: Container<'a>, workspace: &str, files: &str, output: &str, summary: &str) -> Container<'a> {
    let (host, folder) = (container.workspace(), container.runners_files());
    container
        .mount(&host, workspace)
        .mount(&folder, files)
        .runners_file(output)
        .runners_file(summary)
        .variable("GITHUB_OUTPUT", format!("{files}/{output}"))
        .variable("GITHUB_STEP_SUMMARY", format!("{files}/{summary}"))
}

/// Ends the test where the step has not published, or has not handed over outputs and summary.
#[track_caller]
fn published(container: &Container<'_>, registry: &Registry, output: &str, summary: &str) -> Ran {
    let ran = container.run(&[]).exits_with(0).keeps(&registry.token("alice_write"));
    assert_eq!(registry.files("alice", "widget", "1.2.0").len(), 2, "{}", ran.log);
    let read = |name: &str| fs::read_to_string(container.runners_files().join(name)).expect("the runner's file");
    let outputs = read(output);
    assert!(outputs.contains("uploaded<<") && outputs.contains(r#""name":"a b""#), "{outputs}");
    assert!(read(summary).contains("| "), "the summary has no table: {}", read(summary));
    ran
}

/// The log without what the machine reads, as a server shows it.
fn lines_for_people(log: &str) -> Vec<&str> {
    log.lines().filter(|line| !line.starts_with("::")).collect()
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn the_action_works_as_githubs_runner_starts_it() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::default());
    let workspace = "/github/workspace";
    let (output, summary) = ("set_output_0a1b", "step_summary_0a1b");
    // There GITHUB_SERVER_URL is github.com, which has no such registry.
    let step = step(&engine, &registry, workspace)
        .variable("GITHUB_SERVER_URL", "https://github.com")
        .variable("GITHUB_API_URL", "https://api.github.com")
        .variable("HOME", "/github/home")
        .variable("RUNNER_OS", "Linux")
        .variable("RUNNER_TEMP", "/home/runner/work/_temp")
        .variable("ACTIONS_RUNTIME_URL", "");
    let step = mounted(step, workspace, "/github/file_commands", output, summary);
    let refused = step.run(&[]).exits_with(2);
    let refused = refused.says("`server-url`").says("Nothing was uploaded");
    assert!(refused.log.contains("::error title=generic-packages::"), "{}", refused.log);

    let step = step.input("server-url", &registry.url());
    published(&step, &registry, output, summary).says("on GitHub Actions");
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn the_action_works_as_giteas_runner_starts_it() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::Gitea1_26);
    let workspace = "/workspace/alice/widget";
    let (output, summary) = ("outputcmd.txt", "SUMMARY.md");
    let step = step(&engine, &registry, workspace)
        .variable("ACT", "true")
        .variable("GITEA_ACTIONS", "true")
        .variable("GITEA_ACTIONS_RUNNER_VERSION", "v0.2.13")
        .variable("GITEA_TOKEN", "the-jobs-own-token")
        // These runners hand inputs over under their raw names too.
        .variable("files", "dist/*.tar.gz\ndist/a b\n")
        .variable("version-strip-prefix", "v");
    let step = mounted(step, workspace, "/var/run/act/workflow", output, summary);
    published(&step, &registry, output, summary).says("on Gitea Actions");
}

#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn the_action_works_as_forgejos_runner_starts_it() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::Forgejo15);
    let workspace = "/workspace/alice/widget";
    let (output, summary) = ("outputcmd.txt", "SUMMARY.md");
    let step = step(&engine, &registry, workspace)
        .variable("ACT", "true")
        .variable("FORGEJO_ACTIONS", "true")
        .variable("GITEA_ACTIONS", "true")
        .variable("FORGEJO_TOKEN", "the-jobs-own-token")
        .variable("files", "dist/*.tar.gz\ndist/a b\n");
    let step = mounted(step, workspace, "/var/run/act/workflow", output, summary);
    let ran = published(&step, &registry, output, summary).says("on Forgejo Actions");
    // Forgejo shows no summaries, so the log has to say it all.
    for text in ["app.tar.gz", "a b", "/-/packages/generic/widget/1.2.0"] {
        assert!(lines_for_people(&ran.log).iter().any(|line| line.contains(text)), "{text} in:\n{}", ran.log);
    }
}

/// Gitea and Forgejo show commands as they are, so plain lines say what people need, and no command repeats it.
#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_failure_reads_well_where_commands_are_shown_as_they_are() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::Forgejo15);
    let workspace = "/workspace/alice/widget";
    let step =
        step(&engine, &registry, workspace).variable("FORGEJO_ACTIONS", "true").variable("GITEA_ACTIONS", "true");
    let step = mounted(step, workspace, "/var/run/act/workflow", "outputcmd.txt", "SUMMARY.md");
    let ran = step.input("token", "the-jobs-own-token").run(&[]);
    let people = lines_for_people(&ran.log).join("\n");
    assert_ne!(ran.code, Some(0), "{}", ran.log);
    for text in ["error: ", "hint: ", "the job's own token"] {
        assert!(people.contains(text), "{text:?} in:\n{people}");
    }
    let commands: Vec<&str> =
        ran.log.lines().filter(|line| line.starts_with("::") && !line.starts_with("::add-mask::")).collect();
    assert_eq!(commands, [""; 0], "{}", ran.log);
}

/// On a label of the host, a container action sees an empty folder, and no file for outputs.
#[test]
#[ignore = "needs a container engine: .ci/e2e brings one"]
fn a_job_on_a_label_of_the_host_hears_why_no_file_is_found() {
    let engine = Engine::new();
    let registry = Registry::start(Persona::Forgejo15);
    let workspace = "/root/.cache/act/0a1b/hostexecutor";
    let step = step(&engine, &registry, workspace)
        .variable("FORGEJO_ACTIONS", "true")
        .variable("GITEA_ACTIONS", "true")
        .variable("GITHUB_OUTPUT", "/root/.cache/act/0a1b/act/workflow/outputcmd.txt")
        .variable("GITHUB_STEP_SUMMARY", "/root/.cache/act/0a1b/act/workflow/SUMMARY.md");
    // The engine makes the folder of --workdir, empty.
    let ran = step.run(&[]).exits_with(2);
    ran.says("the container cannot access the job's workspace or the file in `GITHUB_OUTPUT`")
        .says("a label that maps to a container image");
}
