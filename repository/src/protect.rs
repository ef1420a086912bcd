//! Extending the retention of everything that is still needed.
//!
//! Object Lock keeps an object for so many days after it was written. In a repository without duplicates an
//! old pack holds data of new snapshots, so its retention must be extended for as long as a snapshot needs it;
//! else whoever waits long enough may remove what today's backup rests on. A forged or damaged object must not
//! keep the others from being protected: it is named, and as long as it is not clear what is needed,
//! every pack that the index knows counts as needed.

use std::collections::{BTreeSet, HashSet};
use std::time::SystemTime;

use crate::error::{Class, Error, Result};
use crate::format::blob::BlobKind;
use crate::format::node::NodeKind;
use crate::id::Id;
use crate::index::{self, Index};
use crate::monitor::Monitor;
use crate::parallel;
use crate::repository::Repository;
use crate::storage::{Kind, Object, Protected, RetentionMode, listing};
use crate::trees::Trees;

/// Requests in flight.
const THREADS: usize = 8;

/// What was protected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtectSummary {
    /// Objects whose retention is longer now.
    pub extended: u64,
    /// Objects whose retention was long enough.
    pub enough: u64,
    /// Packs that nobody needs: left to their own retention.
    pub unneeded: u64,
    /// What could not be read, or has no good version. What it needs is protected as far as it is known.
    pub damaged: BTreeSet<String>,
}

/// What is to be protected, and what was in the way of knowing it.
struct Needed {
    objects: Vec<Object>,
    unneeded: u64,
    damaged: BTreeSet<String>,
}

impl Repository {
    /// Extends the retention of everything that is still needed until a time: snapshots, keys, `config`,
    /// index files, and packs. Of an object that somebody wrote over, the good version. Shortens nothing.
    ///
    /// # Errors
    /// When the storage cannot do that or does not answer, the repository is locked, or it was cancelled.
    /// What was extended before stays so. Damage is no error: it is in the summary.
    pub fn protect(
        &self,
        until: SystemTime,
        mode: RetentionMode,
        monitor: &Monitor,
    ) -> Result<ProtectSummary> {
        let _lock = self.read_lock()?;
        let needed = self.needed(monitor)?;
        let mut summary = ProtectSummary {
            unneeded: needed.unneeded,
            damaged: needed.damaged,
            ..ProtectSummary::default()
        };
        let protected = parallel::each(THREADS, &needed.objects, |object| {
            monitor.proceed()?;
            let protected = self.protect_one(*object, until, mode)?;
            monitor.add_file();
            Ok((*object, protected))
        })?;
        for (object, protected) in protected {
            match protected {
                Protected::Extended => summary.extended += 1,
                Protected::Enough => summary.enough += 1,
                Protected::NothingGood => drop(summary.damaged.insert(object.to_string())),
            }
        }
        Ok(summary)
    }

    fn protect_one(&self, object: Object, until: SystemTime, mode: RetentionMode) -> Result<Protected> {
        let mut is_good = |bytes: &[u8]| match object {
            Object::Config => self.is_config(bytes),
            Object::Named(_, id) => Id::of(bytes) == id,
        };
        Ok(self.storage().protect(object, until, mode, &mut is_good)?)
    }

    fn needed(&self, monitor: &Monitor) -> Result<Needed> {
        let mut needed = Needed { objects: vec![Object::Config], unneeded: 0, damaged: BTreeSet::new() };
        let mut roots = Vec::new();
        // Snapshots before the index, as in all reading: a snapshot's index is written before it.
        for listed in listing(self.storage(), Kind::Snapshot)? {
            match self.read_snapshot(&listed) {
                Ok(info) => roots.push(info.snapshot.tree),
                Err(e) => needed.excuse(&Object::Named(Kind::Snapshot, listed.id).to_string(), e)?,
            }
            needed.objects.push(Object::Named(Kind::Snapshot, listed.id));
        }
        for listed in listing(self.storage(), Kind::Key)? {
            needed.objects.push(Object::Named(Kind::Key, listed.id));
        }
        let mut index = Index::default();
        for listed in listing(self.storage(), Kind::Index)? {
            match index::read_file(self, listed.id, listed.size) {
                Ok(packs) => packs.into_iter().for_each(|(pack, entries)| index.add(pack, entries, false)),
                Err(e) => needed.excuse(&Object::Named(Kind::Index, listed.id).to_string(), e)?,
            }
            needed.objects.push(Object::Named(Kind::Index, listed.id));
        }
        let packs = self.needed_packs(&index, roots, &mut needed, monitor)?;
        for (number, pack) in index.packs().iter().enumerate() {
            // In doubt everything: a snapshot that cannot be read may need any of them.
            if packs.contains(&number) || !needed.damaged.is_empty() {
                needed.objects.push(Object::Named(Kind::Pack, pack.id));
            } else {
                needed.unneeded += 1;
            }
        }
        Ok(needed)
    }

    /// The numbers of the packs that these trees need.
    fn needed_packs(
        &self,
        index: &Index,
        mut stack: Vec<Id>,
        needed: &mut Needed,
        monitor: &Monitor,
    ) -> Result<HashSet<usize>> {
        let trees = Trees::new(self, index);
        let (mut packs, mut seen) = (HashSet::new(), HashSet::new());
        let mut add = |kind, id, needed: &mut Needed| match index.find(kind, id) {
            Some(place) => drop(packs.insert(place.pack as usize)),
            None => drop(needed.damaged.insert(format!("blob {id}"))),
        };
        while let Some(id) = stack.pop() {
            monitor.proceed()?;
            if !seen.insert(id) {
                continue;
            }
            add(BlobKind::Tree, id, needed);
            let nodes = match trees.read(id) {
                Ok(nodes) => nodes,
                Err(e) => {
                    needed.excuse(&format!("tree {id}"), e)?;
                    continue;
                }
            };
            for node in nodes {
                if node.kind == NodeKind::Folder {
                    stack.extend(node.subtree);
                }
                for blob in node.content.iter().flatten() {
                    add(BlobKind::Data, *blob, needed);
                }
            }
        }
        Ok(packs)
    }
}

impl Needed {
    /// Notes damage; anything else ends it all.
    fn excuse(&mut self, object: &str, error: Error) -> Result<()> {
        if error.class() != Class::Integrity {
            return Err(error);
        }
        self.damaged.insert(object.to_owned());
        Ok(())
    }
}
