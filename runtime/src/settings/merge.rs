//! Merging overrides into the tree of a settings file, and finding every flaw of that tree.

use super::{Documented, Flaw, Key};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Top-level keys that no [`Key`] names. (Those inside sections are refused by serde.)
pub fn unknown_keys(tree: &Map<String, Value>, keys: &[Key], places: &BTreeMap<String, String>) -> Vec<Flaw> {
    let unknown = tree.keys().filter(|name| !known(name, keys));
    unknown
        .map(|name| {
            let nearest = nearest(name, keys);
            let hint = nearest.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            let at = places.get(name).cloned().unwrap_or_default();
            Flaw { at, what: format!("unknown key {name:?}{hint}") }
        })
        .collect()
}

fn top(key: &Key) -> &str {
    key.path.split('.').next().unwrap_or(&key.path)
}

fn known(name: &str, keys: &[Key]) -> bool {
    keys.iter().any(|key| top(key) == name)
}

/// The key that shares the most letters in order with a mistyped one.
fn nearest<'a>(name: &str, keys: &'a [Key]) -> Option<&'a str> {
    let alike = |other: &str| other.chars().zip(name.chars()).filter(|(a, b)| a == b).count();
    let best = keys.iter().map(top).max_by_key(|other| alike(other))?;
    (alike(best) * 2 > name.len()).then_some(best)
}

/// Takes unknown keys out, so that each is told once.
pub fn drop_unknown(tree: &mut Map<String, Value>, keys: &[Key]) {
    tree.retain(|name, _| known(name, keys));
}

/// Puts one overriding value at its path. A text is taken as it is where the struct takes a text,
/// else it is read as YAML: `5`, `true`, `[a, b]`.
pub fn set<T: Documented>(
    tree: &mut Map<String, Value>,
    keys: &[Key],
    path: &str,
    value: &str,
) -> Result<(), String> {
    if !keys.iter().any(|key| key.path == path) {
        return Err(format!("there is no setting {path:?}"));
    }
    let as_text = Value::String(value.to_string());
    let chosen = match alone::<T>(path, as_text.clone()) {
        Ok(()) => as_text,
        Err(text_error) => {
            let read = serde_saphyr::from_str::<Value>(value).map_err(|_| text_error.clone())?;
            alone::<T>(path, read.clone())
                .map_err(|error| if read.is_string() { text_error } else { error })?;
            read
        }
    };
    put(tree, path, chosen);
    Ok(())
}

/// Whether the struct takes this value at this path, everything else being default.
fn alone<T: DeserializeOwned>(path: &str, value: Value) -> Result<(), String> {
    let mut tree = Map::new();
    put(&mut tree, path, value);
    T::deserialize(Value::Object(tree)).map(|_| ()).map_err(|error| error.to_string())
}

fn put(tree: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            tree.insert(path.to_string(), value);
        }
        Some((section, rest)) => {
            let inner = tree.entry(section).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Reads each top-level key by itself and tells where it fails.
pub fn each_key<T: DeserializeOwned>(
    tree: &Map<String, Value>,
    places: &BTreeMap<String, String>,
) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for (name, value) in tree {
        if let Err(error) = alone::<T>(name, value.clone()) {
            let at = places.get(name).cloned().unwrap_or_default();
            flaws.push(Flaw { at, what: format!("{name}: {error}") });
        }
    }
    flaws
}
