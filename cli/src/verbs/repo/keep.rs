//! What stays and what goes: retention, prune, keys, locks, the index.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use model::Micros;
use report::units;
use repository::retention::Policy;
use repository::{Id, KdfParams, LockInfo, PruneOptions, PrunePlan};
use runtime::lifecycle::Exit;

use super::look::find;
use super::open::{self, Job};
use super::progress::during;
use crate::failure::Failure;
use crate::screen;

/// `repo forget`
#[derive(Debug, Args)]
pub struct Forget {
    /// Snapshots by id; or none, with a policy below.
    #[arg(conflicts_with_all = ["keep_within", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly", "keep_hourly"])]
    snapshots: Vec<String>,
    /// Keep everything that the storage wrote within this time, as 30d.
    #[arg(long, value_parser = length, value_name = "TIME")]
    keep_within: Option<Duration>,
    /// Keep one of each hour, for this time.
    #[arg(long, value_parser = length, value_name = "TIME")]
    keep_hourly: Option<Duration>,
    /// Keep one of each day, for this time.
    #[arg(long, value_parser = length, value_name = "TIME")]
    keep_daily: Option<Duration>,
    /// Keep one of each week, for this time.
    #[arg(long, value_parser = length, value_name = "TIME")]
    keep_weekly: Option<Duration>,
    /// Keep one of each month, for this time.
    #[arg(long, value_parser = length, value_name = "TIME")]
    keep_monthly: Option<Duration>,
    /// Keep one of each year, for this time.
    #[arg(long, value_parser = length, value_name = "TIME")]
    keep_yearly: Option<Duration>,
    /// Keep what has this tag.
    #[arg(long, value_name = "TAG")]
    keep_tag: Vec<String>,
    /// Only show what would be forgotten.
    #[arg(long)]
    dry_run: bool,
}

/// `repo prune`
#[derive(Debug, Args)]
pub struct Prune {
    /// Only show the plan.
    #[arg(long)]
    dry_run: bool,
    /// Part of the data that may stay although nobody needs it, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 5, value_parser = clap::value_parser!(u8).range(0..=100))]
    max_unused: u8,
    /// Marked data goes after this time; less than 24h only when nobody backs up.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = length)]
    grace: Duration,
    /// Let more than half of all data go at once.
    #[arg(long)]
    allow_large: bool,
}

