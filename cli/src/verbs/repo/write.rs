//! Making repositories, snapshots and copies.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use clap::Args;
use report::units;
use repository::capture::{OnTrouble, Troubles};
use repository::{BackupMeta, InitOptions, Repository, SnapshotSummary, TreeOptions};
use runtime::lifecycle::Exit;
use serde::Serialize;

use super::look::find;
use super::open::Job;
use super::progress::during;
use crate::failure::Failure;
use crate::screen;

/// So many troubles are shown; the snapshot has the list.
const SHOWN: usize = 20;

/// `repo backup`
#[derive(Debug, Args)]
pub struct Backup {
    /// Files and folders.
    #[arg(required_unless_present_any = ["stdin", "stdin_command"])]
    paths: Vec<PathBuf>,
    /// Back up what comes from stdin, as a file of this name.
    #[arg(long, value_name = "NAME", conflicts_with = "paths")]
    stdin: Option<String>,
    /// Back up what a program prints (after `--`), as a file of this name. No snapshot if it fails.
    #[arg(long, value_name = "NAME", requires = "program", conflicts_with_all = ["paths", "stdin"])]
    stdin_command: Option<String>,
    /// The program and its arguments; no shell.
    #[arg(last = true)]
    program: Vec<String>,
    /// Leave out: a name anywhere, or with `/` a path.
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// Stay on the file systems of the given paths.
    #[arg(long)]
    one_file_system: bool,
    /// Keep a snapshot although files could not be read; exit code 3 then.
    #[arg(long)]
    keep_incomplete: bool,
    /// Read every file again, also those that look unchanged.
    #[arg(long)]
    force: bool,
    /// Tags of the snapshot.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// The host that the data belongs to.
    #[arg(long)]
    host: Option<String>,
}

/// `repo copy`
#[derive(Debug, Args)]
pub struct Copy {
    /// The other repository.
    #[arg(long, value_name = "REPO")]
    to: String,
    /// File with its password; without it, the same password is used.
    #[arg(long, value_name = "FILE")]
    to_password_file: Option<PathBuf>,
    /// Which snapshots: ids, or `latest`; without any, all.
    snapshots: Vec<String>,
}

#[derive(Serialize)]
struct Backed {
    snapshot: String,
    files: u64,
    folders: u64,
    files_unchanged: u64,
    bytes: u64,
    bytes_read: u64,
    blobs_new: u64,
    bytes_stored: u64,
    packs: u64,
    incomplete: bool,
    troubles: Troubles,
}

pub fn init(job: &Job<'_>) -> Result<Exit, Failure> {
    let repo = Repository::init(job.storage()?, &job.password()?, InitOptions::default())?;
    let made = serde_json::json!({ "id": repo.id().to_string(), "location": repo.location() });
    screen::show(job.cli.output, &made, || {
        screen::wrapped(&format!(
            "made repository {} at {}\nWithout its password nothing can be read: keep it in a second place.",
            repo.id().short(),
            repo.location()
        ))
    });
    Ok(Exit::Done)
}

pub fn backup(job: &Job<'_>, args: &Backup) -> Result<Exit, Failure> {
    let repo = job.open()?;
    let mut meta = BackupMeta::of_this_host(jiff::Timestamp::now());
    meta.tags.clone_from(&args.tag);
    if let Some(host) = &args.host {
        meta.hostname.clone_from(host);
    }
    let done = during("backing up", job.monitor, || match (&args.stdin, &args.stdin_command) {
        (Some(name), _) => {
            let ended_well = || Ok::<(), std::io::Error>(());
            repo.backup_stream(&meta, name, &mut std::io::stdin().lock(), ended_well, job.monitor)
                .map_err(Failure::from)
        }
        (_, Some(name)) => from_program(&repo, job, args, &meta, name),
        _ => tree(&repo, job, args, &meta),
    })?;
    Ok(shown(job, done))
}

