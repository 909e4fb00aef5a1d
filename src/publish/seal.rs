//! The seal of a version: a file of checksums of all its other files, from the registry's own hashes, which is its last
//! one. It follows from what is there, so it takes the place of an older one without being asked.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use super::error::{PublishError, Rejected};
use super::tally::Entry;
use super::{Halt, Run};
use crate::blocking::on_own_thread;
use crate::checksum;
use crate::files::{FETCHED_FOLDER, FileError, FileFault, Folder, Found, LocalFile, Place, PlaceError};
use crate::inputs::Sealing;
use crate::listing::Listing;
use crate::nearest::Near;
use crate::package::{FileName, Target};
use crate::plan::{NamedFile, PlanError};
use crate::registry::Budget;
use crate::report::units;
use crate::report::{Outcome, Status};
use crate::secret::Redactor;
use crate::stop::Signal;
use crate::untrusted::{Names, Untrusted};

/// How often a version is sealed that others change meanwhile.
pub(super) const MOST: u32 = 3;

/// The name that a seal has where nobody says otherwise.
const USUAL_NAME: &str = "sha256sums";

/// The seal that is to come, or has.
pub(super) struct Seal<'a> {
    pub(super) sealing: &'a Sealing,
    /// Where the copy of it lies.
    pub(super) folder: Arc<Folder>,
    /// Its index in the plan: it comes behind all others.
    pub(super) index: usize,
    /// What it says, once it is to be sent.
    pub(super) content: Option<String>,
    /// What a dry run has found out that would become of it.
    pub(super) foretold: Option<Outcome>,
}

impl<'a> Seal<'a> {
    /// Makes sure, before anything is sent, that the seal has a place here, and that none of the files is to have its name.
    pub(super) fn of(files: &[NamedFile], sealing: &'a Sealing, workspace: &Path) -> Result<Self, Vec<Rejected>> {
        let name = &sealing.name;
        let mut errors: Vec<Rejected> = files
            .iter()
            .filter(|file| file.name.folded() == name.folded())
            .map(|file| PlanError::Sealed { path: Untrusted::path(&file.local.path), name: name.clone() })
            .map(Rejected::Plan)
            .collect();
        match open(workspace, sealing) {
            Ok(folder) if errors.is_empty() => {
                return Ok(Self { sealing, folder, index: files.len(), content: None, foretold: None });
            }
            Ok(_) => {}
            Err(error) => errors.push(Rejected::Place(error)),
        }
        Err(errors)
    }
}

/// The folder that the copy goes to, once it has proved that it can be written there; and that what is fetched for aliases
/// can be put below it.
fn open(workspace: &Path, Sealing { name, aliases, .. }: &Sealing) -> Result<Arc<Folder>, PlaceError> {
    let folder = Arc::new(Folder::make(&Place::own(workspace))?);
    folder.remove_leftovers();
    folder.find(name)?;
    drop(folder.begin(name)?);
    if !aliases.is_empty() {
        Folder::make(&folder.place().below(FETCHED_FOLDER))?;
        folder.remove_empty(FETCHED_FOLDER);
    }
    Ok(folder)
}

/// What the version has after it was sealed, or not.
pub(super) enum Sealed {
    /// The seal is there, and covers all else that the last look has shown.
    Holds(Listing),
    /// It is not there, or does not hold; why, is in the tally.
    Not(Listing),
}

