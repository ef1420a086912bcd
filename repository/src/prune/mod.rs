//! Removing data that no snapshot needs, in two phases.
//!
//! The first phase takes packs out of the index and writes a *mark* for them: an index file that lists no
//! pack and names these in the field `packs_to_delete`, which stock restic reads over. The second phase, in
//! a later prune, removes the packs of marks that the storage wrote longer than a grace ago, and then the
//! mark. Why nothing that is needed can go: a prune holds the exclusive lock, so no backup that respects
//! locks runs; a backup that began before the mark and lost its lock unnoticed may still count on a marked
//! pack, and has the whole grace to write its snapshot; every prune reads all snapshots and all trees first,
//! and puts a marked pack that a snapshot needs after all back into the index. Age is the storage's
//! word: nobody who writes can make a mark older than it is. Between any two writes the repository is sound:
//! new packs before the index over them, new index files and marks before old index files go, an index
//! without a pack before the pack goes.
//!
//! Packs that an interrupted backup left in no index are treated as marked by their own write time.

mod plan;
mod run;
pub(crate) mod used;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::id::Id;
use crate::lock::{LockGuard, Mode};
use crate::monitor::Monitor;
use crate::repository::Repository;

/// What a prune may do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PruneOptions {
    /// This part of the data may stay although nobody needs it, rather than be repacked.
    pub max_unused: f64,
    /// A marked pack stays for this time.
    pub grace: Duration,
    /// A prune that would take out more than this part of all data is refused,
    pub max_delete: f64,
    /// unless this is set.
    pub allow_large: bool,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self { max_unused: 0.05, grace: Duration::from_secs(24 * 3600), max_delete: 0.5, allow_large: false }
    }
}

/// What a prune would do, to be shown before it happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunePlan {
    /// Packs that stay as they are, and their bytes.
    pub keep: Amount,
    /// Packs of which the needed blobs are written anew before they are marked.
    pub repack: Amount,
    /// Packs that nobody needs, to be marked.
    pub mark: Amount,
    /// Marked packs whose grace is over, to be removed.
    pub remove: Amount,
    /// Marked packs within their grace, and packs in no index that are as young.
    pub waiting: Amount,
    /// Marked packs that a snapshot needs after all: they come back into the index.
    pub revive: Amount,
    /// Bytes that stay although nobody needs them, within [`PruneOptions::max_unused`].
    pub unused_bytes: u64,
    /// What the storage says of when something was written makes no sense for so many packs; they wait.
    pub without_time: u64,
    work: plan::Work,
}

/// Some packs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub packs: u64,
    /// Their bytes as stored.
    pub bytes: u64,
}

impl Amount {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.packs += 1;
        self.bytes += bytes;
    }
}

/// What a prune did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneSummary {
    /// Packs that were marked, the repacked ones among them.
    pub marked: Amount,
    /// Packs that were removed.
    pub removed: Amount,
    /// Bytes that were written anew.
    pub repacked_bytes: u64,
    /// Packs that came back into the index.
    pub revived: u64,
}

impl PrunePlan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.repack.packs + self.mark.packs + self.remove.packs + self.revive.packs == 0
    }
}

impl Repository {
    /// What a prune would do now. Reads every snapshot and every tree.
    ///
    /// # Errors
    /// Any listing or reading that fails, and damage: nothing is planned over half a repository.
    pub fn prune_plan(
        &self,
        options: &PruneOptions,
        now: SystemTime,
        monitor: &Monitor,
    ) -> Result<PrunePlan> {
        self.may_shrink("prune")?;
        let _lock = self.read_lock()?;
        plan::make(self, options, now, monitor)
    }

    /// Does what a plan says, when it still says so under the exclusive lock.
    ///
    /// # Errors
    /// [`Error::PlanChanged`], [`Error::PruneRefused`], [`Error::Locked`], damage, or what the storage fails
    /// with. Whatever happens, no blob that a snapshot needs is gone, and it can be run again.
    pub fn prune(
        &self,
        plan: &PrunePlan,
        options: &PruneOptions,
        now: SystemTime,
        monitor: &Monitor,
    ) -> Result<PruneSummary> {
        self.may_shrink("prune")?;
        let lock = LockGuard::acquire(self, Mode::Exclusive)?;
        let again = plan::make(self, options, now, monitor)?;
        if again != *plan {
            return Err(Error::PlanChanged);
        }
        bounds(&again, options)?;
        self.may_remove()?;
        run::run(self, &lock, &again, monitor)
    }
}

fn bounds(plan: &PrunePlan, options: &PruneOptions) -> Result<()> {
    let all = plan.keep.bytes + plan.repack.bytes + plan.mark.bytes;
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more")]
    let share = if all == 0 { 0.0 } else { plan.mark.bytes as f64 / all as f64 };
    if share > options.max_delete && !options.allow_large {
        return Err(Error::PruneRefused {
            reason: format!(
                "{:.0} % of the data would go, more than the {:.0} % that may go at once",
                share * 100.0,
                options.max_delete * 100.0
            ),
        });
    }
    Ok(())
}

/// Ids in a fixed order, so that two plans can be compared.
type Ids = BTreeSet<Id>;
