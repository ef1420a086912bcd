//! Durations as people write them: `30s`, `15m`, `72h`, `30d`, `1h30m`, `500ms`.
//!
//! Use it with serde: `#[serde(with = "model::duration")]`, or `model::duration::option`.

use serde::{Deserialize, Deserializer, Serializer};
use std::time::Duration;

const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "LB0102: {text:?} is not a duration: write a number and a unit, like 500ms, 30s, 15m, 72h, 30d or 1h30m"
)]
pub struct InvalidDuration {
    /// What was given.
    pub text: String,
}

/// Reads a duration. At most 10 years; units largest first is not required.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration { text: text.chars().take(64).collect() };
    let mut rest = text.trim();
    let mut total_ms: u64 = 0;
    if rest.is_empty() || rest.len() > 64 {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
        let number: u64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = UNITS.iter().find(|(name, _)| *name == &rest[..letters]).ok_or_else(invalid)?;
        rest = &rest[letters..];
        let part = number.checked_mul(unit.1).ok_or_else(invalid)?;
        total_ms = total_ms.checked_add(part).ok_or_else(invalid)?;
    }
    if total_ms > 10 * 366 * 86_400_000 {
        return Err(invalid());
    }
    Ok(Duration::from_millis(total_ms))
}

/// Writes a duration so that [`parse`] gives it back, to the millisecond: `1h30m`, `0s`.
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_string();
    }
    let mut out = String::new();
    for (name, ms) in &UNITS[1..] {
        if rest / ms > 0 {
            out.push_str(&format!("{}{name}", rest / ms));
            rest %= ms;
        }
    }
    out
}

/// Serialises as text.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// Deserialises from text.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// The same for an optional duration.
pub mod option {
    use super::*;

    /// Serialises as text or null.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// Deserialises from text or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| parse(&text).map_err(serde::de::Error::custom))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_write_durations_in_units() {
        assert_eq!(parse("15m").unwrap(), Duration::from_secs(900));
        assert_eq!(parse("1h30m").unwrap(), Duration::from_secs(5400));
        assert_eq!(parse("500ms").unwrap(), Duration::from_millis(500));
        for bad in ["", "5", "m", "5 m", "-5m", "99999999999999999999s", "100000w", "5µs"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ms in 0u64..10 * 365 * 86_400_000) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse(&format(duration)).unwrap(), duration);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse(&text);
        }
    }
}
