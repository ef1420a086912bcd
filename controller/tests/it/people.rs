//! People with certificates of their own: what their roles let them do, over the wire.

use crate::house::{House, PATIENCE, Person};
use model::RunId;
use proto::v1;
use proto::v1::enrolment_client::EnrolmentClient;
use runtime::tls::Keys;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tonic::Code;

const PLANS: &str = "
plan: ask-one
steps:
  sure: { approve: { role: commander, within: 10m, question: Is it really down? } }
";
const TWO: &str = "
plan: ask-two
steps:
  sure: { approve: { role: commander, within: 10m, approvals: 2, question: Is it really down? } }
";
const SHORT: &str = "
plan: ask-shortly
steps:
  sure: { approve: { role: keeper, within: 2s, question: Is it really down? } }
";

fn estate(webhook: &str) -> String {
    format!(
        "
regions: {{ west: {{}} }}
hosts: {{ h1: {{ region: west }} }}
channels: {{ ops: {{ kind: webhook, url: \"{webhook}\" }} }}
contacts:
  ada: {{ name: Ada, phone: \"1\" }}
  bea: {{ name: Bea, phone: \"2\" }}
  cleo: {{ name: Cleo, phone: \"3\" }}
  eve: {{ name: Eve, phone: \"4\" }}
roles:
  commander: {{ primary: ada, backup: bea, others: [cleo] }}
  keeper: {{ primary: ada, backup: bea, break-glass: true }}
"
    )
}

/// Takes every post and keeps its text.
fn webhook() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let posts = kept.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            let mut text = Vec::new();
            // Until nothing more comes: the request is small, and the client waits for the answer.
            let _ = stream.read_to_end(&mut text);
            kept.lock().unwrap().push(String::from_utf8_lossy(&text).into_owned());
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        }
    });
    (url, posts)
}

async fn begun() -> (House, Person, Arc<Mutex<Vec<String>>>) {
    let house = House::start();
    let admin = house.person().await;
    let (url, posts) = webhook();
    let estate = estate(&url);
    let files = [("estate.yaml", estate.as_str()), ("one.yaml", PLANS), ("two.yaml", TWO), ("s.yaml", SHORT)];
    admin.apply(&files).await;
    (house, admin, posts)
}

async fn asked(person: &Person, run: RunId) -> Value {
    let began = Instant::now();
    loop {
        let view: Value = serde_json::from_slice(&person.show(run).await.view_json).unwrap();
        if let Some(question) = view["approvals"].get(0) {
            return question.clone();
        }
        assert!(began.elapsed() < PATIENCE, "{view:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn approve(who: &Person, run: RunId, question: &Value, alone: Option<&str>) -> Result<(), String> {
    let approval: uuid::Uuid = question["approval"].as_str().unwrap().parse().unwrap();
    let request = v1::ApproveRequest {
        run: run.0.as_bytes().to_vec(),
        approval: approval.as_bytes().to_vec(),
        digest: question["digest"].as_str().unwrap().to_string(),
        decline: false,
        reason: alone.unwrap_or_default().to_string(),
        break_glass: alone.is_some(),
    };
    who.runs().approve(request).await.map(drop).map_err(|status| proto::problem_of_status(&status).code)
}

/// Waits until the channel has heard these words.
async fn heard(posts: &Mutex<Vec<String>>, words: &str) {
    let began = Instant::now();
    while !posts.lock().unwrap().concat().contains(words) {
        assert!(began.elapsed() < PATIENCE, "{:?}", posts.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn code(status: &tonic::Status) -> String {
    proto::problem_of_status(status).code
}

#[tokio::test]
async fn a_persons_token_lets_that_person_in_once() {
    let (house, admin, _) = begun().await;
    let token = house.token_of(&admin, "ada").await.unwrap();
    let other = house.login(&token, "bea").await.err().unwrap();
    assert_eq!((other.code(), code(&other).as_str()), (Code::Unauthenticated, "LB1105"));
    let ada = house.login(&token, "ada").await.unwrap();
    let again = house.login(&token, "ada").await.err().unwrap();
    assert!(again.message().contains("used before"), "{again}");
    let nobody = house.token_of(&admin, "mallory").await.unwrap_err();
    assert_eq!(code(&nobody), "LB1140");
    // People make no tokens and apply no estates, whatever their role.
    let refused = house.token_of(&ada, "bea").await.unwrap_err();
    assert_eq!((refused.code(), code(&refused).as_str()), (Code::PermissionDenied, "LB1109"));
    let both = v1::CreateTokenRequest { host: "h1".to_string(), lives_ms: 0, user: "ada".to_string() };
    let both = EnrolmentClient::new(admin.channel.clone()).create_token(both).await.unwrap_err();
    assert_eq!(code(&both), "LB1141");
    let database = std::fs::read(house.folder.path().join("lifeboat.sqlite")).unwrap();
    let wal = std::fs::read(house.folder.path().join("lifeboat.sqlite-wal")).unwrap_or_default();
    let shown = |bytes: &[u8]| bytes.windows(token.len()).any(|window| window == token.as_bytes());
    assert!(!shown(&database) && !shown(&wal), "the token's text stands nowhere");
}

#[tokio::test]
async fn a_run_goes_on_when_another_one_of_the_role_approves_and_nobody_else_can() {
    let (house, admin, posts) = begun().await;
    let (ada, bea) = (house.logged_in(&admin, "ada").await, house.logged_in(&admin, "bea").await);
    let eve = house.logged_in(&admin, "eve").await;
    let refused = eve.try_run("ask-one", Vec::new()).await.unwrap_err();
    assert_eq!((refused.code(), code(&refused).as_str()), (Code::PermissionDenied, "LB1388"));
    let run = ada.run("ask-one").await;
    let question = asked(&eve, run).await;
    assert_eq!(approve(&eve, run, &question, None).await.unwrap_err(), "LB1388");
    assert_eq!(approve(&ada, run, &question, None).await.unwrap_err(), "LB1381");
    // Whoever has the admin token may take any name, and speaks for nobody of the estate.
    let false_bea = house.papers_of("bea").await;
    let false_bea =
        Person { channel: runtime::tls::channel(&house.dial(&false_bea)).unwrap(), papers: false_bea };
    assert_eq!(approve(&false_bea, run, &question, None).await.unwrap_err(), "LB1380");
    approve(&bea, run, &question, None).await.unwrap();
    bea.until(run, "succeeded").await;
    heard(&posts, "commander: ada, bea, cleo").await;
}

#[tokio::test]
async fn two_of_three_approve_and_a_role_that_was_lost_counts_no_more() {
    let (house, admin, _) = begun().await;
    let (ada, bea) = (house.logged_in(&admin, "ada").await, house.logged_in(&admin, "bea").await);
    let cleo = house.logged_in(&admin, "cleo").await;
    let run = ada.run("ask-two").await;
    let question = asked(&ada, run).await;
    approve(&bea, run, &question, None).await.unwrap();
    assert_eq!(approve(&bea, run, &question, None).await.unwrap_err(), "LB1382");
    assert_eq!(ada.status(run).await, "waiting");
    let mut files = admin.estate().await.files;
    for file in &mut files {
        file.text = file.text.replace("others: [cleo]", "others: [eve]");
    }
    let files: Vec<(&str, &str)> =
        files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
    admin.apply(&files).await;
    assert_eq!(approve(&cleo, run, &question, None).await.unwrap_err(), "LB1388");
    // The same certificate, another estate: eve has the role now.
    let eve = house.logged_in(&admin, "eve").await;
    approve(&eve, run, &question, None).await.unwrap();
    ada.until(run, "succeeded").await;
    let keys = Keys::from_pem(&cleo.papers.key).unwrap();
    let renew = v1::RenewRequest { csr_pem: keys.request().unwrap() };
    EnrolmentClient::new(cleo.channel.clone()).renew(renew).await.expect("still a contact");
}

#[tokio::test]
async fn whoever_is_alone_decides_alone_after_all_were_told_and_all_hear_of_it() {
    let (house, admin, posts) = begun().await;
    let ada = house.logged_in(&admin, "ada").await;
    let run = ada.run("ask-shortly").await;
    let question = asked(&ada, run).await;
    assert_eq!(approve(&ada, run, &question, Some("nobody answers")).await.unwrap_err(), "LB1385");
    let began = Instant::now();
    while asked(&ada, run).await["expired"] != true {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(approve(&ada, run, &question, Some("")).await.unwrap_err(), "LB1310");
    approve(&ada, run, &question, Some("nobody answers")).await.unwrap();
    let shown = ada.until(run, "succeeded").await;
    let view: Value = serde_json::from_slice(&shown.view_json).unwrap();
    let told = view["steps"][0]["decisions"][0]["told"].to_string();
    assert!(told.contains("ops was told that one person decided alone"), "{told}");
    heard(&posts, "break-glass").await;
}
