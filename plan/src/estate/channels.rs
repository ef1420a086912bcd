//! `channels`: where people are told.

use super::ready::Ready;
use super::services::flat;
use crate::diagnostic::Sink;
use crate::shape::{self, Field, KIND, Noun, PLAIN, Type, Variant, kind, later_kind, may, need};
use crate::text::{At, Fields, Node, Span, values};
use model::Name;
use model::nouns::ChannelSpec;

const TOKEN: Field = need("token", Type::Secret, "Where its token is found, on the controller's host.");
const URL: Field = may("url", Type::Url, "The service, where it is not the usual one.");

const KINDS: &[Variant] = &[
    kind(
        "webhook",
        "Sends JSON to a URL.",
        &[
            need("url", Type::Url, "Where messages are sent."),
            may("token", Type::Secret, "Sent as `Authorization: Bearer …`; on the controller's host."),
        ],
    ),
    later_kind("slack", "A Slack channel.", &[need("channel", Type::Words, "`#incidents`."), TOKEN, URL]),
    later_kind(
        "teams",
        "A Microsoft Teams channel.",
        &[need("webhook", Type::Secret, "Where the address of its webhook is found: it is a secret.")],
    ),
    later_kind(
        "statuspage",
        "A status page.",
        &[
            need("page", Type::Words, "Its id."),
            TOKEN,
            URL,
            may("components", Type::Many(&Type::Words), "Components whose state is shown."),
        ],
    ),
    later_kind(
        "pagerduty",
        "Wakes who is on call by PagerDuty.",
        &[need("routing-key", Type::Secret, "Where the integration key is found."), URL],
    ),
    later_kind(
        "opsgenie",
        "Wakes who is on call by Opsgenie.",
        &[
            need("key", Type::Secret, "Where the API key is found."),
            may("team", Type::Words, "Which team."),
            URL,
        ],
    ),
    later_kind(
        "email",
        "Sends e-mail.",
        &[
            need("to", Type::Many(&Type::Words), "Who gets it."),
            need("from", Type::Words, "The sender."),
            need("server", Type::Endpoint, "The mail server, `host:port`."),
            may("user", Type::Words, "The user to log in as."),
            may("password", Type::Secret, "Where its password is found, on the controller's host."),
        ],
    ),
    later_kind(
        "sms",
        "Sends text messages.",
        &[need("to", Type::Many(&Type::Words), "Numbers."), need("url", Type::Url, "The gateway."), TOKEN],
    ),
    later_kind(
        "alertmanager",
        "Posts alerts to Prometheus Alertmanager.",
        &[need("url", Type::Url, "Where it answers.")],
    ),
    later_kind(
        "bridge",
        "A telephone conference: people are told the number.",
        &[need("number", Type::Words, "The number."), may("code", Type::Secret, "Where its code is found.")],
    ),
];

pub(crate) static NOUN: Noun = Noun {
    section: "channels",
    name: "channel",
    doc: "Where people are told.",
    fields: &[may(
        "region",
        Type::Of(&["region"]),
        "The failure domain that it stands in, where it is one of ours.",
    )],
    kinds: KINDS,
    ..PLAIN
};

/// A channel.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    /// The failure domain that it stands in, where it is one of ours.
    pub region: Option<At<Name>>,
    /// As the controller uses it.
    pub spec: Ready<ChannelSpec>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Channel> {
    let fields = Fields::of(node, format!("channel {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields, KIND]);
    let kind_node = fields.kind(sink)?;
    let kind = values::word(kind_node, &NOUN.words(), sink)?;
    fields.shape(kind.fields);
    let region = fields.get("region").map(|node| values::reference(node, &["region"], sink));
    let spec = if kind.later {
        let what = format!("the channel kind {}", kind.word);
        shape::read::later_kind(kind, &mut fields, kind_node.span, &what, sink)
    } else {
        webhook(name, &mut fields, sink)
    };
    fields.finish(sink);
    Some(Channel { region: flat(region)?, spec: spec? })
}

fn webhook(name: &Name, fields: &mut Fields<'_>, sink: &mut Sink) -> Option<Ready<ChannelSpec>> {
    let url = fields.need("url", sink).and_then(|node| values::url(node, sink));
    let span = fields.span_of("token");
    let token = fields.get("token").map(|node| values::secret(node, span, sink));
    let (name, url, token) = (name.clone(), url?, Ready::option(flat(token)?));
    Some(token.map(|token| ChannelSpec { name, kind: "webhook".to_string(), url, token }))
}
