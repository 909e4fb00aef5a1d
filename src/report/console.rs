//! The log: plain lines that read well on a phone, then, for GitHub's runner, a few short commands.
//!
//! The plain lines contain everything, because other runners print commands as plain text. No line begins with text
//! from outside.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::MultiProgress;

use super::live::Live;
use super::message::{Message, messages};
use super::remark::{Level, Remark};
use super::text::{expand_ipv6, shortened, wrapped};
use super::{Header, Outcome, Planned, Progress, Reporter, RunReport, Status};
use crate::command::Command;
use crate::credentials::User;
use crate::registry::{Exchange, Observer, Retry};
use crate::runner::{Kind, Runner};
use crate::sanitize::Sanitized;
use crate::secret::{Redactor, Secret};
use crate::units::{Bytes, Span, files};

/// A list of more files than this is folded if the runner supports it.
const LONG_LIST: usize = 20;

/// The maximum number of errors that are shown in full.
const MOST_ERRORS: usize = 1_000;

/// The maximum number of annotations per level. GitHub shows ten per step.
const MOST_ANNOTATIONS: usize = 10;

/// The maximum length of a message in an annotation, in characters.
const LONGEST_ANNOTATION: usize = 300;

/// The maximum length of a remark in an annotation, in characters. A remark includes its hint.
const LONGEST_REMARK: usize = 500;

/// Writes the log.
pub struct Console<W> {
    out: Mutex<W>,
    runner: Kind,
    debug: bool,
    live: Option<Live>,
    /// Whether the last line was indented.
    is_indented: AtomicBool,
    /// The remarks so far, for the annotations at the end.
    remarks: Mutex<Vec<Remark>>,
    /// Removes secrets from every text; known when the inputs are read.
    redactor: OnceLock<Redactor>,
}

impl<W: Write + Send> Console<W> {
    /// Creates a log for a runner. On a terminal, `live` draws the progress of transfers.
    pub fn new(out: W, runner: &Runner, live: Option<MultiProgress>) -> Self {
        Self {
            out: Mutex::new(out),
            runner: runner.kind,
            debug: runner.debug && runner.reads_commands(),
            live: live.map(Live::new),
            is_indented: AtomicBool::new(false),
            remarks: Mutex::default(),
            redactor: OnceLock::new(),
        }
    }

    /// Asks the runner to mask secrets, and redacts every later line with `redactor`. Without a runner nothing is
    /// printed, because nothing would mask these lines.
    pub fn hide(&self, secrets: &[Secret], redactor: &Redactor) {
        self.redactor.get_or_init(|| redactor.clone());
        for secret in secrets {
            self.mask(secret);
        }
    }

    /// Writes the last lines of a run: the files that are not in place, the errors, one sentence, and the annotations.
    pub fn write_end(&self, report: &RunReport) {
        match &report.plan {
            Some(plan) => self.write_plan(plan),
            None => self.write_unfinished(report),
        }
        let messages = messages(&report.errors);
        for message in messages.iter().take(MOST_ERRORS) {
            self.write_message(message);
        }
        if messages.len() > MOST_ERRORS {
            self.separate();
            self.write_paragraph("error: ", &format!("{} more errors are not shown", messages.len() - MOST_ERRORS));
            self.write_paragraph("  hint: ", "Fix the errors above, then run the step again");
        }
        let sentence = report.sentence(str::to_owned);
        self.separate();
        self.write_paragraph("", &sentence);
        if let Some(page) = &report.page {
            self.write_paragraph("", page.as_str());
        }
        self.annotate(&messages, &sentence);
    }

    /// Writes the files that are not in place.
    fn write_unfinished(&self, report: &RunReport) {
        let rest: Vec<&Outcome> = report.outcomes.iter().filter(|outcome| !outcome.status.is_in_place()).collect();
        let what = match report.command {
            Command::Publish => "published",
            Command::Download => "downloaded",
        };
        self.write_folded(rest.len(), &format!("{} not {what}", files(rest.len())), || {
            for Outcome { status, size, name, .. } in rest {
                self.write_file(status.word(), *size, None, name);
            }
        });
    }

    /// Writes the plan of a dry run as a table.
    fn write_plan(&self, plan: &[Planned]) {
        const HEAD: &str = "on the registry";
        let width = plan.iter().map(|row| row.on_registry.len()).chain([HEAD.len()]).max().unwrap_or_default();
        let line = |action: &str, size: &str, on_registry: &str, what: &str| {
            // An extra file of an alias may have any name.
            let what = Sanitized::whole(&self.redacted(what));
            self.write_line(&format!("  {action:<9}  {size:>10}  {on_registry:<width$}  {what}"));
        };
        self.write_folded(plan.len(), "the plan", || {
            line("plan", "size", HEAD, "what");
            for Planned { action, what, size, on_registry } in plan {
                let size = size.map(|size| Bytes(size).to_string()).unwrap_or_default();
                line(action.word(), &size, on_registry, what);
            }
        });
    }

