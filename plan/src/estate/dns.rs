//! `dns`: zones and who serves them.

use super::ready::Ready;
use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{self, Field, KIND, Noun, PLAIN, Type, Variant, kind, later_kind, may, need};
use crate::text::{At, Fields, Node, Span, Value, values};
use model::Name;
use model::nouns::ZoneSpec;

const ZONE: Field = need("zone", Type::Domain, "The zone's name in DNS.");
const CREDENTIALS: Field =
    may("credentials", Type::Secret, "Where credentials are found, on the controller's host.");

/// A server with its failure domain.
const SERVER: &[Field] = &[
    need("at", Type::Server, "`address` or `address:port`."),
    need("region", Type::Of(&["region"]), "The failure domain that it stands in."),
];

const KINDS: &[Variant] = &[
    kind(
        "rfc2136",
        "A server of one's own that takes dynamic updates: BIND, Knot, PowerDNS.",
        &[
            ZONE,
            need(
                "servers",
                Type::Many(&Type::Either(&[Type::Server, Type::Fields(SERVER)])),
                "Every authoritative server, with its region where it stands in one of ours; the first takes updates.",
            ),
            need("key", Type::Secret, "The TSIG key file, on the controller's host."),
        ],
    ),
    later_kind(
        "route53",
        "Amazon Route 53.",
        &[
            ZONE,
            may("hosted-zone", Type::Words, "Its id there, where several zones have the name."),
            CREDENTIALS,
        ],
    ),
    later_kind(
        "cloudflare",
        "Cloudflare.",
        &[ZONE, need("token", Type::Secret, "Where the API token is found, on the controller's host.")],
    ),
    later_kind(
        "google",
        "Google Cloud DNS.",
        &[
            ZONE,
            need("project", Type::Words, "The project."),
            may("managed-zone", Type::Words, "Its name there."),
            CREDENTIALS,
        ],
    ),
    later_kind(
        "azure",
        "Azure DNS.",
        &[
            ZONE,
            need("resource-group", Type::Words, "The resource group."),
            may("subscription", Type::Words, "The subscription."),
            CREDENTIALS,
        ],
    ),
];

pub(crate) static NOUN: Noun = Noun {
    section: "dns",
    name: "dns zone",
    doc: "DNS zones and who serves them.",
    fields: &[may(
        "region",
        Type::Of(&["region"]),
        "The failure domain of all its servers, where they have only one.",
    )],
    kinds: KINDS,
    ..PLAIN
};

/// A zone.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    /// The failure domain of all its servers, where they have only one.
    pub region: Option<At<Name>>,
    /// The failure domains of its servers, where they are known.
    pub server_regions: Vec<Option<At<Name>>>,
    /// Its name in DNS.
    pub zone: String,
    /// As the controller uses it.
    pub spec: Ready<ZoneSpec>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Zone> {
    let fields = Fields::of(node, format!("dns zone {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields, KIND]);
    let kind_node = fields.kind(sink)?;
    let kind = values::word(kind_node, &NOUN.words(), sink)?;
    fields.shape(kind.fields);
    let region = fields.get("region").map(|node| values::reference(node, &["region"], sink));
    let zone = fields.need("zone", sink).and_then(|node| domain(node, sink));
    if kind.later {
        let what = format!("the DNS provider {}", kind.word);
        let spec = shape::read::later_kind(kind, &mut fields, kind_node.span, &what, sink);
        fields.finish(sink);
        return Some(Zone { region: flat(region)?, server_regions: Vec::new(), zone: zone?, spec: spec? });
    }
    let servers = fields.need("servers", sink).and_then(|node| values::list(node, true, sink, server));
    let span = fields.span_of("key");
    let key = fields.need("key", sink).and_then(|node| values::secret(node, span, sink));
    fields.finish(sink);
    let (zone, (servers, server_regions)) = (zone?, servers?.into_iter().unzip());
    let name = name.clone();
    let spec = {
        let zone = zone.clone();
        key?.map(|key| ZoneSpec { name, kind: kind.word.to_string(), zone, servers, key })
    };
    Some(Zone { region: flat(region)?, server_regions, zone, spec })
}

/// `address`, or `{ at: address, region: … }`.
fn server(node: &Node, sink: &mut Sink) -> Option<(String, Option<At<Name>>)> {
    if !matches!(node.value, Value::Map(_)) {
        return values::server(node, sink).map(|server| (server, None));
    }
    let mut fields = Fields::of(node, "a server", node.span, sink)?.shaped(&[SERVER]);
    let at = fields.need("at", sink).and_then(|node| values::server(node, sink));
    let region = fields.need("region", sink).and_then(|node| values::reference(node, &["region"], sink));
    fields.finish(sink);
    Some((at?, Some(region?)))
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
