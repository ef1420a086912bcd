//! Hundreds of agents that come back at once: a run that is under way goes on among them.

use crate::world::{Plans, World};
use std::time::{Duration, Instant};
use tests::polling::until;
use tests::swarm::{Swarm, enrol, make};

/// Agents beside the one that has work.
const CROWD: usize = 300;
/// How much later than without them the next step may begin, where all of them were faster than its host.
const MUCH_LATER: Duration = Duration::from_secs(5);
/// How long all of them may take, on a machine that has other things to do.
const ALL_BACK: Duration = Duration::from_secs(90);

/// The controller dies while a step runs, and the step ends before it is back. Gives when it was started again, and
/// how long the next step took to begin from then on.
async fn restarted(world: &mut World, plan: &str) -> (model::Micros, Duration) {
    let (gate, next) = (format!("gate-{plan}"), format!("next-{plan}"));
    let run = world.run(plan).await;
    world.until_begun(&gate).await;
    world.controller.kill();
    world.open(&gate);
    let (at, begun) = (model::Micros::from(jiff::Timestamp::now()), Instant::now());
    world.controller.start().await.unwrap();
    world.until_begun(&next).await;
    let took = begun.elapsed();
    world.until_success(run).await;
    assert_eq!((world.count(&gate), world.count(&next)), (1, 1), "nothing is done twice");
    (at, took)
}

fn steps(plan: &str) -> String {
    format!(
        "  first: {{ undo: none, command: {{ script: SCRIPT(gate-{plan}), hosts: [east-1] }} }}\n  \
         second: {{ after: first, undo: none, command: {{ script: SCRIPT(next-{plan}), hosts: [east-1] }} }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_38_a_run_goes_on_while_hundreds_of_agents_come_back_at_once() {
    let mut plans = Plans::new("fault-38");
    for plan in ["alone", "among"] {
        plans = plans.gated(&format!("gate-{plan}")).script(&format!("next-{plan}"), "true");
        plans = plans.plan(plan, &steps(plan));
    }
    let mut world = plans.start().await;
    let (_, alone) = restarted(&mut world, "alone").await;

    let hosts: Vec<String> = (0..CROWD).map(|number| format!("crowd-{number}")).collect();
    let members = make(world.controller.data(), &hosts).unwrap();
    world.controller.stop().await;
    enrol(world.controller.data(), &members).await.unwrap();
    world.controller.start().await.unwrap();
    let ca = std::fs::read_to_string(world.controller.data().join("ca.pem")).unwrap();
    let swarm = Swarm::start(world.controller.address(), &ca, members).unwrap();
    let all_in = async |sessions: u64| {
        until("all of the crowd", ALL_BACK, async || {
            let counts = swarm.counts();
            let there = counts.connected == CROWD as u64 && counts.sessions >= sessions;
            if there { Ok(counts) } else { Err(format!("{counts:?}, {}", swarm.trouble())) }
        })
        .await
        .unwrap()
    };
    let before = all_in(CROWD as u64).await;
    world.until_connected("east-1").await;

    let (killed, among) = restarted(&mut world, "among").await;
    let after = all_in(before.sessions + CROWD as u64).await;
    let last = model::Micros(after.last_welcome).since(killed);
    assert!(
        among < last || among < alone + MUCH_LATER,
        "the next step began after {among:?} ({alone:?} without the others), the last of them came after {last:?}"
    );
}
