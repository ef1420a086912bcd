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
        may("others", Type::Many(&Type::User), "More people who have it."),
        may(
            "break-glass",
            Type::Truth,
            "`true`: one of them may approve alone when nobody else is there; everybody is told.",
        ),
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
    /// More people who have it.
    pub others: Vec<At<UserName>>,
    /// Whether one of them may approve alone when nobody else is there.
    pub break_glass: bool,
}

impl Role {
    /// Everybody who has it, each once, in the order of the text.
    pub fn people(&self) -> Vec<&At<UserName>> {
        let mut people: Vec<&At<UserName>> = Vec::new();
        for one in std::iter::once(&self.primary).chain(&self.backup).chain(&self.others) {
            if !people.iter().any(|known| known.value == one.value) {
                people.push(one);
            }
        }
        people
    }
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Role> {
    let fields = Fields::of(node, format!("role {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields]);
    let primary = fields.need("primary", sink).and_then(|node| user(node, sink));
    let backup = fields.get("backup").map(|node| user(node, sink));
    let others = fields.get("others").map(|node| values::list(node, true, sink, user));
    let break_glass = fields.get("break-glass").map(|node| values::truth(node, sink));
    fields.get("duties").map(|node| values::list(node, true, sink, values::words));
    fields.finish(sink);
    Some(Role {
        primary: primary?,
        backup: flat(backup)?,
        others: flat(others)?.unwrap_or_default(),
        break_glass: flat(break_glass)?.unwrap_or(false),
    })
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
