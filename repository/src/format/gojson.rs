//! JSON as Go's `encoding/json` writes it: stock restic compares a tree with its own encoding of it
//! before it rewrites one, so `<`, `>` and `&` are escaped, and U+2028 and U+2029.

use std::borrow::Cow;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};

use super::Malformed;

struct Go;

/// Of U+2028 and U+2029 in UTF-8, and of others.
const FIRST_BYTE_OF_SEPARATORS: u8 = 0xe2;

/// Text that is only looked at: borrowed from the JSON where nothing in it is escaped.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl Formatter for Go {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly all is plain; this is seen in a few steps, and the rest goes character by character.
        if !fragment.bytes().any(|byte| matches!(byte, b'<' | b'>' | b'&' | FIRST_BYTE_OF_SEPARATORS)) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, found)) =
            rest.char_indices().find(|(_, c)| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}'))
        {
            writer.write_all(&rest.as_bytes()[..at])?;
            write!(writer, "\\u{:04x}", u32::from(found))?;
            rest = &rest[at + found.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// The value as compact JSON.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, Go);
    value.serialize(&mut serializer).map_err(|e| Malformed::new(e.to_string()))?;
    Ok(out)
}

/// Times as Go writes them: RFC 3339 with up to nine digits, trailing zeros cut, years 0 to 9999.
pub(crate) mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Text;

    /// Go refuses to write years outside of these; restic clamps a file's time to them.
    const FIRST_SECOND: i64 = -62_167_219_200; // 0000-01-01
    const LAST_SECOND: i64 = 253_402_300_799; // 9999-12-31T23:59:59

    /// A time that Go can write, whatever the file system said.
    pub(crate) fn clamp(seconds: i64, nanoseconds: i64) -> Timestamp {
        let seconds = seconds.clamp(FIRST_SECOND, LAST_SECOND - 86_400 * 2);
        let nanoseconds = i32::try_from(nanoseconds.clamp(0, 999_999_999)).unwrap_or(0);
        Timestamp::new(seconds, nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{time}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Text::deserialize(deserializer)?.0.parse().map_err(serde::de::Error::custom)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn times_are_written_as_go_writes_them() {
            assert_eq!(clamp(0, 0).to_string(), "1970-01-01T00:00:00Z");
            assert_eq!(clamp(1, 500_000_000).to_string(), "1970-01-01T00:00:01.5Z");
            assert_eq!(clamp(-1, 1).to_string(), "1969-12-31T23:59:59.000000001Z");
            assert_eq!(clamp(i64::MIN, 0).to_string(), "0000-01-01T00:00:00Z");
            assert!(clamp(i64::MAX, 0).to_string().starts_with("9999-"));
        }
    }
}

/// Bytes as standard base64, `null` for none, as Go writes `[]byte`.
pub(crate) mod bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn markup_and_line_separators_are_escaped_as_go_does() {
        let json = super::encode(&"a<b>&\u{2028}\"\\ü\n").unwrap();
        assert_eq!(String::from_utf8(json).unwrap(), r#""a\u003cb\u003e\u0026\u2028\"\\ü\n""#);
    }
}
