//! Single values: how each is written. What was written stays wherever it can.

use super::tree::{Quotes, Scalar};

/// The value on one line. Quotes are never added to nor taken from what was written on one line; single
/// ones become double where nothing inside would have to be escaped.
pub fn inline(scalar: &Scalar) -> String {
    let one_line = !scalar.raw.contains('\n');
    match scalar.quotes {
        Quotes::Plain if !scalar.text.contains('\n') => scalar.text.clone(),
        Quotes::Single if simple(&scalar.text) => format!("\"{}\"", scalar.text),
        Quotes::Single | Quotes::Double if one_line => scalar.raw.clone(),
        _ => escaped(&scalar.text),
    }
}

/// A text that was written over several lines, in lines of at most so many columns behind `>-`. `None`
/// when the words would not come together again as they were.
pub fn folded(scalar: &Scalar, columns: usize) -> Option<Vec<String>> {
    let text = &scalar.text;
    let regular = scalar.raw.contains('\n')
        && !text.is_empty()
        && text.split(' ').all(|word| !word.is_empty())
        && text.chars().all(|c| c == ' ' || (!c.is_whitespace() && printable(c)));
    if !regular {
        return None;
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if report::layout::width(line) + 1 + report::layout::width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    Some(lines)
}

/// Whether a text means itself between double quotes.
fn simple(text: &str) -> bool {
    text.chars().all(|c| c != '"' && c != '\\' && printable(c))
}

/// Whether a character may stand in the text as it is.
fn printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// A text in double quotes on one line.
fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if printable(c) => out.push(c),
            c if u32::from(c) <= 0xff => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}
