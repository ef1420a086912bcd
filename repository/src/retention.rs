//! Which snapshots may be forgotten: arithmetic only.
//!
//! Age is counted from the time at which the storage says that the snapshot was written, against the
//! clock of whoever asks. What a client wrote into the snapshot decides nothing: one forged snapshot of
//! the year 2099 must expire no other. Nothing is ever forgotten by count alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crate::id::Id;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is kept: everything that is young, and then one of each period for as long as the period's rule says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Everything written within this time.
    pub within: Duration,
    /// One of each hour, for this time.
    pub hourly: Duration,
    /// One of each day, for this time.
    pub daily: Duration,
    /// One of each week, for this time.
    pub weekly: Duration,
    /// One of each 30 days, for this time.
    pub monthly: Duration,
    /// One of each 365 days, for this time.
    pub yearly: Duration,
    /// Everything with one of these tags.
    pub tags: Vec<String>,
}

/// One snapshot for the arithmetic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The snapshot.
    pub id: Id,
    /// What it is a copy of (host, paths, source): each group has its own newest and its own periods.
    pub group: String,
    /// When the storage says that it was written. Unknown: kept.
    pub written: Option<SystemTime>,
    /// A proven restore point; the newest of these in a group is never forgotten.
    pub proven: bool,
    /// Whether files are missing in it. The newest that is whole is never forgotten.
    pub incomplete: bool,
    /// Its tags.
    pub tags: Vec<String>,
}

/// What becomes of each snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// May be forgotten, oldest first.
    pub expired: Vec<Id>,
    /// Stays, and why.
    pub kept: BTreeMap<Id, &'static str>,
    /// Stays because its time makes no sense: unknown to the storage, or in the future of whoever asks.
    pub ignored: BTreeSet<Id>,
}

/// Which snapshots may be forgotten. One written in the future of `now` stays, and counts for nothing.
#[must_use]
pub fn judge(points: &[Point], policy: &Policy, now: SystemTime) -> Verdict {
    let mut verdict = Verdict::default();
    let mut groups: BTreeMap<&str, Vec<(Duration, &Point)>> = BTreeMap::new();
    for point in points {
        match point.written.and_then(|written| now.duration_since(written).ok()) {
            Some(age) => groups.entry(&point.group).or_default().push((age, point)),
            None => drop(verdict.ignored.insert(point.id)),
        }
    }
    let mut expired = Vec::new();
    for aged in groups.values_mut() {
        aged.sort_by_key(|(age, point)| (*age, point.id));
        judge_group(aged, policy, &mut verdict.kept, &mut expired);
    }
    expired.sort_unstable();
    verdict.expired = expired.into_iter().rev().map(|(_, id)| id).collect();
    verdict
}

