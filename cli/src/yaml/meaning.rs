//! What a text says, without its layout: for comparing two of them.

use super::Refused;
use super::read::{options, refused};
use granit_parser::{Event, Parser, ScalarStyle};

/// What a text says, part by part, and its comments in their order.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    values: Vec<Part>,
    /// Without blanks at their ends.
    pub comments: Vec<String>,
}

/// One part of what a text says.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Nothing, `~` or `null`.
    Nothing,
    /// A word that is a number, a truth value or the like for some reader, for it has no quotes.
    Word(String),
    /// A text.
    Text(String),
    /// `*name`
    Alias(usize),
    /// An anchor, by its number.
    Anchor(usize),
    /// A tag.
    Tag(String),
    /// `[`
    List,
    /// `{`
    Map,
    /// Their end.
    End,
}

/// Reads a text for comparison.
pub fn parts(text: &str) -> Result<Parts, Refused> {
    let mut parts = Parts { values: Vec::new(), comments: Vec::new() };
    let mut comments = Vec::new();
    for event in Parser::new_from_str_with_options(text, options()) {
        let (event, span) = event.map_err(|error| refused(&error))?;
        let values = &mut parts.values;
        match event {
            Event::Comment(text, _) => comments.push((span.start.index(), text.trim_end().to_string())),
            Event::Scalar(text, style, _, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                values.extend(tag.map(|tag| Part::Tag(tag.to_string())));
                values.push(scalar(&text, plain));
            }
            Event::Alias(id) => values.push(Part::Alias(id)),
            Event::Anchor(id, _) => values.push(Part::Anchor(id)),
            Event::SequenceStart(_, _, tag) => {
                values.push(Part::List);
                values.extend(tag.map(|tag| Part::Tag(tag.to_string())));
            }
            Event::MappingStart(_, _, tag) => {
                values.push(Part::Map);
                values.extend(tag.map(|tag| Part::Tag(tag.to_string())));
            }
            Event::SequenceEnd | Event::MappingEnd => values.push(Part::End),
            _ => {}
        }
    }
    // One behind a `|` is told after the text below it.
    comments.sort();
    parts.comments = comments.into_iter().map(|(_, text)| text).collect();
    Ok(parts)
}

fn scalar(text: &str, plain: bool) -> Part {
    match plain {
        true if is_nothing(text) => Part::Nothing,
        true if is_word(text) => Part::Word(text.to_string()),
        _ => Part::Text(text.to_string()),
    }
}

/// Whether a text without quotes says nothing.
pub fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Whether a text without quotes is something else than a text for a reader of YAML 1.1 or 1.2.
pub fn is_word(text: &str) -> bool {
    const WORDS: [&str; 12] =
        ["true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf", "-.inf", "+.inf"];
    let number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-._:".contains(c));
    number || WORDS.contains(&text.to_ascii_lowercase().as_str())
}
