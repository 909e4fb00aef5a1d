//! Aliases such as `latest`: other versions that become, file by file, what the sealed version is.
//!
//! What is there already stays untouched, what is new is added, what is other is replaced one by one, what is left over is
//! deleted, and the checksums come last. A look that comes after all that tells whether it is so: of two runs at once the one
//! that looks last has either made the version whole, or fails.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::error::PublishError;
use super::follow::Stay;
use super::seal::Seal;
use super::send::Sender;
use super::tally::Tally;
use super::verify::LAST_LOOK;
use super::work::{Counts, Work};
use super::{Entry, Halt, Run};
use crate::checksum::Sha256;
use crate::download::{Expected, Fetcher, Item};
use crate::files::{FETCHED_FOLDER, FileError, FileFault, Folder, Found, LocalFile};
use crate::inputs::IfFileExists;
use crate::listing::{Listing, RegistryFile, VersionRow};
use crate::package::{FileName, Version};
use crate::plan::NamedFile;
use crate::registry::{Cause, Next, Refusal, Registry};
use crate::report::{Status, VerifiedBy};
use crate::stop::Signal;
use crate::units;

/// How often an alias is brought to what the version is, where others change it meanwhile.
const MOST: u32 = 3;

/// Why an alias is not what it should be.
enum End {
    Failed(Vec<PublishError>),
    /// Somebody asked the run to end, and this had failed by then.
    Stopped(Signal, Vec<PublishError>),
}

impl From<Signal> for End {
    fn from(signal: Signal) -> Self {
        Self::Stopped(signal, Vec::new())
    }
}

impl<E: Into<PublishError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Failed(vec![error.into()])
    }
}

impl Run<'_> {
    /// Makes every alias what the version is, of which that is the list. The first that fails is the last.
    pub(super) async fn mirror(&mut self, source: &Listing) -> Result<(), Halt> {
        let Some(Seal { sealing, ref folder, .. }) = self.seal else { return Ok(()) };
        let aliases = &sealing.aliases;
        self.aliases.clear();
        let mut versions = None;
        let mut store = Store { own: Arc::clone(folder), below: None, names: Vec::new(), files: HashMap::new() };
        for (index, alias) in aliases.iter().enumerate() {
            let registry = self.sender.registry.of_version(alias.clone());
            let mirror = Mirror { main: self, registry: &registry, source, seal: &sealing.name };
            let end = Box::pin(mirror.bring(&mut store, &mut versions)).await;
            if matches!(end, Ok(Brought::Stays)) {
                continue;
            }
            if !self.touched.contains(alias) {
                self.touched.push(alias.clone());
            }
            let (mut errors, signal) = match end {
                Ok(_) => {
                    self.aliases.push(alias.clone());
                    continue;
                }
                Err(End::Failed(errors)) => (errors, None),
                Err(End::Stopped(signal, errors)) => (errors, Some(signal)),
            };
            let rest = errors.split_off(errors.len().min(1));
            if self.tell_of_alias(alias, source, errors.pop().map(Box::new)).await {
                self.aliases.push(alias.clone());
                if signal.is_none() {
                    continue;
                }
            } else {
                self.tally.errors.extend(rest);
            }
            for other in &aliases[index + 1..] {
                if self.touched.contains(other) {
                    self.tell_of_alias(other, source, None).await;
                } else {
                    self.context.reporter.notes(&format!("version {other} is as it was"));
                }
            }
            return signal.map_or(Ok(()), |signal| Err(signal.into()));
        }
        Ok(())
    }

    /// Says what the aliases have that were made what the version was before it changed; that is its list now.
    pub(super) async fn tell_of_aliases(&mut self, source: &Listing) {
        for alias in std::mem::take(&mut self.aliases) {
            if self.tell_of_alias(&alias, source, None).await {
                self.aliases.push(alias);
            }
        }
    }

    /// Says what an alias has now, and why, where it is not what it should be. Returns whether it is, whatever has failed on
    /// the way.
    async fn tell_of_alias(&mut self, alias: &Version, source: &Listing, cause: Option<Box<PublishError>>) -> bool {
        let registry = self.sender.registry.of_version(alias.clone());
        let looked = tokio::time::timeout(LAST_LOOK, registry.files_now()).await;
        let state = looked.ok().and_then(Result::ok).map(|there| Counts::of(source, &there));
        let (alias, version) = (alias.clone(), self.inputs.target.version.clone());
        let is_right = state.is_some_and(Counts::are_all_the_same);
        if is_right {
            self.context.reporter.notes(&format!("version {alias} is what {version} is"));
        } else {
            self.tally.errors.push(PublishError::NotMirrored { alias, version, state, cause });
        }
        is_right
    }
}

/// What has become of an alias, if nothing has failed.
enum Brought {
    Identical,
    /// It is not updated by this version.
    Stays,
}

/// One alias on its way.
struct Mirror<'m, 'r> {
    main: &'m Run<'r>,
    registry: &'m Registry<'r>,
    source: &'m Listing,
    seal: &'m FileName,
}

