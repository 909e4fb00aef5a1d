//! Links the package to a repository, once all files are verified. A failure is only a warning with a hint.

use tokio::time::Instant;

use super::Run;
use crate::hint::Explain as _;
use crate::package::RepositoryName;
use crate::registry::{Operation, RegistryError, RetryRule, VersionDetails};
use crate::sanitize::Sanitized;

/// The link of the package.
pub(super) enum Linked {
    /// No repository, or one that the token's user cannot see.
    Missing,
    /// The requested repository.
    Requested,
    /// Another repository.
    OtherRepository,
}

impl Run<'_> {
    /// Links the package, unless it is already linked. The registry rejects a second link, so the link is read before
    /// each retry (recorded on Gitea 1.24 and 1.26, Forgejo 11 and 15). Returns the details of the version, if they
    /// could be read.
    pub(super) async fn link(&self, repository: &RepositoryName) -> Option<VersionDetails> {
        let (registry, reporter) = (&self.version.registry, self.job.context.reporter);
        let mut retries = registry.retries();
        let mut given_up = None;
        loop {
            let begun = Instant::now();
            let about = match registry.read_version_details().await {
                Ok(about) => about,
                Err(error) => {
                    self.warn_of(repository, &error);
                    return None;
                }
            };
            match (self.compare_link(repository, &about), given_up.take()) {
                (Linked::Requested, _) => {
                    reporter.announce(&format!("Already linked to repository {}", self.with_owner(repository)));
                }
                (Linked::OtherRepository, _) => {}
                (Linked::Missing, Some(error)) => self.warn_of(repository, &error),
                (Linked::Missing, None) => match registry.link(repository).await {
                    Ok(()) => reporter.announce(&format!("Linked to repository {}", self.with_owner(repository))),
                    Err(error) if error.retry_rule() == RetryRule::Never => {
                        self.warn_of(repository, &error.with_attempts(retries.attempts()));
                    }
                    Err(error) => {
                        retries.note_failure(&error, begun, None);
                        if error.retry_rule() == RetryRule::CheckOnly
                            || !registry.wait_before_retry(&mut retries, &error).await
                        {
                            // The package may be linked anyway.
                            given_up = Some(error.with_attempts(retries.attempts()));
                        }
                        continue;
                    }
                },
            }
            return Some(about);
        }
    }

    /// Compares the package's link with a repository. Warns if it is linked to another one.
    pub(super) fn compare_link(&self, repository: &RepositoryName, about: &VersionDetails) -> Linked {
        match about.linked_to() {
            None => Linked::Missing,
            Some(linked) if linked.eq_ignore_ascii_case(&self.with_owner(repository)) => Linked::Requested,
            Some(linked) => {
                let (linked, wanted) = (Sanitized::new(linked), self.with_owner(repository));
                self.job.context.reporter.warn(&format!(
                    "the package is already linked to repository {linked}; the link is kept. To link it to {wanted}, unlink \
                     it first: {}/settings",
                    self.job.inputs.target.page_url()
                ));
                Linked::OtherRepository
            }
        }
    }

    /// Warns that the package is not linked, with the reason and a hint.
    pub(super) fn warn_of(&self, repository: &RepositoryName, error: &RegistryError) {
        let hint = error.hint().unwrap_or_default();
        let what = match error.operation {
            Operation::Link(_) => error.to_string(),
            _ => format!("failed to link the package to repository {repository}: {error}"),
        };
        self.job.context.reporter.warn(&format!("{what} ({}). {hint}", error.cause));
    }

    /// Returns a repository with its owner.
    pub(super) fn with_owner(&self, repository: &RepositoryName) -> String {
        format!("{}/{repository}", self.job.inputs.target.owner)
    }
}
