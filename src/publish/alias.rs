//! Aliases such as `latest`: other versions that are made identical to this one, its checksums file included.
//!
//! It is the loop of [`execute`](super::execute) on another version, with that one's list as what is desired, and extra files
//! deleted. The checksums come last. A list that comes after all that tells whether the alias is identical: of two runs at
//! once the one that lists last has either made the alias whole, or fails.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::error::PublishError;
use super::execute::{LAST_LIST, VersionRun};
use super::follow::{Stay, reason_to_stay, tell_of_stay};
use super::tracked::Tracked;
use super::{Halt, Job, Run};
use crate::checksum::Sha256;
use crate::download::{Expected, Fetcher, Item};
use crate::files::{Content, FETCHED_FOLDER, FileError, FileFault, Folder};
use crate::inputs::IfFileExists;
use crate::listing::{Listing, RegistryFile, VersionRow};
use crate::package::{BadName, FileName, Version};
use crate::plan::{Desired, Diff, Extras, Op, plan};
use crate::registry::Registry;
use crate::report::{Status, VerifiedBy};
use crate::state::State;
use crate::stop::Signal;
use crate::units;

/// How often an alias is updated because other jobs change it meanwhile.
const MOST: u32 = 3;

/// Why an alias is not identical to the version.
enum End {
    Failed(Vec<PublishError>),
    /// A signal came, and this had failed by then.
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

/// The files of a version as those that an alias is to have.
pub(super) fn desired(version: &Listing, checksums: &FileName) -> Result<Vec<Desired>, BadName> {
    let files = version.files().into_iter().map(|file| {
        let name = FileName::parse(&file.name)?;
        let is_last = name.folded() == checksums.folded();
        let (sha256, is_exact) = (Some(file.sha256), true);
        Ok(Desired { sha256, is_exact, is_last, ..Desired::new(name, file.size, IfFileExists::Overwrite) })
    });
    files.collect()
}

/// The files of an alias, compared with those of the version.
pub(super) struct Compared {
    /// The operation for each desired file, and then for each extra file.
    pub(super) ops: Vec<Op>,
    pub(super) diff: Diff,
}

impl Compared {
    pub(super) fn of(desired: &[Desired], there: &Listing) -> Self {
        let files = desired.iter().map(|file| (file, &State::Planned));
        let ops = plan(files, there, Extras::Delete(there));
        Self { diff: Diff::of(&ops), ops }
    }

    /// The extra files, once it is certain that each can be deleted.
    pub(super) fn extras(&self) -> Result<Vec<&RegistryFile>, BadName> {
        let extras = self.ops.iter().filter_map(|op| match op {
            Op::Delete(extra) => Some(FileName::parse(&extra.name).map(|_| extra)),
            _ => None,
        });
        extras.collect()
    }
}

impl Run<'_> {
    /// Makes every alias identical to the version, of which that is the list. The first that fails is the last.
    pub(super) async fn update_aliases(&mut self, version: &Listing) -> Result<(), Halt> {
        let Some(checksums) = &self.job.task.checksums else { return Ok(()) };
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        self.results.aliases.clear();
        let mut versions = None;
        let desired = desired(version, &checksums.name).map_err(PublishError::UnsafeName)?;
        let mut store = Store { own: folder, below: None, names: Vec::new(), files: HashMap::new() };
        for (index, alias) in checksums.aliases.iter().enumerate() {
            let registry = self.version.registry.of_version(alias.clone());
            let update = Update { main: self, registry: &registry, desired: &desired };
            let end = Box::pin(update.run(&mut store, &mut versions)).await;
            if matches!(end, Ok(Updated::Stays)) {
                continue;
            }
            if !self.results.touched.contains(alias) {
                self.results.touched.push(alias.clone());
            }
            let (mut errors, signal) = match end {
                Ok(_) => {
                    self.results.aliases.push(alias.clone());
                    continue;
                }
                Err(End::Failed(errors)) => (errors, None),
                Err(End::Stopped(signal, errors)) => (errors, Some(signal)),
            };
            let rest = errors.split_off(errors.len().min(1));
            if self.tell_of_alias(alias, &desired, errors.pop().map(Box::new)).await {
                self.results.aliases.push(alias.clone());
                if signal.is_none() {
                    continue;
                }
            } else {
                self.version.errors.extend(rest);
            }
            for other in &checksums.aliases[index + 1..] {
                if self.results.touched.contains(other) {
                    self.tell_of_alias(other, &desired, None).await;
                } else {
                    self.job.context.reporter.notes(&format!("alias {other} was not changed"));
                }
            }
            return signal.map_or(Ok(()), |signal| Err(signal.into()));
        }
        Ok(())
    }

