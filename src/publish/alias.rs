//! Aliases such as `latest`: other versions that are made identical to this one, its checksums file included.
//!
//! An update runs the loop of [`execute`](super::execute) on the alias. The desired files are those of the version,
//! and extra files are deleted. The checksums file comes last. A final list shows whether the alias is identical. If
//! two runs update an alias at the same time, the run that lists last has completed the alias, or fails.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::error::PublishError;
use super::execute::{LAST_LIST_TIMEOUT, VersionRun};
use super::follow::{NoUpdate, announce_no_update, reason_not_to_update};
use super::tracked::Tracked;
use super::{Halt, Job, Run, save};
use crate::checksum::Sha256;
use crate::download::{Expected, Fetcher, Item};
use crate::files::{ALIAS_DOWNLOADS, Content, FileError, FileFault, Folder};
use crate::inputs::IfFileExists;
use crate::listing::{Listing, RegistryFile, VersionRow};
use crate::package::{BadName, FileName, Version};
use crate::plan::{Desired, Diff, Op, plan};
use crate::registry::Registry;
use crate::report::{Status, VerifiedBy};
use crate::state::State;
use crate::stop::Signal;
use crate::units;

/// The maximum number of updates of an alias while other jobs change it.
const MOST_ATTEMPTS: u32 = 3;

/// Returns the files of a version as the desired files of an alias.
pub(super) fn desired(version: &Listing, checksums: &FileName) -> Result<Vec<Desired>, BadName> {
    let files = version.files().into_iter().map(|file| {
        let name = FileName::parse(&file.name)?;
        let is_checksums_file = name.folded() == checksums.folded();
        let (sha256, is_exact) = (Some(file.sha256), true);
        Ok(Desired { sha256, is_exact, is_checksums_file, ..Desired::new(name, file.size, IfFileExists::Overwrite) })
    });
    files.collect()
}

/// The files of an alias, compared with those of the version.
pub(super) struct Comparison {
    /// The operation for each desired file, and then for each extra file.
    pub(super) ops: Vec<Op>,
    pub(super) diff: Diff,
}

impl Comparison {
    pub(super) fn of(desired: &[Desired], listing: &Listing) -> Self {
        let files = desired.iter().map(|file| (file, &State::Planned));
        let ops = plan(files, listing, Some(listing));
        Self { diff: Diff::of(&ops), ops }
    }

    /// Returns the extra files, or an error if one cannot be deleted because of its name.
    pub(super) fn extras(&self) -> Result<Vec<&RegistryFile>, BadName> {
        let extras = self.ops.iter().filter_map(|op| match op {
            Op::Delete(extra) => Some(FileName::parse(&extra.name).map(|_| extra)),
            _ => None,
        });
        extras.collect()
    }

    /// Returns the desired files that are missing or different.
    fn to_upload(&self, desired: &[Desired]) -> Vec<Desired> {
        let differs = |op: &Op| matches!(op, Op::Upload | Op::Replace(_));
        desired.iter().zip(&self.ops).filter(|(_, op)| differs(op)).map(|(file, _)| file.clone()).collect()
    }
}

impl Run<'_> {
    /// Makes every alias identical to the listed version. Stops at the first alias that fails.
    pub(super) async fn update_aliases(&mut self, version: &Listing) -> Result<(), Halt> {
        let Some(checksums) = &self.job.task.checksums else { return Ok(()) };
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        self.report.aliases.clear();
        let mut versions = None;
        let desired = desired(version, &checksums.name).map_err(PublishError::UnsafeName)?;
        let mut store = Store::new(&self.version, folder);
        for (index, alias) in checksums.aliases.iter().enumerate() {
            let registry = self.version.registry.for_version(alias.clone());
            let updated = Box::pin(self.update_alias(&registry, &desired, &mut store, &mut versions)).await;
            if matches!(updated, Ok(false)) {
                continue;
            }
            if !self.changed_aliases.contains(alias) {
                self.changed_aliases.push(alias.clone());
            }
            let Err(Halt { errors, signal }) = updated else {
                self.report.aliases.push(alias.clone());
                continue;
            };
            let mut errors = errors.into_iter();
            if self.compare_alias(alias, &desired, errors.next().map(Box::new), signal).await {
                self.report.aliases.push(alias.clone());
                if signal.is_none() {
                    continue;
                }
            } else {
                self.version.errors.extend(errors);
            }
            for other in &checksums.aliases[index + 1..] {
                if self.changed_aliases.contains(other) {
                    self.compare_alias(other, &desired, None, signal).await;
                } else {
                    self.job.context.reporter.note(&format!("alias {other} was not changed"));
                }
            }
            return signal.map_or(Ok(()), |signal| Err(signal.into()));
        }
        Ok(())
    }

    /// Compares the aliases that were made identical to the version before it changed. Fails those that differ from its list now.
    pub(super) async fn compare_updated_aliases(&mut self, version: &Listing) {
        let Some(checksums) = &self.job.task.checksums else { return };
        let desired = desired(version, &checksums.name);
        for alias in std::mem::take(&mut self.report.aliases) {
            if let Ok(desired) = &desired
                && self.compare_alias(&alias, desired, None, None).await
            {
                self.report.aliases.push(alias);
            }
        }
    }

    /// Lists an alias again. If it is not identical to the version, records the failure with that cause. Returns whether it
    /// is identical, even if a step of the update has failed.
    async fn compare_alias(
        &mut self,
        alias: &Version,
        desired: &[Desired],
        cause: Option<Box<PublishError>>,
        signal: Option<Signal>,
    ) -> bool {
        let registry = self.version.registry.for_version(alias.clone());
        let listed = if signal.is_some() {
            registry.expect_no_further_requests();
            tokio::time::timeout(LAST_LIST_TIMEOUT, registry.list_files_once()).await.ok()
        } else {
            self.job.context.stop.or(registry.list_files_once()).await.ok()
        };
        let state = listed.and_then(Result::ok).map(|listing| Comparison::of(desired, &listing).diff);
        let (alias, version) = (alias.clone(), self.job.inputs.target.version.clone());
        let is_identical = state.is_some_and(Diff::is_empty);
        if is_identical {
            self.job.context.reporter.announce(&format!("Alias {alias} matches {version}"));
        } else {
            self.version.errors.push(PublishError::AliasDiffers { alias, version, state, cause });
        }
        is_identical
    }
}

