//! `deploy`: another version of services.

use super::{Facts, Kind, Lowered, Rules, start, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, list};
use crate::inputs::InputType;
use crate::text::{Fields, values};
use crate::version::Version;
use model::Class;
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "deploy",
    doc: "Puts `version` of `services` on each of their hosts in `region` (or on `hosts`), and starts them unless \
          `start: false`. A version is a name that stands still (`1.4.2`, a commit, an image with its digest) or \
          `last-good`, the newest one whose checks passed. It is undone by putting back the version that ran \
          before. Its job is still to come.\n\n\
          ```yaml\nfixed:\n  deploy: { services: [web], version: last-good, region: eu-west, start: false }\n```",
    class: Class::Probed,
    timeout: Duration::from_secs(15 * 60),
    lower,
    rules,
    outputs: &[("version", InputType::Version), ("before", InputType::Version)],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let chosen = start::chosen(cx, fields);
    let node = fields.need("version", cx.sink);
    let version = node.and_then(|node| values::version(node, cx.sink));
    let open = node.is_some_and(values::is_open);
    let start = fields.get("start").map_or(Some(true), |node| values::truth(node, cx.sink));
    let (chosen, start) = (chosen?, start?);
    if version.is_none() && !open {
        return None;
    }
    cx.open |= open;
    let acting = cx.all_acting(&chosen.hosts, fields.owner())?;
    let words = version.as_ref().map_or_else(|| "a version".to_string(), ToString::to_string);
    let then = if start { ", started" } else { "" };
    Some(to_come(
        format!("put {words} of {} on {}{then}", list(&chosen.names), list(&acting)),
        "deploying a version",
        Undo::Nothing,
        Facts { version, starts: start, ..chosen.facts() },
    ))
}

fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    if let Some(Version::Moving(name)) = &rules.facts.version {
        let message = format!("{name:?} is whatever was published last when this step runs");
        cx.sink.push(&codes::MOVING_DEPLOY, rules.step().params_span, message);
    }
    if rules.facts.starts {
        start::rules(rules, cx);
    }
}
