//! `roles`: who may do or approve what, with a primary and a backup person.

use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::text::{At, Fields, Node, Span, values};
use model::{Name, UserName};

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
    let mut fields = Fields::of(node, format!("role {:?}", name.as_str()), owner, sink)?;
    let primary = fields.need("primary", sink).and_then(|node| user(node, sink));
    let backup = fields.get("backup").map(|node| user(node, sink));
    fields.finish(sink);
    Some(Role { primary: primary?, backup: flat(backup)? })
}

fn user(node: &Node, sink: &mut Sink) -> Option<At<UserName>> {
    let text = values::words(node, sink)?;
    match UserName::new(text.as_str()) {
        Ok(user) => Some(At::new(user, node.span)),
        Err(_) => {
            sink.push(&codes::NOT_A_NAME, node.span, format!("{text:?} is not the name of a person"));
            None
        }
    }
}
