//! Hostile answers of a server: bodies, headers, links, names in its list.

use embedded_registry::{Answer, Match, Persona, Registry};
use serde_json::json;

use super::corpus;
use super::findings::Findings;
use super::run::{Run, Under, answers_only, leads_to};
use crate::harness::Job;
use crate::package::answers;

/// The form of a server's error response.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Json,
    Page,
}

impl Form {
    const ALL: [Self; 3] = [Self::Text, Self::Json, Self::Page];

    fn answer(self, status: u16, words: &[u8]) -> Answer {
        match self {
            Self::Text => Answer::text(status, words),
            Self::Json => Answer::json(status, json!({ "message": String::from_utf8_lossy(words) }).to_string()),
            Self::Page => Answer::html(status, [b"<html><title>", words, b"</title></html>"].concat()),
        }
    }
}

#[test]
fn responses_to_uploads_are_harmless() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    // None of these stops a run, so that each file meets its own answer; 20 errors are in the summary.
    let refusals: [(u16, &str); 6] = [(418, ""), (400, "invalid "), (409, ""), (413, ""), (429, ""), (500, "")];
    let mut run_count = 0;
    let mut job = Job::new(&registry);
    for count in 0..20 {
        job.file(format!("dist/file{count:02}"), "");
    }
    for form in Form::ALL {
        for texts in corpus::all().chunks(20) {
            registry.clear_faults();
            for (count, text) in texts.iter().enumerate() {
                let (status, words) = refusals[(count + run_count) % refusals.len()];
                let answer = form.answer(status, &[words.as_bytes(), text].concat());
                answers(&registry, Match::put(&format!("/file{count:02}")), answer);
            }
            job.input("version", run_count.to_string());
            let mut run = Run::of(&mut job, Under::turn(run_count), &registry, 1);
            // Those with the same status and no words of the server are one message.
            let told = run.output("failed");
            run.expects(
                told == texts.len().to_string(),
                "failures that are not told",
                format!("{told} of {}", texts.len()),
            );
            findings.take(&String::from_utf8_lossy(&texts.join(&b" | "[..])), run.faults);
            run_count += 1;
        }
    }
    findings.are_none_in(150);
}

#[test]
fn responses_about_a_version_are_harmless() {
    let registry = Registry::start(Persona::default());
    registry.seed("alice", "gadget", "v1.0.0", "other", b"content");
    let mut findings = Findings::default();
    let [mut small, mut dry] = [(); 2].map(|()| Job::new(&registry));
    small.file("dist/a", "content").input("repo", "gadget");
    dry.file("dist/a", "content").input("repo", "gadget").input("dry-run", "true");
    for (count, text) in corpus::core().iter().enumerate() {
        let form = Form::ALL[count % 3];
        // The list, the check for write access of a dry run, and the version, which has a page all the same.
        for (place, on) in [Match::list(), Match::put("/%2A"), Match::version()].into_iter().enumerate() {
            registry.clear_faults();
            let status = [200, 401, 403, 404, 405, 502][(count + place) % 6];
            answers(&registry, on, form.answer(status, text));
            let job = if place == 1 { &mut dry } else { small.input("version", format!("{count}.{place}")) };
            // Only the list cannot be done without.
            findings.run(&format!("{place}: {}", String::from_utf8_lossy(text)), job, &registry, i32::from(place == 0));
        }
    }
    findings.are_none_in(600);
}

#[test]
fn redirects_to_hostile_places_are_harmless() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let mut job = Job::new(&registry);
    job.file("dist/a", "content");
    let is_header = |text: &&Vec<u8>| !text.iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r')) && text.len() < 50_000;
    for (count, text) in corpus::core().iter().filter(is_header).enumerate() {
        let text = String::from_utf8_lossy(text);
        let place = match count % 6 {
            0 => text.to_string(),
            1 => format!("https://evil.example/{text}"),
            2 => format!("https://{text}.evil.example/"),
            3 => format!("{}/x#{text}", registry.url()),
            4 => format!("/api/v1/packages/{text}/generic/widget/v1.0.0/files"),
            _ => format!("{}/{text}?{text}", registry.url().replace("http:", "https:")),
        };
        answers_only(&registry, Match::list(), Answer::text([301, 307, 302][count % 3], "").header("Location", &place));
        findings.run(&place, &mut job, &registry, 1);
    }
    findings.are_none_in(180);
}

