//! One job from its begin to its end.

use super::{Inner, News, Stop, authority, lock};
use crate::jobs::{self, Context};
use crate::spool::{SpoolError, State};
use model::{Micros, Outcome, Problem, Progress, Token, Work};
use runtime::crash;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Lines that wait for a slow session; more are dropped, a job never waits for them.
const OUTPUT_BOUND: usize = 256;
/// Lines that go out in one message.
const OUTPUT_BATCH: usize = 32;
/// Largest outcome that is kept and sent, in bytes: below what the wire and the spool take.
const MAX_OUTCOME_BYTES: usize = 400 * 1024;
/// Longest text of a problem that was too large, in characters, and how many causes and lines of it stay.
const MAX_TEXT_CHARS: usize = 2000;
const MAX_TEXTS: usize = 20;
/// The code by which an epoch is refused.
const NOT_OBEYED: &str = "LB2110";
/// Between two progress messages of one job.
const PROGRESS_PAUSE: Duration = Duration::from_millis(200);

/// Work that is begun in the spool and holds its place among the jobs.
pub(super) struct Begun {
    pub(super) place: OwnedSemaphorePermit,
    pub(super) work: Work,
    pub(super) timeout: Duration,
}

/// Does one token's work. Every outcome is durable before anyone hears of it.
pub(super) async fn work(
    inner: &Arc<Inner>,
    token: &Token,
    begun: Option<Begun>,
    cancel: CancellationToken,
    stop: Arc<Mutex<Option<Stop>>>,
) -> Result<(), SpoolError> {
    let begun = match begun {
        Some(begun) => Some(begun),
        None => wait_and_begin(inner, token, &cancel).await?,
    };
    let Some(Begun { place: _place, work, timeout }) = begun else {
        return leave_unbegun(inner, token).await;
    };
    crash::point_of("after-begin", &token.step);
    let (weak, key) = (Arc::downgrade(inner), token.clone());
    let (context, streams) = inner.context(token, cancel.clone(), move || match weak.upgrade() {
        Some(inner) => still_wanted(&inner, &key),
        None => Err(Problem::new("LB2204", "the agent is stopping", "Start the agent again.")),
    });
    let started = (inner.deps.clock.now(), inner.deps.clock.since_boot());
    let outcome = watched(inner, token, &work, &context, streams, timeout, &stop).await;
    let stopped = *lock(&stop);
    let outcome = match (outcome, stopped) {
        (Outcome::Cancelled, Some(Stop::TimeOut)) => timed_out(timeout),
        (Outcome::Cancelled, Some(Stop::Shutdown)) => super::interrupted(),
        (Outcome::Refused { problem }, _) if problem.code == NOT_OBEYED => superseded(),
        (outcome, _) => outcome,
    };
    tracing::info!(outcome = outcome.as_str(), job = work.kind(), "job ended");
    metrics::counter!("lifeboat_agent_jobs_total", "job" => work.kind(), "outcome" => outcome.as_str())
        .increment(1);
    end(inner, token, bounded(outcome), started).await
}

/// Work that was cancelled before it began. An order stays spooled for its controller; what a schedule
/// fired ends here, for somebody waits for its end.
async fn leave_unbegun(inner: &Arc<Inner>, token: &Token) -> Result<(), SpoolError> {
    let scheduled = inner
        .spool()
        .entry(token)
        .is_some_and(|entry| entry.schedule.is_some() && entry.state == State::Spooled);
    match scheduled {
        true => {
            let now = (inner.deps.clock.now(), inner.deps.clock.since_boot());
            end(inner, token, super::never_begun(), now).await
        }
        false => Ok(()),
    }
}

