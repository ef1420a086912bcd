//! Changes as lines for people, at most 80 columns wide.

use super::compare::{Change, Edge, Kind};
use super::fields::Field;
use crate::screen::{COLUMNS, Mood, mood};
use report::layout::{width, wrap};

/// All changes, and a summary.
pub fn text(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "no difference".to_string();
    }
    let mut lines = Vec::new();
    for change in changes {
        one(change, "", &mut lines);
    }
    let of = |kind| changes.iter().filter(|change| change.kind == kind).count();
    let (added, removed, changed) = (of(Kind::Added), of(Kind::Removed), of(Kind::Changed));
    lines.push(format!("{added} added, {removed} removed, {changed} changed"));
    lines.join("\n")
}

fn one(change: &Change, indent: &str, lines: &mut Vec<String>) {
    lines.push(format!("{indent}{} {}", sign(change.kind), report::layout::clean(&change.what)));
    let deeper = format!("{indent}    ");
    for found in &change.fields {
        field(found, &deeper, lines);
    }
    for step in &change.steps {
        let named = Change { what: format!("step {}", step.what), ..step.clone() };
        one(&named, &deeper, lines);
    }
    for Edge { kind, first, then } in &change.edges {
        let words = format!("{then} after {first}");
        lines.push(format!("{deeper}{} {}", sign(*kind), report::layout::clean(&words)));
    }
}

/// `path: old → new` where it fits, a line for each otherwise.
fn field(found: &Field, indent: &str, lines: &mut Vec<String>) {
    let path = if found.path.is_empty() { String::new() } else { format!("{}: ", found.path) };
    let (old, new) = (found.old.as_ref().map(written), found.new.as_ref().map(written));
    let value = match (&old, &new) {
        (Some(old), Some(new)) => format!("{old} → {new}"),
        (Some(old), None) => format!("{} {old}", Kind::Removed.sign()),
        (None, Some(new)) => format!("{} {new}", Kind::Added.sign()),
        (None, None) => String::new(),
    };
    let whole = format!("{indent}{path}{value}");
    let columns = usize::from(COLUMNS);
    if width(&whole) <= columns {
        lines.push(report::layout::clean(&whole));
        return;
    }
    lines.push(format!("{indent}{}", report::layout::clean(path.trim_end())));
    for (kind, text) in [(Kind::Removed, old), (Kind::Added, new)] {
        if let Some(text) = text {
            lines.extend(wrap(&format!("{indent}  {} ", kind.sign()), &text, columns));
        }
    }
}

/// A value as it would be written on one line.
fn written(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "nothing".to_string(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", "))
        }
        serde_json::Value::Object(entries) if entries.is_empty() => "{}".to_string(),
        serde_json::Value::Object(entries) => {
            let entry = |(key, value): (&String, &serde_json::Value)| format!("{key}: {}", written(value));
            format!("{{ {} }}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) => value.to_string(),
    }
}

impl Kind {
    fn sign(self) -> &'static str {
        match self {
            Kind::Added => "+",
            Kind::Removed => "-",
            Kind::Changed => "~",
        }
    }
}

fn sign(kind: Kind) -> String {
    let colour = match kind {
        Kind::Added => Mood::Good,
        Kind::Removed => Mood::Bad,
        Kind::Changed => Mood::Unsure,
    };
    mood(kind.sign(), colour)
}
