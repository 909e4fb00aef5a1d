//! The recorded servers and their differences.
//!
//! Each function is a difference that the recordings show, and names the recorded case. Behavior that all servers
//! share is implemented where the response is created. Forgejo 16 has no recording: it is Forgejo 15 with the differences
//! that were seen on 17-dev.

use percent_encoding::utf8_percent_encode;

use crate::names::PATH_SEGMENT;

/// One of the servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Persona {
    /// Gitea 1.22.6 on SQLite.
    Gitea1_22,
    /// Gitea 1.22.6 on PostgreSQL.
    Gitea1_22Postgres,
    /// Gitea 1.24.7 on SQLite.
    Gitea1_24,
    /// Gitea 1.24.7 on PostgreSQL.
    Gitea1_24Postgres,
    /// Gitea 1.26.3 on SQLite.
    #[default]
    Gitea1_26,
    /// Gitea 1.26.3 on PostgreSQL.
    Gitea1_26Postgres,
    /// Forgejo 7.0.16 on SQLite.
    Forgejo7,
    /// Forgejo 11.0.15 on SQLite.
    Forgejo11,
    /// Forgejo 15.0.3 on SQLite.
    Forgejo15,
    /// Forgejo 16, which has no recording. It accepts ID tokens of authorized integrations.
    Forgejo16,
}

use Persona::{
    Forgejo7, Forgejo11, Forgejo15, Forgejo16, Gitea1_22, Gitea1_22Postgres, Gitea1_24, Gitea1_24Postgres, Gitea1_26,
    Gitea1_26Postgres,
};

impl Persona {
    /// Returns all personas that have a recording, oldest Gitea first: all except Forgejo 16.
    #[must_use]
    pub fn all() -> [Self; 9] {
        [
            Gitea1_22,
            Gitea1_22Postgres,
            Gitea1_24,
            Gitea1_24Postgres,
            Gitea1_26,
            Gitea1_26Postgres,
            Forgejo7,
            Forgejo11,
            Forgejo15,
        ]
    }

