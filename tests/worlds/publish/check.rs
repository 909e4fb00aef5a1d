//! The checks of a run that publishes, in any world.

use std::collections::{BTreeMap, BTreeSet};

use embedded_registry::{Action, Match, Point, Request, StoredFile};

use super::super::kind::{Promises, Scene};
use super::super::outputs::{Outputs, Row};
use super::super::script::{last_segment, segment, sha256};
use super::super::world::{Act, Content, Event, is_about_lists};
use super::journal::{Deletion, Seen};
use super::{Others, Planned, Policy, Publish};

/// Returns the SHA-256 of a content, in lower-case hexadecimal.
fn hash_of(content: Content) -> String {
    sha256(&content.bytes()).to_string()
}

fn holds(stored: Option<&StoredFile>, content: Content) -> bool {
    stored.is_some_and(|file| file.size == content.length as u64 && file.sha256 == hash_of(content))
}

impl Promises for Publish {
    /// (i), (ii) and (iv): compares the exit code, the outputs and the log with the registry.
    fn wrong_outputs(scene: &Scene<'_, Self>, Outputs { rows, .. }: &Outputs) -> Vec<String> {
        let named: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        let planned: BTreeSet<&str> = scene.world.of.files.iter().map(|file| file.name.as_str()).collect();
        if named != planned || rows.len() != planned.len() {
            return vec![format!("(ii) the output `files` has {named:?}, expected {planned:?}")];
        }
        let mut wrong: Vec<String> = rows.iter().filter_map(|row| scene.one_file(row)).collect();
        let all_good = rows.iter().all(|row| row.is_in_place() || row.status == "skipped");
        // If the last list cannot be read, a run fails even if it has only skipped files.
        let all_published = rows.iter().all(Row::is_in_place);
        if scene.ran.code == Some(0) && !all_good || scene.ran.code == Some(1) && all_published {
            wrong.push(format!("(i) the exit code is {:?}, but all files in place: {all_good}", scene.ran.code));
        }
        wrong
    }

    /// Only own files are sent, and deleted only if they may overwrite others.
    fn may_send(scene: &Scene<'_, Self>, request: &Request) -> bool {
        let last = last_segment(request);
        let is_planned = scene.world.of.files.iter().any(|file| segment(&file.name) == last);
        match request.method.as_str() {
            "DELETE" => is_planned && scene.world.of.policy == Policy::Overwrite,
            "PUT" => is_planned || last == "%2A",
            // What is posted is the link.
            method => matches!(method, "GET" | "POST"),
        }
    }

    fn wrong_actions(scene: &Scene<'_, Self>) -> Vec<String> {
        [scene.check_unrelated_files(), scene.requests_in_order()].concat()
    }

    /// (v): checks a run without faults. If the previous run was broken off, one of its uploads may still be running.
    fn wrong_ending(scene: &Scene<'_, Self>, outputs: &Outputs) -> Vec<String> {
        let (code, statuses, wanted) = expected(&scene.world.of, scene.before);
        let found: BTreeMap<&str, &str> =
            outputs.rows.iter().map(|row| (row.name.as_str(), row.status.as_str())).collect();
        let mut wrong = Vec::new();
        if scene.ran.code != Some(code) {
            wrong.push(format!("(v) the exit code is {:?}, expected {code}", scene.ran.code));
        }
        let same = |found: &str, wanted: &str| {
            found == wanted || scene.follows_interrupted_run && found == "unchanged" && wanted == "uploaded"
        };
        let is_as_wanted =
            |(name, wanted): (&String, &&str)| found.get(name.as_str()).is_some_and(|found| same(found, wanted));
        if found.len() != statuses.len() || !statuses.iter().all(is_as_wanted) {
            wrong.push(format!("(v) the statuses are {found:?}, expected {statuses:?}"));
        }
        if *scene.after != wanted {
            wrong.push(format!("(v) the registry has {:?}, expected {wanted:?}", scene.after));
        }
        wrong
    }
}

