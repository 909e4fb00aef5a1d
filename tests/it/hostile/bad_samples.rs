//! The checkers can fail: each is given what it is there for.

use generic_packages::command::Command;

use super::commands::{self, Found, Reader, find};
use super::{corpus, outputs, secrets, summary, terminal};

/// The kinds of what was found.
fn kinds(faults: &[super::findings::Fault]) -> Vec<&'static str> {
    faults.iter().map(|fault| fault.kind).collect()
}

fn name(reader: Reader, line: &str) -> Option<String> {
    find(reader, line).map(|found| found.name)
}

#[test]
fn readers_find_what_the_runners_own_tests_say_that_they_find() {
    let found = |name: &str, properties: &str, message: &str| {
        Some(Found { name: name.to_owned(), properties: properties.to_owned(), message: message.to_owned() })
    };
    // src/Test/L0/Worker/ActionCommandL0.cs and pkg/runner/command_test.go, with commands that are registered.
    assert_eq!(find(Reader::GitHub, ">>>   ##[group k1=v1;]msg"), found("group", "k1=v1;", "msg"));
    assert_eq!(find(Reader::GitHub, "   ::debug k1=v1,::msg"), found("debug", "k1=v1,", "msg"));
    assert_eq!(find(Reader::GitHub, "\u{3000}::SET-ENV name=x::%0A"), found("SET-ENV", "name=x", "%0A"));
    assert_eq!(find(Reader::GitHub, "progress\r::stop-commands::t"), found("stop-commands", "", "t"));
    assert_eq!(find(Reader::GitHub, "::do-something::msg"), None);
    assert_eq!(find(Reader::GitHub, ">>> ::debug::msg"), None);
    assert_eq!(find(Reader::GitHub, "::debug"), None);
    // What has no weight is not there when the runner looks for the beginning, but it counts where the runner cuts.
    assert_eq!(find(Reader::GitHub, "\u{200b}::debug::x"), None);
    assert_eq!(find(Reader::GitHub, "x \u{200b}##[group]x"), found("group", "", "x"));
    assert_eq!(find(Reader::Act, "::set-env name=x::valz"), found("set-env", "name=x", "valz"));
    assert_eq!(find(Reader::Act, "##[set-env name=x]valz"), found("set-env", "name=x", "valz"));
    assert_eq!(find(Reader::Act, "::error title=x::a::b"), found("error", "title=x::a", "b"));
    assert_eq!(find(Reader::Act, "::debug::a::b"), found("debug::a", "", "b"));
    assert_eq!(find(Reader::Act, "::debug::a b::c"), found("debug::a", "b", "c"));
    assert_eq!(find(Reader::Act, "::debug:: b"), found("debug", "", " b"));
    assert_eq!(find(Reader::Act, " ::debug::a"), None);
    assert_eq!(find(Reader::Act, "x ##[group]x"), None);
    assert_eq!(find(Reader::Reporter, "::add-mask::a::b"), found("add-mask", "", "a::b"));
    assert_eq!(find(Reader::Reporter, "::error title=x::a::b"), found("error", "title=x::a", "b"));
    assert_eq!(find(Reader::Reporter, ":::debug::a"), None);
}

#[test]
fn every_command_of_the_corpus_is_a_command_for_somebody() {
    let mut counts = [0; 3];
    for text in corpus::utf8(corpus::all()) {
        for (count, reader) in counts.iter_mut().zip([Reader::GitHub, Reader::Act, Reader::Reporter]) {
            *count += usize::from(text.split('\n').any(|line| name(reader, line).is_some()));
        }
    }
    assert!(counts.iter().all(|count| *count > 80), "{counts:?}");
}

#[test]
fn a_log_with_a_foreign_command_is_found() {
    let check = |log: &str| kinds(&commands::check(log, &[Reader::GitHub]));
    for log in [
        "ok\n::set-env name=X::y\n",
        "ok\n        ::add-mask::a b c\n",
        "error: x ##[add-path]/evil\n",
        "error: x\r::debug::y\n",
        "\u{a0}::set-output name=files::x\n",
        "::notice::x\n",
        "::error::x\n",
        "::stop-commands::x\n",
    ] {
        assert!(check(log).contains(&"a foreign command"), "{log}");
    }
    assert_eq!(check("ok\n  ::x\n"), ["a line that begins with ::"]);
    assert_eq!(check("a ##[x\n"), ["##[ in a line"]);
    for log in [
        "::error title=generic-packages::a::b\n",
        "::debug::a::b\n",
        "::debug:::a\n",
        "::warning title=generic-packages::a: ::b\n",
    ] {
        assert!(check(log).contains(&"a command that is read otherwise"), "{log}");
    }
    for log in
        ["::error title=generic-packages::a%0A::debug::x\n", "::debug::a%250A##[add-path]x\n", "::debug::##[group]x\n"]
    {
        assert!(check(log).contains(&"a command within a message"), "{log}");
    }
    assert_eq!(check("::group::x\na\n"), ["groups that do not pair"]);
    let good = "::add-mask::a::b\nok: x:: y ::z\n::group::a\n::endgroup::\n::error title=generic-packages::a: :b %25\n";
    assert_eq!(check(good), [""; 0]);
    // Where nobody listens, our own are foreign as well, and what the act family would cut is no good there.
    assert!(kinds(&commands::check("::debug::x\n", &[])).contains(&"a foreign command"));
    let others = commands::check("::add-mask::a::b\n", &[Reader::Act]);
    assert_eq!(kinds(&others), ["a command that is read otherwise"]);
}

