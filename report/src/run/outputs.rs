//! What the jobs of a run gave, decoded with the jobs' own types.
//!
//! Only the newest forward try of each target counts, and only when it succeeded. An output that does
//! not decode (a person settled the attempt, or a newer program wrote it) is left out: the step's own
//! line still says what is known.

use crate::outcome::newest;
use engine::view::{AttemptView, StepView, View};
use model::Direction;
use model::control::{CutoverOutput, NotifyOutput};
use model::jobs::{BackupOutput, FenceOutput, PromoteOutput, ProveOutput, RestoreOutput, SwapOutput};
use serde::de::DeserializeOwned;

/// One decoded output and where it came from.
pub struct Given<'a, T> {
    pub step: &'a StepView,
    pub attempt: &'a AttemptView,
    pub output: T,
}

/// Everything that is reported beyond the table of steps.
pub struct Outputs<'a> {
    pub fences: Vec<Given<'a, FenceOutput>>,
    pub promotions: Vec<Given<'a, PromoteOutput>>,
    pub cutovers: Vec<Given<'a, CutoverOutput>>,
    pub notices: Vec<Given<'a, NotifyOutput>>,
    pub backups: Vec<Given<'a, BackupOutput>>,
    pub restores: Vec<Given<'a, RestoreOutput>>,
    pub proofs: Vec<Given<'a, ProveOutput>>,
    pub swaps: Vec<Given<'a, SwapOutput>>,
}

/// Decodes the outputs of a run.
pub fn of(view: &View) -> Outputs<'_> {
    Outputs {
        fences: given(view, "fence"),
        promotions: given(view, "promote"),
        cutovers: given(view, "cutover"),
        notices: given(view, "notify"),
        backups: given(view, "backup"),
        restores: given(view, "restore"),
        proofs: given(view, "prove"),
        swaps: given(view, "swap"),
    }
}

fn given<'a, T: DeserializeOwned>(view: &'a View, kind: &str) -> Vec<Given<'a, T>> {
    let steps = view.steps.iter().filter(|step| step.kind == kind);
    steps
        .flat_map(|step| newest(step, Direction::Do).into_iter().map(move |attempt| (step, attempt)))
        .filter(|(_, attempt)| attempt.state == "succeeded")
        .filter_map(|(step, attempt)| {
            let output = serde_json::from_value(attempt.output.clone()?).ok()?;
            Some(Given { step, attempt, output })
        })
        .collect()
}
