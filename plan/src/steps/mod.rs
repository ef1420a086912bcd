//! Step kinds: one file each, listed in [`KINDS`]. A kind says what its parameters are, what tasks a
//! step lowers to, how it is taken back, and which rules of order hold for it.
//!
//! Adding one: a file with a `KIND`, a line in the list, cases under `testdata/`.

pub(crate) mod approve;
pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod command;
pub(crate) mod cutover;
pub(crate) mod fence;
pub(crate) mod notify;
pub(crate) mod promote;
pub(crate) mod prove;
pub(crate) mod restart;
pub(crate) mod restore;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod swap;
pub(crate) mod wait;

use crate::checked::{EvidenceRule, Gate, Task, Undo};
use crate::context::Context;
use crate::lower::Draft;
use crate::text::Fields;
use model::nouns::Point;
use model::{Class, Evidence, HostName, Name};
use std::time::Duration;

/// Every step kind, by name.
pub(crate) static KINDS: [&Kind; 15] = [
    &approve::KIND,
    &backup::KIND,
    &check::KIND,
    &command::KIND,
    &cutover::KIND,
    &fence::KIND,
    &notify::KIND,
    &promote::KIND,
    &prove::KIND,
    &restart::KIND,
    &restore::KIND,
    &start::KIND,
    &stop::KIND,
    &swap::KIND,
    &wait::KIND,
];

/// Kinds of the language that this version does not have.
pub(crate) const LATER: [&str; 12] = [
    "ask",
    "call",
    "collect",
    "deploy",
    "isolate",
    "provision",
    "rejoin",
    "rollback",
    "rotate",
    "scale",
    "sql",
    "switch",
];

/// One step kind.
pub(crate) struct Kind {
    /// The verb in plans.
    pub name: &'static str,
    /// For people: what it does, its parameters, an example. Markdown.
    pub doc: &'static str,
    /// What it is, where its tasks do not say more.
    pub class: Class,
    /// From sending until the attempt is unknown, when the step does not say.
    pub timeout: Duration,
    /// Parameters to tasks. Every field is asked for before anything is refused.
    pub lower: fn(&mut Context<'_>, &mut Fields<'_>) -> Option<Lowered>,
    /// The rules of order that hold for a step of this kind.
    pub rules: fn(&Rules<'_>, &mut Context<'_>),
}

/// What a step of a kind lowers to.
#[derive(Debug, Default)]
pub(crate) struct Lowered {
    /// In one line for people.
    pub summary: String,
    /// One after another; mostly one.
    pub parts: Vec<Part>,
    /// A question before it begins.
    pub gate: Option<Gate>,
    /// Demands on the evidence that it brings.
    pub evidence: Option<EvidenceRule>,
    /// Longer than the kind's usual time-out, where the parameters ask for it.
    pub timeout: Option<Duration>,
    /// What rules want to know.
    pub facts: Facts,
    /// Whether it has no tasks because a noun that it needs is only checked by this version.
    pub unready: bool,
}

/// Tasks that start together.
#[derive(Debug)]
pub(crate) struct Part {
    /// What is done.
    pub tasks: Vec<Task>,
    /// How it is taken back.
    pub undo: Undo,
}

/// What rules want to know of a step. Hosts are live ones, in a drill too.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Hosts that get work.
    pub hosts: Vec<HostName>,
    /// The source that it acts on.
    pub source: Option<Name>,
    /// The services that it starts or stops.
    pub services: Vec<Name>,
    /// The region that it names.
    pub region: Option<Name>,
    /// The copy that it makes or takes.
    pub copy: Option<String>,
    /// The evidence that it demands.
    pub evidence: Option<Evidence>,
    /// The point that it restores, where that is known.
    pub point: Option<Point>,
}

/// One step among the others, for its rules.
pub(crate) struct Rules<'a> {
    /// All steps.
    pub steps: &'a [Draft],
    /// Their order.
    pub graph: &'a crate::graph::Graph,
    /// The step that is looked at.
    pub at: usize,
    /// What it lowered to.
    pub facts: &'a Facts,
}

impl<'a> Rules<'a> {
    /// The step that is looked at.
    pub fn step(&self) -> &'a Draft {
        &self.steps[self.at]
    }

    /// Steps of a kind that run in this mode.
    pub fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = (usize, &'a Draft)> {
        let steps = self.steps.iter().enumerate();
        steps.filter(move |(_, step)| step.kind.name == kind && step.skipped.is_none())
    }

    /// Steps of a kind that are always over, and done, before this one begins.
    pub fn done_before(&self, kind: &'static str) -> impl Iterator<Item = (usize, &'a Draft)> {
        self.of_kind(kind).filter(|(at, step)| self.graph.before(*at, self.at) && step.must_succeed())
    }
}

/// No rules of its own.
pub(crate) fn no_rules(_: &Rules<'_>, _: &mut Context<'_>) {}

/// Name, class and documentation of every step kind, for the reference.
pub fn reference() -> impl Iterator<Item = (&'static str, Class, &'static str)> {
    KINDS.iter().map(|kind| (kind.name, kind.class, kind.doc))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_listed_and_names_are_unique() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/steps");
        let names =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let files: BTreeSet<String> = names
            .filter_map(|name| name.strip_suffix(".rs").filter(|stem| *stem != "mod").map(str::to_string))
            .collect();
        let listed: BTreeSet<String> = KINDS.iter().map(|kind| kind.name.to_string()).collect();
        assert_eq!(files, listed);
        assert_eq!(KINDS.len(), listed.len());
        assert!(KINDS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(LATER.iter().all(|name| !listed.contains(*name)));
    }

    #[test]
    fn every_kind_is_documented_with_an_example_that_is_read() {
        let estate = include_str!("../../testdata/reference.yaml");
        for kind in KINDS {
            let example = kind.doc.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
            let example = example.unwrap_or_else(|| panic!("{} has no example", kind.name));
            let steps: String = example.lines().map(|line| format!("  {line}\n")).collect();
            let file = |path: &str, text: String| crate::SourceFile { path: path.to_string(), text };
            let text = format!("plan: example\nsteps:\n{steps}");
            let checked =
                crate::check(&[file("estate.yaml", estate.to_string()), file("example.yaml", text.clone())]);
            // Rules of order and names of other steps belong to whole plans; the example is one step.
            let order = |one: &&crate::Diagnostic| !one.code.starts_with("LB03") && one.code != "LB0202";
            let wrong: Vec<String> =
                checked.diagnostics.iter().filter(order).map(ToString::to_string).collect();
            assert!(wrong.is_empty(), "{}: {wrong:#?}\n{text}", kind.name);
        }
    }
}
