//! What was moved: records, backups, copies, proofs; and who was told.

use super::outputs::{Given, Outputs};
use crate::outcome::place;
use model::control::{CutoverOutput, NotifyOutput};
use model::jobs::{BackupOutput, ProveOutput, RestoreOutput, SwapOutput};
use model::{Name, StepPath};
use serde::Serialize;

macro_rules! line {
    ($(#[$doc:meta])* $line:ident, $output:ty, $lines:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        pub struct $line {
            /// The step.
            pub step: StepPath,
            /// The source, record or channel.
            pub name: Name,
            /// The host, or the target where no agent was involved.
            pub place: String,
            /// It was taken back later.
            pub undone: bool,
            /// What the job gave.
            #[serde(flatten)]
            pub output: $output,
        }

        impl From<&Given<'_, $output>> for $line {
            fn from(given: &Given<'_, $output>) -> Self {
                Self {
                    step: given.step.path.clone(),
                    name: given.attempt.token.target.name.clone(),
                    place: place(given.attempt),
                    undone: given.step.state == "undone",
                    output: given.output.clone(),
                }
            }
        }

        /// Every one of the run.
        pub fn $lines(outputs: &Outputs<'_>) -> Vec<$line> {
            outputs.$lines.iter().map($line::from).collect()
        }
    };
}

line!(
    /// A record that was pointed elsewhere.
    CutoverLine, CutoverOutput, cutovers
);
line!(
    /// A backup.
    BackupLine, BackupOutput, backups
);
line!(
    /// A copy from a backup.
    RestoreLine, RestoreOutput, restores
);
line!(
    /// A proof that a backup can be restored.
    ProofLine, ProveOutput, proofs
);
line!(
    /// A copy that was put in place.
    SwapLine, SwapOutput, swaps
);
line!(
    /// Somebody was told.
    NoticeLine, NotifyOutput, notices
);