    /// Writes a list, folded if it is long and the runner supports it.
    fn write_folded(&self, length: usize, title: &str, list: impl FnOnce()) {
        let is_folded = length > LONG_LIST;
        if is_folded {
            self.write_command("group", title);
        }
        if length > 0 {
            list();
        }
        if is_folded {
            self.write_command("endgroup", "");
        }
    }

    /// Writes a file's line.
    fn write_file(&self, word: &str, size: Option<u64>, took: Option<Duration>, text: impl Display) {
        let size = size.map(|size| Bytes(size).to_string()).unwrap_or_default();
        let took = took.map(|took| Span(took).to_string()).unwrap_or_default();
        self.write_line(&format!("  {word:<13} {size:>10}  {took:>7}  {text}"));
    }

    /// Writes an error with its causes and its hint.
    fn write_message(&self, message: &Message) {
        self.separate();
        self.write_paragraph("error: ", &message.what);
        for cause in message.causes() {
            self.write_paragraph("  caused by: ", &cause);
        }
        if let Some(hint) = &message.hint {
            self.write_paragraph("  hint: ", hint);
        }
        self.debug(&format!("error code: {}", message.code));
    }

    fn annotate(&self, messages: &[Message], sentence: &str) {
        let remarks = self.remarks();
        for level in Level::ALL {
            let command = format!("{} title=generic-packages", level.word());
            for remark in remarks.iter().filter(|remark| remark.level == level).take(MOST_ANNOTATIONS) {
                self.write_command(&command, &shortened(&remark.text, LONGEST_REMARK));
            }
        }
        if let Some(first) = messages.first() {
            let cause = first.causes().first().map(|cause| format!(": {cause}")).unwrap_or_default();
            let more = match messages.len() - 1 {
                0 => String::new(),
                count => format!(" (and {count} more)"),
            };
            let text = format!("{}{cause}{more}", first.what);
            let text = shortened(text.trim_end_matches('.'), LONGEST_ANNOTATION);
            let sentence_of = |hint: &str| format!(" {hint}{}", if hint.ends_with('?') { "" } else { "." });
            let hint =
                first.hint.as_ref().map(|hint| sentence_of(&shortened(hint, LONGEST_ANNOTATION))).unwrap_or_default();
            self.write_command("error title=generic-packages", &format!("{text}.{hint} {sentence}"));
        }
    }

    /// Returns the warnings and notices so far.
    pub fn remarks(&self) -> Vec<Remark> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Prints a remark, unless it was printed before.
    fn write_remark(&self, level: Level, text: &str) {
        let remark = Remark { level, text: text.to_owned() };
        let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        if remarks.contains(&remark) {
            return;
        }
        remarks.push(remark);
        drop(remarks);
        self.write_paragraph(&format!("{}: ", level.word()), text);
    }

    /// Prints a workflow command if the runner handles it. Of our commands, the runners of Gitea and Forgejo handle only
    /// `add-mask`. They print the others as they are, with their escapes (seen with Gitea 1.24 to 1.27 and Forgejo 15 and
    /// 17; so does act 0.2.89). If such a runner is mistaken for GitHub's, a second `::` would cut the message.
    fn write_command(&self, command: &str, message: &str) {
        let is_mask = command == "add-mask";
        let is_handled = match self.runner {
            Kind::GitHub => true,
            Kind::None => false,
            Kind::Gitea | Kind::Forgejo | Kind::Act => is_mask,
        };
        if !is_handled {
            return;
        }
        let mut message = if is_mask { Cow::Borrowed(message) } else { self.redacted(message) }.into_owned();
        message = message.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        // A mask must be exactly the secret.
        if !is_mask {
            message = expand_ipv6(&message.replace("##[", "##\\["));
            while message.contains("::") {
                message = message.replace("::", ": :");
            }
            // It follows the `::` of the command.
            if message.starts_with(':') {
                message.insert(0, ' ');
            }
        }
        self.write(&format!("::{command}::{message}"));
    }

    /// Writes an empty line if the last line was indented.
    fn separate(&self) {
        if self.is_indented.swap(false, Ordering::Relaxed) {
            self.write_line("");
        }
    }

    /// Writes a text as lines that are not too wide. All but the first are indented.
    fn write_paragraph(&self, prefix: &str, text: &str) {
        // This is where the text leaves the program.
        let text = Sanitized::whole(&self.redacted(text)).to_string();
        self.write_line(&wrapped(prefix, &text));
    }

    fn redacted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redactor.get().map_or(Cow::Borrowed(text), |redactor| redactor.redact(text))
    }

    /// Writes one or more lines.
    fn write_line(&self, text: &str) {
        self.is_indented.store(text.starts_with(' ') || text.contains("\n "), Ordering::Relaxed);
        self.write(text);
    }

    /// Writes text to the log. If the log can no longer be written, publishing continues, so a failure to write is
    /// ignored.
    fn write(&self, text: &str) {
        let write = || {
            let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
            // A single write, so that a panic message of another thread cannot split a line.
            let _: io::Result<()> = out.write_all(format!("{text}\n").as_bytes()).and_then(|()| out.flush());
        };
        match &self.live {
            Some(live) => live.write_above(write),
            None => write(),
        }
    }
}

