//! Variables, commands and expressions in inputs, which nothing expands.

/// Returns the first part of a text that looks like a variable, a command or an expression: `$NAME`, `${NAME}`,
/// `$(command)`, `${{ expression }}` or `%NAME%`. A part without its closing bracket counts up to the end of the line.
pub(crate) fn unexpanded(text: &str) -> Option<&str> {
    text.lines().find_map(unexpanded_in_line)
}

fn unexpanded_in_line(text: &str) -> Option<&str> {
    text.match_indices(['$', '%']).find_map(|(start, _)| {
        let rest = &text[start..];
        let end = if let Some(name) = rest.strip_prefix('%') {
            let name = &name[..name_len(name)?];
            // Two digits are a percent-encoded byte.
            let is_byte = name.len() == 2 && name.chars().all(|c| c.is_ascii_hexdigit());
            let end = 1 + name.len();
            (rest[end..].starts_with('%') && !is_byte).then_some(end + 1)?
        } else {
            let closing = match rest.as_bytes().get(1)? {
                b'{' if rest.starts_with("${{") => "}}",
                b'{' => "}",
                b'(' => ")",
                _ => {
                    // PowerShell writes `$env:NAME`.
                    let scope = if rest.to_ascii_lowercase().starts_with("$env:") { "$env:".len() } else { 1 };
                    return Some(&rest[..scope + name_len(&rest[scope..])?]);
                }
            };
            rest.find(closing).map_or(rest.len(), |found| found + closing.len())
        };
        Some(&rest[..end])
    })
}

/// Returns the length of the variable name that a text begins with, in bytes.
fn name_len(text: &str) -> Option<usize> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let len = text.find(|c| !is_name(c)).unwrap_or(text.len());
    (len > 0 && !text.starts_with(|c: char| c.is_ascii_digit())).then_some(len)
}

/// Returns the hint for a part found by [`unexpanded`], with an expression that the workflow can evaluate.
pub(crate) fn expression_hint(part: &str) -> String {
    if let Some(hint) = path_hint(part) {
        return hint.to_owned();
    }
    if part.starts_with("${{") {
        return "Write the expression in `with:` of the workflow, without quotes or backslashes around `${{` and `}}`"
            .to_owned();
    }
    if part.starts_with("$(") {
        return "Run the command in an earlier step with an `id`, and use its output: `${{ steps.ID.outputs.NAME }}`"
            .to_owned();
    }
    let name = part.trim_matches(['$', '%', '{', '}']);
    let name = name.rsplit(':').next().filter(|_| part.to_ascii_lowercase().starts_with("$env:")).unwrap_or(name);
    let len = name_len(name).unwrap_or(name.len());
    let name = &name[..len];
    let expression = match name.split_once('_') {
        Some((context @ ("GITHUB" | "RUNNER"), key)) => format!("{context}.{key}").to_lowercase(),
        _ => format!("env.{name}"),
    };
    format!("Use `${{{{ {expression} }}}}`, because no shell expands inputs")
}

/// Returns the hint for a part that means a folder.
pub(crate) fn path_hint(part: &str) -> Option<&'static str> {
    let name = part.trim_matches(['$', '%', '{', '}', '(', ')']);
    match name {
        _ if part.starts_with('~') => Some(HOME_HINT),
        "HOME" | "USERPROFILE" => Some(HOME_HINT),
        "GITHUB_WORKSPACE" | "PWD" | "pwd" => Some("Write a path relative to the workspace"),
        _ => None,
    }
}

const HOME_HINT: &str =
    "Write a path relative to the workspace, because the container cannot access the runner's home folder";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_commands_and_expressions_are_found() {
        for (text, part) in [
            ("$GITHUB_REF_NAME", Some("$GITHUB_REF_NAME")),
            ("v${VERSION}-x", Some("${VERSION}")),
            ("%USERPROFILE%\\x", Some("%USERPROFILE%")),
            ("a$(ls -l) b", Some("$(ls -l)")),
            ("${{ github.ref }}", Some("${{ github.ref }}")),
            ("${{ github.ref", Some("${{ github.ref")),
            ("${VERSION", Some("${VERSION")),
            ("a\n${VERSION\nsecret}", Some("${VERSION")),
            ("$Env:VERSION-x", Some("$Env:VERSION")),
            ("$1", None),
            ("a$", None),
            ("100%", None),
            ("50% of 60%", None),
            ("%20a%20", None),
            ("%C3%A9", None),
            ("1.0", None),
        ] {
            assert_eq!(unexpanded(text), part, "{text}");
        }
    }

    #[test]
    fn the_hint_names_the_expression_of_the_same_value() {
        for (part, expression) in [
            ("$GITHUB_REF_NAME", "${{ github.ref_name }}"),
            ("${RUNNER_OS}", "${{ runner.os }}"),
            ("${VERSION:-1}", "${{ env.VERSION }}"),
            ("%VERSION%", "${{ env.VERSION }}"),
            ("$env:GITHUB_REF_NAME", "${{ github.ref_name }}"),
        ] {
            assert!(expression_hint(part).contains(expression), "{part}");
        }
    }
}
