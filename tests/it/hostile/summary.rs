//! Finds the visible text and the links of a summary. It parses the Markdown as GitHub and Gitea do.
//!
//! - GitHub drops a summary of more than 1 MiB (actions/runner 2.336.0, `FileCommandManager.cs`,
//!   `CreateStepSummaryCommand`).
//! - In a row of a table, each `|` without a backslash before it ends a cell, in code too (github/cmark-gfm at
//!   85d8952, `extensions/table.c`, `row_from_string`).
//! - After the Markdown is parsed, GitHub and Gitea also search the text outside links and code, so escapes have no
//!   effect. GitHub finds e-mail addresses (cmark-gfm, `extensions/autolink.c`, `postprocess_text`). Gitea finds
//!   `[[links and images]]`, URLs, e-mail addresses and mentions (go-gitea/gitea at 578817a,
//!   `modules/markup/html.go`, `PostProcessDefault`, `visitNode`).

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd};

use super::findings::Fault;

/// GitHub's limit, in bytes.
const LONGEST: usize = 1024 * 1024;

/// The visible content of a summary.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The rows of the table below its head: the text of each cell.
    pub(super) rows: Vec<Vec<String>>,
    /// Where links lead.
    pub(super) links: Vec<String>,
    /// The text of each error.
    pub(super) errors: Vec<String>,
    /// The text that stands neither in a link nor in code, and what stands between `<code>` and `</code>`: that is
    /// code for Gitea, but GitHub looks for addresses in it, since its parser takes the tags for text of their own.
    loose: Vec<String>,
    in_tags: Vec<String>,
}

/// Reads a summary, and says what is wrong with it. `may_lead_to` tells our links from others.
pub(super) fn read(text: &str, may_lead_to: impl Fn(&str) -> bool) -> (Seen, Vec<Fault>) {
    let mut faults = Vec::new();
    if text.len() > LONGEST {
        faults.push(Fault::new("a summary that GitHub drops", format!("{} bytes", text.len())));
    }
    let mut walk = Walk::default();
    for event in Parser::new_ext(text, options()) {
        walk.take(&event);
    }
    let Walk { seen, faults: found, .. } = walk;
    faults.extend(found);
    for link in seen.links.iter().filter(|link| !may_lead_to(link)) {
        faults.push(Fault::new("a link to elsewhere", link.as_str()));
    }
    faults.extend(check_lines(text, seen.rows.len()));
    (seen, faults)
}

/// Everything that a server may know of Markdown; what it makes of `[[x]]` comes later.
fn options() -> Options {
    let others = Options::ENABLE_SMART_PUNCTUATION | Options::ENABLE_OLD_FOOTNOTES | Options::ENABLE_WIKILINKS;
    Options::all() - others
}

/// The summary as it is laid out: a heading, a sentence, a table of four columns, or five for a download, two blocks of
/// code, a list of errors.
fn check_lines(text: &str, rows_seen: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut rows = 0;
    let mut fence: Option<&str> = None;
    let columns = if text.contains("\n| file | size | SHA-256 | verified by | status |\n") { 5 } else { 4 };
    for (count, line) in text.split('\n').enumerate() {
        if let Some(end) = fence {
            if line == end {
                fence = None;
            } else if !is_of_a_block(line) {
                faults.push(Fault::new("a line that no block of the summary has", line));
            }
            continue;
        }
        if let Some(begun) = ["sh", "yaml"].iter().find_map(|language| line.strip_suffix(language))
            && begun.len() >= 3
            && begun.chars().all(|c| c == '`')
        {
            fence = Some(begun);
            continue;
        }
        let starts = |beginnings: &[&str]| beginnings.iter().any(|beginning| line.starts_with(beginning));
        if line.starts_with('|') {
            rows += 1;
            if cells(line) != Some(columns) {
                faults.push(Fault::new("a row that is broken", line));
            }
        } else if count == 0 && !is_heading(line)
            || count == 2 && !starts(&["Nothing was ", "Dry run", "Published ", "Verified ", "Downloaded "])
            || count > 2
                && !line.is_empty()
                && !starts(&["- ", "The table ends here"])
                && !["Download and verify (for a private package, curl needs `--user NAME` too):", "In a workflow:"]
                    .contains(&line)
        {
            faults.push(Fault::new("a line that the summary does not have", line));
        }
    }
    // The head and the line below it are no rows of content.
    if rows_seen + 2 != rows && rows > 0 {
        faults.push(Fault::new("a table that falls apart", format!("{rows_seen} rows are seen of {rows} lines")));
    }
    faults
}

