//! A report as sections of facts, tables and texts, before it is decided how it looks. One content, two
//! looks: 80 columns of plain text, and Markdown.

mod markdown;
mod text;

/// A document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// What matters most, in one or two sentences.
    pub lead: Vec<String>,
    /// Its sections.
    pub sections: Vec<Section>,
}

/// A section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// Its heading; none for the first.
    pub title: String,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

/// A part of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Labels and what they are, one below another.
    Facts(Vec<(String, String)>),
    /// A table. The last column takes the room that is left and is wrapped.
    Table {
        /// Headings.
        header: Vec<String>,
        /// Rows as long as the header.
        rows: Vec<Vec<String>>,
    },
    /// What somebody was shown, word for word.
    Quote(String),
    /// Lines that must not be wrapped: commands, logs.
    Lines(Vec<String>),
}

impl Document {
    /// Plain text of at most 80 columns.
    pub fn text(&self) -> String {
        text::render(self)
    }

    /// Markdown.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }
}

impl Section {
    /// An empty section.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), blocks: Vec::new() }
    }

    /// Adds facts, without those that are empty.
    pub fn facts(&mut self, facts: Vec<(&str, String)>) {
        let facts: Vec<(String, String)> = facts
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(label, value)| (label.to_string(), value))
            .collect();
        if !facts.is_empty() {
            self.blocks.push(Block::Facts(facts));
        }
    }

    /// Adds a table, if it has rows.
    pub fn table(&mut self, header: &[&str], rows: Vec<Vec<String>>) {
        if !rows.is_empty() {
            self.blocks.push(Block::Table { header: header.iter().map(ToString::to_string).collect(), rows });
        }
    }
}
