//! SQL, as far as the check reads it: the words of each statement, and whether a password stands in it.
//!
//! Comments and what is quoted are no words, so that neither hides a word nor looks like one. Bodies between
//! `$$` are read like everything else: a `do` runs them.

/// Begins of a quoted password that only its hash gives away.
const HASHES: [&str; 2] = ["SCRAM-SHA-256$", "md5"];

/// What is known of a text in SQL.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sql {
    /// The words of each statement, in lower case.
    pub statements: Vec<Vec<String>>,
    /// Whether a password stands in it, `password '…'`.
    pub password: bool,
}

/// Reads a text. Whatever is no SQL gives words that mean nothing.
pub(crate) fn read(text: &str) -> Sql {
    let mut sql = Sql { statements: vec![Vec::new()], password: false };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if matches!(first, '\'' | '"') {
            quoted(rest, first, &mut sql)
        } else if first.is_alphanumeric() || first == '_' {
            word(rest, &mut sql)
        } else {
            if first == ';' {
                sql.statements.push(Vec::new());
            }
            first.len_utf8()
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    sql.statements.retain(|words| !words.is_empty());
    sql
}

fn word(rest: &str, sql: &mut Sql) -> usize {
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let word = rest.get(..end).unwrap_or_default().to_lowercase();
    sql.statements.iter_mut().next_back().into_iter().for_each(|words| words.push(word.clone()));
    end
}

/// The length of what is quoted; a doubled quote is read as two of them beside each other.
fn quoted(rest: &str, quote: char, sql: &mut Sql) -> usize {
    let inner = rest.get(1..).unwrap_or_default();
    let end = inner.find(quote).unwrap_or(inner.len());
    let (inner, words) = (inner.get(..end).unwrap_or_default(), sql.statements.last());
    let before: Vec<&str> = words.into_iter().flatten().rev().take(2).map(String::as_str).collect();
    let asks = matches!(before.as_slice(), ["password", ..] | ["by", "identified"]);
    let hashed = HASHES.iter().any(|hash| inner.starts_with(hash));
    sql.password |= quote == '\'' && asks && !inner.is_empty() && !hashed;
    end + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        read(text).statements
    }

    #[test]
    fn comments_and_quotes_are_no_words() {
        assert_eq!(words("-- tidy\nDROP /* all; of */ Table x"), [["drop", "table", "x"]]);
        assert_eq!(
            words("select 'a; drop table x', \"delete from\";\n;truncate y"),
            [vec!["select"], vec!["truncate", "y"]]
        );
        assert_eq!(words("select 'it''s' x"), [["select", "x"]]);
        for open in ["'never", "/* never", "-- never", "\"", "ü '"] {
            assert!(words(open).len() <= 1, "{open}");
        }
    }

    #[test]
    fn a_password_is_seen_and_its_hash_is_none() {
        for plain in [
            "alter role a password 'x'",
            "CREATE USER a WITH PASSWORD  'x'",
            "create user a identified by 'x'",
        ] {
            assert!(read(plain).password, "{plain}");
        }
        for fine in [
            "alter role a password null",
            "alter role a password 'SCRAM-SHA-256$4096:x'",
            "select 'password', 'x'",
        ] {
            assert!(!read(fine).password, "{fine}");
        }
    }
}
