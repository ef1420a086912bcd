//! Finding snapshots.

use std::time::SystemTime;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::format::snapshot::Snapshot;
use crate::id::Id;
use crate::parallel;
use crate::repository::Repository;
use crate::storage::{Kind, Listed, Object, Problem, StorageError, listing};

const MAX_SNAPSHOT_BYTES: u64 = 16 * 1024 * 1024;
const MAX_SNAPSHOT_JSON_BYTES: usize = 64 * 1024 * 1024;

/// A snapshot and what the storage knows about its file.
#[derive(Clone, Debug)]
pub struct SnapshotInfo {
    /// Its name.
    pub id: Id,
    /// Its content.
    pub snapshot: Snapshot,
    /// When the storage says that it was written; the host's clock is in [`Snapshot::time`].
    pub written: Option<SystemTime>,
}

/// Which snapshot is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// An id or the beginning of one. `None`: the newest.
    pub id: Option<String>,
    /// Only of this host.
    pub host: Option<String>,
    /// Only with all of these tags.
    pub tags: Vec<String>,
    /// Only not after this time.
    pub not_after: Option<Timestamp>,
    /// Also those that miss files; they are never the newest otherwise.
    pub incomplete: bool,
}

impl Filter {
    /// Understands `latest`, an id, or the beginning of one.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let id = (text != "latest").then(|| text.to_owned());
        Self { id, ..Self::default() }
    }

    fn covers(&self, info: &SnapshotInfo) -> bool {
        let snapshot = &info.snapshot;
        self.host.as_ref().is_none_or(|host| *host == snapshot.hostname)
            && self.tags.iter().all(|tag| snapshot.has_tag(tag))
            && self.not_after.is_none_or(|time| snapshot.time <= time)
            && (self.incomplete || self.id.is_some() || !snapshot.is_incomplete())
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id.as_deref().unwrap_or("latest"))?;
        if let Some(host) = &self.host {
            write!(f, " of host {host}")?;
        }
        if !self.tags.is_empty() {
            write!(f, " with tags {}", self.tags.join(", "))?;
        }
        self.not_after.map_or(Ok(()), |time| write!(f, " not after {time}"))
    }
}

impl Repository {
    /// Every snapshot, oldest first.
    ///
    /// # Errors
    /// When the listing fails or a snapshot is damaged: one that is left out would look forgotten.
    pub fn snapshots(&self) -> Result<Vec<SnapshotInfo>> {
        self.read_snapshots(&listing(self.storage(), Kind::Snapshot)?)
    }

    /// The snapshots in these files, oldest first.
    pub(crate) fn read_snapshots(&self, files: &[Listed]) -> Result<Vec<SnapshotInfo>> {
        let read = parallel::each(self.readers(), files, |listed| match self.read_snapshot(listed) {
            // Forgotten between the listing and the reading.
            Err(Error::Storage(StorageError { problem: Problem::Missing, .. })) => Ok(None),
            other => other.map(Some),
        })?;
        let mut all: Vec<SnapshotInfo> = read.into_iter().flatten().collect();
        newest_first(&mut all);
        all.reverse();
        Ok(all)
    }

    /// The one snapshot that the filter means: by id, or the newest that fits.
    ///
    /// # Errors
    /// [`Error::NoSuchSnapshot`], [`Error::AmbiguousSnapshot`], or what reading failed with.
    pub fn find(&self, filter: &Filter) -> Result<SnapshotInfo> {
        let none = || Error::NoSuchSnapshot { wanted: filter.to_string() };
        if let Some(prefix) = &filter.id {
            // Damage to one snapshot must not hide another that is named by its id.
            let fits =
                |listed: &Listed| !prefix.is_empty() && listed.id.to_string().starts_with(prefix.as_str());
            let found: Vec<Listed> =
                listing(self.storage(), Kind::Snapshot)?.into_iter().filter(fits).collect();
            return match found.as_slice() {
                [] => Err(none()),
                [one] => Some(self.read_snapshot(one)?).filter(|info| filter.covers(info)).ok_or_else(none),
                many => Err(Error::AmbiguousSnapshot { prefix: prefix.clone(), count: many.len() }),
            };
        }
        let mut all = self.snapshots()?;
        newest_first(&mut all);
        all.into_iter().find(|info| filter.covers(info)).ok_or_else(none)
    }

    pub(crate) fn read_snapshot(&self, listed: &Listed) -> Result<SnapshotInfo> {
        let json = self.read_unpacked(
            Kind::Snapshot,
            listed.id,
            listed.size,
            MAX_SNAPSHOT_BYTES,
            MAX_SNAPSHOT_JSON_BYTES,
        )?;
        let snapshot = serde_json::from_slice(&json).map_err(|e| {
            Error::damaged(Object::Named(Kind::Snapshot, listed.id).to_string(), e.to_string())
        })?;
        Ok(SnapshotInfo { id: listed.id, snapshot, written: listed.written })
    }
}

/// By the hosts' own times; ids decide between equals, so that everybody sees one order.
pub(crate) fn newest_first(all: &mut [SnapshotInfo]) {
    all.sort_by_key(|info| std::cmp::Reverse((info.snapshot.time, info.id)));
}
