//! People change their minds: cancel, pause, edit, and terminals that are closed.

use crate::world::{Plans, SOON, step};
use std::time::Duration;
use tests::polling::until;
use tokio_stream::StreamExt as _;

const TWO: &str = "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }
  two: { after: one, undo: none, command: { script: SCRIPT(two), hosts: [east-1] } }
";

#[tokio::test]
async fn a_cancelled_script_that_forks_twice_leaves_nothing_behind() {
    // A child of a child whose parent is gone, and one in a session of its own: both outlive a kill of
    // the script alone.
    let forks = "( ( sh -c 'echo $$ >> SCRATCH/ran/one; exec sleep 600' ) & ) &\n\
                 setsid sh -c 'echo $$ >> SCRATCH/ran/one; exec sleep 600' &\nexec sleep 600";
    let plans = Plans::new("cancel");
    let forks = forks.replace("SCRATCH", &plans.folder());
    let world = plans.script("one", &forks).script("two", "").plan("two", TWO).start().await;
    let run = world.run("two").await;
    until("three processes", SOON, async || match world.count("one") {
        3 => Ok(()),
        count => Err(format!("{count}")),
    })
    .await
    .unwrap();
    assert!(world.pids("one").iter().all(|pid| tests::process::alive(*pid)));
    let id = run.to_string();
    world.say(&["cancel", &id, "--reason", "wrong region", "--yes"]).await.expect_code(0).unwrap();
    let view = world.until_view(run, "a question", |view| view.status == "waiting").await;
    let left: Vec<u32> = world.pids("one").into_iter().filter(|pid| tests::process::alive(*pid)).collect();
    assert!(left.is_empty(), "{left:?} still run");
    // What a script did until it was stopped, only a person can tell.
    assert!(view.next.iter().any(|line| line.starts_with("lifeboat answer")), "{:?}", view.next);
    let answer = ["answer", &id, "one", "--not-done", "--reason", "it had only begun"];
    world.say(&answer).await.expect_code(0).unwrap();
    let view = world.until_over(run).await;
    assert_eq!(view.status, "cancelled", "{view:#?}");
    assert!(view.detail.contains("admin") && view.detail.contains("wrong region"), "{}", view.detail);
    assert_eq!(world.count("two"), 0);
    world.say(&["watch", &id]).await.expect_code(1).unwrap();
}

#[tokio::test]
async fn a_cancelled_question_ends_the_run_at_once_since_it_changed_nothing() {
    let world = Plans::new("cancel-read")
        .gated("probe")
        .estate("services:\n  idle: { kind: process, hosts: { east-1: { run: [/bin/sleep, infinity] } } }\nchecks:\n  fine: { of: idle, monitor: false, within: 60s, command: { script: SCRIPT(probe) } }\n")
        .plan("ask", "  one: { check: { checks: [fine], hosts: [east-1] } }\n")
        .start()
        .await;
    let run = world.run("ask").await;
    world.until_begun("probe").await;
    world.say(&["cancel", &run.to_string(), "--reason", "enough"]).await.expect_code(0).unwrap();
    let view = world.until_over(run).await;
    assert_eq!(view.status, "cancelled", "{view:#?}");
    world.until_gone("probe").await;
    // The target is free again.
    let again = world.run("ask").await;
    world.open("probe");
    world.until_success(again).await;
}

#[tokio::test]
async fn a_paused_run_finishes_what_runs_and_begins_nothing_until_it_is_resumed() {
    let world = Plans::new("pause").gated("one").script("two", "").plan("two", TWO).start().await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    let id = run.to_string();
    world.say(&["pause", &id, "--reason", "let me think"]).await.expect_code(0).unwrap();
    world.open("one");
    let view =
        world.until_view(run, "the first step's end", |view| step(view, "one").state == "succeeded").await;
    assert_eq!(view.status, "paused", "{view:#?}");
    assert!(view.detail.contains("let me think"), "{}", view.detail);
    assert!(view.next.iter().any(|line| line.starts_with("lifeboat resume")), "{:?}", view.next);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(world.count("two"), 0);
    world.say(&["resume", &id]).await.expect_code(0).unwrap();
    world.until_success(run).await;
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
}

