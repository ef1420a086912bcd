//! A runbook as headings, paragraphs, tables, commands and steps, before it is decided how it looks. One content, two
//! looks: Markdown, and HTML. Nothing in it is markup: every text is shown as it is.

mod html;
mod markdown;

/// A page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

/// A part of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A heading below the title.
    Heading(String),
    /// A paragraph.
    Text(Line),
    /// What must be seen first.
    Box(Vec<Block>),
    /// Points, one below another.
    Points(Vec<Line>),
    /// Points that are ticked.
    Ticks(Vec<Line>),
    /// A table.
    Table {
        /// Headings.
        header: Vec<&'static str>,
        /// Rows as long as the header.
        rows: Vec<Vec<Line>>,
    },
    /// Lines for a shell, as they are pasted.
    Shell(Vec<String>),
    /// Steps that are done one after another and ticked.
    Steps {
        /// The number of the first.
        first: usize,
        /// The steps.
        items: Vec<Item>,
    },
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is called.
    pub name: String,
    /// In one line.
    pub summary: String,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

/// A run of words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line(pub Vec<Span>);

/// Some words of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// Plain.
    Plain(String),
    /// To be seen at once.
    Strong(String),
    /// Names, paths, commands.
    Code(String),
    /// Words that lead to an address.
    Link(String, String),
}

impl Line {
    /// Adds plain words.
    pub fn plain(mut self, text: impl Into<String>) -> Line {
        self.0.push(Span::Plain(text.into()));
        self
    }

    /// Adds words to be seen at once.
    pub fn strong(mut self, text: impl Into<String>) -> Line {
        self.0.push(Span::Strong(text.into()));
        self
    }

    /// Adds a name, path or command.
    pub fn code(mut self, text: impl Into<String>) -> Line {
        self.0.push(Span::Code(text.into()));
        self
    }

    /// Adds names with commas between them.
    pub fn codes<T: ToString>(mut self, names: impl IntoIterator<Item = T>) -> Line {
        for (number, name) in names.into_iter().enumerate() {
            if number > 0 {
                self = self.plain(", ");
            }
            self = self.code(name.to_string());
        }
        self
    }

    /// Adds words that lead to an address, which must be safe as it is: see [`mail`] and [`phone`].
    fn link(mut self, text: &str, to: String) -> Line {
        self.0.push(Span::Link(text.to_string(), to));
        self
    }

    /// Adds a telephone number.
    pub fn phone(self, number: &str) -> Line {
        let digits: String = number.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        let plain = number.chars().all(|c| c.is_ascii_digit() || "+ -/().".contains(c));
        if plain && !digits.is_empty() {
            self.link(number, format!("tel:{digits}"))
        } else {
            self.plain(number)
        }
    }

    /// Adds an address of mail.
    pub fn mail(self, address: &str) -> Line {
        let simple = |c: char| c.is_ascii_alphanumeric() || "@.-_+".contains(c);
        let good = address.chars().all(simple) && address.matches('@').count() == 1;
        if good { self.link(address, format!("mailto:{address}")) } else { self.plain(address) }
    }

    /// Adds words that lead to a file beside this one.
    pub fn file(self, text: &str, file: &str) -> Line {
        let simple = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if file.chars().all(simple) { self.link(text, file.to_string()) } else { self.plain(text) }
    }

    /// Adds another line's words.
    pub fn and(mut self, other: Line) -> Line {
        self.0.extend(other.0);
        self
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Into<String>> From<T> for Line {
    fn from(text: T) -> Line {
        Line::default().plain(text)
    }
}

impl Page {
    /// CommonMark with the tables and task lists of GitHub.
    pub fn markdown(&self) -> String {
        markdown::render(self)
    }

    /// One HTML file that needs nothing else.
    pub fn html(&self) -> String {
        html::render(self)
    }
}
