//! The words for how a step, an attempt or a run is: a sign AND a word, so that nothing depends on
//! colour, and a mood for those who colour lines.

use serde::{Deserialize, Serialize};

/// How something is, for whoever colours lines. It never says more than the word beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mood {
    /// As it should be.
    Good,
    /// Somebody should look.
    Unsure,
    /// Not as it should be.
    Bad,
    /// Nothing to say.
    #[default]
    Plain,
}

/// A state as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// One column.
    pub sign: char,
    /// At most nine columns.
    pub word: &'static str,
    /// Its mood.
    pub mood: Mood,
}

/// Columns of the longest word.
pub const WORD_COLUMNS: usize = 9;

impl Shown {
    /// Sign and word, filled to a column of their own.
    pub fn column(&self) -> String {
        format!("{} {}", self.sign, crate::layout::fit(self.word, WORD_COLUMNS))
    }

    /// Sign and word.
    pub fn text(&self) -> String {
        format!("{} {}", self.sign, self.word)
    }
}

/// A state's word, of a run, a step or an attempt, as the engine's view gives it. A word that is not
/// known here (from a newer controller) is shown as unknown.
pub fn shown(word: &str) -> Shown {
    let of = |sign, word, mood| Shown { sign, word, mood };
    match word {
        "pending" => of('·', "pending", Mood::Plain),
        "scheduled" => of('…', "retries", Mood::Unsure),
        "running" | "accepted" => of('▶', "running", Mood::Plain),
        "sent" => of('▶', "sent", Mood::Plain),
        "waiting" => of('…', "waiting", Mood::Unsure),
        "paused" => of('‖', "paused", Mood::Unsure),
        "succeeded" => of('✔', "done", Mood::Good),
        "failed" => of('✘', "failed", Mood::Bad),
        "stuck" => of('✘', "stuck", Mood::Bad),
        "cancelled" => of('■', "cancelled", Mood::Unsure),
        "skipped" => of('–', "skipped", Mood::Plain),
        "undoing" | "unwinding" => of('◀', "undoing", Mood::Unsure),
        "undone" => of('◁', "undone", Mood::Unsure),
        _ => of('?', "unknown", Mood::Unsure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::width;

    #[test]
    fn every_sign_and_word_fits_its_column() {
        let words = [
            "pending",
            "scheduled",
            "running",
            "accepted",
            "sent",
            "waiting",
            "paused",
            "succeeded",
            "failed",
            "stuck",
            "cancelled",
            "skipped",
            "undoing",
            "unwinding",
            "undone",
            "unknown",
            "a-word-of-tomorrow",
        ];
        for word in words {
            assert_eq!(width(&shown(word).column()), 2 + WORD_COLUMNS, "{word}");
        }
        assert_eq!(shown("a-word-of-tomorrow").text(), "? unknown");
    }
}
