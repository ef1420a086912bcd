//! Making the data of a snapshot in an archive readable.

use clap::Args;
use report::units;
use repository::prune::Amount;
use runtime::lifecycle::Exit;

use super::look::find;
use super::open::Job;
use super::progress::during;
use crate::failure::Failure;
use crate::screen;

/// `repo thaw`
#[derive(Debug, Args)]
pub struct Thaw {
    /// An id, the beginning of one, or `latest`.
    #[arg(default_value = "latest")]
    snapshot: String,
    /// How long the data is to be readable once it is thawed.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=365))]
    days: u32,
    /// Only say how far it is.
    #[arg(long)]
    dry_run: bool,
}

pub fn thaw(job: &Job<'_>, args: &Thaw) -> Result<Exit, Failure> {
    let repo = job.open()?;
    let snapshot = find(&repo, &args.snapshot)?;
    let days = (!args.dry_run).then_some(args.days);
    let done = during("asking for packs", job.monitor, || repo.thaw(&snapshot, days, job.monitor))?;
    let amount = |a: Amount| serde_json::json!({ "packs": a.packs, "bytes": a.bytes });
    let all = serde_json::json!({
        "snapshot": snapshot.id.to_string(), "is_ready": done.is_ready(), "needed": amount(done.needed),
        "ready": amount(done.ready), "thawing": amount(done.thawing), "cold": amount(done.cold),
    });
    screen::show(job.cli.output, &all, || {
        let mut table = screen::table(&["packs", "bytes", "how far"]);
        for (amount, what) in [
            (done.ready, "can be read"),
            (done.thawing, "asked for: hours, or a day or two"),
            (done.cold, "cold"),
        ] {
            table.add_row([amount.packs.to_string(), units::bytes(amount.bytes), what.to_owned()]);
        }
        let verdict = if done.is_ready() {
            format!("snapshot {} can be restored", snapshot.id.short())
        } else {
            format!("snapshot {} cannot be restored yet; ask again later", snapshot.id.short())
        };
        format!("{table}\n{verdict}")
    });
    Ok(if done.is_ready() { Exit::Done } else { Exit::Incomplete })
}
