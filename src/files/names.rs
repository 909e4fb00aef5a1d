//! Lines with patterns for names on the registry, which have no folders.

use std::path::{Path, PathBuf};

use glob::MatchOptions;

use super::bad_line::BadLine;
use super::line::Line;
use super::mistake::Mistake;
use super::pattern::{Alternative, Matching};
use super::renaming::{Placeholder, Template};
use super::syntax::{has_wildcard, split_name, without_exclamation};
use crate::package::{BadName, FileName};

impl Line {
    /// Reads a line with a pattern for names. An invalid pattern can still be a name, which only the registry knows.
    pub(crate) fn of_names(text: &str) -> Result<Self, BadLine> {
        let (excludes, name) = without_exclamation(text);
        // As in paths, `./!x` means a file with the name `!x`.
        let name = name.strip_prefix("./").unwrap_or(name);
        if matches!(name, "" | "." | "..") {
            return Err(BadLine::Empty);
        }
        if name.contains('/') {
            return Err(BadLine::Slash);
        }
        let (alternatives, malformed) = match (Alternative::all(name, Path::new("")), Mistake::of(text, Path::new("")))
        {
            (Err(bad @ BadLine::TooDeep), _) => return Err(bad),
            (patterns, Some(mistake)) => (patterns.unwrap_or_default(), Some(BadLine::Mistake(mistake))),
            (Ok(patterns), None) => (patterns, None),
            (Err(bad), None) => (Vec::new(), Some(bad)),
        };
        let is_literal = !has_wildcard(name);
        let literal = PathBuf::from(name);
        let (text, new_name) = (text.to_owned(), None);
        Ok(Self { text, new_name, excludes, literal, is_literal, malformed, alternatives })
    }

    /// Reads a line that selects files to download: `pattern`, `pattern => name` or `!pattern`.
    pub(crate) fn to_download(text: &str) -> Result<Self, BadLine> {
        // No name on the registry contains `>`.
        let Some((pattern, name)) = split_name(text) else { return Self::of_names(text) };
        let line = Self::of_names(pattern)?;
        if line.excludes {
            return Err(BadLine::NamedExclusion);
        }
        let template = Template::parse(name, &line.wildcards())?;
        if template.has(Placeholder::Folder) {
            return Err(BadLine::NoFolder);
        }
        Ok(Self { new_name: Some(template), ..line })
    }

    /// Returns the new name that the line gives to a file; `None` if it does not rename files.
    #[must_use]
    pub(crate) fn new_name(&self, name: &FileName) -> Option<Result<FileName, BadName>> {
        let template = self.new_name.as_ref()?;
        let matching = Matching { include_hidden: true, ignore_case: false };
        let placeholders = self.placeholders(Path::new(name.as_str()), matching);
        let filled = template.fill(&placeholders).unwrap_or_default();
        Some(FileName::parse(&filled))
    }

    /// Returns the line as a name on the registry.
    #[must_use]
    pub(crate) fn as_name(&self) -> &str {
        self.literal.to_str().unwrap_or_default()
    }

    /// Whether the line's patterns match a name on the registry. `*` matches every character, also those that names cannot
    /// contain.
    #[must_use]
    pub(crate) fn matches_name(&self, name: &str, ignore_case: bool) -> bool {
        let matching = Matching { include_hidden: true, ignore_case };
        let options = MatchOptions { require_literal_separator: false, ..matching.options() };
        self.alternatives.iter().any(|a| a.components[0].matches_with(name, options))
    }

    /// Whether a name on the registry is the line itself, or matches its patterns.
    #[must_use]
    pub(crate) fn is_or_matches(&self, name: &str) -> bool {
        self.as_name() == name || self.matches_name(name, false)
    }
}
