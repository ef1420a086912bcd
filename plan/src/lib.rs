//! Estate and plan text to checked values, or every diagnostic at once with its place. Pure: no I/O,
//! no clock.

pub mod checked;

pub use checked::CheckedPlan;
