//! The real binary, its real store and TLS, and an agent that speaks the protocol and does nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod agent;
mod failover;
mod faults;
mod house;
mod people;
mod preview;
mod rogue;
mod runs;
