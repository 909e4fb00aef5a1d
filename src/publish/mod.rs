//! The use case: files -> plan -> what is there -> uploads -> replacements -> what is there now.

mod access;
mod error;
mod follow;
mod link;
mod mirror;
mod rehearse;
mod replace;
mod seal;
mod send;
mod tally;
mod verify;
mod work;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use self::access::WriteAccess;
pub(crate) use self::error::{PublishError, Rejected};
use self::seal::{Seal, Sealed};
use self::send::{Sender, Stumble};
use self::tally::{Entry, Tally};
use crate::advice::Problem;
use crate::blocking::on_own_thread;
use crate::checksum::Sha256;
use crate::command::Command;
use crate::files;
use crate::inputs::{Inputs, Publishing};
use crate::listing::Listing;
use crate::package::{FileName, PublicAddress, Version};
use crate::plan::{self, NamedFile};
use crate::registry::{About, Connection, Registry, RegistryError};
use crate::report::{Header, Planned, RunContext, RunReport};
use crate::stop::{Signal, Stopped};

/// A file over this size, in bytes, is not sent before the right to write is known: a server that refuses it closes
/// the connection, and clients lose the answer.
const LARGE: u64 = 1024 * 1024;

/// How long to wait for the link to a version: everything else is done.
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes files. An error means that nothing was sent, and holds everything that has to be put right first.
pub(crate) async fn publish(
    inputs: &Inputs,
    task: &Publishing,
    connection: Connection<'_>,
    context: &RunContext<'_>,
) -> Result<RunReport, Vec<Rejected>> {
    let reporter = context.reporter;
    let selection = task.selection.clone();
    // A workspace can have many files, and a pattern many alternatives.
    let selected = match context.stop.or(on_own_thread(move || files::select(&selection))).await {
        Ok(selected) => selected.map_err(|errors| wrapped(errors, Rejected::Select))?,
        Err(signal) => return Ok(stopped_before_it_began(inputs, task, signal)),
    };
    let named = plan::name_files(selected.files, &inputs.redactor);
    let files = named.map_err(|errors| wrapped(errors, Rejected::Plan))?;
    let seal = task.sealing.as_ref().map(|sealing| Seal::of(&files, sealing, &task.selection.workspace)).transpose()?;
    let registry = Registry::new(inputs.target.clone(), connection).map_err(|error| vec![Rejected::Setup(error)])?;
    reporter.begins(&Header {
        command: Command::Publish,
        target: &inputs.target,
        user: inputs.user(),
        is_dry: task.dry_run,
        files: Some((files.len(), files.iter().map(|file| file.local.size).sum())).filter(|(count, _)| *count > 0),
    });
    for warning in &selected.warnings {
        reporter.warns(warning);
    }
    if files.is_empty() && seal.is_none() {
        reporter.warns("there is nothing to publish");
    }
    let tally = Tally::new(&files, &registry, task.if_file_exists);
    let sender = Sender { registry: &registry, reporter };
    let (aliases, files) = (Vec::new(), files.into());
    let run = Run {
        inputs,
        task,
        context,
        sender,
        files,
        tally,
        write_access: WriteAccess::NotChecked,
        seal,
        sealed: Vec::new(),
        aliases,
        touched: Vec::new(),
        tells: None,
        plan: Vec::new(),
    };
    Ok(Box::pin(run.go()).await)
}

/// Accounts for a run that a signal ended before anything was known of its files.
fn stopped_before_it_began(inputs: &Inputs, task: &Publishing, signal: Signal) -> RunReport {
    RunReport {
        command: Command::Publish,
        target: inputs.target.clone(),
        folder: String::new(),
        checksums_file: String::new(),
        sealed: Vec::new(),
        aliases: Vec::new(),
        outcomes: Vec::new(),
        plan: task.dry_run.then(Vec::new),
        is_offline: false,
        errors: vec![Box::new(Stopped(signal))],
        page: None,
        stopped: Some(signal),
    }
}

fn wrapped<E>(errors: Vec<E>, wrap: fn(E) -> Rejected) -> Vec<Rejected> {
    errors.into_iter().map(wrap).collect()
}

