//! When controllers and their database are all gone: bundles, copies, and the rescue itself.
//!
//! While all is well the leader does two things for that day. It writes *bundles* ([`export`]): the estate, the
//! CA with its key sealed to the operators' offline key, who is enrolled, the epoch. And it sends each row of a
//! live run's journal to the agents of that run ([`copies`]), before whatever order follows from it; what
//! cannot be taken back waits until enough agents outside the lost regions have those rows on their disks.
//!
//! A *rescue* ([`begin`]) makes a data folder from a bundle and starts a controller over it, with an epoch far
//! above the bundle's that the offline key signs. Its agents bring the journals back ([`collect`]). It drives
//! nothing until each agent that the bundle knows has come, or was named as lost: an agent obeys one rescue of a
//! number, so of two rescues at most one has all of them. The old controller, should it return, is refused by
//! its agents, and goes on from the rescue's store ([`import`]).

pub mod begin;
pub mod bundle;
pub mod collect;
pub mod copies;
pub mod export;
pub mod import;
mod seal;
#[cfg(test)]
mod tests;

pub use collect::Rescue;
pub use copies::Copies;
pub use export::Bundles;

use model::Problem;

/// Why a rescue does not begin, or an import is not made: for people, with its code.
pub type Refused = Problem;

/// Epochs that a rescue leaves out above the bundle's: as often as the old controllers may have started since.
pub const JUMP: u64 = 10_000;
/// As what a call is signed.
pub const CALL: &str = "rescue call";
/// The signed call in the data folder of a rescue.
pub const CALL_FILE: &str = "lifeboat-rescue-call";
