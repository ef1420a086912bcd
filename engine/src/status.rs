//! How a run is, in one word and with what is true in it.
//!
//! The word in the store's column is this function's answer, written in the transaction that moved the
//! state. Whether a run *waits* follows from its steps, so it cannot drift from them.

use crate::attempt::{Attempt, AttemptState, Resolution, Silence};
use crate::event::Ending;
use crate::lookup::Place;
use crate::state::{Because, Phase, Question, RunState, Stage};
use model::{Direction, Micros, Mode, Name, Problem, StepPath, Token, UserName};

/// How a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunStatus {
    /// Requested, and nobody has taken it up.
    Pending {
        /// Since when.
        since: Micros,
    },
    /// Something is under way, and nobody is needed.
    Running {
        /// What it is about.
        doing: Doing,
    },
    /// Somebody is needed: an approval, an answer, a decision, a host.
    Waiting {
        /// What for; never empty.
        needs: Vec<Need>,
    },
    /// Nothing new begins.
    Paused {
        /// Since when.
        since: Micros,
        /// By whom.
        by: UserName,
        /// Why.
        reason: String,
    },
    /// What was done is being undone.
    Unwinding {
        /// Since when.
        since: Micros,
        /// Why.
        because: Because,
    },
    /// Everything was done.
    Succeeded {
        /// When.
        at: Micros,
        /// Steps that failed and were passed over.
        incomplete: Vec<StepPath>,
    },
    /// It was not.
    Failed {
        /// When.
        at: Micros,
        /// Why.
        problem: Problem,
    },
    /// It was called off.
    Cancelled {
        /// When.
        at: Micros,
        /// By whom.
        by: UserName,
        /// Why.
        reason: String,
    },
    /// Undoing cannot go on: a person must act.
    Stuck {
        /// Since when.
        since: Micros,
        /// At which step.
        step: StepPath,
        /// Why.
        problem: Problem,
    },
}

/// What a running run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// Its steps.
    Steps,
    /// Letting finish what runs, after a failure that stops it.
    Stopping,
    /// Revoking what runs, because it was called off.
    Cancelling,
    /// Closing, because a person wants that.
    Ending,
    /// The plan's `finally` part.
    Closing,
}

/// What a run needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// A person's yes or no.
    Approval {
        /// The step.
        step: StepPath,
        /// The question.
        question: Box<Question>,
    },
    /// The question expired: a retry asks it again.
    Asking {
        /// The step.
        step: StepPath,
        /// When it expired.
        expired_at: Micros,
    },
    /// A step failed: retry, skip, unwind or end.
    Decision {
        /// The step.
        step: StepPath,
        /// Why.
        problem: Problem,
    },
    /// Nobody but a person can tell whether it was done.
    Answer {
        /// The attempt.
        token: Box<Token>,
        /// What was seen.
        problem: Problem,
    },
    /// A host does not answer; a person's answer can replace it.
    Host {
        /// The attempt.
        token: Box<Token>,
        /// Its silence.
        silence: Silence,
    },
}

/// The cached columns of a run's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The word.
    pub status: &'static str,
    /// What it waits for, or why it failed; may be empty.
    pub detail: String,
    /// Name of the plan.
    pub plan: Name,
    /// Its title.
    pub title: String,
    /// The mode.
    pub mode: Mode,
    /// Who wanted it.
    pub requested_by: UserName,
    /// When.
    pub requested_at: Micros,
    /// When it was over.
    pub ended_at: Option<Micros>,
    /// Number of its last event.
    pub sequence: u64,
}

impl RunStatus {
    /// The word used in store, wire and CLI.
    pub fn as_str(&self) -> &'static str {
        match self {
            RunStatus::Pending { .. } => "pending",
            RunStatus::Running { .. } => "running",
            RunStatus::Waiting { .. } => "waiting",
            RunStatus::Paused { .. } => "paused",
            RunStatus::Unwinding { .. } => "unwinding",
            RunStatus::Succeeded { .. } => "succeeded",
            RunStatus::Failed { .. } => "failed",
            RunStatus::Cancelled { .. } => "cancelled",
            RunStatus::Stuck { .. } => "stuck",
        }
    }
}

