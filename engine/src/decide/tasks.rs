//! The tasks of one step in one direction: which try begins, which waits, and what they amount to.

use super::Mind;
use super::fan_out::{Fleet, of_host};
use crate::approval::silence_counts;
use crate::event::Event;
use crate::lookup::{Place, class_of, undo_tasks};
use crate::state::{RunState, TaskState};
use crate::verdict::{Verdict, verdict};
use model::{Class, Direction, Micros, Problem, Token};
use plan::checked::{Action, Step, Task};
use std::time::Duration;

/// Longest pause between two tries.
pub const MAX_PAUSE: Duration = plan::checked::MAX_RETRY_PAUSE;

/// Automatic tries of an undo, where its class allows more than one: it is worth more patience than
/// what it takes back.
pub const UNDO_TRIES: u32 = 5;

/// What the tasks amount to.
pub(super) enum Progress {
    /// These tries begin, or are given their moment.
    Begin(Vec<Event>),
    /// Something is under way.
    Wait,
    /// Each has ended, and one of them failed for good.
    Failed(Problem),
    /// Each is done.
    Done,
}

/// Doing a step.
pub(super) fn forward(state: &RunState, index: usize, mind: &mut Mind<'_>) -> Progress {
    let step = &state.plan.steps[index];
    let tasks = &state.steps[index].tasks;
    let verdicts = judge(state, index, Direction::Do);
    progress(state, step, Direction::Do, tasks, verdicts, mind)
}

/// Taking a step back.
pub(super) fn backward(state: &RunState, index: usize, mind: &mut Mind<'_>) -> Progress {
    let step = &state.plan.steps[index];
    let tasks = &state.steps[index].undo.tasks;
    let verdicts = judge(state, index, Direction::Undo);
    progress(state, step, Direction::Undo, tasks, verdicts, mind)
}

/// The next try of a task, whatever its class: somebody has allowed what the last one refused.
pub(super) fn once_more(state: &RunState, index: usize, task: usize) -> Event {
    let now = &state.steps[index].tasks[task];
    Event::AttemptStarted { token: token(state, &state.plan.steps[index], Direction::Do, now, 1) }
}

/// A verdict for each task. The silence of a fence's host, where it counts, ends the waiting for it.
pub(super) fn judge(state: &RunState, index: usize, direction: Direction) -> Vec<Verdict> {
    let step = &state.plan.steps[index];
    let undo = undo_tasks(step);
    let judged = |(task, now): (usize, &TaskState)| {
        if direction == Direction::Undo && untouched(state, index, undo.get(task)) {
            return Verdict::Done;
        }
        let (class, tries): (Class, u32) = match direction {
            Direction::Do => (step.class, step.tries.max(1)),
            Direction::Undo => (
                undo.get(task).map_or(Class::Unsafe, |task| class_of(&task.action)),
                step.tries.max(UNDO_TRIES),
            ),
        };
        let found = verdict(now, class, tries);
        let silent = now.open().is_some_and(|attempt| attempt.state.silence().is_some());
        let place = Place { step: index, direction, task };
        if found == Verdict::Open && silent && silence_counts(state, place) { Verdict::Done } else { found }
    };
    state.tasks(index, direction).iter().enumerate().map(judged).collect()
}

/// The step has something to do on that host and never began it: there is nothing to take back.
fn untouched(state: &RunState, index: usize, undo: Option<&Task>) -> bool {
    let Some(Action::Agent { host, .. }) = undo.map(|task| &task.action) else { return false };
    let tasks = &state.steps[index].tasks;
    let mut here = of_host(&state.plan.steps[index], host).map(|task| &tasks[task]).peekable();
    here.peek().is_some()
        && here.all(|now| now.attempts.iter().all(|attempt| attempt.sent_sequence.is_none()))
}