#[test]
fn outputs_that_say_something_else_are_found() {
    let check = |text: &str| outputs::check(text, Command::Publish);
    let names = Command::Publish.outputs();
    let file = |value: &str| names.iter().map(|name| format!("{name}<<D\n{value}\nD\n")).collect::<Vec<_>>().concat();
    assert_eq!(kinds(&check(&file("x"))), [""; 0]);
    assert_eq!(outputs::read(&file("a\nb=c")).expect("good")["files"], "a\nb=c");
    assert_eq!(outputs::read(&file("")).expect("good")["files"], "");
    let other = "other outputs than were declared";
    assert_eq!(kinds(&check(&file("x\nD\ninjected=1\nversion<<D\ny"))), [other]);
    assert_eq!(kinds(&check(&(file("x") + "injected=1\n"))), [other]);
    assert_eq!(kinds(&check(&file("x\nD\nz"))), ["outputs that are not read"]);
    assert_eq!(kinds(&check(&file("x")[1..])), [other]);
    assert_eq!(kinds(&check("files<<D\nx")), ["outputs that are not read"]);
    assert_eq!(kinds(&check(&file("x\r\ny"))), ["outputs that are read differently"]);
    assert_eq!(kinds(&check(&file("\n\nx"))), ["outputs that are read differently"]);
    assert_eq!(kinds(&check(&file(&"x".repeat(70_000)))), ["outputs that are not read"]);
    assert_eq!(kinds(&check(&file(&"x\n".repeat(70_000)))).first(), Some(&"an output without end"));
}

/// A summary with that in its heading, in its table and in its errors.
fn page(heading: &str, cell: &str, error: &str) -> String {
    let table = "| file | size | SHA-256 | status |\n|---|---:|---|---|\n";
    format!(
        "### Published {heading}\n\nPublished 1 of 2 files to ` a/b 1 `: 1 uploaded, 1 failed\n\n{table}\
         | {cell} | 1 B | `00` | failed |\n\n- **{error}**<br>caused by: x\n"
    )
}

#[test]
fn a_summary_that_is_more_than_text_is_found() {
    let check = |text: &str| {
        let (seen, faults) = summary::read(text, |link| link.starts_with("https://forge/"));
        (seen, kinds(&faults))
    };
    let (seen, faults) = check(&page("[a](<https://forge/x>)", "[b\\|c](<https://forge/y>)", "d \\<e\\> `f`"));
    assert_eq!(faults, [""; 0]);
    assert_eq!(seen.rows, [["b|c", "1 B", "00", "failed"].map(str::to_owned)]);
    assert_eq!(seen.errors, ["d <e> fcaused by: x"]);
    assert_eq!(seen.links, ["https://forge/x", "https://forge/y"]);
    let foreign = "Markdown or HTML from outside";
    for text in [
        "<img src=x>",
        "<b>x</b>",
        "<!-- x -->",
        "![x](y)",
        "*x*",
        "~~x~~",
        "<http://evil.example>",
        "$x$",
        "x<br>y",
        "<code>x",
        "x</code>",
        "<code><code>x</code></code>",
        "[x][1]\n\n[1]: https://forge/z",
        "[^1]\n\n[^1]: x",
        "# x\n# y",
        "> x",
        "```\nx\n```",
        "---",
    ] {
        let (_, faults) = check(&page("x", text, "x"));
        let (_, more) = check(&page("x", "x", &format!("x**\n\n{text}\n\n**")));
        assert!(faults.contains(&foreign) || more.contains(&foreign), "{text}: {faults:?} {more:?}");
    }
    assert_eq!(check(&page("x", "[x](https://evil.example)", "x")).1, ["a link to elsewhere"]);
    assert_eq!(check(&page("x", "[x](javascript:alert\\(1\\))", "x")).1, ["a link to elsewhere"]);
    assert!(check(&page("x", "a|b", "x")).1.contains(&"a row that is broken"));
    assert!(check(&page("x", "`a|b`", "x")).1.contains(&"a row that is broken"));
    assert!(check(&page("x", "a\\\\|b", "x")).1.contains(&"a row that is broken"));
    assert!(check(&page("x", "a\n\nb", "x")).1.contains(&"a line that the summary does not have"));
    assert!(check(&page("x", "x", "x**\n\nown words\n\n**")).1.contains(&"a line that the summary does not have"));
    for heading in ["### Publisheds x\n", "### Deleted x\n", "Published x\n"] {
        assert_eq!(check(heading).1, ["a line that the summary does not have"], "{heading}");
    }
    assert!(check(&page("x", "x", &"x".repeat(1024 * 1024))).1.contains(&"a summary that GitHub drops"));
}

