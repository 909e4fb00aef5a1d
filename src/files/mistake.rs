//! Pure: syntax of other tools and shells in a line, and the lines to write instead.

use std::path::Path;

use super::bash;
use super::syntax::{has_wildcard, split_name, without_exclamation};
use crate::hint::Explain;
use crate::sanitize::{Names, Sanitized};
use crate::unexpanded::{expression_hint, path_hint, unexpanded};

/// A line in the syntax of another tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub(crate) struct Mistake {
    kind: Kind,
    /// The lines to write instead, if they are known.
    lines: Vec<String>,
}

/// The number of mistakes that are corrected in one line.
const MOST_AT_ONCE: usize = 4;

/// The syntax that the line uses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Kind {
    /// `# text`, or `pattern # text`.
    #[error("contains a comment, and comments are not supported")]
    Comment,
    /// `- pattern`, or `["pattern", "pattern"]`.
    #[error("is a YAML list, but this input is text")]
    YamlList,
    /// A pattern in quotes.
    #[error("has quotes, which would be part of the name")]
    Quotes,
    /// `$NAME`, `~/` and the like.
    #[error("contains `{}`, which is not expanded", Sanitized::new(.0))]
    Variable(String),
    /// `C:\path`, or `\\server\path`.
    #[error("is an absolute Windows path")]
    WindowsPath,
    /// `.`, or the path of the workspace.
    #[error("is a folder, but only files are published")]
    Everything,
    /// `pattern/`.
    #[error("ends with `/`, but only files are published")]
    TrailingSlash,
    /// `@(a|b)` and the like.
    #[error("contains `{0}(..)`, which only bash supports")]
    Extglob(char),
    /// `{1..3}`.
    #[error("contains the range `{}`, and ranges are not supported", Sanitized::new(.0))]
    Range(String),
    /// Several patterns in one line.
    #[error("is a list, but each pattern needs its own line")]
    List,
    /// `\` between folders.
    #[error("contains `\\`, which does not separate folders")]
    Backslash,
    /// The name of a file in other Unicode code points.
    #[error("looks like the name of a file, but uses different Unicode code points (NFC or NFD)")]
    Normalization,
}

impl Explain for Mistake {
    fn code(&self) -> &'static str {
        match self.kind {
            Kind::Comment => "comment-in-pattern",
            Kind::YamlList => "yaml-list",
            Kind::Quotes => "quoted-pattern",
            Kind::Variable(_) => "unexpanded-variable",
            Kind::WindowsPath => "windows-path",
            Kind::Everything => "is-a-folder",
            Kind::TrailingSlash => "trailing-slash",
            Kind::Extglob(_) | Kind::Range(_) => "unsupported-pattern",
            Kind::List => "several-patterns",
            Kind::Backslash => "backslash-in-pattern",
            Kind::Normalization => "unicode-normalization",
        }
    }

    fn hint(&self) -> Option<String> {
        let mut names = Names::default();
        self.lines.iter().for_each(|line| names.add(Sanitized::new(line)));
        let has_lines = !self.lines.is_empty();
        let with_lines = |hint: &str| if has_lines { format!("{hint}: {names}") } else { hint.to_owned() };
        Some(match &self.kind {
            Kind::Comment if has_lines => format!("Write {names}, or `[#]` for a `#` in a name"),
            Kind::Comment => "Remove the line, or write `[#]` for a `#` in a name".to_owned(),
            Kind::YamlList | Kind::List => with_lines("Write one pattern per line"),
            Kind::Quotes => with_lines("Remove the quotes"),
            Kind::Variable(_) if has_lines => format!("Write the path relative to the workspace: {names}"),
            Kind::Variable(text) => path_hint(text).map_or_else(
                || {
                    let sign = text.chars().next().unwrap_or('$');
                    format!("{}, or write `[{sign}]` for a `{sign}` in a name", expression_hint(text))
                },
                str::to_owned,
            ),
            Kind::WindowsPath => with_lines("Write the path relative to the workspace, with `/` between folders"),
            Kind::Everything => {
                "Write `**` for all files in it, or `*` for the files that are not in subfolders".to_owned()
            }
            Kind::TrailingSlash => match &self.lines[..] {
                [here, below] => format!(
                    "Write `{}` for the files in these folders, or `{}` for those in subfolders too",
                    Sanitized::new(here),
                    Sanitized::new(below)
                ),
                _ => format!("Write {names} for the files in these folders"),
            },
            Kind::Extglob(_) if has_lines => format!("Write {names}, or `[(]` for a `(` in a name"),
            Kind::Extglob(_) => "Use `*`, `{a,b}` or several lines, or write `[(]` for a `(` in a name".to_owned(),
            Kind::Range(_) if has_lines => format!("Write {names}"),
            Kind::Range(_) => "List the alternatives, as in `{1,2,3}`, or use `*`".to_owned(),
            Kind::Backslash => with_lines("Write `/` between folders"),
            Kind::Normalization => format!("Write {names}, because the registry accepts ASCII names only"),
        })
    }
}

