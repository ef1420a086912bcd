//! What a run does next. Pure: no I/O, no clock, no randomness.
//!
//! A run is the fold of its journal. [`apply()`] is the one transition function; [`decide()`] looks at a
//! state and says what must be recorded next and which effects should be under way. The driver around
//! it commits what is to be recorded *before* it performs anything, and remembers nothing that it could
//! not lose: start, crash replay, takeover, reconnect and wake-up are the same path.
//!
//! Deliberately not here: plans' text, the estate, sessions, storage, wall clocks.

pub mod advance;
pub mod apply;
pub mod approval;
pub mod attempt;
pub mod chain;
pub mod command;
pub mod decide;
pub mod event;
pub mod journal;
pub mod lookup;
pub mod loss;
pub mod people;
pub mod perform;
pub mod problems;
pub mod receive;
pub mod simulator;
pub mod start;
pub mod state;
pub mod status;
pub mod trigger;
pub mod verdict;
pub mod view;

pub use advance::{Advance, advance};
pub use apply::{IllegalEvent, apply, replay};
pub use command::{Command, Refused, expect_sequence, request};
pub use decide::{Decision, decide};
pub use event::{About, Actor, Ending, Event, ProbeAnswer, Recorded, Revocation};
pub use journal::{Batch, Entry, Journal, JournalError};
pub use people::{Person, Roles, Way};
pub use perform::Perform;
pub use receive::{Report, receive};
pub use start::{StartError, start};
pub use state::RunState;
pub use status::{Need, RunStatus, Summary};
pub use view::{Silent, View, view, view_with};
