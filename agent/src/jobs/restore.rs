//! Restore a point of a source beside the live one, and compare the copy.

use super::{Context, End, Job, Preview, Probe};
use crate::sources::vault::{self, Absent};
use crate::sources::{self, manifest};
use model::jobs::{Restore, RestoreOutput};
use model::nouns::{Point, RepositorySpec, SourceSpec};

impl Job for Restore {
    type Output = RestoreOutput;

    async fn perform(&self, context: &Context) -> Result<RestoreOutput, End> {
        sources::open(&self.source).restore(self, context).await
    }

    async fn probe(&self, context: &Context) -> Probe {
        sources::open(&self.source).probe_restore(self, context).await
    }

    async fn would_you(&self, context: &Context) -> Result<Preview, End> {
        let mut preview = sources::open(&self.source).ready(context).await?;
        preview.would.push(found(&self.source, &self.repository, &self.point, context).await?);
        preview.would.push(format!("restore it into {}", self.into));
        Ok(preview)
    }
}

/// The point that would be taken, in words.
pub(super) async fn found(
    source: &SourceSpec,
    repository: &RepositorySpec,
    point: &Point,
    context: &Context,
) -> Result<String, End> {
    let filter = manifest::at_point(source, point)?;
    let repository = vault::open(repository, Absent::Fail, context).await?;
    let info = vault::work(context, None, move |_| repository.find(&filter)).await?;
    Ok(format!("take snapshot {} of {}", info.id.short(), info.snapshot.time))
}
