//! Pure: lines, and what the version has -> the files to fetch, in the order of their names, or why not. Nothing is written
//! before this is settled.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::checksums::Checksums;
use super::error::{DownloadError, Expected, Hostile};
use super::{Source, Wanted};
use crate::files::{IfNoneFound, Line, OWN_FOLDER, is_part, makes_repository};
use crate::listing::Listing;
use crate::nearest::Near;
use crate::package::{FileName, Target};
use crate::report::VerifiedBy;
use crate::secret::Redactor;
use crate::untrusted::{Names, Untrusted};

/// A file that is to be downloaded.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) name: FileName,
    /// What it is called here.
    pub(crate) here: FileName,
    pub(crate) expected: Expected,
    pub(crate) is_executable: bool,
}

/// The files, and what is worth a warning.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) items: Vec<Item>,
    pub(super) warnings: Vec<String>,
}

/// Takes the lines in order; the error has all that is wrong with any of them, or with what they stand for.
pub(super) fn select(
    wanted: &Wanted,
    target: &Target,
    source: &Source,
    checksums: Option<&Checksums>,
    redactor: &Redactor,
) -> Result<Selected, Vec<DownloadError>> {
    let mut names = BTreeSet::<String>::new();
    let mut warnings = Vec::new();
    let mut errors = Vec::new();
    let mut any_found = false;
    for line in &wanted.files {
        if line.takes_away {
            let before = names.len();
            if !names.remove(line.as_name()) {
                names.retain(|name| !line.matches_name(name, false));
            }
            if names.len() == before && wanted.if_none_found != IfNoneFound::Ignore {
                warnings.push(format!("`{}` takes nothing away", Untrusted::new(&line.text)));
            }
            continue;
        }
        let found = match source {
            Source::Listed(listing) => among(line, listing, target),
            Source::Unlisted(cause) => unlisted(line)
                .ok_or_else(|| DownloadError::Wildcard { line: Untrusted::new(&line.text), cause: Arc::clone(cause) }),
        };
        match (found, wanted.if_none_found) {
            (Ok(found), _) => {
                any_found = true;
                names.extend(found);
            }
            (Err(missing @ DownloadError::NoFile { .. }), IfNoneFound::Warn) => warnings.push(missing.to_string()),
            (Err(DownloadError::NoFile { .. }), IfNoneFound::Ignore) => {}
            (Err(error), _) => errors.push(error),
        }
    }
    if any_found && names.is_empty() && errors.is_empty() && wanted.if_none_found == IfNoneFound::Error {
        errors.push(DownloadError::AllTakenAway);
    }
    let mut items: Vec<Item> = Vec::new();
    let mut by_folded_name = HashMap::new();
    let mut all_hostile: Option<Hostile> = None;
    for name in names {
        match item(&name, wanted, source, checksums, redactor) {
            Ok(item) => match by_folded_name.entry(item.name.folded()) {
                Entry::Occupied(other) => {
                    let other: &Item = &items[*other.get()];
                    errors.push(DownloadError::SameName(other.name.clone(), item.name));
                }
                Entry::Vacant(entry) => {
                    entry.insert(items.len());
                    items.push(item);
                }
            },
            Err(DownloadError::Hostile(hostile)) => match &mut all_hostile {
                Some(known) => known.extend(hostile),
                None => all_hostile = Some(hostile),
            },
            Err(error) => errors.push(error),
        }
    }
    errors.extend(all_hostile.map(DownloadError::Hostile));
    for line in wanted.executable.iter().filter(|line| !line.takes_away) {
        if !items.iter().any(|item| line.stands_for(item.name.as_str())) && !items.is_empty() {
            let line = Untrusted::new(&line.text);
            warnings.push(format!("`{line}` in `executable` is none of the files that are downloaded"));
        }
    }
    if errors.is_empty() { Ok(Selected { items, warnings }) } else { Err(errors) }
}

