//! The controller: it keeps the plans, drives runs step by step from a durable journal, talks with the
//! agents, moves DNS, and tells people. The binary is one page of main over this library.

pub mod auth;
pub mod channels;
pub mod dns;
pub mod rpc;
pub mod settings;
pub mod standing;
pub mod store;
