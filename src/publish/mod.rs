//! The use case: files -> plan -> what is there -> uploads -> what is there now.

mod error;

use std::collections::{BTreeMap, VecDeque};
use std::error::Error as _;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::StreamExt as _;
use url::Url;

pub use self::error::{PublishError, Rejected};
use crate::advice::Problem;
use crate::checksum::Sha256;
use crate::files;
use crate::inputs::Inputs;
use crate::listing::Listing;
use crate::plan::{self, NamedFile, Step};
use crate::registry::{Registry, RegistryError, Sent, Timings};
use crate::report::units::Bytes;
use crate::report::{Header, Outcome, Progress, Publication, Reporter, Status};
use crate::untrusted::Untrusted;

/// A file over this size, in bytes, is not sent before the right to write is known: a server that refuses it closes
/// the connection, and clients lose the answer.
const LARGE: u64 = 1024 * 1024;

/// Publishes files. An error means that nothing was sent, and holds everything that has to be put right first.
pub async fn publish(inputs: &Inputs, timings: Timings, reporter: &dyn Reporter) -> Result<Publication, Vec<Rejected>> {
    let selected = files::select(&inputs.selection).map_err(|errors| wrapped(errors, Rejected::Select))?;
    let named = plan::name_files(selected.files, &inputs.redactor());
    let files = named.map_err(|errors| wrapped(errors, Rejected::Plan))?;
    let registry =
        Registry::new(inputs.target.clone(), inputs.credentials.clone(), inputs.way.clone(), timings, reporter)
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
    Ok(Run::new(inputs, registry, reporter, files).go().await)
}

fn wrapped<E>(errors: Vec<E>, wrap: fn(E) -> Rejected) -> Vec<Rejected> {
    errors.into_iter().map(wrap).collect()
}

/// A run on its way. `outcomes` goes with `files`.
struct Run<'a> {
    inputs: &'a Inputs,
    registry: Registry<'a>,
    reporter: &'a dyn Reporter,
    files: Vec<NamedFile>,
    outcomes: Vec<Outcome>,
    /// What went wrong with files that may be on the registry all the same, by their index.
    doubts: BTreeMap<usize, RegistryError>,
    errors: Vec<PublishError>,
}

impl<'a> Run<'a> {
    fn new(inputs: &'a Inputs, registry: Registry<'a>, reporter: &'a dyn Reporter, files: Vec<NamedFile>) -> Self {
        let outcomes = files
            .iter()
            .map(|file| Outcome {
                name: file.name.clone(),
                url: inputs.target.file_url(&file.name),
                size: file.local.size,
                sha256: None,
                status: Status::NotAttempted,
            })
            .collect();
        Self { inputs, registry, reporter, files, outcomes, doubts: BTreeMap::new(), errors: Vec::new() }
    }

    async fn go(mut self) -> Publication {
        let version_exists = match self.publish().await {
            Ok(version_exists) => version_exists,
            Err(error) => {
                self.errors.push(error);
                false
            }
        };
        let page = if version_exists { Some(self.page().await) } else { None };
        let target = self.inputs.target.clone();
        let errors = self.errors.into_iter().map(|error| Box::new(error) as Problem).collect();
        Publication { target, outcomes: self.outcomes, errors, page }
    }

    /// The whole way; returns whether the version exists at the end. An error is one that ended the run.
    async fn publish(&mut self) -> Result<bool, PublishError> {
        if self.files.is_empty() {
            return Ok(false);
        }
        let listing = self.registry.files().await?;
        self.compare(&listing).await;
        if !self.errors.is_empty() {
            return Ok(listing.version_exists);
        }
        self.send_all(listing.version_exists).await;
        if self.outcomes.iter().all(|outcome| matches!(outcome.status, Status::Unchanged | Status::NotAttempted)) {
            return Ok(listing.version_exists);
        }
        self.verify().await
    }