/// `repo key`
#[derive(Debug, Subcommand)]
pub enum Key {
    /// List the keys. Each opens with a password of its own.
    List,
    /// Add a key for another password.
    Add {
        /// File with the new password; asked for on the terminal without it.
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// Remove a key.
    Remove {
        /// Its id, or the beginning of it.
        id: String,
    },
}

/// `repo unlock`
#[derive(Debug, Args)]
pub struct Unlock {
    /// Also locks that are refreshed: only when their holders are known to be dead.
    #[arg(long)]
    all: bool,
}

fn length(text: &str) -> Result<Duration, String> {
    model::duration::parse(text).map_err(|error| error.to_string())
}

pub fn forget(job: &Job<'_>, args: &Forget) -> Result<Exit, Failure> {
    let repo = job.open()?;
    let of = |time: Option<Duration>| time.unwrap_or_default();
    let policy = Policy {
        within: of(args.keep_within),
        hourly: of(args.keep_hourly),
        daily: of(args.keep_daily),
        weekly: of(args.keep_weekly),
        monthly: of(args.keep_monthly),
        yearly: of(args.keep_yearly),
        tags: args.keep_tag.clone(),
    };
    if args.snapshots.is_empty() && policy == (Policy { tags: policy.tags.clone(), ..Policy::default() }) {
        return Err(Failure::usage(
            "LB4055",
            "neither snapshots nor a time to keep are given",
            "Name snapshots, or say what to keep: --keep-within 30d.",
        ));
    }
    let mut ignored = 0;
    let gone: Vec<Id> = if args.snapshots.is_empty() {
        let plan = repo.forget_plan(&policy, &[], SystemTime::now())?;
        ignored = plan.verdict.ignored.len();
        for info in plan.snapshots.iter().filter(|info| plan.verdict.kept.contains_key(&info.id)) {
            screen::say(format!("keep {} ({})", info.id.short(), plan.verdict.kept[&info.id]));
        }
        plan.verdict.expired
    } else {
        args.snapshots.iter().map(|id| find(&repo, id).map(|info| info.id)).collect::<Result<_, _>>()?
    };
    for id in &gone {
        screen::say(format!("forget {}", id.short()));
    }
    if ignored > 0 {
        screen::say(format!("{ignored} snapshots stay: the storage's time of them makes no sense"));
    }
    if !gone.is_empty() && !args.dry_run {
        job.confirm(&format!("{} snapshots are forgotten.", gone.len()))?;
        repo.forget(&gone)?;
    }
    let all = serde_json::json!({
        "forgotten": gone.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "ignored": ignored, "done": !args.dry_run,
    });
    screen::show(job.cli.output, &all, || {
        let word = if args.dry_run { "would be forgotten" } else { "forgotten" };
        format!("{} snapshots {word}; their data goes with `lifeboat repo prune`", gone.len())
    });
    Ok(Exit::Done)
}

pub fn prune(job: &Job<'_>, args: &Prune) -> Result<Exit, Failure> {
    let repo = job.open()?;
    let options = PruneOptions {
        max_unused: f64::from(args.max_unused) / 100.0,
        grace: args.grace,
        allow_large: args.allow_large,
        ..PruneOptions::default()
    };
    let now = SystemTime::now();
    let plan = during("reading what is needed", job.monitor, || repo.prune_plan(&options, now, job.monitor))?;
    screen::say(planned(&plan));
    let mut done = None;
    if !plan.is_empty() && !args.dry_run {
        job.confirm("The marked data cannot be got back once its grace is over.")?;
        done = Some(during("pruning", job.monitor, || repo.prune(&plan, &options, now, job.monitor))?);
    }
    let amount = |a: repository::prune::Amount| serde_json::json!({ "packs": a.packs, "bytes": a.bytes });
    let all = serde_json::json!({
        "plan": {
            "keep": amount(plan.keep), "repack": amount(plan.repack), "mark": amount(plan.mark),
            "remove": amount(plan.remove), "waiting": amount(plan.waiting), "revive": amount(plan.revive),
            "unused_bytes": plan.unused_bytes,
        },
        "done": done.map(|d| serde_json::json!({
            "marked": amount(d.marked), "removed": amount(d.removed),
            "repacked_bytes": d.repacked_bytes, "revived": d.revived,
        })),
    });
    screen::show(job.cli.output, &all, || match done {
        Some(d) => format!(
            "marked {} packs ({}), removed {} ({}), wrote {} anew",
            d.marked.packs,
            units::bytes(d.marked.bytes),
            d.removed.packs,
            units::bytes(d.removed.bytes),
            units::bytes(d.repacked_bytes)
        ),
        None if plan.is_empty() => "nothing to do".to_owned(),
        None => "nothing was done (--dry-run)".to_owned(),
    });
    Ok(Exit::Done)
}

fn planned(plan: &PrunePlan) -> String {
    let mut table = screen::table(&["packs", "bytes", "what becomes of them"]);
    for (amount, what) in [
        (plan.keep, "stay"),
        (plan.repack, "half used: what is needed is written anew, the rest marked"),
        (plan.mark, "not needed: marked"),
        (plan.waiting, "marked or left over, within the grace"),
        (plan.remove, "grace is over: removed"),
        (plan.revive, "marked, but needed after all: come back"),
    ] {
        table.add_row([amount.packs.to_string(), units::bytes(amount.bytes), what.to_owned()]);
    }
    table.to_string()
}

pub fn rebuild_index(job: &Job<'_>) -> Result<Exit, Failure> {
    let repo = job.open()?;
    let done = during("reading packs", job.monitor, || repo.rebuild_index(job.monitor))?;
    let all = serde_json::json!({
        "packs": done.packs, "blobs": done.blobs, "damaged": done.damaged, "removed": done.removed,
    });
    screen::show(job.cli.output, &all, || {
        format!("the index has {} packs with {} blobs now", done.packs, done.blobs)
    });
    for damage in &done.damaged {
        screen::say(format!("damaged: {damage}"));
    }
    Ok(if done.damaged.is_empty() { Exit::Done } else { Exit::No })
}

pub fn key(job: &Job<'_>, args: &Key) -> Result<Exit, Failure> {
    let repo = job.open()?;
    match args {
        Key::List => {
            let keys = repo.keys()?;
            let rows: Vec<_> = keys
                .iter()
                .map(|k| {
                    serde_json::json!({
                        "id": k.id.to_string(), "created": k.created.to_string(),
                        "username": k.username, "hostname": k.hostname,
                    })
                })
                .collect();
            screen::show(job.cli.output, &rows, || {
                let mut table = screen::table(&["key", "made", "by"]);
                for k in &keys {
                    let at = screen::moment(Micros(k.created.as_microsecond()));
                    table.add_row([k.id.short(), at, format!("{}@{}", k.username, k.hostname)]);
                }
                table.to_string()
            });
        }
        Key::Add { new_password_file } => {
            let password = match new_password_file {
                Some(path) => open::from_file(path)?,
                None => open::ask("new password: ")?,
            };
            let id = repo.key_add(&password, KdfParams::default())?;
            let made = serde_json::json!({ "id": id.to_string() });
            screen::show(job.cli.output, &made, || screen::wrapped(&format!("added key {}", id.short())));
        }
        Key::Remove { id } => {
            job.confirm(&format!("Key {id} is removed; its password opens the repository no more."))?;
            let id = repo.key_remove(id)?;
            let gone = serde_json::json!({ "id": id.to_string() });
            screen::show(job.cli.output, &gone, || screen::wrapped(&format!("removed key {}", id.short())));
        }
    }
    Ok(Exit::Done)
}

pub fn unlock(job: &Job<'_>, args: &Unlock) -> Result<Exit, Failure> {
    let repo = job.open()?;
    if args.all {
        for lock in repo.locks()?.iter().filter(|lock| !lock.stale) {
            screen::say(format!("held by {} since {}", lock.holder, lock.refreshed));
        }
        job.confirm("Locks that somebody may still hold are removed.")?;
    }
    let removed = repo.unlock(args.all)?;
    let left = repo.locks()?;
    let row = |lock: &LockInfo| serde_json::json!({ "id": lock.id.to_string(), "holder": lock.holder });
    let all = serde_json::json!({
        "removed": removed.iter().map(row).collect::<Vec<_>>(),
        "left": left.iter().map(row).collect::<Vec<_>>(),
    });
    screen::show(job.cli.output, &all, || {
        format!("{} locks removed, {} are held", removed.len(), left.len())
    });
    Ok(Exit::Done)
}
