//! The lines of the input `files`: patterns for paths in the workspace, or for names on the registry.
//!
//! A line becomes relative to the workspace when it is read, so that paths outside are rejected at once.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::bad_line::BadLine;
use super::git::is_git;
use super::mistake::{Kind, Mistake, behind_workspace, relative_to};
use super::pattern::{Alternative, Candidates, Matching, components};
use super::renaming::{Placeholder, Template, Wildcards};
use super::syntax::{has_wildcard, split_name, without_exclamation};
use crate::sanitize::Sanitized;

/// One line of the input `files`.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The pattern as it was typed, trimmed.
    pub(crate) text: String,
    /// The new name of its files, if the line has one.
    pub(super) new_name: Option<Template>,
    /// Whether the line starts with `!` and excludes files.
    pub(crate) excludes: bool,
    /// The line as the path of one file, relative to the workspace.
    pub(crate) literal: PathBuf,
    /// Whether the line has no wildcard, so that it means one path only.
    pub(crate) is_literal: bool,
    /// Why the line is not a valid pattern, but only a name.
    pub(crate) malformed: Option<BadLine>,
    /// The patterns that the braces expand to.
    pub(super) alternatives: Vec<Alternative>,
}

impl Line {
    /// Reads a line: `pattern`, `pattern => name` or `!pattern`. `workspace` and `base` are real paths, `base` in
    /// `workspace`. `given_workspace` is the runner's path of the workspace, which a line can contain.
    pub(crate) fn parse(text: &str, workspace: &Path, given_workspace: &Path, base: &Path) -> Result<Self, BadLine> {
        let names_a_file = |line: &Result<Self, BadLine>| {
            line.as_ref().is_ok_and(|line| workspace.join(&line.literal).symlink_metadata().is_ok())
        };
        let whole = Self::parse_pattern(text, workspace, given_workspace, base);
        // The name of an existing file means that file, even if it contains ` => `.
        if names_a_file(&whole) {
            return whole;
        }
        let (line, name) = match split_name(text) {
            Some((pattern, name)) => (Self::parse_pattern(pattern, workspace, given_workspace, base), Some(name)),
            None => (whole, None),
        };
        if !names_a_file(&line)
            && let Some(mistake) = Mistake::of(text, base.strip_prefix(workspace).unwrap_or(Path::new("")))
        {
            return Err(BadLine::Mistake(mistake));
        }
        let line = line?;
        let Some(name) = name else { return Ok(line) };
        if line.excludes {
            return Err(BadLine::NamedExclusion);
        }
        Ok(Self { new_name: Some(Template::parse(name, &line.wildcards())?), ..line })
    }

    fn parse_pattern(text: &str, workspace: &Path, given_workspace: &Path, base: &Path) -> Result<Self, BadLine> {
        let (excludes, given) = without_exclamation(text);
        let base = base.strip_prefix(workspace).unwrap_or(Path::new(""));
        let (path, base) = if given.starts_with('/') {
            let inside = [given_workspace, workspace].iter().find_map(|root| Path::new(given).strip_prefix(root).ok());
            let inside = inside.and_then(Path::to_str).ok_or_else(|| {
                let relative = behind_workspace(given).and_then(|path| relative_to(base, path));
                BadLine::Outside(relative.map(Sanitized::new))
            })?;
            (inside, Path::new(""))
        } else {
            (given, base)
        };
        let components = components(path)?;
        if components.is_empty() && given.is_empty() {
            return Err(BadLine::Empty);
        } else if components.is_empty() {
            return Err(BadLine::Mistake(Mistake::new(Kind::Everything, Vec::new())));
        }
        let literal = base.join(components.join("/"));
        let mut is_literal = !has_wildcard(path);
        let alternatives = match Alternative::all(path, base) {
            // The name of an existing file means that file, even if it is not a valid pattern.
            Err(bad) if bad.can_be_name() && workspace.join(&literal).symlink_metadata().is_ok() => {
                is_literal = true;
                Vec::new()
            }
            patterns => patterns?,
        };
        let in_git = |alternative: &Alternative| alternative.components.iter().any(|c| is_git(OsStr::new(c.as_str())));
        if !excludes && (literal.iter().any(is_git) || alternatives.iter().any(in_git)) {
            return Err(BadLine::Git);
        }
        let (text, new_name, malformed) = (text.to_owned(), None, None);
        Ok(Self { text, new_name, excludes, literal, is_literal, malformed, alternatives })
    }

