//! `allow: [LB0315] # why`: warnings that an author has looked at and takes.
//!
//! It silences exactly the named warnings, in the text of its own step and nowhere else; at the top of a
//! plan it does so for what stands outside its steps. It is applied once everything has been checked, so
//! that one that silences nothing can be told. Errors cannot be allowed.

use crate::codes::{self, Code};
use crate::diagnostic::{Severity, Sink};
use crate::outputs::field;
use crate::text::reader::Comments;
use crate::text::{At, Entry, Node, Span, Value, values};

/// One allowed warning.
#[derive(Debug, Clone)]
pub(crate) struct Allowed {
    /// Its code.
    code: At<&'static Code>,
    /// Stretches of text in which it is silenced: from a key up to the next one.
    within: Vec<Stretch>,
}

/// From a place up to another one, or to the end of the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    from: Span,
    to: Option<Span>,
}

impl Stretch {
    /// Whether a place lies in it.
    pub fn holds(&self, place: Span) -> bool {
        let at = |span: Span| (span.line, span.column);
        place.file == self.from.file
            && at(place) >= at(self.from)
            && self.to.is_none_or(|to| at(place) < at(to))
    }
}

/// Reads every `allow` of a plan.
pub(crate) fn read(root: &Node, comments: &Comments, sink: &mut Sink) -> Vec<Allowed> {
    let Value::Map(top) = &root.value else { return Vec::new() };
    let is_steps = |entry: &&Entry| matches!(entry.key.as_str(), "steps" | "finally");
    let steps = || top.iter().filter(is_steps).flat_map(|entry| entries(&entry.value));
    let mut starts: Vec<Span> = top.iter().chain(steps()).map(|entry| entry.key_span).collect();
    starts.sort();
    let stretch = |entry: &Entry| {
        let next = starts.partition_point(|start| *start <= entry.key_span);
        Stretch { from: entry.key_span, to: starts.get(next).copied() }
    };
    let mut out = Vec::new();
    for step in steps() {
        for allow in entries(&step.value).iter().filter(|entry| entry.key == "allow") {
            out.extend(codes_of(allow, &[stretch(step)], comments, sink));
        }
    }
    if field(root, "allow").is_some() {
        let head: Vec<Stretch> = top.iter().filter(|entry| !is_steps(entry)).map(stretch).collect();
        for allow in top.iter().filter(|entry| entry.key == "allow") {
            out.extend(codes_of(allow, &head, comments, sink));
        }
    }
    out
}

fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Map(entries) => entries,
        Value::Null | Value::Scalar(_) | Value::List(_) => &[],
    }
}

/// The codes of one `allow`: a list with a comment, or a map from code to reason.
fn codes_of(allow: &Entry, within: &[Stretch], comments: &Comments, sink: &mut Sink) -> Vec<Allowed> {
    let mut out = Vec::new();
    let mut take = |code: Option<At<&'static Code>>, reason: bool, sink: &mut Sink| {
        let Some(code) = code else { return };
        if !reason {
            let message = format!("{} is allowed without a reason", code.value.code);
            sink.push(&codes::ALLOW_REASON, code.span, message);
        }
        out.push(Allowed { code, within: within.to_vec() });
    };
    if let Value::Map(pairs) = &allow.value.value {
        for pair in pairs {
            let reason = !matches!(pair.value.value, Value::Null);
            if reason {
                // What is no text is told here, and is no lack of a reason besides.
                values::words(&pair.value, sink);
            }
            take(known(&pair.key, pair.key_span, sink), reason, sink);
        }
        return out;
    }
    for item in values::items(&allow.value, true, sink).unwrap_or_default() {
        let Some(text) = values::words(item, sink) else { continue };
        let lines = [item.span.line, allow.key_span.line];
        let reason = lines
            .iter()
            .any(|line| comments.get(&(item.span.file, *line)).is_some_and(|comment| !comment.is_empty()));
        take(known(&text, item.span, sink), reason, sink);
    }
    out
}

/// The code of a warning.
fn known(text: &str, span: Span, sink: &mut Sink) -> Option<At<&'static Code>> {
    let shown: String = text.chars().take(64).collect();
    let Some(code) = codes::ALL.iter().find(|code| code.code == text) else {
        sink.push(&codes::NOT_ALLOWED, span, format!("{shown:?} is no code of the check"));
        return None;
    };
    if code.severity == Severity::Error {
        sink.push(&codes::NOT_ALLOWED, span, format!("{shown} ({}) is an error", code.title));
        return None;
    }
    Some(At::new(code, span))
}

/// Silences what is allowed, and tells what was allowed in vain. While there are errors not every rule has
/// been asked, so nobody knows yet what is in vain.
pub(crate) fn apply(allowed: &[Allowed], sink: &mut Sink) {
    for one in allowed {
        let silenced = sink.silence(one.code.value, &one.within);
        if silenced == 0 && sink.errors() == 0 && !sink.full() {
            let message = format!("nothing here is told as {}", one.code.value.code);
            sink.push(&codes::ALLOW_IN_VAIN, one.code.span, message);
        }
    }
}
