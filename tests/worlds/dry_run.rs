//! Dry runs, in worlds for publishing and for checksums files: (ix) they change nothing, whatever they meet, and show
//! what a run that nothing stands in the way of does then.

use std::collections::BTreeMap;

use embedded_registry::Request;

use super::job::Ran;
use super::outputs::{Outputs, Row};

/// The statuses that a dry run can report.
const STATUSES: [&str; 5] = ["planned", "unchanged", "skipped", "failed", "not-attempted"];

/// A row of the plan in the summary.
struct Planned<'a> {
    action: &'a str,
    there: &'a str,
}

fn plan(summary: &str) -> Vec<Planned<'_>> {
    let rows = summary.lines().skip_while(|line| !line.starts_with("| what | plan |")).skip(2);
    // The first column contains the name, which may contain anything.
    let planned = |row| {
        let mut columns = str::strip_suffix(row, " |")?.rsplit(" | ");
        let (there, _size, action) = (columns.next()?, columns.next()?, columns.next()?);
        Some(Planned { action, there })
    };
    rows.map_while(planned).collect()
}

/// Returns the requests that change something. The check of write access changes nothing.
fn changes(requests: &[Request]) -> impl Iterator<Item = &Request> {
    requests.iter().filter(|request| request.method != "GET" && !request.target.ends_with("/%2A"))
}

/// Returns the violations in the requests of a dry run.
pub(super) fn wrong_actions(requests: &[Request]) -> Vec<String> {
    changes(requests).map(|it| format!("(ix) a dry run sent {} {}", it.method, it.target)).collect()
}

/// Returns the violations in the outputs.
pub(super) fn wrong_outputs(ran: &Ran, outputs: &Outputs) -> Vec<String> {
    let is_odd = |row: &&Row| !STATUSES.contains(&row.status.as_str());
    let mut wrong: Vec<String> =
        outputs.rows.iter().filter(is_odd).map(|row| format!("(ix) a dry run reported {row:?}")).collect();
    if !ran.summary.contains("Dry run: nothing was changed") {
        wrong.push("(ix) the summary does not say that nothing was changed".to_owned());
    }
    wrong
}

/// Where the run that followed, in which nothing went wrong either, was another than the dry run said.
pub(super) fn differences(dry: &Ran, real: &Ran, requests: &[Request]) -> Vec<String> {
    let mut wrong = Vec::new();
    if dry.code != real.code {
        wrong.push(format!("(ix) the exit code of the dry run is {:?}, that of the run is {:?}", dry.code, real.code));
    }
    let (Ok(planned), Ok(outcome)) = (Outputs::read(&dry.outputs), Outputs::read(&real.outputs)) else { return wrong };
    let word = |status: &str| if matches!(status, "uploaded" | "replaced") { "planned" } else { status }.to_owned();
    let statuses = |outputs: &Outputs| -> BTreeMap<String, String> {
        outputs.rows.iter().map(|row| (row.name.clone(), word(&row.status))).collect()
    };
    if statuses(&planned) != statuses(&outcome) {
        wrong.push(format!("(ix) the dry run planned {:?}, but the run did {:?}", planned.rows, outcome.rows));
    }
    let plan = plan(&dry.summary);
    let rows = |actions: &[&str]| plan.iter().filter(|row| actions.contains(&row.action)).count();
    let expected =
        [("PUT", rows(&["upload", "replace"])), ("DELETE", rows(&["replace", "delete"])), ("POST", rows(&["link"]))];
    let fails_before = dry.summary.contains("A real run would fail before it uploads anything");
    if fails_before && changes(requests).next().is_some() {
        wrong.push("(ix) the run changed something, but the dry run predicted a failure before any change".to_owned());
    }
    for (method, count) in expected.into_iter().filter(|_| real.code == Some(0)) {
        let made = changes(requests).filter(|request| request.method == method).count();
        // The package of a new version may be linked already.
        let may_be_fewer = method == "POST" && plan.iter().any(|row| row.there.starts_with("not known yet"));
        if made != count && !(may_be_fewer && made < count) {
            wrong.push(format!(
                "(ix) the run sent {made} {method} requests, but the dry run planned {count}:\n{}",
                dry.summary
            ));
        }
    }
    wrong
}
