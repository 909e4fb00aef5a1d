//! Links of the package to a repository, in worlds for publishing and for checksums files: (viii) only a package
//! without a link is linked, after everything else has succeeded. A failed link does not fail the run.

use embedded_registry::{Persona, Registry};
use fastrand::Rng;

use super::draw::one_of;
use super::kind::{Kind, Scene};
use super::script::{OWNER, PACKAGE};

/// The repositories of the owner, and one that does not exist.
const REPOSITORIES: [&str; 3] = ["widget", "gadget", "unknown"];

/// The requested link of the package, and its initial link.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) wanted: &'static str,
    there: Option<&'static str>,
}

/// Draws a requested link, or none.
pub(super) fn draw(rng: &mut Rng) -> Option<Link> {
    let there = (rng.u8(0..3) == 0).then(|| one_of(rng, &REPOSITORIES[..2]));
    let wanted = if rng.u8(0..4) > 0 { "widget" } else { one_of(rng, &REPOSITORIES) };
    rng.bool().then_some(Link { wanted, there })
}

impl Link {
    pub(super) fn stock(&self, registry: &Registry) {
        if let Some(there) = self.there {
            registry.world().link(OWNER, PACKAGE, there);
        }
    }

    /// Returns the expected link after a run, given the link before.
    fn outcome(&self, persona: Persona, before: Option<&String>) -> Option<String> {
        let can_be = persona.has_links() && self.wanted != REPOSITORIES[2];
        before.cloned().or_else(|| can_be.then(|| self.full_name()))
    }

    fn full_name(&self) -> String {
        format!("{OWNER}/{}", self.wanted)
    }
}

/// Returns the violations in the requests and the resulting link.
pub(super) fn wrong_actions<K: Kind>(scene: &Scene<'_, K>) -> Vec<String> {
    let mut wrong = Vec::new();
    let setting = &scene.world.setting;
    let wanted = setting.link.as_ref().map(|link| format!("/-/link/{}", link.wanted));
    for request in scene.requests.iter().filter(|request| request.method == "POST") {
        if !wanted.as_ref().is_some_and(|wanted| request.target.ends_with(wanted)) {
            wrong.push(format!("(viii) an unexpected request: POST {}", request.target));
        }
    }
    let [before, after] = &scene.linked;
    if before != after && (before.is_some() || *after != setting.link.as_ref().map(Link::full_name)) {
        wrong.push(format!("(viii) the link of the package changed from {before:?} to {after:?}"));
    }
    // The requests of another run come in between.
    if scene.rival.is_none() {
        let is = |meant: &[&str], method: &str| meant.contains(&method);
        let first = scene.requests.iter().position(|request| is(&["POST"], &request.method));
        if let Some(first) = first {
            if scene.requests[first..].iter().any(|request| is(&["PUT", "DELETE"], &request.method)) {
                wrong.push("(viii) files were uploaded or deleted after the link".to_owned());
            }
            if scene.ran.code == Some(1) {
                wrong.push("(viii) a failed run linked the package".to_owned());
            }
        }
    }
    wrong
}

/// Returns the violations of a link without lasting faults.
pub(super) fn wrong_ending<K: Kind>(scene: &Scene<'_, K>) -> Vec<String> {
    let setting = &scene.world.setting;
    let Some(link) = &setting.link else { return Vec::new() };
    let [before, after] = &scene.linked;
    let is_good = scene.ran.code == Some(0);
    let expected = if is_good { link.outcome(setting.persona, before.as_ref()) } else { before.clone() };
    let mut wrong = Vec::new();
    if *after != expected {
        wrong.push(format!("(viii) the package is linked to {after:?}, expected {expected:?}"));
    }
    let is_warned = scene
        .ran
        .log
        .lines()
        .any(|line| line.starts_with("warning: the package is ") || line.starts_with("warning: failed to link "));
    if is_good && is_warned == (*after == Some(link.full_name())) {
        wrong.push(format!("(viii) the package is linked to {after:?}, but a warning that it is not: {is_warned}"));
    }
    wrong
}
