//! Journals that were changed, cut off or brought back from an old copy while the controller was down.

use crate::world::{Plans, SOON, World, step};
use model::RunId;
use std::path::Path;
use tests::polling::until;

/// A plan of one step.
const ONE_ALONE: &str = "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }\n";

/// Two plans on two hosts, each with a gated script and one after it.
async fn two_hosts(name: &str) -> World {
    let steps = |host: &str| {
        format!(
            "  one: {{ undo: none, command: {{ script: SCRIPT(one-{host}), hosts: [{host}-1] }} }}
  two: {{ after: one, undo: none, command: {{ script: SCRIPT(two-{host}), hosts: [{host}-1] }} }}
"
        )
    };
    let plans = Plans::new(name).host("west-1");
    let plans = plans.gated("one-east").script("two-east", "").gated("one-west").script("two-west", "");
    plans.plan("east", &steps("east")).plan("west", &steps("west")).start().await
}

/// Starts both plans and waits until the first script of each runs and is known to.
async fn both_under_way(world: &World) -> (RunId, RunId) {
    let (east, west) = (world.run("east").await, world.run("west").await);
    for (run, host) in [(east, "east"), (west, "west")] {
        world.until_begun(&format!("one-{host}")).await;
        let accepted = |view: &engine::view::View| step(view, "one").attempts[0].state == "accepted";
        world.until_view(run, "an accepted attempt", accepted).await;
    }
    (east, west)
}

#[tokio::test]
async fn fault_08_a_run_whose_journal_was_changed_is_parked_and_shown_and_the_others_go_on() {
    let mut world = two_hosts("fault-08").await;
    let (east, west) = both_under_way(&world).await;
    world.controller.kill();
    world
        .tamper(&[
            "drop trigger journal_is_never_changed",
            "update journal set event = replace(event, 'admin', 'mallory') where sequence = 1 and run = (select run from runs where plan = 'east')",
        ])
        .await;
    world.controller.start().await.unwrap();
    world.open("one-east");
    world.open("one-west");
    world.until_success(west).await;
    assert_eq!(world.count("two-west"), 1);
    assert_eq!(world.count("two-east"), 0, "a run that was tampered with does nothing more");
    let listed =
        world.say(&["runs", "list", "--output", "json"]).await.expect_code(0).unwrap().json().unwrap();
    let row = listed.as_array().unwrap().iter().find(|row| row["run"] == east.to_string()).unwrap().clone();
    assert_eq!(row["status"], "stuck", "{row}");
    let detail = row["detail"].as_str().unwrap();
    assert!(detail.contains("LB1209") && detail.contains("event 1"), "{detail}");
    // Whoever looks at it is told what it is and what to do.
    let id = east.to_string();
    for verb in [&["watch"][..], &["runs", "show"][..]] {
        let words = [verb, &[id.as_str()]].concat();
        let shown = world.say(&words).await;
        assert_ne!(shown.code, 0);
        assert!(
            shown.stderr.contains("LB1209") && shown.stderr.contains("what to do:"),
            "{verb:?}: {}",
            shown.stderr
        );
    }
    // New runs on the other host start as ever.
    let again = world.run("west").await;
    world.until_success(again).await;
}

/// Waits until the controller says that it commands no more, and asserts that it tells people why.
async fn halted(world: &World, codes: &[&str]) {
    until("a controller that stops commanding", SOON, async || {
        let log = world.controller_log();
        match codes.iter().any(|code| log.contains(code)) && log.contains("commands no more") {
            true => Ok(()),
            false => Err(log.lines().rev().take(5).collect::<Vec<_>>().join("\n")),
        }
    })
    .await
    .unwrap();
    let refused = world.say(&["run", "west", "--detach"]).await;
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    assert!(codes.iter().any(|code| refused.stderr.contains(code)), "{}", refused.stderr);
    assert!(refused.stderr.contains("what to do:"), "{}", refused.stderr);
}

