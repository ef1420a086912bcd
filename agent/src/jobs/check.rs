//! Ask a named question: tcp, http, sql, command, disk.
//!
//! An answer that is not as expected is `Failed` with both said. Each try has the check's own time limit;
//! a service that has just been started is asked again, as often as the order says.

use super::{Context, End, Job, Preview, Probe, command};
use crate::sources::postgres;
use model::Problem;
use model::jobs::{Check, CheckOutput};
use model::nouns::{CheckSpec, Question};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Most tries of one check, whatever the order says.
const MAX_TRIES: u32 = 1000;
/// Bytes of an HTTP body that are read.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Characters of a body that are shown when it is not as expected.
const SHOWN_BODY: usize = 200;

impl Job for Check {
    type Output = CheckOutput;

    async fn perform(&self, context: &Context) -> Result<CheckOutput, End> {
        let tries = self.retries.saturating_add(1).min(MAX_TRIES);
        let mut number = 1;
        loop {
            context.phase("ask");
            let begun = Instant::now();
            match ask(context, &self.check).await {
                Ok(answer) => {
                    let latency_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    return Ok(CheckOutput { answer, latency_ms, tries: number });
                }
                Err(End::Failed(problem)) if number < tries => context.say(problem.to_string()),
                Err(end) => return Err(end),
            }
            number += 1;
            context.unless_cancelled(tokio::time::sleep(self.pause)).await?;
        }
    }

    async fn probe(&self, _: &Context) -> Probe {
        Probe::NotDone
    }

    async fn would_you(&self, context: &Context) -> Result<Preview, End> {
        if let Question::Command { script, .. } = &self.check.question {
            command::verify(context, script).map_err(End::Refused)?;
        }
        Ok(Preview {
            would: vec![format!("ask {}, a {} check", self.check.name, self.check.question.as_str())],
        })
    }
}

/// Asks once, within the check's limit.
pub async fn ask(context: &Context, check: &CheckSpec) -> Result<String, End> {
    let asking = async {
        match &check.question {
            Question::Tcp { address } => tcp(address).await.map_err(End::Failed),
            Question::Http { url, status, body, headers } => {
                http(url, *status, body.as_deref(), headers, check.within).await.map_err(End::Failed)
            }
            Question::Sql { source, statement, expect } => {
                postgres::ask(source, statement, expect, check.within).await.map_err(End::Failed)
            }
            Question::Disk { path, free_bytes } => disk(path, *free_bytes).map_err(End::Failed),
            Question::Command { .. } => Err(End::Failed(late(check))),
        }
    };
    if let Question::Command { script, args, .. } = &check.question {
        return run(context, check, script, args).await;
    }
    context
        .unless_cancelled(tokio::time::timeout(check.within, asking))
        .await?
        .unwrap_or_else(|_| Err(End::Failed(late(check))))
}

fn late(check: &CheckSpec) -> Problem {
    Problem::new(
        "LB2220",
        format!("{} gave no answer within {}", check.name, model::duration::format(check.within)),
        "See whether what it asks is alive; raise the check's `within` if it is only slow.",
    )
    .transient()
}

fn unexpected(what: &str, expected: &str, found: &str) -> Problem {
    Problem::new(
        "LB2221",
        format!("{what}: expected {expected}, found {found}"),
        "See the service's log; the answer is not the expected one.",
    )
    .transient()
}

/// Runs a listed script, killed whole when the check's time is over.
async fn run(context: &Context, check: &CheckSpec, script: &Path, args: &[String]) -> Result<String, End> {
    let limited = Context { cancel: context.cancel.child_token(), ..context.clone() };
    let running = command::run(&limited, script, args);
    tokio::pin!(running);
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = tokio::time::sleep(check.within) => {
            limited.cancel.cancel();
            match running.await {
                Err(End::Cancelled) if !context.cancel.is_cancelled() => Err(End::Failed(late(check))),
                ended => ended,
            }
        }
    };
    let exit = ended?;
    match exit.code {
        Some(0) => Ok("exit code 0".to_string()),
        _ => Err(End::Failed(
            unexpected(&script.display().to_string(), "exit code 0", &exit.words()).with_log(exit.tail),
        )),
    }
}

async fn tcp(address: &str) -> Result<String, Problem> {
    match tokio::net::TcpStream::connect(address).await {
        Ok(_) => Ok(format!("{address} takes connections")),
        Err(error) => Err(unexpected(address, "a connection", &error.to_string())),
    }
}

async fn http(
    url: &str,
    status: u16,
    body: Option<&str>,
    headers: &BTreeMap<String, String>,
    within: Duration,
) -> Result<String, Problem> {
    // A second call finds the provider installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let begun = Instant::now();
    let failed =
        |error: reqwest::Error| unexpected(url, &format!("status {status}"), "no answer").caused_by(&error);
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(within)
        .build()
        .map_err(failed)?;
    let mut answer = client.get(url).send().await.map_err(failed)?;
    let found = answer.status().as_u16();
    let named = answer.headers().clone();
    let mut text = Vec::new();
    while text.len() < MAX_BODY_BYTES {
        match answer.chunk().await.map_err(failed)? {
            Some(chunk) => text.extend_from_slice(&chunk),
            None => break,
        }
    }
    let text = String::from_utf8_lossy(&text);
    let shown: String = text.chars().take(SHOWN_BODY).collect();
    if found != status {
        return Err(unexpected(url, &format!("status {status}"), &format!("status {found}: {shown}")));
    }
    for (name, wanted) in headers {
        let found = named.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        if found.as_deref() != Some(wanted) {
            let found = found.map_or_else(|| "none".to_string(), |found| format!("{found:?}"));
            return Err(unexpected(url, &format!("a header {name}: {wanted}"), &found));
        }
    }
    if let Some(wanted) = body
        && !text.contains(wanted)
    {
        return Err(unexpected(url, &format!("a body with {wanted:?}"), &format!("{shown:?}")));
    }
    Ok(format!("{found} in {} ms", begun.elapsed().as_millis()))
}

fn disk(path: &Path, free_bytes: u64) -> Result<String, Problem> {
    let free = free_space(path)?;
    if free >= free_bytes {
        return Ok(format!("{free} bytes free"));
    }
    let expected = format!("at least {free_bytes} bytes free");
    Err(unexpected(&path.display().to_string(), &expected, &format!("{free}")))
}

/// Bytes that are free for ordinary users on a path's file system.
pub fn free_space(path: &Path) -> Result<u64, Problem> {
    let found = rustix::fs::statvfs(path).map_err(|error| {
        Problem::new(
            "LB2222",
            format!("cannot ask for the free space of {}", path.display()),
            "See whether it exists.",
        )
        .caused_by(&std::io::Error::from(error))
    })?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
