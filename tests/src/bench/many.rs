//! Many runs at once: their changes share commits.

use super::bed::{Bed, host, memory_mib, no_op};
use super::{Extent, median};
use crate::Failure;
use serde_json::{Value, json};

/// Runs at once, steps of each, and hosts that do them.
const RUNS: usize = 200;
const STEPS: usize = 20;
const HOSTS: usize = 8;

pub(super) async fn measure(extent: Extent) -> Result<Value, Failure> {
    let name = |number: usize| format!("s{number}");
    let mut plans = Vec::new();
    for number in 0..HOSTS {
        plans.push((format!("on-{number}"), chain(|step, after| no_op(&name(step), after, &host(number)))));
    }
    // The same without agents: what the journal alone takes.
    plans.push((
        "journal".to_owned(),
        chain(|step, after| {
            let after = if after.is_empty() { String::new() } else { format!("after: {}, ", after[0]) };
            format!("  {}: {{ {after}wait: {{ for: 1ms }} }}\n", name(step))
        }),
    ));
    let bed = Bed::set(HOSTS, &plans).await?;
    let runs = extent.of(RUNS);
    let (mut agents, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..extent.rounds {
        let on: Vec<String> = (0..runs).map(|run| format!("on-{}", run % HOSTS)).collect();
        agents.push(rate(&bed, &on).await?);
        alone.push(rate(&bed, &vec!["journal".to_owned(); runs]).await?);
    }
    let peak = bed.controller.id().map_or(0.0, |pid| memory_mib(pid, "VmHWM"));
    Ok(json!({
        "runs": runs,
        "steps_each": STEPS,
        "hosts": HOSTS,
        "steps_per_second": median(agents.clone()),
        "rounds": agents,
        "journal_alone_per_second": median(alone.clone()),
        "journal_alone_rounds": alone,
        "controller_peak_mib": peak,
    }))
}

fn chain(step: impl Fn(usize, &[String]) -> String) -> String {
    let before = |number: usize| number.checked_sub(1).map(|last| format!("s{last}")).into_iter().collect();
    (0..STEPS).map(|number| step(number, &before(number) as &Vec<String>)).collect()
}

async fn rate(bed: &Bed, plans: &[String]) -> Result<f64, Failure> {
    let runs = bed.start(plans).await?;
    let times = bed.times(&runs).await?;
    let steps: i64 = times.iter().map(|times| times.steps).sum();
    let begun = times.iter().map(|times| times.requested).min().unwrap_or_default();
    let ended = times.iter().map(|times| times.ended).max().unwrap_or_default();
    Ok(steps as f64 / ((ended - begun) as f64 / 1e6))
}
