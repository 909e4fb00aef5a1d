//! `/api/v1`: lists and details of packages. Responses are JSON.
//!
//! Users and repositories are cut down to their names, as in the recordings.

use percent_encoding::utf8_percent_encode;

use crate::accounts::{Access, Account, AuthError, Scope, Visibility};
use crate::answer::Reply;
use crate::http::Head;
use crate::json;
use crate::names::PATH_SEGMENT;
use crate::packages;
use crate::persona::Persona;
use crate::server::Shared;
use crate::store::{Package, Version};
use crate::world::State;

/// A parsed request about the packages of an owner.
enum ApiCall<'a> {
    List,
    Version(&'a str, &'a str),
    Files(&'a str, &'a str),
    Link(&'a str, &'a str),
}

/// Handles a request under `/api/v1`, with the state before the last `lag` changes.
pub(crate) fn answer(shared: &Shared, head: &Head, segments: &[String], lag: usize) -> Reply {
    let answer = |state: &mut State| answer_or_refuse(shared, state, head, segments);
    shared.world.before(lag, answer).unwrap_or_else(|refusal| refusal).uncached()
}

/// Handles a request about packages. The checks are in the order of the servers: existence before permissions.
fn answer_or_refuse(shared: &Shared, state: &mut State, head: &Head, segments: &[String]) -> Result<Reply, Reply> {
    let persona = shared.options.persona;
    let (owner, question) = parse_call(persona, &head.method, segments).ok_or_else(Reply::no_route)?;
    let caller = state
        .sign_in(persona, head.header("Authorization"), true)
        .map_err(|AuthError(why)| error(shared, 401, &why))?;
    let (access, required) = match question {
        ApiCall::Link(..) => (Access::Write, "write:package"),
        _ => (Access::Read, "read:package"),
    };
    let scope = caller.and_then(|caller| caller.scope);
    if let Some(scope) = scope.filter(|scope| !scope.allows(required)) {
        return Err(error(shared, 403, &persona.missing_scope(required, scope.0)));
    }
    let unknown = error(shared, 404, &format!("user redirect does not exist [name: {owner}]"));
    let account = packages::owner(shared, state, head, owner, unknown)?;
    let found = match question {
        ApiCall::Version(package, version) | ApiCall::Files(package, version) => {
            let found = state.packages.version(account.id, package, version);
            Some(found.ok_or_else(|| error(shared, 404, persona.unknown_version()))?)
        }
        _ => None,
    };
    if scope.is_some_and(Scope::is_public_only)
        && account.visibility == Visibility::Private
        && persona.enforces_public_only()
    {
        return Err(error(shared, 403, "token scope is limited to public packages"));
    }
    if state.accounts.access(caller, account) < access {
        return Err(error(shared, 403, "user should have specific permission or be a site admin"));
    }
    if caller.is_none() && (!persona.api_is_public() || access == Access::Write) {
        return Err(error(shared, 401, "token is required"));
    }
    match (question, found) {
        (ApiCall::List, _) => Ok(list(shared, state, head, account)),
        (ApiCall::Link(package, repository), _) => {
            let owner = account.id;
            link(shared, state, owner, package, repository)
        }
        (ApiCall::Version(..), Some((package, version))) => {
            Ok(Reply::json(200, &version_json(shared, state, account, package, version)))
        }
        (_, found) => Ok(files(shared, found.expect("looked up above").1)),
    }
}

fn parse_call<'a>(persona: Persona, method: &str, segments: &'a [String]) -> Option<(&'a str, ApiCall<'a>)> {
    let segments: Vec<&str> = segments.iter().skip(2).map(String::as_str).collect();
    match (method, &segments[..]) {
        ("GET", ["packages", owner]) => Some((owner, ApiCall::List)),
        ("GET", ["packages", owner, "generic", package, version]) => Some((owner, ApiCall::Version(package, version))),
        ("GET", ["packages", owner, "generic", package, version, "files"]) => {
            Some((owner, ApiCall::Files(package, version)))
        }
        ("POST", ["packages", owner, "generic", package, "-", "link", repository]) if persona.has_links() => {
            Some((owner, ApiCall::Link(package, repository)))
        }
        _ => None,
    }
}

fn error(shared: &Shared, status: u16, message: &str) -> Reply {
    Reply::json(status, &json::Error { message, url: &format!("{}/api/swagger", shared.base) })
}

/// Links a package to a repository (`link`, `link-again`, `link-unknown-repo`).
fn link(shared: &Shared, state: &mut State, owner: u64, name: &str, wanted: &str) -> Result<Reply, Reply> {
    if state.packages.package(owner, name).is_none() {
        return Err(error(shared, 404, shared.options.persona.unknown_package()));
    }
    let Some(repository) = state.accounts.repository(owner, wanted) else {
        let what = format!("id: 0, uid: {owner}, owner_name: , name: {wanted}");
        return Err(error(shared, 404, &format!("repository does not exist [{what}]")));
    };
    let package = state.packages.package_mut(owner, name).expect("it was there");
    if package.repository.is_some() {
        return Err(error(shared, 400, "invalid argument"));
    }
    package.repository = Some(repository);
    Ok(Reply::empty(201))
}

/// Returns one page of versions: 30 by default, at most 50 (`api-list-over-limit`), or fewer if the server is
/// configured so.
fn list(shared: &Shared, state: &State, head: &Head, owner: &Account) -> Reply {
    let is_wanted = head.query_value("type").is_none_or(|kind| kind.is_empty() || kind == "generic");
    let text = head.query_value("q").unwrap_or_default().to_lowercase();
    let mut found = state.packages.versions(owner.id, &text, shared.options.persona.ties_newest_first());
    found.retain(|_| is_wanted);
    let number = |name: &str| head.query_value(name).and_then(|value| value.parse::<usize>().ok());
    let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(30).min(shared.options.page_limit);
    let page = number("page").unwrap_or(1).max(1);
    let versions = found.iter().skip((page - 1).saturating_mul(limit)).take(limit);
    let versions = versions.map(|(package, version)| version_json(shared, state, owner, package, version));
    Reply::json(200, &versions.collect::<Vec<_>>()).header("X-Total-Count", &found.len().to_string())
}

fn version_json(
    shared: &Shared,
    state: &State,
    owner: &Account,
    package: &Package,
    version: &Version,
) -> json::Package {
    let base = &shared.base;
    let repository = package.repository.map(|name| {
        let full_name = format!("{}/{name}", owner.name);
        json::Repository { name, html_url: format!("{base}/{full_name}"), full_name }
    });
    // The URL contains the lower-case names (version 1.0-RC1 in api-list).
    let escaped = |name: &str| utf8_percent_encode(&name.to_lowercase(), PATH_SEGMENT).to_string();
    let (name, number) = (escaped(&package.name), escaped(&version.name));
    json::Package {
        id: version.id,
        owner: json::User { login: owner.name.clone() },
        repository,
        creator: json::User { login: state.accounts.get(version.creator).name.clone() },
        r#type: "generic",
        name: package.name.clone(),
        version: version.name.clone(),
        html_url: format!("{base}/{}/-/packages/generic/{name}/{number}", owner.name),
    }
}

/// Returns the list of files, which has no pages (`api-files`).
fn files(shared: &Shared, version: &Version) -> Reply {
    let persona = shared.options.persona;
    let mut files: Vec<_> = version.files.iter().collect();
    if persona.files_by_name() {
        files.sort_by_key(|file| file.name.to_lowercase());
    }
    let files: Vec<_> = files.into_iter().map(|file| json::File::of(file, persona.writes_size_upper_case())).collect();
    Reply::json(200, &files)
}
