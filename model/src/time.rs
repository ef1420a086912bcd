//! Wall-clock time as it is stored and sent: whole microseconds since the epoch, UTC.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A moment in UTC, in microseconds since 1970-01-01. Never used to order events of two hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// The time that lies between `earlier` and this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Micros) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment plus a duration, saturating at the end of time.
    pub fn after(self, length: Duration) -> Micros {
        Micros(self.0.saturating_add(i64::try_from(length.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The moment as jiff's timestamp; clamps what jiff cannot express.
    pub fn timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl From<jiff::Timestamp> for Micros {
    fn from(moment: jiff::Timestamp) -> Self {
        Micros(moment.as_microsecond())
    }
}

/// RFC 3339 in UTC with whole seconds: `2026-11-20T21:04:05Z`.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.timestamp().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_never_goes_below_zero() {
        assert_eq!(Micros(5).since(Micros(9)), Duration::ZERO);
        assert_eq!(Micros(9).since(Micros(5)), Duration::from_micros(4));
    }

    #[test]
    fn moments_print_in_utc() {
        assert_eq!(Micros(0).to_string(), "1970-01-01T00:00:00Z");
    }
}
