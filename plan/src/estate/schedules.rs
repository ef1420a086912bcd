//! `schedules`: backups that agents take by the clock, controller or no controller.

use super::Estate;
use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{Field, Noun, PLAIN, Type, may, need, read as by_table};
use crate::text::{At, Fields, Node, Span, Value, values};
use model::schedule::{Cron, InvalidSchedule};
use model::{HostName, Micros, Name};
use std::time::Duration;

/// After this an attempt is unknown, when the schedule does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(6 * 3600);
/// A moment from which on each schedule must fire once more. Any fixed one does: cron repeats.
const SOME_DAY: Micros = Micros(1_700_000_000_000_000);

const KEEP: &[Field] = &[
    may("days", Type::Number(1, 3_650), "Snapshots of so many days stay."),
    may("last", Type::Number(1, 10_000), "So many of the newest stay."),
    may("weeks", Type::Number(1, 520), "One of each week stays, for so many weeks."),
    may("months", Type::Number(1, 1_200), "One of each month stays, for so many months."),
    may("years", Type::Number(1, 100), "One of each year stays, for so many years."),
];
const PROVE: &[Field] = &[need("at", Type::Cron, "When, in the schedule's zone.")];

pub(crate) static NOUN: Noun = Noun {
    section: "schedules",
    name: "schedule",
    doc: "What is done by the clock: backups by agents, controller or no controller; drills.",
    fields: &[
        may("backup", Type::Of(&["source"]), "The source that is backed up."),
        may("drill", Type::Of(&["plan"]), "The plan that is run as a drill."),
        may("verify", Type::Of(&["repository"]), "The repository that is read and checked."),
        may(
            "on",
            Type::Of(&["host"]),
            "The member that takes the backups; the source's first one when absent.",
        ),
        may("to", Type::Many(&Type::Of(&["repository"])), "Repositories that get each backup."),
        need("at", Type::Cron, "When: minute, hour, day, month, weekday."),
        may("zone", Type::Words, "The time zone of `at`; UTC when absent."),
        may("keep", Type::Fields(KEEP), "What is kept; for ever when absent."),
        may(
            "prove",
            Type::Either(&[Type::One(&["true", "false", "daily", "weekly", "monthly"]), Type::Fields(PROVE)]),
            "`true` restores and compares each backup; `daily`, `weekly` or `monthly` the newest one, at four.",
        ),
        may("timeout", Type::Duration, "After this an attempt is unknown; 6h when absent."),
        may("takes", Type::Duration, "How long a backup usually takes; 10m when absent."),
        may(
            "transfer",
            Type::Duration,
            "How much longer into a repository of another region; 5m when absent.",
        ),
    ],
    one_of: &["backup", "drill", "verify"],
    ..PLAIN
};

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
    /// When the newest backup is proven, where that has a clock of its own.
    pub prove_at: Option<Cron>,
    /// After this the attempt is unknown.
    pub timeout: Duration,
    /// How long a backup usually takes, as the schedule says.
    pub takes: Option<Duration>,
    /// How much longer it takes into a repository of another region, as the schedule says.
    pub transfer: Option<Duration>,
}

/// Reads one that does not back up anything: a drill, or a check of a repository. Its loop is still to come,
/// so nothing of it is kept but the plan that is drilled.
pub(crate) fn read_other(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<At<Name>> {
    let what = format!("schedule {:?}", name.as_str());
    let fields = Fields::of(node, what, owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields]);
    let drill = fields.get("drill").map(|node| values::reference(node, &["plan"], sink));
    let verify = fields.get("verify").map(|node| values::reference(node, &["repository"], sink));
    let expression = fields.need("at", sink).map(|node| (values::words(node, sink), node.span));
    let zone = fields.get("zone").map(|node| (values::words(node, sink), node.span));
    fields.finish(sink);
    if let Some(expression) = expression {
        cron(expression, zone, sink);
    }
    if drill.is_some() && verify.is_some() {
        let message = format!("a schedule does exactly one of: {}", NOUN.one_of.join(", "));
        sink.push(&codes::EITHER_OR, owner, message);
    }
    sink.later(owner, "only backups have a clock yet: this schedule is only checked".to_string());
    drill.flatten()
}

