//! `/api/v1`: questions about packages. Answers are JSON.
//!
//! Users and repositories are cut down to their names, as in the recordings.

use std::fmt::Write as _;

use percent_encoding::utf8_percent_encode;
use serde_json::Value;

use crate::accounts::{Access, Account, Caller, Refused, Scope, Visibility};
use crate::answer::Reply;
use crate::http::Head;
use crate::json;
use crate::names::{PATH_SEGMENT, QUERY_VALUE};
use crate::packages;
use crate::persona::Persona;
use crate::server::Shared;
use crate::store::{Package, Version};
use crate::time::rfc3339;
use crate::world::State;

/// What is asked, once path and method are understood.
enum Question<'a> {
    ServerVersion,
    Myself,
    Rename(&'a str),
    Packages(&'a str, Packages<'a>),
}

/// What is asked of the packages of an owner.
enum Packages<'a> {
    List,
    Package(&'a str),
    DeletePackage(&'a str),
    Latest(&'a str),
    Link(&'a str, &'a str),
    Unlink(&'a str),
    Version(&'a str, &'a str),
    DeleteVersion(&'a str, &'a str),
    Files(&'a str, &'a str),
}

impl Packages<'_> {
    fn access(&self) -> Access {
        match self {
            Self::DeletePackage(_) | Self::DeleteVersion(..) | Self::Link(..) | Self::Unlink(_) => Access::Write,
            _ => Access::Read,
        }
    }
}

/// Answers a request under `/api/v1`, as before so many changes.
pub(crate) fn answer(shared: &Shared, head: &Head, segments: &[String], body: &[u8], lag: usize) -> Reply {
    let answer = |state: &mut State| answer_or_refuse(shared, state, head, segments, body);
    shared.world.before(lag, answer).unwrap_or_else(|refusal| refusal).uncached()
}

fn answer_or_refuse(
    shared: &Shared,
    state: &mut State,
    head: &Head,
    segments: &[String],
    body: &[u8],
) -> Result<Reply, Reply> {
    let segments: Vec<&str> = segments.iter().skip(2).map(String::as_str).collect();
    let question = understand(shared.options.persona, &head.method, &segments)?;
    let token = head.query_value("token");
    let caller = state
        .accounts
        .sign_in(shared.options.persona, head.header("Authorization"), token.as_deref(), true)
        .map_err(|Refused(why)| error(shared, 401, &why))?;
    match question {
        Question::ServerVersion => {
            Ok(Reply::json(200, &json::ServerVersion { version: shared.options.persona.version() }))
        }
        Question::Myself => {
            demand_scope(shared, caller, "read:user")?;
            let caller = caller.ok_or_else(|| error(shared, 401, "token is required"))?;
            let account = state.accounts.get(caller.user);
            Ok(Reply::json(200, &json::User { login: account.name.clone() }))
        }
        Question::Rename(name) => rename(shared, state, caller, name, body),
        Question::Packages(owner, question) => {
            let unknown = error(shared, 404, &format!("user redirect does not exist [name: {owner}]"));
            let required = if head.method == "GET" { "read:package" } else { "write:package" };
            demand_scope(shared, caller, required)?;
            let owner = packages::owner(shared, state, head, owner, unknown)?.id;
            about_packages(shared, state, head, caller, owner, &question)
        }
    }
}

fn understand<'a>(persona: Persona, method: &str, segments: &[&'a str]) -> Result<Question<'a>, Reply> {
    let (owner, question) = match (method, segments) {
        ("GET", ["version"]) => return Ok(Question::ServerVersion),
        ("GET", ["user"]) => return Ok(Question::Myself),
        ("POST", ["admin", "users", name, "rename"]) => return Ok(Question::Rename(name)),
        ("GET", ["packages", owner]) => (owner, Packages::List),
        (_, ["packages", owner, "generic", package]) if persona.has_package_calls() => match method {
            "GET" => (owner, Packages::Package(package)),
            "DELETE" if persona.can_delete_package() => (owner, Packages::DeletePackage(package)),
            _ => return Err(Reply::wrong_method("GET")),
        },
        ("GET", ["packages", owner, "generic", package, "-", "latest"]) if persona.has_package_calls() => {
            (owner, Packages::Latest(package))
        }
        ("POST", ["packages", owner, "generic", package, "-", "link", repository]) if persona.has_links() => {
            (owner, Packages::Link(package, repository))
        }
        ("POST", ["packages", owner, "generic", package, "-", "unlink"]) if persona.has_links() => {
            (owner, Packages::Unlink(package))
        }
        (_, ["packages", owner, "generic", package, version]) => match method {
            "GET" => (owner, Packages::Version(package, version)),
            "DELETE" => (owner, Packages::DeleteVersion(package, version)),
            _ => return Err(Reply::wrong_method("GET")),
        },
        ("GET", ["packages", owner, "generic", package, version, "files"]) => {
            (owner, Packages::Files(package, version))
        }
        _ => return Err(Reply::no_route()),
    };
    Ok(Question::Packages(owner, question))
}

