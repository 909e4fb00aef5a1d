//! A dry run: the plan of a real run, made of the lists as they are and as they would be then, and shown instead of executed.

use super::alias::{self, Compared};
use super::checksums::{self, content_for};
use super::error::PublishError;
use super::follow::{reason_to_stay, tell_of_stay};
use super::link::Linked;
use super::{Halt, Run};
use crate::listing::{Listing, RegistryFile, VersionRow};
use crate::package::{PublicAddress, Version};
use crate::plan::{Desired, Diff, Extras, Op, When, plan};
use crate::registry::About;
use crate::report::{Action, Outcome, Planned, Status};
use crate::sanitize::Sanitized;
use crate::state::State;
use crate::units::{self, Bytes};

impl Run<'_> {
    /// Lists the version, makes the plan, and checks write access if anything would be written. Returns the page of the
    /// version if it exists. What fails here would fail in a real run.
    pub(super) async fn dry_run(&mut self) -> Result<Option<PublicAddress>, Halt> {
        let stop = self.job.context.stop.clone();
        if self.is_empty() {
            return Ok(None);
        }
        if self.job.inputs.credentials.is_none() {
            self.plan_without_registry();
            return Ok(None);
        }
        let (listing, ops) = stop.or(self.version.list_and_plan()).await??;
        let others_would_be_sent = !self.version.has_failed();
        let is_sent = |op: &Op| matches!(op, Op::Upload | Op::Replace(_));
        let mut sent: Vec<usize> = (0..ops.len()).filter(|&index| is_sent(&ops[index])).collect();
        if others_would_be_sent {
            // That a file cannot be read is found out now, and what follows from it needs the hashes.
            let files = &self.version.files;
            let unhashed = sent.iter().copied().filter(|&index| files[index].desired.sha256.is_none()).collect();
            for (index, error) in stop.or(self.version.hash(unhashed)).await? {
                self.version.files[index].fail(error);
            }
        }
        let files_would_be_there = !self.version.has_failed();
        sent.retain(|&index| {
            let can_be = matches!(self.version.files[index].state, State::Planned | State::ToReplace { .. });
            // Nothing is replaced if something has failed.
            can_be && (files_would_be_there || !others_would_be_sent || ops[index] == Op::Upload)
        });
        self.plan_files(&ops, &sent);
        let checksums = if files_would_be_there { self.plan_checksums(&listing, &sent).await? } else { None };
        let writes = self.results.plan.iter().any(|row| row.action.changes_files());
        let may_write = !writes || stop.or(self.version.check_write_access()).await?;
        if others_would_be_sent && may_write {
            self.results.planned = sent;
            self.results.checksums = checksums;
            if self.job.task.checksums.is_none() {
                self.warn_of_outdated_checksums(&listing);
            }
        }
        let about = if listing.version_exists { self.ask_about().await } else { None };
        if !self.version.has_failed() {
            self.plan_link(&listing, about.as_ref());
        }
        Ok(listing.version_exists.then(|| self.address_by(about.as_ref())))
    }

    /// Plans what needs no response of the registry: which files a real run would publish.
    fn plan_without_registry(&mut self) {
        const THERE: &str = "not checked";
        let row = |action, what, size| Planned { action, what, size, there: THERE.to_owned() };
        self.results.planned = (0..self.version.files.len()).collect();
        let files = self.version.files.iter().map(|file| &file.desired);
        self.results.plan = files.map(|file| row(Action::Upload, file.name.to_string(), Some(file.size))).collect();
        if let Some(checksums) = &self.job.task.checksums {
            let name = checksums.name.clone();
            self.results.plan.push(row(Action::Upload, format!("{name} (checksums)"), None));
            let (url, status) = (self.job.inputs.target.file_url(&name), Status::Planned);
            self.results.checksums = Some(Outcome { name, url, size: None, sha256: None, status, local: None });
        }
    }

    /// Plans the files; a replacement comes when all else is there.
    fn plan_files(&mut self, ops: &[Op], sent: &[usize]) {
        let is_done = |index: &usize| sent.contains(index) || !matches!(ops[*index], Op::Upload | Op::Replace(_));
        let rows = (0..self.version.files.len()).filter(is_done).filter_map(|index| {
            let Desired { name, size, .. } = &self.version.files[index].desired;
            row(&ops[index], name.to_string(), *size)
        });
        let mut rows: Vec<Planned> = rows.collect();
        rows.sort_by_key(|row| row.action == Action::Replace);
        self.results.plan = rows;
    }

    /// Plans the checksums file of what the version would have, and then the aliases. Returns what would become of the
    /// checksums file.
    async fn plan_checksums(&mut self, listing: &Listing, sent: &[usize]) -> Result<Option<Outcome>, Halt> {
        let Some(checksums) = &self.job.task.checksums else { return Ok(None) };
        let target = &self.job.inputs.target;
        let sent = sent.iter().map(|&index| &self.version.files[index].desired);
        let mut version = sent.filter_map(as_listed).fold(listing.clone(), Listing::with);
        let content = match content_for(&version, checksums, target, &self.job.inputs.redactor).await {
            Ok(content) => content,
            Err(errors) => {
                self.version.errors.extend(errors);
                return Ok(None);
            }
        };
        let count = units::files(content.lines().count());
        let (desired, _) = checksums::desired(&checksums.name, content);
        let Desired { name, size, sha256, .. } = &desired;
        let ops = plan([(&desired, &State::Planned)], listing, Extras::Keep);
        let what = format!("{name} (checksums of {count})");
        self.results.plan.extend(ops.first().and_then(|op| row(op, what, *size)));
        let status = if ops == [Op::Keep] { Status::Unchanged } else { Status::Planned };
        if status == Status::Planned {
            version = as_listed(&desired).into_iter().fold(version, Listing::with);
        }
        let mut versions = None;
        let desired_of_alias = alias::desired(&version, name).map_err(PublishError::UnsafeName)?;
        for alias in &checksums.aliases {
            self.plan_alias(alias, &desired_of_alias, &mut versions).await?;
            // A real run ends there too.
            if self.version.has_failed() {
                break;
            }
        }
        let (name, url) = (name.clone(), target.file_url(name));
        Ok(Some(Outcome { name, url, size: Some(*size), sha256: *sha256, status, local: None }))
    }

    /// Plans how an alias would be made identical to the version, in the order of a real run.
    async fn plan_alias(
        &mut self,
        alias: &Version,
        desired: &[Desired],
        versions: &mut Option<Vec<VersionRow>>,
    ) -> Result<(), Halt> {
        let stop = self.job.context.stop.clone();
        let registry = self.version.registry.of_version(alias.clone());
        let there = match stop.or(registry.files()).await? {
            Ok(there) => there,
            Err(error) => {
                self.alias_would_differ(alias, None, error);
                return Ok(());
            }
        };
        let compared = Compared::of(desired, &there);
        let (what, state) = (format!("alias {alias}"), compared.diff.in_brief());
        if compared.diff.is_empty() {
            self.results.plan.push(Planned { action: Action::Unchanged, what, size: None, there: SAME.to_owned() });
            return Ok(());
        }
        let version = &self.job.inputs.target.version;
        match stop.or(reason_to_stay(&self.version.registry, version, alias, versions)).await? {
            Ok(Some(stay)) => {
                tell_of_stay(self.job, alias, &stay);
                self.results.plan.push(Planned { action: Action::Skip, what, size: None, there: state });
                return Ok(());
            }
            Ok(None) => {}
            Err(error) => {
                self.alias_would_differ(alias, Some(compared.diff), error);
                return Ok(());
            }
        }
        if let Err(bad) = compared.extras() {
            self.alias_would_differ(alias, Some(compared.diff), PublishError::UnsafeName(bad));
            return Ok(());
        }
        self.results.plan.push(Planned { action: Action::Alias, what, size: None, there: state });
        let rows = compared.ops.iter().enumerate().filter(|(_, op)| **op != Op::Keep).filter_map(|(index, op)| {
            let (name, size, is_last) = match (desired.get(index), op) {
                (Some(file), _) => (file.name.to_string(), file.size, file.is_last),
                (None, Op::Delete(extra)) => (Sanitized::new(&extra.name).to_string(), extra.size, false),
                (None, _) => return None,
            };
            let order = match op {
                _ if is_last => 3,
                Op::Delete(_) => 2,
                Op::Replace(_) => 1,
                _ => 0,
            };
            Some((order, row(op, format!("{alias}/{name}"), size)?))
        });
        let mut rows: Vec<(u8, Planned)> = rows.collect();
        rows.sort_by_key(|(order, _)| *order);
        self.results.plan.extend(rows.into_iter().map(|(_, row)| row));
        Ok(())
    }

    /// Records why an alias would not become identical to the version.
    fn alias_would_differ(&mut self, alias: &Version, state: Option<Diff>, cause: impl Into<PublishError>) {
        let version = self.job.inputs.target.version.clone();
        let cause = Some(Box::new(cause.into()));
        self.version.errors.push(PublishError::AliasDiffers { alias: alias.clone(), version, state, cause });
    }

    /// A package without this version may be linked by another one: only a version is asked for it. Whether the registry
    /// accepts the link is not known before: it shows a link to a private repository to that repository's users only.
    fn plan_link(&mut self, listing: &Listing, about: Option<&About>) {
        let Some(repository) = &self.job.task.link_repository else { return };
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
            self.job.context.reporter.notes(&format!(
                "a dry run does not check whether the registry accepts the link to {named}. If the registry rejects it, a \
                 real run only warns"
            ));
        }
        let what = format!("repository {named}");
        self.results.plan.push(Planned { action, what, size: None, there: there.to_owned() });
    }
}

const SAME: &str = "identical";

/// A row of the plan; `None` if nothing would be done.
fn row(op: &Op, what: String, size: u64) -> Option<Planned> {
    let action = match op {
        Op::Upload => Action::Upload,
        Op::Replace(_) => Action::Replace,
        Op::Keep => Action::Unchanged,
        Op::Skip(_) => Action::Skip,
        Op::Conflict(_, When::Before) => Action::Conflict,
        Op::Delete(_) => Action::Delete,
        _ => return None,
    };
    Some(Planned { action, what, size: Some(size), there: in_words(op) })
}

/// Describes the content on the registry under the name of a file.
fn in_words(op: &Op) -> String {
    match op {
        Op::Keep => SAME.to_owned(),
        Op::Replace(now) | Op::Skip(now) | Op::Conflict(now, _) => {
            format!("different, {}", Bytes(now.theirs.size))
        }
        Op::Delete(_) => "extra file".to_owned(),
        _ => "missing".to_owned(),
    }
}

/// A file as the registry would list it.
fn as_listed(Desired { name, size, sha256, .. }: &Desired) -> Option<RegistryFile> {
    Some(RegistryFile { name: name.as_str().to_owned(), size: *size, sha256: (*sha256)? })
}
