//! File names as the format stores them: Go's `strconv.Quote` without the quotes, so that any bytes fit
//! into JSON text.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::Malformed;

/// What Go's `unicode.IsPrint` says: letters, marks, numbers, punctuation, symbols, and the space.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    !matches!(c.general_category_group(), GeneralCategoryGroup::Other | GeneralCategoryGroup::Separator)
}

/// The quoted form of a name.
pub(crate) fn quote(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for chunk in name.utf8_chunks() {
        chunk.valid().chars().for_each(|c| quote_char(c, &mut out));
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

fn quote_char(c: char, out: &mut String) {
    match c {
        '"' | '\\' => out.extend(['\\', c]),
        c if is_printable(c) => out.push(c),
        '\u{07}' => out.push_str("\\a"),
        '\u{08}' => out.push_str("\\b"),
        '\u{0c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{0b}' => out.push_str("\\v"),
        c => {
            let code = u32::from(c);
            out.push_str(&match code {
                0..=0x7f => format!("\\x{code:02x}"),
                0x80..=0xffff => format!("\\u{code:04x}"),
                _ => format!("\\U{code:08x}"),
            });
        }
    }
}

/// The name that a quoted form stands for.
pub(crate) fn unquote(text: &str) -> Result<Vec<u8>, Malformed> {
    if !text.bytes().any(|byte| matches!(byte, b'\\' | b'"' | b'\n')) {
        return Ok(text.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => rest = unescape(rest, &mut out)?,
            '"' | '\n' => return Err(bad(text)),
            c => push_char(c, &mut out),
        }
    }
    Ok(out)
}

fn bad(text: &str) -> Malformed {
    Malformed::new(format!("the name {text:?} is not quoted as the format wants it"))
}

fn push_char(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Decodes one escape after its backslash; gives what follows it.
fn unescape<'t>(rest: &'t str, out: &mut Vec<u8>) -> Result<&'t str, Malformed> {
    let kind = rest.chars().next().ok_or_else(|| bad(rest))?;
    let after = &rest[kind.len_utf8()..];
    let digits = |count: usize, radix: u32, from: &'t str| -> Result<(u32, &'t str), Malformed> {
        let digits = from
            .get(..count)
            .filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))
            .ok_or_else(|| bad(rest))?;
        Ok((u32::from_str_radix(digits, radix).map_err(|_| bad(rest))?, &from[count..]))
    };
    let simple = match kind {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' => b'"',
        'x' => {
            let (byte, after) = digits(2, 16, after)?;
            out.push(u8::try_from(byte).map_err(|_| bad(rest))?);
            return Ok(after);
        }
        '0'..='7' => {
            let (byte, after) = digits(3, 8, rest)?;
            out.push(u8::try_from(byte).map_err(|_| bad(rest))?);
            return Ok(after);
        }
        'u' | 'U' => {
            let (code, after) = digits(if kind == 'u' { 4 } else { 8 }, 16, after)?;
            push_char(char::from_u32(code).ok_or_else(|| bad(rest))?, out);
            return Ok(after);
        }
        _ => return Err(bad(rest)),
    };
    out.push(simple);
    Ok(after)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_quoted_as_go_quotes_them() {
        assert_eq!(quote(b"plain name.sql"), "plain name.sql");
        assert_eq!(quote(b"a\"b\\c\n\x7f\xff"), "a\\\"b\\\\c\\n\\x7f\\xff");
        assert_eq!(quote("ü\u{ad}\u{a0}\u{e0001}".as_bytes()), "ü\\u00ad\\u00a0\\U000e0001");
        assert_eq!(quote("e\u{301}".as_bytes()), "e\u{301}");
    }

    #[test]
    fn what_go_would_not_unquote_is_refused() {
        for text in ["\\", "\\q", "\\x1", "\\ud800", "\\'", "a\"b", "\\x+1", "\\400"] {
            assert!(unquote(text).is_err(), "{text}");
        }
        assert_eq!(unquote("\\101").unwrap(), b"A");
    }

    proptest! {
        #[test]
        fn any_bytes_survive_quoting(name in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(unquote(&quote(&name)).unwrap(), name);
        }

        #[test]
        fn unquote_never_panics(text in "\\PC*") {
            let _ = unquote(&text);
        }
    }
}
