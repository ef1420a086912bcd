//! A plan's text: its head, and where its steps stand. The steps themselves are read when the plan is
//! lowered for a mode, once its inputs are filled in.

use crate::checked::Scenario;
use crate::codes;
use crate::diagnostic::Sink;
use crate::estate::Estate;
use crate::estate::promised::{self, Of, Promised};
use crate::inputs::{self, Input};
use crate::text::{At, Entry, Fields, Node, Span, Value, values};
use model::nouns::Objectives;
use model::{Digest, Name};
use std::collections::BTreeMap;

/// Most steps of one plan.
pub const MAX_STEPS: usize = 2_000;

/// A plan as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Its name.
    pub name: At<Name>,
    /// One line for people.
    pub title: String,
    /// Regions presumed dead.
    pub lost: Vec<At<Name>>,
    /// Regions whose word is not believed.
    pub suspect: Vec<At<Name>>,
    /// What the recovery is measured against.
    pub objectives: Objectives,
    /// The same with its place.
    pub promised: Promised,
    /// Its inputs.
    pub inputs: BTreeMap<String, Input>,
    /// Its steps by name.
    pub steps: Vec<Entry>,
    /// Digest of its text without comments and layout.
    pub digest: Digest,
}

/// Whether a file is a plan.
pub(crate) fn is_plan(root: &Node) -> bool {
    matches!(&root.value, Value::Map(entries) if entries.iter().any(|entry| entry.key == "plan"))
}

/// Reads a plan's head.
pub(crate) fn read(root: &Node, sink: &mut Sink) -> Option<Document> {
    let mut fields = Fields::of(root, "the plan", root.span, sink)?.later(&["finally", "allow"]);
    let name = fields.need("plan", sink).and_then(|node| values::name(node, sink));
    let title = fields.get("title").map(|node| values::words(node, sink));
    let span = fields.span_of("scenario");
    let (lost, suspect) =
        fields.get("scenario").map_or((Vec::new(), Vec::new()), |node| scenario(node, span, sink));
    let span = fields.span_of("objectives");
    let promised = fields.get("objectives").and_then(|node| promised::read(node, span, Of::Plan, sink));
    let promised = promised.unwrap_or_default();
    let span = fields.span_of("inputs");
    let inputs = fields.get("inputs").map_or_else(BTreeMap::new, |node| inputs::read(node, span, sink));
    let steps = fields.need("steps", sink).and_then(|node| steps(node, sink));
    fields.finish(sink);
    let name = name?;
    Some(Document {
        title: title.flatten().unwrap_or_else(|| name.value.to_string()),
        name,
        lost,
        suspect,
        objectives: promised.objectives(),
        promised,
        inputs,
        steps: steps?,
        digest: root.digest(),
    })
}

fn scenario(node: &Node, owner: Span, sink: &mut Sink) -> (Vec<At<Name>>, Vec<At<Name>>) {
    let Some(mut fields) = Fields::of(node, "scenario", owner, sink) else { return (Vec::new(), Vec::new()) };
    let lost = fields.get("lost").and_then(|node| values::names(node, sink));
    let suspect = fields.get("suspect").and_then(|node| values::names(node, sink));
    fields.finish(sink);
    (lost.unwrap_or_default(), suspect.unwrap_or_default())
}

fn steps(node: &Node, sink: &mut Sink) -> Option<Vec<Entry>> {
    let entries = values::entries(node, sink)?;
    if entries.is_empty() {
        sink.push(&codes::EMPTY, node.span, "a plan without steps".to_string());
        return None;
    }
    if entries.len() > MAX_STEPS {
        let message = format!("{} steps; a plan has at most {MAX_STEPS}", entries.len());
        sink.push(&codes::TOO_LARGE, node.span, message);
        return None;
    }
    Some(entries.to_vec())
}

impl Document {
    /// Checks what its head refers to.
    pub fn check(&self, estate: &Estate, sink: &mut Sink) {
        for region in self.lost.iter().chain(&self.suspect) {
            estate.declared("region", region, sink);
        }
        let controllers = estate.controllers.values();
        let all_lost = controllers.clone().all(|controller| self.is_lost(&controller.region.value));
        if controllers.len() > 0
            && all_lost
            && let Some(region) = self.lost.first()
        {
            let message = "every controller stands in a region that this plan presumes lost".to_string();
            sink.push(&codes::LOST_CONTROLLER, region.span, message);
        }
    }

    /// Whether a region is presumed dead.
    pub fn is_lost(&self, region: &Name) -> bool {
        self.lost.iter().any(|lost| lost.value == *region)
    }

    /// Whether a region's word is not believed.
    pub fn is_suspect(&self, region: &Name) -> bool {
        self.suspect.iter().any(|suspect| suspect.value == *region)
    }

    /// The scenario without places.
    pub fn scenario(&self) -> Scenario {
        let values = |list: &[At<Name>]| list.iter().map(|at| at.value.clone()).collect();
        Scenario { lost: values(&self.lost), suspect: values(&self.suspect) }
    }
}
