//! A few costly things for more threads.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::sync::locked;

/// Chunkers or sealers: each takes megabytes, and no more of them work at once than there are cores, while
/// more threads than that wait for files.
pub(super) struct Pool<T> {
    idle: Mutex<Vec<T>>,
    returned: Condvar,
}

impl<T> Pool<T> {
    /// With these, one at least.
    pub(super) fn new(all: Vec<T>) -> Self {
        Self { idle: Mutex::new(all), returned: Condvar::new() }
    }

    /// Waits for one and works with it.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Result<R> {
        let idle = locked(&self.idle);
        let mut idle =
            self.returned.wait_while(idle, |idle| idle.is_empty()).unwrap_or_else(PoisonError::into_inner);
        let mut one = idle.pop().ok_or(Error::Internal("a pool is empty"))?;
        drop(idle);
        let done = work(&mut one);
        locked(&self.idle).push(one);
        self.returned.notify_one();
        Ok(done)
    }
}
