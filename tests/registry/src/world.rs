//! The stored data, and its interface for tests and hooks.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use crate::accounts::{Accounts, AuthError, Caller};
use crate::blob::Blob;
use crate::guard::Guard as _;
use crate::oidc::Oidc;
use crate::persona::Persona;
use crate::store::{File, Packages, Place};
use crate::{IdTokens, Integration, Options, StoredFile};

/// The data behind one lock.
pub(crate) struct State {
    pub(crate) accounts: Accounts,
    pub(crate) packages: Packages,
    pub(crate) oidc: Oidc,
}

/// Accounts and packages of a registry. Tests can change everything while requests run.
pub struct World {
    state: Mutex<State>,
    clock: Option<SystemTime>,
    base: String,
}

impl World {
    pub(crate) fn new(options: &Options, base: &str) -> Self {
        let accounts = Accounts::as_recorded(options.persona);
        let oidc = Oidc::new(options.persona, base);
        let state = State { accounts, packages: Packages::default(), oidc };
        Self { state: Mutex::new(state), clock: options.fixed_time, base: base.to_owned() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock_unpoisoned()
    }

    /// Calls `make` with the state before the last `changes` changes to files. If that is a past state, changes to it
    /// are lost.
    pub(crate) fn before<T>(&self, changes: usize, make: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        if changes == 0 {
            return make(&mut state);
        }
        let (accounts, oidc) = (state.accounts.clone(), state.oidc.clone());
        let mut past = State { accounts, packages: state.packages.before(changes), oidc };
        drop(state);
        make(&mut past)
    }

    pub(crate) fn has_version(&self, place: &Place) -> bool {
        self.state().packages.version(place.owner, &place.package, &place.version).is_some()
    }

    /// Returns the seconds since 1970 by the clock of the registry.
    pub(crate) fn now(&self) -> u64 {
        let now = self.clock.unwrap_or_else(SystemTime::now);
        now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
    }

    /// Returns the tokens and the users' passwords, by name.
    #[must_use]
    pub fn secrets(&self) -> Vec<(String, String)> {
        self.state().accounts.secrets()
    }

    /// Returns the value of a token, such as `alice_write`, or a password, such as `alice_password`.
    ///
    /// # Panics
    /// If there is no token of that name.
    #[must_use]
    pub fn token(&self, name: &str) -> String {
        let secrets = self.secrets();
        let secret = secrets.into_iter().find(|(own, _)| own == name);
        secret.unwrap_or_else(|| panic!("no token is named {name}")).1
    }

    /// Stores a file as if it had been uploaded earlier.
    ///
    /// # Panics
    /// If the owner does not exist, or the file already exists.
    pub fn seed(&self, owner: &str, package: &str, version: &str, file: &str, bytes: &[u8]) {
        let stored = self.store(owner, package, version, file, bytes);
        assert!(stored, "{owner}/{package}/{version}/{file} is there already");
    }

    /// Stores a file as if another job had uploaded it. Returns `false` if it already exists, and keeps it.
    ///
    /// # Panics
    /// If the owner does not exist.
    pub fn store(&self, owner: &str, package: &str, version: &str, file: &str, bytes: &[u8]) -> bool {
        let blob = Arc::new(Blob::of(bytes).expect("temporary files can be written"));
        let now = self.now();
        let mut state = self.state();
        let place = state.place(owner, package, version, file);
        let place = place.unwrap_or_else(|| panic!("nobody is named {owner}"));
        let creator = if state.accounts.get(place.owner).is_organization() {
            state.accounts.named("alice").map_or(place.owner, |alice| alice.id)
        } else {
            place.owner
        };
        state.packages.add(&place, creator, blob, now).is_ok()
    }

    /// Deletes a file as if another job had deleted it, and the version with its last file. Returns `false` if it does
    /// not exist.
    pub fn delete(&self, owner: &str, package: &str, version: &str, file: &str) -> bool {
        let mut state = self.state();
        let place = state.place(owner, package, version, file);
        place.is_some_and(|place| state.packages.delete_file(&place))
    }

    /// Returns the files of a version in upload order; empty if the version does not exist.
    #[must_use]
    pub fn files(&self, owner: &str, package: &str, version: &str) -> Vec<StoredFile> {
        let state = self.state();
        let owner = state.accounts.named(owner).map(|owner| owner.id);
        let version = owner.and_then(|owner| state.packages.version(owner, package, version));
        version.map(|(_, version)| version.files.iter().map(stored).collect()).unwrap_or_default()
    }

    /// Returns the bytes of a file, if it exists.
    #[must_use]
    pub fn read(&self, owner: &str, package: &str, version: &str, file: &str) -> Option<Vec<u8>> {
        self.blob(owner, package, version, file)?.read().ok()
    }

    /// Returns the path of the stored bytes of a file, to compare large ones. It is deleted with the registry.
    #[must_use]
    pub fn path_of(&self, owner: &str, package: &str, version: &str, file: &str) -> Option<PathBuf> {
        Some(self.blob(owner, package, version, file)?.path().to_owned())
    }

    /// Returns the full name of the repository that a package is linked to.
    #[must_use]
    pub fn linked_repository(&self, owner: &str, package: &str) -> Option<String> {
        let state = self.state();
        let owner = state.accounts.named(owner)?;
        let repository = state.packages.package(owner.id, package)?.repository?;
        Some(format!("{}/{repository}", owner.name))
    }

    /// Links a package to a repository as if another job had linked it.
    ///
    /// # Panics
    /// If the package or the repository does not exist.
    pub fn link(&self, owner: &str, package: &str, repository: &str) {
        let mut state = self.state();
        let owner = state.accounts.named(owner).expect("an owner").id;
        let repository = state.accounts.repository(owner, repository).expect("a repository");
        state.packages.package_mut(owner, package).expect("a package").repository = Some(repository);
    }

    fn blob(&self, owner: &str, package: &str, version: &str, file: &str) -> Option<Arc<Blob>> {
        let state = self.state();
        let owner = state.accounts.named(owner)?.id;
        let (_, version) = state.packages.version(owner, package, version)?;
        version.file(file).map(|file| Arc::clone(&file.blob))
    }

    /// Revokes a token. Later requests with it are rejected.
    ///
    /// # Panics
    /// If there is no token of that name.
    pub fn revoke(&self, token_name: &str) {
        self.state().accounts.revoke(token_name);
    }

    /// Adds an authorized integration, and returns its audience, `u:{user id}:{uuid}`. Only Forgejo 16
    /// accepts its tokens.
    ///
    /// # Panics
    /// If the user does not exist.
    #[must_use]
    pub fn add_integration(&self, integration: Integration) -> String {
        let mut state = self.state();
        let user = state.accounts.named(&integration.user).expect("a user").id;
        state.oidc.add(user, integration)
    }

    /// Removes the authorized integration with an audience. Later requests with its tokens are rejected.
    ///
    /// # Panics
    /// If there is no such integration.
    pub fn remove_integration(&self, audience: &str) {
        assert!(self.state().oidc.remove(audience), "no integration has the audience {audience}");
    }

    /// Starts to issue ID tokens to jobs, or changes the tokens that are issued from now on. Any persona can do that.
    pub fn offer_id_tokens(&self, tokens: IdTokens) {
        self.state().oidc.offer(tokens);
    }

    /// Returns the token with which a job asks for ID tokens: `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    #[must_use]
    pub fn id_token_request_token(&self) -> String {
        self.state().oidc.request_token().to_owned()
    }

    /// Issues an ID token for an audience without a request.
    ///
    /// # Panics
    /// If no ID tokens are offered.
    #[must_use]
    pub fn issue_id_token(&self, audience: &str) -> String {
        self.state().oidc.issue(&self.base, Some(audience)).expect("ID tokens are offered")
    }

    /// Returns all ID tokens that were issued, in order.
    #[must_use]
    pub fn issued_id_tokens(&self) -> Vec<String> {
        self.state().oidc.issued().to_vec()
    }

    /// Renames a user or an organization. Later requests with the old name are redirected.
    ///
    /// # Panics
    /// If no account has the old name.
    pub fn rename_user(&self, from: &str, to: &str) {
        assert!(self.state().accounts.rename(from, to), "nobody is named {from}");
    }
}

impl State {
    /// Returns who an Authorization header belongs to; `None` if there is no header.
    pub(crate) fn sign_in(
        &self,
        persona: Persona,
        authorization: Option<&str>,
        is_api: bool,
    ) -> Result<Option<Caller>, AuthError> {
        let signed_in = self.accounts.sign_in(persona, authorization, is_api);
        match (signed_in, authorization) {
            (Err(refusal), Some(authorization)) if persona.has_integrations() => {
                self.oidc.sign_in(authorization, refusal).map(Some)
            }
            (signed_in, _) => signed_in,
        }
    }

    pub(crate) fn place(&self, owner: &str, package: &str, version: &str, file: &str) -> Option<Place> {
        let owner = self.accounts.named(owner)?.id;
        Some(Place { owner, package: package.to_owned(), version: version.to_owned(), file: file.to_owned() })
    }
}

fn stored(file: &File) -> StoredFile {
    StoredFile { name: file.name.clone(), size: file.blob.size, sha256: file.blob.sha256.clone() }
}