    /// Says what the aliases have that were made identical to the version before it changed; that is its list now.
    pub(super) async fn tell_of_aliases(&mut self, version: &Listing) {
        let Some(checksums) = &self.job.task.checksums else { return };
        let desired = desired(version, &checksums.name);
        for alias in std::mem::take(&mut self.results.aliases) {
            let is_right = match &desired {
                Ok(desired) => self.tell_of_alias(&alias, desired, None).await,
                Err(_) => false,
            };
            if is_right {
                self.results.aliases.push(alias);
            }
        }
    }

    /// Says what an alias has now, and why, if it is not what it should be. Returns whether it is, whatever has failed on
    /// the way.
    async fn tell_of_alias(&mut self, alias: &Version, desired: &[Desired], cause: Option<Box<PublishError>>) -> bool {
        let registry = self.version.registry.of_version(alias.clone());
        let listed = tokio::time::timeout(LAST_LIST, registry.files_now()).await;
        let state = listed.ok().and_then(Result::ok).map(|there| Compared::of(desired, &there).diff);
        let (alias, version) = (alias.clone(), self.job.inputs.target.version.clone());
        let is_right = state.is_some_and(Diff::is_empty);
        if is_right {
            self.job.context.reporter.announces(&format!("Alias {alias} matches {version}"));
        } else {
            self.version.errors.push(PublishError::AliasDiffers { alias, version, state, cause });
        }
        is_right
    }
}

/// The result of an update without a failure.
enum Updated {
    Identical,
    /// It is not updated by this version.
    Stays,
}

/// The update of one alias.
struct Update<'m, 'r> {
    main: &'m Run<'r>,
    registry: &'m Registry<'r>,
    desired: &'m [Desired],
}

impl Update<'_, '_> {
    /// Lists the alias, and updates it, until it is identical.
    async fn run(&self, store: &mut Store, versions: &mut Option<Vec<VersionRow>>) -> Result<Updated, End> {
        let job = self.main.job;
        let reporter = job.context.reporter;
        let (alias, version) = (&self.registry.target().version, &job.inputs.target.version);
        let mut retries = self.registry.retries();
        for round in 0..=MOST {
            let mut compared = self.compare().await?;
            if round > 0 && !compared.diff.is_empty() {
                let what = format!("alias {alias}");
                let why = format!("another job changed it, or its list is out of date: {}", compared.diff);
                self.main.wait_for_others(&mut retries, &what, &why).await?;
                compared = self.compare().await?;
            }
            if compared.diff.is_empty() {
                let count = units::files(compared.diff.identical);
                reporter.announces(&format!("Alias {alias} matches {version}: {count}"));
                return Ok(Updated::Identical);
            }
            if round == MOST {
                break;
            }
            match job.context.stop.or(reason_to_stay(&self.main.version.registry, version, alias, versions)).await?? {
                // What this run has written may be a part of a mixture.
                Some(Stay { release: Some(release), .. }) if round > 0 => {
                    return Err(PublishError::Outrun { alias: alias.clone(), release }.into());
                }
                Some(stay) => {
                    tell_of_stay(job, alias, &stay);
                    return Ok(Updated::Stays);
                }
                None => {}
            }
            if round == 0 {
                reporter.announces(&format!("Updating alias {alias} to {version}: {}", compared.diff));
            }
            self.execute(&compared, store).await?;
            // Uploads take time, and the job of a higher release may have ended meanwhile.
            *versions = None;
        }
        let (alias, times) = (alias.clone(), MOST);
        Err(PublishError::Unsettled { alias, times }.into())
    }

    /// Lists what the alias has now.
    async fn compare(&self) -> Result<Compared, End> {
        let there = self.main.job.context.stop.or(self.registry.files()).await??;
        Ok(Compared::of(self.desired, &there))
    }

    /// Uploads, replaces and deletes what differs, once. If another job was faster, the next list tells what is left.
    async fn execute(&self, compared: &Compared, store: &mut Store) -> Result<(), End> {
        // Before anything changes.
        let extras = compared
            .extras()
            .map_err(PublishError::UnsafeName)?
            .into_iter()
            .cloned()
            .fold(Listing::default(), Listing::with);
        let differs = |op: &Op| matches!(op, Op::Upload | Op::Replace(_));
        let to_send =
            self.desired.iter().zip(&compared.ops).filter(|(_, op)| differs(op)).map(|(file, _)| file.clone());
        let contents = store.download(self.main, to_send.collect()).await?;
        let job = self.main.job;
        let prefix = format!("{}/", self.registry.target().version);
        let mut run = VersionRun::new(self.registry.clone(), job.context, job.inputs.concurrency, contents, &prefix);
        run.write_access = self.main.version.write_access;
        run.extras = Some(extras);
        let save = |_: &VersionRun<'_>, signal| (job.context.save)(self.main.report(Some(signal)));
        let settled = run.settle(async |_: &Content, _: &Listing| true, &save).await;
        match settled {
            Ok(_) if run.errors.is_empty() && run.files.iter().all(Tracked::is_verified) => Ok(()),
            settled => unsettled(run, settled.err()),
        }
    }
}

