//! What the check found, with its place: the type that is printed, sent and counted.

use crate::SourceFile;
use crate::allow::Stretch;
use crate::codes::{self, Code};
use crate::estate::ready::Ready;
use crate::text::nearest::nearest;
use crate::text::{At, Span};
use model::{Name, SecretRef};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// Most diagnostics that one check gives; what comes after is counted only.
pub const MAX_DIAGNOSTICS: usize = 500;
/// Most findings for which the nearest known word is looked up.
const MAX_ADVISED: usize = 100;
/// Longest line that is shown, in characters. A place behind it has no excerpt.
pub const MAX_EXCERPT: usize = 400;
/// Longest message and help, in characters.
const MAX_MESSAGE: usize = 1_000;

/// Calls that one finding names.
const MAX_CALLERS: usize = 3;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The plan can run, but somebody should look.
    Warning,
    /// The estate or plan is refused.
    Error,
}

impl Severity {
    /// The word printed before the code.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Stable code, `LB0201`. `plan::codes::ALL` has its title, reason and mending.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// The file, as it was given.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// First column of the spot, from 1, in characters.
    pub column: u32,
    /// The column after the last one of the spot; at least `column + 1`.
    pub end_column: u32,
    /// The text of that line without its line break; empty when the spot is too far right to be shown.
    pub excerpt: String,
    /// What is wrong, about this very spot.
    pub message: String,
    /// Why it matters.
    pub why: String,
    /// How to mend it.
    pub help: String,
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (severity, code) = (self.severity.as_str(), &self.code);
        write!(f, "{}:{}:{}: {severity} {code}: {}", self.path, self.line, self.column, self.message)
    }
}

/// Collects findings by place; texts are looked up at the end.
#[derive(Default)]
pub(crate) struct Sink {
    paths: Vec<String>,
    found: Vec<Found>,
    seen: HashMap<(&'static str, Span, String), usize>,
    errors: usize,
    references: Vec<Reference>,
    strict: bool,
    /// The call that brought here what is looked at; `Context::called_by` sets it and puts it back.
    pub caller: Option<Rc<str>>,
    used_secrets: Vec<At<Name>>,
    /// Named secrets of the estate, as far as they have been read: nouns that are read after them look here.
    pub secrets: BTreeMap<Name, Ready<SecretRef>>,
}

/// A name that one of some nouns must have declared, somewhere in the estate.
pub(crate) struct Reference {
    /// Any of these nouns will do.
    pub nouns: &'static [&'static str],
    /// The name.
    pub name: Name,
    /// Where it stands.
    pub span: Span,
}

struct Found {
    code: &'static Code,
    severity: Severity,
    span: Span,
    message: String,
    help: Option<String>,
    /// The calls that led to it, when nothing else did.
    callers: Vec<Rc<str>>,
    /// Whether it was allowed.
    silenced: bool,
}

impl Sink {
    /// An empty one for these files.
    pub fn new(files: &[SourceFile]) -> Self {
        Self { paths: files.iter().map(|file| file.path.clone()).collect(), ..Self::default() }
    }

    /// An empty one for the same files.
    pub fn sibling(&self) -> Self {
        Self { paths: self.paths.clone(), ..Self::default() }
    }

    /// The path of a file, for messages about two places.
    pub fn path(&self, file: u32) -> &str {
        self.paths.get(file as usize).map(String::as_str).unwrap_or_default()
    }

    /// A finding with the code's own advice.
    pub fn push(&mut self, code: &'static Code, span: Span, message: String) {
        self.add(code, code.severity, span, message, None);
    }

    /// A finding with advice of its own.
    pub fn push_with(&mut self, code: &'static Code, span: Span, message: String, help: String) {
        self.add(code, code.severity, span, message, Some(help));
    }

    /// What is still to come is an error from now on, as for a run, or a warning, as for a check.
    pub fn strict(&mut self, strict: bool) {
        self.strict = strict;
    }

    /// Something whose job this version lacks.
    pub fn later(&mut self, span: Span, message: String) {
        let severity = if self.strict { Severity::Error } else { Severity::Warning };
        self.add(&codes::LATER, severity, span, message, None);
    }

    /// A finding of another severity than the code's usual one.
    pub fn push_as(&mut self, severity: Severity, code: &'static Code, span: Span, message: String) {
        self.add(code, severity, span, message, None);
    }

