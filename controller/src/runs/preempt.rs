//! A live recovery does not wait for a backup.
//!
//! A run that only reads or backs up (backup, prove, check, notify) and holds what a live recovery
//! needs is called off in the name of whoever starts the recovery: its tokens are revoked, and its
//! journal says why. When its agent is lost, nobody confirms the revocation; then it is closed as it
//! is, and a result that still comes is recorded as late. Nothing else is ever set aside by itself.

use super::{RunError, Runs};
use engine::{Command, Person, Roles};
use model::{ControlAction, Mode, RunId, UserName, Work};
use plan::CheckedPlan;
use plan::checked::Action;
use std::time::{Duration, Instant};

/// How long the other run may take to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long its agent may take to confirm before it is closed as it is.
const GRACE: Duration = Duration::from_millis(500);
/// How often it is looked at.
const STEP: Duration = Duration::from_millis(25);

fn actions(plan: &CheckedPlan) -> impl Iterator<Item = &Action> {
    let steps = plan.steps.iter().filter(|step| step.skipped.is_none());
    steps.flat_map(|step| step.tasks.iter().map(|task| &task.action))
}

/// It makes a standby the primary, or fences one.
pub(super) fn is_recovery(plan: &CheckedPlan) -> bool {
    let recovers =
        |action: &Action| matches!(action, Action::Agent { work: Work::Fence(_) | Work::Promote(_), .. });
    plan.mode == Mode::Live && actions(plan).any(recovers)
}

/// It changes nothing that a recovery needs.
fn is_minor(plan: &CheckedPlan) -> bool {
    actions(plan).all(|action| match action {
        Action::Agent { work, .. } => {
            matches!(work, Work::Backup(_) | Work::Prove(_) | Work::Retain(_) | Work::Check(_))
        }
        Action::Controller { control } => matches!(control, ControlAction::Notify { .. }),
        Action::Timer { .. } => true,
    })
}

/// Calls a minor run off. Gives whether it is over.
pub(super) async fn set_aside(runs: &Runs, run: RunId, by: &UserName, plan: &CheckedPlan) -> bool {
    match runs.state(run).await {
        Ok(state) if is_minor(&state.plan) => {}
        Ok(_) | Err(_) => return false,
    }
    let reason = format!("a live recovery needs what it holds: {}", plan.name);
    tracing::warn!(%run, %by, plan = %plan.name, "a run is called off for a live recovery");
    call_off(runs, run, by, reason).await
}

/// Calls a run off: cancels it, and closes it as it is when its agents do not answer. Gives whether it is over.
pub async fn call_off(runs: &Runs, run: RunId, by: &UserName, reason: String) -> bool {
    // Whoever may start the recovery may set aside what stands in its way.
    let person = Person { name: by.clone(), admin: true, roles: Roles::default() };
    let cancel = Command::Cancel { reason: reason.clone() };
    if let Err(error) = runs.command(run, cancel, person.clone(), 0).await {
        tracing::info!(%run, %error, "it could not be called off");
    }
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match runs.state(run).await {
            Ok(state) if !state.is_open() => return true,
            Ok(state) => runs.tell_silent(&state).await,
            Err(RunError::NotDriven { .. }) => {}
            Err(_) => return false,
        }
        if began.elapsed() > GRACE {
            // Refused as long as its agent answers: then the end comes by itself.
            let end = Command::End { reason: reason.clone() };
            let _ = runs.command(run, end, person.clone(), 0).await;
        }
        tokio::time::sleep(STEP).await;
    }
    false
}
