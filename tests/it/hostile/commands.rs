//! Parses the commands in the log as four runners do, and checks the commands that they find.
//!
//! Sources:
//! - GitHub's runner 2.336.0 (actions/runner at 258d6c8): `Runner.Common/ActionCommand.cs` (`TryParseV2`, `TryParse`),
//!   `Runner.Worker/ActionCommandManager.cs` (the commands that are registered), `Runner.Worker/Handlers/OutputManager.cs`,
//!   `Runner.Sdk/ProcessInvoker.cs` (`ReadLine`, which ends a line at a lone CR too).
//! - act 0.2.87 (nektos/act at bd86152): `pkg/runner/command.go`, `pkg/common/line_writer.go`. Gitea's fork 0.261.3
//!   (gitea/act at 1656206) and Forgejo's runner 12 (forgejo/runner at 0988a0c) have the same two patterns; Gitea's
//!   fork obeys `set-env` and `add-path` without asking.
//! - Gitea's `act_runner` 0.2.11 (at 3510152) and Forgejo's runner 12 also parse each line with their own pattern:
//!   `internal/pkg/report/reporter.go`.

use super::findings::Fault;
use super::terminal::is_invisible;

/// A program that reads the lines of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// GitHub's runner, both of its forms.
    GitHub,
    /// act and its forks, both of their patterns.
    Act,
    /// The log reporters of Gitea's and Forgejo's runners.
    Reporter,
}

impl Reader {
    const ALL: [Self; 3] = [Self::GitHub, Self::Act, Self::Reporter];
}

/// A command that a runner finds in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    /// The text after the first blank of the command, unchanged.
    pub(super) properties: String,
    /// The message, before its escapes are undone.
    pub(super) message: String,
}

impl Found {
    fn new(name: &str, properties: &str, message: &str) -> Self {
        Self { name: name.to_owned(), properties: properties.to_owned(), message: message.to_owned() }
    }
}

/// The commands that GitHub's runner registers, in lowercase. It ignores case (`ActionCommandManager.cs`).
const REGISTERED: [&str; 16] = [
    "internal-set-repo-path",
    "set-env",
    "set-output",
    "save-state",
    "add-mask",
    "add-path",
    "add-matcher",
    "remove-matcher",
    "debug",
    "warning",
    "error",
    "notice",
    "group",
    "endgroup",
    "echo",
    "stop-commands",
];

/// Returns the command that a reader finds in a line. The line contains no LF.
pub(super) fn find(reader: Reader, line: &str) -> Option<Found> {
    match reader {
        Reader::GitHub => line.split('\r').find_map(|part| github_v2(part).or_else(|| github_v1(part))),
        Reader::Act => act(line, "::", "::").or_else(|| act(line, "##[", "]")),
        Reader::Reporter => reporter(line),
    }
}

/// `message.TrimStart()`, then `StartsWith("::")`. That comparison is made in the culture of the runner, for which
/// characters without weight are not there (dotnet/coreclr issue 2051): so they are not there for us either. What is
/// found that way has to be cut at the same places, by the lengths of the literals, as the runner does it.
fn github_v2(line: &str) -> Option<Found> {
    let text: Vec<char> = line.trim_start().chars().collect();
    if !stands_at(&text, 0, "::") {
        return None;
    }
    let command = text.get(2..)?;
    find_weighty(&text, 2, "::")?.into_iter().find_map(|end| {
        let (info, message) = (command.get(..end - 2)?, text.get(end + 2..)?);
        registered(info, &message.iter().collect::<String>())
    })
}

/// `IndexOf("##[")`, anywhere in the line, and the next `]`.
fn github_v1(line: &str) -> Option<Found> {
    let text: Vec<char> = line.chars().collect();
    find_weighty(&text, 0, "##[")?.into_iter().find_map(|start| {
        let end = (start..text.len()).find(|&at| text[at] == ']')?;
        registered(text.get(start + 3..end)?, &text[end + 1..].iter().collect::<String>())
    })
}

/// Whether a literal stands at a place of a text, where what has no weight in a comparison is not there.
fn stands_at(text: &[char], at: usize, literal: &str) -> bool {
    let mut weighty = text[at..].iter().filter(|c| !is_invisible(**c));
    literal.chars().all(|c| weighty.next() == Some(&c))
}

/// Where the first match of a literal may be said to begin: at its first character that has weight, or at those without
/// weight in front of it.
fn find_weighty(text: &[char], from: usize, literal: &str) -> Option<Vec<usize>> {
    let first = (from..text.len()).find(|&at| !is_invisible(text[at]) && stands_at(text, at, literal))?;
    let mut starts = vec![first];
    starts.extend((from..first).rev().take_while(|&at| is_invisible(text[at])));
    Some(starts)
}

fn registered(info: &[char], message: &str) -> Option<Found> {
    let info: String = info.iter().collect();
    let (name, properties) = info.split_once(' ').unwrap_or((&info, ""));
    REGISTERED.contains(&name.to_lowercase().as_str()).then(|| Found::new(name, properties, message))
}