/// An outcome that fits a message and a record. Lists that can be long are left out first: the counts
/// of a backup stand in its snapshot too.
fn bounded(outcome: Outcome) -> Outcome {
    let fits =
        |outcome: &Outcome| serde_json::to_vec(outcome).is_ok_and(|bytes| bytes.len() <= MAX_OUTCOME_BYTES);
    if fits(&outcome) {
        return outcome;
    }
    let smaller = match outcome {
        Outcome::Succeeded { mut output } => {
            for list in ["tables", "rows", "warnings"] {
                match output.get_mut(list) {
                    Some(serde_json::Value::Array(long)) => long.clear(),
                    Some(serde_json::Value::Object(long)) => long.clear(),
                    Some(_) | None => {}
                }
            }
            Outcome::Succeeded { output }
        }
        Outcome::Failed { problem } => Outcome::Failed { problem: cut(problem) },
        Outcome::Refused { problem } => Outcome::Refused { problem: cut(problem) },
        Outcome::Unknown { problem } => Outcome::Unknown { problem: cut(problem) },
        Outcome::Cancelled => Outcome::Cancelled,
    };
    if fits(&smaller) {
        return smaller;
    }
    let advice =
        "It was done. Look at the agent's log for what it gave, and settle it with `lifeboat answer`.";
    Outcome::Unknown { problem: Problem::new("LB2208", "the job's output is too large to be told", advice) }
}

fn cut(mut problem: Problem) -> Problem {
    let short = |text: &str| text.chars().take(MAX_TEXT_CHARS).collect::<String>();
    problem.message = short(&problem.message);
    problem.advice = short(&problem.advice);
    problem.causes = problem.causes.iter().take(MAX_TEXTS).map(|text| short(text)).collect();
    problem.log = problem.log.iter().rev().take(MAX_TEXTS).rev().map(|text| short(text)).collect();
    problem
}

/// The work, its progress and its clock, until it has ended.
async fn watched(
    inner: &Inner,
    token: &Token,
    work: &Work,
    context: &Context,
    streams: Streams,
    timeout: Duration,
    stop: &Mutex<Option<Stop>>,
) -> Outcome {
    let Streams { mut progress, mut output } = streams;
    let job = jobs::perform(work, context);
    tokio::pin!(job);
    let deadline = tokio::time::sleep(timeout);
    tokio::pin!(deadline);
    let mut tick = tokio::time::interval(PROGRESS_PAUSE);
    loop {
        tokio::select! {
            outcome = &mut job => {
                flush(inner, token, &mut output);
                return outcome;
            }
            () = &mut deadline, if lock(stop).is_none() => {
                lock(stop).get_or_insert(Stop::TimeOut);
                context.cancel.cancel();
            }
            _ = tick.tick() => {
                flush(inner, token, &mut output);
                if progress.has_changed().unwrap_or(false) {
                    let now = progress.borrow_and_update().clone();
                    let _ = inner.news.send(News::Progress(token.clone(), now));
                }
            }
        }
    }
}

fn flush(inner: &Inner, token: &Token, output: &mut mpsc::Receiver<String>) {
    let mut lines = Vec::new();
    while let Ok(line) = output.try_recv() {
        lines.push(line);
        if lines.len() == OUTPUT_BATCH {
            let _ = inner.news.send(News::Output(token.clone(), std::mem::take(&mut lines)));
        }
    }
    if !lines.is_empty() {
        let _ = inner.news.send(News::Output(token.clone(), lines));
    }
}

/// Waits for a place and marks it begun, if it still may begin.
async fn wait_and_begin(
    inner: &Arc<Inner>,
    token: &Token,
    cancel: &CancellationToken,
) -> Result<Option<Begun>, SpoolError> {
    let place = tokio::select! {
        place = inner.places.clone().acquire_owned() => place.ok(),
        () = cancel.cancelled() => None,
    };
    let Some(place) = place else { return Ok(None) };
    let begun = begin(inner, token).await?;
    Ok(begun.map(|(work, timeout)| Begun { place, work, timeout }))
}

/// Marks it begun. Under the spool's lock, so a revocation is before or after.
async fn begin(inner: &Arc<Inner>, token: &Token) -> Result<Option<(Work, Duration)>, SpoolError> {
    let (at, key, owner) = (inner.deps.clock.now(), token.clone(), inner.clone());
    let begun = tokio::task::spawn_blocking(move || {
        let mut spool = owner.spool();
        let Some(entry) = spool.entry(&key) else { return Ok(None) };
        if entry.state != State::Spooled {
            return Ok(None);
        }
        let obeyed = entry.schedule.is_some() || authority(spool.memory(), entry.order.epoch).is_ok();
        if !obeyed {
            // It stays spooled: the controller that holds the newer epoch sends it again, or revokes it.
            return Ok(None);
        }
        let found = (entry.order.work.clone(), entry.order.timeout);
        crash::point_of("after-spool", &key.step);
        spool.begin(&key, at)?;
        Ok(Some(found))
    });
    begun.await.unwrap_or(Err(SpoolError::Poisoned))
}

