//! The use case: files -> names -> the version -> its checksums file -> aliases -> the link -> the report.

mod access;
mod alias;
mod checksums;
mod dry_run;
mod error;
mod execute;
mod follow;
mod link;
mod names;
mod replace;
mod tracked;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use self::checksums::Published;
pub(crate) use self::error::{PublishError, Rejected};
use self::execute::VersionRun;
use crate::blocking::on_own_thread;
use crate::command::Command;
use crate::files::{self, Content, Folder};
use crate::hint::Problem;
use crate::inputs::{Inputs, PublishOptions};
use crate::listing::Listing;
use crate::package::{FileName, PublicAddress, Version};
use crate::registry::{About, Connection, Registry, RegistryError};
use crate::report::{Header, Outcome, Planned, RunContext, RunReport, Status};
use crate::stop::{Signal, Stopped};

/// How long to wait for the link to a version: everything else is done.
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes files. An error means that nothing was uploaded, and holds every problem that has to be fixed first.
pub(crate) async fn publish(
    inputs: &Inputs,
    task: &PublishOptions,
    connection: Connection<'_>,
    context: &RunContext<'_>,
) -> Result<RunReport, Vec<Rejected>> {
    let job = Job { inputs, task, context };
    let selection = task.selection.clone();
    // A workspace can have many files, and a pattern many alternatives.
    let selected = match context.stop.or(on_own_thread(move || files::select(&selection))).await {
        Ok(selected) => selected.map_err(|errors| wrapped(errors, Rejected::Select))?,
        Err(signal) => {
            let stopped = RunReport { errors: vec![Box::new(Stopped(signal))], stopped: Some(signal), ..job.report() };
            return Ok(stopped);
        }
    };
    let named = names::name_files(selected.files, task.if_file_exists, &inputs.redactor);
    let files = named.map_err(|errors| wrapped(errors, Rejected::Name))?;
    let check = |checksums| {
        checksums::check(files.iter().map(|(file, content)| (file, content)), checksums, &task.selection.workspace)
    };
    let folder = task.checksums.as_ref().map(check).transpose()?;
    let registry = Registry::new(inputs.target.clone(), connection).map_err(|error| vec![Rejected::Setup(error)])?;
    context.reporter.begins(&Header {
        command: Command::Publish,
        target: &inputs.target,
        user: inputs.user(),
        is_dry: task.dry_run,
        files: Some((files.len(), files.iter().map(|(file, _)| file.size).sum())).filter(|(count, _)| *count > 0),
    });
    for warning in &selected.warnings {
        context.reporter.warns(warning);
    }
    if files.is_empty() && task.checksums.is_none() {
        context.reporter.warns("no files to publish");
    }
    let mut version = VersionRun::new(registry, context, inputs.concurrency, files, "");
    version.is_dry = task.dry_run;
    let run = Run { job, version, folder, results: Results::default() };
    Ok(Box::pin(run.go()).await)
}

fn wrapped<E>(errors: Vec<E>, wrap: fn(E) -> Rejected) -> Vec<Rejected> {
    errors.into_iter().map(wrap).collect()
}

/// The inputs of a run and its caller.
#[derive(Clone, Copy)]
struct Job<'a> {
    inputs: &'a Inputs,
    task: &'a PublishOptions,
    context: &'a RunContext<'a>,
}

impl Job<'_> {
    /// Returns the report of a run that has done nothing.
    fn report(self) -> RunReport {
        RunReport {
            command: Command::Publish,
            target: self.inputs.target.clone(),
            folder: String::new(),
            checksums_file: String::new(),
            covered: Vec::new(),
            aliases: Vec::new(),
            outcomes: Vec::new(),
            plan: self.task.dry_run.then(Vec::new),
            is_offline: false,
            errors: Vec::new(),
            page: None,
            stopped: None,
        }
    }

    /// Makes the checksums file of a list, and compares it with that content. A version that another job deletes is not brought
    /// back by a checksums file of what it had.
    async fn compare_checksums(self, content: &Content, listing: &Listing) -> bool {
        let Some(checksums) = &self.task.checksums else { return true };
        let now = checksums::content_for(listing, checksums, &self.inputs.target, &self.inputs.redactor).await;
        matches!((now, content), (Ok(now), Content::Memory(bytes)) if now.as_bytes() == bytes)
    }
}

