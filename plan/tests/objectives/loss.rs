//! The worst loss against an agent that is followed minute by minute, and fails at each of them.

use super::Random;
use super::calendar::{Clocks, Field, ZONES, date, field};
use model::Micros;
use model::schedule::Cron;
use plan::objectives::{Loss, longest_gap_within};
use std::time::Duration;

const SCHEDULES: usize = 1_200;
/// How long each agent is followed, in minutes.
const WINDOW: i64 = 50 * 1_440;
/// The longest that it is followed beyond, until the last gap has ended.
const BEYOND: i64 = 33 * 1_440;
const MICROS: i64 = 60_000_000;

struct Schedule {
    cron: Cron,
    minutes: Field,
    hours: Field,
    days: Field,
    weekdays: Field,
}

fn schedule(random: &mut Random) -> Schedule {
    let minutes = field(random, 0, 59, 10);
    let hours = field(random, 0, 23, 30);
    // A day of the month and a weekday together mean "or" to some and "and" to others: one of them at most.
    let days = field(random, 1, 31, 75);
    let weekdays = field(random, 0, 6, if days.text == "*" { 60 } else { 100 });
    let expression = format!("{} {} {} * {}", minutes.text, hours.text, days.text, weekdays.text);
    let zone = random.pick(&ZONES).to_string();
    Schedule { cron: Cron { expression, zone }, minutes, hours, days, weekdays }
}

/// The minutes at which it fires. A job with one time of day runs once a day: at the next minute that there
/// is when the clock leaps over its time, and at the first of two when the clock strikes it twice.
fn fires(schedule: &Schedule, from: i64, offsets: &[i64]) -> Vec<bool> {
    let number = |text: &str| !text.contains(['*', '-', ',']);
    let once = number(&schedule.minutes.text) && number(&schedule.hours.text);
    let mask = |field: &Field| field.numbers.iter().fold(0u64, |mask, number| mask | 1 << number);
    let has = |mask: u64, number: i64| mask >> number & 1 == 1;
    let (minutes, hours) = (mask(&schedule.minutes), mask(&schedule.hours));
    let (days, weekdays) = (mask(&schedule.days), mask(&schedule.weekdays));
    let first_day = (from - 2_880).div_euclid(1_440);
    let on_day: Vec<bool> = (first_day..first_day + (WINDOW + BEYOND) / 1_440 + 6)
        .map(|day| {
            let (_, day, weekday) = date(day);
            has(days, day) && has(weekdays, weekday)
        })
        .collect();
    let matches = |local: i64| {
        let day = usize::try_from(local.div_euclid(1_440) - first_day).unwrap();
        on_day[day] && has(minutes, local.rem_euclid(60)) && has(hours, local.rem_euclid(1_440) / 60)
    };
    let mut leapt = false;
    let mut last_fired: Option<i64> = None;
    let mut previous: Option<i64> = None;
    let mut out = Vec::with_capacity(offsets.len());
    for (minute, offset) in (from..).zip(offsets) {
        let local = minute + offset;
        // Local minutes that the clock leapt over.
        if let Some(before) = previous.filter(|before| once && local > before + 1) {
            leapt |= (before + 1..local).any(matches);
        }
        let again = once && last_fired == Some(local);
        let now = (matches(local) && !again) || leapt;
        leapt = false;
        if now && once {
            last_fired = Some(local);
        }
        previous = Some(local);
        out.push(now);
    }
    out
}

/// Without what comes after the backup that ends the last gap which begins in the window.
fn cut(mut fires: Vec<bool>, until_whole: i64) -> Vec<bool> {
    let end =
        (0i64..).zip(&fires).find(|(minute, fires)| **fires && *minute >= WINDOW).map(|(minute, _)| minute);
    if let Some(end) = end {
        fires.truncate(usize::try_from(end + until_whole + 1).unwrap());
        let after = usize::try_from(end + 1).unwrap().min(fires.len());
        fires[after..].fill(false);
    }
    fires
}

/// The longest gap that begins in the window.
fn gap(fires: &[bool]) -> Option<i64> {
    let mut last: Option<i64> = None;
    let mut longest = 0;
    for (minute, _) in (0i64..).zip(fires).filter(|(_, fires)| **fires) {
        if let Some(last) = last {
            longest = longest.max(minute - last);
        }
        last = Some(minute);
        if minute >= WINDOW {
            return Some(longest);
        }
    }
    None
}

