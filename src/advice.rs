//! Errors that know their cure.

use std::error::Error;

/// An error with an instruction that ends it. People are shown three parts, each on a line of its own: what failed
/// (`Display`), the causes (`source`), and the advice.
pub trait Advise: Error {
    /// What to do, as an instruction without a full stop; `None` where the error says it all.
    fn advice(&self) -> Option<String>;

    /// What failed, for where there is room for a few words only.
    fn brief(&self) -> String {
        self.to_string()
    }
}

/// Any such error.
pub type Problem = Box<dyn Advise + Send + Sync>;
