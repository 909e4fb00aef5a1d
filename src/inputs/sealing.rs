//! How a version is sealed.

use std::ffi::OsStr;

use super::{RawInputs, Reader, Sealing};
use crate::files::{is_git, is_part};
use crate::package::FileName;

impl Reader {
    /// How the version is to be sealed, where it is.
    pub(super) fn sealing(&mut self, raw: &RawInputs) -> Option<Sealing> {
        let Some(name) = raw.checksums.as_deref().map(str::trim) else {
            if raw.expect.is_some() {
                let problem = "is given without `checksums`, and what is not sealed is not looked at as a whole";
                self.problem("expect", None, problem, "Give `checksums: SHA256SUMS` too");
            }
            return None;
        };
        let name = self.name_of_seal(name);
        let expect = self.name_lines("expect", raw.expect.as_deref().unwrap_or_default());
        let takes_away = expect.iter().flatten().find(|line| line.takes_away).map(|line| line.text.clone());
        if let Some(line) = takes_away {
            let accepted = "Give a pattern a line, on names of files that have to be there: `expect: app-*-linux`";
            self.problem("expect", Some(&line), "takes away, and nothing can be expected of that", accepted);
            return None;
        }
        Some(Sealing { name: name?, expect: expect? })
    }

    fn name_of_seal(&mut self, text: &str) -> Option<FileName> {
        let accepted = "Give the name that the file of checksums is to have: `checksums: SHA256SUMS`";
        let name = self.bad_name("checksums", FileName::parse(text), accepted)?;
        if is_git(OsStr::new(name.as_str())) || is_part(name.as_str()) {
            self.problem("checksums", Some(text), "is a name that git or this program takes for its own", accepted);
            return None;
        }
        Some(name)
    }
}
