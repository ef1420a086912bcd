//! Stories of a region failover, from the first event to the last. The plan is the demo's in small:
//! tell, fence east, promote west, start the app, verify, tell again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::event::About;
use engine::simulator::{BEGINNING, Fate, Simulation, World};
use engine::{Command, Event};
use model::jobs::PromoteOutput;
use model::{Direction, Evidence, Problem};
use plan::checked::OnFailure;
use plans::invariants::assert_invariants;
use plans::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(10);

fn dead_east(mut world: World) -> World {
    world.take_offline(&host("east-1"), BEGINNING);
    world
}

fn approve(run: &mut Simulation) {
    let command = yes(&run.state);
    tell(run, &command);
}

/// One line an event: what a person would read in the journal.
fn transcript(run: &Simulation) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::StepStarted { step } | Event::StepUndone { step } => Some(step.to_string()),
        Event::StepSucceeded { step, evidence } => {
            Some(evidence.map_or(step.to_string(), |evidence| format!("{step} ({evidence})")))
        }
        Event::StepFailed { step, problem } => Some(format!("{step}: {}", problem.message)),
        Event::AttemptStarted { token } | Event::Accepted { token } => {
            Some(format!("{} {}", token.step, token.target))
        }
        Event::Ended { token, outcome, .. } => Some(format!("{} {}", token.step, outcome.as_str())),
        Event::Unreachable { host, silent_ms, .. } => Some(format!("{host} for {silent_ms} ms")),
        Event::ApprovalAsked { step, .. } => Some(step.to_string()),
        Event::Approved { by, .. } => Some(by.to_string()),
        _ => None,
    };
    let rows = run.journal.iter().map(|entry| &entry.recorded.event);
    rows.map(|event| format!("{} {}", event.kind(), line(event).unwrap_or_default()).trim_end().to_string())
        .collect()
}

#[test]
fn everything_goes_well_when_east_still_answers() {
    let run = simulate(failover(), World::new());
    assert_eq!(word(&run), "succeeded");
    assert!(!is_asked(&run.state, About::Risk));
    assert_invariants(&run);
    let view = engine::view(&run.state, run.now);
    assert_eq!(view.totals.succeeded, 6);
    assert_eq!(view.steps[1].evidence, Some(Evidence::Stopped));
    assert_eq!(view.steps[1].outcome, "stopped: server stopped and masked");
}

#[test]
fn east_is_dead_and_a_person_takes_the_risk() {
    let mut run = simulate(failover(), dead_east(World::new()));
    assert_eq!(word(&run), "waiting");
    assert!(is_asked(&run.state, About::Risk));
    let text = question(&run.state).text;
    assert!(text.contains("Nothing but its silence"), "{text}");
    assert!(text.contains("east-1 has been silent for 3.0 s"), "{text}");
    assert_eq!(executed(&run, "promote", Direction::Do), 0);
    approve(&mut run);
    assert_eq!(word(&run), "succeeded");
    assert_invariants(&run);
    let view = engine::view(&run.state, run.now);
    assert_eq!(view.steps[1].evidence, Some(Evidence::Unreachable));
    assert!(view.steps[1].approved[0].starts_with("risk approved by bea"));
    assert_eq!(
        transcript(&run),
        [
            "run-requested",
            "run-started",
            "step-started tell",
            "attempt-started tell channel/ops",
            "step-started fence",
            "attempt-started fence source/app-db@east-1",
            "accepted tell channel/ops",
            "ended tell succeeded",
            "step-succeeded tell",
            "unreachable east-1 for 3000 ms",
            "approval-asked fence",
            "people-told",
            "approved bea",
            "step-succeeded fence (unreachable)",
            "step-started promote",
            "attempt-started promote source/app-db@west-1",
            "accepted promote source/app-db@west-1",
            "ended promote succeeded",
            "step-succeeded promote",
            "step-started app",
            "attempt-started app service/app@west-1",
            "accepted app service/app@west-1",
            "ended app succeeded",
            "step-succeeded app",
            "step-started verify",
            "attempt-started verify check/verify@west-1",
            "accepted verify check/verify@west-1",
            "ended verify succeeded",
            "step-succeeded verify",
            "step-started told",
            "attempt-started told channel/ops",
            "accepted told channel/ops",
            "ended told succeeded",
            "step-succeeded told",
            "finished",
        ]
    );
}

#[test]
fn the_result_of_a_step_and_the_start_of_the_next_are_one_commit() {
    let run = simulate(plan(vec![start("a", &[], "h"), start("b", &["a"], "h")]), World::new());
    let kinds = run.kinds();
    let ended = kinds.iter().position(|kind| *kind == "ended").unwrap();
    let together = &kinds[ended..ended + 4];
    assert_eq!(together, ["ended", "step-succeeded", "step-started", "attempt-started"]);
    assert!(!run.commits.contains(&(ended + 1)) && run.commits.contains(&(ended + 4)), "{:?}", run.commits);
}

#[test]
fn a_webhook_that_is_down_does_not_stop_the_recovery_and_is_shown() {
    let mut steps = failover().steps;
    for step in steps.iter_mut().filter(|step| step.tasks[0].target.noun.as_str() == "channel") {
        (step.on_failure, step.tries) = (OnFailure::Continue, 3);
    }
    let world = World::new().behaving(|token, _| {
        let bad = Problem::new("LB1501", "the webhook answered 503", "Look at the channel.").transient();
        ((token.target.noun.as_str() == "channel").then_some(Fate::Fail(bad)), MS)
    });
    let run = simulate(plan(steps), world);
    let view = engine::view(&run.state, run.now);
    assert_eq!((view.status.as_str(), view.incomplete.len()), ("succeeded", 2));
    assert_eq!(view.detail, "but these steps failed: tell, told");
    assert_invariants(&run);
}

