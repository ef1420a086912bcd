//! Making snapshots, in one repository or in several at once.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use clap::Args;
use report::units;
use repository::capture::{OnTrouble, Outcomes, Troubles};
use repository::{BackupMeta, Capture, LookAhead, Repository, SnapshotSummary, TreeOptions};
use runtime::lifecycle::Exit;
use serde::Serialize;

use super::open::Job;
use super::progress::during;
use super::write::warn_of_rules;
use crate::failure::Failure;
use crate::screen;
use model::Problem;

/// So many troubles are shown; the snapshot has the list.
const SHOWN: usize = 20;

/// `repo backup`
#[derive(Debug, Args)]
pub struct Backup {
    /// Files and folders.
    #[arg(required_unless_present_any = ["stdin", "stdin_command", "device"])]
    paths: Vec<PathBuf>,
    /// Back up what comes from stdin, as a file of this name.
    #[arg(long, value_name = "NAME", conflicts_with = "paths")]
    stdin: Option<String>,
    /// Back up what a program prints (after `--`), as a file of this name. No snapshot if it fails.
    #[arg(long, value_name = "NAME", requires = "program", conflicts_with_all = ["paths", "stdin"])]
    stdin_command: Option<String>,
    /// Back up a block device or an image of one, as a file of its name.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["paths", "stdin", "stdin_command"])]
    device: Option<PathBuf>,
    /// Another repository that gets the same in the same pass; may be given twice. Exit code 3 when one of
    /// them fails and another does not.
    #[arg(long, value_name = "REPO")]
    also: Vec<String>,
    /// File with its password; without any, the same password is used.
    #[arg(long, value_name = "FILE", requires = "also")]
    also_password_file: Vec<PathBuf>,
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

/// A repository by its location, open or not.
type Target = (String, Result<Repository, Failure>);

/// What became of the backup in one of several repositories.
#[derive(Serialize)]
struct Place {
    repository: String,
    #[serde(flatten)]
    backed: Option<Backed>,
    problem: Option<Problem>,
}

pub fn backup(job: &Job<'_>, args: &Backup) -> Result<Exit, Failure> {
    let tree = Tree::of(args)?;
    let ahead = LookAhead::begin(&tree.paths, &tree.options);
    if args.also.is_empty() {
        let repo = job.open()?;
        warn_of_rules(&repo);
        drop(ahead);
        let done = capture(job, args, &tree, &[&repo])?.pop().transpose()?;
        return Ok(done.map_or(Exit::Done, |done| shown(job, done)));
    }
    let opened = open_all(job, args)?;
    opened.iter().filter_map(|(_, repo)| repo.as_ref().ok()).for_each(warn_of_rules);
    drop(ahead);
    let repos: Vec<&Repository> = opened.iter().filter_map(|(_, repo)| repo.as_ref().ok()).collect();
    let outcomes = if repos.is_empty() { Vec::new() } else { capture(job, args, &tree, &repos)? };
    let mut outcomes = outcomes.into_iter();
    let done = opened.into_iter().filter_map(|(location, repo)| match repo {
        Ok(_) => outcomes.next().map(|outcome| (location, outcome.map_err(Failure::from))),
        Err(failure) => Some((location, Err(failure))),
    });
    several(job, done.collect())
}

/// The repositories. One that does not open is no reason to leave the others without a backup.
fn open_all(job: &Job<'_>, args: &Backup) -> Result<Vec<Target>, Failure> {
    if !args.also_password_file.is_empty() && args.also_password_file.len() != args.also.len() {
        return Err(Failure::usage(
            "LB4057",
            "there are not as many password files as other repositories",
            "Give --also-password-file once for each --also, in the same order.",
        ));
    }
    let mut all = vec![(job.storage()?.describe(), job.open())];
    for (at, location) in args.also.iter().enumerate() {
        let password = args.also_password_file.get(at).map(PathBuf::as_path);
        all.push((location.clone(), job.open_other(location, password)));
    }
    Ok(all)
}

fn capture(job: &Job<'_>, args: &Backup, tree: &Tree, repos: &[&Repository]) -> Result<Outcomes, Failure> {
    let capture = Capture::into(repos)?;
    let mut meta = BackupMeta::of_this_host(jiff::Timestamp::now());
    meta.tags.clone_from(&args.tag);
    if let Some(host) = &args.host {
        meta.hostname.clone_from(host);
    }
    during("backing up", job.monitor, || {
        if let Some(name) = &args.stdin {
            let ended_well = || Ok::<(), std::io::Error>(());
            Ok(capture.stream(&meta, name, &mut std::io::stdin().lock(), ended_well, job.monitor)?)
        } else if let Some(name) = &args.stdin_command {
            from_program(&capture, job, args, &meta, name)
        } else if let Some(device) = &args.device {
            let name = device.file_name().unwrap_or_default().to_string_lossy();
            Ok(capture.device(&meta, &name, device, job.monitor)?)
        } else {
            Ok(capture.tree(&tree.paths, &tree.options, &meta, job.monitor)?)
        }
    })
}

/// Files and folders, as they are asked for.
struct Tree {
    paths: Vec<PathBuf>,
    options: TreeOptions,
}

impl Tree {
    fn of(args: &Backup) -> Result<Self, Failure> {
        let absolute =
            |path: &PathBuf| std::path::absolute(path).map_err(|error| Failure::file("find", path, &error));
        let options = TreeOptions {
            excludes: args.exclude.clone(),
            one_file_system: args.one_file_system,
            on_trouble: if args.keep_incomplete { OnTrouble::KeepIncomplete } else { OnTrouble::Fail },
            ignore_parent: args.force,
        };
        Ok(Self { paths: args.paths.iter().map(absolute).collect::<Result<_, _>>()?, options })
    }
}

fn from_program(
    capture: &Capture<'_>,
    job: &Job<'_>,
    args: &Backup,
    meta: &BackupMeta,
    name: &str,
) -> Result<Outcomes, Failure> {
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
    Ok(capture.stream(meta, name, &mut *pipe, ended_well, job.monitor)?)
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

/// The outcomes in several repositories. It is a failure only when all of them failed.
fn several(job: &Job<'_>, done: Vec<(String, Result<SnapshotSummary, Failure>)>) -> Result<Exit, Failure> {
    let is_whole = done.iter().all(|(_, done)| done.as_ref().is_ok_and(|done| !done.is_incomplete()));
    let is_nowhere = done.iter().all(|(_, done)| done.is_err());
    let mut lines = Vec::new();
    let (mut places, mut failures) = (Vec::new(), Vec::new());
    let mut troubles = None;
    for (repository, done) in done {
        match done {
            Ok(done) => {
                lines.push(format!("{repository}: {}", line(&done)));
                places.push(Place { repository, backed: Some(Backed::from(&done)), problem: None });
                troubles = Some(done.troubles);
            }
            Err(failure) => {
                lines.push(format!("{repository}: no snapshot"));
                places.push(Place { repository, backed: None, problem: Some(failure.problem.clone()) });
                failures.push(failure);
            }
        }
    }
    if is_nowhere && let Some(last) = failures.pop() {
        failures.iter().for_each(|failure| screen::problem(&failure.problem));
        return Err(last);
    }
    let all = serde_json::json!({ "repositories": places });
    screen::show(job.cli.output, &all, || screen::wrapped(&lines.join("\n")));
    failures.iter().for_each(|failure| screen::problem(&failure.problem));
    troubles.iter().for_each(name);
    Ok(if is_whole { Exit::Done } else { Exit::Incomplete })
}

fn shown(job: &Job<'_>, done: SnapshotSummary) -> Exit {
    screen::show(job.cli.output, &Backed::from(&done), || screen::wrapped(&line(&done)));
    name(&done.troubles);
    if done.is_incomplete() { Exit::Incomplete } else { Exit::Done }
}

fn line(done: &SnapshotSummary) -> String {
    format!(
        "snapshot {}: {} files, {}; {} unchanged, {} read, {} stored",
        done.snapshot.short(),
        done.files,
        units::bytes(done.bytes),
        done.files_unchanged,
        units::bytes(done.bytes_read),
        units::bytes(done.bytes_stored)
    )
}

/// Says which files are missing.
fn name(troubles: &Troubles) {
    if troubles.is_empty() {
        return;
    }
    screen::say(format!("incomplete: {} files are not in it as they are", troubles.count()));
    for trouble in troubles.named.iter().take(SHOWN) {
        screen::say(format!("  {}: {}", trouble.path, trouble.detail));
    }
}

impl From<&SnapshotSummary> for Backed {
    fn from(done: &SnapshotSummary) -> Self {
        Self {
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
        }
    }
}