impl Mirror<'_, '_> {
    /// In rounds, each with a look at first: what the alias has, and what follows from that.
    async fn bring(&self, store: &mut Store, versions: &mut Option<Vec<VersionRow>>) -> Result<Brought, End> {
        let reporter = self.main.context.reporter;
        let (alias, version) = (&self.registry.target().version, &self.main.inputs.target.version);
        let mut waits = self.registry.budget();
        for round in 0..=MOST {
            let there = self.look().await?;
            let mut work = self.work_on(&there);
            if round > 0 && !work.is_done() {
                let what = format!("version {alias}");
                let why = format!("another job has changed it meanwhile, or its list is behind: {}", work.counts);
                self.main.waits_for_others(&mut waits, &what, &why).await?;
                work = self.work_on(&self.look().await?);
            }
            if work.is_done() {
                let count = units::files(work.counts.same);
                reporter.notes(&format!("version {alias} is what {version} is: {count}"));
                return Ok(Brought::Identical);
            }
            if round == MOST {
                break;
            }
            match self.main.context.stop.or(self.main.reason_to_stay(alias, versions)).await?? {
                // What this run has written may be a part of a mixture.
                Some(Stay { release: Some(release), .. }) if round > 0 => {
                    return Err(PublishError::Outrun { alias: alias.clone(), release }.into());
                }
                Some(stay) => {
                    self.main.tell_of_stay(alias, &stay);
                    return Ok(Brought::Stays);
                }
                None => {}
            }
            if round == 0 {
                reporter.notes(&format!("version {alias} becomes what {version} is: {}", work.counts));
            }
            self.carry_out(work, store).await?;
            // Uploads take time, and the job of a higher release may have ended meanwhile.
            *versions = None;
        }
        let (alias, times) = (alias.clone(), MOST);
        Err(PublishError::Unsettled { alias, times }.into())
    }

    /// What the alias has now.
    async fn look(&self) -> Result<Listing, End> {
        Ok(self.main.context.stop.or(self.registry.files()).await??)
    }

    /// What is to be done, where that is what the alias has.
    fn work_on(&self, there: &Listing) -> Work {
        Work::of(self.source, there, self.seal)
    }

    /// Does what is to be done, once. Where another job was faster, the next look tells what is left.
    async fn carry_out(&self, work: Work, store: &mut Store) -> Result<(), End> {
        // Before anything changes.
        let parsed = work.strays.iter().map(|stray| Ok((FileName::parse(&stray.name)?, stray)));
        let strays: Vec<_> = parsed.collect::<Result<_, _>>().map_err(PublishError::Undeletable)?;
        let files: Arc<[NamedFile]> = store.have(self.main, &work.to_send).await?.into();
        let seal = store.have(self.main, work.seal.as_slice()).await?.pop();
        let tells = |signal| self.main.so_far(Some(signal));
        let mut run = Run {
            inputs: self.main.inputs,
            task: self.main.task,
            context: self.main.context,
            sender: Sender { registry: self.registry, reporter: self.main.context.reporter },
            tally: Tally::new(&files, self.registry, IfFileExists::Overwrite),
            files,
            write_access: self.main.write_access,
            seal: None,
            sealed: Vec::new(),
            aliases: Vec::new(),
            touched: Vec::new(),
            tells: Some(&tells),
            plan: Vec::new(),
        };
        if !run.files.is_empty() {
            let went = run.rounds().await;
            if went.is_err() || !is_settled(&run.tally) {
                return unsettled(run.tally, went.err());
            }
        }
        self.clear(&strays).await?;
        if let Some(seal) = seal {
            run.adds_last(run.files.len(), seal);
            let went = run.rounds().await;
            if went.is_err() || !is_settled(&run.tally) {
                return unsettled(run.tally, went.err());
            }
        }
        Ok(())
    }

    /// Deletes what is left over: only what was seen, as it was seen.
    async fn clear(&self, strays: &[(FileName, &RegistryFile)]) -> Result<(), End> {
        let stop = &self.main.context.stop;
        for (name, stray) in strays {
            self.main.context.reporter.notes(&format!("deleting `{name}`, which is left over"));
            let mut budget = self.registry.budget();
            loop {
                let there = stop.or(self.registry.files()).await??;
                if there.find(name) != Some(*stray) {
                    break;
                }
                let error = match stop.or(self.registry.remove(name)).await? {
                    Ok(()) => break,
                    Err(error) => error,
                };
                // Somebody else was faster.
                if matches!(error.cause, Cause::Refused { refusal: Refusal::NotThere, .. }) {
                    break;
                }
                if error.next() == Next::Final || !stop.or(self.registry.wait(&mut budget, &error)).await? {
                    return Err(error.after(budget.tries()).into());
                }
            }
        }
        Ok(())
    }
}

