//! Random YAML: every notation of the language that an estate may have, laid out as badly as possible,
//! with comments wherever they are allowed.

/// Texts that somebody might write.
const TEXTS: [&str; 26] = [
    "a",
    "db-1",
    "yes",
    "null",
    "1.5",
    "0 2 * * *",
    "x: y",
    "a # b",
    "it's",
    "say \"hi\"",
    "back\\slash",
    "tab\tin",
    "{ brace",
    "- dash",
    "&anchor",
    "*star",
    "",
    "~",
    "true",
    "two\nlines",
    "a, b",
    "ends:",
    "ümläut 日本",
    " blanks ",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen",
    "https://example.test/x?y=1#z",
];

/// Numbers that decide; nothing but zeros when they are used up.
struct Choices<'c> {
    numbers: &'c [u16],
    next: usize,
}

impl Choices<'_> {
    fn below(&mut self, most: usize) -> usize {
        let number = self.numbers.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        usize::from(number) % most
    }

    fn rarely(&mut self) -> bool {
        self.below(4) == 3
    }
}

struct Writer<'c> {
    choices: Choices<'c>,
    out: String,
    comments: Vec<String>,
    keys: usize,
    /// Anchors whose value has ended: no alias may stand inside its own.
    anchors: Vec<usize>,
    named: usize,
    after_lines: bool,
}

/// A text, and its comments in order.
pub fn generated(numbers: &[u16]) -> (String, Vec<String>) {
    let choices = Choices { numbers, next: 0 };
    let mut writer = Writer {
        choices,
        out: String::new(),
        comments: Vec::new(),
        keys: 0,
        anchors: Vec::new(),
        named: 0,
        after_lines: false,
    };
    writer.gap(0);
    if writer.choices.rarely() {
        writer.out.push_str("---");
        writer.line_end();
    }
    match writer.choices.below(3) {
        2 => writer.list(0, 0),
        _ => writer.map(0, 0),
    }
    writer.gap(0);
    (writer.out, writer.comments)
}

