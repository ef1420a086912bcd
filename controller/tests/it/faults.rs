//! Faults of the controller: killed, restored from the past, damaged.

use crate::agent::{Agent, held, hello};
use crate::house::House;
use proto::v1;
use rustix::process::Signal;
use sqlx::{Connection, SqliteConnection};
use tonic::Code;

#[tokio::test]
async fn fault_01_a_run_that_was_started_goes_on_after_kill_9() {
    let (mut house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let run = person.run("two-steps").await;
    house.kill();
    house.restart();
    let mut agent = Agent::connect(&house, &papers).await;
    agent.obey().await;
    agent.obey().await;
    person.until(run, "succeeded").await;
}

#[tokio::test]
async fn fault_02_an_order_that_was_decided_and_not_sent_is_sent_after_kill_9_under_its_token() {
    let (mut house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let run = person.run("two-steps").await;
    // No agent is there: the intent becomes durable, and nothing is sent.
    let intent = loop {
        let events = person.show(run).await.events;
        let events = events.iter().map(|event| serde_json::from_slice(&event.event_json).unwrap());
        let mut intents = events.filter(|event: &serde_json::Value| event["event"] == "attempt-started");
        if let Some(intent) = intents.next() {
            break intent;
        }
    };
    house.kill();
    house.restart();
    let mut agent = Agent::connect(&house, &papers).await;
    let order = agent.obey().await;
    let token = model::Token::try_from(order.token.unwrap()).unwrap();
    assert_eq!(serde_json::to_value(&token).unwrap(), intent["token"]);
    agent.obey().await;
    person.until(run, "succeeded").await;
}

#[tokio::test]
async fn fault_03_an_order_that_was_sent_is_answered_from_the_spool_after_kill_9() {
    let (mut house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let mut agent = Agent::connect(&house, &papers).await;
    let run = person.run("two-steps").await;
    let order = agent.accept().await;
    house.kill();
    house.restart();
    let mut agent = Agent::try_connect(&house, &papers, held(&order, v1::HeldState::Ended)).await.unwrap();
    assert!(agent.welcome.epoch.as_ref().unwrap().number > order.epoch.as_ref().unwrap().number);
    let repeat = agent.order().await;
    assert_eq!(repeat.token, order.token, "the name of the effect stays");
    agent.acknowledge(&repeat, v1::AckState::Ended).await;
    agent.succeed(&repeat).await;
    agent.acknowledged(&repeat).await;
    agent.obey().await;
    person.until(run, "succeeded").await;
}

#[tokio::test]
async fn fault_04_a_result_that_was_received_and_not_journaled_is_taken_again() {
    let (mut house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let mut agent = Agent::connect(&house, &papers).await;
    let run = person.run("two-steps").await;
    let order = agent.accept().await;
    // The frozen process' kernel takes the result; the process never reads it.
    house.signal(Signal::STOP);
    agent.succeed(&order).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    house.kill();
    house.restart();
    let mut agent = Agent::try_connect(&house, &papers, held(&order, v1::HeldState::Ended)).await.unwrap();
    agent.succeed(&order).await;
    agent.acknowledged(&order).await;
    let mut next = agent.accept().await;
    while next.token == order.token {
        // Sent again before the result came.
        next = agent.accept().await;
    }
    agent.succeed(&next).await;
    agent.acknowledged(&next).await;
    person.until(run, "succeeded").await;
}

#[tokio::test]
async fn fault_13_a_second_controller_on_the_folder_exits_and_names_the_first() {
    let house = House::start();
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_lifeboat-controller"))
        .args(["--data", house.folder.path().to_str().unwrap(), "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let text = String::from_utf8(second.stderr).unwrap();
    let pid = house.process().as_raw_nonzero().get().to_string();
    assert!(text.contains("LB1203") && text.contains("main") && text.contains(&pid), "{text}");
}

#[tokio::test]
async fn fault_09_a_store_that_is_fresh_while_agents_have_obeyed_a_newer_epoch_commands_nothing() {
    let (house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let epoch = v1::Epoch { number: 41, holder: vec![3; 16] };
    let hello = v1::Hello { highest_epoch: Some(epoch), ..hello() };
    let refused = Agent::try_connect(&house, &papers, hello).await.err().unwrap();
    assert_eq!(proto::problem_of_status(&refused).code, "LB1120");
    let start = person.try_run("two-steps", Vec::new()).await.unwrap_err();
    assert_eq!(start.code(), Code::Unavailable);
    assert_eq!(proto::problem_of_status(&start).code, "LB1120");
}

#[tokio::test]
async fn fault_10_a_store_restored_from_the_past_is_noticed_by_the_head_that_an_agent_has_seen() {
    let (mut house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    house.stop();
    let past = house.folder.path().join("past.sqlite");
    std::fs::copy(house.folder.path().join("lifeboat.sqlite"), &past).unwrap();
    house.restart();
    let mut agent = Agent::connect(&house, &papers).await;
    person.run("two-steps").await;
    let order = agent.accept().await;
    house.kill();
    let database = house.folder.path().join("lifeboat.sqlite");
    std::fs::copy(&past, &database).unwrap();
    for rest in ["lifeboat.sqlite-wal", "lifeboat.sqlite-shm"] {
        let _ = std::fs::remove_file(house.folder.path().join(rest));
    }
    // Two restarts bring the epoch above the one that the agent has seen: only the head tells.
    house.restart();
    house.stop();
    house.restart();
    let hello = held(&order, v1::HeldState::Running);
    let refused = Agent::try_connect(&house, &papers, hello).await.err().unwrap();
    let problem = proto::problem_of_status(&refused);
    assert_eq!(problem.code, "LB1122", "{problem}");
    assert!(problem.message.contains("lost its tail"));
    let start = person.try_run("two-steps", Vec::new()).await.unwrap_err();
    assert_eq!(proto::problem_of_status(&start).code, "LB1122");
}

#[tokio::test]
async fn fault_08_a_run_with_a_changed_journal_stands_aside_and_the_others_go_on() {
    let (mut house, person) = House::with_plans().await;
    let (h1, h2) = (house.enrol(&person, "h1").await, house.enrol(&person, "h2").await);
    let damaged = person.run("two-steps").await;
    let other = person.run("other").await;
    house.stop();
    let path = house.folder.path().join("lifeboat.sqlite");
    let mut store = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let refused = sqlx::query("update journal set at = 1").execute(&mut store).await.unwrap_err();
    assert!(refused.to_string().contains("never changed"), "{refused}");
    let refused = sqlx::query("delete from journal").execute(&mut store).await.unwrap_err();
    assert!(refused.to_string().contains("never deleted"), "{refused}");
    sqlx::query("drop trigger journal_is_never_changed").execute(&mut store).await.unwrap();
    let changed = sqlx::query(
        "update journal set event = replace(event, 'Stop', 'Stap') where run = $1 and sequence = 1",
    )
    .bind(damaged.to_string())
    .execute(&mut store)
    .await
    .unwrap();
    assert_eq!(changed.rows_affected(), 1);
    store.close().await.unwrap();
    house.restart();
    let _h1 = Agent::connect(&house, &h1).await;
    let mut agent = Agent::connect(&house, &h2).await;
    agent.obey().await;
    person.until(other, "succeeded").await;
    let shown = person.until(damaged, "stuck").await.state.unwrap();
    assert!(shown.detail.contains("LB1209") && shown.detail.contains("event 1"), "{}", shown.detail);
}

#[tokio::test]
async fn a_stopped_controller_ends_with_0_and_its_runs_go_on_when_it_is_back() {
    let (mut house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let mut agent = Agent::connect(&house, &papers).await;
    let run = person.run("two-steps").await;
    agent.obey().await;
    assert_eq!(house.stop(), Some(0));
    house.restart();
    let mut agent = Agent::connect(&house, &papers).await;
    let start = agent.obey().await;
    assert_eq!(start.token.unwrap().step, "start");
    person.until(run, "succeeded").await;
}