/// Follows an agent and lets it fail at every minute: what was there is what the newest whole backup held.
fn worst(fires: &[bool], takes: i64, transfer: i64, proves: bool) -> i64 {
    let (mut due, mut free_at) = (false, 0);
    let mut under_way: Vec<(i64, i64)> = Vec::new();
    let mut newest: Option<i64> = None;
    let mut worst = 0;
    for (minute, fires) in (0i64..).zip(fires) {
        // A failure in this minute comes before anything else that happens in it.
        if let Some(held) = newest {
            worst = worst.max(minute - held);
        }
        if let Some((began, _)) = under_way.iter().filter(|(_, whole)| *whole <= minute).max() {
            newest = Some(newest.map_or(*began, |held| held.max(*began)));
        }
        under_way.retain(|(_, whole)| *whole > minute);
        due |= fires;
        if due && free_at <= minute {
            due = false;
            free_at = minute + takes + transfer + if proves { takes } else { 0 };
            under_way.push((minute, minute + takes + transfer));
        }
    }
    worst
}

#[test]
fn the_worst_loss_is_what_an_agent_that_fails_at_any_minute_loses() {
    let mut random = Random::new(4);
    let mut clocks = Clocks::default();
    let (mut gaps, mut exact, mut busy, mut minutes) = (0, 0, 0, 0);
    while gaps < SCHEDULES {
        let schedule = schedule(&mut random);
        // Some day in three years, so that most windows have a change of the clock.
        let from = (20_454 + random.below(3 * 365) as i64) * 1_440;
        let offsets = clocks.offsets(&schedule.cron.zone, from, WINDOW + BEYOND);
        let fires = fires(&schedule, from, &offsets);
        let Some(gap) = gap(&fires) else { continue };
        gaps += 1;
        let before = Micros((from - 1) * MICROS);
        let length = Duration::from_secs(u64::try_from(WINDOW + 1).unwrap() * 60);
        let found = longest_gap_within(&schedule.cron, before, length).unwrap();
        assert_eq!(found.as_secs(), u64::try_from(gap).unwrap() * 60, "{:?} from {before}", schedule.cron);

        let longest = *random.pick(&[5, 30, 300, 3_000]);
        let takes = 1 + random.below(longest) as i64;
        let (transfer, proves) = (random.below(60) as i64, random.percent(50));
        let fires = cut(fires, takes + transfer);
        let worst = worst(&fires, takes, transfer, proves);
        minutes += fires.len();
        let span = |minutes: i64| Duration::from_secs(u64::try_from(minutes).unwrap() * 60);
        let loss = Loss::new(span(gap), span(takes), span(transfer), proves).total();
        assert!(
            span(worst) <= loss,
            "{:?} takes {takes} and {transfer}: {worst} min > {loss:?}",
            schedule.cron
        );
        let working = takes + transfer + if proves { takes } else { 0 };
        if working < shortest(&fires) && whole(&fires, gap, takes + transfer) {
            assert_eq!(span(worst), loss, "{:?} takes {takes} and {transfer}", schedule.cron);
            exact += 1;
        } else if working > gap && last(&fires) - first(&fires) > 2 * working {
            assert_eq!(span(worst), loss, "{:?} takes {takes} and {transfer}, always busy", schedule.cron);
            busy += 1;
        }
    }
    assert!(exact > SCHEDULES / 10 && busy > SCHEDULES / 20, "{exact} exact, {busy} busy");
    println!(
        "{gaps} random schedules, {minutes} minutes to fail in: {gaps} longest gaps equal, no loss above, \
              {exact} losses equal, {busy} equal with an agent that is always busy"
    );
}

fn first(fires: &[bool]) -> i64 {
    fires.iter().position(|fires| *fires).unwrap_or(0) as i64
}

fn last(fires: &[bool]) -> i64 {
    fires.iter().rposition(|fires| *fires).unwrap_or(0) as i64
}

fn shortest(fires: &[bool]) -> i64 {
    let moments: Vec<i64> = (0i64..).zip(fires).filter(|(_, fires)| **fires).map(|(at, _)| at).collect();
    moments.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(0)
}

/// Whether the window holds the longest gap with the backups at both its ends.
fn whole(fires: &[bool], gap: i64, until_whole: i64) -> bool {
    let moments: Vec<i64> = (0i64..).zip(fires).filter(|(_, fires)| **fires).map(|(at, _)| at).collect();
    moments.windows(2).any(|pair| pair[1] - pair[0] == gap && pair[1] + until_whole < fires.len() as i64)
}
