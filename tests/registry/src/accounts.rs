//! Users, organizations, tokens and permissions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::hex::hex;
use crate::persona::Persona;

/// The access to the packages of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Access {
    None,
    Read,
    Write,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visibility {
    Public,
    Limited,
    Private,
}

/// A user or an organization.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: u64,
    pub(crate) name: String,
    former_names: Vec<String>,
    pub(crate) visibility: Visibility,
    pub(crate) is_admin: bool,
    /// The password, which only users have.
    password: Option<String>,
    /// The members of an organization's teams, with their access.
    teams: Vec<(u64, Access)>,
}

impl Account {
    pub(crate) fn is_organization(&self) -> bool {
        self.password.is_none()
    }
}

/// The scope of a token, as the servers print it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope(pub(crate) &'static str);

impl Scope {
    pub(crate) fn allows(self, required: &str) -> bool {
        let write_instead = required.replace("read:", "write:");
        self.0.split(',').any(|part| part == "all" || part == required || part == write_instead)
    }

    pub(crate) fn is_public_only(self) -> bool {
        self.0.split(',').any(|part| part == "public-only")
    }
}

#[derive(Clone)]
struct Token {
    name: &'static str,
    user: u64,
    scope: Scope,
    value: String,
    revoked: bool,
}

/// The authenticated user of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    pub(crate) user: u64,
    /// `None` for a password, which allows everything.
    pub(crate) scope: Option<Scope>,
}

/// A failed authentication, with the text for `/api/v1`.
pub(crate) struct AuthError(pub(crate) String);

#[derive(Clone)]
pub(crate) struct Accounts {
    all: Vec<Account>,
    tokens: Vec<Token>,
    repositories: Vec<(u64, &'static str)>,
}

/// The name, user and scope of each token in the recordings.
const TOKENS: [(&str, &str, &str); 9] = [
    ("alice_write", "alice", "write:package"),
    ("alice_read", "alice", "read:package"),
    ("alice_none", "alice", "read:misc"),
    ("alice_publiconly", "alice", "public-only,write:package"),
    ("alice_all", "alice", "all"),
    ("bob_write", "bob", "write:package"),
    ("carol_write", "carol", "write:package"),
    ("dave_write", "dave", "write:package"),
    ("root_all", "root1", "all"),
];

/// Users in the order of their ids: alice is 2 in the recordings.
const USERS: [&str; 5] = ["root1", "alice", "bob", "carol", "dave"];

impl Accounts {
    /// Returns the initial accounts of the recordings. Secrets look real, and differ between personas.
    pub(crate) fn as_recorded(persona: Persona) -> Self {
        let secret = |name: &str| {
            let digest = Sha256::digest(format!("{} {name}", persona.name()));
            hex(&digest[..20])
        };
        let mut accounts: Vec<Account> = Vec::new();
        for name in USERS {
            accounts.push(Account {
                id: accounts.len() as u64 + 1,
                name: name.to_owned(),
                former_names: Vec::new(),
                visibility: Visibility::Public,
                is_admin: name == "root1",
                password: Some(format!("Pw-{}", &secret(&format!("{name}_password"))[..20])),
                teams: Vec::new(),
            });
        }
        let id_of = |name: &str| USERS.iter().position(|user| *user == name).map_or(0, |index| index as u64 + 1);
        let (alice, carol) = (id_of("alice"), id_of("carol"));
        let organizations = [
            ("acme", Visibility::Public, vec![(alice, Access::Write), (carol, Access::Read)]),
            ("secretorg", Visibility::Private, vec![(alice, Access::Write)]),
            ("limitedorg", Visibility::Limited, vec![(alice, Access::Write)]),
        ];
        for (name, visibility, teams) in organizations {
            accounts.push(Account {
                id: accounts.len() as u64 + 1,
                name: name.to_owned(),
                former_names: Vec::new(),
                visibility,
                is_admin: false,
                password: None,
                teams,
            });
        }
        let tokens = TOKENS
            .into_iter()
            .map(|(name, user, scope)| Token {
                name,
                user: id_of(user),
                scope: Scope(scope),
                value: secret(name),
                revoked: false,
            })
            .collect();
        Self { all: accounts, tokens, repositories: vec![(alice, "widget"), (alice, "gadget")] }
    }

    /// Returns the names and values of the tokens, then the passwords.
    pub(crate) fn secrets(&self) -> Vec<(String, String)> {
        let tokens = self.tokens.iter().map(|token| (token.name.to_owned(), token.value.clone()));
        let passwords = self.all.iter().zip(USERS).filter_map(|(account, name)| {
            account.password.as_ref().map(|password| (format!("{name}_password"), password.clone()))
        });
        tokens.chain(passwords).collect()
    }

    pub(crate) fn revoke(&mut self, name: &str) {
        let token = self.tokens.iter_mut().find(|token| token.name == name);
        token.unwrap_or_else(|| panic!("no token is named {name}")).revoked = true;
    }

