//! `stop`: services stand still when it is done.

use super::{Kind, Lowered, Rules};
use crate::context::Context;
use crate::order;
use crate::text::Fields;
use model::Class;
use model::jobs::ServiceAction;
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "stop",
    doc: "Stops `services` on each of their hosts in `region` (or on `hosts`), those that need others first. It is \
          undone by starting them.\n\n\
          ```yaml\nhold-writers:\n  stop: { services: [web], region: eu-west }\n```",
    class: Class::Idempotent,
    timeout: Duration::from_secs(3 * 60),
    lower,
    rules,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    super::start::services(cx, fields, ServiceAction::Stop)
}

fn rules(rules: &Rules<'_>, cx: &mut Context<'_>) {
    order::last_copy(rules, cx);
}