fn judge_group(
    newest_first: &[(Duration, &Point)],
    policy: &Policy,
    kept: &mut BTreeMap<Id, &'static str>,
    expired: &mut Vec<(Duration, Id)>,
) {
    let last_proven = newest_first.iter().find(|(_, p)| p.proven).map(|(_, p)| p.id);
    let last_whole = newest_first.iter().find(|(_, p)| !p.incomplete).map(|(_, p)| p.id);
    let periods = [
        (HOUR, policy.hourly, "one of its hour"),
        (DAY, policy.daily, "one of its day"),
        (7 * DAY, policy.weekly, "one of its week"),
        (30 * DAY, policy.monthly, "one of its month"),
        (365 * DAY, policy.yearly, "one of its year"),
    ];
    let mut seen = BTreeSet::new();
    for (age, point) in newest_first {
        let since_epoch =
            point.written.and_then(|w| w.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
        let mut reason = None;
        for (period, window, why) in periods {
            // The newest of each period, whatever else keeps it.
            let is_first = seen.insert((period, since_epoch.as_secs() / period.as_secs()));
            if is_first && *age <= window && !window.is_zero() && reason.is_none() {
                reason = Some(why);
            }
        }
        let reason = match () {
            () if Some(point.id) == last_proven => Some("the last proven one"),
            () if Some(point.id) == last_whole => Some("the newest whole one"),
            () if point.tags.iter().any(|tag| policy.tags.contains(tag)) => Some("its tag"),
            () if *age <= policy.within => Some("young enough"),
            () => reason,
        };
        match reason {
            Some(why) => drop(kept.insert(point.id, why)),
            None => expired.push((*age, point.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn point(name: u32, days_old: u32, now: SystemTime) -> Point {
        Point {
            id: Id::of(&name.to_be_bytes()),
            group: "db-1:/srv".to_owned(),
            written: now.checked_sub(DAY * days_old),
            proven: false,
            incomplete: false,
            tags: Vec::new(),
        }
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + DAY * 20_000 + HOUR
    }

    fn within(days: u32) -> Policy {
        Policy { within: DAY * days, ..Policy::default() }
    }

    #[test]
    fn what_is_older_than_the_window_expires_oldest_first() {
        let points: Vec<_> = [40, 31, 29, 0].iter().map(|days| point(*days, *days, now())).collect();
        let verdict = judge(&points, &within(30), now());
        assert_eq!(verdict.expired, [points[0].id, points[1].id]);
        assert_eq!(verdict.kept[&points[2].id], "young enough");
    }

    #[test]
    fn the_newest_whole_one_and_the_last_proven_one_stay_however_old() {
        let mut points: Vec<_> = [400, 300, 200, 100].iter().map(|d| point(*d, *d, now())).collect();
        points[0].proven = true;
        points[1].proven = true;
        points[3].incomplete = true;
        let verdict = judge(&points, &within(30), now());
        assert_eq!(verdict.expired, [points[0].id, points[3].id]);
        assert_eq!(verdict.kept[&points[1].id], "the last proven one");
        assert_eq!(verdict.kept[&points[2].id], "the newest whole one");
    }

    #[test]
    fn a_snapshot_of_the_future_or_without_time_expires_nothing_and_stays() {
        let mut future = point(1, 0, now());
        future.written = Some(now() + DAY * 30_000);
        future.proven = true;
        let mut unknown = point(2, 0, now());
        unknown.written = None;
        let points = [future, unknown, point(3, 40, now()), point(4, 50, now())];
        let verdict = judge(&points, &within(45), now());
        assert_eq!(verdict.expired, [points[3].id]);
        assert_eq!(verdict.ignored, BTreeSet::from([points[0].id, points[1].id]));
    }

    #[test]
    fn a_flood_of_snapshots_expires_nothing_that_time_keeps() {
        let mut points: Vec<_> = (0..20).map(|day| point(day, day, now())).collect();
        let before = judge(&points, &within(30), now());
        points.extend((1000..3000).map(|name| point(name, 0, now())));
        let after = judge(&points, &within(30), now());
        assert!(before.expired.is_empty() && after.expired.is_empty());
    }

    #[test]
    fn one_of_each_period_stays_for_the_time_of_the_period() {
        let points: Vec<_> = (0..400).map(|day| point(day, day, now())).collect();
        let policy = Policy { daily: DAY * 14, weekly: DAY * 60, monthly: DAY * 365, ..within(2) };
        let verdict = judge(&points, &policy, now());
        let reasons = |why| verdict.kept.values().filter(|reason| **reason == why).count();
        assert_eq!(reasons("young enough") + reasons("the newest whole one"), 3);
        assert_eq!(reasons("one of its day"), 12);
        assert!((6..=8).contains(&reasons("one of its week")), "{}", reasons("one of its week"));
        assert!((9..=12).contains(&reasons("one of its month")), "{}", reasons("one of its month"));
        assert_eq!(verdict.kept.len() + verdict.expired.len(), 400);
    }

    #[test]
    fn tags_keep_and_groups_do_not_disturb_each_other() {
        let mut points: Vec<_> = [90, 80, 70].iter().map(|days| point(*days, *days, now())).collect();
        points[0].tags = vec!["legal".to_owned()];
        points[1].group = "db-2:/srv".to_owned();
        let policy = Policy { tags: vec!["legal".to_owned()], ..within(30) };
        let verdict = judge(&points, &policy, now());
        assert!(verdict.expired.is_empty(), "{verdict:?}");
        assert_eq!(verdict.kept[&points[1].id], "the newest whole one");
    }
}
