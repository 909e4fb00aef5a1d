//! Runs blocking work on its own thread, so that the runtime still receives signals.

use tokio::task::spawn_blocking;

/// Runs long or blocking work on its own thread.
pub(crate) async fn on_own_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.expect("the thread does not panic")
}
