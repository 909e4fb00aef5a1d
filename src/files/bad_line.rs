//! Why a line of patterns is rejected.

use super::mistake::Mistake;
use super::syntax::{DEEPEST, MOST_ALTERNATIVES};
use crate::hint::Explain;
use crate::sanitize::Sanitized;
use crate::unexpanded::expression_hint;

/// A line that is not a valid pattern, or that leads to files that may not be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLine {
    /// Only `!`, or a path without components.
    #[error("contains no pattern")]
    Empty,
    /// A component `..`.
    #[error("contains `..`, and files outside the workspace are not published")]
    Parent,
    /// An absolute path outside the workspace, and the relative path if it looks like a path of a runner.
    #[error("is an absolute path outside the workspace")]
    Outside(Option<Sanitized>),
    /// Syntax of another tool.
    #[error(transparent)]
    Mistake(Mistake),
    /// A path with `.git` in it.
    #[error("leads into `.git`, where the checkout action stores its token")]
    Git,
    /// A `/` in a name on the registry.
    #[error("contains `/`, but files on the registry have no folders")]
    Slash,
    /// A brace that is not closed, or not opened.
    #[error("has an unmatched brace")]
    Brace,
    /// Braces that expand to too many patterns.
    #[error("expands to more than {MOST_ALTERNATIVES} patterns")]
    TooMany,
    /// Braces that nest too deep.
    #[error("nests braces more than {DEEPEST} levels deep")]
    TooDeep,
    /// A new name in a line that excludes files.
    #[error("excludes files, and excluded files cannot be renamed")]
    NamedExclusion,
    /// A variable, a command or an expression in a new name.
    #[error("contains `{part}` in its new name, which is not expanded", part = Sanitized::new(.0))]
    Unexpanded(String),
    /// An unknown placeholder in a new name.
    #[error("contains `{{{0}}}` in its new name, which is not a placeholder")]
    Placeholder(Sanitized),
    /// A brace in a new name that is not closed, or not opened.
    #[error("has an unmatched brace in its new name")]
    NameBrace,
    /// `{dir}` in a new name for a file of the registry.
    #[error("contains `{{dir}}` in its new name, but files on the registry have no folders")]
    NoFolder,
    /// A number in a new name that is higher than the number of components with a wildcard.
    #[error("contains `{{{number}}}` in its new name, but {}", wildcards_in_words(*.count, *.end_in_recursion))]
    NoWildcard {
        /// The number in braces.
        number: usize,
        /// The number of components with a wildcard that each pattern of the line has.
        count: usize,
        /// Whether a `**` follows.
        end_in_recursion: bool,
    },
    /// A new name that is invalid with any value of its placeholders.
    #[error("has an invalid new name: it {0}")]
    Name(String),
    /// An error of the crate glob.
    #[error("is not a valid pattern: {0}")]
    Pattern(&'static str),
}

impl Explain for BadLine {
    fn code(&self) -> &'static str {
        match self {
            Self::Mistake(mistake) => mistake.code(),
            Self::Empty => "empty-pattern",
            Self::Parent | Self::Outside(_) => "outside-workspace",
            Self::Git => "inside-git",
            Self::Slash => "folder-in-name",
            Self::Brace | Self::NameBrace => "unbalanced-brace",
            Self::TooMany | Self::TooDeep => "too-many-alternatives",
            Self::Pattern(_) => "invalid-pattern",
            Self::NamedExclusion => "name-for-excluded-file",
            Self::Unexpanded(_) => "unexpanded-variable",
            Self::Placeholder(_) => "unknown-placeholder",
            Self::NoFolder | Self::NoWildcard { .. } => "empty-placeholder",
            Self::Name(_) => "invalid-file-name",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Mistake(mistake) => return mistake.hint(),
            Self::Unexpanded(part) => return Some(expression_hint(part)),
            Self::Outside(relative) => {
                let instead = relative.as_ref().map_or_else(
                    || "Write the path relative to the workspace".to_owned(),
                    |relative| format!("Write `{relative}`"),
                );
                return Some(format!(
                    "{instead}. Do not use `${{{{ github.workspace }}}}`, because the path of the workspace is different inside \
                     the container"
                ));
            }
            Self::Empty => "Write a pattern or a path, or remove the line",
            Self::Parent => "Write the path relative to the workspace, or set `working-directory`",
            Self::Git => "Remove the line, and copy the files to publish to a separate folder",
            Self::Slash => "Write only the name of the file, without a folder",
            Self::Brace => "Close the brace, or write `[{]` and `[}]` for literal braces",
            Self::TooMany => "Use a wildcard, or write several lines",
            Self::TooDeep => "Write several lines instead of the inner braces",
            Self::NamedExclusion => "Remove the new name. If `=>` is part of a file's name, write `[=]>`",
            Self::Placeholder(_) | Self::NameBrace => {
                "Use `{name}`, `{dir}`, or `{1}`, `{2}` and so on, and write `{{` and `}}` for literal braces"
            }
            Self::NoFolder => "Use `{name}` or `{1}`",
            Self::NoWildcard { .. } => {
                "Use a number no higher than the count of pattern components with `*`, `?` or `[..]`. Braces and components \
                 after `**` do not count"
            }
            Self::Name(_) => "Correct the name after `=>`",
            Self::Pattern("invalid range pattern") => "Close the `[`, or write `[[]` for a literal `[`",
            Self::Pattern(_) => {
                "Write `**` as a separate component, as in `dist/**/app`, or write `[*]` for a literal `*`"
            }
        };
        Some(hint.to_owned())
    }
}

impl BadLine {
    /// Whether the line is an invalid pattern that can still be the name of a file.
    pub(super) fn can_be_name(&self) -> bool {
        matches!(self, Self::Brace | Self::TooMany | Self::Pattern(_))
    }
}

/// Returns the number of components that `{1}`, `{2}` and so on can mean, as a clause.
fn wildcards_in_words(count: usize, end_in_recursion: bool) -> String {
    let before = if end_in_recursion { " before its `**`" } else { "" };
    match count {
        0 => format!("its pattern has no component with a wildcard{before}"),
        1 => format!("its pattern has only 1 component with a wildcard{before}"),
        count => format!("its pattern has only {count} components with a wildcard{before}"),
    }
}
