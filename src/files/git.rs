//! File names that make a folder a git repository, and the files that git tracks.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::package::FileName;

/// Whether a path component is `.git` on any file system.
#[must_use]
pub(crate) fn is_git(component: &OsStr) -> bool {
    matches!(on_any_file_system(&component.to_string_lossy()).as_str(), ".git" | "git~1")
}

/// Whether a file with this name can make its folder a git repository. Git looks for `HEAD` first, and reads objects, refs and
/// configuration from the folder in `commondir`.
#[must_use]
pub(crate) fn is_repository_file(name: &str) -> bool {
    is_git(OsStr::new(name)) || matches!(on_any_file_system(name).as_str(), "head" | "commondir" | "gitdir")
}

/// Returns the name that some file system opens for this name. Some ignore case, and NTFS drops dots and spaces at the end, and
/// a colon with the text after it. Git itself rejects such spellings of `.git`, and `git~1`, its short name on NTFS.
fn on_any_file_system(name: &str) -> String {
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    name.trim_end_matches(['.', ' ']).to_ascii_lowercase()
}

/// Returns the files in a folder that git tracks.
pub(crate) fn tracked<'a>(folder: &Path, names: &'a [FileName]) -> io::Result<Vec<&'a FileName>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let Some((top, repository)) = folder.ancestors().find_map(|top| Some((top, repository_of(top)?))) else {
        return Ok(Vec::new());
    };
    let index = match read(&repository.join("index")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        index => index?,
    };
    // An index does not say whether its hashes are SHA-1 or SHA-256, so both are tried.
    let within = folder.strip_prefix(top).unwrap_or(folder);
    let path_of = |name: &FileName| within.join(name.as_str()).into_os_string().into_vec();
    let wanted: HashSet<Vec<u8>> = names.iter().map(path_of).collect();
    let paths =
        [20, 32].into_iter().find_map(|hash_length| paths_in(&index, hash_length, |path| wanted.contains(path)));
    let paths = paths.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unknown format"))?;
    Ok(names.iter().filter(|name| paths.contains(&path_of(name))).collect())
}

/// Returns the repository of a working tree. In submodules and linked worktrees, `.git` is a file with its path.
fn repository_of(top: &Path) -> Option<PathBuf> {
    let git = top.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = String::from_utf8(read(&git).ok()?).ok()?;
    Some(top.join(text.strip_prefix("gitdir:")?.trim()))
}

/// Reads a regular file of limited length. A FIFO is an error and is not waited for.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    /// The length of an index with a million files, in bytes.
    const LONGEST: u64 = 256 * 1024 * 1024;
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(nonblocking).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return Err(io::Error::other("not a regular file, or too long"));
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the wanted paths that are in an index of version 2, 3 or 4 (gitformat-index(5)); `None` if its format or the length
/// of its hashes is different, or if it is split, because then it does not contain all paths.
fn paths_in(index: &[u8], hash_length: usize, is_wanted: impl Fn(&[u8]) -> bool) -> Option<HashSet<Vec<u8>>> {
    /// No path that Linux opens is longer, in bytes.
    const LONGEST: usize = 4096;
    let number = |at: usize| Some(u32::from_be_bytes(*index.get(at..)?.first_chunk()?));
    let version = number(4)?;
    if !index.starts_with(b"DIRC") || !(2..=4).contains(&version) {
        return None;
    }
    let mut paths = HashSet::new();
    let mut path = Vec::new();
    let mut at = 12;
    for _ in 0..number(8)? {
        let start = at;
        // Skip times, identity, mode, owner and length (10 numbers) and the hash.
        at += 40 + hash_length;
        let flags = u16::from_be_bytes(*index.get(at..)?.first_chunk()?);
        let is_extended = flags & 0x4000 != 0;
        at += if is_extended { 4 } else { 2 };
        // Since version 4, an entry has only the part of its path that differs from the entry before.
        let kept = if version < 4 { 0 } else { path.len().checked_sub(offset(index, &mut at)?)? };
        path.truncate(kept);
        let rest = index.get(at..)?;
        let length = rest.iter().position(|byte| *byte == 0)?;
        path.extend_from_slice(&rest[..length]);
        // The flags also contain the length, up to 4095.
        if usize::from(flags & 0xfff) != path.len().min(0xfff) || path.len() > LONGEST {
            return None;
        }
        at += length + 1;
        if version < 4 {
            at = start + (at - start).next_multiple_of(8);
        }
        if is_wanted(&path) {
            paths.insert(path.clone());
        }
    }
    let is_split = index.get(at..)?.starts_with(b"link");
    (!is_split).then_some(paths)
}

/// Reads a number in the "offset encoding" of gitformat-pack(5).
fn offset(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut number = 0_usize;
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number = number.checked_mul(128)?.checked_add(usize::from(byte & 127))?;
        if byte & 128 == 0 {
            return Some(number);
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_make_a_repository_are_recognized_in_each_spelling() {
        for name in
            ["HEAD", "head", "Head.", "HEAD. .", "HEAD:x", "commondir", "CommonDir", "gitdir", ".git", ".GIT.", "git~1"]
        {
            assert!(is_repository_file(name), "{name}");
        }
        for name in [".git", ".Git", ".git..", ".git ", ".git::$INDEX_ALLOCATION", "GIT~1"] {
            assert!(is_git(OsStr::new(name)), "{name}");
        }
        for name in ["HEAD.txt", "AHEAD", "heads", "config", "objects", "refs", ".gitignore", "git~2", ".", ":HEAD"] {
            assert!(!is_repository_file(name), "{name}");
        }
        assert!(!is_git(OsStr::new("HEAD")));
    }

    /// An index of version 4 with the paths `app`, `apple` and `b/c`.
    fn index() -> Vec<u8> {
        let mut index = b"DIRC\0\0\0\x04\0\0\0\x03".to_vec();
        for (length, stripped, rest) in [(3, 0, "app"), (5, 0, "le"), (3, 5, "b/c")] {
            index.extend([0; 60]);
            index.extend([0, length, stripped]);
            index.extend(rest.bytes().chain([0]));
        }
        index
    }

    #[test]
    fn a_truncated_or_unknown_index_is_rejected() {
        let index = index();
        let wanted: HashSet<Vec<u8>> = ["app", "apple", "b/c"].map(|path| path.as_bytes().to_vec()).into();
        assert_eq!(paths_in(&index, 20, |_| true), Some(wanted));
        assert_eq!(paths_in(&index, 32, |_| true), None);
        for length in 0..index.len() {
            assert_eq!(paths_in(&index[..length], 20, |_| true), None, "{length}");
        }
        assert_eq!(paths_in(&[&index, &b"link"[..]].concat(), 20, |_| true), None);
        for version in [1, 5] {
            let mut other = index.clone();
            other[7] = version;
            assert_eq!(paths_in(&other, 20, |_| true), None);
        }
        // The number of stripped bytes is too high or incomplete.
        for number in [6, 128, 255] {
            let mut other = index.clone();
            other[12 + 62] = number;
            assert_eq!(paths_in(&other, 20, |_| true), None);
        }
    }
}
