//! Progress bars on a terminal, one per running transfer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Progress;

/// The progress bars of the running transfers.
pub(super) struct Live {
    all: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl Live {
    /// The interval between two updates of a bar.
    pub(super) const INTERVAL: Duration = Duration::from_millis(100);

    /// Creates an empty set of bars on a terminal.
    pub(super) fn new(all: MultiProgress) -> Self {
        Self { all, bars: Mutex::default() }
    }

    /// Updates the bar of a transfer, and creates it if it is missing.
    pub(super) fn update(&self, progress: &Progress<'_>) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(progress.name.to_owned()).or_insert_with(|| {
            let style = ProgressStyle::with_template(
                "  {bar:30} {percent:>3} %  {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {eta}  {msg}",
            );
            let bar = self.all.add(ProgressBar::new(progress.size.unwrap_or_default()));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(progress.name.to_owned());
            bar
        });
        bar.set_position(progress.moved);
    }

    /// Removes the bar of a transfer.
    pub(super) fn remove(&self, name: &str) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = bars.remove(name) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    /// Hides the bars while `write` runs, so that its text is above them.
    pub(super) fn write_above<T>(&self, write: impl FnOnce() -> T) -> T {
        self.all.suspend(write)
    }
}