impl<W: Write + Send> Observer for Console<W> {
    fn note(&self, note: &str) {
        self.write_paragraph("  ", note);
    }

    fn mask(&self, secret: &Secret) {
        // The runners of Gitea and Forgejo, and act, would parse a part of the secret as the command, and show the rest.
        let is_taken_apart = secret.expose().contains("::") || secret.expose().starts_with(':');
        if is_taken_apart && self.runner != Kind::GitHub {
            self.warn("the runner cannot mask a secret that contains `::` or begins with `:`");
        } else {
            self.write_command("add-mask", secret.expose());
        }
    }

    fn debug(&self, text: &str) {
        match self.runner {
            _ if !self.debug => {}
            Kind::GitHub => self.write_command("debug", text),
            _ => self.write(&format!("debug: {}", Sanitized::whole(&self.redacted(text)))),
        }
    }

    fn report_retry(&self, retry: &Retry<'_>) {
        let Retry { what, why, wait, number, of } = retry;
        let wait = Span(*wait);
        self.write_paragraph("  ", &format!("retrying in {wait} ({number}/{of}): {what}: {why}"));
    }

    fn end_request(&self, exchange: &Exchange<'_>) {
        let Exchange { method, path, status, took } = exchange;
        let status = status.map_or_else(|| "no response".to_owned(), |status| status.to_string());
        self.debug(&format!("{method} {path} {status} {} ms", took.as_millis()));
    }
}

impl<W: Write + Send> Reporter for Console<W> {
    fn begin(&self, header: &Header<'_>) {
        let Header { target, is_dry_run: is_dry, .. } = header;
        let user = match &header.user {
            User::Nobody => " without a token".to_owned(),
            User::Unnamed => " with a token".to_owned(),
            User::Named(name) => format!(" as {name}"),
            User::OfIdToken => " with an ID token".to_owned(),
        };
        let runner = match self.runner {
            Kind::None => String::new(),
            runner => format!(" on {runner}"),
        };
        let files = header.files.map(|(count, size)| format!("{} ({}) ", files(count), Bytes(size)));
        let checksums = header.checksums.map(|name| format!("{name} "));
        let what = [files, checksums].into_iter().flatten().collect::<Vec<_>>().join("and ");
        let (work, preposition) = match (header.command, is_dry) {
            (Command::Publish, false) => ("Publishing", "to"),
            (Command::Publish, true) => ("Dry run: publishing", "to"),
            (Command::Download, _) => ("Downloading", "from"),
        };
        let version = format!("{}/{} {}", target.owner, target.package, target.version);
        self.write_line(&format!("generic-packages {}{runner}", env!("CARGO_PKG_VERSION")));
        self.write_paragraph("", &format!("{work} {what}{preposition} {version} at {}{user}", target.server));
        self.write_line("");
    }

    fn warn(&self, warning: &str) {
        self.write_remark(Level::Warning, warning);
    }

    fn notice(&self, notice: &str) {
        self.write_remark(Level::Notice, notice);
    }

    fn announce(&self, part: &str) {
        self.separate();
        self.write_paragraph("", part);
    }

    fn report_progress(&self, progress: &Progress<'_>) {
        if let Some(live) = &self.live {
            return live.update(progress);
        }
        let Progress { command, name, moved, size, took } = progress;
        // The server may need time for a large file after its last byte, or it may be down.
        if *command == Command::Publish && *size == Some(*moved) {
            let text = format_args!("{name}: all bytes sent, waiting for the response");
            return self.write_file("uploading", *size, Some(*took), text);
        }
        let per_second = moved / took.as_secs().max(1);
        let of_all = size.map_or_else(String::new, |size| {
            let percent = moved.saturating_mul(100).checked_div(size).unwrap_or(100);
            format!("{percent} % of {}, ", Bytes(size))
        });
        let left = size.and_then(|size| size.saturating_sub(*moved).checked_div(per_second));
        let left = left.map(|left| format!(", {} left", Span(Duration::from_secs(left)))).unwrap_or_default();
        let word = match command {
            Command::Publish => "uploading",
            Command::Download => "downloading",
        };
        self.write_file(word, Some(*moved), Some(*took), format_args!("{name}: {of_all}{}/s{left}", Bytes(per_second)));
    }

    fn progress_interval(&self) -> Duration {
        if self.live.is_some() { Live::INTERVAL } else { Duration::from_secs(10) }
    }

    fn finish_file(&self, status: Status, name: &str, size: u64, took: Option<Duration>) {
        self.write_file(status.word(), Some(size), took, name);
    }

    fn end_transfer(&self, name: &str) {
        if let Some(live) = &self.live {
            live.remove(name);
        }
    }
}
