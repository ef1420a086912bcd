//! YAML text in one canonical layout, its comments kept; and what a text means.
//!
//! ```text
//! text ─read─► tree with places ─remarks─► tree with comments ─write─► text
//!                                                      └─ meaning of both is compared before it is given
//! ```
//!
//! The parser tells comments with their places and no more, so `remarks` decides what each one is about,
//! by line and column. Nothing of a value is ever made anew where what was written can be kept.

pub mod meaning;
mod read;
mod remarks;
mod scalar;
#[cfg(test)]
mod tests;
mod tree;
pub mod value;
mod write;

/// Deepest nesting that is laid out. The language of estates needs 8; the check refuses more than 32.
const MAX_DEPTH: usize = 64;
/// Widest line into which braces and brackets are laid out, in columns.
pub const COLUMNS: usize = 100;

/// Why a text was left as it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// Line, from 1.
    pub line: usize,
    /// What cannot be laid out.
    pub what: String,
}

impl Refused {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

/// The text in canonical layout. What it says stays the same, or it is refused: the result is read again
/// and compared, value by value and comment by comment.
pub fn canonical(text: &str) -> Result<String, Refused> {
    // A line break is one, whoever wrote it; a mark of the byte order says nothing in UTF-8.
    let text = &text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let before = meaning::parts(text)?;
    let root = read::read(text)?;
    let out = write::write(&root);
    let after = meaning::parts(&out)?;
    match before == after {
        true => Ok(out),
        false => Err(Refused::new(1, "the layout would change what the file says, so it was left as it is")),
    }
}