impl Writer<'_> {
    fn comment(&mut self) -> String {
        let text = format!("# c{:03}", self.comments.len());
        self.comments.push(text.clone());
        text
    }

    /// Empty lines and comments between entries.
    fn gap(&mut self, indent: usize) {
        while self.choices.rarely() {
            match self.choices.below(3) {
                0 => self.out.push('\n'),
                _ => {
                    // Further right it would be a line of the text.
                    let most = if self.after_lines { indent + 1 } else { indent + 4 };
                    let set_in = self.choices.below(most);
                    let comment = self.comment();
                    self.out.push_str(&format!("{}{comment}\n", " ".repeat(set_in)));
                }
            }
        }
    }

    /// The end of a line, perhaps with a comment.
    fn line_end(&mut self) {
        if self.choices.rarely() {
            let blanks = 1 + self.choices.below(3);
            let comment = self.comment();
            self.out.push_str(&format!("{}{comment}", " ".repeat(blanks)));
        }
        self.out.push('\n');
    }

    fn map(&mut self, indent: usize, depth: usize) {
        for index in 0..1 + self.choices.below(4) {
            if index > 0 {
                self.out.push_str(&" ".repeat(indent));
            }
            self.keys += 1;
            let key = format!("k{}", self.keys);
            let key = if self.choices.rarely() { format!("'{key}'") } else { key };
            self.out.push_str(&format!("{key}:"));
            self.value(indent, depth, false);
            self.gap(indent);
        }
    }

    fn list(&mut self, indent: usize, depth: usize) {
        for index in 0..1 + self.choices.below(4) {
            if index > 0 {
                self.out.push_str(&" ".repeat(indent));
            }
            self.out.push('-');
            if depth < 4 && self.choices.rarely() {
                // A map or list that begins behind the dash.
                let blanks = 1 + self.choices.below(3);
                self.out.push_str(&" ".repeat(blanks));
                match self.choices.below(2) {
                    0 => self.map(indent + 1 + blanks, depth + 1),
                    _ => self.list(indent + 1 + blanks, depth + 1),
                }
            } else {
                self.value(indent, depth, true);
            }
            self.gap(indent);
        }
    }

    /// What stands behind `key:` or `-`, with the line break.
    fn value(&mut self, indent: usize, depth: usize, item: bool) {
        self.after_lines = false;
        if self.choices.rarely() {
            self.named += 1;
            let number = self.named;
            self.out.push_str(&format!(" &n{number}"));
            self.unnamed(indent, depth, item);
            self.anchors.push(number);
        } else if !self.anchors.is_empty() && self.choices.below(6) == 5 {
            let number = self.anchors[self.choices.below(self.anchors.len())];
            self.out.push_str(&format!(" *n{number}"));
            self.line_end();
        } else {
            self.unnamed(indent, depth, item);
        }
    }

    fn unnamed(&mut self, indent: usize, depth: usize, item: bool) {
        match self.choices.below(9) {
            0 => self.line_end(),
            1 | 2 if depth < 4 => {
                self.line_end();
                let inner = indent + 1 + self.choices.below(4);
                self.gap(inner);
                self.out.push_str(&" ".repeat(inner));
                self.map(inner, depth + 1);
            }
            3 if depth < 4 => {
                self.line_end();
                // Below a key a list need not be set in.
                let inner = indent + usize::from(item) + self.choices.below(4);
                self.gap(inner);
                self.out.push_str(&" ".repeat(inner));
                self.list(inner, depth + 1);
            }
            4 => {
                self.out.push(' ');
                self.flow(indent, 0);
                self.line_end();
            }
            5 => self.lines(indent),
            6 => {
                // Below its key.
                self.line_end();
                let inner = indent + 1 + self.choices.below(4);
                self.gap(inner);
                let text = self.text(false);
                self.out.push_str(&format!("{}{text}", " ".repeat(inner)));
                self.line_end();
            }
            _ => {
                let blanks = 1 + self.choices.below(3);
                let text = self.text(false);
                self.out.push_str(&format!("{}{text}", " ".repeat(blanks)));
                self.line_end();
            }
        }
    }

    fn flow(&mut self, indent: usize, inside: usize) {
        let map = self.choices.below(2) == 1;
        self.out.push(if map { '{' } else { '[' });
        self.flow_gap(indent);
        for index in 0..self.choices.below(4) {
            if index > 0 {
                self.out.push(',');
                self.flow_gap(indent);
            }
            if map {
                self.keys += 1;
                self.out.push_str(&format!("k{}: ", self.keys));
            }
            if inside < 2 && self.choices.rarely() {
                self.flow(indent, inside + 1);
            } else {
                let text = self.text(true);
                self.out.push_str(&text);
            }
            self.flow_gap(indent);
        }
        self.out.push(if map { '}' } else { ']' });
    }

    fn flow_gap(&mut self, indent: usize) {
        if self.choices.rarely() {
            self.line_end();
            self.out.push_str(&" ".repeat(indent + 1 + self.choices.below(4)));
        }
    }

    /// A text behind `|` or `>`.
    fn lines(&mut self, indent: usize) {
        let inner = 1 + self.choices.below(4);
        let mark = ["|", ">", "|-", ">+", "|+", ">-"][self.choices.below(6)];
        let set_in = self.choices.rarely();
        let told = if set_in { inner.to_string() } else { String::new() };
        let (kind, chomp) = mark.split_at(1);
        self.out.push_str(&format!(" {kind}{told}{chomp}"));
        self.line_end();
        let margin = " ".repeat(indent + inner);
        if set_in {
            self.out.push_str(&format!("{margin}  more\n"));
        }
        for number in 0..1 + self.choices.below(3) {
            if number == 0 && !set_in {
                self.out.push_str(&format!("{margin}first\n"));
            }
            let line = ["one", "# none", "two words", "", "   deep", "- x: y", "blank at the end "]
                [self.choices.below(7)];
            self.out.push_str(&if line.is_empty() { "\n".to_string() } else { format!("{margin}{line}\n") });
        }
        self.out.push_str(&format!("{margin}end\n"));
        self.after_lines = true;
    }

    /// A single value in one of its notations.
    fn text(&mut self, flow: bool) -> String {
        let text = TEXTS[self.choices.below(TEXTS.len())];
        let plain = !text.is_empty()
            && text.trim() == text
            && text.chars().all(|c| c.is_alphanumeric() || " -._~".contains(c))
            && !text.starts_with('-');
        match self.choices.below(4) {
            0 | 1 if plain => text.to_string(),
            2 if plain && !flow => text.replacen(' ', &format!("\n{}", " ".repeat(40)), 1),
            3 if !text.contains('\n') => format!("'{}'", text.replace('\'', "''")),
            _ => {
                let escaped =
                    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
                format!("\"{escaped}\"")
            }
        }
    }
}
