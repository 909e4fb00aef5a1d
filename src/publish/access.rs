//! The check of write access.

use super::execute::{VersionRun, WriteAccess};

impl VersionRun<'_> {
    /// Checks write access, unless it was checked before. Returns whether the run may continue. Only a rejection by the
    /// server itself ends it.
    pub(super) async fn check_write_access(&mut self) -> bool {
        if self.write_access != WriteAccess::NotChecked {
            return true;
        }
        match self.registry.check_write_access().await {
            Ok(()) => self.write_access = WriteAccess::Confirmed,
            Err(error) if error.is_rejection_of_every_file() => {
                self.errors.push(error.into());
                return false;
            }
            Err(error) => {
                self.write_access = WriteAccess::Unknown;
                let owner = self.registry.target().owner.as_str();
                let failure = format!("failed to check write access to packages of {owner}: {}", error.cause);
                if self.job.task.dry_run {
                    self.job.context.reporter.warn(&format!("{failure}. A real run may fail"));
                } else {
                    self.job.context.reporter.debug(&failure);
                }
            }
        }
        true
    }
}
