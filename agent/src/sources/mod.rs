//! Data that can be protected: one file or folder a kind, listed in `open`.
//!
//! The contract, proven by the tests of each kind: a backup that did not end well leaves no snapshot; a
//! restore makes a copy beside and never touches what is live; a proof leaves nothing behind; a cancel
//! ends every process of the job. A copy that a crash left unfinished is known as ours and replaced.

pub mod files;
pub mod manifest;
pub mod postgres;
pub mod secret;
pub mod vault;

use crate::jobs::{Context, End, Preview, Probe};
use futures::future::BoxFuture;
use model::jobs::{Backup, BackupOutput, Prove, ProveOutput, Restore, RestoreOutput};
use model::nouns::{MemberFacts, SourceKind, SourceSpec};
use model::{HostName, Problem};

/// What every kind of source can do.
pub trait Source: Send + Sync {
    /// Backs it up.
    fn backup<'a>(
        &'a self,
        work: &'a Backup,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<BackupOutput, End>>;
    /// Makes a copy beside.
    fn restore<'a>(
        &'a self,
        work: &'a Restore,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<RestoreOutput, End>>;
    /// Was the copy made?
    fn probe_restore<'a>(&'a self, work: &'a Restore, context: &'a Context) -> BoxFuture<'a, Probe>;
    /// Restores aside, compares, removes the copy.
    fn prove<'a>(&'a self, work: &'a Prove, context: &'a Context) -> BoxFuture<'a, Result<ProveOutput, End>>;
    /// Removes copies of proofs that a crash left behind. Those of a proof that is at work stay.
    fn sweep<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), Problem>>;
    /// What must be there before any of these: programs, the server, folders.
    fn ready<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Preview, End>>;
}

/// The source of a spec. This is the list of kinds.
pub fn open(source: &SourceSpec) -> Box<dyn Source> {
    match &source.kind {
        SourceKind::Postgres(spec) => Box::new(postgres::Postgres::new(source, spec)),
        SourceKind::Files(spec) => Box::new(files::Files::new(source, spec)),
    }
}

/// What a member says about itself with each heartbeat. It never fails: trouble is part of the answer.
pub async fn facts(source: &SourceSpec, host: &HostName) -> MemberFacts {
    postgres::facts(host, source).await.unwrap_or_else(|| MemberFacts {
        source: source.name.clone(),
        host: host.clone(),
        role: "down".to_string(),
        lsn: 0,
        sync_standbys: Vec::new(),
        trouble: Some(format!("a source of {} has no server", source.kind.as_str())),
        at: None,
    })
}
