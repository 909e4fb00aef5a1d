//! The inputs about the checksums file: `checksums`, `expect` and `aliases`.

use super::{ChecksumsOptions, InputError, Reader};
use crate::files::{ALIAS_DOWNLOADS, Line, is_repository_file, is_temporary_name};
use crate::package::{FileName, Version};

impl Reader<'_> {
    /// Reads the options of the checksums file; `None` if `checksums` is not set, or if an input is invalid.
    pub(super) fn checksums_options(&mut self, version: Option<&Version>) -> Option<ChecksumsOptions> {
        if self.raw.get("checksums").is_none() {
            if self.problems.iter().any(|problem| problem.input == "checksums") {
                return None;
            }
            for input in ["expect", "aliases"].into_iter().filter(|input| self.raw.get(input).is_some()) {
                let problem = "requires `checksums`, which is not set";
                self.problems.push(InputError::new(input, None, problem, "Set `checksums: SHA256SUMS` too"));
            }
            return None;
        }
        let name = self.keep(self.checksums_file_name());
        let expect = self.expect(name.as_ref());
        let aliases = self.aliases(version);
        Some(ChecksumsOptions { name: name?, expect: expect?, aliases: aliases? })
    }

    fn checksums_file_name(&self) -> Result<FileName, InputError> {
        let text = self.raw.get("checksums").unwrap_or_default();
        let hint = "Set `checksums` to the name of the checksums file, such as `checksums: SHA256SUMS`";
        let name = FileName::parse(text).map_err(InputError::bad_name("checksums", hint))?;
        let is_reserved = is_temporary_name(name.as_str()) || name.folded() == ALIAS_DOWNLOADS;
        if is_repository_file(name.as_str()) || is_reserved {
            let problem = "is a name that git or this action reserves";
            return Err(InputError::new("checksums", Some(text), problem, hint));
        }
        if !is_name_of_checksums_file(&name.folded()) {
            let problem = "is not the name of a checksums file with SHA-256";
            let hint = "Set `checksums` to a name with a word such as `SHA256SUMS`, `checksums`, `sha256`, `hashes` or `digests`";
            return Err(InputError::new("checksums", Some(text), problem, hint));
        }
        Ok(name)
    }

    fn expect(&mut self, own_name: Option<&FileName>) -> Option<Vec<Line>> {
        const INPUT: &str = "expect";
        let lines = self.name_lines(INPUT, |line| {
            let line = Line::of_names(line)
                .and_then(|line| line.malformed.clone().map_or(Ok(line), Err))
                .map_err(InputError::bad_line(INPUT, line))?;
            if own_name.is_some_and(|own_name| line.as_name().to_lowercase() == own_name.folded()) {
                let problem = "is the checksums file, which is always created";
                return Err(InputError::new(INPUT, Some(&line.text), problem, "Remove the line"));
            }
            Ok(line)
        })?;
        if let Some(line) = lines.iter().find(|line| line.excludes) {
            let problem = "excludes files, but `expect` lists required files";
            let hint = "Set `expect` to file name patterns, one per line, such as `expect: app-*-linux`";
            self.problems.push(InputError::new(INPUT, Some(&line.text), problem, hint));
            return None;
        }
        Some(lines)
    }

    /// Reads the aliases. The registry ignores the case of versions (recorded).
    fn aliases(&mut self, version: Option<&Version>) -> Option<Vec<Version>> {
        const INPUT: &str = "aliases";
        let hint = "Set `aliases` to one alias per line, such as `aliases: latest`";
        let mut known: Vec<String> = Vec::new();
        self.each_line(self.raw.get(INPUT).unwrap_or_default(), |line| {
            let bad = |problem| Err(InputError::new(INPUT, Some(line), problem, hint));
            if line.contains([',', ';', '"', '\'', '`', '*', '?'])
                || line.contains(char::is_whitespace)
                || line.starts_with(['-', '#'])
            {
                return bad("is not an alias. Lists, quotes, wildcards and comments are not supported");
            }
            let alias = Self::read_version(INPUT, line, hint)?;
            if ["true", "false"].contains(&alias.folded().as_str()) {
                return bad("is a boolean, not an alias");
            }
            if version.is_some_and(|version| version.folded() == alias.folded()) {
                return bad("is the version itself (the registry ignores case)");
            }
            if known.contains(&alias.folded()) {
                return bad("is listed twice");
            }
            known.push(alias.folded());
            Ok(alias)
        })
    }
}

/// Whether a name, in lower case, is one of a checksums file with SHA-256. A file of that name is replaced, so it must not be a
/// file that was only meant to be listed, a signature, or a file with other hashes.
fn is_name_of_checksums_file(name: &str) -> bool {
    let mut words = name.split(|c: char| !c.is_ascii_lowercase());
    let is_meant = words.any(|word| {
        word.ends_with("sum")
            || word.ends_with("sums")
            || ["sha", "hash", "hashes", "digest", "digests"].contains(&word)
    });
    let has_other_hashes = ["sha1", "sha224", "sha384", "sha512", "md5", "b2", "b3", "blake", "crc32"];
    let is_signature = [".asc", ".sig", ".gpg", ".minisig"].iter().any(|end| name.ends_with(end));
    is_meant && !is_signature && !has_other_hashes.iter().any(|kind| name.contains(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksums_file_has_a_word_for_checksums_in_its_name() {
        for name in "sha256sums sha256sum.txt checksums.txt checksum shasums256.txt widget_1.512.0_checksums.txt \
                     widget-1.0.sha256 sums hashes.txt digests manifest.sha256 sha256-checksums.txt"
            .split_whitespace()
        {
            assert!(is_name_of_checksums_file(name), "{name}");
        }
        for name in
            "true 1 app app.tar.gz share.tar.gz shadow.exe summary.txt hashmap.jar manifest changes.md sha256sums.asc \
                     checksums.txt.sig sha512sums md5sums.txt b2sums b3sums sha1sum.txt"
                .split_whitespace()
        {
            assert!(!is_name_of_checksums_file(name), "{name}");
        }
    }
}
