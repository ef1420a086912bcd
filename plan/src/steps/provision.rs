//! `provision`: make what a stack describes.

use super::{Facts, Kind, Lowered, no_rules, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, list};
use crate::estate::Estate;
use crate::inputs::InputType;
use crate::outputs::field;
use crate::text::{Fields, Node, Scalar, Value, values};
use model::{Class, HostName, Name};
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "provision",
    doc: "Makes what `stack` describes, with `variables` for it, and waits until the agents of its hosts have \
          enrolled: the step mints a one-time token for each. The stack's outputs are the step's outputs \
          (`${{ steps.provision.outputs.address }}`). Steps on those hosts come after it. It is probed by asking \
          the provider, and undone by nobody: what costs money is taken away by a person. Its job is still \
          to come.\n\n\
          ```yaml\nprovision:\n  provision: { stack: web-eu, variables: { size: large } }\n```",
    class: Class::Probed,
    timeout: Duration::from_secs(45 * 60),
    lower,
    rules: no_rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let stack = fields.need("stack", cx.sink).and_then(|node| cx.noun("stack", node));
    let variables = fields.get("variables").map(|node| values::texts(node, cx.sink));
    let (stack, _) = (stack?, crate::context::flat(variables)?);
    let made = cx.estate.stacks.get(&stack.value)?;
    // A stack that is applied has its state, and makes nothing where nothing is left.
    for (region, does) in [(&made.state, "keeps its state in"), (&made.region, "makes things in")] {
        let what = format!("stack {:?} {does}", stack.value.as_str());
        cx.standing(&codes::LOST_STACK, stack.span, &what, region.as_ref().map(|region| &region.value));
    }
    let acts = cx.in_mode("stack", stack)?.value;
    let hosts = made.brings.iter().filter_map(|host| HostName::new(host.value.as_str()).ok());
    let (hosts, on): (Vec<HostName>, HostName) = (hosts.collect(), made.on.value.clone());
    let acting = cx.all_acting(&hosts, fields.owner())?;
    cx.acting(&on, fields.owner())?;
    let whose = if acting.is_empty() { String::new() } else { format!(", with {}", list(&acting)) };
    Some(to_come(
        format!("make stack {acts}{whose}"),
        "provisioning a stack",
        Undo::Impossible,
        Facts { hosts: vec![on], makes: hosts, ..Facts::default() },
    ))
}

/// What the stack of a step's text gives.
pub(crate) fn gives(params: &Node, estate: &Estate) -> Vec<(String, InputType)> {
    let Some(Value::Scalar(Scalar { text, .. })) = field(params, "stack").map(|node| &node.value) else {
        return Vec::new();
    };
    let stack = Name::new(text.as_str()).ok().and_then(|name| estate.stacks.get(&name));
    stack.map(|stack| stack.outputs.clone().into_iter().collect()).unwrap_or_default()
}
