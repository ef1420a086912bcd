//! `channels`: where people are told.

use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::text::{At, Fields, Node, Span, values};
use model::Name;
use model::nouns::ChannelSpec;

/// A channel.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    /// The failure domain that it stands in, where it is one of ours.
    pub region: Option<At<Name>>,
    /// As the controller uses it.
    pub spec: ChannelSpec,
}

const KINDS: [(&str, Option<&str>); 4] =
    [("webhook", Some("webhook")), ("slack", None), ("statuspage", None), ("email", None)];

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Channel> {
    let mut fields = Fields::of(node, format!("channel {:?}", name.as_str()), owner, sink)?;
    let kind_node = fields.need("kind", sink);
    let kind = kind_node.and_then(|node| values::word(node, &KINDS, sink));
    if let (Some(None), Some(node)) = (kind, kind_node) {
        sink.push(
            &codes::LATER,
            node.span,
            "this kind of channel is still to come; use a webhook".to_string(),
        );
        return None;
    }
    let url = fields.need("url", sink).and_then(|node| values::url(node, sink));
    let span = fields.span_of("token");
    let token = fields.get("token").map(|node| values::secret(node, span, sink));
    let region = fields.get("region").map(|node| values::reference(node, &["region"], sink));
    fields.finish(sink);
    let spec = ChannelSpec { name: name.clone(), kind: kind??.to_string(), url: url?, token: flat(token)? };
    Some(Channel { region: flat(region)?, spec })
}
