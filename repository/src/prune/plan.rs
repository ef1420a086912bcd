//! From what is stored to what is to be done. Nothing is written here.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::used::{self, Blobs};
use super::{Ids, PruneOptions, PrunePlan};
use crate::error::{Error, Result};
use crate::format::pack::Entry;
use crate::id::Id;
use crate::index::{self, Index};
use crate::monitor::Monitor;
use crate::repository::Repository;
use crate::storage::{Kind, Listed, listing};

/// What is to be done, pack by pack, and what it was planned over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) snapshots: Ids,
    pub(super) index_files: Ids,
    pub(super) repack: Ids,
    pub(super) mark: Ids,
    pub(super) remove: Ids,
    pub(super) revive: Ids,
    /// Marks of which no pack is left when these are done.
    pub(super) spent_marks: Ids,
}

/// Marks by pack: when the newest of them was written.
type Marks = BTreeMap<Id, Option<SystemTime>>;

struct Stored {
    packs: BTreeMap<Id, Listed>,
    index: Index,
    index_files: Vec<Listed>,
    marks: Marks,
    mark_files: BTreeMap<Id, Vec<Id>>,
}

pub(super) fn make(
    repo: &Repository,
    options: &PruneOptions,
    now: SystemTime,
    monitor: &Monitor,
) -> Result<PrunePlan> {
    let mut plan = PrunePlan::default();
    let mut stored = read(repo)?;
    let snapshots = repo.snapshots()?;
    plan.work.snapshots = snapshots.iter().map(|info| info.id).collect();
    plan.work.index_files = stored.index_files.iter().map(|file| file.id).collect();
    // Marked packs count as known here, so that one which is needed again is found.
    let indexed: Ids = stored.index.packs().iter().map(|p| p.id).collect();
    for id in stored.marks.keys().filter(|id| !indexed.contains(*id)) {
        if let Some(listed) = stored.packs.get(id) {
            let entries = repo.read_header(*id, listed.size)?;
            stored.index.add(*id, entries, true);
        }
    }
    let roots = snapshots.iter().map(|info| info.snapshot.tree);
    let used = used::find(repo, &stored.index, roots, monitor)?;
    all_there(&stored, &used)?;
    sort_out(&mut plan, &stored, &indexed, &used, options);
    age_out(&mut plan, &stored, &indexed, options, now);
    Ok(plan)
}

fn read(repo: &Repository) -> Result<Stored> {
    let packs = listing(repo.storage(), Kind::Pack)?.into_iter().map(|l| (l.id, l)).collect();
    let index_files = listing(repo.storage(), Kind::Index)?;
    let mut stored = Stored {
        packs,
        index: Index::default(),
        index_files,
        marks: Marks::new(),
        mark_files: BTreeMap::new(),
    };
    for file in &stored.index_files {
        for (pack, entries) in index::read_file(repo, file.id, file.size)? {
            stored.index.add(pack, entries, true);
        }
        let marked = index::read_marks(repo, file.id, file.size)?;
        for pack in &marked {
            let newest = stored.marks.entry(*pack).or_insert(file.written);
            *newest = newest.zip(file.written).map(|(a, b)| a.max(b));
        }
        if !marked.is_empty() {
            stored.mark_files.insert(file.id, marked);
        }
    }
    Ok(stored)
}

/// A prune is no time to find damage: every blob that is needed must be in a pack that is there and whole.
fn all_there(stored: &Stored, used: &Blobs) -> Result<()> {
    for (kind, id) in used {
        let place = stored.index.find(*kind, *id);
        let place = place.ok_or_else(|| Error::damaged(format!("blob {id}"), "no index file knows it"))?;
        let pack = stored.index.pack(place)?;
        let info = stored.index.packs().get(place.pack as usize);
        let size = stored.packs.get(&pack).map(|listed| listed.size);
        if size.is_none() || size != info.map(|info| info.size) {
            let detail = size.map_or("it is missing".to_owned(), |size| format!("it has {size} bytes"));
            return Err(Error::damaged(format!("pack {pack}"), detail));
        }
    }
    Ok(())
}

/// Which packs of the index stay, are written anew, or go; which marked ones come back.
fn sort_out(plan: &mut PrunePlan, stored: &Stored, indexed: &Ids, used: &Blobs, options: &PruneOptions) {
    let mut partly = Vec::new();
    let mut kept_bytes = 0;
    for info in stored.index.packs() {
        let unused: u64 = info
            .entries
            .iter()
            .filter(|e| !is_needed(stored, used, info.id, e))
            .map(|e| u64::from(e.length))
            .sum();
        let is_needed_at_all = info.entries.iter().any(|e| is_needed(stored, used, info.id, e));
        if !indexed.contains(&info.id) {
            if is_needed_at_all {
                plan.revive.add(info.size);
                plan.work.revive.insert(info.id);
            }
        } else if !is_needed_at_all {
            plan.mark.add(info.size);
            plan.work.mark.insert(info.id);
        } else {
            kept_bytes += info.size;
            partly.push((unused, info.id, info.size));
        }
    }
    // The worst packs first, until what stays unused is within its bound.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of bytes"
    )]
    let allowed = (kept_bytes as f64 * options.max_unused.clamp(0.0, 1.0)) as u64;
    let mut unused: u64 = partly.iter().map(|(unused, ..)| unused).sum();
    partly.sort_by_key(|(unused, id, size)| (std::cmp::Reverse(unused * 1000 / (*size).max(1)), *id));
    for (of_pack, id, size) in partly {
        if unused > allowed && of_pack > 0 {
            unused -= of_pack;
            plan.repack.add(size);
            plan.work.repack.insert(id);
        } else {
            plan.keep.add(size);
        }
    }
    plan.unused_bytes = unused;
}

/// A blob is needed from the one pack where it is looked for, not from others that have it too.
fn is_needed(stored: &Stored, used: &Blobs, pack: Id, entry: &Entry) -> bool {
    used.contains(&(entry.kind, entry.id))
        && stored
            .index
            .find(entry.kind, entry.id)
            .and_then(|place| stored.index.pack(place).ok())
            .is_some_and(|of| of == pack)
}

/// Which packs in no index have waited long enough.
fn age_out(plan: &mut PrunePlan, stored: &Stored, indexed: &Ids, options: &PruneOptions, now: SystemTime) {
    for (id, listed) in &stored.packs {
        if indexed.contains(id) || plan.work.revive.contains(id) {
            continue;
        }
        let since = stored.marks.get(id).copied().unwrap_or(listed.written);
        let age: Option<Duration> = since.and_then(|since| now.duration_since(since).ok());
        match age {
            Some(age) if age >= options.grace => {
                plan.remove.add(listed.size);
                plan.work.remove.insert(*id);
            }
            Some(_) => plan.waiting.add(listed.size),
            None => {
                plan.waiting.add(listed.size);
                plan.without_time += 1;
            }
        }
    }
    let stays = |id: &Id| {
        stored.packs.contains_key(id)
            && !indexed.contains(id)
            && !plan.work.remove.contains(id)
            && !plan.work.revive.contains(id)
    };
    let spent = stored.mark_files.iter().filter(|(_, packs)| !packs.iter().any(stays));
    plan.work.spent_marks = spent.map(|(file, _)| *file).collect();
}
