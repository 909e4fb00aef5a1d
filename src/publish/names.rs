//! Names the files on the registry. Pure: nothing is uploaded before all names are valid.

use std::collections::{BTreeMap, BTreeSet};

use crate::files::{Content, SelectedFile};
use crate::hint::{Explain, Plural};
use crate::inputs::IfFileExists;
use crate::package::{BadName, FileName};
use crate::plan::Desired;
use crate::sanitize::Sanitized;
use crate::secret::Redactor;

/// An error about the names of files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NameError {
    /// A name that the registry rejects.
    #[error("failed to publish `{path}`: the {bad}")]
    Name {
        path: Sanitized,
        bad: BadName,
        /// Whether a line of `files` sets the name.
        is_renamed: bool,
        /// A line that renames the file to a valid name, if there is one.
        line: Option<String>,
    },
    /// Several files with the same name on the registry.
    #[error("failed to publish {} under one name: {how}", listed(.paths))]
    SameName {
        paths: Vec<Sanitized>,
        name: FileName,
        /// The reason why the names are equal on the registry.
        how: String,
        /// The instruction that makes the names unique.
        hint: String,
    },
    /// The name of the checksums file.
    #[error("failed to publish `{path}`: `{name}` is the checksums file that `checksums` creates")]
    Reserved { path: Sanitized, name: FileName },
    /// A name that contains the token or another secret.
    #[error("failed to publish a file: its name contains the token or another secret")]
    Secret,
}

impl Explain for NameError {
    fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "invalid-file-name",
            Self::SameName { .. } => "duplicate-name",
            Self::Reserved { .. } => "reserved-name",
            Self::Secret => "secret-in-name",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Name { is_renamed: true, .. } => {
                "Correct the name after `=>`, or the values of its placeholders".to_owned()
            }
            Self::Name { line: Some(line), .. } => {
                format!("Rename the file before this step, or use the line `{}`", Sanitized::new(line))
            }
            Self::Name { .. } => "Rename the file before this step, or exclude it with a line `!path`".to_owned(),
            Self::SameName { hint, .. } => hint.clone(),
            Self::Reserved { .. } => "Exclude the file from `files`, or set `checksums` to another name".to_owned(),
            Self::Secret => "Rename the file".to_owned(),
        })
    }

    fn plural(&self) -> Option<Plural> {
        let (text, item) = match self {
            Self::Name { path, bad, .. } => {
                let why = bad.why.split(". Allowed").next().unwrap_or_default();
                ("failed to publish {} files because of their names", format!("`{path}` ({why})"))
            }
            Self::SameName { name, paths, .. } => {
                ("failed to publish several files under each of {} names", format!("`{name}` ({})", listed(paths)))
            }
            // The names are not shown, because they contain a secret.
            Self::Secret => {
                ("failed to publish {} files: their names contain the token or another secret", String::new())
            }
            Self::Reserved { .. } => return None,
        };
        Some(Plural { text: text.to_owned(), item, is_hint_an_example: true })
    }
}

/// Gives every file its name on the registry. The errors cover all files.
pub(super) fn name_files(
    files: Vec<SelectedFile>,
    if_file_exists: IfFileExists,
    redactor: &Redactor,
) -> Result<Vec<(Desired, Content)>, Vec<NameError>> {
    let mut named = Vec::new();
    let mut errors = Vec::new();
    for chosen in files {
        match FileName::parse(&chosen.name) {
            _ if redactor.name_contains_secret(&chosen.name) => errors.push(NameError::Secret),
            Ok(name) => named.push((chosen, name)),
            Err(bad) => {
                let (path, is_renamed) = (Sanitized::path(&chosen.local.path), chosen.is_renamed);
                let line = chosen.line_with_valid_name();
                errors.push(NameError::Name { path, bad, is_renamed, line });
            }
        }
    }
    // A file that two lines select under the same name is published once.
    let mut known = BTreeSet::new();
    named.retain(|(chosen, name)| known.insert((chosen.local.path.clone(), name.clone())));
    let mut by_name = BTreeMap::<String, Vec<&(SelectedFile, FileName)>>::new();
    for file in &named {
        by_name.entry(file.1.folded()).or_default().push(file);
    }
    for same in by_name.values().filter(|same| same.len() > 1) {
        let files: Vec<&SelectedFile> = same.iter().map(|(chosen, _)| chosen).collect();
        let how = match &same[0].1 {
            first if same.iter().any(|(_, name)| name != first) => {
                "the registry does not distinguish upper and lower case".to_owned()
            }
            first if files.iter().any(|file| file.is_renamed) => format!("each is renamed to `{first}`"),
            _ => "the registry has no folders".to_owned(),
        };
        let paths = files.iter().map(|file| Sanitized::path(&file.local.path)).collect();
        errors.push(NameError::SameName { paths, name: same[0].1.clone(), how, hint: hint_for_unique_names(&files) });
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let desired = named
        .into_iter()
        .map(|(chosen, name)| (Desired::new(name, chosen.local.size, if_file_exists), Content::File(chosen.local)));
    Ok(desired.collect())
}

/// Returns the hint that makes the names of these files unique.
fn hint_for_unique_names(files: &[&SelectedFile]) -> String {
    let differs = files[0].placeholders.iter().find_map(|(placeholder, _)| {
        let value = |file: &&SelectedFile| {
            let (_, text) = file.placeholders.iter().find(|(known, _)| known == placeholder)?;
            Some(text.clone())
        };
        let values: Vec<String> = files.iter().map(value).collect::<Option<_>>()?;
        let folded: BTreeSet<String> = values.iter().map(|value| value.to_lowercase()).collect();
        (folded.len() == files.len()).then_some((placeholder, values))
    });
    match differs {
        Some((placeholder, values)) if files.iter().all(|file| file.is_renamed) => {
            let values: Vec<Sanitized> = values.iter().map(|value| Sanitized::new(value)).collect();
            format!("Add `{placeholder}` to the name after `=>`. Its values are {}", listed(&values))
        }
        Some((placeholder, _)) if files.iter().all(|file| !file.is_renamed) => format!(
            "Add ` => {placeholder}-{{name}}` after the pattern so that each name is unique. By default, only the last part \
             of a path is published"
        ),
        _ if files.iter().all(|file| file.is_renamed) => {
            "Use a unique name after each `=>`. The registry does not distinguish upper and lower case".to_owned()
        }
        _ => "Rename the files so that each name is unique. Only the last part of a path is published".to_owned(),
    }
}

/// Lists the first few paths.
fn listed(paths: &[Sanitized]) -> String {
    const SHOWN: usize = 4;
    let mut shown: Vec<String> = paths.iter().take(SHOWN).map(|path| format!("`{path}`")).collect();
    if paths.len() > SHOWN {
        shown.push(format!("{} more", paths.len() - SHOWN));
    }
    shown.join(" and ")
}