impl Scene<'_, Publish> {
    /// Returns the violation in the row of one file, if there is one.
    fn one_file(&self, row: &Row) -> Option<String> {
        let index = self.world.of.files.iter().position(|file| file.name == row.name)?;
        let file = &self.world.of.files[index];
        let folded = file.name.to_lowercase();
        let in_last_list = self.entries.lists.last().and_then(|seen| seen.get(&folded));
        let at_end = self.after.get(&folded);
        // If the run was canceled, its unread list may have been made after the last list that it read.
        let in_read_list = self.entries.lists.iter().rev().nth(1).filter(|_| self.ran.code == Some(143));
        let in_read_list = in_read_list.and_then(|seen| seen.get(&folded));
        let is_there = [at_end, in_last_list, in_read_list].into_iter().any(|stored| holds(stored, file.content));
        if row.size != Some(file.content.length as u64)
            || row.sha256.as_ref().is_some_and(|sha256| *sha256 != hash_of(file.content))
        {
            return Some(format!("(iv) `{}` has a wrong size or hash: {row:?}", row.name));
        }
        match row.status.as_str() {
            "uploaded" | "replaced" | "unchanged" => (!is_there || row.sha256.is_none()).then(|| {
                format!("(iv) the status of `{}` is {}, but the registry has {at_end:?}", row.name, row.status)
            }),
            "skipped" => {
                let differs = |stored: Option<&StoredFile>| stored.is_some() && !holds(stored, file.content);
                // What was skipped is nothing that was published: a run that fails may have listed it earlier.
                let was_seen = || self.entries.lists.iter().any(|seen| differs(seen.get(&folded)));
                let is_so = differs(at_end) || differs(in_last_list) || self.ran.code != Some(0) && was_seen();
                (self.world.of.policy != Policy::Skip || !is_so)
                    .then(|| format!("(i) the status of `{}` is skipped, but the registry has {at_end:?}", row.name))
            }
            _ if !self.ran.log.contains(&row.name) => Some(format!("(ii) the log does not name `{}`", row.name)),
            "failed" | "not-attempted" if is_there && self.was_sent(file) && !self.can_misreport(index) => {
                Some(format!("(ii) the status of `{}` is {}, but the registry has the file", row.name, row.status))
            }
            "failed" | "unknown" | "not-attempted" => None,
            other => Some(format!("(iv) the status of `{}` is {other}", row.name)),
        }
    }

    /// Whether the file was missing or different at first, and the run uploaded it.
    fn was_sent(&self, file: &Planned) -> bool {
        let in_first_list = self.entries.lists.first().and_then(|seen| seen.get(&file.name.to_lowercase()));
        let segment = segment(&file.name);
        !holds(in_first_list, file.content)
            && self.requests.iter().any(|it| it.method == "PUT" && last_segment(it) == segment)
    }

    /// Whether a response denied that a stored file was stored, or another job stored it.
    fn can_misreport(&self, file: usize) -> bool {
        let lies = |event: &Event<Others>| match &event.act {
            Act::Fault(Action::Answer(answer)) if event.at == Point::AfterStore && answer.status < 500 => true,
            act => shows_other_lists(&event.on, act),
        };
        let is_changed = |act: &Act<Others>| matches!(act, Act::Others(others) if others.file() == Some(file));
        let name = self.world.of.files[file].name.to_lowercase();
        self.world.events.iter().any(|event| lies(event) || is_changed(&event.act))
            || self.entries.changes.iter().any(|change| change.name == name)
    }

    /// (iii): checks that the run has changed only files that it may change.
    fn check_unrelated_files(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, theirs) in &self.entries.theirs {
            let may_be_replaced = self.world.of.policy == Policy::Overwrite && self.world.of.is_planned(name);
            if !may_be_replaced && self.after.get(name) != Some(theirs) {
                wrong.push(format!("(iii) the file {theirs:?} of another job changed to {:?}", self.after.get(name)));
            }
        }
        for (name, file) in self.after {
            if !self.world.of.is_planned(name) && !self.entries.theirs.contains_key(name) {
                wrong.push(format!("(iii) the registry has an unexpected file: {file:?}"));
            }
        }
        let is_shown_otherwise = self.world.events.iter().any(|event| shows_other_lists(&event.on, &event.act));
        if !is_shown_otherwise {
            wrong.extend(self.entries.deletions.iter().filter_map(|deletion| self.deletion(deletion)));
        }
        wrong
    }

    /// Checks that the deleted content is the one that a list showed first, unless another job changed it too late to
    /// be listed. If a list showed that another job had deleted it, the content after that counts.
    fn deletion(&self, deletion: &Deletion) -> Option<String> {
        let file = self.world.of.files.iter().find(|file| file.name.to_lowercase() == deletion.name)?;
        let shown = |seen: &Seen| seen.get(&deletion.name).filter(|stored| !holds(Some(stored), file.content)).cloned();
        let is_again = |it: &Deletion| it.name == deletion.name && it.lists < deletion.lists;
        let is_ours = self.entries.deletions.iter().any(is_again);
        let lists = &self.entries.lists[..deletion.lists];
        let gone = lists.iter().rposition(|seen| !is_ours && !seen.contains_key(&deletion.name));
        let first = lists[gone.map_or(0, |list| list + 1)..].iter().find_map(shown);
        let before = &self.entries.changes[..deletion.changes];
        let since = |list: usize| before.iter().filter(move |change| change.lists >= list);
        let mut unseen =
            since(deletion.lists).filter(|change| change.name == deletion.name && change.lists <= deletion.lists);
        let too_late =
            unseen.next().is_some_and(|change| change.is_unforeseeable) && unseen.all(|change| change.is_unforeseeable);
        (first.as_ref() != Some(&deletion.content) && !too_late)
            .then(|| format!("(iii) {:?} was deleted, but the first list had {first:?}", deletion.content))
    }

    /// Nothing is deleted but after a list; nothing is sent again without a list where it may have been stored, or after the registry has accepted it.
    fn requests_in_order(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut sent = BTreeMap::<&str, &Request>::new();
        let mut has_listed = false;
        let mut missing = BTreeSet::new();
        let mut accepted = BTreeSet::new();
        for request in self.requests {
            let last = last_segment(request);
            match request.method.as_str() {
                "GET" if last == "files" => {
                    sent.clear();
                    has_listed = true;
                }
                "DELETE" => {
                    // Until the file exists again, it is uploaded even if no list can be read.
                    missing.insert(last);
                    if !has_listed {
                        wrong.push(format!("(iii) `{last}` was deleted without a list just before"));
                    }
                }
                "PUT" if last == "%2A" => has_listed = false,
                "PUT" => {
                    has_listed = false;
                    if accepted.contains(last) && self.rival.is_none() && self.every_answer_arrives() {
                        wrong.push(format!("`{last}` was uploaded again after it was accepted"));
                    }
                    if request.status == Some(201) {
                        accepted.insert(last);
                    }
                    let before = sent.insert(last, request);
                    if let Some(before) =
                        before.filter(|before| !missing.contains(last) && !self.was_not_acted_upon(before))
                    {
                        wrong.push(format!("`{last}` was uploaded again without a list after {:?}", before.status));
                    }
                }
                _ => {}
            }
        }
        wrong
    }

    /// Whether every response reaches the run, because the events only change responses or stored files.
    fn every_answer_arrives(&self) -> bool {
        let changes_answers = |act: &Act<Others>| match act {
            Act::Others(_) => true,
            Act::Fault(action) => matches!(action, Action::Answer(_) | Action::OutdatedList(_) | Action::CorruptUpload),
            _ => false,
        };
        self.world
            .events
            .iter()
            .all(|event| matches!(event.at, Point::BeforeStore | Point::AfterStore) && changes_answers(&event.act))
    }

    /// Whether the response meant that the request was not processed. An incomplete response may have meant it.
    fn was_not_acted_upon(&self, request: &Request) -> bool {
        // A request whose new ID token is refused is sent once more.
        let uses_id_tokens = self.world.setting.id_token_life.is_some();
        let says_so = |status: u16| matches!(status, 408 | 425 | 429) || status == 401 && uses_id_tokens;
        let may_say_so = |action: &Action| matches!(action, Action::Answer(answer) if says_so(answer.status));
        request.status.is_some_and(says_so) || request.status.is_none() && self.world.has_fault(may_say_so)
    }
}

