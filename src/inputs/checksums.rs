//! How a version is sealed.

use super::{ChecksumsOptions, RawInputs, Reader};
use crate::files::{FETCHED_FOLDER, Line, is_temporary_name, makes_repository};
use crate::package::{FileName, Version};

impl Reader {
    /// How the version is to be sealed, where it is.
    pub(super) fn checksums_options(&mut self, raw: &RawInputs, version: Option<&Version>) -> Option<ChecksumsOptions> {
        let Some(name) = raw.checksums.as_deref().map(str::trim) else {
            let needing = [("expect", &raw.expect), ("aliases", &raw.aliases)];
            for (input, _) in needing.into_iter().filter(|(_, given)| given.is_some()) {
                let problem = "is given without `checksums`, and only a version that is sealed is looked at as a whole";
                self.problem(input, None, problem, "Give `checksums: SHA256SUMS` too");
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
                let problem = "is the file that `checksums` makes when all that is expected is there";
                self.problem("expect", Some(&line.text), problem, "Take the line out: it is always made");
            }
        }
        if self.problems.len() > before {
            return None;
        }
        if let Some(line) = lines.iter().find(|line| line.excludes) {
            let accepted = "Give a pattern a line, on names of files that have to be there: `expect: app-*-linux`";
            self.problem("expect", Some(&line.text), "takes away, and nothing can be expected of that", accepted);
            return None;
        }
        Some(lines)
    }

    /// The registry does not regard the case of versions (recorded).
    fn aliases(&mut self, raw: &RawInputs, version: Option<&Version>) -> Option<Vec<Version>> {
        const INPUT: &str = "aliases";
        let accepted = "Give aliases, one per line: `aliases: latest`";
        let before = self.problems.len();
        let mut aliases: Vec<Version> = Vec::new();
        let text = raw.aliases.as_deref().unwrap_or_default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if line.contains([',', ';', '"', '\'', '`', '*', '?'])
                || line.contains(char::is_whitespace)
                || line.starts_with(['-', '#'])
            {
                let problem = "is not an alias: lists, quotes and comments are not supported";
                self.problem(INPUT, Some(line), problem, accepted);
                continue;
            }
            let Some(alias) = self.read_version(INPUT, line, accepted) else { continue };
            let is_alike = |other: &Version| other.folded() == alias.folded();
            if version.is_some_and(is_alike) {
                self.problem(
                    INPUT,
                    Some(line),
                    "is the version itself, whose case the registry does not regard",
                    accepted,
                );
            } else if aliases.iter().any(is_alike) {
                self.problem(INPUT, Some(line), "is there twice", accepted);
            } else {
                aliases.push(alias);
            }
        }
        (self.problems.len() == before).then_some(aliases)
    }

    fn checksums_file_name(&mut self, text: &str) -> Option<FileName> {
        let accepted = "Give the name that the file of checksums is to have: `checksums: SHA256SUMS`";
        let name = self.bad_name("checksums", FileName::parse(text), accepted)?;
        let is_ours = is_temporary_name(name.as_str()) || name.folded() == FETCHED_FOLDER;
        if makes_repository(name.as_str()) || is_ours {
            self.problem("checksums", Some(text), "is a name that git or this program takes for its own", accepted);
            return None;
        }
        Some(name)
    }
}
