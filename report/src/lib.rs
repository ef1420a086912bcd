//! A plan or a run for people and machines: diagnostics, the live tree of a run, its report. Pure: time
//! and time zone are arguments, and nothing is coloured here.

pub mod diagnostic;
pub mod layout;
pub mod units;

pub use diagnostic::{diagnostic, diagnostics};
