//! One open stream: messages in order, each answered or acted upon.
//!
//! Orders, revocations and probes are taken in the order in which they arrive, so a revocation never
//! overtakes its order. What takes long (stopping a job, probing) runs beside the loop and answers
//! through the same bounded queue.

use super::results::Results;
use super::{Deps, OUTBOUND_BOUND, SEND_LIMIT, SILENT_HEARTBEATS, SessionError, hello};
use crate::desk::{News, Reply, Revoked};
use crate::jobs::Probe;
use model::lease::Request;
use model::{Ack, CopiedRow, HostName, Name, Order, Outcome, Problem, Token, Work};
use proto::v1::{self, agent_message::Message, controller_message::Message as Inbound};
use proto::{required, run_id_of};
use runtime::crash;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use tracing::Instrument as _;

/// Revocations and probes that run at once; more wait.
const MAX_BESIDE: usize = 32;
/// The slowest link that is served, in bytes a second: between two answered heartbeats no more progress and
/// output is sent than it carries in that time, so that what matters never waits long behind them.
const SLOWEST_LINK: u64 = 10_000;
/// What a report takes on the wire besides its text, in bytes; generous.
const FRAMING_BYTES: usize = 200;
/// What a line takes besides its text, in bytes.
const LINE_FRAMING_BYTES: usize = 4;
/// Members of one source whose keys are taken.
const MAX_MEMBERS: usize = 64;
/// Bytes of a run's journal that one message carries, where a row is not larger itself.
const MAX_COPY_BYTES: usize = 512 * 1024;
/// Heartbeat intervals that a controller may ask for.
const HEARTBEAT_MS: std::ops::RangeInclusive<u32> = 100..=60_000;

fn name(field: &'static str, text: String) -> Result<Name, proto::Malformed> {
    Name::new(text).map_err(|error| proto::Malformed::Invalid { field, why: error.to_string() })
}

pub(super) struct Session {
    deps: Deps,
    inbound: Streaming<v1::ControllerMessage>,
    outbound: mpsc::Sender<v1::AgentMessage>,
    news: broadcast::Receiver<News>,
    asks: broadcast::Receiver<(Name, Request)>,
    results: Results,
    heartbeat: Duration,
    spread: Duration,
    /// Bytes of progress and output that may go until the next heartbeat is answered.
    bulk: usize,
    beside: JoinSet<Result<(), SessionError>>,
}

