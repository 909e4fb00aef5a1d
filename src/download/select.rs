//! Pure: lines and the files of the version -> the files to download, in the order of their names, or why not. Nothing is
//! written before that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Source;
use super::checksums::Checksums;
use super::error::{DownloadError, Expected, Missing, UnsafeName};
use crate::files::{self, IfNoneFound, Line, OWN_FOLDER, SelectError, is_repository_file, is_temporary_name};
use crate::inputs::DownloadOptions;
use crate::package::{FileName, Target};
use crate::report::VerifiedBy;
use crate::sanitize::{Names, Sanitized};
use crate::secret::Redactor;
use crate::suggest::SimilarNames;

/// A file to download.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) name: FileName,
    pub(crate) local_name: FileName,
    pub(crate) expected: Expected,
    pub(crate) is_executable: bool,
}

impl Item {
    /// Whether a line of `executable` matches it, by its name on the registry or in the workspace.
    fn is_matched_by(&self, line: &Line) -> bool {
        line.is_or_matches(self.name.as_str()) || line.is_or_matches(self.local_name.as_str())
    }
}

/// The selected files, and warnings.
#[derive(Debug)]
pub(super) struct Selected {
    pub(super) items: Vec<Item>,
    pub(super) warnings: Vec<String>,
}

/// Selects files by applying the lines in order. The error has everything that is wrong with the lines and the files.
pub(super) fn select(
    wanted: &DownloadOptions,
    target: &Target,
    source: &Source,
    checksums: Option<&Checksums>,
    redactor: &Redactor,
) -> Result<Selected, Vec<DownloadError>> {
    let mut names = BTreeMap::<String, Vec<&Line>>::new();
    let mut warnings = Vec::new();
    let mut errors = Vec::new();
    let mut any_found = false;
    let mut without_effect = Vec::new();
    for line in &wanted.files {
        if line.excludes {
            let before = names.len();
            if names.remove(line.as_name()).is_none() {
                names.retain(|name, _| !line.matches_name(name, false));
            }
            if names.len() == before {
                without_effect.push(line);
            }
            continue;
        }
        let found = match source {
            Source::Listed(listing) => matching_files(line, &listing.names(), target, Missing::File),
            Source::Unlisted(_) if let Some(name) = name_without_list(line) => Ok(vec![name]),
            // Every other file would be an error.
            Source::Unlisted(_) if let Some((file, names)) = checksums.and_then(Checksums::pinned) => {
                matching_files(line, &names, target, |line| Missing::Pin(line, file.clone()))
            }
            Source::Unlisted(cause) => {
                Err(DownloadError::Wildcard { line: Sanitized::new(&line.text), cause: Arc::clone(cause) })
            }
        };
        match (found, wanted.if_none_found) {
            (Ok(found), _) => {
                any_found = true;
                for name in found {
                    files::add(&mut names, name, line);
                }
            }
            (Err(error @ DownloadError::NotFound { .. }), IfNoneFound::Warn) => warnings.push(error.to_string()),
            (Err(DownloadError::NotFound { .. }), IfNoneFound::Ignore) => {}
            (Err(error), _) => errors.push(error),
        }
    }
    for line in without_effect {
        match explain(line, &names) {
            Some(error) => errors.push(error),
            None if wanted.if_none_found == IfNoneFound::Ignore => {}
            None => warnings.push(format!("`{}` excludes no file", Sanitized::new(&line.text))),
        }
    }
    if any_found && names.is_empty() && errors.is_empty() && wanted.if_none_found == IfNoneFound::Error {
        errors.push(SelectError::AllExcluded.into());
    }
    let mut items: Vec<Item> = Vec::new();
    let mut unsafe_names = Vec::new();
    for (name, lines) in names {
        match items_of(&name, &lines, wanted, source, checksums, redactor) {
            Ok(own) => items.extend(own),
            Err(DownloadError::UnsafeNames(files)) => unsafe_names.extend(files),
            Err(error) => errors.push(error),
        }
    }
    if !unsafe_names.is_empty() {
        errors.push(DownloadError::UnsafeNames(unsafe_names));
    }
    errors.extend(duplicate_names(&items));
    // A file that may have been tampered with comes first.
    errors.sort_by_key(|error| !matches!(error, DownloadError::ChecksumsMismatch { .. }));
    let is_none = |line: &Line| !items.iter().any(|item| item.is_matched_by(line));
    for line in wanted.executable.iter().filter(|line| !line.excludes && !items.is_empty() && is_none(line)) {
        let line = Sanitized::new(&line.text);
        warnings.push(format!("`{line}` in `executable` matches no downloaded file"));
    }
    if errors.is_empty() { Ok(Selected { items, warnings }) } else { Err(errors) }
}

/// Explains a line that excluded nothing, if it seems to mean files that are selected in the end.
fn explain(line: &Line, names: &BTreeMap<String, Vec<&Line>>) -> Option<DownloadError> {
    let selects = |line: &Line| names.keys().any(|name| line.is_or_matches(name));
    if selects(line) {
        return Some(DownloadError::ExcludedTooEarly { line: Sanitized::new(&line.text) });
    }
    let mistake = files::correction(line, |text| Line::to_download(text).is_ok_and(|line| selects(&line)))?;
    Some(SelectError::Mistake { line: line.text.clone(), mistake }.into())
}

/// Finds files that would have one name in the workspace.
fn duplicate_names(items: &[Item]) -> Vec<DownloadError> {
    let mut by_name = BTreeMap::<String, Vec<&Item>>::new();
    for item in items {
        by_name.entry(item.local_name.folded()).or_default().push(item);
    }
    let same = by_name.into_values().filter(|same| same.len() > 1);
    same.map(|same| {
        if same.iter().all(|item| item.local_name == item.name) {
            return DownloadError::SameName(same[0].name.clone(), same[1].name.clone());
        }
        let names: Names = same.iter().map(|item| Sanitized::new(item.name.as_str())).collect();
        DownloadError::SameNewName { names, local_name: same[0].local_name.clone() }
    })
    .collect()
}

