//! Back a source up into a repository.

use super::{Context, End, Job, Preview, Probe};
use crate::sources::vault::{self, Absent};
use crate::sources::{self, manifest, secret};
use model::jobs::{Backup, BackupOutput};
use model::{Outcome, Problem};
use repository::Error;

impl Job for Backup {
    type Output = BackupOutput;

    async fn perform(&self, context: &Context) -> Result<BackupOutput, End> {
        let done = sources::open(&self.source).backup(self, context).await;
        if let Err(End::Failed(problem)) = done {
            return Err(End::Failed(room(self, problem)));
        }
        done
    }

    /// A snapshot carries the order that made it, and it is written last: it is there or it is not.
    async fn probe(&self, context: &Context) -> Probe {
        let looked = async {
            let repository = vault::open(&self.repository, Absent::Fail, context).await?;
            let filter = manifest::made_by(&self.source, context);
            vault::work(context, None, move |monitor| match repository.find(&filter) {
                Ok(info) => {
                    let about = vault::manifest(&repository, &info, monitor)?;
                    Ok(Some((info.id, about)))
                }
                Err(Error::NoSuchSnapshot { .. }) => Ok(None),
                Err(error) => Err(error),
            })
            .await
        };
        match looked.await {
            Ok(Some((id, about))) => match vault::id(id) {
                Ok(snapshot) => Probe::Done(Outcome::success(&BackupOutput {
                    snapshot,
                    at: about.at,
                    read_bytes: 0,
                    stored_bytes: 0,
                    files: 0,
                    rows: about.rows,
                    warnings: Vec::new(),
                    server_version: about.server_version,
                })),
                Err(problem) => Probe::CannotTell(problem),
            },
            Ok(None) => Probe::NotDone,
            // No repository: nothing was ever stored there.
            Err(End::Failed(problem)) if problem.code == "LB3011" => Probe::NotDone,
            Err(End::Failed(problem) | End::Refused(problem) | End::Unknown(problem)) => {
                Probe::CannotTell(problem)
            }
            Err(End::Cancelled) => Probe::NotDone,
        }
    }

    async fn would_you(&self, context: &Context) -> Result<Preview, End> {
        let mut preview = sources::open(&self.source).ready(context).await?;
        secret::resolve(&self.repository.password)?;
        if self.repository.at.starts_with('/') {
            let free = super::check::free_space(existing(self.repository.at.as_ref()))?;
            preview.would.push(format!("store in {}, where {free} bytes are free", self.repository.at));
        } else {
            preview.would.push(format!("store in {}", self.repository.at));
        }
        Ok(preview)
    }
}

/// The nearest folder above that exists: the repository's own may be made by the backup.
fn existing(path: &std::path::Path) -> &std::path::Path {
    path.ancestors().find(|path| path.exists()).unwrap_or(path)
}

/// Says how much room there is when a local repository could not be written.
fn room(work: &Backup, problem: Problem) -> Problem {
    let local = work.repository.at.starts_with('/') && problem.code.starts_with("LB30");
    match super::check::free_space(existing(work.repository.at.as_ref())) {
        Ok(free) if local => {
            Problem { message: format!("{} ({free} bytes free)", problem.message), ..problem }
        }
        _ => problem,
    }
}
