//! The inputs about the checksums file: `checksums`, `expect` and `aliases`.

use super::{ChecksumsOptions, RawInputs, Reader};
use crate::files::{FETCHED_FOLDER, Line, is_temporary_name, makes_repository};
use crate::package::{FileName, Version};

impl Reader {
    /// Reads the options of the checksums file; `None` if none is to be published, or an input is wrong.
    pub(super) fn checksums_options(&mut self, raw: &RawInputs, version: Option<&Version>) -> Option<ChecksumsOptions> {
        let Some(name) = raw.checksums.as_deref().map(str::trim) else {
            let needing = [("expect", &raw.expect), ("aliases", &raw.aliases)];
            for (input, _) in needing.into_iter().filter(|(_, given)| given.is_some()) {
                self.problem(input, None, "requires `checksums`, which is not set", "Set `checksums: SHA256SUMS` too");
            }
            return None;
        };
        let name = self.checksums_file_name(name);
        let expect = self.expect(raw, name.as_ref());
        let aliases = self.aliases(raw, version);
        Some(ChecksumsOptions { name: name?, expect: expect?, aliases: aliases? })
    }

    fn expect(&mut self, raw: &RawInputs, own_name: Option<&FileName>) -> Option<Vec<Line>> {
        let lines = self.name_lines("expect", raw.expect.as_deref().unwrap_or_default())?;
        let before = self.problems.len();
        for line in &lines {
            if let Some(bad) = &line.malformed {
                self.bad_line("expect", &line.text, bad);
            } else if own_name.is_some_and(|own_name| line.as_name().to_lowercase() == own_name.folded()) {
                let problem = "is the checksums file, which is always created";
                self.problem("expect", Some(&line.text), problem, "Remove the line");
            }
        }
        if self.problems.len() > before {
            return None;
        }
        if let Some(line) = lines.iter().find(|line| line.excludes) {
            let hint = "Set `expect` to file name patterns, one per line, such as `expect: app-*-linux`";
            self.problem("expect", Some(&line.text), "excludes files, but `expect` lists required files", hint);
            return None;
        }
        Some(lines)
    }

    /// Reads the aliases. The registry ignores the case of versions (recorded).
    fn aliases(&mut self, raw: &RawInputs, version: Option<&Version>) -> Option<Vec<Version>> {
        const INPUT: &str = "aliases";
        let hint = "Set `aliases` to one alias per line, such as `aliases: latest`";
        let before = self.problems.len();
        let mut aliases: Vec<Version> = Vec::new();
        let text = raw.aliases.as_deref().unwrap_or_default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if line.contains([',', ';', '"', '\'', '`', '*', '?'])
                || line.contains(char::is_whitespace)
                || line.starts_with(['-', '#'])
            {
                let problem = "is not an alias. Lists, quotes, wildcards and comments are not supported";
                self.problem(INPUT, Some(line), problem, hint);
                continue;
            }
            let Some(alias) = self.read_version(INPUT, line, hint) else { continue };
            let is_equal = |other: &Version| other.folded() == alias.folded();
            if version.is_some_and(is_equal) {
                self.problem(INPUT, Some(line), "is the version itself (the registry ignores case)", hint);
            } else if aliases.iter().any(is_equal) {
                self.problem(INPUT, Some(line), "is listed twice", hint);
            } else {
                aliases.push(alias);
            }
        }
        (self.problems.len() == before).then_some(aliases)
    }

    fn checksums_file_name(&mut self, text: &str) -> Option<FileName> {
        let hint = "Set `checksums` to the name of the checksums file, such as `checksums: SHA256SUMS`";
        let name = self.bad_name("checksums", FileName::parse(text), hint)?;
        let is_reserved = is_temporary_name(name.as_str()) || name.folded() == FETCHED_FOLDER;
        if makes_repository(name.as_str()) || is_reserved {
            self.problem("checksums", Some(text), "is a name that git or this action reserves", hint);
            return None;
        }
        Some(name)
    }
}
