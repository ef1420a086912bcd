//! Job kinds: what one step may ask of one agent. One file a kind, listed here; `work.rs` has the enum.
//!
//! Each kind has a parameter type and an output type. The wire carries kind, version and the
//! parameters' JSON; an agent refuses a kind or version that it does not know.

pub mod backup;
pub mod check;
pub mod command;
pub mod fence;
pub mod promote;
pub mod prove;
pub mod rejoin;
pub mod restore;
pub mod retain;
pub mod service;
pub mod swap;
pub mod unfence;

pub use backup::{Backup, BackupOutput};
pub use check::{Check, CheckOutput};
pub use command::{Command, CommandOutput};
pub use fence::{Fence, FenceOutput};
pub use promote::{Known, Promote, PromoteOutput};
pub use prove::{Prove, ProveOutput};
pub use rejoin::{Peer, Rejoin, RejoinOutput, Way};
pub use restore::{Restore, RestoreOutput, RowComparison};
pub use retain::{Retain, RetainOutput};
pub use service::{Service, ServiceAction, ServiceOutput, ServiceState};
pub use swap::{Swap, SwapOutput};
pub use unfence::{Unfence, UnfenceOutput};
