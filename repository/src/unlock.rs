//! Looking at locks, and removing those that nobody holds any more.

use jiff::Timestamp;

use crate::error::Result;
use crate::id::Id;
use crate::lock;
use crate::repository::Repository;
use crate::storage::{Kind, Object};

/// A lock as others see it.
#[derive(Clone, Debug)]
pub struct LockInfo {
    /// Its name.
    pub id: Id,
    /// Whether it excludes everybody else.
    pub exclusive: bool,
    /// User, host and process.
    pub holder: String,
    /// When it was refreshed last, by the holder's clock.
    pub refreshed: Timestamp,
    /// Whether it went so long without a refresh that everybody ignores it.
    pub stale: bool,
}

impl Repository {
    /// Every lock that can be read.
    ///
    /// # Errors
    /// When the listing fails, or a lock is damaged and not old enough to be ignored.
    pub fn locks(&self) -> Result<Vec<LockInfo>> {
        lock::all(self)
    }

    /// Removes locks: stale ones, or with `also_live` every one. The second is safe only when their holders
    /// are known to be dead: one that lives notices, and ends without a snapshot. Gives what was removed.
    ///
    /// # Errors
    /// When the listing or a removal fails.
    pub fn unlock(&self, also_live: bool) -> Result<Vec<LockInfo>> {
        let mut removed = Vec::new();
        for info in self.locks()?.into_iter().filter(|info| info.stale || also_live) {
            self.storage().delete(Object::Named(Kind::Lock, info.id))?;
            removed.push(info);
        }
        Ok(removed)
    }
}