/// A run on its way.
struct Run<'a> {
    inputs: &'a Inputs,
    task: &'a Publishing,
    context: &'a RunContext<'a>,
    sender: Sender<'a>,
    files: Arc<[NamedFile]>,
    tally: Tally,
    write_access: WriteAccess,
    /// The seal, where there is to be one.
    seal: Option<Seal<'a>>,
    /// What the seal covers, once it holds.
    sealed: Vec<FileName>,
    /// The aliases that are identical to this version now.
    aliases: Vec<Version>,
    /// Other versions that this run has changed, or may have.
    touched: Vec<Version>,
    /// What is told where the run is to end, but for a run that is part of another: what that one tells.
    tells: Option<&'a dyn Fn(Signal) -> RunReport>,
    /// What a real run would do, where this is a dry one.
    plan: Vec<Planned>,
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
    async fn go(mut self) -> RunReport {
        let done = if self.task.dry_run { self.rehearse().await } else { self.publish().await };
        match done {
            Ok(address) => self.ended(address, None),
            Err(Halt::Failed(error)) => {
                self.tally.record_list_failure(*error);
                for alias in std::mem::take(&mut self.aliases) {
                    let version = &self.inputs.target.version;
                    self.context.reporter.warns(&format!(
                        "version {alias} was what {version} was; it is not known now: run the step again"
                    ));
                }
                self.ended(None, None)
            }
            Err(Halt::Stopped(signal)) => {
                self.take_stock(signal).await;
                self.ended(None, Some(signal))
            }
        }
    }

    fn ended(self, address: Option<PublicAddress>, stopped: Option<Signal>) -> RunReport {
        let so_far = self.so_far(stopped);
        let mut errors = self.tally.into_errors();
        for error in &mut errors {
            if let (PublishError::Conflict { page, .. }, Some(address)) = (error, &address) {
                page.clone_from(&address.page);
            }
        }
        let errors = errors.into_iter().map(|error| Box::new(error) as Problem).collect();
        let account = RunReport { errors, ..so_far };
        match address {
            Some(address) => account.linked_at(address),
            None => account,
        }
    }

    /// What has become of the files by now.
    fn so_far(&self, stopped: Option<Signal>) -> RunReport {
        let (target, mut outcomes) = (self.inputs.target.clone(), self.tally.outcomes());
        let (checksums_file, sealed, aliases) = (self.path_of_seal(), self.sealed.clone(), self.aliases.clone());
        outcomes.extend(self.seal_to_come());
        let (command, folder) = (Command::Publish, String::new());
        let plan = self.task.dry_run.then(|| self.plan.clone());
        let (errors, page, is_offline) = (Vec::new(), None, self.inputs.credentials.is_none());
        RunReport {
            command,
            target,
            folder,
            checksums_file,
            sealed,
            aliases,
            outcomes,
            plan,
            is_offline,
            errors,
            page,
            stopped,
        }
    }

    /// Publishes, and does what is left to be done then. Returns the public address of the version, if it exists.
    async fn publish(&mut self) -> Result<Option<PublicAddress>, Halt> {
        Ok(if self.settle().await? { Some(self.crown().await) } else { None })
    }

    /// The files, and then what follows from all that the version has. Returns whether the version exists.
    async fn settle(&mut self) -> Result<bool, Halt> {
        if self.files.is_empty() && self.seal.is_none() {
            return Ok(false);
        }
        let mut listing = self.rounds().await?;
        if self.seal.is_some() {
            listing = match self.seal_and_mirror(listing).await? {
                Sealed::Holds(listing) => {
                    self.sealed = self.covered(&listing);
                    listing
                }
                Sealed::Not(listing) => {
                    self.mark_checksums_outdated();
                    self.tell_of_aliases(&listing).await;
                    listing
                }
            };
        }
        self.warn_of_a_stale_seal(&listing);
        Ok(listing.version_exists)
    }

    /// Seals the version and makes its aliases the same; once more where others have changed it meanwhile.
    async fn seal_and_mirror(&mut self, mut listing: Listing) -> Result<Sealed, Halt> {
        for _ in 0..seal::MOST {
            let sealed = match self.seal(listing).await? {
                Sealed::Holds(sealed) if self.has_aliases() => sealed,
                other => return Ok(other),
            };
            self.mirror(&sealed).await?;
            if self.tally.has_failed() {
                return Ok(Sealed::Holds(sealed));
            }
            listing = self.rounds().await?;
            if self.seal_alone_was_overtaken() {
                continue;
            }
            if self.tally.has_failed() {
                return Ok(Sealed::Not(listing));
            }
            if listing.files() == sealed.files() {
                return Ok(Sealed::Holds(listing));
            }
        }
        self.give_up_checksums();
        Ok(Sealed::Not(listing))
    }

    /// The way of the files, in rounds: a look at the registry, then what follows from it, until nothing does. Whatever
    /// goes wrong is settled by the next look, and every round that is not the last costs tries. Returns what the last
    /// look has shown.
    async fn rounds(&mut self) -> Result<Listing, Halt> {
        let stop = self.context.stop.clone();
        let mut listing = stop.or(self.look()).await??;
        // With any conflict nothing is sent.
        if self.tally.has_failed() {
            return Ok(listing);
        }
        loop {
            let queue = self.tally.to_send();
            let sends_seal = self.seal.as_ref().is_some_and(|seal| queue.contains(&seal.index));
            if self.tally.is_hopeless() || sends_seal && !self.still_fits(&listing).await {
                return Ok(listing);
            } else if !queue.is_empty() {
                stop.or(self.send(queue, listing.version_exists)).await?;
            } else if let Some((index, seen)) = self.tally.to_replace()
                && !self.tally.has_failed()
            {
                if !stop.or(self.check_write_access()).await? {
                    return Ok(listing);
                }
                self.replace(index, seen).await?;
            } else {
                return Ok(listing);
            }
            listing = stop.or(self.look()).await??;
        }
    }

    /// Sends files, each once, and waits before what has to be tried again.
    async fn send(&mut self, mut queue: Vec<usize>, version_exists: bool) {
        queue.sort_by_key(|&index| self.files[index].local.size);
        let mut queue = VecDeque::from(queue);
        let mut stumbled = Vec::new();
        if self.upload_first(&mut queue, version_exists, &mut stumbled).await {
            self.send_rest(queue, &mut stumbled).await;
        }
        let wait = self.tally.try_again(&stumbled, self.sender.registry);
        tokio::time::sleep(wait).await;
    }

    /// Uploads file after file, until the version exists and write access is known; `false` if the others would fail too.
    /// Several uploads must not create a version at once: Gitea 1.22 and 1.24 on PostgreSQL answer 500 to some
    /// (recorded). The smallest file goes first, because it shows soonest what the others would meet.
    async fn upload_first(
        &mut self,
        queue: &mut VecDeque<usize>,
        mut version_exists: bool,
        stumbled: &mut Vec<usize>,
    ) -> bool {
        let sizes: Vec<u64> = self.files.iter().map(|file| file.local.size).collect();
        let is_large = |index: &usize| sizes[*index] > LARGE;
        while let Some(&next) = queue.front() {
            let asks_first = is_large(&next) || version_exists && queue.iter().any(is_large);
            if asks_first && !self.check_write_access().await {
                return false;
            }
            if version_exists && (!asks_first || self.write_access == WriteAccess::Confirmed) {
                break;
            }
            queue.pop_front();
            self.tally.entries[next].begins();
            let result = self.sender.upload(&self.files[next]).await;
            if result.is_ok() {
                version_exists = true;
                self.write_access = WriteAccess::Confirmed;
            }
            if self.record(next, result, stumbled) {
                return false;
            }
        }
        true
    }

    /// Sends many at once; the largest first, so that none of them is left to run alone at the end. What is known of
    /// each is put down at once, since the run may end at any time.
    async fn send_rest(&mut self, mut queue: VecDeque<usize>, stumbled: &mut Vec<usize>) {
        let sender = self.sender;
        let files = Arc::clone(&self.files);
        let upload = async |index: usize| (index, sender.upload(&files[index]).await);
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.inputs.concurrency
                && let Some(index) = queue.pop_back()
            {
                self.tally.entries[index].begins();
                running.push(upload(index));
            }
            let Some((index, result)) = running.next().await else { return };
            if self.record(index, result, stumbled) {
                queue.clear();
            }
        }
    }

    /// Takes note of what a try came to; `true` where every other file would meet the same now.
    fn record(&mut self, index: usize, result: Result<Sha256, Stumble>, stumbled: &mut Vec<usize>) -> bool {
        let entry = &mut self.tally.entries[index];
        match result {
            Ok(sha256) => {
                entry.mark_accepted(sha256);
                false
            }
            Err(stumble) => {
                let ends_round = stumble.error.meets_every_file();
                entry.stumbles(stumble);
                stumbled.push(index);
                ends_round
            }
        }
    }

    /// What is left when the files are done: the link, if it is asked for and all is well, and the public
    /// address of the version.
    async fn crown(&self) -> PublicAddress {
        let is_complete = self.tally.errors.is_empty() && self.so_far(None).is_complete();
        let about = match self.task.link_repository.as_ref().filter(|_| is_complete) {
            Some(repository) => self.context.stop.or(self.link(repository)).await.unwrap_or_else(|signal| {
                let named = self.named(repository);
                let warning =
                    format!("{signal} came before the package was linked to {named}; run the step again for it");
                self.context.reporter.warns(&warning);
                None
            }),
            None => self.ask_about().await,
        };
        self.address_by(about.as_ref())
    }

    /// What the registry says of the version. It is asked for its page alone, so once, and not for long.
    async fn ask_about(&self) -> Option<About> {
        let asked = tokio::time::timeout(PATIENCE, self.sender.registry.about_at_once());
        match self.context.stop.or(asked).await {
            Ok(Ok(Ok(about))) => return Some(about),
            Ok(Ok(Err(error))) => self.warns_of_page(&error),
            Ok(Err(_)) => self.context.reporter.warns("the registry does not say where the version's page is"),
            // All is done, and the runner waits for our end.
            Err(_) => {}
        }
        None
    }

    /// Returns the public address of the version. If the registry does not give it, that is no failure: `server-url` leads to
    /// the same forge.
    fn address_by(&self, about: Option<&About>) -> PublicAddress {
        let Some(about) = about else { return self.inputs.target.address() };
        self.sender.registry.public_address(about).unwrap_or_else(|error| {
            self.warns_of_page(&error);
            self.inputs.target.address()
        })
    }

    fn warns_of_page(&self, error: &RegistryError) {
        self.context
            .reporter
            .warns(&format!("{error} ({}); the link to the version's page is the usual one", error.cause));
    }
}
