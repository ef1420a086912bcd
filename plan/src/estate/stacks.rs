//! `stacks`: folders that make machines and networks; `provision` applies one.

use crate::diagnostic::Sink;
use crate::inputs::InputType;
use crate::text::{At, Fields, Node, Span, values};
use model::{HostName, Name};
use std::collections::BTreeMap;

const KINDS: [(&str, ()); 2] = [("terraform", ()), ("opentofu", ())];

/// A stack. How it is applied is still to come.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    /// Who applies it.
    pub on: At<HostName>,
    /// Hosts that it brings.
    pub brings: Vec<At<Name>>,
    /// What it gives.
    pub outputs: BTreeMap<String, InputType>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Stack> {
    let mut fields = Fields::of(node, format!("stack {:?}", name.as_str()), owner, sink)?;
    fields.need("kind", sink).and_then(|node| values::word(node, &KINDS, sink));
    fields.need("folder", sink).and_then(|node| values::path(node, sink));
    let on = fields.need("on", sink).and_then(|node| values::reference(node, &["host"], sink));
    let brings =
        fields.get("brings").map_or(Some(Vec::new()), |node| values::references(node, &["host"], sink));
    let outputs = fields.get("outputs").map_or(Some(BTreeMap::new()), |node| outputs(node, sink));
    fields.finish(sink);
    let on = on?;
    Some(Stack {
        on: At::new(HostName::new(on.value.as_str()).ok()?, on.span),
        brings: brings?,
        outputs: outputs?,
    })
}

fn outputs(node: &Node, sink: &mut Sink) -> Option<BTreeMap<String, InputType>> {
    let entries = values::entries(node, sink)?;
    let read = entries.iter().map(|entry| {
        let name = values::name_text(&entry.key, entry.key_span, sink);
        let holds = values::word(&entry.value, &InputType::WORDS, sink);
        Some((name?.to_string(), holds?))
    });
    read.collect::<Vec<_>>().into_iter().collect()
}
