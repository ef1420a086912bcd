//! Schedule arithmetic: cron expressions in a time zone.
//!
//! A moment that daylight saving skips fires at the next valid one, a moment that occurs twice fires
//! once: that is what croner does, and the tests here hold it to that.

use crate::Micros;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A cron expression and the zone that it is read in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cron {
    /// Five fields: minute, hour, day of month, month, day of week. An optional first field gives seconds.
    pub expression: String,
    /// IANA zone, `UTC` or `Europe/Berlin`.
    pub zone: String,
}

/// A schedule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// Not a cron expression.
    #[error("LB0103: {expression:?} is not a cron expression: {why}")]
    Expression {
        /// What was given.
        expression: String,
        /// What the reader said.
        why: String,
    },
    /// Not a known zone.
    #[error("LB0104: {zone:?} is not a known time zone: write UTC or a name like Europe/Berlin")]
    Zone {
        /// What was given.
        zone: String,
    },
    /// Never fires again.
    #[error("LB0105: {expression:?} never fires after {after}")]
    Never {
        /// What was given.
        expression: String,
        /// From when on was asked.
        after: Micros,
    },
}

impl Cron {
    /// Says whether expression and zone can be read.
    pub fn validate(&self) -> Result<(), InvalidSchedule> {
        self.parts().map(|_| ())
    }

    /// The first moment strictly after `after` at which it fires.
    pub fn next(&self, after: Micros) -> Result<Micros, InvalidSchedule> {
        self.firings()?.next(after)
    }

    /// Its firings, one after another; the expression is read once.
    pub fn firings(&self) -> Result<Firings, InvalidSchedule> {
        let (cron, zone) = self.parts()?;
        Ok(Firings { expression: self.expression.clone(), cron, zone })
    }

    fn parts(&self) -> Result<(croner::Cron, jiff::tz::TimeZone), InvalidSchedule> {
        let parser = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Optional).build();
        let cron = parser.parse(&self.expression).map_err(|error| InvalidSchedule::Expression {
            expression: self.expression.clone(),
            why: error.to_string(),
        })?;
        let zone = jiff::tz::TimeZone::get(&self.zone)
            .map_err(|_| InvalidSchedule::Zone { zone: self.zone.clone() })?;
        Ok((cron, zone))
    }
}

/// A schedule that was read, for whoever asks for many of its firings.
#[derive(Debug, Clone)]
pub struct Firings {
    expression: String,
    cron: croner::Cron,
    zone: jiff::tz::TimeZone,
}

impl Firings {
    /// The zone that it is read in.
    pub fn zone(&self) -> &jiff::tz::TimeZone {
        &self.zone
    }

    /// The first moment strictly after `after` at which it fires.
    pub fn next(&self, after: Micros) -> Result<Micros, InvalidSchedule> {
        let start = after.timestamp().to_zoned(self.zone.clone());
        self.cron
            .find_next_occurrence(&start, false)
            .map(|moment| Micros::from(moment.timestamp()))
            .map_err(|_| InvalidSchedule::Never { expression: self.expression.clone(), after })
    }
}

/// Reads an expression in UTC.
impl FromStr for Cron {
    type Err = InvalidSchedule;
    fn from_str(text: &str) -> Result<Self, InvalidSchedule> {
        let cron = Cron { expression: text.to_string(), zone: "UTC".to_string() };
        cron.validate()?;
        Ok(cron)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Micros {
        Micros::from(text.parse::<jiff::Timestamp>().unwrap())
    }

    #[test]
    fn a_nightly_schedule_fires_at_two_in_its_zone() {
        let utc: Cron = "0 2 * * *".parse().unwrap();
        assert_eq!(utc.next(at("2026-11-20T21:00:00Z")).unwrap(), at("2026-11-21T02:00:00Z"));
        let berlin = Cron { expression: "0 2 * * *".into(), zone: "Europe/Berlin".into() };
        assert_eq!(berlin.next(at("2026-11-20T21:00:00Z")).unwrap(), at("2026-11-21T01:00:00Z"));
    }

    #[test]
    fn the_next_moment_lies_strictly_later() {
        let utc: Cron = "0 2 * * *".parse().unwrap();
        let two = at("2026-11-21T02:00:00Z");
        assert_eq!(utc.next(two).unwrap(), at("2026-11-22T02:00:00Z"));
    }

    #[test]
    fn an_hour_that_daylight_saving_skips_fires_once() {
        let berlin = Cron { expression: "30 2 * * *".into(), zone: "Europe/Berlin".into() };
        let first = berlin.next(at("2026-03-28T12:00:00Z")).unwrap();
        let second = berlin.next(first).unwrap();
        assert!(first >= at("2026-03-29T01:00:00Z") && first <= at("2026-03-29T02:00:00Z"), "{first}");
        assert_eq!(second, at("2026-03-30T00:30:00Z"));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!("every night".parse::<Cron>().is_err());
        assert!(Cron { expression: "0 2 * * *".into(), zone: "Mars/Olympus".into() }.validate().is_err());
        assert!(matches!(
            "0 2 30 2 *".parse::<Cron>().unwrap().next(Micros(0)),
            Err(InvalidSchedule::Never { .. })
        ));
    }
}