impl Run<'_> {
    /// Lists an alias, and updates it, until it is identical. Returns `false` if this version does not update it.
    async fn update_alias(
        &mut self,
        registry: &Registry<'_>,
        desired: &[Desired],
        store: &mut Store,
        versions: &mut Option<Vec<VersionRow>>,
    ) -> Result<bool, Halt> {
        let job = self.job;
        let (alias, version) = (&registry.target().version, &job.inputs.target.version);
        let compare = async || -> Result<Comparison, Halt> {
            Ok(Comparison::of(desired, &job.context.stop.or(registry.list_files()).await??))
        };
        let mut retries = registry.retries();
        for round in 0..=MOST_ATTEMPTS {
            let mut compared = compare().await?;
            if round > 0 && !compared.diff.is_empty() {
                let what = format!("alias {alias}");
                let why = format!("another job changed it, or its list is out of date: {}", compared.diff);
                self.wait_for_others(&mut retries, &what, &why).await?;
                compared = compare().await?;
            }
            if compared.diff.is_empty() {
                let count = units::files(compared.diff.identical);
                job.context.reporter.announce(&format!("Alias {alias} matches {version}: {count}"));
                return Ok(true);
            }
            if round == MOST_ATTEMPTS {
                break;
            }
            if !self.check_update(alias, versions, round).await? {
                return Ok(false);
            }
            if round == 0 {
                job.context.reporter.announce(&format!("Updating alias {alias} to {version}: {}", compared.diff));
            }
            let extras = compared.extras().map_err(PublishError::UnsafeName)?.into_iter().cloned();
            let extras = extras.fold(Listing::default(), Listing::with);
            let (contents, any_downloaded) = store.contents(self, &compared.to_upload(desired)).await?;
            // Downloads and uploads take time, so a higher release may have been published meanwhile.
            if any_downloaded {
                *versions = None;
                if !self.check_update(alias, versions, round).await? {
                    return Ok(false);
                }
            }
            self.execute(registry, contents, extras).await?;
            *versions = None;
        }
        let (alias, times) = (alias.clone(), MOST_ATTEMPTS);
        Err(PublishError::Unsettled { alias, times }.into())
    }

    /// Checks that this version updates an alias. If not, announces why, and returns `false`. After the first round, it is an
    /// error, because the alias may contain files of this run next to files of another.
    async fn check_update(
        &self,
        alias: &Version,
        versions: &mut Option<Vec<VersionRow>>,
        round: u32,
    ) -> Result<bool, Halt> {
        let (stop, version) = (&self.job.context.stop, &self.job.inputs.target.version);
        let reason = stop.or(reason_not_to_update(&self.version.registry, version, alias, versions)).await??;
        let is_own = |row: &VersionRow| row.version.to_lowercase() == version.folded();
        match reason {
            Some(NoUpdate { release: Some(release), .. }) if round > 0 => {
                Err(PublishError::Superseded { alias: alias.clone(), release }.into())
            }
            Some(no_update) => {
                announce_no_update(self.job, alias, &no_update);
                Ok(false)
            }
            // If the list lacks this version, it may lack a higher one too.
            None if versions.as_ref().is_some_and(|rows| !rows.iter().any(is_own)) => {
                let server = self.job.inputs.target.server.clone();
                Err(PublishError::VersionNotListed { version: version.clone(), server }.into())
            }
            None => Ok(true),
        }
    }

    /// Uploads, replaces and deletes files once. If another job was faster, the next list shows the rest.
    async fn execute(
        &mut self,
        registry: &Registry<'_>,
        contents: Vec<(Desired, Content)>,
        extras: Listing,
    ) -> Result<(), Halt> {
        let Run { job, version, report, .. } = self;
        let prefix = format!("{}/", registry.target().version);
        let mut run = VersionRun::new(*job, registry.clone(), contents, &prefix);
        run.write_access = version.write_access;
        run.extras = Some(extras);
        let settled = run.settle(&mut |_, signal| save(*job, report, version, signal)).await;
        match settled {
            Ok(_) if run.errors.is_empty() && run.files.iter().all(Tracked::is_verified) => Ok(()),
            settled => after_failed_update(run, settled.err()),
        }
    }
}

