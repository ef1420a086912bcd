//! `schedules`: backups that agents take by the clock, controller or no controller.

use super::Estate;
use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::text::{At, Fields, Node, Span, values};
use model::schedule::{Cron, InvalidSchedule};
use model::{HostName, Micros, Name};
use std::time::Duration;

/// After this an attempt is unknown, when the schedule does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(6 * 3600);
/// A moment from which on each schedule must fire once more. Any fixed one does: cron repeats.
const SOME_DAY: Micros = Micros(1_700_000_000_000_000);

/// A schedule.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    /// What is backed up.
    pub backup: At<Name>,
    /// By which member; the source's first one when absent.
    pub on: Option<At<HostName>>,
    /// Where to.
    pub to: Vec<At<Name>>,
    /// When.
    pub at: Cron,
    /// How long snapshots are kept at least; for ever when absent.
    pub keep: Option<Duration>,
    /// Where that stands.
    pub keep_at: Span,
    /// Whether each backup is proven by a restore.
    pub prove: bool,
    /// After this the attempt is unknown.
    pub timeout: Duration,
    /// How long a backup usually takes, as the schedule says.
    pub takes: Option<Duration>,
    /// How much longer it takes into a repository of another region, as the schedule says.
    pub transfer: Option<Duration>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Schedule> {
    let mut fields = Fields::of(node, format!("schedule {:?}", name.as_str()), owner, sink)?;
    let backup = fields.need("backup", sink).and_then(|node| values::reference(node, &["source"], sink));
    let on = fields.get("on").map(|node| {
        let host = values::reference(node, &["host"], sink)?;
        HostName::new(host.value.as_str()).ok().map(|name| At::new(name, host.span))
    });
    let to = fields.need("to", sink).and_then(|node| values::references(node, &["repository"], sink));
    let expression = fields.need("at", sink).map(|node| (values::words(node, sink), node.span));
    let zone = fields.get("zone").map(|node| (values::words(node, sink), node.span));
    let keep_at = fields.span_of("keep");
    let keep = fields.get("keep").map(|node| keep(node, keep_at, sink));
    let prove = fields.get("prove").map_or(Some(false), |node| values::truth(node, sink));
    let timeout = fields.get("timeout").map_or(Some(DEFAULT_TIMEOUT), |node| values::duration(node, sink));
    let takes = fields.get("takes").map(|node| values::duration(node, sink));
    let transfer = fields.get("transfer").map(|node| values::duration(node, sink));
    fields.finish(sink);
    let at = cron(expression?, zone, sink);
    Some(Schedule {
        backup: backup?,
        on: flat(on)?,
        to: to?,
        at: at?,
        keep: flat(keep)?,
        keep_at,
        prove: prove?,
        timeout: timeout?,
        takes: flat(takes)?,
        transfer: flat(transfer)?,
    })
}

fn cron(
    (expression, place): (Option<String>, Span),
    zone: Option<(Option<String>, Span)>,
    sink: &mut Sink,
) -> Option<Cron> {
    let (zone, zone_place) = zone.unwrap_or((Some("UTC".to_string()), place));
    let cron = Cron { expression: expression?, zone: zone? };
    match cron.validate().and_then(|()| cron.next(SOME_DAY)) {
        Ok(_) => Some(cron),
        Err(error) => {
            let (code, span, message) = match &error {
                InvalidSchedule::Expression { expression, why } => {
                    (&codes::NOT_A_CRON, place, format!("{expression:?} is not a cron expression: {why}"))
                }
                InvalidSchedule::Zone { zone } => {
                    (&codes::NOT_A_ZONE, zone_place, format!("{zone:?} is not a known time zone"))
                }
                InvalidSchedule::Never { expression, .. } => {
                    (&codes::NEVER_FIRES, place, format!("{expression:?} never fires"))
                }
            };
            sink.push(code, span, message);
            None
        }
    }
}

fn keep(node: &Node, owner: Span, sink: &mut Sink) -> Option<Duration> {
    let mut fields = Fields::of(node, "keep", owner, sink)?.later(&["last", "weeks", "months", "years"]);
    let days = fields.need("days", sink).and_then(|node| values::number(node, 1, 3_650, sink));
    fields.finish(sink);
    Some(Duration::from_secs(u64::try_from(days?).ok()? * 86_400))
}

impl Schedule {
    /// Checks that a live member takes the backups.
    pub fn check(&self, estate: &Estate, sink: &mut Sink) {
        let Some(on) = self.on.as_ref().filter(|on| estate.has("host", on.value.as_str())) else { return };
        let members = estate.member_hosts(&self.backup.value);
        if estate.sources.contains_key(&self.backup.value) && !members.contains(&on.value) {
            let message =
                format!("{} is no live member of source {:?}", on.value, self.backup.value.as_str());
            let members: Vec<&str> = members.iter().map(HostName::as_str).collect();
            sink.push_with(
                &codes::NOT_THERE,
                on.span,
                message,
                format!("its members: {}", members.join(", ")),
            );
        }
    }
}