/// Saves what is known of a version so far, after a signal.
type Save<'s> = dyn Fn(&VersionRun<'_>, Signal) + 's;

/// A run on its way.
struct Run<'a> {
    job: Job<'a>,
    version: VersionRun<'a>,
    /// The folder of the copy of the checksums file, if there is to be one.
    folder: Option<Arc<Folder>>,
    results: Results,
}

/// The results of a run beside its files.
#[derive(Default)]
struct Results {
    /// The path of the copy of the checksums file, relative to the workspace; empty if it was not written.
    checksums_file: String,
    /// The files that the checksums file covers, once it is current.
    covered: Vec<FileName>,
    /// The aliases that are identical to this version now.
    aliases: Vec<Version>,
    /// Other versions that this run has changed, or may have.
    touched: Vec<Version>,
    /// The plan of a dry run.
    plan: Vec<Planned>,
    /// The files that a real run would send.
    planned: Vec<usize>,
    /// The planned outcome of the checksums file.
    checksums: Option<Outcome>,
}

impl Results {
    /// Returns the report of a run in which a version is in that state.
    fn report(&self, job: Job<'_>, version: &VersionRun<'_>, stopped: Option<Signal>) -> RunReport {
        let mut outcomes = version.outcomes();
        for &index in &self.planned {
            outcomes[index].status = Status::Planned;
        }
        if let Some(checksums) = job.task.checksums.as_ref().filter(|_| version.last().is_none()) {
            outcomes.push(self.checksums.clone().unwrap_or_else(|| Outcome {
                name: checksums.name.clone(),
                url: job.inputs.target.file_url(&checksums.name),
                size: None,
                sha256: None,
                status: Status::NotAttempted,
                local: None,
            }));
        }
        RunReport {
            checksums_file: self.checksums_file.clone(),
            covered: self.covered.clone(),
            aliases: self.aliases.clone(),
            outcomes,
            plan: job.task.dry_run.then(|| self.plan.clone()),
            is_offline: job.inputs.credentials.is_none(),
            stopped,
            ..job.report()
        }
    }
}

