//! Open packs. Data and trees never share one, and data is spread at random over two, so that the order
//! of blobs in a pack does not show the order of chunks in a file (restic #5291).

use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::format::blob::{BlobKind, Sealed};
use crate::format::pack::PackBuilder;
use crate::id::Id;
use crate::sync::locked;

/// Blobs are added until a pack has this size; restic's own default.
const PACK_BYTES: usize = 16 * 1024 * 1024;
const OPEN_DATA_PACKS: usize = 2;

/// The packs that are being filled.
pub(super) struct Packer {
    data: [Mutex<Option<PackBuilder>>; OPEN_DATA_PACKS],
    tree: Mutex<Option<PackBuilder>>,
}

impl Packer {
    pub(super) fn new() -> Self {
        Self { data: Default::default(), tree: Mutex::default() }
    }

    /// Adds a blob; gives the pack when that made it full.
    pub(super) fn add(&self, kind: BlobKind, id: Id, blob: &Sealed) -> Result<Option<PackBuilder>> {
        let slot = match kind {
            BlobKind::Tree => &self.tree,
            BlobKind::Data => &self.data[rand::random_range(0..OPEN_DATA_PACKS)],
        };
        let mut slot = locked(slot);
        let pack = slot.get_or_insert_with(|| PackBuilder::with_capacity(PACK_BYTES / 4));
        pack.push(kind, id, blob).map_err(|_| Error::Internal("a pack grew above 4 GiB"))?;
        let is_full = pack.len() >= PACK_BYTES || pack.is_crowded();
        Ok(if is_full { slot.take() } else { None })
    }

    /// What is left in open packs.
    pub(super) fn drain(&self) -> Vec<PackBuilder> {
        let slots = self.data.iter().chain([&self.tree]);
        slots.filter_map(|slot| locked(slot).take()).filter(|pack| !pack.is_empty()).collect()
    }
}
