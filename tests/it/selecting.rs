//! Which files the lines of the input `files` stand for.

mod changing;
mod folders;
mod guarding;
mod habits;

use embedded_registry::{Persona, Registry};

use crate::harness::{Job, Ran};

/// A job with these files in its workspace, each holding its own name.
fn job_with(registry: &Registry, files: &[&str]) -> Job {
    let mut job = Job::new(registry);
    for file in files {
        job.file(file, file.rsplit('/').next().unwrap_or_default());
    }
    job
}

/// The names of the files in the output, all of them published.
#[track_caller]
fn names(ran: &Ran) -> Vec<String> {
    let files = ran.files();
    assert!(files.iter().all(|file| file["status"] == "uploaded" || file["status"] == "unchanged"), "{}", ran.log);
    files.iter().map(|file| file["name"].as_str().expect("a name").to_owned()).collect()
}

/// Runs a job with these lines and ends the test where it does not publish exactly these files, in this order.
#[track_caller]
fn publishes(job: &mut Job, lines: &str, expected: &[&str]) -> Ran {
    let ran = job.input("files", lines).run().exits_with(0);
    assert_eq!(names(&ran), expected, "{lines:?}\n{}", ran.log);
    ran
}

/// Runs a job with these lines, which have to be refused with that code alone.
#[track_caller]
fn refuses(job: &mut Job, registry: &Registry, lines: &str, code: &str) -> Ran {
    let ran = job.input("files", lines).run_rejected(registry);
    assert!(!ran.codes.is_empty() && ran.codes.iter().all(|each| each == code), "{:?}: {}", ran.codes, ran.log);
    ran
}

#[test]
fn a_star_matches_any_name_in_one_folder() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a.txt", "dist/b.md", "dist/deep/c.txt", "d.txt"]);
    publishes(&mut job, "dist/*", &["a.txt", "b.md"]);
    publishes(&mut job, "dist/*.txt", &["a.txt"]);
    publishes(&mut job, "*.txt", &["d.txt"]);
    publishes(&mut job, "*/*/*", &["c.txt"]);
    publishes(&mut job, "*/[ab].*", &["a.txt", "b.md"]);
}

#[test]
fn a_star_excludes_only_in_its_own_folder() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a.txt", "dist/deep/b.txt", "dist/deep/er/c.txt"]);
    publishes(&mut job, "dist/**\n!dist/*", &["b.txt", "c.txt"]);
    publishes(&mut job, "dist/**\n!dist/*.txt", &["b.txt", "c.txt"]);
    publishes(&mut job, "dist/**\n!*/*/*", &["a.txt", "c.txt"]);
    publishes(&mut job, "dist/**\n!dist/**/b*", &["a.txt", "c.txt"]);
}

#[test]
fn case_is_significant() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a.txt", "dist/B.TXT", "Dist/c.txt"]);
    publishes(&mut job, "dist/*.txt", &["a.txt"]);
    publishes(&mut job, "**/*.TXT", &["B.TXT"]);
    publishes(&mut job, "*/*\n!dist/*", &["c.txt"]);
    publishes(&mut job, "dist/[A-Z]*", &["B.TXT"]);
    refuses(&mut job, &registry, "dist/b.txt", "no-files-found");
}

#[test]
fn a_question_mark_matches_one_character_and_brackets_one_of_a_set() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a1", "dist/a2", "dist/b1", "dist/a10", "dist/a"]);
    publishes(&mut job, "dist/a?", &["a1", "a2"]);
    publishes(&mut job, "dist/[ab]1", &["a1", "b1"]);
    publishes(&mut job, "dist/a[2-9]", &["a2"]);
    publishes(&mut job, "dist/[!a]*", &["b1"]);
    publishes(&mut job, "dist/[^a]*", &["b1"]);
    // No wildcard takes a folder's end for a character.
    refuses(&mut job, &registry, "dist?a1", "no-files-found");
    refuses(&mut job, &registry, "dist[!x]a1", "no-files-found");
}

#[test]
fn two_stars_match_any_number_of_folders() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a.txt", "dist/x/b.txt", "dist/x/y/c.txt", "dist/x/y/d.md", "e.txt"]);
    publishes(&mut job, "dist/**", &["a.txt", "b.txt", "c.txt", "d.md"]);
    publishes(&mut job, "dist/**/*", &["a.txt", "b.txt", "c.txt", "d.md"]);
    publishes(&mut job, "**/*.txt", &["a.txt", "b.txt", "c.txt", "e.txt"]);
    publishes(&mut job, "dist/**/c.txt", &["c.txt"]);
    publishes(&mut job, "dist/**/a.txt", &["a.txt"]);
    publishes(&mut job, "dist/**/y/*", &["c.txt", "d.md"]);
    publishes(&mut job, "dist/**/**/a.txt", &["a.txt"]);
}

