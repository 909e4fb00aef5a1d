//! Appends text to the runner's files, completely or not at all.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Appends the text to a regular file. If that fails, the file keeps the length that it had: half an entry would
/// make a runner reject the whole file, or parse a part of it as a value.
pub(super) fn append(path: &Path, text: &str) -> io::Result<()> {
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let options = OpenOptions::new().read(true).append(true).create(true).custom_flags(nonblocking).to_owned();
    let mut file = match options.open(path) {
        Ok(file) if file.metadata()?.is_file() => file,
        // Without O_NONBLOCK, opening a FIFO waits for a reader. With it, a FIFO without a reader is ENXIO.
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
    // An earlier step may have written a last line without a newline.
    let text = if last == *b"\n" { Cow::Borrowed(text) } else { Cow::Owned(format!("\n{text}")) };
    // A single write, so that a killed step leaves all of the text or nothing.
    file.write_all(text.as_bytes()).inspect_err(|_| drop(file.set_len(before)))
}
