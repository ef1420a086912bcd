//! Failure domains of a whole plan: what it needs and presumes lost. What single steps name, like hosts,
//! repositories and stacks, is looked at where they are lowered; what remains is told here, once for each plan.
//!
//! With `lost: [us-east]` nothing that the plan needs may live there only. Where nothing is left to drive it,
//! the advice is rescue: the plan is still right, only nobody is there to follow it.

use crate::codes;
use crate::diagnostic::Sink;
use crate::document::Document;
use crate::estate::Estate;
use crate::text::{Node, Value};
use model::Name;
use std::collections::BTreeMap;

/// Somebody is left to drive the plan, with the journal and a vote.
pub(crate) fn controllers(plan: &Document, estate: &Estate, sink: &mut Sink) {
    let Some(lost) = plan.lost.first() else { return };
    let all = |code, what: &str, sink: &mut Sink| {
        sink.push(code, lost.span, format!("{what} a region that this plan presumes lost"));
    };
    let standing = || estate.controllers.values().filter(|one| !plan.is_lost(&one.region.value));
    let with_journal = standing().any(|one| {
        one.journal.as_ref().is_none_or(|regions| regions.iter().any(|at| !plan.is_lost(&at.value)))
    });
    if !estate.controllers.is_empty() && standing().next().is_none() {
        all(&codes::LOST_CONTROLLER, "every controller stands in", sink);
    } else if !estate.controllers.is_empty() && !with_journal {
        all(&codes::LOST_JOURNAL, "the journal of every controller that is left lives in", sink);
    }
    if !estate.witnesses.is_empty() && estate.witnesses.values().all(|at| plan.is_lost(&at.value)) {
        all(&codes::LOST_WITNESS, "every witness stands in", sink);
    }
}

fn inside<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
}

fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(scalar) => Some(&scalar.text),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// What a plan moves, by what it moves: a record that is cut over, a pool that is switched, a source that is
/// promoted. The regions that it moves it to; a place that depends on an input may be any.
type Moves = BTreeMap<(&'static str, String), Vec<Option<Name>>>;

/// Verbs that move something: what they move, and where it is said where to.
const MOVES: [(&str, &str, &str); 3] =
    [("cutover", "record", "to"), ("switch", "pool", "to"), ("promote", "source", "region")];

fn moves(plan: &Document, estate: &Estate) -> Moves {
    let mut out = Moves::new();
    for step in &plan.steps {
        for (verb, what, to) in MOVES {
            let Some(params) = inside(&step.value, verb) else { continue };
            let Some(moved) = inside(params, what).and_then(text) else { continue };
            let region = inside(params, to).and_then(text).and_then(|region| Name::new(region).ok());
            let on = inside(params, "on").and_then(text).and_then(|host| Name::new(host).ok());
            let region = region.or_else(|| estate.region_of_name(&on?).cloned());
            out.entry((what, moved.to_string())).or_default().push(region);
        }
    }
    out
}

/// Whether a plan moves something of these elsewhere.
fn moves_elsewhere(moves: &Moves, what: &(&'static str, String), to: &[Option<Name>]) -> bool {
    moves.get(what).into_iter().flatten().any(|other| other.is_none() || !to.contains(other))
}

/// The plans that bring back what a plan moves: they move at least one such thing elsewhere, and nothing else.
pub(crate) fn back<'p>(
    plan: &Document,
    plans: &'p BTreeMap<Name, Document>,
    estate: &Estate,
) -> Vec<&'p Name> {
    let own = moves(plan, estate);
    let returns = |other: &Document| {
        let theirs = moves(other, estate);
        !theirs.is_empty()
            && theirs.keys().all(|what| own.get(what).is_some_and(|to| moves_elsewhere(&theirs, what, to)))
    };
    plans
        .iter()
        .filter(|(name, other)| **name != plan.name.value && returns(other))
        .map(|(name, _)| name)
        .collect()
}

/// A plan that leaves a lost region has another one that goes back: for each thing that it moves there is a
/// plan that moves it elsewhere.
pub(crate) fn ways_back(plans: &BTreeMap<Name, Document>, estate: &Estate, sink: &mut Sink) {
    let all: Vec<(&Name, Moves)> = plans.iter().map(|(name, plan)| (name, moves(plan, estate))).collect();
    let mut anywhere = Moves::new();
    for (what, to) in all.iter().flat_map(|(_, moves)| moves) {
        anywhere.entry(what.clone()).or_default().extend(to.iter().cloned());
    }
    for places in anywhere.values_mut() {
        places.sort();
        places.dedup();
    }
    for (name, moves) in &all {
        let Some(plan) = plans.get(*name).filter(|plan| !plan.lost.is_empty()) else { continue };
        let returns =
            |what: &(&'static str, String), to: &[Option<Name>]| moves_elsewhere(&anywhere, what, to);
        let stuck = moves.iter().find(|(what, to)| !returns(what, to));
        if let Some(((noun, moved), to)) = stuck {
            let place = to.iter().flatten().next().map_or("there", Name::as_str);
            let message =
                format!("no plan brings {noun} {moved:?} back once this one has moved it to {place:?}");
            sink.push(&codes::NO_WAY_BACK, plan.name.span, message);
        }
    }
}
