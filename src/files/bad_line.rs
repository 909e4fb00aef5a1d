//! Why a line of the input `files` cannot be taken.

use super::mistake::Mistake;
use super::syntax::{DEEPEST, MOST_ALTERNATIVES};
use crate::advice::Advise;
use crate::sanitize::Sanitized;
use crate::unexpanded::expression_hint;

/// A line that is no pattern, or that leads where nothing may be published from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadLine {
    /// Nothing but `!` or a path of no components.
    #[error("names nothing")]
    Empty,
    /// `..`, in whatever place.
    #[error("has `..` in it: nothing outside the workspace is published")]
    Parent,
    /// An absolute path to somewhere else, and the path relative to the workspace if it looks like a runner's.
    #[error("is an absolute path outside the workspace")]
    Outside(Option<Sanitized>),
    /// What only another tool understands.
    #[error(transparent)]
    Mistake(Mistake),
    /// A path with `.git` in it.
    #[error("leads into .git, where checkout leaves its token")]
    Git,
    /// A `/` in a name on the registry.
    #[error("has a `/` in it, and files on the registry lie in no folders")]
    Slash,
    /// A brace that is not closed, or not opened.
    #[error("has a brace without its partner")]
    Brace,
    /// Braces that stand for too many patterns.
    #[error("stands for more than {MOST_ALTERNATIVES} patterns")]
    TooMany,
    /// Braces that nest too deep.
    #[error("nests braces more than {DEEPEST} deep")]
    TooDeep,
    /// A name behind `=>` in a line that takes files away.
    #[error("takes files away, and what is taken away gets no name")]
    NamedExclusion,
    /// A variable, a command or an expression in a name.
    #[error("contains `{part}` in its name, which is not expanded", part = Sanitized::new(.0))]
    Unexpanded(String),
    /// Braces in a name around what is no placeholder.
    #[error("has `{{{0}}}` in its name, which is no placeholder")]
    Placeholder(Sanitized),
    /// A brace in a name that is not closed, or not opened.
    #[error("has a brace without its partner in its name")]
    NameBrace,
    /// `{dir}` in a new name for a file of the registry.
    #[error("has `{{dir}}` in its name, and files on the registry are in no folder")]
    NoFolder,
    /// A number in a name that counts further than there are components with a wildcard.
    #[error("has `{{{number}}}` in its name, and {}", wildcards_in_words(*.there, *.end_in_recursion))]
    NoWildcard {
        /// The number in braces.
        number: usize,
        /// How many components with a wildcard each of the line's patterns has.
        there: usize,
        /// Whether a `**` follows on these.
        end_in_recursion: bool,
    },
    /// A name that the registry refuses, whatever its placeholders stand for.
    #[error("gives a name that the registry refuses: it {0}")]
    Name(String),
    /// What glob says of a pattern.
    #[error("is no pattern: {0}")]
    Pattern(&'static str),
}

impl Advise for BadLine {
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

    fn advice(&self) -> Option<String> {
        Some(match self {
            Self::Empty => "Give a pattern or a path, or take the line out".to_owned(),
            Self::Parent => "Write the path relative to the workspace, or set `working-directory`".to_owned(),
            Self::Outside(relative) => {
                let instead = relative.as_ref().map_or_else(
                    || "Write the path relative to the workspace".to_owned(),
                    |relative| format!("Write `{relative}`"),
                );
                format!(
                    "{instead}, without `${{{{ github.workspace }}}}`: that is the host's path, and GitHub rewrites it for a \
                     container in the first line only"
                )
            }
            Self::Mistake(mistake) => return mistake.advice(),
            Self::Git => "Take the line out, and copy what you want to publish to a folder of its own".to_owned(),
            Self::Slash => "Write the file's name on the registry alone, without a folder".to_owned(),
            Self::Brace => "Close the brace, or write `[{]` and `[}]` for the characters".to_owned(),
            Self::TooMany => "Use a wildcard, or several lines".to_owned(),
            Self::TooDeep => "Write several lines in place of the inner braces".to_owned(),
            Self::NamedExclusion => {
                "Take the name out; where `=>` is part of a file's own name, write `[=]>` for it".to_owned()
            }
            Self::Placeholder(_) | Self::NameBrace => {
                "Use `{name}`, `{dir}`, or `{1}`, `{2}` and so on, and write `{{` and `}}` for the characters"
                    .to_owned()
            }
            Self::Unexpanded(part) => expression_hint(part),
            Self::NoFolder => "Use `{name}` or `{1}`".to_owned(),
            Self::NoWildcard { .. } => {
                "Count the parts between the slashes that hold `*`, `?` or `[..]`: braces do not count, nor does what \
                 follows on `**`"
                    .to_owned()
            }
            Self::Name(_) => "Correct the name behind `=>`, which is the file's name on the registry".to_owned(),
            Self::Pattern(_) => {
                "Write `**` as a component of its own, close each `[`, and write `[*]`, `[?]`, `[[]` for \
                                 the characters"
                    .to_owned()
            }
        })
    }
}

impl BadLine {
    /// Whether the line is only no pattern, and may still be a name.
    pub(super) fn may_be_a_name(&self) -> bool {
        matches!(self, Self::Brace | Self::TooMany | Self::Pattern(_))
    }
}

/// How many components `{1}`, `{2}` and so on can stand for.
fn wildcards_in_words(there: usize, end_in_recursion: bool) -> String {
    let before = if end_in_recursion { " before its `**`" } else { "" };
    match there {
        0 => format!("no component of its pattern holds a wildcard{before}"),
        1 => format!("only one component of its pattern holds a wildcard{before}"),
        count => format!("only {count} components of its pattern hold a wildcard{before}"),
    }
}
