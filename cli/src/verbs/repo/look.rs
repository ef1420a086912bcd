//! Looking at snapshots, files, damage and numbers.

use clap::Args;
use jiff::Timestamp;
use model::Micros;
use report::units;
use repository::{CheckOptions, Filter, Repository, SnapshotInfo};
use runtime::lifecycle::Exit;
use serde::Serialize;

use super::open::Job;
use super::progress::during;
use crate::failure::Failure;
use crate::screen::{self, Mood};

/// So many files of one damage are shown; `--output json` has them all.
const SHOWN: usize = 10;
/// So many objects that somebody wrote over are shown.
const SHOWN_OVERWRITTEN: usize = 20;

/// `repo snapshots`
#[derive(Debug, Args)]
pub struct Which {
    /// Only of this host.
    #[arg(long)]
    host: Option<String>,
    /// Only with all of these tags.
    #[arg(long)]
    tag: Vec<String>,
}

/// `repo ls`
#[derive(Debug, Args)]
pub struct Ls {
    /// An id, the beginning of one, or `latest`.
    #[arg(default_value = "latest")]
    snapshot: String,
    /// Only below this path.
    #[arg(default_value = "")]
    path: String,
    /// Do not go into folders.
    #[arg(long)]
    flat: bool,
}

/// `repo dump`
#[derive(Debug, Args)]
pub struct Dump {
    /// An id, the beginning of one, or `latest`.
    snapshot: String,
    /// The file's path in the snapshot.
    path: String,
}

/// `repo check`
#[derive(Debug, Args)]
pub struct Check {
    /// Read all data, not only what lists it.
    #[arg(long)]
    read_data: bool,
    /// Read only this part of all data, as 3/30: part 1 today, 2 tomorrow.
    #[arg(long, value_name = "N/M", value_parser = subset, requires = "read_data")]
    subset: Option<repository::Subset>,
}

fn subset(text: &str) -> Result<repository::Subset, String> {
    let parts = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
    match parts {
        Some((part, of)) if part >= 1 && part <= of => Ok(repository::Subset { part, of }),
        _ => Err("write it as 3/30: which part, of how many".to_owned()),
    }
}

/// A snapshot by its id, or the newest.
pub fn find(repo: &Repository, text: &str) -> Result<SnapshotInfo, Failure> {
    Ok(repo.find(&Filter::parse(text))?)
}

#[derive(Serialize)]
struct Row<'a> {
    id: String,
    #[serde(flatten)]
    snapshot: &'a repository::Snapshot,
    written: Option<String>,
}

pub fn snapshots(job: &Job<'_>, args: &Which) -> Result<Exit, Failure> {
    let mut all = job.open()?.snapshots()?;
    all.retain(|info| {
        args.host.as_ref().is_none_or(|host| *host == info.snapshot.hostname)
            && args.tag.iter().all(|tag| info.snapshot.has_tag(tag))
    });
    let rows: Vec<Row<'_>> = all.iter().map(row).collect();
    screen::show(job.cli.output, &rows, || {
        if all.is_empty() {
            return "no snapshots".to_owned();
        }
        let mut table = screen::table(&["snapshot", "begun", "host", "paths", "tags"]);
        for info in &all {
            let of = &info.snapshot;
            let at = screen::moment(Micros(of.time.as_microsecond()));
            table.add_row([
                info.id.short(),
                at,
                of.hostname.clone(),
                of.paths.join("\n"),
                of.tags.join("\n"),
            ]);
        }
        table.to_string()
    });
    Ok(Exit::Done)
}

fn row(info: &SnapshotInfo) -> Row<'_> {
    let written = info.written.and_then(|time| Timestamp::try_from(time).ok());
    Row { id: info.id.to_string(), snapshot: &info.snapshot, written: written.map(|time| time.to_string()) }
}

pub fn ls(job: &Job<'_>, args: &Ls) -> Result<Exit, Failure> {
    let repo = job.open()?;
    let snapshot = find(&repo, &args.snapshot)?;
    let (mut nodes, mut text) = (Vec::new(), String::new());
    let is_json = job.cli.output == crate::args::Format::Json;
    repo.ls(&snapshot, &args.path, !args.flat, &mut |path, node| {
        if is_json {
            nodes.push(serde_json::json!({
                "path": path, "type": node.kind, "size": node.size, "mtime": node.mtime.to_string(),
                "mode": format!("{:04o}", node.permissions()), "uid": node.uid, "gid": node.gid,
            }));
        } else {
            let size = units::bytes(node.size);
            text.push_str(&format!(
                "{:04o} {size:>10} {:.16} {path}\n",
                node.permissions(),
                node.mtime.to_string()
            ));
        }
        Ok(())
    })?;
    screen::show(job.cli.output, &nodes, || text);
    Ok(Exit::Done)
}

pub fn dump(job: &Job<'_>, args: &Dump) -> Result<Exit, Failure> {
    let repo = job.open()?;
    let snapshot = find(&repo, &args.snapshot)?;
    repo.dump(&snapshot, &args.path, &mut std::io::stdout().lock(), job.monitor)?;
    Ok(Exit::Done)
}

