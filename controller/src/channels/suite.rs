//! What every kind of channel must pass, here for `webhook` against a real HTTP server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use axum::Json;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use model::{RunId, SecretRef};
use runtime::Explained;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Instant;

const TOKEN: &str = "token-that-nobody-may-see";

/// How the receiver treats the next message.
#[derive(Clone, Copy)]
enum Treat {
    /// This status, not kept.
    With(u16),
    /// 429 with `Retry-After`.
    AskToWait(u32),
    /// Keeps it, but the answer never comes.
    KeepAndHang,
}

#[derive(Default)]
struct Kept {
    next: VecDeque<Treat>,
    posts: u32,
    /// Documents by key: a repeat is dropped, as a good receiver does.
    by_key: BTreeMap<String, (HeaderMap, Value)>,
}

#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Kept>>);

async fn receive(Shared(kept): Shared<Receiver>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let treat = {
        let mut kept = kept.0.lock().unwrap();
        kept.posts += 1;
        let treat = kept.next.pop_front();
        if matches!(treat, None | Some(Treat::KeepAndHang)) {
            let key = headers["idempotency-key"].to_str().unwrap().to_string();
            kept.by_key.entry(key).or_insert((headers, body));
        }
        treat
    };
    match treat {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(Treat::With(status)) => StatusCode::from_u16(status).unwrap().into_response(),
        Some(Treat::AskToWait(seconds)) => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds.to_string())]).into_response()
        }
        Some(Treat::KeepAndHang) => std::future::pending().await,
    }
}

/// A server on a free port, and a channel to it whose address and token are secret.
async fn server(next: &[Treat]) -> (Receiver, Announcer, tempfile::TempDir) {
    let receiver = Receiver::default();
    receiver.0.lock().unwrap().next = next.iter().copied().collect();
    let app = axum::Router::new().route("/hooks/hush", post(receive)).with_state(receiver.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks/hush", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
    let announcer = open_with(&spec(&url, Some(SecretRef::File(path))), QUICK).unwrap();
    (receiver, announcer, folder)
}

const QUICK: Bounds = Bounds {
    one_try: Duration::from_millis(300),
    retries: Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(50), tries: Some(3) },
    asked_wait: Duration::from_secs(2),
};

fn spec(url: &str, token: Option<SecretRef>) -> ChannelSpec {
    let name = Name::new("status-page").unwrap();
    ChannelSpec { name, kind: "webhook".to_string(), url: url.to_string(), token }
}

fn message(key: &str) -> Message {
    Message {
        title: "Moving to eu-west".to_string(),
        body: "Writes are held for a minute.".to_string(),
        state: State::Identified,
        run: RunId(uuid::Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001)),
        url: Some("https://controller.example/runs/1".to_string()),
        key: key.to_string(),
    }
}

#[tokio::test]
async fn a_message_arrives_with_its_parts_its_key_and_the_token() {
    let (receiver, announcer, _folder) = server(&[]).await;
    assert_eq!(announcer.announce(&message("run-1/tell")).await.unwrap(), Announced { tries: 1 });
    let kept = receiver.0.lock().unwrap();
    let (headers, body) = &kept.by_key["run-1/tell"];
    assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(body["state"], "identified");
    assert_eq!(body["title"], "Moving to eu-west");
    assert_eq!(body["run"], message("").run.to_string());
    assert!(body["text"].as_str().unwrap().starts_with("[identified] Moving to eu-west\nWrites"));
}

#[tokio::test]
async fn a_repeat_after_a_lost_answer_carries_the_same_key_and_is_dropped_by_the_receiver() {
    let (receiver, announcer, _folder) = server(&[Treat::KeepAndHang]).await;
    assert_eq!(announcer.announce(&message("run-1/tell")).await.unwrap(), Announced { tries: 2 });
    announcer.announce(&message("run-1/tell")).await.unwrap();
    announcer.announce(&message("run-1/told")).await.unwrap();
    let kept = receiver.0.lock().unwrap();
    assert_eq!((kept.posts, kept.by_key.len()), (4, 2));
}

