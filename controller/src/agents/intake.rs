//! What an agent says, taken in: into the fleet, to the driver, to whoever watches.

use super::fleet::Monitor;
use super::session::Answer;
use super::{SessionHandle, hello};
use crate::app::App;
use crate::leases;
use crate::runs::{Live, RunError};
use crate::store::points::PointRow;
use crate::store::scheduled::ScheduledRow;
use engine::{Actor, ProbeAnswer, Report, Revocation};
use futures::FutureExt;
use futures::future::BoxFuture;
use model::jobs::{Backup, Prove, Retain};
use model::nouns::MemberFacts;
use model::{Epoch, HostName, Micros, Name, Outcome, Problem, Progress, Token, Work};
use proto::v1::agent_message::Message;
use proto::v1::controller_message::Message as ToAgent;
use proto::{Malformed, required, v1};
use runtime::{Backoff, crash};
use std::time::Duration;

/// Bytes of a heartbeat's facts that are read.
const MAX_FACTS_BYTES: usize = 64 * 1024;
/// Checks of one heartbeat that are kept.
const MAX_MONITORS: usize = 512;
/// Output lines of one message that are passed on, and characters of each.
const MAX_LINES: usize = 200;
const MAX_LINE_CHARS: usize = 4096;

/// What is to be answered once it is durable.
pub type Pending = BoxFuture<'static, Answer>;

/// Takes one message in. Gives what must be made durable before it is answered, if anything.
pub fn take_in(
    app: &App,
    host: &HostName,
    session: &SessionHandle,
    message: Message,
) -> Result<Option<Pending>, Malformed> {
    match message {
        Message::Hello(_) => Err(Malformed::Invalid { field: "hello", why: "it came twice".to_string() }),
        Message::OrderAck(ack) => order_ack(app, host, session, ack).map(Some),
        Message::Progress(progress) => progress_report(app, progress).map(|()| None),
        Message::Output(output) => output_lines(app, output).map(|()| None),
        Message::Result(result) => ended(app, host, result),
        Message::Heartbeat(heartbeat) => beat(app, host, session, heartbeat).map(|()| None),
        Message::AssignmentAck(ack) => {
            assignment_ack(app, host, ack);
            Ok(None)
        }
        Message::RevokeAck(ack) => revoke_ack(app, host, ack),
        Message::ProbeAnswer(answer) => probe_answer(app, host, answer),
        Message::ScheduledResult(result) => scheduled(app, host, result).map(Some),
        Message::CopyAck(ack) => {
            let (run, taken) = (proto::run_id_of(&ack.run)?, ack.problem.is_none());
            if let Some(problem) = ack.problem.map(Problem::from) {
                tracing::warn!(%host, %run, %problem, "a copy of a journal was not taken");
            }
            app.copies.acknowledged(host, run, ack.sequence, taken);
            app.runs.poke(run);
            Ok(None)
        }
        // Only asked for when a session opens.
        Message::CopiedRows(_) => Ok(None),
        Message::LeaseRequest(request) => {
            let answering = leases::asked(app, host, session, request)?;
            Ok(Some(answering.map(|()| Answer::Nothing).boxed()))
        }
        Message::Withheld(withheld) => leases::withheld(app, host, withheld).map(|()| None),
    }
}

/// Problem codes by which an agent says that it does not obey us: another epoch, or a journal that is
/// older than what it has seen. Neither is the outcome of anything.
const NOT_OBEYED: [&str; 2] = ["LB2110", "LB2111"];

/// How often a report is offered to a run whose driver is just beginning or ending, and how soon again.
const OFFERS: Backoff =
    Backoff { first: Duration::from_millis(20), longest: Duration::from_secs(1), tries: Some(12) };

/// Whether an agent says by this that it does not obey us.
fn is_disobedience(problem: &Problem) -> bool {
    NOT_OBEYED.contains(&problem.code.as_str())
}

/// The end of our standing, when the token is this host's: who was never asked cannot refuse.
fn not_obeyed(app: &App, host: &HostName, token: &Token, problem: Problem) -> Pending {
    let (runs, standing) = (app.runs.clone(), app.standing.clone());
    let (host, token) = (host.clone(), token.clone());
    async move {
        match runs.is_of(&host, &token).await {
            true => standing.lose(problem),
            false => tracing::warn!(%host, %token, %problem, "a refusal of what this host was never told"),
        }
        Answer::Nothing
    }
    .boxed()
}

/// A report on its way to the driver; with `ack`, the token's result is acknowledged after it.
fn report(app: &App, host: &HostName, token: &Token, report: Report, ack: bool) -> Pending {
    let (runs, host, token) = (app.runs.clone(), host.clone(), token.clone());
    async move {
        let mut waits = OFFERS.waits();
        loop {
            let error = match runs.report(&host, &token, report.clone()).await {
                Ok(()) if ack => return Answer::Acknowledge(token),
                Ok(()) => return Answer::Nothing,
                Err(error) => error,
            };
            match (&error, waits.next()) {
                (RunError::NotDriven { .. }, Some(wait)) => tokio::time::sleep(wait).await,
                _ => {
                    tracing::warn!(%host, %token, %error, "a report was not recorded; the next session brings it again");
                    return Answer::Nothing;
                }
            }
        }
    }
    .boxed()
}

