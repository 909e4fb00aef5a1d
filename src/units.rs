//! Formats numbers with units.

use std::fmt;
use std::time::Duration;

/// A number of bytes, shown in binary units as in Gitea and Forgejo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl Bytes {
    /// Returns the number to the last byte, for comparing two sizes.
    #[must_use]
    pub(crate) fn exact(count: u64) -> String {
        format!("{count} {}", if count == 1 { "byte" } else { "bytes" })
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        // Tenths of the unit, in whole numbers: no size is shown larger than it is, and none as 1024.0.
        let mut tenths = u128::from(self.0) * 10 / 1024;
        let mut unit = 0;
        while tenths >= 10 * 1024 && unit + 1 < UNITS.len() {
            tenths /= 1024;
            unit += 1;
        }
        f.pad(&format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]))
    }
}

/// A duration, shown to the tenth of a second if it is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..60 => f.pad(&format!("{:.1} s", self.0.as_secs_f64())),
            60..3600 if seconds.is_multiple_of(60) => f.pad(&format!("{} min", seconds / 60)),
            60..3600 => f.pad(&format!("{} min {} s", seconds / 60, seconds % 60)),
            _ => f.pad(&format!("{} h {} min", seconds / 3600, seconds % 3600 / 60)),
        }
    }
}

/// Returns a count with its noun: `1 file`, `2 files`.
#[must_use]
pub(crate) fn files(count: usize) -> String {
    format!("{count} {}", if count == 1 { "file" } else { "files" })
}

/// Joins counts with their words, without those that are 0: `2 uploaded, 1 failed`.
#[must_use]
pub(crate) fn counts<W: fmt::Display>(counts: impl IntoIterator<Item = (usize, W)>) -> String {
    let some = counts.into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_in_readable_units() {
        for (count, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1023.9 KiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "15.9 EiB"),
        ] {
            assert_eq!(Bytes(count).to_string(), shown);
        }
    }

    #[test]
    fn times_are_shown_as_people_say_them() {
        assert_eq!(Span(Duration::from_millis(1_250)).to_string(), "1.2 s");
        assert_eq!(Span(Duration::from_mins(5)).to_string(), "5 min");
        assert_eq!(Span(Duration::from_secs(61)).to_string(), "1 min 1 s");
        assert_eq!(Span(Duration::from_secs(3_700)).to_string(), "1 h 1 min");
    }
}
