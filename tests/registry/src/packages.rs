//! `/api/packages`: uploads, downloads and deletions of files. Responses are plain text.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::accounts::{Access, Account, Caller, Visibility};
use crate::answer::{Answer, Reply};
use crate::blob::Blob;
use crate::http::Head;
use crate::names;
use crate::persona::NO_STORE;
use crate::server::Shared;
use crate::store::{Duplicate, File, Place};
use crate::world::State;

/// An upload that was accepted up to its body.
pub(crate) struct Upload {
    pub(crate) place: Place,
    creator: u64,
}

/// Checks a PUT of a file before its body is read. The error is a response that does not wait for the body.
pub(crate) fn check_upload(shared: &Shared, head: &Head, segments: &[String]) -> Result<Upload, Reply> {
    let state = shared.world.state();
    let caller = sign_in(shared, &state, head)?;
    let owner = owner(shared, &state, head, &segments[2], Reply::text(404, "Not found.\n"))?;
    require_access(shared, &state, caller, owner, Access::Write)?;
    let (package, version, file) = (&segments[4], &segments[5], &segments[6]);
    if let Some(refusal) = names::refuse(package, version, file) {
        return Err(Reply::text(400, refusal));
    }
    let place = Place { owner: owner.id, package: package.clone(), version: version.clone(), file: file.clone() };
    // Anonymous users have no write access.
    Ok(Upload { place, creator: caller.map_or(0, |caller| caller.user) })
}

/// Stores an upload whose body is there, or says why not: conflicts come this late.
pub(crate) fn store(shared: &Shared, upload: &Upload, blob: Blob) -> Reply {
    let place = &upload.place;
    let too_long = |limit| [&place.package, &place.version, &place.file].iter().any(|n| n.chars().count() > limit);
    if shared.options.persona.column_limit().is_some_and(too_long) {
        return internal_error(shared);
    }
    let now = shared.world.now();
    match shared.world.state().packages.add(place, upload.creator, Arc::new(blob), now) {
        Ok(()) => Reply::empty(201),
        Err(Duplicate) => Reply::text(409, "package file already exists"),
    }
}

pub(crate) fn internal_error(shared: &Shared) -> Reply {
    Answer::internal_error(shared.options.persona).into()
}

/// Handles all requests except uploads, with the state before the last `lag` changes.
pub(crate) fn answer(shared: &Shared, head: &Head, segments: &[String], lag: usize) -> Reply {
    shared.world.before(lag, |state| answer_or_refuse(shared, state, head, segments).unwrap_or_else(|refusal| refusal))
}

fn answer_or_refuse(shared: &Shared, state: &mut State, head: &Head, segments: &[String]) -> Result<Reply, Reply> {
    let caller = sign_in(shared, state, head)?;
    let [_, _, owner_name, kind, package, version, rest @ ..] = segments else { return Err(Reply::no_route()) };
    if kind != "generic" || rest.len() > 1 {
        return Err(Reply::no_route());
    }
    let (name, access) = match (head.method.as_str(), rest) {
        ("GET", [name]) => (name, Access::Read),
        ("DELETE", [name]) => (name, Access::Write),
        _ => return Err(Reply::wrong_method("DELETE")),
    };
    let owner = owner(shared, state, head, owner_name, Reply::text(404, "Not found.\n"))?;
    require_access(shared, state, caller, owner, access)?;
    let owner = owner.id;
    let unknown = || Reply::text(404, "package does not exist");
    let (_, found) = state.packages.version(owner, package, version).ok_or_else(unknown)?;
    let file = found.file(name).ok_or_else(|| Reply::text(404, "package file does not exist"))?;
    if access == Access::Read {
        return Ok(download(shared, head, file));
    }
    let place = Place { owner, package: package.clone(), version: version.clone(), file: file.name.clone() };
    state.packages.delete_file(&place);
    Ok(Reply::empty(204))
}

/// Authenticates a request. Wrong credentials are rejected even if none are required (`get-bad-token-public`).
fn sign_in(shared: &Shared, state: &State, head: &Head) -> Result<Option<Caller>, Reply> {
    let persona = shared.options.persona;
    let caller = state.sign_in(persona, head.header("Authorization"), false);
    caller.map_err(|_| Reply::go_error(401, persona.bad_credentials()))
}