/// `^::([^ ]+)( (.+))?::([^\r\n]*)[\r\n]+$`, and the same with `##[` and `]`; the pattern is greedy, so that the last
/// mark counts that leaves a match.
fn act(line: &str, opening: &str, closing: &str) -> Option<Found> {
    let line = line.trim_end_matches('\r').strip_prefix(opening)?;
    let (first, _) = line.split_once(' ').unwrap_or((line, ""));
    let message = |at: usize| Some(&line[at + closing.len()..]).filter(|text| !text.contains('\r'));
    let behind_properties = line.rmatch_indices(closing).filter(|(at, _)| *at > first.len() + 1);
    let behind_name = first.rmatch_indices(closing).filter(|(at, _)| *at > 0);
    if first.is_empty() {
        return None;
    }
    behind_properties
        .filter_map(|(at, _)| Some(Found::new(first, &line[first.len() + 1..at], message(at)?)))
        .chain(behind_name.filter_map(|(at, _)| Some(Found::new(&line[..at], "", message(at)?))))
        .next()
}

/// `^::([^ :]+)( .*)?::(.*)$`, on the line without CR at its end.
fn reporter(line: &str) -> Option<Found> {
    let line = line.trim_end_matches('\r').strip_prefix("::")?;
    let end = line.find([' ', ':']).filter(|end| *end > 0)?;
    let (name, rest) = line.split_at(end);
    if let Some(rest) = rest.strip_prefix(' ') {
        let (properties, message) = rest.rsplit_once("::")?;
        return Some(Found::new(name, properties, message));
    }
    rest.strip_prefix("::").map(|message| Found::new(name, "", message))
}

/// The commands that the program writes, with their properties.
const OURS: [(&str, &str); 6] = [
    ("add-mask", ""),
    ("error", "title=generic-packages"),
    ("warning", "title=generic-packages"),
    ("group", ""),
    ("endgroup", ""),
    ("debug", ""),
];

/// Returns the faults of the commands in a log. Every reader must find the program's commands with the same content,
/// and no other commands. If `listens` is empty, the log must contain no commands.
pub(super) fn check(log: &str, listens: &[Reader]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut groups = 0_i32;
    for line in log.split('\n') {
        let Some(meant) = Some(line).filter(|_| !listens.is_empty()).and_then(ours) else {
            faults.extend(check_foreign(line));
            continue;
        };
        groups += i32::from(meant.name == "group") - i32::from(meant.name == "endgroup");
        if !(0..=1).contains(&groups) {
            faults.push(Fault::new("groups that do not pair", line));
        }
        // A mask is the secret to the letter, so that it is for those who listen alone.
        let readers = if meant.name == "add-mask" { listens } else { &Reader::ALL };
        faults.extend(check_ours(line, &meant, readers));
    }
    if groups != 0 {
        faults.push(Fault::new("groups that do not pair", "at the end"));
    }
    faults
}

/// The command that the program means by a line.
fn ours(line: &str) -> Option<Found> {
    OURS.iter().find_map(|(name, properties)| {
        let blank = if properties.is_empty() { "" } else { " " };
        let message = line.strip_prefix(&format!("::{name}{blank}{properties}::"))?;
        Some(Found::new(name, properties, message))
    })
}

/// A line in which nobody may find anything.
fn check_foreign(line: &str) -> Vec<Fault> {
    let found = Reader::ALL.into_iter().filter_map(|reader| Some((reader, find(reader, line)?)));
    let mut faults: Vec<Fault> = found
        .map(|(reader, found)| Fault::new("a foreign command", format!("{reader:?} finds {found:?} in {line}")))
        .collect();
    // No rule of a runner alone: nothing that looks like a command to people or to a front end.
    if stands_at(&line.trim_start().chars().collect::<Vec<_>>(), 0, "::") {
        faults.push(Fault::new("a line that begins with ::", line));
    }
    if line.contains("##[") {
        faults.push(Fault::new("##[ in a line", line));
    }
    faults
}

/// One of our own commands: all readers read the same in it, and its message holds no second one.
fn check_ours(line: &str, meant: &Found, readers: &[Reader]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for &reader in readers {
        let found = find(reader, line);
        if found.as_ref() != Some(meant) {
            faults
                .push(Fault::new("a command that is read otherwise", format!("{reader:?} reads {found:?} in {line}")));
        }
    }
    if meant.name == "add-mask" {
        return faults;
    }
    for text in decoded(&meant.message) {
        for part in text.split(['\r', '\n']) {
            let second = Reader::ALL.iter().any(|reader| find(*reader, part).is_some());
            if second || part.contains("::") || part.contains("##[") {
                faults.push(Fault::new("a command within a message", format!("{part:?} in {line}")));
            }
        }
    }
    faults
}

/// Returns the possible results of decoding a message. GitHub's runner decodes `%0D`, `%0A` and `%25` in that order.
/// act decodes them in the order of a Go map, which is random.
fn decoded(message: &str) -> Vec<String> {
    let escapes = [("%0D", "\r"), ("%0A", "\n"), ("%25", "%")];
    let orders = [[0, 1, 2], [1, 0, 2], [0, 2, 1], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let undo = |text: String, at: usize| text.replace(escapes[at].0, escapes[at].1);
    orders.iter().map(|order| order.iter().fold(message.to_owned(), |text, &at| undo(text, at))).collect()
}