#[test]
fn braces_expand_to_each_alternative() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a.txt", "dist/a.txt.sig", "dist/b.md", "out/c.md", "out/d.txt"]);
    publishes(&mut job, "dist/a.{txt,md}", &["a.txt"]);
    publishes(&mut job, "{dist,out}/*.md", &["b.md", "c.md"]);
    publishes(&mut job, "dist/a.txt{,.sig}", &["a.txt", "a.txt.sig"]);
    publishes(&mut job, "{dist/{a,b}.??{t,},out/d.txt}", &["a.txt", "b.md", "d.txt"]);
    publishes(&mut job, "dist/*\n!dist/*.{sig,md}", &["a.txt"]);
    publishes(&mut job, "{dist/*.md,*/*.txt,out/c*,**/c.md}", &["a.txt", "b.md", "c.md", "d.txt"]);
}

#[test]
fn a_wildcard_in_brackets_is_literal() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a{1}", "dist/a1", "dist/b[1]", "dist/b1", "dist/c]", "dist/c"]);
    publishes(&mut job, "dist/a[{]*[}]", &["a{1}"]);
    publishes(&mut job, "dist/a[]{]1[}]", &["a{1}"]);
    publishes(&mut job, "dist/?[[]1]", &["b[1]"]);
    publishes(&mut job, "dist/*[]]", &["b[1]", "c]"]);
    // The registry takes neither of these names, but the patterns find them.
    job.file("dist/d*", "").file("dist/dd", "").file("dist/e?", "").file("dist/ee", "");
    let ran = refuses(&mut job, &registry, "dist/d[*]\ndist/e[?]", "invalid-file-name").says("`dist/d*`");
    ran.says("`dist/e?`");
}

#[test]
fn a_line_that_names_an_existing_file_means_only_that_file() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a[1]", "dist/a1", "dist/{b}", "dist/b", "dist/[c", "dist/{d", "dist/!e"]);
    publishes(&mut job, "dist/a[1]", &["a[1]"]);
    publishes(&mut job, "dist/{b}", &["{b}"]);
    publishes(&mut job, "dist/!e", &["!e"]);
    // It need not be a pattern.
    publishes(&mut job, "dist/[c\ndist/{d", &["[c", "{d"]);
    publishes(&mut job, "dist/*\n!dist/a[1]\n!dist/{b}", &["!e", "[c", "a1", "b", "{d"]);
    // Where there is no such file, the characters mean what they mean in a pattern.
    publishes(&mut job, "dist/[a]1", &["a1"]);
}

#[test]
fn lines_are_applied_in_order() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a.log", "dist/keep.log", "dist/x.txt"]);
    publishes(&mut job, "dist/*\n!dist/*.log", &["x.txt"]);
    publishes(&mut job, "dist/*\n! dist/*.log", &["x.txt"]);
    publishes(&mut job, "dist/*\n!dist/*.log\ndist/keep.log", &["keep.log", "x.txt"]);
    publishes(&mut job, "dist/*\n!dist/*.log\ndist/*.log", &["a.log", "keep.log", "x.txt"]);
    publishes(&mut job, "dist/*\n!**/a.log", &["keep.log", "x.txt"]);
    publishes(&mut job, "dist/*\n!./dist//a.log", &["keep.log", "x.txt"]);
}

#[test]
fn a_file_name_with_an_exclamation_mark_is_written_after_a_dot_and_slash() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["!x", "x", "y"]);
    publishes(&mut job, "./!x", &["!x"]);
    publishes(&mut job, "*\n!x", &["!x", "y"]);
    publishes(&mut job, "*\n!!x", &["x", "y"]);
    publishes(&mut job, "*\n!./!x", &["x", "y"]);
}

#[test]
fn blank_lines_indents_and_windows_line_ends_are_ignored() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/b b", "dist/c"]);
    publishes(&mut job, "\r\n  dist/a \r\n\r\n\t\n\tdist/b b\r\n", &["a", "b b"]);
    publishes(&mut job, "dist/*\r\n!dist/a\r\n", &["b b", "c"]);
    publishes(&mut job, "\n\ndist/c", &["c"]);
}

#[test]
fn each_file_is_published_once_in_path_order() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["b/1", "a/2", "c", "B"]);
    let lines = "c\nb/1\n**\n./b//1\n{b,b}/1\nb/./1\n*/*\nB\n{**,**/*}";
    publishes(&mut job, lines, &["B", "2", "1", "c"]);
    assert_eq!(registry.requests().iter().filter(|request| request.method == "PUT").count(), 4);
}

#[test]
fn wildcards_skip_hidden_names_unless_they_are_included() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/.b", "dist/.cache/c", "dist/x/.d", "dist/x/.cache/e"]);
    for lines in ["dist/*", "dist/**", "**", "**/*", "dist/?*", "dist/{a,?b}", "dist/{a,[.]b}", "*/a", "dist/**/?"] {
        publishes(&mut job, lines, &["a"]);
        job.input("include-hidden-files", "false");
    }
    for (lines, found) in [
        ("dist/*", &[".b", "a"][..]),
        ("dist/**", &[".b", "c", "a", "e", ".d"]),
        ("**", &[".b", "c", "a", "e", ".d"]),
        ("dist/?b", &[".b"]),
        ("dist/[.]b", &[".b"]),
        ("dist/*/c", &["c"]),
    ] {
        job.input("include-hidden-files", "true");
        publishes(&mut job, lines, found);
    }
}

