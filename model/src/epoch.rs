//! The authority of whoever commands.
//!
//! An epoch only grows. It is compared when an order arrives and again just before the effect; a lower
//! one, or an equal one of another holder, is refused. So of two controllers that both believe to lead,
//! each agent obeys at most one, and the one that it obeyed last wins only if its epoch is higher.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An epoch and who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Epoch {
    /// Grows with each leadership.
    pub number: u64,
    /// The controller's process that holds it: made anew at each start.
    pub holder: Uuid,
}

/// Why an epoch is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A lower epoch than one that was seen.
    #[error("epoch {offered} is older than {seen}, which this host has already obeyed")]
    Older {
        /// What the sender holds.
        offered: u64,
        /// What was seen before.
        seen: u64,
    },
    /// Two holders of one number.
    #[error("epoch {number} is held by another controller")]
    OtherHolder {
        /// The number that both claim.
        number: u64,
    },
}

impl Epoch {
    /// Judges `offered` against the highest epoch `seen`: may its holder command?
    pub fn admit(seen: Option<Epoch>, offered: Epoch) -> Result<(), Refusal> {
        match seen {
            Some(seen) if offered.number < seen.number => {
                Err(Refusal::Older { offered: offered.number, seen: seen.number })
            }
            Some(seen) if offered.number == seen.number && offered.holder != seen.holder => {
                Err(Refusal::OtherHolder { number: offered.number })
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_epoch_or_an_equal_one_of_another_holder_is_refused() {
        let epoch = |number, holder| Epoch { number, holder: Uuid::from_u128(holder) };
        assert!(Epoch::admit(None, epoch(1, 1)).is_ok());
        assert!(Epoch::admit(Some(epoch(1, 1)), epoch(1, 1)).is_ok());
        assert!(Epoch::admit(Some(epoch(1, 1)), epoch(2, 2)).is_ok());
        assert_eq!(Epoch::admit(Some(epoch(2, 2)), epoch(1, 1)), Err(Refusal::Older { offered: 1, seen: 2 }));
        assert_eq!(Epoch::admit(Some(epoch(2, 2)), epoch(2, 1)), Err(Refusal::OtherHolder { number: 2 }));
    }
}
