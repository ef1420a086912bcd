//! `restart`: services run as new processes when it is done.

use super::{Kind, Lowered};
use crate::context::Context;
use crate::text::Fields;
use model::Class;
use model::jobs::ServiceAction;
use std::time::Duration;

pub(crate) static KIND: Kind = Kind {
    name: "restart",
    doc: "Restarts `services` on each of their hosts in `region` (or on `hosts`), in the order of their `needs`.\n\n\
          ```yaml\nreconnect:\n  after: promote\n  restart: { services: [web], region: eu-west }\n```",
    class: Class::Probed,
    timeout: Duration::from_secs(3 * 60),
    lower,
    rules: super::start::restarted,
    outputs: &[],
};

fn lower(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Option<Lowered> {
    super::start::services(cx, fields, ServiceAction::Restart)
}
