//! Scripts of what goes wrong: which request, at which point, in which way.

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::answer::Answer;
use crate::guard::Guard as _;
use crate::http::Head;
use crate::world::World;

/// Something that goes wrong, or happens, during a request.
///
/// Of several faults for the same point of a request the oldest that has turns left acts, after the hooks that are
/// older still, and only their turns are used up; faults for different points do not know of each other.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which requests it is about.
    pub on: Match,
    /// Where in the request it acts.
    pub at: Point,
    /// What happens.
    pub action: Action,
    /// On how many requests it acts; `usize::MAX` means on all.
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
    /// The newest version: `/api/v1/packages/{owner}/generic/{package}/-/latest`.
    Latest,
    /// Linking to a repository: `/api/v1/packages/{owner}/generic/{package}/-/link/{repository}`.
    Link,
    /// Undoing that: `/api/v1/packages/{owner}/generic/{package}/-/unlink`.
    Unlink,
}

impl Call {
    pub(crate) fn of(segments: &[String]) -> Option<Self> {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments[..] {
            ["api", "packages", _, "generic", _, _, _] => Some(Self::File),
            ["api", "v1", "packages", _] => Some(Self::Versions),
            ["api", "v1", "packages", _, _, _, _] => Some(Self::Version),
            ["api", "v1", "packages", _, _, _, _, "files"] => Some(Self::Files),
            ["api", "v1", "packages", _, _, _, "-", "latest"] => Some(Self::Latest),
            ["api", "v1", "packages", _, _, _, "-", "unlink"] => Some(Self::Unlink),
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

    /// The question about the newest version.
    #[must_use]
    pub fn latest() -> Self {
        Self::call("GET", Call::Latest)
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

/// What a hook does.
pub type Hook = Arc<dyn Fn(&World) + Send + Sync>;

/// What happens at a point.
#[derive(Clone)]
pub enum Action {
    /// The connection is reset: the client meets an error, whatever was sent before may be lost.
    Reset,
    /// The connection is closed. If the client has sent more than was read, the system makes a reset of it.
    Close,
    /// Nothing more happens until the client gives up or the registry stops.
    Hang,
    /// Another answer. Where the body was not read, at most 256 KiB of it are read and thrown away, as a Go server
    /// would; if there is more, the connection is closed at once, so that a client that still sends meets a reset.
    /// Within an answer ([`Point::AnswerByte`]) it closes the connection.
    Answer(Answer),
    /// Other bytes are stored than were sent, behind a good answer: a broken store. The point does not matter.
    StoreOtherBytes,
    /// The hook is called, and the request goes on. It may change the world, and may block.
    Then(Hook),
}

impl Action {
    /// [`Action::Then`], from a closure.
    pub fn then(hook: impl Fn(&World) + Send + Sync + 'static) -> Self {
        Self::Then(Arc::new(hook))
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset => formatter.write_str("Reset"),
            Self::Close => formatter.write_str("Close"),
            Self::Hang => formatter.write_str("Hang"),
            Self::Answer(answer) => formatter.debug_tuple("Answer").field(answer).finish(),
            Self::StoreOtherBytes => formatter.write_str("StoreOtherBytes"),
            Self::Then(_) => formatter.write_str("Then(..)"),
        }
    }
}

#[derive(Default)]
pub(crate) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        self.0.guard().push(fault);
    }

    pub(crate) fn clear(&self) {
        self.0.guard().clear();
    }

    /// What is to happen during this request.
    pub(crate) fn take(&self, head: &Head, call: Option<Call>) -> Vec<(Point, Action)> {
        let mut taken: Vec<(Point, Action)> = Vec::new();
        for fault in self.0.guard().iter_mut().filter(|fault| fault.times > 0 && fault.on.fits(head, call)) {
            if taken.iter().any(|(point, action)| *point == fault.at && !matches!(action, Action::Then(_))) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if fault.times != usize::MAX {
                fault.times -= 1;
            }
            taken.push((fault.at, fault.action.clone()));
        }
        taken
    }
}
