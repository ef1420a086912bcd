//! Archive repositories: packs of data in a class that is cheap to keep and slow to read.
//!
//! In a repository that lives on, data of today's snapshot may lie in a pack of years ago, so no pack may
//! become cold by its age, and a prune would have to thaw what it writes anew. An archive is therefore a
//! repository of one quarter: it takes snapshots until its quarter is over, holds all that they need,
//! is never pruned, and goes as a whole when it is old enough. What it is stands in its `config`, in a
//! field that stock restic reads over. Keys, snapshots, index and trees stay in the standard class, so that it can
//! be listed, searched and checked at any time; only data must be thawed.
//!
//! The quarter is judged by the storage's time of the lock that a writer just wrote: a host whose clock is
//! wrong fills no archive of another quarter.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::lock::LockGuard;
use crate::repository::Repository;
use crate::storage::PackClass;

/// In a location, the place of the current quarter.
const PLACEHOLDER: &str = "{quarter}";

/// Three months of a year, in UTC. Written `2026-Q4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quarter {
    year: i16,
    /// 1 to 4.
    number: i8,
}

impl Quarter {
    /// The quarter of this time.
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        let date = time.to_zoned(TimeZone::UTC).date();
        Self { year: date.year(), number: (date.month() - 1) / 3 + 1 }
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        match self.number {
            4 => Self { year: self.year.saturating_add(1), number: 1 },
            number => Self { number: number + 1, ..self },
        }
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-Q{}", self.year, self.number)
    }
}

impl From<Quarter> for String {
    fn from(quarter: Quarter) -> Self {
        quarter.to_string()
    }
}

impl TryFrom<String> for Quarter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Quarter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once("-Q").and_then(|(year, number)| Some((year.parse().ok()?, number.parse().ok()?)));
        match parts {
            Some((year @ 1970..=9999, number @ 1..=4)) => Ok(Self { year, number }),
            _ => Err("write a quarter as 2026-Q4".to_owned()),
        }
    }
}

/// A location with the quarter of this time in the place of `{quarter}`.
#[must_use]
pub fn expand(location: &str, now: Timestamp) -> String {
    location.replace(PLACEHOLDER, &Quarter::of(now).to_string())
}

/// What makes a repository an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// The class of its packs of data.
    pub class: PackClass,
    /// The quarter whose snapshots it takes.
    pub generation: Quarter,
}

impl Archive {
    /// An error when no snapshot of this time belongs into it.
    ///
    /// # Errors
    /// [`Error::ArchiveOver`].
    pub fn takes(&self, now: Timestamp) -> Result<()> {
        let current = Quarter::of(now);
        if current == self.generation {
            return Ok(());
        }
        Err(Error::ArchiveOver { generation: self.generation, current })
    }
}

impl Repository {
    /// What makes this repository an archive, when it is one.
    #[must_use]
    pub fn archive(&self) -> Option<Archive> {
        self.config().lifeboat_archive
    }

    /// An error for what would take something out of an archive.
    pub(crate) fn may_shrink(&self, operation: &'static str) -> Result<()> {
        self.archive()
            .map_or(Ok(()), |archive| Err(Error::ArchiveKept { operation, generation: archive.generation }))
    }

    /// An error for a writer when the quarter of an archive is not the storage's.
    pub(crate) fn may_grow(&self, lock: &LockGuard) -> Result<()> {
        let Some(archive) = self.archive() else { return Ok(()) };
        let written = lock.written()?.unwrap_or_else(SystemTime::now);
        let now = Timestamp::try_from(written).map_err(|_| Error::Internal("a time out of bounds"))?;
        archive.takes(now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_quarter_begins_and_ends_at_midnight_utc() {
        let of = |text: &str| Quarter::of(text.parse().unwrap()).to_string();
        assert_eq!(of("2026-09-30T23:59:59Z"), "2026-Q3");
        assert_eq!(of("2026-10-01T00:00:00Z"), "2026-Q4");
        assert_eq!(of("2026-12-31T23:30:00-02:00"), "2027-Q1");
        assert_eq!("2026-Q4".parse::<Quarter>().unwrap().next().to_string(), "2027-Q1");
        assert_eq!("2026-Q1".parse::<Quarter>().unwrap().next().to_string(), "2026-Q2");
        for text in ["2026-Q5", "2026-Q0", "2026", "Q1", "26-Q1", "2026-q1"] {
            assert!(text.parse::<Quarter>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_archive_takes_only_its_quarter() {
        let archive = Archive { class: PackClass::Glacier, generation: "2026-Q4".parse().unwrap() };
        let at = |text: &str| archive.takes(text.parse().unwrap());
        assert!(at("2026-11-25T00:00:00Z").is_ok());
        let error = at("2027-01-01T00:00:00Z").unwrap_err();
        assert_eq!(error.code(), "LB3036");
        assert!(error.to_string().contains("2027-Q1"), "{error}");
        assert!(at("2026-09-30T23:59:59Z").is_err());
    }

    #[test]
    fn the_quarter_of_a_location_is_that_of_the_time() {
        let now = "2026-11-25T00:00:00Z".parse().unwrap();
        assert_eq!(expand("s3://b/archive/{quarter}/eu", now), "s3://b/archive/2026-Q4/eu");
        assert_eq!(expand("/srv/backup", now), "/srv/backup");
    }
}
