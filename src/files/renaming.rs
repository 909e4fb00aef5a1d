//! New names: what stands behind `=>` in a line of the input `files`.
//!
//! Text with placeholders in braces; `{{` and `}}` are the characters. The registry takes no `>` in a name, so that the
//! last ` => ` of a line is the one that counts, and what stands before it may hold others.

use std::fmt;

use super::bad_line::BadLine;
use crate::package::FileName;
use crate::sanitize::Sanitized;
use crate::unexpanded::unexpanded;

/// Which components of a pattern hold a wildcard, up to a `**`: it stands for any number of them, so that none behind it
/// has a place.
#[derive(Debug, Default)]
pub(super) struct Wildcards {
    /// Their places in the path.
    pub(super) places: Vec<usize>,
    /// Whether a `**` follows.
    pub(super) end_in_recursion: bool,
}

/// What a name is made of.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// The name as it was typed.
    pub(super) text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Placeholder(Placeholder),
}

/// What stands for a part of a file's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// The file's own name.
    Name,
    /// The name of the folder that it lies in.
    Folder,
    /// The component of its path that the one of that number matches, counted from 1 among those that hold a wildcard.
    Component(usize),
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("{name}"),
            Self::Folder => f.write_str("{dir}"),
            Self::Component(number) => write!(f, "{{{number}}}"),
        }
    }
}

impl Template {
    /// Reads a name for what a pattern with these wildcards finds.
    pub(super) fn parse(text: &str, wildcards: &Wildcards) -> Result<Self, BadLine> {
        if let Some(part) = unexpanded(text) {
            return Err(BadLine::Unexpanded(part.to_owned()));
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, behind) = rest[at..].split_at(1);
            if let Some(behind) = behind.strip_prefix(brace) {
                plain.push_str(brace);
                rest = behind;
                continue;
            }
            let (word, behind) = behind.split_once('}').filter(|_| brace == "{").ok_or(BadLine::NameBrace)?;
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Placeholder(placeholder(word, wildcards)?));
            rest = behind;
        }
        parts.push(Part::Text(plain + rest));
        let template = Self { text: text.to_owned(), parts };
        // Whatever a placeholder stands for, it makes no name good that is not good with a letter in its place.
        let sample = template.filled(|_| Some("a")).unwrap_or_default();
        FileName::parse(&sample).map_err(|bad| BadLine::Name(bad.why))?;
        Ok(template)
    }

    /// The name of a file for which the placeholders stand for these; an error where one stands for nothing.
    pub(super) fn fill(&self, placeholders: &[(Placeholder, String)]) -> Result<String, Placeholder> {
        let value = |wanted| placeholders.iter().find(|(known, _)| *known == wanted).map(|(_, text)| text.as_str());
        self.filled(value)
    }

    /// Whether a placeholder is in it.
    pub(super) fn has(&self, placeholder: Placeholder) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Placeholder(known) if *known == placeholder))
    }

    fn filled<'a>(&self, value: impl Fn(Placeholder) -> Option<&'a str>) -> Result<String, Placeholder> {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Placeholder(placeholder) => name.push_str(value(*placeholder).ok_or(*placeholder)?),
            }
        }
        Ok(name)
    }
}

/// The placeholder that a word in braces is.
fn placeholder(word: &str, wildcards: &Wildcards) -> Result<Placeholder, BadLine> {
    let there = wildcards.places.len();
    match (word, word.parse()) {
        ("name", _) => Ok(Placeholder::Name),
        ("dir", _) => Ok(Placeholder::Folder),
        (_, Ok(number)) if (1..=there).contains(&number) => Ok(Placeholder::Component(number)),
        (_, Ok(number)) if number > there => {
            Err(BadLine::NoWildcard { number, there, end_in_recursion: wildcards.end_in_recursion })
        }
        _ => Err(BadLine::Placeholder(Sanitized::new(word))),
    }
}
