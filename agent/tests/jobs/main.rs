//! Jobs on real parts: real processes, a real PostgreSQL 15, a real repository, a real Docker engine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod buckets;
mod checks;
mod commands;
mod containers;
mod files;
mod postgres;
mod promote;
mod services;
mod support;
mod watchdog;
