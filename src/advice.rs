//! Errors that know their cure.

use std::error::Error;
use std::io;

use rustix::io::Errno;

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

/// The advice where no more files can be opened, whatever they were to be: files, folders, connections.
pub(crate) const OPEN_FILES: &str = "Lower `concurrency`, or raise the runner's limit on open files (`ulimit -n`)";

/// Whether an error comes of a limit on open files.
pub(crate) fn is_of_open_files(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Any such error.
pub type Problem = Box<dyn Advise + Send + Sync>;