fn error(shared: &Shared, status: u16, message: &str) -> Reply {
    Reply::json(status, &json::Error { message, url: &format!("{}/api/swagger", shared.base) })
}

fn demand_scope(shared: &Shared, caller: Option<Caller>, required: &str) -> Result<(), Reply> {
    match caller.and_then(|caller| caller.scope) {
        Some(scope) if !scope.allows(required) => {
            Err(error(shared, 403, &shared.options.persona.missing_scope(required, scope.0)))
        }
        _ => Ok(()),
    }
}

fn rename(shared: &Shared, state: &mut State, caller: Option<Caller>, name: &str, body: &[u8]) -> Result<Reply, Reply> {
    demand_scope(shared, caller, "write:admin")?;
    if !caller.is_some_and(|caller| state.accounts.get(caller.user).is_admin) {
        return Err(error(shared, 403, "user should be the site admin"));
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    // Gitea's name for it, then Forgejo's.
    let new_name = body["new_username"].as_str().or_else(|| body["new_name"].as_str());
    let new_name = new_name.ok_or_else(|| error(shared, 422, "[NewName]: Required"))?;
    if state.accounts.rename(name, new_name) {
        Ok(Reply::empty(204))
    } else {
        Err(error(shared, 404, &format!("user redirect does not exist [name: {name}]")))
    }
}

/// The order of the checks is the servers': what is not there is said before who may see it.
fn about_packages(
    shared: &Shared,
    state: &mut State,
    head: &Head,
    caller: Option<Caller>,
    owner: u64,
    question: &Packages<'_>,
) -> Result<Reply, Reply> {
    let persona = shared.options.persona;
    let account = state.accounts.get(owner);
    let named_version = match question {
        Packages::Version(package, version)
        | Packages::DeleteVersion(package, version)
        | Packages::Files(package, version) => {
            let found = state.packages.version(owner, package, version);
            Some(found.ok_or_else(|| error(shared, 404, persona.unknown_version()))?)
        }
        _ => None,
    };
    let is_public_only = caller.and_then(|caller| caller.scope).is_some_and(Scope::is_public_only);
    if is_public_only && account.visibility == Visibility::Private && persona.minds_public_only() {
        return Err(error(shared, 403, "token scope is limited to public packages"));
    }
    if state.accounts.access(caller, account) < question.access() {
        return Err(error(shared, 403, "user should have specific permission or be a site admin"));
    }
    if caller.is_none() && (!persona.api_is_public() || question.access() == Access::Write) {
        return Err(error(shared, 401, "token is required"));
    }
    match (question, named_version) {
        (Packages::Version(..), Some((package, version))) => {
            Ok(Reply::json(200, &version_json(shared, state, account, package, version)))
        }
        (Packages::Files(..), Some((_, version))) => Ok(files(shared, version)),
        (Packages::DeleteVersion(package, version), _) => {
            state.packages.delete_version(owner, package, version);
            Ok(Reply::empty(204))
        }
        (Packages::List, _) => {
            let wanted = head.query_value("type").is_none_or(|kind| kind.is_empty() || kind == "generic");
            let text = head.query_value("q").unwrap_or_default().to_lowercase();
            let found = state.packages.versions(owner, &text, persona.ties_newest_first());
            Ok(list(shared, state, head, account, if wanted { &found } else { &[] }))
        }
        (Packages::Package(name) | Packages::Latest(name), _) => {
            let mut found = state.packages.versions(owner, &name.to_lowercase(), persona.ties_newest_first());
            found.retain(|(package, _)| package.name.eq_ignore_ascii_case(name));
            match (question, found.first()) {
                (Packages::Latest(_), None) => Err(error(shared, 404, persona.unknown_latest())),
                (_, None) => Err(error(shared, 404, persona.unknown_package())),
                (Packages::Latest(_), Some((package, version))) => {
                    Ok(Reply::json(200, &version_json(shared, state, account, package, version)))
                }
                _ => Ok(list(shared, state, head, account, &found)),
            }
        }
        (Packages::DeletePackage(name) | Packages::Link(name, _) | Packages::Unlink(name), _) => {
            change(shared, state, owner, name, question)
        }
        (Packages::Version(..) | Packages::Files(..), None) => unreachable!("looked up above"),
    }
}

/// Calls that change a package as a whole (`link`, `link-again`, `unlink-again`, `delete-package-api`).
fn change(shared: &Shared, state: &mut State, owner: u64, name: &str, question: &Packages<'_>) -> Result<Reply, Reply> {
    if state.packages.package(owner, name).is_none() {
        return Err(error(shared, 404, shared.options.persona.unknown_package()));
    }
    let package = state.packages.package_mut(owner, name).expect("it was there");
    match question {
        Packages::Link(_, wanted) => {
            let Some(repository) = state.accounts.repository(owner, wanted) else {
                let what = format!("id: 0, uid: {owner}, owner_name: , name: {wanted}");
                return Err(error(shared, 404, &format!("repository does not exist [{what}]")));
            };
            if package.repository.is_some() {
                return Err(error(shared, 400, "invalid argument"));
            }
            package.repository = Some(repository);
            Ok(Reply::empty(201))
        }
        Packages::Unlink(_) => match package.repository.take() {
            Some(_) => Ok(Reply::empty(204)),
            None => Err(error(shared, 400, "invalid argument")),
        },
        _ => {
            state.packages.delete_package(owner, name);
            Ok(Reply::empty(204))
        }
    }
}

/// One page of versions. 30 of them unless asked otherwise, 50 at most (`api-list-over-limit`), or fewer where a server is
/// set up so.
fn list(shared: &Shared, state: &State, head: &Head, owner: &Account, found: &[(&Package, &Version)]) -> Reply {
    let number = |name: &str| head.query_value(name).and_then(|value| value.parse::<usize>().ok());
    let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(30).min(shared.options.page_limit);
    let page = number("page").unwrap_or(1).max(1);
    let versions = found.iter().skip((page - 1).saturating_mul(limit)).take(limit);
    let versions = versions.map(|(package, version)| version_json(shared, state, owner, package, version));
    let reply = Reply::json(200, &versions.collect::<Vec<_>>());
    let reply = match links(shared, head, found.len().div_ceil(limit), page, limit) {
        Some(links) => reply.header("Link", &links),
        None => reply,
    };
    reply.header("X-Total-Count", &found.len().to_string())
}

/// The Link header: the query again, sorted by key, with other pages in it (`api-list`, `api-list-page-2`).
fn links(shared: &Shared, head: &Head, pages: usize, page: usize, limit: usize) -> Option<String> {
    let mut links: Vec<String> = Vec::new();
    let mut add = |relation: &str, page: usize| {
        let mut query: Vec<(String, String)> = Vec::new();
        for pair in head.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let key = pair.split('=').next().unwrap_or_default();
            if !matches!(key, "page" | "limit") {
                query.push((key.to_owned(), head.query_value(key).unwrap_or_default()));
            }
        }
        query.push(("limit".to_owned(), limit.to_string()));
        query.push(("page".to_owned(), page.to_string()));
        query.sort();
        let mut text = String::new();
        for (key, value) in query {
            let value = utf8_percent_encode(&value, QUERY_VALUE).to_string().replace(' ', "+");
            let _ = write!(text, "{}{key}={value}", if text.is_empty() { '?' } else { '&' });
        }
        let path = head.path().strip_prefix(shared.options.path_prefix.as_str()).unwrap_or_default();
        links.push(format!("<{}{path}{text}>; rel=\"{relation}\"", shared.base));
    };
    if page < pages {
        add("next", page + 1);
        add("last", pages);
    }
    if page > 1 {
        add("first", 1);
        add("prev", page - 1);
    }
    if links.is_empty() { None } else { Some(links.join(",")) }
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
    // The address is made of the lower-case names (version 1.0-RC1 in api-list).
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
        created_at: rfc3339(version.created),
    }
}

/// The list of files, which has no pages (`api-files`).
fn files(shared: &Shared, version: &Version) -> Reply {
    let persona = shared.options.persona;
    let mut files: Vec<_> = version.files.iter().collect();
    if persona.files_by_name() {
        files.sort_by_key(|file| file.name.to_lowercase());
    }
    let files: Vec<_> = files.into_iter().map(|file| json::File::of(file, persona.writes_size_upper_case())).collect();
    Reply::json(200, &files)
}
