//! Restore points as people write them.

use model::Micros;
use model::nouns::Point;

/// Fewest digits of a snapshot id that name one.
const MIN_DIGITS: usize = 8;
/// Digits of a whole snapshot id.
const MAX_DIGITS: usize = 64;

/// Reads `latest`, a snapshot id (or 8 and more of its first digits) or a time like
/// `2026-11-20T21:04:05Z`, which means the newest snapshot that is not later.
pub fn parse(text: &str) -> Option<Point> {
    if text == "latest" {
        return Some(Point::Latest);
    }
    let hex = text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    if hex && (MIN_DIGITS..=MAX_DIGITS).contains(&text.len()) {
        return Some(Point::Snapshot(text.to_string()));
    }
    text.parse::<jiff::Timestamp>().ok().map(|moment| Point::NotAfter(Micros::from(moment)))
}

/// A point by what is known of it instead of its time or id. Which snapshot that is, only a controller
/// with its history could say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The newest one that was restored and checked.
    LastProven,
    /// The newest one from before the last change of version.
    BeforeDeploy,
}

impl Word {
    /// Every word.
    pub const WORDS: [(&'static str, Word); 2] =
        [("last-proven", Word::LastProven), ("before-deploy", Word::BeforeDeploy)];
}

/// Reads `last-proven` or `before-deploy`.
pub fn word(text: &str) -> Option<Word> {
    Word::WORDS.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_point_is_latest_or_a_snapshot_or_a_time() {
        assert_eq!(parse("latest"), Some(Point::Latest));
        assert_eq!(parse("deadbeef"), Some(Point::Snapshot("deadbeef".into())));
        assert!(matches!(parse("2026-11-20T21:04:05Z"), Some(Point::NotAfter(_))));
        assert!(matches!(parse("2026-11-20T21:04:05+02:00"), Some(Point::NotAfter(_))));
        for bad in ["", "newest", "deadbee", "DEADBEEF", "yesterday", "2026-11-20"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
