//! Lift the fence of a member, so that its server may be started again.
//!
//! A fence keeps a second primary away, so it is lifted only when it is proven that there is none and was none
//! since: every other member answers, none takes writes, none is on a newer timeline (only a promotion makes
//! one), and none has more of the log than this one. Whoever does not answer may be the primary. A member whose
//! data is a standby's, after a rejoin, starts as one and takes no writes: then nothing is asked.

use super::control::{self, words};
use super::fence::server;
use super::owner::Owner;
use super::peers::{self, Seen};
use super::wal;
use crate::jobs::{Context, End, Preview, Probe};
use crate::services;
use crate::services::leased;
use model::jobs::{ServiceState, Unfence, UnfenceOutput};
use model::nouns::PostgresSpec;
use model::{Outcome, Problem};
use std::path::PathBuf;

/// Does it.
pub async fn unfence(work: &Unfence, spec: &PostgresSpec, context: &Context) -> Result<UnfenceOutput, End> {
    let server = server(spec)?;
    let manager = services::open(server, &context.state_dir)?;
    let status = context.unless_cancelled(manager.status()).await??;
    if !status.masked {
        let detail = format!("it is not masked: {}", status.detail);
        return Ok(UnfenceOutput { was_fenced: false, detail });
    }
    let detail = may_be_lifted(work, spec, context).await?;
    context.may_act()?;
    manager.unmask().await?;
    Ok(UnfenceOutput { was_fenced: true, detail })
}

/// Was it done? Asks whether the server is masked.
pub async fn probe(_: &Unfence, spec: &PostgresSpec, context: &Context) -> Probe {
    let looked = async {
        let manager = services::open(server(spec)?, &context.state_dir)?;
        manager.status().await
    };
    match looked.await {
        Ok(status) if status.masked || status.state == ServiceState::Masked => Probe::NotDone,
        Ok(status) => {
            let detail = format!("it is not masked: {}", status.detail);
            Probe::Done(Outcome::success(&UnfenceOutput { was_fenced: true, detail }))
        }
        Err(problem) => Probe::CannotTell(problem),
    }
}

/// Could it be done?
pub async fn would_you(work: &Unfence, spec: &PostgresSpec, context: &Context) -> Result<Preview, End> {
    let server = server(spec)?;
    let status = context.unless_cancelled(services::open(server, &context.state_dir)?.status()).await??;
    let would = match status.masked {
        false => format!("do nothing: {} is not masked", server.name),
        true => format!("unmask {}: {}", server.name, may_be_lifted(work, spec, context).await?),
    };
    Ok(Preview { would: vec![would] })
}

/// Why the fence may be lifted, or why not.
async fn may_be_lifted(work: &Unfence, spec: &PostgresSpec, context: &Context) -> Result<String, End> {
    let data = data(work, spec, context)?;
    if data.join("standby.signal").exists() {
        return Ok("its data is a standby's: it starts as one".to_string());
    }
    let own = control::read(spec, &data, context).await?;
    let end =
        wal::end_of_log(spec, &Owner::of(&data)?, &own, &data, context).await?.unwrap_or(own.checkpoint);
    let asking = work.others.iter().map(async |peer| {
        peers::ask(spec, peer).await.map(|(_, seen)| seen).map_err(|problem| {
            let why = format!("{} does not answer, and may be the primary", peer.host);
            refused(&why).caused_by(&std::io::Error::other(problem.to_string()))
        })
    });
    let mut found = Vec::new();
    for seen in context.unless_cancelled(futures::future::join_all(asking)).await? {
        let seen = seen.map_err(End::Failed)?;
        judge(&seen, own.timeline, end).map_err(|why| End::Failed(refused(&why)))?;
        found.push(seen.to_string());
    }
    let place = format!("this one stands on timeline {} at {}", own.timeline, words(end));
    Ok(match found.is_empty() {
        true => format!("there is no other member; {place}"),
        false => format!("no other member was promoted: {}; {place}", found.join("; ")),
    })
}

/// Why another member forbids it.
fn judge(seen: &Seen, timeline: u32, end: u64) -> Result<(), String> {
    if seen.is_primary {
        return Err(format!("{seen}: bring this one back with `rejoin`"));
    }
    if seen.timeline > timeline {
        return Err(format!("{seen}, so one was promoted since; this one is still on timeline {timeline}"));
    }
    if seen.lsn > end {
        return Err(format!("{seen}, which is more than this one has: its log ends at {}", words(end)));
    }
    Ok(())
}

fn refused(why: &str) -> Problem {
    Problem::new(
        "LB2379",
        format!("the fence is not lifted: {why}"),
        "A server that starts beside another primary loses data. Rejoin this member, or promote it with a fence of the others before.",
    )
}

fn data(work: &Unfence, spec: &PostgresSpec, context: &Context) -> Result<PathBuf, Problem> {
    let named = context.policy.data_folder(&work.source).map(PathBuf::from);
    named.or_else(|| leased::data_folder(spec.server.as_ref()?)).ok_or_else(|| {
        Problem::new(
            "LB2373",
            format!("where the data of {} lies is not known, so it cannot be compared", work.source.name),
            "Let root add `data: FOLDER` to the source in the policy of this host; or look yourself that no other member was promoted, and unmask the service by hand.",
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use model::HostName;

    fn seen(is_primary: bool, timeline: u32, lsn: u64) -> Seen {
        Seen { host: HostName::new("west-1").unwrap(), is_primary, timeline, lsn, system: "1".into() }
    }

    #[test]
    fn a_primary_a_newer_timeline_and_more_data_each_forbid_it() {
        assert_eq!(judge(&seen(false, 1, 1000), 1, 1000), Ok(()));
        assert!(judge(&seen(true, 1, 10), 1, 1000).unwrap_err().contains("rejoin"));
        assert!(judge(&seen(false, 2, 10), 1, 1000).unwrap_err().contains("promoted since"));
        assert!(judge(&seen(false, 1, 1001), 1, 1000).unwrap_err().contains("more than"));
    }
}
