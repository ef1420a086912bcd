//! A tree of files, with modes, owners, times, links and extended attributes.
//!
//! A restore works in the folder `INTO.unfinished`, which holds our mark and the tree, and at the end moves
//! the tree to `INTO` by one rename that replaces nothing. So a folder called `INTO` is always whole, what
//! a crash left is known as ours by the mark, and a note written before the rename tells a probe which
//! order it was.

use super::Source;
use super::manifest::{self, Manifest};
use super::vault::{self, Absent};
use crate::jobs::{Context, End, Preview, Probe, note};
use futures::future::BoxFuture;
use model::jobs::{Backup, BackupOutput, Prove, ProveOutput, Restore, RestoreOutput};
use model::nouns::{FilesSpec, Point, RepositorySpec, SourceSpec};
use model::{Digest, Micros, Outcome, Problem, SnapshotId};
use repository::capture::METADATA_FILE;
use repository::restore::{RestoreOptions, RestoreSummary};
use repository::{BackupMeta, LookAhead, OnTrouble, TreeOptions};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The file that marks an unfinished copy as ours.
const MARK: &str = "lifeboat-unfinished";
/// Warnings of a restore that are said.
const SHOWN_WARNINGS: usize = 20;

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
        let options = TreeOptions {
            excludes: self.spec.excludes.clone(),
            one_file_system: self.spec.one_file_system,
            on_trouble: if self.spec.keep_incomplete { OnTrouble::KeepIncomplete } else { OnTrouble::Fail },
            ignore_parent: false,
        };
        let paths = self.spec.paths.clone();
        let ahead = LookAhead::begin(&paths, &options);
        let repository = vault::open(&work.repository, Absent::Init, context).await?;
        let at = (context.now)();
        let mut meta = BackupMeta::of_this_host(at.timestamp());
        meta.tags = manifest::tags(&work.source, &work.tags, context);
        let about = Manifest::new(&work.source, at, context);
        meta.metadata = Some(serde_json::to_vec(&about).map_err(|error| {
            Problem::new("LB2318", "cannot write the manifest", "Report this.").caused_by(&error)
        })?);
        context.phase("back up");
        context.may_act()?;
        let summary = vault::work(context, None, move |monitor| {
            drop(ahead);
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

impl Files {
    async fn restore_beside(&self, work: &Restore, context: &Context) -> Result<RestoreOutput, End> {
        let begun = Instant::now();
        let into = PathBuf::from(&work.into);
        check_target(&into, &self.spec)?;
        self.check_place(&into, context).map_err(End::Refused)?;
        if let Some(done) = made(&into, context)? {
            return Ok(done);
        }
        let scratch = unfinished(&into);
        let copied = self.copy(&work.repository, &work.point, &scratch, context).await?;
        let output = RestoreOutput {
            snapshot: copied.snapshot,
            at: copied.at,
            into: work.into.clone(),
            bytes: copied.summary.bytes,
            tables: Vec::new(),
            files: copied.summary.files,
            matches: copied.summary.is_complete(),
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        context.phase("finish");
        note::write(context, &output)?;
        // Somebody may have put a link in its way meanwhile.
        self.check_place(&into, context).map_err(End::Refused)?;
        finish(&scratch, &into)?;
        Ok(output)
    }

    /// The policy compares texts. What a path means, with the links on its way, must be below one of its
    /// folders as well, and outside what is protected.
    fn check_place(&self, into: &Path, context: &Context) -> Result<(), Problem> {
        let place = resolved(into)?;
        let mut allowed = false;
        for folder in context.policy.copy_folders(&self.source) {
            allowed |= place.starts_with(resolved(folder)?);
        }
        for path in &self.spec.paths {
            let protected = resolved(path)?;
            allowed &= !place.starts_with(&protected) && !protected.starts_with(&place);
        }
        if allowed {
            return Ok(());
        }
        Err(Problem::new(
            "LB2362",
            format!("{} leads to {}, which is no place for copies", into.display(), place.display()),
            "See the links on its way. Choose a path below the policy's `into` and outside the source's folders.",
        ))
    }

    async fn prove_aside(&self, work: &Prove, context: &Context) -> Result<ProveOutput, End> {
        let begun = Instant::now();
        if let Some(check) = work.checks.first() {
            return Err(End::Failed(Problem::new(
                "LB2356",
                format!("check {} cannot be asked of a copy of files", check.name),
                "Prove files without checks: every byte is compared with its hash.",
            )));
        }
        let digest = Digest::of(&context.marker).map(|digest| digest.to_string()).unwrap_or_default();
        let scratch = proofs(context).join(&digest[..digest.len().min(16)]);
        let _at_work = AtWork::begin(&scratch);
        context.may_act()?;
        if let Err(problem) = sweep(context).await {
            // What is left takes room, and hinders no proof.
            context.say(problem.to_string());
        }
        let copied = self.copy(&work.repository, &work.point, &scratch, context).await;
        let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        context.phase("remove copy");
        remove(scratch).await?;
        let copied = copied?;
        Ok(ProveOutput {
            snapshot: copied.snapshot,
            at: copied.at,
            tables: Vec::new(),
            files: copied.summary.files,
            checks: Vec::new(),
            took_ms,
        })
    }

    /// Restores a point into `scratch/tree`, marked as ours. When it fails the scratch folder is removed again.
    async fn copy(
        &self,
        repository: &RepositorySpec,
        point: &Point,
        scratch: &Path,
        context: &Context,
    ) -> Result<Copied, End> {
        let filter = manifest::at_point(&self.source, point)?;
        let repository = vault::open(repository, Absent::Fail, context).await?;
        context.phase("restore");
        may_replace(scratch)?;
        context.may_act()?;
        remove(scratch.to_path_buf()).await?;
        make_scratch(scratch)?;
        let tree = scratch.join("tree");
        let copying = vault::work(context, None, move |monitor| {
            let info = repository.find(&filter)?;
            let summary = repository.restore_tree(&info, "", &tree, RestoreOptions::default(), monitor)?;
            Ok((info.id, manifest::moment(&info), summary))
        });
        let (id, at, summary) = match copying.await {
            Ok(copied) => copied,
            Err(end) => {
                // Frees the space; what cannot be removed now is known as ours by its mark.
                let _ = remove(scratch.to_path_buf()).await;
                return Err(end);
            }
        };
        for warning in summary.warnings.iter().take(SHOWN_WARNINGS) {
            context.say(warning.clone());
        }
        // Our own description is no part of anybody's data.
        let _ = std::fs::remove_file(scratch.join("tree").join(METADATA_FILE));
        Ok(Copied { snapshot: vault::id(id)?, at, summary })
    }
}

/// Where proofs make their copies.
fn proofs(context: &Context) -> PathBuf {
    context.state_dir.join("prove")
}

/// The scratch folders of proofs that this agent has at work. No other agent has our state folder.
static AT_WORK: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A scratch folder is in use until this is dropped.
struct AtWork(PathBuf);

impl AtWork {
    fn begin(scratch: &Path) -> AtWork {
        AT_WORK.lock().unwrap_or_else(PoisonError::into_inner).insert(scratch.to_path_buf());
        AtWork(scratch.to_path_buf())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        AT_WORK.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Removes the folders of proofs that a crash left: those with our mark that no proof has at work.
async fn sweep(context: &Context) -> Result<(), Problem> {
    let folder = proofs(context);
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| failed("look into", &folder, &error))?,
    };
    for scratch in entries.flatten().map(|entry| entry.path()) {
        let used = AT_WORK.lock().unwrap_or_else(PoisonError::into_inner).contains(&scratch);
        if !used && scratch.join(MARK).exists() {
            remove(scratch).await?;
        }
    }
    Ok(())
}

struct Copied {
    snapshot: SnapshotId,
    at: Micros,
    summary: RestoreSummary,
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Problem {
    Problem::new(
        "LB2361",
        format!("cannot {what} {}", path.display()),
        "See the folder's permissions and the room on its disk.",
    )
    .caused_by(error)
}

fn unfinished(into: &Path) -> PathBuf {
    let mut name = into.as_os_str().to_os_string();
    name.push(".unfinished");
    PathBuf::from(name)
}

/// The copy's folder must lie outside what is protected.
fn check_target(into: &Path, spec: &FilesSpec) -> Result<(), Problem> {
    let inside = spec.paths.iter().any(|path| into.starts_with(path) || path.starts_with(into));
    if into.is_absolute() && !inside {
        return Ok(());
    }
    Err(Problem::new(
        "LB2355",
        format!("{} cannot be the folder of a copy", into.display()),
        "Choose an absolute path outside the folders of the source; those are never touched.",
    ))
}

/// Where a path leads: its nearest existing ancestor with links resolved, and the rest as it is.
fn resolved(path: &Path) -> Result<PathBuf, Problem> {
    for place in path.ancestors() {
        // A link that leads nowhere exists, and is no place to make anything in.
        if std::fs::symlink_metadata(place).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            continue;
        }
        let found = place.canonicalize().map_err(|error| failed("look at", place, &error))?;
        let rest = path.strip_prefix(place).unwrap_or(Path::new(""));
        return Ok(if rest.as_os_str().is_empty() { found } else { found.join(rest) });
    }
    Ok(path.to_path_buf())
}

/// The output of this very order, when its copy is there. Another folder of that name is an error.
fn made(into: &Path, context: &Context) -> Result<Option<RestoreOutput>, Problem> {
    match std::fs::symlink_metadata(into) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("look at", into, &error)),
        Ok(_) => {}
    }
    let ours = note::read::<RestoreOutput>(context).filter(|output| Path::new(&output.into) == into);
    // The note is written before the rename: a scratch folder that is still there means "not renamed".
    if let Some(output) = ours.filter(|_| !unfinished(into).join("tree").exists()) {
        return Ok(Some(output));
    }
    Err(Problem::new(
        "LB2352",
        format!("{} exists, so nothing is restored into it", into.display()),
        "Restore into another folder, or look at that one and move it away yourself.",
    ))
}

fn may_replace(scratch: &Path) -> Result<(), Problem> {
    if std::fs::symlink_metadata(scratch).is_err() || scratch.join(MARK).exists() {
        return Ok(());
    }
    Err(Problem::new(
        "LB2352",
        format!("{} exists and is no unfinished copy of ours, so it is not replaced", scratch.display()),
        "Restore into another folder, or look at that one and move it away yourself.",
    ))
}

fn make_scratch(scratch: &Path) -> Result<(), Problem> {
    let tell = |error: std::io::Error| failed("make", scratch, &error);
    if let Some(parent) = scratch.parent() {
        std::fs::create_dir_all(parent).map_err(tell)?;
    }
    std::fs::create_dir(scratch).map_err(tell)?;
    note::replace(&scratch.join(MARK), b"an unfinished copy; may be removed\n").map_err(tell)
}

async fn remove(scratch: PathBuf) -> Result<(), Problem> {
    let path = scratch.clone();
    let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(&path)).await;
    match removed.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", &scratch, &error)),
        _ => Ok(()),
    }
}

