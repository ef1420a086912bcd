//! Who may command, who may approve: by role, several of them, and alone when nobody else is there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod plans;

use engine::event::{About, Notice};
use engine::simulator::{BEGINNING, Simulation, World};
use engine::state::Stage;
use engine::{Command, Event, Person, Way};
use model::{Evidence, UserName};
use plan::checked::CheckedPlan;
use plans::*;
use std::time::Duration;

fn gated(approvals: u32) -> CheckedPlan {
    let mut go = start("go", &[], "a");
    go.gate = Some(gate(60));
    go.gate.as_mut().unwrap().approvals = approvals;
    plan(vec![go])
}

fn glass(run: &Simulation, reason: &str) -> Command {
    let slots = run.state.steps.iter().flat_map(|step| step.approvals());
    let asked = slots.filter_map(|slot| slot.question()).next_back().unwrap();
    let (approval, digest) = (asked.id, asked.digest.clone());
    Command::Approve { approval, digest, reason: reason.to_string(), way: Way::BreakGlass }
}

fn told(run: &mut Simulation, command: &Command, who: &UserName) {
    run.command(command, who).unwrap().unwrap();
    assert!(run.run(10_000).unwrap());
    assert_replays(run);
}

fn late(run: &mut Simulation) {
    let moment = run.after(Duration::from_secs(61));
    run.run_until(moment).unwrap();
    assert_eq!(run.kinds().last(), Some(&"approval-expired"));
}

#[test]
fn whoever_has_no_role_only_looks() {
    let mut run = simulate(gated(1), World::new());
    let pause = Command::Pause { reason: String::new() };
    assert_eq!(refused_to(&mut run, &pause, &user("eve")), "LB1388");
    let yes = yes(&run.state);
    assert_eq!(refused_to(&mut run, &yes, &user("eve")), "LB1388");
    let admin = Person { name: user("root"), admin: true, roles: commanders() };
    run.command_of(&pause, &admin).unwrap().unwrap();
}

#[test]
fn a_question_is_answered_by_its_role_and_not_by_whoever_asked_for_the_run() {
    let mut run = simulate(gated(1), World::new());
    run.roles = roles(&[("incident-commander", &["ada", "bea"], false), ("other", &["dan"], true)]);
    let yes = yes(&run.state);
    assert_eq!(refused_to(&mut run, &yes, &user("dan")), "LB1380");
    assert_eq!(refused_to(&mut run, &yes, &user("ada")), "LB1381");
    let no = no(&run.state);
    assert_eq!(refused_to(&mut run, &no, &user("dan")), "LB1380");
    // Whoever holds the admin token may call themselves what they like.
    let admin = Person { name: user("bea"), admin: true, roles: run.roles.clone() };
    assert_eq!(run.command_of(&yes, &admin).unwrap().unwrap_err().problem.code, "LB1380");
    told(&mut run, &yes, &user("bea"));
    assert_eq!(word(&run), "succeeded");
}

#[test]
fn a_role_is_looked_up_when_the_answer_comes() {
    let mut run = simulate(gated(1), World::new());
    let yes = yes(&run.state);
    run.roles = roles(&[("incident-commander", &["dan"], false), ("other", &["bea"], false)]);
    assert_eq!(refused_to(&mut run, &yes, &user("bea")), "LB1380");
    run.roles = roles(&[("other", &["bea"], false)]);
    assert_eq!(refused_to(&mut run, &yes, &user("bea")), "LB1383");
    run.roles = commanders();
    told(&mut run, &yes, &user("bea"));
    assert_eq!(word(&run), "succeeded");
}

#[test]
fn a_question_without_a_role_is_for_anybody_who_may_command() {
    let mut plan = gated(1);
    plan.steps[0].gate.as_mut().unwrap().role = None;
    let mut run = simulate(plan, World::new());
    assert!(!run.kinds().contains(&"people-told"), "nobody in particular is asked");
    let broken = glass(&run, "now");
    assert_eq!(refused_to(&mut run, &broken, &user("ada")), "LB1384");
    let yes = yes(&run.state);
    told(&mut run, &yes, &user("ada"));
    assert_eq!(word(&run), "succeeded");
}

