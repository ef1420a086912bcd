//! The network between an agent and its controller: cut, held in one direction, flapping and slow.

use crate::world::{Plans, SOON, World, step};
use std::time::Duration;
use tests::{link::State, polling::until};

const TWO: &str = "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }
  two: { after: one, undo: none, command: { script: SCRIPT(two), hosts: [east-1] } }
";

async fn linked(name: &str) -> World {
    Plans::new(name).gated("one").script("two", "").plan("two", TWO).through_a_link().start().await
}

fn set(world: &World, state: State) {
    world.link.as_ref().unwrap().set(state);
}

async fn until_unreachable(world: &World) {
    until("a host that is away", SOON, async || {
        let status =
            world.say(&["status", "--output", "json"]).await.json().map_err(|error| error.chain())?;
        let host = status["hosts"][0].clone();
        if host["is"] == "unreachable" { Ok(()) } else { Err(host.to_string()) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn an_agent_cut_off_in_mid_step_finishes_it_and_delivers_the_result_when_the_link_heals() {
    let world = linked("cut").await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    set(&world, State::Cut);
    until_unreachable(&world).await;
    world.open("one");
    world.until_gone("one").await;
    let view = world.try_view(run).await.unwrap();
    assert_eq!((view.status.as_str(), world.count("two")), ("running", 0), "{view:#?}");
    set(&world, State::Open);
    let view = world.until_success(run).await;
    assert_eq!(step(&view, "one").attempts.len(), 1);
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
}

/// Holds the link in one way while a step runs and ends, and heals it.
async fn one_way(name: &str, state: State) {
    let world = linked(name).await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    set(&world, state);
    until_unreachable(&world).await;
    world.open("one");
    world.until_gone("one").await;
    set(&world, State::Open);
    let view = world.until_success(run).await;
    assert_eq!(step(&view, "one").attempts.len(), 1);
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
}

#[tokio::test]
async fn fault_34_what_the_agent_says_is_lost_and_what_it_hears_is_not() {
    one_way("fault-34-out", State::HoldOutward).await;
}

#[tokio::test]
async fn fault_34_what_the_agent_hears_is_lost_and_what_it_says_is_not() {
    one_way("fault-34-in", State::HoldInward).await;
}

#[tokio::test]
async fn fault_33_orders_and_results_that_are_delivered_late_and_again_are_done_once() {
    let world = linked("fault-33").await;
    // The order leaves, and is held; the agent is silent, dials again, and gets it a second time while the
    // first copy is still on its way.
    set(&world, State::HoldInward);
    let run = world.run("two").await;
    until_unreachable(&world).await;
    set(&world, State::Open);
    world.until_begun("one").await;
    set(&world, State::HoldOutward);
    world.open("one");
    world.until_gone("one").await;
    until_unreachable(&world).await;
    set(&world, State::Open);
    world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
}

#[tokio::test]
async fn fault_35_a_flapping_link_costs_time_and_nothing_else() {
    let world = linked("fault-35").await;
    let run = world.run("two").await;
    for flap in 0..8 {
        set(&world, State::Cut);
        tokio::time::sleep(Duration::from_millis(150)).await;
        set(&world, State::Open);
        if flap == 4 {
            world.open("one");
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let view = world.until_success(run).await;
    assert_eq!(step(&view, "one").attempts.len(), 1, "{view:#?}");
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
}

#[tokio::test]
async fn fault_37_a_slow_link_carries_a_run_and_its_heartbeats() {
    let world = Plans::new("fault-37")
        .script("one", "head -c 400000 /dev/zero | tr '\\0' x | fold -w 100")
        .script("two", "")
        .plan("two", TWO)
        .through_a_link()
        .start()
        .await;
    set(&world, State::Slow(10_000));
    let run = world.run("two").await;
    let view = world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1), "{view:#?}");
    let log = std::fs::read_to_string(world.agents["east-1"].log()).unwrap();
    assert!(!log.contains("session ended"), "{log}");
}
