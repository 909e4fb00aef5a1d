//! Lines that begin with `!`.

use std::collections::BTreeSet;

use super::correction::correction;
use super::pattern::{Line, Matching};
use super::{IfNoneFound, Paths, SelectError, Selection, near, refuse_folder};
use crate::untrusted::Untrusted;

/// Takes away what a line stands for, and returns whether it does anything; the same rule as for lines that add: an
/// existing file's name means that file.
pub(super) fn take_away(selection: &Selection, line: &Line, paths: &mut Paths<'_>) -> Result<bool, SelectError> {
    let named = selection.workspace.join(&line.literal);
    refuse_folder(selection, line)?;
    let before = paths.len();
    if named.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
        paths.remove(&line.literal);
    } else {
        paths.retain(|path, _| !line.matches(path, matching(selection)));
    }
    Ok(paths.len() < before || selection.passes_over(&line.literal))
}

/// What somebody wants to keep back is kept back, hidden or not.
fn matching(selection: &Selection) -> Matching {
    Matching { include_hidden: true, ..selection.matching() }
}

/// Explains a line that took nothing away, given what is selected in the end: a warning, or an error if files are selected
/// that it seems to mean.
pub(super) fn explain(selection: &Selection, line: &Line, paths: &Paths<'_>) -> Result<Option<String>, SelectError> {
    let parse = |text: &str| Line::parse(text, &selection.workspace, &selection.workspace, &selection.base).ok();
    let selected = |line: &Line| -> BTreeSet<_> {
        paths.keys().filter(|path| line.matches(path, matching(selection))).cloned().collect()
    };
    let added = selected(line);
    if !added.is_empty() {
        return Err(SelectError::TakenAwayTooEarly { line: line.text.clone(), names: near::names(&added) });
    }
    let pattern = line.text.trim_start_matches('!').trim_start();
    if !pattern.contains('/') {
        let everywhere = format!("!**/{pattern}");
        let meant = parse(&everywhere).map(|line| selected(&line)).unwrap_or_default();
        if !meant.is_empty() {
            let names = near::names(&meant);
            return Err(SelectError::TakenAwayInOneFolder { line: line.text.clone(), names, everywhere });
        }
    }
    if let Some(mistake) = correction(line, |text| parse(text).is_some_and(|line| !selected(&line).is_empty())) {
        return Err(SelectError::Mistake { line: line.text.clone(), mistake });
    }
    let is_told = selection.if_none_found != IfNoneFound::Ignore;
    Ok(is_told.then(|| format!("`{}` takes nothing away", Untrusted::new(&line.text))))
}
