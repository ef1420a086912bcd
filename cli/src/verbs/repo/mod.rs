//! `lifeboat repo`: repositories by hand, without a controller. One file a group of verbs.

mod backup;
mod keep;
mod look;
mod open;
mod progress;
mod protect;
mod restore;
mod thaw;
mod write;

use clap::{Args, Subcommand};
use repository::storage::PackClass;
use repository::{Class, Error};
use runtime::lifecycle::Exit;
use std::path::PathBuf;

use crate::args::Cli;
use crate::failure::Failure;
use model::Problem;

/// `repo`
#[derive(Debug, Args)]
pub struct Repo {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: RepoVerb,
}

/// Which repository, and what it may take.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Where it is: an absolute path, or s3://bucket/prefix. `{quarter}` in it is the current one.
    #[arg(long, global = true, env = "LIFEBOAT_REPOSITORY")]
    repo: Option<String>,
    /// File with its password.
    #[arg(long, global = true, env = "LIFEBOAT_REPOSITORY_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
    /// Program that prints its password, with arguments between spaces; no shell.
    #[arg(long, global = true, env = "LIFEBOAT_REPOSITORY_PASSWORD_COMMAND")]
    password_command: Option<String>,
    /// Memory for buffers, in MiB.
    #[arg(long, global = true, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..=65_536))]
    memory: Option<u64>,
    /// Threads that compute, at most 8.
    #[arg(long, global = true, value_parser = clap::value_parser!(u64).range(1..=8))]
    threads: Option<u64>,
    /// Send no more than this in a second, as 500KiB or 10MiB.
    #[arg(long, global = true, value_name = "BYTES", value_parser = open::bytes)]
    limit_upload: Option<u64>,
    /// Read no more than this in a second.
    #[arg(long, global = true, value_name = "BYTES", value_parser = open::bytes)]
    limit_download: Option<u64>,
    /// Address of the S3 service, when it is not Amazon's.
    #[arg(long, global = true, env = "LIFEBOAT_S3_ENDPOINT")]
    s3_endpoint: Option<String>,
    /// Storage class of packs of data, as STANDARD_IA or GLACIER_IR; all else stays in the standard one.
    #[arg(long, global = true, value_name = "CLASS", env = "LIFEBOAT_S3_PACK_CLASS")]
    pack_class: Option<PackClass>,
    /// Region of the bucket.
    #[arg(long, global = true)]
    s3_region: Option<String>,
    /// Read what was deleted as if it were there, in a bucket that keeps versions. Nothing is written then.
    #[arg(long, global = true)]
    deleted: bool,
    #[command(flatten)]
    retain: protect::Retain,
}

#[derive(Debug, Subcommand)]
enum RepoVerb {
    /// Make a repository, or an archive of this quarter.
    Init(write::Init),
    /// Back up files and folders, a stream or a block device.
    Backup(backup::Backup),
    /// List snapshots, oldest first.
    Snapshots(look::Which),
    /// List what is in a snapshot.
    Ls(look::Ls),
    /// Make the data of a snapshot in an archive readable, and say how far that is.
    Thaw(thaw::Thaw),
    /// Write one file of a snapshot to stdout.
    Dump(look::Dump),
    /// Restore a snapshot or a part of it into a folder.
    Restore(restore::Restore),
    /// Look for damage. It is named with the snapshots and files that it touches.
    Check(look::Check),
    /// Forget snapshots: by name, or those that a policy lets go.
    Forget(keep::Forget),
    /// Remove data that no snapshot needs: marked now, gone after the grace.
    Prune(keep::Prune),
    /// Copy snapshots into another repository.
    Copy(write::Copy),
    /// Extend the retention of everything that is needed: a bucket with Object Lock keeps it.
    Protect(protect::Protect),
    /// What the repository holds, in numbers.
    Stats,
    /// Make a lost or damaged index anew from the packs.
    RebuildIndex,
    /// Passwords.
    #[command(subcommand)]
    Key(keep::Key),
    /// Remove locks that nobody holds any more.
    Unlock(keep::Unlock),
}

/// Does what the command line says, on a thread that may block.
pub async fn repo(cli: &Cli, args: &Repo) -> Result<Exit, Failure> {
    let monitor = std::sync::Arc::new(repository::Monitor::new());
    let stop = std::sync::Arc::clone(&monitor);
    // The first Ctrl-C asks the operation to end well, the second one ends the process.
    let watch = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            crate::screen::say("stopping; again Ctrl-C ends at once");
            stop.cancel();
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(i32::from(Exit::No.code()));
        }
    });
    let done = tokio::task::block_in_place(|| perform(cli, args, &monitor));
    watch.abort();
    done
}

fn perform(cli: &Cli, args: &Repo, monitor: &std::sync::Arc<repository::Monitor>) -> Result<Exit, Failure> {
    let job = open::Job { cli, place: &args.place, monitor };
    match &args.verb {
        RepoVerb::Init(args) => write::init(&job, args),
        RepoVerb::Backup(args) => backup::backup(&job, args),
        RepoVerb::Snapshots(args) => look::snapshots(&job, args),
        RepoVerb::Ls(args) => look::ls(&job, args),
        RepoVerb::Thaw(args) => thaw::thaw(&job, args),
        RepoVerb::Dump(args) => look::dump(&job, args),
        RepoVerb::Restore(args) => restore::restore(&job, args),
        RepoVerb::Check(args) => look::check(&job, args),
        RepoVerb::Forget(args) => keep::forget(&job, args),
        RepoVerb::Prune(args) => keep::prune(&job, args),
        RepoVerb::Copy(args) => write::copy(&job, args),
        RepoVerb::Protect(args) => protect::protect(&job, args),
        RepoVerb::Stats => look::stats(&job),
        RepoVerb::RebuildIndex => keep::rebuild_index(&job),
        RepoVerb::Key(args) => keep::key(&job, args),
        RepoVerb::Unlock(args) => keep::unlock(&job, args),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::Locked { .. }
            | Error::LockLost { .. }
            | Error::WrongPassword { .. }
            | Error::KeyNeeded { .. }
            | Error::MayNotRemove { .. }
            | Error::PruneRefused { .. }
            | Error::PlanChanged
            | Error::ArchiveKept { .. }
            | Error::ArchiveOver { .. }
            | Error::AlreadyInitialised { .. }
            | Error::TargetNotEmpty { .. } => Exit::Refused,
            Error::Location { .. }
            | Error::NotARepository { .. }
            | Error::NoSuchKey { .. }
            | Error::NoSuchSnapshot { .. }
            | Error::AmbiguousSnapshot { .. }
            | Error::NoSuchPath { .. }
            | Error::WrongKind { .. }
            | Error::BadName { .. }
            | Error::Invalid(_) => Exit::Usage,
            Error::Storage(e) if e.problem == repository::storage::Problem::Denied => Exit::Refused,
            other if other.class() == Class::Cancelled => Exit::No,
            _ => Exit::No,
        };
        let mut problem = Problem::new(error.code(), error.to_string(), error.advice());
        if let Some(source) = std::error::Error::source(&error) {
            problem = problem.caused_by(source);
        }
        if let Error::FilesFailed { named, .. } = &error {
            problem.log = named.iter().take(20).cloned().collect();
        }
        Failure { problem, exit }
    }
}
