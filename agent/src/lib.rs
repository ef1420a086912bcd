//! The agent: it lives by its assignment, obeys its host's policy, and does what orders ask of it.
//!
//! `spool` makes a token happen at most once, `jobs` is one file for each kind of work, `sources` what data
//! can be protected, `services` what can start and stop things, `policy` what may be asked of this host.

pub mod jobs;
pub mod policy;
pub mod services;
pub mod sources;
pub mod spool;
