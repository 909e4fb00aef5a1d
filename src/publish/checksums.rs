//! The checksums file of a version: the SHA-256 of all its other files, from the registry's own list. It is published
//! last, and always replaces an older one, because it is derived from the other files.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::error::PublishError;
use super::names::NameError;
use super::tracked::Tracked;
use super::{Halt, Job, Run};
use crate::blocking::on_own_thread;
use crate::checksum::{self, Sha256};
use crate::files::{ALIAS_DOWNLOADS, Content, Folder, Line, Place, PlaceError, correction};
use crate::hint::{self, Problem};
use crate::inputs::{ChecksumsOptions, IfFileExists};
use crate::listing::Listing;
use crate::package::{FileName, Target};
use crate::plan::Desired;
use crate::registry::{Retries, wait_for_longest};
use crate::sanitize::{Names, Sanitized};
use crate::secret::Redactor;
use crate::state::State;
use crate::stop::Signal;
use crate::suggest::SimilarNames;
use crate::units;

/// The maximum number of attempts while other jobs change the version.
pub(super) const MOST_ATTEMPTS: u32 = 3;

/// The name of a checksums file, in lower case, if `checksums` is not set.
const USUAL_NAME: &str = "sha256sums";

/// Checks that no file has the name of the checksums file, and that its copy can be written to the workspace. Returns
/// the folder of the copy.
pub(super) fn check(
    files: &[(Desired, Content)],
    ChecksumsOptions { name, aliases, .. }: &ChecksumsOptions,
    workspace: &Path,
) -> Result<Arc<Folder>, Vec<Problem>> {
    let path = |content: &Content| match content {
        Content::File(file) => Sanitized::path(&file.path),
        Content::Memory(_) => Sanitized::new(name.as_str()),
    };
    let same_name = files.iter().filter(|(file, _)| file.name.folded() == name.folded());
    let mut errors =
        hint::problems(same_name.map(|(_, content)| NameError::Reserved { path: path(content), name: name.clone() }));
    match folder_for_copy(workspace, name, !aliases.is_empty()) {
        Ok(folder) if errors.is_empty() => return Ok(folder),
        Ok(_) => {}
        Err(error) => errors.push(Box::new(error)),
    }
    Err(errors)
}

/// Returns the folder of the copy, after checking that the copy can be written there, and downloads for aliases below
/// it.
fn folder_for_copy(workspace: &Path, name: &FileName, has_aliases: bool) -> Result<Arc<Folder>, PlaceError> {
    let folder = Arc::new(Folder::make(&Place::own(workspace))?);
    folder.remove_leftovers();
    folder.find(name)?;
    drop(folder.begin(name)?);
    if has_aliases {
        Folder::make(&folder.place().below(ALIAS_DOWNLOADS))?;
        folder.remove_empty(ALIAS_DOWNLOADS);
    }
    Ok(folder)
}

