//! Text in columns: what it measures on a screen, cut, padded and wrapped.
//!
//! Everything that came from outside (names are checked, but messages, logs and answers are not) goes
//! through [`clean`], so nothing in a run can move the cursor of the person who looks at it.

use unicode_width::UnicodeWidthStr;

/// Columns of a terminal that everything fits.
pub const COLUMNS: usize = 80;

/// Columns that a text takes on a screen.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text without control characters; line breaks and tabs become spaces.
pub fn clean(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        // Bidirectional overrides can make a line read as another one.
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => '\u{FFFD}',
        _ if c.is_control() => '\u{FFFD}',
        _ => c,
    };
    text.chars().map(shown).collect()
}

/// The text in at most so many columns, with `…` where something was cut off.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_string();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let next = used + unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if next + 1 > columns {
            break;
        }
        out.push(c);
        used = next;
    }
    if columns > 0 {
        out.push('…');
    }
    out
}

/// The text cut or filled with spaces on the right to exactly so many columns.
pub fn fit(text: &str, columns: usize) -> String {
    let text = cut(text, columns);
    let missing = columns.saturating_sub(width(&text));
    format!("{text}{}", " ".repeat(missing))
}

/// The text filled with spaces on the left to at least so many columns.
pub fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Lines of at most so many columns; the first begins with `first`, the others are set in as far as it.
/// Words are never cut at hyphens, so names and commands stay whole where they fit.
pub fn wrap(first: &str, text: &str, columns: usize) -> Vec<String> {
    let indent = " ".repeat(width(first));
    let options = textwrap::Options::new(columns)
        .initial_indent(first)
        .subsequent_indent(&indent)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let text = clean(text);
    textwrap::wrap(text.trim(), options).into_iter().map(|line| line.trim_end().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_says_so() {
        assert_eq!(cut("region-failover", 10), "region-fa…");
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("日本語テキスト", 7), "日本語…");
        assert_eq!(cut("x", 0), "");
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(width(&fit("日本語テキスト", 6)), 6);
        assert_eq!(right("ab", 4), "  ab");
    }

    #[test]
    fn a_log_line_cannot_move_the_cursor() {
        assert_eq!(clean("a\x1b[2Jb\tc\nd"), "a\u{FFFD}[2Jb c d");
        assert_eq!(clean("a\u{202E}b"), "a\u{FFFD}b");
    }

    #[test]
    fn wrapped_lines_hang_under_the_first_word() {
        let lines = wrap("= why: ", "a standby of region-failover is needed", 24);
        assert_eq!(lines, ["= why: a standby of", "       region-failover", "       is needed"]);
    }
}