#[test]
fn a_failed_verification_holds_the_cut_over_until_a_person_retries_it() {
    let world = World::new().behaving(|token, _| {
        let bad = token.step.as_str() == "verify" && token.attempt <= 2;
        (bad.then(|| Fate::Fail(problem("body is east, not west"))), MS)
    });
    let mut run = simulate(failover(), world);
    assert_eq!((word(&run), executed(&run, "told", Direction::Do)), ("waiting", 0));
    assert_eq!(engine::view(&run.state, run.now).detail, "verify failed: body is east, not west");
    tell(&mut run, &retry("verify"));
    assert_eq!(word(&run), "waiting");
    tell(&mut run, &retry("verify"));
    assert_eq!(word(&run), "succeeded");
    assert_invariants(&run);
}

#[test]
fn the_controller_dies_while_a_person_is_asked_and_the_question_survives() {
    let mut run = simulate(failover(), dead_east(World::new()));
    let before = question(&run.state);
    run.crash().unwrap();
    assert_eq!(question(&run.state), before);
    approve(&mut run);
    assert_eq!(word(&run), "succeeded");
    assert_invariants(&run);
}

#[test]
fn the_controller_dies_while_west_promotes_and_attaches_to_it_again() {
    let world = World::new().behaving(|token, _| {
        let slow = token.step.as_str() == "promote";
        (None, if slow { Duration::from_secs(10) } else { MS })
    });
    let mut run = begun(failover(), world);
    let middle = run.after(Duration::from_secs(5));
    run.run_until(middle).unwrap();
    run.crash().unwrap();
    assert!(run.run(1_000).unwrap());
    assert_eq!((word(&run), executed(&run, "promote", Direction::Do)), ("succeeded", 1));
    assert_invariants(&run);
}

#[test]
fn west_dies_while_it_promotes_and_nothing_is_guessed() {
    let world = World::new()
        .behaving(|token, _| ((token.step.as_str() == "promote").then_some(Fate::Hang { effect: true }), MS));
    let mut run = begun(failover(), world);
    let soon = run.after(Duration::from_secs(1));
    run.run_until(soon).unwrap();
    let now = run.now;
    run.world.take_offline(&host("west-1"), now);
    assert!(run.run(1_000).unwrap());
    assert_eq!((word(&run), executed(&run, "app", Direction::Do)), ("waiting", 0));
    let view = engine::view(&run.state, run.now);
    assert_eq!(view.steps[2].state, "unknown");
    assert!(view.detail.starts_with("promote waits for host west-1, silent since"), "{}", view.detail);
    run.world.bring_online(&host("west-1"));
    run.reconnect(&host("west-1")).unwrap();
    assert!(run.run(1_000).unwrap());
    assert_eq!((word(&run), executed(&run, "promote", Direction::Do)), ("succeeded", 1));
    assert_invariants(&run);
}

#[test]
fn the_failover_is_called_off_after_the_promotion_and_the_fence_stays() {
    let world = World::new().behaving(|token, _| {
        let fails = token.step.as_str() == "app" && token.direction == Direction::Do;
        (fails.then(|| Fate::Fail(problem("no image"))), MS)
    });
    let mut run = simulate(failover(), world);
    tell(&mut run, &Command::Unwind { reason: "we stay".to_string() });
    assert_eq!((word(&run), executed(&run, "fence", Direction::Undo)), ("stuck", 0));
    let view = engine::view(&run.state, run.now);
    assert_eq!(view.problem.unwrap().code, "LB1325");
    tell(&mut run, &Command::End { reason: "west serves now".to_string() });
    assert_eq!(word(&run), "failed");
    assert_invariants(&run);
}

#[test]
fn the_view_speaks_plainly_about_what_each_step_gave() {
    let output = PromoteOutput {
        timeline: 2,
        received_lsn: 1,
        replayed_lsn: 1,
        last_commit_at: None,
        took_ms: 412,
        already_primary: false,
    };
    let world = World::new().behaving(move |token, _| {
        let promoted = Fate::Succeed(serde_json::to_value(&output).unwrap());
        ((token.step.as_str() == "promote").then_some(promoted), MS)
    });
    let run = simulate(failover(), world);
    let view = engine::view(&run.state, run.now);
    assert_eq!(view.steps[2].outcome, "takes writes after 412 ms, timeline 2");
    assert_eq!(view.steps[2].took_ms, Some(10));
    assert_eq!(view.took_ms, 50);
    assert!(view.next.is_empty());
}

#[test]
fn a_host_that_is_known_to_be_silent_is_shown_before_any_time_has_passed() {
    let run = begun(failover(), dead_east(World::new()));
    let silent = engine::Silent::from([(host("east-1"), BEGINNING)]);
    let later = BEGINNING.after(Duration::from_secs(2));
    let view = engine::view_with(&run.state, later, &silent);
    let fence = &view.steps[1].attempts[0];
    assert_eq!(fence.silent_since, Some(BEGINNING));
    assert!(fence.outcome.contains("its host is silent since"), "{}", fence.outcome);
}