/// Whether a line says what happened, and maybe to which version.
fn is_heading(line: &str) -> bool {
    let titles = ["Published", "Failed to publish", "Dry run of publishing", "Downloaded", "Failed to download"];
    let rest = titles.iter().find_map(|title| line.strip_prefix("### ")?.strip_prefix(title));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Whether a line is one of the commands that download, or one of the step that does.
fn is_of_a_block(line: &str) -> bool {
    let is_sum = line.get(..66).is_some_and(|sum| {
        sum.ends_with("  ") && sum[..64].chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
    });
    let inputs = ["server-url", "owner", "repo", "version", "checksums"];
    let beginnings = inputs.map(|name| format!("    {name}: \""));
    let is_input = beginnings.iter().any(|beginning| line.starts_with(beginning)) && line.ends_with('"');
    let fixed = ["- uses: OWNER/generic-packages/download@v1", "  with:", "sha256sum -c <<'EOF'", "EOF"];
    is_sum
        || is_input
        || fixed.contains(&line)
        || line.starts_with("curl -fsSLO ")
        || line.starts_with("curl -fsSL -o ")
        || line.starts_with("sha256sum -c - ") && line.ends_with(" <<'EOF'")
}

/// Returns the number of cells of a line that begins and ends with `|`.
fn cells(line: &str) -> Option<usize> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    let mut count = 1;
    let mut characters = inner.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next_if(char::is_ascii_punctuation)),
            '|' => count += 1,
            _ => {}
        }
    }
    // The last mark must not be escaped itself.
    let trailing = inner.chars().rev().take_while(|&c| c == '\\').count();
    (trailing % 2 == 0).then_some(count)
}

/// Goes through what a Markdown parser gives.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says where in the page the walk is, and they go together freely"
)]
struct Walk {
    seen: Seen,
    faults: Vec<Fault>,
    headings: usize,
    in_row: bool,
    in_item: bool,
    in_link: bool,
    in_code: bool,
    in_block: bool,
    /// Whether an item has just begun. Only its beginning may be bold.
    item_begins: bool,
}

