#![allow(clippy::unwrap_used)]
use super::enrol::{Enrolment, enrol};
use super::login::{first_admin_token, login};
use super::renew::renew;
use super::*;
use crate::store::Store;
use model::{HostName, Micros};
use runtime::tls::{Identity, Keys};
use std::time::Duration;
use uuid::Uuid;

const NOW: Micros = Micros(1_800_000_000_000_000);

struct House {
    folder: tempfile::TempDir,
    store: Store,
    authority: Authority,
}

async fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let (store, task) = Store::open(folder.path(), "main").await.unwrap();
    tokio::spawn(task.run());
    let authority = Authority::open(folder.path(), "main", NOW, Uuid::from_u128(1)).unwrap();
    House { folder, store, authority }
}

impl House {
    async fn token(&self, host: &str) -> String {
        let host = HostName::new(host).unwrap();
        token::create(&self.authority, &self.store, &host, "ada", None, NOW).await.unwrap().0
    }

    async fn enrol(&self, token: &str, host: &str, clock: Micros, now: Micros) -> Result<String, String> {
        let host = HostName::new(host).unwrap();
        let request = Keys::make().unwrap().request().unwrap();
        let enrolment = Enrolment { token, host: &host, request_pem: &request, clock };
        let signed = enrol(&self.authority, &self.store, enrolment, now, Uuid::from_u128(2)).await;
        signed.map(|signed| signed.certificate_pem).map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn a_token_lets_its_host_in_once() {
    let house = house().await;
    let token = house.token("db-1").await;
    let certificate = house.enrol(&token, "db-1", NOW, NOW).await.unwrap();
    let der = runtime::tls::first_certificate(&certificate).unwrap();
    let caller = Caller::of_certificate(Some(&der)).unwrap();
    assert_eq!(caller.host().unwrap().as_str(), "db-1");
    let agent = house.store.agent(caller.host().unwrap()).await.unwrap().unwrap();
    assert_eq!(agent.key_fingerprint, caller.key_fingerprint);
    let again = house.enrol(&token, "db-1", NOW, NOW).await.unwrap_err();
    assert!(again.contains("used before"), "{again}");
}

#[tokio::test]
async fn of_two_that_show_a_token_at_once_one_is_let_in() {
    let house = house().await;
    let token = house.token("db-1").await;
    let (a, b) = tokio::join!(house.enrol(&token, "db-1", NOW, NOW), house.enrol(&token, "db-1", NOW, NOW));
    assert_eq!([a, b].iter().filter(|answer| answer.is_ok()).count(), 1);
}

#[tokio::test]
async fn expired_foreign_and_invented_tokens_are_refused() {
    let house = house().await;
    let token = house.token("db-1").await;
    let late = NOW.after(token::DEFAULT_LIFE);
    assert!(house.enrol(&token, "db-1", late, late).await.unwrap_err().contains("expired"));
    assert!(house.enrol(&token, "db-2", NOW, NOW).await.unwrap_err().contains("another host"));
    let invented = runtime::tls::JoinToken::make(house.authority.ca_hash()).text().to_string();
    assert!(house.enrol(&invented, "db-1", NOW, NOW).await.unwrap_err().contains("not known"));
    let other_ca = runtime::tls::JoinToken::make(&"0".repeat(64)).text().to_string();
    assert!(house.enrol(&other_ca, "db-1", NOW, NOW).await.unwrap_err().contains("another controller"));
    assert!(house.enrol("lb1_nonsense", "db-1", NOW, NOW).await.is_err());
    house.enrol(&token, "db-1", NOW, NOW).await.unwrap();
}

#[tokio::test]
async fn fault_21_a_clock_that_is_far_off_is_told_by_how_much_and_costs_no_token() {
    let house = house().await;
    let token = house.token("db-1").await;
    let ahead = house.enrol(&token, "db-1", NOW.after(Duration::from_secs(3600)), NOW).await.unwrap_err();
    assert!(ahead.contains("3600 s ahead"), "{ahead}");
    let behind = house.enrol(&token, "db-1", Micros(NOW.0 - 301_000_000), NOW).await.unwrap_err();
    assert!(behind.contains("301 s behind"), "{behind}");
    house.enrol(&token, "db-1", NOW.after(Duration::from_secs(299)), NOW).await.unwrap();
}

#[tokio::test]
async fn a_token_lives_at_most_a_day() {
    let house = house().await;
    let host = HostName::new("db-1").unwrap();
    let create = |life| token::create(&house.authority, &house.store, &host, "ada", Some(life), NOW);
    assert!(create(token::MAX_LIFE).await.is_ok());
    assert!(create(token::MAX_LIFE + Duration::from_secs(1)).await.is_err());
}

#[tokio::test]
async fn a_renewal_keeps_the_key_and_ends_when_the_host_enrols_anew() {
    let house = house().await;
    let keys = Keys::make().unwrap();
    let host = HostName::new("db-1").unwrap();
    let request = keys.request().unwrap();
    let token = house.token("db-1").await;
    let enrolment = Enrolment { token: &token, host: &host, request_pem: &request, clock: NOW };
    let signed = enrol(&house.authority, &house.store, enrolment, NOW, Uuid::from_u128(2)).await.unwrap();
    let caller = Caller {
        identity: Some(Identity::Agent(host.clone())),
        key_fingerprint: signed.key_fingerprint.clone(),
        expires: signed.expires,
    };
    let later = NOW.after(Duration::from_secs(12 * 3600));
    let again = |request: String, caller: Caller| {
        let (authority, store) = (&house.authority, &house.store);
        async move { renew(authority, store, &caller, &request, later, Uuid::from_u128(3)).await }
    };
    let renewed = again(keys.request().unwrap(), caller.clone()).await.unwrap();
    assert_eq!(renewed.key_fingerprint, signed.key_fingerprint);
    assert!(renewed.expires > signed.expires);
    let other = Keys::make().unwrap().request().unwrap();
    assert!(matches!(again(other, caller.clone()).await, Err(AuthError::OtherKey)));
    let token = house.token("db-1").await;
    house.enrol(&token, "db-1", NOW, NOW).await.unwrap();
    let replaced = again(keys.request().unwrap(), caller).await;
    assert!(matches!(replaced, Err(AuthError::Replaced { .. })), "{replaced:?}");
}

#[tokio::test]
async fn the_admin_token_is_shown_once_and_logs_people_in() {
    let house = house().await;
    let token = first_admin_token(&house.authority, &house.store, NOW).await.unwrap().unwrap();
    assert_eq!(first_admin_token(&house.authority, &house.store, NOW).await.unwrap(), None);
    let request = Keys::make().unwrap().request().unwrap();
    let as_ada = |token: String| {
        let (house, request) = (&house, &request);
        async move { login(&house.authority, &house.store, &token, "ada", request, NOW, Uuid::from_u128(4)).await }
    };
    let signed = as_ada(token).await.unwrap();
    let der = runtime::tls::first_certificate(&signed.certificate_pem).unwrap();
    let caller = Caller::of_certificate(Some(&der)).unwrap();
    assert!(caller.is_admin());
    assert_eq!(caller.user().unwrap().as_str(), "ada");
    assert_eq!(signed.expires, NOW.after(authority::USER_LIFETIME));
    let other = runtime::tls::JoinToken::make(house.authority.ca_hash()).text().to_string();
    assert!(matches!(as_ada(other).await, Err(AuthError::BadToken { .. })));
    let file = std::fs::read(house.folder.path().join(crate::store::DATABASE_FILE)).unwrap();
    assert!(!file.windows(4).any(|window| window == b"lb1_"), "no token stands in the store");
}

#[tokio::test]
async fn a_login_is_renewed_by_its_key_for_a_week_and_no_longer() {
    let house = house().await;
    let token = first_admin_token(&house.authority, &house.store, NOW).await.unwrap().unwrap();
    let keys = Keys::make().unwrap();
    let request = keys.request().unwrap();
    let (authority, store) = (&house.authority, &house.store);
    let log_in = |now| login(authority, store, &token, "ada", &request, now, Uuid::from_u128(4));
    let signed = log_in(NOW).await.unwrap();
    let der = runtime::tls::first_certificate(&signed.certificate_pem).unwrap();
    let caller = Caller::of_certificate(Some(&der)).unwrap();
    assert_eq!(caller.expires, signed.expires);
    let again = |now| renew(authority, store, &caller, &request, now, Uuid::from_u128(5));
    let end = NOW.after(renew::MAX_LOGIN);
    again(Micros(end.0 - 1)).await.unwrap();
    let late = again(end).await;
    assert!(matches!(late, Err(AuthError::OldLogin)), "{late:?}");
    log_in(end).await.unwrap();
    again(end).await.unwrap();
    house.store.drop_old_logins(Micros(end.0 + 1)).await.unwrap();
    let unknown = again(end).await;
    assert!(matches!(unknown, Err(AuthError::OldLogin)), "{unknown:?}");
}

#[tokio::test]
async fn a_restart_keeps_the_ca() {
    let house = house().await;
    let again = Authority::open(house.folder.path(), "main", NOW, Uuid::from_u128(9)).unwrap();
    assert_eq!(again.ca_hash(), house.authority.ca_hash());
    std::fs::remove_file(house.folder.path().join(authority::CA_KEY_FILE)).unwrap();
    let lost = Authority::open(house.folder.path(), "main", NOW, Uuid::from_u128(9));
    assert!(matches!(lost, Err(AuthError::Files { .. })), "a CA without its key is not made anew");
}
