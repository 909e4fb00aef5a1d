//! Hostile names of files, folders and links, and lines that find nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use embedded_registry::{Persona, Registry};
use serde_json::Value;

use super::corpus;
use super::findings::Findings;
use super::run::{Run, Under, os};
use crate::harness::Job;

/// The file of that name, in a folder of the workspace.
fn write(job: &Job, folder: &str, name: &[u8]) {
    let folder = job.workspace().join(folder);
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join(os(name)), name).expect("a file can be written");
}

#[test]
fn names_that_the_registry_takes_are_published_and_read_back_unchanged() {
    let mut findings = Findings::default();
    let names = corpus::registry_names(corpus::all());
    assert!(names.len() > 300, "{} names", names.len());
    // As many as the output `files` holds.
    for (count, names) in names.chunks(60).enumerate() {
        let registry = Registry::start(Persona::default());
        let mut job = Job::new(&registry);
        job.input("files", "dist/*").input("include-hidden-files", "true");
        for name in names {
            write(&job, "dist", name.as_bytes());
        }
        let mut run = Run::of(&mut job, Under::turn(count), &registry, 0);
        let rows: Vec<Value> = serde_json::from_str(&run.output("files")).unwrap_or_default();
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let told: BTreeMap<String, String> = rows.iter().map(|row| (text(row, "name"), text(row, "url"))).collect();
        let urls = run.output("urls");
        let base = format!("{}/api/packages/alice/generic/widget/v1.0.0/", registry.url());
        for name in names {
            let stored = registry.read("alice", "widget", "v1.0.0", name);
            run.expects(stored.as_deref() == Some(name.as_bytes()), "a file that did not arrive", name);
            let url = told.get(name).cloned().unwrap_or_default();
            let decoded = percent_encoding::percent_decode_str(&url).decode_utf8_lossy().into_owned();
            run.expects(decoded == format!("{base}{name}"), "a name that is not read back", format!("{name}: {url}"));
            run.expects(urls.lines().any(|line| line == url), "a URL that is not told", &url);
            // No name has a backslash: those that are seen are what made it harmless.
            let is_name = |row: &Vec<String>| row.first().is_some_and(|shown| shown.replace('\\', "") == *name);
            let is_seen = run.seen.rows.iter().any(is_name);
            run.expects(is_seen, "a name that the summary does not show", name);
        }
        run.expects(rows.len() == names.len(), "other rows than files", format!("{}", rows.len()));
        findings.take(&format!("names {count}"), run.faults);
        let run = Run::of(job.token("0123456789abcdef"), Under::turn(count), &registry, 1);
        findings.take(&format!("names {count} that are not published"), run.faults);
    }
    findings.are_none_in(10);
}

#[test]
fn names_that_the_registry_refuses_are_one_error() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let names = corpus::file_names(corpus::all());
    let (texts, broken): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| std::str::from_utf8(name).is_ok());
    let is_taken = |name: &Vec<u8>| std::str::from_utf8(name).is_ok_and(corpus::is_registry_name);
    let texts: Vec<_> = texts.into_iter().filter(|name| !is_taken(name)).collect();
    assert!(texts.len() > 500 && broken.len() > 5, "{} and {} names", texts.len(), broken.len());
    // One message names five files.
    for (count, names) in texts.chunks(5).chain(broken.chunks(5)).enumerate() {
        let mut job = Job::new(&registry);
        job.input("include-hidden-files", "true");
        for name in names {
            write(&job, "dist", name);
        }
        let mut run = Run::of(&mut job, Under::turn(count), &registry, 2);
        let is_told = names.len() == 1 || run.log.contains(&format!("{} files", names.len()));
        run.expects(is_told, "files that are not told", run.log.clone());
        findings.take(&String::from_utf8_lossy(&names.join(&b" | "[..])), run.faults);
    }
    findings.are_none_in(100);
    assert!(registry.requests().is_empty());
}

#[test]
fn a_single_name_that_the_registry_refuses_is_harmless_in_its_annotation() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    for name in &corpus::file_names(corpus::core()) {
        let mut job = Job::new(&registry);
        // At the root a path begins with the name; a comma is what makes it a name that is refused.
        let name = [name.as_slice(), b","].concat();
        write(&job, "", &name);
        job.input("files", "**").input("include-hidden-files", "true");
        findings.run(&String::from_utf8_lossy(&name), &mut job, &registry, 2);
    }
    findings.are_none_in(150);
}

