//! `secrets`: where secrets are found, by name. `rotate` changes one.

use crate::diagnostic::Sink;
use crate::text::{Fields, Node, Span, values};
use model::{Name, SecretRef};

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<SecretRef> {
    let what = format!("secret {:?}", name.as_str());
    // The fields are those of a secret's place; its owner is named for what is missing.
    Fields::of(node, what, owner, sink)?;
    values::secret(node, owner, sink)
}
