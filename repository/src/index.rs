//! Where each blob lies, in memory: all index files of a repository together.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::error::{Error, Result};
use crate::format::blob::BlobKind;
use crate::format::pack::Entry;
use crate::format::{index_file, pack};
use crate::id::Id;
use crate::parallel;
use crate::repository::Repository;
use crate::storage::{Kind, Listed, Object};
use crate::sync::locked;

/// restic writes at most 8 MiB or 50,000 blobs; others write more.
const MAX_INDEX_BYTES: u64 = 256 * 1024 * 1024;
const MAX_INDEX_JSON_BYTES: usize = 1024 * 1024 * 1024;

/// Where one blob lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) pack: u32,
    pub(crate) offset: u32,
    pub(crate) length: u32,
    pub(crate) plain_length: u32,
}

impl Place {
    /// How many bytes the blob has when opened.
    pub(crate) fn plain_bytes(&self, kind: BlobKind, id: Id) -> u64 {
        Entry { kind, id, offset: self.offset, length: self.length, plain_length: self.plain_length }
            .plain_bytes()
    }
}

/// One pack, as the index knows it.
#[derive(Clone, Debug)]
pub(crate) struct PackInfo {
    pub(crate) id: Id,
    /// How long it must be.
    pub(crate) size: u64,
    /// All its blobs; kept only when asked for, since only a check needs them.
    pub(crate) entries: Vec<Entry>,
}

/// All blobs of a repository.
#[derive(Default)]
pub(crate) struct Index {
    blobs: HashMap<(BlobKind, Id), Place>,
    packs: Vec<PackInfo>,
    by_id: HashMap<Id, u32>,
}

impl Index {
    /// Adds the blobs of one pack.
    pub(crate) fn add(&mut self, pack_id: Id, entries: Vec<Entry>, keep_entries: bool) {
        // The same pack may be listed by two index files while one replaces the other.
        if self.by_id.contains_key(&pack_id) {
            return;
        }
        let Ok(number) = u32::try_from(self.packs.len()) else {
            return;
        };
        self.by_id.insert(pack_id, number);
        for e in &entries {
            let place =
                Place { pack: number, offset: e.offset, length: e.length, plain_length: e.plain_length };
            self.blobs.entry((e.kind, e.id)).or_insert(place);
        }
        let size = pack::size_of(&entries);
        self.packs.push(PackInfo {
            id: pack_id,
            size,
            entries: if keep_entries { entries } else { Vec::new() },
        });
    }

    pub(crate) fn find(&self, kind: BlobKind, id: Id) -> Option<Place> {
        self.blobs.get(&(kind, id)).copied()
    }

    pub(crate) fn has(&self, kind: BlobKind, id: Id) -> bool {
        self.blobs.contains_key(&(kind, id))
    }

    pub(crate) fn pack(&self, place: Place) -> Result<Id> {
        self.packs
            .get(place.pack as usize)
            .map(|p| p.id)
            .ok_or(Error::Internal("a blob in a pack without number"))
    }

    pub(crate) fn packs(&self) -> &[PackInfo] {
        &self.packs
    }

    pub(crate) fn has_pack(&self, id: Id) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Bytes of all blobs when opened.
    pub(crate) fn plain_bytes(&self) -> u64 {
        self.blobs.iter().map(|((kind, id), place)| place.plain_bytes(*kind, *id)).sum()
    }

    pub(crate) fn blob_count(&self) -> usize {
        self.blobs.len()
    }
}

/// The packs that one index file lists.
pub(crate) fn read_file(repo: &Repository, id: Id, size: u64) -> Result<Vec<(Id, Vec<Entry>)>> {
    let object = Object::Named(Kind::Index, id);
    let json = repo.read_unpacked(Kind::Index, id, size, MAX_INDEX_BYTES, MAX_INDEX_JSON_BYTES)?;
    index_file::decode(&json).map_err(|e| Error::damaged(object.to_string(), e.to_string()))
}

/// The packs that one index file marks for removal.
pub(crate) fn read_marks(repo: &Repository, id: Id, size: u64) -> Result<Vec<Id>> {
    let object = Object::Named(Kind::Index, id);
    let json = repo.read_unpacked(Kind::Index, id, size, MAX_INDEX_BYTES, MAX_INDEX_JSON_BYTES)?;
    index_file::decode_marks(&json).map_err(|e| Error::damaged(object.to_string(), e.to_string()))
}

/// Reads these index files. The first one that is damaged is an error: a blob taken for missing would be
/// stored twice at best, and a file given up at worst.
pub(crate) fn load(repo: &Repository, files: &[Listed]) -> Result<Index> {
    gather(repo, files, false, |_, error| Err(error))
}

/// The same for who has something to do about a file that cannot be read: `failed` says whether to go on.
pub(crate) fn gather(
    repo: &Repository,
    files: &[Listed],
    keep_entries: bool,
    failed: impl Fn(Id, Error) -> Result<()> + Sync,
) -> Result<Index> {
    let index = Mutex::new(Index::default());
    parallel::each(repo.readers(), files, |file| {
        let packs = match read_file(repo, file.id, file.size) {
            Ok(packs) => packs,
            Err(error) => return failed(file.id, error),
        };
        for (pack, entries) in packs {
            locked(&index).add(pack, entries, keep_entries);
        }
        Ok(())
    })?;
    Ok(std::mem::take(&mut *locked(&index)))
}
