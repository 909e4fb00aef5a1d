//! A dry run: everything up to the first change, and then what would be changed.

use futures_util::{StreamExt as _, stream};

use super::error::PublishError;
use super::link::Linked;
use super::seal::{Seal, content_of};
use super::tally::{Entry, Todo};
use super::work::{Counts, Work};
use super::{Halt, Run};
use crate::checksum::Sha256;
use crate::files;
use crate::listing::{Listing, RegistryFile, VersionRow};
use crate::package::{BadName, FileName, PublicAddress, Version};
use crate::registry::About;
use crate::report::{Action, Outcome, Planned, Status};
use crate::units::{self, Bytes};
use crate::untrusted::Untrusted;

impl Run<'_> {
    /// Lists the version, makes the plan, and checks write access if anything would be written. Returns the page of the
    /// version if it exists. What fails here would fail in a real run.
    pub(super) async fn rehearse(&mut self) -> Result<Option<PublicAddress>, Halt> {
        let stop = self.context.stop.clone();
        if self.files.is_empty() && self.seal.is_none() {
            return Ok(None);
        }
        if self.inputs.credentials.is_none() {
            self.plan_without_registry();
            return Ok(None);
        }
        let listing = stop.or(self.look()).await??;
        let others_would_be_sent = !self.tally.has_failed();
        stop.or(self.hash_what_would_be_sent()).await?;
        self.plan = (0..self.files.len()).filter_map(|index| self.planned(index, &listing)).collect();
        // What takes the place of something comes when all else is there.
        self.plan.sort_by_key(|row| row.action == Action::Replace);
        let files_would_be_there = !self.tally.has_failed();
        if others_would_be_sent && !files_would_be_there {
            // Nothing is replaced where something has failed.
            self.plan.retain(|row| row.action != Action::Replace);
        }
        let sealed = if files_would_be_there { self.rehearse_seal(&listing).await? } else { None };
        let writes = self.plan.iter().any(|row| row.action.changes_files());
        let may_write = !writes || stop.or(self.check_write_access()).await?;
        if others_would_be_sent && may_write {
            let is_sent =
                |entry: &&mut Entry| entry.would_be_sent() && (files_would_be_there || entry.todo == Todo::Send);
            for entry in self.tally.entries.iter_mut().filter(is_sent) {
                entry.outcome.status = Status::Planned;
            }
            match &mut self.seal {
                Some(seal) => seal.foretold = sealed,
                None => self.warn_of_a_stale_seal(&listing),
            }
        }
        let about = if listing.version_exists { self.ask_about().await } else { None };
        if !self.tally.has_failed() {
            self.plan_link(&listing, about.as_ref());
        }
        Ok(listing.version_exists.then(|| self.address_by(about.as_ref())))
    }

    /// Plans what needs no answer of the registry: which files a real run would publish.
    fn plan_without_registry(&mut self) {
        let there = "registry not asked";
        for entry in &mut self.tally.entries {
            entry.outcome.status = Status::Planned;
            let (what, size) = (entry.outcome.name.to_string(), Some(entry.size));
            self.plan.push(Planned { action: Action::Upload, what, size, there: there.to_owned() });
        }
        if let Some(seal) = &mut self.seal {
            let name = seal.sealing.name.clone();
            let (what, url) = (name.to_string(), self.inputs.target.file_url(&name));
            self.plan.push(Planned { action: Action::Seal, what, size: None, there: there.to_owned() });
            let status = Status::Planned;
            seal.foretold = Some(Outcome { name, url, size: None, sha256: None, status, local: None });
        }
    }

    /// Reads what would be sent: that it cannot be read is found out now, and what follows from it needs the hashes.
    async fn hash_what_would_be_sent(&mut self) {
        if self.tally.has_failed() {
            return;
        }
        let (registry, files) = (self.sender.registry, &self.files);
        let unhashed = |entry: &Entry| entry.would_be_sent() && entry.outcome.sha256.is_none();
        let indices = (0..files.len()).filter(|&index| unhashed(&self.tally.entries[index]));
        let hash = async |index: usize| (index, files::hash(&files[index].local, registry.silence()).await);
        let hashes: Vec<_> = stream::iter(indices).map(hash).buffered(self.inputs.concurrency).collect().await;
        for (index, hash) in hashes {
            match hash {
                Ok(sha256) => self.tally.entries[index].outcome.sha256 = Some(sha256),
                Err(error) => self.tally.entries[index].fails(error),
            }
        }
    }

    /// What would be done with a file; `None` where it cannot be told, which is an error.
    fn planned(&self, index: usize, listing: &Listing) -> Option<Planned> {
        let entry = &self.tally.entries[index];
        let action = entry.action()?;
        let there = match (listing.find(&entry.outcome.name), action) {
            (Some(_), Action::Unchanged) => SAME.to_owned(),
            (theirs, _) => in_words(theirs),
        };
        Some(Planned { action, what: entry.outcome.name.to_string(), size: Some(entry.size), there })
    }

    /// The seal of what the version would have, and then the aliases. Returns what would become of the seal.
    async fn rehearse_seal(&mut self, listing: &Listing) -> Result<Option<Outcome>, Halt> {
        let Some(Seal { sealing, .. }) = self.seal else { return Ok(None) };
        let would_be_sent = self.tally.entries.iter().filter(|entry| entry.would_be_sent());
        let mut version = would_be_sent.filter_map(Entry::foreseen).fold(listing.clone(), Listing::with);
        let content = match content_of(&version, sealing, &self.inputs.target, &self.inputs.redactor).await {
            Ok(content) => content,
            Err(errors) => {
                self.tally.errors.extend(errors);
                return Ok(None);
            }
        };
        let (name, size) = (&sealing.name, content.len() as u64);
        let sha256 = Sha256::of(content.as_bytes());
        let theirs = listing.find(name);
        let is_there = theirs.is_some_and(|theirs| theirs.holds(size, sha256));
        let (action, status, there) = if is_there {
            (Action::Unchanged, Status::Unchanged, SAME.to_owned())
        } else {
            version = version.with(RegistryFile { name: name.as_str().to_owned(), size, sha256 });
            (Action::Seal, Status::Planned, in_words(theirs))
        };
        let what = format!("{name} of {}", units::files(content.lines().count()));
        self.plan.push(Planned { action, what, size: Some(size), there });
        let mut versions = None;
        for alias in &sealing.aliases {
            self.rehearse_alias(alias, &version, name, &mut versions).await?;
            // A real run ends there too.
            if self.tally.has_failed() {
                break;
            }
        }
        let (name, url) = (name.clone(), self.inputs.target.file_url(name));
        Ok(Some(Outcome { name, url, size: Some(size), sha256: Some(sha256), status, local: None }))
    }

    /// What would be done so that an alias becomes what the version would be then, in the order of a real run.
    async fn rehearse_alias(
        &mut self,
        alias: &Version,
        version: &Listing,
        seal: &FileName,
        versions: &mut Option<Vec<VersionRow>>,
    ) -> Result<(), Halt> {
        let registry = self.sender.registry.of_version(alias.clone());
        let there = match self.context.stop.or(registry.files()).await? {
            Ok(there) => there,
            Err(error) => {
                self.would_not_become(alias, None, error);
                return Ok(());
            }
        };
        let work = Work::of(version, &there, seal);
        if !work.is_done() {
            match self.context.stop.or(self.reason_to_stay(alias, versions)).await? {
                Ok(Some(stay)) => {
                    self.tell_of_stay(alias, &stay);
                    let (what, there) = (format!("version {alias}"), work.counts.in_brief());
                    self.plan.push(Planned { action: Action::Skip, what, size: None, there });
                    return Ok(());
                }
                Ok(None) => {}
                Err(error) => {
                    self.would_not_become(alias, Some(work.counts), error);
                    return Ok(());
                }
            }
        }
        if let Err(bad) = can_be_done(&work) {
            self.would_not_become(alias, Some(work.counts), PublishError::Undeletable(bad));
            return Ok(());
        }
        let (action, state) =
            if work.is_done() { (Action::Unchanged, SAME.to_owned()) } else { (Action::Alias, work.counts.in_brief()) };
        self.plan.push(Planned { action, what: format!("version {alias}"), size: None, there: state });
        let row = |action: Action, file: &RegistryFile, there: String| {
            let what = format!("{alias}/{}", Untrusted::new(&file.name));
            Planned { action, what, size: Some(file.size), there }
        };
        let send = |file| {
            let theirs = there.like(file);
            row(if theirs.is_some() { Action::Replace } else { Action::Upload }, file, in_words(theirs))
        };
        let mut files: Vec<Planned> = work.to_send.iter().map(send).collect();
        files.sort_by_key(|row| row.action == Action::Replace);
        self.plan.extend(files);
        self.plan.extend(work.strays.iter().map(|stray| row(Action::Delete, stray, "left over".to_owned())));
        self.plan.extend(work.seal.iter().map(send));
        Ok(())
    }

    /// Records why an alias would not become what the version would be.
    fn would_not_become(&mut self, alias: &Version, state: Option<Counts>, cause: impl Into<PublishError>) {
        let (alias, version, cause) = (alias.clone(), self.inputs.target.version.clone(), Some(Box::new(cause.into())));
        self.tally.errors.push(PublishError::NotMirrored { alias, version, state, cause });
    }

    /// A package without this version may be linked by another one: only a version is asked for it. Whether the registry
    /// accepts the link is not known before: it shows a link to a private repository to that repository's users only.
    fn plan_link(&mut self, listing: &Listing, about: Option<&About>) {
        let Some(repository) = &self.task.link_repository else { return };
        let linked = about.map(|about| self.linked(repository, about));
        let (action, there) = match linked {
            None if !listing.version_exists => (Action::Link, "not known yet: version is new"),
            None => (Action::Link, "not known"),
            Some(Linked::ToNothing) => (Action::Link, "no visible link"),
            Some(Linked::AsWanted) => (Action::Unchanged, "already linked"),
            Some(Linked::Elsewhere) => (Action::Skip, "linked elsewhere"),
        };
        let named = self.named(repository);
        if action == Action::Link {
            self.sender.reporter.notes(&format!(
                "a dry run does not check whether the registry accepts the link to {named}. If it does not, a real run \
                 warns and still succeeds"
            ));
        }
        let what = format!("repository {named}");
        self.plan.push(Planned { action, what, size: None, there: there.to_owned() });
    }
}

