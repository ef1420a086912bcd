//! Steps that do nothing, one after another on one host, each durable at controller and agent.

use super::bed::{Bed, beside, host, no_op};
use super::{Extent, median, sync};
use crate::Failure;
use serde_json::{Value, json};

/// Steps of the plan.
const STEPS: usize = 1000;

pub(super) async fn measure(extent: Extent) -> Result<Value, Failure> {
    let steps = extent.of(STEPS);
    let name = |number: usize| format!("s{number}");
    let mut text = String::new();
    for number in 0..steps {
        let after: Vec<String> = number.checked_sub(1).map(name).into_iter().collect();
        text.push_str(&no_op(&name(number), &after, &host(0)));
    }
    let bed = Bed::set(1, &[("row".to_owned(), text)]).await?;
    let (mut rates, mut syncs) = (Vec::new(), Vec::new());
    for _ in 0..extent.rounds {
        syncs.push(sync::seconds(&beside(&bed, "syncs"))?);
        rates.push(once(&bed).await?);
        syncs.push(sync::seconds(&beside(&bed, "syncs"))?);
    }
    let (rate, sync) = (median(rates.clone()), median(syncs));
    let bound = 1.0 / (3.0 * sync);
    Ok(json!({
        "steps": steps,
        "steps_per_second": rate,
        "rounds": rates,
        "sync_ms": sync * 1e3,
        "bound_per_second": bound,
        "share_of_bound": rate / bound,
        "syncs_per_step": counted(&bed, steps).await?,
    }))
}

async fn once(bed: &Bed) -> Result<f64, Failure> {
    let runs = bed.start(&["row".to_owned()]).await?;
    let times = bed.times(&runs).await?;
    let steps: i64 = times.iter().map(|times| times.steps).sum();
    let took: i64 = times.iter().map(|times| times.ended - times.requested).sum();
    Ok(steps as f64 / (took as f64 / 1e6))
}

/// Syncs of both processes for each step: a run of its own, for counting slows it down.
async fn counted(bed: &Bed, steps: usize) -> Result<Option<f64>, Failure> {
    let pids: Vec<u32> = std::iter::once(bed.controller.id())
        .chain(bed.agents.values().map(crate::programs::Agent::id))
        .flatten()
        .collect();
    let Some(counter) = sync::Counter::attach(&pids, &beside(bed, "strace")).await else { return Ok(None) };
    once(bed).await?;
    Ok(Some(counter.count() as f64 / steps as f64))
}