impl RunState {
    /// How the run is.
    pub fn status(&self) -> RunStatus {
        let running = |doing| {
            let needs = self.needs();
            if needs.is_empty() { RunStatus::Running { doing } } else { RunStatus::Waiting { needs } }
        };
        match &self.phase {
            Phase::Pending => RunStatus::Pending { since: self.requested_at },
            Phase::Forward { .. } => running(Doing::Steps),
            Phase::Stopping { .. } => running(Doing::Stopping),
            Phase::Cancelling { .. } => running(Doing::Cancelling),
            Phase::Ending { .. } => RunStatus::Running { doing: Doing::Ending },
            Phase::Closing { .. } => running(Doing::Closing),
            Phase::Paused { since, by, reason } => {
                RunStatus::Paused { since: *since, by: by.clone(), reason: reason.clone() }
            }
            Phase::Unwinding { since, because } => {
                let needs = self.needs();
                if needs.is_empty() {
                    RunStatus::Unwinding { since: *since, because: because.clone() }
                } else {
                    RunStatus::Waiting { needs }
                }
            }
            Phase::Stuck { since, step, problem, .. } => {
                RunStatus::Stuck { since: *since, step: step.clone(), problem: problem.clone() }
            }
            Phase::Finished { at, ending } => match ending {
                Ending::Succeeded { incomplete } => {
                    RunStatus::Succeeded { at: *at, incomplete: incomplete.clone() }
                }
                Ending::Failed { problem } => RunStatus::Failed { at: *at, problem: problem.clone() },
                Ending::Cancelled { by, reason } => {
                    RunStatus::Cancelled { at: *at, by: by.clone(), reason: reason.clone() }
                }
            },
        }
    }

    /// The status in one word.
    pub fn word(&self) -> &'static str {
        self.status().as_str()
    }

    /// Everything that a person or a host must do before the run can go on.
    pub fn needs(&self) -> Vec<Need> {
        let closing = matches!(self.phase, Phase::Closing { .. });
        // What is left open of the steps is not waited for any more.
        let waited_for = |place: &Place| !closing || self.plan.steps[place.step].finally;
        let open = self.open_attempts().filter(|(place, _)| waited_for(place));
        let mut needs: Vec<Need> = open.filter_map(|(place, attempt)| self.need_of(place, attempt)).collect();
        let forward = closing || matches!(self.phase, Phase::Forward { .. } | Phase::Paused { .. });
        for (index, (step, now)) in self.both().enumerate().filter(|(_, (step, _))| !closing || step.finally)
        {
            for approval in now.approvals() {
                use crate::state::Approval;
                match approval {
                    Approval::Asked(question) => needs.push(Need::Approval {
                        step: step.path.clone(),
                        question: Box::new(question.clone()),
                    }),
                    Approval::Expired { at, .. } if forward && matches!(now.stage, Stage::Active { .. }) => {
                        needs.push(Need::Asking { step: step.path.clone(), expired_at: *at });
                    }
                    Approval::Expired { .. }
                    | Approval::NotAsked
                    | Approval::Approved { .. }
                    | Approval::Declined { .. } => {}
                }
            }
            if let (true, true, Stage::Failed { problem, .. }) = (forward, self.is_asking(index), &now.stage)
            {
                needs.push(Need::Decision { step: step.path.clone(), problem: problem.clone() });
            }
        }
        needs
    }

    fn need_of(&self, place: Place, attempt: &Attempt) -> Option<Need> {
        let token = Box::new(attempt.token.clone());
        let revoking = self.is_revoking(place.step) && place.direction == Direction::Do;
        match &attempt.state {
            AttemptState::Unknown { resolution: Resolution::Asking { seen }, .. } => {
                Some(Need::Answer { token, problem: seen.clone() })
            }
            AttemptState::Unknown { .. } => {
                let silence = attempt.state.silence()?.clone();
                Some(Need::Host { token, silence })
            }
            AttemptState::Sent { silence, .. } | AttemptState::Accepted { silence, .. } if revoking => {
                let silence = silence.clone()?;
                Some(Need::Host { token, silence })
            }
            AttemptState::Sent { .. }
            | AttemptState::Accepted { .. }
            | AttemptState::Scheduled { .. }
            | AttemptState::Succeeded { .. }
            | AttemptState::Failed { .. }
            | AttemptState::Cancelled { .. } => None,
        }
    }

    /// When the run was over.
    pub fn ended_at(&self) -> Option<Micros> {
        match &self.phase {
            Phase::Finished { at, .. } => Some(*at),
            Phase::Pending
            | Phase::Forward { .. }
            | Phase::Paused { .. }
            | Phase::Stopping { .. }
            | Phase::Cancelling { .. }
            | Phase::Unwinding { .. }
            | Phase::Stuck { .. }
            | Phase::Ending { .. }
            | Phase::Closing { .. } => None,
        }
    }

    /// The cached columns of the run's row.
    pub fn summary(&self) -> Summary {
        let status = self.status();
        Summary {
            status: status.as_str(),
            detail: crate::view::detail(&status),
            plan: self.plan.name.clone(),
            title: self.plan.title.clone(),
            mode: self.plan.mode,
            requested_by: self.requested_by.clone(),
            requested_at: self.requested_at,
            ended_at: self.ended_at(),
            sequence: self.sequence,
        }
    }
}
