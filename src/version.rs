//! Pure: compares releases, and finds the version that `latest` means in a download.

use std::cmp::Ordering;
use std::fmt;

use crate::listing::VersionRow;
use crate::package::Version;

/// A version made of numbers, such as `1.2.3`, `v2`, `release-1.10-rc.1` or `app/v24.04+build.5`.
///
/// The crate `semver` does not fit, because it rejects prefixes, leading zeros, and two or four numbers.
#[derive(Clone, Debug)]
pub(crate) struct Release<'v> {
    /// The text before the numbers in lower case, without a `v`. Only releases of one series are compared.
    series: String,
    /// The number of numbers in the name.
    precision: usize,
    rank: Rank<'v>,
}

/// The order of the releases of a series, by the most important part first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank<'v> {
    numbers: [Number<'v>; 4],
    stage: Stage<'v>,
    /// Semantic versioning does not order builds. Here they have an order, so that the result is always the same.
    build: Vec<Identifier<'v>>,
}

/// A number of any length: how many digits it has, and its digits without leading zeros. The default is 0.
type Number<'v> = (usize, &'v str);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage<'v> {
    PreRelease(Vec<Identifier<'v>>),
    Final,
}

/// A part of a pre-release or a build. A number is lower than a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'v> {
    Number(Number<'v>),
    Text(&'v str),
}

impl<'v> Release<'v> {
    /// Reads a version as a release. Returns `None` if it is not one.
    pub(crate) fn parse(version: &'v str) -> Option<Self> {
        let mut at = 0;
        // The first digit may belong to the prefix, as in `log4j-1.2`.
        version.split_inclusive(['-', '_', '/']).find_map(|word| {
            let numbers = at + word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len());
            at += word.len();
            let (prefix, rest) = version.split_at(numbers);
            Self::of_parts(prefix, rest)
        })
    }

    fn of_parts(prefix: &str, rest: &'v str) -> Option<Self> {
        let series = series_of(prefix)?;
        let up_to_suffix = &rest[..rest.find(['-', '+']).unwrap_or(rest.len())];
        let core = date_in(rest).filter(|_| series.is_empty()).unwrap_or(up_to_suffix);
        let mut numbers = [Number::default(); 4];
        let mut precision = 0;
        for text in core.split(['.', '-']) {
            *numbers.get_mut(precision)? = number(text)?;
            precision += 1;
        }
        // `build-57` and `main-57` count builds.
        if precision < 2 && !series.is_empty() {
            return None;
        }
        // Some short hashes of commits have digits only. `20261129` is a date.
        let is_hash = precision == 1 && core.len() >= 7 && !(core.len() == 8 && core.starts_with("20"));
        if is_hash {
            return None;
        }
        let suffix = &rest[core.len()..];
        let (before_build, build) = suffix.split_once('+').unzip();
        let stage = match before_build.unwrap_or(suffix) {
            "" => Stage::Final,
            pre_release => Stage::PreRelease(identifiers(pre_release.strip_prefix('-')?)?),
        };
        let build = build.map_or(Some(Vec::new()), identifiers)?;
        Some(Self { series, precision, rank: Rank { numbers, stage, build } })
    }

    /// Whether its numbers have no prefix except `v`.
    pub(crate) fn is_without_prefix(&self) -> bool {
        self.series.is_empty()
    }

    pub(crate) fn is_pre_release(&self) -> bool {
        self.rank.stage != Stage::Final
    }

    /// Whether it is higher than another release of its series.
    pub(crate) fn is_higher_than(&self, other: &Self) -> bool {
        self.series == other.series && self.rank > other.rank
    }

    /// Compares the names of releases. If the releases are equal, the name with more numbers is higher, because `1.2` can be an
    /// alias of `1.2.0`.
    pub(crate) fn cmp_names(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank).then(self.precision.cmp(&other.precision))
    }

    /// Whether it starts with the numbers of another one: 1.2.3 is within 1, 1.2 and 1.2.3.
    pub(crate) fn is_within(&self, range: &Self) -> bool {
        self.rank.numbers[..range.precision] == range.rank.numbers[..range.precision]
    }
}

