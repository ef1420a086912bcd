//! What the check says about how long backups are kept, and how often they are proven.

use super::gap::Gaps;
use super::loss::{DEFAULT_TAKES, Loss};
use super::words::words;
use crate::codes;
use crate::diagnostic::Sink;
use crate::estate::schedules::Schedule;
use crate::text::At;
use model::Name;
use std::time::Duration;

/// A backup that is let go before the next one is there.
pub(crate) fn short_keep(schedule: &Schedule, gaps: &mut Gaps, sink: &mut Sink) {
    let Some(keep) = schedule.keep else { return };
    let Some(gap) = gaps.of(&schedule.at) else { return };
    if keep < gap {
        let message = format!(
            "it keeps backups for {}, and takes one every {}: there is never more than one",
            words(keep),
            words(gap)
        );
        sink.push(&codes::SHORT_KEEP, schedule.keep_at, message);
    }
}

/// When a bad write is noticed, a backup from before it must still be there.
pub(crate) fn undetected(
    source: &Name,
    detection: &At<Duration>,
    schedules: &[&Schedule],
    gaps: &mut Gaps,
    sink: &mut Sink,
) {
    let mut short: Option<(Duration, String)> = None;
    for schedule in schedules {
        let (Some(keep), Some(gap)) = (schedule.keep, gaps.of(&schedule.at)) else { return };
        let takes = schedule.takes.unwrap_or(DEFAULT_TAKES);
        let needed = detection.value + gap + takes;
        if keep >= needed {
            return;
        }
        if short.as_ref().is_none_or(|(other, _)| *other < keep) {
            let message = format!(
                "{} until a bad write in {source} is noticed + {} between backups + {} to take one = {}; its backups are kept for {}",
                words(detection.value),
                words(gap),
                words(takes),
                words(needed),
                words(keep)
            );
            short = Some((keep, message));
        }
    }
    if let Some((_, message)) = short {
        sink.push(&codes::SHORT_KEEP, detection.span, message);
    }
}

/// A claim of proofs needs a schedule that proves, often enough.
pub(crate) fn unproven(
    source: &Name,
    proven: &At<Duration>,
    schedules: &[&Schedule],
    gaps: &mut Gaps,
    sink: &mut Sink,
) {
    let mut oldest: Option<Duration> = None;
    for schedule in schedules.iter().filter(|schedule| schedule.prove || schedule.prove_at.is_some()) {
        let takes = schedule.takes.unwrap_or(DEFAULT_TAKES);
        let Some(gap) = gaps.of(schedule.prove_at.as_ref().unwrap_or(&schedule.at)) else { return };
        // A proof is the newest until the next one is done: after the next backup, or by its own clock.
        let age = match schedule.prove_at {
            Some(_) => gap + takes,
            None => Loss::new(gap, takes, Duration::ZERO, true).between + takes + takes,
        };
        oldest = Some(oldest.map_or(age, |other| other.min(age)));
    }
    let message = match oldest {
        Some(age) if age <= proven.value => return,
        Some(age) => format!(
            "the newest proof of {source} may be {} old; its objective says {}",
            words(age),
            words(proven.value)
        ),
        None => format!(
            "{source} promises a proof every {}, and no schedule of it proves its backups",
            words(proven.value)
        ),
    };
    sink.push(&codes::UNPROVEN, proven.span, message);
}
