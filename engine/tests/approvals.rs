//! Gates, evidence and risks: what a person is asked, and what their answer binds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::event::{About, Actor};
use engine::simulator::{BEGINNING, Fate, Simulation, World, fenced};
use engine::state::{Approval, Stage};
use engine::{Command, Event, Person, Report, Way};
use model::{Digest, Direction, Evidence, Outcome};
use plan::checked::{CheckedPlan, OnFailure};
use plans::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(10);

fn person(name: &str) -> Person {
    Person { name: user(name), admin: false, roles: commanders() }
}

fn gated() -> CheckedPlan {
    let mut go = start("go", &[], "a");
    go.gate = Some(gate(60));
    plan(vec![go])
}

#[test]
fn nothing_of_a_gated_step_begins_before_its_approval() {
    let mut run = simulate(gated(), World::new());
    assert_eq!((word(&run), executed(&run, "go", Direction::Do)), ("waiting", 0));
    let view = engine::view(&run.state, run.now);
    assert_eq!(view.detail, "go waits for approval by incident-commander");
    assert_eq!(view.next[0], format!("lifeboat approve {} go", run.state.run));
    let command = yes(&run.state);
    tell(&mut run, &command);
    assert_eq!(word(&run), "succeeded");
    assert_replays(&run);
}

#[test]
fn a_step_without_tasks_is_done_when_its_gate_is() {
    let mut run = simulate(plan(vec![approve("sure", &[]), check("x", &["sure"], "a")]), World::new());
    let command = yes(&run.state);
    tell(&mut run, &command);
    assert_eq!(word(&run), "succeeded");
}

#[test]
fn an_approval_with_another_digest_is_refused() {
    let mut run = simulate(gated(), World::new());
    let approval = question(&run.state).id;
    let other = Digest::of(&"something else").unwrap();
    let command = Command::Approve { approval, digest: other, reason: String::new(), way: Way::Plain };
    assert_eq!(refused(&mut run, &command), "LB1305");
}

#[test]
fn an_expired_question_cannot_be_approved_and_a_retry_asks_again() {
    let mut run = simulate(gated(), World::new());
    let old = yes(&run.state);
    let late = run.after(Duration::from_secs(61));
    run.run_until(late).unwrap();
    assert_eq!(run.kinds().last(), Some(&"approval-expired"));
    assert_eq!(word(&run), "waiting");
    assert_eq!(refused(&mut run, &old), "LB1304");
    assert_eq!(engine::view(&run.state, run.now).next[0], format!("lifeboat retry {} go", run.state.run));
    tell(&mut run, &retry("go"));
    assert_eq!(refused(&mut run, &old), "LB1304");
    let command = yes(&run.state);
    tell(&mut run, &command);
    assert_eq!(word(&run), "succeeded");
}

#[test]
fn an_answer_at_the_very_moment_of_expiry_is_too_late() {
    let run = simulate(gated(), World::new());
    let expiry = question(&run.state).expires_at;
    let refused = engine::request(&run.state, &yes(&run.state), &person("bea"), expiry).unwrap_err();
    assert_eq!(refused.problem.code, "LB1306");
}

#[test]
fn a_declined_gate_fails_its_step_as_the_plan_says() {
    let mut run = simulate(gated(), World::new());
    let command = no(&run.state);
    tell(&mut run, &command);
    assert_eq!((word(&run), executed(&run, "go", Direction::Do)), ("waiting", 0));
    assert!(engine::view(&run.state, run.now).detail.contains("ada declined: not now"));
    tell(&mut run, &retry("go"));
    let command = yes(&run.state);
    tell(&mut run, &command);
    assert_eq!(word(&run), "succeeded");

    let mut stopping = gated();
    stopping.steps[0].on_failure = OnFailure::Stop;
    let mut run = simulate(stopping, World::new());
    let command = no(&run.state);
    tell(&mut run, &command);
    assert_eq!(word(&run), "failed");
}

#[test]
fn a_question_has_one_answer() {
    let mut run = simulate(gated(), World::new());
    let (first, second) = (yes(&run.state), no(&run.state));
    run.command(&first, &by(&first)).unwrap().unwrap();
    assert_eq!(refused(&mut run, &second), "LB1304");
}

