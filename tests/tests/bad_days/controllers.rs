//! The controller dies at each point where it could hurt, and starts again.
//!
//! One plan of two steps serves all: when the controller is back the run goes on, and each script has run
//! exactly once.

use crate::world::{Plans, SOON, World, step};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::{Duration, Instant},
};
use tests::{
    polling::until,
    ports,
    process::{Process, Spec, tail},
    programs::program,
};

const TWO: &str = "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }
  two: { after: one, undo: none, command: { script: SCRIPT(two), hosts: [east-1] } }
";

async fn two_steps(name: &str) -> World {
    Plans::new(name).script("one", "").script("two", "").plan("two", TWO).start().await
}

/// Kills the controller at `point`, starts it again, and asserts that nothing was lost or done twice.
async fn dies_at(name: &str, point: &str, ran_before: usize) {
    let mut world = two_steps(name).await;
    world.restart_controller(point).await;
    world.until_connected("east-1").await;
    let run = world.run_and_lose_the_controller("two").await;
    if point.starts_with("before-commit") {
        // Nothing may follow from what is not durable.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(world.count("one") <= ran_before, "{} executions before the restart", world.count("one"));
    // What the crash left on the disk shows that it came at the point that was meant.
    let left = world.journal(run).await;
    let count = |kind: &str| left.iter().filter(|row| row.kind() == kind).count();
    assert_eq!(count("attempt-started"), usize::from(point != "before-commit"), "{left:#?}");
    assert_eq!((count("ended"), count("step-succeeded")), (0, 0), "{left:#?}");
    let began = Instant::now();
    world.restart_controller("").await;
    let listens = began.elapsed();
    let view = world.until_success(run).await;
    println!("{point}: listening after {listens:?}, the run was over {:?} after the start", began.elapsed());
    assert_eq!((world.count("one"), world.count("two")), (1, 1), "{view:#?}");
    assert_eq!(step(&view, "one").attempts.len(), 1, "a restart is no reason for a new attempt");
    let journal = world.journal(run).await;
    let epochs: std::collections::BTreeSet<i64> = journal.iter().map(|row| row.epoch).collect();
    assert_eq!(epochs.len(), 2, "both lives of the controller wrote: {epochs:?}");
    let kinds: Vec<&str> = journal.iter().map(super::world::Row::kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "attempt-started").count(), 2, "{kinds:?}");
    let numbers: Vec<i64> = journal.iter().map(|row| row.sequence).collect();
    assert_eq!(numbers, (1..=i64::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
}

#[tokio::test]
async fn fault_01_a_controller_that_dies_before_its_intent_is_durable_has_sent_nothing_and_goes_on() {
    dies_at("fault-01", "before-commit", 0).await;
}

#[tokio::test]
async fn fault_02_a_controller_that_dies_after_its_intent_and_before_sending_sends_it_when_it_is_back() {
    dies_at("fault-02", "after-commit", 0).await;
}

#[tokio::test]
async fn fault_03_a_controller_that_dies_after_sending_gets_the_result_and_nothing_is_repeated() {
    dies_at("fault-03", "after-send", 1).await;
}

#[tokio::test]
async fn fault_04_a_controller_that_dies_with_a_result_in_its_hands_gets_it_again() {
    dies_at("fault-04", "after-result", 1).await;
}

#[tokio::test]
async fn fault_03_a_controller_killed_in_mid_step_attaches_again_under_a_new_epoch() {
    let mut world = Plans::new("attach").gated("one").script("two", "").plan("two", TWO).start().await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    world
        .until_view(run, "an accepted attempt", |view| step(view, "one").attempts[0].state == "accepted")
        .await;
    world.restart_controller("").await;
    let view = world.until_view(run, "the run again", |view| view.is_open()).await;
    assert_eq!(step(&view, "one").state, "running", "{view:#?}");
    world.open("one");
    world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
    let epochs: std::collections::BTreeSet<i64> =
        world.journal(run).await.iter().map(|row| row.epoch).collect();
    assert_eq!(epochs.len(), 2, "{epochs:?}");
}

#[tokio::test]
async fn fault_03_what_ended_while_the_controller_was_dead_is_answered_from_the_spool() {
    let mut world = Plans::new("spooled").gated("one").script("two", "").plan("two", TWO).start().await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    world.controller.kill();
    world.open("one");
    world.until_gone("one").await;
    world.restart_controller("").await;
    let view = world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
    assert_eq!(step(&view, "one").attempts.len(), 1);
    assert_eq!(step(&view, "one").attempts[0].output.as_ref().unwrap()["printed"], "through");
}

#[tokio::test]
async fn a_controller_and_its_agent_both_killed_in_mid_run_go_on_together() {
    let mut world = Plans::new("both").gated("one").script("two", "").plan("two", TWO).start().await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    world.controller.kill();
    world.agent("east-1").kill();
    world.controller.start().await.unwrap();
    world.agent("east-1").start().unwrap();
    // A script that was begun is nobody's to guess about.
    let view =
        world.until_view(run, "a question", |view| !view.next.is_empty() && view.status == "waiting").await;
    assert!(view.next.iter().any(|line| line.starts_with("lifeboat answer")), "{:?}", view.next);
    world.until_gone("one").await;
    let id = run.to_string();
    let answer = ["answer", &id, "one", "--done", "--reason", "I looked at the server"];
    world.say(&answer).await.expect_code(0).unwrap();
    world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
}

#[tokio::test]
async fn fault_13_a_second_controller_on_the_same_folder_exits_and_names_the_holder() {
    let world = two_steps("fault-13").await;
    let config = world.scratch.path().join("controller.yaml");
    let mut command = tokio::process::Command::new(program("lifeboat-controller").unwrap());
    command.arg("--config").arg(config).args(["--listen", "127.0.0.1:0"]).kill_on_drop(true);
    let output = tokio::time::timeout(SOON, command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("LB1203") && said.contains("controller main, process"), "{said}");
    // The first one has not noticed.
    let run = world.run("two").await;
    world.until_success(run).await;
}

#[tokio::test]
async fn fault_50_a_second_run_on_one_target_is_refused_with_who_and_since_when() {
    let world = Plans::new("fault-50").gated("one").script("two", "").plan("two", TWO).start().await;
    let run = world.run("two").await;
    let refused = world.say(&["run", "two", "--detach"]).await.expect_code(5).unwrap();
    let said = &refused.stderr;
    assert!(said.contains("LB1350") && said.contains("host/east-1"), "{said}");
    assert!(said.contains(&run.to_string()) && said.contains("admin") && said.contains(" at 20"), "{said}");
    assert!(said.contains("what to do:") && said.contains("lifeboat watch"), "{said}");
    world.open("one");
    world.until_success(run).await;
    let again = world.run("two").await;
    world.until_success(again).await;
    assert_eq!((world.count("one"), world.count("two")), (2, 2));
}

#[tokio::test]
async fn fault_50_of_ten_starts_at_once_exactly_one_wins() {
    let world = Plans::new("race").gated("one").script("two", "").plan("two", TWO).start().await;
    let starts = (0..10).map(|_| world.cli.run(&["run", "two", "--detach"], SOON));
    let answers = futures::future::join_all(starts).await;
    let codes: Vec<i32> = answers.into_iter().map(|answer| answer.unwrap().code).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == 5).count(), 9, "{codes:?}");
    assert_eq!(world.rows("select run from runs").await.len(), 1);
    world.open("one");
    until(
        "one execution",
        SOON,
        async || if world.count("two") == 1 { Ok(()) } else { Err("none".to_owned()) },
    )
    .await
    .unwrap();
    assert_eq!(world.count("one"), 1);
}

