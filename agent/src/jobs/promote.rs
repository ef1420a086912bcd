//! Make a standby the primary.

use super::{Context, End, Job, Preview, Probe};
use crate::sources::postgres::promote;
use model::jobs::{Promote, PromoteOutput};
use model::nouns::{PostgresSpec, SourceKind};
use model::{Mode, Problem};

impl Job for Promote {
    type Output = PromoteOutput;

    async fn perform(&self, context: &Context) -> Result<PromoteOutput, End> {
        let spec = postgres(self)?;
        // A leased source has no primary without a lease: it is held before anything is promoted.
        if context.mode == Mode::Live {
            context.leases.may_promote(&self.source.name).map_err(End::Refused)?;
        }
        let _held = match context.mode {
            Mode::Live => context.unless_cancelled(context.leases.hold(&self.source.name)).await??,
            Mode::Drill | Mode::Preview => None,
        };
        promote::promote(self, spec, context).await
    }

    async fn probe(&self, context: &Context) -> Probe {
        match postgres(self) {
            Ok(spec) => promote::probe(spec, context).await,
            Err(_) => Probe::NotDone,
        }
    }

    async fn would_you(&self, context: &Context) -> Result<Preview, End> {
        let spec = postgres(self)?;
        promote::would_you(spec, context).await
    }
}

fn postgres(work: &Promote) -> Result<&PostgresSpec, Problem> {
    match &work.source.kind {
        SourceKind::Postgres(spec) => Ok(spec),
        other => Err(Problem::new(
            "LB2223",
            format!("cannot promote {}: a source of {} has no such thing", work.source.name, other.as_str()),
            "Use promote with sources of kind postgres.",
        )),
    }
}