impl Run<'_> {
    /// Publishes the checksums file if all files of the run are on the registry. If other jobs change the version
    /// meanwhile, it is updated. Returns the last list, and whether the published file covers it; if not, the errors say why.
    pub(super) async fn publish_checksums(&mut self, mut listing: Listing) -> Result<(Listing, bool), Halt> {
        let is_in_place = |file: &Tracked| file.desired.is_checksums_file || file.status().is_success();
        if !self.version.files.iter().all(is_in_place) || !self.version.errors.is_empty() {
            return Ok((listing, false));
        }
        let mut retries = self.version.registry.retries();
        for round in 0..MOST_ATTEMPTS {
            if round > 0 {
                let what = format!("version {}", self.job.inputs.target.version);
                let why = "another job changed it while its checksums file was published";
                self.wait_for_others(&mut retries, &what, &why).await?;
            }
            let Some(file) = self.make_checksums_file(&listing).await else { return Ok((listing, false)) };
            self.version.set_checksums_file(file);
            listing = self.settle().await?;
            if self.version.checksums_file().is_some_and(Tracked::was_overtaken) {
                continue;
            }
            let is_current = self.compare_checksums(&listing).await;
            if is_current || self.version.has_failed() {
                let is_verified = self.version.checksums_file().is_some_and(Tracked::is_verified);
                return Ok((listing, is_current && is_verified && !self.version.has_failed()));
            }
        }
        self.fail_checksums(Some(MOST_ATTEMPTS));
        Ok((listing, false))
    }

    /// Makes the checksums file of a list. Records why there can be none.
    pub(super) async fn make_checksums_file(&mut self, listing: &Listing) -> Option<Tracked> {
        let checksums = self.job.task.checksums.as_ref()?;
        let content = match content_for(self.job, checksums, listing).await {
            Ok(content) => content,
            Err(errors) => {
                self.version.errors.extend(errors);
                return None;
            }
        };
        let label = format!("{} (checksums of {})", checksums.name, units::files(content.lines().count()));
        let content = Bytes::from(content);
        let desired = Desired {
            sha256: Some(Sha256::of(&content)),
            is_checksums_file: true,
            ..Desired::new(checksums.name.clone(), content.len() as u64, IfFileExists::Overwrite)
        };
        Some(Tracked::new((desired, Content::Memory(content)), label, &self.version.registry))
    }

    /// Returns whether the checksums file of this run, if there is one, matches a list.
    pub(super) async fn compare_checksums(&self, listing: &Listing) -> bool {
        match self.version.checksums_file() {
            Some(file) => self.job.compare_checksums(&file.content, listing).await,
            None => self.job.task.checksums.is_none(),
        }
    }

    /// Waits before the next attempt after a change by another job. Random waits keep two jobs from conflicting
    /// forever.
    pub(super) async fn wait_for_others(
        &self,
        retries: &mut Retries,
        what: &(dyn Display + Sync),
        why: &(dyn Display + Sync),
    ) -> Result<(), Signal> {
        let wait = self.version.registry.spend_retry(retries, what, why, None);
        if wait.is_none() {
            self.job.context.reporter.note(&format!("{what}: {why}"));
        }
        self.job.context.stop.or(wait_for_longest([wait])).await.map(drop)
    }

    /// Whether another job has replaced this run's checksums file, and nothing else has failed.
    pub(super) fn is_only_checksums_overtaken(&self) -> bool {
        let have_failed = self.version.files.iter().any(|file| !file.desired.is_checksums_file && file.has_failed());
        self.version.errors.is_empty()
            && !have_failed
            && self.version.checksums_file().is_some_and(Tracked::was_overtaken)
    }

    /// Fails the checksums file that is on the registry, if there is one, because it is outdated.
    pub(super) fn mark_checksums_outdated(&mut self) {
        if self.version.checksums_file().is_some_and(Tracked::is_verified) {
            self.fail_checksums(None);
        }
    }

    /// Marks the checksums file as failed, because it is outdated. `times` is the number of attempts, if other jobs changed
    /// the version each time.
    pub(super) fn fail_checksums(&mut self, times: Option<u32>) {
        let version = self.job.inputs.target.version.clone();
        if let Some(file) = self.version.files.last_mut().filter(|file| file.desired.is_checksums_file) {
            let name = file.desired.name.clone();
            file.fail(PublishError::ChecksumsOutdated { name, version, times });
        }
    }

    /// Writes the copy of the checksums file to the workspace, if the registry has it.
    pub(super) async fn write_copy(&mut self) {
        let Some(folder) = self.folder.clone() else { return };
        let Some(file) = self.version.checksums_file().filter(|file| file.is_verified()) else { return };
        let (name, content) = (file.desired.name.clone(), file.content.clone());
        let written = on_own_thread(move || {
            let copied = copy(&folder, &name, &content);
            (copied.map(|()| folder.place().path_of(&name)), folder.ownership_error())
        });
        let (copied, ownership_error) = written.await;
        if let Some(error) = ownership_error {
            let text = format!("failed to give the checksums file to the workspace's owner: {error}");
            self.job.context.reporter.debug(&text);
        }
        match copied {
            Ok(path) => self.report.checksums_file = path.to_string_lossy().into_owned(),
            Err(error) => self.version.errors.push(error.into()),
        }
    }

    /// Returns the files of a list that the checksums file covers: all except itself.
    pub(super) fn covered(&self, listing: &Listing) -> Vec<FileName> {
        let Some(checksums) = &self.job.task.checksums else { return Vec::new() };
        let names = listing.files().into_iter().filter_map(|file| FileName::parse(&file.name).ok());
        names.filter(|name| name.folded() != checksums.name.folded()).collect()
    }

    /// Warns if the version has a checksums file that no longer matches, because this run has changed the version or
    /// would change it.
    pub(super) fn warn_of_outdated_checksums(&self, listing: &Listing) {
        let own_name = self.job.task.checksums.as_ref().map(|checksums| checksums.name.as_str());
        let is_meant = |name: &str| name.eq_ignore_ascii_case(own_name.unwrap_or(USUAL_NAME));
        let Some(file) = listing.files().into_iter().find(|file| is_meant(&file.name)) else { return };
        let (name, version) = (Sanitized::new(&file.name), &self.job.inputs.target.version);
        let files = || self.version.files.iter();
        let missing = files().filter(|file| matches!(file.state, State::Failed { deleted: Some(_) }));
        let missing: Names = missing.map(|file| Sanitized::new(file.desired.name.as_str())).collect();
        let is_change =
            |file: &Tracked| file.is_planned || matches!(file.state, State::Verified { was_uploaded: true, .. });
        let has_changed = files().any(is_change);
        let is_ours = files().any(|file| is_meant(file.desired.name.as_str()));
        if missing.count > 0 {
            self.job.context.reporter.warn(&format!(
                "`{name}` no longer matches version {version}, which now lacks {missing}. A run with `checksums: \
                 {name}` updates it when all uploads have succeeded"
            ));
        } else if has_changed && !is_ours && own_name.is_none() {
            let (is, published) = if self.job.task.dry_run { ("would be", "new") } else { ("is", "published") };
            self.job.context.reporter.warn(&format!(
                "`{name}` of {version} {is} out of date: it does not cover the {published} files. Set `checksums: {name}` \
                 in the last job to update it"
            ));
        }
    }
}

