//! Make a fenced old primary a standby of the new one.

use super::{Context, End, Job, Preview, Probe};
use crate::sources::postgres::rejoin;
use model::Problem;
use model::jobs::{Rejoin, RejoinOutput};
use model::nouns::{PostgresSpec, SourceKind};

impl Job for Rejoin {
    type Output = RejoinOutput;

    async fn perform(&self, context: &Context) -> Result<RejoinOutput, End> {
        let spec = postgres(self)?;
        rejoin::rejoin(self, spec, context).await
    }

    async fn probe(&self, context: &Context) -> Probe {
        match postgres(self) {
            Ok(spec) => rejoin::probe(self, spec, context).await,
            Err(_) => Probe::NotDone,
        }
    }

    async fn would_you(&self, context: &Context) -> Result<Preview, End> {
        let spec = postgres(self)?;
        rejoin::would_you(self, spec, context).await
    }
}

fn postgres(work: &Rejoin) -> Result<&PostgresSpec, Problem> {
    match &work.source.kind {
        SourceKind::Postgres(spec) => Ok(spec),
        other => Err(Problem::new(
            "LB2223",
            format!("cannot rejoin {}: a source of {} has no such thing", work.source.name, other.as_str()),
            "Use rejoin with sources of kind postgres.",
        )),
    }
}
