//! One agent's session: the stream that the agent opened, from its hello to its end.
//!
//! Order of things. Nothing is sent before the hello was judged. Then: Welcome with our epoch, the
//! assignment when the agent's is older, an end to whatever it holds of finished runs, and only then is
//! the session shown to the driver, which sends again whatever is under way on that host; the agent
//! answers repeats from its spool. A result is acknowledged after its event is durable, never before.
//! At most [`MAX_PENDING`] results wait for that; then the stream is not read, and the agent waits.
//!
//! Whose session it is. The certificate's key must be that of the host's newest enrolment when the hello
//! is judged, right before the session is shown to the driver, and once more right after: an enrolment
//! is durable before it looks for a session to end, so one of the two sees the other. A session ends
//! with the certificate that opened it; the agent comes back with its renewed one.

use super::intake::{self, Pending};
use super::{SessionHandle, hello};
use crate::app::App;
use crate::auth::renew::require_current;
use crate::auth::{AuthError, Caller};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use model::{HostName, Token};
use proto::v1;
use proto::v1::controller_message::Message as ToAgent;
use runtime::crash;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Status, Streaming};

/// How long an agent may take to say hello.
pub const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// Results that are being made durable for one agent.
pub const MAX_PENDING: usize = 64;
/// Agents that may dial within a second, as far as we can tell them: a core takes about as many.
const DIALS_PER_SECOND: usize = 1000;
/// The longest spread that is asked for: nobody should be away for longer.
const MAX_SPREAD_MS: u32 = 10_000;

/// What is said to the agent once something is durable.
#[derive(Debug)]
pub enum Answer {
    /// Nothing.
    Nothing,
    /// Its result is durable.
    Acknowledge(Token),
}

/// Runs a session until the agent leaves, is replaced, or is refused.
pub async fn run(
    app: Arc<App>,
    caller: Caller,
    session: SessionHandle,
    mut inbound: Streaming<v1::AgentMessage>,
) {
    let Some(host) = caller.host().cloned() else { return };
    let _leave = Leave { app: app.clone(), host: host.clone(), session: session.clone() };
    match open(&app, &caller, &host, &session, &mut inbound).await {
        Ok(()) => {
            tracing::info!(%host, session = session.number(), "agent connected");
            talk(&app, &caller, &host, &session, &mut inbound).await;
            tracing::info!(%host, session = session.number(), "agent disconnected");
        }
        Err(status) => {
            tracing::warn!(%host, %status, "agent refused");
            app.fleet.trouble(&host, status.message().to_string());
            session.end(status);
        }
    }
}

/// Takes the session out of the fleet, however its task ends: the stream to the agent ends when nobody
/// can send on it any more.
struct Leave {
    app: Arc<App>,
    host: HostName,
    session: SessionHandle,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.session.ended().cancel();
        self.app.fleet.disconnect(&self.host, self.session.number());
    }
}

async fn open(
    app: &App,
    caller: &Caller,
    host: &HostName,
    session: &SessionHandle,
    inbound: &mut Streaming<v1::AgentMessage>,
) -> Result<(), Status> {
    let first = tokio::time::timeout(HELLO_WITHIN, inbound.message())
        .await
        .map_err(|_| Status::deadline_exceeded("no hello came"))??;
    let Some(v1::agent_message::Message::Hello(hello)) = first.and_then(|first| first.message) else {
        return Err(Status::invalid_argument("the first message must be a hello"));
    };
    crash::point_of("hello-came", host);
    require_current(&app.store, host, &caller.key_fingerprint).await?;
    let hello = hello::understand(app, hello)?;
    if app.fleet.is_twice(host, hello.instance) {
        return Err(lock(app, host).await);
    }
    if let Some(rescue) = &app.rescue {
        rescue.judge(app, host, hello.epoch);
        hello::judge_epoch(app, host, hello.epoch)?;
        session.send(ToAgent::Welcome(welcome(app))).map_err(|_| Status::unavailable("the session ended"))?;
        rescue.collect(app, host, session, inbound, &hello.copies).await?;
    }
    hello::witness(app, host, &hello).await?;
    app.fleet.heard(host, |known| {
        known.version.clone_from(&hello.version);
        known.assignment_version = hello.assignment_version;
        known.skew_us = hello.skew_us;
        known.epoch = hello.epoch.map_or(0, |epoch| epoch.number);
    });
    app.copies.has(host, &hello.copies);
    let ended = |_| Status::unavailable("the session ended");
    if app.rescue.is_none() {
        session.send(ToAgent::Welcome(welcome(app))).map_err(ended)?;
    }
    crash::point_of("welcomed", host);
    if let Some(assignment) = app.estate.assignment_for(host, hello.assignment_version, app.epoch) {
        session.send(ToAgent::Assignment(assignment)).map_err(ended)?;
    }
    let copied = hello.copies.iter().map(|head| head.run);
    for run in hello::runs_of(&hello.held).into_iter().chain(copied).collect::<BTreeSet<_>>() {
        if app.runs.is_finished(run).await {
            close(app, session, &hello.held, run)?;
        }
    }
    require_current(&app.store, host, &caller.key_fingerprint).await?;
    if let Some(replaced) = app.fleet.connect(host, session.clone()) {
        tracing::warn!(%host, older = replaced.number(), newer = session.number(), "a newer session replaces one");
        replaced.end(Status::aborted("a newer session of this agent has replaced this one"));
    }
    require_current(&app.store, host, &caller.key_fingerprint).await?;
    crash::point_of("connected", host);
    crate::leases::introduce(app, host);
    if let Some(rescue) = &app.rescue {
        rescue.came(host);
    }
    app.runs.poke_host(host);
    Ok(())
}

