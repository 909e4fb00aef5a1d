//! Hostile inputs and variables of the runner.

use std::collections::BTreeSet;

use embedded_registry::{Options, Persona, Registry};

use super::corpus;
use super::findings::Findings;
use super::run::{Run, Under, os};
use crate::harness::Job;

/// The inputs that anything may be given in; `token` is none of them: it is shown nowhere.
const INPUTS: [&str; 9] = [
    "owner",
    "repo",
    "version-strip-prefix",
    "username",
    "server-url",
    "working-directory",
    "if-no-files-found",
    "concurrency",
    "include-hidden-files",
];

/// Variables that a runner sets from what others chose.
const VARIABLES: [&str; 3] = ["GITHUB_REF", "GITHUB_ACTOR", "GITHUB_REPOSITORY"];

#[test]
fn hostile_inputs_are_harmless() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let places = INPUTS.len() + VARIABLES.len();
    // Every place has every text of the core once, and the whole corpus goes round the places.
    let (core, all) = (corpus::variables(corpus::core()), corpus::variables(corpus::all()));
    let rounds =
        (0..core.len()).map(|count| (0..places).map(|place| &core[(count + place * 7) % core.len()]).collect());
    let spread = all.chunks_exact(places).map(|texts| texts.iter().collect());
    let runs: Vec<Vec<&Vec<u8>>> = rounds.chain(spread).collect();
    let mut job = Job::new(&registry);
    // What is outside the workspace keeps the run from the server where every text happens to be good.
    job.file("dist/a", "").input("files", "../x").without("GITHUB_REPOSITORY_OWNER");
    for texts in &runs {
        for (name, text) in INPUTS.iter().zip(texts) {
            job.input(name, os(text));
        }
        for (name, text) in VARIABLES.iter().zip(&texts[INPUTS.len()..]) {
            job.variable(name, os(text));
        }
        findings.run(&String::from_utf8_lossy(texts[0]), &mut job, &registry, 2);
    }
    findings.are_none_in(300);
    assert!(registry.requests().is_empty());
}

#[test]
fn one_hostile_input_is_harmless_in_its_annotation() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    for (count, text) in corpus::utf8(corpus::variables(corpus::core())).iter().enumerate() {
        let mut job = Job::new(&registry);
        job.file("dist/a", "");
        match count % 5 {
            // What is no name of an owner is told with the variable that it came from.
            0 => job.input("owner", format!("{text}/")),
            1 => job.variable("GITHUB_REF", format!("refs/heads/{text}")),
            2 => job.variable("GITHUB_SERVER_URL", format!("x{text}")),
            3 => job.variable("GITHUB_WORKSPACE", format!("/tmp/{text}/none")),
            _ => job.input("concurrency", format!("x{text}")),
        };
        findings.run(text, &mut job, &registry, 2);
    }
    findings.are_none_in(180);
}

/// Texts that are versions: any that can be typed and shown, without a blank at either end.
fn versions() -> Vec<String> {
    let is_version = |text: &String| {
        text.trim() == text && !text.is_empty() && !text.chars().any(char::is_control) && text.chars().count() <= 255
    };
    let mut seen = BTreeSet::from([".".to_owned(), "..".to_owned()]);
    corpus::utf8(corpus::core())
        .into_iter()
        .filter(is_version)
        .filter(|text| seen.insert(text.to_lowercase()))
        .collect()
}

#[test]
fn every_hostile_version_is_published_to_and_read_back_as_it_is() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let versions = versions();
    let mut job = Job::new(&registry);
    job.file("dist/a", "content").file("dist/b", "more");
    for (count, version) in versions.iter().enumerate() {
        // An input with a variable, quotes or a comment is refused; a tag can look like one.
        let is_odd =
            version.contains(['$', '%']) || version.starts_with(['"', '\'', '`', '#']) || version.starts_with("- ");
        let is_given = count % 2 == 0 && !is_odd;
        let (given, tag) = if is_given { (version.as_str(), "x") } else { ("", version.as_str()) };
        job.input("version", given).variable("GITHUB_REF", format!("refs/tags/{tag}"));
        // The actor is anybody's name that Basic authentication allows.
        job.variable("GITHUB_ACTOR", versions[(count + 5) % versions.len()].replace(':', ""));
        let mut run = Run::of(&mut job, Under::turn(count / 2), &registry, 0);
        let told = run.output("version");
        run.expects(told == *version, "a version that is not read back", format!("{version}: {told}"));
        let page = run.output("package-url");
        let decoded = percent_encoding::percent_decode_str(&page).decode_utf8_lossy().to_lowercase();
        run.expects(decoded.ends_with(&version.to_lowercase()), "a page that is not read back", page);
        run.expects(registry.read("alice", "widget", version, "a").is_some(), "a file that did not arrive", version);
        run.expects(run.seen.rows.len() == 2, "a file that the summary does not show", version);
        findings.take(version, run.faults);
    }
    findings.are_none_in(130);
}

