//! Scripted faults: the requests, the point and the action.

use std::sync::{Arc, Mutex};

use crate::action::Action;
use crate::guard::Guard as _;
use crate::http::Head;

/// A scripted fault or event during a request.
///
/// If several faults match the same point of a request, those with turns left act, oldest first, up to the first that
/// ends the request. Only those use up a turn. Hooks, pauses and changes to the data or the response let the request
/// continue. Faults for different points are independent.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The requests that it affects.
    pub on: Match,
    /// The point in the request at which it acts.
    pub at: Point,
    /// The action.
    pub action: Action,
    /// The number of requests that it affects, including those that never reach its point; `usize::MAX` means all.
    pub times: usize,
    /// The number of matching requests that pass first. Requests that an older fault ends at this point are not
    /// counted.
    pub skip: usize,
}

impl Fault {
    /// Creates a fault that affects the first matching request.
    #[must_use]
    pub fn once(on: Match, at: Point, action: Action) -> Self {
        Self { on, at, action, times: 1, skip: 0 }
    }

    /// Creates a fault that affects every matching request.
    #[must_use]
    pub fn always(on: Match, at: Point, action: Action) -> Self {
        Self { times: usize::MAX, ..Self::once(on, at, action) }
    }

    /// Sets the number of requests that it affects.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// Sets the number of matching requests that pass first.
    #[must_use]
    pub fn skip(self, skip: usize) -> Self {
        Self { skip, ..self }
    }
}

/// The calls that a client of the registry makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A file: `/api/packages/{owner}/generic/{package}/{version}/{file}`.
    File,
    /// The list of the files of a version: `/api/v1/packages/{owner}/generic/{package}/{version}/files`.
    Files,
    /// A version: `/api/v1/packages/{owner}/generic/{package}/{version}`.
    Version,
    /// The versions of an owner's packages: `/api/v1/packages/{owner}`.
    Versions,
    /// Linking to a repository: `/api/v1/packages/{owner}/generic/{package}/-/link/{repository}`.
    Link,
    /// The endpoint that issues ID tokens to jobs: `/api/actions/_apis/pipelines/workflows/{run}/idtoken`.
    IdToken,
}

impl Call {
    pub(crate) fn of(segments: &[String]) -> Option<Self> {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments[..] {
            ["api", "packages", _, "generic", _, _, _] => Some(Self::File),
            ["api", "v1", "packages", _] => Some(Self::Versions),
            ["api", "v1", "packages", _, _, _, _] => Some(Self::Version),
            ["api", "v1", "packages", _, _, _, _, "files"] => Some(Self::Files),
            ["api", "v1", "packages", _, _, _, "-", "link", _] => Some(Self::Link),
            ["api", "actions", "_apis", "pipelines", "workflows", _, "idtoken"] => Some(Self::IdToken),
            _ => None,
        }
    }
}

/// Selects requests. All given conditions must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// The method.
    pub method: Option<String>,
    /// A part of the path as it was sent, with the query.
    pub path_contains: Option<String>,
    /// The call.
    pub call: Option<Call>,
}

impl Match {
    /// Matches every request.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    fn call(method: &str, call: Call) -> Self {
        Self { method: Some(method.to_owned()), path_contains: None, call: Some(call) }
    }

    /// Matches uploads whose path contains a text. The empty text matches all.
    #[must_use]
    pub fn put(path_contains: &str) -> Self {
        Self::call("PUT", Call::File).containing(path_contains)
    }

    /// Matches downloads whose path contains a text.
    #[must_use]
    pub fn get(path_contains: &str) -> Self {
        Self::call("GET", Call::File).containing(path_contains)
    }

    /// Matches deletions of files whose path contains a text.
    #[must_use]
    pub fn delete(path_contains: &str) -> Self {
        Self::call("DELETE", Call::File).containing(path_contains)
    }

    /// Matches the list of the files of a version.
    #[must_use]
    pub fn list() -> Self {
        Self::call("GET", Call::Files)
    }

    /// Matches the details of one version.
    #[must_use]
    pub fn version() -> Self {
        Self::call("GET", Call::Version)
    }

    /// Matches the list of versions.
    #[must_use]
    pub fn versions() -> Self {
        Self::call("GET", Call::Versions)
    }

    /// Matches linking to a repository.
    #[must_use]
    pub fn link() -> Self {
        Self::call("POST", Call::Link)
    }

    /// Matches requests for an ID token.
    #[must_use]
    pub fn id_token() -> Self {
        Self::call("GET", Call::IdToken)
    }

    /// Adds the condition that the path, as it was sent, contains a text.
    #[must_use]
    pub fn containing(self, text: &str) -> Self {
        Self { path_contains: Some(text.to_owned()), ..self }
    }

    fn matches(&self, head: &Head, call: Option<Call>) -> bool {
        self.method.as_ref().is_none_or(|method| *method == head.method)
            && self.path_contains.as_ref().is_none_or(|text| head.target.contains(text))
            && self.call.is_none_or(|wanted| call == Some(wanted))
    }
}