/// Returns the owner in the path. A former name redirects (`renamed-owner-put`), with a page for GET and HEAD
/// (`renamed-owner-get`).
pub(crate) fn owner<'a>(
    shared: &Shared,
    state: &'a State,
    head: &Head,
    name: &str,
    unknown: Reply,
) -> Result<&'a Account, Reply> {
    if let Some(account) = state.accounts.named(name) {
        return Ok(account);
    }
    let Some(renamed) = state.accounts.formerly_named(name) else { return Err(unknown) };
    // Like the servers, replaces the first occurrence of the name, even if it is not the owner.
    let prefix = &shared.options.path_prefix;
    let path = head.path().strip_prefix(prefix.as_str()).unwrap_or_default().replacen(name, &renamed.name, 1);
    let query = head.query().map(|query| format!("?{query}")).unwrap_or_default();
    let location = format!("{prefix}{path}{query}");
    let reply = if head.method == "GET" {
        Reply::page(307, format!("<a href=\"{location}\">Temporary Redirect</a>.\n\n"))
    } else {
        Reply::empty(307)
    };
    Err(reply.header("Location", &location))
}

/// Checks the access of a caller: first the scope of the token, then the user's access (`auth-scope-*`, `owner-*`).
fn require_access(
    shared: &Shared,
    state: &State,
    caller: Option<Caller>,
    owner: &Account,
    access: Access,
) -> Result<(), Reply> {
    let refusal =
        || Reply::go_error(401, "reqPackageAccess\n").header("WWW-Authenticate", "Basic realm=\"Gitea Package API\"");
    if let Some(scope) = caller.and_then(|caller| caller.scope) {
        let required = if access == Access::Read { "read:package" } else { "write:package" };
        if !scope.allows(required) {
            return Err(refusal());
        }
        let is_private = owner.visibility == Visibility::Private;
        if shared.options.persona.enforces_public_only() && scope.is_public_only() && is_private {
            return Err(Reply::go_error(403, "reqToken\n"));
        }
    }
    if state.accounts.access(caller, owner) < access { Err(refusal()) } else { Ok(()) }
}

fn download(shared: &Shared, head: &Head, file: &File) -> Reply {
    let persona = shared.options.persona;
    let modified = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(file.created));
    let size = file.blob.size;
    // Any If-Range except the exact date requests the whole file (get-if-range-date). There are no ETags.
    let range = head.header("Range").filter(|_| head.header("If-Range").is_none_or(|date| date == modified));
    let disposition = persona.content_disposition(&file.name);
    let whole = |status, range| {
        Reply::file(status, Arc::clone(&file.blob), range)
            .header("Accept-Ranges", "bytes")
            .header("Cache-Control", persona.download_cache_control())
            .header("Content-Disposition", &disposition)
            .header("Content-Type", "application/octet-stream")
            .header("Last-Modified", &modified)
    };
    match range.and_then(|range| parse_range(range, size)) {
        None => whole(200, 0..size),
        Some(Ok(range)) => {
            let content_range = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            whole(206, range).header("Content-Range", &content_range)
        }
        Some(Err(())) => {
            let reply = Reply::go_error(416, "invalid range: failed to overlap\n")
                .header("Content-Disposition", &disposition)
                .header("Content-Range", &format!("bytes */{size}"));
            if persona.range_error_keeps_headers() {
                reply.header("Cache-Control", persona.download_cache_control()).header("Last-Modified", &modified)
            } else {
                reply
            }
        }
    }
}

/// Parses one range of bytes. Several ranges and unknown syntax count as none.
fn parse_range(range: &str, size: u64) -> Option<Result<Range<u64>, ()>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let length: u64 = last.trim().parse().ok()?;
        return Some(if length == 0 || size == 0 { Err(()) } else { Ok(size.saturating_sub(length)..size) });
    }
    let first: u64 = first.trim().parse().ok()?;
    let end = if last.is_empty() { size } else { last.trim().parse::<u64>().ok()?.saturating_add(1).min(size) };
    Some(if first >= size || end <= first { Err(()) } else { Ok(first..end) })
}

/// Returns the response for a path that belongs neither to packages nor to the API.
pub(crate) fn not_found() -> Reply {
    Reply::text(404, "Not found.\n").header("Cache-Control", NO_STORE)
}
