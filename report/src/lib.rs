//! A plan or a run for people and machines: diagnostics, the live tree of a run, its report. Pure: time
//! and time zone are arguments, and nothing is coloured here; a line carries its [`Mood`] instead.
//!
//! ```text
//! plan::check ─► Diagnostic ─► diagnostic(s) ─► text; sarif ─► JSON; github ─► workflow commands
//! plan::explain ─► explain(_) ─► Explained ─► JSON | document
//! plan::show ─► runbook(_) ─► Page ─► Markdown | HTML
//! engine::view ─► View ─┬─► tree ─► lines, drawn over and over while the run goes on
//!                       └─► run_report ─► Report ─► JSON | document ─► text | Markdown
//! ```

pub mod diagnostic;
pub mod document;
pub mod explain;
mod github;
pub mod layout;
mod outcome;
pub mod run;
pub mod runbook;
mod sarif;
pub mod state;
pub mod tree;
pub mod units;

pub use diagnostic::{Said, diagnostic, diagnostics};
pub use engine::view::{ApprovalView, AttemptView, DecisionView, StepView, View};
pub use github::github;
pub use run::{Report, run_report};
pub use sarif::sarif;
pub use state::Mood;
pub use tree::{Line, tree};