#[test]
fn variables_that_are_nearly_inputs_are_harmless() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let changes =
        ["\n", "\r", "::", "##[", "\u{202e}", "\u{200b}", "\u{1b}[", "|", "<b", "](", "%0A", "\u{fe0f}", "\u{3164}"];
    let mut names = Vec::new();
    for input in ["FILES", "SERVER-URL", "WORKING-DIRECTORY", "IF-NO-FILES-FOUND", "INCLUDE-HIDDEN-FILES"] {
        names.extend(changes.iter().flat_map(|change| [format!("{change}{input}"), format!("{input}{change}")]));
    }
    // Ten warnings become annotations.
    for (count, names) in names.chunks(10).enumerate() {
        let mut job = Job::new(&registry);
        job.file("dist/a", "");
        for name in names {
            job.variable(&format!("INPUT_{name}"), "::debug::x");
        }
        for under in [Under::turn(count), Under::turn(count + 1)] {
            let version = format!("{count}{under:?}");
            let run = Run::of(job.input("version", version), under, &registry, 0);
            let warned = run.log.matches("unknown input").count();
            findings.take(&format!("{names:?}"), run.faults);
            assert!(warned > 0, "{}", run.log);
        }
    }
    findings.are_none_in(26);
}

#[test]
fn hostile_addresses_of_the_server_are_harmless() {
    let mut findings = Findings::default();
    let registry = Registry::start(Persona::default());
    let mut job = Job::new(&registry);
    job.file("dist/a", "");
    for text in &corpus::utf8(corpus::variables(corpus::core())) {
        let address = format!("{}/{text}", registry.url());
        // How long an address may be is the program's own affair, but there is an end to it.
        if (1_000..50_000).contains(&address.len()) || text.contains('$') {
            continue;
        }
        job.input("server-url", &address);
        // Nothing answers below a path that the registry does not have: the error has the URL, and so has the cure.
        let code = match url::Url::parse(address.trim()) {
            Ok(url) if url.query().is_some() || url.fragment().is_some() || address.len() >= 50_000 => 2,
            Ok(url) if url.path().chars().all(|c| c == '/') => 0,
            Ok(_) => 1,
            Err(_) => 2,
        };
        findings.run(text, &mut job, &registry, code);
    }
    findings.are_none_in(180);
}

#[test]
fn a_server_below_a_hostile_path_is_published_to_all_the_same() {
    let mut findings = Findings::default();
    let paths = [
        "/a|b",
        "/|-|",
        "/::debug::x",
        "/[x](y)",
        "/*x*_y_",
        "/%0A::debug::x",
        "/$x$",
        "/a;b=c,d",
        "/'\\x",
        "/@x/[[y]]",
    ];
    for (count, path) in paths.iter().enumerate() {
        // The registry reads the path as it is sent.
        let sent = url::Url::parse(&format!("http://x{path}")).expect("a URL").path().to_owned();
        let registry = Registry::start_with(Options { path_prefix: sent, ..Options::default() });
        let mut job = Job::new(&registry);
        job.file("dist/a", "content").file("dist/b", "more");
        for under in Under::ALL {
            job.input("version", format!("{count}{under:?}"));
            let mut run = Run::of(&mut job, under, &registry, 0);
            run.expects(run.seen.rows.len() == 2, "a file that the summary does not show", *path);
            findings.take(path, run.faults);
        }
    }
    findings.are_none_in(40);
}
