//! A bound on what is in flight: bytes, or packs.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::sync::locked;

/// So much may be in flight at once.
pub(super) struct Budget {
    limit: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

/// A part of it, given back when dropped.
pub(super) struct Permit {
    budget: Arc<Budget>,
    amount: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: Mutex::new(0), freed: Condvar::new() })
    }

    /// Waits until `amount` fits. What is larger than the whole budget waits until it is alone.
    pub(super) fn take(budget: &Arc<Self>, amount: usize) -> Permit {
        let amount = amount.min(budget.limit);
        let used = locked(&budget.used);
        let mut used = budget
            .freed
            .wait_while(used, |used| *used + amount > budget.limit)
            .unwrap_or_else(PoisonError::into_inner);
        *used += amount;
        drop(used);
        Permit { budget: Arc::clone(budget), amount }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *locked(&self.budget.used) -= self.amount;
        self.budget.freed.notify_all();
    }
}
