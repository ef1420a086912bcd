//! Make sure that a member cannot accept writes.

use super::{Context, End, Job, Preview, Probe};
use crate::sources::postgres::fence;
use model::Problem;
use model::jobs::{Fence, FenceOutput};
use model::nouns::{PostgresSpec, SourceKind};

impl Job for Fence {
    type Output = FenceOutput;

    async fn perform(&self, context: &Context) -> Result<FenceOutput, End> {
        let spec = postgres(self)?;
        fence::fence(spec, context).await
    }

    async fn probe(&self, context: &Context) -> Probe {
        match postgres(self) {
            Ok(spec) => fence::probe(spec, context).await,
            Err(_) => Probe::NotDone,
        }
    }

    async fn would_you(&self, context: &Context) -> Result<Preview, End> {
        let spec = postgres(self)?;
        fence::would_you(spec, context).await
    }
}

fn postgres(work: &Fence) -> Result<&PostgresSpec, Problem> {
    match &work.source.kind {
        SourceKind::Postgres(spec) => Ok(spec),
        other => Err(Problem::new(
            "LB2223",
            format!("cannot fence {}: a source of {} has no such thing", work.source.name, other.as_str()),
            "Use fence with sources of kind postgres.",
        )),
    }
}