/// Decides what follows if something has failed: another round, if other jobs were faster and nothing else failed.
fn unsettled(mut run: VersionRun<'_>, halt: Option<Halt>) -> Result<(), End> {
    match halt {
        Some(Halt::Stopped(signal)) => return Err(End::Stopped(signal, run.into_errors())),
        Some(Halt::Failed(error)) => run.record_list_failure(*error),
        None => {}
    }
    let was_overtaken = run.files.iter().any(Tracked::was_overtaken);
    // What was not attempted waited for what was overtaken.
    let is_at_fault =
        |file: &Tracked| !file.is_verified() && file.status() != Status::NotAttempted && !file.was_overtaken();
    if run.errors.is_empty() && was_overtaken && !run.files.iter().any(is_at_fault) {
        return Ok(());
    }
    let mut errors = run.into_errors();
    // What the alias has is told for all of its files.
    errors.retain(|error| !matches!(error, PublishError::NotVerified { .. }));
    Err(End::Failed(errors))
}

/// The contents of the version's files: those of this run, and those that were downloaded.
struct Store {
    own: Arc<Folder>,
    /// The folder that files are downloaded to, once there is one.
    below: Option<Arc<Folder>>,
    /// The files that may be in it.
    names: Vec<FileName>,
    files: HashMap<Sha256, Content>,
}

impl Store {
    /// Returns these files with their contents. What this run has not published itself is downloaded.
    async fn download(&mut self, main: &Run<'_>, wanted: Vec<Desired>) -> Result<Vec<(Desired, Content)>, End> {
        let mut items: HashMap<Sha256, Item> = HashMap::new();
        for file in &wanted {
            let Some(sha256) = file.sha256 else { continue };
            if at_hand(main, file).is_none() && !self.files.contains_key(&sha256) {
                // Locally, its name is its hash, because any name is allowed on the registry.
                let here = FileName::parse(&sha256.to_string()).map_err(PublishError::UnsafeName)?;
                let expected = Expected { size: Some(file.size), sha256: Some(sha256), by: VerifiedBy::Registry };
                items.entry(sha256).or_insert(Item { name: file.name.clone(), here, expected, is_executable: false });
            }
        }
        let mut items: Vec<Item> = items.into_values().collect();
        items.sort_by(|one, other| one.name.cmp(&other.name));
        self.fetch(main, items).await?;
        let files = wanted.into_iter().map(|file| {
            let content = at_hand(main, &file).or_else(|| self.files.get(&file.sha256?)).cloned();
            let path = || self.own.place().below(FETCHED_FOLDER).within.join(file.name.as_str());
            let content = content.ok_or_else(|| FileError { path: path(), fault: FileFault::Gone })?;
            Ok((file, content))
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
        let Job { inputs, context, .. } = main.job;
        let fetcher = Fetcher { registry: &main.version.registry, reporter: context.reporter, folder: &folder };
        let fetch = async |item| fetcher.fetch(item).await.map(|(_, sha256)| (item, sha256));
        let mut running = stream::iter(&items).map(fetch).buffer_unordered(inputs.concurrency);
        while let Some(result) = context.stop.or(running.next()).await? {
            let (item, sha256) = result.map_err(Box::new)?;
            if let Some(file) = folder.find(&item.here)? {
                self.files.insert(sha256, Content::File(file));
            }
        }
        Ok(())
    }
}

/// Returns the content of a file of this run, if one has that content.
fn at_hand<'r>(main: &'r Run<'_>, wanted: &Desired) -> Option<&'r Content> {
    let is_wanted = |file: &&Tracked| {
        file.is_verified() && file.desired.size == wanted.size && file.desired.sha256 == wanted.sha256
    };
    main.version.files.iter().find(is_wanted).map(|file| &file.content)
}

impl Drop for Store {
    /// Deletes the downloaded files.
    fn drop(&mut self) {
        if let Some(below) = &self.below {
            for name in &self.names {
                below.remove(name);
            }
            self.own.remove_empty(FETCHED_FOLDER);
        }
    }
}
