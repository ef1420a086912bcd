//! Put a restored copy in the live one's place.

use super::{Context, End, Job, Preview, Probe};
use crate::sources::postgres::swap;
use model::Problem;
use model::jobs::{Swap, SwapOutput};
use model::nouns::{PostgresSpec, SourceKind};

impl Job for Swap {
    type Output = SwapOutput;

    async fn perform(&self, context: &Context) -> Result<SwapOutput, End> {
        let spec = postgres(self)?;
        swap::swap(self, spec, context).await
    }

    async fn probe(&self, context: &Context) -> Probe {
        match postgres(self) {
            Ok(spec) => swap::probe(self, spec, context).await,
            Err(_) => Probe::NotDone,
        }
    }

    async fn would_you(&self, context: &Context) -> Result<Preview, End> {
        let spec = postgres(self)?;
        swap::would_you(self, spec, context).await
    }
}

fn postgres(work: &Swap) -> Result<&PostgresSpec, Problem> {
    match &work.source.kind {
        SourceKind::Postgres(spec) => Ok(spec),
        other => Err(Problem::new(
            "LB2223",
            format!("cannot swap {}: a source of {} has no such thing", work.source.name, other.as_str()),
            "Use swap with sources of kind postgres.",
        )),
    }
}
