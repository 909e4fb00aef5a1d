//! Records events on a registry through its hooks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_registry::{self as registry, Action};

/// The entries that are recorded during a run.
pub(crate) struct Journal<E>(Arc<Mutex<E>>);

impl<E> Clone for Journal<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: Send + 'static> Journal<E> {
    pub(crate) fn new(entries: E) -> Self {
        Self(Arc::new(Mutex::new(entries)))
    }

    pub(crate) fn entries(&self) -> MutexGuard<'_, E> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a hook that writes entries during a request.
    pub(crate) fn hook(&self, writes: impl Fn(&mut E, &registry::World) + Send + Sync + 'static) -> Action {
        let journal = self.clone();
        Action::then(move |now| writes(&mut journal.entries(), now))
    }
}