#[tokio::test]
async fn a_receiver_in_trouble_is_tried_again_and_one_that_refuses_is_not() {
    let (receiver, announcer, _folder) = server(&[Treat::With(503), Treat::With(500)]).await;
    assert_eq!(announcer.announce(&message("a")).await.unwrap(), Announced { tries: 3 });
    receiver.0.lock().unwrap().next.push_back(Treat::With(401));
    let refused = announcer.announce(&message("b")).await.unwrap_err();
    assert_eq!(refused.code(), "LB1503");
    assert!(refused.to_string().contains("401") && !refused.is_transient());
    assert_eq!(receiver.0.lock().unwrap().posts, 4);
}

#[tokio::test]
async fn tries_are_bounded() {
    let (receiver, announcer, _folder) = server(&[Treat::With(503); 9]).await;
    let failed = announcer.announce(&message("a")).await.unwrap_err();
    assert_eq!(failed.code(), "LB1504");
    assert_eq!(receiver.0.lock().unwrap().posts, 4);
}

#[tokio::test]
async fn a_receiver_that_asks_for_patience_gets_it() {
    let (_receiver, announcer, _folder) = server(&[Treat::AskToWait(1)]).await;
    let start = Instant::now();
    assert_eq!(announcer.announce(&message("a")).await.unwrap(), Announced { tries: 2 });
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_receiver_that_hangs_ends_in_time() {
    let (_receiver, announcer, _folder) = server(&[Treat::KeepAndHang; 9]).await;
    let start = Instant::now();
    let failed = announcer.announce(&message("a")).await.unwrap_err();
    assert_eq!(failed.code(), "LB1502");
    assert!(start.elapsed() < Duration::from_secs(5), "4 tries of 300 ms: {:?}", start.elapsed());
}

#[tokio::test]
async fn no_error_shows_the_token_or_the_path_of_the_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = open_with(&spec(&format!("http://{free}/hooks/hush?k=hush"), None), QUICK).unwrap();
    let unreachable = nobody.announce(&message("a")).await.unwrap_err();
    assert_eq!(unreachable.code(), "LB1501");
    let (_receiver, announcer, folder) = server(&[Treat::With(403)]).await;
    let refused = announcer.announce(&message("a")).await.unwrap_err();
    std::fs::write(folder.path().join("token"), format!("{TOKEN}\nsecond line")).unwrap();
    let unusable = announcer.announce(&message("a")).await.unwrap_err();
    assert_eq!(unusable.code(), "LB1506");
    std::fs::remove_file(folder.path().join("token")).unwrap();
    let missing = announcer.announce(&message("a")).await.unwrap_err();
    assert_eq!(missing.code(), "LB1506");
    for error in [unreachable, refused, unusable, missing] {
        let shown = format!("{error} {error:?} {:?} {}", error.problem(), error.explain());
        assert!(!shown.contains(TOKEN) && !shown.contains("hush"), "{shown}");
    }
}

#[test]
fn settings_that_would_leak_or_cannot_work_are_refused() {
    let token = || Some(SecretRef::File("/nowhere".into()));
    let refused = |spec: ChannelSpec| open(&spec).err().map(|error| error.code());
    assert_eq!(refused(spec("http://chat.example/hook", token())).unwrap(), "LB1505");
    assert_eq!(refused(spec("ftp://chat.example/hook", None)).unwrap(), "LB1505");
    assert_eq!(refused(spec("not an address", None)).unwrap(), "LB1505");
    let other_kind = ChannelSpec { kind: "pigeon".to_string(), ..spec("http://chat.example/", None) };
    assert_eq!(refused(other_kind).unwrap(), "LB1505");
    for fine in [spec("https://chat.example/hook", token()), spec("http://[::1]:9/hook", token())] {
        assert_eq!(refused(fine), None);
    }
}

#[tokio::test]
async fn a_message_that_no_receiver_takes_is_refused_before_it_is_sent() {
    let (receiver, announcer, _folder) = server(&[]).await;
    for bad in [
        message(""),
        message("two\r\nlines"),
        Message { title: "x".repeat(2000), ..message("a") },
        Message { body: "x".repeat(70_000), ..message("a") },
    ] {
        assert_eq!(announcer.announce(&bad).await.unwrap_err().code(), "LB1507");
    }
    assert_eq!(receiver.0.lock().unwrap().posts, 0);
    assert!("green".parse::<State>().is_err());
    assert!(State::ALL.iter().all(|state| state.as_str().parse::<State>().unwrap() == *state));
}
