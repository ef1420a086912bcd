//! Packs: that they are there, as long as they should be, and with `read_data` what they should be.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{Findings, Subset};
use crate::error::{Class, Error, Result};
use crate::format::blob::BlobKind;
use crate::format::opener::Opener;
use crate::format::pack::{self, Entry};
use crate::id::Id;
use crate::index::{Index, PackInfo, Place};
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::storage::{Kind, Object, listing};
use crate::sync::locked;

/// One read of a pack.
const MAX_READ_BYTES: u32 = 4 * 1024 * 1024;

/// Compares the index with what is stored; counts packs in no index file.
pub(super) fn compare(repo: &Repository, index: &Index, findings: &mut Findings) -> Result<u64> {
    let mut stored: HashMap<Id, u64> =
        listing(repo.storage(), Kind::Pack)?.iter().map(|listed| (listed.id, listed.size)).collect();
    for pack in index.packs() {
        let detail = match stored.remove(&pack.id) {
            None => "it is missing".to_owned(),
            Some(size) if size != pack.size && !repo.recovers_pack(pack.id)? => {
                format!("it has {size} bytes instead of {}", pack.size)
            }
            Some(_) => continue,
        };
        blame(pack, pack.entries.iter().map(|e| (e.kind, e.id)), detail, findings);
    }
    Ok(stored.len() as u64)
}

fn blame(
    pack: &PackInfo,
    blobs: impl Iterator<Item = (BlobKind, Id)>,
    detail: String,
    findings: &mut Findings,
) {
    let object = Object::Named(Kind::Pack, pack.id).to_string();
    findings.add(&object, detail);
    for blob in blobs {
        findings.bad_blobs.entry(blob).or_insert_with(|| object.clone());
    }
}

/// What is wrong with one pack: the first detail, and the blobs that cannot be read.
struct Bad {
    detail: String,
    blobs: Vec<(BlobKind, Id)>,
}

impl Bad {
    fn add(&mut self, detail: String, blob: Option<(BlobKind, Id)>) {
        if self.detail.is_empty() {
            self.detail = detail;
        }
        self.blobs.extend(blob);
    }
}

/// Reads every pack, or one part of them, and gives how many packs and bytes that were.
pub(super) fn read_all(
    repo: &Repository,
    index: &Index,
    subset: Option<Subset>,
    monitor: &Monitor,
    findings: &mut Findings,
) -> Result<(u64, u64)> {
    let packs: Vec<&PackInfo> =
        index.packs().iter().filter(|pack| subset.is_none_or(|subset| subset.has(pack.id))).collect();
    let (next, bytes_read) = (AtomicUsize::new(0), AtomicU64::new(0));
    let (bad, error) = (Mutex::new(Vec::new()), Mutex::new(None::<Error>));
    std::thread::scope(|scope| {
        for _ in 0..repo.readers() {
            scope.spawn(|| {
                let Ok(opener) = Opener::new() else {
                    locked(&error).get_or_insert(Error::Internal("zstd does not start"));
                    return;
                };
                let mut hand = Hand { repo, opener, buffer: Vec::new() };
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(pack) = packs.get(number) else { return };
                    if let Some(ahead) = packs.get(number + repo.readers()) {
                        let length = usize::try_from(ahead.size).unwrap_or_default();
                        repo.storage().will_read(Object::Named(Kind::Pack, ahead.id), 0, length);
                    }
                    if locked(&error).is_some() {
                        return;
                    }
                    match monitor.proceed().and_then(|()| hand.read_one(pack)) {
                        Ok(None) => {}
                        Ok(Some(found)) => locked(&bad).push((*pack, found)),
                        Err(e) => drop(locked(&error).get_or_insert(e)),
                    }
                    bytes_read.fetch_add(pack.size, Ordering::Relaxed);
                    monitor.add_done(pack.size);
                }
            });
        }
    });
    if let Some(error) = locked(&error).take() {
        return Err(error);
    }
    for (pack, found) in std::mem::take(&mut *locked(&bad)) {
        blame(pack, found.blobs.into_iter(), found.detail, findings);
    }
    Ok((packs.len() as u64, bytes_read.into_inner()))
}

