//! The controller killed at every write of a whole run, one after another; a run that is unwound among
//! them; and a storm of kills and cuts in which a person settles what nobody else can.

use crate::world::{Plans, SOON, World, step};
use model::RunId;
use sqlx::Row as _;
use std::time::Duration;
use tests::link::State;

/// More crashes than any of these runs has writes.
const MAX_WRITES: usize = 40;

/// Starts `plan` with a controller that dies at the given pass of `point`; then without. `None` when the run
/// was over before that pass.
async fn crashed_once(world: &mut World, plan: &str, point: &str, pass: usize) -> Option<RunId> {
    world.restart_controller(&format!("{point}:{pass}")).await;
    for host in world.agents.keys().cloned().collect::<Vec<_>>() {
        // An agent that has seen many deaths waits longer each time; this one has seen none.
        world.restart_agent(&host, "").await;
    }
    let _ = world.cli.run(&["run", plan, "--detach"], SOON).await;
    let run: RunId = {
        let rows = world.rows("select run from runs order by run desc limit 1").await;
        rows[0].get::<String, _>(0).parse().unwrap()
    };
    // Either the run ends, or the controller dies and answers no more.
    let outcome = tests::polling::until("an end of the run or of the controller", SOON, async || {
        if world.controller.wait_until_it_ends(Duration::ZERO).await.is_ok() {
            return Ok(true);
        }
        match world.try_view(run).await {
            Ok(view) if !view.is_open() => Ok(false),
            Ok(view) => Err(view.status),
            Err(error) => Err(error),
        }
    });
    if !outcome.await.unwrap() {
        return None;
    }
    world.restart_controller("").await;
    Some(run)
}

#[tokio::test]
async fn fault_02_a_controller_killed_after_every_write_of_a_run_finishes_each_of_them() {
    let mut world = Plans::new("sweep")
        .script("one", "")
        .script("two", "")
        .plan("two", "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }\n  two: { after: one, undo: none, command: { script: SCRIPT(two), hosts: [east-1] } }\n")
        .start()
        .await;
    let mut done = 0;
    for pass in 1..=MAX_WRITES {
        let run = crashed_once(&mut world, "two", "after-commit", pass).await;
        done += 1;
        let Some(run) = run else { break };
        world.until_success(run).await;
        assert_eq!((world.count("one"), world.count("two")), (done, done), "after write {pass}");
    }
    println!("{} writes of the driver", done - 1);
    assert!((3..MAX_WRITES).contains(&done), "{done} runs");
    assert_eq!((world.count("one"), world.count("two")), (done, done));
}

#[tokio::test]
async fn fault_05_a_controller_killed_at_every_write_of_an_unwinding_run_undoes_each_step_once() {
    let mut world = Plans::new("fault-05")
        .script("daemon", "exec sleep 600")
        .script("bad", "exit 1")
        .estate("services:\n  daemon: { kind: process, hosts: { east-1: { run: [SCRIPT(daemon)], stop-grace: 1s } } }\n")
        .policy("services:\n  - { name: daemon, process: SCRIPT(daemon), args: [] }\n")
        .plan("back", "  up: { start: { services: [daemon], hosts: [east-1] } }\n  bad: { after: up, on-failure: unwind, undo: none, command: { script: SCRIPT(bad), hosts: [east-1] } }\n")
        .start()
        .await;
    let mut done = 0;
    for pass in 1..=MAX_WRITES {
        let run = crashed_once(&mut world, "back", "before-commit", pass).await;
        done += 1;
        let Some(run) = run else { break };
        let view = world.until_over(run).await;
        assert_eq!(view.status, "failed", "{view:#?}");
        assert_eq!(step(&view, "up").state, "undone", "{view:#?}");
        assert_eq!((world.count("daemon"), world.count("bad")), (done, done), "before write {pass}");
        world.until_gone("daemon").await;
    }
    println!("{} writes of the driver", done - 1);
    assert!((4..MAX_WRITES).contains(&done), "{done} runs");
}

/// A small generator, so that a seed gives the same storm again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What a person does who looks at the servers: says done when the script ran, and else retries.
async fn settle(world: &World, run: RunId) {
    let Ok(view) = world.try_view(run).await else { return };
    let id = run.to_string();
    for one in &view.steps {
        let path = one.path.as_str();
        if one.attempts.iter().any(|attempt| attempt.answerable) {
            let word = if world.count(path) > 0 { "--done" } else { "--not-done" };
            // It may have been settled meanwhile, or the controller be away: the next look says.
            let words = ["answer", &id, path, word, "--reason", "I looked"];
            let _ = world.cli.run(&words, SOON).await;
        } else if one.state == "failed" {
            assert_eq!(world.count(path), 0, "{path} ran and counts as failed: {view:#?}");
            let _ = world.cli.run(&["retry", &id, path], SOON).await;
        }
    }
}

#[tokio::test]
async fn in_a_storm_of_kills_and_cuts_every_step_is_done_exactly_once() {
    let seed = std::env::var("LIFEBOAT_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(rand::random::<u64>);
    println!("LIFEBOAT_SEED={seed}");
    let mut dice = Dice(seed);
    let names = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"];
    let mut plans = Plans::new("storm").host("west-1").through_a_link();
    let mut steps = String::new();
    for (index, name) in names.iter().enumerate() {
        plans = plans.script(name, "sleep 0.2");
        let after = index.checked_sub(1).map_or(String::new(), |last| format!("after: {}, ", names[last]));
        let host = if index % 2 == 0 { "east-1" } else { "west-1" };
        steps.push_str(&format!(
            "  {name}: {{ {after}undo: none, command: {{ script: SCRIPT({name}), hosts: [{host}] }} }}\n"
        ));
    }
    let mut world = plans.plan("storm", &steps).start().await;
    let run = world.run("storm").await;
    for _ in 0..14 {
        tokio::time::sleep(Duration::from_millis(50 + dice.roll(300))).await;
        match dice.roll(5) {
            0 => world.restart_controller("").await,
            kind @ (1 | 2) => {
                let agent = world.agent(if kind == 1 { "east-1" } else { "west-1" });
                agent.kill();
                agent.start().unwrap();
            }
            kind => {
                let link = world.link.as_ref().unwrap();
                link.set(if kind == 3 { State::Cut } else { State::HoldInward });
                tokio::time::sleep(Duration::from_millis(50 + dice.roll(400))).await;
                link.set(State::Open);
            }
        }
        settle(&world, run).await;
    }
    let over = tests::polling::until("the end of the storm", SOON * 2, async || {
        settle(&world, run).await;
        let view = world.try_view(run).await?;
        if view.is_open() { Err(format!("{view:#?}")) } else { Ok(view) }
    });
    let view = over.await.unwrap();
    assert_eq!(view.status, "succeeded", "seed {seed}: {view:#?}");
    for name in names {
        assert_eq!(world.count(name), 1, "seed {seed}: {name} of {view:#?}");
    }
}