impl Mistake {
    /// Finds a mistake that makes a line useless, regardless of which files exist. Lines are relative to `base`, a path
    /// in the workspace.
    pub(super) fn of(line: &str, base: &Path) -> Option<Self> {
        let Self { kind, mut lines } = Self::first_of(line, base)?;
        // One line can have several: `- "dist\*.zip"`.
        for _ in 0..MOST_AT_ONCE {
            let corrected = |line: String| match Self::first_of(&line, base) {
                Some(mistake) if !mistake.lines.is_empty() && mistake.kind != Kind::TrailingSlash => mistake.lines,
                _ => vec![line],
            };
            lines = lines.into_iter().flat_map(corrected).collect();
        }
        Some(Self { kind, lines })
    }

    /// Creates a mistake, with the lines to write instead.
    pub(super) fn new(kind: Kind, lines: Vec<String>) -> Self {
        Self { kind, lines }
    }

    /// Finds the first mistake of a line, with the lines that correct it.
    fn first_of(line: &str, base: &Path) -> Option<Self> {
        let found = |kind, lines| Some(Self::new(kind, lines));
        if let Some(pattern) = before_comment(line) {
            return found(
                Kind::Comment,
                Some(pattern.to_owned()).filter(|pattern| !pattern.is_empty()).into_iter().collect(),
            );
        }
        if let Some(item) = line.strip_prefix("- ") {
            return found(Kind::YamlList, vec![item.trim().to_owned()]);
        }
        if let Some(items) = items_of_flow_list(line) {
            return found(Kind::YamlList, items);
        }
        if let Some(lines) = without_quotes(line) {
            return found(Kind::Quotes, lines);
        }
        let (pattern, name) = split_name(line).map_or((line, None), |(pattern, name)| (pattern, Some(name)));
        if let Some((sign, lines)) = bash::extglob(pattern) {
            return found(Kind::Extglob(sign), lines.into_iter().map(|line| with_name(&line, name)).collect());
        }
        let (excludes, path) = without_exclamation(pattern);
        let sign = if excludes { "!" } else { "" };
        let whole = |path: &str| with_name(&format!("{sign}{path}"), name);
        if let Some(lines) = without_quotes(path) {
            return found(Kind::Quotes, lines.iter().map(|path| whole(path)).collect());
        }
        if is_windows_path(path) {
            let path = path.replace('\\', "/");
            let relative = behind_workspace(&path).and_then(|path| relative_to(base, path));
            return found(Kind::WindowsPath, relative.map(whole).into_iter().collect());
        }
        if let Some(fragment) = variable(path) {
            let path = path.replace('\\', "/");
            let relative = behind_variable(&path).and_then(|path| relative_to(base, path));
            return found(Kind::Variable(fragment.to_owned()), relative.map(whole).into_iter().collect());
        }
        if let Some((range, corrected)) = bash::range(path) {
            return found(Kind::Range(range.to_owned()), corrected.map(|path| whole(&path)).into_iter().collect());
        }
        if has_wildcard(path) && path.ends_with('/') {
            let path = path.trim_end_matches('/');
            let ends = if path == "**" || path.ends_with("/**") { &[""][..] } else { &["/*", "/**"] };
            return found(Kind::TrailingSlash, ends.iter().map(|end| whole(&format!("{path}{end}"))).collect());
        }
        None
    }
}

/// Finds a mistake in the path of a folder, and the path to write instead, if it is known. Missing folders are created, so
/// nothing else would report it.
#[must_use]
pub(crate) fn mistake_in_path(path: &str) -> Option<(Mistake, Option<String>)> {
    let slashes = path.replace('\\', "/");
    let mistake = |kind| Mistake::new(kind, Vec::new());
    if is_windows_path(path) {
        Some((mistake(Kind::WindowsPath), behind_workspace(&slashes).map(str::to_owned)))
    } else if let Some(home) = home(path).or(Some(path).filter(|path| *path == "~")) {
        Some((mistake(Kind::Variable(home.to_owned())), None))
    } else {
        (slashes != path).then(|| (mistake(Kind::Backslash), Some(slashes)))
    }
}