/// What a line stands for among the files of a version. A line that is a file's name means that file, whatever its
/// characters mean in a pattern.
fn among(line: &Line, listing: &Listing, target: &Target) -> Result<Vec<String>, DownloadError> {
    let all: Vec<&str> = listing.files().into_iter().map(|file| file.name.as_str()).collect();
    if all.contains(&line.as_name()) {
        return Ok(vec![line.as_name().to_owned()]);
    }
    let text = Untrusted::new(&line.text);
    if let Some(bad) = &line.malformed {
        return Err(DownloadError::BadLine { line: text, bad: bad.clone() });
    }
    let found: Vec<String> =
        all.iter().filter(|name| line.matches_name(name, false)).map(|name| (*name).to_owned()).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let other_case: Vec<&str> = all.iter().copied().filter(|name| line.matches_name(name, true)).collect();
    let near = Near::of(line.as_name(), if other_case.is_empty() { &all } else { &other_case });
    Err(DownloadError::NoFile { target: Box::new(target.clone()), line: text, near })
}

/// The name that a line is, where nobody lists the files; `None` where it may stand for any number of them.
fn unlisted(line: &Line) -> Option<Vec<String>> {
    (line.names_one_path || line.malformed.is_some()).then(|| vec![line.as_name().to_owned()])
}

fn hostile(name: &str, why: String) -> DownloadError {
    /// How many characters of it stand there as they are.
    const LONGEST: usize = 64;
    // What means something in a pattern, or is nothing that a line could hold.
    let is_path = matches!(name, "." | "..");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+@#~".contains(c) && !is_path;
    let start = name.chars().take(LONGEST).map(|c| if is_plain(c) { c } else { '?' });
    let rest = name.chars().nth(LONGEST).map(|_| '*');
    let pattern = start.chain(rest).collect();
    let names = Names { shown: vec![Untrusted::new(name)], count: 1 };
    DownloadError::Hostile(Hostile { names, why, patterns: vec![pattern] })
}

/// Makes sure that a file of that name may lie in a workspace.
fn allow_on_disk(name: &FileName) -> Result<(), DownloadError> {
    let hostile = |why: &str| hostile(name.as_str(), why.to_owned());
    if makes_repository(name.as_str()) {
        return Err(hostile("git may take the folder of such a file for a repository"));
    }
    if name.as_str().eq_ignore_ascii_case(OWN_FOLDER) {
        return Err(hostile("this program's own folder is called so"));
    }
    if is_part(name.as_str()) {
        return Err(hostile("this program calls files so that are not whole"));
    }
    Ok(())
}

fn item(
    name: &str,
    wanted: &Wanted,
    source: &Source,
    checksums: Option<&Checksums>,
    redactor: &Redactor,
) -> Result<Item, DownloadError> {
    let parsed = match (FileName::parse(name), source) {
        _ if redactor.finds_in_name(name) => return Err(DownloadError::Secret),
        (Ok(parsed), _) => parsed,
        (Err(bad), Source::Unlisted(_)) => return Err(DownloadError::BadName(bad)),
        (Err(bad), Source::Listed(_)) => {
            return Err(hostile(name, format!("it {}", bad.why)));
        }
    };
    allow_on_disk(&parsed)?;
    let named = checksums.map(|checksums| checksums.hash_of(&parsed)).transpose()?.flatten();
    let expected = match (source, named) {
        (Source::Listed(listing), named) => {
            let theirs = listing.find(&parsed).expect("the name is from this list");
            if let (Some(named), Some(checksums)) = (named, checksums)
                && named != theirs.sha256
            {
                let (checksums, listed) = (checksums.name.clone(), theirs.sha256);
                return Err(DownloadError::NotAsNamed { name: parsed, checksums, listed, named });
            }
            Expected { size: Some(theirs.size), sha256: Some(theirs.sha256), by: VerifiedBy::Registry }
        }
        (Source::Unlisted(_), Some(named)) => Expected { size: None, sha256: Some(named), by: VerifiedBy::Checksums },
        (Source::Unlisted(_), None) => Expected { size: None, sha256: None, by: VerifiedBy::None },
    };
    let is_executable = wanted.executable.iter().fold(false, |is_executable, line| match line.takes_away {
        _ if !line.stands_for(name) => is_executable,
        takes_away => !takes_away,
    });
    Ok(Item { here: parsed.clone(), name: parsed, expected, is_executable })
}
