//! Actions against real BIND, a real HTTP receiver and a store on disk: done, done again after a crash,
//! taken back, previewed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::bed::*;
use super::*;
use crate::dns::bind_server::Bed;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use model::control::{CutoverOutput, NotifyOutput};
use model::nouns::ChannelSpec;
use model::{RetryAdvice, RunId, SecretRef, StepPath};
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn a_cut_over_that_is_performed_again_after_a_restart_changes_nothing() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let action = home.cutover(bind.primary.port);
    let first: CutoverOutput = output(home.actions().await.perform(&doing(RUN), &action).await);
    assert_eq!((first.before.join("\n").as_str(), first.after.join("\n").as_str()), (FIRST, MOVED));
    assert_eq!((first.generation, first.ttl_seconds, first.servers.len()), (1, 5, 1));
    assert_eq!(addresses(&bind), MOVED);
    let written = mark(&bind);
    assert!(written.0.contains(&format!("gen=1 run={RUN}")), "{written:?}");

    let again: CutoverOutput = output(home.actions().await.perform(&doing(RUN), &action).await);
    let verified_after_ms = first.verified_after_ms;
    assert!(again.verified_after_ms >= verified_after_ms);
    assert_eq!(CutoverOutput { verified_after_ms, ..again }, first);
    assert_eq!((addresses(&bind).as_str(), mark(&bind)), (MOVED, written));
}

#[tokio::test]
async fn fault_02_killed_between_saving_and_writing_it_goes_on_with_what_was_saved() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let port = bind.primary.port;
    perform_until_killed(&home, RUN, port, Treat::HoldUpdate).await;
    assert_eq!(addresses(&bind), FIRST);
    let moved: CutoverOutput = output(home.actions().await.perform(&doing(RUN), &home.cutover(port)).await);
    assert_eq!((moved.generation, moved.before.join("\n").as_str()), (1, FIRST));
    assert_eq!(addresses(&bind), MOVED);
}

#[tokio::test]
async fn fault_03_killed_between_writing_and_the_result_it_takes_its_own_write_for_done() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let port = bind.primary.port;
    perform_until_killed(&home, RUN, port, Treat::HoldAnswer).await;
    assert_eq!(addresses(&bind), MOVED);
    let written = mark(&bind);
    let moved: CutoverOutput = output(home.actions().await.perform(&doing(RUN), &home.cutover(port)).await);
    assert_eq!((moved.generation, moved.before.join("\n").as_str()), (1, FIRST), "not its own write");
    assert_eq!(mark(&bind), written);
    let undone: CutoverOutput =
        output(home.actions().await.perform(&undoing(RUN), &home.restore(port)).await);
    assert_eq!((undone.after.join("\n").as_str(), addresses(&bind).as_str()), (FIRST, FIRST));
}

#[tokio::test]
async fn fault_05_an_undo_puts_back_what_was_there_and_done_twice_changes_nothing() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let port = bind.primary.port;
    let actions = home.actions().await;
    let moved: CutoverOutput = output(actions.perform(&doing(RUN), &home.cutover(port)).await);
    assert_eq!(actions.probe(&undoing(RUN), &home.restore(port)).await, ProbeAnswer::NotDone);
    let undone: CutoverOutput = output(actions.perform(&undoing(RUN), &home.restore(port)).await);
    assert_eq!((undone.before, undone.after, undone.generation), (moved.after, moved.before, 2));
    assert_eq!((undone.ttl_seconds, addresses(&bind).as_str()), (60, FIRST));

    let written = mark(&bind);
    drop(actions);
    let actions = home.actions().await;
    output::<CutoverOutput>(actions.perform(&undoing(RUN), &home.restore(port)).await);
    assert!(matches!(actions.probe(&undoing(RUN), &home.restore(port)).await, ProbeAnswer::Done { .. }));
    assert_eq!(mark(&bind), written);
    let late = failed(actions.perform(&doing(RUN), &home.cutover(port)).await);
    assert_eq!((late.code.as_str(), addresses(&bind).as_str()), ("LB1408", FIRST), "{late}");
}

#[tokio::test]
async fn a_cut_over_under_a_token_of_undo_is_taken_back_and_never_done() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let (actions, cutover) = (home.actions().await, home.cutover(bind.primary.port));
    output::<CutoverOutput>(actions.perform(&doing(RUN), &cutover).await);
    output::<CutoverOutput>(actions.perform(&undoing(RUN), &cutover).await);
    assert_eq!(addresses(&bind), FIRST);
}

#[tokio::test]
async fn an_undo_of_a_cut_over_that_saved_nothing_has_nothing_to_do() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let actions = home.actions().await;
    let before = mark(&bind);
    let undone = actions.perform(&undoing(RUN), &home.restore(bind.primary.port)).await;
    assert_eq!(undone, Outcome::Succeeded { output: serde_json::Value::Null });
    let done = ProbeAnswer::Done { output: serde_json::Value::Null };
    assert_eq!(actions.probe(&undoing(RUN), &home.restore(bind.primary.port)).await, done);
    let doing = actions.probe(&doing(RUN), &home.cutover(bind.primary.port)).await;
    assert_eq!((doing, mark(&bind)), (ProbeAnswer::NotDone, before));
}

