//! `rotate`: a new value for a secret.

use super::{Facts, Kind, Lowered, no_rules, start, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, list};
use crate::text::Fields;
use model::Class;
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "rotate",
    doc: "Makes a new value for `secret` where it is kept, and restarts `services` so that they read it. The old value \
          is worth nothing from then on, so it is a point of no return, and nobody can tell afterwards \
          whether it was done once or twice: it is never repeated by itself. Its job is still to come.\n\n\
          ```yaml\nnew-key:\n  rotate: { secret: api-key, services: [web], region: eu-west }\n```",
    class: Class::Unsafe,
    timeout: Duration::from_secs(10 * 60),
    lower,
    rules: no_rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    let secret = fields.need("secret", cx.sink).and_then(|node| cx.noun("secret", node));
    if let Some(secret) = &secret {
        let region = cx.estate.secrets.get(&secret.value).and_then(|secret| secret.region.as_ref());
        let what = format!("secret {:?} is kept in", secret.value.as_str());
        cx.standing(&codes::LOST_SECRET, secret.span, &what, region.map(|region| &region.value));
    }
    let chosen = if fields.has("services") { Some(start::chosen(cx, fields)?) } else { None };
    let secret = secret?;
    let facts = chosen.as_ref().map_or_else(Facts::default, start::Chosen::facts);
    let then = match &chosen {
        Some(chosen) => {
            cx.all_acting(&chosen.hosts, fields.owner())?;
            format!(" and restart {}", list(&chosen.names))
        }
        None => String::new(),
    };
    Some(to_come(
        format!("make a new value for {}{then}", secret.value),
        "rotating a secret",
        Undo::Impossible,
        Facts { acts_on: Some(("secret", secret.value)), ..facts },
    ))
}
