//! One repository of a session: what it has, what it still lacks, and whether it can still be written.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::packer::{Pack, Packer};
use super::upload::Uploads;
use super::{Opened, Written};
use crate::error::{Error, Result};
use crate::format::blob::BlobKind;
use crate::format::sealer::Sealer;
use crate::id::Id;
use crate::index::Index;
use crate::lock::LockGuard;
use crate::repository::Repository;
use crate::sync::locked;

/// The first error of something that several threads work on.
#[derive(Default)]
pub(super) struct Fault {
    failed: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl Fault {
    pub(super) fn set(&self, error: Error) {
        locked(&self.error).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }

    pub(super) fn is_set(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(super) fn take(&self) -> Option<Error> {
        locked(&self.error).take()
    }
}

/// A repository that a session writes into.
pub(super) struct Target<'a> {
    pub(super) repo: &'a Repository,
    pub(super) lock: &'a LockGuard,
    pub(super) index: Arc<Index>,
    /// Blobs of this session, claimed by the first worker that meets them.
    claimed: Mutex<HashSet<(BlobKind, Id)>>,
    pub(super) packer: Packer,
    pub(super) uploads: Uploads,
    pub(super) fault: Fault,
    blobs: AtomicU64,
    stored_bytes: AtomicU64,
}

impl<'a> Target<'a> {
    /// With so many bytes for packs, open or on their way.
    pub(super) fn new(opened: Opened<'a>, pack_memory: usize) -> Self {
        Self {
            repo: opened.repo,
            lock: opened.lock,
            index: opened.index,
            claimed: Mutex::default(),
            packer: Packer::new(pack_memory),
            uploads: Uploads::new(),
            fault: Fault::default(),
            blobs: AtomicU64::new(0),
            stored_bytes: AtomicU64::new(0),
        }
    }

    /// Whether it can still be written: it has not failed, and its lock is held.
    pub(super) fn is_alive(&self) -> bool {
        if self.fault.is_set() {
            return false;
        }
        match self.lock.still_held() {
            Ok(()) => true,
            Err(e) => {
                self.fault.set(e);
                false
            }
        }
    }

    /// Whether the caller is to store this blob here, since nobody has it or stores it.
    pub(super) fn claims(&self, kind: BlobKind, id: Id) -> bool {
        !self.fault.is_set() && !self.index.has(kind, id) && locked(&self.claimed).insert((kind, id))
    }

    /// Seals what the sealer has compressed with this repository's key, and puts it into an open pack. Gives
    /// the pack when that made it full.
    pub(super) fn seal(
        &self,
        sealer: &mut Sealer,
        (kind, id): (BlobKind, Id),
        plain: &[u8],
        plain_length: u32,
    ) -> Result<Option<Pack>> {
        let sealed = sealer
            .seal(self.repo.cipher(), plain, plain_length, id)
            .map_err(|e| Error::SelfCheck { blob: id.to_string(), detail: e.to_string() })?;
        self.blobs.fetch_add(1, Ordering::Relaxed);
        self.stored_bytes.fetch_add(sealed.len() as u64, Ordering::Relaxed);
        self.packer.add(kind, id, sealed, plain_length)
    }

    /// Writes the index over packs that are in none, and says what was written or what failed first.
    pub(super) fn end(&self) -> Result<Written> {
        // Without the lock the packs may have been pruned, so nothing may name them.
        let error = if self.is_alive() { None } else { self.fault.take() };
        if let Some(error @ Error::LockLost { .. }) = error {
            return Err(error);
        }
        let indexed = self.uploads.write_index(self);
        error.map_or(Ok(()), Err)?;
        indexed?;
        Ok(Written {
            blobs: self.blobs.load(Ordering::Relaxed),
            stored_bytes: self.stored_bytes.load(Ordering::Relaxed),
            packs: self.uploads.count(),
        })
    }
}