/// Returns whether an event makes lists differ from the stored files.
fn shows_other_lists(on: &Match, act: &Act<Others>) -> bool {
    match act {
        Act::Fault(Action::OutdatedList(_) | Action::Alter(_)) => true,
        Act::Fault(Action::Answer(answer)) => is_about_lists(on) && matches!(answer.status, 200 | 404),
        _ => false,
    }
}

/// Returns the exit code, the statuses and the final files of a run without faults, given the existing files.
fn expected(of: &Publish, there: &Seen) -> (i32, BTreeMap<String, &'static str>, Seen) {
    let stored = |index: usize| there.get(&of.files[index].name.to_lowercase());
    let is_conflict = |index: usize| stored(index).is_some() && !holds(stored(index), of.files[index].content);
    let fails = of.policy == Policy::Fail && (0..of.files.len()).any(is_conflict);
    let mut statuses = BTreeMap::new();
    let mut end = there.clone();
    for (index, file) in of.files.iter().enumerate() {
        let status = match (stored(index), of.policy) {
            _ if holds(stored(index), file.content) => "unchanged",
            (None, _) if fails => "not-attempted",
            (None, _) => "uploaded",
            (Some(_), Policy::Fail) => "failed",
            (Some(_), Policy::Skip) => "skipped",
            (Some(_), Policy::Overwrite) => "replaced",
        };
        statuses.insert(file.name.clone(), status);
        if matches!(status, "uploaded" | "replaced") {
            let (size, sha256) = (file.content.length as u64, hash_of(file.content));
            end.insert(file.name.to_lowercase(), StoredFile { name: file.name.clone(), size, sha256 });
        }
    }
    (i32::from(fails), statuses, end)
}
