//! Runs from start to end.

use crate::agent::{Agent, held, hello, success};
use crate::house::House;
use proto::v1;
use proto::v1::agent_message::Message;
use proto::v1::controller_message::Message as FromController;
use tonic::Code;

#[tokio::test]
async fn a_run_goes_through_its_steps_and_is_closed_at_its_agents() {
    let (mut house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let mut agent = Agent::connect(&house, &papers).await;
    assert_eq!(agent.welcome.heartbeat_ms, 200);
    let run = person.run("two-steps").await;
    let stop = agent.obey().await;
    assert_eq!(stop.token.as_ref().unwrap().step, "stop");
    let start = agent.obey().await;
    assert_eq!(start.token.as_ref().unwrap().step, "start");
    let shown = person.until(run, "succeeded").await;
    assert!(matches!(agent.next().await.unwrap(), FromController::RunClosed(_)));
    let numbers: Vec<u64> = shown.events.iter().map(|event| event.sequence).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let view: serde_json::Value = serde_json::from_slice(&shown.view_json).unwrap();
    assert_eq!(view["totals"]["succeeded"], 2);
    assert_eq!(house.stop(), Some(0));
}

#[tokio::test]
async fn a_watch_goes_on_by_number_and_ends_with_the_run() {
    let (house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let run = person.run("two-steps").await;
    let first = person.events(run, 0, 3).await;
    let watcher = person.clone();
    let rest = tokio::spawn(async move { watcher.events(run, 2, usize::MAX).await });
    let mut agent = Agent::connect(&house, &papers).await;
    agent.obey().await;
    agent.obey().await;
    let rest = rest.await.unwrap();
    assert_eq!(first[2], rest[0], "the same event by the same number");
    assert!(rest.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
    let last: serde_json::Value = serde_json::from_slice(&rest.last().unwrap().event_json).unwrap();
    assert_eq!(last["event"], "finished");
}

#[tokio::test]
async fn a_watcher_sees_progress_that_is_not_journaled() {
    let (house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let mut agent = Agent::connect(&house, &papers).await;
    let run = person.run("two-steps").await;
    let order = agent.accept().await;
    let seen = person.show(run).await.state.unwrap().sequence;
    let watcher = person.clone();
    let watching = tokio::spawn(async move {
        let request = v1::WatchRequest { run: run.0.as_bytes().to_vec(), after_sequence: seen };
        let mut stream = watcher.runs().watch(request).await.unwrap().into_inner();
        loop {
            let event = stream.message().await.unwrap().expect("progress comes before the end");
            if let Some(progress) = event.progress {
                assert_eq!(event.sequence, 0);
                return progress.phase;
            }
        }
    });
    while !watching.is_finished() {
        let progress =
            v1::ProgressReport { token: order.token.clone(), phase: "half".into(), ..Default::default() };
        agent.say(Message::Progress(progress)).await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(watching.await.unwrap(), "half");
}

#[tokio::test]
async fn fault_50_of_two_starts_on_one_target_exactly_one_wins_and_the_other_is_told_who_and_since_when() {
    let (_house, person) = House::with_plans().await;
    let starts = (0..20).map(|_| {
        let person = person.clone();
        async move { person.try_run("two-steps", Vec::new()).await }
    });
    let answers = futures::future::join_all(starts).await;
    let (won, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for status in refused.into_iter().filter_map(Result::err) {
        assert_eq!(status.code(), Code::Aborted);
        let problem = proto::problem_of_status(&status);
        assert_eq!(problem.code, "LB1350");
        let run = won[0].as_ref().unwrap().to_string();
        assert!(problem.message.contains(&run) && problem.message.contains("ada"), "{problem}");
    }
}

#[tokio::test]
async fn the_same_request_sent_again_starts_nothing_new() {
    let (_house, person) = House::with_plans().await;
    let request = vec![9; 16];
    let first = person.try_run("two-steps", request.clone()).await.unwrap();
    assert_eq!(person.try_run("two-steps", request).await.unwrap(), first);
}

#[tokio::test]
async fn a_run_that_ended_frees_what_it_held() {
    let (house, person) = House::with_plans().await;
    let run = person.run("two-steps").await;
    let command = person.command(run).await;
    person.runs().cancel(command).await.unwrap();
    // Its order may be on its way to an agent that nobody has heard: the agent must say that it is not.
    let papers = house.enrol(&person, "h1").await;
    let mut agent = Agent::connect(&house, &papers).await;
    while person.status(run).await != "cancelled" {
        match agent.next().await.unwrap() {
            FromController::Revoke(revoke) => {
                let state = v1::RevokeState::NeverBegun.into();
                let ack = v1::RevokeAck { token: revoke.token, state, problem: None };
                agent.say(Message::RevokeAck(ack)).await;
                person.until(run, "cancelled").await;
            }
            FromController::RunClosed(_) => break,
            other => panic!("{other:?}"),
        }
    }
    person.run("two-steps").await;
}

#[tokio::test]
async fn a_result_that_comes_after_the_end_is_recorded_as_late_and_acknowledged() {
    let (house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let mut agent = Agent::connect(&house, &papers).await;
    let run = person.run("two-steps").await;
    let order = agent.accept().await;
    let command = person.command(run).await;
    person.runs().cancel(command).await.unwrap();
    let FromController::Revoke(revoke) = agent.next().await.unwrap() else { panic!("a revocation") };
    assert_eq!(revoke.token, order.token);
    let ack = v1::RevokeAck { token: revoke.token, state: v1::RevokeState::NeverBegun.into(), problem: None };
    agent.say(Message::RevokeAck(ack)).await;
    let before = person.until(run, "cancelled").await.events.len();
    while !matches!(agent.next().await.unwrap(), FromController::RunClosed(_)) {}
    agent.succeed(&order).await;
    agent.acknowledged(&order).await;
    let after = person.show(run).await;
    assert_eq!(after.events.len(), before + 1);
    let late: serde_json::Value = serde_json::from_slice(&after.events[before].event_json).unwrap();
    assert_eq!(late["event"], "late-result");
    assert_eq!(after.state.unwrap().status, "cancelled");
}

#[tokio::test]
async fn a_repeated_result_is_acknowledged_and_recorded_once() {
    let (house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let mut agent = Agent::connect(&house, &papers).await;
    let run = person.run("two-steps").await;
    let stop = agent.obey().await;
    let start = agent.accept().await;
    agent.say(Message::Result(success(&stop))).await;
    agent.acknowledged(&stop).await;
    agent.succeed(&start).await;
    agent.acknowledged(&start).await;
    let shown = person.until(run, "succeeded").await;
    let ended = shown.events.iter().filter(|event| {
        let event: serde_json::Value = serde_json::from_slice(&event.event_json).unwrap();
        event["event"] == "ended"
    });
    assert_eq!(ended.count(), 2);
}

#[tokio::test]
async fn a_host_cannot_report_about_the_work_of_another() {
    let (house, person) = House::with_plans().await;
    let (h1, h2) = (house.enrol(&person, "h1").await, house.enrol(&person, "h2").await);
    let mut agent = Agent::connect(&house, &h1).await;
    let mut liar = Agent::connect(&house, &h2).await;
    let run = person.run("two-steps").await;
    let order = agent.accept().await;
    liar.succeed(&order).await;
    // Something that is answered tells that the lie was dealt with.
    let other = person.run("other").await;
    liar.obey().await;
    person.until(other, "succeeded").await;
    assert_eq!(person.status(run).await, "running");
}

#[tokio::test]
async fn a_newer_session_of_an_agent_replaces_the_older_one() {
    let (house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let mut old = Agent::connect(&house, &papers).await;
    let mut new = Agent::connect(&house, &papers).await;
    assert_eq!(old.next().await.unwrap_err().code(), Code::Aborted);
    let run = person.run("two-steps").await;
    new.obey().await;
    new.obey().await;
    person.until(run, "succeeded").await;
}

#[tokio::test]
async fn an_agent_that_reconnects_gets_what_is_under_way_again() {
    let (house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let mut agent = Agent::connect(&house, &papers).await;
    let run = person.run("two-steps").await;
    let order = agent.accept().await;
    drop(agent);
    let mut again = Agent::try_connect(&house, &papers, held(&order, v1::HeldState::Running)).await.unwrap();
    let repeat = again.order().await;
    assert_eq!(repeat.token, order.token);
    again.acknowledge(&repeat, v1::AckState::Running).await;
    again.succeed(&repeat).await;
    again.acknowledged(&repeat).await;
    again.obey().await;
    person.until(run, "succeeded").await;
}

#[tokio::test]
async fn an_applied_estate_reaches_its_agents() {
    let (house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let hello = v1::Hello { assignment_version: 0, ..hello() };
    let _agent = Agent::try_connect(&house, &papers, hello).await.unwrap();
    let status = person.fleet().await;
    assert_eq!(status.estate_version, 1);
    let host = status.hosts.iter().find(|host| host.name == "h1").unwrap();
    assert_eq!(host.state(), v1::HostState::Connected);
    let h2 = status.hosts.iter().find(|host| host.name == "h2").unwrap();
    assert_eq!(h2.state(), v1::HostState::NeverSeen);
    let estate = crate::house::ESTATE;
    let changed = person.apply(&[("estate.yaml", estate), ("two.yaml", crate::house::TWO_STEPS)]).await;
    assert_eq!(changed.version, 2);
    let nouns: Vec<_> = changed.changes.iter().map(|change| (change.noun.as_str(), change.kind())).collect();
    assert_eq!(nouns, [("plan/other", v1::ChangeKind::Removed)]);
    let again = person.apply(&[("estate.yaml", estate), ("two.yaml", crate::house::TWO_STEPS)]).await;
    assert!(!again.changed && again.version == 2);
}

/// As much as the check promises to be quick with, in about as many bytes as an estate may have.
fn large_estate() -> Vec<(String, String)> {
    let hosts: String = (0..1_000).map(|host| format!("  big{host}: {{ region: west }}\n")).collect();
    let service = "services:\n  app: { kind: systemd, unit: app.service, hosts: [big0] }\n";
    let mut files =
        vec![("estate.yaml".to_string(), format!("regions: {{ west: {{}} }}\nhosts:\n{hosts}{service}"))];
    for plan in 0..200 {
        let step = |step: usize| {
            let after = if step == 0 { "[]".to_string() } else { format!("s{}", step - 1) };
            let words = "# ".to_string() + &"why it is done ".repeat(9);
            format!(
                "  {words}\n  s{step}: {{ after: {after}, restart: {{ services: [app], hosts: [big0] }} }}\n"
            )
        };
        let steps: String = (0..100).map(step).collect();
        files.push((format!("plans/p{plan}.yaml"), format!("plan: p{plan}\nsteps:\n{steps}")));
    }
    files
}

#[tokio::test]
async fn an_estate_as_large_as_they_come_is_taken_kept_and_given_back() {
    let (mut house, person) = House::with_plans().await;
    let files = large_estate();
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    assert!((3 * 1024 * 1024..=4 * 1024 * 1024).contains(&bytes), "{bytes}");
    let borrowed: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let applied = person.apply(&borrowed).await;
    assert_eq!((applied.version, applied.changed, applied.warnings.len()), (2, true, 0));
    house.stop();
    house.restart();
    let kept = person.estate().await;
    let mut kept: Vec<(String, String)> = kept.files.into_iter().map(|file| (file.path, file.text)).collect();
    kept.sort();
    let mut files = files;
    files.sort();
    assert!(kept == files, "{} files", kept.len());
}

#[tokio::test]
async fn a_silent_agent_is_shown_as_unreachable_although_its_session_is_open() {
    let (house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let agent = Agent::connect(&house, &papers).await;
    let state =
        |status: v1::StatusResponse| status.hosts.into_iter().find(|host| host.name == "h1").unwrap().state();
    assert_eq!(state(person.fleet().await), v1::HostState::Connected);
    agent.fall_silent();
    let began = std::time::Instant::now();
    while state(person.fleet().await) != v1::HostState::Unreachable {
        assert!(began.elapsed() < crate::house::PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
