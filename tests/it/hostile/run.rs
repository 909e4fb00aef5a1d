//! A run of the program with hostile text, and everything that the checkers say of what it left behind.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::process::Output;

use embedded_registry::{Answer, Match, Registry};
use generic_packages::command::Command;
use percent_encoding::percent_decode_str;

use super::commands::Reader;
use super::findings::{Fault, Findings};
use super::{commands, outputs, summary, terminal};
use crate::harness::Job;
use crate::package::answers;

/// Under which runner the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Under {
    GitHub,
    Gitea,
    Forgejo,
    Nobody,
}

impl Under {
    pub(super) const ALL: [Self; 4] = [Self::GitHub, Self::Gitea, Self::Forgejo, Self::Nobody];

    /// One after the other.
    pub(super) fn turn(number: usize) -> Self {
        Self::ALL[number % Self::ALL.len()]
    }

    /// Returns the readers of the log on this runner.
    fn readers(self) -> &'static [Reader] {
        match self {
            Self::GitHub => &[Reader::GitHub],
            Self::Gitea | Self::Forgejo => &[Reader::Act, Reader::Reporter],
            Self::Nobody => &[],
        }
    }

    /// Sets what the runner sets; the debug messages of the program are wanted too.
    fn set(self, job: &mut Job) {
        for name in ["GITHUB_ACTIONS", "GITEA_ACTIONS", "FORGEJO_ACTIONS"] {
            job.without(name);
        }
        // No roots are read where nothing is asked by https: that would take longer than all the rest.
        job.variable("RUNNER_DEBUG", "1").variable("SSL_CERT_FILE", "/dev/null");
        let names: &[&str] = match self {
            Self::GitHub => &["GITHUB_ACTIONS"],
            Self::Gitea => &["GITHUB_ACTIONS", "GITEA_ACTIONS"],
            Self::Forgejo => &["GITHUB_ACTIONS", "GITEA_ACTIONS", "FORGEJO_ACTIONS"],
            Self::Nobody => &[],
        };
        for name in names {
            job.variable(name, "true");
        }
    }
}

/// A text as the system takes it.
pub(super) fn os(text: &[u8]) -> OsString {
    OsString::from_vec(text.to_vec())
}

/// The texts that a run wrote, and the faults in them.
pub(super) struct Run {
    pub(super) log: String,
    pub(super) outputs: String,
    pub(super) summary: String,
    pub(super) seen: summary::Seen,
    /// The faults that the checkers found.
    pub(super) faults: Vec<Fault>,
}

impl Run {
    /// Runs the program and checks everything that it wrote. It should end with that code, and link to the registry
    /// alone, also after a server has made links of text.
    pub(super) fn of(job: &mut Job, under: Under, registry: &Registry, code: i32) -> Self {
        let url = registry.url();
        let mut run = Self::with_links(job, under, code, |link| leads_to(link, &url));
        run.faults.extend(run.seen.becomes_links(|link| link.starts_with(&url)));
        run
    }

    /// Like `of`, but `may_lead_to` decides which links are allowed.
    pub(super) fn with_links(job: &mut Job, under: Under, code: i32, may_lead_to: impl Fn(&str) -> bool) -> Self {
        under.set(job);
        let folder = job.workspace().parent().expect("the workspace is in a folder").to_owned();
        let (output_path, summary_path) = (folder.join("output"), folder.join("summary"));
        job.variable("GITHUB_OUTPUT", output_path.as_path()).variable("GITHUB_STEP_SUMMARY", summary_path.as_path());
        for path in [&output_path, &summary_path] {
            fs::write(path, "").expect("a runner makes the file");
        }
        let ran = job.command().output().expect("the program starts");
        Self::look(&ran, job.task(), (output_path, summary_path), under, code, may_lead_to)
    }

    fn look(
        ran: &Output,
        task: Command,
        paths: (PathBuf, PathBuf),
        under: Under,
        code: i32,
        may_lead_to: impl Fn(&str) -> bool,
    ) -> Self {
        let mut faults = Vec::new();
        let mut text = |what: &'static str, bytes: Vec<u8>| {
            String::from_utf8(bytes).unwrap_or_else(|error| {
                faults.push(Fault::new("no UTF-8", what));
                String::from_utf8_lossy(error.as_bytes()).into_owned()
            })
        };
        let log = text("the log", ran.stdout.clone());
        let outputs = text("the outputs", fs::read(paths.0).expect("the file is there"));
        let summary = text("the summary", fs::read(paths.1).expect("the file is there"));
        if !ran.stderr.is_empty() {
            faults.push(Fault::new("standard error", String::from_utf8_lossy(&ran.stderr)));
        }
        if ran.status.code() != Some(code) {
            faults.push(Fault::new("another exit code", format!("{:?} instead of {code}: {log}", ran.status.code())));
        }
        faults.extend(commands::check(&log, under.readers()));
        faults.extend(terminal::check(&log));
        faults.extend(terminal::check_widths(&log));
        faults.extend(outputs::check(&outputs, task));
        let (seen, found) = summary::read(&summary, may_lead_to);
        faults.extend(found);
        faults.extend(terminal::check(&summary));
        Self { log, outputs, summary, seen, faults }
    }

    /// An output as all runners store it.
    pub(super) fn output(&self, name: &str) -> String {
        outputs::read(&self.outputs).ok().and_then(|mut stored| stored.remove(name)).unwrap_or_default()
    }

    /// Adds a fault where a text from outside did not arrive where people would look for it.
    pub(super) fn expects(&mut self, holds: bool, kind: &'static str, detail: impl Into<String>) {
        if !holds {
            self.faults.push(Fault::new(kind, detail));
        }
    }
}

impl Findings {
    /// Runs a job under the runner whose turn it is, and takes what the checkers found; `what` tells which run it was.
    pub(super) fn run(&mut self, what: &str, job: &mut Job, registry: &Registry, code: i32) {
        let run = Run::of(job, Under::turn(self.runs), registry, code);
        self.take(what, run.faults);
    }
}

/// From now on the registry gives this answer to all such requests, and is good otherwise.
pub(super) fn answers_only(registry: &Registry, on: Match, answer: Answer) {
    registry.clear_faults();
    answers(registry, on, answer);
}

/// Whether a link leads to one of our two kinds of places on a server: a file of a package, or the page of a version.
pub(super) fn leads_to(link: &str, forge: &str) -> bool {
    // In a table, and in the page of the version, more characters are encoded than a URL needs.
    let decoded = |url: &str| percent_decode_str(url).decode_utf8_lossy().into_owned();
    decoded(link).strip_prefix(&decoded(forge)).is_some_and(|path| {
        let mut segments = path.split('/').skip(1);
        let first = [segments.next(), segments.next(), segments.next(), segments.next()];
        matches!(first, [Some("api"), Some("packages"), _, Some("generic")] | [_, Some("-"), Some("packages"), _])
    })
}
