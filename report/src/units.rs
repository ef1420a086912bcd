//! Numbers as people read them: bytes, lengths of time, moments in UTC and local, WAL positions.
//!
//! Pure: the time zone is an argument. A moment of zero means "never" everywhere in the product.

use jiff::tz::TimeZone;
use model::Micros;
use std::time::Duration;

/// A WAL position as PostgreSQL prints it: `0/5000060`. Zero is shown as `unknown`.
pub fn lsn(position: u64) -> String {
    match position {
        0 => "unknown".to_string(),
        _ => format!("{:X}/{:X}", position >> 32, position & 0xFFFF_FFFF),
    }
}

/// Bytes in binary units: `512 B`, `1.5 KiB`, `3.0 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    // 1023.95 would print as 1024.0 of the smaller unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match UNITS.get(unit) {
        Some(name) if unit > 0 => format!("{value:.1} {name}"),
        _ => format!("{count} B"),
    }
}

/// A length of time in its largest sensible unit, for tables: `85 ms`, `3.2 s`, `12 min`, `5 h`, `3 d`.
pub fn short(length: Duration) -> String {
    let ms = length.as_millis();
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

/// A length of time in two units, for sentences and reports: `85 ms`, `3.2 s`, `1 min 30 s`, `5 h 12 min`,
/// `3 d 4 h`. Rounded down, so it never claims more than was measured.
pub fn length(length: Duration) -> String {
    let seconds = length.as_secs();
    let two = |large: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {part}"),
    };
    match seconds {
        0..60 => short(length),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..172_800 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// How long ago: `3.0 s ago`; `never` for a moment that never was.
pub fn ago(now: Micros, at: Micros) -> String {
    match at.0 {
        0 => "never".to_string(),
        _ => format!("{} ago", short(now.since(at))),
    }
}

/// A moment in UTC and, where that differs, local: `2026-11-20 21:04:05 UTC (22:04:05 local)`. The local
/// date is given when it is another day.
pub fn moment(at: Micros, zone: &TimeZone) -> String {
    if at.0 == 0 {
        return "never".to_string();
    }
    let utc = at.timestamp().to_zoned(TimeZone::UTC);
    let local = at.timestamp().to_zoned(zone.clone());
    let text = utc.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    match (local.offset().seconds(), local.date() == utc.date()) {
        (0, _) => text,
        (_, true) => format!("{text} ({} local)", local.strftime("%H:%M:%S")),
        (_, false) => format!("{text} ({} local)", local.strftime("%Y-%m-%d %H:%M:%S")),
    }
}

/// A time of day in UTC, for lines of one day: `21:04:05 UTC`.
pub fn clock(at: Micros) -> String {
    at.timestamp().strftime("%H:%M:%S UTC").to_string()
}

/// A number with its noun: `1 table`, `3 tables`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes_are_in_binary_units() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!(bytes(3 << 30), "3.0 GiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
    }

    #[test]
    fn lengths_are_rounded_down() {
        assert_eq!(short(Duration::from_millis(85)), "85 ms");
        assert_eq!(short(Duration::from_millis(59_999)), "59.9 s");
        assert_eq!(short(Duration::from_secs(720)), "12 min");
        assert_eq!(length(Duration::from_millis(3_299)), "3.2 s");
        assert_eq!(length(Duration::from_secs(90)), "1 min 30 s");
        assert_eq!(length(Duration::from_secs(120)), "2 min");
        assert_eq!(length(Duration::from_secs(5 * 3600 + 12 * 60)), "5 h 12 min");
        assert_eq!(length(Duration::from_secs(86_400 * 3)), "3 d");
    }

    #[test]
    fn positions_are_printed_as_postgresql_prints_them() {
        assert_eq!(lsn(0x0000_0000_0500_0060), "0/5000060");
        assert_eq!(lsn(0x0000_0016_B374_D848), "16/B374D848");
        assert_eq!(lsn(0), "unknown");
    }

    #[test]
    fn a_moment_is_given_in_utc_and_local() {
        let at = Micros(1_795_216_845_000_000);
        assert_eq!(moment(at, &TimeZone::UTC), "2026-11-20 23:20:45 UTC");
        let east = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(moment(at, &east), "2026-11-20 23:20:45 UTC (2026-11-21 01:20:45 local)");
        let west = TimeZone::fixed(jiff::tz::offset(-5));
        assert_eq!(moment(at, &west), "2026-11-20 23:20:45 UTC (18:20:45 local)");
        assert_eq!(moment(Micros(0), &west), "never");
        assert_eq!(ago(at, Micros(0)), "never");
        assert_eq!(ago(at, Micros(at.0 - 5_000_000)), "5.0 s ago");
        assert_eq!(clock(at), "23:20:45 UTC");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(count(1, "row", "rows"), "1 row");
        assert_eq!(count(0, "row", "rows"), "0 rows");
    }
}
