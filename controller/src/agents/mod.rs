//! The agents: who is connected, what they last said, and one session for each.

pub mod fleet;
pub mod handle;
pub mod hello;
pub mod instances;
pub mod intake;
pub mod session;

pub use fleet::Fleet;
pub use handle::SessionHandle;