    /// Notes a reference while a noun is read; it is looked up once everything has been read, also when
    /// the noun itself turns out to be broken.
    pub fn refer(&mut self, nouns: &'static [&'static str], name: &Name, span: Span) {
        self.references.push(Reference { nouns, name: name.clone(), span });
    }

    /// Notes that the noun which is being read needs a named secret.
    pub fn uses_secret(&mut self, name: At<Name>) {
        self.used_secrets.push(name);
    }

    /// The named secrets that were noted since the last call.
    pub fn take_used_secrets(&mut self) -> Vec<At<Name>> {
        std::mem::take(&mut self.used_secrets)
    }

    /// The references that were noted.
    pub fn take_references(&mut self) -> Vec<Reference> {
        std::mem::take(&mut self.references)
    }

    /// Whether there are so many findings that looking for the nearest word is no longer worth its time.
    pub fn crowded(&self) -> bool {
        self.found.len() >= MAX_ADVISED
    }

    /// The nearest known word, unless there are too many findings already.
    pub fn near<'w>(&self, given: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
        if self.crowded() { None } else { nearest(given, known) }
    }

    /// Whether there are so many findings that further warnings are dropped.
    pub fn full(&self) -> bool {
        self.found.len() >= MAX_DIAGNOSTICS / 2
    }

    /// The number of findings so far.
    pub fn found(&self) -> usize {
        self.found.len()
    }

    /// The number of errors so far.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// The first message of a code.
    pub fn first(&self, code: &'static Code) -> Option<&str> {
        self.found.iter().find(|one| one.code.code == code.code).map(|one| one.message.as_str())
    }

    /// The number of errors whose code does not begin so. Those that were too many to be kept count.
    pub fn errors_besides(&self, begin: &str) -> usize {
        let errors = self.found.iter().filter(|one| one.severity == Severity::Error);
        self.errors - errors.filter(|one| one.code.code.starts_with(begin)).count()
    }

    /// Takes over what another sink found, its errors turned into warnings: what is wrong in a mode
    /// that was not asked for.
    pub fn absorb_as_warnings(&mut self, other: Sink, note: &str) {
        for found in other.found {
            let message = format!("{note}: {}", found.message);
            let known =
                self.found.iter().any(|own| own.span == found.span && own.code.code == found.code.code);
            if !known {
                let callers = found.callers;
                self.keep(Found { severity: Severity::Warning, message, callers, ..found });
            }
        }
    }

    /// Takes back the warnings of a code in some stretches of text; gives how many there were.
    pub fn silence(&mut self, code: &'static Code, within: &[Stretch]) -> usize {
        let fits = |found: &&mut Found| {
            found.severity == Severity::Warning
                && found.code.code == code.code
                && !found.silenced
                && within.iter().any(|stretch| stretch.holds(found.span))
        };
        self.found.iter_mut().filter(fits).map(|found| found.silenced = true).count()
    }

    fn add(
        &mut self,
        code: &'static Code,
        severity: Severity,
        span: Span,
        message: String,
        help: Option<String>,
    ) {
        let callers = self.caller.clone().into_iter().collect();
        self.keep(Found { code, severity, span, message, help, callers, silenced: false });
    }

    /// Each finding once, with all calls that led to it.
    fn keep(&mut self, found: Found) {
        self.errors += usize::from(found.severity == Severity::Error);
        let key = (found.code.code, found.span, found.message.clone());
        if let Some(known) = self.seen.get(&key).and_then(|at| self.found.get_mut(*at)) {
            if found.callers.is_empty() {
                known.callers.clear();
            } else if !known.callers.is_empty() && !known.callers.contains(&found.callers[0]) {
                known.callers.extend(found.callers);
            }
            return;
        }
        // Warnings never crowd the errors out that made somebody look.
        let most = if found.severity == Severity::Error { MAX_DIAGNOSTICS } else { MAX_DIAGNOSTICS / 2 };
        if self.found.len() < most {
            self.seen.insert(key, self.found.len());
            self.found.push(found);
        }
    }

    /// The findings in the order of the text.
    pub fn finish(mut self, files: &[SourceFile]) -> Vec<Diagnostic> {
        self.found.retain(|found| !found.silenced);
        self.found.sort_by(|a, b| (a.span, a.code.code, &a.message).cmp(&(b.span, b.code.code, &b.message)));
        let mut lines: Vec<Option<Vec<&str>>> = vec![None; files.len()];
        let secrets: Vec<Span> = self.found.iter().filter(|one| is_secret(one)).map(|one| one.span).collect();
        let mut out = Vec::with_capacity(self.found.len());
        for found in self.found {
            let file = found.span.file as usize;
            let excerpt = files.get(file).zip(lines.get_mut(file)).and_then(|(source, slot)| {
                let lines = slot.get_or_insert_with(|| source.text.lines().collect());
                lines.get(found.span.line.saturating_sub(1) as usize).copied()
            });
            let shown = (found.span.column as usize) <= MAX_EXCERPT;
            out.push(Diagnostic {
                code: found.code.code.to_string(),
                severity: found.severity,
                path: files.get(file).map(|source| source.path.clone()).unwrap_or_default(),
                line: found.span.line,
                column: found.span.column,
                end_column: found.span.end_column.max(found.span.column + 1),
                excerpt: excerpt
                    .filter(|_| shown)
                    .map(|line| cut(&hide(line, found.span, &secrets), MAX_EXCERPT))
                    .unwrap_or_default(),
                message: cut(&format!("{}{}", found.message, callers(&found.callers)), MAX_MESSAGE),
                why: found.code.why.to_string(),
                help: cut(found.help.as_deref().unwrap_or(found.code.mend), MAX_MESSAGE),
            });
        }
        out
    }
}

/// ` (called by step "reach" of plan "failover")`; empty for what is told of a plan by itself.
fn callers(callers: &[Rc<str>]) -> String {
    match callers.split_at_checked(MAX_CALLERS) {
        _ if callers.is_empty() => String::new(),
        Some((shown, more)) if !more.is_empty() => {
            format!(" (called by {} and {} more)", shown.join(", by "), more.len())
        }
        Some(_) | None => format!(" (called by {})", callers.join(", by ")),
    }
}

fn is_secret(found: &Found) -> bool {
    found.code.code == crate::codes::PLAIN_SECRET.code
}

/// A line as it may be shown: what follows the first secret in it is not repeated in terminals and logs.
fn hide(line: &str, place: Span, secrets: &[Span]) -> String {
    let on_line = secrets.iter().filter(|secret| secret.file == place.file && secret.line == place.line);
    match on_line.map(|secret| secret.column.saturating_sub(1) as usize).min() {
        Some(from) => line.chars().enumerate().map(|(at, c)| if at >= from { '*' } else { c }).collect(),
        None => line.to_string(),
    }
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
