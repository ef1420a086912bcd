//! One host's agent, or somebody without a certificate, that does harm on purpose: others go on.

use crate::agent::{Agent, held, hello};
use crate::house::{House, PATIENCE, Person};
use model::{Assignment, Outcome, Work};
use proto::v1;
use proto::v1::agent_message::Message;
use proto::v1::backups_client::BackupsClient;
use proto::v1::enrolment_client::EnrolmentClient;
use runtime::tls::Keys;
use std::time::{Duration, Instant};
use tonic::{Code, Request};

/// The controller commands: a run can begin.
async fn commands(person: &Person) {
    let run = person.try_run("two-steps", Vec::new()).await.unwrap();
    person.runs().cancel(person.command(run).await).await.unwrap();
}

fn not_obeyed() -> v1::Problem {
    (&model::Problem::new("LB2111", "another controller leads", "Stop it.")).into()
}

#[tokio::test]
async fn an_agent_that_refuses_what_it_was_never_told_ends_nothing() {
    let (house, person) = House::with_plans().await;
    let (h1, h2) = (house.enrol(&person, "h1").await, house.enrol(&person, "h2").await);
    let mut owner = Agent::connect(&house, &h1).await;
    let run = person.run("two-steps").await;
    let order = owner.accept().await;
    let rogue = Agent::connect(&house, &h2).await;
    let token = order.token.clone();
    let problem = Some(not_obeyed());
    let revoked = v1::RevokeAck { token: token.clone(), state: 0, problem: problem.clone() };
    rogue.say(Message::RevokeAck(revoked)).await;
    let cannot_tell = v1::ProbeState::CannotTell.into();
    let probed = v1::ProbeAnswer { token: token.clone(), state: cannot_tell, outcome: None, problem };
    rogue.say(Message::ProbeAnswer(probed)).await;
    let refused = Outcome::Refused { problem: model::Problem::new("LB2110", "no", "none") };
    let result = v1::Result { token: token.clone(), outcome: Some((&refused).into()), ..Default::default() };
    rogue.say(Message::Result(result)).await;
    // Its own, but for another reason than another controller.
    let other = (&model::Problem::new("LB2150", "something else", "none")).into();
    let revoked = v1::RevokeAck { token, state: 0, problem: Some(other) };
    owner.say(Message::RevokeAck(revoked)).await;
    owner.succeed(&order).await;
    owner.acknowledged(&order).await;
    owner.obey().await;
    person.until(run, "succeeded").await;
    commands(&person).await;
}