#[tokio::test]
async fn fault_10_a_journal_that_lost_its_tail_is_found_by_the_agents_and_nothing_is_sent() {
    let mut world = two_hosts("fault-10-tail").await;
    let (east, _) = both_under_way(&world).await;
    let whole = world.journal(east).await.len();
    world.controller.kill();
    world
        .tamper(&[
            "drop trigger journal_is_never_deleted",
            "delete from journal where sequence > 2 and run = (select run from runs where plan = 'east')",
            "update runs set sequence = 2, status = 'pending', head = (select hash from journal where run = runs.run and sequence = 2) where plan = 'east'",
        ])
        .await;
    world.controller.start().await.unwrap();
    halted(&world, &["LB1122"]).await;
    assert!(world.controller_log().contains(&east.to_string()), "the log names the run");
    world.open("one-east");
    world.until_gone("one-east").await;
    assert_eq!((world.count("one-east"), world.count("two-east")), (1, 0), "nothing was sent again");
    assert!(world.journal(east).await.len() < whole, "nothing was made up either");
}

fn copy(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

#[tokio::test]
async fn fault_10_a_data_folder_restored_from_an_old_copy_does_not_command_whatever_its_epoch() {
    let mut world = two_hosts("fault-10-copy").await;
    let (east, _) = both_under_way(&world).await;
    let old = world.scratch.folder("old").unwrap();
    world.controller.stop().await;
    copy(world.controller.data(), &old);
    // Life goes on: the run on east ends, with all that it did.
    world.controller.start().await.unwrap();
    world.open("one-east");
    world.until_success(east).await;
    world.controller.kill();
    for agent in world.agents.values_mut() {
        agent.stop().await;
    }
    for file in std::fs::read_dir(world.controller.data()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            std::fs::remove_file(path).unwrap();
        }
    }
    copy(&old, world.controller.data());
    // However often the copy is started, and so however high its epoch grows.
    for _ in 0..3 {
        world.controller.start().await.unwrap();
        world.controller.stop().await;
    }
    world.controller.start().await.unwrap();
    world.agent("east-1").start().unwrap();
    halted(&world, &["LB1122", "LB1120", "LB2111"]).await;
    assert_eq!((world.count("one-east"), world.count("two-east")), (1, 1), "nothing was done twice");
}

#[tokio::test]
async fn the_audit_names_the_event_that_somebody_changed_and_a_run_that_is_gone() {
    let world = Plans::new("audit").script("one", "").plan("one", ONE_ALONE).start().await;
    let (changed, gone) = (world.run("one").await, world.run("one").await);
    for run in [changed, gone] {
        world.until_success(run).await;
    }
    let whole = world.say(&["audit", "verify", "--output", "json"]).await.expect_code(0).unwrap();
    let whole = whole.json().unwrap();
    assert!(whole["whole"] == true && whole["runs"].as_u64() >= Some(2), "{whole:#}");
    let known = whole["last"].as_str().unwrap().to_owned();
    world.say(&["audit", "verify", "--known", &known]).await.expect_code(0).unwrap();
    world
        .tamper(&[
            "drop trigger journal_is_never_changed",
            "drop trigger journal_is_never_deleted",
            "update journal set event = replace(event, '\"admin\"', '\"mallory\"') \
             where sequence = 1 and run = (select min(run) from runs where plan = 'one')",
            "delete from journal where run = (select max(run) from runs where plan = 'one')",
            "delete from held where run = (select max(run) from runs where plan = 'one')",
            "delete from runs where run = (select max(run) from runs where plan = 'one')",
        ])
        .await;
    let found = world.say(&["audit", "verify"]).await.expect_code(1).unwrap();
    assert!(found.stdout.contains(&format!("run {changed}, event 1:")), "{}", found.stdout);
    assert!(found.stdout.contains(&gone.to_string()), "{}", found.stdout);
    assert!(found.stderr.contains("LB3100"), "{}", found.stderr);
    let acts = world.say(&["audit", "list"]).await.expect_code(0).unwrap();
    assert!(acts.stdout.contains("run-requested"), "{}", acts.stdout);
}
