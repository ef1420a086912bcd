//! The controller: it keeps the plans, drives runs step by step from a durable journal, talks with the
//! agents, moves DNS, and tells people. The binary is one page of main over this library.
//!
//! `store` keeps everything; `runs` has one driver for each open run; `agents` one session for each
//! agent; `actions` is what the controller itself does for a step; `auth` decides who may; `rpc` is what
//! others call; `app` puts it together.

pub mod actions;
pub mod agents;
pub mod app;
pub mod auth;
pub mod channels;
pub mod dns;
pub mod estate;
pub mod leading;
pub mod leases;
pub mod loops;
pub mod rescue;
pub mod rpc;
pub mod runs;
pub mod settings;
pub mod standing;
pub mod store;
