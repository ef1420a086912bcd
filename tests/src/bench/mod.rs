//! What the control plane costs, measured with the real programs: each measure is one file, listed in
//! [`MEASURES`], and gives a JSON object with its figures. `cargo xtask bench control` shows them.
//!
//! Times are those of the journal and of this machine's clock; a step is a question that costs nothing (how
//! much space a disk has), so what is measured is the way from one step to the next.

mod bed;
mod gap;
mod idle;
mod many;
mod million;
mod restart;
mod row;
mod swarm;
mod sync;
mod wide;
mod writer;

use crate::Failure;
use futures::future::LocalBoxFuture;
use serde_json::Value;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// How often what is cheap is measured; medians are given.
    pub rounds: usize,
    /// A tenth of the work, for trials.
    pub small: bool,
}

impl Extent {
    /// An amount of work, or a tenth of it.
    pub(crate) fn of(self, full: usize) -> usize {
        if self.small { (full / 10).max(1) } else { full }
    }
}

/// A measure: its name, and how it is taken.
type Measure = (&'static str, fn(Extent) -> LocalBoxFuture<'static, Result<Value, Failure>>);

/// All of them, in the order in which they are taken.
pub const MEASURES: &[Measure] = &[
    ("row", |extent| Box::pin(row::measure(extent))),
    ("many", |extent| Box::pin(many::measure(extent))),
    ("wide", |extent| Box::pin(wide::measure(extent))),
    ("restart", |extent| Box::pin(restart::measure(extent))),
    ("idle", |extent| Box::pin(idle::measure(extent))),
    ("swarm", |extent| Box::pin(swarm::measure(extent))),
    ("gap", |extent| Box::pin(gap::measure(extent))),
    ("million", |extent| Box::pin(million::measure(extent))),
];

/// The middle one of some figures; 0 when there are none.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
