//! The first event of a run.

use super::IllegalEvent;
use crate::event::{Event, Recorded};
use crate::lookup::undo_tasks;
use crate::state::{Approval, Phase, Places, RunState, Stage, StepState, TaskState, UndoStage, Undoing};
use plan::checked::{CheckedPlan, FORMAT, Step, Task};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Most steps that a plan may have.
pub const MAX_STEPS: usize = 10_000;

pub(super) fn begin(recorded: &Recorded) -> Result<RunState, IllegalEvent> {
    let Event::RunRequested { plan, digest, by, request } = &recorded.event else {
        return Err(IllegalEvent::NoBeginning { kind: recorded.event.kind() });
    };
    runnable(plan).map_err(|why| IllegalEvent::BadPlan { why })?;
    match plan.digest() {
        Ok(found) if found == *digest => {}
        Ok(found) => {
            return Err(IllegalEvent::BadPlan {
                why: format!("its digest is {found}, {digest} was recorded"),
            });
        }
        Err(error) => return Err(IllegalEvent::BadPlan { why: error.to_string() }),
    }
    Ok(RunState {
        run: recorded.run,
        plan: Arc::new((**plan).clone()),
        digest: digest.clone(),
        requested_by: by.clone(),
        requested_at: recorded.at,
        request: *request,
        observed: None,
        started_at: None,
        sequence: recorded.sequence,
        last_at: recorded.at,
        epoch: recorded.epoch,
        phase: Phase::Pending,
        steps: plan.steps.iter().map(fresh).map(Arc::new).collect(),
        places: Arc::new(Places::of(plan)),
    })
}

fn fresh(step: &Step) -> StepState {
    let tasks = |tasks: &[Task]| tasks.iter().map(|task| TaskState::new(task.target.clone())).collect();
    StepState {
        stage: Stage::Pending,
        gate: Approval::NotAsked,
        risk: Approval::NotAsked,
        waiver: Approval::NotAsked,
        waiving: None,
        loss: Approval::NotAsked,
        tasks: tasks(&step.tasks),
        undo: Undoing { stage: UndoStage::NotBegun, tasks: tasks(undo_tasks(step)) },
    }
}

/// What the engine relies on: steps in an order that respects `after`, paths and targets that name one
/// thing each. `plan check` proves more; this guards a journal that something else wrote.
pub(crate) fn runnable(plan: &CheckedPlan) -> Result<(), String> {
    if plan.format > FORMAT {
        return Err(format!("its format {} is newer than {FORMAT}, which this program knows", plan.format));
    }
    if plan.steps.len() > MAX_STEPS {
        return Err(format!("it has {} steps, more than {MAX_STEPS}", plan.steps.len()));
    }
    let mut seen = BTreeSet::new();
    for step in &plan.steps {
        if let Some(missing) = step.after.iter().find(|before| !seen.contains(*before)) {
            return Err(format!("step {} comes after {missing}, which does not stand before it", step.path));
        }
        if !seen.insert(&step.path) {
            return Err(format!("two steps are called {}", step.path));
        }
        for tasks in [&step.tasks[..], undo_tasks(step)] {
            let mut targets = BTreeSet::new();
            if let Some(twice) = tasks.iter().find(|task| !targets.insert(&task.target)) {
                return Err(format!("step {} acts twice on {}", step.path, twice.target));
            }
        }
    }
    Ok(())
}
