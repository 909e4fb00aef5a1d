//! The documents lead where they say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The anchors of a page, and the links on it.
struct Page {
    anchors: BTreeSet<String>,
    links: Vec<String>,
}

fn read(page: &Path) -> Page {
    let text = fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let (mut anchors, mut links, mut heading) = (BTreeSet::new(), Vec::new(), None::<String>);
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take().map(|heading| anchor(&heading))),
            Event::Text(text) | Event::Code(text) => heading.iter_mut().for_each(|heading| heading.push_str(&text)),
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                links.push(dest_url.into_string());
            }
            _ => {}
        }
    }
    Page { anchors, links }
}

/// As the servers make it of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
    kept.replace(' ', "-")
}

#[test]
fn no_workflow_for_forgejo_has_permissions() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/forgejo.md")).expect("the page is there");
    let has_permissions = |line: &&str| line.trim_start().starts_with("permissions:");
    // Forgejo 16 and later warn of each job that has them.
    assert_eq!(page.lines().filter(has_permissions).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_link_in_the_documents_leads_to_a_file_and_a_heading_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|e| e == "md"))
            .collect()
    };
    let pages = [listed(root), listed(&root.join("docs"))].concat();
    assert!(pages.len() > 8, "{pages:?}");
    for page in pages {
        for link in read(&page).links.into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().expect("a folder").join(file) };
            assert!(target.exists(), "{} leads to {link}, which is not there", page.display());
            let is_there = anchor.is_empty() || read(&target).anchors.contains(anchor);
            assert!(is_there, "{} leads to {link}, where no heading is called so", page.display());
        }
    }
}
