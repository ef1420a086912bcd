//! What the check says about a plan's length.

use super::RECOVERS;
use super::contradictions;
use super::lengths::Lengths;
use super::predict::Numbers;
use super::words::{sum, words};
use crate::checked::Step;
use crate::codes;
use crate::diagnostic::Sink;
use crate::document::Document;
use crate::estate::Estate;
use crate::lower::Draft;
use crate::text::{At, Span};
use model::Name;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// What a plan brings back, and what its steps say about their lengths.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Sources that take writes again.
    pub sources: Vec<Name>,
    /// Sources of which a backup is restored.
    pub restored: Vec<Name>,
    /// Services that are started.
    pub services: Vec<Name>,
    /// `takes` of steps that no person holds up, with their names.
    takes: Vec<(String, At<Duration>)>,
}

impl Recovered {
    /// What the steps that run bring back.
    pub fn of(drafts: &[Draft]) -> Recovered {
        let mut out = Recovered::default();
        for draft in drafts.iter().filter(|draft| draft.skipped.is_none()) {
            if let (Some(takes), Some(lowered)) = (&draft.common.takes, &draft.lowered)
                && lowered.gate.is_none()
                && lowered.evidence.is_none()
            {
                out.takes.push((draft.name.value.clone(), takes.clone()));
            }
            let Some(facts) = draft.facts() else { continue };
            match draft.kind.name {
                kind if RECOVERS.contains(&kind) => out.sources.extend(facts.source.clone()),
                "restore" => out.restored.extend(facts.source.clone()),
                "start" => out.services.extend(facts.services.iter().cloned()),
                _ => {}
            }
        }
        for list in [&mut out.sources, &mut out.restored, &mut out.services] {
            list.sort();
            list.dedup();
        }
        out
    }
}

/// Tells steps that outlast their time-out, objectives that contradict each other, and an objective that
/// the plan does not keep.
pub(crate) fn check(
    plan: &Document,
    estate: &Estate,
    recovered: &Recovered,
    steps: &[Step],
    sink: &mut Sink,
) {
    slow_steps(recovered, steps, sink);
    contradictions::plan(plan, estate, recovered, sink);
    let Some((objective, at, whose)) = objective(plan, estate, recovered) else { return };
    let numbers = Numbers::of(steps, &plan.scenario());
    let stands = numbers.total(steps, |lengths| lengths.waits);
    let told = stands.0.length > objective;
    if told {
        let message = format!(
            "this plan may stand still for {} before it recovers: {}; {whose} {}",
            words(stands.0.length),
            parts(&numbers, steps, &stands.1, |lengths| lengths.waits),
            words(objective)
        );
        sink.push(&codes::RTO_WAITS, at, message);
    }
    let moving = |lengths: &Lengths| lengths.estimate.saturating_sub(lengths.waits);
    if told && numbers.total(steps, moving).0.length <= objective {
        return;
    }
    let (total, path) = numbers.total(steps, |lengths| lengths.estimate);
    if total.length > objective {
        let message = format!(
            "this plan recovers after {} by estimate; {whose} {}",
            words(total.length),
            words(objective)
        );
        let help = format!(
            "on the critical path: {}; say with `takes:` what a step really takes, shorten these, or promise what can be kept",
            parts(&numbers, steps, &path, |lengths| lengths.estimate)
        );
        sink.push_with(&codes::RTO_EXCEEDED, at, message, help);
    }
}

fn parts(numbers: &Numbers, steps: &[Step], path: &[usize], which: fn(&Lengths) -> Duration) -> String {
    let part = |at: &usize| (steps[*at].path.to_string(), which(&numbers.lengths[*at]));
    sum(&path.iter().map(part).collect::<Vec<_>>())
}

/// The plan's own objective and its place; else the tightest of what it brings back, told at its name.
fn objective(plan: &Document, estate: &Estate, recovered: &Recovered) -> Option<(Duration, Span, String)> {
    if let Some(rto) = &plan.promised.rto {
        return Some((rto.value, rto.span, "its objective says".to_string()));
    }
    let sources = recovered.sources.iter().filter_map(|name| {
        let rto = estate.sources.get(name)?.promised.rto.as_ref()?;
        Some((rto.value, plan.name.span, format!("source {:?} must be back in", name.as_str())))
    });
    let services = recovered.services.iter().filter_map(|name| {
        let rto = estate.services.get(name)?.promised.rto.as_ref()?;
        Some((rto.value, plan.name.span, format!("service {:?} must be back in", name.as_str())))
    });
    sources.chain(services).min_by_key(|(rto, _, _)| *rto)
}

/// A step that is not waited for as long as it takes.
fn slow_steps(recovered: &Recovered, steps: &[Step], sink: &mut Sink) {
    let mut allowed: HashMap<&str, Duration> = HashMap::new();
    for step in steps {
        *allowed.entry(whole(step.path.as_str())).or_default() += step.timeout;
    }
    let timers = steps.iter().filter(|step| step.kind == "wait");
    let timers: HashSet<&str> = timers.map(|step| step.path.as_str()).collect();
    for (name, takes) in recovered.takes.iter().filter(|(name, _)| !timers.contains(name.as_str())) {
        let Some(allowed) = allowed.get(name.as_str()).filter(|allowed| takes.value > **allowed) else {
            continue;
        };
        let message =
            format!("it takes {}, and counts as overdue after {}", words(takes.value), words(*allowed));
        let help = format!("give it time: `timeout: {}`", model::duration::format(takes.value * 2));
        sink.push_with(&codes::SLOW_STEP, takes.span, message, help);
    }
}

/// The path of the step that a part belongs to: `reach/start` of `reach/start/1`.
fn whole(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((step, part)) if part.bytes().all(|byte| byte.is_ascii_digit()) => step,
        _ => path,
    }
}
