//! Faults 46 and 47 as a step meets them: servers that are down, that lag, whose answers are lost or
//! whose updates arrive late; wrong keys; and plans older than the zone.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::bed::*;
use super::*;
use crate::dns::Bounds;
use crate::dns::bind_server::{Bed, QUICK, READER_SECRET, SECRET, key_file};
use model::control::CutoverOutput;
use model::{Problem, RetryAdvice};
use std::time::Duration;

fn cannot_tell(answer: ProbeAnswer) -> Problem {
    let ProbeAnswer::CannotTell { problem } = answer else { panic!("{answer:?}") };
    problem
}

fn unknown(outcome: Outcome) -> Problem {
    let Outcome::Unknown { problem } = outcome else { panic!("{outcome:?}") };
    problem
}

#[tokio::test]
async fn fault_46_a_server_that_is_down_before_anything_was_saved_is_a_failure_that_may_pass() {
    let (mut bind, home) = (Bed::one(), Home::new().await);
    let cutover = home.cutover(bind.primary.port);
    let actions = home.actions().await;
    bind.primary.stop();
    let down = failed(actions.perform(&doing(RUN), &cutover).await);
    assert_eq!((down.code.as_str(), down.retry), ("LB1401", RetryAdvice::Transient));
    assert_eq!(actions.probe(&doing(RUN), &cutover).await, ProbeAnswer::NotDone, "nothing was saved");
    bind.primary.start();
    let moved: CutoverOutput = output(actions.perform(&token(RUN, Direction::Do, 2), &cutover).await);
    assert_eq!((moved.generation, addresses(&bind).as_str()), (1, MOVED));
}

#[tokio::test]
async fn fault_48_a_provider_that_is_down_stops_the_step_with_what_to_set_by_hand() {
    let (mut bind, home) = (Bed::one(), Home::new().await);
    let cutover = home.cutover(bind.primary.port);
    let actions = home.actions().await;
    bind.primary.stop();
    let down = failed(actions.perform(&doing(RUN), &cutover).await);
    for said in [MOVED, "A ", "lifeboat skip"] {
        assert!(down.advice.contains(said), "{said}: {}", down.advice);
    }
    // Somebody did so; the next plan takes the record from there.
    bind.primary.start();
    bind.by_hand(&format!("update delete {OLD}. A\nupdate add {OLD}. 60 A {MOVED}"));
    let moved: CutoverOutput = output(actions.perform(&token(RUN, Direction::Do, 2), &cutover).await);
    assert_eq!((moved.before.join("\n").as_str(), addresses(&bind).as_str()), (MOVED, MOVED));
}

#[tokio::test]
async fn fault_46_a_server_that_goes_down_before_the_write_leaves_an_unknown_that_the_probe_settles() {
    let (mut bind, home) = (Bed::one(), Home::new().await);
    let port = bind.primary.port;
    perform_until_killed(&home, RUN, port, Treat::HoldUpdate).await;
    bind.primary.stop();
    let actions = home.actions().await;
    let gone = unknown(actions.perform(&doing(RUN), &home.cutover(port)).await);
    assert_eq!((gone.code.as_str(), gone.retry), ("LB1401", RetryAdvice::Transient));
    let blind = cannot_tell(actions.probe(&doing(RUN), &home.cutover(port)).await);
    assert_eq!(blind.code, "LB1401");
    bind.primary.start();
    for _ in 0..2 {
        assert_eq!(actions.probe(&doing(RUN), &home.cutover(port)).await, ProbeAnswer::NotDone);
    }
    let again = token(RUN, Direction::Do, 2);
    let moved: CutoverOutput = output(actions.perform(&again, &home.cutover(port)).await);
    assert_eq!((moved.before.join("\n").as_str(), addresses(&bind).as_str()), (FIRST, MOVED));
}

#[tokio::test]
async fn fault_46_a_write_whose_answers_are_all_lost_is_unknown_and_the_probe_finds_it_done() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let port = bind.primary.port;
    let (through, _updates) = link(port, Treat::HoldAnswer).await;
    let actions = home.actions().await;
    let lost = unknown(actions.perform(&doing(RUN), &home.cutover(through)).await);
    assert_eq!(lost.code, "LB1401");
    let written = mark(&bind);
    let ProbeAnswer::Done { output } = actions.probe(&doing(RUN), &home.cutover(port)).await else {
        panic!("it was done");
    };
    let found: CutoverOutput = serde_json::from_value(output).unwrap();
    assert_eq!((found.before.join("\n").as_str(), found.after.join("\n").as_str()), (FIRST, MOVED));
    assert!(found.verified_after_ms > 0 && found.servers.len() == 1, "{found:?}");
    assert_eq!((addresses(&bind).as_str(), mark(&bind)), (MOVED, written));
}

