//! Forgetting snapshots, by name or by policy. Their data stays until a prune.

use std::time::SystemTime;

use crate::error::Result;
use crate::find::SnapshotInfo;
use crate::id::Id;
use crate::repository::Repository;
use crate::retention::{Point, Policy, Verdict, judge};
use crate::storage::{Kind, Object, first_written};

/// The tag of a snapshot that was restored and checked.
pub const PROVEN_TAG: &str = "lifeboat:proven";
/// Tags that begin so say which source a snapshot is of.
const SOURCE_TAG: &str = "lifeboat:source=";

/// What a policy would forget, to be shown before it happens.
#[derive(Clone, Debug)]
pub struct ForgetPlan {
    /// What becomes of each snapshot.
    pub verdict: Verdict,
    /// All snapshots that it was made over.
    pub snapshots: Vec<SnapshotInfo>,
}

impl Repository {
    /// What a policy would forget at `now`. `proven` says of further snapshots that they were proven, beside
    /// those that carry [`PROVEN_TAG`].
    ///
    /// # Errors
    /// When a snapshot cannot be read: nothing is decided over half of them.
    pub fn forget_plan(&self, policy: &Policy, proven: &[Id], now: SystemTime) -> Result<ForgetPlan> {
        self.may_shrink("forget")?;
        // By the oldest version of each: who writes all of them anew today makes them no younger.
        let snapshots = self.read_snapshots(&first_written(self.storage(), Kind::Snapshot)?)?;
        let points: Vec<Point> = snapshots.iter().map(|info| point(info, proven)).collect();
        Ok(ForgetPlan { verdict: judge(&points, policy, now), snapshots })
    }

    /// Removes these snapshots, and nothing else. One that is gone already is fine.
    ///
    /// # Errors
    /// When the lock or a removal fails; those before it are removed.
    pub fn forget(&self, snapshots: &[Id]) -> Result<()> {
        self.may_shrink("forget")?;
        // Shared is enough: no data goes, only names of it. It keeps a prune from running meanwhile.
        let lock = crate::lock::LockGuard::acquire(self, crate::lock::Mode::Shared)?;
        lock.settled()?;
        for id in snapshots {
            self.remove(Object::Named(Kind::Snapshot, *id))?;
        }
        Ok(())
    }
}

fn point(info: &SnapshotInfo, proven: &[Id]) -> Point {
    let snapshot = &info.snapshot;
    let source = snapshot.tags.iter().find(|tag| tag.starts_with(SOURCE_TAG));
    Point {
        id: info.id,
        group: source
            .cloned()
            .unwrap_or_else(|| format!("{}:{}", snapshot.hostname, snapshot.paths.join(":"))),
        written: info.written,
        proven: snapshot.has_tag(PROVEN_TAG) || proven.contains(&info.id),
        incomplete: snapshot.is_incomplete(),
        tags: snapshot.tags.clone(),
    }
}
