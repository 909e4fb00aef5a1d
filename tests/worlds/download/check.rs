//! What has to hold of a download, whatever it met.

use std::collections::BTreeMap;

use embedded_registry::{Registry, Request};

use super::super::journal::{OWNER, PACKAGE};
use super::super::run::Ran;
use super::super::script::segment;
use super::super::told::{self, Row};
use super::world::{Act, CHECKSUMS, File, World};
use super::{Here, part_of, sha256};

/// A run in its world, and what is known around it.
pub(super) struct Scene<'a> {
    pub(super) world: &'a World,
    pub(super) ran: &'a Ran,
    pub(super) before: &'a Here,
    pub(super) after: &'a Here,
    /// All contents that the registry ever had.
    pub(super) known: &'a BTreeMap<String, Vec<Vec<u8>>>,
    pub(super) requests: &'a [Request],
}

impl Scene<'_> {
    /// All that does not hold. The numbers are those of the promises.
    pub(super) fn violations(&self) -> Vec<String> {
        let mut wrong = self.what_is_here();
        wrong.extend(self.what_was_told());
        wrong.extend(self.what_was_asked());
        wrong
    }

    /// Whether a content is one that the registry had under that name, or may be taken for one.
    fn is_right(&self, name: &str, bytes: &[u8]) -> bool {
        self.known[name].iter().any(|known| known == bytes)
            // Where nothing verifies, others may come under the right length, or a mixture of two.
            || self.world.may_be_unverified()
                && (self.world.lies()
                    || self.known[name].len() > 1 && self.known[name].iter().any(|known| known.len() == bytes.len()))
        // A list that was never that of the registry may say anything.
    }

    /// (ii) and (iii).
    fn what_is_here(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let wanted = |name: &str| self.world.files.iter().any(|file| file.is_wanted && file.name == name);
        let wanted_part =
            |name: &str| self.world.files.iter().any(|file| file.is_wanted && part_of(&file.name) == name);
        let was_killed = self.ran.code.is_none();
        // Of a file that is not wanted they may be taken away, but are not made.
        let parts: Vec<String> = self.world.files.iter().map(|file| part_of(&file.name)).collect();
        for (name, bytes) in self.after {
            let is_as_before = self.before.get(name) == Some(bytes);
            let is_fine = is_as_before || wanted(name) && self.is_right(name, bytes) || wanted_part(name) && was_killed;
            if !is_fine {
                wrong.push(format!("(ii) `{name}` is of {} bytes, and was neither here nor there", bytes.len()));
            }
        }
        for name in self.before.keys().filter(|name| !self.after.contains_key(*name)) {
            if !parts.contains(name) {
                wrong.push(format!("(ii) `{name}` is gone"));
            }
        }
        wrong
    }

    /// (i), (ii) and (iv): the exit code, the outputs and the summary.
    fn what_was_told(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        match self.ran.code {
            Some(0 | 1) => {}
            Some(143) if self.world.has(|act| matches!(act, Act::Terminate)) => {}
            None if self.world.has(|act| matches!(act, Act::Kill)) => return wrong,
            code => wrong.push(format!("(ii) the exit code is {code:?}")),
        }
        if self.ran.code != Some(0) && !self.ran.log.lines().any(|line| line.starts_with("error: ")) {
            wrong.push("(ii) it fails, and the log has no error".to_owned());
        }
        let told = told::outputs(&self.ran.outputs).and_then(|outputs| Ok((told::rows(&outputs)?, outputs)));
        let (rows, outputs) = match told {
            Ok(told) => told,
            Err(error) => return [wrong, vec![format!("(iv) {error}")]].concat(),
        };
        wrong.extend(told::download_contradictions(&outputs, &rows).into_iter().map(|text| format!("(iv) {text}")));
        wrong.extend(
            told::summary_contradictions(&self.ran.summary, &rows).into_iter().map(|text| format!("(iv) {text}")),
        );
        wrong.extend(rows.iter().filter_map(|row| self.one_file(row)));
        if self.ran.code == Some(0) {
            for File { name, .. } in self.world.files.iter().filter(|file| file.is_wanted) {
                if !rows.iter().any(|row| row.name == *name && row.is_in_place()) {
                    wrong.push(format!("(i) the exit code is 0, and `{name}` is not told to be here"));
                }
            }
        } else if !rows.is_empty() && rows.iter().all(Row::is_in_place) && self.ran.code == Some(1) {
            wrong.push("(i) the exit code is 1, and all files are told to be here".to_owned());
        }
        wrong
    }

    fn one_file(&self, row: &Row) -> Option<String> {
        if row.status == "not-attempted" && self.before.get(&row.name) != self.after.get(&row.name) {
            return Some(format!("(iv) `{}` is not-attempted, and is not as it was", row.name));
        }
        if !row.is_in_place() {
            return (!matches!(row.status.as_str(), "failed" | "not-attempted"))
                .then(|| format!("(iv) `{}` is {}", row.name, row.status));
        }
        let Some(bytes) = self.after.get(&row.name) else {
            return Some(format!("(i) `{}` is {}, and is not here", row.name, row.status));
        };
        let is_as_told = row.size == Some(bytes.len() as u64) && row.sha256 == Some(sha256(bytes));
        let was_asked_for = self.requests.iter().any(|request| {
            !request.target.contains("/api/v1/") && request.target.ends_with(&format!("/{}", segment(&row.name)))
        });
        if !is_as_told || !self.is_right(&row.name, bytes) {
            return Some(format!(
                "(i) `{}` is {}, and what is here is not what was told: {row:?}",
                row.name, row.status
            ));
        }
        (row.status == "unchanged" && was_asked_for)
            .then(|| format!("(iv) `{}` is unchanged, and was asked for", row.name))
    }

    /// Nothing is asked but for what is wanted, and (vi) a visitor says not who he is.
    fn what_was_asked(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for request in self.requests {
            let last = request.target.rsplit('/').next().unwrap_or_default();
            let is_question = request.target.contains("/api/v1/packages/");
            let is_wanted = self.world.files.iter().any(|file| file.is_wanted && segment(&file.name) == last);
            if request.method != "GET" || !(is_question || is_wanted || last == CHECKSUMS) {
                wrong.push(format!("nobody asked for {} {}", request.method, request.target));
            }
            if request.header("Authorization").is_some() == self.world.is_visitor {
                wrong.push(format!("(vi) {} is asked as somebody else", request.target));
            }
        }
        wrong
    }
}

