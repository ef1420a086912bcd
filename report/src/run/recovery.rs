//! How a recovery stands against its objectives: how long it took, and what was lost.

use super::fence::FenceLine;
use super::loss::{self, Loss};
use super::outputs::Outputs;
use engine::view::{StepView, View};
use model::{Micros, Mode};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Step kinds that make a run a recovery.
const RECOVERING: [&str; 3] = ["promote", "cutover", "swap"];

/// How something stands against its objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Proven to be within.
    Met,
    /// Not within.
    Missed,
    /// Not proven either way.
    Unknown,
    /// The plan has none.
    NoObjective,
}

/// How a recovery stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// From the run's request to `until`, in milliseconds.
    pub took_ms: u64,
    /// What ended it, in words.
    pub until: String,
    /// When that was; absent while it goes on.
    pub at: Option<Micros>,
    /// It is done.
    pub recovered: bool,
    /// The objective, in milliseconds.
    pub rto_ms: Option<u64>,
    /// Against it.
    pub verdict: Verdict,
    /// The objective for data, in milliseconds.
    pub rpo_ms: Option<u64>,
    /// What each promotion lost.
    pub losses: Vec<Loss>,
}

/// How the recovery stands; `None` for a run that recovers nothing, and for previews.
pub fn of(view: &View, outputs: &Outputs<'_>, fences: &[FenceLine]) -> Option<Recovery> {
    let observed = view.observed.as_ref();
    let mut steps = view.steps.iter().filter(|step| RECOVERING.contains(&step.kind.as_str()));
    if view.mode == Mode::Preview || steps.next().is_none() {
        return None;
    }
    let end = end(view, outputs);
    let took = match end.at {
        Some(at) => at.since(view.requested_at),
        None => Duration::from_millis(view.took_ms),
    };
    let rpo = view.objectives.rpo;
    Some(Recovery {
        took_ms: ms(took),
        until: end.words,
        at: end.at,
        recovered: end.recovered,
        rto_ms: view.objectives.rto.map(ms),
        verdict: verdict(view, took, end.recovered),
        rpo_ms: rpo.map(ms),
        losses: outputs.promotions.iter().map(|given| loss::of(given, fences, observed, rpo)).collect(),
    })
}

struct End {
    at: Option<Micros>,
    recovered: bool,
    words: String,
}

/// Recovered means: the last cut-over is verified; without a cut-over, that the run succeeded.
fn end(view: &View, outputs: &Outputs<'_>) -> End {
    let cutovers: Vec<&StepView> =
        view.steps.iter().filter(|step| step.kind == "cutover" && step.state != "skipped").collect();
    let last = cutovers.iter().filter_map(|step| step.ended_at).max();
    let all = !cutovers.is_empty() && cutovers.iter().all(|step| step.state == "succeeded");
    // A cut-over that a person settled has no measurement: its name alone does not make it verified.
    let measured =
        cutovers.iter().all(|step| outputs.cutovers.iter().any(|given| given.step.path == step.path));
    match (all, view.status.as_str()) {
        (true, _) if measured => {
            End { at: last, recovered: true, words: "to the verified cut-over".to_string() }
        }
        (true, _) => {
            End { at: last, recovered: true, words: "to the cut-over, which a person settled".to_string() }
        }
        (false, "succeeded") if cutovers.is_empty() => End {
            at: view.ended_at,
            recovered: true,
            words: "to the end of the run; nothing was cut over".to_string(),
        },
        (false, _) if view.ended_at.is_some() => End {
            at: view.ended_at,
            recovered: false,
            words: "to the end of the run, which did not recover it".to_string(),
        },
        (false, _) => {
            End { at: None, recovered: false, words: "until now; it is not recovered yet".to_string() }
        }
    }
}

fn verdict(view: &View, took: Duration, recovered: bool) -> Verdict {
    match (view.objectives.rto, recovered) {
        (None, _) => Verdict::NoObjective,
        (Some(rto), true) if took <= rto => Verdict::Met,
        (Some(rto), false) if took <= rto && view.is_open() => Verdict::Unknown,
        (Some(_), _) => Verdict::Missed,
    }
}

fn ms(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}
