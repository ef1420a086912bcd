//! The longest time between two firings of a schedule.
//!
//! Found by walking, so that every peculiarity of cron expressions, months and daylight saving counts as
//! it will happen. To be quick it walks day by day: on days without a change of the clock every day that
//! fires at all fires at the same times of day, so the first such day is walked firing by firing and
//! the others only from their first firing to their last. Days around a change of the clock are walked
//! whole.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use model::Micros;
use model::schedule::{Cron, Firings, InvalidSchedule};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Where the walk begins: 2026-01-01 00:00 UTC. Any moment does, the calendar repeats.
const FROM: Micros = Micros(1_767_225_600_000_000);
/// How far it goes. A gap that begins within it counts to its end: that of a 29 February is four years.
pub const LOOK_AHEAD: Duration = Duration::from_secs(2 * 366 * 86_400);
/// Most firings that are walked one by one. A schedule that fires every few seconds has more of them around
/// the changes of its clock; those days then count as ordinary ones.
pub const MAX_WALKED: usize = 20_000;

/// The times of day at which a schedule fires on an ordinary day.
#[derive(Debug, Clone, Copy)]
struct Pattern {
    first: Time,
    last: Time,
}

/// The longest gap between two firings that begins within [`LOOK_AHEAD`].
pub fn longest_gap(cron: &Cron) -> Result<Duration, InvalidSchedule> {
    longest_gap_within(cron, FROM, LOOK_AHEAD)
}

/// The longest gap between two firings that begins after `from`, and before `length` has passed since.
pub fn longest_gap_within(cron: &Cron, from: Micros, length: Duration) -> Result<Duration, InvalidSchedule> {
    let end = from.after(length);
    let firings = cron.firings()?;
    let zone = firings.zone().clone();
    let mut special = changes(&zone, from, end);
    // The walk may begin in the middle of this one.
    special.insert(local(from, &zone).0);
    let mut pattern: Option<Pattern> = None;
    let mut walked = 0;
    let mut longest = Duration::ZERO;
    let mut last = firings.next(from)?;
    while last < end {
        let begin = local(last, &zone);
        let ordinary = !special.contains(&begin.0) || walked >= MAX_WALKED;
        match pattern.filter(|pattern| ordinary && pattern.first == begin.1) {
            Some(known) => last = moment(begin.0, known.last, &zone, last),
            None => {
                let day = walk(&firings, last, begin.0, &zone)?;
                walked += day.count;
                longest = longest.max(day.longest);
                last = day.last;
                if ordinary && pattern.is_none() {
                    pattern = Some(Pattern { first: begin.1, last: local(last, &zone).1 });
                }
            }
        }
        let next = firings.next(last)?;
        longest = longest.max(next.since(last));
        last = next;
    }
    Ok(longest)
}

/// The firings of one day.
struct Day {
    last: Micros,
    longest: Duration,
    count: usize,
}

fn walk(firings: &Firings, first: Micros, date: Date, zone: &TimeZone) -> Result<Day, InvalidSchedule> {
    let mut day = Day { last: first, longest: Duration::ZERO, count: 1 };
    loop {
        let next = firings.next(day.last)?;
        if local(next, zone).0 != date {
            return Ok(day);
        }
        day.longest = day.longest.max(next.since(day.last));
        day.last = next;
        day.count += 1;
    }
}

fn local(at: Micros, zone: &TimeZone) -> (Date, Time) {
    let local = at.timestamp().to_zoned(zone.clone());
    (local.date(), local.time())
}

/// The moment of a local time of an ordinary day; never before `least`.
fn moment(date: Date, time: Time, zone: &TimeZone, least: Micros) -> Micros {
    let zoned = date.to_datetime(time).to_zoned(zone.clone());
    zoned.map_or(least, |zoned| Micros::from(zoned.timestamp()).max(least))
}

/// The local dates around each change of the zone's clock.
fn changes(zone: &TimeZone, from: Micros, end: Micros) -> BTreeSet<Date> {
    let changes = zone.following(from.timestamp()).map(|change| change.timestamp());
    let dates = changes.take_while(|at| Micros::from(*at) <= end).flat_map(|at| {
        let date = at.to_zoned(zone.clone()).date();
        [date.yesterday().ok(), Some(date), date.tomorrow().ok()]
    });
    dates.flatten().collect()
}

/// Gaps that were found, so that equal schedules are walked once.
#[derive(Debug, Default)]
pub(crate) struct Gaps(BTreeMap<(String, String), Option<Duration>>);

impl Gaps {
    /// The longest gap; `None` for a schedule that never fires, which is told elsewhere.
    pub fn of(&mut self, cron: &Cron) -> Option<Duration> {
        let key = (cron.expression.clone(), cron.zone.clone());
        *self.0.entry(key).or_insert_with(|| longest_gap(cron).ok())
    }
}
