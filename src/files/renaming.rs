//! New names after `=>` in a line of the input `files`: text with placeholders in braces.
//!
//! `{{` and `}}` are literal braces. The last ` => ` of a line counts, because the registry accepts no `>` in names.

use std::fmt;

use super::bad_line::BadLine;
use crate::package::FileName;
use crate::sanitize::Sanitized;
use crate::unexpanded::unexpanded;

/// The components of a pattern with a wildcard, up to a `**`. A `**` matches any number of components, so those after it have
/// no fixed place.
#[derive(Debug, Default)]
pub(super) struct Wildcards {
    /// The indexes of the components.
    pub(super) places: Vec<usize>,
    /// Whether a `**` follows.
    pub(super) end_in_recursion: bool,
}

/// A new name with placeholders.
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

/// A placeholder for a part of a file's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// The file's own name.
    Name,
    /// The name of the folder that contains it.
    Folder,
    /// The path component that the pattern component with this number matches. Only components with a wildcard count, from 1.
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
    /// Reads a new name for the files of a pattern with these wildcards.
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
        // A name that is invalid with a letter for each placeholder is invalid with any value.
        let sample = template.filled(|_| Some("a")).unwrap_or_default();
        FileName::parse(&sample).map_err(|bad| BadLine::Name(bad.why))?;
        Ok(template)
    }

    /// Fills in the values of the placeholders. The error is a placeholder without a value.
    pub(super) fn fill(&self, placeholders: &[(Placeholder, String)]) -> Result<String, Placeholder> {
        let value = |wanted| placeholders.iter().find(|(known, _)| *known == wanted).map(|(_, text)| text.as_str());
        self.filled(value)
    }

    /// Whether the name contains a placeholder.
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

/// Reads the word in braces of a placeholder.
fn placeholder(word: &str, wildcards: &Wildcards) -> Result<Placeholder, BadLine> {
    let count = wildcards.places.len();
    match (word, word.parse()) {
        ("name", _) => Ok(Placeholder::Name),
        ("dir", _) => Ok(Placeholder::Folder),
        (_, Ok(number)) if (1..=count).contains(&number) => Ok(Placeholder::Component(number)),
        (_, Ok(number)) if number > count => {
            Err(BadLine::NoWildcard { number, count, end_in_recursion: wildcards.end_in_recursion })
        }
        _ => Err(BadLine::Placeholder(Sanitized::new(word))),
    }
}
