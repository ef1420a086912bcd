//! The agent: session, spool, policy, jobs, sources, services, schedules.

pub mod spool;