fn order_ack(
    app: &App,
    host: &HostName,
    session: &SessionHandle,
    ack: v1::OrderAck,
) -> Result<Pending, Malformed> {
    let state = ack.state();
    let token: Token = required("order_ack.token", ack.token)?.try_into()?;
    // Any state means that the agent has it. A result, when it has ended, follows by itself.
    model::Ack::try_from(state)?;
    if session.acknowledged(&token) {
        app.runs.poke_host(host);
    }
    crash::point_of("after-send", &token.step);
    let accepted = Report::Accepted { token: token.clone() };
    Ok(report(app, host, &token, accepted, false))
}

fn progress_report(app: &App, progress: v1::ProgressReport) -> Result<(), Malformed> {
    let token: Token = required("progress.token", progress.token)?.try_into()?;
    let phase = progress.phase.chars().take(MAX_LINE_CHARS).collect();
    let progress = Progress { phase, done_bytes: progress.done_bytes, total_bytes: progress.total_bytes };
    app.runs.live(Live::Progress { token, progress });
    Ok(())
}

fn output_lines(app: &App, output: v1::OutputLines) -> Result<(), Malformed> {
    let token: Token = required("output.token", output.token)?.try_into()?;
    let lines = output.lines.into_iter().take(MAX_LINES);
    let lines = lines.map(|line| line.chars().take(MAX_LINE_CHARS).collect()).collect();
    app.runs.live(Live::Output { token, lines });
    Ok(())
}

fn ended(app: &App, host: &HostName, result: v1::Result) -> Result<Option<Pending>, Malformed> {
    let token: Token = required("result.token", result.token)?.try_into()?;
    let outcome: Outcome = required("result.outcome", result.outcome)?.try_into()?;
    if let Outcome::Refused { problem } = &outcome
        && is_disobedience(problem)
    {
        return Ok(Some(not_obeyed(app, host, &token, problem.clone())));
    }
    crash::point_of("result-came", &token.step);
    let by = Actor::Agent { host: host.clone() };
    let ended = Report::Ended { token: token.clone(), outcome, by, took_us: Some(result.took_us) };
    Ok(Some(report(app, host, &token, ended, true)))
}

fn beat(
    app: &App,
    host: &HostName,
    session: &SessionHandle,
    heartbeat: v1::Heartbeat,
) -> Result<(), Malformed> {
    let v1::Heartbeat { now_us, json, monitors, highest_epoch } = heartbeat;
    let facts: Vec<MemberFacts> = match json.len() {
        0 => Vec::new(),
        1..=MAX_FACTS_BYTES => serde_json::from_slice(&json)
            .map_err(|error| Malformed::Invalid { field: "heartbeat.json", why: error.to_string() })?,
        bytes => {
            return Err(Malformed::Invalid { field: "heartbeat.json", why: format!("{bytes} bytes") });
        }
    };
    let monitors: Vec<(Name, Monitor)> =
        monitors.into_iter().take(MAX_MONITORS).map(monitor).collect::<Result<_, _>>()?;
    let epoch = highest_epoch.map(Epoch::try_from).transpose()?;
    if let Err(status) = hello::judge_epoch(app, host, epoch) {
        tracing::warn!(%host, %status, "agent refused");
        app.fleet.trouble(host, status.message().to_string());
        session.end(status);
        return Ok(());
    }
    let now = app.clock.now();
    app.fleet.heard(host, |known| {
        known.skew_us = now_us.saturating_sub(now.0);
        known.epoch = epoch.map_or(known.epoch, |epoch| epoch.number);
        known.facts = facts.into_iter().filter(|facts| facts.host == *host).collect();
        known.facts_at = now;
        for facts in &known.facts {
            match facts.role.as_str() {
                "primary" => {
                    let last = MemberFacts { at: Some(now), ..facts.clone() };
                    known.as_primary.insert(facts.source.clone(), last);
                }
                "standby" => drop(known.as_primary.remove(&facts.source)),
                _ => {}
            }
        }
        known.monitors.extend(monitors);
    });
    // A session that cannot take it has ended, and its own task sees that.
    let _ = session.send(ToAgent::HeartbeatAck(v1::HeartbeatAck { now_us: now.0 }));
    Ok(())
}

fn monitor(result: v1::MonitorResult) -> Result<(Name, Monitor), Malformed> {
    let v1::MonitorResult { check, outcome, at_us } = result;
    let name = Name::new(check)
        .map_err(|error| Malformed::Invalid { field: "monitor.check", why: error.to_string() })?;
    let outcome = required("monitor.outcome", outcome)?.try_into()?;
    Ok((name, Monitor { outcome, at: Micros(at_us) }))
}

fn assignment_ack(app: &App, host: &HostName, ack: v1::AssignmentAck) {
    match ack.problem {
        None => {
            app.fleet.heard(host, |known| known.assignment_version = ack.version);
            // The estate may name other members by now.
            leases::introduce(app, host);
        }
        Some(problem) => {
            let problem = Problem::from(problem);
            tracing::warn!(%host, version = ack.version, %problem, "an assignment was refused");
            app.fleet.trouble(host, format!("refuses its assignment {}: {problem}", ack.version));
        }
    }
}