impl Run<'_> {
    /// Seals what the version has, once all of the run's own files are there. Where others change it meanwhile it is sealed
    /// again.
    pub(super) async fn seal(&mut self, mut listing: Listing) -> Result<Sealed, Halt> {
        let Some(Seal { sealing, ref folder, index, .. }) = self.seal else { return Ok(Sealed::Not(listing)) };
        let folder = Arc::clone(folder);
        let (name, target) = (&sealing.name, &self.inputs.target);
        let are_there = self.tally.entries.iter().take(index).all(|entry| entry.outcome.status.is_as_wanted());
        if !are_there || !self.tally.errors.is_empty() {
            return Ok(Sealed::Not(listing));
        }
        let mut waits = self.sender.registry.budget();
        for round in 0..MOST {
            if round > 0 {
                let what = format!("version {}", target.version);
                self.waits_for_others(&mut waits, &what, &"another job has changed it while it was sealed").await?;
            }
            let content = match content_of(&listing, sealing, target, &self.inputs.redactor).await {
                Ok(content) => content,
                Err(errors) => {
                    self.tally.errors.extend(errors);
                    return Ok(Sealed::Not(listing));
                }
            };
            let copied = copy(&folder, name, content.clone()).await;
            if let Some(error) = folder.ownership_error() {
                let text = format!("failed to give the checksums file to the workspace's owner: {error}");
                self.caller.reporter.debug(&text);
            }
            let local = match copied {
                Ok(local) => local,
                Err(error) => {
                    self.tally.errors.push(error);
                    return Ok(Sealed::Not(listing));
                }
            };
            self.adds_last(index, NamedFile { local, name: name.clone(), is_exact: false });
            self.seals(&content);
            listing = self.rounds().await?;
            let entry = &self.tally.entries[index];
            if self.still_fits(&listing).await && !entry.was_overtaken() {
                if !entry.outcome.status.is_in_place() || self.tally.has_failed() {
                    return Ok(Sealed::Not(listing));
                }
                let count = units::files(content.lines().count());
                self.caller.reporter.notes(&format!("`{name}` seals {count} of version {}", target.version));
                return Ok(Sealed::Holds(listing));
            }
            if !entry.was_overtaken() && (self.tally.has_failed() || self.tally.is_hopeless()) {
                return Ok(Sealed::Not(listing));
            }
        }
        self.give_up_checksums();
        Ok(Sealed::Not(listing))
    }

    /// Puts down what the seal says that is to be sent.
    fn seals(&mut self, content: &str) {
        if let Some(seal) = &mut self.seal {
            seal.content = Some(content.to_owned());
        }
    }

    /// Whether the seal that is to be sent, or was, is that of what the version has. A version that another job deletes is
    /// not brought back by a seal of what it had.
    pub(super) async fn still_fits(&self, listing: &Listing) -> bool {
        let Some(Seal { sealing, content, .. }) = &self.seal else { return true };
        let now = content_of(listing, sealing, &self.inputs.target, &self.inputs.redactor).await;
        now.is_ok_and(|now| content.as_ref() == Some(&now))
    }

    /// Waits before others are met once more. Two that wait differently long do not meet for ever.
    pub(super) async fn waits_for_others(
        &self,
        waits: &mut Budget,
        what: &(dyn Display + Sync),
        why: &(dyn Display + Sync),
    ) -> Result<(), Signal> {
        if let Some(wait) = self.sender.registry.spend(waits, what, why, None) {
            self.caller.stop.or(tokio::time::sleep(wait)).await
        } else {
            self.caller.reporter.notes(&format!("{what}: {why}"));
            Ok(())
        }
    }

    /// Whether another job has put another seal in the place of ours, and nothing else has failed.
    pub(super) fn seal_alone_was_overtaken(&self) -> bool {
        let Some(Seal { index, .. }) = self.seal else { return false };
        let have_failed = |entries: &[Entry]| entries.iter().any(|entry| entry.outcome.status == Status::Failed);
        self.tally.errors.is_empty()
            && !have_failed(&self.tally.entries[..index])
            && self.tally.entries.get(index).is_some_and(Entry::was_overtaken)
    }

    /// Gives the seal up: it is there, and does not hold.
    pub(super) fn give_up_checksums(&mut self) {
        if let Some(Seal { sealing, index, .. }) = self.seal {
            let (name, version) = (sealing.name.clone(), self.inputs.target.version.clone());
            self.tally.entries[index].fail_verification(PublishError::NotSealed { name, version, times: MOST });
        }
    }

    /// What is there of the seal does not hold, whatever the registry says of it.
    pub(super) fn mark_checksums_outdated(&mut self) {
        if let Some(Seal { sealing, index, .. }) = self.seal
            && let Some(entry) = self.tally.entries.get_mut(index)
            && entry.outcome.status.is_in_place()
        {
            let (name, version) = (sealing.name.clone(), self.inputs.target.version.clone());
            entry.fail_verification(PublishError::SealIsStale { name, version });
        }
    }

    /// Whether other versions are to become what this one is.
    pub(super) fn has_aliases(&self) -> bool {
        self.seal.as_ref().is_some_and(|seal| !seal.sealing.aliases.is_empty())
    }

    /// Takes one more file into the plan, at that index and behind all others.
    pub(super) fn adds_last(&mut self, index: usize, file: NamedFile) {
        self.tally.entries.truncate(index);
        self.tally.adds(&file, self.sender.registry);
        self.files = self.files[..index].iter().cloned().chain([file]).collect();
    }

    /// What is told of the seal while it is still to come.
    pub(super) fn seal_to_come(&self) -> Option<Outcome> {
        let seal = self.seal.as_ref().filter(|seal| self.tally.entries.len() == seal.index)?;
        if seal.foretold.is_some() {
            return seal.foretold.clone();
        }
        let name = seal.sealing.name.clone();
        let url = self.inputs.target.file_url(&name);
        Some(Outcome { name, url, size: None, sha256: None, status: Status::NotAttempted, local: None })
    }

    /// The path of the seal's copy relative to the workspace; empty unless the registry has the seal.
    pub(super) fn path_of_seal(&self) -> String {
        let is_there =
            |seal: &&Seal<'_>| self.tally.entries.get(seal.index).is_some_and(|e| e.outcome.status.is_in_place());
        let path = |seal: &Seal<'_>| seal.folder.place().path_of(&seal.sealing.name).to_string_lossy().into_owned();
        self.seal.as_ref().filter(is_there).map(path).unwrap_or_default()
    }

    /// What the seal covers of what is there: every other file.
    pub(super) fn covered(&self, listing: &Listing) -> Vec<FileName> {
        let Some(Seal { sealing, .. }) = self.seal else { return Vec::new() };
        let names = listing.files().into_iter().filter_map(|file| FileName::parse(&file.name).ok());
        names.filter(|name| name.folded() != sealing.name.folded()).collect()
    }

    /// Warns if the version has a checksums file that no longer matches, because this run has changed the version or
    /// would change it.
    pub(super) fn warn_of_a_stale_seal(&self, listing: &Listing) {
        let own_name = self.seal.as_ref().map(|seal| seal.sealing.name.as_str());
        let is_seal = |name: &str| name.eq_ignore_ascii_case(own_name.unwrap_or(USUAL_NAME));
        let Some(seal) = listing.files().into_iter().find(|file| is_seal(&file.name)) else { return };
        let (name, version) = (Untrusted::new(&seal.name), &self.inputs.target.version);
        let mut missing = Names::default();
        let is_missing = |entry: &&Entry| entry.deleted.is_some() && entry.outcome.status == Status::Failed;
        for entry in self.tally.entries.iter().filter(is_missing) {
            missing.add(Untrusted::new(entry.outcome.name.as_str()));
        }
        let changes = |status| matches!(status, Status::Uploaded | Status::Replaced | Status::Planned);
        let has_changed = self.tally.entries.iter().any(|entry| changes(entry.outcome.status));
        let is_ours = self.files.iter().any(|file| is_seal(file.name.as_str()));
        if missing.count > 0 {
            self.caller.reporter.warns(&format!(
                "`{name}` no longer matches version {version}, which now lacks {missing}. A run with `checksums: \
                 {name}` updates it when all uploads have succeeded"
            ));
        } else if has_changed && !is_ours && self.seal.is_none() {
            let (is, was) =
                if self.task.dry_run { ("would be stale then", "would be") } else { ("is stale now", "was") };
            self.caller.reporter.warns(&format!(
                "`{name}` of version {version} {is}: it does not cover what {was} published; let the last job seal the \
                 version again with `checksums: {name}`"
            ));
        }
    }
}

