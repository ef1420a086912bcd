//! What people see of a run: everything that CLI, web, channels and reports need, in one value.
//!
//! A view is a function of the state and the time, like everything here; progress and output lines are
//! no part of it. It crosses the wire as JSON, so fields are only ever added.

mod build;
mod commands;
mod words;

use crate::state::Observed;
use model::nouns::Objectives;
use model::{
    ApprovalId, Class, Digest, Direction, Evidence, HostName, Micros, Mode, Name, Problem, RunId, StepPath,
    Token, UserName,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use build::{view, view_with};
pub(crate) use words::detail;

/// Since when hosts have been silent, as the controller's sessions know it now.
pub type Silent = BTreeMap<HostName, Micros>;

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Its id.
    pub run: RunId,
    /// Name of the plan.
    pub plan: Name,
    /// Its title.
    pub title: String,
    /// The mode.
    pub mode: Mode,
    /// Digest of the plan.
    pub digest: Digest,
    /// Values of its inputs.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// What the recovery is measured against.
    pub objectives: Objectives,
    /// One of the nine words.
    pub status: String,
    /// What it waits for, or why it failed, in plain words; may be empty.
    pub detail: String,
    /// Commands that a person can type now, exactly, the most likely first.
    pub next: Vec<String>,
    /// Number of the last event.
    pub sequence: u64,
    /// Who wanted it.
    pub requested_by: UserName,
    /// When.
    pub requested_at: Micros,
    /// When a driver took it up.
    pub started_at: Option<Micros>,
    /// When it was over.
    pub ended_at: Option<Micros>,
    /// From the request until the end, or until now, in milliseconds.
    pub took_ms: u64,
    /// Its steps, in the order of the plan.
    pub steps: Vec<StepView>,
    /// Questions that stand open.
    pub approvals: Vec<ApprovalView>,
    /// What was known when the run was requested: what is lost is measured against it.
    #[serde(default)]
    pub observed: Option<Observed>,
    /// How many steps are where.
    pub totals: Totals,
    /// Why it failed or is stuck.
    pub problem: Option<Problem>,
    /// Steps that failed and were passed over because the plan says so.
    #[serde(default)]
    pub incomplete: Vec<StepPath>,
}

/// How many steps are where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// All.
    pub steps: usize,
    /// Succeeded.
    pub succeeded: usize,
    /// Skipped by the plan or by a person.
    pub skipped: usize,
    /// Failed.
    pub failed: usize,
    /// Under way, unknown or waiting.
    pub active: usize,
    /// Not begun.
    pub pending: usize,
    /// Begun and called off.
    pub cancelled: usize,
    /// Taken back.
    pub undone: usize,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    /// Its path.
    pub path: StepPath,
    /// Its kind.
    pub kind: String,
    /// What it does, in one line.
    pub summary: String,
    /// Steps before it.
    pub after: Vec<StepPath>,
    /// Its class.
    pub class: Class,
    /// `pending`, `running`, `waiting`, `unknown`, `succeeded`, `failed`, `cancelled`, `skipped`, `undoing`,
    /// `undone` or `stuck`.
    pub state: String,
    /// When it began.
    pub started_at: Option<Micros>,
    /// When it ended.
    pub ended_at: Option<Micros>,
    /// From its beginning to its end, or until now, in milliseconds.
    pub took_ms: Option<u64>,
    /// What came of it, or what it waits for, in plain words; may be empty.
    pub outcome: String,
    /// What a fence obtained.
    pub evidence: Option<Evidence>,
    /// Who approved its gate or its risk, in words.
    pub approved: Vec<String>,
    /// The same with the sentence that was shown: what reports quote.
    #[serde(default)]
    pub decisions: Vec<DecisionView>,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// Its tries, oldest first, doing and undoing.
    pub attempts: Vec<AttemptView>,
}

/// A try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptView {
    /// Its name: what `answer` settles.
    pub token: Token,
    /// What it acts on.
    pub target: String,
    /// Whose agent; absent for what the controller does and for timers.
    pub host: Option<HostName>,
    /// Doing or undoing.
    pub direction: Direction,
    /// 1 for the first try.
    pub number: u32,
    /// `scheduled`, `sent`, `accepted`, `succeeded`, `failed`, `unknown` or `cancelled`.
    pub state: String,
    /// When it may first have been sent.
    pub started_at: Option<Micros>,
    /// When it was settled.
    pub ended_at: Option<Micros>,
    /// Microseconds that it took on the clock of who did it, else from sending to settling.
    pub took_us: Option<u64>,
    /// What came of it, or what it waits for, in plain words.
    pub outcome: String,
    /// The job's output, as JSON.
    pub output: Option<serde_json::Value>,
    /// Why it failed, or what is known of an unknown one.
    pub problem: Option<Problem>,
    /// A person may settle it with `answer`.
    pub answerable: bool,
    /// Since when its host has been silent, while that matters.
    pub silent_since: Option<Micros>,
    /// The word of a result that came too late.
    pub late: Option<String>,
}

/// A question that no longer stands, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionView {
    /// `gate` or `risk`.
    pub about: String,
    /// The sentence that was shown.
    pub text: String,
    /// Who might answer; anyone who may run plans when absent.
    pub role: Option<Name>,
    /// `approved`, `declined` or `expired`.
    pub answer: String,
    /// By whom: the last of them.
    pub by: Option<UserName>,
    /// Why, where somebody said so.
    #[serde(default)]
    pub reason: String,
    /// When.
    pub at: Micros,
    /// Everybody who said yes, in this order.
    #[serde(default)]
    pub voices: Vec<VoiceView>,
    /// Channels that took the message of it, and what failed.
    #[serde(default)]
    pub told: Vec<String>,
}

/// One person's yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceView {
    /// Who.
    pub by: UserName,
    /// When.
    pub at: Micros,
    /// Why; may be empty.
    pub reason: String,
    /// Alone, because nobody else was there.
    pub break_glass: bool,
}

/// A question that stands open, or that nobody answered in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalView {
    /// Its id.
    pub approval: ApprovalId,
    /// The step.
    pub step: StepPath,
    /// `gate` or `risk`.
    pub about: String,
    /// What is asked.
    pub question: String,
    /// Who may answer; anyone who may run plans when absent.
    pub role: Option<Name>,
    /// Digest to answer with.
    pub digest: Digest,
    /// Since when it stands.
    pub asked_at: Micros,
    /// Until when an answer counts.
    pub expires_at: Micros,
    /// How many people must say yes.
    #[serde(default = "one")]
    pub needed: u32,
    /// Who has.
    #[serde(default)]
    pub given: Vec<UserName>,
    /// Nobody answered in time: only whoever decides alone still can.
    #[serde(default)]
    pub expired: bool,
}

fn one() -> u32 {
    1
}

impl View {
    /// Attempts of a step that a person may settle with `answer`.
    pub fn open_questions(&self, step: &str) -> Vec<Token> {
        let steps = self.steps.iter().filter(|view| view.path.as_str() == step);
        let attempts = steps.flat_map(|step| step.attempts.iter());
        attempts.filter(|attempt| attempt.answerable).map(|attempt| attempt.token.clone()).collect()
    }

    /// It is not over.
    pub fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }
}
