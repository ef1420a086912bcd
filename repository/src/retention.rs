//! Which snapshots may be forgotten: arithmetic only.
//!
//! Age is counted from the time at which the storage says that the snapshot was written, against the
//! clock of whoever asks. What a client wrote into the snapshot decides nothing: one forged snapshot of
//! the year 2099 must expire no other. Nothing is ever forgotten by count alone.

use std::time::{Duration, SystemTime};

use crate::id::Id;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Everything written within this time.
    pub within: Duration,
    /// And of the rest still so many, the newest ones.
    pub at_least: usize,
}

/// One snapshot for the arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The snapshot.
    pub id: Id,
    /// When the storage says that it was written. Unknown: kept.
    pub written: Option<SystemTime>,
    /// A proven restore point; the newest of these is never forgotten.
    pub proven: bool,
}

/// The snapshots that may be forgotten, oldest first. A snapshot written in the future of `now` is kept,
/// and counts for nothing.
#[must_use]
pub fn expired(points: &[Point], keep: Keep, now: SystemTime) -> Vec<Id> {
    let mut aged: Vec<(Duration, Point)> =
        points.iter().filter_map(|p| Some((now.duration_since(p.written?).ok()?, *p))).collect();
    aged.sort_by_key(|(age, point)| (*age, point.id));
    let last_proven = aged.iter().find(|(_, point)| point.proven).map(|(_, point)| point.id);
    let old = aged
        .iter()
        .skip(keep.at_least)
        .filter(|(age, point)| *age > keep.within && Some(point.id) != last_proven);
    let mut gone: Vec<Id> = old.map(|(_, point)| point.id).collect();
    gone.reverse();
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn point(name: u8, days_old: u32, now: SystemTime) -> Point {
        Point { id: Id::of(&[name]), written: now.checked_sub(DAY * days_old), proven: false }
    }

    #[test]
    fn what_is_older_than_the_window_expires_oldest_first() {
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let points = [point(1, 40, now), point(2, 31, now), point(3, 29, now), point(4, 0, now)];
        let keep = Keep { within: DAY * 30, at_least: 1 };
        assert_eq!(expired(&points, keep, now), [Id::of(&[1]), Id::of(&[2])]);
    }

    #[test]
    fn the_last_ones_and_the_last_proven_one_stay_however_old() {
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let mut points = [point(1, 400, now), point(2, 300, now), point(3, 200, now), point(4, 100, now)];
        points[0].proven = true;
        points[1].proven = true;
        let keep = Keep { within: DAY * 30, at_least: 1 };
        assert_eq!(expired(&points, keep, now), [Id::of(&[1]), Id::of(&[3])]);
        assert!(expired(&points, Keep { at_least: 4, ..keep }, now).is_empty());
    }

    #[test]
    fn a_snapshot_of_the_future_or_without_time_expires_nothing_and_stays() {
        let now = SystemTime::UNIX_EPOCH + DAY * 20_000;
        let future = Point { id: Id::of(b"f"), written: Some(now + DAY * 30_000), proven: true };
        let unknown = Point { id: Id::of(b"u"), written: None, proven: false };
        let points = [future, unknown, point(1, 40, now)];
        let keep = Keep { within: DAY * 30, at_least: 1 };
        assert!(expired(&points, keep, now).is_empty());
    }
}
