//! What goes over the network, and what else can happen.

use engine::Report;
use model::{Epoch, HostName, RunId, Token, Work};

/// To an agent.
#[derive(Debug, Clone)]
pub enum ToAgent {
    /// The answer to its hello.
    Welcome(Epoch),
    /// Do this. `head` is the number of the run's last event.
    Order { token: Token, epoch: Epoch, work: Box<Work>, head: u64, timeout_us: i64 },
    /// It is no longer wanted.
    Revoke { token: Token, epoch: Epoch },
    /// Was it done?
    Probe { token: Token, epoch: Epoch },
    /// Its result is durable.
    Acknowledged { token: Token },
    /// The run is over.
    Closed { run: RunId },
}

/// To a controller.
#[derive(Debug, Clone)]
pub enum ToController {
    /// A session begins, with the highest epoch that was seen.
    Hello(Option<Epoch>),
    /// The agent lives.
    Beat,
    /// About an attempt.
    Report(Box<Report>),
    /// This host obeys somebody else.
    Disobeys(Epoch),
}

/// What can happen.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A message arrives at an agent, from a process.
    AtAgent { host: HostName, from: usize, message: ToAgent },
    /// A message arrives at a controller's process.
    AtController { to: usize, host: HostName, message: ToController },
    /// A driver looks again.
    Turn { process: usize, run: RunId },
    /// What a controller reports to itself.
    Own { process: usize, report: Box<Report> },
    /// A controller's own action ends.
    Acted { process: usize, token: Token },
    /// Work has its effect now, if it has one.
    Effect { host: HostName, life: u64, token: Token },
    /// Work ends.
    Ended { host: HostName, life: u64, token: Token },
    /// A heartbeat is due.
    Beat { host: HostName, life: u64 },
    /// An agent opens a session.
    Dial { host: HostName, life: u64 },
    /// An agent that died or had no power is there again.
    Back { host: HostName },
    /// A host's network is whole again.
    Joined { host: HostName },
    /// An agent that stood still goes on.
    AgentThaws { host: HostName },
    /// A controller that stood still goes on.
    Thaws { process: usize },
    /// A new controller takes over.
    TakeOver,
    /// The store has room again.
    Room,
    /// Something goes wrong.
    Fault,
    /// A person looks.
    Person,
    /// A run is started.
    Start,
}
