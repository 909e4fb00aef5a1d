//! Publishes: files -> names -> the version -> its checksums file -> aliases -> the link -> the report.

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

pub(crate) use self::error::PublishError;
use self::execute::VersionRun;
use crate::blocking::on_own_thread;
use crate::command::Command;
use crate::files::{self, Content, Folder};
use crate::hint::{self, Problem};
use crate::inputs::{Inputs, PublishOptions};
use crate::listing::Listing;
use crate::package::{PublicAddress, Version};
use crate::registry::{Connection, Registry, RegistryError, VersionDetails};
use crate::report::{Header, Outcome, RunContext, RunReport, Status};
use crate::stop::{Signal, Stopped};

/// The timeout for the address of the version's page, which is read last.
const PAGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes files. An error means that nothing was uploaded, and contains every problem to fix.
pub(crate) async fn publish(
    inputs: &Inputs,
    task: &PublishOptions,
    connection: Connection<'_>,
    context: &RunContext<'_>,
) -> Result<RunReport, Vec<Problem>> {
    let job = Job { inputs, task, context };
    let selection = task.selection.clone();
    // On a separate thread, because a workspace can have many files and a pattern many alternatives.
    let selected = match context.stop.or(on_own_thread(move || files::select(&selection))).await {
        Ok(selected) => selected.map_err(hint::problems)?,
        Err(signal) => {
            return Ok(RunReport { errors: vec![Box::new(Stopped(signal))], stopped: Some(signal), ..job.report() });
        }
    };
    let named = names::name_files(selected.files, task.if_file_exists, &inputs.redactor);
    let files = named.map_err(hint::problems)?;
    let check = |checksums| checksums::check(&files, checksums, &task.selection.workspace);
    let folder = task.checksums.as_ref().map(check).transpose()?;
    let registry = Registry::new(inputs.target.clone(), connection).map_err(|error| hint::problems([error]))?;
    context.reporter.begin(&Header {
        command: Command::Publish,
        target: &inputs.target,
        user: inputs.user(),
        is_dry_run: task.dry_run,
        files: Some((files.len(), files.iter().map(|(file, _)| file.size).sum())).filter(|(count, _)| *count > 0),
        checksums: task.checksums.as_ref().map(|checksums| &checksums.name),
    });
    for warning in &selected.warnings {
        context.reporter.warn(warning);
    }
    if files.is_empty() && task.checksums.is_none() {
        context.reporter.warn("no files to publish");
    }
    let version = VersionRun::new(job, registry, files, "");
    let run = Run { job, version, folder, report: job.report(), changed_aliases: Vec::new() };
    Ok(Box::pin(run.run()).await)
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
            plan: self.task.dry_run.then(Vec::new),
            is_offline: self.inputs.credentials.is_none(),
            ..RunReport::new(Command::Publish, Some(self.inputs.target.clone()))
        }
    }

    /// Lists what a report says of the files of a version. The checksums file is the last, also if it was not made.
    fn outcomes(self, version: &VersionRun<'_>) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = version.files.iter().map(|file| file.outcome(&version.registry)).collect();
        if let Some(checksums) = &self.task.checksums
            && version.checksums_file().is_none()
        {
            let (name, url) = (checksums.name.clone(), self.inputs.target.file_url(&checksums.name));
            let is_planned = self.task.dry_run && self.inputs.credentials.is_none();
            let status = if is_planned { Status::Planned } else { Status::NotAttempted };
            outcomes.push(Outcome { name, url, size: None, sha256: None, status, local: None });
        }
        outcomes
    }

    /// Returns whether `content` is the checksums file of a list. So an outdated checksums file does not recreate a
    /// version that another job has deleted.
    async fn compare_checksums(self, content: &Content, listing: &Listing) -> bool {
        let Some(checksums) = &self.task.checksums else { return true };
        let now = checksums::content_for(self, checksums, listing).await;
        matches!((now, content), (Ok(now), Content::Memory(bytes)) if now.as_bytes() == bytes)
    }
}