#[tokio::test]
async fn fault_52_a_plan_that_is_edited_while_it_runs_goes_on_as_it_was_started() {
    let plans = Plans::new("fault-52").gated("one").script("two", "").script("other", "");
    let world = plans.plan("two", TWO).start().await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    let before = world.try_view(run).await.unwrap();
    world.rewrite("two", &TWO.replace("SCRIPT(two)", "SCRIPT(other)"));
    world.apply().await.expect_code(0).unwrap();
    world.open("one");
    let view = world.until_success(run).await;
    assert_eq!((world.count("two"), world.count("other")), (1, 0));
    assert_eq!(view.digest, before.digest);
    let edited = world.run("two").await;
    let edited = world.until_success(edited).await;
    assert_eq!((world.count("two"), world.count("other")), (1, 1));
    assert_ne!(edited.digest, view.digest);
}

#[tokio::test]
async fn a_watch_that_was_killed_is_attached_again_and_outlives_the_controller() {
    let mut world = Plans::new("watch").gated("one").script("two", "").plan("two", TWO).start().await;
    let run = world.run("two").await;
    let id = run.to_string();
    world.until_begun("one").await;
    // A terminal that is closed takes nothing with it.
    let mut first = world.cli.command(&["watch", &id]).unwrap();
    first.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    let mut first = first.spawn().unwrap();
    first.start_kill().unwrap();
    first.wait().await.unwrap();
    let mut second = world.cli.command(&["watch", &id, "--output", "json"]).unwrap();
    second.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let second = second.spawn().unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.restart_controller("").await;
    world.open("one");
    let ended = tokio::time::timeout(SOON, second.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{said}");
    let report: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(report["status"], "succeeded");
    assert_eq!(report["steps"].as_array().unwrap().len(), 2);
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
}

#[tokio::test]
async fn ctrl_c_detaches_and_the_run_goes_on() {
    let world = Plans::new("detach").gated("one").script("two", "").plan("two", TWO).start().await;
    let mut first = world.cli.command(&["run", "two"]).unwrap();
    first.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let first = first.spawn().unwrap();
    world.until_begun("one").await;
    // The command listens for it from its first picture on.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let id = i32::try_from(first.id().unwrap()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), rustix::process::Signal::INT)
        .unwrap();
    let ended = tokio::time::timeout(SOON, first.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(4), "open: {said}");
    assert!(said.contains("the run goes on") && said.contains("lifeboat watch"), "{said}");
    world.open("one");
    let again = world.say(&["watch"]).await;
    // The newest open run is meant; when it has just ended there is none.
    assert!([0, 1].contains(&again.code), "{}", again.stderr);
    let runs = world.say(&["runs", "list", "--output", "json"]).await.json().unwrap();
    assert_eq!(runs[0]["status"], "succeeded", "{runs}");
    assert_eq!((world.count("one"), world.count("two")), (1, 1));
}

#[tokio::test]
async fn a_stream_of_events_resumed_by_number_misses_nothing_and_repeats_nothing() {
    let mut world = Plans::new("stream").gated("one").script("two", "").plan("two", TWO).start().await;
    let run = world.run("two").await;
    world.until_begun("one").await;
    let mut seen: Vec<u64> = Vec::new();
    let watch = |after| proto::v1::WatchRequest { run: run.0.as_bytes().to_vec(), after_sequence: after };
    let mut stream = world.runs().watch(watch(0)).await.unwrap().into_inner();
    while seen.len() < 3 {
        let event = tokio::time::timeout(SOON, stream.next()).await.unwrap().unwrap().unwrap();
        seen.extend((event.sequence > 0).then_some(event.sequence));
    }
    drop(stream);
    world.restart_controller("").await;
    world.open("one");
    let after = *seen.last().unwrap();
    let mut stream = world.runs().watch(watch(after)).await.unwrap().into_inner();
    while let Some(event) = tokio::time::timeout(SOON, stream.next()).await.unwrap() {
        let event = event.unwrap();
        seen.extend((event.sequence > 0).then_some(event.sequence));
    }
    let journal = world.journal(run).await;
    assert_eq!(seen, (1..=journal.len() as u64).collect::<Vec<_>>());
    assert_eq!(journal.last().unwrap().kind(), "finished");
}
