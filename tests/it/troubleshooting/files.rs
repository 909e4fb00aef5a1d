//! Lines of `files` that are rejected before anything is sent.

use std::fs;

use embedded_registry::{Persona, Registry};

use super::{Case, errors, job, rejected};
use crate::harness::Job;
use crate::open_files::run_with;

pub(super) const CASES: &[Case] = &[
    ("No file matches", || lines("dits/*.tar.gz")),
    ("Only hidden files match", || with_file("out/.app", "out/*")),
    ("Only folders match", || with_file("out/linux/app", "out/*")),
    ("Only another case matches", || lines("Dist/*.tar.gz")),
    ("The workspace is empty", || rejected(without_files)),
    ("The job runs on a host label", || rejected(|job| without_files(job).without("GITHUB_OUTPUT"))),
    ("Several patterns in one line", || lines("dist/*.tar.gz, dist/*.zip")),
    ("A YAML list", || lines("- dist/*.tar.gz")),
    ("Quotes around a pattern", || lines("\"dist/*.tar.gz\"")),
    ("A comment", || lines("dist/*.tar.gz # x64")),
    ("A variable in `files`", || lines("$GITHUB_WORKSPACE/dist/*")),
    ("Backslashes in a pattern", || lines(r"dist\*.tar.gz")),
    ("An absolute Windows path", || lines(r"C:\build\*")),
    ("A pattern for bash", || lines("dist/@(app|lib).tar.gz")),
    ("A slash at the end of a pattern", || lines("dist/*/")),
    ("A file name in another Unicode normalization", || with_file("dist/cafe\u{301}.zip", "dist/caf\u{e9}.zip")),
    ("A line with `!` for files in another folder", || lines("dist/*\n!app.tar.gz")),
    ("A line with `!` above the line that adds the files", || lines("!dist/*.tar.gz\ndist/*")),
    ("A folder is named", || lines("dist")),
    ("Every file is excluded", || lines("dist/*\n!dist/*")),
    ("A path with `..`", || lines("../secret")),
    ("An absolute path outside the workspace", || lines("/home/runner/work/dist/*")),
    ("A path into `.git`", || lines(".git/config")),
    ("An unmatched brace", || lines("dist/{app,lib")),
    ("Braces that nest too deep", || lines("dist/{{{{{{{{{{{app,lib}}}}}}}}}}}")),
    ("An invalid pattern", || lines("dist/**app")),
    ("A link out of the workspace", || rejected(|job| job.link("dist/environ", "/proc/self/environ"))),
    ("The limit on open files is too low", || {
        let registry = Registry::start(Persona::default());
        errors(&run_with(&job(&registry), 8).exits_with(2).log, &registry.url())
    }),
    ("A link to nothing", || rejected(|job| job.link("dist/latest", "app-2.tar.gz"))),
    ("A name that the registry does not accept", || rejected(|job| job.file("dist/caf\u{e9}.txt", ""))),
    ("Two files with the same name", || with_file("out/app.tar.gz", "**/*.tar.gz")),
    ("Two files with the same new name", || with_file("out/app.tar.gz", "*/app.tar.gz => app.tgz")),
    ("An unknown placeholder", || lines("dist/*.tar.gz => app-{arch}.tar.gz")),
    ("A placeholder without its wildcard", || lines("**/*.tar.gz => app-{1}.tar.gz")),
    ("An unmatched brace in a new name", || lines("dist/*.tar.gz => app-{name")),
    ("A new name for excluded files", || lines("dist/*\n!dist/*.tar.gz => app.tar.gz")),
    ("A new name that the registry does not accept", || lines("dist/*.tar.gz => linux/{name}")),
    ("A new name that is invalid for one file", || with_file("dist/caf\u{e9}.tar.gz", "dist/* => new-{name}")),
    ("A file without a folder", || with_file("app", "app* => {dir}-{name}")),
    ("Two names that differ only in case", || rejected(|job| job.file("dist/APP.tar.gz", ""))),
];

fn lines(lines: &str) -> String {
    rejected(|job| job.input("files", lines))
}

/// The workspace has one more file.
fn with_file(path: &str, lines: &str) -> String {
    rejected(|job| job.file(path, "").input("files", lines))
}

fn without_files(job: &mut Job) -> &mut Job {
    fs::remove_dir_all(job.workspace().join("dist")).expect("the folder can be removed");
    job
}
