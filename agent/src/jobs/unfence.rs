//! Lift the fence of a member.

use super::{Context, End, Job, Preview, Probe};
use crate::sources::postgres::unfence;
use model::Problem;
use model::jobs::{Unfence, UnfenceOutput};
use model::nouns::{PostgresSpec, SourceKind};

impl Job for Unfence {
    type Output = UnfenceOutput;

    async fn perform(&self, context: &Context) -> Result<UnfenceOutput, End> {
        let spec = postgres(self)?;
        unfence::unfence(self, spec, context).await
    }

    async fn probe(&self, context: &Context) -> Probe {
        match postgres(self) {
            Ok(spec) => unfence::probe(self, spec, context).await,
            Err(_) => Probe::NotDone,
        }
    }

    async fn would_you(&self, context: &Context) -> Result<Preview, End> {
        let spec = postgres(self)?;
        unfence::would_you(self, spec, context).await
    }
}

fn postgres(work: &Unfence) -> Result<&PostgresSpec, Problem> {
    match &work.source.kind {
        SourceKind::Postgres(spec) => Ok(spec),
        other => Err(Problem::new(
            "LB2223",
            format!("cannot unfence {}: a source of {} has no such thing", work.source.name, other.as_str()),
            "Use unfence with sources of kind postgres.",
        )),
    }
}