fn east_is_dead() -> Simulation {
    let mut world = World::new();
    world.take_offline(&host("east-1"), BEGINNING);
    simulate(failover(), world)
}

#[test]
fn silence_is_no_more_than_unreachable_and_the_risk_is_asked() {
    let run = east_is_dead();
    assert!(is_asked(&run.state, About::Risk));
    assert!(run.now.since(BEGINNING) >= Duration::from_secs(3));
    assert_eq!(executed(&run, "promote", Direction::Do), 0);
}

#[test]
fn a_declined_risk_promotes_nothing() {
    let mut run = east_is_dead();
    let command = no(&run.state);
    tell(&mut run, &command);
    assert_eq!((word(&run), executed(&run, "promote", Direction::Do)), ("waiting", 0));
    // Asked again by a retry, without another attempt: the order is still with its host.
    tell(&mut run, &retry("fence"));
    assert!(is_asked(&run.state, About::Risk));
    assert_eq!(run.state.step(&path("fence")).unwrap().tasks[0].attempts.len(), 1);
    let command = yes(&run.state);
    tell(&mut run, &command);
    assert_eq!(word(&run), "succeeded");
}

#[test]
fn stronger_evidence_within_the_wait_replaces_the_question() {
    let mut run = east_is_dead();
    let old = yes(&run.state);
    run.world.bring_online(&host("east-1"));
    run.reconnect(&host("east-1")).unwrap();
    assert!(run.run(1_000).unwrap());
    assert_eq!(word(&run), "succeeded");
    assert!(run.kinds().contains(&"approval-voided"));
    assert!(!run.kinds().contains(&"approved"));
    assert_eq!(refused(&mut run, &old), "LB1302");
    let fence = engine::view(&run.state, run.now).steps[1].clone();
    assert_eq!(fence.evidence, Some(Evidence::Stopped));
}

#[test]
fn the_question_is_void_as_soon_as_the_host_speaks_again() {
    let mut run = east_is_dead();
    let token = last(&run.state, "fence").token;
    let old = yes(&run.state);
    run.report(Report::Accepted { token }).unwrap();
    assert!(!is_asked(&run.state, About::Risk));
    assert_eq!(refused(&mut run, &old), "LB1304");
    assert_eq!(executed(&run, "promote", Direction::Do), 0);
}

#[test]
fn fault_41_unreachable_never_satisfies_a_rule_that_asks_for_more() {
    let mut steps = failover().steps;
    steps[1] = fence(&[], &["east-1"], Evidence::Stopped);
    let mut world = World::new();
    world.take_offline(&host("east-1"), BEGINNING);
    let mut run = simulate(plan(steps), world);
    assert_eq!((word(&run), executed(&run, "promote", Direction::Do)), ("waiting", 0));
    assert!(!is_asked(&run.state, About::Risk));
    let view = engine::view(&run.state, run.now);
    assert!(view.detail.contains("fence waits for host east-1, silent since"), "{}", view.detail);
    // A person's word is no evidence.
    let token = last(&run.state, "fence").token;
    tell(&mut run, &answer(&token, true));
    assert_eq!((word(&run), executed(&run, "promote", Direction::Do)), ("waiting", 0));
    assert_eq!(engine::view(&run.state, run.now).steps[1].problem.as_ref().unwrap().code, "LB1323");
}

#[test]
fn a_fence_that_brought_too_little_has_failed() {
    let mut steps = failover().steps;
    steps[1] = fence(&[], &["east-1"], Evidence::Isolated);
    let run = simulate(plan(steps), World::new());
    assert_eq!((word(&run), executed(&run, "promote", Direction::Do)), ("waiting", 0));
    assert!(
        engine::view(&run.state, run.now)
            .detail
            .contains("needs evidence `isolated` or stronger, and brought `stopped`")
    );
}

#[test]
fn the_weakest_of_several_hosts_is_what_a_fence_may_claim() {
    let mut steps = failover().steps;
    steps[1] = fence(&[], &["east-1", "east-2"], Evidence::Unreachable);
    let mut world = World::new();
    world.take_offline(&host("east-2"), BEGINNING);
    let mut run = simulate(plan(steps), world);
    let asked = question(&run.state);
    assert!(asked.text.contains("source/app-db@east-1: stopped"), "{}", asked.text);
    assert!(asked.text.contains("east-2 has been silent for"), "{}", asked.text);
    let command = yes(&run.state);
    tell(&mut run, &command);
    assert_eq!(engine::view(&run.state, run.now).steps[1].evidence, Some(Evidence::Unreachable));
}

