//! The agent dies before, during and after a job, or does not answer.
//!
//! What was begun and whose end is not on the disk is *unknown*: work that may be repeated is repeated as a
//! new attempt, and about a script a person is asked. Nothing is ever guessed, and no token begins twice.

use crate::world::{Plans, World, step};
use engine::view::View;
use model::RunId;
use std::time::Duration;
use tests::polling::until;

const TWO: &str = "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }
  two: { after: one, undo: none, command: { script: SCRIPT(two), hosts: [east-1] } }
";

async fn two_steps(name: &str) -> World {
    Plans::new(name).script("one", "").script("two", "").plan("two", TWO).start().await
}

/// Lets the agent die at `point` with the run's first script, and starts it again.
async fn dies_at(world: &mut World, point: &str) -> RunId {
    world.restart_agent("east-1", point).await;
    let run = world.run("two").await;
    world.agent("east-1").wait_until_it_ends(Duration::from_secs(30)).await.unwrap();
    world.agent("east-1").set("LIFEBOAT_CRASH_AT", "");
    world.agent("east-1").start().unwrap();
    run
}

/// Waits for the question about the first script, and asserts that it can be acted upon.
async fn question(world: &World, run: RunId) -> View {
    let view = world.until_view(run, "a question", |view| view.status == "waiting").await;
    let one = step(&view, "one");
    assert_eq!(one.attempts.len(), 1, "unsafe work is never tried again by itself");
    assert_eq!((one.attempts[0].state.as_str(), one.attempts[0].answerable), ("unknown", true), "{one:#?}");
    assert!(view.detail.contains("nobody can tell"), "{}", view.detail);
    for wanted in ["--done", "--not-done"] {
        let asked = |line: &String| line.starts_with("lifeboat answer") && line.contains(wanted);
        assert!(view.next.iter().any(asked), "{wanted}: {:?}", view.next);
    }
    assert_eq!(world.count("two"), 0, "what follows is held");
    view
}

async fn answer(world: &World, run: RunId, word: &str) {
    let id = run.to_string();
    let said = ["answer", &id, "one", word, "--reason", "I looked at the server"];
    world.say(&said).await.expect_code(0).unwrap();
}

#[tokio::test]
async fn fault_23_an_agent_killed_before_it_begins_does_the_work_when_it_is_back() {
    let mut world = two_steps("fault-23").await;
    let run = dies_at(&mut world, "order-judged").await;
    let view = world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
    assert_eq!(step(&view, "one").attempts.len(), 1, "an order that did not begin may begin under its token");
}

#[tokio::test]
async fn fault_24_an_agent_killed_as_it_begins_asks_a_person_and_not_done_lets_it_be_retried() {
    let mut world = two_steps("fault-24-begin").await;
    let run = dies_at(&mut world, "after-begin").await;
    question(&world, run).await;
    assert_eq!(world.count("one"), 0);
    answer(&world, run, "--not-done").await;
    let view = world.until_view(run, "a failed step", |view| step(view, "one").state == "failed").await;
    assert!(view.is_open(), "{view:#?}");
    world.say(&["retry", &run.to_string(), "one"]).await.expect_code(0).unwrap();
    let view = world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
    assert_eq!(step(&view, "one").attempts.len(), 2, "a re-run is a new attempt");
}

#[tokio::test]
async fn fault_24_an_agent_killed_in_the_middle_of_a_script_leaves_nothing_running_and_asks() {
    let mut world =
        Plans::new("fault-24-middle").gated("one").script("two", "").plan("two", TWO).start().await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    world.agent("east-1").kill();
    world.agent("east-1").start().unwrap();
    question(&world, run).await;
    // "It no longer runs" is said, so it must be true before the question is asked.
    let left: Vec<u32> = world.pids("one").into_iter().filter(|pid| tests::process::alive(*pid)).collect();
    assert!(left.is_empty(), "{left:?} still run");
    answer(&world, run, "--done").await;
    world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
}

#[tokio::test]
async fn fault_25_an_agent_killed_before_the_end_is_durable_asks_and_does_nothing_twice() {
    let mut world = two_steps("fault-25").await;
    let run = dies_at(&mut world, "before-end").await;
    question(&world, run).await;
    assert_eq!(world.count("one"), 1);
    answer(&world, run, "--done").await;
    world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
}

#[tokio::test]
async fn an_agent_killed_after_the_end_is_durable_delivers_it_when_it_is_back() {
    let mut world = two_steps("after-end").await;
    let run = dies_at(&mut world, "after-end").await;
    let view = world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
    assert_eq!(step(&view, "one").attempts.len(), 1);
}

#[tokio::test]
async fn fault_24_a_question_that_was_cut_off_is_asked_again_without_a_person() {
    let mut world = Plans::new("fault-24-read")
        .script("probe", "exit 0")
        .script("two", "")
        .estate("services:\n  idle: { kind: process, hosts: { east-1: { run: [/bin/sleep, infinity] } } }\nchecks:\n  fine: { of: idle, monitor: false, command: { script: SCRIPT(probe) } }\n")
        .plan("two", "  one: { check: { checks: [fine], hosts: [east-1] } }\n  two: { after: one, undo: none, command: { script: SCRIPT(two), hosts: [east-1] } }\n")
        .start()
        .await;
    let run = dies_at(&mut world, "before-end").await;
    let view = world.until_success(run).await;
    assert_eq!(step(&view, "one").attempts.len(), 2, "{view:#?}");
    assert_eq!((world.count("probe"), world.count("two")), (2, 1));
}

