//! `dns`: zones and who serves them.

use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::text::{At, Fields, Node, Span, values};
use model::Name;
use model::nouns::ZoneSpec;

/// A zone.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    /// The failure domain of all its servers, where they have only one.
    pub region: Option<At<Name>>,
    /// As the controller uses it.
    pub spec: ZoneSpec,
}

const KINDS: [(&str, Option<&str>); 3] =
    [("rfc2136", Some("rfc2136")), ("route53", None), ("cloudflare", None)];

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Zone> {
    let mut fields = Fields::of(node, format!("dns zone {:?}", name.as_str()), owner, sink)?;
    let kind_node = fields.need("kind", sink);
    let kind = kind_node.and_then(|node| values::word(node, &KINDS, sink));
    if let (Some(None), Some(node)) = (kind, kind_node) {
        sink.push(&codes::LATER, node.span, "this DNS provider is still to come".to_string());
        return None;
    }
    let zone = fields.need("zone", sink).and_then(|node| domain(node, sink));
    let servers =
        fields.need("servers", sink).and_then(|node| values::list(node, true, sink, values::server));
    let span = fields.span_of("key");
    let key = fields.need("key", sink).and_then(|node| values::secret(node, span, sink));
    let region = fields.get("region").map(|node| values::reference(node, &["region"], sink));
    fields.finish(sink);
    let spec =
        ZoneSpec { name: name.clone(), kind: kind??.to_string(), zone: zone?, servers: servers?, key: key? };
    Some(Zone { region: flat(region)?, spec })
}

/// A full name in DNS, in lower case, without its last dot.
pub(crate) fn domain(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = values::words(node, sink)?;
    let name = text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let good = name.len() <= 253
        && name.split('.').enumerate().all(|(at, part)| label(part) || (at == 0 && part == "*"));
    if !good {
        sink.push(&codes::NOT_A_DNS_NAME, node.span, format!("{text:?} is not a DNS name"));
        return None;
    }
    Some(name)
}
