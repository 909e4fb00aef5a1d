//! An alias that is a higher release already: a job of an older one that runs again takes it back, which is what it
//! was told to do, and seldom what is meant.

use semver::Version as Release;

use super::Run;
use super::verify::LAST_LOOK;
use crate::listing::Listing;
use crate::package::Version;
use crate::version::release;

impl Run<'_> {
    /// Warns where an alias, of which that is the list, is the highest release by semantic versioning, or the highest of the
    /// same major version, and the version that it becomes is a lower one. Only what the registry says at once counts:
    /// nothing depends on it.
    pub(super) async fn warn_of_a_step_back(&self, alias: &Version, there: &Listing) {
        let ours = &self.inputs.target.version;
        let Some(own) = release(ours.as_str()).filter(|_| there.version_exists) else { return };
        let Ok(Some(higher)) = tokio::time::timeout(LAST_LOOK, self.higher_release(&own, alias, there)).await else {
            return;
        };
        let (is, verb) = if self.task.dry_run { ("is", "would become") } else { ("was", "becomes") };
        self.caller.reporter.warns(&format!(
            "version {alias} {is} what {higher} is, a higher release, and {verb} what {ours} is; where that is not wanted, \
             run the job of {higher} again"
        ));
    }

    /// The release that an alias is, of those that are higher than ours.
    async fn higher_release(&self, own: &Release, alias: &Version, there: &Listing) -> Option<Version> {
        let (registry, package) = (self.sender.registry, &self.inputs.target.package);
        let rows = registry.newest_versions(package.as_str()).await;
        let of_package = rows.iter().filter(|row| row.is_of(package));
        let versions = of_package.filter_map(|row| Version::parse(&row.version).ok());
        let others = versions.filter(|version| version.folded() != alias.folded());
        let mut higher: Vec<(Release, Version)> =
            others.filter_map(|version| Some((release(version.as_str())?, version))).collect();
        higher.retain(|(release, _)| release > own);
        higher.sort_by(|(one, _), (other, _)| other.cmp(one));
        let of_same_major = higher.iter().position(|(release, _)| release.major == own.major);
        let candidates = [Some(0), of_same_major.filter(|index| *index > 0)];
        for (_, version) in candidates.into_iter().flatten().filter_map(|index| higher.get(index)) {
            let files = registry.of_version(version.clone()).files_at_once().await.ok()?;
            if files.files() == there.files() {
                return Some(version.clone());
            }
        }
        None
    }
}