fn revoke_ack(app: &App, host: &HostName, ack: v1::RevokeAck) -> Result<Option<Pending>, Malformed> {
    let state = ack.state();
    let token: Token = required("revoke_ack.token", ack.token)?.try_into()?;
    if let Some(problem) = ack.problem {
        // The agent obeys somebody else: that is no answer to the question, it is the end of our epoch.
        let problem = Problem::from(problem);
        if is_disobedience(&problem) {
            return Ok(Some(not_obeyed(app, host, &token, problem)));
        }
        tracing::warn!(%host, %token, %problem, "a revocation was not answered; it is asked again");
        return Ok(None);
    }
    let answer = match state {
        v1::RevokeState::Unspecified => return Err(Malformed::Missing { field: "revoke_ack.state" }),
        v1::RevokeState::NeverBegun => Revocation::NeverBegun,
        v1::RevokeState::Stopped => Revocation::Stopped,
        v1::RevokeState::Ended => Revocation::Ended,
    };
    let revoked = Report::Revoked { token: token.clone(), answer };
    Ok(Some(report(app, host, &token, revoked, false)))
}

fn probe_answer(app: &App, host: &HostName, answer: v1::ProbeAnswer) -> Result<Option<Pending>, Malformed> {
    let state = answer.state();
    let token: Token = required("probe_answer.token", answer.token)?.try_into()?;
    let answer = match state {
        v1::ProbeState::Unspecified => return Err(Malformed::Missing { field: "probe_answer.state" }),
        v1::ProbeState::NotDone => ProbeAnswer::NotDone,
        v1::ProbeState::CannotTell => {
            ProbeAnswer::CannotTell { problem: required("probe_answer.problem", answer.problem)?.into() }
        }
        v1::ProbeState::Done => match answer.outcome.map(Outcome::try_from).transpose()? {
            Some(Outcome::Succeeded { output }) => ProbeAnswer::Done { output },
            Some(_) | None => ProbeAnswer::Done { output: serde_json::Value::Null },
        },
    };
    if let ProbeAnswer::CannotTell { problem } = &answer
        && is_disobedience(problem)
    {
        return Ok(Some(not_obeyed(app, host, &token, problem.clone())));
    }
    let probed = Report::Probed { token: token.clone(), answer };
    Ok(Some(report(app, host, &token, probed, false)))
}

/// Whether the estate in force has this host do such work by such a schedule. Names are compared, not
/// the whole work: the report may come after the estate changed in something else.
fn is_declared(app: &App, host: &HostName, token: &Token, schedule: &str, work: &Work) -> bool {
    let named = |work: &Work| match work {
        Work::Backup(Backup { source, repository, .. })
        | Work::Prove(Prove { source, repository, .. })
        | Work::Retain(Retain { source, repository, .. }) => {
            Some((source.name.clone(), repository.name.clone()))
        }
        _ => None,
    };
    let Some(in_force) = app.estate.get() else { return false };
    let Some(assignment) = in_force.checked.assignment(host, in_force.version) else { return false };
    let mut schedules = assignment.schedules.iter().filter(|declared| declared.name.as_str() == schedule);
    token.target.host.as_ref() == Some(host)
        && schedules.any(|declared| {
            declared.work.iter().any(|one| one.kind() == work.kind() && named(one) == named(work))
        })
}

fn scheduled(app: &App, host: &HostName, result: v1::ScheduledResult) -> Result<Pending, Malformed> {
    let token: Token = required("scheduled.token", result.token)?.try_into()?;
    let outcome: Outcome = required("scheduled.outcome", result.outcome)?.try_into()?;
    let work = Work::read(&result.kind, result.version, &result.parameters)
        .map_err(|error| Malformed::Invalid { field: "scheduled.parameters", why: error.to_string() })?;
    let origin = format!("schedule/{}", result.schedule);
    let point = PointRow::of(&work, &outcome, host, &origin, Micros(result.ended_us));
    let point = point.filter(|_| {
        let declared = is_declared(app, host, &token, &result.schedule, &work);
        if !declared {
            tracing::warn!(%host, %token, schedule = result.schedule, job = work.kind(),
                "a restore point of a schedule that the estate does not give this host; it is not listed");
        }
        declared
    });
    let row = ScheduledRow {
        host: host.to_string(),
        schedule: result.schedule,
        kind: result.kind,
        outcome: outcome.as_str().to_string(),
        ended_at: Micros(result.ended_us),
    };
    let (store, host, started) = (app.store.clone(), host.clone(), Micros(result.started_us));
    Ok(async move {
        match store.keep_scheduled(&token, &host, row, started, point).await {
            Ok(()) => Answer::Acknowledge(token),
            Err(error) => {
                tracing::warn!(%host, %error, "what a schedule did was not kept; the agent says it again");
                Answer::Nothing
            }
        }
    }
    .boxed())
}
