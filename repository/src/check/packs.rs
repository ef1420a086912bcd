//! Packs: that they are there, as long as they should be, and with `read_data` what they should be.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{Findings, Subset};
use crate::error::{Class, Error, Result};
use crate::format::blob::BlobKind;
use crate::format::pack;
use crate::format::sealer::Sealer;
use crate::id::Id;
use crate::index::{Index, PackInfo};
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::storage::{Kind, Object, listing};
use crate::sync::locked;
use crate::write;

/// Compares the index with what is stored; counts packs in no index file.
pub(super) fn compare(repo: &Repository, index: &Index, findings: &mut Findings) -> Result<u64> {
    let mut stored: HashMap<Id, u64> =
        listing(repo.storage(), Kind::Pack)?.iter().map(|listed| (listed.id, listed.size)).collect();
    for pack in index.packs() {
        let detail = match stored.remove(&pack.id) {
            None => "it is missing".to_owned(),
            Some(size) if size != pack.size => format!("it has {size} bytes instead of {}", pack.size),
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
        for _ in 0..repo.limits().threads() {
            scope.spawn(|| {
                let mut sealer = match write::sealer() {
                    Ok(sealer) => sealer,
                    Err(e) => {
                        locked(&error).get_or_insert(e);
                        return;
                    }
                };
                while let Some(pack) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if locked(&error).is_some() {
                        return;
                    }
                    match monitor.proceed().and_then(|()| read_one(repo, &mut sealer, pack)) {
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

fn read_one(repo: &Repository, sealer: &mut Sealer, pack: &PackInfo) -> Result<Option<Bad>> {
    let all = || pack.entries.iter().map(|e| (e.kind, e.id)).collect();
    let length = usize::try_from(pack.size).map_err(|_| Error::Internal("a pack larger than memory"))?;
    let bytes = match repo.read_pack(pack.id, 0, length) {
        Ok(bytes) => bytes,
        Err(Error::Damaged { detail, .. }) => return Ok(Some(Bad { detail, blobs: all() })),
        Err(e) if e.class() == Class::Integrity => {
            return Ok(Some(Bad { detail: e.to_string(), blobs: all() }));
        }
        Err(e) => return Err(e),
    };
    let mut bad = Bad { detail: String::new(), blobs: Vec::new() };
    let mut found = |detail: String, blob: Option<(BlobKind, Id)>| {
        if bad.detail.is_empty() {
            bad.detail = detail;
        }
        bad.blobs.extend(blob);
    };
    for e in &pack.entries {
        let sealed = bytes.get(e.offset as usize..e.offset as usize + e.length as usize);
        let opened = sealed.map(|sealed| sealer.verify(repo.cipher(), sealed, e.plain_length, e.id));
        match opened {
            Some(Ok(())) => {}
            Some(Err(why)) => found(format!("blob {} at {}: {why}", e.id, e.offset), Some((e.kind, e.id))),
            None => found(format!("blob {} lies outside of it", e.id), Some((e.kind, e.id))),
        }
    }
    if let Err(why) = header_agrees(repo, pack, &bytes) {
        found(why, None);
    }
    if Id::of(&bytes) != pack.id {
        found("its content is not what its name says".to_owned(), None);
    }
    Ok((!bad.detail.is_empty()).then_some(bad))
}

/// The header must say what the index says: a rebuild of the index would rest on it.
fn header_agrees(repo: &Repository, info: &PackInfo, bytes: &[u8]) -> Result<(), String> {
    let last = bytes.last_chunk::<4>().ok_or("it is shorter than a pack can be")?;
    let length = pack::header_length(*last, info.size).map_err(|e| e.to_string())?;
    let sealed = bytes.get(bytes.len() - 4 - length..bytes.len() - 4).ok_or("its header is cut")?;
    let entries =
        pack::decode_header(repo.cipher(), sealed, info.size).map_err(|e| format!("its header: {e}"))?;
    let mut indexed = info.entries.clone();
    indexed.sort_unstable_by_key(|e| e.offset);
    if entries == indexed { Ok(()) } else { Err("its header and the index differ".to_owned()) }
}