/// What one thread has for itself.
struct Hand<'a> {
    repo: &'a Repository,
    opener: Opener,
    buffer: Vec<u8>,
}

impl Hand<'_> {
    /// Reads a pack in runs of blobs, opens each blob, and compares the header with the index.
    ///
    /// When all of that is well, every byte of the pack is authenticated: the blobs lie without a gap from its
    /// beginning to its header, as the header says, and the header ends where the pack does. So the hash over
    /// the whole pack, its name, says nothing more, and is not computed.
    fn read_one(&mut self, pack: &PackInfo) -> Result<Option<Bad>> {
        let mut entries = pack.entries.clone();
        entries.sort_unstable_by_key(|e| e.offset);
        let mut bad = Bad { detail: String::new(), blobs: Vec::new() };
        for run in runs(&entries) {
            self.read_run(pack, run, &mut bad)?;
            self.opener.shrink();
        }
        let mut compared = header(self.repo, pack, &entries);
        if matches!(compared, Ok(Some(_))) && self.repo.recovers_pack(pack.id)? {
            compared = header(self.repo, pack, &entries);
        }
        match compared {
            Ok(Some(why)) => bad.add(why, None),
            Ok(None) => {}
            Err(e) => bad.add(integrity(e)?, None),
        }
        Ok((!bad.detail.is_empty()).then_some(bad))
    }

    fn read_run(&mut self, pack: &PackInfo, run: &[Entry], bad: &mut Bad) -> Result<()> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
        let length = (last.offset - first.offset) as usize + last.length as usize;
        if let Err(e) = self.repo.read_pack_into(pack.id, u64::from(first.offset), length, &mut self.buffer) {
            let why = integrity(e)?;
            run.iter().for_each(|e| bad.add(why.clone(), Some((e.kind, e.id))));
            return Ok(());
        }
        for e in run {
            let from = (e.offset - first.offset) as usize;
            let sealed = self.buffer.get(from..from + e.length as usize).unwrap_or_default();
            if self.opener.open(self.repo.cipher(), sealed, e.plain_length, e.id).is_ok() {
                continue;
            }
            // Once more, by whoever knows what else may help, and what to say.
            let place = Place { pack: 0, offset: e.offset, length: e.length, plain_length: e.plain_length };
            if let Err(error) = self.repo.open_blob(pack.id, place, e.id, sealed) {
                bad.add(integrity(error)?, Some((e.kind, e.id)));
            }
        }
        Ok(())
    }
}

/// Blobs that are read at once.
fn runs(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    let mut begin = 0;
    entries.chunk_by(move |a, b| {
        let fits = b.offset.saturating_add(b.length) - begin.min(b.offset) <= MAX_READ_BYTES;
        if !fits {
            begin = b.offset;
        }
        fits && a.offset.saturating_add(a.length) == b.offset
    })
}

/// What is wrong with the header: a rebuild of the index would rest on it.
fn header(repo: &Repository, info: &PackInfo, entries: &[Entry]) -> Result<Option<String>> {
    let blobs: u64 = entries.iter().map(|e| u64::from(e.length)).sum();
    let length = usize::try_from(info.size - blobs).unwrap_or(usize::MAX);
    let bytes = repo.read_pack(info.id, blobs, length)?;
    let agrees = || -> Result<(), String> {
        let (sealed, last) = bytes.split_last_chunk::<4>().ok_or("it is shorter than a pack can be")?;
        let said = pack::header_length(*last, info.size).map_err(|e| e.to_string())?;
        if said != sealed.len() {
            return Err("its header has another length than the index says".to_owned());
        }
        let found =
            pack::decode_header(repo.cipher(), sealed, info.size).map_err(|e| format!("its header: {e}"))?;
        if found == entries { Ok(()) } else { Err("its header and the index differ".to_owned()) }
    };
    Ok(agrees().err())
}

/// The detail of an error that is damage; any other ends the check.
fn integrity(error: Error) -> Result<String> {
    match error {
        Error::Damaged { detail, .. } => Ok(detail),
        e if e.class() == Class::Integrity => Ok(e.to_string()),
        e => Err(e),
    }
}
