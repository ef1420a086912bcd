//! Keeping what is needed from being removed: the retention of a bucket with Object Lock.

use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use repository::storage::{Retention, RetentionMode};
use runtime::lifecycle::Exit;

use super::open::Job;
use super::progress::during;
use crate::failure::Failure;
use crate::screen::{self, Mood};

/// More than this is a typing error, and with `compliance` nobody could take it back.
const MAX_DAYS: i64 = 3660;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// So many damaged objects are shown; `--output json` has them all.
const SHOWN: usize = 20;

/// Who may end a retention before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Whoever has the right to bypass it.
    Governance,
    /// Nobody, the owner of the account included.
    Compliance,
}

impl From<Mode> for RetentionMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Governance => Self::Governance,
            Mode::Compliance => Self::Compliance,
        }
    }
}

/// The retention of what is written, beside the bucket's own.
#[derive(Debug, Clone, Args)]
pub struct Retain {
    /// Days for which nothing that is written can be removed; the bucket needs Object Lock.
    #[arg(long, global = true, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=MAX_DAYS))]
    retain_days: Option<u32>,
    /// Who may end that before its time.
    #[arg(long, global = true, value_name = "MODE", default_value = "governance")]
    retain_mode: Mode,
}

impl Retain {
    pub fn retention(&self) -> Option<Retention> {
        self.retain_days.map(|days| Retention { mode: self.retain_mode.into(), days })
    }
}

/// `repo protect`
#[derive(Debug, Args)]
pub struct Protect {
    /// Days from now for which it cannot be removed. What has longer keeps it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=MAX_DAYS))]
    days: u32,
    /// Who may end that before its time.
    #[arg(long, default_value = "governance")]
    mode: Mode,
}

pub fn protect(job: &Job<'_>, args: &Protect) -> Result<Exit, Failure> {
    if args.mode == Mode::Compliance {
        job.confirm(&format!("For {} days nobody can remove it, not even you.", args.days))?;
    }
    let repo = job.open()?;
    let until = SystemTime::now() + DAY * args.days;
    let done = during("protecting", job.monitor, || repo.protect(until, args.mode.into(), job.monitor))?;
    let all = serde_json::json!({
        "extended": done.extended, "enough": done.enough, "unneeded": done.unneeded, "damaged": done.damaged,
    });
    screen::show(job.cli.output, &all, || {
        screen::wrapped(&format!(
            "{} objects are protected for {} days now, {} were already; {} packs are not needed",
            done.extended, args.days, done.enough, done.unneeded
        ))
    });
    for object in done.damaged.iter().take(SHOWN) {
        screen::say(format!("{} {object}", screen::mood("damaged:", Mood::Bad)));
    }
    if done.damaged.len() > SHOWN {
        screen::say(format!("and {} more", done.damaged.len() - SHOWN));
    }
    Ok(if done.damaged.is_empty() { Exit::Done } else { Exit::Incomplete })
}
