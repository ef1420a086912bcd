//! Finding things in a run's state: steps by path, attempts by token, what is open.

use crate::attempt::{Attempt, AttemptState, Resolution};
use crate::state::{Phase, RunState, Stage, StepState, TaskState};
use model::{Class, Direction, Mode, StepPath, Token};
use plan::checked::{Action, OnFailure, Step, Task, Undo};

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of its step.
    pub step: usize,
    /// Doing or undoing.
    pub direction: Direction,
    /// Index of its task.
    pub task: usize,
}

/// The tasks by which a step is taken back.
pub fn undo_tasks(step: &Step) -> &[Task] {
    match &step.undo {
        Undo::Tasks { tasks } => tasks,
        Undo::Nothing | Undo::Impossible => &[],
    }
}

/// What kind of effect an action is, when it undoes. Undo actions of the controller are conditional
/// updates and may be repeated.
pub fn class_of(action: &Action) -> Class {
    match action {
        Action::Agent { work, .. } => work.class(),
        Action::Controller { .. } => Class::Idempotent,
        Action::Timer { .. } => Class::Read,
    }
}

impl RunState {
    /// Index of a step.
    pub fn index(&self, path: &StepPath) -> Option<usize> {
        self.places.by_path.get(path).copied()
    }

    /// A step by its path.
    pub fn step(&self, path: &StepPath) -> Option<&StepState> {
        self.steps.get(self.index(path)?).map(|step| &**step)
    }

    /// Declarations and states of all steps, in the order of the plan.
    pub fn both(&self) -> impl Iterator<Item = (&Step, &StepState)> {
        self.plan.steps.iter().zip(self.steps.iter().map(|step| &**step))
    }

    /// The same orders marked "would you?": nothing is asked of people, nothing is waited for.
    pub fn is_preview(&self) -> bool {
        self.plan.mode == Mode::Preview
    }

    /// Where the task of a token stands, whichever attempt it names.
    pub fn place(&self, token: &Token) -> Option<Place> {
        if token.run != self.run || token.mode != self.plan.mode {
            return None;
        }
        let step = self.index(&token.step)?;
        let tasks = self.tasks(step, token.direction);
        let task = self.places.task(tasks, (step, token.direction), &token.target)?;
        Some(Place { step, direction: token.direction, task })
    }

    /// The tasks of a step in one direction.
    pub fn tasks(&self, step: usize, direction: Direction) -> &[TaskState] {
        match (self.steps.get(step), direction) {
            (Some(state), Direction::Do) => &state.tasks,
            (Some(state), Direction::Undo) => &state.undo.tasks,
            (None, _) => &[],
        }
    }

    /// An attempt by its token.
    pub fn attempt(&self, token: &Token) -> Option<&Attempt> {
        let place = self.place(token)?;
        let task = self.tasks(place.step, place.direction).get(place.task)?;
        let index = usize::try_from(token.attempt).ok()?.checked_sub(1)?;
        task.attempts.get(index)
    }

    /// What a task does.
    pub fn action(&self, place: Place) -> Option<&Action> {
        let step = self.plan.steps.get(place.step)?;
        let tasks = match place.direction {
            Direction::Do => &step.tasks[..],
            Direction::Undo => undo_tasks(step),
        };
        tasks.get(place.task).map(|task| &task.action)
    }

    /// The class that governs a task.
    pub fn class(&self, place: Place) -> Class {
        match place.direction {
            Direction::Do => self.plan.steps.get(place.step).map_or(Class::Unsafe, |step| step.class),
            Direction::Undo => self.action(place).map_or(Class::Unsafe, class_of),
        }
    }

    /// What a failure of a step leads to. A preview asks nobody and undoes nothing; the `finally` part changes nothing.
    pub fn on_failure(&self, step: &Step) -> OnFailure {
        if self.is_preview() || step.finally { OnFailure::Continue } else { step.on_failure }
    }

    /// It is the step's turn: those of `finally` come when the end is decided, and no other one then.
    pub fn is_in_turn(&self, step: &Step) -> bool {
        step.finally == matches!(self.phase, Phase::Closing { .. })
    }

    /// Every step is done: those of `finally`, or all others.
    pub fn is_all_done(&self, finally: bool) -> bool {
        let steps = self.plan.steps.iter().enumerate().filter(|(_, step)| step.finally == finally);
        steps.map(|(index, _)| index).all(|index| self.is_done(index))
    }

