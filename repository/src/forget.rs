//! Forgetting snapshots. Their data stays until a prune.

use crate::error::Result;
use crate::id::Id;
use crate::repository::Repository;
use crate::storage::{Kind, Object};

impl Repository {
    /// Removes these snapshots, and nothing else. One that is gone already is fine.
    ///
    /// # Errors
    /// When the lock or a removal fails; those before it are removed.
    pub fn forget(&self, snapshots: &[Id]) -> Result<()> {
        // Shared is enough: no data goes, only names of it. It keeps a prune from running meanwhile.
        let _lock = crate::lock::LockGuard::acquire(self, crate::lock::Mode::Shared)?;
        for id in snapshots {
            self.storage().delete(Object::Named(Kind::Snapshot, *id))?;
        }
        Ok(())
    }
}
