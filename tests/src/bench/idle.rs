//! An agent that has nothing to do, and its controller.

use super::Extent;
use super::bed::{Bed, cpu_seconds, memory_mib};
use crate::Failure;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long it is looked at.
const LOOK: Duration = Duration::from_secs(60);
/// What is left of the start is over by then.
const SETTLE: Duration = Duration::from_secs(5);

pub(super) async fn measure(extent: Extent) -> Result<Value, Failure> {
    let bed = Bed::set(1, &[]).await?;
    tokio::time::sleep(SETTLE).await;
    let agent = bed.agents.values().find_map(crate::programs::Agent::id).unwrap_or_default();
    let controller = bed.controller.id().unwrap_or_default();
    let (before, begun) = ((cpu_seconds(agent), cpu_seconds(controller)), Instant::now());
    tokio::time::sleep(if extent.small { LOOK / 10 } else { LOOK }).await;
    let took = begun.elapsed().as_secs_f64();
    Ok(json!({
        "seconds": took,
        "agent_mib": memory_mib(agent, "VmRSS"),
        "agent_cpu_percent": (cpu_seconds(agent) - before.0) / took * 100.0,
        "controller_mib": memory_mib(controller, "VmRSS"),
        "controller_cpu_percent": (cpu_seconds(controller) - before.1) / took * 100.0,
    }))
}
