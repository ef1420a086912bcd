//! Asking the storage to make cold packs readable: just those with data that a snapshot needs.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::find::SnapshotInfo;
use crate::format::blob::BlobKind;
use crate::id::Id;
use crate::monitor::Monitor;
use crate::parallel;
use crate::prune::{Amount, used};
use crate::repository::Repository;
use crate::storage::Warmth;

/// Packs that are asked for at once.
const AT_ONCE: usize = 8;
/// Days that a thawed copy may stay, at most.
pub const MAX_DAYS: u32 = 365;

/// How far the packs of a snapshot are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThawSummary {
    /// Packs of data that the snapshot needs.
    pub needed: Amount,
    /// Those that can be read now.
    pub ready: Amount,
    /// Those that are being thawed, the ones asked for just now among them.
    pub thawing: Amount,
    /// Those that are cold and were not asked for.
    pub cold: Amount,
}

impl ThawSummary {
    /// Whether the snapshot can be restored now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.packs == self.needed.packs
    }
}

impl Repository {
    /// Asks for the cold packs of data that a snapshot needs, to be readable for so many days once they are
    /// thawed; without days it only looks. Ask again to see how far it is.
    ///
    /// # Errors
    /// When trees cannot be read or the storage refuses; what was asked for before stays asked for.
    pub fn thaw(&self, snapshot: &SnapshotInfo, days: Option<u32>, monitor: &Monitor) -> Result<ThawSummary> {
        if days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
            return Err(Error::Invalid(format!("packs are thawed for 1 to {MAX_DAYS} days")));
        }
        let _lock = self.read_lock()?;
        let packs = self.packs_of(snapshot, monitor)?;
        let asked = parallel::each(AT_ONCE, &packs, |(pack, size)| {
            monitor.proceed()?;
            let warmth = self.storage().thaw(*pack, days)?;
            monitor.add_done(*size);
            Ok((warmth, *size))
        })?;
        let mut summary = ThawSummary::default();
        for (warmth, size) in asked {
            summary.needed.add(size);
            match warmth {
                Warmth::Ready => summary.ready.add(size),
                Warmth::Thawing => summary.thawing.add(size),
                Warmth::Cold => summary.cold.add(size),
            }
        }
        Ok(summary)
    }

    /// Packs with data that a snapshot needs, and their sizes.
    fn packs_of(&self, snapshot: &SnapshotInfo, monitor: &Monitor) -> Result<Vec<(Id, u64)>> {
        let index = self.index()?;
        let used = used::find(self, &index, std::iter::once(snapshot.snapshot.tree), monitor)?;
        let mut packs = BTreeMap::new();
        for (_, blob) in used.iter().filter(|(kind, _)| *kind == BlobKind::Data) {
            let place = index.find(BlobKind::Data, *blob);
            let place =
                place.ok_or_else(|| Error::damaged(format!("blob {blob}"), "no index file knows it"))?;
            let info = index.packs().get(place.pack as usize);
            let info = info.ok_or(Error::Internal("a blob of no pack"))?;
            packs.insert(info.id, info.size);
        }
        Ok(packs.into_iter().collect())
    }
}
