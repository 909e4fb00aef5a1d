//! A dry run: prints the plan of a real run, based on the current lists and on those that the uploads would produce.

use super::alias::{self, Comparison};
use super::error::PublishError;
use super::follow::{announce_no_update, reason_not_to_update};
use super::link::Linked;
use super::tracked::Tracked;
use super::{Halt, Run};
use crate::listing::{Listing, RegistryFile, VersionRow};
use crate::package::{PublicAddress, Version};
use crate::plan::{ConflictTime, Desired, Diff, Op, plan};
use crate::registry::VersionDetails;
use crate::report::{Action, Planned};
use crate::sanitize::Sanitized;
use crate::state::{Event, State};
use crate::units::Bytes;

impl Run<'_> {
    /// Lists the version, makes the plan, and checks write access if anything would be written. Returns the public
    /// address of the version if it exists. An error here would be an error of a real run.
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
            // Unreadable files are found now, and the checksums file and the aliases need the hashes.
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
        let writes = self.report.plan.iter().flatten().any(|row| row.action.changes_files());
        let may_write = !writes || stop.or(self.version.check_write_access()).await?;
        if others_would_be_sent && may_write {
            for index in sent {
                self.version.files[index].is_planned = true;
            }
            self.version.files.extend(checksums);
            if self.job.task.checksums.is_none() {
                self.warn_of_outdated_checksums(&listing);
            }
        }
        let about = if listing.version_exists { self.read_version_details().await } else { None };
        if !self.version.has_failed() {
            self.plan_link(&listing, about.as_ref());
        }
        Ok(listing.version_exists.then(|| self.address_by(about.as_ref())))
    }

    /// Adds rows to the plan.
    fn show(&mut self, rows: impl IntoIterator<Item = Planned>) {
        self.report.plan.get_or_insert_default().extend(rows);
    }

    /// Plans the files that a real run would publish, without a request to the registry.
    fn plan_without_registry(&mut self) {
        let row = |what, size| Planned { action: Action::Upload, what, size, on_registry: "not checked".to_owned() };
        self.version.files.iter_mut().for_each(|file| file.is_planned = true);
        let files = self.version.files.iter().map(|file| row(file.desired.name.to_string(), Some(file.desired.size)));
        let checksums = self.job.task.checksums.as_ref().map(|it| row(format!("{} (checksums)", it.name), None));
        self.report.plan = Some(files.chain(checksums).collect());
    }

    /// Plans the files. Replacements come after all uploads.
    fn plan_files(&mut self, ops: &[Op], sent: &[usize]) {
        let is_done = |index: &usize| sent.contains(index) || !matches!(ops[*index], Op::Upload | Op::Replace(_));
        let rows = (0..self.version.files.len()).filter(is_done).filter_map(|index| {
            let Desired { name, size, .. } = &self.version.files[index].desired;
            row(&ops[index], name.to_string(), *size)
        });
        let mut rows: Vec<Planned> = rows.collect();
        rows.sort_by_key(|row| row.action == Action::Replace);
        self.show(rows);
    }

    /// Plans the checksums file of what the version would have, and then the aliases. Returns the checksums file.
    async fn plan_checksums(&mut self, listing: &Listing, sent: &[usize]) -> Result<Option<Tracked>, Halt> {
        let Some(checksums) = &self.job.task.checksums else { return Ok(None) };
        let sent = sent.iter().map(|&index| &self.version.files[index].desired);
        let mut version = sent.filter_map(as_listed).fold(listing.clone(), Listing::with);
        let Some(mut file) = self.make_checksums_file(&version).await else { return Ok(None) };
        let ops = plan([(&file.desired, &State::Planned)], listing, None);
        self.show(ops.first().and_then(|op| row(op, file.label.clone(), file.desired.size)));
        if ops == [Op::Keep] {
            file.apply(Event::Identical);
        } else {
            file.is_planned = true;
            version = as_listed(&file.desired).into_iter().fold(version, Listing::with);
        }
        let mut versions = None;
        let desired = alias::desired(&version, &checksums.name).map_err(PublishError::UnsafeName)?;
        for alias in &checksums.aliases {
            let (mut state, stop) = (None, self.job.context.stop.clone());
            match stop.or(self.rows_of_alias(alias, &desired, &mut versions, &mut state)).await? {
                Ok(rows) => self.show(rows),
                Err(cause) => {
                    let (alias, version) = (alias.clone(), self.job.inputs.target.version.clone());
                    let cause = Some(Box::new(cause));
                    self.version.errors.push(PublishError::AliasDiffers { alias, version, state, cause });
                }
            }
            // A real run ends there too.
            if self.version.has_failed() {
                break;
            }
        }
        Ok(Some(file))
    }

    /// Plans the update of an alias, in the order of a real run. Stores how it differs as soon as that
    /// is known.
    async fn rows_of_alias(
        &self,
        alias: &Version,
        desired: &[Desired],
        versions: &mut Option<Vec<VersionRow>>,
        state: &mut Option<Diff>,
    ) -> Result<Vec<Planned>, PublishError> {
        let listed = self.version.registry.for_version(alias.clone()).list_files().await?;
        let compared = Comparison::of(desired, &listed);
        let diff = *state.insert(compared.diff);
        let of_alias =
            |action, on_registry| Planned { action, what: format!("alias {alias}"), size: None, on_registry };
        if diff.is_empty() {
            return Ok(vec![of_alias(Action::Unchanged, IDENTICAL.to_owned())]);
        }
        let version = &self.job.inputs.target.version;
        if let Some(no_update) = reason_not_to_update(&self.version.registry, version, alias, versions).await? {
            announce_no_update(self.job, alias, &no_update);
            return Ok(vec![of_alias(Action::Skip, diff.in_brief())]);
        }
        compared.extras().map_err(PublishError::UnsafeName)?;
        let rows = compared.ops.iter().enumerate().filter(|(_, op)| **op != Op::Keep).filter_map(|(index, op)| {
            let (name, size, is_checksums_file) = match (desired.get(index), op) {
                (Some(file), _) => (file.name.to_string(), file.size, file.is_checksums_file),
                (None, Op::Delete(extra)) => (Sanitized::new(&extra.name).to_string(), extra.size, false),
                (None, _) => return None,
            };
            let order = match op {
                _ if is_checksums_file => 3,
                Op::Delete(_) => 2,
                Op::Replace(_) => 1,
                _ => 0,
            };
            Some((order, row(op, format!("{alias}/{name}"), size)?))
        });
        let mut rows: Vec<(u8, Planned)> = rows.collect();
        rows.sort_by_key(|(order, _)| *order);
        let head = of_alias(Action::Alias, diff.in_brief());
        Ok([head].into_iter().chain(rows.into_iter().map(|(_, row)| row)).collect())
    }

    /// Plans the link. A package without this version may be linked by another one: only a version is asked for it. Whether the
    /// registry accepts the link is not known before: it shows a link to a private repository to that repository's users only.
    fn plan_link(&mut self, listing: &Listing, about: Option<&VersionDetails>) {
        let Some(repository) = &self.job.task.link_repository else { return };
        let linked = about.map(|about| self.compare_link(repository, about));
        let (action, on_registry) = match linked {
            None if !listing.version_exists => (Action::Link, "not known yet: version is new"),
            None => (Action::Link, "not known"),
            Some(Linked::Missing) => (Action::Link, "no visible link"),
            Some(Linked::Requested) => (Action::Unchanged, "already linked"),
            Some(Linked::OtherRepository) => (Action::Skip, "linked elsewhere"),
        };
        let named = self.with_owner(repository);
        if action == Action::Link {
            self.job.context.reporter.note(&format!(
                "a dry run does not check whether the registry accepts the link to {named}. If the registry rejects it, a \
                 real run only warns"
            ));
        }
        let what = format!("repository {named}");
        self.show([Planned { action, what, size: None, on_registry: on_registry.to_owned() }]);
    }
}

const IDENTICAL: &str = "identical";

/// Returns the row of the plan for an operation; `None` if nothing would be done.
fn row(op: &Op, what: String, size: u64) -> Option<Planned> {
    let different = |theirs: &RegistryFile| format!("different, {}", Bytes(theirs.size));
    let (action, on_registry) = match op {
        Op::Upload => (Action::Upload, "missing".to_owned()),
        Op::Replace(now) => (Action::Replace, different(&now.existing)),
        Op::Keep => (Action::Unchanged, IDENTICAL.to_owned()),
        Op::Skip(now) => (Action::Skip, different(&now.existing)),
        Op::Conflict(now, ConflictTime::Before) => (Action::Conflict, different(&now.existing)),
        Op::Delete(_) => (Action::Delete, "extra file".to_owned()),
        _ => return None,
    };
    Some(Planned { action, what, size: Some(size), on_registry })
}

/// Returns a file as the registry would list it, once it is hashed.
fn as_listed(Desired { name, size, sha256, .. }: &Desired) -> Option<RegistryFile> {
    Some(RegistryFile { name: name.as_str().to_owned(), size: *size, sha256: (*sha256)? })
}
