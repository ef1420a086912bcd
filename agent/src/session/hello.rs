//! The first message: who this agent is and what it still holds.

use super::Deps;
use crate::spool::{Entry, State};
use model::Work;
use proto::v1;

/// Tokens that one hello names at most; the rest follow as results.
const MAX_HELD: usize = 10_000;

pub(super) fn hello(deps: &Deps) -> v1::Hello {
    let (held, epoch, heads, copies) = deps.desk.read(|spool| {
        let held = spool.open_entries().into_iter().take(MAX_HELD).map(held).collect();
        let heads = spool.open_heads().iter().take(MAX_HELD).map(v1::Head::from).collect();
        let copies = spool.memory().copies.heads().iter().map(v1::Head::from).collect();
        (held, spool.memory().epoch.map(v1::Epoch::from), heads, copies)
    });
    v1::Hello {
        version: env!("CARGO_PKG_VERSION").to_string(),
        boot_id: deps.clock.boot_id(),
        instance: deps.instance.as_bytes().to_vec(),
        capabilities: Work::KINDS
            .iter()
            .map(|(kind, version)| v1::JobKind { kind: (*kind).to_string(), version: *version })
            .collect(),
        held,
        highest_epoch: epoch,
        heads,
        assignment_version: deps.keeper.version(),
        now_us: deps.clock.now().0,
        copies,
    }
}

fn held(entry: &Entry) -> v1::HeldToken {
    let state = match &entry.state {
        State::Spooled => v1::HeldState::Spooled,
        State::Running { .. } => v1::HeldState::Running,
        State::Ended(_) => v1::HeldState::Ended,
        State::Revoked => v1::HeldState::Revoked,
    };
    v1::HeldToken { token: Some((&entry.order.token).into()), state: state.into() }
}

pub(super) fn heartbeat(deps: &Deps) -> v1::Heartbeat {
    let monitors = deps
        .board
        .checks()
        .into_iter()
        .map(|(check, outcome, at)| v1::MonitorResult {
            check: check.to_string(),
            outcome: Some((&outcome).into()),
            at_us: at.0,
        })
        .collect();
    v1::Heartbeat {
        now_us: deps.clock.now().0,
        json: serde_json::to_vec(&deps.board.members()).unwrap_or_default(),
        monitors,
        highest_epoch: deps.desk.read(|spool| spool.memory().epoch).map(v1::Epoch::from),
    }
}