async fn end(
    inner: &Arc<Inner>,
    token: &Token,
    outcome: Outcome,
    started: (Micros, Duration),
) -> Result<(), SpoolError> {
    let (ended, key, owner) = (inner.deps.clock.now(), token.clone(), inner.clone());
    let took = inner.deps.clock.since_boot().saturating_sub(started.1);
    crash::point_of("before-end", &key.step);
    let written =
        tokio::task::spawn_blocking(move || owner.spool().end(&key, outcome, started.0, ended, took)).await;
    written.unwrap_or(Err(SpoolError::Poisoned))?;
    crash::point_of("after-end", &token.step);
    let _ = inner.news.send(News::Ended(token.clone()));
    Ok(())
}

/// The guard: asked just before the effect.
fn still_wanted(inner: &Inner, token: &Token) -> Result<(), Problem> {
    let spool = inner.spool();
    crash::point_of("acting", &token.step);
    match spool.entry(token) {
        Some(entry) if entry.schedule.is_some() => Ok(()),
        Some(entry) => authority(spool.memory(), entry.order.epoch),
        None => Err(Problem::new("LB2205", "the spool does not know this token", "Report this.")),
    }
}

/// The guard said no to work that had begun. Whoever commands now gets the result, and is not the one that
/// this host no longer obeys; how far the work had come before is for its probe to say.
fn superseded() -> Outcome {
    let problem = Problem::new(
        "LB2209",
        "another controller took over while this was running; it was stopped before it went further",
        "Nothing to do: the controller that commands now asks what came of it.",
    )
    .transient();
    Outcome::Unknown { problem }
}

fn timed_out(timeout: Duration) -> Outcome {
    let problem = Problem::new(
        "LB2202",
        format!("not done within {}; it was stopped", model::duration::format(timeout)),
        "The controller asks what came of it. Give the step a longer `timeout` if it needs one.",
    )
    .transient();
    Outcome::Unknown { problem }
}

/// The receiving ends of a job's progress and output.
pub(super) struct Streams {
    progress: watch::Receiver<Progress>,
    output: mpsc::Receiver<String>,
}

impl Inner {
    /// A context for one token.
    pub(super) fn context(
        &self,
        token: &Token,
        cancel: CancellationToken,
        guard: impl Fn() -> Result<(), Problem> + Send + Sync + 'static,
    ) -> (Context, Streams) {
        let (progress, progress_rx) = watch::channel(Progress::default());
        let (output, output_rx) = mpsc::channel(OUTPUT_BOUND);
        let context = Context {
            state_dir: self.deps.state_dir.clone(),
            policy: self.deps.policy.clone(),
            leases: self.deps.leases.clone(),
            cancel,
            progress,
            output,
            guard: Arc::new(guard),
            now: || Micros::from(jiff::Timestamp::now()),
            mode: token.mode,
            marker: token.key(),
        };
        (context, Streams { progress: progress_rx, output: output_rx })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_result_with_very_many_tables_is_still_a_success() {
        let table = json!({"table": "public.a_table_with_a_name", "expected": 1, "found": 1});
        let output = json!({"snapshot": "ab", "matches": true, "tables": vec![table; 20_000]});
        let Outcome::Succeeded { output } = bounded(Outcome::Succeeded { output }) else {
            panic!("not a success")
        };
        assert_eq!(output, json!({"snapshot": "ab", "matches": true, "tables": []}));
    }

    #[test]
    fn a_problem_of_megabytes_is_cut_and_keeps_its_code() {
        let problem = Problem::new("LB2215", "x".repeat(3_000_000), "look");
        let outcome = bounded(Outcome::Failed { problem });
        let problem = outcome.problem().unwrap();
        assert_eq!(
            (problem.code.as_str(), problem.message.len(), problem.advice.as_str()),
            ("LB2215", 2000, "look")
        );
    }

    #[test]
    fn an_output_that_cannot_be_made_smaller_is_unknown_and_says_that_it_was_done() {
        let outcome = bounded(Outcome::Succeeded { output: json!({"printed": "x".repeat(3_000_000)}) });
        assert_eq!(outcome.problem().unwrap().code, "LB2208");
        assert_eq!(outcome.as_str(), "unknown");
    }
}
