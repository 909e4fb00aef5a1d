//! The JSON structures of `/api/v1`, with fields in the order of the servers.

use serde::Serialize;

use crate::store;

#[derive(Serialize)]
pub(crate) struct Error<'a> {
    pub(crate) message: &'a str,
    pub(crate) url: &'a str,
}

#[derive(Serialize)]
pub(crate) struct User {
    pub(crate) login: String,
}

#[derive(Serialize)]
pub(crate) struct Repository {
    pub(crate) name: &'static str,
    pub(crate) full_name: String,
    pub(crate) html_url: String,
}

/// A version, which the API calls a package.
#[derive(Serialize)]
pub(crate) struct Package {
    pub(crate) id: u64,
    pub(crate) owner: User,
    pub(crate) repository: Option<Repository>,
    pub(crate) creator: User,
    pub(crate) r#type: &'static str,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) html_url: String,
}

#[derive(Serialize)]
pub(crate) struct File<'a> {
    id: u64,
    #[serde(rename = "size", skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// The length under its older field name.
    #[serde(rename = "Size", skip_serializing_if = "Option::is_none")]
    old_size: Option<u64>,
    name: &'a str,
    md5: &'a str,
    sha1: &'a str,
    sha256: &'a str,
    sha512: &'a str,
}

impl<'a> File<'a> {
    pub(crate) fn of(file: &'a store::File, with_old_size: bool) -> Self {
        let blob = &file.blob;
        Self {
            id: file.id,
            size: (!with_old_size).then_some(blob.size),
            old_size: with_old_size.then_some(blob.size),
            name: &file.name,
            md5: &blob.md5,
            sha1: &blob.sha1,
            sha256: &blob.sha256,
            sha512: &blob.sha512,
        }
    }
}
