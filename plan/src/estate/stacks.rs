//! `stacks`: folders that make machines and networks; `provision` applies one.

use super::services::flat;
use crate::diagnostic::Sink;
use crate::inputs::InputType;
use crate::shape::{self, Field, KIND, Noun, PLAIN, Type, Variant, later_kind, may, need};
use crate::text::{At, Fields, Node, Span, values};
use model::{HostName, Name};
use std::collections::BTreeMap;

const STATE: &[Field] = &[
    need("at", Type::Words, "`s3://bucket/key`, a path, or what its backend calls it."),
    may("region", Type::Of(&["region"]), "The failure domain that it stands in."),
];

/// What outputs hold; the words of [`InputType`].
const OUTPUTS: Type =
    Type::Map(&Type::One(&["text", "restore-point", "version", "host", "number", "duration"]));

const VARIABLES: Type = Type::Map(&Type::Text);
const SECRETS: Type = Type::Map(&Type::Secret);

const TERRAFORM: &[Field] = &[
    may("workspace", Type::Words, "Its workspace."),
    may(
        "state",
        Type::Fields(STATE),
        "Where its state is kept. What is lost with a region cannot be applied.",
    ),
];

const KINDS: &[Variant] = &[
    later_kind("terraform", "A folder of Terraform.", TERRAFORM),
    later_kind("opentofu", "A folder of OpenTofu.", TERRAFORM),
    later_kind(
        "pulumi",
        "A project of Pulumi.",
        &[
            need("stack", Type::Words, "Its stack."),
            may("state", Type::Fields(STATE), "Where its state is kept."),
        ],
    ),
    later_kind(
        "cloudformation",
        "A template of AWS CloudFormation.",
        &[
            need("stack", Type::Words, "Its name there."),
            may("template", Type::Path, "The template, where it is not the only one of the folder."),
        ],
    ),
    later_kind(
        "ansible",
        "A playbook of Ansible.",
        &[need("playbook", Type::Path, "The playbook."), may("inventory", Type::Path, "The inventory.")],
    ),
    later_kind(
        "helm",
        "A release of Helm.",
        &[
            need("release", Type::Words, "Its name."),
            need("namespace", Type::Name, "Its namespace."),
            may("kubeconfig", Type::Secret, "Where the kubeconfig is found."),
        ],
    ),
    later_kind(
        "manifests",
        "A folder of Kubernetes manifests.",
        &[
            need("namespace", Type::Name, "Their namespace."),
            may("kubeconfig", Type::Secret, "Where the kubeconfig is found."),
        ],
    ),
];

pub(crate) static NOUN: Noun = Noun {
    section: "stacks",
    name: "stack",
    doc: "Folders that make machines and networks; `provision` applies one.",
    fields: &[
        need("folder", Type::Path, "The folder, on the host that applies it."),
        need("on", Type::Of(&["host"]), "The host whose agent applies it."),
        may("region", Type::Of(&["region"]), "The failure domain that it makes things in."),
        may(
            "brings",
            Type::Many(&Type::Of(&["host"])),
            "Hosts of the estate that are there once it is applied.",
        ),
        may("variables", VARIABLES, "Variables that it gets."),
        may("secrets", SECRETS, "Variables that are secrets."),
        may("outputs", OUTPUTS, "What it gives, by name and type; steps refer to it."),
    ],
    kinds: KINDS,
    ..PLAIN
};

/// A stack. How it is applied is still to come.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    /// Who applies it.
    pub on: At<HostName>,
    /// Hosts that it brings.
    pub brings: Vec<At<Name>>,
    /// What it gives.
    pub outputs: BTreeMap<String, InputType>,
    /// The failure domain that it makes things in.
    pub region: Option<At<Name>>,
    /// The failure domain of its state, where that is known.
    pub state: Option<At<Name>>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Stack> {
    let fields = Fields::of(node, format!("stack {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields, KIND]);
    let kind_node = fields.kind(sink)?;
    let kind = values::word(kind_node, &NOUN.words(), sink)?;
    fields.shape(kind.fields);
    let what = format!("the stack kind {}", kind.word);
    let sound = shape::read::later_kind::<()>(kind, &mut fields, kind_node.span, &what, sink);
    let state = fields.peek("state").and_then(|node| state(node, sink));
    fields.need("folder", sink).and_then(|node| values::path(node, sink));
    let on = fields.need("on", sink).and_then(|node| values::reference(node, &["host"], sink));
    let region = fields.get("region").map(|node| values::reference(node, &["region"], sink));
    let brings =
        fields.get("brings").map_or(Some(Vec::new()), |node| values::references(node, &["host"], sink));
    for (key, holds) in [("variables", VARIABLES), ("secrets", SECRETS)] {
        let span = fields.span_of(key);
        fields.get(key).map(|node| shape::read::admits(&holds, node, span, sink));
    }
    let outputs = fields.get("outputs").map_or(Some(BTreeMap::new()), |node| outputs(node, sink));
    fields.finish(sink);
    sound?;
    let on = on?;
    Some(Stack {
        on: At::new(HostName::new(on.value.as_str()).ok()?, on.span),
        brings: brings?,
        outputs: outputs?,
        region: flat(region)?,
        state,
    })
}

/// The region of the state, which the table has checked already.
fn state(node: &Node, sink: &mut Sink) -> Option<At<Name>> {
    let entries = values::entries(node, sink)?;
    let region = &entries.iter().find(|entry| entry.key == "region")?.value;
    values::name(region, sink)
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