#[test]
fn a_fence_skipped_by_hand_does_not_let_promote_begin() {
    let mut run = east_is_dead();
    tell(&mut run, &skip("fence"));
    assert_eq!((word(&run), executed(&run, "promote", Direction::Do)), ("waiting", 0));
    let view = engine::view(&run.state, run.now);
    let problem = view.steps[2].problem.as_ref().unwrap();
    assert_eq!(problem.code, "LB1321");
    assert!(problem.advice.contains("a skipped fence does not count"));
}

#[test]
fn the_order_of_a_fence_reaches_its_host_even_after_the_risk_was_taken() {
    let mut run = east_is_dead();
    let slow = run.state.step(&path("promote")).is_some();
    assert!(slow);
    let command = yes(&run.state);
    run.command(&command, &by(&command)).unwrap().unwrap();
    assert!(
        run.perform().iter().any(
            |effect| matches!(effect, engine::Perform::Send { token, .. } if token.step == path("fence"))
        )
    );
    run.world.bring_online(&host("east-1"));
    run.reconnect(&host("east-1")).unwrap();
    assert!(run.run(1_000).unwrap());
    assert_eq!((word(&run), executed(&run, "fence", Direction::Do)), ("succeeded", 1));
    let stage = &run.state.step(&path("fence")).unwrap().stage;
    // What the step claimed when the risk was taken stays what it claimed.
    assert!(matches!(stage, Stage::Succeeded { evidence: Some(Evidence::Unreachable), .. }));
}

#[test]
fn an_agent_that_itself_says_unreachable_needs_the_approval_too() {
    let world = World::new().behaving(|token, _| {
        let weak = Fate::Succeed(fenced(Evidence::Unreachable));
        ((token.step.as_str() == "fence").then_some(weak), MS)
    });
    let run = simulate(failover(), world);
    assert!(is_asked(&run.state, About::Risk));
}

#[test]
fn a_failing_fence_is_tried_again_and_never_counts() {
    let mut steps = failover().steps;
    steps[1].tries = 3;
    let world = World::new().behaving(|token, _| {
        ((token.step.as_str() == "fence").then(|| Fate::Fail(problem("kill failed"))), MS)
    });
    let run = simulate(plan(steps), world);
    assert_eq!((word(&run), executed(&run, "fence", Direction::Do)), ("waiting", 3));
    assert_eq!(executed(&run, "promote", Direction::Do), 0);
}

#[test]
fn a_journal_with_an_approval_of_another_digest_does_not_replay() {
    let run = simulate(gated(), World::new());
    let asked = question(&run.state);
    let event = Event::Approved {
        approval: asked.id,
        digest: Digest::of(&1).unwrap(),
        by: user("eve"),
        reason: String::new(),
        break_glass: false,
    };
    let row = engine::Recorded {
        run: run.state.run,
        sequence: run.state.sequence + 1,
        at: run.now,
        epoch: 1,
        event,
    };
    assert!(matches!(
        engine::apply(Some(run.state.clone()), &row),
        Err(engine::IllegalEvent::Approval { .. })
    ));
}

#[test]
fn a_result_that_only_repeats_unreachable_does_not_replace_the_question() {
    let mut run = east_is_dead();
    let token = last(&run.state, "fence").token;
    let rows = run.journal.len();
    run.report(Report::Silent { token: token.clone(), host: host("east-1"), silent_ms: 9_000 }).unwrap();
    assert_eq!(run.journal.len(), rows, "silence is recorded once");
    let by = Actor::Agent { host: host("east-1") };
    let outcome = Outcome::Succeeded { output: fenced(Evidence::PoweredOff) };
    run.report(Report::Ended { token, outcome, by, took_us: None }).unwrap();
    assert!(run.run(100).unwrap());
    assert_eq!(word(&run), "succeeded");
    assert!(matches!(run.state.step(&path("fence")).unwrap().risk, Approval::NotAsked));
}

