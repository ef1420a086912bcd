//! Automatic retry follows the class of a step, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::attempt::{AttemptState, Failure};
use engine::simulator::{Fate, World};
use model::{Class, Direction, Problem};
use plan::checked::{CheckedPlan, OnFailure, Step};
use plans::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(10);

fn with_tries(mut step: Step, tries: u32) -> CheckedPlan {
    step.tries = tries;
    plan(vec![step])
}

/// A world in which the first `times` executions end as `fate` says.
fn at_first(times: u32, fate: Fate) -> World {
    let mut count = 0;
    World::new().behaving(move |_, _| {
        count += 1;
        (if count <= times { Some(fate.clone()) } else { None }, MS)
    })
}

fn fails(times: u32) -> World {
    at_first(times, Fate::Fail(problem("no")))
}

#[test]
fn a_read_is_tried_again_until_its_tries_are_used_up() {
    let run = simulate(with_tries(check("ask", &[], "a"), 3), fails(2));
    assert_eq!((word(&run), executed(&run, "ask", Direction::Do)), ("succeeded", 3));
    let run = simulate(with_tries(check("ask", &[], "a"), 3), fails(3));
    assert_eq!((word(&run), executed(&run, "ask", Direction::Do)), ("waiting", 3));
    assert_replays(&run);
}

#[test]
fn a_permanent_failure_of_a_check_is_its_answer_and_tries_alone_decide() {
    let permanent = Problem::new("LB2201", "wrong body", "");
    let run = simulate(with_tries(check("ask", &[], "a"), 1), at_first(9, Fate::Fail(permanent)));
    assert_eq!((word(&run), executed(&run, "ask", Direction::Do)), ("waiting", 1));
}

#[test]
fn idempotent_work_is_tried_again() {
    let run = simulate(with_tries(start("app", &[], "a"), 4), fails(3));
    assert_eq!((word(&run), executed(&run, "app", Direction::Do)), ("succeeded", 4));
}

#[test]
fn pauses_double_and_are_spread() {
    let run = simulate(with_tries(start("app", &[], "a"), 4), fails(9));
    let sent: Vec<i64> = run.state.steps[0].tasks[0]
        .attempts
        .iter()
        .map(|attempt| attempt.state.sent_at().unwrap().0)
        .collect();
    let pauses: Vec<i64> = sent.windows(2).map(|pair| pair[1] - pair[0] - 10_000).collect();
    for (pause, base) in pauses.iter().zip([500_000, 1_000_000, 2_000_000]) {
        assert!((base * 3 / 4..=base * 5 / 4).contains(pause), "{pauses:?}");
    }
    assert!(
        pauses.iter().any(|pause| ![500_000, 1_000_000, 2_000_000].contains(pause)),
        "no jitter: {pauses:?}"
    );
}

#[test]
fn probed_work_is_tried_again_only_after_a_probe_said_not_done() {
    let mut step = start("swap", &[], "a");
    step.class = Class::Probed;
    let run = simulate(with_tries(step.clone(), 2), fails(1));
    assert_eq!((word(&run), executed(&run, "swap", Direction::Do)), ("succeeded", 2));
    let kinds = run.kinds();
    let probed = kinds.iter().position(|kind| *kind == "probed").expect("it was probed");
    assert!(probed < kinds.iter().position(|kind| *kind == "attempt-scheduled").unwrap());

    let blind = fails(1).looking(|_, _| engine::ProbeAnswer::CannotTell { problem: problem("dark") });
    let run = simulate(with_tries(step.clone(), 2), blind);
    assert_eq!((word(&run), executed(&run, "swap", Direction::Do)), ("waiting", 1));

    let done = fails(1).looking(|_, _| engine::ProbeAnswer::Done { output: serde_json::Value::Null });
    let run = simulate(with_tries(step, 2), done);
    assert_eq!((word(&run), executed(&run, "swap", Direction::Do)), ("succeeded", 1));
}

#[test]
fn unsafe_work_is_never_tried_again_without_a_person() {
    let mut run = simulate(with_tries(script("go", &[], "a"), 5), fails(1));
    assert_eq!((word(&run), executed(&run, "go", Direction::Do)), ("waiting", 1));
    tell(&mut run, &retry("go"));
    assert_eq!((word(&run), executed(&run, "go", Direction::Do)), ("succeeded", 2));
    assert_at_most_once(&run);
}

#[test]
fn what_an_agent_refuses_is_not_tried_again() {
    for step in [check("x", &[], "a"), start("x", &[], "a"), script("x", &[], "a")] {
        let world =
            at_first(9, Fate::Refuse(Problem::new("LB2103", "the policy does not list it", "List it.")));
        let run = simulate(with_tries(step, 5), world);
        assert_eq!((word(&run), executed(&run, "x", Direction::Do)), ("waiting", 1));
        assert!(matches!(
            last(&run.state, "x").state,
            AttemptState::Failed { failure: Failure::Refused, ref problem, .. } if problem.code == "LB2103"
        ));
        assert!(engine::view(&run.state, run.now).detail.contains("the policy does not list it"));
    }
}

