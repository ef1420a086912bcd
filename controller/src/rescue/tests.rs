#![allow(clippy::unwrap_used)]
use super::bundle::{Body, KeptAgent, KeptEstate, KeptLease};
use super::{bundle, seal};
use crate::store::Store;
use crate::store::rescue::RescueRow;
use model::lease::{Promotable, Row, Terms};
use model::{HostName, Micros, Name};
use runtime::offline::SecretKey;
use runtime::tls::Ca;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const NOW: Micros = Micros(1_800_000_000_000_000);

fn key() -> SecretKey {
    use age::secrecy::ExposeSecret as _;
    let identity = age::x25519::Identity::generate();
    SecretKey::make(identity.to_string().expose_secret(), &identity.to_public().to_string()).unwrap()
}

/// Who may extend the lease of the bundle.
fn sets() -> Vec<Promotable> {
    vec![Promotable { term: 4, members: [HostName::new("db-2").unwrap()].into() }]
}

fn body(ca: &Ca, key: &SecretKey) -> Body {
    let host = || HostName::new("db-1").unwrap();
    let terms = Terms { length: Duration::from_secs(10), stop: Duration::from_secs(2) };
    Body {
        made_at: NOW,
        controller: Name::new("main").unwrap(),
        version: "0.1.0".to_string(),
        epoch: 7,
        offline_key: key.public().to_string(),
        ca_pem: ca.certificate_pem().to_string(),
        ca_hash: ca.hash().to_string(),
        sealed_ca_key: seal::seal(key.public(), &ca.key_pem()).unwrap(),
        sealed_secrets: String::new(),
        estate: Some(KeptEstate {
            version: 3,
            digest: "d".to_string(),
            files: BTreeMap::from([("estate.yaml".to_string(), "regions: {}".to_string())]),
        }),
        plans: BTreeMap::new(),
        agents: vec![KeptAgent {
            host: host(),
            key_fingerprint: "f".to_string(),
            enrolled_at: NOW,
            expires_at: NOW,
        }],
        leases: vec![KeptLease {
            source: Name::new("db").unwrap(),
            host: host(),
            row: Row {
                primary: true,
                terms: Some(terms),
                armed: true,
                term: 4,
                sets: sets(),
                ..Row::default()
            },
            closed_by: String::new(),
        }],
        heads: Vec::new(),
    }
}

fn written(body: &Body, signer: &Ca) -> String {
    bundle::write(body, |what, text| Ok(signer.sign_text(what, text).unwrap())).unwrap()
}

#[test]
fn a_bundle_is_read_as_it_was_written_and_one_that_another_ca_signed_is_forged() {
    let folder = tempfile::tempdir().unwrap();
    let (key, ca) = (key(), Ca::create("ca", NOW, Uuid::from_u128(1)).unwrap());
    let body = body(&ca, &key);
    let keep = |at: u64, text: &str| {
        std::fs::write(folder.path().join(bundle::name(Micros(at as i64), 7)), text).unwrap();
    };
    assert_eq!(bundle::read(folder.path()).unwrap_err().code, "LB1242", "an empty folder");
    keep(1, "{}");
    assert_eq!(bundle::read(folder.path()).unwrap_err().code, "LB1242");
    keep(2, &written(&body, &ca));
    assert_eq!(bundle::read(folder.path()).unwrap(), body, "the newest");
    let other = Ca::create("ca", NOW, Uuid::from_u128(2)).unwrap();
    keep(3, &written(&body, &other));
    assert_eq!(bundle::read(folder.path()).unwrap_err().code, "LB1243");
    // Its own certificate, and the hash of the one that agents know.
    let swapped = Body { ca_pem: other.certificate_pem().to_string(), ..body.clone() };
    keep(4, &written(&swapped, &other));
    assert_eq!(bundle::read(folder.path()).unwrap_err().code, "LB1243");
    let opened = seal::open(&key, &body.sealed_ca_key).unwrap();
    assert!(Ca::load(&body.ca_pem, &opened).is_ok());
    assert_eq!(seal::open(&self::key(), &body.sealed_ca_key).unwrap_err().code, "LB1241");
    let age = Duration::from_secs(3600);
    assert!(bundle::check_age(&body, NOW.after(age), age).is_ok());
    let late = bundle::check_age(&body, NOW.after(age * 3), age).unwrap_err();
    assert!(late.code == "LB1244" && late.message.contains("3 hours ago"), "{late}");
}

#[tokio::test]
async fn a_rescue_takes_its_epoch_and_counts_no_lease_of_the_old_controller_as_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let (key, ca) = (key(), Ca::create("ca", NOW, Uuid::from_u128(1)).unwrap());
    let (store, task) = Store::open(folder.path(), "rescue").await.unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(task.run_until(stop.clone()));
    let row = RescueRow {
        id: Uuid::from_u128(5),
        epoch: 10_007,
        bundle_at: NOW,
        began_at: NOW,
        waits_for: "db-1".to_string(),
        collected: false,
    };
    store.begin_rescue(row.clone(), body(&ca, &key)).await.unwrap();
    assert_eq!(store.rescue().await.unwrap(), Some(row));
    assert_eq!(store.leadership().await.unwrap().epoch, 10_006, "the next one is its own");
    let leases = store.leases().await.unwrap();
    let lease = &leases[&Name::new("db").unwrap()][&HostName::new("db-1").unwrap()];
    assert!(lease.row.primary && lease.row.terms.is_some(), "it is waited for: {lease:?}");
    assert!(!lease.row.armed, "its end proves nothing: {lease:?}");
    assert_eq!((lease.row.term, &lease.row.sets), (4, &sets()), "who may extend it is not forgotten");
    assert_eq!(store.agents().await.unwrap()[0].key_fingerprint, "f");
    assert_eq!(store.estate().await.unwrap().unwrap().version, 3);
    stop.cancel();
    drop(store);
    task.await.unwrap();
}