/// Writes the copy to its folder.
fn copy(folder: &Arc<Folder>, name: &FileName, content: &Content) -> Result<(), PlaceError> {
    let (unfinished, mut writing) = folder.begin(name)?;
    writing.expect(Some(content.size()));
    let mut written = Ok(());
    // Reading from memory cannot fail.
    let _ = content.read(|chunk| {
        written = writing.write(&chunk);
        written.is_ok()
    });
    written?;
    unfinished.finish(&writing, false)?;
    folder.verify_place()
}

/// Creates the content of the checksums file from a list, on a separate thread because a list can be long. The errors
/// explain why that is impossible.
pub(super) async fn content_for(
    Job { inputs, .. }: Job<'_>,
    checksums: &ChecksumsOptions,
    listing: &Listing,
) -> Result<String, Vec<PublishError>> {
    let (listing, checksums) = (listing.clone(), checksums.clone());
    let (target, redactor) = (inputs.target.clone(), inputs.redactor.clone());
    on_own_thread(move || make_content(&listing, &checksums, &target, &redactor)).await
}

fn make_content(
    listing: &Listing,
    checksums: &ChecksumsOptions,
    target: &Target,
    redactor: &Redactor,
) -> Result<String, Vec<PublishError>> {
    let is_other = |name: &str| name.to_lowercase() != checksums.name.folded();
    let files: Vec<_> = listing.files().into_iter().filter(|file| is_other(&file.name)).collect();
    if files.is_empty() {
        return Err(vec![PublishError::NoFiles(Box::new(target.clone()))]);
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let mut errors: Vec<PublishError> = unsafe_names(&names, redactor).into_iter().collect();
    let finds = |line: &Line| names.iter().any(|name| line.is_or_matches(name));
    errors.extend(checksums.expect.iter().filter(|line| !finds(line)).map(|line| PublishError::Expected {
        line: Sanitized::new(&line.text),
        version: target.version.clone(),
        mistake: correction(line, |text| Line::of_names(text).is_ok_and(|line| finds(&line))),
        similar: SimilarNames::of(line.as_name(), &names),
    }));
    if errors.is_empty() {
        Ok(checksum::write_list(files.iter().map(|file| (file.name.as_str(), file.sha256))))
    } else {
        Err(errors)
    }
}

/// Checks names from the registry against the naming rules, and returns one error for all unsafe names.
fn unsafe_names(names: &[&str], redactor: &Redactor) -> Option<PublishError> {
    let mut bad = Names::default();
    let mut first = None;
    for name in names {
        let why = if redactor.name_contains_secret(name) {
            "contains the token or another secret, which everybody would see".to_owned()
        } else if let Err(invalid) = FileName::parse(name) {
            invalid.why
        } else {
            continue;
        };
        bad.add(redactor.shown(name));
        first.get_or_insert(why);
    }
    first.map(|why| PublishError::UnsafeNames { names: bad, why })
}
