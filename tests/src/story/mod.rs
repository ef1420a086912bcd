//! The story that the demo plays and that an end-to-end test plays too: a region fails over for real.

pub mod estate;
