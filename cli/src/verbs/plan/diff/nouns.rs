//! What is compared: nouns by section and name, plans by name with their steps and edges.

use crate::failure::Failure;
use crate::yaml::value::{Value, value};
use plan::SourceFile;
use std::collections::{BTreeMap, BTreeSet};

/// All that an estate says.
#[derive(Debug, Default)]
pub struct Nouns {
    /// `services/web` and its fields.
    pub nouns: BTreeMap<String, Value>,
    /// Plans by name.
    pub plans: BTreeMap<String, Plan>,
}

/// A plan.
#[derive(Debug, Default)]
pub struct Plan {
    /// What it says besides its steps.
    pub head: Value,
    /// Steps by name, without what they wait for.
    pub steps: BTreeMap<String, Value>,
    /// Who waits for whom: (first, then).
    pub edges: BTreeSet<(String, String)>,
}

/// Reads files that the check can read.
pub fn read(files: &[SourceFile]) -> Result<Nouns, Failure> {
    let mut all = Nouns::default();
    for file in files {
        let root = value(&file.text).map_err(|refused| {
            let message = format!("{}:{}: {}", file.path, refused.line, refused.what);
            Failure::usage("LB4062", message, "Mend the file and try again.")
        })?;
        let Value::Map(sections) = root else { continue };
        match sections.get("plan").and_then(Value::text) {
            Some(name) => {
                all.plans.insert(name.to_string(), plan(sections.clone()));
            }
            None => sections.into_iter().for_each(|(section, value)| all.section(section, value)),
        }
    }
    Ok(all)
}

impl Nouns {
    fn section(&mut self, section: String, value: Value) {
        match value {
            Value::Map(entries) => {
                for (name, value) in entries {
                    self.nouns.insert(format!("{section}/{name}"), value);
                }
            }
            // An empty section declares nothing.
            Value::Nothing => {}
            Value::Text(_) | Value::List(_) => {
                self.nouns.insert(section, value);
            }
        }
    }
}

fn plan(mut sections: BTreeMap<String, Value>) -> Plan {
    let mut plan = Plan::default();
    sections.remove("plan");
    if let Some(Value::Map(steps)) = sections.remove("steps") {
        for (name, mut step) in steps {
            if let Value::Map(fields) = &mut step
                && let Some(after) = fields.remove("after")
            {
                plan.edges.extend(names(&after).into_iter().map(|first| (first, name.clone())));
            }
            plan.steps.insert(name, step);
        }
    }
    plan.head = Value::Map(sections);
    plan
}

/// One name or several.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Text(name) => vec![name.clone()],
        Value::List(items) => items.iter().filter_map(Value::text).map(str::to_string).collect(),
        Value::Nothing | Value::Map(_) => Vec::new(),
    }
}
