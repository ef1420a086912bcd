//! Prove a point: restore it aside, compare, ask the checks, remove the copy.

use super::restore::found;
use super::{Context, End, Job, Preview, Probe, proofs};
use crate::sources;
use model::jobs::{Prove, ProveOutput};

impl Job for Prove {
    type Output = ProveOutput;

    async fn perform(&self, context: &Context) -> Result<ProveOutput, End> {
        let proof = sources::open(&self.source).prove(self, context).await?;
        proofs::add(context, &self.source.name, &self.repository, &proof.snapshot, proof.at)?;
        Ok(proof)
    }

    /// A proof whose report was lost is no proof, and making it again harms nobody. Its copy is removed now;
    /// what cannot be removed does not change the answer, and the next proof tries again.
    async fn probe(&self, context: &Context) -> Probe {
        if let Err(problem) = sources::open(&self.source).sweep(context).await {
            context.say(problem.to_string());
        }
        Probe::NotDone
    }

    async fn would_you(&self, context: &Context) -> Result<Preview, End> {
        let mut preview = sources::open(&self.source).ready(context).await?;
        preview.would.push(found(&self.source, &self.repository, &self.point, context).await?);
        preview.would.push(format!("ask {} checks of a scratch copy and remove it", self.checks.len()));
        Ok(preview)
    }
}
