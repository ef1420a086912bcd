//! Certificates and handshakes over real tonic and rustls on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::ca::CA_LIFETIME;
use super::pin::{PinError, fetch};
use super::*;
use crate::{Clock, Explained};
use model::{HostName, Micros, Name, UserName};
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(86_400);

fn now() -> Micros {
    Clock::system().now()
}

fn today() -> Lifetime {
    Lifetime { from: now(), length: DAY }
}

fn two_days_ago() -> Lifetime {
    Lifetime { from: Micros(now().0 - 2 * 86_400_000_000), length: DAY }
}

fn ca() -> Ca {
    Ca::create("estate", now(), Uuid::now_v7()).unwrap()
}

fn agent(host: &str) -> Identity {
    Identity::Agent(HostName::new(host).unwrap())
}

fn controller() -> Identity {
    Identity::Controller(Name::new("main").unwrap())
}

fn certify(ca: &Ca, identity: &Identity, lifetime: Lifetime) -> (String, Keys) {
    let keys = Keys::make().unwrap();
    let issued = ca.sign(&keys.request().unwrap(), identity, &[], lifetime, Uuid::now_v7()).unwrap();
    (issued.certificate_pem, keys)
}

type Seen = Arc<Mutex<Vec<Option<Identity>>>>;

/// A real server that notes who calls it. Gives its address.
async fn serve(ca: &Ca, shown_ca: &Ca, lifetime: Lifetime) -> (String, Seen) {
    let (certificate_pem, keys) = certify(ca, &controller(), lifetime);
    let shown =
        ServerKeys { certificate_pem, key_pem: keys.pem(), ca_pem: shown_ca.certificate_pem().to_string() };
    let seen = Seen::default();
    let noted = seen.clone();
    let (_, health) = tonic_health::server::health_reporter();
    let service = InterceptedService::new(health, move |request: tonic::Request<()>| {
        let identity =
            peer_identity(&request).map_err(|error| tonic::Status::unauthenticated(error.to_string()))?;
        noted.lock().unwrap().push(identity);
        Ok(request)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut server = Server::builder().tls_config(server_tls(&shown)).unwrap();
    tokio::spawn(server.add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
    (address, seen)
}

async fn call(dial: &Dial) -> Result<(), Code> {
    let mut client = HealthClient::new(channel(dial).unwrap());
    let request = HealthCheckRequest { service: String::new() };
    client.check(request).await.map(|_| ()).map_err(|status| status.code())
}

fn dial(address: &str, ca: &Ca, certified: &(String, Keys)) -> Dial {
    Dial::controller(address, ca.certificate_pem()).with_identity(&certified.0, &certified.1.pem())
}

#[tokio::test]
async fn both_sides_know_each_other_after_a_handshake() {
    let ca = ca();
    let (address, seen) = serve(&ca, &ca, today()).await;
    let user = Identity::User {
        name: UserName::new("ada@example.org").unwrap(),
        roles: vec![Name::new("ops").unwrap(), Name::new("incident-commander").unwrap()],
    };
    for identity in [agent("db-1"), user, controller()] {
        assert_eq!(call(&dial(&address, &ca, &certify(&ca, &identity, today()))).await, Ok(()));
        assert_eq!(seen.lock().unwrap().pop(), Some(Some(identity)));
    }
    assert_eq!(call(&Dial::controller(&address, ca.certificate_pem())).await, Ok(()));
    assert_eq!(seen.lock().unwrap().pop(), Some(None), "without a certificate it is nobody");
    connect(&dial(&address, &ca, &certify(&ca, &agent("db-1"), today()))).await.unwrap();
}

#[tokio::test]
async fn a_client_of_another_ca_is_refused() {
    let (ours, other) = (ca(), ca());
    let (address, seen) = serve(&ours, &ours, today()).await;
    assert!(call(&dial(&address, &ours, &certify(&other, &agent("db-1"), today()))).await.is_err());
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_server_of_another_ca_is_refused() {
    let (ours, other) = (ca(), ca());
    let (address, _) = serve(&other, &other, today()).await;
    let error = connect(&Dial::controller(&address, ours.certificate_pem())).await.unwrap_err();
    assert_eq!(error.code(), "LB5453");
}

#[tokio::test]
async fn an_agents_certificate_does_not_make_a_controller() {
    let ca = ca();
    let (address, _) = serve(&ca, &ca, today()).await;
    let mut as_agent = Dial::controller(&address, ca.certificate_pem());
    as_agent.server_name = "db-1.example".to_string();
    assert!(connect(&as_agent).await.is_err(), "the name in the certificate is checked");
    let der = first_certificate(&certify(&ca, &agent("db-1"), today()).0).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert!(!parsed.extended_key_usage().unwrap().unwrap().value.server_auth);
}

#[tokio::test]
async fn expired_certificates_are_refused_on_both_sides() {
    let ca = ca();
    let (address, seen) = serve(&ca, &ca, today()).await;
    assert!(call(&dial(&address, &ca, &certify(&ca, &agent("db-1"), two_days_ago()))).await.is_err());
    assert!(seen.lock().unwrap().is_empty());
    let (address, _) = serve(&ca, &ca, two_days_ago()).await;
    assert!(connect(&Dial::controller(&address, ca.certificate_pem())).await.is_err());
    assert!(matches!(fetch(&address, ca.hash()).await, Err(PinError::Handshake { .. })));
}

#[tokio::test]
async fn the_ca_is_fetched_by_its_hash() {
    let ca = ca();
    let (address, _) = serve(&ca, &ca, today()).await;
    let pem = fetch(&address, ca.hash()).await.unwrap();
    assert_eq!(first_certificate(&pem), first_certificate(ca.certificate_pem()));
    assert_eq!(call(&Dial::controller(&address, &pem)).await, Ok(()));
}

#[tokio::test]
async fn a_controller_with_another_ca_than_the_pinned_one_is_refused() {
    let (ours, other) = (ca(), ca());
    let (address, _) = serve(&other, &other, today()).await;
    let error = fetch(&address, ours.hash()).await.unwrap_err();
    assert_eq!(error.code(), "LB5443", "{error:?}");
}

#[tokio::test]
async fn showing_the_right_ca_behind_a_leaf_of_another_does_not_help() {
    let (ours, other) = (ca(), ca());
    let (address, _) = serve(&other, &ours, today()).await;
    let error = fetch(&address, ours.hash()).await.unwrap_err();
    assert_eq!(error.code(), "LB5443", "{error:?}");
}

#[tokio::test]
async fn nobody_at_the_address_is_told_as_such() {
    let error = fetch("127.0.0.1:1", ca().hash()).await.unwrap_err();
    assert_eq!(error.code(), "LB5441");
}

#[test]
fn a_stored_ca_signs_on_and_a_foreign_key_is_refused() {
    let first = ca();
    let again = Ca::load(first.certificate_pem(), &first.key_pem()).unwrap();
    assert_eq!((again.hash(), again.hash().len()), (first.hash(), 64));
    let (leaf, _) = certify(&again, &agent("db-1"), today());
    let root = first_certificate(first.certificate_pem()).unwrap();
    let (_, root) = x509_parser::parse_x509_certificate(&root).unwrap();
    let leaf = first_certificate(&leaf).unwrap();
    let (_, leaf) = x509_parser::parse_x509_certificate(&leaf).unwrap();
    leaf.verify_signature(Some(root.public_key())).unwrap();
    assert_eq!(leaf.issuer(), root.subject());
    let lived = root.validity().not_after.timestamp() - root.validity().not_before.timestamp();
    assert!(lived >= i64::try_from(CA_LIFETIME.as_secs()).unwrap());
    assert_eq!(Ca::load(first.certificate_pem(), &ca().key_pem()).unwrap_err().code(), "LB5402");
}

#[test]
fn what_a_request_asks_for_is_ignored_except_its_key() {
    let ca = ca();
    let pair = rcgen::KeyPair::generate().unwrap();
    let mut greedy = rcgen::CertificateParams::new(vec![CONTROLLER_NAME.to_string()]).unwrap();
    greedy.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let request = greedy.serialize_request(&pair).unwrap().pem().unwrap();
    let issued = ca.sign(&request, &agent("db-1"), &[], today(), Uuid::now_v7()).unwrap();
    let der = first_certificate(&issued.certificate_pem).unwrap();
    assert_eq!(Identity::from_certificate(&der).unwrap(), agent("db-1"));
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    assert!(!parsed.is_ca());
    assert_eq!(parsed.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 1);
    assert_eq!(parsed.raw_serial_as_string().replace(':', ""), issued.serial);
}

#[test]
fn a_request_whose_key_is_not_held_is_refused() {
    use base64::Engine;
    let engine = base64::engine::general_purpose::STANDARD;
    let request = Keys::make().unwrap().request().unwrap();
    let body: String = request.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = engine.decode(body).unwrap();
    *der.last_mut().unwrap() ^= 1;
    let forged = format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        engine.encode(der)
    );
    for bad in [forged.as_str(), "", "rubbish", &"x".repeat(100_000)] {
        let error = ca().sign(bad, &agent("db-1"), &[], today(), Uuid::now_v7()).unwrap_err();
        assert_eq!(error.code(), "LB5403");
    }
}

#[test]
fn a_certificate_that_is_not_ours_names_nobody() {
    let code = |der: &[u8]| Identity::from_certificate(der).unwrap_err().code();
    assert_eq!(code(b"rubbish"), "LB5411");
    assert_eq!(code(&first_certificate(ca().certificate_pem()).unwrap()), "LB5412");
    let plain = rcgen::generate_simple_self_signed(vec!["example.org".to_string()]).unwrap();
    assert_eq!(code(plain.cert.der()), "LB5412");
}

#[test]
fn identities_round_trip_and_anything_else_is_refused() {
    let many = ["lifeboat://agent/db-1", "lifeboat://user/ada@x?roles=a,b", "lifeboat://controller/main"];
    for uri in many {
        assert_eq!(Identity::from_uri(uri).unwrap().uri(), uri);
    }
    let roles = format!("lifeboat://user/a?roles={}", ["r"; 65].join(","));
    let bad = [
        "",
        "https://agent/db-1",
        "lifeboat://agent/",
        "lifeboat://agent/a/b",
        "lifeboat://agent/a?roles=b",
        "lifeboat://root/a",
        "lifeboat://user/a?roles=",
        "lifeboat://user/a?roles=b&x=c",
        &roles,
    ];
    for uri in bad {
        assert_eq!(Identity::from_uri(uri).unwrap_err().code(), "LB5413", "{uri}");
    }
}

#[test]
fn a_key_is_made_once_and_only_its_owner_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let first = Keys::load_or_make(&path).unwrap().pem();
    assert_eq!(*Keys::load_or_make(&path).unwrap().pem(), *first);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, "rubbish").unwrap();
    assert_eq!(Keys::load_or_make(&path).unwrap_err().code(), "LB5422", "never silently replaced");
}
