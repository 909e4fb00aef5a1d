//! Work that would keep the runtime from hearing signals.

use tokio::task::spawn_blocking;

/// Runs work that takes long or waits for the disk on a thread of its own.
pub(crate) async fn on_own_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.expect("the thread does not panic")
}