/// Returns the files among `all` that a line matches. A line that is the name of a file means that file, even if it is
/// also a pattern. `missing` says what does not exist if it matches none.
fn matching_files(
    line: &Line,
    all: &[&str],
    target: &Target,
    missing: impl FnOnce(Sanitized) -> Missing,
) -> Result<Vec<String>, DownloadError> {
    if all.contains(&line.as_name()) {
        return Ok(vec![line.as_name().to_owned()]);
    }
    let text = Sanitized::new(&line.text);
    if let Some(bad) = &line.malformed {
        return Err(DownloadError::BadLine { line: text, bad: bad.clone() });
    }
    let found: Vec<String> =
        all.iter().filter(|name| line.matches_name(name, false)).map(|name| (*name).to_owned()).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let finds = |line: &Line| all.iter().any(|name| line.is_or_matches(name));
    if let Some(mistake) = files::correction(line, |text| Line::to_download(text).is_ok_and(|line| finds(&line))) {
        return Err(SelectError::Mistake { line: line.text.clone(), mistake }.into());
    }
    let other_case: Vec<&str> = all.iter().copied().filter(|name| line.matches_name(name, true)).collect();
    let similar = SimilarNames::of(line.as_name(), if other_case.is_empty() { all } else { &other_case });
    Err(DownloadError::NotFound { missing: missing(text), target: Box::new(target.clone()), similar })
}

/// Returns the name that a line is, for a registry that lists no files; `None` if the line can match several.
pub(super) fn name_without_list(line: &Line) -> Option<String> {
    (line.is_literal || line.malformed.is_some()).then(|| line.as_name().to_owned())
}

fn unsafe_name(name: &str, why: impl Into<String>) -> DownloadError {
    DownloadError::UnsafeNames(vec![UnsafeName { name: name.to_owned(), why: why.into() }])
}

/// Checks that a file with this name is allowed in a workspace. The error is the reason if it is not.
fn allow_on_disk(name: &FileName) -> Result<(), &'static str> {
    if is_repository_file(name.as_str()) {
        return Err("git treats a folder with this file as a repository");
    }
    if name.as_str().eq_ignore_ascii_case(OWN_FOLDER) {
        return Err("it is the name of this program's own folder");
    }
    if is_temporary_name(name.as_str()) {
        return Err("it is a name of this program's temporary files");
    }
    Ok(())
}

/// Returns the name that a line gives to a file in the workspace.
fn local_name(name: &FileName, line: &Line, redactor: &Redactor) -> Result<FileName, DownloadError> {
    let Some(new_name) = line.new_name(name) else {
        allow_on_disk(name).map_err(|why| unsafe_name(name.as_str(), why))?;
        return Ok(name.clone());
    };
    let bad = |why: String| DownloadError::NewName { name: name.clone(), why };
    let renamed = new_name.map_err(|error| bad(error.to_string()))?;
    if redactor.name_contains_secret(renamed.as_str()) {
        return Err(DownloadError::Secret);
    }
    allow_on_disk(&renamed).map_err(|why| bad(format!("`{renamed}` is not allowed because {why}")))?;
    Ok(renamed)
}

/// Returns the downloads of a file, one for each name that lines give it.
fn items_of(
    name: &str,
    lines: &[&Line],
    wanted: &DownloadOptions,
    source: &Source,
    checksums: Option<&Checksums>,
    redactor: &Redactor,
) -> Result<Vec<Item>, DownloadError> {
    let name = match (FileName::parse(name), source) {
        _ if redactor.name_contains_secret(name) => return Err(DownloadError::Secret),
        (Ok(name), _) => name,
        (Err(bad), Source::Unlisted(_)) => return Err(DownloadError::BadName(bad)),
        (Err(bad), Source::Listed(_)) => return Err(unsafe_name(name, format!("it {}", bad.why))),
    };
    let names: BTreeSet<FileName> =
        lines.iter().map(|line| local_name(&name, line, redactor)).collect::<Result<_, _>>()?;
    let expected = expected(&name, source, checksums)?;
    let item = |local_name| {
        let item = Item { name: name.clone(), local_name, expected, is_executable: false };
        let last = wanted.executable.iter().rfind(|line| item.is_matched_by(line));
        Item { is_executable: last.is_some_and(|line| !line.excludes), ..item }
    };
    Ok(names.into_iter().map(item).collect())
}

/// Returns the expected size and hash of a file.
fn expected(name: &FileName, source: &Source, checksums: Option<&Checksums>) -> Result<Expected, DownloadError> {
    let named = checksums.map(|checksums| checksums.hash_of(name)).transpose()?.flatten();
    Ok(match (source, named) {
        (Source::Listed(listing), named) => {
            let theirs = listing.find(name).expect("the name is from this list");
            if let (Some(named), Some(checksums)) = (named, checksums)
                && named != theirs.sha256
            {
                return Err(checksums.mismatch(name, theirs.sha256));
            }
            let by = checksums.map_or(VerifiedBy::Registry, |checksums| checksums.verified_by(true));
            Expected { size: Some(theirs.size), sha256: Some(theirs.sha256), by }
        }
        (Source::Unlisted(_), named) => {
            let by = checksums
                .filter(|_| named.is_some())
                .map_or(VerifiedBy::None, |checksums| checksums.verified_by(false));
            Expected { size: None, sha256: named, by }
        }
    })
}
