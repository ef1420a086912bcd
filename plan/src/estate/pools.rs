//! `pools`: what a load balancer spreads over, by region. `switch` moves traffic from one region to another.

use super::Estate;
use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{self, Field, KIND, Noun, PLAIN, Type, Variant, later_kind, may, need};
use crate::text::{At, Fields, Node, Span, values};
use model::Name;

const CREDENTIALS: Field = may("credentials", Type::Secret, "Where credentials are found.");

const KINDS: &[Variant] = &[
    later_kind(
        "nginx",
        "An upstream of nginx.",
        &[
            need("upstream", Type::Words, "Its name in the configuration."),
            may("config", Type::Path, "The file that holds it."),
        ],
    ),
    later_kind(
        "haproxy",
        "A backend of HAProxy.",
        &[need("backend", Type::Words, "Its name."), may("socket", Type::Path, "The runtime socket.")],
    ),
    later_kind(
        "traefik",
        "A service of Traefik.",
        &[need("service", Type::Words, "Its name."), may("config", Type::Path, "The file that holds it.")],
    ),
    later_kind(
        "elb",
        "A listener of an AWS load balancer; its members are target groups.",
        &[
            need("listener", Type::Words, "The ARN of the listener."),
            may("rule", Type::Words, "The ARN of the rule; the default action when absent."),
            CREDENTIALS,
        ],
    ),
    later_kind(
        "cloudflare",
        "A load balancer of Cloudflare; its members are pools.",
        &[
            need("balancer", Type::Words, "Its id."),
            need("token", Type::Secret, "Where the API token is found."),
        ],
    ),
    later_kind(
        "google",
        "A backend service of Google Cloud; its members are backends.",
        &[
            need("backend", Type::Words, "Its name."),
            need("project", Type::Words, "The project."),
            CREDENTIALS,
        ],
    ),
    later_kind(
        "kubernetes",
        "An Ingress or Service of Kubernetes; its members are services there.",
        &[
            need("ingress", Type::Words, "`ingress/web` or `service/web`."),
            need("namespace", Type::Name, "Its namespace."),
            may("kubeconfig", Type::Secret, "Where the kubeconfig is found."),
        ],
    ),
];

const MEMBERS: Type = Type::Table(&["region"], &Type::Many(&Type::Words));

pub(crate) static NOUN: Noun = Noun {
    section: "pools",
    name: "pool",
    doc: "What a load balancer spreads over, by region; `switch` moves it.",
    fields: &[
        need("members", MEMBERS, "In each region: hosts of the estate, or what the balancer calls them."),
        may(
            "on",
            Type::Many(&Type::Of(&["host"])),
            "Hosts that the balancer runs on, where it is one of ours.",
        ),
        may("region", Type::Of(&["region"]), "The failure domain of the balancer, where it has only one."),
        may("serves", Type::Of(&["service"]), "The service behind it."),
    ],
    kinds: KINDS,
    ..PLAIN
};

/// What is spread over in each region.
pub(crate) type Members = Vec<(At<Name>, Vec<At<String>>)>;

/// A pool. How it is switched is still to come.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    /// Hosts that the balancer runs on.
    pub on: Vec<At<Name>>,
    /// The failure domain of the balancer.
    pub region: Option<At<Name>>,
    /// What it spreads over in each region.
    pub members: Members,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Pool> {
    let fields = Fields::of(node, format!("pool {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields, KIND]);
    let kind_node = fields.kind(sink)?;
    let kind = values::word(kind_node, &NOUN.words(), sink)?;
    fields.shape(kind.fields);
    let what = format!("the pool kind {}", kind.word);
    let sound = shape::read::later_kind::<()>(kind, &mut fields, kind_node.span, &what, sink).map(drop);
    let members = fields.need("members", sink).and_then(|node| members(node, sink));
    let on = fields.get("on").map_or(Some(Vec::new()), |node| values::references(node, &["host"], sink));
    let region = fields.get("region").map(|node| values::reference(node, &["region"], sink));
    fields.get("serves").map(|node| values::reference(node, &["service"], sink));
    fields.finish(sink);
    sound?;
    Some(Pool { on: on?, region: flat(region)?, members: members? })
}

fn members(node: &Node, sink: &mut Sink) -> Option<Members> {
    shape::read::admits(&MEMBERS, node, node.span, sink)?;
    let read = values::entries(node, sink)?.iter().map(|entry| {
        let region = Name::new(entry.key.as_str()).ok()?;
        let members = values::list(&entry.value, true, sink, |one, sink| {
            values::words(one, sink).map(|member| At::new(member, one.span))
        });
        Some((At::new(region, entry.key_span), members?))
    });
    read.collect()
}

impl Pool {
    /// A member that is one of our hosts stands in the region that it is listed under.
    pub fn check(&self, estate: &Estate, sink: &mut Sink) {
        for (region, members) in &self.members {
            for member in members {
                let host = Name::new(member.value.as_str()).ok();
                let home = host.as_ref().and_then(|host| estate.region_of_name(host));
                if let Some(home) = home.filter(|home| **home != region.value) {
                    let message = format!(
                        "{} stands in region {:?}, and is listed under {:?}",
                        member.value,
                        home.as_str(),
                        region.value.as_str()
                    );
                    sink.push(&codes::NOT_THERE, member.span, message);
                }
            }
        }
    }
}