/// Whether nothing has failed.
fn is_settled(tally: &Tally) -> bool {
    tally.errors.is_empty() && tally.entries.iter().all(|entry| entry.outcome.status.is_in_place())
}

/// What follows where something has failed: another round, where other jobs were faster and nothing else was.
fn unsettled(mut tally: Tally, halt: Option<Halt>) -> Result<(), End> {
    match halt {
        Some(Halt::Stopped(signal)) => return Err(End::Stopped(signal, tally.into_errors())),
        Some(Halt::Failed(error)) => {
            tally.errors.push(*error);
            // What the alias has is told for all of its files.
            for entry in &mut tally.entries {
                if entry.mark_unverified().is_some() {
                    entry.error = None;
                }
            }
        }
        None => {}
    }
    let was_overtaken = tally.entries.iter().any(Entry::was_overtaken);
    // What was not attempted waited for what was overtaken.
    let is_at_fault = |entry: &Entry| {
        let status = entry.outcome.status;
        !status.is_in_place() && status != Status::NotAttempted && !entry.was_overtaken()
    };
    if tally.errors.is_empty() && was_overtaken && !tally.entries.iter().any(is_at_fault) {
        return Ok(());
    }
    Err(End::Failed(tally.into_errors()))
}

/// What is at hand of the version's files: those of this run, and those that were fetched.
struct Store {
    own: Arc<Folder>,
    /// The folder that files are fetched to, once there is one.
    below: Option<Arc<Folder>>,
    /// What may lie in it.
    names: Vec<FileName>,
    files: HashMap<Sha256, LocalFile>,
}

impl Store {
    /// Has these files of the version at hand. What this run has not published itself is fetched, and counts as a
    /// download.
    async fn have(&mut self, main: &Run<'_>, wanted: &[RegistryFile]) -> Result<Vec<NamedFile>, End> {
        let mut to_fetch: Vec<Item> = Vec::new();
        let mut named = Vec::new();
        for file in wanted {
            let name = FileName::parse(&file.name).map_err(PublishError::Undeletable)?;
            let is_known = self.files.contains_key(&file.sha256)
                || to_fetch.iter().any(|item| item.expected.sha256 == Some(file.sha256));
            if at_hand(main, file).is_none() && !is_known {
                // Whatever it is called on the registry, it may lie here under its hash.
                let here = FileName::parse(&file.sha256.to_string()).map_err(PublishError::Undeletable)?;
                let expected = Expected { size: Some(file.size), sha256: Some(file.sha256), by: VerifiedBy::Registry };
                to_fetch.push(Item { name: name.clone(), here, expected, is_executable: false });
            }
            named.push(name);
        }
        self.fetch(main, to_fetch).await?;
        let files = wanted.iter().zip(named).map(|(file, name)| {
            let local = at_hand(main, file).or_else(|| self.files.get(&file.sha256)).cloned();
            let path = || self.own.place().below(FETCHED_FOLDER).within.join(file.sha256.to_string());
            let local = local.ok_or_else(|| FileError { path: path(), fault: FileFault::Gone })?;
            Ok(NamedFile { local, name, is_exact: true })
        });
        files.collect()
    }

    async fn fetch(&mut self, main: &Run<'_>, items: Vec<Item>) -> Result<(), End> {
        if items.is_empty() {
            return Ok(());
        }
        if self.below.is_none() {
            let below = Folder::make(&self.own.place().below(FETCHED_FOLDER))?;
            below.empty();
            self.below = Some(Arc::new(below));
        }
        let Some(folder) = self.below.clone() else { return Ok(()) };
        self.names.extend(items.iter().map(|item| item.here.clone()));
        let fetcher = Fetcher { registry: main.sender.registry, reporter: main.context.reporter, folder: &folder };
        let fetch = async |item| fetcher.fetch(item).await.map(|(_, sha256)| (item, sha256));
        let mut running = stream::iter(&items).map(fetch).buffer_unordered(main.inputs.concurrency);
        while let Some(result) = main.context.stop.or(running.next()).await? {
            let (item, sha256) = result.map_err(Box::new)?;
            if let Found::File(file) = folder.find(&item.here)? {
                self.files.insert(sha256, file);
            }
        }
        Ok(())
    }
}

/// The file of this run that has that content, where one has.
fn at_hand<'r>(main: &'r Run<'_>, wanted: &RegistryFile) -> Option<&'r LocalFile> {
    let mut known = main.files.iter().zip(&main.tally.entries);
    let holds = |entry: &Entry| entry.outcome.sha256.is_some_and(|sha256| wanted.holds(entry.size, sha256));
    known.find(|(_, entry)| entry.outcome.status.is_in_place() && holds(entry)).map(|(file, _)| &file.local)
}

impl Drop for Store {
    /// What was fetched is of no use to anybody else.
    fn drop(&mut self) {
        if let Some(below) = &self.below {
            for name in &self.names {
                below.remove(name);
            }
            self.own.remove_empty(FETCHED_FOLDER);
        }
    }
}