fn tree(
    repo: &Repository,
    job: &Job<'_>,
    args: &Backup,
    meta: &BackupMeta,
) -> Result<SnapshotSummary, Failure> {
    let absolute: Result<Vec<PathBuf>, Failure> = args
        .paths
        .iter()
        .map(|path| std::path::absolute(path).map_err(|error| Failure::file("find", path, &error)))
        .collect();
    let options = TreeOptions {
        excludes: args.exclude.clone(),
        one_file_system: args.one_file_system,
        on_trouble: if args.keep_incomplete { OnTrouble::KeepIncomplete } else { OnTrouble::Fail },
        ignore_parent: args.force,
    };
    Ok(repo.backup_tree(&absolute?, &options, meta, job.monitor)?)
}

fn from_program(
    repo: &Repository,
    job: &Job<'_>,
    args: &Backup,
    meta: &BackupMeta,
    name: &str,
) -> Result<SnapshotSummary, Failure> {
    let program = args.program.first().cloned().unwrap_or_default();
    let mut command = Command::new(&program);
    command.args(args.program.iter().skip(1)).stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command.spawn().map_err(|error| {
        Failure::no("LB4054", format!("{program} did not start: {error}"), "Check the program's path.")
    })?;
    let mut child = Running(child);
    let mut pipe: Box<dyn Read> = match child.0.stdout.take() {
        Some(pipe) => Box::new(pipe),
        None => Box::new(std::io::empty()),
    };
    let ended_well = || match child.0.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(std::io::Error::other(format!("{program} ended with {status}"))),
        Err(error) => Err(error),
    };
    Ok(repo.backup_stream(meta, name, &mut *pipe, ended_well, job.monitor)?)
}

/// A program that does not outlive the backup.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn shown(job: &Job<'_>, done: SnapshotSummary) -> Exit {
    let backed = Backed {
        snapshot: done.snapshot.to_string(),
        files: done.files,
        folders: done.folders,
        files_unchanged: done.files_unchanged,
        bytes: done.bytes,
        bytes_read: done.bytes_read,
        blobs_new: done.blobs_new,
        bytes_stored: done.bytes_stored,
        packs: done.packs,
        incomplete: done.is_incomplete(),
        troubles: done.troubles.clone(),
    };
    screen::show(job.cli.output, &backed, || {
        screen::wrapped(&format!(
            "snapshot {}: {} files, {}; {} unchanged, {} read, {} stored",
            done.snapshot.short(),
            done.files,
            units::bytes(done.bytes),
            done.files_unchanged,
            units::bytes(done.bytes_read),
            units::bytes(done.bytes_stored)
        ))
    });
    if !done.is_incomplete() {
        return Exit::Done;
    }
    screen::say(format!("incomplete: {} files are not in it as they are", done.troubles.count()));
    for trouble in done.troubles.named.iter().take(SHOWN) {
        screen::say(format!("  {}: {}", trouble.path, trouble.detail));
    }
    Exit::Incomplete
}

pub fn copy(job: &Job<'_>, args: &Copy) -> Result<Exit, Failure> {
    let from = job.open()?;
    let to = job.open_other(&args.to, args.to_password_file.as_deref())?;
    let snapshots = match args.snapshots.as_slice() {
        [] => from.snapshots()?,
        some => some.iter().map(|id| find(&from, id)).collect::<Result<_, _>>()?,
    };
    let done = during("copying", job.monitor, || from.copy(&to, &snapshots, job.monitor))?;
    let copied = serde_json::json!({
        "copied": done.copied.iter().map(|(from, to)| [from.to_string(), to.to_string()]).collect::<Vec<_>>(),
        "present": done.present.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "blobs": done.blobs,
        "bytes_stored": done.stored_bytes,
    });
    screen::show(job.cli.output, &copied, || {
        screen::wrapped(&format!(
            "{} snapshots copied to {}, {} were there; {} stored",
            done.copied.len(),
            to.location(),
            done.present.len(),
            units::bytes(done.stored_bytes)
        ))
    });
    Ok(Exit::Done)
}
