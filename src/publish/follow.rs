//! Aliases that follow releases: `latest`, `stable`, and numbers such as `v1`. A pre-release never moves them, and a lower
//! release never moves them back. Every other alias always moves.

use super::Job;
use crate::listing::VersionRow;
use crate::package::Version;
use crate::registry::{Registry, RegistryError};
use crate::version::Release;

/// Why an alias is not updated.
pub(super) struct NoUpdate {
    pub(super) why: String,
    /// The release of the package that prevents the update, if there is one.
    pub(super) release: Option<Version>,
}

/// The releases that an alias follows.
enum Followed<'a> {
    All,
    /// Releases that begin with the numbers of the alias.
    Within(Release<'a>),
}

impl<'a> Followed<'a> {
    fn by(alias: &'a Version) -> Option<Self> {
        if [Version::LATEST, "stable"].contains(&alias.folded().as_str()) {
            return Some(Self::All);
        }
        // An alias with `-` or `+`, such as a date, is the name of a snapshot.
        let is_number = !alias.as_str().contains(['-', '+']);
        Release::parse(alias.as_str()).filter(|release| is_number && release.is_without_prefix()).map(Self::Within)
    }

    fn has(&self, release: &Release<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Within(range) => release.is_within(range),
        }
    }
}

/// Returns why an alias is not to be updated; `None` if it is. The list of the package's versions is read only if
/// it decides, and only if it is not known yet.
pub(super) async fn reason_not_to_update(
    registry: &Registry<'_>,
    version: &Version,
    alias: &Version,
    known: &mut Option<Vec<VersionRow>>,
) -> Result<Option<NoUpdate>, RegistryError> {
    let own = Release::parse(version.as_str());
    let Some(followed) = Followed::by(alias) else { return Ok(None) };
    if own.as_ref().is_some_and(Release::is_pre_release) {
        return Ok(Some(NoUpdate { why: format!("{version} is a pre-release"), release: None }));
    }
    if !own.as_ref().map_or(matches!(followed, Followed::All), |own| followed.has(own)) {
        return Ok(Some(NoUpdate { why: format!("{version} is not a release of {alias}"), release: None }));
    }
    let rows = match known {
        Some(rows) => rows,
        None => known.insert(registry.list_versions(&registry.target().package).await?),
    };
    Ok(highest(rows, alias, &followed, own.as_ref()).map(|release| {
        let why = match own {
            Some(_) => format!("the package has the higher release {release}"),
            None => format!("{version} is not a release, and the package has release {release}"),
        };
        NoUpdate { why, release: Some(release) }
    }))
}

/// Announces that an alias is not updated, and why.
pub(super) fn announce_no_update(job: Job<'_>, alias: &Version, no_update: &NoUpdate) {
    let is = if job.task.dry_run { "would not be" } else { "is not" };
    job.context.reporter.notice(&format!("alias {alias} {is} updated: {}", no_update.why));
}

/// Returns the highest release that the alias follows. If `own` is a release, only higher releases count.
fn highest(
    rows: &[VersionRow],
    alias: &Version,
    followed: &Followed<'_>,
    own: Option<&Release<'_>>,
) -> Option<Version> {
    let versions: Vec<Version> = rows.iter().filter_map(|row| Version::parse(&row.version).ok()).collect();
    let others = versions.iter().filter(|version| version.folded() != alias.folded());
    let releases = others.filter_map(|version| Some((version, Release::parse(version.as_str())?)));
    let relevant = releases.filter(|(_, release)| {
        !release.is_pre_release() && followed.has(release) && own.is_none_or(|own| release.is_higher_than(own))
    });
    relevant.max_by(|one, other| one.1.cmp_names(&other.1)).map(|(version, _)| version.clone())
}