/// (v), and what holds of a world in which nothing goes wrong for long: what is wrong with a run that nothing stood in the
/// way of.
pub(super) fn differs_from_expected(
    world: &World,
    registry: &Registry,
    ran: &Ran,
    before: &Here,
    after: &Here,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let there = |name: &str| registry.read(OWNER, PACKAGE, world.version, name);
    let wanted: Vec<&File> = world.files.iter().filter(|file| file.is_wanted).collect();
    // The file of checksums is that of the first contents. Where nobody lists what is there, it is what counts.
    let is_here = |file: &File| {
        world.has_checksums && !world.is_listed() && before.get(&file.name) == Some(&file.content.bytes())
    };
    let is_good = |file: &File| {
        is_here(file) || there(&file.name).is_some_and(|bytes| !world.has_checksums || bytes == file.content.bytes())
    };
    let succeeds = wanted.iter().all(|file| is_good(file));
    if ran.code != Some(i32::from(!succeeds)) {
        wrong.push(format!("(v) the exit code is {:?}, and everything good is {succeeds}", ran.code));
    }
    if !succeeds {
        return wrong;
    }
    for file in wanted {
        if !is_here(file) && after.get(&file.name) != there(&file.name).as_ref() {
            wrong.push(format!("(v) `{}` is not here as it is there", file.name));
        }
    }
    for File { name, .. } in world.files.iter().filter(|file| after.contains_key(&part_of(&file.name))) {
        wrong.push(format!("(iii) something of `{name}` is left"));
    }
    wrong
}
