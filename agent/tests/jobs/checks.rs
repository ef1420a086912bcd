//! Checks: expected against found.

use crate::support::{Place, all_jobs, output, work};
use agent::jobs::{self, Context};
use model::jobs::CheckOutput;
use model::{Outcome, Problem};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A server that answers every request with this text, after a pause. Gives its `host:port`.
async fn server(answer: &'static str, pause: Duration) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            tokio::time::sleep(pause).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

fn place() -> (Place, Context) {
    let place = Place::new();
    let (context, _) = place.context("check", json!({ "jobs": all_jobs(), "check-hosts": ["127.0.0.1"] }));
    (place, context)
}

async fn ask(context: &Context, question: Value) -> Outcome {
    let mut check = json!({ "name": "c" });
    check.as_object_mut().unwrap().extend(question.as_object().unwrap().clone());
    jobs::perform(&work("check", json!({ "check": check })), context).await
}

fn failed(outcome: Outcome) -> Problem {
    match outcome {
        Outcome::Failed { problem } => problem,
        other => panic!("not failed: {other:?}"),
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 12\r\nconnection: close\r\n\r\nall is well\n";
const MOVED: &str =
    "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn http_checks_status_and_body_and_follow_no_redirect() {
    let (_place, context) = place();
    let at = server(OK, Duration::ZERO).await;
    let good =
        json!({ "ask": "http", "url": format!("http://{at}/health"), "status": 200, "body": "is well" });
    let answer: CheckOutput = output(ask(&context, good).await);
    assert!(answer.answer.starts_with("200 in "), "{answer:?}");
    let status = json!({ "ask": "http", "url": format!("http://{at}/health"), "status": 204 });
    let problem = failed(ask(&context, status).await);
    assert!(problem.message.contains("expected status 204, found status 200"), "{problem:?}");
    let body = json!({ "ask": "http", "url": format!("http://{at}/"), "status": 200, "body": "down" });
    assert!(failed(ask(&context, body).await).message.contains("all is well"));
    let moved = server(MOVED, Duration::ZERO).await;
    output::<CheckOutput>(
        ask(&context, json!({ "ask": "http", "url": format!("http://{moved}/"), "status": 302 })).await,
    );
}

#[tokio::test]
async fn a_slow_answer_is_no_answer() {
    let (_place, context) = place();
    let at = server(OK, Duration::from_secs(20)).await;
    let begun = Instant::now();
    let slow = json!({ "ask": "http", "url": format!("http://{at}/"), "status": 200, "within": "200ms" });
    failed(ask(&context, slow).await);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn tcp_and_disk_answer_or_say_what_was_found() {
    let (place, context) = place();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    output::<CheckOutput>(ask(&context, json!({ "ask": "tcp", "address": address })).await);
    drop(listener);
    let problem = failed(ask(&context, json!({ "ask": "tcp", "address": address })).await);
    assert!(problem.message.contains("expected a connection"), "{problem:?}");
    let path = place.path("");
    output::<CheckOutput>(ask(&context, json!({ "ask": "disk", "path": path, "free_bytes": 1 })).await);
    let problem = failed(ask(&context, json!({ "ask": "disk", "path": path, "free_bytes": u64::MAX })).await);
    assert!(problem.message.contains("expected at least"), "{problem:?}");
}

#[tokio::test]
async fn a_check_is_asked_again_until_a_fresh_service_answers() {
    let (_place, context) = place();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let check = json!({ "check": { "name": "c", "ask": "tcp", "address": address.to_string() }, "retries": 200, "pause": "50ms" });
    let order = work("check", check);
    let (outcome, _listener) = tokio::join!(jobs::perform(&order, &context), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        tokio::net::TcpListener::bind(address).await.unwrap()
    });
    assert!(output::<CheckOutput>(outcome).tries > 1);
}

#[tokio::test]
async fn a_check_of_a_host_that_is_not_listed_is_refused() {
    let place = Place::new();
    let (context, _) = place.context("check", json!({ "jobs": all_jobs() }));
    let outcome = ask(&context, json!({ "ask": "tcp", "address": "127.0.0.1:1" })).await;
    assert!(matches!(outcome, Outcome::Refused { problem } if problem.code == "LB2184"));
}
