//! Rebuilding a lost or damaged index from the headers of packs.
//!
//! The new index files are durable before the old ones go; in between every blob is listed twice, which
//! harms nobody. The lock is exclusive: a backup that runs meanwhile may rest on an index file that goes.

use crate::error::{Error, Result};
use crate::format::index_file;
use crate::format::pack::{self, Entry};
use crate::id::Id;
use crate::lock::{LockGuard, Mode};
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::storage::{Kind, Object, listing};

/// Blobs of one index file, as restic writes them.
const BLOBS_PER_FILE: usize = 50_000;

/// What a rebuild did.
#[derive(Clone, Debug, Default)]
pub struct RebuildSummary {
    /// Packs in the new index.
    pub packs: u64,
    /// Blobs in it.
    pub blobs: u64,
    /// Packs whose header cannot be read, and why. They are in no index now.
    pub damaged: Vec<String>,
    /// Old index files that were removed.
    pub removed: u64,
}

impl Repository {
    /// Writes a new index from the headers of all packs, and removes the old one.
    ///
    /// # Errors
    /// When the repository is locked, the storage fails, or it was cancelled. The old index is untouched then.
    pub fn rebuild_index(&self, monitor: &Monitor) -> Result<RebuildSummary> {
        let lock = LockGuard::acquire(self, Mode::Exclusive)?;
        self.may_remove()?;
        let old = listing(self.storage(), Kind::Index)?;
        let mut summary = RebuildSummary::default();
        let mut packs: Vec<(Id, Vec<Entry>)> = Vec::new();
        let (mut gathered, mut new) = (0, Vec::new());
        for listed in listing(self.storage(), Kind::Pack)? {
            monitor.proceed()?;
            lock.still_held()?;
            let entries = match self.read_header(listed.id, listed.size) {
                Ok(entries) => entries,
                Err(Error::Damaged { object, detail }) => {
                    summary.damaged.push(format!("{object}: {detail}"));
                    continue;
                }
                Err(e) => return Err(e),
            };
            summary.packs += 1;
            summary.blobs += entries.len() as u64;
            gathered += entries.len();
            packs.push((listed.id, entries));
            if gathered >= BLOBS_PER_FILE {
                new.push(self.write_index_file(&std::mem::take(&mut packs))?);
                gathered = 0;
            }
        }
        if !packs.is_empty() {
            new.push(self.write_index_file(&packs)?);
        }
        lock.confirm()?;
        for listed in old.iter().filter(|listed| !new.contains(&listed.id)) {
            self.remove(Object::Named(Kind::Index, listed.id))?;
            summary.removed += 1;
        }
        Ok(summary)
    }

    pub(crate) fn write_index_file(&self, packs: &[(Id, Vec<Entry>)]) -> Result<Id> {
        let json =
            index_file::encode(packs).map_err(|_| Error::Internal("an index file cannot be encoded"))?;
        self.write_unpacked(Kind::Index, &json)
    }

    /// The blobs that a pack says it has; of an older version when what is there is bad.
    pub(crate) fn read_header(&self, id: Id, size: u64) -> Result<Vec<Entry>> {
        match self.read_header_of(id, size) {
            Err(Error::Damaged { .. }) if self.recovers_pack(id)? => {
                let size = self.storage().stat(Object::Named(Kind::Pack, id))?.unwrap_or(size);
                self.read_header_of(id, size)
            }
            other => other,
        }
    }

    fn read_header_of(&self, id: Id, size: u64) -> Result<Vec<Entry>> {
        let damaged = |detail: String| Error::damaged(Object::Named(Kind::Pack, id).to_string(), detail);
        let at = size.checked_sub(4).ok_or_else(|| damaged("it is shorter than a pack can be".to_owned()))?;
        let last = self.read_pack(id, at, 4)?;
        let last = last.first_chunk::<4>().ok_or(Error::Internal("a short read"))?;
        let length = pack::header_length(*last, size).map_err(|e| damaged(e.to_string()))?;
        let sealed = self.read_pack(id, at - length as u64, length)?;
        pack::decode_header(self.cipher(), &sealed, size).map_err(|e| damaged(e.to_string()))
    }
}