#[tokio::test]
async fn fault_24_a_start_that_was_cut_off_settles_without_a_person_and_the_service_runs_once() {
    let mut world = Plans::new("fault-24-start")
        .script("daemon", "exec sleep 600")
        .estate("services:\n  daemon: { kind: process, hosts: { east-1: { run: [SCRIPT(daemon)] } } }\n")
        .policy("services:\n  - { name: daemon, process: SCRIPT(daemon), args: [] }\n")
        .plan("two", "  one: { start: { services: [daemon], hosts: [east-1] } }\n")
        .start()
        .await;
    let run = dies_at(&mut world, "before-end").await;
    let view = world.until_success(run).await;
    // A probe found that it runs, so there was nothing to repeat.
    assert_eq!(step(&view, "one").attempts.len(), 1, "{view:#?}");
    assert_eq!(world.count("daemon"), 1);
    assert!(tests::process::alive(world.pids("daemon")[0]));
}

#[tokio::test]
async fn fault_29_a_step_whose_agent_is_frozen_is_unknown_and_never_failed_and_settles_once_it_thaws() {
    let world = Plans::new("fault-29")
        .script("daemon", "exec sleep 600")
        .script("two", "")
        .estate("services:\n  daemon: { kind: process, hosts: { east-1: { run: [SCRIPT(daemon)] } } }\n")
        .policy("services:\n  - { name: daemon, process: SCRIPT(daemon), args: [] }\n")
        .plan("two", "  one: { timeout: 2s, start: { services: [daemon], hosts: [east-1] } }\n  two: { after: one, undo: none, command: { script: SCRIPT(two), hosts: [east-1] } }\n")
        .start()
        .await;
    world.agents["east-1"].freeze();
    let run = world.run("two").await;
    let unknown = |view: &View| step(view, "one").state == "unknown";
    let view = world.until_view(run, "an unknown step", unknown).await;
    assert_eq!(step(&view, "one").attempts[0].state, "unknown", "{view:#?}");
    let silent =
        |view: &View| step(view, "one").attempts[0].silent_since.is_some() && view.status == "waiting";
    let view = world.until_view(run, "a host that is waited for", silent).await;
    assert_eq!(step(&view, "one").state, "unknown", "{view:#?}");
    assert!(view.detail.contains("host east-1, silent since"), "{}", view.detail);
    assert!(view.next.iter().any(|line| line.starts_with("lifeboat ")), "{:?}", view.next);
    assert_eq!((world.count("daemon"), world.count("two")), (0, 0));
    let journal = world.journal(run).await;
    assert!(!journal.iter().any(|row| row.kind() == "step-failed"), "never failed");
    world.agents["east-1"].thaw();
    world.until_success(run).await;
    assert_eq!((world.count("daemon"), world.count("two")), (1, 1));
}

#[tokio::test]
async fn fault_29_a_step_outlives_a_frozen_agent_when_its_time_is_long_enough() {
    let world = Plans::new("fault-29-short").gated("one").script("two", "").plan("two", TWO).start().await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    world.agents["east-1"].freeze();
    let away = tests::polling::until("a host that is away", Duration::from_secs(30), async || {
        let status =
            world.say(&["status", "--output", "json"]).await.json().map_err(|error| error.chain())?;
        let host = status["hosts"][0].clone();
        if host["is"] == "unreachable" { Ok(host) } else { Err(host.to_string()) }
    });
    let away = away.await.unwrap();
    assert!(away["detail"].as_str().unwrap().contains("heard"), "{away}");
    world.open("one");
    world.until_gone("one").await;
    let view = world.try_view(run).await.unwrap();
    assert_eq!(step(&view, "one").state, "running", "{view:#?}");
    world.agents["east-1"].thaw();
    let view = world.until_success(run).await;
    assert_eq!(step(&view, "one").attempts.len(), 1);
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
}

/// The words of `status` about a host.
async fn detail(world: &World, host: usize) -> String {
    let status = world.say(&["status", "--output", "json"]).await.json().unwrap();
    status["hosts"][host].to_string()
}

#[tokio::test]
async fn fault_31_a_copied_agent_locks_both_and_no_step_runs_on_either() {
    let mut world = two_steps("fault-31").await;
    world.agent("east-1").stop().await;
    let mut copy = world.agents["east-1"].copied(&world.scratch).unwrap();
    world.agent("east-1").start().unwrap();
    world.until_connected("east-1").await;
    copy.start().unwrap();
    until("both are locked", Duration::from_secs(60), async || {
        let said = detail(&world, 0).await;
        if said.contains("LB1118") { Ok(()) } else { Err(said) }
    })
    .await
    .unwrap();
    let run = world.run("two").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.count("one"), 0, "no step runs on either");
    assert!(detail(&world, 0).await.contains("unreachable"));

    // A restart of the controller forgets nothing.
    world.restart_controller("").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(world.count("one"), 0);

    // The right one enrols anew; its copy stays out, and the run goes on.
    world.agent("east-1").stop().await;
    let token = world.token("east-1", "15m").await;
    world.agents["east-1"].enrol(&world.scratch, &token).await.unwrap();
    world.agent("east-1").start().unwrap();
    world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
    copy.stop().await;
}
