//! The use case: files -> plan -> what is there -> uploads -> what is there now.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error as _;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use futures_util::StreamExt as _;
use tokio::task::spawn_blocking;
use url::Url;

use crate::advice::Advise;
use crate::checksum::Sha256;
use crate::files::{self, FileError, LocalFile, SelectError};
use crate::inputs::Inputs;
use crate::package::{FileName, Target};
use crate::plan::{self, Conflict, NamedFile, PlanError, Step};
use crate::registry::{Listing, Registry, RegistryError, Sent, SetupError, Timings};
use crate::report::units::Bytes;
use crate::report::{Header, Outcome, Progress, Reporter, Status};

/// A file over this size, in bytes, is not sent before the right to write is known: a server that refuses it closes
/// the connection, and clients lose the answer.
const LARGE: u64 = 1024 * 1024;

/// Why a run ended before its first request.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// The patterns find no files, or some that cannot be published.
    #[error(transparent)]
    Select(SelectError),
    /// The files' names are not those of a version.
    #[error(transparent)]
    Plan(PlanError),
    /// There is no HTTP client.
    #[error(transparent)]
    Setup(SetupError),
}

impl Advise for Rejected {
    fn advice(&self) -> Option<String> {
        match self {
            Self::Select(error) => error.advice(),
            Self::Plan(error) => error.advice(),
            Self::Setup(_) => Some("Check the proxy variables of the runner (HTTP_PROXY, HTTPS_PROXY)".to_owned()),
        }
    }
}

/// What failed in a run that came as far as its first request.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The registry, or the way there.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Other content is on the registry.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The registry took a file, and does not list it.
    #[error("`{name}` is not on the registry, though it was taken there: {url}")]
    Lost {
        /// The file's name.
        name: FileName,
        /// Where it should be.
        url: Url,
    },
    /// The registry lists other content than was sent.
    #[error("`{name}` is on the registry with other content than was sent: {theirs} there, {ours} here")]
    Altered {
        /// The file's name.
        name: FileName,
        /// What is there.
        theirs: String,
        /// What was sent.
        ours: String,
    },
}

impl Advise for PublishError {
    fn advice(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.advice(),
            Self::File(error) => error.advice(),
            Self::Conflict(_) => Some(
                "Use a new version, or delete the file on the registry first; a rebuild is rarely bit for bit the same, \
                 so publish the first build's files again where you have them"
                    .to_owned(),
            ),
            Self::Lost { .. } => Some("Run the step again, and look at the forge's log if it stays so".to_owned()),
            Self::Altered { .. } => Some(
                "Delete the file on the registry and run the step again; find out whether another job publishes the \
                 same name, and whether the forge's storage is sound"
                    .to_owned(),
            ),
        }
    }

    fn brief(&self) -> String {
        match self {
            Self::Registry(error) => error.brief(),
            other => other.to_string(),
        }
    }
}

/// What a run has done. `outcomes` has every file of the plan, in its order.
#[derive(Debug)]
pub struct Publication {
    /// What was published to.
    pub target: Target,
    /// What became of each file.
    pub outcomes: Vec<Outcome>,
    /// All that failed.
    pub errors: Vec<PublishError>,
    /// The page of the version, where it has one.
    pub page: Option<Url>,
}

impl Publication {
    /// Whether every file is on the registry, bit for bit.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.errors.is_empty() && self.outcomes.iter().all(|outcome| outcome.status.is_published())
    }
}

/// Publishes files. An error means that nothing was sent, and holds everything that has to be put right first.
pub async fn publish(inputs: &Inputs, timings: Timings, reporter: &dyn Reporter) -> Result<Publication, Vec<Rejected>> {
    let wrap = |errors: Vec<SelectError>| errors.into_iter().map(Rejected::Select).collect::<Vec<_>>();
    let selected = files::select(&inputs.selection).map_err(wrap)?;
    let named = plan::name_files(selected.files, &inputs.credentials.redactor());
    let files = named.map_err(|errors| errors.into_iter().map(Rejected::Plan).collect::<Vec<_>>())?;
    let registry = Registry::new(inputs.target.clone(), inputs.credentials.clone(), timings, reporter)
        .map_err(|error| vec![Rejected::Setup(error)])?;
    reporter.begins(&Header {
        target: &inputs.target,
        username: &inputs.credentials.username,
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
        Publication { target, outcomes: self.outcomes, errors: self.errors, page }
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
                if plan::needs_hash(file, listing) { hash(&file.local).await.map(Some) } else { Ok(None) }
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
                    self.reporter.file_ends(outcome, None);
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

    /// Sends what is not there. A new version is made by one upload alone: where several make it at once, Gitea 1.22
    /// and 1.24 on PostgreSQL answer 500 to some (recorded). The smallest file goes first, since it says soonest what
    /// the others would meet.
    async fn send_all(&mut self, mut version_exists: bool) {
        let mut queue: VecDeque<usize> =
            (0..self.files.len()).filter(|&index| self.outcomes[index].status == Status::NotAttempted).collect();
        queue.make_contiguous().sort_by_key(|&index| self.files[index].local.size);
        let sizes: Vec<u64> = self.files.iter().map(|file| file.local.size).collect();
        let is_large = |index: &usize| sizes[*index] > LARGE;
        let mut right_known = false;
        while let Some(&next) = queue.front() {
            if !right_known && (is_large(&next) || version_exists && queue.iter().any(is_large)) {
                if let Err(error) = self.registry.ask_right().await {
                    self.errors.push(error.into());
                    return;
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
                return;
            }
        }
        // The largest first, so that none of them is left to run alone at the end.
        let stopped = AtomicBool::new(false);
        let results: Vec<_> = futures_util::stream::iter(queue.iter().rev())
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
        let status = match &result {
            Ok(_) => Status::Uploaded,
            Err(error) if error.leaves_doubt() => Status::Unknown,
            Err(_) => Status::Failed,
        };
        self.reporter.file_ends(&Outcome { status, ..self.outcomes[index].clone() }, Some(started.elapsed()));
        result
    }

    /// Uploads a file, and reports now and then how far it is.
    async fn upload(&self, file: &NamedFile, started: Instant) -> Result<Sha256, RegistryError> {
        let sent = Sent::default();
        let upload = pin!(self.registry.upload(file, &sent));
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
                let said = |known: &PublishError| matches!(known, PublishError::Registry(e) if e.meets_every_file());
                if !(error.meets_every_file() && self.errors.iter().any(said)) {
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
        let step = match hash(&file.local).await {
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

/// Hashes a file on a thread that may wait for the disk.
async fn hash(file: &LocalFile) -> Result<Sha256, FileError> {
    let file = file.clone();
    match spawn_blocking(move || file.hash()).await {
        Ok(result) => result,
        // It cannot be cancelled, so it has panicked.
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn content(size: u64, sha256: Sha256) -> String {
    format!("{} with SHA-256 {sha256}", Bytes::exact(size))
}