#[test]
fn a_journal_with_an_approval_after_its_expiry_does_not_replay() {
    let run = simulate(gated(), World::new());
    let asked = question(&run.state);
    let (approval, digest, by) = (asked.id, asked.digest, user("eve"));
    let event = Event::Approved { approval, digest, by, reason: String::new(), break_glass: false };
    let row = |at| engine::Recorded {
        run: run.state.run,
        sequence: run.state.sequence + 1,
        at,
        epoch: 1,
        event: event.clone(),
    };
    let just_in_time = model::Micros(asked.expires_at.0 - 1);
    assert!(engine::apply(Some(run.state.clone()), &row(just_in_time)).is_ok());
    assert!(matches!(
        engine::apply(Some(run.state.clone()), &row(asked.expires_at)),
        Err(engine::IllegalEvent::Approval { .. })
    ));
}

#[test]
fn the_word_of_a_host_that_the_plan_does_not_believe_is_worth_no_more_than_its_silence() {
    let suspect = |required| {
        let mut steps = failover().steps;
        steps[1] = fence(&[], &["east-1"], required);
        steps[1].evidence.as_mut().unwrap().disbelieved = vec![host("east-1")];
        simulate(plan(steps), World::new())
    };
    let run = suspect(Evidence::Stopped);
    assert_eq!((word(&run), executed(&run, "promote", Direction::Do)), ("waiting", 0));
    assert_eq!(engine::view(&run.state, run.now).steps[1].problem.as_ref().unwrap().code, "LB1323");

    let mut run = suspect(Evidence::Unreachable);
    assert_eq!((word(&run), executed(&run, "promote", Direction::Do)), ("waiting", 0));
    let asked = question(&run.state);
    assert!(asked.text.contains("its host says stopped, and the plan does not believe it"), "{}", asked.text);
    let yes = yes(&run.state);
    tell(&mut run, &yes);
    assert_eq!(word(&run), "succeeded");
    assert_eq!(engine::view(&run.state, run.now).steps[1].evidence, Some(Evidence::Unreachable));
}

#[test]
fn the_end_of_a_lease_is_evidence_by_itself_and_makes_a_question_about_silence_void() {
    let mut run = east_is_dead();
    assert_eq!((word(&run), executed(&run, "promote", Direction::Do)), ("waiting", 0));
    let token = last(&run.state, "fence").token;
    let expired = Report::LeaseExpired { token, host: host("east-1"), silent_ms: 13_200 };
    run.report(expired.clone()).unwrap();
    run.run(100).unwrap();
    assert_eq!(word(&run), "succeeded");
    assert_eq!(engine::view(&run.state, run.now).steps[1].evidence, Some(Evidence::LeaseExpired));
    assert!(matches!(run.state.step(&path("fence")).unwrap().risk, Approval::NotAsked), "nobody took a risk");
    let rows = run.journal.len();
    run.report(expired).unwrap();
    assert_eq!(run.journal.len(), rows, "it is recorded once");
}

#[test]
fn silence_alone_is_not_enough_where_the_end_of_a_lease_is_asked_for() {
    let dead = || {
        let mut world = World::new();
        world.take_offline(&host("east-1"), BEGINNING);
        world
    };
    let mut steps = failover().steps;
    steps[1] = fence(&[], &["east-1"], Evidence::LeaseExpired);
    let mut run = simulate(plan(steps.clone()), dead());
    assert_eq!(executed(&run, "promote", Direction::Do), 0);
    let token = last(&run.state, "fence").token;
    run.report(Report::LeaseExpired { token, host: host("east-1"), silent_ms: 13_200 }).unwrap();
    run.run(100).unwrap();
    assert_eq!(word(&run), "succeeded");

    // Of a host that the plan does not believe not even the watchdog is.
    steps[1].evidence.as_mut().unwrap().disbelieved = vec![host("east-1")];
    let mut run = simulate(plan(steps), dead());
    let token = last(&run.state, "fence").token;
    run.report(Report::LeaseExpired { token, host: host("east-1"), silent_ms: 13_200 }).unwrap();
    run.run(100).unwrap();
    assert_eq!(executed(&run, "promote", Direction::Do), 0);
}