impl Walk {
    fn take(&mut self, event: &Event<'_>) {
        let begins = std::mem::take(&mut self.item_begins);
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H3, .. }) if self.headings == 0 => self.headings += 1,
            Event::Start(Tag::TableRow) => {
                self.in_row = true;
                self.seen.rows.push(Vec::new());
            }
            Event::Start(Tag::TableCell) => self.cell(),
            Event::Start(Tag::Item) => {
                (self.in_item, self.item_begins) = (true, true);
                self.seen.errors.push(String::new());
            }
            Event::Start(Tag::Strong) if begins => {}
            Event::Start(Tag::Link { link_type: LinkType::Inline, dest_url, .. }) => {
                self.in_link = true;
                self.seen.links.push(dest_url.to_string());
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if matches!(&**language, "sh" | "yaml") => {
                self.in_block = true;
            }
            Event::End(TagEnd::CodeBlock) => self.in_block = false,
            Event::End(TagEnd::Link) => self.in_link = false,
            Event::End(TagEnd::TableRow) => self.in_row = false,
            Event::End(TagEnd::Item) => self.in_item = false,
            Event::End(TagEnd::Paragraph | TagEnd::TableCell | TagEnd::Heading(_)) if self.in_code => {
                self.faults.push(Fault::new("Markdown or HTML from outside", "<code> that does not end"));
            }
            Event::End(TagEnd::Strong | TagEnd::Paragraph | TagEnd::TableCell | TagEnd::Heading(_)) => self.apart(),
            Event::Start(Tag::Paragraph | Tag::Table(_) | Tag::TableHead | Tag::List(None)) | Event::End(_) => {}
            Event::Text(text) => self.text(text, self.in_block),
            Event::Code(text) => self.text(text, true),
            Event::InlineHtml(html) if &**html == "<br>" && self.in_item && !self.in_code => self.apart(),
            Event::InlineHtml(html) if &**html == if self.in_code { "</code>" } else { "<code>" } => {
                self.in_code = !self.in_code;
                self.apart();
            }
            other => self.faults.push(Fault::new("Markdown or HTML from outside", format!("{other:?}"))),
        }
    }

    fn cell(&mut self) {
        if let (true, Some(row)) = (self.in_row, self.seen.rows.last_mut()) {
            row.push(String::new());
        }
        self.apart();
    }

    /// Separates the following text from the preceding text.
    fn apart(&mut self) {
        self.seen.loose.push(String::new());
        self.seen.in_tags.push(String::new());
    }

    fn text(&mut self, text: &str, is_code: bool) {
        if self.in_item {
            self.seen.errors.last_mut().expect("an item has begun").push_str(text);
        } else if self.in_row {
            self.seen.rows.last_mut().and_then(|row| row.last_mut()).expect("a cell has begun").push_str(text);
        }
        if self.in_link || is_code || self.seen.loose.is_empty() {
            self.apart();
        }
        if !(self.in_link || is_code) {
            let texts = if self.in_code { &mut self.seen.in_tags } else { &mut self.seen.loose };
            texts.last_mut().expect("there is one").push_str(text);
        }
    }
}

impl Seen {
    /// Returns the texts that GitHub and Gitea turn into links or images without Markdown, as faults.
    pub(super) fn becomes_links(&self, may_lead_to: impl Fn(&str) -> bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        for text in &self.loose {
            if text.split_once("[[").is_some_and(|(_, rest)| rest.contains("]]")) {
                faults.push(Fault::new("Gitea makes a link or an image of it", text));
            }
            let urls = ["http://", "https://"].iter().flat_map(|scheme| text.match_indices(scheme));
            for (at, _) in urls {
                let url = text[at..].split([' ', '<', '>', '"']).next().unwrap_or_default();
                if !may_lead_to(url) {
                    faults.push(Fault::new("Gitea makes a link to elsewhere of it", url));
                }
            }
            if around_ats(text).any(|(before, after)| is_mention(before, after)) {
                faults.push(Fault::new("Gitea makes a mention of it", text));
            }
        }
        for text in self.loose.iter().chain(&self.in_tags) {
            if around_ats(text).any(|(before, after)| is_address(before, after)) {
                faults.push(Fault::new("GitHub makes an e-mail address of it", text));
            }
        }
        faults
    }
}

/// Returns the character before each `@`, and the text after it.
fn around_ats(text: &str) -> impl Iterator<Item = (Option<char>, &str)> {
    text.match_indices('@').map(|(at, _)| (text[..at].chars().next_back(), &text[at + 1..]))
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-_".contains(character)
}

fn is_mention(before: Option<char>, after: &str) -> bool {
    before.is_none_or(|c| c.is_whitespace() || "([".contains(c)) && after.starts_with(is_word)
}

fn is_address(before: Option<char>, after: &str) -> bool {
    let host: String = after.chars().take_while(|&c| is_word(c) || c == '.').collect();
    let has_dot = host.trim_end_matches('.').contains('.') && host.ends_with(|c: char| c.is_ascii_alphabetic());
    before.is_some_and(|c| c.is_ascii_alphanumeric() || ".+-_".contains(c)) && has_dot
}
