//! A step without orders in words: what it needs has a job that is still to come.

use crate::context::{Context, list};
use crate::steps::{Facts, Kind};
use crate::text::{Entry, Node, Value};
use model::HostName;

/// `restart web on web-2 (still to come)`: a step without orders in one line.
pub(crate) fn words(kind: &Kind, params: &Node, facts: &Facts, cx: &Context<'_>) -> String {
    let mut hosts: Vec<HostName> = facts.hosts.iter().map(|host| cx.acts_for(host).clone()).collect();
    hosts.dedup();
    let first = match &params.value {
        Value::Map(entries) => {
            let place = |entry: &&Entry| matches!(entry.key.as_str(), "region" | "hosts" | "on");
            entries.iter().filter(|entry| !place(entry)).find_map(named)
        }
        Value::Null | Value::Scalar(_) | Value::List(_) => None,
    };
    let what = match (&facts.source, facts.services.as_slice()) {
        (Some(source), _) => source.to_string(),
        (None, []) => first.unwrap_or_default(),
        (None, services) => list(services),
    };
    let place = if hosts.is_empty() { String::new() } else { format!(" on {}", list(&hosts)) };
    format!("{} {what}{place} (still to come)", kind.name)
}

/// The text of a field, or the texts of its list.
fn named(entry: &Entry) -> Option<String> {
    match &entry.value.value {
        Value::Scalar(scalar) => Some(scalar.text.clone()),
        Value::List(items) => {
            let text = |item: &Node| match &item.value {
                Value::Scalar(scalar) => Some(scalar.text.clone()),
                Value::Null | Value::List(_) | Value::Map(_) => None,
            };
            Some(list(&items.iter().map(text).collect::<Option<Vec<String>>>()?))
        }
        Value::Null | Value::Map(_) => None,
    }
}
