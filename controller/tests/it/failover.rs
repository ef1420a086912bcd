//! A failover whose old primary does not answer.

use crate::agent::Agent;
use crate::house::{House, PATIENCE, Person};
use model::jobs::{FenceOutput, PromoteOutput};
use model::{Evidence, Outcome, RunId};
use proto::v1;
use proto::v1::agent_message::Message;
use serde_json::Value;
use std::time::{Duration, Instant};

const ESTATE: &str = "
regions: { east: {}, west: {} }
hosts: { h1: { region: east }, h2: { region: west } }
services:
  postgres: { kind: systemd, unit: postgresql.service, hosts: [h1, h2] }
sources:
  app-db:
    kind: postgres
    database: app
    server: postgres
    members:
      h1: { address: 192.0.2.10 }
      h2: { address: 198.51.100.10 }
repositories:
  local: { at: /var/lib/repository, region: west, password: { file: /etc/password } }
roles:
  commander: { primary: grace }
";

const FAILOVER: &str = "
plan: failover
title: Promote west
scenario: { lost: [east] }
steps:
  fence:
    fence:
      source: app-db
      region: east
      evidence: unreachable
      silence: 1s
      risk: East may still accept writes.
      approve: { role: commander, within: 10m }
  promote: { after: fence, promote: { source: app-db, region: west } }
";

async fn begun() -> (House, Person, Agent, Agent, RunId) {
    let house = House::start();
    let person = house.person().await;
    person.apply(&[("estate.yaml", ESTATE), ("failover.yaml", FAILOVER)]).await;
    let (east, west) = (house.enrol(&person, "h1").await, house.enrol(&person, "h2").await);
    let (east, west) = (Agent::connect(&house, &east).await, Agent::connect(&house, &west).await);
    let run = person.run("failover").await;
    (house, person, east, west, run)
}

async fn view(person: &Person, run: RunId) -> Value {
    serde_json::from_slice(&person.show(run).await.view_json).unwrap()
}

/// The open question about the risk.
async fn question(person: &Person, run: RunId) -> Value {
    let began = Instant::now();
    loop {
        let view = view(person, run).await;
        if let Some(question) = view["approvals"].get(0) {
            return question.clone();
        }
        assert!(began.elapsed() < PATIENCE, "{view:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn approve(person: &Person, run: RunId, question: &Value, digest: &str) -> Result<(), tonic::Status> {
    let approval: uuid::Uuid = question["approval"].as_str().unwrap().parse().unwrap();
    let request = v1::ApproveRequest {
        run: run.0.as_bytes().to_vec(),
        approval: approval.as_bytes().to_vec(),
        digest: digest.to_string(),
        decline: false,
        reason: "the power is off".to_string(),
        break_glass: false,
    };
    person.runs().approve(request).await.map(drop)
}

async fn promoted(west: &mut Agent) {
    let order = west.accept().await;
    assert_eq!(order.kind, "promote");
    let output = PromoteOutput {
        timeline: 2,
        received_lsn: 100,
        replayed_lsn: 100,
        last_commit_at: None,
        took_ms: 5,
        already_primary: false,
    };
    let result = v1::Result {
        token: order.token.clone(),
        outcome: Some((&Outcome::success(&output)).into()),
        ..Default::default()
    };
    west.say(Message::Result(result)).await;
    west.acknowledged(&order).await;
}

#[tokio::test]
async fn fault_16_a_silent_primary_is_not_passed_over_without_a_persons_word_not_even_by_a_restart() {
    let (mut house, person, mut east, west, run) = begun().await;
    // It has the order, and then says nothing more, with its connection open.
    let order = east.accept().await;
    assert_eq!(order.kind, "fence");
    east.fall_silent();
    let asked = question(&person, run).await;
    assert_eq!(asked["role"], "commander");
    let events = person.show(run).await.events;
    let unreachable = events.iter().find_map(|event| {
        let event: Value = serde_json::from_slice(&event.event_json).unwrap();
        (event["event"] == "unreachable").then_some(event)
    });
    assert!(unreachable.unwrap()["silent_ms"].as_u64().unwrap() >= 1000);
    drop(west);
    house.kill();
    house.restart();
    let again = question(&person, run).await;
    assert_eq!(again, asked, "the same question, as it was shown");
    let grace = house.logged_in(&person, "grace").await;
    let wrong = approve(&grace, run, &asked, &"0".repeat(64)).await.unwrap_err();
    assert_eq!(wrong.code(), tonic::Code::FailedPrecondition, "{wrong}");
    approve(&grace, run, &asked, asked["digest"].as_str().unwrap()).await.unwrap();
    let papers = house.enrol(&person, "h2").await;
    let mut west = Agent::connect(&house, &papers).await;
    promoted(&mut west).await;
    person.until(run, "succeeded").await;
}

#[tokio::test]
async fn a_primary_that_answers_after_all_needs_nobodys_word() {
    let (house, person, mut east, mut west, run) = begun().await;
    let order = east.accept().await;
    east.fall_silent();
    let asked = question(&person, run).await;
    let output =
        FenceOutput { evidence: Evidence::Stopped, detail: "stopped and masked".into(), final_lsn: Some(9) };
    let result = v1::Result {
        token: order.token.clone(),
        outcome: Some((&Outcome::success(&output)).into()),
        ..Default::default()
    };
    east.say(Message::Result(result)).await;
    east.acknowledged(&order).await;
    promoted(&mut west).await;
    person.until(run, "succeeded").await;
    let late = approve(&person, run, &asked, asked["digest"].as_str().unwrap()).await;
    assert!(late.is_err(), "what was asked no longer stands");
    drop(house);
}

#[tokio::test]
async fn nothing_is_promoted_while_the_question_stands_open() {
    let (_house, person, mut east, mut west, run) = begun().await;
    east.accept().await;
    east.fall_silent();
    question(&person, run).await;
    let promoted = tokio::time::timeout(Duration::from_millis(1500), west.order()).await;
    assert!(promoted.is_err(), "{promoted:?}");
    assert_eq!(person.status(run).await, "waiting");
}

#[tokio::test]
async fn a_live_recovery_does_not_wait_for_a_backup_whose_host_is_lost() {
    let house = House::start();
    let person = house.person().await;
    person.apply(&[("estate.yaml", ESTATE), ("failover.yaml", FAILOVER)]).await;
    let verb = v1::Verb {
        kind: "backup".to_string(),
        parameters_yaml: "{ source: app-db, to: local, on: h1 }".to_string(),
    };
    let request = v1::StartRequest {
        what: Some(v1::start_request::What::Verb(verb)),
        mode: v1::Mode::Live.into(),
        ..Default::default()
    };
    let backup = person.runs().start(request.clone()).await.unwrap().into_inner().run;
    let again = person.runs().start(request).await.unwrap_err();
    assert_eq!(again.code(), tonic::Code::Aborted, "a backup waits for a backup: {again}");
    let run = person.run("failover").await;
    let backup = proto::run_id_of(&backup).unwrap();
    let shown = person.show(backup).await.state.unwrap();
    assert!(shown.ended_us > 0, "{shown:?}");
    let called_off = person.show(backup).await.events.iter().any(|event| {
        let event: Value = serde_json::from_slice(&event.event_json).unwrap();
        event["event"] == "cancel-requested" && event["reason"].as_str().unwrap().contains("failover")
    });
    assert!(called_off);
    assert_eq!(person.try_run("failover", Vec::new()).await.unwrap_err().code(), tonic::Code::Aborted);
    assert_ne!(person.status(run).await, "cancelled");
}