/// Adds a new name to a pattern, if there is one.
pub(super) fn with_name(pattern: &str, name: Option<&str>) -> String {
    name.map_or_else(|| pattern.to_owned(), |name| format!("{pattern} => {name}"))
}

/// Returns the text before a comment: `#` at the start or after a space.
fn before_comment(line: &str) -> Option<&str> {
    let mut signs = line.match_indices('#').map(|(at, _)| &line[..at]);
    signs.find(|before| before.is_empty() || before.ends_with(char::is_whitespace)).map(str::trim_end)
}

/// Returns the items of `["a", "b"]`. A character class such as `[ab]` has no quotes, commas or slashes.
fn items_of_flow_list(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix('[')?.strip_suffix(']')?;
    let is_list =
        inner.contains(['"', '\'', ',', '/']) && !inner.contains(['[', ']']) && !inner.starts_with(['!', '^']);
    is_list.then(|| items(inner, |c| c == ','))
}

/// Returns the patterns of a line that starts and ends with quotes.
fn without_quotes(line: &str) -> Option<Vec<String>> {
    let quoted = line.trim_end_matches([',', ';', ' ']);
    let quote = quoted.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    if quoted.len() < 2 || !quoted.ends_with(quote) {
        return None;
    }
    let items = items(quoted, |c| c == ',' || c == ';' || c.is_whitespace());
    // `'pattern' => 'name'` is one line.
    Some(if items.iter().any(|item| item == "=>") { vec![items.join(" ")] } else { items })
}

/// Returns the items of a list, without quotes. Text in quotes, braces or brackets is one item.
pub(super) fn items(text: &str, is_separator: impl Fn(char) -> bool) -> Vec<String> {
    let mut items = vec![String::new()];
    let (mut quote, mut depth) = (None, 0_usize);
    for c in text.chars() {
        let item = items.last_mut().expect("there is always one");
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'' | '`', None) if item.trim().is_empty() => quote = Some(c),
            (c, None) if depth == 0 && is_separator(c) => items.push(String::new()),
            _ => {
                match c {
                    '{' | '[' => depth += 1,
                    '}' | ']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                item.push(c);
            }
        }
    }
    items.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

/// Whether a path is absolute on Windows.
fn is_windows_path(path: &str) -> bool {
    let has_drive = matches!(path.as_bytes(), [drive, b':', b'/' | b'\\', ..] if drive.is_ascii_alphabetic());
    has_drive || path.starts_with(r"\\")
}

/// Returns the first part that only a shell or a workflow would expand.
fn variable(path: &str) -> Option<&str> {
    home(path).or_else(|| unexpanded(path))
}

/// Returns the prefix that shells write for the home folder.
fn home(path: &str) -> Option<&str> {
    ["~/", r"~\"].into_iter().find(|home| path.starts_with(home))
}

/// Returns the path after a variable that contains the path of the workspace.
fn behind_variable(path: &str) -> Option<&str> {
    const WORKSPACE: [&str; 7] = [
        "$GITHUB_WORKSPACE/",
        "${GITHUB_WORKSPACE}/",
        "%GITHUB_WORKSPACE%/",
        "${{ github.workspace }}/",
        "$PWD/",
        "${PWD}/",
        "$(pwd)/",
    ];
    WORKSPACE.iter().find_map(|variable| path.strip_prefix(variable))
}

/// Returns the path after the workspace in an absolute path of a runner: `/home/runner/work/REPO/REPO/`, `/__w/REPO/REPO/`,
/// `D:/a/REPO/REPO/`, and `/workspace/OWNER/REPO/` of Gitea's and Forgejo's runners.
pub(super) fn behind_workspace(path: &str) -> Option<&str> {
    if let Some(rest) = path.strip_prefix("/workspace/") {
        return rest.splitn(3, '/').nth(2);
    }
    let mut folders = path.match_indices('/').map(|(at, _)| at).peekable();
    let mut previous = None;
    while let (Some(start), Some(&end)) = (folders.next(), folders.peek()) {
        let folder = &path[start + 1..end];
        if previous == Some(folder) {
            return Some(&path[end + 1..]);
        }
        previous = Some(folder);
    }
    None
}

/// Returns a path in the workspace as a line has it.
pub(super) fn relative_to<'a>(base: &Path, path: &'a str) -> Option<&'a str> {
    let path = Path::new(path).strip_prefix(base).ok()?.to_str()?;
    Some(path).filter(|path| !path.is_empty())
}
