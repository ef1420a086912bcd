//! Commands that people paste into a shell: every word that comes from an estate is quoted.
//!
//! Lines are broken between words, with a backslash, so that they fit paper. What no shell can be given by pasting (a
//! text with control characters) is refused: then the step says so instead of showing a command that would do
//! something else.

use std::path::Path;

/// Widest line before it is broken between two words.
const COLUMNS: usize = 84;
/// What a line that goes on begins with.
const GOES_ON: &str = "    ";

/// A command line, or nothing when one of its words cannot be pasted.
#[derive(Debug, Clone)]
pub struct Command {
    words: Option<Vec<String>>,
}

impl Command {
    /// A program.
    pub fn new(program: impl AsRef<str>) -> Command {
        Command { words: Some(Vec::new()) }.arg(program)
    }

    /// Nothing yet: for what begins with [`Command::raw`].
    pub fn empty() -> Command {
        Command { words: Some(Vec::new()) }
    }

    /// Adds a word, quoted where it needs it.
    pub fn arg(mut self, word: impl AsRef<str>) -> Command {
        self.words = self.words.zip(quoted(word.as_ref())).map(|(mut words, word)| {
            words.push(word);
            words
        });
        self
    }

    /// Adds an option with its value as two words that stay in one line.
    pub fn option(mut self, name: &'static str, value: impl AsRef<str>) -> Command {
        self.words = self.words.zip(quoted(value.as_ref())).map(|(mut words, value)| {
            words.push(format!("{name} {value}"));
            words
        });
        self
    }

    /// Adds an option with its value as one word.
    pub fn set(self, name: &str, value: impl AsRef<str>) -> Command {
        self.arg(format!("{name}={}", value.as_ref()))
    }

    /// Adds several words.
    pub fn args<T: AsRef<str>>(self, words: impl IntoIterator<Item = T>) -> Command {
        words.into_iter().fold(self, Command::arg)
    }

    /// Adds a path.
    pub fn path(self, path: &Path) -> Command {
        match path.to_str() {
            Some(text) => self.arg(text),
            None => Command { words: None },
        }
    }

    /// Adds shell text of our own, `|` or `> /dev/null`, as it is. Never a text of an estate.
    pub fn raw(mut self, text: impl Into<String>) -> Command {
        if let Some(words) = &mut self.words {
            words.push(text.into());
        }
        self
    }

    /// Goes on with another command, behind a bar.
    pub fn pipe(self, next: Command) -> Command {
        let words = self.words.zip(next.words);
        // The bar stays with what follows it.
        let joined = words.map(|(mut words, next)| {
            let mut next = next.into_iter();
            words.extend(next.next().map(|program| format!("| {program}")));
            words.extend(next);
            words
        });
        Command { words: joined }
    }

    /// The command in lines; `None` when it cannot be pasted.
    pub fn line(self) -> Option<String> {
        let mut out = String::new();
        let mut column = 0;
        for (number, word) in self.words?.into_iter().enumerate() {
            let first = word.lines().next().unwrap_or_default().chars().count();
            if number > 0 && column + 1 + first > COLUMNS {
                out.push_str(" \\\n");
                out.push_str(GOES_ON);
                column = GOES_ON.len();
            } else if number > 0 {
                out.push(' ');
                column += 1;
            }
            column = match word.rsplit_once('\n') {
                Some((_, last)) => last.chars().count(),
                None => column + word.chars().count(),
            };
            out.push_str(&word);
        }
        Some(out)
    }
}

/// `NAME=value` for the shell and what it starts.
pub fn export(name: &'static str, value: impl AsRef<str>) -> Option<String> {
    quoted(value.as_ref()).map(|value| format!("export {name}={value}"))
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> Option<String> {
    // A pasted line break inside quotes stays one; every other control character may be a key stroke.
    let paste = |c: char| c == '\n' || !c.is_control();
    if !word.chars().all(paste) || has_direction(word) {
        return None;
    }
    Some(shell_words::quote(word).into_owned())
}

/// Whether a text would be shown in another order than it is pasted.
fn has_direction(word: &str) -> bool {
    word.chars().any(|c| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_word_comes_out_of_the_shell_as_it_went_in() {
        let hard = [
            "a b", "it's", "\"x\"", "$(id)", "`id`", "a\\b", "!x", "*", "", "~", "a\nb", "ü", "-n", "#x",
            "a;b",
        ];
        let line = Command::new("printf").arg("%s\\0").args(hard).line().unwrap();
        for shell in ["sh", "bash"] {
            let output = std::process::Command::new(shell).args(["-c", &line]).output().unwrap();
            let said: Vec<&[u8]> = output.stdout.split(|byte| *byte == 0).collect();
            let wanted: Vec<&[u8]> =
                hard.iter().map(|word| word.as_bytes()).chain([b"".as_slice()]).collect();
            assert_eq!(said, wanted, "{shell}: {line}");
        }
    }

    #[test]
    fn what_cannot_be_pasted_is_refused() {
        for bad in ["a\u{3}b", "a\tb", "\u{1b}[2J", "a\0b", "a\u{202E}b"] {
            assert_eq!(Command::new("echo").arg(bad).line(), None);
        }
    }

    #[test]
    fn long_lines_go_on_between_words() {
        let line = Command::new("restic").args(["--tag"; 40]).line().unwrap();
        assert!(line.lines().all(|line| line.chars().count() <= COLUMNS + 2));
        assert!(line.lines().count() > 2 && line.contains(" \\\n    --tag"));
    }
}
