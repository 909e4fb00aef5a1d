//! Messages about errors: several errors of one kind are one message.

use crate::hint::{Explain, Plural, Problem};
use crate::sanitize::CUT;

/// The maximum number of items that one message shows.
const MOST_ITEMS: usize = 5;

/// The longest item that is shown in full, in characters.
const LONGEST_ITEM: usize = 160;

/// One error, or several of one kind with the same causes and the same hint.
pub(super) struct Message {
    /// The code of the error.
    pub(super) code: &'static str,
    /// The failed operation.
    pub(super) what: String,
    /// The causes, nearest first.
    causes: Vec<String>,
    /// The request that failed, if it is only one.
    request: Option<String>,
    /// The instruction that solves it.
    pub(super) hint: Option<String>,
    kind: Option<String>,
    is_hint_an_example: bool,
    /// The first items. `count` is the number of all items.
    items: Vec<String>,
    count: usize,
}

impl Message {
    fn of(problem: &dyn Explain) -> Self {
        let causes = std::iter::successors(problem.source(), |cause| cause.source()).map(ToString::to_string).collect();
        let (what, request, hint) = (problem.to_string(), problem.request(), problem.hint());
        let mut message = Self {
            code: problem.code(),
            what,
            causes,
            request,
            hint,
            kind: None,
            is_hint_an_example: false,
            items: Vec::new(),
            count: 1,
        };
        if let Some(Plural { text, item, is_hint_an_example }) = problem.plural() {
            message.kind = Some(text);
            message.is_hint_an_example = is_hint_an_example;
            message.items.extend(Some(cut(item)).filter(|item| !item.is_empty()));
        }
        message
    }

    /// Returns whether one message can cover both errors.
    fn can_include(&self, other: &Self) -> bool {
        let is_hint_shared = self.is_hint_an_example || self.hint == other.hint;
        self.kind.is_some() && self.kind == other.kind && self.causes == other.causes && is_hint_shared
    }

    /// Returns the causes, the first with the request.
    pub(super) fn causes(&self) -> Vec<String> {
        let mut causes = self.causes.clone();
        if let (Some(first), Some(request)) = (causes.first_mut(), &self.request) {
            *first = format!("{first} ({request})");
        }
        causes
    }

    fn include(&mut self, other: Self) {
        self.count += 1;
        self.request = None;
        if self.items.len() < MOST_ITEMS {
            self.items.extend(other.items);
        }
        if let Some(text) = &self.kind {
            let more = match self.count - self.items.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let text = text.replacen("{}", &self.count.to_string(), 1);
            self.what = match self.items.join(", ") {
                items if items.is_empty() => text,
                items => format!("{text}: {items}{more}"),
            };
        }
    }
}

/// Cuts an item that is longer than most names.
fn cut(item: String) -> String {
    match item.char_indices().nth(LONGEST_ITEM) {
        Some((end, _)) => format!("{}{CUT}", &item[..end]),
        None => item,
    }
}

/// Groups errors of one kind into messages, in the order of the first error of each.
pub(super) fn messages(problems: &[Problem]) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for problem in problems {
        let message = Message::of(problem.as_ref());
        match messages.iter_mut().find(|known| known.can_include(&message)) {
            Some(known) => known.include(message),
            None => messages.push(message),
        }
    }
    messages
}
