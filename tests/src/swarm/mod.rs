//! Many agents in one process: each with a certificate of its own and one session over the real protocol, and
//! nothing behind it. What they are ordered to do, they have done at once; what a restart of the controller
//! interrupts, they say again. They wait between two dials as the real agent does.
//!
//! Certificates are signed with the controller's CA, which lies in its data folder, and the hosts entered as
//! enrolled while it does not run: ten thousand enrolments by their proper way would take longer than what is to
//! be measured.

mod keys;
mod member;

pub use keys::{Member, enrol, make};

use crate::Failure;
use serde::{Deserialize, Serialize};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};
use tokio::task::JoinSet;

/// Agents that one process plays at most: each has an open connection.
pub const MAX_MEMBERS: usize = 9_000;

/// What all agents of a swarm did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Sessions that are open.
    pub connected: u64,
    /// Sessions that were opened since the start.
    pub sessions: u64,
    /// Dials and sessions that failed or ended.
    pub ended: u64,
    /// When the newest session was welcomed, in microseconds since the epoch; 0 for never.
    pub last_welcome: i64,
    /// Orders that came, repeats too.
    pub orders: u64,
    /// Results that were acknowledged.
    pub acknowledged: u64,
}

/// What the agents of a swarm share.
pub(crate) struct Shared {
    address: String,
    ca_pem: String,
    connected: AtomicU64,
    sessions: AtomicU64,
    ended: AtomicU64,
    last_welcome: AtomicI64,
    orders: AtomicU64,
    acknowledged: AtomicU64,
    /// Why a session ended last.
    trouble: Mutex<String>,
}

/// Agents that live until this is dropped.
pub struct Swarm {
    shared: Arc<Shared>,
    members: JoinSet<()>,
}

impl Swarm {
    /// Starts agents that dial a controller.
    ///
    /// # Errors
    /// [`Failure::Unexpected`] for more than [`MAX_MEMBERS`].
    pub fn start(address: SocketAddr, ca_pem: &str, members: Vec<Member>) -> Result<Swarm, Failure> {
        if members.len() > MAX_MEMBERS {
            return Err(Failure::Unexpected(format!("{} agents in one process", members.len())));
        }
        let shared = Arc::new(Shared {
            address: address.to_string(),
            ca_pem: ca_pem.to_owned(),
            connected: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            last_welcome: AtomicI64::new(0),
            orders: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            trouble: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for member in members {
            tasks.spawn(member::live(member, shared.clone()));
        }
        Ok(Swarm { shared, members: tasks })
    }

    /// How many agents it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What they did so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let shared = &self.shared;
        Counts {
            connected: read(&shared.connected),
            sessions: read(&shared.sessions),
            ended: read(&shared.ended),
            last_welcome: shared.last_welcome.load(Ordering::Relaxed),
            orders: read(&shared.orders),
            acknowledged: read(&shared.acknowledged),
        }
    }

    /// Why a session ended last; empty when none did.
    #[must_use]
    pub fn trouble(&self) -> String {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
