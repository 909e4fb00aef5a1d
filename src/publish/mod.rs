//! The use case: files -> plan -> what is there -> uploads -> replacements -> what is there now.

mod error;
mod replace;
mod send;
mod tally;
mod verify;

use std::collections::VecDeque;
use std::error::Error as _;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use url::Url;

pub use self::error::{PublishError, Rejected};
use self::send::Sender;
use self::tally::Tally;
use crate::advice::Problem;
use crate::checksum::Sha256;
use crate::files;
use crate::inputs::Inputs;
use crate::listing::Listing;
use crate::plan::{self, NamedFile, Step};
use crate::registry::{Limits, Registry};
use crate::report::units::Bytes;
use crate::report::{Header, Publication, Reporter, Status};
use crate::stop::{Signal, Stop};
use crate::untrusted::Untrusted;

/// A file over this size, in bytes, is not sent before the right to write is known: a server that refuses it closes
/// the connection, and clients lose the answer.
const LARGE: u64 = 1024 * 1024;

/// Who lets files be published, and wants to hear of it.
pub struct Caller<'a> {
    /// Hears of the run as it goes on.
    pub reporter: &'a dyn Reporter,
    /// Knows whether the run is to end before its end.
    pub stop: Stop,
    /// Puts down what is so far, in case that nothing else ever is.
    pub save: &'a dyn Fn(Publication),
}

/// Publishes files. An error means that nothing was sent, and holds everything that has to be put right first. The
/// time-out and the retries of the inputs take the place of those in `limits`.
pub async fn publish(inputs: &Inputs, limits: Limits, caller: &Caller<'_>) -> Result<Publication, Vec<Rejected>> {
    let reporter = caller.reporter;
    let selected = files::select(&inputs.selection).map_err(|errors| wrapped(errors, Rejected::Select))?;
    let named = plan::name_files(selected.files, &inputs.redactor());
    let files = named.map_err(|errors| wrapped(errors, Rejected::Plan))?;
    let limits = Limits { silence: inputs.timeout, retries: inputs.retries, ..limits };
    let registry =
        Registry::new(inputs.target.clone(), inputs.credentials.clone(), inputs.way.clone(), limits, reporter)
            .map_err(|error| vec![Rejected::Setup(error)])?;
    reporter.begins(&Header {
        target: &inputs.target,
        username: Untrusted::new(&inputs.credentials.username),
        files: files.len(),
        total_size: files.iter().map(|file| file.local.size).sum(),
    });
    for warning in &selected.warnings {
        reporter.warns(warning);
    }
    if files.is_empty() {
        reporter.warns("there is nothing to publish");
    }
    let tally = Tally::new(&files, &inputs.target, inputs.if_file_exists);
    let sender = Sender { registry: &registry, reporter };
    Ok(Run { inputs, caller, sender, files, tally, right_known: false }.go().await)
}

fn wrapped<E>(errors: Vec<E>, wrap: fn(E) -> Rejected) -> Vec<Rejected> {
    errors.into_iter().map(wrap).collect()
}

/// A run on its way.
struct Run<'a> {
    inputs: &'a Inputs,
    caller: &'a Caller<'a>,
    sender: Sender<'a>,
    files: Vec<NamedFile>,
    tally: Tally,
    /// Whether we are known to have the right to write.
    right_known: bool,
}

/// What ends a run before its end.
enum Halt {
    Failed(Box<PublishError>),
    Stopped(Signal),
}

