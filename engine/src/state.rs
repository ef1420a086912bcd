//! The state of a run: the fold of its journal, and nothing else.

use crate::attempt::{Attempt, AttemptState};
use crate::event::{About, Actor, Ending, Notice};
use crate::lookup::undo_tasks;
use model::HostName;
use model::nouns::MemberFacts;
use model::{
    ApprovalId, Digest, Direction, Evidence, Micros, Name, Problem, RunId, StepPath, Target, Token, UserName,
};
use plan::checked::{CheckedPlan, Task};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    /// Its id.
    pub run: RunId,
    /// What it runs, pinned.
    pub plan: Arc<CheckedPlan>,
    /// Digest of the plan.
    pub digest: Digest,
    /// Who wanted it.
    pub requested_by: UserName,
    /// When.
    pub requested_at: Micros,
    /// Id of the request.
    pub request: Option<Uuid>,
    /// What was known when it was requested.
    pub observed: Option<Observed>,
    /// When a driver took it up.
    pub started_at: Option<Micros>,
    /// Number of the last event.
    pub sequence: u64,
    /// Time of the last event.
    pub last_at: Micros,
    /// Epoch of the last event.
    pub epoch: u64,
    /// What it is doing.
    pub phase: Phase,
    /// Its steps, in the order of the plan. Shared, so that a copy of a large run costs little: one event
    /// changes one step.
    pub steps: Vec<Arc<StepState>>,
    /// Where the steps of the plan stand.
    pub(crate) places: Arc<Places>,
}

/// Where the steps of a plan stand, looked up once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Places {
    /// The number of each step.
    pub(crate) by_path: BTreeMap<StepPath, usize>,
    /// Numbers of the steps before each.
    pub(crate) before: Vec<Vec<usize>>,
    /// Of each step, the numbers of its tasks and of those that take it back, in the order of their targets.
    by_target: Vec<[Vec<usize>; 2]>,
}

impl Places {
    pub(crate) fn of(plan: &CheckedPlan) -> Self {
        let numbered = plan.steps.iter().enumerate();
        let by_path: BTreeMap<StepPath, usize> =
            numbered.map(|(number, step)| (step.path.clone(), number)).collect();
        let numbers =
            |paths: &[StepPath]| paths.iter().filter_map(|path| by_path.get(path).copied()).collect();
        let before = plan.steps.iter().map(|step| numbers(&step.after)).collect();
        let by_target =
            plan.steps.iter().map(|step| [in_order(&step.tasks), in_order(undo_tasks(step))]).collect();
        Self { before, by_path, by_target }
    }

    /// The number of the task of a target, among those that do a step or take it back.
    pub(crate) fn task(&self, tasks: &[TaskState], at: (usize, Direction), target: &Target) -> Option<usize> {
        let sides = self.by_target.get(at.0)?;
        let order = &sides[usize::from(at.1 == Direction::Undo)];
        let found =
            order.binary_search_by(|task| tasks.get(*task).map(|task| &task.target).cmp(&Some(target)));
        order.get(found.ok()?).copied()
    }
}

fn in_order(tasks: &[Task]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tasks.len()).collect();
    order.sort_by(|one, other| tasks[*one].target.cmp(&tasks[*other].target));
    order
}

/// What the controller knew when a run was requested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// When that was recorded.
    pub at: Micros,
    /// What members of sources had last said about themselves.
    pub members: Vec<MemberFacts>,
    /// When each host was last heard.
    pub heard: BTreeMap<HostName, Micros>,
}

/// What a run is doing. Whether it *waits* follows from its steps: see [`crate::status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has taken it up.
    Pending,
    /// Steps begin when what is before them is done.
    Forward {
        /// Since when, without a pause.
        since: Micros,
    },
    /// Nothing new begins; what runs is let finish.
    Paused {
        /// Since when.
        since: Micros,
        /// By whom.
        by: UserName,
        /// Why.
        reason: String,
    },
    /// A step failed whose plan says stop; what runs is let finish.
    Stopping {
        /// Since when.
        since: Micros,
        /// The step.
        step: StepPath,
        /// Why it failed.
        problem: Problem,
    },
    /// It was called off; what runs is being revoked.
    Cancelling {
        /// Since when.
        since: Micros,
        /// By whom.
        by: UserName,
        /// Why.
        reason: String,
    },
    /// What was done is being undone, newest first.
    Unwinding {
        /// Since when.
        since: Micros,
        /// Why.
        because: Because,
    },
    /// Undoing cannot go on.
    Stuck {
        /// Since when.
        since: Micros,
        /// Why it was unwinding.
        because: Because,
        /// At which step.
        step: StepPath,
        /// Why it cannot go on.
        problem: Problem,
    },
    /// A person wants it closed as it is.
    Ending {
        /// Since when.
        since: Micros,
        /// By whom.
        by: UserName,
        /// Why.
        reason: String,
        /// It had been called off before.
        cancelled: bool,
        /// How it ends was decided before: only the `finally` part is given up.
        decided: Option<Ending>,
    },
    /// How it ends is decided; the plan's `finally` part runs.
    Closing {
        /// Since when.
        since: Micros,
        /// How it will have ended.
        ending: Ending,
    },
    /// It is over.
    Finished {
        /// Since when.
        at: Micros,
        /// How.
        ending: Ending,
    },
}

