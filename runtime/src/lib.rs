//! What every process of Lifeboat does alike: read its settings, start and stop named tasks, stop on
//! a signal, speak TLS as somebody, tell what it does.
//!
//! Nothing here knows of plans, runs, jobs or stores. A `main` reads: settings, telemetry, build,
//! spawn, wait, drain, exit code.

pub mod backoff;

pub mod clock;
pub mod crash;
pub mod explained;
pub mod fs;
pub mod lifecycle;
pub mod offline;
pub mod secret;
pub mod settings;
pub mod tasks;
pub mod telemetry;
pub mod tls;

pub use backoff::Backoff;
pub use clock::{Clock, Ids};
pub use explained::Explained;
pub use lifecycle::{Exit, Shutdown, StopReason};
pub use secret::SecretBytes;
pub use tasks::{OnError, OnStop, Policy, Tasks};
