//! A tree of files, with modes, owners, times, links and extended attributes.
//!
//! A restore writes into `INTO.unfinished` and renames it to `INTO` when all is written and synced, so a
//! folder called `INTO` is always whole. What a crash left is known by that name and by our mark in it.

use super::Source;
use super::manifest::{self, Manifest};
use super::vault::{self, Absent};
use crate::jobs::{Context, End, Preview, Probe};
use futures::future::BoxFuture;
use model::Problem;
use model::jobs::{Backup, BackupOutput, Prove, ProveOutput, Restore, RestoreOutput};
use model::nouns::{FilesSpec, SourceSpec};
use repository::{BackupMeta, OnTrouble, TreeOptions};

/// A source of files.
pub struct Files {
    source: SourceSpec,
    spec: FilesSpec,
}

impl Files {
    /// The source with this spec.
    pub fn new(source: &SourceSpec, spec: &FilesSpec) -> Files {
        Files { source: source.clone(), spec: spec.clone() }
    }

    async fn back_up(&self, work: &Backup, context: &Context) -> Result<BackupOutput, End> {
        let repository = vault::open(&work.repository, Absent::Init, context).await?;
        let at = (context.now)();
        let mut meta = BackupMeta::of_this_host(at.timestamp());
        meta.tags = manifest::tags(&work.source, &work.tags, context);
        let about = Manifest::new(&work.source, at, context);
        meta.metadata = Some(serde_json::to_vec(&about).map_err(|error| {
            Problem::new("LB2318", "cannot write the manifest", "Report this.").caused_by(&error)
        })?);
        let options = TreeOptions {
            excludes: self.spec.excludes.clone(),
            one_file_system: self.spec.one_file_system,
            on_trouble: if self.spec.keep_incomplete { OnTrouble::KeepIncomplete } else { OnTrouble::Fail },
            ignore_parent: false,
        };
        let paths = self.spec.paths.clone();
        context.phase("back up");
        context.may_act()?;
        let summary = vault::work(context, None, move |monitor| {
            repository.backup_tree(&paths, &options, &meta, monitor)
        })
        .await?;
        let warnings =
            summary.troubles.named.iter().map(|one| format!("{}: {:?}: {}", one.path, one.kind, one.detail));
        Ok(BackupOutput {
            snapshot: vault::id(summary.snapshot)?,
            at,
            read_bytes: summary.bytes_read,
            stored_bytes: summary.bytes_stored,
            files: summary.files,
            rows: Default::default(),
            warnings: warnings.collect(),
            server_version: None,
        })
    }
}

impl Source for Files {
    fn backup<'a>(
        &'a self,
        work: &'a Backup,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<BackupOutput, End>> {
        Box::pin(self.back_up(work, context))
    }

    fn restore<'a>(&'a self, _: &'a Restore, _: &'a Context) -> BoxFuture<'a, Result<RestoreOutput, End>> {
        Box::pin(async { Err(End::Refused(Problem::new("LB2399", "files cannot be restored yet", ""))) })
    }

    fn probe_restore<'a>(&'a self, _: &'a Restore, _: &'a Context) -> BoxFuture<'a, Probe> {
        Box::pin(async { Probe::NotDone })
    }

    fn prove<'a>(&'a self, _: &'a Prove, _: &'a Context) -> BoxFuture<'a, Result<ProveOutput, End>> {
        Box::pin(async { Err(End::Refused(Problem::new("LB2399", "files cannot be proven yet", ""))) })
    }

    fn ready<'a>(&'a self, _: &'a Context) -> BoxFuture<'a, Result<Preview, End>> {
        Box::pin(async {
            for path in &self.spec.paths {
                std::fs::symlink_metadata(path).map_err(|error| {
                    Problem::new(
                        "LB2360",
                        format!("cannot look at {}", path.display()),
                        "See whether it exists.",
                    )
                    .caused_by(&error)
                })?;
            }
            Ok(Preview {
                would: vec![format!("work with {} paths of {}", self.spec.paths.len(), self.source.name)],
            })
        })
    }
}