#[test]
fn two_approvals_are_of_two_people_and_of_what_both_were_shown() {
    let mut run = simulate(gated(2), World::new());
    let view = engine::view(&run.state, run.now);
    assert_eq!(view.detail, "go waits for approval by incident-commander, 2 people");
    let yes = yes(&run.state);
    told(&mut run, &yes, &user("bea"));
    assert_eq!((word(&run), executed(&run, "go", model::Direction::Do)), ("waiting", 0));
    assert_eq!(refused_to(&mut run, &yes, &user("bea")), "LB1382");
    let view = engine::view(&run.state, run.now);
    assert_eq!(view.detail, "go waits for approval by incident-commander, 1 of 2 given (bea)");
    assert_eq!((view.approvals[0].needed, view.approvals[0].given.len()), (2, 1));
    run.crash().unwrap();
    told(&mut run, &yes, &user("cleo"));
    assert_eq!(word(&run), "succeeded");
    let decision = engine::view(&run.state, run.now).steps[0].decisions[0].clone();
    let who: Vec<&str> = decision.voices.iter().map(|voice| voice.by.as_str()).collect();
    assert_eq!(who, ["bea", "cleo"]);
}

#[test]
fn one_of_two_can_still_say_no_and_what_was_given_expires_with_the_question() {
    let mut run = simulate(gated(2), World::new());
    let first = yes(&run.state);
    told(&mut run, &first, &user("bea"));
    let no = no(&run.state);
    told(&mut run, &no, &user("cleo"));
    assert!(engine::view(&run.state, run.now).detail.contains("cleo declined"));
    let mut run = simulate(gated(2), World::new());
    let first = yes(&run.state);
    told(&mut run, &first, &user("bea"));
    late(&mut run);
    assert_eq!(refused_to(&mut run, &first, &user("cleo")), "LB1304");
    tell(&mut run, &retry("go"));
    assert!(question(&run.state).voices.is_empty(), "a new question begins with nobody");
}

#[test]
fn people_are_told_once_of_a_question_and_the_journal_says_who_heard() {
    let mut run = simulate(gated(1), World::new());
    run.crash().unwrap();
    assert!(run.run(1_000).unwrap());
    let heard = run.kinds().iter().filter(|kind| **kind == "people-told").count();
    assert_eq!(heard, 1);
    let told = &question(&run.state).told[0];
    assert_eq!((told.notice, told.channels[0].as_str()), (Notice::Asked, "ops"));
}

/// A team of one: ada asked for the run, and only she holds the role.
fn alone(approvals: u32) -> Simulation {
    let mut run = simulate(gated(approvals), World::new());
    run.roles = roles(&[("incident-commander", &["ada"], true)]);
    run
}

#[test]
fn a_team_of_one_breaks_the_glass_with_a_reason_and_everybody_is_told() {
    let mut run = alone(1);
    let plain = yes(&run.state);
    assert_eq!(refused_to(&mut run, &plain, &user("ada")), "LB1381");
    let silent = glass(&run, "  ");
    assert_eq!(refused_to(&mut run, &silent, &user("ada")), "LB1310");
    let broken = glass(&run, "nobody else is awake");
    told(&mut run, &broken, &user("ada"));
    assert_eq!(word(&run), "succeeded");
    let view = engine::view(&run.state, run.now);
    let decision = &view.steps[0].decisions[0];
    assert!(decision.voices[0].break_glass);
    assert_eq!(decision.reason, "nobody else is awake");
    assert!(decision.told.iter().any(|told| told.contains("decided alone")), "{:?}", decision.told);
    assert!(view.steps[0].approved[0].contains("ALONE"));
}

#[test]
fn only_a_role_that_says_so_may_break_the_glass() {
    let mut run = alone(1);
    run.roles = roles(&[("incident-commander", &["ada"], false)]);
    let broken = glass(&run, "now");
    assert_eq!(refused_to(&mut run, &broken, &user("ada")), "LB1384");
    run.roles = roles(&[("incident-commander", &["dan"], true), ("other", &["ada"], true)]);
    assert_eq!(refused_to(&mut run, &broken, &user("ada")), "LB1380");
}

#[test]
fn while_somebody_else_may_answer_nobody_decides_alone() {
    let mut run = simulate(gated(1), World::new());
    run.roles = roles(&[("incident-commander", &["ada", "bea"], true)]);
    let broken = glass(&run, "I cannot wait");
    assert_eq!(refused_to(&mut run, &broken, &user("ada")), "LB1385");
    // Who could approve it plainly has no glass to break.
    run.roles = roles(&[("incident-commander", &["bea"], true)]);
    assert_eq!(refused_to(&mut run, &broken, &user("bea")), "LB1385");
    run.roles = roles(&[("incident-commander", &["ada", "bea"], true)]);
    late(&mut run);
    let view = engine::view(&run.state, run.now);
    assert!(view.approvals[0].expired);
    assert!(view.next.iter().any(|next| next.contains("go --break-glass")), "{:?}", view.next);
    told(&mut run, &broken, &user("ada"));
    assert_eq!(word(&run), "succeeded");
}