impl From<PublishError> for Halt {
    fn from(error: PublishError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Signal> for Halt {
    fn from(signal: Signal) -> Self {
        Self::Stopped(signal)
    }
}

impl Run<'_> {
    async fn go(mut self) -> Publication {
        match self.publish().await {
            Ok(version_exists) => {
                let page = if version_exists { Some(self.page().await) } else { None };
                self.ended(page, None)
            }
            Err(Halt::Failed(error)) => {
                self.tally.errors.push(*error);
                self.ended(None, None)
            }
            Err(Halt::Stopped(signal)) => {
                self.take_stock(signal).await;
                self.ended(None, Some(signal))
            }
        }
    }

    fn ended(mut self, page: Option<Url>, stopped: Option<Signal>) -> Publication {
        let errors = std::mem::take(&mut self.tally.errors);
        let errors = errors.into_iter().map(|error| Box::new(error) as Problem).collect();
        Publication { errors, page, ..self.so_far(stopped) }
    }

    /// The whole way; returns whether the version exists at the end.
    async fn publish(&mut self) -> Result<bool, Halt> {
        let stop = self.caller.stop.clone();
        if self.files.is_empty() {
            return Ok(false);
        }
        let version_exists = stop.or(self.upload_all()).await?;
        self.replace_all(&stop).await?;
        if self.tally.has_sent { stop.or(self.verify()).await } else { Ok(version_exists) }
    }

    /// Everything that is new; returns whether the version was there before.
    async fn upload_all(&mut self) -> Result<bool, Halt> {
        let listing = self.sender.registry.files().await.map_err(PublishError::from)?;
        self.compare(&listing).await;
        if self.tally.errors.is_empty() {
            self.send_all(listing.version_exists).await;
        }
        Ok(listing.version_exists)
    }

    /// Holds every file against what is there. With any conflict that is an error nothing is sent.
    async fn compare(&mut self, listing: &Listing) {
        let sender = self.sender;
        let steps: Vec<_> = futures_util::stream::iter(&self.files)
            .map(|file| sender.step(file, listing))
            .buffered(self.inputs.concurrency)
            .collect()
            .await;
        for (index, step) in steps.into_iter().enumerate() {
            match step {
                Ok(Step::Upload) => {}
                Ok(Step::Unchanged(sha256)) => {
                    self.tally.is_there(index, Status::Unchanged, sha256);
                    let file = &self.files[index];
                    sender.reporter.file_unchanged(&file.name, file.local.size);
                }
                Ok(Step::Conflict(conflict)) => self.tally.differs(index, conflict, sender.reporter),
                Err(error) => self.tally.fails(index, error),
            }
        }
    }

    /// Sends what is not there.
    async fn send_all(&mut self, version_exists: bool) {
        let is_new = |index: &usize| {
            let status = self.tally.outcomes[*index].status;
            status == Status::NotAttempted && !self.tally.replacements.contains_key(index)
        };
        let mut queue: VecDeque<usize> = (0..self.files.len()).filter(is_new).collect();
        queue.make_contiguous().sort_by_key(|&index| self.files[index].local.size);
        if self.make_way(&mut queue, version_exists).await {
            // The largest first, so that none of them is left to run alone at the end.
            let rest: Vec<usize> = queue.into_iter().rev().collect();
            self.send_rest(&rest).await;
        }
    }

    /// Makes sure that the version exists and that we may write, before many are sent at once; `false` where that is
    /// not to be had. A new version is made by one upload alone: where several make it at once, Gitea 1.22 and 1.24 on
    /// PostgreSQL answer 500 to some (recorded). The smallest file goes first, since it says soonest what the others
    /// would meet.
    async fn make_way(&mut self, queue: &mut VecDeque<usize>, mut version_exists: bool) -> bool {
        let sizes: Vec<u64> = self.files.iter().map(|file| file.local.size).collect();
        let is_large = |index: &usize| sizes[*index] > LARGE;
        while let Some(&next) = queue.front() {
            let asks_first = is_large(&next) || version_exists && queue.iter().any(is_large);
            if asks_first && let Err(error) = self.make_sure_of_the_right().await {
                self.tally.errors.push(error);
                return false;
            }
            if version_exists {
                break;
            }
            queue.pop_front();
            self.tally.begins(next);
            let result = self.sender.send(&self.files[next], self.sender.registry.budget()).await;
            version_exists = result.is_ok();
            self.right_known |= version_exists;
            if self.tally.record(next, result, self.sender.reporter) {
                self.tally.holds_up(next, !queue.is_empty());
                return false;
            }
        }
        true
    }

    async fn make_sure_of_the_right(&mut self) -> Result<(), PublishError> {
        if !self.right_known {
            self.sender.registry.ask_right().await?;
            self.right_known = true;
        }
        Ok(())
    }

    /// Sends many at once, in that order. What is known of each is put down at once, since the run may end at any time.
    async fn send_rest(&mut self, indices: &[usize]) {
        let Self { files, tally, sender, inputs, .. } = self;
        let sender = *sender;
        let mut queue = indices.iter().copied();
        let mut running = FuturesUnordered::new();
        let mut goes_on = true;
        loop {
            while goes_on
                && running.len() < inputs.concurrency
                && let Some(index) = queue.next()
            {
                tally.begins(index);
                let file = &files[index];
                running.push(async move { (index, sender.send(file, sender.registry.budget()).await) });
            }
            let Some((index, result)) = running.next().await else { return };
            if tally.record(index, result, sender.reporter) {
                tally.holds_up(index, queue.len() > 0);
                goes_on = false;
            }
        }
    }

    /// What has become of the files by now.
    fn so_far(&self, stopped: Option<Signal>) -> Publication {
        let outcomes = self.tally.outcomes.clone();
        Publication { target: self.inputs.target.clone(), outcomes, errors: Vec::new(), page: None, stopped }
    }

    /// The page of the version. That it is not told is no failure: every forge lays its pages out in the same way.
    async fn page(&self) -> Url {
        match self.sender.registry.version_page().await {
            Ok(page) => page,
            Err(error) => {
                let reason = error.source().map(ToString::to_string).unwrap_or_default();
                self.caller.reporter.warns(&format!("{error} ({reason}); the link is the usual one"));
                self.inputs.target.page_url()
            }
        }
    }
}

fn content(size: u64, sha256: Sha256) -> String {
    format!("{} with SHA-256 {sha256}", Bytes::exact(size))
}
