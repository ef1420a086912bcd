//! `call`: the steps of another plan, in this place.

use super::{Kind, Lowered, Part, no_rules};
use crate::checked::Undo;
use crate::codes;
use crate::context::Context;
use crate::document::Document;
use crate::inputs::{Filled, InputType};
use crate::text::{At, Entry, Fields, FromInput, Scalar, Value, values};
use model::{Class, Name};
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "call",
    doc: "Does the steps of another `plan` in this place, with `inputs` for it. They stand in the run under the name \
          of this step (`reach/start`), begin when what this step waits for is done, and what waits for \
          this step waits for all of them. The rules of order look through the call: a fence here \
          counts for a promotion there; a plan that is only sound in its callers says `alone: false`, is proven \
          in each of them, and cannot be run by itself. The scenario is that of the plan that is run. Time-outs, retries, \
          `on-failure` and `undo` belong to the called steps; this one has only `after`, `when` and `allow`. \
          Plans may not call each other in a circle, and calls are at most 4 deep.\n\n\
          ```yaml\nreach:\n  after: promote\n  call: { plan: bring-up-web, inputs: { place: eu-west } }\n```",
    class: Class::Read,
    timeout: Duration::from_secs(10),
    lower,
    rules: no_rules,
    outputs: &[],
};

/// A call that is to be opened.
#[derive(Debug)]
pub(crate) struct Call {
    /// The plan.
    pub plan: At<Name>,
    /// What it is given.
    given: Vec<Entry>,
}

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let plan = fields.need("plan", cx.sink).and_then(|node| values::name(node, cx.sink));
    let given = fields
        .get("inputs")
        .map_or(Some(Vec::new()), |node| values::entries(node, cx.sink).map(<[_]>::to_vec));
    let (plan, given) = (plan?, given?);
    if !cx.plans.contains_key(&plan.value) {
        let message = format!("no plan {:?} is declared", plan.value.as_str());
        let help = match cx.sink.near(plan.value.as_str(), cx.plans.keys().map(Name::as_str)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => codes::UNKNOWN_PLAN.mend.to_string(),
        };
        cx.sink.push_with(&codes::UNKNOWN_PLAN, plan.span, message, help);
        return None;
    }
    Some(Lowered {
        summary: format!("the steps of {}", plan.value),
        parts: vec![Part { tasks: Vec::new(), undo: Undo::Nothing }],
        call: Some(Call { plan, given }),
        ..Lowered::default()
    })
}

impl Call {
    /// The child's inputs: what it is given, else what it declares. Everything that is missing, unknown or
    /// ill-fitting is told here, in the text of the caller.
    pub fn fill(&self, child: &Document, cx: &mut Context<'_>) -> Filled {
        let name = child.name.value.as_str();
        for entry in self.given.iter().filter(|entry| !child.inputs.contains_key(&entry.key)) {
            let message = format!("plan {name:?} has no input {:?}", entry.key);
            let help = match cx.sink.near(&entry.key, child.inputs.keys().map(String::as_str)) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "look at the `inputs` of that plan".to_string(),
            };
            cx.sink.push_with(&codes::BAD_INPUT, entry.key_span, message, help);
        }
        let mut out = Filled::new();
        for (input, declared) in &child.inputs {
            let value = match self.given.iter().find(|entry| entry.key == *input) {
                Some(entry) => given(entry, declared.kind, cx),
                None if declared.default.is_none() => {
                    let message =
                        format!("plan {name:?} needs the input {input:?} ({})", declared.kind.as_str());
                    cx.sink.push(&codes::BAD_INPUT, self.plan.span, message);
                    None
                }
                None => declared.default.clone(),
            };
            out.insert(input.clone(), (declared.kind, value));
        }
        out
    }
}

/// One value that is handed on; open when it is an input or output of the caller that is not known yet.
fn given(entry: &Entry, wanted: InputType, cx: &mut Context<'_>) -> Option<String> {
    if let Value::Scalar(Scalar { input: Some(FromInput { kind, known: false }), .. }) = &entry.value.value {
        // A text may hold anything, and is looked at again when its value is known.
        if *kind != wanted && *kind != InputType::Text && wanted != InputType::Text {
            let message = format!("a {} is expected here, not a {}", wanted.as_str(), kind.as_str());
            cx.sink.push(&codes::BAD_INPUT_USE, entry.value.span, message);
        }
        return None;
    }
    let text = values::text(&entry.value, cx.sink)?;
    if !wanted.admits(&text) {
        let message = format!("input {:?}: {text:?} is no {}", entry.key, wanted.as_str());
        cx.sink.push(&codes::BAD_INPUT, entry.value.span, message);
        return None;
    }
    Some(text)
}
