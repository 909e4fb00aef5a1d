//! One try to upload one file.

use tokio::time::Instant;

use crate::checksum::Sha256;
use crate::command::Command;
use crate::files::{self, FileError};
use crate::listing::Listing;
use crate::plan::{self, NamedFile, Step};
use crate::registry::{Moved, Next, Registry, RegistryError};
use crate::report::{Progress, Reporter, with_progress};

/// A try that had no good end.
#[derive(Debug)]
pub(super) struct Stumble {
    pub(super) error: RegistryError,
    pub(super) next: Next,
    /// When it began.
    pub(super) begun: Instant,
    /// When bytes last moved, where any did.
    pub(super) moved: Option<Instant>,
}

/// Sends files.
#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    pub(super) registry: &'a Registry<'a>,
    pub(super) reporter: &'a dyn Reporter,
}

impl Sender<'_> {
    /// Uploads a file once. Where the body breaks off without an answer, or a proxy answers for the server, the server
    /// may have refused the token at once: then that is asked, and a refusal is what is reported. It does not say what
    /// became of the upload.
    pub(super) async fn upload(self, file: &NamedFile) -> Result<Sha256, Stumble> {
        let begun = Instant::now();
        let sent = Moved::default();
        let progress = |took| {
            let (moved, size) = (sent.bytes(), Some(file.local.size));
            let progress = Progress { command: Command::Publish, name: &file.name, moved, size, took };
            (!self.registry.is_waiting()).then_some(progress)
        };
        let upload = self.registry.upload(&file.local, &file.name, &sent);
        let result = with_progress(self.reporter, progress, upload).await;
        self.reporter.transfer_ends(&file.name);
        let error = match result {
            Ok(sha256) => {
                self.reporter.file_sent(&file.name, file.local.size, begun.elapsed());
                return Ok(sha256);
            }
            Err(error) => self.registry.outlast(begun, error).await,
        };
        let moved = sent.last_moved();
        if error.may_hide_a_refusal()
            && let Err(hidden) = self.registry.check_write_access_once().await
            && hidden.is_a_refusal_of_every_file()
        {
            return Err(Stumble { error: hidden.about(error), next: Next::LookOnly, begun, moved });
        }
        Err(Stumble { next: error.next(), error, begun, moved })
    }

    /// What to do with a file, given what is there. Its hash is read where it is needed and not known.
    pub(super) async fn step(
        self,
        file: &NamedFile,
        known: Option<Sha256>,
        listing: &Listing,
    ) -> Result<Step, FileError> {
        let sha256 = match known {
            None if plan::needs_hash(file, listing) => Some(files::hash(&file.local, self.registry.silence()).await?),
            known => known,
        };
        Ok(plan::step(file, listing, sha256))
    }
}
