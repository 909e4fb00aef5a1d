//! Appends to the files that the runner names: all of a text or nothing of it.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Appends the text to a regular file. If that fails, the file keeps the length that it had: half an entry would
/// make a runner reject the whole file, or take a part of it for a value.
pub(super) fn append(path: &Path, text: &str) -> io::Result<()> {
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let options = OpenOptions::new().read(true).append(true).create(true).custom_flags(nonblocking).to_owned();
    let mut file = match options.open(path) {
        Ok(file) if file.metadata()?.is_file() => file,
        // Without O_NONBLOCK, opening a FIFO waits until somebody reads it. With it, a FIFO without a reader is ENXIO.
        Ok(_) => return Err(io::Error::other("not a regular file")),
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
            return Err(io::Error::other("not a regular file"));
        }
        Err(error) => return Err(error),
    };
    let before = file.metadata()?.len();
    let mut last = [b'\n'];
    if let Some(at) = before.checked_sub(1) {
        file.read_at(&mut last, at)?;
    }
    // A step before may have left its last line open.
    let text = if last == *b"\n" { Cow::Borrowed(text) } else { Cow::Owned(format!("\n{text}")) };
    // In one piece, so that a step that is killed leaves all of it or nothing.
    file.write_all(text.as_bytes()).inspect_err(|_| drop(file.set_len(before)))
}
