//! What people see: tables of at most 80 columns, times in local and UTC, sizes in human units,
//! problems with cause and advice. Colour never carries meaning alone: each colour has its word.

use crate::args::Format;
use comfy_table::{Cell, Color, ContentArrangement, Table, TableStyle};
use model::{Micros, Problem};
use owo_colors::{OwoColorize, Stream::Stderr, Stream::Stdout};
pub use report::Mood;
use serde::Serialize;
use std::io::{IsTerminal as _, Write as _};

/// Widest output.
pub const COLUMNS: u16 = 80;

/// Writes a value as JSON, or the text made for people, to stdout.
pub fn show<T: Serialize>(format: Format, value: &T, text: impl FnOnce() -> String) {
    let out = match format {
        Format::Table => text(),
        Format::Json => {
            serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
        }
    };
    let mut stdout = std::io::stdout().lock();
    // A closed pipe (`| head`) ends the output, not the command.
    let _ = writeln!(stdout, "{}", out.trim_end());
}

/// A line for people on stderr.
pub fn say(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}

/// Asks a question on the terminal. `yes` answers it, and the question is shown all the same.
pub fn ask(yes: bool, question: &str) -> bool {
    if yes {
        say(format!("{question} yes (--yes)"));
        return true;
    }
    if !std::io::stdin().is_terminal() {
        say(question);
        return false;
    }
    let _ = write!(std::io::stderr().lock(), "{question} Type yes to go on: ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && answer.trim() == "yes"
}

/// A table without borders that fits the screen.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(TableStyle::new())
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(COLUMNS);
    table.set_header(header.iter().map(|word| word.to_uppercase()));
    table
}

/// A problem: what, why, what to do, and the last log lines.
pub fn problem(problem: &Problem) {
    let code = format!("{}:", problem.code);
    let first = code.if_supports_color(Stderr, |text| text.red()).to_string();
    say(format!("{first} {}", problem.message));
    for cause in &problem.causes {
        say(format!("  because {cause}"));
    }
    for line in &problem.log {
        say(format!("  | {line}"));
    }
    if !problem.advice.is_empty() {
        say(format!("  what to do: {}", problem.advice));
    }
}

/// A text in lines that fit the screen; its own line breaks stay.
pub fn wrapped(text: &str) -> String {
    let lines = text.lines().flat_map(|line| report::layout::wrap("", line, usize::from(COLUMNS)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A moment in UTC and local.
pub fn moment(at: Micros) -> String {
    report::units::moment(at, &jiff::tz::TimeZone::system())
}

/// A word in green, yellow or red where the terminal has colours.
pub fn mood(word: &str, mood: Mood) -> String {
    match mood {
        Mood::Good => word.if_supports_color(Stdout, |text| text.green()).to_string(),
        Mood::Unsure => word.if_supports_color(Stdout, |text| text.yellow()).to_string(),
        Mood::Bad => word.if_supports_color(Stdout, |text| text.red()).to_string(),
        Mood::Plain => word.to_string(),
    }
}

/// The same as a cell of a table: the table knows how wide it is.
pub fn cell(word: &str, mood: Mood) -> Cell {
    Cell::new(word).fg(match mood {
        Mood::Good => Color::Green,
        Mood::Unsure => Color::Yellow,
        Mood::Bad => Color::Red,
        Mood::Plain => Color::Reset,
    })
}

/// The same for what goes to stderr.
pub fn mood_err(word: &str, mood: Mood) -> String {
    match mood {
        Mood::Good => word.if_supports_color(Stderr, |text| text.green()).to_string(),
        Mood::Unsure => word.if_supports_color(Stderr, |text| text.yellow()).to_string(),
        Mood::Bad => word.if_supports_color(Stderr, |text| text.red()).to_string(),
        Mood::Plain => word.to_string(),
    }
}