    /// The plan has a `finally` part that is still to run.
    pub fn has_closing(&self) -> bool {
        let begun = matches!(self.phase, Phase::Closing { .. } | Phase::Ending { decided: Some(_), .. });
        !begun && self.plan.steps.iter().any(|step| step.finally)
    }

    /// Every step before it is done.
    pub fn may_follow(&self, step: usize) -> bool {
        self.places.before.get(step).is_some_and(|before| before.iter().all(|step| self.is_done(*step)))
    }

    /// The step counts as done for those after it.
    pub fn is_done(&self, step: usize) -> bool {
        let (Some(declared), Some(state)) = (self.plan.steps.get(step), self.steps.get(step)) else {
            return false;
        };
        match state.stage {
            Stage::Succeeded { .. } | Stage::Skipped { .. } => true,
            Stage::Failed { .. } => self.on_failure(declared) == OnFailure::Continue,
            Stage::Pending | Stage::Active { .. } | Stage::Cancelled { .. } => false,
        }
    }

    /// It has failed and the run waits for a person's decision about it.
    pub fn is_asking(&self, step: usize) -> bool {
        let (Some(declared), Some(state)) = (self.plan.steps.get(step), self.steps.get(step)) else {
            return false;
        };
        matches!(state.stage, Stage::Failed { .. }) && self.on_failure(declared) == OnFailure::Ask
    }

    /// Forward work of a step is being revoked: nothing forward of it is sent any more.
    pub fn is_revoking(&self, step: usize) -> bool {
        match self.phase {
            Phase::Closing { .. } => self.plan.steps.get(step).is_some_and(|step| !step.finally),
            Phase::Cancelling { .. }
            | Phase::Unwinding { .. }
            | Phase::Stuck { .. }
            | Phase::Ending { .. }
            | Phase::Finished { .. } => true,
            Phase::Pending | Phase::Forward { .. } | Phase::Paused { .. } | Phase::Stopping { .. } => false,
        }
    }

    /// Every attempt whose effect is not settled, with its place.
    pub fn open_attempts(&self) -> impl Iterator<Item = (Place, &Attempt)> {
        self.steps.iter().enumerate().flat_map(|(step, state)| {
            let forward = state.tasks.iter().enumerate().map(move |task| (Direction::Do, task));
            let undo = state.undo.tasks.iter().enumerate().map(move |task| (Direction::Undo, task));
            forward.chain(undo).filter_map(move |(direction, (task, state))| {
                state.open().map(|attempt| (Place { step, direction, task }, attempt))
            })
        })
    }

    /// Tokens whose effect is not settled.
    pub fn unsettled(&self) -> Vec<&Token> {
        self.open_attempts().map(|(_, attempt)| &attempt.token).collect()
    }

    /// An open attempt of a fence whose host is silent, in a step that has ended: its risk was taken or
    /// declined. It is not waited for.
    pub fn is_left_silent(&self, place: Place, attempt: &Attempt) -> bool {
        let ended = self.steps.get(place.step).is_some_and(|step| match step.stage {
            Stage::Succeeded { .. }
            | Stage::Failed { .. }
            | Stage::Skipped { .. }
            | Stage::Cancelled { .. } => true,
            Stage::Pending | Stage::Active { .. } => false,
        });
        place.direction == Direction::Do && ended && attempt.state.is_open()
    }

    /// Unknown attempts of a step that only a person can settle now, or may settle instead of waiting.
    pub fn answerable(&self, step: usize) -> Vec<&Attempt> {
        self.open_attempts()
            .filter(|(place, attempt)| place.step == step && is_answerable(&attempt.state))
            .map(|(_, attempt)| attempt)
            .collect()
    }
}

/// A person may settle it.
pub fn is_answerable(state: &AttemptState) -> bool {
    match state {
        AttemptState::Sent { silence, .. } | AttemptState::Accepted { silence, .. } => silence.is_some(),
        AttemptState::Unknown { resolution, .. } => match resolution {
            Resolution::Revoking { .. } | Resolution::Probing { .. } | Resolution::Asking { .. } => true,
            Resolution::Moot => false,
        },
        AttemptState::Scheduled { .. }
        | AttemptState::Succeeded { .. }
        | AttemptState::Failed { .. }
        | AttemptState::Cancelled { .. } => false,
    }
}