/// Puts the copy into its place, for later steps and to be sent.
async fn copy(folder: &Arc<Folder>, name: &FileName, content: String) -> Result<LocalFile, PublishError> {
    let (folder, name) = (Arc::clone(folder), name.clone());
    let path = folder.place().path_of(&name);
    let written = tokio::task::spawn_blocking(move || {
        let (unfinished, mut writing) = folder.begin(&name)?;
        writing.expect(Some(content.len() as u64));
        writing.write(content.as_bytes())?;
        unfinished.finish(&writing, false)?;
        folder.verify_place()?;
        folder.find(&name)
    });
    match written.await.expect("the thread does not panic")? {
        Found::File(file) => Ok(file),
        Found::Nothing => Err(FileError { path, fault: FileFault::Gone }.into()),
    }
}

/// Makes the content of the checksums file from a list, on a thread of its own because a list can be long. The error says
/// why there can be no checksums file.
pub(super) async fn content_of(
    listing: &Listing,
    sealing: &Sealing,
    target: &Target,
    redactor: &Redactor,
) -> Result<String, Vec<PublishError>> {
    let (listing, sealing, target, redactor) = (listing.clone(), sealing.clone(), target.clone(), redactor.clone());
    on_own_thread(move || content_for(&listing, &sealing, &target, &redactor)).await
}

fn content_for(
    listing: &Listing,
    sealing: &Sealing,
    target: &Target,
    redactor: &Redactor,
) -> Result<String, Vec<PublishError>> {
    let is_other = |name: &str| name.to_lowercase() != sealing.name.folded();
    let files: Vec<_> = listing.files().into_iter().filter(|file| is_other(&file.name)).collect();
    if files.is_empty() {
        return Err(vec![PublishError::NothingToSeal(Box::new(target.clone()))]);
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let mut errors: Vec<PublishError> = unsealable(&names, redactor).into_iter().collect();
    errors.extend(sealing.expect.iter().filter(|line| !names.iter().any(|name| line.stands_for(name))).map(|line| {
        PublishError::Expected {
            line: Untrusted::new(&line.text),
            version: target.version.clone(),
            near: Near::of(line.as_name(), &names),
        }
    }));
    if errors.is_empty() {
        Ok(checksum::write_list(files.iter().map(|file| (file.name.as_str(), file.sha256))))
    } else {
        Err(errors)
    }
}

/// Checks names on the registry against our own rules, and returns one error for all that break them.
fn unsealable(names: &[&str], redactor: &Redactor) -> Option<PublishError> {
    let mut bad = Names::default();
    let mut first = None;
    for name in names {
        let why = if redactor.finds_in_name(name) {
            "it contains the token or another secret, which everybody would see".to_owned()
        } else if let Err(refused) = FileName::parse(name) {
            format!("that {}", refused.why)
        } else {
            continue;
        };
        bad.add(redactor.shown(name));
        first.get_or_insert(why);
    }
    first.map(|why| PublishError::Unsealable { names: bad, why })
}
