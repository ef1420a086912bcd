//! Granting leases, and saying when one has run out.
//!
//! The rules are `model::lease`'s; here they meet the store, the estate and the runs. A member is closed
//! when a run's fence of it may be sent, and another is entitled when its promotion may be; both happen in
//! memory at once, so that no grant slips in between, and count once they are durable: an expiry is told, and
//! a grant is sent, only after that. A grant whose row could not be written is not sent. When a controller
//! starts it counts every lease that an earlier one gave from its own beginning. Where the members of a source
//! may extend its primary's lease, one of them is told to do so no more, and has said what may still run of
//! what it gave, before that lease is called expired.

mod ask;
mod members;
mod runs;

pub use ask::asked;
pub use members::{introduce, withheld};

use crate::store::leases::{LeaseRow, LeaseRows};
use crate::store::{Store, StoreError};
use model::lease::Grantor;
use model::{Epoch, HostName, Name, RunId};
use runtime::Clock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// All leases that this controller gives. Cheap to clone.
#[derive(Clone)]
pub struct Leases(Arc<Inner>);

struct Inner {
    store: Store,
    epoch: Epoch,
    clock: Clock,
    began: Duration,
    sources: Mutex<BTreeMap<Name, Source>>,
    /// One write at a time, so that the newest is the last.
    writing: tokio::sync::Mutex<()>,
}

struct Source {
    grantor: Grantor,
    closed_by: BTreeMap<HostName, RunId>,
    durable: BTreeMap<HostName, LeaseRow>,
}

impl Source {
    fn new(epoch: Epoch, began: Duration, durable: BTreeMap<HostName, LeaseRow>) -> Source {
        let rows = durable.iter().map(|(host, kept)| (host.clone(), kept.row.clone())).collect();
        let run = |(host, kept): (&HostName, &LeaseRow)| Some((host.clone(), kept.closed_by.parse().ok()?));
        let closed_by = durable.iter().filter_map(run).collect();
        Source { grantor: Grantor::new(epoch.number, began, &rows), closed_by, durable }
    }

    fn rows(&self) -> BTreeMap<HostName, LeaseRow> {
        let row = |host: &HostName| LeaseRow {
            row: self.grantor.row(host),
            closed_by: self.closed_by.get(host).map(ToString::to_string).unwrap_or_default(),
        };
        self.grantor.members().map(|host| (host.clone(), row(host))).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Leases {
    /// Goes on with what is durable. From `began` on nobody else can answer.
    pub async fn load(
        store: &Store,
        epoch: Epoch,
        clock: &Clock,
        began: Duration,
    ) -> Result<Self, StoreError> {
        let kept: LeaseRows = store.leases().await?;
        let sources = kept.into_iter().map(|(name, rows)| (name, Source::new(epoch, began, rows))).collect();
        Ok(Leases(Arc::new(Inner {
            store: store.clone(),
            epoch,
            clock: clock.clone(),
            began,
            sources: Mutex::new(sources),
            writing: tokio::sync::Mutex::new(()),
        })))
    }

    fn with<T>(&self, source: &Name, change: impl FnOnce(&mut Source) -> T) -> T {
        let mut sources = lock(&self.0.sources);
        let inner = &self.0;
        let fresh = || Source::new(inner.epoch, inner.began, BTreeMap::new());
        change(sources.entry(source.clone()).or_insert_with(fresh))
    }

    fn known<T>(&self, source: &Name, look: impl FnOnce(&Source) -> T) -> Option<T> {
        lock(&self.0.sources).get(source).map(look)
    }

    /// Makes what is in memory of a source durable.
    async fn save(&self, source: &Name) -> Result<(), StoreError> {
        let _turn = self.0.writing.lock().await;
        let Some(Some(rows)) =
            self.known(source, |known| Some(known.rows()).filter(|rows| *rows != known.durable))
        else {
            return Ok(());
        };
        self.0.store.keep_leases(self.0.epoch, source, rows.clone()).await?;
        self.with(source, |known| known.durable = rows);
        Ok(())
    }

    /// Until the lease of a closed member has run out for good; zero when it has. None where that will never be
    /// evidence, or is not durable yet.
    pub fn left(&self, source: &Name, host: &HostName) -> Option<Duration> {
        let over = self.known(source, |known| {
            let closed = known.durable.get(host).is_some_and(|kept| kept.row.closed);
            known.grantor.over(host).filter(|_| closed)
        });
        Some(over??.saturating_sub(self.0.clock.since_boot()))
    }

    /// In words, how the lease of a member stands; empty for one that never had any.
    pub fn words(&self, source: &Name, host: &HostName) -> String {
        let now = self.0.clock.since_boot();
        let known =
            self.known(source, |known| (known.grantor.given(host), known.grantor.primary() == Some(host)));
        match known {
            Some(((_, true), _)) => "fenced".to_string(),
            Some(((Some(given), false), true)) => {
                let left = (given.at + given.terms.length).saturating_sub(now);
                let guard = if given.armed { "" } else { ", its end is no evidence" };
                match left.is_zero() {
                    true => "lease lapsed".to_string(),
                    false => format!("lease held, {} s left{guard}", left.as_secs()),
                }
            }
            Some(_) | None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests;
