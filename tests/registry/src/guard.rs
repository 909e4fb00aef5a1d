//! Locks that ignore poisoning, so that a failed assertion in a hook is not hidden by later panics.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) trait Guard<T> {
    fn lock_unpoisoned(&self) -> MutexGuard<'_, T>;
}

impl<T> Guard<T> for Mutex<T> {
    fn lock_unpoisoned(&self) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
