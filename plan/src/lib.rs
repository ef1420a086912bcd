//! Estate and plan text to checked values, or every diagnostic at once with its place. Pure: no I/O,
//! no clock.
//!
//! ```text
//! files ──text──► trees with places ──estate──► nouns ──┐
//!                        └──document──► plan heads ──────┴─lower (steps, graph, rules)──► CheckedPlan
//! ```
//!
//! [`check`] reads everything and tells all that is wrong. A [`CheckedEstate`] then compiles plans for
//! runs ([`CheckedEstate::compile`], [`CheckedEstate::single`]) and says what each agent lives by
//! ([`CheckedEstate::assignment`]). Check and run lower a plan the same way, so what was proven is what
//! runs. Adding a step kind is one file under `steps/` and one line in its list; a noun likewise under
//! `estate/`; a rule is a code in [`codes`] and a function beside the kind that it is about.

mod allow;
mod assignment;
mod check;
pub mod checked;
mod checked_estate;
pub mod codes;
mod context;
pub mod diagnostic;
mod document;
mod domains;
mod estate;
mod estate_rules;
mod expand;
mod fan_out;
mod finally;
mod graph;
mod index;
mod inputs;
mod lower;
pub mod objectives;
mod order;
mod outputs;
mod parts;
pub mod point;
mod rules;
mod set;
mod shape;
mod shown;
mod steps;
mod text;
mod to_come;
mod trigger;
pub mod version;

pub use check::{Checked, Phase, check, check_watched, explainable};
pub use checked::CheckedPlan;
pub use checked_estate::{
    CheckedEstate, PARAMETERS, PlanHead, RoleHead, ScheduleHead, SourceHead, StackHead,
};
pub use diagnostic::{Diagnostic, Severity};
pub use inputs::InputType;
pub use shape::schema::{estate as estate_schema, plan as plan_schema};
pub use shown::{BackupLoss, ContactHead, Nouns, Shown, ShownInput, ShownStep};
pub use steps::reference as step_kinds;
pub use trigger::TriggerHead;

use serde::{Deserialize, Serialize};

/// One file of an estate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its path, as it should be shown.
    pub path: String,
    /// Its text.
    pub text: String,
}
