//! A rolling name that is a higher release already: a job of an older one that runs again takes it back, which is what it
//! was told to do, and seldom what is meant.

use super::Run;
use super::verify::LAST_LOOK;
use crate::listing::Listing;
use crate::package::Version;
use crate::version::{of_package, release};

impl Run<'_> {
    /// Warns where an alias, of which that is the list, is the highest release by semantic versioning, and the version that
    /// it becomes is a lower one. Only what the registry says at once counts: nothing depends on it.
    pub(super) async fn warn_of_a_step_back(&self, alias: &Version, there: &Listing) {
        let (ours, registry) = (&self.inputs.target.version, self.sender.registry);
        let Some(own) = release(ours.as_str()).filter(|_| there.version_exists) else { return };
        let highest = async {
            let rows = registry.newest_versions(self.inputs.target.package.as_str()).await;
            let versions = of_package(&rows, &self.inputs.target.package).into_iter();
            let releases =
                versions.filter_map(|row| Some((release(&row.version)?, Version::parse(&row.version).ok()?)));
            let (_, highest) = releases.filter(|(release, _)| *release > own).max_by(|(a, _), (b, _)| a.cmp(b))?;
            let files = registry.of_version(highest.clone()).files_at_once().await.ok()?;
            Some(highest).filter(|_| files.files() == there.files())
        };
        if let Ok(Some(highest)) = tokio::time::timeout(LAST_LOOK, highest).await {
            let (is, verb) = if self.task.dry_run { ("is", "would become") } else { ("was", "becomes") };
            self.caller.reporter.warns(&format!(
                "version {alias} {is} what {highest} is, a higher release, and {verb} what {ours} is; where that is not \
                 wanted, run the job of {highest} again"
            ));
        }
    }
}