#[tokio::test]
async fn fault_14_the_agent_that_was_asked_and_obeys_another_ends_our_standing() {
    let (house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let mut agent = Agent::connect(&house, &papers).await;
    person.run("two-steps").await;
    let order = agent.accept().await;
    let revoked = v1::RevokeAck { token: order.token, state: 0, problem: Some(not_obeyed()) };
    agent.say(Message::RevokeAck(revoked)).await;
    let began = Instant::now();
    loop {
        match person.try_run("other", Vec::new()).await {
            Err(status) if proto::problem_of_status(&status).code == "LB2111" => break,
            other => assert!(began.elapsed() < PATIENCE, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_false_head_of_a_run_that_never_had_work_for_its_host_ends_nothing() {
    let (house, person) = House::with_plans().await;
    let (h1, h2) = (house.enrol(&person, "h1").await, house.enrol(&person, "h2").await);
    let mut owner = Agent::connect(&house, &h1).await;
    person.run("two-steps").await;
    let order = owner.accept().await;
    let mut forged = held(&order, v1::HeldState::Running);
    forged.held.clear();
    forged.heads[0].sequence = 4711;
    Agent::try_connect(&house, &h2, forged.clone()).await.unwrap();
    owner.succeed(&order).await;
    owner.obey().await;
    commands(&person).await;
    // The same from the host that had the work is believed.
    let refused = Agent::try_connect(&house, &h1, forged).await.err().unwrap();
    assert_eq!(proto::problem_of_status(&refused).code, "LB1122");
}

#[tokio::test]
async fn an_epoch_that_cannot_be_is_its_agents_trouble() {
    let (house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let absurd = Some(v1::Epoch { number: 1 << 62, holder: vec![3; 16] });
    let first = v1::Hello { highest_epoch: absurd.clone(), ..hello() };
    let refused = Agent::try_connect(&house, &papers, first).await.err().unwrap();
    assert_eq!(proto::problem_of_status(&refused).code, "LB1123");
    let mut agent = Agent::connect(&house, &papers).await;
    let beat = v1::Heartbeat { now_us: hello().now_us, highest_epoch: absurd, ..Default::default() };
    agent.say(Message::Heartbeat(beat)).await;
    let ended = agent.next().await.unwrap_err();
    assert_eq!(proto::problem_of_status(&ended).code, "LB1123", "{ended}");
    commands(&person).await;
}

const BACKUPS: &str = "
regions: { west: {} }
hosts: { h1: { region: west }, h2: { region: west } }
sources:
  uploads: { kind: files, paths: [/srv/uploads], members: [h1] }
  letters: { kind: files, paths: [/srv/letters], members: [h2] }
repositories:
  local: { at: /var/lib/repository, region: west, password: { file: /etc/password } }
schedules:
  nightly: { backup: uploads, on: h1, to: [local], at: \"0 2 * * *\", zone: UTC }
  weekly: { backup: letters, on: h2, to: [local], at: \"0 2 * * 0\", zone: UTC }
";

fn reported(schedule: &str, work: &Work, host: &str, snapshot: char) -> v1::ScheduledResult {
    let output = serde_json::json!({
        "snapshot": snapshot.to_string().repeat(64), "at": 1_800_000_000_000_000_i64, "read_bytes": 1,
        "stored_bytes": 1, "files": 1,
    });
    let token = model::Token {
        run: model::RunId(uuid::Uuid::from_u128(snapshot as u128)),
        step: model::StepPath::new(format!("schedule/{schedule}/1")).unwrap(),
        target: model::Target {
            noun: "schedule".parse().unwrap(),
            name: schedule.parse().unwrap(),
            host: Some(host.parse().unwrap()),
        },
        direction: model::Direction::Do,
        attempt: 1,
        mode: model::Mode::Live,
    };
    v1::ScheduledResult {
        token: Some((&token).into()),
        schedule: schedule.to_string(),
        kind: work.kind().to_string(),
        version: work.version(),
        parameters: work.parameters().unwrap(),
        outcome: Some((&Outcome::Succeeded { output }).into()),
        started_us: 1,
        ended_us: 2,
    }
}

/// The work that a host was assigned by its schedule.
async fn assigned(agent: &mut Agent) -> Work {
    let assignment: Assignment = serde_json::from_slice(&agent.assignment().await.json).unwrap();
    assignment.schedules[0].work[0].clone()
}

#[tokio::test]
async fn an_agent_reports_restore_points_of_its_own_schedules_alone() {
    let house = House::start();
    let person = house.person().await;
    let applied = person.apply(&[("estate.yaml", BACKUPS)]).await;
    assert_eq!(applied.version, 1, "{applied:?}");
    let (h1, h2) = (house.enrol(&person, "h1").await, house.enrol(&person, "h2").await);
    let (mut owner, mut rogue) = (Agent::connect(&house, &h1).await, Agent::connect(&house, &h2).await);
    let (uploads, letters) = (assigned(&mut owner).await, assigned(&mut rogue).await);
    let true_one = reported("nightly", &uploads, "h1", 'a');
    let forged = [
        reported("nightly", &uploads, "h2", 'b'),
        reported("nightly", &uploads, "h1", 'c'),
        reported("weekly", &uploads, "h2", 'd'),
        reported("nightly", &letters, "h2", 'e'),
    ];
    for result in forged {
        rogue.say(Message::ScheduledResult(result.clone())).await;
        rogue.kept(result.token).await;
    }
    owner.say(Message::ScheduledResult(true_one.clone())).await;
    owner.kept(true_one.token).await;
    let points = async |source: &str| {
        let request = v1::PointsRequest { source: source.to_string(), limit: 0 };
        let answer = BackupsClient::new(person.channel.clone()).points(request).await.unwrap();
        let points = answer.into_inner().points.into_iter();
        points.map(|point| (point.host, point.snapshot.chars().next().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(points("uploads").await, [("h1".to_string(), 'a')]);
    assert_eq!(points("letters").await, []);
    // A snapshot that is another source's does not become this one's, and proves nothing of it.
    let taken = reported("weekly", &letters, "h2", 'a');
    rogue.say(Message::ScheduledResult(taken.clone())).await;
    rogue.kept(taken.token).await;
    assert_eq!(points("uploads").await, [("h1".to_string(), 'a')]);
    assert_eq!(points("letters").await, []);
}

#[tokio::test]
async fn calls_without_a_certificate_that_never_end_leave_those_of_people_alone() {
    let (house, person) = House::with_plans().await;
    let mut hanging = Vec::new();
    let login = |token: &str| v1::LoginRequest {
        token: token.to_string(),
        user: "eve".to_string(),
        csr_pem: Keys::make().unwrap().request().unwrap(),
    };
    // Each begins a call and never ends its request.
    for _ in 0..20 {
        let channel = house.nobody().await;
        for _ in 0..30 {
            let channel = channel.clone();
            hanging.push(tokio::spawn(async move {
                let mut grpc = tonic::client::Grpc::new(channel);
                grpc.ready().await.unwrap();
                let path = http::uri::PathAndQuery::from_static("/lifeboat.v1.Enrolment/Login");
                let codec = tonic_prost::ProstCodec::<v1::LoginRequest, v1::Certificate>::default();
                let never = tokio_stream::pending::<v1::LoginRequest>();
                let _ = grpc.client_streaming(Request::new(never), path, codec).await;
            }));
        }
    }
    let mut enrolment = EnrolmentClient::new(house.nobody().await);
    let began = Instant::now();
    loop {
        let refused = enrolment.login(login("lb1_wrong")).await.unwrap_err();
        if proto::problem_of_status(&refused).code == "LB1110" {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{refused}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    commands(&person).await;
    person.fleet().await;
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_large_request_of_somebody_without_a_certificate_is_not_read() {
    let house = House::start();
    let request = v1::LoginRequest { csr_pem: "x".repeat(65 * 1024), ..Default::default() };
    let refused = EnrolmentClient::new(house.nobody().await).login(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
}
