//! What a repository holds, in numbers.

use crate::error::Result;
use crate::repository::Repository;
use crate::storage::{Kind, listing};

/// Numbers over a whole repository, from its index and its listings. No data is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Snapshots.
    pub snapshots: u64,
    /// Packs that the index knows.
    pub packs: u64,
    /// Blobs in them.
    pub blobs: u64,
    /// Bytes of all packs as stored.
    pub stored_bytes: u64,
    /// Bytes of all blobs when opened; each counts once, however many files have it.
    pub plain_bytes: u64,
    /// Packs in no index file: of a backup that runs or was interrupted, or waiting for a prune's grace.
    pub packs_unindexed: u64,
    /// Their bytes.
    pub unindexed_bytes: u64,
    /// Index files.
    pub index_files: u64,
}

impl Repository {
    /// Counts.
    ///
    /// # Errors
    /// When a listing fails or an index file is damaged.
    pub fn stats(&self) -> Result<Stats> {
        let _lock = self.read_lock()?;
        let index = self.index()?;
        let mut stats = Stats {
            snapshots: listing(self.storage(), Kind::Snapshot)?.len() as u64,
            index_files: listing(self.storage(), Kind::Index)?.len() as u64,
            packs: index.packs().len() as u64,
            blobs: index.blob_count() as u64,
            plain_bytes: index.plain_bytes(),
            ..Stats::default()
        };
        for listed in listing(self.storage(), Kind::Pack)? {
            stats.stored_bytes += listed.size;
            if !index.has_pack(listed.id) {
                stats.packs_unindexed += 1;
                stats.unindexed_bytes += listed.size;
            }
        }
        Ok(stats)
    }
}
