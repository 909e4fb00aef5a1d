//! Patterns without braces, and how they match a path component by component.
//!
//! `*`, `?`, `[..]` and `**` are those of the crate glob; `{a,b}` is our own, because glob has no braces.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::bad_line::BadLine;
use super::braces::expand_braces;
use super::renaming::Wildcards;
use super::syntax::has_wildcard;

/// A pattern without braces, relative to the workspace.
#[derive(Clone, Debug)]
pub(super) struct Alternative {
    /// The folder before the first wildcard.
    pub(super) folder: PathBuf,
    /// One pattern per component, including those of the folder.
    pub(super) components: Vec<Pattern>,
}

/// The options for matching names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matching {
    /// Whether wildcards match a leading dot.
    pub(super) include_hidden: bool,
    /// Whether case is ignored.
    pub(super) ignore_case: bool,
}

impl Matching {
    /// Returns the options for glob. Wildcards never match a `/`.
    pub(super) fn options(self) -> MatchOptions {
        MatchOptions {
            case_sensitive: !self.ignore_case,
            require_literal_separator: true,
            require_literal_leading_dot: !self.include_hidden,
        }
    }
}

/// The patterns of a line that can match in a folder or below it.
#[derive(Debug, Default)]
pub(super) struct Candidates<'a>(Vec<(&'a Alternative, Progress)>);

/// The progress of a pattern along a path: for each number of its components, whether so many match the names so far.
type Progress = Vec<bool>;

impl<'a> Candidates<'a> {
    /// Adds a pattern that starts in a folder.
    pub(super) fn add(&mut self, pattern: &'a Alternative, folder: &Path, matching: Matching) {
        self.0.push((pattern, pattern.progress(folder, matching)));
    }

    /// Returns the patterns that can still match after one more name of a path.
    pub(super) fn after_component(&self, name: &OsStr, matching: Matching) -> Self {
        // Names that are not UTF-8 cannot be published, but are matched so that errors can name them.
        let name = name.to_string_lossy();
        let advanced = self.0.iter().map(|(pattern, before)| (*pattern, pattern.advance(before, &name, matching)));
        Self(advanced.filter(|(_, progress)| progress.contains(&true)).collect())
    }

    /// Whether a pattern matches the path so far.
    pub(super) fn has_match(&self) -> bool {
        self.0.iter().any(|(_, progress)| progress.last() == Some(&true))
    }

    /// Whether a pattern can match a longer path.
    pub(super) fn can_match_below(&self) -> bool {
        self.0.iter().any(|(_, progress)| progress[..progress.len() - 1].contains(&true))
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }
}

impl Alternative {
    /// Reads the patterns that the braces of a path expand to.
    pub(super) fn all(path: &str, base: &Path) -> Result<Vec<Self>, BadLine> {
        expand_braces(path)?.iter().map(|path| Self::parse(path, base)).collect()
    }

    fn parse(path: &str, base: &Path) -> Result<Self, BadLine> {
        if path.starts_with('/') {
            return Err(BadLine::Outside(None));
        }
        let own = components(path)?;
        if own.is_empty() {
            return Err(BadLine::Empty);
        }
        let plain = own.iter().take(own.len() - 1).take_while(|c| !c.contains(['*', '?', '[']));
        let folder = base.join(plain.copied().collect::<PathBuf>());
        let of_base = base.iter().map(|component| Pattern::escape(&component.to_string_lossy()));
        let texts = of_base.chain(own.iter().map(|component| (*component).to_owned()));
        let pattern = |text: String| Pattern::new(&to_glob_syntax(&text)?).map_err(|error| BadLine::Pattern(error.msg));
        Ok(Self { folder, components: texts.map(pattern).collect::<Result<_, _>>()? })
    }

    /// Finds its components with a wildcard.
    pub(super) fn wildcards(&self) -> Wildcards {
        let fixed = self.components.iter().take_while(|component| !is_recursive(component));
        let places = fixed.enumerate().filter(|(_, component)| has_wildcard(&without_escapes(component.as_str())));
        let places = places.map(|(place, _)| place).collect();
        Wildcards { places, end_in_recursion: self.components.iter().any(is_recursive) }
    }

    pub(super) fn matches(&self, path: &Path, matching: Matching) -> bool {
        self.progress(path, matching).last() == Some(&true)
    }

    fn progress(&self, path: &Path, matching: Matching) -> Progress {
        let mut start = vec![false; self.components.len() + 1];
        start[0] = true;
        self.skip(&mut start);
        path.iter().fold(start, |progress, name| self.advance(&progress, &name.to_string_lossy(), matching))
    }

    /// Returns the progress after one more name. glob tries every way to divide a path among the wildcards of a pattern,
    /// and a path with many `-` has many ways for `**/*-*-*`. By component there is only one.
    fn advance(&self, before: &Progress, name: &str, matching: Matching) -> Progress {
        let mut reached = vec![false; before.len()];
        for (place, pattern) in self.components.iter().enumerate().filter(|(place, _)| before[*place]) {
            if is_recursive(pattern) {
                let may_be_skipped = matching.include_hidden || !name.starts_with('.');
                reached[place] |= may_be_skipped;
                reached[place + 1] |= may_be_skipped;
            } else {
                reached[place + 1] |= pattern.matches_with(name, matching.options());
            }
        }
        self.skip(&mut reached);
        reached
    }

    /// Adds the progress of `**` that matches no name. At the end of a pattern it matches at least one.
    fn skip(&self, progress: &mut Progress) {
        for (place, pattern) in self.components.iter().enumerate().take(self.components.len() - 1) {
            progress[place + 1] |= progress[place] && is_recursive(pattern);
        }
    }
}

/// Removes the classes of one character, which are literal wildcards.
fn without_escapes(pattern: &str) -> String {
    let mut rest = pattern;
    let mut text = String::new();
    while let Some((before, class)) = rest.split_once('[') {
        let mut characters = class.chars();
        let is_escape = characters.next().is_some_and(|c| c != '!') && characters.next() == Some(']');
        text.push_str(before);
        rest = if is_escape { characters.as_str() } else { class };
        text.push_str(if is_escape { "" } else { "*" });
    }
    text + rest
}

/// Replaces `[^a]` of shells and git by `[!a]`, because glob takes the `^` for a character.
fn to_glob_syntax(text: &str) -> Result<String, BadLine> {
    if text.contains("[[:") {
        return Err(BadLine::Pattern("classes such as [:upper:] are not supported"));
    }
    Ok(text.replace("[^", "[!"))
}

fn is_recursive(pattern: &Pattern) -> bool {
    pattern.as_str() == "**"
}

/// Splits a path into components, without `.` and empty ones.
pub(super) fn components(path: &str) -> Result<Vec<&str>, BadLine> {
    let components: Vec<&str> = path.split('/').filter(|c| !matches!(*c, "" | ".")).collect();
    if components.contains(&"..") { Err(BadLine::Parent) } else { Ok(components) }
}