    /// Whether the line adds one file with this name, given in lower case, without renaming it.
    #[must_use]
    pub(crate) fn names_a_file_called(&self, name: Option<&str>) -> bool {
        let own = self.literal.file_name().map(|own| own.to_string_lossy().to_lowercase());
        !self.excludes && self.is_literal && self.new_name.is_none() && name.is_some() && own.as_deref() == name
    }

    /// Whether the line matches a path relative to the workspace.
    pub(super) fn matches(&self, path: &Path, matching: Matching) -> bool {
        self.literal == path || self.alternatives.iter().any(|a| a.matches(path, matching))
    }

    /// Returns the components with a wildcard that all of its patterns have.
    pub(super) fn wildcards(&self) -> Wildcards {
        let fewest = self.alternatives.iter().map(Alternative::wildcards).min_by_key(|own| own.places.len());
        fewest.unwrap_or_default()
    }

    /// Returns the values of the placeholders for a file that the line matches.
    pub(super) fn placeholders(&self, path: &Path, matching: Matching) -> Vec<(Placeholder, String)> {
        let meant = self.alternatives.iter().find(|a| a.matches(path, matching));
        let wildcards = meant.or(self.alternatives.first()).map(Alternative::wildcards).unwrap_or_default();
        let components = wildcards.places.iter().map(|&place| path.iter().nth(place));
        let own =
            [(Placeholder::Name, path.file_name()), (Placeholder::Folder, path.parent().and_then(Path::file_name))];
        own.into_iter()
            .chain((1..).map(Placeholder::Component).zip(components))
            .filter_map(|(placeholder, text)| Some((placeholder, text?.to_string_lossy().into_owned())))
            .collect()
    }

    /// Returns the folders to read, each with the patterns that can match in it. If case is ignored, that also applies to the
    /// folders before the first wildcard.
    pub(super) fn roots(&self, matching: Matching) -> BTreeMap<&Path, Candidates<'_>> {
        let mut roots = BTreeMap::<_, Candidates<'_>>::new();
        for alternative in &self.alternatives {
            let folder = if matching.ignore_case { Path::new("") } else { &alternative.folder };
            roots.entry(folder).or_default().add(alternative, folder, matching);
        }
        roots
    }

    /// Returns the folder before the first wildcard of its first pattern.
    pub(super) fn folder(&self) -> &Path {
        self.alternatives.first().map_or(Path::new(""), |alternative| &alternative.folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line::parse(text, Path::new("/w"), Path::new("/github/workspace"), Path::new("/w/build")).expect(text)
    }

    const STRICT: Matching = Matching { include_hidden: false, ignore_case: false };

    #[test]
    fn the_time_to_match_does_not_grow_with_the_ways_to_divide_a_path() {
        // Trying each of these ways would take hours.
        let path = format!("build/{}", [&*"-".repeat(240); 12].join("/"));
        let finds = |text: &str| line(text).matches(Path::new(&path), STRICT);
        assert!(!finds("**/*-*-*-*-*.zip"));
        assert!(finds("**/*-*-*-*-*"));
    }

    #[test]
    fn only_folders_that_can_contain_a_match_are_entered() {
        let enters = |text: &str, folder: &str| {
            let line = line(text);
            let roots = line.roots(Matching { ignore_case: true, ..STRICT });
            let start = roots.into_values().next().expect("a root");
            Path::new(folder).iter().fold(start, |inside, name| inside.after_component(name, STRICT)).can_match_below()
        };
        for (text, entered, others) in [
            ("dist/*/x", "build/dist build/dist/a", "build/dist/a/b build/other"),
            ("**/x", "build/a/b/c", "build/.cache build/a/.cache"),
            ("**/.cache/x", "build/.cache", "other"),
        ] {
            assert!(entered.split(' ').all(|folder| enters(text, folder)), "{text}");
            assert!(!others.split(' ').any(|folder| enters(text, folder)), "{text}");
        }
    }
}
