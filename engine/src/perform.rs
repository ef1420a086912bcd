//! Effects that should be under way.
//!
//! Level-triggered: each `decide` lists every effect that its state calls for, so a driver that lost its
//! memory, a new leader or a reconnected agent get the same list. The driver remembers only what it has
//! dispatched in this process and agent session, by [`Perform::key`].

use crate::event::Notice;
use model::{ApprovalId, ControlAction, HostName, Name, RunId, Token, Work};
use std::time::Duration;

/// An effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Perform {
    /// Send an order, or send it again: the agent answers a repeat from its spool.
    Send {
        /// Its name.
        token: Token,
        /// To whom.
        host: HostName,
        /// What to do.
        work: Work,
        /// From its start at the agent until its result is unknown.
        timeout: Duration,
    },
    /// Do it here. After a crash it is done again under the same token: it must be idempotent by token.
    Control {
        /// Its name.
        token: Token,
        /// What to do.
        action: ControlAction,
        /// Until its result is unknown.
        timeout: Duration,
    },
    /// The effect is no longer wanted: have the token revoked durably.
    Revoke {
        /// The token.
        token: Token,
        /// Whose agent; the controller's own action when absent.
        host: Option<HostName>,
    },
    /// Ask the job's probe of an agent whether the effect is there.
    Probe {
        /// The token.
        token: Token,
        /// Whose agent.
        host: HostName,
        /// The work whose effect is looked for.
        work: Work,
    },
    /// Look whether an action of the controller had its effect.
    ProbeControl {
        /// The token.
        token: Token,
        /// The action.
        action: ControlAction,
    },
    /// Report the host's silence once it has lasted that long without an answer to this token.
    WatchSilence {
        /// The token.
        token: Token,
        /// The host.
        host: HostName,
        /// How long.
        after: Duration,
    },
    /// Tell people over every channel that a question stands open, or that somebody answered it alone.
    Tell {
        /// The question.
        approval: ApprovalId,
        /// What they are told.
        notice: Notice,
        /// In one line.
        title: String,
        /// In plain words, with the command to type.
        text: String,
        /// Who may answer.
        role: Name,
    },
    /// Report once the host's lease of that source has run out for good.
    WatchLease {
        /// The token: a fence.
        token: Token,
        /// The host.
        host: HostName,
        /// The source.
        source: Name,
    },
    /// The run is over: agents may drop its tokens.
    CloseRun {
        /// The run.
        run: RunId,
        /// Hosts that may hold tokens of it.
        hosts: Vec<HostName>,
    },
}

/// Names one effect among those of a run: the kind, and the token or the question where there is one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub &'static str, pub Option<Token>, pub Option<ApprovalId>);

impl Perform {
    /// What a driver remembers, so that it dispatches each effect once a session.
    pub fn key(&self) -> Key {
        match self {
            Perform::Send { token, .. } => Key("send", Some(token.clone()), None),
            Perform::Control { token, .. } => Key("control", Some(token.clone()), None),
            Perform::Revoke { token, .. } => Key("revoke", Some(token.clone()), None),
            Perform::Probe { token, .. } => Key("probe", Some(token.clone()), None),
            Perform::ProbeControl { token, .. } => Key("probe-control", Some(token.clone()), None),
            Perform::WatchSilence { token, .. } => Key("watch-silence", Some(token.clone()), None),
            Perform::Tell { approval, notice: Notice::Asked, .. } => Key("tell-asked", None, Some(*approval)),
            Perform::Tell { approval, notice: Notice::BrokeGlass, .. } => {
                Key("tell-broke-glass", None, Some(*approval))
            }
            Perform::WatchLease { token, .. } => Key("watch-lease", Some(token.clone()), None),
            Perform::CloseRun { .. } => Key("close-run", None, None),
        }
    }

    /// The host whose session carries it; `None` for what the controller does itself.
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Perform::Send { host, .. }
            | Perform::Probe { host, .. }
            | Perform::WatchSilence { host, .. }
            | Perform::WatchLease { host, .. } => Some(host),
            Perform::Revoke { host, .. } => host.as_ref(),
            Perform::Control { .. }
            | Perform::ProbeControl { .. }
            | Perform::Tell { .. }
            | Perform::CloseRun { .. } => None,
        }
    }
}