/// The agents of this world know both controllers, in this order.
fn know_both(world: &World, second: SocketAddr) {
    let settings = world.scratch.path().join("agent-east-1.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let first = world.controller.address();
    let both = format!("[\"{first}\", \"{second}\"]");
    std::fs::write(&settings, text.replace(&format!("[\"{first}\"]"), &both)).unwrap();
}

/// A second controller with a copy of all that the first has made durable.
fn take_over(world: &World, address: SocketAddr) -> (Process, PathBuf) {
    let data = world.scratch.folder("second").unwrap();
    for file in std::fs::read_dir(world.controller.data()).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), data.join(file.file_name())).unwrap();
    }
    let data = data.display();
    let settings = format!("name: second\ndata: {data}\nlisten: \"{address}\"\nheartbeat: 300ms\n");
    let settings = world.scratch.write("second.yaml", &settings).unwrap().display().to_string();
    let program = program("lifeboat-controller").unwrap().display().to_string();
    let log = world.scratch.log("second");
    let spec = Spec::new("second controller", log.clone(), [program, "--config".to_owned(), settings]);
    (spec.start().unwrap(), log)
}

#[tokio::test]
async fn fault_14_a_controller_that_was_frozen_and_passed_over_steps_down_and_nothing_it_sends_is_done() {
    let mut world = Plans::new("fault-14").gated("one").script("two", "").plan("two", TWO).start().await;
    let local = Ipv4Addr::LOCALHOST;
    let second: SocketAddr = (local, ports::free(local.into()).unwrap()).into();
    know_both(&world, second);
    world.restart_agent("east-1", "").await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    world
        .until_view(run, "an accepted attempt", |view| step(view, "one").attempts[0].state == "accepted")
        .await;
    world.controller.freeze();
    let (other, log) = take_over(&world, second);
    world.open("one");
    until("the second step under the second controller", SOON * 2, async || match world.count("two") {
        0 => Err(tail(&log)),
        _ => Ok(()),
    })
    .await
    .unwrap();
    drop(other);
    // The first one wakes up and knows nothing of all that.
    world.controller.thaw();
    until("a controller that steps down", SOON * 2, async || {
        let log = world.controller_log();
        match log.contains("commands no more") && log.contains("LB1120") {
            true => Ok(()),
            false => Err(tail(world.controller.log())),
        }
    })
    .await
    .unwrap();
    assert_eq!((world.count("one"), world.count("two")), (1, 1), "nothing was done twice");
    let refused = world.say(&["run", "two", "--detach"]).await;
    assert_ne!(refused.code, 0);
    assert!(
        refused.stderr.contains("LB1120") && refused.stderr.contains("what to do:"),
        "{}",
        refused.stderr
    );
}
