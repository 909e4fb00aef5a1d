//! The checks of every run, in any world.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use embedded_registry::Request;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::dry_run;
use super::job::Ran;
use super::kind::{Kind, Promises, Scene};
use super::link;
use super::outputs::{self, Outputs};
use super::script::OWNER;
use super::world::{Act, World};

impl<K: Promises> Scene<'_, K> {
    /// Returns the violations of the run with the events of the world.
    pub(crate) fn violations(&self) -> Vec<String> {
        let (mut wrong, outputs) = ending(self.world, self.ran);
        wrong.extend(self.rival.into_iter().flat_map(|rival| ending(self.world, rival).0));
        if let Some(outputs) = &outputs {
            wrong.extend(K::wrong_outputs(self, outputs));
        }
        // What another run asks for comes in between.
        let may_send = |request: &Request| self.is_for_id_token(request) || K::may_send(self, request);
        let unasked = self.requests.iter().filter(|request| self.rival.is_none() && !may_send(request));
        wrong.extend(
            unasked.map(|request| format!("(iii) an unexpected request: {} {}", request.method, request.target)),
        );
        wrong.extend(K::wrong_actions(self));
        wrong.extend(link::wrong_actions(self));
        let World { events, heals, of, .. } = self.world;
        if *heals || events.is_empty() && !of.has_rival() {
            wrong.extend(self.wrong_ending(&outputs.unwrap_or_default()));
        }
        wrong
    }

    /// Returns the violations of the later run without faults.
    pub(crate) fn violations_without_faults(&self) -> Vec<String> {
        let (mut wrong, outputs) = ending(self.world, self.ran);
        wrong.extend(self.wrong_ending(&outputs.unwrap_or_default()));
        wrong
    }

    /// Whether it is a request for an ID token, by a run that uses them.
    pub(crate) fn is_for_id_token(&self, request: &Request) -> bool {
        let uses_id_tokens = self.world.setting.id_token_life.is_some() && !self.world.of.is_visitor();
        uses_id_tokens && request.method == "GET" && request.target.starts_with("/api/actions/")
    }

    fn wrong_ending(&self, outputs: &Outputs) -> Vec<String> {
        [K::wrong_ending(self, outputs), link::wrong_ending(self)].concat()
    }
}

/// Returns the violations of a dry run, in any world.
pub(crate) fn violations_of_dry_run<K: Kind>(world: &World<K>, ran: &Ran, requests: &[Request]) -> Vec<String> {
    let (mut wrong, outputs) = ending(world, ran);
    wrong.extend(outputs.iter().flat_map(|outputs| dry_run::wrong_outputs(ran, outputs)));
    wrong.extend(dry_run::wrong_actions(requests));
    wrong
}

/// Returns the violations at the end of a run, and its outputs if it wrote them. It checks (ii) the exit code and the
/// log, and (iv) the outputs and the summary.
fn ending<K: Kind>(world: &World<K>, ran: &Ran) -> (Vec<String>, Option<Outputs>) {
    let mut wrong = Vec::new();
    match ran.code {
        Some(0 | 1) => {}
        Some(143) if world.has(|act| matches!(act, Act::Terminate)) => {}
        // The program can be killed before it writes anything.
        None if world.has(|act| matches!(act, Act::Kill)) => return (wrong, None),
        code => wrong.push(format!("(ii) the exit code is {code:?}")),
    }
    if ran.code != Some(0) && !ran.log.lines().any(|line| line.starts_with("error: ")) {
        wrong.push("(ii) the run failed, but the log has no error".to_owned());
    }
    match Outputs::read(&ran.outputs) {
        Ok(outputs) => {
            let mut contradictions = outputs.contradictions(K::TASK);
            // The summary of a dry run contains the plan.
            if !ran.is_dry {
                contradictions.extend(outputs::summary_contradictions(&ran.summary, &outputs.rows));
            }
            wrong.extend(contradictions.into_iter().map(|text| format!("(iv) {text}")));
            (wrong, Some(outputs))
        }
        Err(error) => {
            wrong.push(format!("(iv) {error}"));
            (wrong, None)
        }
    }
}

/// (vi): returns the outputs that contain one of the secrets, in any form in which it could be printed.
pub(crate) fn shown_secrets(ran: &Ran, secrets: &[String]) -> Vec<String> {
    let mut forms = secrets.to_vec();
    for text in secrets.iter().flat_map(|secret| [secret.to_owned(), format!("{OWNER}:{secret}")]) {
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