/// Why a run unwinds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// A step failed whose plan says so.
    Failure {
        /// The step.
        step: StepPath,
        /// Why it failed.
        problem: Problem,
    },
    /// A person asked for it.
    Request {
        /// Who.
        by: UserName,
        /// Why.
        reason: String,
    },
}

/// One step of a run. Its declaration stands at the same index of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepState {
    /// How it is.
    pub stage: Stage,
    /// May it begin? (the plan's gate)
    pub gate: Approval,
    /// Is the risk taken? (a fence with no more than `unreachable`)
    pub risk: Approval,
    /// May the run go on with less evidence than the plan demands?
    pub waiver: Approval,
    /// Who wanted that to be asked, while it is not settled.
    pub waiving: Option<Waiving>,
    /// May that much be lost? (a promotion of a standby that lacks something)
    pub loss: Approval,
    /// Doing it: one entry a task of the plan, same index.
    pub tasks: Vec<TaskState>,
    /// Taking it back.
    pub undo: Undoing,
}

/// Somebody wants to go on with less evidence than a fence demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiving {
    /// Who.
    pub by: UserName,
    /// Why.
    pub reason: String,
}

impl StepState {
    /// The questions that it may have.
    pub fn approvals(&self) -> [&Approval; 4] {
        [&self.gate, &self.risk, &self.waiver, &self.loss]
    }

    pub(crate) fn approvals_mut(&mut self) -> [&mut Approval; 4] {
        [&mut self.gate, &mut self.risk, &mut self.waiver, &mut self.loss]
    }
}

/// How a step is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Not begun.
    Pending,
    /// Begun.
    Active {
        /// Since when.
        since: Micros,
    },
    /// Done.
    Succeeded {
        /// Begun.
        since: Micros,
        /// Done.
        at: Micros,
        /// Number of the event that says so: the order of completion.
        sequence: u64,
        /// What a fence obtained.
        evidence: Option<Evidence>,
    },
    /// Failed for good, until a person wants it tried again.
    Failed {
        /// Begun.
        since: Micros,
        /// Failed.
        at: Micros,
        /// Number of the event that says so.
        sequence: u64,
        /// Why.
        problem: Problem,
    },
    /// Begun, and not finished because the run was called off, stopped or unwound.
    Cancelled {
        /// Begun.
        since: Micros,
        /// Ended.
        at: Micros,
        /// Number of the event that says so.
        sequence: u64,
    },
    /// Counts as done.
    Skipped {
        /// When.
        at: Micros,
        /// By the plan's `when`, or by whom.
        by: Actor,
        /// Why.
        reason: String,
        /// Number of the event that says so.
        sequence: u64,
    },
}

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// Nobody was asked (again).
    NotAsked,
    /// Somebody is asked.
    Asked(Question),
    /// Yes.
    Approved {
        /// What was asked, and who said yes.
        question: Question,
        /// By whom: the last of them.
        by: UserName,
        /// When.
        at: Micros,
    },
    /// No.
    Declined {
        /// What was asked.
        question: Question,
        /// By whom.
        by: UserName,
        /// Why.
        reason: String,
        /// When.
        at: Micros,
    },
    /// Nobody answered in time. A retry asks again.
    Expired {
        /// What was asked.
        question: Question,
        /// When it expired.
        at: Micros,
    },
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its id.
    pub id: ApprovalId,
    /// What it is about.
    pub about: About,
    /// What is shown, in plain words.
    pub text: String,
    /// Who may answer.
    pub role: Option<Name>,
    /// Digest of everything that is shown.
    pub digest: Digest,
    /// When it was asked.
    pub asked_at: Micros,
    /// Until when an answer counts.
    pub expires_at: Micros,
    /// How many people must say yes.
    pub needed: u32,
    /// Who has, in this order.
    pub voices: Vec<Voice>,
    /// What people were told of it over channels.
    pub told: Vec<Told>,
    /// It is about going on with evidence below `unreachable`, which nobody may allow alone.
    pub below_unreachable: bool,
}

