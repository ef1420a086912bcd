//! One try of one step on one target, and what may happen to it.
//!
//! The order that matters: an attempt is `Sent` when its event is durable, whether or not the order has
//! left; so everything after that moment may have had an effect. The end of its time makes it `Unknown`,
//! never failed. An unknown effect is settled in three moves: the agent durably revokes the token
//! (so it cannot happen later), then its probe looks (so it is known whether it happened), and only when
//! the probe cannot tell a person is asked. A result that arrives before the attempt is settled is the
//! truth and is taken; one that arrives later is recorded and refused.

mod next;

use crate::event::{Actor, ProbeAnswer, Revocation};
use model::{HostName, Micros, Outcome, Problem, Token};
use serde_json::Value;

/// An attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its name.
    pub token: Token,
    /// Number of the journal event that allowed it to be sent; absent while it is scheduled.
    pub sent_sequence: Option<u64>,
    /// How it is.
    pub state: AttemptState,
    /// A result that came after it was settled.
    pub late: Option<Outcome>,
}

/// How an attempt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptState {
    /// It waits for its moment; nothing can have happened.
    Scheduled {
        /// Not before.
        not_before: Micros,
    },
    /// It may have been sent.
    Sent {
        /// Since when.
        at: Micros,
        /// Its host does not answer.
        silence: Option<Silence>,
    },
    /// The agent has it.
    Accepted {
        /// Since when it may have been sent.
        sent_at: Micros,
        /// Since when the agent has it.
        at: Micros,
        /// Its host does not answer any more.
        silence: Option<Silence>,
    },
    /// Done.
    Succeeded {
        /// When it may have been sent.
        sent_at: Micros,
        /// When that became known.
        at: Micros,
        /// The job's output.
        output: Value,
        /// Who says so.
        by: Actor,
        /// Microseconds that it took, by who did it.
        took_us: Option<u64>,
    },
    /// Not done.
    Failed {
        /// When it may have been sent.
        sent_at: Micros,
        /// When that became known.
        at: Micros,
        /// How sure it is.
        failure: Failure,
        /// Why.
        problem: Problem,
    },
    /// Nobody knows yet.
    Unknown {
        /// When it may have been sent.
        sent_at: Micros,
        /// Since when it is unknown.
        since: Micros,
        /// How it came to that.
        cause: Cause,
        /// What is known.
        problem: Problem,
        /// How it is being settled.
        resolution: Resolution,
    },
    /// Called off, and certainly without effect.
    Cancelled {
        /// When it may have been sent; absent when it never was.
        sent_at: Option<Micros>,
        /// When that became known.
        at: Micros,
    },
}

/// How sure a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The agent tried, and says that it is not done.
    Reported,
    /// The agent did not even try.
    Refused,
    /// Proven: a probe, a token revoked before it began, or a person's answer.
    NotDone,
    /// The agent says not done, and its probe could not confirm that.
    Doubtful,
}

/// How an attempt became unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its time passed.
    TimedOut,
    /// The agent itself cannot tell.
    Reported,
    /// It was stopped in the middle, because it was called off.
    Stopped,
}

/// How an unknown attempt is being settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The agent must revoke the token first.
    Revoking {
        /// The agent has said that the job has ended, and that it cannot tell how.
        ended: bool,
        /// Its host does not answer: bounded by nothing but a person's answer.
        silence: Option<Silence>,
    },
    /// It can no longer happen; its probe is asked.
    Probing {
        /// Its host does not answer.
        silence: Option<Silence>,
    },
    /// Only a person can tell.
    Asking {
        /// What the probe saw.
        seen: Problem,
    },
    /// It does not matter: it changes nothing.
    Moot,
}

/// A host that does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// The host.
    pub host: HostName,
    /// Since when it has been silent.
    pub since: Micros,
    /// How long it had been silent when that was recorded, in milliseconds.
    pub silent_ms: u64,
    /// Its lease has run out, and it gets no other: silent or not, its server accepts no writes.
    pub lease_expired: bool,
}

/// What happens to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// It may be sent.
    Started,
    /// The agent has it.
    Accepted,
    /// It ended.
    Ended(&'a Outcome, &'a Actor, Option<u64>),
    /// Its time passed.
    TimedOut(&'a Problem),
    /// Its host is silent.
    Silent(Silence),
    /// Its token was revoked.
    Revoked(Revocation),
    /// Its probe answered.
    Probed(&'a ProbeAnswer),
    /// A person settled it.
    Answered(bool, &'a Actor, &'a str),
}

impl AttemptState {
    /// The word for it in journal and CLI.
    pub fn as_str(&self) -> &'static str {
        match self {
            AttemptState::Scheduled { .. } => "scheduled",
            AttemptState::Sent { .. } => "sent",
            AttemptState::Accepted { .. } => "accepted",
            AttemptState::Succeeded { .. } => "succeeded",
            AttemptState::Failed { .. } => "failed",
            AttemptState::Unknown { .. } => "unknown",
            AttemptState::Cancelled { .. } => "cancelled",
        }
    }

    /// It may still have, or turn out to have had, an effect.
    pub fn is_open(&self) -> bool {
        match self {
            AttemptState::Sent { .. } | AttemptState::Accepted { .. } => true,
            AttemptState::Unknown { resolution, .. } => *resolution != Resolution::Moot,
            AttemptState::Scheduled { .. }
            | AttemptState::Succeeded { .. }
            | AttemptState::Failed { .. }
            | AttemptState::Cancelled { .. } => false,
        }
    }

    /// It may have changed something: neither proven undone nor harmless.
    pub fn may_have_effect(&self) -> bool {
        match self {
            AttemptState::Sent { .. } | AttemptState::Accepted { .. } | AttemptState::Succeeded { .. } => {
                true
            }
            AttemptState::Unknown { resolution, .. } => *resolution != Resolution::Moot,
            AttemptState::Failed { failure, .. } => match failure {
                Failure::Reported | Failure::Doubtful => true,
                Failure::Refused | Failure::NotDone => false,
            },
            AttemptState::Scheduled { .. } | AttemptState::Cancelled { .. } => false,
        }
    }

    /// The silence of its host, while it is open.
    pub fn silence(&self) -> Option<&Silence> {
        match self {
            AttemptState::Sent { silence, .. } | AttemptState::Accepted { silence, .. } => silence.as_ref(),
            AttemptState::Unknown { resolution, .. } => match resolution {
                Resolution::Revoking { silence, .. } | Resolution::Probing { silence } => silence.as_ref(),
                Resolution::Asking { .. } | Resolution::Moot => None,
            },
            AttemptState::Scheduled { .. }
            | AttemptState::Succeeded { .. }
            | AttemptState::Failed { .. }
            | AttemptState::Cancelled { .. } => None,
        }
    }

    /// When it may first have been sent.
    pub fn sent_at(&self) -> Option<Micros> {
        match self {
            AttemptState::Scheduled { .. } => None,
            AttemptState::Sent { at, .. } => Some(*at),
            AttemptState::Accepted { sent_at, .. }
            | AttemptState::Succeeded { sent_at, .. }
            | AttemptState::Failed { sent_at, .. }
            | AttemptState::Unknown { sent_at, .. } => Some(*sent_at),
            AttemptState::Cancelled { sent_at, .. } => *sent_at,
        }
    }
}
