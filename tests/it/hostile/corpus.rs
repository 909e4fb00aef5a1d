//! The corpus: what somebody hostile may put where text from outside enters, made from payloads, positions and
//! separators. It is the same in every run.

use std::collections::BTreeSet;

/// Commands of runners, in both forms, and what is close to one.
const COMMANDS: [&str; 36] = [
    "::set-env name=X::y",
    "::set-env name=PATH,x=y::/evil",
    "::SET-ENV name=X::y",
    "::add-path::/evil",
    "::set-output name=files::[]",
    "::save-state name=x::y",
    "::stop-commands::t",
    "::pause-logging::",
    "::add-mask::a",
    "::add-matcher::/evil.json",
    "::remove-matcher owner=x::",
    "::echo::on",
    "::debug::x",
    "::error::x",
    "::error file=a,line=1,title=b::x",
    "::warning::x",
    "::notice title=x::y",
    "::group::x",
    "::endgroup::",
    ":::debug::x",
    "::::",
    ":::",
    "::",
    ":",
    "::debug",
    "##[set-env name=X]y",
    "##[add-path]/evil",
    "##[set-output name=files;]x",
    "##[stop-commands]t",
    "##[save-state name=a]b",
    "##[add-mask]a",
    "##[group]x",
    "##[command]x",
    "##[start-action display=x;id=y]",
    "###[add-path]x",
    "##",
];

/// Text that can end a line, that looks like a line ending, or that is ignored.
const SEPARATORS: [&str; 21] = [
    "\n", "\r", "\r\n", "\n\n", "%0A", "%0D", "%0D%0A", "%250A", "\u{b}", "\u{c}", "\u{1c}", "\u{85}", "\u{2028}",
    "\u{2029}", " ", "\t", "\u{a0}", "\u{3000}", "\u{200b}", "\u{feff}", "\u{fe0f}",
];

/// Control sequences of terminals, and characters that are invisible or misleading.
const CHARACTERS: [&str; 36] = [
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}]0;title\u{7}",
    "\u{1b}]8;;http://evil.example\u{1b}\\here\u{1b}]8;;\u{1b}\\",
    "\u{1b}]52;c;ZXZpbA==\u{7}",
    "\u{1b}P+q\u{1b}\\",
    "\u{9b}31m",
    "\u{9d}0;x\u{9c}",
    "\u{90}x\u{9c}",
    "\u{7f}\u{7f}",
    "abc\u{8}\u{8}\u{8}xyz",
    "\u{7}",
    "\u{e}\u{f}",
    "\u{1}\u{2}\u{3}",
    "gpj\u{202e}.exe",
    "\u{2066}x\u{2069}\u{2067}y\u{2068}",
    "a\u{200b}\u{200c}\u{200d}\u{2060}b",
    "\u{feff}x",
    "so\u{ad}ft",
    "\u{61c}\u{180e}x",
    "\u{e0001}\u{e0065}\u{e0076}\u{e007f}",
    "x\u{fe0f}\u{fe00}\u{e0100}\u{e01ef}",
    "a\u{34f}b",
    "\u{115f}\u{1160}\u{3164}\u{ffa0}",
    "\u{17b4}\u{17b5}\u{180b}\u{180f}",
    "\u{1bca0}\u{1d173}x",
    "\u{fff9}x\u{fffa}y\u{fffb}",
    "\u{e0080}\u{e0fff}x",
    "e\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}\u{307}\u{308}",
    "👩\u{200d}👩\u{200d}👧 🇩🇪 ❤\u{fe0f}",
    "\u{fdd0}\u{ffff}\u{10ffff}",
    "\u{e000}\u{f8ff}",
    "名前 é ñ ß İ K",
    "\u{2800}\u{3000}\u{a0}",
    "\u{0}",
    "a\u{0}b",
];

/// Delimiters and assignments in the format of the output file.
const DELIMITERS: [&str; 10] = [
    "EOF",
    "name<<EOF",
    "x=y",
    "files<<EOF\n[]\nEOF",
    "EOF\ninjected=1",
    "ghadelimiter_00000000000000000000000000000000",
    "ghadelimiter_00000000000000000000000000000000\ninjected<<x\ny\nx",
    "urls=http://evil.example",
    "\"}]\ninjected=1",
    "\\\",\"url\":\"http://evil.example",
];

/// Markdown and HTML, and what is made a link of by what comes after them.
const MARKDOWN: [&str; 72] = [
    "](javascript:alert(1))",
    "](http://evil.example)",
    "[x](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "[x]: http://evil.example",
    "[x][y]",
    "[^1]",
    "[^1]: note",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<a href=//evil.example>x</a>",
    "</td></tr></table><h1>x",
    "<!-- x",
    "-->",
    "<br>",
    "<details><summary>x",
    "<?x",
    "<![CDATA[x",
    "<http://evil.example>",
    "<mallory@evil.example>",
    "http://evil.example/login",
    "see https://evil.example/x?y#z now",
    "www.evil.example",
    "mallory@evil.example",
    "@everyone",
    "cc @mallory/team",
    "#1 and GH-1 and a/b#1",
    "[[x.png]]",
    "[[http://evil.example/x.png]]",
    ":smile:",
    "a | b | c",
    "|||||",
    "|---|",
    "\\|",
    "\\\\|",
    "x\\",
    "\\",
    "`x`",
    "`",
    "```",
    "``` x",
    "~~~",
    "~~x~~",
    "**x**",
    "__x__",
    "*x*",
    "# x",
    "- x",
    "- [ ] x",
    "1. x",
    "> x",
    "> [!NOTE]",
    "---",
    "===",
    "    x",
    "&lt;b&gt;",
    "&#60;b&#62;",
    "&#x3c;b&#x3e;",
    "&amp;lt;",
    "$x$",
    "$$x$$",
    "\\(x\\)",
    "\\[x\\]",
    "{.class #id}",
    "{{ x }}",
    "${{ secrets.TOKEN }}",
    "$(id)",
    "`id`; rm -rf /",
    "javascript:alert(1)",
    "data:text/html,x",
    "\"'><b",
    "a_b*c~d",
];