#[test]
fn what_nobody_heard_of_nobody_could_answer() {
    let mut world = World::new();
    world.channels.clear();
    let mut run = simulate(gated(1), world);
    run.roles = roles(&[("incident-commander", &["ada", "bea"], true)]);
    late(&mut run);
    let broken = glass(&run, "nobody answers");
    assert_eq!(refused_to(&mut run, &broken, &user("ada")), "LB1387");
}

#[test]
fn a_glass_is_broken_for_what_was_shown_and_for_nothing_else() {
    let mut run = alone(2);
    let Command::Approve { approval, way, .. } = glass(&run, "x") else { unreachable!() };
    let (digest, reason) = (model::Digest::of(&"other").unwrap(), "x".to_string());
    let other = Command::Approve { approval, digest, reason, way };
    assert_eq!(refused_to(&mut run, &other, &user("ada")), "LB1305");
    let broken = glass(&run, "nobody else is awake");
    told(&mut run, &broken, &user("ada"));
    assert_eq!(word(&run), "succeeded");
}

/// East is silent, and the plan demands that it was stopped.
fn silent() -> Simulation {
    let mut steps = failover().steps;
    steps[1] = fence(&[], &["east-1"], Evidence::Stopped);
    steps[2].preconditions =
        vec![plan::checked::Precondition::Fenced { step: path("fence"), evidence: Evidence::Stopped }];
    let mut world = World::new();
    world.take_offline(&host("east-1"), BEGINNING);
    simulate(plan(steps), world)
}

fn waive() -> Command {
    Command::Waive { step: path("fence"), reason: "the data centre burns".to_string() }
}

#[test]
fn evidence_is_waived_by_two_different_people_and_the_report_can_say_by_whom() {
    let mut run = silent();
    tell(&mut run, &waive());
    assert!(is_asked(&run.state, About::Waiver));
    let asked = question(&run.state);
    assert_eq!(asked.needed, 2);
    assert!(
        asked.text.contains("demands evidence `stopped`")
            && asked.text.contains("no more than `unreachable`")
    );
    assert!(asked.text.contains("the data centre burns"), "{}", asked.text);
    let yes = yes(&run.state);
    assert_eq!(refused_to(&mut run, &yes, &user("ada")), "LB1381");
    told(&mut run, &yes, &user("bea"));
    assert_eq!(executed(&run, "promote", model::Direction::Do), 0);
    told(&mut run, &yes, &user("cleo"));
    assert_eq!(word(&run), "succeeded");
    let fence = engine::view(&run.state, run.now).steps[1].clone();
    assert_eq!(fence.evidence, Some(Evidence::Unreachable), "a waiver makes no evidence");
    assert_eq!((fence.decisions[0].about.as_str(), fence.decisions[0].voices.len()), ("waiver", 2));
}

#[test]
fn a_fence_that_failed_is_waived_only_where_there_is_less_than_demanded() {
    let mut run = simulate(failover(), World::new());
    assert_eq!(word(&run), "succeeded");
    let mut steps = failover().steps;
    steps[1] = fence(&[], &["east-1"], Evidence::Isolated);
    run = simulate(plan(steps), World::new());
    assert_eq!(word(&run), "waiting");
    let verify = Command::Waive { step: path("verify"), reason: "x".to_string() };
    assert_eq!(refused(&mut run, &verify), "LB1389");
    let unsaid = Command::Waive { step: path("fence"), reason: " ".to_string() };
    assert_eq!(refused(&mut run, &unsaid), "LB1310");
    let view = engine::view(&run.state, run.now);
    assert!(view.next.iter().any(|next| next.starts_with("lifeboat waive ")), "{:?}", view.next);
    tell(&mut run, &waive());
    assert_eq!(refused(&mut run, &waive()), "LB1389");
    let no = no(&run.state);
    told(&mut run, &no, &user("bea"));
    assert!(matches!(run.state.step(&path("fence")).unwrap().stage, Stage::Failed { .. }));
    // Asked again, by a retry of the step or by another waiver.
    tell(&mut run, &waive());
    let yes = yes(&run.state);
    told(&mut run, &yes, &user("bea"));
    told(&mut run, &yes, &user("cleo"));
    assert_eq!(word(&run), "succeeded");
}