/// Returns the series of a prefix; `None` if the prefix is not words of letters, digits, `.`, `_` and `-` with `/` between them.
/// Anybody who can publish chooses it, and a shell can see it.
fn series_of(prefix: &str) -> Option<String> {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    if !prefix.is_empty() && !prefix.strip_suffix('/').unwrap_or(prefix).split('/').all(is_word) {
        return None;
    }
    let folded = prefix.to_lowercase();
    let without_v = folded.strip_suffix('v').filter(|rest| !rest.ends_with(|c: char| c.is_ascii_alphanumeric()));
    Some(without_v.unwrap_or(&folded).to_owned())
}

/// Returns the date at the start of a text, such as `2026-11-29`, whose dashes separate numbers.
fn date_in(text: &str) -> Option<&str> {
    let is_dash = |index: usize| index == 4 || index == 7;
    let mut date = text.get(..10)?.bytes().enumerate();
    date.all(|(index, byte)| if is_dash(index) { byte == b'-' } else { byte.is_ascii_digit() }).then(|| &text[..10])
}

fn number(text: &str) -> Option<Number<'_>> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = text.trim_start_matches('0');
    is_number.then_some((digits.len(), digits))
}

fn identifiers(text: &str) -> Option<Vec<Identifier<'_>>> {
    let is_allowed = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let parsed = text
        .split('.')
        .map(|part| is_allowed(part).then(|| number(part).map_or(Identifier::Text(part), Identifier::Number)));
    parsed.collect()
}

/// The version that `latest` means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Latest {
    pub(crate) version: Version,
    rule: Rule,
    /// Whether releases of other series were left out.
    is_mixed: bool,
}

/// The rule that selected the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// A version has the name `latest`.
    Name,
    /// It is the highest release.
    Release,
    /// It is the newest version, because there is no release.
    Date,
    /// It is the highest pre-release, because there are no other versions.
    PreRelease,
}

impl fmt::Display for Latest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = match self.rule {
            Rule::Name => return write!(f, "`latest` is the version named {}", self.version),
            Rule::Release => "the highest release",
            Rule::Date => "the newest version, because there is no release",
            Rule::PreRelease => "the highest pre-release, because there are no other versions",
        };
        write!(f, "`latest` is {}, {rule}", self.version)?;
        if self.is_mixed {
            f.write_str(" with the prefix of the newest release. The package also has releases with other prefixes")?;
        }
        Ok(())
    }
}

/// Finds the version that `latest` means; `None` if no version can be requested.
pub(crate) fn latest(rows: &[VersionRow]) -> Option<Latest> {
    let versions: Vec<(u64, Version)> =
        rows.iter().filter_map(|row| Some((row.id, Version::parse(&row.version).ok()?))).collect();
    let chosen = |version: &Version, rule, is_mixed| Some(Latest { version: version.clone(), rule, is_mixed });
    let named = versions.iter().find(|(_, version)| version.is_latest());
    if let Some((_, version)) = named {
        return chosen(version, Rule::Name, false);
    }
    let parsed = versions.iter().filter_map(|(id, version)| Some((*id, version, Release::parse(version.as_str())?)));
    let parsed: Vec<_> = parsed.collect();
    let newest = parsed.iter().max_by_key(|(id, ..)| *id).map(|(_, _, release)| release.series.clone());
    let newest = newest.unwrap_or_default();
    let (pre_releases, releases): (Vec<_>, Vec<_>) =
        parsed.into_iter().partition(|(_, _, release)| release.is_pre_release());
    if let Some((version, is_mixed)) = highest(&releases, &newest) {
        return chosen(version, Rule::Release, is_mixed);
    }
    let others = versions.iter().filter(|(_, version)| is_plain(version) && Release::parse(version.as_str()).is_none());
    if let Some((_, version)) = others.max_by_key(|(id, _)| *id) {
        return chosen(version, Rule::Date, false);
    }
    highest(&pre_releases, &newest).and_then(|(version, is_mixed)| chosen(version, Rule::PreRelease, is_mixed))
}