/// Moves the whole tree to its name, replacing nothing, and makes that durable.
fn finish(scratch: &Path, into: &Path) -> Result<(), Problem> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, scratch.join("tree"), CWD, into, RenameFlags::NOREPLACE)
        .map_err(|error| failed("name the copy", into, &error.into()))?;
    let parent = into.parent().unwrap_or(Path::new("/"));
    std::fs::File::open(parent)
        .and_then(|folder| folder.sync_all())
        .and_then(|()| std::fs::remove_dir_all(scratch))
        .map_err(|error| failed("finish", into, &error))
}

impl Source for Files {
    fn backup<'a>(
        &'a self,
        work: &'a Backup,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<BackupOutput, End>> {
        Box::pin(self.back_up(work, context))
    }

    fn restore<'a>(
        &'a self,
        work: &'a Restore,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<RestoreOutput, End>> {
        Box::pin(self.restore_beside(work, context))
    }

    fn probe_restore<'a>(&'a self, work: &'a Restore, context: &'a Context) -> BoxFuture<'a, Probe> {
        Box::pin(async {
            match made(Path::new(&work.into), context) {
                Ok(Some(output)) => Probe::Done(Outcome::success(&output)),
                Ok(None) => Probe::NotDone,
                Err(problem) if problem.code == "LB2352" => Probe::NotDone,
                Err(problem) => Probe::CannotTell(problem),
            }
        })
    }

    fn prove<'a>(&'a self, work: &'a Prove, context: &'a Context) -> BoxFuture<'a, Result<ProveOutput, End>> {
        Box::pin(self.prove_aside(work, context))
    }

    fn sweep<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<(), Problem>> {
        Box::pin(sweep(context))
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