/// Some task of the step has yet to end.
pub(super) fn pending(state: &RunState, index: usize) -> bool {
    judge(state, index, Direction::Do).iter().any(|verdict| match verdict {
        Verdict::Start | Verdict::Scheduled { .. } | Verdict::Open | Verdict::Retry | Verdict::Probe => true,
        Verdict::Done | Verdict::Failed(_) => false,
    })
}

/// Some task of the step is under way.
pub(super) fn open(state: &RunState, index: usize) -> bool {
    judge(state, index, Direction::Do).contains(&Verdict::Open)
}

fn progress(
    state: &RunState,
    step: &Step,
    direction: Direction,
    tasks: &[TaskState],
    verdicts: Vec<Verdict>,
    mind: &mut Mind<'_>,
) -> Progress {
    let mut begin = Vec::new();
    let mut wait = false;
    let mut failures: Vec<(String, Problem)> = Vec::new();
    // A preview asks every host, and undoing has no host to spare.
    let fleet = Fleet::of(step, &verdicts).filter(|_| direction == Direction::Do && !state.is_preview());
    let held = fleet.as_ref().map(Fleet::held).unwrap_or_default();
    for (at, (task, verdict)) in tasks.iter().zip(verdicts).enumerate() {
        match verdict {
            Verdict::Start if held.get(at) == Some(&true) => {}
            Verdict::Start => {
                begin.push(Event::AttemptStarted { token: token(state, step, direction, task, 1) });
            }
            Verdict::Scheduled { not_before } if not_before <= mind.now => {
                begin.push(Event::AttemptStarted { token: token(state, step, direction, task, 0) });
            }
            Verdict::Retry => {
                let not_before = mind.now.after(pause(step, task, mind));
                let token = token(state, step, direction, task, 1);
                begin.push(Event::AttemptScheduled { token, not_before });
            }
            Verdict::Scheduled { .. } | Verdict::Open | Verdict::Probe => wait = true,
            Verdict::Failed(problem) => failures.push((task.target.to_string(), problem)),
            Verdict::Done => {}
        }
    }
    if !begin.is_empty() {
        return Progress::Begin(begin);
    }
    if wait {
        return Progress::Wait;
    }
    let Some(problem) = gathered(failures) else { return Progress::Done };
    match fleet {
        Some(fleet) => fleet.failure(problem).map_or(Progress::Done, Progress::Failed),
        None => Progress::Failed(problem),
    }
}

/// The first failure, with the others among its causes.
fn gathered(failures: Vec<(String, Problem)>) -> Option<Problem> {
    let mut failures = failures.into_iter();
    let (_, mut first) = failures.next()?;
    first.causes.extend(failures.map(|(target, problem)| format!("{target}: {}", problem.message)));
    Some(first)
}

/// The name of the task's next try (`more` = 1) or of its scheduled one (`more` = 0).
fn token(state: &RunState, step: &Step, direction: Direction, task: &TaskState, more: usize) -> Token {
    Token {
        run: state.run,
        step: step.path.clone(),
        target: task.target.clone(),
        direction,
        attempt: u32::try_from(task.attempts.len() + more).unwrap_or(u32::MAX),
        mode: state.plan.mode,
    }
}

/// Doubled with each try, and spread by a quarter either way so that many runs do not try at once.
fn pause(step: &Step, task: &TaskState, mind: &mut Mind<'_>) -> Duration {
    let used = task.attempts.len().saturating_sub(task.counted_from).max(1);
    let doublings = u32::try_from(used - 1).unwrap_or(u32::MAX).min(20);
    let base = step.retry_pause.saturating_mul(1u32 << doublings).min(MAX_PAUSE);
    // The low bits of a UUID v7 are random.
    let random = u32::try_from((mind.ids)().as_u128() & 0xffff).unwrap_or(0);
    base.saturating_mul(3) / 4 + base.saturating_mul(random) / 131_072
}

/// When the earliest scheduled try of a step begins.
pub(super) fn next_try(tasks: &[TaskState]) -> Option<Micros> {
    tasks.iter().filter_map(|task| task.scheduled().map(|(_, not_before)| not_before)).min()
}
