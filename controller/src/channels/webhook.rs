//! Webhooks: one JSON document, posted over HTTP. Chat systems, status pages and pagers take them.
//!
//! The document has `text` (all in one, which chat systems show), and the parts: `title`, `body`,
//! `state`, `run`, `url`, `key`. The key also goes as `Idempotency-Key`, the token as
//! `Authorization: Bearer …`.

use super::{Channel, ChannelError, Message};
use futures::future::BoxFuture;
use model::nouns::ChannelSpec;
use model::{Name, SecretRef};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};
use std::sync::Arc;
use std::time::Duration;

/// The header that names a message.
const KEY_HEADER: &str = "idempotency-key";

struct Webhook {
    name: Name,
    /// May hold a secret in its path or query: never shown.
    url: Url,
    origin: String,
    token: Option<SecretRef>,
    client: Client,
}

/// Opens a webhook.
pub fn open(spec: &ChannelSpec) -> Result<Arc<dyn Channel>, ChannelError> {
    let wrong = |why: String| ChannelError::BadSettings { channel: spec.name.clone(), why };
    let url = Url::parse(&spec.url).map_err(|error| wrong(format!("its address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("its address begins with neither http:// nor https://".to_string()));
    }
    if spec.token.is_some() && url.scheme() == "http" && !is_loopback(&url) {
        return Err(wrong("it has a token, but its address is not https://".to_string()));
    }
    // A second installation fails and changes nothing: whoever was first chose the provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // No redirects: the token and the message are for this receiver alone.
    let client = Client::builder().redirect(redirect::Policy::none()).build();
    let client = client.map_err(|error| wrong(format!("no HTTP client: {}", error.without_url())))?;
    let origin = url.origin().ascii_serialization();
    Ok(Arc::new(Webhook { name: spec.name.clone(), url, origin, token: spec.token.clone(), client }))
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl Webhook {
    async fn post(&self, message: &Message) -> Result<(), ChannelError> {
        let request = self.client.post(self.url.clone()).headers(self.headers(message).await?);
        let sent = request.json(&document(message)).send().await;
        let answer = sent.map_err(|error| ChannelError::Unreachable {
            channel: self.name.clone(),
            origin: self.origin.clone(),
            source: error.without_url(),
        })?;
        self.judge(&answer)
    }

    fn judge(&self, answer: &Response) -> Result<(), ChannelError> {
        let (channel, origin) = (self.name.clone(), self.origin.clone());
        let status = answer.status().as_u16();
        match status {
            200..=299 => Ok(()),
            408 | 425 | 429 | 500..=599 => {
                let retry_after = retry_after(answer.headers());
                Err(ChannelError::InTrouble { channel, origin, status, retry_after })
            }
            _ => Err(ChannelError::Refused { channel, origin, status }),
        }
    }

    async fn headers(&self, message: &Message) -> Result<HeaderMap, ChannelError> {
        let mut headers = HeaderMap::new();
        let bad_key = |_| ChannelError::BadMessage { channel: self.name.clone(), why: "the key" };
        headers.insert(KEY_HEADER, HeaderValue::from_str(&message.key).map_err(bad_key)?);
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, self.authorization(token.clone()).await?);
        }
        Ok(headers)
    }

    /// Fetches the token for this try alone, so that a changed one is used at once.
    async fn authorization(&self, token: SecretRef) -> Result<HeaderValue, ChannelError> {
        let failed = |source| ChannelError::Token { channel: self.name.clone(), source };
        let fetched = tokio::task::spawn_blocking(move || runtime::secret::resolve(&token)).await;
        let secret = fetched.map_err(|e| failed(e.into()))?.map_err(|e| failed(e.into()))?;
        let text = secret.expose_text().map_err(|e| failed(e.into()))?;
        let mut value = HeaderValue::from_str(&format!("Bearer {text}"))
            .map_err(|_| failed("it has characters that a header cannot hold".into()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl Channel for Webhook {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), ChannelError>> {
        Box::pin(self.post(message))
    }
}

fn document(message: &Message) -> serde_json::Value {
    let mut text = format!("[{}] {}\n{}", message.state, message.title, message.body);
    if let Some(url) = &message.url {
        text.push('\n');
        text.push_str(url);
    }
    serde_json::json!({
        "text": text,
        "title": message.title,
        "body": message.body,
        "state": message.state.as_str(),
        "run": message.run.to_string(),
        "url": message.url,
        "key": message.key,
    })
}

/// The wait that a receiver asks for, when it gives it in seconds; a date is ignored, because no order
/// is read from two hosts' clocks.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u32 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.into()))
}