    /// Returns its name, for example `gitea-1.26.3-postgres`. Its recording has the same name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Gitea1_22 => "gitea-1.22.6",
            Gitea1_22Postgres => "gitea-1.22.6-postgres",
            Gitea1_24 => "gitea-1.24.7",
            Gitea1_24Postgres => "gitea-1.24.7-postgres",
            Gitea1_26 => "gitea-1.26.3",
            Gitea1_26Postgres => "gitea-1.26.3-postgres",
            Forgejo7 => "forgejo-7.0.16",
            Forgejo11 => "forgejo-11.0.15",
            Forgejo15 => "forgejo-15.0.3",
            Forgejo16 => "forgejo-16",
        }
    }

    /// Returns the persona with a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().into_iter().chain([Forgejo16]).find(|persona| persona.name() == name)
    }

    fn is_gitea_1_26(self) -> bool {
        matches!(self, Gitea1_26 | Gitea1_26Postgres)
    }

    fn is_gitea_1_24_or_later(self) -> bool {
        matches!(self, Gitea1_24 | Gitea1_24Postgres) || self.is_gitea_1_26()
    }

    fn is_forgejo_15_or_later(self) -> bool {
        matches!(self, Forgejo15 | Forgejo16)
    }

    /// Whether users can have authorized integrations, whose ID tokens act for them (seen on 17-dev).
    pub(crate) fn has_integrations(self) -> bool {
        self == Forgejo16
    }

    /// Returns the body of a 401 for wrong credentials under `/api/packages` (`auth-basic-bad-token`).
    pub(crate) fn bad_credentials(self) -> &'static str {
        if self.is_gitea_1_26() { "Failed to authenticate user\n" } else { "authGroup.Verify\n" }
    }

    /// Returns the body of a 500 (`put-content-type-application-x-www-form-urlencoded`).
    pub(crate) fn internal_error(self) -> &'static str {
        if self.is_gitea_1_26() { "internal server error" } else { "" }
    }

    /// Whether lists of files have the length as `Size` instead of `size` (`api-files`).
    pub(crate) fn writes_size_upper_case(self) -> bool {
        !self.is_gitea_1_24_or_later()
    }

    /// Returns the error of `/api/v1` for an unknown version (`api-version-unknown`).
    pub(crate) fn unknown_version(self) -> &'static str {
        if self.is_gitea_1_24_or_later() {
            "GetVersionByNameAndVersion: package does not exist"
        } else {
            "package does not exist"
        }
    }

    /// Returns the error of linking an unknown package (`link-unknown-package`).
    pub(crate) fn unknown_package(self) -> &'static str {
        if self.is_gitea_1_26() { "GetPackageByName: package does not exist" } else { "package does not exist" }
    }

    /// Returns the error of `/api/v1` for a token without the scope (`api-files-alice_none`).
    pub(crate) fn missing_scope(self, required: &str, scope: &str) -> String {
        let sentence = "token does not have at least one of required scope(s)";
        if self.is_gitea_1_24_or_later() {
            format!("{sentence}, required=[{required}], token scope={scope}")
        } else {
            format!("{sentence}: [{required}]")
        }
    }

    /// Returns the Content-Disposition of a download (`get`).
    pub(crate) fn content_disposition(self, file: &str) -> String {
        if self.is_gitea_1_26() {
            // Go's mime.FormatMediaType quotes only names that are not tokens.
            let is_token = file.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte));
            if is_token { format!("attachment; filename={file}") } else { format!("attachment; filename=\"{file}\"") }
        } else {
            format!("attachment; filename=\"{file}\"; filename*=UTF-8''{}", utf8_percent_encode(file, PATH_SEGMENT))
        }
    }

    /// Returns the Cache-Control of a download (`get`).
    pub(crate) fn download_cache_control(self) -> &'static str {
        if self.is_gitea_1_24_or_later() { NO_STORE } else { "private, max-age=300" }
    }

    /// Whether a 416 keeps Cache-Control and Last-Modified; the Go that built 1.22.6 did not yet drop them
    /// (`get-range-beyond`).
    pub(crate) fn range_error_keeps_headers(self) -> bool {
        matches!(self, Gitea1_22 | Gitea1_22Postgres)
    }

    /// Whether the API can link packages to repositories (`link`).
    #[must_use]
    pub fn has_links(self) -> bool {
        self.is_gitea_1_24_or_later() || self == Forgejo11 || self.is_forgejo_15_or_later()
    }

    /// Whether a public-only token has no access to private owners. Forgejo 7 stores its uploads
    /// (`owner-private-publiconly`).
    pub(crate) fn enforces_public_only(self) -> bool {
        self != Forgejo7
    }

    /// Whether `/api/v1` shows public packages without a token (`api-files-anonymous`).
    pub(crate) fn api_is_public(self) -> bool {
        self.is_forgejo_15_or_later()
    }

    /// Whether a 401 of `/api/v1` repeats an unknown token (seen on Forgejo 15, not in its recording).
    pub(crate) fn echoes_tokens(self) -> bool {
        self.is_forgejo_15_or_later()
    }

    /// Whether a 401 of `/api/v1` hides which part of the credentials was wrong (`api-files-bad-token`).
    pub(crate) fn hides_auth_error(self) -> bool {
        self.is_gitea_1_26()
    }

    /// Whether versions of the same second are sorted newest first; otherwise oldest first (`api-list`).
    pub(crate) fn ties_newest_first(self) -> bool {
        self.is_gitea_1_24_or_later() || self.is_forgejo_15_or_later()
    }

    /// Whether lists of files are sorted by name; otherwise by upload (`files-list-of-names`).
    pub(crate) fn files_by_name(self) -> bool {
        self.is_gitea_1_26()
    }

    /// Whether a first upload fails if another one creates the version at the same time (`burst-new`).
    pub(crate) fn first_uploads_race(self) -> bool {
        matches!(self, Gitea1_22Postgres | Gitea1_24Postgres)
    }

    /// Returns the maximum number of characters of a name in the database (`name:a*256`). SQLite has no limit.
    pub(crate) fn column_limit(self) -> Option<usize> {
        matches!(self, Gitea1_22Postgres | Gitea1_24Postgres | Gitea1_26Postgres).then_some(255)
    }
}

/// The Cache-Control of `/api/v1`, the same on all servers.
pub(crate) const NO_STORE: &str = "max-age=0, private, must-revalidate, no-transform";