    /// Holds every file against what is there. With any conflict nothing is sent.
    async fn compare(&mut self, listing: &Listing) {
        let hashes: Vec<_> = futures_util::stream::iter(&self.files)
            .map(|file| async {
                if plan::needs_hash(file, listing) { self.registry.hash(&file.local).await.map(Some) } else { Ok(None) }
            })
            .buffered(self.inputs.concurrency)
            .collect()
            .await;
        for ((file, outcome), sha256) in self.files.iter().zip(&mut self.outcomes).zip(hashes) {
            match sha256.map(|sha256| plan::step(file, listing, sha256)) {
                Ok(Step::Upload) => {}
                Ok(Step::Unchanged(sha256)) => {
                    outcome.status = Status::Unchanged;
                    outcome.sha256 = Some(sha256);
                    self.reporter.file_unchanged(&file.name, file.local.size);
                }
                Ok(Step::Conflict(conflict)) => {
                    outcome.status = Status::Failed;
                    self.errors.push(conflict.into());
                }
                Err(error) => {
                    outcome.status = Status::Failed;
                    self.errors.push(error.into());
                }
            }
        }
    }

    /// Sends what is not there.
    async fn send_all(&mut self, version_exists: bool) {
        let mut queue: VecDeque<usize> =
            (0..self.files.len()).filter(|&index| self.outcomes[index].status == Status::NotAttempted).collect();
        queue.make_contiguous().sort_by_key(|&index| self.files[index].local.size);
        if self.make_way(&mut queue, version_exists).await {
            self.send_rest(&queue).await;
        }
    }

    /// Makes sure that the version exists and that we may write, before many are sent at once; `false` where that is
    /// not to be had. A new version is made by one upload alone: where several make it at once, Gitea 1.22 and 1.24 on
    /// PostgreSQL answer 500 to some (recorded). The smallest file goes first, since it says soonest what the others
    /// would meet.
    async fn make_way(&mut self, queue: &mut VecDeque<usize>, mut version_exists: bool) -> bool {
        let sizes: Vec<u64> = self.files.iter().map(|file| file.local.size).collect();
        let is_large = |index: &usize| sizes[*index] > LARGE;
        let mut right_known = false;
        while let Some(&next) = queue.front() {
            if !right_known && (is_large(&next) || version_exists && queue.iter().any(is_large)) {
                if let Err(error) = self.registry.ask_right().await {
                    self.errors.push(error.into());
                    return false;
                }
                right_known = true;
            }
            if version_exists {
                break;
            }
            queue.pop_front();
            let result = self.send(next).await;
            version_exists = result.is_ok();
            right_known |= version_exists;
            let stops = result.as_ref().is_err_and(RegistryError::meets_every_file);
            self.record(next, result);
            if stops {
                return false;
            }
        }
        true
    }

    /// Sends many at once; the largest first, so that none of them is left to run alone at the end.
    async fn send_rest(&mut self, queue: &VecDeque<usize>) {
        let stopped = AtomicBool::new(false);
        let mut results: Vec<_> = futures_util::stream::iter(queue.iter().rev())
            .map(async |&index| {
                if stopped.load(Ordering::Relaxed) {
                    return (index, None);
                }
                let result = self.send(index).await;
                if result.as_ref().is_err_and(RegistryError::meets_every_file) {
                    stopped.store(true, Ordering::Relaxed);
                }
                (index, Some(result))
            })
            .buffer_unordered(self.inputs.concurrency)
            .collect()
            .await;
        results.sort_by_key(|(index, _)| *index);
        for (index, result) in results {
            if let Some(result) = result {
                self.record(index, result);
            }
        }
    }

    /// Sends one file. Where the body breaks off without an answer, or a proxy answers for the server, the server may
    /// have refused the token at once: then that is asked, and a refusal is what is reported.
    async fn send(&self, index: usize) -> Result<Sha256, RegistryError> {
        let started = Instant::now();
        let file = &self.files[index];
        let mut result = self.upload(file, started).await;
        if let Err(error) = &result
            && error.may_hide_a_refusal()
            && let Err(hidden) = self.registry.ask_right().await
            && hidden.meets_every_file()
        {
            result = result.map_err(|error| hidden.about(error));
        }
        self.reporter.file_sent(&file.name, file.local.size, result.is_ok(), started.elapsed());
        result
    }

