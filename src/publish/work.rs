//! Pure: what an alias has and what it is to have -> what is to be done.

use std::fmt;

use crate::listing::{Listing, RegistryFile};
use crate::package::FileName;
use crate::units;

/// What is to be done with an alias.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Work {
    /// Files that are not there, or not as they should be, but for the checksums.
    pub(super) to_send: Vec<RegistryFile>,
    /// The checksums, where they are not there or not as they should be.
    pub(super) seal: Option<RegistryFile>,
    /// Files that should not be there.
    pub(super) strays: Vec<RegistryFile>,
    pub(super) counts: Counts,
}

/// How what an alias has stands to what it is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(super) same: usize,
    other: usize,
    missing: usize,
    left_over: usize,
}

impl Work {
    pub(super) fn of(source: &Listing, there: &Listing, seal: &FileName) -> Self {
        let mut work = Self { to_send: Vec::new(), seal: None, strays: Vec::new(), counts: Counts::of(source, there) };
        for file in source.files().into_iter().filter(|file| there.like(file) != Some(file)) {
            if file.name.to_lowercase() == seal.folded() {
                work.seal = Some(file.clone());
            } else {
                work.to_send.push(file.clone());
            }
        }
        work.strays.extend(there.files().into_iter().filter(|file| source.like(file).is_none()).cloned());
        work
    }

    pub(super) fn is_done(&self) -> bool {
        self.to_send.is_empty() && self.seal.is_none() && self.strays.is_empty()
    }
}

impl Counts {
    pub(super) fn of(source: &Listing, there: &Listing) -> Self {
        let mut counts = Self::default();
        for file in source.files() {
            match there.like(file) {
                Some(theirs) if theirs == file => counts.same += 1,
                Some(_) => counts.other += 1,
                None => counts.missing += 1,
            }
        }
        counts.left_over = there.files().into_iter().filter(|file| source.like(file).is_none()).count();
        counts
    }

    /// For a cell of a table: `3 same, 1 other, 1 missing`.
    pub(super) fn in_brief(self) -> String {
        let Self { same, other, missing, left_over } = self;
        let counts = [(same, "same"), (other, "other"), (missing, "missing"), (left_over, "left over")];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        counts.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn are_all_the_same(self) -> bool {
        (self.other, self.missing, self.left_over) == (0, 0, 0)
    }
}

/// The state of an alias: `3 of 5 files are the same, 1 is another, 1 is missing`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { same, other, missing, left_over } = *self;
        let is = |count: usize| if count == 1 { "is" } else { "are" };
        write!(f, "{same} of {} {} the same", units::files(same + other + missing), is(same))?;
        for (count, what) in [(other, "other than they should be"), (missing, "missing"), (left_over, "left over")] {
            if count > 0 {
                write!(f, ", {count} {} {what}", is(count))?;
            }
        }
        Ok(())
    }
}
