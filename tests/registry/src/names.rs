//! The servers' rules for names, and Go's escaping of path segments.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// The characters that Go's `url.PathEscape` escapes.
pub(crate) const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b':')
    .remove(b'=')
    .remove(b'@');

/// Returns the error for the names of an upload, in the order of the servers' checks (`name:*`, `file:*`,
/// `version:*`).
pub(crate) fn refuse(package: &str, version: &str, file: &str) -> Option<&'static str> {
    if !is_package(package) {
        Some("invalid package name")
    } else if !is_file(file) {
        Some("invalid filename")
    } else if version != version.trim() {
        Some("invalid package version")
    } else {
        None
    }
}

fn is_package(name: &str) -> bool {
    let single = name.len() == 1;
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || (!single && b"-_+.".contains(&byte)))
        && name != ".."
}

fn is_file(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+=:;.()[]{}~!@#$%^& ".contains(&byte))
        && name == name.trim()
        && name != "."
        && name != ".."
}