    /// Uploads a file, and reports now and then how far it is.
    async fn upload(&self, file: &NamedFile, started: Instant) -> Result<Sha256, RegistryError> {
        let sent = Sent::default();
        let upload = pin!(self.registry.upload(&file.local, &file.name, &sent));
        let report = async {
            let mut interval = tokio::time::interval(self.reporter.progress_interval());
            interval.tick().await;
            loop {
                interval.tick().await;
                let progress =
                    Progress { name: &file.name, sent: sent.bytes(), size: file.local.size, took: started.elapsed() };
                self.reporter.progresses(&progress);
            }
        };
        tokio::select! {
            result = upload => result,
            () = report => unreachable!("the report goes on for as long as the upload does"),
        }
    }

    fn record(&mut self, index: usize, result: Result<Sha256, RegistryError>) {
        let outcome = &mut self.outcomes[index];
        match result {
            Ok(sha256) => {
                outcome.status = Status::Uploaded;
                outcome.sha256 = Some(sha256);
            }
            Err(error) if error.leaves_doubt() => {
                outcome.status = Status::Unknown;
                self.doubts.insert(index, error);
            }
            Err(error) => {
                outcome.status = Status::Failed;
                // What meets every file is said once, though several uploads that ran at once have met it.
                let is_same = |known: &PublishError| matches!(known, PublishError::Registry(known) if known.cause.to_string() == error.cause.to_string());
                if !(error.meets_every_file() && self.errors.iter().any(is_same)) {
                    self.errors.push(error.into());
                }
            }
        }
    }

    /// Reads the list once more: only what it shows, with the right size and hash, is a success.
    async fn verify(&mut self) -> Result<bool, PublishError> {
        let doubts = std::mem::take(&mut self.doubts);
        let listing = match self.registry.files().await {
            Ok(listing) => listing,
            Err(error) => {
                for outcome in &mut self.outcomes {
                    if outcome.status == Status::Uploaded {
                        outcome.status = Status::Unknown;
                    }
                }
                self.errors.extend(doubts.into_values().map(PublishError::Registry));
                return Err(error.into());
            }
        };
        for (index, doubt) in doubts {
            self.settle(index, doubt, &listing).await;
        }
        for (file, outcome) in self.files.iter().zip(&mut self.outcomes) {
            let (true, Some(sha256)) = (outcome.status.is_published(), outcome.sha256) else { continue };
            let error = match listing.find(&file.name) {
                Some(theirs) if theirs.holds(outcome.size, sha256) => continue,
                Some(theirs) => PublishError::Altered {
                    name: file.name.clone(),
                    theirs: content(theirs.size, theirs.sha256),
                    ours: content(outcome.size, sha256),
                },
                None => PublishError::Lost { name: file.name.clone(), url: outcome.url.clone() },
            };
            outcome.status = Status::Failed;
            self.errors.push(error);
        }
        Ok(listing.version_exists)
    }

    /// What became of a file whose upload had no good answer: the list knows.
    async fn settle(&mut self, index: usize, doubt: RegistryError, listing: &Listing) {
        let file = &self.files[index];
        let outcome = &mut self.outcomes[index];
        let step = match self.registry.hash(&file.local).await {
            Ok(sha256) => plan::step(file, listing, Some(sha256)),
            Err(error) => {
                outcome.status = Status::Unknown;
                self.errors.extend([doubt.into(), error.into()]);
                return;
            }
        };
        outcome.status = Status::Failed;
        match step {
            Step::Unchanged(sha256) => {
                self.reporter.warns(&format!("`{}` had no good answer, but is on the registry bit for bit", file.name));
                outcome.status = Status::Uploaded;
                outcome.sha256 = Some(sha256);
            }
            Step::Conflict(conflict) => self.errors.push(conflict.into()),
            Step::Upload => self.errors.push(doubt.into()),
        }
    }

    /// The page of the version. That it is not told is no failure: every forge lays its pages out in the same way.
    async fn page(&self) -> Url {
        match self.registry.version_page().await {
            Ok(page) => page,
            Err(error) => {
                let reason = error.source().map(ToString::to_string).unwrap_or_default();
                self.reporter.warns(&format!("{error} ({reason}); the link is the usual one"));
                self.inputs.target.page_url()
            }
        }
    }
}

fn content(size: u64, sha256: Sha256) -> String {
    format!("{} with SHA-256 {sha256}", Bytes::exact(size))
}
