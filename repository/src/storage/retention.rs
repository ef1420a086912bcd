//! How long the storage itself refuses to remove an object, whoever asks (S3 Object Lock).

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Who may end a retention before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RetentionMode {
    /// Whoever has the right `s3:BypassGovernanceRetention`.
    Governance,
    /// Nobody, the owner of the account included.
    Compliance,
}

/// The retention that every new object gets, locks aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Who may end it.
    pub mode: RetentionMode,
    /// From the moment of writing.
    pub days: u32,
}

impl Retention {
    /// As a length of time.
    #[must_use]
    pub fn length(&self) -> Duration {
        DAY * self.days
    }
}

/// What became of one object whose retention was to be extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protected {
    /// It is longer now.
    Extended,
    /// It was long enough already.
    Enough,
    /// The object has no version that is good.
    NothingGood,
}
