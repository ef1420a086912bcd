//! The most that is lost when only backups are left.
//!
//! A backup holds what was there when it began, and can be restored once it is whole where it is kept. So
//! the worst moment to fail is just before a backup is whole: all since the beginning of the one before
//! is gone. An agent that is still busy when its schedule fires begins as soon as it is free.

use super::gap::longest_gap;
use super::words::words;
use model::schedule::{Cron, InvalidSchedule};
use serde::Serialize;
use std::time::Duration;

/// How long a backup takes when its schedule does not say.
pub const DEFAULT_TAKES: Duration = Duration::from_secs(10 * 60);
/// How much longer it takes into a repository of another region, when its schedule does not say.
pub const DEFAULT_TRANSFER: Duration = Duration::from_secs(5 * 60);

/// The parts of the worst loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The longest time between the beginnings of two backups.
    #[serde(with = "model::duration")]
    pub between: Duration,
    /// From a backup's beginning until it is whole.
    #[serde(with = "model::duration")]
    pub takes: Duration,
    /// What the way into another region adds.
    #[serde(with = "model::duration")]
    pub transfer: Duration,
}

impl Loss {
    /// From the longest gap of a schedule. `proves`: each backup is proven before the agent is free again,
    /// which takes as long as the backup.
    pub fn new(gap: Duration, takes: Duration, transfer: Duration, proves: bool) -> Loss {
        let busy = takes + transfer + if proves { takes } else { Duration::ZERO };
        Loss { between: gap.max(busy), takes, transfer }
    }

    /// All together.
    pub fn total(&self) -> Duration {
        self.between + self.takes + self.transfer
    }

    /// `24h 00m between backups + 10m to take one + 5m transfer = 24h 15m`.
    pub fn sum(&self) -> String {
        let transfer = match self.transfer.is_zero() {
            true => String::new(),
            false => format!(" + {} transfer", words(self.transfer)),
        };
        format!(
            "{} between backups + {} to take one{transfer} = {}",
            words(self.between),
            words(self.takes),
            words(self.total())
        )
    }
}

/// The most that is lost, in time, when a schedule's backups are all that is left.
pub fn worst_loss(
    at: &Cron,
    takes: Duration,
    transfer: Duration,
    proves: bool,
) -> Result<Loss, InvalidSchedule> {
    Ok(Loss::new(longest_gap(at)?, takes, transfer, proves))
}