#[test]
fn folders_with_hostile_names_are_harmless() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    // The registry sees no folders, so that these are files of one name; then only folders match, nothing does, and
    // only hidden files do.
    let [mut same, mut folders, mut there, mut hidden] = std::array::from_fn(|_| Job::new(&registry));
    let mut lines = [String::new(), String::new(), String::new()];
    for (count, names) in corpus::file_names(corpus::core()).chunks(4).enumerate() {
        for name in names {
            if std::str::from_utf8(name).is_ok() && !name.starts_with(b".") {
                write(&same, &format!("dist/{}", String::from_utf8_lossy(name)), b"same");
            }
            write(&folders, &format!("f{count}/{}", String::from_utf8_lossy(name)), b"a");
            write(&there, &format!("t{count}"), name);
            write(&hidden, &format!("h{count}"), &[b".", name.as_slice()].concat());
        }
        for (lines, line) in
            lines.iter_mut().zip([format!("f{count}/*"), format!("t{count}/*.none.zip"), format!("h{count}/*")])
        {
            lines.push_str(&(line + "\n"));
        }
    }
    let [folder_lines, there_lines, hidden_lines] = lines;
    same.input("files", "dist/**");
    folders.input("files", folder_lines);
    there.input("files", there_lines);
    hidden.input("files", hidden_lines);
    for (what, job) in [("same", &mut same), ("folders", &mut folders), ("there", &mut there), ("hidden", &mut hidden)]
    {
        for under in Under::ALL {
            let run = Run::of(job, under, &registry, 2);
            findings.take(&format!("{what} under {under:?}"), run.faults);
        }
    }
    findings.are_none_in(16);
    assert!(registry.requests().is_empty());
}

#[test]
fn a_list_of_names_that_is_very_long_still_leaves_a_summary() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    for number in 0..900 {
        job.file(format!("{}/{number}/{}/same", "|".repeat(200), "&".repeat(200)), "");
    }
    job.input("files", "**");
    let mut findings = Findings::default();
    findings.take("900 files of one name", Run::of(&mut job, Under::GitHub, &registry, 2).faults);
    findings.are_none_in(1);
}

#[test]
fn links_with_hostile_names_are_harmless() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    // To nothing, out of the workspace, to a folder, into .git, and to targets that are hostile themselves.
    for target in ["nothing", "/proc/self/environ", ".", ".git/config", "/tmp/"] {
        let names = corpus::file_names(if target == "nothing" { corpus::all() } else { corpus::core() });
        let mut job = Job::new(&registry);
        job.input("include-hidden-files", "true").file("dist/.git/config", "");
        for (count, name) in names.iter().enumerate() {
            let (link, target) = match target {
                "/tmp/" => (format!("link{count}").into(), Path::new(target).join(os(name))),
                _ => (os(name), target.into()),
            };
            symlink(target, job.workspace().join("dist").join(link)).expect("a link can be made");
        }
        for under in Under::ALL {
            let run = Run::of(&mut job, under, &registry, 2);
            findings.take(&format!("links to {target} under {under:?}"), run.faults);
        }
    }
    findings.are_none_in(20);
}

#[test]
fn lines_that_match_nothing_are_harmless() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let lines = corpus::variables(corpus::all());
    let (short, long): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.len() < 2_000);
    let utf8: Vec<_> = short.iter().filter(|line| std::str::from_utf8(line).is_ok()).cloned().collect();
    let mut job = Job::new(&registry);
    job.file("dist/a", "").input("files", os(&utf8.join(&b"\n"[..])));
    for under in Under::ALL {
        findings.take(&format!("all lines under {under:?}"), Run::of(&mut job, under, &registry, 2).faults);
    }
    // Ten warnings become annotations.
    for lines in utf8.chunks(10) {
        let mut job = Job::new(&registry);
        // A line that is no pattern is an error, whatever is set.
        let lines: Vec<Vec<u8>> = lines.iter().map(|line| as_pattern(line)).collect();
        job.file("dist/a", "").input("files", os(&lines.join(&b"\n"[..]))).input("if-no-files-found", "warn");
        findings.run(&String::from_utf8_lossy(&lines.join(&b"\n"[..])), &mut job, &registry, 0);
    }
    for (count, line) in long.iter().enumerate() {
        let mut job = Job::new(&registry);
        job.file("dist/a", "").input("files", os(line));
        findings.take("a long line", Run::of(&mut job, Under::turn(count), &registry, 2).faults);
    }
    findings.are_none_in(80);
}

/// A text as a line that is a good pattern: what has a meaning there stands in a class, or is left out.
fn as_pattern(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text).replace("..", "").replace("**", "*");
    let text = text.trim_start_matches(['/', '!', ' ']).replace(['{', '}'], "").replace('[', "[[]");
    // What other tools would understand is a mistake.
    let text =
        text.replace(['\n', '\r'], " ").replace([',', '\\', '$', '('], "").replace("##", "_##").replace(" #", "");
    // The system knows no longer names.
    let end = text.floor_char_boundary(250);
    format!("x{}", text[..end].trim_end_matches('[')).into_bytes()
}
