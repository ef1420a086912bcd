//! Cron fields and a calendar of minutes, written a second time and in another way than the product's.

use super::Random;
use std::collections::BTreeMap;

/// Zones of every kind: none, both hemispheres, half an hour, no change of the clock.
pub const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago"];
/// A change of a clock falls on one of these.
const QUARTER: i64 = 15;

/// One random field: its text, and the numbers that it means.
pub struct Field {
    pub text: String,
    pub numbers: Vec<i64>,
}

pub fn field(random: &mut Random, low: i64, high: i64, wild: usize) -> Field {
    let span = usize::try_from(high - low + 1).unwrap();
    if random.percent(wild) {
        return Field { text: "*".to_string(), numbers: (low..=high).collect() };
    }
    let one = |random: &mut Random| low + random.below(span) as i64;
    match random.below(4) {
        0 => {
            let every = 2 + random.below(span / 2) as i64;
            let numbers = (low..=high).filter(|number| (number - low) % every == 0).collect();
            Field { text: format!("*/{every}"), numbers }
        }
        1 => {
            let mut ends = [one(random), one(random)];
            ends.sort_unstable();
            Field { text: format!("{}-{}", ends[0], ends[1]), numbers: (ends[0]..=ends[1]).collect() }
        }
        2 => {
            let mut numbers: Vec<i64> = (0..2 + random.below(2)).map(|_| one(random)).collect();
            numbers.sort_unstable();
            numbers.dedup();
            let text: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            Field { text: text.join(","), numbers }
        }
        _ => {
            let number = one(random);
            Field { text: number.to_string(), numbers: vec![number] }
        }
    }
}

/// What each zone's clock is ahead of UTC, in minutes, looked up a quarter of an hour at a time.
#[derive(Default)]
pub struct Clocks(BTreeMap<String, (jiff::tz::TimeZone, BTreeMap<i64, i64>)>);

impl Clocks {
    /// The offsets of every minute of a stretch that begins with a quarter.
    pub fn offsets(&mut self, zone: &str, from: i64, length: i64) -> Vec<i64> {
        let new = || (jiff::tz::TimeZone::get(zone).unwrap(), BTreeMap::new());
        let (zone, known) = self.0.entry(zone.to_string()).or_insert_with(new);
        let mut out = Vec::new();
        for quarter in from / QUARTER..(from + length) / QUARTER {
            let offset = *known.entry(quarter).or_insert_with(|| {
                let at = jiff::Timestamp::from_second(quarter * QUARTER * 60).unwrap();
                i64::from(zone.to_offset(at).seconds()) / 60
            });
            out.extend([offset; QUARTER as usize]);
        }
        out
    }
}

/// Month (1-12), day (1-31) and weekday (0 is Sunday) of a day since 1970-01-01.
pub fn date(days: i64) -> (i64, i64, i64) {
    let (mut year, mut left) = (1970, days);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let february = 28 + i64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (month, left + 1, (days + 4).rem_euclid(7))
}

#[test]
fn the_calendar_is_right_on_days_that_are_known() {
    assert_eq!(date(0), (1, 1, 4));
    assert_eq!(date(19_782), (2, 29, 4)); // 2024-02-29, a Thursday
    assert_eq!(date(20_783), (11, 26, 4)); // 2026-11-26, a Thursday
}
