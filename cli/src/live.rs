//! The live picture of a run: drawn over itself on a terminal, one line a change elsewhere.

use crate::screen;
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

/// Draws lines over the ones that it drew before.
pub struct Live {
    drawn: usize,
    terminal: bool,
    said: BTreeMap<String, String>,
}

impl Live {
    /// On stderr: stdout is for the result.
    pub fn new() -> Live {
        Live { drawn: 0, terminal: std::io::stderr().is_terminal(), said: BTreeMap::new() }
    }

    /// Shows the lines now. Elsewhere than on a terminal only those that changed are written.
    pub fn draw(&mut self, lines: &[report::Line]) {
        let mut err = std::io::stderr().lock();
        if !self.terminal {
            for line in lines {
                let changed = self.said.get(&line.key) != Some(&line.settled);
                if changed && !line.settled.is_empty() {
                    let _ = writeln!(err, "{}", line.text.trim_end());
                }
                self.said.insert(line.key.clone(), line.settled.clone());
            }
            return;
        }
        let up = match self.drawn {
            0 => String::new(),
            count => format!("\x1b[{count}A\x1b[J"),
        };
        let text: String =
            lines.iter().map(|line| format!("{}\n", screen::mood_err(&line.text, line.mood))).collect();
        let _ = write!(err, "{up}{text}");
        let _ = err.flush();
        self.drawn = lines.len();
    }

    /// What was drawn stays; the next picture begins below it.
    pub fn leave(&mut self) {
        self.drawn = 0;
    }
}
