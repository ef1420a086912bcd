//! Two estates to the list of changes.

use super::fields::{Field, fields};
use super::nouns::{Nouns, Plan};
use crate::yaml::value::Value;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What happened to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Only the second has it.
    Added,
    /// Only the first has it.
    Removed,
    /// Both have it, and they differ.
    Changed,
}

/// A noun, a plan or a step that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `services/web`, `plan/failover`, or a step's name.
    pub what: String,
    /// What happened to it.
    pub kind: Kind,
    /// Its fields that differ; of something added or removed all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Steps that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Change>,
    /// Edges that only one of them has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<Edge>,
}

/// That a step waits for another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// What happened to it.
    pub kind: Kind,
    /// The step that is waited for.
    pub first: String,
    /// The step that waits.
    pub then: String,
}

/// Everything that differs, nouns first, each by name.
pub fn compare(old: &Nouns, new: &Nouns) -> Vec<Change> {
    let mut changes = values(&old.nouns, &new.nouns);
    let nothing = Plan::default();
    for name in union(&old.plans, &new.plans) {
        let (before, after) = (old.plans.get(name), new.plans.get(name));
        let kind = kind(before.is_some(), after.is_some());
        let (before, after) = (before.unwrap_or(&nothing), after.unwrap_or(&nothing));
        let change = Change {
            what: format!("plan/{name}"),
            kind,
            fields: fields(&before.head, &after.head),
            steps: values(&before.steps, &after.steps),
            edges: edges(before, after),
        };
        let differs = !change.fields.is_empty() || !change.steps.is_empty() || !change.edges.is_empty();
        if kind != Kind::Changed || differs {
            changes.push(change);
        }
    }
    changes
}

fn values(old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> Vec<Change> {
    let mut changes = Vec::new();
    for name in union(old, new) {
        let (before, after) = (old.get(name), new.get(name));
        let kind = kind(before.is_some(), after.is_some());
        let fields = fields(before.unwrap_or(&Value::Nothing), after.unwrap_or(&Value::Nothing));
        if kind != Kind::Changed || !fields.is_empty() {
            let (what, steps, edges) = (name.clone(), Vec::new(), Vec::new());
            changes.push(Change { what, kind, fields, steps, edges });
        }
    }
    changes
}

fn edges(old: &Plan, new: &Plan) -> Vec<Edge> {
    let edge = |kind| {
        move |(first, then): &(String, String)| Edge { kind, first: first.clone(), then: then.clone() }
    };
    let removed = old.edges.difference(&new.edges).map(edge(Kind::Removed));
    removed.chain(new.edges.difference(&old.edges).map(edge(Kind::Added))).collect()
}

/// What happened to something that the first and the second have or have not.
pub fn kind(old: bool, new: bool) -> Kind {
    match (old, new) {
        (false, _) => Kind::Added,
        (true, false) => Kind::Removed,
        (true, true) => Kind::Changed,
    }
}

/// The keys of either.
pub fn union<'k, T>(old: &'k BTreeMap<String, T>, new: &'k BTreeMap<String, T>) -> BTreeSet<&'k String> {
    old.keys().chain(new.keys()).collect()
}
