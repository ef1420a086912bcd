//! Steps with their times, and what went wrong.

use crate::outcome::{outcome, place};
use engine::view::{AttemptView, StepView, View};
use model::{Direction, Micros, Problem, StepPath};
use serde::Serialize;

/// Most problems that are reported; a run of many retries would bury the first one.
const MAX_PROBLEMS: usize = 50;

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepLine {
    /// Its path.
    pub step: StepPath,
    /// Its kind.
    pub kind: String,
    /// What it does.
    pub summary: String,
    /// How it is.
    pub state: String,
    /// When it began.
    pub started_at: Option<Micros>,
    /// When it ended.
    pub ended_at: Option<Micros>,
    /// How long it took, waiting for people included, in milliseconds.
    pub took_ms: Option<u64>,
    /// Tries of its most tried target.
    pub tries: u32,
    /// What came of it.
    pub outcome: String,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProblemLine {
    /// The step; absent for a problem of the run itself.
    pub step: Option<StepPath>,
    /// Where, and at which try.
    pub place: String,
    /// It was overcome: a later try succeeded.
    pub overcome: bool,
    /// What.
    pub problem: Problem,
}

/// The line of a step.
pub fn line(step: &StepView) -> StepLine {
    let tries = step.attempts.iter().filter(|attempt| attempt.direction == Direction::Do);
    StepLine {
        step: step.path.clone(),
        kind: step.kind.clone(),
        summary: step.summary.clone(),
        state: step.state.clone(),
        started_at: step.started_at,
        ended_at: step.ended_at,
        took_ms: step.took_ms,
        tries: tries.map(|attempt| attempt.number).max().unwrap_or(0),
        outcome: outcome(step),
    }
}

/// Every problem once, by step, then by try.
pub fn problems(view: &View) -> Vec<ProblemLine> {
    let mut found: Vec<ProblemLine> = Vec::new();
    for step in &view.steps {
        for attempt in &step.attempts {
            let Some(problem) = &attempt.problem else { continue };
            if step.attempts.iter().any(|later| says_the_same_later(attempt, later)) {
                continue;
            }
            let overcome = step.attempts.iter().any(|later| {
                let same = later.target == attempt.target && later.direction == attempt.direction;
                same && later.number >= attempt.number && later.state == "succeeded"
            });
            add(&mut found, Some(&step.path), words(attempt), overcome, problem);
        }
        if let Some(problem) = &step.problem {
            add(&mut found, Some(&step.path), String::new(), false, problem);
        }
    }
    if let Some(problem) = &view.problem {
        add(&mut found, None, String::new(), false, problem);
    }
    found.truncate(MAX_PROBLEMS);
    found
}

fn says_the_same_later(attempt: &AttemptView, later: &AttemptView) -> bool {
    let problem =
        |attempt: &AttemptView| attempt.problem.as_ref().map(|one| (one.code.clone(), one.message.clone()));
    let same = later.target == attempt.target && later.direction == attempt.direction;
    same && later.number > attempt.number && problem(later) == problem(attempt)
}

/// A step's and a run's problem repeat the attempt's: each is told once, where it happened.
fn add(
    found: &mut Vec<ProblemLine>,
    step: Option<&StepPath>,
    place: String,
    overcome: bool,
    problem: &Problem,
) {
    let told = found.iter().any(|known| {
        let same_place = place.is_empty() || known.place == place;
        let same_step = step.is_none() || known.step.as_ref() == step;
        let same = known.problem.code == problem.code && problem.message.ends_with(&known.problem.message);
        same_place && same_step && same && !known.overcome
    });
    if !told {
        found.push(ProblemLine { step: step.cloned(), place, overcome, problem: problem.clone() });
    }
}

fn words(attempt: &AttemptView) -> String {
    let undo = if attempt.direction == Direction::Undo { "undoing, " } else { "" };
    match attempt.number {
        1 => format!("{undo}{}", place(attempt)),
        number => format!("{undo}{}, try {number}", place(attempt)),
    }
}
