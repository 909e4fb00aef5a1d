//! Stored bytes: a temporary file and its digests, computed while it is written.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use tempfile::{NamedTempFile, TempPath};

use crate::hex::hex;

/// The bytes of a file. Dropping it deletes the temporary file.
#[derive(Debug)]
pub(crate) struct Blob {
    path: TempPath,
    pub(crate) size: u64,
    pub(crate) md5: String,
    pub(crate) sha1: String,
    pub(crate) sha256: String,
    pub(crate) sha512: String,
}

impl Blob {
    pub(crate) fn of(bytes: &[u8]) -> io::Result<Self> {
        let mut spool = Spool::new(false)?;
        spool.write(bytes)?;
        spool.finish()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        std::fs::read(&self.path)
    }
}

/// A blob that is being written. It is not kept in memory.
pub(crate) struct Spool {
    file: File,
    path: TempPath,
    size: u64,
    md5: Md5,
    sha1: Sha1,
    sha256: Sha256,
    sha512: Sha512,
    /// Whether the first byte is changed, to simulate a broken storage.
    spoil: bool,
}

impl Spool {
    pub(crate) fn new(spoil: bool) -> io::Result<Self> {
        let (file, path) = NamedTempFile::with_prefix("embedded-registry-")?.into_parts();
        Ok(Self {
            file,
            path,
            size: 0,
            md5: Md5::new(),
            sha1: Sha1::new(),
            sha256: Sha256::new(),
            sha512: Sha512::new(),
            spoil,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match bytes.split_first() {
            Some((first, rest)) if self.spoil => {
                self.spoil = false;
                self.pass(&[!first])?;
                self.pass(rest)
            }
            _ => self.pass(bytes),
        }
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.md5.update(bytes);
        self.sha1.update(bytes);
        self.sha256.update(bytes);
        self.sha512.update(bytes);
        self.file.write_all(bytes)
    }

    pub(crate) fn finish(mut self) -> io::Result<Blob> {
        if self.spoil {
            self.pass(b"?")?;
        }
        Ok(Blob {
            path: self.path,
            size: self.size,
            md5: hex(&self.md5.finalize()),
            sha1: hex(&self.sha1.finalize()),
            sha256: hex(&self.sha256.finalize()),
            sha512: hex(&self.sha512.finalize()),
        })
    }
}