#[test]
fn a_fence_without_a_role_cannot_be_waived() {
    let mut steps = failover().steps;
    steps[1] = fence(&[], &["east-1"], Evidence::Isolated);
    steps[1].evidence.as_mut().unwrap().role = None;
    let mut run = simulate(plan(steps), World::new());
    assert_eq!(refused(&mut run, &waive()), "LB1390");
}

#[test]
fn a_host_that_comes_back_while_people_think_makes_the_waiver_void_and_is_fenced_by_a_retry() {
    let mut run = silent();
    tell(&mut run, &waive());
    let old = yes(&run.state);
    told(&mut run, &old, &user("bea"));
    run.world.bring_online(&host("east-1"));
    run.reconnect(&host("east-1")).unwrap();
    assert!(run.run(1_000).unwrap());
    // The order had been given up, and its host says that it never began: the question is another one now.
    assert_eq!(refused_to(&mut run, &old, &user("cleo")), "LB1304");
    assert!(question(&run.state).voices.is_empty() && question(&run.state).below_unreachable);
    tell(&mut run, &retry("fence"));
    assert_eq!(word(&run), "succeeded");
    assert_eq!(engine::view(&run.state, run.now).steps[1].evidence, Some(Evidence::Stopped));
    assert_replays(&run);
}

#[test]
fn one_person_may_waive_silence_but_never_the_lack_of_any_evidence() {
    let one = || roles(&[("incident-commander", &["ada"], true)]);
    let mut run = silent();
    run.roles = one();
    tell(&mut run, &waive());
    let broken = glass(&run, "I saw the rack burn");
    told(&mut run, &broken, &user("ada"));
    assert_eq!(word(&run), "succeeded");

    // A person's word settles the order, and is no evidence at all.
    let mut run = silent();
    let token = last(&run.state, "fence").token;
    tell(&mut run, &answer(&token, true));
    run.roles = one();
    tell(&mut run, &waive());
    assert!(question(&run.state).below_unreachable);
    let broken = glass(&run, "I saw the rack burn");
    assert_eq!(refused_to(&mut run, &broken, &user("ada")), "LB1386");
    run.roles = commanders();
    let yes = yes(&run.state);
    told(&mut run, &yes, &user("bea"));
    told(&mut run, &yes, &user("cleo"));
    assert_eq!(word(&run), "succeeded");
}

#[test]
fn what_a_waiver_that_nobody_answered_was_about_is_asked_again() {
    let mut run = silent();
    tell(&mut run, &waive());
    let moment = run.after(Duration::from_secs(700));
    run.run_until(moment).unwrap();
    assert!(!is_asked(&run.state, About::Waiver));
    tell(&mut run, &retry("fence"));
    assert!(is_asked(&run.state, About::Waiver));
}

#[test]
fn questions_and_answers_of_earlier_versions_load_as_they_were_meant() {
    let asked = r#"{"event":"approval-asked","approval":"00000000-0000-0000-0000-000000000001","step":"go","about":"gate","question":"q","digest":"0000000000000000000000000000000000000000000000000000000000000000","expires_at":1}"#;
    let Event::ApprovalAsked { approvals, .. } = serde_json::from_str(asked).unwrap() else { panic!() };
    assert_eq!(approvals, 1);
    let yes = r#"{"event":"approved","approval":"00000000-0000-0000-0000-000000000001","digest":"0000000000000000000000000000000000000000000000000000000000000000","by":"ada"}"#;
    let Event::Approved { break_glass, .. } = serde_json::from_str(yes).unwrap() else { panic!() };
    assert!(!break_glass);
    // And what is written now, where nothing of it is new, is what was written then.
    let event: Event = serde_json::from_str(asked).unwrap();
    assert!(!serde_json::to_string(&event).unwrap().contains("approvals"));
}

#[test]
fn a_journal_in_which_a_requester_approved_their_own_run_still_replays() {
    let run = simulate(gated(1), World::new());
    let asked = question(&run.state);
    let (approval, digest, by) = (asked.id, asked.digest, user("ada"));
    let event = Event::Approved { approval, digest, by, reason: String::new(), break_glass: false };
    let sequence = run.state.sequence + 1;
    let row = engine::Recorded { run: run.state.run, sequence, at: run.now, epoch: 1, event };
    assert!(engine::apply(Some(run.state.clone()), &row).is_ok());
}
