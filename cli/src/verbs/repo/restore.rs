//! Restoring into a folder.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use report::units;
use repository::{Filter, RestoreOptions};
use runtime::lifecycle::Exit;

use super::open::Job;
use super::progress::during;
use crate::failure::Failure;
use crate::screen;

/// So many damaged files and warnings are shown.
const SHOWN: usize = 20;

/// `repo restore`
#[derive(Debug, Args)]
pub struct Restore {
    /// An id, the beginning of one, or `latest`.
    #[arg(default_value = "latest")]
    snapshot: String,
    /// The folder into which it goes.
    #[arg(long)]
    target: PathBuf,
    /// Only what is at this path.
    #[arg(long, default_value = "")]
    path: String,
    /// The newest snapshot not after this time, as 2026-11-24T03:00:00Z.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Only snapshots of this host.
    #[arg(long)]
    host: Option<String>,
    /// Only snapshots with all of these tags.
    #[arg(long)]
    tag: Vec<String>,
    /// Restore over what is in the folder; asks first. Only what differs is written, and files that the
    /// snapshot does not have stay. A restore that was stopped goes on without this.
    #[arg(long)]
    overwrite: bool,
    /// Restore what can be restored although files are damaged; exit code 3 then.
    #[arg(long)]
    skip_damaged: bool,
}

pub fn restore(job: &Job<'_>, args: &Restore) -> Result<Exit, Failure> {
    let repo = job.open()?;
    let filter = Filter {
        not_after: args.at,
        host: args.host.clone(),
        tags: args.tag.clone(),
        ..Filter::parse(&args.snapshot)
    };
    let snapshot = repo.find(&filter)?;
    if args.overwrite {
        job.confirm(&format!("Files in {} are replaced.", args.target.display()))?;
    }
    let options = RestoreOptions { overwrite: args.overwrite, skip_damaged: args.skip_damaged };
    let target =
        std::path::absolute(&args.target).map_err(|error| Failure::file("find", &args.target, &error))?;
    let done = during("restoring", job.monitor, || {
        repo.restore_tree(&snapshot, &args.path, &target, options, job.monitor)
    })?;
    let damaged: Vec<_> = done
        .damaged
        .iter()
        .map(|file| serde_json::json!({ "path": file.path, "reason": file.reason }))
        .collect();
    let all = serde_json::json!({
        "snapshot": snapshot.id.to_string(), "target": target, "files": done.files,
        "folders": done.folders, "bytes": done.bytes, "bytes_kept": done.bytes_kept, "damaged_count": done.damaged_count,
        "damaged": damaged, "warning_count": done.warning_count, "warnings": done.warnings,
    });
    screen::show(job.cli.output, &all, || {
        let kept = match done.bytes_kept {
            0 => String::new(),
            kept => format!(", {} of it was there already", units::bytes(kept)),
        };
        screen::wrapped(&format!(
            "restored {} files, {} of snapshot {} into {}{kept}; every byte verified, and on disk",
            done.files,
            units::bytes(done.bytes),
            snapshot.id.short(),
            target.display()
        ))
    });
    for warning in done.warnings.iter().take(SHOWN) {
        screen::say(format!("warning: {warning}"));
    }
    for file in done.damaged.iter().take(SHOWN) {
        screen::say(format!("missing: {}: {}", file.path, file.reason));
    }
    if done.damaged_count > 0 {
        screen::say(format!("incomplete: {} files are damaged and were left out", done.damaged_count));
    }
    let is_whole = done.damaged_count == 0 && done.warning_count == 0;
    Ok(if is_whole { Exit::Done } else { Exit::Incomplete })
}
