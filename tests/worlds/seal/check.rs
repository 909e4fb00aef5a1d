//! What has to hold of a run that seals a version and makes aliases of it, whatever it met.

use std::collections::BTreeMap;

use embedded_registry::Request;
use generic_packages::checksum;

use super::super::journal::PACKAGE;
use super::super::run::Ran;
use super::super::script::segment;
use super::super::told;
use super::world::{ALIASES, Act, SEAL, VERSION, World};
use super::{Files, Looks, sha256};

/// A run in its world, and what is known around it.
pub(super) struct Scene<'a> {
    pub(super) world: &'a World,
    pub(super) ran: &'a Ran,
    /// What each version had when the last list of it was made.
    pub(super) looks: &'a Looks,
    /// What each version has in the end.
    pub(super) end: &'a BTreeMap<&'static str, Files>,
    pub(super) requests: &'a [Request],
}

/// Whether the seal of a version is that of all its other files.
pub(super) fn is_sealed(files: &Files) -> bool {
    let others = files.iter().filter(|(name, _)| *name != SEAL);
    let list: Vec<_> = others.map(|(name, bytes)| (name.as_str(), sha256(bytes))).collect();
    let wanted = checksum::write_list(list);
    files.get(SEAL).is_some_and(|seal| *seal == wanted.into_bytes()) && files.len() > 1
}

impl Scene<'_> {
    /// All that does not hold. The numbers are those of the promises.
    pub(super) fn violations(&self) -> Vec<String> {
        let mut wrong = self.what_green_means();
        wrong.extend(self.what_was_told());
        wrong.extend(self.what_was_asked());
        wrong
    }

    /// (i): the seal is that of the version, and the aliases are the version.
    fn what_green_means(&self) -> Vec<String> {
        if self.ran.code != Some(0) {
            return Vec::new();
        }
        let Some(version) = self.looks.get(VERSION) else { return vec!["(i) it is green without a look".to_owned()] };
        let mut wrong = Vec::new();
        if !is_sealed(version) {
            wrong.push(format!("(i) the version had {}", told_briefly(version)));
        }
        for alias in &ALIASES[..self.world.aliases.len()] {
            let has = self.looks.get(alias).map_or_else(String::new, told_briefly);
            if self.looks.get(alias) != Some(version) {
                wrong.push(format!("(i) {alias} had {has}, and the version {}", told_briefly(version)));
            }
        }
        for (name, content) in &self.world.own {
            if version.get(name) != Some(&content.bytes()) {
                wrong.push(format!("(i) `{name}` is not published"));
            }
        }
        wrong
    }

    /// (ii) and (iv): exit code, log and outputs.
    fn what_was_told(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        match self.ran.code {
            Some(0 | 1) => {}
            Some(143) if self.world.has(|act| matches!(act, Act::Terminate)) => {}
            // It can end before it writes anything.
            None if self.world.has(|act| matches!(act, Act::Kill)) => return wrong,
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
        let named: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        if named.len() != self.world.own.len() + 1 || named.last() != Some(&SEAL) {
            wrong.push(format!("(iv) named are {named:?}"));
        }
        let is_sealed = rows.last().is_some_and(told::Row::is_in_place);
        if is_sealed != (outputs.get("checksums-file").map(String::as_str) == Some(".generic-packages/SHA256SUMS")) {
            wrong.push(format!("(iv) `checksums-file` is {:?}", outputs.get("checksums-file")));
        }
        for row in rows.iter().filter(|row| row.is_in_place()) {
            let holds = |files: Option<&Files>| {
                let stored = files.and_then(|files| files.get(&row.name)).map(|bytes| sha256(bytes).to_string());
                stored.is_some() && stored == row.sha256
            };
            if !holds(self.looks.get(VERSION)) && !holds(self.end.get(VERSION)) {
                wrong.push(format!("(iv) `{}` is {}, and is not there", row.name, row.status));
            }
        }
        if self.ran.code != Some(0) && !self.ran.log.lines().any(|line| line.starts_with("error: ")) {
            wrong.push("(ii) it fails, and the log has no error".to_owned());
        }
        wrong
    }

    /// (iii): outside the aliases only the seal is ever deleted, and nothing is sent but what is ours; no other version is
    /// asked for anything.
    fn what_was_asked(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let aliases: Vec<String> = ALIASES[..self.world.aliases.len()].iter().map(|alias| segment(alias)).collect();
        let is_own = |name: &str| self.world.own.iter().any(|(own, _)| segment(own) == name);
        for request in self.requests {
            let place = request.target.split(&format!("/generic/{PACKAGE}/")).nth(1).unwrap_or_default();
            let (version, name) = place.split_once('/').unwrap_or((place, ""));
            let is_alias = aliases.iter().any(|alias| alias == version);
            let is_fine = match request.method.as_str() {
                "GET" => is_alias && name == "files" || version == VERSION,
                "PUT" => is_alias || version == VERSION && (is_own(name) || name == SEAL || name == "%2A"),
                "DELETE" => is_alias || version == VERSION && name == SEAL,
                _ => false,
            };
            if !is_fine {
                wrong.push(format!("(iii) nobody asked for {} {}", request.method, request.target));
            }
        }
        wrong
    }
}

/// Names and lengths.
pub(super) fn told_briefly(files: &Files) -> String {
    let names: Vec<String> = files.iter().map(|(name, bytes)| format!("{name} ({})", bytes.len())).collect();
    let seal = files.get(SEAL).map(|seal| String::from_utf8_lossy(seal).into_owned()).unwrap_or_default();
    format!("{}; seal:\n{seal}", names.join(", "))
}