/// Returns the errors of an update that failed, or `Ok` for another round if only other jobs were faster.
fn after_failed_update(mut run: VersionRun<'_>, halt: Option<Halt>) -> Result<(), Halt> {
    match halt {
        Some(Halt { signal: Some(signal), .. }) => {
            return Err(Halt { errors: run.into_errors(), signal: Some(signal) });
        }
        Some(Halt { errors, signal: None }) => run.record_list_failure(errors),
        None => {}
    }
    let was_overtaken = run.files.iter().any(Tracked::was_overtaken);
    // Files that were not attempted waited for the overtaken ones.
    let is_at_fault =
        |file: &Tracked| !file.is_verified() && file.status() != Status::NotAttempted && !file.was_overtaken();
    if run.errors.is_empty() && was_overtaken && !run.files.iter().any(is_at_fault) {
        return Ok(());
    }
    let mut errors = run.into_errors();
    // One error describes the state of all files of the alias.
    errors.retain(|error| !matches!(error, PublishError::NotVerified { .. }));
    Err(Halt { errors, signal: None })
}

/// The contents of the version's files, published by this run or downloaded.
struct Store {
    files: HashMap<Sha256, Content>,
    folder: Arc<Folder>,
    /// The folder in it that files are downloaded to, once there is one.
    fetched: Option<Arc<Folder>>,
}

impl Store {
    fn new(version: &VersionRun<'_>, folder: Arc<Folder>) -> Self {
        let verified = version.files.iter().filter(|file| file.is_verified());
        let files = verified.filter_map(|file| Some((file.desired.sha256?, file.content.clone()))).collect();
        Self { files, folder, fetched: None }
    }

    /// Returns files with their contents, and whether any of them was downloaded. Files that this run has published are not.
    async fn contents(&mut self, main: &Run<'_>, wanted: &[Desired]) -> Result<(Vec<(Desired, Content)>, bool), Halt> {
        let mut new = HashSet::new();
        let mut items = Vec::new();
        for Desired { name, size, sha256, .. } in wanted {
            let Some(sha256) = sha256.filter(|sha256| !self.files.contains_key(sha256) && new.insert(*sha256)) else {
                continue;
            };
            // Locally, its name is its hash, because any name is allowed on the registry.
            let local_name = FileName::parse(&sha256.to_string()).map_err(PublishError::UnsafeName)?;
            let expected = Expected { size: Some(*size), sha256: Some(sha256), by: VerifiedBy::Registry };
            items.push(Item { name: name.clone(), local_name, expected, is_executable: false });
        }
        if !items.is_empty() {
            self.fetch(main, &items).await?;
        }
        let files = wanted.iter().map(|file| {
            let content = file.sha256.and_then(|sha256| self.files.get(&sha256)).cloned();
            let path = || self.folder.place().below(ALIAS_DOWNLOADS).within.join(file.name.as_str());
            let content = content.ok_or_else(|| FileError { path: path(), fault: FileFault::Gone })?;
            Ok((file.clone(), content))
        });
        Ok((files.collect::<Result<_, Halt>>()?, !items.is_empty()))
    }

    async fn fetch(&mut self, main: &Run<'_>, items: &[Item]) -> Result<(), Halt> {
        if self.fetched.is_none() {
            let fetched = Folder::make(&self.folder.place().below(ALIAS_DOWNLOADS))?;
            fetched.remove_all_files();
            self.fetched = Some(Arc::new(fetched));
        }
        let Some(folder) = &self.fetched else { return Ok(()) };
        let Job { inputs, context, .. } = main.job;
        let fetcher = Fetcher { registry: &main.version.registry, reporter: context.reporter, folder };
        let fetch = async |item| fetcher.fetch(item).await.map(|(_, sha256)| (item, sha256));
        let mut running = stream::iter(items).map(fetch).buffer_unordered(inputs.concurrency);
        while let Some(result) = context.stop.or(running.next()).await? {
            let (item, sha256) = result.map_err(Box::new)?;
            if let Some(file) = folder.find(&item.local_name)? {
                self.files.insert(sha256, Content::File(file));
            }
        }
        Ok(())
    }
}

impl Drop for Store {
    /// Deletes the downloaded files.
    fn drop(&mut self) {
        if let Some(fetched) = &self.fetched {
            fetched.remove_all_files();
            self.folder.remove_empty(ALIAS_DOWNLOADS);
        }
    }
}
