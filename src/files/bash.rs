//! Pure: patterns that only bash supports, and the lines to write instead.

/// Finds the first `@(a|b)`, `?(a)`, `!(a)`, `+(a)` or `*(a|b)` of a pattern: its sign, and the lines to write instead, if
/// there are any.
pub(super) fn extglob(pattern: &str) -> Option<(char, Vec<String>)> {
    let (at, sign, inner) = pattern.match_indices('(').find_map(|(at, _)| {
        let sign = pattern[..at].chars().next_back().filter(|sign| "@?!+*".contains(*sign))?;
        let inner = up_to(&pattern[at + 1..], b')')?;
        // `*(1)` and `?(1)` are how names such as `app (1)` are matched.
        let is_number = !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit());
        let is_glob = sign == '*' && !inner.contains('|') || sign == '?' && is_number;
        (!is_glob).then_some((at, sign, inner))
    })?;
    let (before, behind) = (&pattern[..at - 1], &pattern[at + 1 + inner.len() + 1..]);
    let alternatives: Vec<&str> = inner.split('|').collect();
    let braces = |alternatives: &str| vec![format!("{before}{{{alternatives}}}{behind}")];
    let lines = match (sign, &alternatives[..]) {
        _ if inner.contains(['(', '/', '{', '}', ',']) => Vec::new(),
        ('@', [one]) => vec![format!("{before}{one}{behind}")],
        ('@', _) => braces(&alternatives.join(",")),
        ('?', _) => braces(&format!(",{}", alternatives.join(","))),
        ('!', _) if !before.starts_with('!') && alternatives.len() <= MOST => {
            let all = std::iter::once(format!("{before}*{behind}"));
            all.chain(alternatives.iter().map(|alternative| format!("!{before}{alternative}{behind}"))).collect()
        }
        _ => Vec::new(),
    };
    Some((sign, lines))
}

/// The number of alternatives that are written out.
const MOST: usize = 20;

/// Returns the text before an ASCII character, if that comes soon. A long text can have many opening characters and no
/// closing one.
pub(super) fn up_to(text: &str, end: u8) -> Option<&str> {
    const LONGEST: usize = 1_000;
    text.bytes().take(LONGEST).position(|byte| byte == end).map(|at| &text[..at])
}

/// Finds the first `{1..3}` or `{a..c}` of a pattern, and the pattern with its values instead, if they are few.
pub(super) fn range(pattern: &str) -> Option<(&str, Option<String>)> {
    pattern.match_indices('{').find_map(|(at, _)| {
        let inner = up_to(&pattern[at + 1..], b'}')?;
        let behind = &pattern[at + 1 + inner.len() + 1..];
        let (first, last) = inner.split_once("..")?;
        let is_number = |text: &str| text.parse::<u32>().is_ok();
        let is_letter = |text: &str| text.len() == 1 && text.chars().all(|c| c.is_ascii_alphabetic());
        // `{1..9..2}` counts in steps.
        let end = last.split_once("..").map_or(last, |(last, _)| last);
        let is_range = is_number(first) && is_number(end) || is_letter(first) && is_letter(end);
        let values = values(first, last).map(|values| format!("{}{{{values}}}{behind}", &pattern[..at]));
        is_range.then(|| (&pattern[at..=at + 1 + inner.len()], values))
    })
}

/// Returns the values from the first to the last, separated by commas. Numbers with leading zeros keep their length.
fn values(first: &str, last: &str) -> Option<String> {
    let values: Vec<String> = if let (Ok(from), Ok(to)) = (first.parse::<u32>(), last.parse::<u32>()) {
        let width = if first.starts_with('0') { first.len() } else { 0 };
        (from..=to).take(MOST + 1).map(|number| format!("{number:0width$}")).collect()
    } else {
        let (from, to) = (first.chars().next()?, last.chars().next().filter(|_| last.len() == 1)?);
        (from..=to).take(MOST + 1).map(String::from).collect()
    };
    (1..=MOST).contains(&values.len()).then(|| values.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extglob_becomes_braces_or_lines() {
        let lines = |pattern: &str| extglob(pattern).expect(pattern).1;
        assert_eq!(lines("dist/@(a|b).zip"), ["dist/{a,b}.zip"]);
        assert_eq!(lines("dist/@(a).zip"), ["dist/a.zip"]);
        assert_eq!(lines("app?(.exe)"), ["app{,.exe}"]);
        assert_eq!(lines("!(a|b)"), ["*", "!a", "!b"]);
        assert_eq!(lines("dist/!(*.map)"), ["dist/*", "!dist/*.map"]);
        for pattern in ["+(a)", "*(a|b)", "@(a|(b))", "!x!(a)"] {
            assert_eq!(lines(pattern), [""; 0], "{pattern}");
        }
        for pattern in ["app (1)", "*(1)", "?[(]a)", "(a|b)", "@a(b)", "@(a"] {
            assert_eq!(extglob(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn a_range_becomes_its_values() {
        let corrected = |pattern: &str| range(pattern).expect(pattern).1;
        assert_eq!(corrected("{1..3}.zip").as_deref(), Some("{1,2,3}.zip"));
        assert_eq!(corrected("a{08..10}").as_deref(), Some("a{08,09,10}"));
        assert_eq!(corrected("{a..c}").as_deref(), Some("{a,b,c}"));
        for pattern in ["{1..100}", "{3..1}", "{1..9..2}", "{0..4294967295}"] {
            assert_eq!(corrected(pattern), None, "{pattern}");
        }
        for pattern in ["{a..b,c}", "{1,2}", "{..}", "1..3", "{x", "{aa..bb}"] {
            assert_eq!(range(pattern), None, "{pattern}");
        }
    }
}
