//! The agent: it lives by its assignment, obeys its host's policy, and does what orders ask of it.
//!
//! It knows work and its assignment, never plans. Order in which data flows: `session` hears an order,
//! `desk` judges it and has the `spool` keep it, a worker does one of the `jobs` over `sources` and
//! `services`, the spool keeps the end, the session sends it. `policy` is asked first, the epoch last.

pub mod app;
pub mod assignment;
pub mod desk;
pub mod identity;
pub mod jobs;
pub mod lease;
pub mod policy;
pub mod rescue;
pub mod schedules;
pub mod services;
pub mod session;
pub mod settings;
pub mod sources;
pub mod spool;
pub mod watchers;
