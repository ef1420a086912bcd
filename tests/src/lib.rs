//! Real parts for end-to-end tests and for the demo: PostgreSQL servers, a BIND server, an app, a
//! client under load, receivers for webhooks and traces, and the lifeboat programs themselves.
//!
//! Nothing here stands in for the thing under test. Every part cleans up after itself: processes
//! die with their handle, and also when this process is killed; scratch folders go away unless the
//! test failed; each wait has a bound.

pub mod app;
pub mod bench;
pub mod bind;
pub mod client;
pub mod failure;
pub mod link;
pub mod otlp;
pub mod polling;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod resolve;
pub mod scratch;
pub mod small_disk;
pub mod story;
pub mod swarm;
pub mod webhook;

pub use failure::Failure;
