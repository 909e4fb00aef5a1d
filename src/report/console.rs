//! The log: plain lines that read well on a phone, then, for a runner, one short command.
//!
//! Gitea and Forgejo show workflow commands as they stand, so the plain lines carry everything, and no line of text
//! begins with what others gave us.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::units::{Bytes, files};
use super::{Header, Outcome, Reporter, Status};
use crate::advice::Advise;
use crate::publish::Publication;
use crate::runner::{Kind, Runner};
use crate::secret::Secret;
use crate::untrusted::Untrusted;

/// Writes the log.
pub struct Console<W> {
    out: Mutex<W>,
    runner: Kind,
}

impl<W: Write + Send> Console<W> {
    /// A log for that runner.
    pub fn new(out: W, runner: &Runner) -> Self {
        Self { out: Mutex::new(out), runner: runner.kind }
    }

    /// A log that nobody reads any more is no reason to stop publishing, so a failure to write is dropped.
    fn line(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _: io::Result<()> = writeln!(out, "{text}").and_then(|()| out.flush());
    }

    /// Asks the runner to hide secrets. Started by hand, nobody would hide these lines themselves.
    pub fn mask(&self, secrets: &[Secret]) {
        if self.runner != Kind::None {
            for secret in secrets {
                self.line(&format!("::add-mask::{}", escape(secret.expose())));
            }
        }
    }

    /// What failed, why, and what to do.
    pub fn error(&self, error: &dyn Advise) {
        self.line(&format!("error: {error}"));
        let mut source = error.source();
        while let Some(cause) = source {
            self.line(&format!("  caused by: {cause}"));
            source = cause.source();
        }
        if let Some(advice) = error.advice() {
            self.line(&format!("  hint: {advice}"));
        }
    }

    /// All that has to be put right before anything can be sent.
    pub fn rejected<E: Advise>(&self, errors: &[E]) {
        for error in errors {
            self.error(error);
        }
    }

    /// There is no file for the outputs: a runner that runs the step on its host has none in the container.
    pub fn without_outputs(&self) {
        if self.runner != Kind::None {
            self.warns("GITHUB_OUTPUT is not set, so later steps get no outputs");
        }
    }

    /// The last lines of a run; `None` is one that ended before its first request.
    pub fn ends(&self, publication: Option<&Publication>) {
        let Some(publication) = publication else {
            self.line("Nothing was sent");
            self.annotate("nothing was sent: see the errors in the log");
            return;
        };
        for outcome in publication.outcomes.iter().filter(|o| o.status == Status::NotAttempted) {
            self.file_ends(outcome, None);
        }
        for error in &publication.errors {
            self.error(error);
        }
        let all = publication.outcomes.len();
        let published = publication.outcomes.iter().filter(|outcome| outcome.status.is_published()).count();
        let counts = counts(&publication.outcomes);
        if publication.is_complete() {
            self.line(&format!("{} on the registry, verified by size and SHA-256: {counts}", files(all)));
        } else {
            self.line(&format!("{published} of {} on the registry: {counts}", files(all)));
        }
        if let Some(page) = &publication.page {
            self.line(&format!("See {page}"));
        }
        if !publication.is_complete() {
            self.annotate(&format!("{published} of {} on the registry ({counts}), see the log", files(all)));
        }
    }

    fn annotate(&self, text: &str) {
        if self.runner != Kind::None {
            self.line(&format!("::error title=generic-packages::{}", escape(text)));
        }
    }
}

impl<W: Write + Send> Reporter for Console<W> {
    fn begins(&self, header: &Header<'_>) {
        let target = header.target;
        self.line(&format!(
            "generic-packages {}: {} ({}) to {}",
            env!("CARGO_PKG_VERSION"),
            files(header.files),
            Bytes(header.total_size),
            target.server
        ));
        let user = match header.username {
            "" => "with a token".to_owned(),
            name => format!("as {}", Untrusted::new(name)),
        };
        self.line(&format!(
            "package {}/{}, version {}, {user}, on {}",
            target.owner, target.package, target.version, self.runner
        ));
    }

    fn warns(&self, warning: &str) {
        self.line(&format!("warning: {warning}"));
    }

    fn file_ends(&self, outcome: &Outcome, took: Option<Duration>) {
        let Outcome { status, name, size, .. } = outcome;
        let seconds = took.map(|took| format!("{:.1} s", took.as_secs_f64())).unwrap_or_default();
        self.line(&format!("  {:<13}  {:>10}  {seconds:>7}  {name}", status.word(), Bytes(*size)));
    }
}

/// The escapes of a workflow command's message.
fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// How many files there are of each status: `2 uploaded, 1 failed`.
fn counts(outcomes: &[Outcome]) -> String {
    [Status::Uploaded, Status::Unchanged, Status::Failed, Status::Unknown, Status::NotAttempted]
        .into_iter()
        .map(|status| (outcomes.iter().filter(|outcome| outcome.status == status).count(), status))
        .filter(|(count, _)| *count > 0)
        .map(|(count, status)| format!("{count} {}", status.word()))
        .collect::<Vec<_>>()
        .join(", ")
}
