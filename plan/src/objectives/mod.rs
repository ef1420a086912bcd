//! Whether promises can be kept, by arithmetic.
//!
//! *How long* (RTO): each step has three lengths, see [`Lengths`]; a plan's is the longest chain of them
//! that leads to its recovery, see [`predict`]. *How much* (RPO): the worst moment to fail is just before
//! a backup is whole, see [`worst_loss`]. Nothing here knows a clock; simulations get their randomness as
//! an argument. The check says what cannot hold (`rto`, `rpo`, `contradictions`), `plan explain` shows
//! all of it.

mod contradictions;
mod estimates;
mod explain;
mod forced;
mod gap;
mod history;
mod kept;
mod lengths;
mod loss;
mod path;
mod predict;
mod rpo;
mod rto;
mod words;

pub use estimates::{APPROVAL, ESTIMATES, FENCING, usual};
pub use explain::Explanation;
pub use forced::{Forced, MAX_FORCED_STEPS};
pub use gap::{LOOK_AHEAD, MAX_WALKED, longest_gap, longest_gap_within};
pub use history::{History, MAX_SAMPLES, MIN_SAMPLES, Measured, ROUNDS};
pub use lengths::{Lengths, lengths};
pub use loss::{DEFAULT_TAKES, DEFAULT_TRANSFER, Loss, worst_loss};
pub use predict::{Prediction, StepPrediction, Total, predict};
pub use words::{sum, words};

pub(crate) use contradictions::{levels, services as service_contradictions};
pub(crate) use gap::Gaps;
pub(crate) use rpo::{losses, plan as plan_rpo, sources as source_rpo, unproven_schedules};
pub(crate) use rto::{Recovered, check as rto};

/// Kinds after which a source is back: it takes writes again.
pub(crate) const RECOVERS: [&str; 3] = ["promote", "rollback", "swap"];