impl Session {
    /// Dials, says hello and waits for the welcome of a controller that this host obeys.
    pub(super) async fn open(deps: Deps, channel: Channel) -> Result<Session, SessionError> {
        let mut client = v1::agent_link_client::AgentLinkClient::new(channel)
            .max_decoding_message_size(proto::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(proto::MAX_MESSAGE_BYTES);
        let (outbound, queue) = mpsc::channel(OUTBOUND_BOUND);
        // News from before the hello is read: a result that ends between is then seen twice, never missed.
        let (news, asks) = (deps.desk.news(), deps.leases.asks());
        send(&outbound, Message::Hello(hello::hello(&deps))).await?;
        let mut inbound =
            client.connect(ReceiverStream::new(queue)).await.map_err(SessionError::Link)?.into_inner();
        let welcome = match next(&mut inbound).await? {
            Some(Inbound::Welcome(welcome)) => welcome,
            Some(_) | None => return Err(proto::Malformed::Missing { field: "welcome" }.into()),
        };
        let epoch = required("welcome.epoch", welcome.epoch)?.try_into()?;
        crash::point("welcome-came");
        deps.desk.obey(epoch).await?.map_err(SessionError::NotObeyed)?;
        deps.lookout.learn(&welcome.offline_key, &welcome.rescue_at);
        crash::point("epoch-obeyed");
        let ms = welcome.heartbeat_ms.clamp(*HEARTBEAT_MS.start(), *HEARTBEAT_MS.end());
        let results = Results::from_spool(&deps.desk);
        let heartbeat = Duration::from_millis(u64::from(ms));
        let spread = Duration::from_millis(u64::from(welcome.spread_ms));
        let (bulk, beside) = (allowance(heartbeat), JoinSet::new());
        Ok(Session { deps, inbound, outbound, news, asks, results, heartbeat, spread, bulk, beside })
    }

    /// Over how long the controller asks idle agents to spread their next dial.
    pub(super) fn spread(&self) -> Duration {
        self.spread
    }

    /// Serves until told to stop (`Ok`) or until the session must be opened again.
    pub(super) async fn serve(&mut self, stop: &CancellationToken) -> Result<(), SessionError> {
        let mut beat = tokio::time::interval(self.heartbeat);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let silence = self.heartbeat * SILENT_HEARTBEATS + Duration::from_millis(500);
        let mut heard = Instant::now();
        loop {
            while let Some(message) = self.results.next(&self.deps.desk) {
                let step = step_of(&message);
                send(&self.outbound, message).await?;
                crash::point_of("result-sent", step);
            }
            tokio::select! {
                message = next(&mut self.inbound), if self.beside.len() < MAX_BESIDE => {
                    heard = Instant::now();
                    match message? {
                        Some(message) => self.take(message).await?,
                        None => return Err(SessionError::Link(Status::unavailable("the controller closed the stream"))),
                    }
                }
                news = self.news.recv() => self.tell(news).await?,
                ask = self.asks.recv() => if let Ok((source, request)) = ask {
                    let request = proto::lease_request_to_wire(&source, &request);
                    send(&self.outbound, Message::LeaseRequest(request)).await?;
                },
                Some(done) = self.beside.join_next() => done.unwrap_or(Ok(()))?,
                _ = beat.tick() => {
                    if heard.elapsed() > silence {
                        return Err(SessionError::Silent(silence));
                    }
                    send(&self.outbound, Message::Heartbeat(hello::heartbeat(&self.deps))).await?;
                }
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    async fn tell(&mut self, news: Result<News, broadcast::error::RecvError>) -> Result<(), SessionError> {
        match news {
            Ok(News::Ended(token)) => self.results.push(token),
            Ok(News::Progress(token, progress)) => {
                let bytes = progress.phase.len() + FRAMING_BYTES;
                self.offer(
                    bytes,
                    Message::Progress(v1::ProgressReport {
                        token: Some((&token).into()),
                        phase: progress.phase,
                        done_bytes: progress.done_bytes,
                        total_bytes: progress.total_bytes,
                    }),
                );
            }
            Ok(News::Output(token, mut lines)) => {
                let mut bytes = FRAMING_BYTES;
                let fits = lines.iter().take_while(|line| {
                    bytes += line.len() + LINE_FRAMING_BYTES;
                    bytes <= self.bulk
                });
                lines.truncate(fits.count());
                let bytes = bytes.min(self.bulk);
                if !lines.is_empty() {
                    let output = v1::OutputLines { token: Some((&token).into()), lines };
                    self.offer(bytes, Message::Output(output));
                }
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {
                self.results = Results::from_spool(&self.deps.desk)
            }
            Err(broadcast::error::RecvError::Closed) => {}
        }
        Ok(())
    }

    /// Progress and output may be dropped: they never wait, and never hold a result or a heartbeat up.
    fn offer(&mut self, bytes: usize, message: Message) {
        if let Some(left) = self.bulk.checked_sub(bytes) {
            self.bulk = left;
            let _ = self.outbound.try_send(v1::AgentMessage { message: Some(message) });
        }
    }

    async fn take(&mut self, message: Inbound) -> Result<(), SessionError> {
        match message {
            Inbound::Order(order) => self.order(order).await,
            Inbound::ResultAck(ack) => {
                let token: Token = required("result_ack.token", ack.token)?.try_into()?;
                crash::point_of("ack-came", &token.step);
                self.results.acknowledged(&token);
                self.deps.desk.delivered(token.clone()).await?;
                crash::point_of("delivered", &token.step);
                Ok(())
            }
            Inbound::Revoke(revoke) => self.revoke(revoke),
            Inbound::Probe(probe) => self.probe(probe),
            Inbound::Assignment(assignment) => self.assignment(assignment).await,
            Inbound::RunClosed(closed) => {
                crash::point("close-came");
                self.deps.desk.close(run_id_of(&closed.run)?).await?;
                crash::point("closed");
                Ok(())
            }
            Inbound::HeartbeatAck(_) => {
                self.bulk = allowance(self.heartbeat);
                Ok(())
            }
            Inbound::LeaseAnswer(answer) => {
                let (source, reply) = proto::lease_reply(answer)?;
                self.deps.leases.answered(&source, reply);
                Ok(())
            }
            Inbound::Withhold(withhold) => self.withhold(withhold),
            Inbound::MemberKeys(named) => self.introduced(named),
            Inbound::Copy(copy) => self.copy(copy).await,
            Inbound::CopyWanted(wanted) => self.copy_wanted(wanted).await,
            Inbound::Welcome(_) => Ok(()),
        }
    }

    async fn order(&mut self, wire: v1::Order) -> Result<(), SessionError> {
        let token: Token = required("order.token", wire.token.clone())?.try_into()?;
        let span = tracing::info_span!("order", run = %token.run, step = %token.step, attempt = token.attempt,
            host = %self.deps.host, job = %wire.kind);
        runtime::telemetry::trace::adopt(&span, &wire.traceparent);
        crash::point_of("order-came", &token.step);
        let order = match Order::try_from(wire) {
            Ok(order) => order,
            Err(error) => return self.turned_away(&token, unreadable(&error)).await,
        };
        match self.deps.desk.order(order).instrument(span).await? {
            Reply::Ack(ack) => {
                let state = v1::AckState::from(ack).into();
                send(&self.outbound, Message::OrderAck(v1::OrderAck { token: Some((&token).into()), state }))
                    .await?;
                crash::point_of("order-acknowledged", &token.step);
                if ack == Ack::Ended {
                    self.results.push(token);
                }
                Ok(())
            }
            Reply::TurnedAway(outcome) => self.turned_away(&token, outcome).await,
        }
    }

    async fn turned_away(&self, token: &Token, outcome: Outcome) -> Result<(), SessionError> {
        let now = self.deps.clock.now().0;
        tracing::warn!(%token, problem = outcome.problem().map(ToString::to_string), "order turned away");
        let result = v1::Result {
            token: Some(token.into()),
            outcome: Some((&outcome).into()),
            started_us: now,
            ended_us: now,
            took_us: 0,
        };
        send(&self.outbound, Message::Result(result)).await
    }

    fn revoke(&mut self, revoke: v1::Revoke) -> Result<(), SessionError> {
        let token: Token = required("revoke.token", revoke.token)?.try_into()?;
        crash::point_of("revoke-came", &token.step);
        let epoch = required("revoke.epoch", revoke.epoch)?.try_into()?;
        let (deps, outbound) = (self.deps.clone(), self.outbound.clone());
        self.beside.spawn(async move {
            let (state, problem) = match deps.desk.obey(epoch).await? {
                Err(problem) => (v1::RevokeState::Unspecified, Some((&problem).into())),
                Ok(()) => (revoked(deps.desk.revoke(token.clone()).await?), None),
            };
            let ack = v1::RevokeAck { token: Some((&token).into()), state: state.into(), problem };
            send(&outbound, Message::RevokeAck(ack)).await
        });
        Ok(())
    }

    /// Nothing below a term is extended any more: durable before it is said.
    fn withhold(&mut self, withhold: v1::Withhold) -> Result<(), SessionError> {
        let v1::Withhold { source, epoch, floor } = withhold;
        let source = name("withhold.source", source)?;
        let epoch = required("withhold.epoch", epoch)?.try_into()?;
        let (deps, outbound) = (self.deps.clone(), self.outbound.clone());
        self.beside.spawn(async move {
            let withheld = match deps.desk.obey(epoch).await? {
                Ok(()) => deps.leases.withhold(&source, floor),
                Err(problem) => Err(problem),
            };
            match withheld {
                Ok(Some((floor, left))) => {
                    let left_us = u64::try_from(left.as_micros()).unwrap_or(u64::MAX);
                    let said = v1::Withheld { source: source.to_string(), floor, left_us };
                    send(&outbound, Message::Withheld(said)).await
                }
                Ok(None) => Ok(()),
                Err(problem) => {
                    tracing::warn!(%source, %problem, "a lease may still be extended here");
                    Ok(())
                }
            }
        });
        Ok(())
    }

    fn introduced(&self, named: v1::MemberKeys) -> Result<(), SessionError> {
        let source = name("member_keys.source", named.source)?;
        let keys = named.keys.into_iter().take(MAX_MEMBERS).map(|key| {
            let host = HostName::new(key.host);
            host.map(|host| (host, key.fingerprint)).map_err(|error| proto::Malformed::Invalid {
                field: "member_keys.host",
                why: error.to_string(),
            })
        });
        let keys = keys.collect::<Result<_, _>>()?;
        self.deps.leases.introduced(&self.deps.state_dir, &source, keys);
        Ok(())
    }

    fn probe(&mut self, probe: v1::Probe) -> Result<(), SessionError> {
        let token: Token = required("probe.token", probe.token)?.try_into()?;
        crash::point_of("probe-came", &token.step);
        let epoch = required("probe.epoch", probe.epoch)?.try_into()?;
        let work = Work::read(&probe.kind, probe.version, &probe.parameters);
        let (deps, outbound) = (self.deps.clone(), self.outbound.clone());
        self.beside.spawn(async move {
            let answer = match (deps.desk.obey(epoch).await?, work) {
                (Err(problem), _) => Probe::CannotTell(problem),
                (Ok(()), Err(error)) => Probe::CannotTell(
                    Problem::new(
                        "LB2102",
                        "the probe cannot be understood",
                        "Run versions that know each other.",
                    )
                    .caused_by(&error),
                ),
                (Ok(()), Ok(work)) => deps.desk.probe(&token, &work).await,
            };
            send(&outbound, Message::ProbeAnswer(answered(&token, answer))).await
        });
        Ok(())
    }

    /// Rows that are to be on the disk before they are acknowledged; without `sync` they are before what comes next.
    async fn copy(&mut self, copy: v1::Copy) -> Result<(), SessionError> {
        let v1::Copy { run, epoch, rows, sync } = copy;
        let id = run_id_of(&run)?;
        let epoch = required("copy.epoch", epoch)?.try_into()?;
        let rows = rows.into_iter().map(CopiedRow::try_from).collect::<Result<Vec<_>, _>>()?;
        self.deps.desk.obey(epoch).await?.map_err(SessionError::NotObeyed)?;
        crash::point("copy-came");
        let copied = self.deps.desk.write(move |spool| spool.copy(id, rows, sync)).await?;
        crash::point("copied");
        let (sequence, problem) = match copied {
            Ok(_) if !sync => return Ok(()),
            Ok(sequence) => (sequence, None),
            Err(refused) => {
                tracing::warn!(run = %id, %refused, "a copy of a journal was not taken");
                let have = self.deps.desk.read(|spool| spool.memory().copies.last(id));
                (have, Some((&refused.problem()).into()))
            }
        };
        send(&self.outbound, Message::CopyAck(v1::CopyAck { run, sequence, problem })).await
    }

    /// A rescue wants what is kept of a run.
    async fn copy_wanted(&mut self, wanted: v1::CopyWanted) -> Result<(), SessionError> {
        let v1::CopyWanted { run, mut after } = wanted;
        let id = run_id_of(&run)?;
        loop {
            let rows = self.deps.desk.read(|spool| {
                let mut bytes = 0;
                let rows = spool.memory().copies.after(id, after).iter();
                let some = rows.take_while(|row| {
                    let first = bytes == 0;
                    bytes += row.size();
                    first || bytes <= MAX_COPY_BYTES
                });
                some.cloned().collect::<Vec<_>>()
            });
            let last = rows.is_empty();
            after = rows.last().map_or(after, |row| row.sequence);
            let rows = rows.iter().map(Into::into).collect();
            send(&self.outbound, Message::CopiedRows(v1::CopiedRows { run: run.clone(), rows, last }))
                .await?;
            if last {
                return Ok(());
            }
        }
    }

    async fn assignment(&mut self, assignment: v1::Assignment) -> Result<(), SessionError> {
        let epoch = required("assignment.epoch", assignment.epoch)?.try_into()?;
        self.deps.desk.obey(epoch).await?.map_err(SessionError::NotObeyed)?;
        let taken = self.deps.keeper.take(&assignment.json);
        if let Err(problem) = &taken {
            tracing::error!(%problem, "assignment refused");
        }
        let problem = taken.err().as_ref().map(Into::into);
        let ack = v1::AssignmentAck { version: self.deps.keeper.version(), problem };
        send(&self.outbound, Message::AssignmentAck(ack)).await
    }
}

/// The step that a result is of, as crash points name it.
fn step_of(message: &Message) -> String {
    let token = match message {
        Message::Result(result) => result.token.as_ref(),
        _ => None,
    };
    token.map(|token| token.step.clone()).unwrap_or_default()
}

/// What the slowest link carries between two heartbeats, in bytes.
fn allowance(heartbeat: Duration) -> usize {
    let ms = u64::try_from(heartbeat.as_millis()).unwrap_or(u64::MAX);
    usize::try_from(ms.saturating_mul(SLOWEST_LINK) / 1000).unwrap_or(usize::MAX)
}

async fn next(inbound: &mut Streaming<v1::ControllerMessage>) -> Result<Option<Inbound>, SessionError> {
    match inbound.message().await.map_err(SessionError::Link)? {
        None => Ok(None),
        Some(message) => Ok(Some(required("message", message.message)?)),
    }
}

async fn send(outbound: &mpsc::Sender<v1::AgentMessage>, message: Message) -> Result<(), SessionError> {
    let sent = outbound.send_timeout(v1::AgentMessage { message: Some(message) }, SEND_LIMIT).await;
    sent.map_err(|_| SessionError::Link(Status::unavailable("a message could not be sent in time")))
}

fn revoked(state: Revoked) -> v1::RevokeState {
    match state {
        Revoked::NeverBegun => v1::RevokeState::NeverBegun,
        Revoked::Stopped => v1::RevokeState::Stopped,
        Revoked::Ended => v1::RevokeState::Ended,
    }
}

fn answered(token: &Token, answer: Probe) -> v1::ProbeAnswer {
    let (state, outcome, problem) = match answer {
        Probe::Done(outcome) => (v1::ProbeState::Done, Some((&outcome).into()), None),
        Probe::NotDone => (v1::ProbeState::NotDone, None, None),
        Probe::CannotTell(problem) => (v1::ProbeState::CannotTell, None, Some((&problem).into())),
    };
    v1::ProbeAnswer { token: Some(token.into()), state: state.into(), outcome, problem }
}

fn unreadable(error: &proto::Malformed) -> Outcome {
    let problem = Problem::new(
        "LB2102",
        "the order cannot be understood here",
        "Run versions of agent and controller that know each other.",
    )
    .caused_by(error);
    Outcome::Refused { problem }
}
