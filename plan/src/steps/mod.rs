//! Step kinds: one file each, listed in [`KINDS`]. A kind says what its parameters are, what tasks a
//! step lowers to, how it is taken back, and which rules of order hold for it.
//!
//! Adding one: a file with a `KIND`, a line in the list, cases under `testdata/`.

pub(crate) mod approve;
pub(crate) mod ask;
pub(crate) mod backup;
pub(crate) mod call;
pub(crate) mod check;
pub(crate) mod collect;
pub(crate) mod command;
pub(crate) mod cutover;
pub(crate) mod deploy;
pub(crate) mod fence;
pub(crate) mod isolate;
pub(crate) mod notify;
pub(crate) mod promote;
pub(crate) mod prove;
pub(crate) mod provision;
pub(crate) mod rejoin;
pub(crate) mod restart;
pub(crate) mod restore;
pub(crate) mod rollback;
pub(crate) mod rotate;
pub(crate) mod scale;
pub(crate) mod sql;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod swap;
pub(crate) mod switch;
pub(crate) mod unfence;
pub(crate) mod wait;

use crate::checked::{EvidenceRule, Gate, Task, Undo};
use crate::codes;
use crate::context::Context;
use crate::diagnostic::Sink;
use crate::graph::Graph;
use crate::index::Index;
use crate::inputs::InputType;
use crate::lower::Draft;
use crate::set::Set;
use crate::text::Fields;
use crate::version::Version;
use model::nouns::Point;
use model::{Class, Evidence, HostName, Name};
use std::time::Duration;

/// Every step kind, by name.
pub(crate) static KINDS: [&Kind; 28] = [
    &approve::KIND,
    &ask::KIND,
    &backup::KIND,
    &call::KIND,
    &check::KIND,
    &collect::KIND,
    &command::KIND,
    &cutover::KIND,
    &deploy::KIND,
    &fence::KIND,
    &isolate::KIND,
    &notify::KIND,
    &promote::KIND,
    &prove::KIND,
    &provision::KIND,
    &rejoin::KIND,
    &restart::KIND,
    &restore::KIND,
    &rollback::KIND,
    &rotate::KIND,
    &scale::KIND,
    &sql::KIND,
    &start::KIND,
    &stop::KIND,
    &swap::KIND,
    &switch::KIND,
    &unfence::KIND,
    &wait::KIND,
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
    /// Outputs of a step that acts on one target, with their types.
    pub outputs: &'static [(&'static str, InputType)],
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
    /// What nobody carries out yet, in words: then it can be checked and shown, and not be run.
    pub to_come: Option<&'static str>,
    /// The plan whose steps stand in this one's place.
    pub call: Option<call::Call>,
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
    /// The version that it puts in place, where that is known.
    pub version: Option<Version>,
    /// Whether live data of the source is taken away.
    pub destroys: bool,
    /// Whether it goes on with the log of the source.
    pub replays: bool,
    /// The names by which it asks, one for each question; none where it asks the host itself.
    pub asks: Vec<Option<String>>,
    /// The name in DNS that it moves.
    pub moves: Option<String>,
    /// Whether its services run afterwards, where that is not what its kind is for.
    pub starts: bool,
    /// Whether none of its services runs afterwards.
    pub holds: bool,
    /// The repository that it reads from.
    pub from: Option<Name>,
    /// Hosts that come into being.
    pub makes: Vec<HostName>,
    /// What it acts on that is neither a source nor a service: its noun and name.
    pub acts_on: Option<(&'static str, Name)>,
}

/// One step among the others, for its rules.
pub(crate) struct Rules<'a> {
    /// All steps.
    pub steps: &'a [Draft],
    /// Their order.
    pub graph: &'a Graph,
    /// Those that run in this mode, by what they do.
    pub index: &'a Index<'a>,
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

    /// Steps that are always over before this one begins.
    pub fn earlier(&self) -> &'a Set {
        self.graph.earlier(self.at)
    }

    /// Steps that never begin before this one is over.
    pub fn later(&self) -> &'a Set {
        self.graph.later(self.at)
    }

    /// Those of some steps that are always over, and done, before this one begins.
    pub fn done_before(&self, steps: &Set) -> Set {
        steps.and(self.earlier()).and(self.index.sure())
    }

    /// The steps of a set, in the order of the text.
    pub fn each<'s>(&self, steps: &'s Set) -> impl Iterator<Item = (usize, &'a Draft)> + use<'s, 'a> {
        let all = self.steps;
        steps.iter().filter_map(move |at| Some((at, all.get(at)?)))
    }
}

/// A step that is checked and shown, and that nobody carries out yet.
pub(crate) fn to_come(summary: String, what: &'static str, undo: Undo, facts: Facts) -> Lowered {
    Lowered {
        summary: format!("{summary} (still to come)"),
        parts: vec![Part { tasks: Vec::new(), undo }],
        facts,
        to_come: Some(what),
        ..Lowered::default()
    }
}

/// Common fields that a kind cannot have.
pub(crate) fn common_fields(kind: &Kind, fields: &Fields<'_>, sink: &mut Sink) {
    if kind.name != "call" {
        return;
    }
    for key in ["timeout", "retry", "on-failure", "undo", "fan-out"].iter().filter(|key| fields.has(key)) {
        let message = format!("{key:?} belongs to the steps that are called, not to the call");
        sink.push(&codes::NO_SUCH_COMMON, fields.span_of(key), message);
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
            let called = include_str!("../../testdata/reference-call.yaml").to_string();
            let checked = crate::check(&[
                file("estate.yaml", estate.to_string()),
                file("called.yaml", called),
                file("example.yaml", text.clone()),
            ]);
            // Rules of order and names of other steps belong to whole plans; the example is one step.
            let order = |one: &&crate::Diagnostic| {
                let to_come = [codes::LATER.code, codes::JOB_LATER.code].contains(&one.code.as_str());
                !one.code.starts_with("LB03") && one.code != "LB0202" && !to_come
            };
            let wrong: Vec<String> =
                checked.diagnostics.iter().filter(order).map(ToString::to_string).collect();
            assert!(wrong.is_empty(), "{}: {wrong:#?}\n{text}", kind.name);
        }
    }
}
