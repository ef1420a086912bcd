//! Reading what others wrote: files within bounds, YAML as values.

use crate::failure::Failure;
use serde_json::Value;
use std::path::Path;

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;

/// The text of a file.
pub fn text(path: &Path) -> Result<String, Failure> {
    let meta = std::fs::metadata(path).map_err(|error| Failure::file("read", path, &error))?;
    if meta.len() > MAX_BYTES {
        let message = format!("{} is larger than 1 MiB", path.display());
        return Err(Failure::usage("LB4021", message, "Give a smaller file."));
    }
    std::fs::read_to_string(path).map_err(|error| Failure::file("read", path, &error))
}

/// The documents of a YAML text.
pub fn documents(text: &str) -> Result<Vec<Value>, String> {
    // What the parser says may quote the text, and with it a secret: its place alone is told.
    serde_saphyr::from_multiple(text).map_err(|error| match error.location() {
        Some(place) => format!("this is not YAML, line {}", place.line()),
        None => "this is not YAML".to_string(),
    })
}

/// A single value as text, whatever its type.
pub fn single(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The items of a list, or the keys of a map.
pub fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(single).collect(),
        Value::Object(entries) => entries.keys().cloned().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The path and query of a URL of this very machine in a command, with its port: what `curl -f
/// http://localhost:8080/health` asks.
pub fn local_url(words: &str) -> Option<(u16, String)> {
    let word = words.split([' ', '"', '\'', ',']).find(|word| word.starts_with("http://"))?;
    let rest = word.trim_start_matches("http://");
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    if !matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0") || path.contains(['?', '$']) {
        return None;
    }
    let path = if path.is_empty() { "/" } else { path };
    Some((port.parse().ok()?, path.to_string()))
}