#[test]
fn text_that_becomes_a_link_later_is_found() {
    for text in ["see http://evil.example/x", "[[x.png]]", "mallory@evil.example", "@everyone", "(cc @mallory)"] {
        for (seen, place) in [
            (summary::read(&page("x", text, "x"), |_| true).0, "a cell"),
            (summary::read(&page("x", "x", &text.replace('[', "\\[").replace(':', "\\:")), |_| true).0, "an error"),
            (summary::read(&page(text, "x", "x"), |_| true).0, "the heading"),
        ] {
            assert!(!seen.becomes_links(|_| false).is_empty(), "{text} in {place}: {seen:?}");
        }
        let (seen, _) = summary::read(&page("x", &format!("`{text}`"), &format!("`{text}`")), |_| true);
        assert_eq!(kinds(&seen.becomes_links(|_| false)), [""; 0], "{text}");
    }
    let (seen, faults) =
        summary::read(&page("x", "<code>[[x]] @y http\\://z</code>", "<code>a\\@b\\.c</code>"), |_| true);
    assert_eq!(kinds(&faults), [""; 0]);
    assert_eq!(kinds(&seen.becomes_links(|_| false)), ["GitHub makes an e-mail address of it"]);
    let (seen, _) = summary::read(&page("x", "a b@c d@ 1@2 [x]", "https://forge/x"), |_| true);
    assert_eq!(kinds(&seen.becomes_links(|link| link.starts_with("https://forge/"))), [""; 0]);
}

#[test]
fn what_a_terminal_acts_on_is_found() {
    for text in ["\u{1b}[31m", "\u{9b}31m", "\r", "\t", "\u{7f}", "\u{0}", "\u{85}", "\u{8}"] {
        assert_eq!(kinds(&terminal::check(text)), ["a control character"], "{text:?}");
    }
    for text in
        ["\u{202e}", "\u{2066}", "\u{200b}", "\u{2028}", "\u{e0041}", "\u{fe0f}", "\u{ad}", "\u{3164}", "\u{feff}"]
    {
        assert_eq!(kinds(&terminal::check(text)), ["a character that cannot be seen"], "{text:?}");
    }
    assert_eq!(kinds(&terminal::check("e\u{301} 名前 😀 \u{a0}\n")), [""; 0]);
    let widths = |text: &str| kinds(&terminal::check_widths(text));
    assert_eq!(widths(&"x".repeat(701)), ["a line without end"]);
    assert_eq!(widths(&"x ".repeat(400)), ["a line without end"]);
    assert_eq!(widths(&format!("https://{}", "x".repeat(8_000))), ["a URL without end"]);
    assert_eq!(widths(&format!("see https://{}\n{}", "x".repeat(4_000), "y".repeat(690))), [""; 0]);
}

#[test]
fn a_secret_is_found_in_every_form_in_which_it_may_come_back() {
    for token in ["3b1f0c9d8e7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c", "pa+ss/w=\"rd'&<é>?#~!*%41\\n|`x"] {
        for echo in secrets::echoes("alice", token) {
            for text in [format!("no such token [{echo}]"), format!("a\n::debug::%25 {echo}\nb")] {
                assert_eq!(kinds(&secrets::check("x", &text, "alice", token)), ["a secret"], "{text}");
            }
            // Markdown and our own commands escape once more.
            let escaped: String =
                echo.chars().flat_map(|c| if c.is_ascii_punctuation() { vec!['\\', c] } else { vec![c] }).collect();
            let is_known = !secrets::check("x", &escaped, "alice", token).is_empty();
            assert!(is_known || echo.contains(['%', '&', '\\']), "{escaped}");
        }
        let masked = format!("::add-mask::{token}\nok ***\n");
        assert_eq!(kinds(&secrets::check("x", &masked, "alice", token)), [""; 0]);
    }
}

#[test]
fn the_corpus_is_as_large_as_it_is_said_to_be() {
    let all = corpus::all();
    assert!(all.len() > 1_500, "{} texts", all.len());
    assert!(corpus::core().len() > 200, "{} texts", corpus::core().len());
    assert!(all.iter().any(|text| text.len() >= 100_000));
    assert!(all.iter().any(|text| std::str::from_utf8(text).is_err()));
    assert_eq!(all, corpus::all(), "it is the same in every run");
}
