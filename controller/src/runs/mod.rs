//! Runs: one driver task for each that is open, and the ways in: start, report, command, watch.

mod act;
mod control;
mod driver;
pub mod error;
mod late;
pub mod live;
mod preempt;
pub mod registry;
mod start;
mod tell;
mod witness;

pub use error::RunError;
pub use live::Live;
pub use preempt::call_off;
pub use registry::Runs;
pub(crate) use start::resources;
