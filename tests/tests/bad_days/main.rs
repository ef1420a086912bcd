//! Bad input and bad days, end to end: the real controller, agents and command line, killed, frozen,
//! lied to and cut off. Each test asserts what the design promises: nothing lost, nothing done twice,
//! and a message that says what to do. Tests of a fault carry its number.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agents;
mod certificates;
mod clock;
mod controllers;
mod crowds;
mod data;
mod extensions;
mod failed_over;
mod failover;
mod floods;
mod input;
mod journals;
mod leases;
mod links;
mod names;
mod orders;
mod people;
mod rejoin;
mod rescue;
mod split_brain;
mod sweep;
mod telemetry;
mod triggers;
mod two_controllers;
mod world;
