//! `isolate`: cut hosts off from everybody.

use super::{Facts, Kind, Lowered, no_rules, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, list};
use crate::text::Fields;
use model::{Class, Evidence, HostName};
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "isolate",
    doc: "Cuts `hosts` (or every host of `region`) off the network, by whoever provides it, so that nobody reaches \
          what runs there. With `source` it is about the members of that source, and counts as a fence of \
          them with the evidence `isolated`. It asks nothing of the hosts themselves, so it may name a lost \
          region. It is a point of no return until `unfence`. Its job is still to come.\n\n\
          ```yaml\ncut-off:\n  isolate: { source: tutor-db, region: us-east }\n```",
    class: Class::Idempotent,
    timeout: Duration::from_secs(5 * 60),
    lower,
    rules: no_rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let selection = cx.selection(fields);
    let source = fields.get("source").map(|node| cx.noun("source", node));
    let (selection, source) = (selection?, crate::context::flat(source)?);
    if selection.region.is_none() && selection.hosts.is_none() {
        let message = format!("{} needs `hosts` or `region`", fields.what());
        cx.sink.push(&codes::MISSING, fields.owner(), message);
        return None;
    }
    let estate = cx.estate;
    let (what, all): (String, Vec<HostName>) = match &source {
        Some(source) => (format!("source {:?}", source.value.as_str()), estate.member_hosts(&source.value)),
        None => {
            let live = estate.hosts.keys().filter(|host| !estate.drill.stands_in(host));
            ("this estate".to_string(), live.cloned().collect())
        }
    };
    let hosts = cx.choose(&what, fields.owner(), &all, &selection)?;
    let acting = cx.all_acting(&hosts, fields.owner())?;
    Some(to_come(
        format!("cut {} off the network", list(&acting)),
        "isolating hosts",
        Undo::Impossible,
        Facts {
            hosts,
            source: source.map(|source| source.value),
            region: selection.region.map(|region| region.value),
            evidence: Some(Evidence::Isolated),
            ..Facts::default()
        },
    ))
}
