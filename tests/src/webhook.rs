//! A receiver of webhooks: it keeps every JSON post, with its headers, in order.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{Failure, polling::until};

/// Posts kept at most; further ones are answered 507.
const POSTS: usize = 1_000;
/// The largest post taken, in bytes.
const LARGEST: usize = 256 * 1024;

/// One post as it came.
#[derive(Debug, Clone)]
pub struct Post {
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The JSON body.
    pub body: Value,
}

impl Post {
    /// The value of a header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Default)]
struct Kept {
    posts: Vec<Post>,
    /// How many of the next posts are answered 503 instead of being kept.
    refuse: usize,
}

/// A running receiver; it stops when dropped.
#[derive(Debug)]
pub struct Webhook {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    task: JoinHandle<()>,
}

impl Webhook {
    /// Listens on `address`; port 0 takes any.
    ///
    /// # Errors
    /// [`Failure::Io`] when the address is taken.
    pub async fn start(address: SocketAddr) -> Result<Self, Failure> {
        let what = format!("listen on {address}");
        let listener = tokio::net::TcpListener::bind(address).await.map_err(Failure::io(what))?;
        let address = listener.local_addr().map_err(Failure::io("read the webhook's address"))?;
        let kept = Arc::new(Mutex::new(Kept::default()));
        let routes = Router::new()
            .route("/hook", post(receive))
            .layer(DefaultBodyLimit::max(LARGEST))
            .with_state(Arc::clone(&kept));
        let task = tokio::spawn(async move {
            // It ends only with its listener.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { address, kept, task })
    }

    /// The URL to post to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// All posts until now.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        lock(&self.kept).posts.clone()
    }

    /// Answers 503 to the next `count` posts: a receiver in trouble.
    pub fn refuse_next(&self, count: usize) {
        lock(&self.kept).refuse = count;
    }

    /// Waits for a post whose body `wanted` accepts.
    ///
    /// # Errors
    /// [`Failure::TimedOut`] with what came instead.
    pub async fn wait_for(
        &self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Post, Failure> {
        until(what, within, || async {
            let kept = lock(&self.kept);
            let found = kept.posts.iter().find(|post| wanted(&post.body)).cloned();
            found.ok_or_else(|| format!("{:?}", kept.posts))
        })
        .await
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(State(kept): State<Arc<Mutex<Kept>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(body) = serde_json::from_slice(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut kept = lock(&kept);
    if kept.refuse > 0 {
        kept.refuse -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    if kept.posts.len() >= POSTS {
        return StatusCode::INSUFFICIENT_STORAGE;
    }
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    kept.posts.push(Post { headers, body });
    StatusCode::OK
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
