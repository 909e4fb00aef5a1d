//! Scripts of what goes wrong: which request, at which point, in which way.

use std::sync::{Arc, Mutex};

use crate::action::Action;
use crate::guard::Guard as _;
use crate::http::Head;

/// Something that goes wrong, or happens, during a request.
///
/// Of several faults for the same point of a request those act that have turns left, oldest first, up to the first that
/// ends the request's course, and only their turns are used up. Hooks, pauses and what changes the world or the answer
/// let it go on. Faults for different points do not know of each other.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which requests it is about.
    pub on: Match,
    /// Where in the request it acts.
    pub at: Point,
    /// What happens.
    pub action: Action,
    /// On how many requests it acts, or might if they get as far as its point; `usize::MAX` means on all.
    pub times: usize,
    /// How many matching requests pass first, those not counted that an older fault acts on at this point.
    pub skip: usize,
}

impl Fault {
    /// A fault that acts on the first matching request.
    #[must_use]
    pub fn once(on: Match, at: Point, action: Action) -> Self {
        Self { on, at, action, times: 1, skip: 0 }
    }

    /// A fault that acts on every matching request.
    #[must_use]
    pub fn always(on: Match, at: Point, action: Action) -> Self {
        Self { times: usize::MAX, ..Self::once(on, at, action) }
    }

    /// The same, on so many requests.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    /// The same, after so many matching requests have passed.
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
            _ => None,
        }
    }
}

/// Which requests; every condition that is there has to hold.
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
    /// Every request.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    fn call(method: &str, call: Call) -> Self {
        Self { method: Some(method.to_owned()), path_contains: None, call: Some(call) }
    }

    /// Uploads whose path contains the text; the empty text stands for all.
    #[must_use]
    pub fn put(path_contains: &str) -> Self {
        Self::call("PUT", Call::File).containing(path_contains)
    }

    /// Downloads whose path contains the text.
    #[must_use]
    pub fn get(path_contains: &str) -> Self {
        Self::call("GET", Call::File).containing(path_contains)
    }

    /// Deletions of files whose path contains the text.
    #[must_use]
    pub fn delete(path_contains: &str) -> Self {
        Self::call("DELETE", Call::File).containing(path_contains)
    }

    /// The list of the files of a version.
    #[must_use]
    pub fn list() -> Self {
        Self::call("GET", Call::Files)
    }

    /// The question about one version.
    #[must_use]
    pub fn version() -> Self {
        Self::call("GET", Call::Version)
    }

    /// The list of versions.
    #[must_use]
    pub fn versions() -> Self {
        Self::call("GET", Call::Versions)
    }

    /// Linking to a repository.
    #[must_use]
    pub fn link() -> Self {
        Self::call("POST", Call::Link)
    }

    /// The same, if the path as it was sent contains the text.
    #[must_use]
    pub fn containing(self, text: &str) -> Self {
        Self { path_contains: Some(text.to_owned()), ..self }
    }

    fn fits(&self, head: &Head, call: Option<Call>) -> bool {
        self.method.as_ref().is_none_or(|method| *method == head.method)
            && self.path_contains.as_ref().is_none_or(|text| head.target.contains(text))
            && self.call.is_none_or(|wanted| call == Some(wanted))
    }
}

/// A point in the course of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A connection was accepted, and nothing was read from it. There is no request yet that could be matched: faults
    /// with [`Match::any`] act here, on connections in place of requests, and others never do. An
    /// [`Action::Answer`] is given unasked and closes the connection.
    Accept,
    /// The head was read, nothing of the body was (beyond what came in the same packet), nobody was asked who he is.
    Head,
    /// So many bytes of the body were read. Nothing happens if the body is shorter, or is not read that far.
    RequestByte(u64),
    /// An upload has been read to its end and is not stored yet; with other calls: before they are carried out.
    BeforeStore,
    /// An upload was stored, or refused by what is stored; another call was carried out. No byte of the answer was sent.
    AfterStore,
    /// The head of the answer and so many bytes of its body were sent. Nothing happens if the body is shorter.
    AnswerByte(u64),
}

/// The faults of a registry, and what became of them.
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

/// A fault that a request or a connection has still before it.
#[derive(Clone)]
pub(crate) struct Pending {
    pub(crate) at: Point,
    pub(crate) action: Action,
    /// None if it has acted on this request already.
    fault: Option<Arc<Fault>>,
}

impl Pending {
    /// What follows when it has acted.
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
        self.script.guard().push(Scripted { fault: Arc::new(fault), times, skip });
    }

    pub(crate) fn clear(&self) {
        self.script.guard().clear();
    }

    /// Notes that a fault acts.
    pub(crate) fn note(&self, pending: &Pending) {
        if let Some(fault) = &pending.fault {
            self.acted.guard().push(Fault::clone(fault));
        }
    }

    pub(crate) fn acted(&self) -> Vec<Fault> {
        self.acted.guard().clone()
    }

    /// What is to happen to this connection before it is read from.
    pub(crate) fn take_for_connection(&self) -> Vec<Pending> {
        self.take(|fault| fault.at == Point::Accept && fault.on == Match::any())
    }

    /// What is to happen during this request.
    pub(crate) fn take_for_request(&self, head: &Head, call: Option<Call>) -> Vec<Pending> {
        self.take(|fault| fault.at != Point::Accept && fault.on.fits(head, call))
    }

    fn take(&self, fits: impl Fn(&Fault) -> bool) -> Vec<Pending> {
        let mut taken: Vec<Pending> = Vec::new();
        for entry in self.script.guard().iter_mut().filter(|entry| entry.times > 0 && fits(&entry.fault)) {
            let (at, action) = (entry.fault.at, &entry.fault.action);
            if taken.iter().any(|older| older.at == at && !older.action.lets_go_on()) {
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
