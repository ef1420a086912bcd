//! The longest time between two firings of a schedule.
//!
//! Found by walking, so that every peculiarity of cron expressions, months and daylight saving counts as
//! it will happen. To be quick it walks day by day: on days without a change of the clock every day that
//! fires at all fires at the same times of day, so the first such day is walked firing by firing and
//! the others only from their first firing to their last. Days around a change of the clock are walked
//! whole. A schedule that fires every day leaps from one of these to the next.

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
/// Most firings that one check walks for all its schedules together.
pub const MAX_ALL_WALKED: usize = 100_000;

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
    longest_gap_counted(cron, from, length, &mut 0)
}

/// The same, and counts what was walked, by days and by single firings.
fn longest_gap_counted(
    cron: &Cron,
    from: Micros,
    length: Duration,
    steps: &mut usize,
) -> Result<Duration, InvalidSchedule> {
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
    let daily = is_daily(cron);
    while last < end {
        *steps += 1;
        let begin = local(last, &zone);
        let ordinary = !special.contains(&begin.0) || walked >= MAX_WALKED;
        match pattern.filter(|pattern| ordinary && pattern.first == begin.1) {
            Some(known) => last = moment(begin.0, known.last, &zone, last),
            None => {
                let day = walk(&firings, last, begin.0, &zone)?;
                walked += day.count;
                *steps += day.count;
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
        // From here on all days are as long and alike, and the gap between two of them has just been seen.
        let alike = pattern.filter(|_| daily && ordinary);
        if let Some((date, known)) = before_change(&special, begin.0, local(end, &zone).0).zip(alike) {
            last = moment(date, known.first, &zone, last);
        }
    }
    Ok(longest)
}

/// Whether days, months and weekdays do not matter.
fn is_daily(cron: &Cron) -> bool {
    let fields: Vec<&str> = cron.expression.split_whitespace().collect();
    fields.len() >= 5 && fields.iter().rev().take(3).all(|field| *field == "*")
}

/// The last ordinary day that follows ordinary ones after a date, and never the last but one before the end.
fn before_change(special: &BTreeSet<Date>, date: Date, end: Date) -> Option<Date> {
    let next = date.tomorrow().ok()?;
    let change = special.range(next..).next().copied().unwrap_or(end).min(end);
    change.checked_sub(jiff::Span::new().days(2)).ok().filter(|until| *until > next)
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
pub(crate) struct Gaps {
    known: BTreeMap<(String, String), Option<Duration>>,
    steps: usize,
    refused: Option<Cron>,
}

impl Gaps {
    /// The longest gap; `None` for a schedule that never fires, which is told elsewhere, or when too much was
    /// walked.
    pub fn of(&mut self, cron: &Cron) -> Option<Duration> {
        let key = (cron.expression.clone(), cron.zone.clone());
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        if self.steps > MAX_ALL_WALKED {
            self.refused.get_or_insert_with(|| cron.clone());
            return None;
        }
        let gap = longest_gap_counted(cron, FROM, LOOK_AHEAD, &mut self.steps).ok();
        self.known.insert(key, gap);
        gap
    }

    /// A schedule whose gaps are not known since those of others were too many.
    pub fn refused(&self) -> Option<&Cron> {
        self.refused.as_ref()
    }
}
