//! Everything that can happen to a run. The journal holds nothing else.
//!
//! Rows are never changed or deleted, so a variant or field is only ever added, with a default, and
//! never changes its meaning.

use model::nouns::MemberFacts;
use model::{
    ApprovalId, Digest, Evidence, HostName, Micros, Name, Outcome, Problem, RunId, StepPath, Token, UserName,
};
use plan::checked::CheckedPlan;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// One row of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The run.
    pub run: RunId,
    /// 1 for the first event of the run, without gaps.
    pub sequence: u64,
    /// When it was recorded, by the recording controller's clock.
    pub at: Micros,
    /// Number of the epoch under which it was recorded.
    pub epoch: u64,
    /// What happened.
    pub event: Event,
}

/// Who did or said something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "who", rename_all = "kebab-case")]
pub enum Actor {
    /// The agent of a host.
    Agent {
        /// The host.
        host: HostName,
    },
    /// The controller, by an action of its own.
    Controller,
    /// The engine, by its rules.
    Engine,
    /// A person.
    Person {
        /// Their name.
        name: UserName,
    },
}

/// What an agent says about a token that is no longer wanted. Durable before it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revocation {
    /// It had not begun and never will.
    NeverBegun,
    /// It had begun; its process group is gone.
    Stopped,
    /// It had ended by itself; its result was or will be sent.
    Ended,
}

/// What a probe found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "probe", rename_all = "kebab-case")]
pub enum ProbeAnswer {
    /// The effect is there.
    Done {
        /// The job's output, as far as the probe could tell it.
        #[serde(default)]
        output: serde_json::Value,
    },
    /// The effect is not there.
    NotDone,
    /// Nobody but a person can tell.
    CannotTell {
        /// What was seen.
        problem: Problem,
    },
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// May the step begin?
    Gate,
    /// No more than `unreachable` was obtained: is the risk taken?
    Risk,
    /// Less was obtained than the plan demands: does the run go on all the same?
    Waiver,
    /// A promotion would lose something: is exactly that allowed?
    Loss,
}

/// What people were told of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// It stands open.
    Asked,
    /// Somebody answered it alone.
    BrokeGlass,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "kebab-case")]