/// Bytes that are no UTF-8.
const BROKEN: [&[u8]; 8] = [
    b"\xff\xfe",
    b"a\xc3",
    b"\xed\xa0\x80\xed\xb0\x80",
    b"\xc0\xaf",
    b"\xf8\x88\x80\x80\x80",
    b"\x9b31m",
    b"::set-env name=X::\xff",
    b"##\xff[add-path]/evil",
];

/// A word that fills a line, so that what follows it begins the next one.
fn filler() -> String {
    "w".repeat(95)
}

/// Every payload alone, and those that count as commands where a line is wrapped.
pub(super) fn core() -> Vec<Vec<u8>> {
    let plain = COMMANDS.iter().chain(&CHARACTERS).chain(&DELIMITERS).chain(&MARKDOWN);
    let wrapped = COMMANDS.iter().map(|command| format!("{} {command}", filler()));
    let texts = plain.map(|text| (*text).to_owned()).chain(wrapped).chain(long());
    texts.map(String::into_bytes).chain(BROKEN.map(<[u8]>::to_vec)).collect()
}

/// The whole corpus, each text once.
pub(super) fn all() -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    for command in COMMANDS {
        for separator in SEPARATORS.into_iter().chain(["\u{1b}[2K"]) {
            texts.push(format!("ok{separator}{command}"));
        }
        for separator in ["\n", "\r", " ", "\u{a0}", "\u{feff}", "%0A"] {
            texts.push(format!("{separator}{command}{separator}x"));
        }
        texts.push(format!("{command} {command} {command} {command} {command} {command} {command} {command}"));
        texts.push(format!("{} ok {command}", "w".repeat(88)));
        for blank in ["\u{a0}", "\u{3000}", "\u{2003}", "\u{202f}", "\u{200b}"] {
            texts.push(format!("{} {blank}{command}", filler()));
        }
    }
    for payload in CHARACTERS.iter().chain(&DELIMITERS).chain(&MARKDOWN) {
        texts.push(format!("a{payload}b"));
        texts.push(format!("a {payload} b"));
        texts.push(format!("a\n{payload}\nb"));
    }
    let mut seen = BTreeSet::new();
    let all = core().into_iter().chain(texts.into_iter().map(String::into_bytes));
    all.filter(|text| seen.insert(text.clone())).collect()
}

/// Texts that are longer than anybody reads.
fn long() -> Vec<String> {
    vec![
        "a".repeat(100_000),
        "é".repeat(50_000),
        "a b ".repeat(25_000),
        "::debug::x ".repeat(9_000),
        "\u{202e}".repeat(30_000),
        "\u{e0041}".repeat(255),
        "\u{202e}".repeat(255),
        "😀".repeat(255),
        "::debug::x ".repeat(23),
        "`".repeat(5_000),
        "[[".repeat(5_000),
        "|".repeat(5_000),
        "<".repeat(5_000),
        "%0A".repeat(2_000),
        "@".repeat(2_000),
        "/".repeat(3_000),
    ]
}

/// Those of some texts that are UTF-8.
pub(super) fn utf8(texts: Vec<Vec<u8>>) -> Vec<String> {
    texts.into_iter().filter_map(|text| String::from_utf8(text).ok()).collect()
}

/// Those that the system takes as the value of a variable.
pub(super) fn variables(texts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    texts.into_iter().filter(|text| !text.contains(&0)).collect()
}

/// Those that the system takes as the name of a file, the longer ones cut.
pub(super) fn file_names(texts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let names = texts.into_iter().map(|text| {
        let mut name: Vec<u8> = text.into_iter().filter(|byte| !matches!(byte, 0 | b'/')).collect();
        while name.len() > 200 {
            name.pop();
        }
        name
    });
    names.filter(|name| !matches!(&name[..], b"" | b"." | b".." | b".git") && seen.insert(name.clone())).collect()
}

/// Whether the registry takes a file of that name.
pub(super) fn is_registry_name(name: &str) -> bool {
    name.chars().all(is_registry_character) && name.trim() == name && !matches!(name, "" | "." | "..")
}

fn is_registry_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || " -_+=:;.()[]{}~!@#$%^&".contains(character)
}

/// Texts as names that the registry takes: its characters alone, no two that differ by case only.
pub(super) fn registry_names(texts: Vec<Vec<u8>>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let names = utf8(texts).into_iter().map(|text| {
        let name: String = text.chars().filter(|&c| is_registry_character(c)).take(255).collect();
        name.trim().to_owned()
    });
    let is_name = |name: &String| is_registry_name(name) && name != ".git";
    names.filter(is_name).filter(|name| seen.insert(name.to_lowercase())).collect()
}