/// Finds out what would keep an alias from becoming what it should be before anything of it is changed.
fn can_be_done(work: &Work) -> Result<(), BadName> {
    let parsed = |file: &RegistryFile| FileName::parse(&file.name);
    for stray in &work.strays {
        parsed(stray)?;
    }
    for file in &work.to_send {
        parsed(file)?;
    }
    Ok(())
}

const SAME: &str = "the same";

/// What is there under a name, where something else is to be.
fn in_words(theirs: Option<&RegistryFile>) -> String {
    theirs.map_or_else(|| "nothing".to_owned(), |theirs| format!("other content, {}", Bytes(theirs.size)))
}

impl Entry {
    fn would_be_sent(&self) -> bool {
        matches!(self.todo, Todo::Send | Todo::Replace(_))
    }

    /// The file as the registry would list it, where it has it from us, or would have it.
    fn foreseen(&self) -> Option<RegistryFile> {
        let is_ours = self.outcome.status.is_in_place() || self.would_be_sent();
        let sha256 = self.outcome.sha256.filter(|_| is_ours)?;
        Some(RegistryFile { name: self.outcome.name.as_str().to_owned(), size: self.size, sha256 })
    }

    /// What a real run would do after its first look, where it would do anything.
    fn action(&self) -> Option<Action> {
        match (self.outcome.status, &self.todo, &self.error) {
            (Status::Unchanged, ..) => Some(Action::Unchanged),
            (Status::Skipped, ..) => Some(Action::Skip),
            (Status::Failed, _, Some(PublishError::Conflict { .. })) => Some(Action::Conflict),
            (_, Todo::Send, _) => Some(Action::Upload),
            (_, Todo::Replace(_), _) => Some(Action::Replace),
            _ => None,
        }
    }
}