#[tokio::test]
async fn a_value_that_someone_else_changed_is_left_alone_until_a_person_tries_again() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let port = bind.primary.port;
    perform_until_killed(&home, RUN, port, Treat::HoldUpdate).await;
    bind.by_hand(&format!("update delete {OLD}. A\nupdate add {OLD}. 5 A 203.0.113.5"));
    let actions = home.actions().await;
    let conflict = failed(actions.perform(&doing(RUN), &home.cutover(port)).await);
    assert_eq!((conflict.code.as_str(), conflict.retry), ("LB1407", RetryAdvice::Permanent));
    assert!(conflict.message.contains("expected 192.0.2.1, 192.0.2.2"), "{conflict}");
    assert!(conflict.message.contains("found 203.0.113.5"), "{conflict}");
    let ProbeAnswer::CannotTell { problem } = actions.probe(&doing(RUN), &home.cutover(port)).await else {
        panic!("only a person can tell");
    };
    assert_eq!((problem.code.as_str(), addresses(&bind).as_str()), ("LB1407", "203.0.113.5"));

    let by_a_person = token(RUN, Direction::Do, 2);
    let moved: CutoverOutput = output(actions.perform(&by_a_person, &home.cutover(port)).await);
    assert_eq!((moved.before, addresses(&bind).as_str()), (vec!["203.0.113.5".to_string()], MOVED));
    output::<CutoverOutput>(actions.perform(&undoing(RUN), &home.restore(port)).await);
    assert_eq!(addresses(&bind), "203.0.113.5");
}

#[tokio::test]
async fn an_undo_of_a_record_that_someone_changed_since_leaves_it_alone() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let port = bind.primary.port;
    let actions = home.actions().await;
    output::<CutoverOutput>(actions.perform(&doing(RUN), &home.cutover(port)).await);
    bind.by_hand(&format!("update delete {OLD}. A\nupdate add {OLD}. 5 A 203.0.113.5"));
    let conflict = failed(actions.perform(&undoing(RUN), &home.restore(port)).await);
    assert!(conflict.code == "LB1407" && conflict.message.contains("found 203.0.113.5"), "{conflict}");
    let probed = actions.probe(&undoing(RUN), &home.restore(port)).await;
    assert!(matches!(probed, ProbeAnswer::CannotTell { .. }), "{probed:?}");
    assert_eq!(addresses(&bind), "203.0.113.5");
}

#[tokio::test]
async fn a_region_without_addresses_is_refused_and_the_record_stays() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let actions = home.actions().await;
    for region in ["nowhere", "atlantis"] {
        let record = home.record(&[bind.primary.port]);
        let empty = ControlAction::Cutover { record, to: name(region) };
        let outcome = actions.perform(&doing(RUN), &empty).await;
        let Outcome::Refused { problem } = outcome else { panic!("{outcome:?}") };
        assert_eq!((problem.code.as_str(), addresses(&bind).as_str()), ("LB1409", FIRST));
    }
}

#[tokio::test]
async fn nothing_is_written_when_the_inverse_cannot_be_saved() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let unknown_to_the_store = RunId(uuid::Uuid::from_u128(9));
    let cutover = home.cutover(bind.primary.port);
    let problem = failed(home.actions().await.perform(&doing(unknown_to_the_store), &cutover).await);
    assert_eq!((problem.code.as_str(), addresses(&bind).as_str()), ("LB1418", FIRST), "{problem}");
    assert!(problem.causes.iter().any(|cause| cause.contains("LB1205")), "{problem}");
}

#[tokio::test]
async fn a_step_never_writes_under_what_was_saved_for_another_record() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let actions = home.actions().await;
    output::<CutoverOutput>(actions.perform(&doing(RUN), &home.cutover(bind.primary.port)).await);
    let mut record = home.record(&[bind.primary.port]);
    record.fqdn = "other.example.test".to_string();
    let other = ControlAction::Cutover { record, to: name("eu-west") };
    assert_eq!(failed(actions.perform(&doing(RUN), &other).await).code, "LB1419");
    assert_eq!(bind.primary.dig("other.example.test", "A"), "");
}

