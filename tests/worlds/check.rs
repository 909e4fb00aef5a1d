//! What has to hold of a run, whatever it met.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use embedded_registry::{Action, Point, Request, StoredFile};
use generic_packages::checksum::Hasher;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::journal::{Deletion, Entries, OWNER, Seen};
use super::run::Ran;
use super::script::segment;
use super::told::{self, Row};
use super::world::{Act, Content, Event, File, On, Policy, World};

/// A run in its world, and what the registry knows of it.
pub(crate) struct Scene<'a> {
    pub(crate) world: &'a World,
    pub(crate) ran: &'a Ran,
    pub(crate) entries: &'a Entries,
    pub(crate) requests: &'a [Request],
    /// What the version has in the end.
    pub(crate) end: &'a Seen,
}

/// The SHA-256 of a content, in lower-case hexadecimal.
fn sha256(content: Content) -> String {
    let mut hasher = Hasher::default();
    hasher.update(&content.bytes());
    hasher.finish().to_string()
}

fn holds(stored: Option<&StoredFile>, content: Content) -> bool {
    stored.is_some_and(|file| file.size == content.length as u64 && file.sha256 == sha256(content))
}

impl Scene<'_> {
    /// All that does not hold. The numbers are those of the promises.
    pub(crate) fn violations(&self) -> Vec<String> {
        let mut wrong = self.what_was_told();
        wrong.extend(self.what_was_there());
        wrong.extend(self.requests_in_order());
        wrong
    }

    /// (i), (ii) and (iv): the exit code, the outputs, the summary and the log against the registry.
    fn what_was_told(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let has = |meant: fn(&Act) -> bool| self.world.events.iter().any(|event| meant(&event.act));
        match self.ran.code {
            Some(0 | 1) => {}
            Some(143) if has(|act| matches!(act, Act::Terminate)) => {}
            // It can end before it writes anything.
            None if has(|act| matches!(act, Act::Kill)) => return wrong,
            code => wrong.push(format!("(ii) the exit code is {code:?}")),
        }
        let told = told::outputs(&self.ran.outputs).and_then(|outputs| Ok((told::rows(&outputs)?, outputs)));
        let (rows, outputs) = match told {
            Ok(told) => told,
            Err(error) => return [wrong, vec![format!("(iv) {error}")]].concat(),
        };
        wrong.extend(told::contradictions(&outputs, &rows).into_iter().map(|text| format!("(iv) {text}")));
        wrong.extend(
            told::summary_contradictions(&self.ran.summary, &rows).into_iter().map(|text| format!("(iv) {text}")),
        );
        let named: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        let planned: BTreeSet<&str> = self.world.files.iter().map(|file| file.name.as_str()).collect();
        if named != planned || rows.len() != planned.len() {
            return [wrong, vec![format!("(ii) named are {named:?}, planned were {planned:?}")]].concat();
        }
        for row in &rows {
            wrong.extend(self.one_file(row));
        }
        let all_good = rows.iter().all(|row| row.is_in_place() || row.status == "skipped");
        // Where the last list is not to be had, a run fails though it has only skipped files.
        let all_published = rows.iter().all(Row::is_in_place);
        if self.ran.code == Some(0) && !all_good || self.ran.code == Some(1) && all_published {
            wrong.push(format!("(i) exit code {:?}, and all files as wanted: {all_good}", self.ran.code));
        }
        if self.ran.code != Some(0) && !self.ran.log.lines().any(|line| line.starts_with("error: ")) {
            wrong.push("(ii) it fails, and the log has no error".to_owned());
        }
        wrong
    }

    /// What was told of one file.
    fn one_file(&self, row: &Row) -> Option<String> {
        let index = self.world.files.iter().position(|file| file.name == row.name)?;
        let file = &self.world.files[index];
        let folded = file.name.to_lowercase();
        let at_last_look = self.entries.looks.last().and_then(|seen| seen.get(&folded));
        let at_end = self.end.get(&folded);
        let is_there = holds(at_end, file.content) || holds(at_last_look, file.content);
        if row.size != Some(file.content.length as u64)
            || row.sha256.as_ref().is_some_and(|told| *told != sha256(file.content))
        {
            return Some(format!("(iv) `{}` was told with another size or hash: {row:?}", row.name));
        }
        match row.status.as_str() {
            "uploaded" | "replaced" | "unchanged" => (!is_there || row.sha256.is_none())
                .then(|| format!("(iv) `{}` is {}, and there is {at_end:?}", row.name, row.status)),
            "skipped" => {
                let differs = |stored: Option<&StoredFile>| stored.is_some() && !holds(stored, file.content);
                // What was skipped is nothing that was published: a run that fails may have looked earlier.
                let was_seen = || self.entries.looks.iter().any(|seen| differs(seen.get(&folded)));
                let is_so = differs(at_end) || differs(at_last_look) || self.ran.code != Some(0) && was_seen();
                (self.world.policy != Policy::Skip || !is_so)
                    .then(|| format!("(i) `{}` is skipped, and there is {at_end:?}", row.name))
            }
            _ if !self.ran.log.contains(&row.name) => Some(format!("(ii) the log does not name `{}`", row.name)),
            "failed" | "not-attempted" if is_there && self.was_sent(file) && !self.may_be_misled(index) => {
                Some(format!("(ii) `{}` is {}, and it is there", row.name, row.status))
            }
            "failed" | "unknown" | "not-attempted" => None,
            other => Some(format!("(iv) `{}` is {other}", row.name)),
        }
    }

    /// Whether it was not there, and we sent it.
    fn was_sent(&self, file: &File) -> bool {
        let at_first_look = self.entries.looks.first().and_then(|seen| seen.get(&file.name.to_lowercase()));
        let segment = segment(&file.name);
        !holds(at_first_look, file.content)
            && self.requests.iter().any(|it| it.method == "PUT" && it.target.rsplit('/').next() == Some(&segment))
    }

    /// Whether somebody said of a file that was stored that it was not, or stored it for us.
    fn may_be_misled(&self, file: usize) -> bool {
        let lies = |event: &Event| match &event.act {
            Act::Fault(Action::Lag(_) | Action::Alter(_)) => true,
            Act::Fault(Action::Answer(answer)) => match event.on {
                On::List | On::Any => {
                    matches!(answer.status, 200 | 404) || event.at == Point::AfterStore && answer.status < 500
                }
                _ => event.at == Point::AfterStore && answer.status < 500,
            },
            _ => false,
        };
        let name = self.world.files[file].name.to_lowercase();
        self.world.events.iter().any(|event| lies(event) || event.act.file() == Some(file))
            || self.entries.changes.iter().any(|change| change.name == name)
    }

    fn is_planned(&self, folded: &str) -> bool {
        self.world.files.iter().any(|file| file.name.to_lowercase() == folded)
    }

    /// (iii): nothing of what is not ours to change has changed.
    fn what_was_there(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, theirs) in &self.entries.theirs {
            let may_be_replaced = self.world.policy == Policy::Overwrite && self.is_planned(name);
            if !may_be_replaced && self.end.get(name) != Some(theirs) {
                wrong.push(format!("(iii) {theirs:?} has become {:?}", self.end.get(name)));
            }
        }
        for (name, file) in self.end {
            if !self.is_planned(name) && !self.entries.theirs.contains_key(name) {
                wrong.push(format!("(iii) nobody published {file:?}"));
            }
        }
        let shown_as_it_was = self.world.events.iter().any(|event| match &event.act {
            Act::Fault(Action::Lag(_) | Action::Alter(_)) => true,
            Act::Fault(Action::Answer(answer)) => {
                matches!(event.on, On::List | On::Any) && matches!(answer.status, 200 | 404)
            }
            _ => false,
        });
        if !shown_as_it_was {
            wrong.extend(self.entries.deletions.iter().filter_map(|deletion| self.deletion(deletion)));
        }
        wrong
    }

    /// What was deleted has to be what a list showed at first, unless somebody changed it when it was too late to see.
    fn deletion(&self, deletion: &Deletion) -> Option<String> {
        let file = self.world.files.iter().find(|file| file.name.to_lowercase() == deletion.name)?;
        let shown = |seen: &Seen| seen.get(&deletion.name).filter(|stored| !holds(Some(stored), file.content)).cloned();
        let first = self.entries.looks.iter().find_map(shown);
        let before = &self.entries.changes[..deletion.changes];
        let since = |look: usize| before.iter().filter(move |change| change.looks >= look);
        let mut unseen =
            since(deletion.looks).filter(|change| change.name == deletion.name && change.looks <= deletion.looks);
        let too_late =
            unseen.next().is_some_and(|change| change.is_unforeseeable) && unseen.all(|change| change.is_unforeseeable);
        (first.as_ref() != Some(&deletion.content) && !too_late)
            .then(|| format!("(iii) {:?} was deleted, and first seen was {first:?}", deletion.content))
    }

    /// Only our files are sent, only where it was asked for is anything deleted, and that after a look; nothing is sent
    /// again without a look where it may have been stored.
    fn requests_in_order(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut sent = BTreeMap::<&str, &Request>::new();
        let mut has_looked = false;
        let mut missing = BTreeSet::new();
        for request in self.requests {
            let last = request.target.rsplit('/').next().unwrap_or_default();
            let is_planned = self.world.files.iter().any(|file| segment(&file.name) == last);
            match request.method.as_str() {
                "GET" if last == "files" => {
                    sent.clear();
                    has_looked = true;
                }
                "GET" => {}
                "DELETE" if is_planned && self.world.policy == Policy::Overwrite => {
                    // Until it is there again, a list that is away is no reason not to send it.
                    missing.insert(last);
                    if !has_looked {
                        wrong.push(format!("(iii) `{last}` was to be deleted without a look just before"));
                    }
                }
                "PUT" if last == "%2A" => has_looked = false,
                "PUT" if is_planned => {
                    has_looked = false;
                    let before = sent.insert(last, request);
                    if let Some(before) =
                        before.filter(|before| !missing.contains(last) && !self.was_not_acted_upon(before))
                    {
                        wrong.push(format!("`{last}` was sent again without a look after {:?}", before.status));
                    }
                }
                _ => wrong.push(format!("(iii) nobody asked for {} {}", request.method, request.target)),
            }
        }
        wrong
    }

    /// Whether the answer said so, or may have, where it was not sent whole.
    fn was_not_acted_upon(&self, request: &Request) -> bool {
        let says_so = |status: u16| matches!(status, 408 | 425 | 429);
        let may_say_so =
            |event: &Event| matches!(&event.act, Act::Fault(Action::Answer(answer)) if says_so(answer.status));
        request.status.is_some_and(says_so) || request.status.is_none() && self.world.events.iter().any(may_say_so)
    }
}