#[test]
fn a_persons_retry_counts_the_tries_anew_and_repeats_only_what_failed() {
    let mut both = start("app", &[], "a");
    both.tasks.push(agent("service", "app", "b", service("app", model::jobs::ServiceAction::Start)));
    both.tries = 2;
    let mut count = 0;
    let world = World::new().behaving(move |token, _| {
        let bad = token.target.host == Some(host("b")) && {
            count += 1;
            count <= 3
        };
        (bad.then(|| Fate::Fail(problem("no"))), MS)
    });
    let mut run = simulate(plan(vec![both]), world);
    assert_eq!(word(&run), "waiting");
    tell(&mut run, &retry("app"));
    assert_eq!(word(&run), "succeeded");
    let tries: Vec<usize> = run.state.steps[0].tasks.iter().map(|task| task.attempts.len()).collect();
    assert_eq!(tries, [1, 4]);
    assert_at_most_once(&run);
}

#[test]
fn each_on_failure_does_what_it_says() {
    let run_with = |on_failure| {
        let mut bad = script("bad", &["app"], "a");
        bad.on_failure = on_failure;
        let after = check("after", &["bad"], "a");
        simulate(plan(vec![start("app", &[], "a"), bad, after]), {
            World::new()
                .behaving(|token, _| ((token.step == path("bad")).then(|| Fate::Fail(problem("no"))), MS))
                .looking(|_, effect| {
                    if effect {
                        engine::ProbeAnswer::Done { output: serde_json::Value::Null }
                    } else {
                        engine::ProbeAnswer::NotDone
                    }
                })
        })
    };
    let ask = run_with(OnFailure::Ask);
    assert_eq!((word(&ask), executed(&ask, "after", Direction::Do)), ("waiting", 0));
    let next = engine::view(&ask.state, ask.now).next;
    let id = ask.state.run;
    assert_eq!(
        next,
        [
            format!("lifeboat retry {id} bad"),
            format!("lifeboat skip {id} bad --reason \"…\""),
            format!("lifeboat unwind {id}"),
            format!("lifeboat end {id} --reason \"…\""),
        ]
    );

    let stop = run_with(OnFailure::Stop);
    assert_eq!((word(&stop), executed(&stop, "after", Direction::Do)), ("failed", 0));
    assert_eq!(executed(&stop, "app", Direction::Undo), 0);

    let go_on = run_with(OnFailure::Continue);
    assert_eq!((word(&go_on), executed(&go_on, "after", Direction::Do)), ("succeeded", 1));
    assert_eq!(engine::view(&go_on.state, go_on.now).incomplete, [path("bad")]);

    let unwind = run_with(OnFailure::Unwind);
    assert_eq!((word(&unwind), executed(&unwind, "app", Direction::Undo)), ("failed", 1));
    for run in [ask, stop, go_on, unwind] {
        assert_replays(&run);
        assert_at_most_once(&run);
    }
}

#[test]
fn one_of_ten_fails_and_each_hosts_result_is_kept() {
    let mut step = start("app", &[], "h0");
    let hosts: Vec<String> = (0..10).map(|number| format!("h{number}")).collect();
    step.tasks = hosts
        .iter()
        .map(|on| agent("service", "app", on, service("app", model::jobs::ServiceAction::Start)))
        .collect();
    let world = World::new().behaving(|token, _| {
        ((token.target.host == Some(host("h4"))).then(|| Fate::Fail(problem("full"))), MS)
    });
    let run = simulate(plan(vec![step]), world);
    let view = engine::view(&run.state, run.now);
    assert_eq!(view.status, "waiting");
    assert_eq!(view.steps[0].attempts.iter().filter(|attempt| attempt.state == "succeeded").count(), 9);
    assert_eq!(view.steps[0].problem.as_ref().unwrap().message, "full");
}

#[test]
fn a_failure_that_waits_for_a_person_holds_what_has_not_begun_and_lets_finish_what_runs() {
    let slow = start("slow", &[], "b");
    let later = check("later", &["slow"], "b");
    let world = World::new().behaving(|token, _| match token.step.as_str() {
        "bad" => (Some(Fate::Fail(problem("no"))), MS),
        "slow" => (None, Duration::from_secs(5)),
        _ => (None, MS),
    });
    let mut run = simulate(plan(vec![script("bad", &[], "a"), slow, later]), world);
    assert_eq!(word(&run), "waiting");
    assert_eq!(executed(&run, "slow", Direction::Do), 1);
    assert_eq!(run.state.step(&path("later")).unwrap().stage, engine::state::Stage::Pending);
    tell(&mut run, &skip("bad"));
    assert_eq!(word(&run), "succeeded");
}

#[test]
fn a_step_that_was_passed_over_is_not_tried_again() {
    let mut bad = script("bad", &[], "a");
    bad.on_failure = OnFailure::Continue;
    let world = World::new()
        .behaving(|token, _| ((token.step.as_str() == "bad").then(|| Fate::Fail(problem("no"))), MS));
    let mut run = simulate(plan(vec![bad, approve("sure", &["bad"])]), world);
    assert_eq!(refused(&mut run, &retry("bad")), "LB1307");
}
