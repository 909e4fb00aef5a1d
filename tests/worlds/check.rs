//! What has to hold of every run, in whatever world.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use embedded_registry::Request;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::dry_run;
use super::job::Ran;
use super::kind::{Kind, Scene};
use super::link;
use super::script::OWNER;
use super::told::{self, Told};
use super::world::{Act, World};

impl<K: Kind> Scene<'_, K> {
    /// All that does not hold of the run that met what the world has.
    pub(crate) fn violations(&self) -> Vec<String> {
        let (mut wrong, told) = ending(self.world, self.ran);
        wrong.extend(self.rival.into_iter().flat_map(|rival| ending(self.world, rival).0));
        if let Some(told) = &told {
            wrong.extend(K::what_was_told(self, told));
        }
        wrong.extend(K::what_was_done(self));
        wrong.extend(link::what_was_done(self));
        let World { events, heals, of, .. } = self.world;
        if *heals || events.is_empty() && !of.has_rival() {
            wrong.extend(self.what_was_to_come(&told.unwrap_or_default()));
        }
        wrong
    }

    /// All that does not hold of the run that follows, in which nothing goes wrong.
    pub(crate) fn violations_in_peace(&self) -> Vec<String> {
        let (mut wrong, told) = ending(self.world, self.ran);
        wrong.extend(self.what_was_to_come(&told.unwrap_or_default()));
        wrong
    }

    fn what_was_to_come(&self, told: &Told) -> Vec<String> {
        [K::what_was_to_come(self, told), link::what_was_to_come(self)].concat()
    }
}

/// All that does not hold of a dry run, whatever it met.
pub(crate) fn violations_of_dry_run<K: Kind>(world: &World<K>, ran: &Ran, requests: &[Request]) -> Vec<String> {
    let (mut wrong, told) = ending(world, ran);
    wrong.extend(told.iter().flat_map(|told| dry_run::what_was_told(ran, told)));
    wrong.extend(dry_run::what_was_done(requests));
    wrong
}

/// What is wrong with how a run ends: (ii) the exit code and the log, (iv) outputs and summary in themselves. And what it
/// has told, where it could.
fn ending<K: Kind>(world: &World<K>, ran: &Ran) -> (Vec<String>, Option<Told>) {
    let mut wrong = Vec::new();
    match ran.code {
        Some(0 | 1) => {}
        Some(143) if world.has(|act| matches!(act, Act::Terminate)) => {}
        // It can end before it writes anything.
        None if world.has(|act| matches!(act, Act::Kill)) => return (wrong, None),
        code => wrong.push(format!("(ii) the exit code is {code:?}")),
    }
    if ran.code != Some(0) && !ran.log.lines().any(|line| line.starts_with("error: ")) {
        wrong.push("(ii) it fails, and the log has no error".to_owned());
    }
    match Told::read(&ran.outputs) {
        Ok(told) => {
            let mut contradictions = told.contradictions(K::TASK);
            // That of a dry run has the plan.
            if !ran.is_dry {
                contradictions.extend(told::summary_contradictions(&ran.summary, &told.rows));
            }
            wrong.extend(contradictions.into_iter().map(|text| format!("(iv) {text}")));
            (wrong, Some(told))
        }
        Err(error) => {
            wrong.push(format!("(iv) {error}"));
            (wrong, None)
        }
    }
}

/// (vi): where a secret is seen, in any form in which it could come out.
pub(crate) fn shown_secrets(ran: &Ran, secret: &str) -> Vec<String> {
    if secret.is_empty() {
        return Vec::new();
    }
    let mut forms = vec![secret.to_owned()];
    for text in [secret.to_owned(), format!("{OWNER}:{secret}")] {
        forms.push(utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string());
        forms.extend([&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD].map(|engine| engine.encode(&text)));
    }
    let places = [("log", &ran.log), ("outputs", &ran.outputs), ("summary", &ran.summary)];
    let shows = |text: &str| forms.iter().any(|form| text.contains(form));
    places
        .into_iter()
        .filter(|(_, text)| shows(text))
        .map(|(place, _)| format!("(vi) the {place} shows a secret"))
        .collect()
}