#[tokio::test]
async fn a_preview_says_what_it_would_do_and_writes_nothing() {
    let (bind, home) = (Bed::one(), Home::new().await);
    let actions = home.actions().await;
    let before = mark(&bind);
    let preview = Token { mode: Mode::Preview, ..doing(RUN) };
    let would: serde_json::Value = output(actions.perform(&preview, &home.cutover(bind.primary.port)).await);
    let sentence = format!("change {OLD} from 192.0.2.1, 192.0.2.2 to {MOVED}");
    assert_eq!(would, serde_json::json!({ "would": [sentence] }));
    assert_eq!(actions.probe(&preview, &home.cutover(bind.primary.port)).await, ProbeAnswer::NotDone);
    let back = Token { mode: Mode::Preview, ..undoing(RUN) };
    output::<serde_json::Value>(actions.perform(&back, &home.restore(bind.primary.port)).await);
    assert_eq!((addresses(&bind).as_str(), mark(&bind)), (FIRST, before));
}

/// What a receiver got: key and document of each post; and the status of its next answers.
#[derive(Default)]
struct Heard {
    posts: Vec<(String, serde_json::Value)>,
    next: Vec<u16>,
}

/// A receiver on a free port, and a notification to it.
async fn receiver(next: &[u16]) -> (Arc<Mutex<Heard>>, ControlAction) {
    let heard = Arc::new(Mutex::new(Heard { posts: Vec::new(), next: next.to_vec() }));
    let shared = heard.clone();
    let receive = move |headers: HeaderMap, axum::Json(body): axum::Json<serde_json::Value>| async move {
        let mut heard = shared.lock().unwrap();
        let key = headers["idempotency-key"].to_str().unwrap().to_string();
        heard.posts.push((key, body));
        let status = if heard.next.is_empty() { 204 } else { heard.next.remove(0) };
        StatusCode::from_u16(status).unwrap()
    };
    let app = axum::Router::new().route("/hook", post(receive));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let channel = ChannelSpec { name: name("ops"), kind: "webhook".to_string(), url, token: None };
    let (title, text) = ("Moving to eu-west".to_string(), "We look into it.".to_string());
    (heard, ControlAction::Notify { channel, state: "investigating".to_string(), title, text })
}

fn telling(attempt: u32) -> Token {
    Token { step: StepPath::new("tell").unwrap(), ..token(RUN, Direction::Do, attempt) }
}

#[tokio::test]
async fn a_notification_that_is_performed_again_carries_the_same_key() {
    let home = Home::new().await;
    let (heard, notify) = receiver(&[503]).await;
    let told: NotifyOutput = output(home.actions().await.perform(&telling(1), &notify).await);
    assert_eq!(told, NotifyOutput { channel: name("ops"), tries: 2 });
    let actions = home.actions().await;
    output::<NotifyOutput>(actions.perform(&telling(1), &notify).await);
    output::<NotifyOutput>(actions.perform(&telling(2), &notify).await);
    let heard = heard.lock().unwrap();
    let keys: Vec<&str> = heard.posts.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, vec![format!("{RUN}/tell"); 4]);
    assert_eq!(heard.posts[0].1["title"], "Moving to eu-west");
    assert_eq!(heard.posts[0].1["state"], "investigating");
    assert_eq!(heard.posts[0].1["run"], RUN.to_string());
}

#[tokio::test]
async fn a_notification_that_does_not_get_through_fails_and_says_so() {
    let home = Home::new().await;
    let actions = home.actions().await;
    let (heard, notify) = receiver(&[503, 503, 503, 401]).await;
    let trouble = failed(actions.perform(&telling(1), &notify).await);
    assert_eq!((trouble.code.as_str(), trouble.retry), ("LB1504", RetryAdvice::Transient));
    let refused = failed(actions.perform(&telling(2), &notify).await);
    assert_eq!((refused.code.as_str(), refused.retry), ("LB1503", RetryAdvice::Permanent));
    assert!(refused.message.contains("401") && refused.advice.contains("token"), "{refused:?}");
    assert_eq!(heard.lock().unwrap().posts.len(), 4);
    assert_eq!(actions.probe(&telling(2), &notify).await, ProbeAnswer::NotDone);
}

#[tokio::test]
async fn a_notification_in_preview_tells_nobody_and_finds_a_token_that_is_missing() {
    let home = Home::new().await;
    let actions = home.actions().await;
    let (heard, notify) = receiver(&[]).await;
    let preview = Token { mode: Mode::Preview, ..telling(1) };
    let would: serde_json::Value = output(actions.perform(&preview, &notify).await);
    assert_eq!(would["would"][0], "tell ops: investigating: Moving to eu-west");
    let ControlAction::Notify { mut channel, title, text, .. } = notify else { unreachable!() };
    channel.token = Some(SecretRef::File("/nowhere".into()));
    let state = "investigating".to_string();
    let notify = ControlAction::Notify { channel: channel.clone(), state, title, text };
    assert_eq!(failed(actions.perform(&preview, &notify).await).code, "LB1506");
    let state = "on fire".to_string();
    let unknown = ControlAction::Notify { channel, state, title: String::new(), text: String::new() };
    assert!(matches!(actions.perform(&telling(1), &unknown).await, Outcome::Refused { .. }));
    assert!(heard.lock().unwrap().posts.is_empty());
}
