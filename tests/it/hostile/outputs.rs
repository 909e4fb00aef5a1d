//! Parses the output file as GitHub's runner and the act family do.
//!
//! - GitHub's runner 2.336.0: `Runner.Worker/FileCommandManager.cs`, `EnvFileKeyValuePairs`.
//! - act 0.2.87: `pkg/container/parse_env_file.go`. Gitea's act 0.261.3 and Forgejo's runner 12 have the same parser,
//!   without the byte order mark. They use Go's `bufio.Scanner`, so they stop at a line of 64 KiB without an error.

use std::collections::BTreeMap;

use generic_packages::command::Command;

use super::findings::Fault;

/// Names and values as a runner stores them, or why it takes none.
type Stored = Result<BTreeMap<String, String>, String>;

/// Go's `bufio.MaxScanTokenSize`.
const LONGEST_LINE: usize = 64 * 1024;

/// Gitea's and Forgejo's runners take 1 MiB of a value, and a variable of the environment has 128 KiB at most.
const LONGEST_VALUE: usize = 128 * 1024;

/// `NAME=VALUE`, or `NAME<<DELIMITER`, depending on which mark comes first.
enum Entry<'a> {
    Whole(&'a str, &'a str),
    Begun(&'a str, &'a str),
}

fn entry(line: &str) -> Option<Entry<'_>> {
    match (line.find('='), line.find("<<")) {
        (Some(equals), heredoc) if heredoc.is_none_or(|heredoc| equals < heredoc) => {
            Some(Entry::Whole(&line[..equals], &line[equals + 1..]))
        }
        (_, Some(heredoc)) => Some(Entry::Begun(&line[..heredoc], &line[heredoc + 2..])),
        _ => None,
    }
}

/// Lines end at LF alone, as on Linux; a name or a delimiter must not be empty, and a file ends with a line end.
fn github(text: &str) -> Stored {
    let mut stored = BTreeMap::new();
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let line = line.strip_suffix('\n').unwrap_or(line);
        match entry(line) {
            _ if line.is_empty() => {}
            None => return Err(format!("invalid format {line:?}")),
            Some(Entry::Whole(name, value)) => drop(stored.insert(name.to_owned(), value.to_owned())),
            Some(Entry::Begun(name, delimiter)) if name.is_empty() || delimiter.is_empty() => {
                return Err(format!("no name or no delimiter in {line:?}"));
            }
            Some(Entry::Begun(name, delimiter)) => {
                let mut value = String::new();
                loop {
                    match lines.next() {
                        Some(part) if part.strip_suffix('\n').unwrap_or(part) == delimiter => break,
                        Some(part) if part.ends_with('\n') => value.push_str(part),
                        _ => return Err(format!("no end of {name:?}")),
                    }
                }
                stored.insert(name.to_owned(), value.strip_suffix('\n').unwrap_or(&value).to_owned());
            }
        }
    }
    Ok(stored)
}

/// Go's `bufio.ScanLines` takes one CR from the end of a line; an empty line is an error. Older ones lose, without a
/// word, everything from a line that is too long.
fn act(text: &str, is_old: bool) -> Stored {
    let text = if is_old { text } else { text.strip_prefix('\u{feff}').unwrap_or(text) };
    let mut stored = BTreeMap::new();
    let mut lines = text
        .split_terminator('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .take_while(|line| !is_old || line.len() < LONGEST_LINE);
    while let Some(line) = lines.next() {
        match entry(line) {
            None => return Err(format!("invalid format {line:?}")),
            Some(Entry::Whole(name, value)) => drop(stored.insert(name.to_owned(), value.to_owned())),
            Some(Entry::Begun(name, delimiter)) => {
                let mut value = String::new();
                loop {
                    match lines.next() {
                        Some(part) if part == delimiter => break,
                        Some(part) if value.is_empty() => value.push_str(part),
                        Some(part) => value.extend(["\n", part]),
                        None => return Err(format!("no end of {name:?}")),
                    }
                }
                stored.insert(name.to_owned(), value);
            }
        }
    }
    Ok(stored)
}

/// Returns the outputs that all runners store, or a fault if one of them fails or stores other outputs.
pub(super) fn read(text: &str) -> Result<BTreeMap<String, String>, Fault> {
    let readings = [("GitHub's runner", github(text)), ("act", act(text, false)), ("older runners", act(text, true))];
    for (reader, reading) in &readings {
        if let Err(error) = reading {
            return Err(Fault::new("outputs that are not read", format!("{reader}: {error}")));
        }
        if *reading != readings[0].1 {
            return Err(Fault::new("outputs that are read differently", format!("{reader} and GitHub's runner")));
        }
    }
    let [(_, Ok(stored)), ..] = readings else { unreachable!("no reading failed") };
    Ok(stored)
}

/// Returns the faults of the output file. Every runner must store the same outputs. Their names must be those in the
/// command's `action.yml`, and no value may be too long.
pub(super) fn check(text: &str, command: Command) -> Vec<Fault> {
    let stored = match read(text) {
        Ok(stored) => stored,
        Err(fault) => return vec![fault],
    };
    let mut faults = Vec::new();
    let mut names = command.outputs();
    names.sort_unstable();
    let found: Vec<&str> = stored.keys().map(String::as_str).collect();
    if found != names {
        faults.push(Fault::new("other outputs than were declared", format!("{found:?}")));
    }
    for (name, value) in stored.iter().filter(|(_, value)| value.len() >= LONGEST_VALUE) {
        faults.push(Fault::new("an output without end", format!("{name} has {} bytes", value.len())));
    }
    faults
}
