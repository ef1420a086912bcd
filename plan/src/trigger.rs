//! `trigger`: when a plan may begin by itself.
//!
//! Without one, nobody but a person starts a plan. With one, the controller does, once enough vantage points
//! have said for long enough that a check fails; the engine's `trigger` decides when that is. What is proven here
//! is that enough of them can say it when it matters, and that nobody would have to be asked for inputs.

use crate::codes;
use crate::diagnostic::Sink;
use crate::document::Document;
use crate::estate::Estate;
use crate::estate::services::flat;
use crate::shape::plans::TRIGGER;
use crate::text::{At, Fields, Node, Span, values};
use model::{HostName, Name};
use serde::Serialize;
use std::time::Duration;

/// Fewest vantage points that must say it: one alone may be wrong about the world.
const FEWEST: usize = 2;
/// Vantage points of one trigger at most.
const MOST: i64 = 1_000;
/// The damping time lies between these: a blink is no disaster, and an hour is long enough to ask a person.
const LASTING: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));
/// The cool-down lies between these.
const COOL_DOWN: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(30 * 86_400));

/// When a plan begins by itself, as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Trigger {
    /// The check that must fail.
    check: At<Name>,
    /// So many vantage points must say so; a majority when absent.
    failing: Option<At<i64>>,
    /// For so long, without a break.
    lasting: Duration,
    /// Before it may begin by itself once more.
    cool_down: Duration,
    /// Where it stands.
    span: Span,
}

/// When a plan begins by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TriggerHead {
    /// The check that must fail.
    pub check: Name,
    /// Hosts that ask it and whose word counts: none in a region that the plan presumes lost or does not believe.
    pub vantages: Vec<HostName>,
    /// So many of them must say so.
    pub failing: usize,
    /// For so long, without a break.
    #[serde(with = "model::duration")]
    pub lasting: Duration,
    /// Before it may begin by itself once more.
    #[serde(with = "model::duration")]
    pub cool_down: Duration,
    /// An answer that was not renewed for so long says nothing any more.
    #[serde(with = "model::duration")]
    pub stale: Duration,
}

/// Reads one.
pub(crate) fn read(node: &Node, owner: Span, sink: &mut Sink) -> Option<Trigger> {
    let mut fields = Fields::of(node, "trigger", owner, sink)?.shaped(&[TRIGGER]);
    let check = fields.need("check", sink).and_then(|node| values::name(node, sink));
    let failing = fields
        .get("failing")
        .map(|node| Some(At::new(values::number(node, FEWEST as i64, MOST, sink)?, node.span)));
    let lasting = fields.need("for", sink).and_then(|node| between(node, LASTING, sink));
    let cool_down = fields.need("cool-down", sink).and_then(|node| between(node, COOL_DOWN, sink));
    fields.finish(sink);
    Some(Trigger {
        check: check?,
        failing: flat(failing)?,
        lasting: lasting?,
        cool_down: cool_down?,
        span: owner,
    })
}

fn between(node: &Node, (least, most): (Duration, Duration), sink: &mut Sink) -> Option<Duration> {
    let value = values::duration(node, sink)?;
    if value < least || value > most {
        let words = model::duration::format;
        let message = format!("{} is not between {} and {}", words(value), words(least), words(most));
        sink.push(&codes::OUT_OF_RANGE, node.span, message);
        return None;
    }
    Some(value)
}

impl Trigger {
    /// Proves that it can be pulled.
    pub fn check(&self, plan: &Document, estate: &Estate, sink: &mut Sink) {
        self.alone(plan, sink);
        if !estate.declared("check", &self.check, sink) {
            return;
        }
        // A check that could not be read is told already.
        let Some(check) = estate.checks.get(&self.check.value) else { return };
        let name = self.check.value.as_str();
        if check.every.is_none() {
            let message = format!("nobody asks {name:?} by the clock: it says `monitor: false`");
            sink.push(&codes::TRIGGER_BLIND, self.check.span, message);
            return;
        }
        let (all, count) = (estate.asking_hosts(&self.check.value), self.vantages(plan, estate).len());
        let lost = all.len() - count;
        let where_lost = match lost {
            0 => String::new(),
            _ => format!(" ({lost} more in regions that this plan presumes lost or does not believe)"),
        };
        let wanted = self.failing.as_ref().map_or(FEWEST, |failing| failing.value as usize);
        if count < wanted {
            let span = self.failing.as_ref().map_or(self.check.span, |failing| failing.span);
            let asking = if count == 1 { "1 host asks".to_string() } else { format!("{count} hosts ask") };
            let message = format!("{asking} {name:?}{where_lost}, and {wanted} must say that it fails");
            sink.push(&codes::TRIGGER_BLIND, span, message);
        }
    }

    /// Nobody is there to give what a plan needs.
    fn alone(&self, plan: &Document, sink: &mut Sink) {
        if !plan.alone {
            let message = "a plan that is only called by others cannot begin by itself".to_string();
            sink.push(&codes::TRIGGER_ASKS, self.span, message);
        }
        if let Some((input, _)) = plan.inputs.iter().find(|(_, input)| input.default.is_none()) {
            let message = format!("the input {input:?} has no default, and nobody is there to give it");
            sink.push(&codes::TRIGGER_ASKS, self.span, message);
        }
    }

    fn vantages(&self, plan: &Document, estate: &Estate) -> Vec<HostName> {
        let believed = |host: &HostName| !plan.has_lost(host, estate) && !plan.is_suspect(host, estate);
        estate.asking_hosts(&self.check.value).into_iter().filter(believed).collect()
    }

    /// What the controller goes by; none where its check cannot be asked.
    pub fn head(&self, plan: &Document, estate: &Estate) -> Option<TriggerHead> {
        let check = estate.checks.get(&self.check.value)?;
        let vantages = self.vantages(plan, estate);
        let majority = (vantages.len() / 2 + 1).max(FEWEST);
        Some(TriggerHead {
            check: self.check.value.clone(),
            failing: self.failing.as_ref().map_or(majority, |failing| failing.value as usize),
            vantages,
            lasting: self.lasting,
            cool_down: self.cool_down,
            stale: check.every? * 3 + check.within,
        })
    }
}
