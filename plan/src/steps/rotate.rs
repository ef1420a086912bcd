//! `rotate`: a new value for a secret.

use super::{Facts, Kind, Lowered, Rules, start, to_come};
use crate::checked::Undo;
use crate::codes;
use crate::context::{Context, list};
use crate::order;
use crate::text::Fields;
use model::{Class, HostName};
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
    rules,
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
    let acts_on = Some(("secret", secret.value.clone()));
    let facts = Facts { acts_on, ..facts };
    let acts = cx.in_mode("secret", secret)?.value;
    let then = match &chosen {
        Some(chosen) => {
            cx.all_acting(&chosen.hosts, fields.owner())?;
            format!(" and restart {}", list(&chosen.names))
        }
        None => String::new(),
    };
    Some(to_come(format!("make a new value for {acts}{then}"), "rotating a secret", Undo::Impossible, facts))
}

/// Who uses the secret reads the new value: restarted by this step, started after it, or not running at all.
fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    let estate = cx.estate;
    let secret = rules.facts.acts_on.as_ref().and_then(|(_, name)| Some((name, estate.secrets.get(name)?)));
    let Some((name, secret)) = secret else { return };
    let users = secret.used_by.iter().filter(|user| estate.services.contains_key(&user.value));
    for user in users.map(|user| &user.value) {
        let runs_on = |host: &HostName| {
            let starters = rules.index.starters(user, host);
            let after = starters.and(rules.later()).meets(rules.index.sure());
            let own = rules.facts.services.contains(user) && rules.facts.hosts.contains(host);
            let held = !order::stops(rules, user, host).is_empty() && starters.is_empty();
            let gone = cx.plan.has_lost(host, estate) || order::isolated(rules, host);
            !gone && !own && !held && !after
        };
        let hosts: Vec<HostName> = estate.service_hosts(user).into_iter().filter(runs_on).collect();
        if !hosts.is_empty() {
            let message = format!(
                "{user} uses secret {name} and goes on with the old value on {}: nothing restarts it there",
                list(&hosts)
            );
            let help = format!("name {user} in `services` of this step, or start it after this step");
            cx.sink.push_with(&codes::OLD_SECRET, rules.step().params_span, message, help);
        }
    }
}
