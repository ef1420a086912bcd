//! The live picture of a run: drawn over itself on a terminal, one line a change elsewhere.

use crate::screen;
use report::{Line, Mood};
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};

/// Lines at the top that always stay: the title and how the run is.
const HEAD_LINES: usize = 2;
/// Rows of a terminal that does not say how many it has.
const USUAL_ROWS: usize = 24;

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
    pub fn draw(&mut self, lines: &[Line]) {
        let mut err = std::io::stderr().lock();
        if !self.terminal {
            for line in self.changed(lines) {
                let _ = writeln!(err, "{}", line.text.trim_end());
            }
            return;
        }
        let up = match self.drawn {
            0 => String::new(),
            count => format!("\x1b[{count}A\x1b[J"),
        };
        // One row is the cursor's: a picture that scrolls cannot be drawn over.
        let shown = fit(lines, rows().saturating_sub(1));
        let text: String =
            shown.iter().map(|line| format!("{}\n", screen::mood_err(&line.text, line.mood))).collect();
        let _ = write!(err, "{up}{text}");
        let _ = err.flush();
        self.drawn = shown.len();
    }

    /// What was drawn stays; the next picture begins below it.
    pub fn leave(&mut self) {
        self.drawn = 0;
    }

    /// Lines whose settled part is not what was written last.
    fn changed<'a>(&mut self, lines: &'a [Line]) -> Vec<&'a Line> {
        let mut changed = Vec::new();
        for line in lines {
            let before = self.said.insert(line.key.clone(), line.settled.clone());
            if !line.settled.is_empty() && before.as_ref() != Some(&line.settled) {
                changed.push(line);
            }
        }
        changed
    }
}

fn rows() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .map(|size| usize::from(size.ws_row))
        .ok()
        .filter(|rows| *rows > 0)
        .unwrap_or(USUAL_ROWS)
}

/// As many lines as there are rows. What is done goes first, the oldest of it first, then what has not
/// begun, the last of it first: what is under way or wrong stays as long as there is room.
fn fit(lines: &[Line], rows: usize) -> Vec<&Line> {
    let mut shown: Vec<&Line> = lines.iter().collect();
    while shown.len() > rows.max(HEAD_LINES + 1) {
        let done = shown.iter().skip(HEAD_LINES).position(|line| line.mood == Mood::Good);
        let pending = shown.iter().skip(HEAD_LINES).rposition(|line| line.mood == Mood::Plain);
        let place = done.or(pending).map_or(shown.len() - 1, |place| place + HEAD_LINES);
        shown.remove(place);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str, settled: &str, mood: Mood) -> Line {
        Line { key: key.into(), settled: settled.into(), text: format!("{key} {settled}"), mood }
    }

    #[test]
    fn a_line_is_written_again_only_when_its_state_changed() {
        let mut live = Live { drawn: 0, terminal: false, said: BTreeMap::new() };
        let first = [line("a", "running", Mood::Plain), line("clock", "", Mood::Plain)];
        assert_eq!(live.changed(&first).len(), 1);
        assert_eq!(live.changed(&first).len(), 0);
        let then = [line("a", "done", Mood::Good), line("clock", "", Mood::Plain)];
        let texts: Vec<_> = live.changed(&then).iter().map(|line| line.text.clone()).collect();
        assert_eq!(texts, ["a done"]);
    }

    #[test]
    fn a_picture_taller_than_the_terminal_keeps_what_is_under_way() {
        let mut lines = vec![line("title", "", Mood::Plain), line("status", "", Mood::Plain)];
        lines.extend((0..30).map(|number| line(&format!("done-{number}"), "done", Mood::Good)));
        lines.push(line("now", "running", Mood::Unsure));
        lines.extend((0..30).map(|number| line(&format!("later-{number}"), "pending", Mood::Plain)));
        let shown = fit(&lines, 10);
        assert_eq!(shown.len(), 10);
        assert_eq!((shown[0].key.as_str(), shown[1].key.as_str()), ("title", "status"));
        assert!(shown.iter().any(|line| line.key == "now"));
        assert_eq!(shown[3].key, "later-0");
    }
}
