//! What crosses a wire or a disk in Lifeboat: ids, tokens, work, outcomes, evidence and the checked
//! nouns of an estate.
//!
//! Everything here is plain data with serde. No I/O, no clock, no randomness: whoever needs the time
//! or a fresh id passes it in. Journal, spool and wire all store these types, so a field is only ever
//! added with a default and never changes its meaning.

pub mod assignment;
pub mod control;
pub mod duration;
pub mod epoch;
pub mod evidence;
pub mod id;
pub mod jobs;
pub mod lease;
pub mod mode;
pub mod nouns;
pub mod order;
pub mod outcome;
pub mod problem;
pub mod rescue;
pub mod schedule;
pub mod secret;
pub mod target;
pub mod time;
pub mod token;
pub mod work;

pub use assignment::{Assignment, Leased, Monitored, Scheduled};
pub use control::ControlAction;
pub use epoch::{Epoch, Refusal};
pub use evidence::Evidence;
pub use id::{ApprovalId, Digest, HostName, Name, RunId, SnapshotId, StepPath, UserName};
pub use mode::{Class, Direction, Mode};
pub use order::{Ack, Head, Order, Progress};
pub use outcome::Outcome;
pub use problem::{Problem, RetryAdvice};
pub use rescue::{Call, CopiedRow};
pub use secret::SecretRef;
pub use target::Target;
pub use time::Micros;
pub use token::Token;
pub use work::Work;