/// Whether a schedule takes backups.
pub(crate) fn is_backup(node: &Node) -> bool {
    match &node.value {
        Value::Map(entries) => {
            let has = |key: &str| entries.iter().any(|entry| entry.key == key);
            has("backup") || !(has("drill") || has("verify"))
        }
        Value::Null | Value::Scalar(_) | Value::List(_) => true,
    }
}

/// Reads one that takes backups.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Schedule> {
    let fields = Fields::of(node, format!("schedule {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields]);
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
    let prove = fields.get("prove").map_or(Some((false, None)), |node| prove(node, &zone, sink));
    let timeout = fields.get("timeout").map_or(Some(DEFAULT_TIMEOUT), |node| values::duration(node, sink));
    let takes = fields.get("takes").map(|node| values::duration(node, sink));
    let transfer = fields.get("transfer").map(|node| values::duration(node, sink));
    fields.finish(sink);
    let at = cron(expression?, zone, sink);
    let (prove, prove_at) = prove?;
    Some(Schedule {
        backup: backup?,
        on: flat(on)?,
        to: to?,
        at: at?,
        keep: flat(keep)?.flatten(),
        keep_at,
        prove,
        prove_at,
        timeout: timeout?,
        takes: flat(takes)?,
        transfer: flat(transfer)?,
    })
}

/// Whether each backup is proven, and when the newest one is.
fn prove(
    node: &Node,
    zone: &Option<(Option<String>, Span)>,
    sink: &mut Sink,
) -> Option<(bool, Option<Cron>)> {
    /// Four in the morning: after the backups of the night.
    const WORDS: [(&str, (bool, Option<&str>)); 5] = [
        ("true", (true, None)),
        ("false", (false, None)),
        ("daily", (false, Some("0 4 * * *"))),
        ("weekly", (false, Some("0 4 * * 0"))),
        ("monthly", (false, Some("0 4 1 * *"))),
    ];
    let (each, expression) = if matches!(node.value, Value::Map(_)) {
        let mut fields = Fields::of(node, "prove", node.span, sink)?.shaped(&[PROVE]);
        let at = fields.need("at", sink).and_then(|node| values::words(node, sink));
        fields.finish(sink);
        (false, Some(at?))
    } else {
        let (each, expression) = values::word(node, &WORDS, sink)?;
        (each, expression.map(str::to_string))
    };
    let Some(expression) = expression else { return Some((each, None)) };
    // A zone that cannot be read is told with the schedule's own time.
    let zone = zone.clone().filter(|(zone, _)| {
        zone.as_ref().is_some_and(|zone| {
            Cron { expression: "0 0 * * *".into(), zone: zone.clone() }.validate().is_ok()
        })
    });
    Some((each, Some(cron((Some(expression), node.span), zone, sink)?)))
}

/// Reads a cron expression, in UTC when there is no zone.
pub(crate) fn cron(
    (expression, place): (Option<String>, Span),
    zone: Option<(Option<String>, Span)>,
    sink: &mut Sink,
) -> Option<Cron> {
    let (zone, zone_place) = zone.unwrap_or((Some("UTC".to_string()), place));
    let cron = Cron { expression: expression?, zone: zone? };
    match cron.next(SOME_DAY) {
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

/// How long snapshots stay. `None` inside when part of the wish has no job yet: then nothing is let go,
/// since letting go by the other part alone would lose what this part keeps.
fn keep(node: &Node, owner: Span, sink: &mut Sink) -> Option<Option<Duration>> {
    let mut fields = Fields::of(node, "keep", owner, sink)?.shaped(&[KEEP]);
    let days = fields.get("days").map(|node| values::number(node, 1, 3_650, sink));
    let mut sound = true;
    let mut later = false;
    for field in KEEP.iter().filter(|field| field.key != "days") {
        let Some(node) = fields.get(field.key) else { continue };
        sound &= by_table::admits(&field.holds, node, node.span, sink).is_some();
        let message =
            format!("{:?} of keep is only checked: until its job is there, nothing is let go", field.key);
        sink.later(fields.span_of(field.key), message);
        later = true;
    }
    if days.is_none() && !later {
        sink.push(&codes::MISSING, owner, "keep needs the field \"days\"".to_string());
        return None;
    }
    fields.finish(sink);
    let days = flat(days)?;
    if !sound {
        return None;
    }
    let days = days.filter(|_| !later).and_then(|days| u64::try_from(days).ok());
    Some(days.map(|days| Duration::from_secs(days * 86_400)))
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