pub fn check(job: &Job<'_>, args: &Check) -> Result<Exit, Failure> {
    let repo = job.open()?;
    let options = CheckOptions { read_data: args.read_data, subset: args.subset };
    let report = during("checking", job.monitor, || repo.check(options, job.monitor))?;
    let damages: Vec<_> = report
        .damages
        .iter()
        .map(|damage| {
            serde_json::json!({
                "object": damage.object, "detail": damage.detail, "files": damage.files,
                "snapshots": damage.snapshots.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        })
        .collect();
    let all = serde_json::json!({
        "sound": report.is_sound(), "snapshots": report.snapshots, "packs": report.packs,
        "blobs": report.blobs, "packs_unindexed": report.packs_unindexed,
        "packs_read": report.packs_read, "bytes_read": report.bytes_read, "damages": damages,
        "overwritten": report.overwritten.iter().map(|object| overwritten(object)).collect::<Vec<_>>(),
        "findings": report.findings.iter().map(|finding| {
            serde_json::json!({ "code": finding.code, "detail": finding.detail, "reason": finding.reason })
        }).collect::<Vec<_>>(),
        "unseen": report.unseen,
    });
    screen::show(job.cli.output, &all, || screen::wrapped(&text(&report, args.read_data)));
    Ok(match (report.is_sound(), report.overwritten.is_empty()) {
        (false, _) => Exit::No,
        // Nothing is lost, and yet somebody must look.
        (true, false) => Exit::Incomplete,
        (true, true) => Exit::Done,
    })
}

fn overwritten(object: &str) -> serde_json::Value {
    let finding = repository::Error::Overwritten { object: object.to_owned() };
    serde_json::json!({
        "code": finding.code(), "object": object, "detail": finding.to_string(), "advice": finding.advice(),
    })
}

fn text(report: &repository::CheckReport, read_data: bool) -> String {
    let mut out = String::new();
    for damage in &report.damages {
        out.push_str(&format!(
            "{} {}: {}\n",
            screen::mood("damaged:", Mood::Bad),
            damage.object,
            damage.detail
        ));
        let snapshots: Vec<String> = damage.snapshots.iter().map(repository::Id::short).collect();
        if !snapshots.is_empty() {
            out.push_str(&format!("  snapshots: {}\n", snapshots.join(", ")));
        }
        for file in damage.files.iter().take(SHOWN) {
            out.push_str(&format!("  {file}\n"));
        }
        if damage.files.len() > SHOWN {
            out.push_str(&format!("  and {} more files\n", damage.files.len() - SHOWN));
        }
    }
    for object in report.overwritten.iter().take(SHOWN_OVERWRITTEN) {
        let finding = repository::Error::Overwritten { object: object.clone() };
        out.push_str(&format!("{} {finding}\n", screen::mood(finding.code(), Mood::Bad)));
    }
    if let Some(more) = report.overwritten.len().checked_sub(SHOWN_OVERWRITTEN).filter(|more| *more > 0) {
        out.push_str(&format!("and {more} more were written over\n"));
    }
    for finding in &report.findings {
        let word = screen::mood(&format!("{}:", finding.code), Mood::Bad);
        out.push_str(&format!("{word} {}: it {}\n", finding.detail, finding.reason));
    }
    for why in &report.unseen {
        out.push_str(&format!("the bucket's lifecycle rules could not be looked at: {why}\n"));
    }
    let seen = format!("{} snapshots, {} packs, {} blobs", report.snapshots, report.packs, report.blobs);
    let verdict = if report.is_sound() {
        screen::mood("sound", Mood::Good)
    } else {
        let count = report.damages.len() + report.findings.len();
        screen::mood(&format!("{count} damages"), Mood::Bad)
    };
    out.push_str(&format!("{verdict}: {seen}"));
    if read_data {
        out.push_str(&format!(", {} packs ({}) read", report.packs_read, units::bytes(report.bytes_read)));
    } else {
        out.push_str("; data itself was not read (--read-data)");
    }
    if report.packs_unindexed > 0 {
        out.push_str(&format!("\n{} packs are in no index; a prune removes them", report.packs_unindexed));
    }
    out
}

pub fn stats(job: &Job<'_>) -> Result<Exit, Failure> {
    let stats = job.open()?.stats()?;
    let all = serde_json::json!({
        "snapshots": stats.snapshots, "packs": stats.packs, "blobs": stats.blobs,
        "stored_bytes": stats.stored_bytes, "plain_bytes": stats.plain_bytes,
        "packs_unindexed": stats.packs_unindexed, "unindexed_bytes": stats.unindexed_bytes,
        "index_files": stats.index_files,
    });
    screen::show(job.cli.output, &all, || {
        let mut table = screen::table(&["what", "count", "bytes"]);
        table.add_row(["snapshots".to_owned(), stats.snapshots.to_string(), String::new()]);
        table.add_row(["packs".to_owned(), stats.packs.to_string(), units::bytes(stats.stored_bytes)]);
        table.add_row(["blobs, opened".to_owned(), stats.blobs.to_string(), units::bytes(stats.plain_bytes)]);
        table.add_row([
            "packs in no index".to_owned(),
            stats.packs_unindexed.to_string(),
            units::bytes(stats.unindexed_bytes),
        ]);
        table.add_row(["index files".to_owned(), stats.index_files.to_string(), String::new()]);
        table.to_string()
    });
    Ok(Exit::Done)
}