/// A point in the course of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A connection was accepted, and nothing was read from it. There is no request to match yet, so only faults with
    /// [`Match::any`] act here, on connections instead of requests. An [`Action::Answer`] is sent without a request and
    /// closes the connection.
    Accept,
    /// The head was read, but nothing of the body (except bytes in the same packet). The request is not authenticated
    /// yet.
    Head,
    /// This number of bytes of the body was read. Nothing happens if the body is shorter, or is not read that far.
    RequestByte(u64),
    /// An upload was read completely and is not stored yet. For other calls: before they are executed.
    BeforeStore,
    /// An upload was stored, or rejected because of stored data; or another call was executed. No byte of the response
    /// was sent.
    AfterStore,
    /// The head of the response and this number of bytes of its body were sent. Nothing happens if the body is shorter.
    AnswerByte(u64),
}

/// The faults of a registry, scripted and acted.
#[derive(Default)]
pub(crate) struct Faults {
    script: Mutex<Vec<Scripted>>,
    acted: Mutex<Vec<Fault>>,
}

struct Scripted {
    fault: Arc<Fault>,
    times: usize,
    skip: usize,
}

/// A fault that is still to act on a request or a connection.
#[derive(Clone)]
pub(crate) struct Pending {
    pub(crate) at: Point,
    pub(crate) action: Action,
    /// `None` if it has already acted on this request.
    fault: Option<Arc<Fault>>,
}

impl Pending {
    /// Returns the next wait of a pause, if there is one.
    pub(crate) fn next(&self) -> Option<Self> {
        let Action::Pause { pause, every, times } = self.action else { return None };
        let every = every.max(1);
        let at = match self.at {
            Point::RequestByte(byte) => Point::RequestByte(byte.saturating_add(every)),
            Point::AnswerByte(byte) => Point::AnswerByte(byte.saturating_add(every)),
            _ => return None,
        };
        (times > 1).then(|| Self { at, action: Action::Pause { pause, every, times: times - 1 }, fault: None })
    }
}

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        let (times, skip) = (fault.times, fault.skip);
        self.script.lock_unpoisoned().push(Scripted { fault: Arc::new(fault), times, skip });
    }

    pub(crate) fn clear(&self) {
        self.script.lock_unpoisoned().clear();
    }

    /// Records that a fault acts.
    pub(crate) fn note(&self, pending: &Pending) {
        if let Some(fault) = &pending.fault {
            self.acted.lock_unpoisoned().push(Fault::clone(fault));
        }
    }

    pub(crate) fn acted(&self) -> Vec<Fault> {
        self.acted.lock_unpoisoned().clone()
    }

    /// Returns the faults for a connection, and uses up their turns.
    pub(crate) fn take_for_connection(&self) -> Vec<Pending> {
        self.take(|fault| fault.at == Point::Accept && fault.on == Match::any())
    }

    /// Returns the faults for a request, and uses up their turns.
    pub(crate) fn take_for_request(&self, head: &Head, call: Option<Call>) -> Vec<Pending> {
        self.take(|fault| fault.at != Point::Accept && fault.on.matches(head, call))
    }

    fn take(&self, fits: impl Fn(&Fault) -> bool) -> Vec<Pending> {
        let mut taken: Vec<Pending> = Vec::new();
        for entry in self.script.lock_unpoisoned().iter_mut().filter(|entry| entry.times > 0 && fits(&entry.fault)) {
            let (at, action) = (entry.fault.at, &entry.fault.action);
            if taken.iter().any(|older| older.at == at && !older.action.lets_request_continue()) {
                continue;
            }
            if entry.skip > 0 {
                entry.skip -= 1;
                continue;
            }
            if entry.times != usize::MAX {
                entry.times -= 1;
            }
            taken.push(Pending { at, action: action.clone(), fault: Some(Arc::clone(&entry.fault)) });
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Action, Pending, Point};

    #[test]
    fn a_drip_waits_before_each_of_its_pieces_and_elsewhere_once() {
        for at in [Point::AnswerByte, Point::RequestByte] {
            let mut points = Vec::new();
            let action = Action::drip(3, 10, Duration::ZERO);
            let mut pending = Some(Pending { at: at(5), action, fault: None });
            while let Some(now) = pending {
                points.push(now.at);
                pending = now.next();
            }
            assert_eq!(points, [at(5), at(15), at(25)]);
        }
        let once = Pending { at: Point::Head, action: Action::drip(3, 10, Duration::ZERO), fault: None };
        assert!(once.next().is_none());
    }
}