pub enum Ending {
    /// Everything was done.
    Succeeded {
        /// Steps that failed and were passed over because the plan says `on-failure: continue`.
        #[serde(default)]
        incomplete: Vec<StepPath>,
    },
    /// It was not.
    Failed {
        /// Why.
        problem: Problem,
    },
    /// It was called off.
    Cancelled {
        /// By whom.
        by: UserName,
        /// Why.
        reason: String,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The first event: a run is wanted. The plan is pinned whole.
    RunRequested {
        /// What will run.
        plan: Box<CheckedPlan>,
        /// Digest of the plan: what approvals bind.
        digest: Digest,
        /// Who wants it.
        by: UserName,
        /// Id of the request: the same request sent again starts nothing new.
        #[serde(default)]
        request: Option<Uuid>,
    },
    /// What the controller knew when the run was requested: what is lost is measured against it.
    Observed {
        /// What members of sources had last said about themselves.
        members: Vec<MemberFacts>,
        /// When each host was last heard.
        heard: BTreeMap<HostName, Micros>,
    },
    /// A driver has taken it up.
    RunStarted,
    /// How it ends is decided; the plan's `finally` part runs first.
    ClosingStarted {
        /// How it will have ended.
        ending: Ending,
    },
    /// It is over. Only late results may follow.
    Finished {
        /// How.
        ending: Ending,
    },
    /// Undoing cannot go on. A person must act.
    Stuck {
        /// At which step.
        step: StepPath,
        /// Why.
        problem: Problem,
    },
    /// A step failed whose plan says `on-failure: unwind`.
    UnwindStarted {
        /// The step.
        step: StepPath,
        /// Why it failed.
        problem: Problem,
    },

    /// Everything before the step is done.
    StepStarted {
        /// The step.
        step: StepPath,
    },
    /// Each of its tasks is done and its evidence suffices.
    StepSucceeded {
        /// The step.
        step: StepPath,
        /// What a fence obtained.
        #[serde(default)]
        evidence: Option<Evidence>,
    },
    /// It has failed for good; its `on-failure` says what follows.
    StepFailed {
        /// The step.
        step: StepPath,
        /// Why.
        problem: Problem,
    },
    /// It had begun and was not finished, because the run was called off, stopped or unwound.
    StepCancelled {
        /// The step.
        step: StepPath,
    },
    /// It counts as done without having been done (or, when undoing, as undone).
    Skipped {
        /// The step.
        step: StepPath,
        /// The engine for a `when` that says no; else a person.
        by: Actor,
        /// Why.
        reason: String,
    },
    /// It has been taken back.
    StepUndone {
        /// The step.
        step: StepPath,
    },

    /// The next try waits for its moment.
    AttemptScheduled {
        /// The next try.
        token: Token,
        /// Not before.
        not_before: Micros,
    },
    /// The order may be sent from now on: whoever commands sends it under this token.
    AttemptStarted {
        /// The name of the effect.
        token: Token,
    },
    /// The agent has spooled the order, or is running it already.
    Accepted {
        /// The attempt.
        token: Token,
    },
    /// The attempt ended.
    Ended {
        /// The attempt.
        token: Token,
        /// How.
        outcome: Outcome,
        /// Who says so.
        by: Actor,
        /// Time that it took, in microseconds on the monotonic clock of who did it.
        #[serde(default)]
        took_us: Option<u64>,
    },
    /// Its time has passed: unknown, never failed.
    TimedOut {
        /// The attempt.
        token: Token,
        /// What is known.
        problem: Problem,
    },
    /// The agent's host has been silent for long, with no answer to this token.
    Unreachable {
        /// The attempt.
        token: Token,
        /// The host.
        host: HostName,
        /// How long it has been silent, in milliseconds.
        silent_ms: u64,
    },
    /// The right of the agent's host to let a leased server accept writes has run out, and it gets no other: on the
    /// controller's own clock, with a watchdog that was armed.
    LeaseExpired {
        /// The attempt: a fence.
        token: Token,
        /// The host.
        host: HostName,
        /// How long it has been silent, in milliseconds.
        silent_ms: u64,
    },
    /// The agent has durably revoked the token.
    Revoked {
        /// The attempt.
        token: Token,
        /// What became of it.
        answer: Revocation,
    },
    /// The probe of the effect answered.
    Probed {
        /// The attempt.
        token: Token,
        /// What it found.
        answer: ProbeAnswer,
    },
    /// A result of an attempt that was settled or replaced: recorded, refused as outcome.
    LateResult {
        /// The attempt.
        token: Token,
        /// What came.
        outcome: Outcome,
        /// Who says so.
        by: Actor,
    },

    /// A person is asked.
    ApprovalAsked {
        /// The question.
        approval: ApprovalId,
        /// The step that waits for it.
        step: StepPath,
        /// What it is about.
        about: About,
        /// What is shown, in plain words.
        question: String,
        /// Who may answer.
        #[serde(default)]
        role: Option<Name>,
        /// Digest of everything that is shown.
        digest: Digest,
        /// Until when an answer counts.
        expires_at: Micros,
        /// How many people must say yes.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        approvals: u32,
    },
    /// People were told of a question over channels.
    PeopleTold {
        /// The question.
        approval: ApprovalId,
        /// What they were told.
        notice: Notice,
        /// Channels that took the message.
        channels: Vec<Name>,
        /// Those that did not, and why; and that there is none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        failed: Vec<String>,
    },
    /// Nobody answered in time.
    ApprovalExpired {
        /// The question.
        approval: ApprovalId,
    },
    /// What was shown has changed.
    ApprovalVoided {
        /// The question.
        approval: ApprovalId,
        /// What changed.
        reason: String,
    },
    /// Yes.
    Approved {
        /// The question.
        approval: ApprovalId,
        /// Digest of what the person saw.
        digest: Digest,
        /// Who.
        by: UserName,
        /// Why; may be empty.
        #[serde(default)]
        reason: String,
        /// Alone, because nobody else was there.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        break_glass: bool,
    },
    /// No.
    Declined {
        /// The question.
        approval: ApprovalId,
        /// Digest of what the person saw.
        digest: Digest,
        /// Who.
        by: UserName,
        /// Why; may be empty.
        #[serde(default)]
        reason: String,
    },

    /// A person settles an attempt of which nobody else can tell.
    Answered {
        /// The attempt.
        token: Token,
        /// The effect happened.
        done: bool,
        /// Who says so.
        by: UserName,
        /// How they know.
        reason: String,
    },
    /// A person wants a failed step, an expired question or a failed undo tried again.
    RetryRequested {
        /// The step.
        step: StepPath,
        /// Who.
        by: UserName,
        /// Why; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// A person wants the run to go on with less evidence than a fence demands. Others are asked.
    WaiverRequested {
        /// The step.
        step: StepPath,
        /// Who.
        by: UserName,
        /// Why.
        reason: String,
    },
    /// Begin nothing new.
    PauseRequested {
        /// Who.
        by: UserName,
        /// Why; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Go on.
    ResumeRequested {
        /// Who.
        by: UserName,
        /// Why; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Call it off: stop what runs, undo nothing.
    CancelRequested {
        /// Who.
        by: UserName,
        /// Why; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Undo what was done, newest first.
    UnwindRequested {
        /// Who.
        by: UserName,
        /// Why; may be empty.
        #[serde(default)]
        reason: String,
    },
    /// Close a run that waits or is stuck, as it is.
    EndRequested {
        /// Who.
        by: UserName,
        /// Why.
        reason: String,
    },
}

fn one() -> u32 {
    1
}

pub(crate) fn is_one(count: &u32) -> bool {
    *count == 1
}

impl Event {
    /// The word under which it is stored.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::RunRequested { .. } => "run-requested",
            Event::Observed { .. } => "observed",
            Event::RunStarted => "run-started",
            Event::ClosingStarted { .. } => "closing-started",
            Event::Finished { .. } => "finished",
            Event::Stuck { .. } => "stuck",
            Event::UnwindStarted { .. } => "unwind-started",
            Event::StepStarted { .. } => "step-started",
            Event::StepSucceeded { .. } => "step-succeeded",
            Event::StepFailed { .. } => "step-failed",
            Event::StepCancelled { .. } => "step-cancelled",
            Event::Skipped { .. } => "skipped",
            Event::StepUndone { .. } => "step-undone",
            Event::AttemptScheduled { .. } => "attempt-scheduled",
            Event::AttemptStarted { .. } => "attempt-started",
            Event::Accepted { .. } => "accepted",
            Event::Ended { .. } => "ended",
            Event::TimedOut { .. } => "timed-out",
            Event::Unreachable { .. } => "unreachable",
            Event::LeaseExpired { .. } => "lease-expired",
            Event::Revoked { .. } => "revoked",
            Event::Probed { .. } => "probed",
            Event::LateResult { .. } => "late-result",
            Event::ApprovalAsked { .. } => "approval-asked",
            Event::PeopleTold { .. } => "people-told",
            Event::WaiverRequested { .. } => "waiver-requested",
            Event::ApprovalExpired { .. } => "approval-expired",
            Event::ApprovalVoided { .. } => "approval-voided",
            Event::Approved { .. } => "approved",
            Event::Declined { .. } => "declined",
            Event::Answered { .. } => "answered",
            Event::RetryRequested { .. } => "retry-requested",
            Event::PauseRequested { .. } => "pause-requested",
            Event::ResumeRequested { .. } => "resume-requested",
            Event::CancelRequested { .. } => "cancel-requested",
            Event::UnwindRequested { .. } => "unwind-requested",
            Event::EndRequested { .. } => "end-requested",
        }
    }
}

/// As it stands in a sentence.
impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Actor::Agent { host } => f.pad(host.as_str()),
            Actor::Controller => f.pad("the controller"),
            Actor::Engine => f.pad("the plan"),
            Actor::Person { name } => f.pad(name.as_str()),
        }
    }
}