/// The reason why a run ends early.
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
    async fn go(mut self) -> RunReport {
        let done = if self.job.task.dry_run { self.dry_run().await } else { self.publish().await };
        match done {
            Ok(address) => self.ended(address, None),
            Err(Halt::Failed(error)) => {
                self.version.record_list_failure(*error);
                for alias in std::mem::take(&mut self.results.aliases) {
                    let version = &self.job.inputs.target.version;
                    self.job.context.reporter.warns(&format!(
                        "alias {alias} matched {version} before the list failed; run the step again to verify it"
                    ));
                }
                self.ended(None, None)
            }
            Err(Halt::Stopped(signal)) => {
                // A dry run has changed nothing that is to be verified.
                if !self.job.task.dry_run {
                    self.list_at_the_end().await;
                    self.write_copy().await;
                }
                self.version.errors.push(Stopped(signal).into());
                self.ended(None, Some(signal))
            }
        }
    }

    /// The run is to end now: one quick list, so that what is reported as published is.
    async fn list_at_the_end(&mut self) {
        if let Some(listing) = self.version.list_at_the_end().await
            && !self.compare_checksums(&listing).await
        {
            self.mark_checksums_outdated();
        }
        // The version may have changed since they were compared with it, and nobody lists them again.
        self.results.aliases.clear();
    }

    fn ended(self, address: Option<PublicAddress>, stopped: Option<Signal>) -> RunReport {
        let so_far = self.report(stopped);
        let mut errors = self.version.into_errors();
        for error in &mut errors {
            if let (PublishError::Conflict { page, .. }, Some(address)) = (error, &address) {
                page.clone_from(&address.page);
            }
        }
        let errors = errors.into_iter().map(|error| Box::new(error) as Problem).collect();
        let report = RunReport { errors, ..so_far };
        match address {
            Some(address) => report.linked_at(address),
            None => report,
        }
    }

    /// Returns what has become of the files by now.
    fn report(&self, stopped: Option<Signal>) -> RunReport {
        self.results.report(self.job, &self.version, stopped)
    }

    /// Whether there is nothing to publish.
    fn is_empty(&self) -> bool {
        self.version.files.is_empty() && self.job.task.checksums.is_none()
    }

    /// Publishes, and does what is left to be done then. Returns the public address of the version, if it exists.
    async fn publish(&mut self) -> Result<Option<PublicAddress>, Halt> {
        if self.is_empty() {
            return Ok(None);
        }
        let listing = self.publish_version().await?;
        self.write_copy().await;
        self.warn_of_outdated_checksums(&listing);
        Ok(if listing.version_exists { Some(self.link_and_locate().await) } else { None })
    }

    /// Publishes the files, and then the checksums file and the aliases, which follow from all that the version has.
    async fn publish_version(&mut self) -> Result<Listing, Halt> {
        let listing = self.settle().await?;
        if self.job.task.checksums.is_none() {
            return Ok(listing);
        }
        Ok(match self.publish_checksums_and_aliases(listing).await? {
            Published::Current(listing) => {
                self.results.covered = self.covered(&listing);
                listing
            }
            Published::Not(listing) => {
                self.mark_checksums_outdated();
                self.tell_of_aliases(&listing).await;
                listing
            }
        })
    }

    /// Publishes the checksums file and makes the aliases identical; again if other jobs change the version meanwhile.
    async fn publish_checksums_and_aliases(&mut self, mut listing: Listing) -> Result<Published, Halt> {
        for _ in 0..checksums::MOST {
            let published = match self.publish_checksums(listing).await? {
                Published::Current(published) if self.has_aliases() => published,
                other => return Ok(other),
            };
            self.update_aliases(&published).await?;
            if self.version.has_failed() {
                return Ok(Published::Current(published));
            }
            listing = self.settle().await?;
            if self.is_only_checksums_overtaken() {
                continue;
            }
            if self.version.has_failed() {
                return Ok(Published::Not(listing));
            }
            if listing.files() == published.files() {
                return Ok(Published::Current(listing));
            }
        }
        self.give_up_checksums();
        Ok(Published::Not(listing))
    }

    fn has_aliases(&self) -> bool {
        self.job.task.checksums.as_ref().is_some_and(|checksums| !checksums.aliases.is_empty())
    }

    /// Brings the version to what it is to have, as far as its files are known by now. Returns the last list.
    async fn settle(&mut self) -> Result<Listing, Halt> {
        let Self { job, version, results, .. } = self;
        let save = |version: &VersionRun<'_>, signal| (job.context.save)(results.report(*job, version, Some(signal)));
        version
            .settle(async |content: &Content, listing: &Listing| job.compare_checksums(content, listing).await, &save)
            .await
    }

    /// Links the package, if that is asked for and nothing has failed. Returns the public address of the version.
    async fn link_and_locate(&self) -> PublicAddress {
        let is_complete = self.version.errors.is_empty() && self.report(None).is_complete();
        let about = match self.job.task.link_repository.as_ref().filter(|_| is_complete) {
            Some(repository) => self.job.context.stop.or(self.link(repository)).await.unwrap_or_else(|signal| {
                let named = self.named(repository);
                let warning = format!(
                    "received {signal} before the package was linked to {named}. Run the step again to link it"
                );
                self.job.context.reporter.warns(&warning);
                None
            }),
            None => self.ask_about().await,
        };
        self.address_by(about.as_ref())
    }

    /// Reads what the registry has about the version. Only its page depends on it, so it is read once, and not for long.
    async fn ask_about(&self) -> Option<About> {
        let asked = tokio::time::timeout(PATIENCE, self.version.registry.about_once());
        match self.job.context.stop.or(asked).await {
            Ok(Ok(Ok(about))) => return Some(about),
            Ok(Ok(Err(error))) => self.warns_of_page(&error),
            Ok(Err(_)) => self.job.context.reporter.warns("no response in time about the page of the version"),
            // All is done, and the runner waits for our end.
            Err(_) => {}
        }
        None
    }

    /// Returns the public address of the version. If the registry does not give it, that is no failure: `server-url` leads to
    /// the same forge.
    fn address_by(&self, about: Option<&About>) -> PublicAddress {
        let Some(about) = about else { return self.job.inputs.target.address() };
        self.version.registry.public_address(about).unwrap_or_else(|error| {
            self.warns_of_page(&error);
            self.job.inputs.target.address()
        })
    }

    fn warns_of_page(&self, error: &RegistryError) {
        self.job
            .context
            .reporter
            .warns(&format!("{error} ({}). The link to the page of the version uses `server-url`", error.cause));
    }
}
