//! Finds secrets in a text, unchanged or in an encoded form that a person can decode.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::findings::Fault;

/// The characters that Go's `url.PathEscape` escapes.
const GO_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b':')
    .remove(b'=')
    .remove(b'@');

/// The characters that Go's `url.QueryEscape` escapes.
const GO_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A secret and the forms in which something that was sent it may send it back.
pub(super) fn echoes(user: &str, token: &str) -> Vec<String> {
    let basic = STANDARD.encode(format!("{user}:{token}"));
    let mut echoes = vec![
        token.to_owned(),
        format!("{user}:{token}"),
        format!("Basic {basic}"),
        basic.replace('=', "%3D").replace('+', "%2B").replace('/', "%2F"),
        basic.replace('=', "%3d").replace('+', "%2b").replace('/', "%2f"),
        basic.replace('+', "&#43;").replace('=', "&#61;"),
        basic.replace('=', "\\u003d").replace('+', "\\u002b"),
    ];
    for text in [token.to_owned(), format!("{user}:{token}")] {
        echoes.extend([&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].map(|engine| engine.encode(&text)));
    }
    for set in [NON_ALPHANUMERIC, GO_PATH, GO_QUERY] {
        let encoded = utf8_percent_encode(token, set).to_string();
        echoes.push(in_lower_hex(&encoded));
        echoes.push(encoded);
    }
    let each = |form: fn(u32) -> String| token.chars().map(|c| form(u32::from(c))).collect::<String>();
    let bytes = |form: fn(u8) -> String| token.bytes().map(form).collect::<String>();
    echoes.extend([
        bytes(|byte| format!("%{byte:02X}")),
        bytes(|byte| format!("%{byte:02x}")),
        each(|code| format!("&#{code};")),
        each(|code| format!("&#x{code:x};")),
        each(|code| format!("&#X{code:X};")),
        each(|code| format!("\\u{code:04x}")),
        each(|code| format!("\\u{code:04X}")),
        // Go's html.EscapeString, and its html/template, which escapes `+` too.
        escape_html(token),
        escape_html(token).replace('+', "&#43;"),
        escape_html(token).replace("&#39;", "&apos;").replace("&#34;", "&quot;"),
        // Go's encoding/json, and other people's, within a text that is not read as JSON.
        json(token),
        json(token).replace('/', "\\/"),
        json(token).replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e"),
    ]);
    echoes
}

fn in_lower_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}%{}{}", part[..2].to_lowercase(), &part[2..]))
}

fn escape_html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('\'', "&#39;").replace('"', "&#34;")
}

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("a text has a JSON form");
    quoted[1..quoted.len() - 1].to_owned()
}

/// Returns a fault if a public text contains a secret in any form.
pub(super) fn check(what: &str, text: &str, user: &str, token: &str) -> Vec<Fault> {
    let basic = format!("{user}:{token}");
    let mut forms = vec![token.to_owned()];
    for text in [token, &basic] {
        // Without what pads it, the others hold it too.
        forms.extend([&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].map(|engine| engine.encode(text)));
    }
    // The lines in which a runner is asked to hide them are the only ones that may have them.
    let text: Vec<&str> = text.split('\n').filter(|line| !line.starts_with("::add-mask::")).collect();
    for view in views(&text.join("\n")) {
        if let Some(form) = forms.iter().find(|form| view.contains(form.as_str())) {
            let at = view.find(form.as_str()).unwrap_or_default();
            let start = view[..at].char_indices().rev().nth(40).map_or(0, |(start, _)| start);
            return vec![Fault::new("a secret", format!("{form} in {what}: {}", &view[start..]))];
        }
    }
    Vec::new()
}

/// A text as it is, and as it is when what programs escape is undone, once and again.
fn views(text: &str) -> Vec<String> {
    // Lines that were wrapped at blanks; a secret has none.
    let joined = text.replace('\n', " ");
    let mut views = vec![text.to_owned(), joined.replace("%25", "%")];
    for round in 0..2 {
        for view in views.clone().iter().skip(round) {
            views.push(percent_decode_str(view).decode_utf8_lossy().into_owned());
            views.push(unescape_html(view));
            views.push(unescape_backslashes(view));
        }
    }
    views
}

fn unescape_html(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (entity, rest) = part.split_once(';').unwrap_or((part, ""));
        let code = match entity.strip_prefix('#') {
            Some(number) => match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => number.parse().ok(),
            },
            None => [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\'')]
                .iter()
                .find(|(name, _)| *name == entity)
                .map(|(_, character)| u32::from(*character)),
        };
        match code.and_then(char::from_u32) {
            Some(character) => plain.extend([character.to_string().as_str(), rest]),
            None => plain.extend(["&", part]),
        }
    }
    plain
}

/// `\uXXXX`, `\u{X}`, and a backslash before anything else, as Markdown, JSON and Rust have them.
fn unescape_backslashes(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let braces = after.strip_prefix("u{").and_then(|text| text.split_once('}'));
        let four = after.strip_prefix('u').and_then(|text| text.split_at_checked(4));
        let code = braces.or(four).and_then(|(hex, rest)| Some((u32::from_str_radix(hex, 16).ok()?, rest)));
        if let Some((character, behind)) = code.and_then(|(code, rest)| Some((char::from_u32(code)?, rest))) {
            plain.push(character);
            rest = behind;
        } else {
            let mut characters = after.chars();
            plain.extend(characters.next());
            rest = characters.as_str();
        }
    }
    plain + rest
}
