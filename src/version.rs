//! Pure: which version `latest` stands for.

use std::fmt;

use crate::package::Version;
use crate::registry::VersionRow;

/// Which of the rules decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// A version is called `latest`.
    Name,
    /// It is the highest release by semantic versioning.
    Release,
    /// It is the newest, and none is a release.
    Date,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the version of that name",
            Self::Release => "the highest release by semantic versioning",
            Self::Date => "the newest one, since none is a release by semantic versioning",
        })
    }
}

/// The version that `latest` stands for, and why; `None` where there is none that could be asked for and handed on.
pub(crate) fn latest(rows: &[VersionRow]) -> Option<(Version, Rule)> {
    let versions: Vec<(u64, Version)> =
        rows.iter().filter_map(|row| Some((row.id, Version::parse(&row.version).ok()?))).collect();
    let named = versions.iter().find(|(_, version)| version.as_str().eq_ignore_ascii_case(Version::LATEST));
    if let Some((_, version)) = named {
        return Some((version.clone(), Rule::Name));
    }
    let highest = versions
        .iter()
        .filter_map(|(id, version)| Some((release(version.as_str())?, *id, version)))
        .max_by(|(one, one_id, _), (other, other_id, _)| one.cmp(other).then(one_id.cmp(other_id)));
    if let Some((_, _, version)) = highest {
        return Some((version.clone(), Rule::Release));
    }
    let newest = versions.iter().filter(|(_, version)| is_plain(version)).max_by_key(|(id, _)| *id);
    newest.map(|(_, version)| (version.clone(), Rule::Date))
}

/// Whether a version has no character that a shell could run. Anybody who may publish chooses it, and a step may
/// interpolate the output `version`. Releases by semantic versioning are always plain.
fn is_plain(version: &Version) -> bool {
    version.as_str().chars().all(|c| c.is_ascii_alphanumeric() || "._+~-".contains(c))
}

/// A release by semantic versioning, with or without a `v` before it; nothing of what comes before a release. Build
/// metadata, which semantic versioning does not order, is ordered as numbers and text, so that the choice is always the
/// same.
pub(crate) fn release(version: &str) -> Option<semver::Version> {
    let parsed = semver::Version::parse(version.strip_prefix('v').unwrap_or(version)).ok()?;
    parsed.pre.is_empty().then_some(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(versions: &[&str]) -> Option<(String, Rule)> {
        let row =
            |(id, version): (u64, &&str)| VersionRow { id, name: "Widget".to_owned(), version: (*version).to_owned() };
        let rows: Vec<VersionRow> = (1..).zip(versions).map(row).collect();
        latest(&rows).map(|(version, rule)| (version.as_str().to_owned(), rule))
    }

    #[test]
    fn the_highest_release_counts_and_not_what_comes_before_one() {
        for (versions, wanted) in [
            (&["1.10.0", "1.9.0"][..], "1.10.0"),
            (&["v1.9.0", "1.10.0", "v2.0.0-rc.1"], "1.10.0"),
            (&["v1.0.0", "nightly", "0.9.9"], "v1.0.0"),
            (&["1.0.0+build.2", "1.0.0+build.10", "1.0.0"], "1.0.0+build.10"),
            (&["v1.0.0", "1.0.0"], "1.0.0"),
            (&["1.0.0", "v1.0.0"], "v1.0.0"),
            (&["1.0.0", "vv9.0.0", "2.0", "99999999999999999999.0.0", "1.0.01"], "1.0.0"),
        ] {
            assert_eq!(chosen(versions), Some((wanted.to_owned(), Rule::Release)), "{versions:?}");
        }
    }

    #[test]
    fn a_version_called_latest_goes_before_all_and_the_newest_comes_last() {
        assert_eq!(chosen(&["latest", "9.0.0"]), Some(("latest".to_owned(), Rule::Name)));
        assert_eq!(chosen(&["Latest", "9.0.0"]), Some(("Latest".to_owned(), Rule::Name)));
        assert_eq!(chosen(&["nightly-2", "2.0.0-rc.1"]), Some(("2.0.0-rc.1".to_owned(), Rule::Date)));
        assert_eq!(chosen(&["a", "..", "b\u{1b}"]), Some(("a".to_owned(), Rule::Date)));
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn a_version_that_a_shell_could_run_is_never_chosen() {
        for bad in
            ["$(id)", "a;id", "a'b", "a\"b", "a b", "`id`", "a&b", "a|b", "a/b", "é", "1.0.0+$(id)", "v1.0.0+a;b"]
        {
            assert_eq!(chosen(&["nightly-1~x", bad]), Some(("nightly-1~x".to_owned(), Rule::Date)), "{bad}");
            assert_eq!(chosen(&[bad]), None, "{bad}");
        }
    }
}