/// Two agents speak for one host with one key: neither is believed, nor given work, until the host enrols anew.
async fn lock(app: &App, host: &HostName) -> Status {
    let error = AuthError::Twice { host: host.clone() };
    tracing::error!(%host, %error, "the host is locked");
    metrics::counter!("lifeboat_hosts_locked_total").increment(1);
    if let Some(other) = app.fleet.session(host) {
        other.end(AuthError::Twice { host: host.clone() }.into());
    }
    match app.store.lock_agent(host).await {
        Ok(()) => error.into(),
        Err(error) => crate::rpc::status::of_store(error),
    }
}

fn welcome(app: &App) -> v1::Welcome {
    v1::Welcome {
        controller: app.name.to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        epoch: Some(app.epoch.into()),
        heartbeat_ms: u32::try_from(app.fleet.heartbeat().as_millis()).unwrap_or(u32::MAX),
        now_us: app.clock.now().0,
        spread_ms: spread_ms(app.estate.host_count()),
        offline_key: app.bundles.key().map(ToString::to_string).unwrap_or_default(),
        rescue_at: app.rescue_at.clone(),
    }
}

/// Over how long so many idle agents spread their dials when we go: no faster than we can take them.
fn spread_ms(hosts: usize) -> u32 {
    let ms = hosts.saturating_mul(1000) / DIALS_PER_SECOND;
    u32::try_from(ms).unwrap_or(u32::MAX).min(MAX_SPREAD_MS)
}

/// What an agent holds of a finished run is no longer wanted: revoked first, then forgotten.
fn close(app: &App, session: &SessionHandle, held: &[Token], run: model::RunId) -> Result<(), Status> {
    let ended = |_| Status::unavailable("the session ended");
    for token in held.iter().filter(|token| token.run == run) {
        let revoke = v1::Revoke { token: Some(token.into()), epoch: Some(app.epoch.into()) };
        session.send(ToAgent::Revoke(revoke)).map_err(ended)?;
    }
    let closed = v1::RunClosed { run: run.0.as_bytes().to_vec() };
    session.send(ToAgent::RunClosed(closed)).map_err(ended)
}

async fn talk(
    app: &App,
    caller: &Caller,
    host: &HostName,
    session: &SessionHandle,
    inbound: &mut Streaming<v1::AgentMessage>,
) {
    let mut pending: FuturesUnordered<Pending> = FuturesUnordered::new();
    let ran_out = tokio::time::sleep(caller.expires.since(app.clock.now()));
    tokio::pin!(ran_out);
    loop {
        tokio::select! {
            () = session.ended().cancelled() => return,
            () = &mut ran_out => return session.end(AuthError::RanOut { host: host.clone() }.into()),
            Some(answer) = pending.next(), if !pending.is_empty() => {
                if let Answer::Acknowledge(token) = answer {
                    let ack = v1::ResultAck { token: Some((&token).into()) };
                    crash::point_of("result-durable", &token.step);
                    if session.send(ToAgent::ResultAck(ack)).is_err() {
                        return;
                    }
                    crash::point_of("result-acknowledged", &token.step);
                }
            }
            message = inbound.message(), if pending.len() < MAX_PENDING => {
                let Some(message) = received(host, message) else { return };
                app.fleet.heard(host, |_| {});
                match message.message.map(|message| intake::take_in(app, host, session, message)) {
                    Some(Ok(Some(durable))) => pending.push(durable),
                    Some(Ok(None)) => {}
                    Some(Err(error)) => tracing::warn!(%host, %error, "a message was not understood"),
                    None => tracing::warn!(%host, "an empty message; is the agent newer?"),
                }
            }
        }
    }
}

fn received(host: &HostName, message: Result<Option<v1::AgentMessage>, Status>) -> Option<v1::AgentMessage> {
    match message {
        Ok(message) => message,
        Err(status) => {
            tracing::debug!(%host, %status, "the stream broke");
            None
        }
    }
}

/// Whose session a call opens, or why none.
pub fn host_of(caller: &Caller) -> Result<HostName, AuthError> {
    let missing = || AuthError::NoCertificate { method: "an agent's session".to_string() };
    caller.host().cloned().ok_or_else(missing)
}
