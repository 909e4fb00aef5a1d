//! A dry run: everything up to the first change, and then what would be changed.

use url::Url;

use super::error::PublishError;
use super::link::Linked;
use super::tally::{Entry, Todo};
use super::{Halt, Run};
use crate::listing::Listing;
use crate::registry::About;
use crate::report::units::Bytes;
use crate::report::{Action, Planned, Status};

impl Run<'_> {
    /// Looks at the registry, asks for the right to write where anything would be written, and puts down the plan.
    /// Returns the page of the version, where there is one. What fails here would fail in a real run,
    /// which asks for no right either where there is nothing to write.
    pub(super) async fn rehearse(&mut self) -> Result<Option<Url>, Halt> {
        let stop = self.caller.stop.clone();
        if self.files.is_empty() {
            return Ok(None);
        }
        let listing = stop.or(self.look()).await??;
        self.plan = (0..self.files.len()).filter_map(|index| self.planned(index, &listing)).collect();
        if self.tally.entries.iter().any(Entry::would_be_sent) {
            stop.or(self.has_the_right()).await?;
        }
        let about = if listing.version_exists { self.ask_about().await } else { None };
        self.plan_link(about.as_ref());
        if !self.tally.has_failed() {
            for entry in self.tally.entries.iter_mut().filter(|entry| entry.would_be_sent()) {
                entry.outcome.status = Status::Planned;
            }
        }
        Ok(listing.version_exists.then(|| self.page_of(about.as_ref())))
    }

    /// What would be done with a file; `None` where it cannot be told, which is an error.
    fn planned(&self, index: usize, listing: &Listing) -> Option<Planned> {
        let entry = &self.tally.entries[index];
        let action = entry.action()?;
        let there = match (listing.find(&entry.outcome.name), action) {
            (None, _) => "nothing".to_owned(),
            (Some(_), Action::Unchanged) => "the same".to_owned(),
            (Some(theirs), _) => format!("other content, {}", Bytes(theirs.size)),
        };
        Some(Planned { action, what: entry.outcome.name.to_string(), size: Some(entry.size), there })
    }

    /// A package without this version may be linked by another one: only a version is asked for it.
    fn plan_link(&mut self, about: Option<&About>) {
        let Some(repository) = &self.task.link_repository else { return };
        let linked = about.map(|about| self.linked(repository, about));
        let (action, there) = match linked {
            None => (Action::Link, "not known"),
            Some(Linked::ToNothing) => (Action::Link, "linked to nothing"),
            Some(Linked::AsWanted) => (Action::Unchanged, "linked to it"),
            Some(Linked::Elsewhere) => (Action::Skip, "linked elsewhere"),
        };
        let what = format!("repository {}", self.named(repository));
        self.plan.push(Planned { action, what, size: None, there: there.to_owned() });
    }
}

impl Entry {
    fn would_be_sent(&self) -> bool {
        matches!(self.todo, Todo::Send | Todo::Replace(_))
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
