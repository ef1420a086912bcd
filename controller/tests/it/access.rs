//! Who is let in.

use crate::agent::{Agent, hello};
use crate::house::House;
use model::Micros;
use proto::v1;
use proto::v1::enrolment_client::EnrolmentClient;
use proto::v1::fleet_client::FleetClient;
use proto::v1::runs_client::RunsClient;
use runtime::tls::{Ca, Dial, Identity, Keys, Lifetime, channel};
use tonic::Code;
use tonic_health::pb::health_client::HealthClient;

#[tokio::test]
async fn nobody_without_a_certificate_calls_more_than_enrol_login_and_health() {
    let house = House::start();
    let nobody = house.nobody().await;
    let refused = FleetClient::new(nobody.clone()).status(v1::StatusRequest {}).await.unwrap_err();
    assert_eq!(
        (refused.code(), proto::problem_of_status(&refused).code.as_str()),
        (Code::Unauthenticated, "LB1107")
    );
    let check = tonic_health::pb::HealthCheckRequest { service: String::new() };
    assert_eq!(HealthClient::new(nobody.clone()).check(check).await.unwrap().into_inner().status, 1);
    let login = v1::LoginRequest {
        token: "lb1_wrong".to_string(),
        user: "eve".to_string(),
        csr_pem: Keys::make().unwrap().request().unwrap(),
    };
    let refused = EnrolmentClient::new(nobody).login(login).await.unwrap_err();
    assert_eq!(proto::problem_of_status(&refused).code, "LB1105");
}

#[tokio::test]
async fn an_agent_is_no_person_and_a_person_no_agent() {
    let (house, person) = House::with_plans().await;
    let papers = house.enrol(&person, "h1").await;
    let as_agent = channel(&house.dial(&papers)).unwrap();
    let list = v1::ListRunsRequest { open_only: true, limit: 0 };
    let refused = RunsClient::new(as_agent).list(list).await.unwrap_err();
    assert_eq!(
        (refused.code(), proto::problem_of_status(&refused).code.as_str()),
        (Code::PermissionDenied, "LB1109")
    );
    let refused = Agent::try_connect(&house, &person.papers, hello()).await.err().unwrap();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused() {
    let house = House::start();
    let person = house.person().await;
    let now = Micros(runtime::Clock::system().now().0);
    let other = Ca::create("other", now, uuid::Uuid::from_u128(1)).unwrap();
    let keys = Keys::make().unwrap();
    let identity = Identity::User { name: "eve".parse().unwrap(), roles: vec!["admin".parse().unwrap()] };
    let lifetime = Lifetime { from: now, length: std::time::Duration::from_secs(3600) };
    let forged =
        other.sign(&keys.request().unwrap(), &identity, &[], lifetime, uuid::Uuid::from_u128(2)).unwrap();
    let dial = Dial::controller(&house.address, &person.papers.ca)
        .with_identity(&forged.certificate_pem, &keys.pem());
    let refused = FleetClient::new(channel(&dial).unwrap()).status(v1::StatusRequest {}).await;
    assert!(refused.is_err());
    let wrong_trust = Dial::controller(&house.address, other.certificate_pem());
    assert!(runtime::tls::connect(&wrong_trust).await.is_err());
}

#[tokio::test]
async fn an_agent_whose_host_enrolled_anew_is_refused() {
    let house = House::start();
    let person = house.person().await;
    let old = house.enrol(&person, "h1").await;
    let new = house.enrol(&person, "h1").await;
    let refused = Agent::try_connect(&house, &old, hello()).await.err().unwrap();
    assert_eq!(proto::problem_of_status(&refused).code, "LB1111");
    Agent::connect(&house, &new).await;
}

#[tokio::test]
async fn an_open_session_ends_when_its_host_enrols_anew() {
    let house = House::start();
    let person = house.person().await;
    let old = house.enrol(&person, "h1").await;
    let mut agent = Agent::connect(&house, &old).await;
    let new = house.enrol(&person, "h1").await;
    let ended = agent.next().await.unwrap_err();
    assert_eq!(proto::problem_of_status(&ended).code, "LB1111", "{ended}");
    let refused = Agent::try_connect(&house, &old, hello()).await.err().unwrap();
    assert_eq!(proto::problem_of_status(&refused).code, "LB1111");
    Agent::connect(&house, &new).await;
}

#[tokio::test]
async fn a_session_ends_with_its_certificate() {
    let house = House::start();
    let person = house.person().await;
    let papers = house.enrol(&person, "h1").await;
    let file = |name| std::fs::read_to_string(house.folder.path().join(name)).unwrap();
    let ca = Ca::load(&file("ca.pem"), &file("ca.key")).unwrap();
    let keys = Keys::from_pem(&papers.key).unwrap();
    let now = runtime::Clock::system().now();
    let lifetime = Lifetime { from: now, length: std::time::Duration::from_secs(3) };
    let identity = Identity::Agent("h1".parse().unwrap());
    let short =
        ca.sign(&keys.request().unwrap(), &identity, &[], lifetime, uuid::Uuid::from_u128(3)).unwrap();
    let papers = crate::house::Papers { certificate: short.certificate_pem, ..papers };
    let mut agent = Agent::connect(&house, &papers).await;
    let ended = agent.next().await.unwrap_err();
    assert_eq!(proto::problem_of_status(&ended).code, "LB1116", "{ended}");
}

#[tokio::test]
async fn fault_32_an_agent_of_a_version_far_away_is_refused_with_both_versions() {
    let house = House::start();
    let person = house.person().await;
    let papers = house.enrol(&person, "h1").await;
    let hello = v1::Hello { version: "7.0.0".to_string(), ..hello() };
    let refused = Agent::try_connect(&house, &papers, hello).await.err().unwrap();
    let problem = proto::problem_of_status(&refused);
    assert_eq!(problem.code, "LB1121");
    assert!(problem.message.contains("7.0.0") && problem.message.contains(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_renewed_certificate_works() {
    let house = House::start();
    let person = house.person().await;
    let keys = Keys::from_pem(&person.papers.key).unwrap();
    let renew = v1::RenewRequest { csr_pem: keys.request().unwrap() };
    let renewed = EnrolmentClient::new(person.channel.clone()).renew(renew).await.unwrap().into_inner();
    let papers = crate::house::Papers { certificate: renewed.certificate_pem, ..person.papers.clone() };
    let mut fleet = FleetClient::new(channel(&house.dial(&papers)).unwrap());
    fleet.status(v1::StatusRequest {}).await.unwrap();
    let stranger = v1::RenewRequest { csr_pem: Keys::make().unwrap().request().unwrap() };
    let refused = EnrolmentClient::new(person.channel).renew(stranger).await.unwrap_err();
    assert_eq!(proto::problem_of_status(&refused).code, "LB1114");
}
