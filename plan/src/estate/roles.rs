//! `roles`: who may do or approve what, with a primary and a backup person.

use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{Noun, PLAIN, Type, later, may, need};
use crate::text::{At, Fields, Node, Span, values};
use model::{Name, UserName};

pub(crate) static NOUN: Noun = Noun {
    section: "roles",
    name: "role",
    doc: "Who may approve what, with a primary and a backup person.",
    fields: &[
        need("primary", Type::User, "Who has it."),
        may("backup", Type::User, "Who has it when the primary cannot be reached."),
        may("duties", Type::Many(&Type::Words), "What they do, for people."),
        later("escalate", Type::Many(&Type::User), "Who is told next when neither answers, in this order."),
        later("escalate-after", Type::Duration, "How long each of them is waited for."),
    ],
    ..PLAIN
};

/// A role.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    /// Who has it.
    pub primary: At<UserName>,
    /// Who has it when the primary cannot be reached.
    pub backup: Option<At<UserName>>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Role> {
    let fields = Fields::of(node, format!("role {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields]);
    let primary = fields.need("primary", sink).and_then(|node| user(node, sink));
    let backup = fields.get("backup").map(|node| user(node, sink));
    fields.get("duties").map(|node| values::list(node, true, sink, values::words));
    fields.finish(sink);
    Some(Role { primary: primary?, backup: flat(backup)? })
}

/// The name of a person.
pub(crate) fn user(node: &Node, sink: &mut Sink) -> Option<At<UserName>> {
    let text = values::words(node, sink)?;
    match UserName::new(text.as_str()) {
        Ok(user) => Some(At::new(user, node.span)),
        Err(_) => {
            sink.push(&codes::NOT_A_NAME, node.span, format!("{text:?} is not the name of a person"));
            None
        }
    }
}