#[tokio::test]
async fn fault_46_an_update_that_arrives_after_the_probe_said_not_done_is_refused() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let port = bind.primary.port;
    let late = perform_until_killed(&home, RUN, port, Treat::HoldUpdate).await;
    let actions = home.actions().await;
    assert_eq!(actions.probe(&doing(RUN), &home.cutover(port)).await, ProbeAnswer::NotDone);
    let answer = send(port, &late).await.unwrap();
    assert_ne!(answer[3] & 0x0f, 0, "the server refused it");
    assert_eq!(addresses(&bind), FIRST);
}

#[tokio::test]
async fn fault_46_a_wrong_or_missing_key_is_told_apart_and_the_record_stays() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let cutover = home.cutover(bind.primary.port);
    let actions = home.actions().await;
    std::fs::write(home.key(), key_file("lifeboat", READER_SECRET)).unwrap();
    let wrong = failed(actions.perform(&doing(RUN), &cutover).await);
    assert_eq!((wrong.code.as_str(), wrong.retry), ("LB1403", RetryAdvice::Permanent));
    assert!(!format!("{wrong:?}").contains(READER_SECRET));
    let probed = cannot_tell(actions.probe(&doing(RUN), &cutover).await);
    assert_eq!(probed.code, "LB1403", "without the key nothing can be made too old to arrive");

    std::fs::remove_file(home.key()).unwrap();
    let missing = actions.perform(&token(RUN, Direction::Do, 2), &cutover).await;
    let Outcome::Refused { problem } = missing else { panic!("{missing:?}") };
    assert_eq!((problem.code.as_str(), addresses(&bind).as_str()), ("LB5101", FIRST));

    std::fs::write(home.key(), key_file("lifeboat", SECRET)).unwrap();
    output::<CutoverOutput>(actions.perform(&token(RUN, Direction::Do, 3), &cutover).await);
    assert_eq!(addresses(&bind), MOVED);
}

#[tokio::test]
async fn fault_46_a_secondary_that_lags_is_no_success_until_it_has_caught_up() {
    let (bind, home) = (Bed::two(), Home::new().await);
    let record = home.record(&[bind.primary.port, bind.secondary().port]);
    let cutover = ControlAction::Cutover { record, to: name("eu-west") };
    let actions = home.actions_with(Bounds { verify: Duration::from_secs(1), ..QUICK }).await;
    bind.secondary().signal("STOP");
    let lagging = failed(actions.perform(&doing(RUN), &cutover).await);
    assert_eq!((lagging.code.as_str(), lagging.retry), ("LB1411", RetryAdvice::Transient));
    assert!(lagging.message.contains(&bind.secondary().port.to_string()), "{lagging}");
    assert_eq!(cannot_tell(actions.probe(&doing(RUN), &cutover).await).code, "LB1411");
    bind.secondary().signal("CONT");
    drop(actions);
    let actions = home.actions().await;
    assert!(matches!(actions.probe(&doing(RUN), &cutover).await, ProbeAnswer::Done { .. }));
    let moved: CutoverOutput = output(actions.perform(&doing(RUN), &cutover).await);
    assert_eq!((moved.servers.len(), bind.secondary().dig(OLD, "A").as_str()), (2, MOVED));
}

#[tokio::test]
async fn fault_47_an_older_plans_cut_over_is_refused_however_often_it_is_tried() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let port = bind.primary.port;
    let late = perform_until_killed(&home, RUN, port, Treat::HoldUpdate).await;
    let actions = home.actions().await;
    let mut record = home.record(&[port]);
    record.values.insert(name("eu-west"), vec!["203.0.113.9".parse().unwrap()]);
    let newer = ControlAction::Cutover { record, to: name("eu-west") };
    output::<CutoverOutput>(actions.perform(&doing(NEWER_RUN), &newer).await);
    let written = mark(&bind);

    assert_ne!(send(port, &late).await.unwrap()[3] & 0x0f, 0, "the server refuses the late update");
    for attempt in [1, 2] {
        let token = token(RUN, Direction::Do, attempt);
        let older = failed(actions.perform(&token, &home.cutover(port)).await);
        assert_eq!((older.code.as_str(), older.retry), ("LB1408", RetryAdvice::Permanent));
        assert!(older.message.contains(&NEWER_RUN.to_string()), "{older}");
    }
    assert_eq!(cannot_tell(actions.probe(&doing(RUN), &home.cutover(port)).await).code, "LB1408");
    let undo = failed(actions.perform(&undoing(RUN), &home.restore(port)).await);
    assert!(undo.code == "LB1407" && undo.message.contains("found 203.0.113.9"), "{undo}");
    assert_eq!((addresses(&bind).as_str(), mark(&bind)), ("203.0.113.9", written));
}
