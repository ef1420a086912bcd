//! Forget what a schedule keeps no longer, and remove data that nobody needs.
//!
//! It comes last in a schedule, after its backup and its proof succeeded: while backups or proofs fail,
//! nothing is let go. Age is what the storage says; the newest whole snapshot of a source always stays, and
//! the newest that this agent has proven.
//! A key that may not remove, and somebody else who works in the repository, are no failures: what is due
//! waits for the next time, or for who may.

use super::{Context, End, Job, Preview, Probe, proofs};
use crate::sources::manifest;
use crate::sources::vault::{self, Absent};
use model::jobs::{Retain, RetainOutput};
use repository::retention::Policy;
use repository::{Error, Id, Monitor, PruneOptions, Repository};
use std::time::SystemTime;

impl Job for Retain {
    type Output = RetainOutput;

    async fn perform(&self, context: &Context) -> Result<RetainOutput, End> {
        let repository = vault::open(&self.repository, Absent::Fail, context).await?;
        context.may_act()?;
        context.phase("forget");
        let (work, now) = (self.clone(), SystemTime::from((context.now)().timestamp()));
        let proven = proven(self, context)?;
        vault::work(context, None, move |monitor| retain(&repository, &work, &proven, now, monitor)).await
    }

    /// Whatever was forgotten is forgotten, the rest is found again the next time.
    async fn probe(&self, _context: &Context) -> Probe {
        Probe::NotDone
    }

    async fn would_you(&self, context: &Context) -> Result<Preview, End> {
        let repository = vault::open(&self.repository, Absent::Fail, context).await?;
        let (work, now) = (self.clone(), SystemTime::from((context.now)().timestamp()));
        let proven = proven(self, context)?;
        let due = vault::work(context, None, move |_| due(&repository, &work, &proven, now)).await?;
        Ok(Preview { would: vec![format!("forget {} snapshots of {}", due.len(), self.source.name)] })
    }
}

/// What this agent has proven. An id of another form names no snapshot here.
fn proven(work: &Retain, context: &Context) -> Result<Vec<Id>, End> {
    let proven = proofs::of(context, &work.source.name, &work.repository)?;
    Ok(proven.iter().filter_map(|id| id.as_str().parse().ok()).collect())
}

/// The schedule's snapshots that are too old.
fn due(repository: &Repository, work: &Retain, proven: &[Id], now: SystemTime) -> Result<Vec<Id>, Error> {
    let policy = Policy { within: work.keep, ..Policy::default() };
    let plan = repository.forget_plan(&policy, proven, now)?;
    let tags = [manifest::source_tag(&work.source), work.tag.clone()];
    let is_ours = |id: &Id| {
        let info = plan.snapshots.iter().find(|info| info.id == *id);
        info.is_some_and(|info| tags.iter().all(|tag| info.snapshot.has_tag(tag)))
    };
    Ok(plan.verdict.expired.iter().copied().filter(is_ours).collect())
}

fn retain(
    repository: &Repository,
    work: &Retain,
    proven: &[Id],
    now: SystemTime,
    monitor: &Monitor,
) -> Result<RetainOutput, Error> {
    let mut output = RetainOutput { forgotten: 0, marked_bytes: 0, removed_bytes: 0, left: None };
    let due = due(repository, work, proven, now)?;
    let done = forget_and_prune(repository, &due, now, monitor, &mut output);
    match done {
        Err(
            e @ (Error::MayNotRemove { .. }
            | Error::Locked { .. }
            | Error::PlanChanged
            | Error::ArchiveKept { .. }),
        ) => {
            output.left = Some(format!("{}: {e}", e.code()));
            Ok(output)
        }
        other => other.map(|()| output),
    }
}

fn forget_and_prune(
    repository: &Repository,
    due: &[Id],
    now: SystemTime,
    monitor: &Monitor,
    output: &mut RetainOutput,
) -> Result<(), Error> {
    if !due.is_empty() {
        repository.forget(due)?;
        output.forgotten = due.len() as u64;
    }
    let options = PruneOptions::default();
    let plan = repository.prune_plan(&options, now, monitor)?;
    if !plan.is_empty() {
        let pruned = repository.prune(&plan, &options, now, monitor)?;
        output.marked_bytes = pruned.marked.bytes;
        output.removed_bytes = pruned.removed.bytes;
    }
    Ok(())
}
