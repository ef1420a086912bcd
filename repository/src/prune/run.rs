//! Doing what a plan says, in the order that makes a crash harmless.

use std::sync::Arc;

use super::{Amount, PrunePlan, PruneSummary};
use crate::error::{Error, Result};
use crate::format::index_file;
use crate::format::pack::Entry;
use crate::id::Id;
use crate::index::{self, Index};
use crate::lock::LockGuard;
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::storage::{Kind, Object, listing};
use crate::write;

/// Blobs of one index file, as restic writes them.
const BLOBS_PER_FILE: usize = 50_000;

pub(super) fn run(
    repo: &Repository,
    lock: &LockGuard,
    plan: &PrunePlan,
    monitor: &Monitor,
) -> Result<PruneSummary> {
    let mut summary = PruneSummary::default();
    let work = &plan.work;
    revive(repo, plan, &mut summary)?;
    if !work.repack.is_empty() || !work.mark.is_empty() {
        take_out(repo, lock, plan, &mut summary, monitor)?;
    }
    for listed in listing(repo.storage(), Kind::Pack)? {
        if !work.remove.contains(&listed.id) {
            continue;
        }
        monitor.proceed()?;
        lock.still_held()?;
        repo.remove(Object::Named(Kind::Pack, listed.id))?;
        summary.removed.add(listed.size);
        monitor.add_done(listed.size);
    }
    // Only when all their packs are gone: a mark that is lost would make its packs wait once more.
    for mark in &work.spent_marks {
        repo.remove(Object::Named(Kind::Index, *mark))?;
    }
    Ok(summary)
}

/// Marked packs that are needed again come back into the index.
fn revive(repo: &Repository, plan: &PrunePlan, summary: &mut PruneSummary) -> Result<()> {
    let mut packs = Vec::new();
    for listed in listing(repo.storage(), Kind::Pack)? {
        if plan.work.revive.contains(&listed.id) {
            packs.push((listed.id, repo.read_header(listed.id, listed.size)?));
        }
    }
    summary.revived = packs.len() as u64;
    write_index(repo, packs).map(drop)
}

/// Writes what is needed of half-used packs anew, then an index without the packs that go, then their
/// marks, and at last removes the old index files.
fn take_out(
    repo: &Repository,
    lock: &LockGuard,
    plan: &PrunePlan,
    summary: &mut PruneSummary,
    monitor: &Monitor,
) -> Result<()> {
    let work = &plan.work;
    let goes = |id: &Id| work.repack.contains(id) || work.mark.contains(id);
    let (mut kept, mut kept_index, mut old) = (Vec::new(), Index::default(), Index::default());
    let mut seen = std::collections::HashSet::new();
    let (mut marked, mut replaced) = (Vec::new(), Vec::new());
    for file in listing(repo.storage(), Kind::Index)?.iter().filter(|f| work.index_files.contains(&f.id)) {
        let packs = index::read_file(repo, file.id, file.size)?;
        // Pure marks of earlier prunes stay: they carry the time since when their packs wait.
        let marks = index::read_marks(repo, file.id, file.size)?;
        if marks.is_empty() || !packs.is_empty() {
            marked.extend(marks);
            replaced.push(file.id);
        }
        for (pack, entries) in packs {
            if !seen.insert(pack) {
                continue;
            }
            if goes(&pack) {
                old.add(pack, entries, true);
            } else {
                kept_index.add(pack, entries.clone(), false);
                kept.push((pack, entries));
            }
        }
    }
    let (repacked, _) = write::session_over(repo, Arc::new(kept_index), lock, monitor, |writer| {
        let mut sealer = write::sealer()?;
        let used = super::used::find(repo, &*repo.index()?, roots(repo)?.into_iter(), monitor)?;
        let mut bytes = 0;
        for info in old.packs().iter().filter(|info| work.repack.contains(&info.id)) {
            for entry in info.entries.iter().filter(|e| used.contains(&(e.kind, e.id))) {
                writer.proceed()?;
                let place = old.find(entry.kind, entry.id).ok_or(Error::Internal("a blob got lost"))?;
                let pack = old.pack(place)?;
                let sealed = repo.read_pack(pack, u64::from(place.offset), place.length as usize)?;
                let plain = repo.open_blob(pack, place, entry.id, &sealed)?;
                writer.store(&mut sealer, entry.kind, &plain)?;
                bytes += u64::from(entry.length);
            }
        }
        Ok(bytes)
    })?;
    summary.repacked_bytes = repacked;
    write_index(repo, kept)?;
    marked.extend(old.packs().iter().map(|info| info.id));
    let marks = index_file::encode_marks(&marked).map_err(|_| Error::Internal("a mark cannot be encoded"))?;
    repo.write_unpacked(Kind::Index, &marks)?;
    lock.confirm()?;
    for file in replaced {
        repo.remove(Object::Named(Kind::Index, file))?;
    }
    summary.marked = old.packs().iter().fold(Amount::default(), |mut sum, info| {
        sum.add(info.size);
        sum
    });
    Ok(())
}

fn roots(repo: &Repository) -> Result<Vec<Id>> {
    Ok(repo.snapshots()?.iter().map(|info| info.snapshot.tree).collect())
}

/// Index files over these packs.
fn write_index(repo: &Repository, packs: Vec<(Id, Vec<Entry>)>) -> Result<Vec<Id>> {
    let (mut files, mut part, mut blobs) = (Vec::new(), Vec::new(), 0);
    for (id, entries) in packs {
        blobs += entries.len();
        part.push((id, entries));
        if blobs >= BLOBS_PER_FILE {
            files.push(repo.write_index_file(&std::mem::take(&mut part))?);
            blobs = 0;
        }
    }
    if !part.is_empty() {
        files.push(repo.write_index_file(&part)?);
    }
    Ok(files)
}
