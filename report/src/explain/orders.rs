//! Orders as they would be sent. Secrets are references in them, as everywhere before an agent's job.

use crate::layout::wrap;
use model::{HostName, Target};
use plan::checked::{Action, Task};
use serde::Serialize;
use serde_json::Value;

/// What stands before a parameter.
const INDENT: &str = "    ";

/// One order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OrderLine {
    /// What it acts on.
    pub target: Target,
    /// The host whose agent gets it; absent for what the controller does itself.
    pub host: Option<HostName>,
    /// The job kind, `promote`; `timer` for a wait.
    pub job: String,
    /// The version of its parameters; 0 where no agent is asked.
    pub version: u32,
    /// Its parameters, exactly.
    pub parameters: Value,
}

/// The orders of some tasks.
pub fn lines(tasks: &[Task]) -> Vec<OrderLine> {
    tasks.iter().map(line).collect()
}

fn line(task: &Task) -> OrderLine {
    let (host, job, version, parameters) = match &task.action {
        Action::Agent { host, work } => {
            // The very bytes of the wire, read again.
            let parameters = work.parameters().ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            (Some(host.clone()), work.kind().to_string(), work.version(), parameters)
        }
        Action::Controller { control } => {
            let mut parameters = serde_json::to_value(control).ok();
            let job = parameters.as_mut().and_then(|value| value.as_object_mut()?.remove("action"));
            let job = job.as_ref().and_then(Value::as_str).unwrap_or_default().to_string();
            (None, job, 0, parameters)
        }
        Action::Timer { length } => {
            let length = serde_json::json!({ "length": model::duration::format(*length) });
            (None, "timer".to_string(), 0, Some(length))
        }
    };
    OrderLine { target: task.target.clone(), host, job, version, parameters: parameters.unwrap_or_default() }
}

/// An order in lines: who is asked for what, and each parameter below it.
pub fn text(order: &OrderLine, columns: usize) -> Vec<String> {
    let head = match &order.host {
        Some(host) => format!("agent of {host}: {} on {}", order.job, order.target),
        None if order.job == "timer" => "nobody: the run waits".to_string(),
        None => format!("controller: {} on {}", order.job, order.target),
    };
    let mut leaves = Vec::new();
    flatten("", &order.parameters, &mut leaves);
    let mut lines = wrap("", &head, columns);
    for (key, value) in leaves {
        lines.extend(wrap(&format!("{INDENT}{key}: "), &value, columns));
    }
    lines
}

/// `source.address: 192.0.2.10`, one line a value; lists of single values stay in one.
fn flatten(key: &str, value: &Value, out: &mut Vec<(String, String)>) {
    let below = |name: &str| if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| flatten(&below(name), value, out));
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items.iter().enumerate().for_each(|(at, item)| flatten(&below(&at.to_string()), item, out));
        }
        // A moment, which programs read as a number and people as a time.
        Value::Number(number) if key.ends_with("not-after") && number.is_i64() => {
            let moment = model::Micros(number.as_i64().unwrap_or_default());
            out.push((key.to_string(), moment.to_string()));
        }
        Value::String(text) => out.push((key.to_string(), text.clone())),
        other => out.push((key.to_string(), other.to_string())),
    }
}
