//! Results on their way to the controller: sent from the spool, again in each session, until they are
//! acknowledged. A bounded number is under way; the rest wait in the spool.

use crate::desk::Desk;
use crate::spool::{Ended, Entry, State};
use model::{Outcome, Token};
use proto::v1::{self, agent_message::Message};
use std::collections::{HashSet, VecDeque};

/// Results that are sent and not acknowledged.
const MAX_UNDER_WAY: usize = 64;

/// What is still to be sent in this session.
#[derive(Debug, Default)]
pub(super) struct Results {
    waiting: VecDeque<Token>,
    under_way: HashSet<String>,
}

impl Results {
    /// Everything that the controller has not acknowledged.
    pub(super) fn from_spool(desk: &Desk) -> Results {
        let mut results = Results::default();
        let mut ended: Vec<_> = desk.read(|spool| {
            let open = spool.open_entries().into_iter();
            open.filter_map(|entry| match &entry.state {
                State::Ended(end) => Some((end.ended, entry.order.token.clone())),
                State::Spooled | State::Running { .. } | State::Revoked => None,
            })
            .collect()
        });
        ended.sort();
        results.waiting = ended.into_iter().map(|(_, token)| token).collect();
        results
    }

    /// One more.
    pub(super) fn push(&mut self, token: Token) {
        self.waiting.push_back(token);
    }

    /// The controller has journaled it.
    pub(super) fn acknowledged(&mut self, token: &Token) {
        self.under_way.remove(&token.key());
    }

    /// The next message, if one may be sent now.
    pub(super) fn next(&mut self, desk: &Desk) -> Option<Message> {
        while self.under_way.len() < MAX_UNDER_WAY {
            let token = self.waiting.pop_front()?;
            let message = desk.read(|spool| spool.entry(&token).and_then(message));
            if let Some(message) = message {
                self.under_way.insert(token.key());
                return Some(message);
            }
        }
        None
    }
}

/// The message for an entry that has ended or was revoked. Asked again for one that was delivered, it
/// is sent again: whoever asks has not journaled it.
fn message(entry: &Entry) -> Option<Message> {
    match &entry.state {
        State::Ended(end) if entry.schedule.is_some() => scheduled(entry, end),
        State::Ended(end) => Some(Message::Result(v1::Result {
            token: Some((&entry.order.token).into()),
            outcome: Some((&end.outcome).into()),
            started_us: end.started.0,
            ended_us: end.ended.0,
            took_us: end.took_us,
        })),
        State::Revoked => Some(Message::Result(v1::Result {
            token: Some((&entry.order.token).into()),
            outcome: Some((&Outcome::Cancelled).into()),
            started_us: entry.taken.0,
            ended_us: entry.taken.0,
            took_us: 0,
        })),
        State::Spooled | State::Running { .. } => None,
    }
}

fn scheduled(entry: &Entry, end: &Ended) -> Option<Message> {
    let work = &entry.order.work;
    Some(Message::ScheduledResult(v1::ScheduledResult {
        token: Some((&entry.order.token).into()),
        schedule: entry.order.token.target.name.to_string(),
        kind: work.kind().to_string(),
        version: work.version(),
        parameters: work.parameters().ok()?,
        outcome: Some((&end.outcome).into()),
        started_us: end.started.0,
        ended_us: end.ended.0,
    }))
}