    /// Renames an account. The old name redirects from then on. Returns `false` if the account does not exist.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(account) = self.all.iter_mut().find(|account| account.name.eq_ignore_ascii_case(from)) else {
            return false;
        };
        account.former_names.push(std::mem::replace(&mut account.name, to.to_owned()));
        true
    }

    pub(crate) fn get(&self, id: u64) -> &Account {
        self.all.iter().find(|account| account.id == id).expect("ids are only handed out, never taken back")
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Account> {
        self.all.iter().find(|account| account.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn formerly_named(&self, name: &str) -> Option<&Account> {
        let had_name = |account: &&Account| account.former_names.iter().any(|old| old.eq_ignore_ascii_case(name));
        self.all.iter().find(had_name)
    }

    pub(crate) fn repository(&self, owner: u64, name: &str) -> Option<&'static str> {
        self.repositories.iter().find(|(id, own)| *id == owner && own.eq_ignore_ascii_case(name)).map(|(_, own)| *own)
    }

    /// Returns the access of a caller to the packages of an owner, ignoring scopes.
    pub(crate) fn access(&self, caller: Option<Caller>, owner: &Account) -> Access {
        let Some(caller) = caller else {
            return if owner.visibility == Visibility::Public { Access::Read } else { Access::None };
        };
        // An organization can have an integration, but no write access (seen on Forgejo 17-dev).
        let is_own = owner.id == caller.user && !owner.is_organization();
        if is_own || self.get(caller.user).is_admin {
            return Access::Write;
        }
        let by_team = owner.teams.iter().filter(|(user, _)| *user == caller.user).map(|(_, access)| *access).max();
        let by_visibility = if owner.visibility == Visibility::Private { Access::None } else { Access::Read };
        by_team.unwrap_or(Access::None).max(by_visibility)
    }

    fn by_token(&self, value: &str) -> Option<Caller> {
        let token = self.tokens.iter().find(|token| token.value == value && !token.revoked)?;
        Some(Caller { user: token.user, scope: Some(token.scope) })
    }

    /// Returns the caller that an `Authorization` header identifies, or `None` if the request is anonymous.
    pub(crate) fn sign_in(
        &self,
        persona: Persona,
        authorization: Option<&str>,
        is_api: bool,
    ) -> Result<Option<Caller>, AuthError> {
        let Some(authorization) = authorization else { return Ok(None) };
        let (scheme, value) = authorization.split_once(' ').unwrap_or((authorization, ""));
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => self.sign_in_basic(persona, value).map(Some),
            "token" | "bearer" => self.by_token(value).map(Some).ok_or_else(|| refuse_token(persona, value)),
            // Other package types have their own schemes, so /api/packages rejects an unknown scheme
            // (auth-unknown-scheme). /api/v1 treats the request as anonymous.
            _ if is_api => Ok(None),
            _ => Err(AuthError(String::new())),
        }
    }

    /// Authenticates with Basic. The token may be the password, with any user name, or the user name alone
    /// (auth-basic-token-as-username). Text that is not base64 counts as an empty name and password (auth-garbage).
    fn sign_in_basic(&self, persona: Persona, encoded: &str) -> Result<Caller, AuthError> {
        if let Some(caller) = self.by_token(&token_in_basic(encoded)) {
            return Ok(caller);
        }
        let (user, password) = decode_basic(encoded);
        let account = self.named(&user);
        if let Some(account) = account.filter(|account| account.password.as_ref() == Some(&password)) {
            return Ok(Caller { user: account.id, scope: None });
        }
        Err(AuthError(match account {
            _ if persona.hides_auth_error() => "invalid username, password or token".to_owned(),
            Some(account) => format!("user's password is invalid [uid: {}, name: {}]", account.id, account.name),
            None => format!("user does not exist [uid: 0, name: {user}]"),
        }))
    }
}

/// Returns the user name and the password of a Basic header.
fn decode_basic(encoded: &str) -> (String, String) {
    let decoded = STANDARD.decode(encoded).unwrap_or_default();
    let decoded = String::from_utf8_lossy(&decoded);
    let (user, password) = decoded.split_once(':').unwrap_or_default();
    (user.to_owned(), password.to_owned())
}

/// Returns what may be a token in a Basic header: the password, or the user name alone.
pub(crate) fn token_in_basic(encoded: &str) -> String {
    let (user, password) = decode_basic(encoded);
    if password.is_empty() || password == "x-oauth-basic" { user } else { password }
}

fn refuse_token(persona: Persona, token: &str) -> AuthError {
    // A token with a dot is read as a JWT, and is not repeated (seen on Forgejo 15).
    AuthError(if persona.echoes_tokens() && !token.contains('.') {
        format!("access token does not exist [sha: {token}]")
    } else if persona.hides_auth_error() {
        "invalid username, password or token".to_owned()
    } else {
        "user does not exist [uid: 0, name: ]".to_owned()
    })
}
