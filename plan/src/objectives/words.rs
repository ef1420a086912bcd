//! Lengths of time in sentences, and sums of them that can be added up again by hand.

use std::time::Duration;

/// Most parts that a sum names; the rest is one part.
pub const MAX_PARTS: usize = 10;
/// Longest name in a sum, in characters.
const MAX_NAME: usize = 40;

/// A length of time in at most three units: `250ms`, `13s`, `10m`, `5m 13s`, `24h 15m`, `31d 00h`.
pub fn words(length: Duration) -> String {
    let (seconds, ms) = (length.as_secs(), length.subsec_millis());
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let and = |more: bool, text: String| if more { format!(" {text}") } else { String::new() };
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{seconds}{}s", if ms > 0 { format!(".{ms:03}") } else { String::new() }),
        60..3_600 => format!("{minutes}m{}", and(rest > 0, format!("{rest:02}s"))),
        3_600..345_600 => format!("{hours}h {minutes:02}m{}", and(rest > 0, format!("{rest:02}s"))),
        _ => format!("{days}d {:02}h{}", hours % 24, and(minutes > 0, format!("{minutes:02}m"))),
    }
}

/// `restore 1h 00m + swap 1m + 3 shorter ones 20s = 1h 01m 20s`: the longest parts in their own order.
pub fn sum(parts: &[(String, Duration)]) -> String {
    let total: Duration = parts.iter().map(|(_, length)| *length).sum();
    let mut by_length: Vec<usize> = (0..parts.len()).filter(|at| !parts[*at].1.is_zero()).collect();
    by_length.sort_by_key(|at| (std::cmp::Reverse(parts[*at].1), *at));
    let rest = by_length.split_off(by_length.len().min(MAX_PARTS));
    by_length.sort_unstable();
    let named = by_length.iter().map(|at| {
        let (name, length) = &parts[*at];
        let name: String = name.chars().take(MAX_NAME).collect();
        format!("{name} {}", words(*length))
    });
    let mut all: Vec<String> = named.collect();
    if !rest.is_empty() {
        let length: Duration = rest.iter().map(|at| parts[*at].1).sum();
        all.push(format!("{} shorter ones {}", rest.len(), words(length)));
    }
    match all.len() {
        1 => all.concat(),
        _ => format!("{} = {}", all.join(" + "), words(total)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_the_units_that_people_add_up() {
        let secs = |count: u64| words(Duration::from_secs(count));
        assert_eq!(words(Duration::from_millis(250)), "250ms");
        assert_eq!(words(Duration::from_millis(1_250)), "1.250s");
        assert_eq!(
            (secs(0), secs(13), secs(600), secs(313)),
            ("0ms".into(), "13s".into(), "10m".into(), "5m 13s".into())
        );
        assert_eq!((secs(86_400), secs(86_400 + 900)), ("24h 00m".into(), "24h 15m".into()));
        assert_eq!((secs(31 * 86_400), secs(31 * 86_400 + 60)), ("31d 00h".into(), "31d 00h 01m".into()));
    }

    #[test]
    fn a_sum_names_its_ten_longest_parts() {
        let part = |at: u64| (format!("s{at}"), Duration::from_secs(at));
        assert_eq!(sum(&[part(2), part(0), part(3)]), "s2 2s + s3 3s = 5s");
        assert_eq!(sum(&[part(7)]), "s7 7s");
        let many: Vec<(String, Duration)> = (1..=12).map(part).collect();
        assert!(sum(&many).ends_with("+ s12 12s + 2 shorter ones 3s = 1m 18s"), "{}", sum(&many));
    }
}