/// What a run comes to where nothing goes wrong, given what is there: the exit code, the statuses, and what is there
/// then.
pub(crate) fn expected(world: &World, there: &Seen) -> (i32, BTreeMap<String, &'static str>, Seen) {
    let stored = |index: usize| there.get(&world.files[index].name.to_lowercase());
    let is_conflict = |index: usize| stored(index).is_some() && !holds(stored(index), world.files[index].content);
    let fails = world.policy == Policy::Fail && (0..world.files.len()).any(is_conflict);
    let mut statuses = BTreeMap::new();
    let mut end = there.clone();
    for (index, file) in world.files.iter().enumerate() {
        let status = match (stored(index), world.policy) {
            _ if holds(stored(index), file.content) => "unchanged",
            (None, _) if fails => "not-attempted",
            (None, _) => "uploaded",
            (Some(_), Policy::Fail) => "failed",
            (Some(_), Policy::Skip) => "skipped",
            (Some(_), Policy::Overwrite) => "replaced",
        };
        statuses.insert(file.name.clone(), status);
        if matches!(status, "uploaded" | "replaced") {
            let (size, sha256) = (file.content.length as u64, sha256(file.content));
            end.insert(file.name.to_lowercase(), StoredFile { name: file.name.clone(), size, sha256 });
        }
    }
    (i32::from(fails), statuses, end)
}