/// Finds the highest release of a series, and whether there are other series. If the series has no release, the series of the
/// newest release counts. Of equal releases, the newest is returned.
fn highest<'a>(releases: &[(u64, &'a Version, Release<'a>)], series: &str) -> Option<(&'a Version, bool)> {
    let has_any = releases.iter().any(|(_, _, release)| release.series == series);
    let newest =
        releases.iter().filter(|(_, _, release)| !has_any || release.series == series).max_by_key(|(id, ..)| *id)?;
    let comparable: Vec<_> = releases.iter().filter(|(_, _, release)| release.series == newest.2.series).collect();
    let (_, version, _) = comparable.iter().max_by(|one, other| one.2.cmp_names(&other.2).then(one.0.cmp(&other.0)))?;
    Some((version, comparable.len() < releases.len()))
}

/// Whether a version has no character that a shell could run. Anybody who can publish chooses it, and a step may
/// interpolate the output `version`. Releases never have one.
fn is_plain(version: &Version) -> bool {
    version.as_str().chars().all(|c| c.is_ascii_alphanumeric() || "._+~-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(versions: &[&str]) -> Option<(String, Rule, bool)> {
        let row =
            |(id, version): (u64, &&str)| VersionRow { id, name: "Widget".to_owned(), version: (*version).to_owned() };
        let rows: Vec<VersionRow> = (1..).zip(versions).map(row).collect();
        latest(&rows).map(|latest| (latest.version.as_str().to_owned(), latest.rule, latest.is_mixed))
    }

    fn by(rule: Rule, version: &str) -> (String, Rule, bool) {
        (version.to_owned(), rule, false)
    }

    #[test]
    fn each_release_is_higher_than_the_one_before_it() {
        for versions in [
            "0 0.0.1 0.9 1.0.0-0 1.0.0-alpha v1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 V1.0.0 \
             1.0.0+a v1.0.0.1 1.2 1.10.0-rc.09 1.10.0-rc.10 1.10 v2 24.04 24.10 2026-10-30 2026-11-02 \
             2026-11-29-rc.1 2026-11-29 20261129 99999999999999999999999.1",
            "1.0.0+build 1.0.0+build.2 1.0.0+build.10 1.0.0+build.a",
            "release-1.9.0 release-v1.10.0-rc1 release-1.10.0",
            "app/v1.2.3 app/1.2.4 App/v1.3.0",
            "log4j-1.2.9 log4j-1.2.17",
            "go1.22-rc1 go1.22 go1.22.1",
        ] {
            let versions: Vec<&str> = versions.split(' ').collect();
            for pair in versions.windows(2) {
                let [one, other] = [pair[0], pair[1]].map(|version| Release::parse(version).expect(version));
                assert!(other.is_higher_than(&one) && !one.is_higher_than(&other), "{pair:?}");
            }
        }
    }

    #[test]
    fn spellings_of_one_release_are_equal_and_prefixes_are_not_compared() {
        let parsed = |version| Release::parse(version).expect("a release");
        for (one, other) in [("1", "v1.0.0.0"), ("24.04", "24.4"), ("1.0-rc.01", "1.0.0-rc.1"), ("app-v1.0", "APP-1.0")]
        {
            assert!(!parsed(one).is_higher_than(&parsed(other)) && !parsed(other).is_higher_than(&parsed(one)));
            assert_eq!((parsed(one).series, parsed(one).rank), (parsed(other).series, parsed(other).rank), "{one}");
        }
        assert!(
            !parsed("app-2.0").is_higher_than(&parsed("1.0")) && !parsed("dev2.0").is_higher_than(&parsed("de1.0"))
        );
    }

    #[test]
    fn texts_that_only_look_like_releases_are_rejected() {
        let without_spaces = "latest build-abc main-57 build-7 nightly-7 nightly-2026-11-29 feature/123 1.2.3.4.5 v1. v.1 1..2 \
                              1.2- 1.2+ 1.2-a..b 1.2-a_b 1a2b3c4 8421937 v84219370 vv1 é1.2 -1.2 /1.2 a//1.2 ../1.2 1.2.3/x \
                              $(id)1.2 1.2-$(id) 1.2+a;b";
        for version in without_spaces.split(' ').chain(["1.2 ", " 1.2", "a b1.2", ""]) {
            assert!(Release::parse(version).is_none(), "{version}");
        }
    }

    #[test]
    fn a_release_is_within_the_numbers_that_it_begins_with() {
        let is_within =
            |one, range| Release::parse(one).expect("a release").is_within(&Release::parse(range).expect("a release"));
        assert!(is_within("1.2.3", "v1") && is_within("v1.02.3", "1.2") && is_within("1", "1.0"));
        assert!(!is_within("10.2.3", "1") && !is_within("1.20.0", "1.2") && !is_within("2.0.0", "1"));
    }

    #[test]
    fn latest_is_the_highest_release() {
        for (versions, wanted) in [
            (&["1.10.0", "1.9.0"][..], "1.10.0"),
            (&["1.0.0", "24.04", "24.10"], "24.10"),
            (&["release-1.10.0", "release-1.9.0"], "release-1.10.0"),
            (&["v1.9.0", "1.10.0", "v2.0.0-rc.1"], "1.10.0"),
            (&["v1.0.0", "nightly", "0.9.9", "build-99"], "v1.0.0"),
            (&["1.0.0+build.2", "1.0.0+build.10", "1.0.0"], "1.0.0+build.10"),
            (&["v1.0.0", "1.0.0"], "1.0.0"),
            (&["1.0.0", "v1.0.0"], "v1.0.0"),
            // Aliases.
            (&["1.2.0", "v1", "1.2"], "1.2.0"),
        ] {
            assert_eq!(chosen(versions), Some(by(Rule::Release, wanted)), "{versions:?}");
        }
    }

    #[test]
    fn of_several_prefixes_the_one_of_the_newest_release_counts() {
        let mixed = |version: &str| Some((version.to_owned(), Rule::Release, true));
        assert_eq!(chosen(&["lib-9.0.0", "app-1.10.0", "app-1.9.0"]), mixed("app-1.10.0"));
        assert_eq!(chosen(&["app-1.10.0", "app-1.9.0", "lib-9.0.0", "nightly"]), mixed("lib-9.0.0"));
        // Also a pre-release shows which prefix is in use.
        assert_eq!(chosen(&["app-1.10.0", "lib-9.0.0", "app-2.0.0-rc.1"]), mixed("app-1.10.0"));
        assert_eq!(chosen(&["app-1.10.0", "lib-9.0.0", "dev-2.0.0-rc.1"]), mixed("lib-9.0.0"));
    }

    #[test]
    fn a_version_called_latest_comes_first_and_pre_releases_last() {
        assert_eq!(chosen(&["latest", "9.0.0"]), Some(by(Rule::Name, "latest")));
        assert_eq!(chosen(&["Latest", "9.0.0"]), Some(by(Rule::Name, "Latest")));
        assert_eq!(chosen(&["nightly-1", "nightly-2", "2.0.0-rc.1"]), Some(by(Rule::Date, "nightly-2")));
        assert_eq!(chosen(&["2.0.0-rc.2", "2.0.0-rc.1"]), Some(by(Rule::PreRelease, "2.0.0-rc.2")));
        assert_eq!(chosen(&["a", "..", "b\u{1b}"]), Some(by(Rule::Date, "a")));
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn a_version_that_a_shell_could_run_is_never_chosen() {
        for bad in "$(id) a;id a'b a\"b `id` a&b a|b a/b é 1.0.0+$(id) v1.0.0+a;b $(id)/1.2".split(' ').chain(["a b"])
        {
            assert_eq!(chosen(&["nightly-1~x", bad]), Some(by(Rule::Date, "nightly-1~x")), "{bad}");
            assert_eq!(chosen(&[bad]), None, "{bad}");
        }
    }
}