#[test]
fn other_headers_are_harmless() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let mut job = Job::new(&registry);
    job.file("dist/a", "content");
    for name in ["Content-Type", "WWW-Authenticate", "Retry-After", "Server", "Link", "Set-Cookie"] {
        for text in [
            "::set-env name=X::y",
            "##[add-path]x",
            "text/html; ::debug::\u{1b}[31m",
            "\u{202e}<img src=x>",
            "\t\t::x::",
        ] {
            answers_only(&registry, Match::list(), Answer::empty(403).header(name, text).with_body(text));
            findings.run(&format!("{name}: {text}"), &mut job, &registry, 1);
        }
    }
    findings.are_none_in(30);
}

#[test]
fn the_page_that_a_server_names_is_harmless() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let mut job = Job::new(&registry);
    job.file("dist/a", "content");
    for (count, text) in corpus::utf8(corpus::core()).iter().enumerate() {
        let path = "alice/-/packages/generic/widget/v1.0.0";
        let pages = [
            text.clone(),
            format!("https://git.example.com/{text}/{path}"),
            format!("https://git.example.com/{path}#{text}"),
            format!("https://git.example.com/{path}?{text}"),
            format!("https://{text}@git.example.com/{path}"),
            format!("https://{text}.example.com/{path}"),
            format!("{}/alice/-/packages/generic/widget/{text}", registry.url()),
        ];
        for page in [&pages[count % 7], &pages[1]] {
            answers_only(&registry, Match::version(), Answer::json(200, json!({ "html_url": page }).to_string()));
            // A server may be known to people by another name than to the runner.
            let is_plain = |c: char| c.is_ascii_alphanumeric() || ":/.%_~+-".contains(c);
            let file = "api/packages/alice/generic/widget/v1.0.0/a";
            let is_end = |link: &str| link.ends_with(path) || link.ends_with(file);
            let is_named = |link: &str| link.starts_with("https://") && is_end(link) && link.chars().all(is_plain);
            let is_known = |link: &str| leads_to(link, &registry.url()) || is_named(link);
            let mut run = Run::with_links(&mut job, Under::turn(count), 0, is_known);
            let told = run.output("package-url");
            let is_told = is_known(&told) && run.log.contains(&told);
            run.expects(is_told, "a page that is not told alike", &told);
            findings.take(page, run.faults);
        }
    }
    findings.are_none_in(380);
}

#[test]
fn hostile_names_in_a_list_are_harmless() {
    let registry = Registry::start(Persona::default());
    let mut findings = Findings::default();
    let sha256 = "0".repeat(64);
    let mut job = Job::new(&registry);
    job.file("dist/a", "content");
    for (count, text) in corpus::utf8(corpus::core()).iter().enumerate() {
        let row = match count % 5 {
            0 => json!({ "name": text, "size": 1, "sha256": "none" }),
            1 => json!({ "name": "a", "size": text, "sha256": sha256 }),
            2 => json!({ "name": "A", "size": 1, "sha256": sha256, "x": text }),
            3 => json!({ "name": "A", "size": 7, "sha256": text }),
            _ => json!({ text.clone(): text, "size": 1, "sha256": text }),
        };
        answers_only(&registry, Match::list(), Answer::json(200, json!([row]).to_string()));
        findings.run(text, &mut job, &registry, 1);
    }
    // Names that are ours but for the case, with every character that the registry takes; one letter has a capital
    // beyond ASCII.
    for name in &corpus::registry_names(corpus::core()) {
        let theirs = name.to_uppercase().replace('K', "\u{212a}");
        let row = json!({ "name": theirs, "size": 1, "sha256": sha256 });
        answers_only(&registry, Match::list(), Answer::json(200, json!([row]).to_string()));
        let mut job = Job::new(&registry);
        job.file(format!("dist/{name}"), "content").input("files", "dist/**").input("include-hidden-files", "true");
        findings.run(name, &mut job, &registry, 1);
    }
    findings.are_none_in(300);
}