/// (v), and what holds of a world in which nothing goes wrong for long: what is wrong with a run that nothing stood in
/// the way of. Where the run before it was broken off, an upload of its may still be on its way when this one begins.
pub(crate) fn differs_from_expected(
    world: &World,
    before: &Seen,
    ran: &Ran,
    end: &Seen,
    was_broken_off: bool,
) -> Vec<String> {
    let (code, statuses, wanted) = expected(world, before);
    let told = told::outputs(&ran.outputs).and_then(|outputs| told::rows(&outputs));
    let told = told.map(|rows| rows.into_iter().map(|row| (row.name, row.status)).collect::<BTreeMap<_, _>>());
    let mut wrong = Vec::new();
    if ran.code != Some(code) {
        wrong.push(format!("(v) the exit code is {:?} and not {code}", ran.code));
    }
    let same =
        |told: &str, wanted: &str| told == wanted || was_broken_off && told == "unchanged" && wanted == "uploaded";
    let is_as_told = told.as_ref().is_ok_and(|told| {
        told.len() == statuses.len()
            && statuses.iter().all(|(name, wanted)| told.get(name).is_some_and(|told| same(told, wanted)))
    });
    if !is_as_told {
        wrong.push(format!("(v) told were {told:?} and not {statuses:?}"));
    }
    if *end != wanted {
        wrong.push(format!("(v) there is {end:?} and not {wanted:?}"));
    }
    wrong
}

/// (vi): where a secret is seen, in any form in which it could come out.
pub(crate) fn shown_secrets(ran: &Ran, secret: &str) -> Vec<String> {
    let mut forms = vec![secret.to_owned()];
    for text in [secret.to_owned(), format!("{OWNER}:{secret}")] {
        forms.push(utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string());
        forms.extend([&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].map(|engine| engine.encode(&text)));
    }
    let places = [("log", &ran.log), ("outputs", &ran.outputs), ("summary", &ran.summary)];
    let shows = |text: &str| forms.iter().any(|form| text.contains(form));
    places
        .into_iter()
        .filter(|(_, text)| shows(text))
        .map(|(place, _)| format!("(vi) the {place} shows a secret"))
        .collect()
}
