//! PostgreSQL: one database of one server, through pg_dump and pg_restore, and the server's own roles.

mod backup;
mod connect;
mod control;
mod copy;
mod facts;
pub mod fence;
mod login;
mod loss;
mod mark;
mod owner;
mod peers;
pub mod promote;
mod prove;
mod question;
pub mod rejoin;
mod restore;
mod rights;
mod rows;
pub mod swap;
pub mod unfence;
mod wal;

pub use facts::{facts, standby_names};
pub use question::ask;

use super::Source;
use crate::jobs::{Context, End, Preview, Probe, child};
use futures::future::BoxFuture;
use model::Problem;
use model::jobs::{Backup, BackupOutput, Prove, ProveOutput, Restore, RestoreOutput};
use model::nouns::{PostgresSpec, SourceSpec};

/// A PostgreSQL source.
pub struct Postgres {
    source: SourceSpec,
    spec: PostgresSpec,
}

impl Postgres {
    /// The source with this spec.
    pub fn new(source: &SourceSpec, spec: &PostgresSpec) -> Postgres {
        Postgres { source: source.clone(), spec: spec.clone() }
    }
}

impl Source for Postgres {
    fn backup<'a>(
        &'a self,
        work: &'a Backup,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<BackupOutput, End>> {
        Box::pin(backup::backup(work, &self.spec, context))
    }

    fn restore<'a>(
        &'a self,
        work: &'a Restore,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<RestoreOutput, End>> {
        Box::pin(restore::restore(work, &self.spec, context))
    }

    fn probe_restore<'a>(&'a self, work: &'a Restore, context: &'a Context) -> BoxFuture<'a, Probe> {
        Box::pin(restore::probe(work, &self.spec, context))
    }

    fn prove<'a>(&'a self, work: &'a Prove, context: &'a Context) -> BoxFuture<'a, Result<ProveOutput, End>> {
        Box::pin(prove::prove(work, &self.spec, context))
    }

    fn sweep<'a>(&'a self, _: &'a Context) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(prove::sweep(&self.source, &self.spec))
    }

    fn ready<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Preview, End>> {
        Box::pin(async {
            let mut would = Vec::new();
            for name in ["pg_dump", "pg_restore"] {
                would.push(format!("use {}", child::find(name, self.spec.programs.as_deref())?.display()));
            }
            connect::check_name(&self.spec.database)?;
            let mut connection =
                context.unless_cancelled(connect::connect(&self.spec, &self.spec.database)).await??;
            let version: String = sqlx::query_scalar("select current_setting('server_version')")
                .fetch_one(&mut connection)
                .await
                .map_err(|error| connect::failed(&self.spec, "ask", &error))?;
            would.push(format!("work with {} on PostgreSQL {version}", self.source.name));
            Ok(Preview { would })
        })
    }
}
