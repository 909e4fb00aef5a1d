//! Errors with a code and a hint.

use std::error::Error;
use std::io;

use rustix::io::Errno;

/// An error with an instruction that solves it. Messages show three parts, one per line: the failed operation
/// (`Display`), the causes (`source`), and the hint.
pub trait Explain: Error {
    /// Returns the code of this kind of error, in kebab case. It does not change when the text changes.
    fn code(&self) -> &'static str;

    /// Returns the instruction that solves it, without a full stop; `None` if no hint is needed.
    fn hint(&self) -> Option<String>;

    /// Returns the request that failed, if one did: `PUT https://…`.
    fn request(&self) -> Option<String> {
        None
    }

    /// Whether every other file of the run would fail in the same way.
    fn affects_every_file(&self) -> bool {
        false
    }

    /// Returns the parts of a message about several errors of this kind; `None` if each error gets its own message.
    fn plural(&self) -> Option<Plural> {
        None
    }
}

/// The parts of a message about several errors of one kind: ``failed to upload 2 files: `x`, `y` ``.
#[derive(Debug)]
pub struct Plural {
    /// The failed operation, with `{}` for the number of items: `failed to upload {} files`.
    pub(crate) text: String,
    /// The name that this error adds, in backticks, with the details of this error. It is safe to show.
    pub(crate) item: String,
    /// Whether the hint is an example that applies to the other errors too, although its text differs.
    pub(crate) is_hint_an_example: bool,
}

/// The hint for a job whose files the container cannot see.
pub(crate) const HOST_LABEL: &str = "Set `runs-on` to a label that maps to a container image. On a host label, \
                                     container actions cannot access the job's workspace";

/// The hint if no more files, folders or connections can be opened.
pub(crate) const OPEN_FILES: &str = "Lower `concurrency`, or raise the runner's limit on open files (`ulimit -n`)";

/// Returns whether a limit on open files caused an error.
pub(crate) fn is_open_files_limit(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Returns the code for a system error about a file or a folder.
pub(crate) fn system_error_code(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "permission-denied",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => "disk-full",
        _ if is_open_files_limit(error) => "too-many-open-files",
        _ => "file-system-error",
    }
}

/// An error of any type that has a code and a hint.
pub(crate) type Problem = Box<dyn Explain + Send + Sync>;

/// Removes repeated errors. Files that are sent at the same time can each report a failure that affects every file.
pub(crate) fn without_repetitions<E: Explain>(errors: impl IntoIterator<Item = E>) -> Vec<E> {
    let cause = |error: &E| error.source().map(ToString::to_string);
    let mut kept: Vec<E> = Vec::new();
    for error in errors {
        let is_same = |known: &E| known.affects_every_file() && cause(known) == cause(&error);
        if !error.affects_every_file() || !kept.iter().any(is_same) {
            kept.push(error);
        }
    }
    kept
}

/// Boxes errors of one type.
pub(crate) fn problems(errors: impl IntoIterator<Item = impl Explain + Send + Sync + 'static>) -> Vec<Problem> {
    errors.into_iter().map(|error| Box::new(error) as Problem).collect()
}
