//! The fields of two values that differ, each with its path.
//!
//! What counts as the same is what the language takes for the same: `needs: app` and `needs: [app]`, lists
//! of names in another order, `hosts: [a]` and `hosts: { a: {} }`, nothing and an empty map, `60s` and `1m`
//! where a length of time is asked for, and blanks around a text.

use super::compare::{Kind, kind, union};
use crate::yaml::value::Value;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Fields that name things: their order says nothing.
const NAMES: [&str; 12] = [
    "after", "allow", "checks", "excludes", "hosts", "lost", "members", "needs", "services", "suspect", "to",
    "writers",
];
/// Fields that are a length of time.
const LENGTHS: [&str; 14] = [
    "every",
    "for",
    "keep-old",
    "lease",
    "pause",
    "repeat",
    "rpo",
    "rto",
    "silence",
    "stop-grace",
    "timeout",
    "ttl",
    "within",
    "default",
];
/// Fields whose text is a secret when it stands in the file itself.
const SECRETS: [&str; 6] = ["password", "token", "secret", "key", "passwd", "api-key"];

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Where, from the noun or step: `check.retries`. Empty when the whole is meant.
    pub path: String,
    /// What happened to it.
    pub kind: Kind,
    /// What it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<serde_json::Value>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<serde_json::Value>,
}

/// The fields that differ, in order of their paths.
pub fn fields(old: &Value, new: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    walk("", "", Some(old), Some(new), &mut found);
    found
}

fn walk(path: &str, key: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Field>) {
    if same(key, old, new) {
        return;
    }
    if let (Some(before), Some(after)) =
        (old.and_then(|one| set(key, one)), new.and_then(|one| set(key, one)))
    {
        let json = |name: &&String| Some(serde_json::Value::String((*name).clone()));
        let field = |kind, old, new| Field { path: path.to_string(), kind, old, new };
        found.extend(before.difference(&after).map(|name| field(Kind::Removed, json(&name), None)));
        found.extend(after.difference(&before).map(|name| field(Kind::Added, None, json(&name))));
        return;
    }
    let map = |value: Option<&Value>| match value {
        Some(Value::Map(entries)) => Some(entries.clone()),
        // What the other has as a map, this one does not have at all.
        None | Some(Value::Nothing) => Some(BTreeMap::new()),
        Some(Value::Text(_) | Value::List(_)) => None,
    };
    let place = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    if let (Some(before), Some(after)) = (map(old), map(new)) {
        for key in union(&before, &after) {
            walk(&place(key), key, before.get(key), after.get(key), found);
        }
        return;
    }
    if let (Some(Value::List(before)), Some(Value::List(after))) = (old, new)
        && before.len() == after.len()
        && before.iter().chain(after).any(|item| matches!(item, Value::Map(_)))
    {
        for (index, (before, after)) in before.iter().zip(after).enumerate() {
            walk(&format!("{path}[{index}]"), "", Some(before), Some(after), found);
        }
        return;
    }
    let shown = |value: Option<&Value>| value.map(|value| json(key, value));
    found.push(Field {
        path: path.to_string(),
        kind: kind(old.is_some(), new.is_some()),
        old: shown(old),
        new: shown(new),
    });
}

fn same(key: &str, old: Option<&Value>, new: Option<&Value>) -> bool {
    match (old, new) {
        (Some(Value::Text(old)), Some(Value::Text(new))) => {
            let length = |text: &str| model::duration::parse(text.trim()).ok();
            old.trim() == new.trim()
                || (LENGTHS.contains(&key) && length(old).is_some() && length(old) == length(new))
        }
        (Some(old), Some(new)) => old == new || (empty(old) && empty(new)),
        (None, None) => true,
        // That somebody declared something empty is a difference of the map above, not of this value.
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Nothing => true,
        Value::Map(entries) => entries.is_empty(),
        Value::Text(_) | Value::List(_) => false,
    }
}

/// The names of a field that names things.
fn set(key: &str, value: &Value) -> Option<BTreeSet<String>> {
    if !NAMES.contains(&key) {
        return None;
    }
    match value {
        Value::Text(name) => Some(BTreeSet::from([name.clone()])),
        Value::List(items) => items.iter().map(|item| item.text().map(str::to_string)).collect(),
        Value::Map(entries) if entries.values().all(empty) => Some(entries.keys().cloned().collect()),
        Value::Nothing | Value::Map(_) => None,
    }
}

/// A value for the output; a secret in plain text is not repeated.
fn json(key: &str, value: &Value) -> serde_json::Value {
    let key = key.to_ascii_lowercase().replace('_', "-");
    match value {
        Value::Nothing => serde_json::Value::Null,
        Value::Text(_)
            if SECRETS.iter().any(|secret| key == *secret || key.ends_with(&format!("-{secret}"))) =>
        {
            "(a secret in plain text)".into()
        }
        Value::Text(text) => text.trim().into(),
        Value::List(items) => items.iter().map(|item| json("", item)).collect(),
        Value::Map(entries) => entries.iter().map(|(key, value)| (key.clone(), json(key, value))).collect(),
    }
}