/// Saves the results of a version so far, after a signal.
type Save<'s> = dyn FnMut(&VersionRun<'_>, Signal) + 's;

/// A run that publishes.
struct Run<'a> {
    job: Job<'a>,
    version: VersionRun<'a>,
    /// The folder for the copy of the checksums file, if `checksums` is set.
    folder: Option<Arc<Folder>>,
    /// The report so far, without the files of the version.
    report: RunReport,
    /// Aliases that this run has changed, or may have.
    changed_aliases: Vec<Version>,
}

/// Why a run ends early.
struct Halt {
    errors: Vec<PublishError>,
    /// The signal that ends it, if one does.
    signal: Option<Signal>,
}

impl<E: Into<PublishError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self { errors: vec![error.into()], signal: None }
    }
}

impl From<Signal> for Halt {
    fn from(signal: Signal) -> Self {
        Self { errors: Vec::new(), signal: Some(signal) }
    }
}

impl Run<'_> {
    async fn run(mut self) -> RunReport {
        let done = if self.job.task.dry_run { self.dry_run().await } else { self.publish().await };
        let mut address = None;
        match done {
            Ok(found) => address = found,
            Err(Halt { errors, signal: None }) => {
                self.version.record_list_failure(errors);
                for alias in std::mem::take(&mut self.report.aliases) {
                    let version = &self.job.inputs.target.version;
                    self.job.context.reporter.warn(&format!(
                        "alias {alias} matched {version} before the list failed; run the step again to verify it"
                    ));
                }
            }
            Err(Halt { signal: Some(signal), .. }) => {
                // A dry run changes nothing, so there is nothing to verify.
                if !self.job.task.dry_run {
                    self.list_at_the_end().await;
                    self.write_copy().await;
                }
                self.version.errors.push(Stopped(signal).into());
                self.report.stopped = Some(signal);
            }
        }
        self.into_report(address)
    }

    /// Lists the version quickly after a signal, so that only verified files are reported as published.
    async fn list_at_the_end(&mut self) {
        if let Some(listing) = self.version.list_after_signal().await
            && !self.compare_checksums(&listing).await
        {
            self.mark_checksums_outdated();
        }
        // The version may have changed since the aliases were compared with it, and they are not listed again.
        self.report.aliases.clear();
    }

    fn into_report(self, address: Option<PublicAddress>) -> RunReport {
        let mut report = RunReport { outcomes: self.job.outcomes(&self.version), ..self.report };
        let mut errors = self.version.into_errors();
        if let (Some(PublicAddress { server, page }), Some(target)) = (address, &mut report.target) {
            target.server = server;
            for outcome in &mut report.outcomes {
                outcome.url = target.file_url(&outcome.name);
            }
            for error in &mut errors {
                if let PublishError::Conflict { page: shown, .. } = error {
                    shown.clone_from(&page);
                }
            }
            report.page = Some(page);
        }
        RunReport { errors: hint::problems(errors), ..report }
    }

    /// Whether there is nothing to publish.
    fn is_empty(&self) -> bool {
        self.version.files.is_empty() && self.job.task.checksums.is_none()
    }

    /// Publishes the version, writes the copy of the checksums file and links the package. Returns the public address
    /// of the version, if it exists.
    async fn publish(&mut self) -> Result<Option<PublicAddress>, Halt> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut listing = self.settle().await?;
        if self.job.task.checksums.is_some() {
            let is_current;
            (listing, is_current) = self.publish_checksums_and_aliases(listing).await?;
            if is_current {
                self.report.covered = self.covered(&listing);
            } else {
                self.mark_checksums_outdated();
                self.compare_updated_aliases(&listing).await;
            }
        }
        self.write_copy().await;
        self.warn_of_outdated_checksums(&listing);
        Ok(if listing.version_exists { Some(self.link_and_locate().await) } else { None })
    }

    /// Publishes the checksums file and updates the aliases. Repeats both if other jobs change the version meanwhile. Returns
    /// the last list, and whether the published checksums file covers it.
    async fn publish_checksums_and_aliases(&mut self, mut listing: Listing) -> Result<(Listing, bool), Halt> {
        let has_aliases = self.job.task.checksums.as_ref().is_some_and(|checksums| !checksums.aliases.is_empty());
        for _ in 0..checksums::MOST_ATTEMPTS {
            let (published, is_current) = self.publish_checksums(listing).await?;
            if !is_current || !has_aliases {
                return Ok((published, is_current));
            }
            self.update_aliases(&published).await?;
            if self.version.has_failed() {
                return Ok((published, true));
            }
            listing = self.settle().await?;
            if self.is_only_checksums_overtaken() {
                continue;
            }
            if self.version.has_failed() {
                return Ok((listing, false));
            }
            if listing.files() == published.files() {
                return Ok((listing, true));
            }
        }
        self.fail_checksums(Some(checksums::MOST_ATTEMPTS));
        Ok((listing, false))
    }

    /// Uploads, replaces and deletes files until the version has all that are known by now. Returns the last list.
    async fn settle(&mut self) -> Result<Listing, Halt> {
        let Self { job, version, report, .. } = self;
        version.settle(&mut |version, signal| save(*job, report, version, signal)).await
    }

    /// Links the package if `link-repository` is set and nothing has failed. Returns the public address of the version.
    async fn link_and_locate(&self) -> PublicAddress {
        let is_complete = !self.version.has_failed()
            && self.job.outcomes(&self.version).iter().all(|outcome| outcome.status.is_success());
        let about = match self.job.task.link_repository.as_ref().filter(|_| is_complete) {
            Some(repository) => self.job.context.stop.or(self.link(repository)).await.unwrap_or_else(|signal| {
                let named = self.with_owner(repository);
                let warning = format!(
                    "received {signal} before the package was linked to {named}. Run the step again to link it"
                );
                self.job.context.reporter.warn(&warning);
                None
            }),
            None => self.read_version_details().await,
        };
        self.address_by(about.as_ref())
    }

    /// Requests the details of the version, with a short timeout and without retries, because only the link to its page
    /// needs them.
    async fn read_version_details(&self) -> Option<VersionDetails> {
        let asked = tokio::time::timeout(PAGE_TIMEOUT, self.version.registry.read_version_details_once());
        match self.job.context.stop.or(asked).await {
            Ok(Ok(Ok(about))) => return Some(about),
            Ok(Ok(Err(error))) => self.warn_of_page(&error),
            Ok(Err(_)) => {
                self.job.context.reporter.warn(
                    "no response about the version in time. The link to the page of the version uses `server-url`",
                );
            }
            // Everything is done, and the runner waits for the program to exit.
            Err(_) => {}
        }
        None
    }

    /// Returns the public address of the version. If the registry does not return it, the address uses `server-url`,
    /// which leads to the same server.
    fn address_by(&self, about: Option<&VersionDetails>) -> PublicAddress {
        let Some(about) = about else { return self.job.inputs.target.address() };
        self.version.registry.public_address(about).unwrap_or_else(|error| {
            self.warn_of_page(&error);
            self.job.inputs.target.address()
        })
    }

    fn warn_of_page(&self, error: &RegistryError) {
        self.job
            .context
            .reporter
            .warn(&format!("{error} ({}). The link to the page of the version uses `server-url`", error.cause));
    }
}

/// Saves the report of a run that a signal is about to end.
fn save(job: Job<'_>, report: &mut RunReport, version: &VersionRun<'_>, signal: Signal) {
    report.outcomes = job.outcomes(version);
    report.stopped = Some(signal);
    (job.context.save)(report);
}
