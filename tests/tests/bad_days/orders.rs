//! Orders that a host's own policy forbids, scripts that are not what was listed, and steps that fail.

use crate::world::{Plans, SOON, step};

#[tokio::test]
async fn an_order_that_the_policy_forbids_is_refused_by_the_agent_and_named_in_the_run() {
    let plans = Plans::new("forbidden").script("first", "").script("after", "");
    let world = plans
        .plan(
            "forbidden",
            "  first: { undo: none, command: { script: SCRIPT(first), hosts: [east-1] } }
  second: { after: first, undo: none, command: { script: SCRATCH/unlisted.sh, hosts: [east-1] } }
  third: { after: second, undo: none, command: { script: SCRIPT(after), hosts: [east-1] } }
",
        )
        .start()
        .await;
    let trace = world.scratch.path().join("unlisted-ran").display().to_string();
    world.scratch.write("unlisted.sh", &format!("#!/bin/sh\ntouch {trace}\n")).unwrap();
    let run = world.run("forbidden").await;
    let view = world.until_view(run, "a run that waits for a person", |view| view.status == "waiting").await;
    let problem = step(&view, "second").problem.clone().expect("a problem");
    assert_eq!(problem.code, "LB2185");
    assert!(problem.advice.contains("scripts:") && problem.advice.contains("unlisted.sh"), "{problem:?}");
    assert!(problem.advice.contains("policy"), "{problem:?}");
    assert!(view.detail.contains("second"), "{}", view.detail);
    assert!(view.next.iter().any(|line| line.starts_with("lifeboat retry")), "{:?}", view.next);
    assert_eq!((world.count("first"), world.count("after")), (1, 0));
    assert!(!world.scratch.path().join("unlisted-ran").exists(), "a forbidden script was run");
    assert_eq!(step(&view, "second").attempts.len(), 1, "a refusal is not retried");
    // What the command line shows of it, and how it can be closed.
    let id = run.to_string();
    let shown = world.say(&["runs", "show", &id]).await.expect_code(4).unwrap();
    assert!(shown.stdout.contains("LB2185"), "{}", shown.stdout);
    world.say(&["end", &id, "--reason", "it was a mistake", "--yes"]).await.expect_code(0).unwrap();
    let view = world.until_over(run).await;
    assert_eq!(view.status, "failed", "{view:#?}");
    let shown = world.say(&["watch", &id]).await.expect_code(1).unwrap();
    assert!(shown.stdout.contains("it was a mistake"), "{}", shown.stdout);
    assert_eq!(world.count("after"), 0);
}

#[tokio::test]
async fn a_script_that_changed_since_it_was_listed_is_not_run() {
    let world = Plans::new("changed")
        .script("one", "")
        .plan("small", "  one: { undo: none, command: { script: SCRIPT(one), hosts: [east-1] } }\n")
        .start()
        .await;
    let path = world.scratch.path().join("scripts/one");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}echo and more\n")).unwrap();
    let run = world.run("small").await;
    let view = world.until_view(run, "a run that waits for a person", |view| view.status == "waiting").await;
    let problem = step(&view, "one").problem.clone().expect("a problem");
    assert_eq!(problem.code, "LB2188");
    assert!(problem.message.contains("SHA-256"), "{problem:?}");
    assert_eq!(world.count("one"), 0);
    // Mended, a retry by hand does it.
    std::fs::write(&path, text).unwrap();
    world.say(&["retry", &run.to_string(), "one"]).await.expect_code(0).unwrap();
    world.until_success(run).await;
    assert_eq!(world.count("one"), 1);
}

#[tokio::test]
async fn a_script_that_fails_stops_the_plan_and_shows_its_last_lines() {
    let world = Plans::new("failing")
        .script("bad", "echo the disk of db-7 is full\nexit 3")
        .script("after", "")
        .plan(
            "failing",
            "  bad: { undo: none, command: { script: SCRIPT(bad), hosts: [east-1] } }
  after: { after: bad, undo: none, command: { script: SCRIPT(after), hosts: [east-1] } }
",
        )
        .start()
        .await;
    let answer = world.cli.run(&["run", "failing", "--detach"], SOON).await.unwrap().expect_code(0).unwrap();
    let run = answer.stdout.trim().parse().unwrap();
    let view = world.until_view(run, "a run that waits for a person", |view| view.status == "waiting").await;
    let problem = step(&view, "bad").problem.clone().expect("a problem");
    assert!(problem.message.contains("exit code 3"), "{problem:?}");
    assert!(problem.log.iter().any(|line| line.contains("the disk of db-7 is full")), "{problem:?}");
    assert_eq!((world.count("bad"), world.count("after")), (1, 0), "unsafe work is never repeated by itself");
    world
        .say(&["skip", &run.to_string(), "bad", "--reason", "done by hand", "--yes"])
        .await
        .expect_code(0)
        .unwrap();
    world.until_over(run).await;
    assert_eq!(world.count("after"), 1);
}