/// One person's yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// Who.
    pub by: UserName,
    /// When.
    pub at: Micros,
    /// Why; may be empty.
    pub reason: String,
    /// Alone, because nobody else was there.
    pub break_glass: bool,
}

/// What people were told of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub notice: Notice,
    /// When that was known.
    pub at: Micros,
    /// Channels that took the message.
    pub channels: Vec<Name>,
    /// Those that did not, and why.
    pub failed: Vec<String>,
}

/// One effect of a step, try after try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskState {
    /// What it acts on.
    pub target: Target,
    /// Tries, oldest first. Only the last one counts.
    pub attempts: Vec<Attempt>,
    /// Tries made before a person last asked for another: automatic tries are counted from here.
    pub counted_from: usize,
    /// A person wants another try.
    pub again: bool,
}

/// Taking a step back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undoing {
    /// How that is.
    pub stage: UndoStage,
    /// One entry a task of the plan's undo, same index; empty when it has none.
    pub tasks: Vec<TaskState>,
}

/// How taking a step back is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UndoStage {
    /// Not begun.
    NotBegun,
    /// Begun.
    Active {
        /// Since when.
        since: Micros,
    },
    /// Taken back.
    Done {
        /// When.
        at: Micros,
    },
    /// It could not be taken back.
    Failed {
        /// When that was known.
        at: Micros,
        /// Why.
        problem: Problem,
    },
    /// A person says that it needs no taking back, or has done it by hand.
    Skipped {
        /// When.
        at: Micros,
        /// Who.
        by: Actor,
        /// Why.
        reason: String,
    },
}

impl TaskState {
    /// A task without tries.
    pub fn new(target: Target) -> Self {
        Self { target, attempts: Vec::new(), counted_from: 0, again: false }
    }

    /// The try that counts.
    pub fn current(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The try that counts, while its effect is not settled.
    pub fn open(&self) -> Option<&Attempt> {
        self.current().filter(|attempt| attempt.state.is_open())
    }

    /// The try that waits for its moment.
    pub fn scheduled(&self) -> Option<(&Token, Micros)> {
        let attempt = self.current()?;
        match &attempt.state {
            AttemptState::Scheduled { not_before } => Some((&attempt.token, *not_before)),
            AttemptState::Sent { .. }
            | AttemptState::Accepted { .. }
            | AttemptState::Succeeded { .. }
            | AttemptState::Failed { .. }
            | AttemptState::Unknown { .. }
            | AttemptState::Cancelled { .. } => None,
        }
    }
}

impl Approval {
    /// The question, open or settled.
    pub fn question(&self) -> Option<&Question> {
        match self {
            Approval::NotAsked => None,
            Approval::Asked(question)
            | Approval::Approved { question, .. }
            | Approval::Declined { question, .. }
            | Approval::Expired { question, .. } => Some(question),
        }
    }

    pub(crate) fn question_mut(&mut self) -> Option<&mut Question> {
        match self {
            Approval::NotAsked => None,
            Approval::Asked(question)
            | Approval::Approved { question, .. }
            | Approval::Declined { question, .. }
            | Approval::Expired { question, .. } => Some(question),
        }
    }

    /// What people are still to be told of it: that it stands open, or that one person decided it alone.
    pub fn due_notice(&self) -> Option<Notice> {
        let question = self.question()?;
        let notice = match self {
            Approval::Asked(_) => Notice::Asked,
            Approval::Approved { .. } if question.voices.iter().any(|voice| voice.break_glass) => {
                Notice::BrokeGlass
            }
            Approval::NotAsked
            | Approval::Approved { .. }
            | Approval::Declined { .. }
            | Approval::Expired { .. } => return None,
        };
        (!question.told.iter().any(|told| told.notice == notice)).then_some(notice)
    }

    /// The question that stands open.
    pub fn asked(&self) -> Option<&Question> {
        match self {
            Approval::Asked(question) => Some(question),
            Approval::NotAsked
            | Approval::Approved { .. }
            | Approval::Declined { .. }
            | Approval::Expired { .. } => None,
        }
    }
}

impl RunState {
    /// It is not over. A stuck run is open: it waits for a person.
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Finished { .. })
    }
}
