//! Packs on their way into the storage, and the index over those that arrived.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use super::packer::Pack;
use super::target::Target;
use crate::error::{Error, Result};
use crate::format::blob::BlobKind;
use crate::format::index_file;
use crate::format::pack::Entry;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::storage::{Kind, Object};
use crate::sync::locked;

/// An index file is written at the latest after this many packs,
const PACKS_PER_INDEX: usize = 64;
/// this many blobs (a quarter of restic's own bound: what is encoded and verified of them is in memory),
const BLOBS_PER_INDEX: usize = 12_500;
/// this much time,
const INDEX_EVERY: Duration = Duration::from_secs(30);
/// or so many bytes, and a twenty-fifth of what is stored by then: a run that is killed loses little,
/// and a long one does not write thousands of index files.
const BYTES_PER_INDEX: u64 = 2 * super::packer::PACK_BYTES as u64;
const SHARE_PER_INDEX: u64 = 25;

/// Packs that are durable and not yet in an index file.
pub(super) struct Uploads {
    pending: Mutex<Pending>,
    count: AtomicU64,
    bytes: AtomicU64,
}

struct Pending {
    packs: Vec<(Id, Vec<Entry>)>,
    blobs: usize,
    bytes: u64,
    since: Instant,
}

impl Pending {
    fn new() -> Self {
        Self { packs: Vec::new(), blobs: 0, bytes: 0, since: Instant::now() }
    }

    fn is_due(&self, stored: u64) -> bool {
        self.packs.len() >= PACKS_PER_INDEX
            || self.blobs >= BLOBS_PER_INDEX
            || self.since.elapsed() >= INDEX_EVERY
            || self.bytes >= BYTES_PER_INDEX.max(stored / SHARE_PER_INDEX)
    }
}

impl Uploads {
    pub(super) fn new() -> Self {
        Self { pending: Mutex::new(Pending::new()), count: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// How many packs were stored.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// One uploader thread.
    pub(super) fn work(&self, monitor: &Monitor, target: &Target<'_>, packs: &Mutex<Receiver<Pack>>) {
        loop {
            let Ok(pack) = locked(packs).recv() else {
                return;
            };
            if target.fault.is_set() || monitor.is_cancelled() {
                continue;
            }
            if let Err(e) = self.upload(monitor, target, pack) {
                target.fault.set(e);
            }
        }
    }

    fn upload(&self, monitor: &Monitor, target: &Target<'_>, pack: Pack) -> Result<()> {
        let (id, bytes, entries) = pack
            .builder
            .finish(target.repo.cipher())
            .map_err(|_| Error::Internal("a pack cannot be finished"))?;
        target.lock.settled()?;
        let storage = target.repo.storage();
        // Packs hold blobs of one kind only.
        if entries.first().is_some_and(|entry| entry.kind == BlobKind::Data) {
            storage.put_data(id, &bytes, target.repo.archive().map(|archive| archive.class))?;
        } else {
            storage.put(Object::Named(Kind::Pack, id), &bytes)?;
        }
        let size = bytes.len() as u64;
        target.packer.give_back(bytes);
        drop(pack.permit);
        monitor.add_stored(size);
        self.count.fetch_add(1, Ordering::Relaxed);
        let stored = self.bytes.fetch_add(size, Ordering::Relaxed) + size;
        let mut pending = locked(&self.pending);
        pending.blobs += entries.len();
        pending.bytes += size;
        pending.packs.push((id, entries));
        let due = if pending.is_due(stored) {
            Some(std::mem::replace(&mut *pending, Pending::new()))
        } else {
            None
        };
        drop(pending);
        due.map_or(Ok(()), |due| write(target, &due.packs))
    }

    /// Writes an index file over what is durable and in none.
    pub(super) fn write_index(&self, target: &Target<'_>) -> Result<()> {
        let pending = std::mem::replace(&mut *locked(&self.pending), Pending::new());
        write(target, &pending.packs)
    }
}

fn write(target: &Target<'_>, packs: &[(Id, Vec<Entry>)]) -> Result<()> {
    if packs.is_empty() {
        return Ok(());
    }
    let json = index_file::encode(packs).map_err(|_| Error::Internal("an index file cannot be encoded"))?;
    target.repo.write_unpacked(Kind::Index, &json).map(drop)
}
