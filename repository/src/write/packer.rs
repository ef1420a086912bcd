//! Open packs. Data and trees never share one, and data is spread at random over two, so that the order
//! of blobs in a pack does not show the order of chunks in a file (restic #5291).

use std::sync::{Arc, Mutex};

use super::budget::{Budget, Permit};
use crate::chunker::MAX_BYTES;
use crate::error::{Error, Result};
use crate::format::blob::BlobKind;
use crate::format::pack::PackBuilder;
use crate::id::Id;
use crate::sync::locked;

/// Blobs are added until a pack has this size. restic takes 4 to 128 MiB; more packs fit into memory this way.
pub(super) const PACK_BYTES: usize = 8 * 1024 * 1024;
/// Where memory is short, packs are smaller, but not below this.
const MIN_PACK_BYTES: usize = 2 * 1024 * 1024;
const OPEN_DATA_PACKS: usize = 2;
/// Packs that are open at once: of data, and one of trees.
const OPEN_PACKS: usize = OPEN_DATA_PACKS + 1;
/// Packs that are to fit into memory at least: the open ones, and two on their way.
const FEWEST_PACKS: usize = OPEN_PACKS + 2;
/// What a pack may grow above its size: by its last blob, and its header. Memory is taken only as it is filled.
const SLACK_BYTES: usize = MAX_BYTES + MAX_BYTES / 8;
/// Threads that upload, at most; memory for their packs decides.
const MAX_UPLOADERS: usize = 8;

/// A pack and the right to the memory that it takes.
pub(super) struct Pack {
    pub(super) builder: PackBuilder,
    pub(super) permit: Permit,
}

/// The packs that are being filled.
pub(super) struct Packer {
    data: [Mutex<Option<Pack>>; OPEN_DATA_PACKS],
    tree: Mutex<Option<Pack>>,
    spare: Mutex<Vec<Vec<u8>>>,
    budget: Arc<Budget>,
    pack_bytes: usize,
    uploaders: usize,
}

impl Packer {
    /// With so many bytes for packs, open or on their way.
    pub(super) fn new(memory: usize) -> Self {
        let pack_bytes = (memory / FEWEST_PACKS).clamp(MIN_PACK_BYTES, PACK_BYTES);
        let packs = (memory / pack_bytes).max(FEWEST_PACKS);
        Self {
            data: Default::default(),
            tree: Mutex::default(),
            spare: Mutex::default(),
            budget: Budget::new(packs),
            pack_bytes,
            uploaders: (packs - OPEN_PACKS).min(MAX_UPLOADERS),
        }
    }

    /// How many threads are to upload.
    pub(super) fn uploaders(&self) -> usize {
        self.uploaders
    }

    /// Adds a sealed blob; gives the pack when that made it full.
    pub(super) fn add(
        &self,
        kind: BlobKind,
        id: Id,
        sealed: &[u8],
        plain_length: u32,
    ) -> Result<Option<Pack>> {
        let slot = match kind {
            BlobKind::Tree => &self.tree,
            BlobKind::Data => &self.data[rand::random_range(0..OPEN_DATA_PACKS)],
        };
        let mut slot = locked(slot);
        let pack = slot.get_or_insert_with(|| self.open());
        pack.builder
            .push(kind, id, sealed, plain_length)
            .map_err(|_| Error::Internal("a pack grew above 4 GiB"))?;
        let is_full = pack.builder.len() >= self.pack_bytes || pack.builder.is_crowded();
        Ok(if is_full { slot.take() } else { None })
    }

    /// What is left in open packs.
    pub(super) fn drain(&self) -> Vec<Pack> {
        let slots = self.data.iter().chain([&self.tree]);
        slots.filter_map(|slot| locked(slot).take()).filter(|pack| !pack.builder.is_empty()).collect()
    }

    /// Takes back the buffer of a pack that is stored.
    pub(super) fn give_back(&self, buffer: Vec<u8>) {
        // One that grew far for a huge tree is not kept. There are never more than permits.
        if buffer.capacity() < 2 * (self.pack_bytes + SLACK_BYTES) {
            locked(&self.spare).push(buffer);
        }
    }

    /// Waits until another pack fits into memory. The system gives it only as it is filled.
    fn open(&self) -> Pack {
        let permit = Budget::take(&self.budget, 1);
        let spare = locked(&self.spare).pop();
        let buffer = spare.unwrap_or_else(|| Vec::with_capacity(self.pack_bytes + SLACK_BYTES));
        Pack { builder: PackBuilder::within(buffer), permit }
    }
}
