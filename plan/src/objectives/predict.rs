//! How long a plan takes until what it recovers is back.
//!
//! A recovery is over when its last cut-over (or switch of a pool) is verified; without one, when the whole run is. Reports
//! of runs measure it in the same way. What comes later (telling people, cleaning up) takes its time, but
//! is not part of the promise.

use super::forced::Forced;
use super::history::{History, Measured, simulate};
use super::lengths::{Lengths, lengths};
use super::path::{ends, longest, spare};
use crate::checked::{CheckedPlan, Scenario, Step};
use model::StepPath;
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

/// What is predicted of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Prediction {
    /// The plan's objective, or the tightest of its sources.
    #[serde(with = "model::duration::option")]
    pub objective: Option<Duration>,
    /// Steps that end the recovery: its cut-overs, or the last ones where it has none.
    pub until: Vec<StepPath>,
    /// By estimates.
    pub estimated: Total,
    /// By time-outs, tries, pauses and the time that questions may stand.
    pub worst: Total,
    /// What it may stand still by its own words.
    pub waits: Total,
    /// By past runs, where a history was given.
    pub measured: Option<Measured>,
    /// The whole run by estimates, with what comes after the recovery.
    #[serde(with = "model::duration")]
    pub whole: Duration,
    /// What another order could save, where that was asked for.
    pub forced: Option<Forced>,
    /// Each step, in the order of the plan.
    pub steps: Vec<StepPrediction>,
}

/// The longest chain to the end of the recovery.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Total {
    /// Its length.
    #[serde(with = "model::duration")]
    pub length: Duration,
    /// Its steps, first to last.
    pub path: Vec<StepPath>,
}

/// What is predicted of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepPrediction {
    /// Which one.
    pub step: StepPath,
    /// Its lengths.
    #[serde(flatten)]
    pub lengths: Lengths,
    /// Whether it is on the critical path: the longest chain by estimates.
    pub critical: bool,
    /// How much longer it could take, by estimates, without making the recovery later. Absent when the
    /// recovery does not wait for it.
    #[serde(with = "model::duration::option")]
    pub spare: Option<Duration>,
}

/// The steps of a plan without its `finally` part, which nobody waits for.
fn main(steps: &[Step]) -> impl Iterator<Item = usize> {
    steps.iter().enumerate().filter(|(_, step)| !step.finally).map(|(at, _)| at)
}

/// The graph of a plan's steps as numbers.
pub(crate) struct Numbers {
    pub after: Vec<Vec<usize>>,
    pub goals: Vec<usize>,
    pub lengths: Vec<Lengths>,
}

impl Numbers {
    pub fn of(steps: &[Step], scenario: &Scenario) -> Numbers {
        let index: HashMap<&StepPath, usize> =
            steps.iter().enumerate().map(|(at, step)| (&step.path, at)).collect();
        // Steps stand in an order that respects `after`; a stored plan that does not is read as far as it does.
        let befores = |(at, step): (usize, &Step)| {
            step.after
                .iter()
                .filter_map(|path| index.get(path).copied())
                .filter(|before| *before < at)
                .collect()
        };
        let moves =
            |step: &Step| matches!(step.kind.as_str(), "cutover" | "switch") && step.skipped.is_none();
        let cutovers = steps.iter().enumerate().filter(|(_, step)| moves(step));
        let cutovers: Vec<usize> = cutovers.map(|(at, _)| at).collect();
        Numbers {
            after: steps.iter().enumerate().map(befores).collect(),
            goals: if cutovers.is_empty() { main(steps).collect() } else { cutovers },
            lengths: steps.iter().map(|step| lengths(step, scenario)).collect(),
        }
    }

    pub fn each(&self, which: fn(&Lengths) -> Duration) -> Vec<Duration> {
        self.lengths.iter().map(which).collect()
    }

    /// The longest chain to the recovery, and the steps on it.
    pub fn total(&self, steps: &[Step], which: fn(&Lengths) -> Duration) -> (Total, Vec<usize>) {
        let lengths = self.each(which);
        let chain = longest(&self.after, &lengths, &self.goals);
        // A step without length is not what makes the chain long.
        let made_of: Vec<usize> = chain.steps.into_iter().filter(|at| !lengths[*at].is_zero()).collect();
        let path = made_of.iter().map(|at| steps[*at].path.clone()).collect();
        (Total { length: chain.total, path }, made_of)
    }
}

/// Predicts what a plan takes. With a history, `random` drives the simulation: uniform numbers, of a
/// seed where the result should repeat.
pub fn predict(plan: &CheckedPlan, history: Option<(&History, &mut dyn FnMut() -> u64)>) -> Prediction {
    let numbers = Numbers::of(&plan.steps, &plan.scenario);
    let estimates = numbers.each(|lengths| lengths.estimate);
    let (estimated, path) = numbers.total(&plan.steps, |lengths| lengths.estimate);
    let spare = spare(&numbers.after, &estimates, &numbers.goals);
    let measured =
        history.map(|(history, random)| measured(&plan.steps, &numbers, &estimates, history, random));
    let steps = plan.steps.iter().zip(&numbers.lengths).zip(spare).enumerate();
    let steps = steps.map(|(at, ((step, lengths), spare))| StepPrediction {
        step: step.path.clone(),
        lengths: *lengths,
        critical: path.contains(&at),
        spare,
    });
    let steps: Vec<StepPrediction> = steps.collect();
    let last = |at: &usize| !numbers.after.iter().flatten().any(|before| before == at);
    let cut = numbers.goals.len() < main(&plan.steps).count();
    Prediction {
        objective: plan.objectives.rto,
        until: numbers
            .goals
            .iter()
            .filter(|at| cut || last(at))
            .map(|at| plan.steps[*at].path.clone())
            .collect(),
        worst: numbers.total(&plan.steps, |lengths| lengths.worst).0,
        waits: numbers.total(&plan.steps, |lengths| lengths.waits).0,
        whole: ends(&numbers.after, &estimates).into_iter().max().unwrap_or_default(),
        estimated,
        measured,
        forced: None,
        steps,
    }
}

fn measured(
    steps: &[Step],
    numbers: &Numbers,
    estimates: &[Duration],
    history: &History,
    random: &mut dyn FnMut() -> u64,
) -> Measured {
    let mut known = 0;
    let times: Vec<Vec<Duration>> = steps
        .iter()
        .zip(estimates)
        .map(|(step, estimate)| match history.past(&step.path, &step.kind) {
            past if past.is_empty() || step.skipped.is_some() => vec![*estimate],
            past => {
                known += 1;
                past.to_vec()
            }
        })
        .collect();
    let (p50, p90) = simulate(&numbers.after, &times, &numbers.goals, random);
    Measured { p50, p90, steps: known }
}
