//! Uploads: a single attempt for one file, and a round of many files in parallel.

use std::collections::VecDeque;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::error::PublishError;
use super::execute::{VersionRun, WriteAccess};
use super::tracked::{FailedUpload, Upload};
use crate::checksum::Sha256;
use crate::command::Command;
use crate::plan::Desired;
use crate::registry::{ByteCounter, Registry, RetryRule, wait_for_longest};
use crate::report::{Reporter, with_progress};
use crate::state::{Event, IfMissing, State};

/// The size in bytes above which write access is checked before an upload. If a server rejects a large upload, it
/// closes the connection, and clients lose the response.
const LARGE: u64 = 1024 * 1024;

/// Uploads a file without retries. If the body breaks off without a response, or a proxy responds for the server, the
/// server may have rejected the token. So write access is checked, and a rejection becomes the error. The rejection
/// does not show whether the upload was stored.
pub(super) async fn upload_once(
    registry: &Registry<'_>,
    reporter: &dyn Reporter,
    Upload { desired: Desired { name, size, .. }, content, label, status_after: becomes }: &Upload,
) -> Result<Sha256, FailedUpload> {
    let (begun, sent) = (Instant::now(), ByteCounter::default());
    let file = (Command::Publish, label.as_str(), Some(*size));
    let result = with_progress(reporter, registry, file, &sent, registry.upload(content, name, &sent)).await;
    let error = match result {
        Ok(sha256) => {
            reporter.finish_file(*becomes, label, *size, Some(begun.elapsed()));
            return Ok(sha256);
        }
        Err(error) => registry.wait_for_outage(begun, error).await,
    };
    let moved = sent.last_moved();
    if error.can_hide_rejection()
        && let Err(hidden) = registry.check_write_access_once().await
        && hidden.is_rejection_of_every_file()
    {
        return Err(FailedUpload { error: hidden.for_upload(error), retry: RetryRule::CheckOnly, begun, moved });
    }
    Err(FailedUpload { retry: error.retry_rule(), error, begun, moved })
}

impl VersionRun<'_> {
    /// Uploads each file once, and waits before failed ones are retried.
    pub(super) async fn upload_round(&mut self, mut queue: Vec<usize>, version_exists: bool) {
        queue.sort_by_key(|&index| self.files[index].desired.size);
        let mut queue = VecDeque::from(queue);
        let mut failed = Vec::new();
        if self.upload_first(&mut queue, version_exists, &mut failed).await {
            self.upload_rest(queue, &mut failed).await;
        }
        let Self { registry, files, .. } = self;
        let waits = failed.into_iter().map(|index| {
            let file = &mut files[index];
            let may_retry =
                matches!(file.state, State::Sent { if_missing: Some(IfMissing::Retry | IfMissing::ListAgain), .. });
            let Some(PublishError::Registry(error)) = file.error.as_ref().filter(|_| may_retry) else { return None };
            let wait = registry.spend_retry_on(&mut file.retries, error);
            if wait.is_none() {
                file.apply(Event::Interrupted { if_missing: IfMissing::Fail, may_be_stored: false });
            }
            wait
        });
        wait_for_longest(waits).await;
    }

    /// Uploads files one by one until the version exists and write access is known. Returns `false` if the other files
    /// would fail too. Parallel uploads must not create a version, because Gitea 1.22 and 1.24 on PostgreSQL respond
    /// 500 to some (recorded). The smallest file is first, because it shows errors soonest.
    async fn upload_first(
        &mut self,
        queue: &mut VecDeque<usize>,
        mut version_exists: bool,
        failed: &mut Vec<usize>,
    ) -> bool {
        let sizes: Vec<u64> = self.files.iter().map(|file| file.desired.size).collect();
        let is_large = |index: &usize| sizes[*index] > LARGE;
        while let Some(&next) = queue.front() {
            let asks_first = is_large(&next) || version_exists && queue.iter().any(is_large);
            if asks_first && !self.check_write_access().await {
                return false;
            }
            if version_exists && (!asks_first || self.write_access == WriteAccess::Confirmed) {
                break;
            }
            queue.pop_front();
            let file = &mut self.files[next];
            file.apply(Event::UploadStarted);
            let result = upload_once(&self.registry, self.job.context.reporter, &file.to_upload()).await;
            if result.is_ok() {
                version_exists = true;
                self.write_access = WriteAccess::Confirmed;
            }
            if self.files[next].record_upload(result) {
                failed.push(next);
            }
            if self.files[next].stops_other_files() {
                return false;
            }
        }
        true
    }

    /// Uploads files in parallel, the largest first, so that no large file runs alone at the end. Each result is
    /// recorded immediately, because the run may end at any time.
    async fn upload_rest(&mut self, mut queue: VecDeque<usize>, failed: &mut Vec<usize>) {
        let (registry, reporter) = (&self.registry, self.job.context.reporter);
        let upload = async |index: usize, file: Upload| (index, upload_once(registry, reporter, &file).await);
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.job.inputs.concurrency
                && let Some(index) = queue.pop_back()
            {
                let file = &mut self.files[index];
                file.apply(Event::UploadStarted);
                running.push(upload(index, file.to_upload()));
            }
            let Some((index, result)) = running.next().await else { return };
            if self.files[index].record_upload(result) {
                failed.push(index);
            }
            if self.files[index].stops_other_files() {
                queue.clear();
            }
        }
    }
}