#[test]
fn a_dot_in_the_pattern_matches_hidden_names_in_any_case() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/.b", "dist/.cache/c", "dist/x/.d", "dist/x/.cache/e"]);
    publishes(&mut job, "dist/.b", &[".b"]);
    publishes(&mut job, "dist/.*", &[".b"]);
    publishes(&mut job, "dist/.?", &[".b"]);
    publishes(&mut job, "dist/.cache/*", &["c"]);
    publishes(&mut job, "dist/.*/*", &["c"]);
    publishes(&mut job, "**/.d", &[".d"]);
    publishes(&mut job, "**/.cache/*", &["c", "e"]);
    publishes(&mut job, "dist/{a,.b}", &[".b", "a"]);
}

#[test]
fn each_line_without_a_match_is_an_error_with_the_content_of_the_folder() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a.txt", "dist/deep/b", "c"]);
    for value in ["", "error"] {
        job.input("if-no-files-found", value);
        let ran = refuses(&mut job, &registry, "dist/*.txt\ndist/*.zip\n*.deb\nnone/x", "no-files-found");
        ran.has_codes(&["no-files-found"; 2]).says("`dist/*.zip`").says("`*.deb`").says("`none/x`");
    }
}

#[test]
fn a_line_without_a_match_can_be_a_warning() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a.txt"]);
    job.input("if-no-files-found", "warn");
    publishes(&mut job, "dist/*.txt\ndist/*.zip\nnone/x", &["a.txt"])
        .says("warning: failed to match `dist/*.zip`")
        .says("`none/x`");
    job.input("if-no-files-found", "ignore");
    publishes(&mut job, "dist/*.txt\ndist/*.zip\nnone/x", &["a.txt"]).does_not_say("warning:");
}

#[test]
fn without_files_and_without_an_error_no_request_is_sent() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a.txt"]);
    for value in ["warn", "ignore"] {
        for lines in ["dist/*.zip", "dist/*\n!dist/a.txt"] {
            let ran = job.input("if-no-files-found", value).input("files", lines).run().exits_with(0);
            assert_eq!(registry.requests(), []);
            assert_eq!((ran.outputs["files"].as_str(), ran.outputs["uploaded"].as_str()), ("[]", "0"));
            // Nothing was looked at, so nothing is said to be there.
            ran.does_not_say("verified").does_not_say("error:");
        }
    }
}

#[test]
fn lines_that_exclude_all_files_are_an_error() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a", "dist/b"]);
    refuses(&mut job, &registry, "dist/*\n!dist/*", "all-files-excluded");
    refuses(&mut job, &registry, "dist/a\n!**", "all-files-excluded");
}

#[test]
fn all_invalid_patterns_are_reported_at_once() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["dist/a"]);
    let bad = [
        ("dist/a**", "invalid-pattern"),
        ("dist/[a", "invalid-pattern"),
        ("dist/[[:upper:]]", "invalid-pattern"),
        ("dist/{a", "unbalanced-brace"),
        ("dist/a}", "unbalanced-brace"),
        ("!", "empty-pattern"),
        ("{,dist/a}", "empty-pattern"),
        ("{0,1,2,3,4,5,6,7,8,9}{0,1,2,3,4,5,6,7,8,9}{0,1,2,3,4,5,6,7,8,9}{0,1}", "too-many-alternatives"),
    ];
    for (line, code) in bad {
        refuses(&mut job, &registry, &format!("dist/*\n{line}"), code).says(&format!("input `files`: `{line}` "));
    }
    let ran = job.input("files", bad.map(|(line, _)| line).join("\n")).run_rejected(&registry);
    // Two have no partner of a brace, and two name nothing.
    let codes =
        ["invalid-pattern"; 3].into_iter().chain(["unbalanced-brace", "empty-pattern", "too-many-alternatives"]);
    ran.has_codes(&codes.collect::<Vec<_>>());
}

#[test]
fn hundreds_of_files_are_published() {
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    let names: Vec<String> = (0..300).map(|number| format!("file-{number:03}")).collect();
    for name in &names {
        job.file(format!("dist/{name}"), name);
    }
    job.input("concurrency", "32");
    let ran = publishes(&mut job, "dist/*", &names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(registry.files("alice", "widget", "v1.0.0").len(), 300);
    assert_eq!(registry.requests().len(), 303);
    assert_eq!((ran.outputs["uploaded"].as_str(), ran.outputs["total-size"].as_str()), ("300", "2400"));
}

#[test]
fn a_name_like_an_option_is_a_name() {
    let registry = Registry::start(Persona::default());
    let mut job = job_with(&registry, &["-rf", "--help", "dist/-"]);
    publishes(&mut job, "-rf\n--help\ndist/-", &["--help", "-rf", "-"]);
    publishes(&mut job, "-*\n*/-", &["--help", "-rf", "-"]);
}
