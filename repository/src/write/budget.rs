//! A bound on bytes in flight.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::sync::locked;

/// So many bytes may be in flight at once.
pub(super) struct Budget {
    limit: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

/// Bytes in flight, given back when dropped.
pub(super) struct Permit {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: Mutex::new(0), freed: Condvar::new() })
    }

    /// Waits until `bytes` fit. What is larger than the whole budget waits until it is alone.
    pub(super) fn take(budget: &Arc<Self>, bytes: usize) -> Permit {
        let bytes = bytes.min(budget.limit);
        let used = locked(&budget.used);
        let mut used = budget
            .freed
            .wait_while(used, |used| *used + bytes > budget.limit)
            .unwrap_or_else(PoisonError::into_inner);
        *used += bytes;
        drop(used);
        Permit { budget: Arc::clone(budget), bytes }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *locked(&self.budget.used) -= self.bytes;
        self.budget.freed.notify_all();
    }
}
