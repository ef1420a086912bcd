//! A plan that has been checked: what the engine runs and what a run pins.
//!
//! It is complete: every step is lowered to tasks with their full parameters for one mode, so neither
//! the engine nor the controller looks anything up in the estate while a run is going on. It is stored
//! whole in the run's first event, and its digest is what approvals bind.

use model::nouns::Objectives;
use model::{Class, ControlAction, Digest, Evidence, HostName, Micros, Mode, Name, StepPath, Target, Work};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest pause between two tries, whatever the plan says.
pub const MAX_RETRY_PAUSE: Duration = Duration::from_secs(300);

/// The format that this program writes. Older ones keep loading: whoever adds, renames or removes a field of what
/// stands here, or of the work in it, records plans of the new form under `testdata/stored/` (see
/// `tests/stored.rs`), and raises the number when older programs could not run them.
pub const FORMAT: u32 = 1;

/// A checked plan, lowered for one mode and one set of inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedPlan {
    /// [`FORMAT`] of the program that wrote it.
    pub format: u32,
    /// Its name.
    pub name: Name,
    /// One line for people.
    pub title: String,
    /// The mode that it was lowered for.
    pub mode: Mode,
    /// What is presumed.
    pub scenario: Scenario,
    /// What the recovery is measured against.
    pub objectives: Objectives,
    /// Values of its inputs.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// Digest of the estate that it was checked against.
    pub estate: Digest,
    /// Steps in an order that respects `after`.
    pub steps: Vec<Step>,
}

/// What a plan presumes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// Regions presumed dead: nothing may depend on them.
    #[serde(default)]
    pub lost: Vec<Name>,
    /// Regions whose word is not believed.
    #[serde(default)]
    pub suspect: Vec<Name>,
    /// Single hosts whose word is not believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspect_hosts: Vec<HostName>,
    /// Since when; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Micros>,
}

/// One step, lowered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its path: the name in the plan.
    pub path: StepPath,
    /// The step kind, `promote`.
    pub kind: String,
    /// What it does, in one line for people: `promote tutor-db on db-2 (eu-west)`.
    pub summary: String,
    /// Steps that must be done before it.
    pub after: Vec<StepPath>,
    /// Retry follows this alone.
    pub class: Class,
    /// A question that a person answers before its tasks begin.
    #[serde(default)]
    pub gate: Option<Gate>,
    /// What it does. All tasks start together; the step is done when each is. Empty for `approve`.
    pub tasks: Vec<Task>,
    /// Demands on the evidence that its tasks bring (fence).
    #[serde(default)]
    pub evidence: Option<EvidenceRule>,
    /// What must be true when it begins; checked again when it happens.
    #[serde(default)]
    pub preconditions: Vec<Precondition>,
    /// From sending until the attempt is unknown.
    #[serde(with = "model::duration")]
    pub timeout: Duration,
    /// Automatic tries in all, where the class allows more than one.
    pub tries: u32,
    /// First pause between tries; doubled each time, with jitter.
    #[serde(with = "model::duration")]
    pub retry_pause: Duration,
    /// How long it usually takes, people included, as the plan says; else [`crate::objectives`] has an estimate.
    #[serde(with = "model::duration::option", default, skip_serializing_if = "Option::is_none")]
    pub takes: Option<Duration>,
    /// How it goes about many hosts; all at once, and none may fail, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fan_out: Option<FanOut>,
    /// What happens when it has failed for good.
    pub on_failure: OnFailure,
    /// How it is taken back.
    pub undo: Undo,
    /// Whether it belongs to the plan's `finally` part: it runs at the end, whatever happened, and its failure
    /// changes nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finally: bool,
    /// Set when its `when` says no in this mode and with these inputs: why. It then counts as done.
    #[serde(default)]
    pub skipped: Option<String>,
}

/// A question that a person must approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// Who may answer; anyone who may run plans when absent.
    #[serde(default)]
    pub role: Option<Name>,
    /// How long the question stands before it expires and the run waits.
    #[serde(with = "model::duration")]
    pub within: Duration,
    /// How many people of the role must say yes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub approvals: u32,
    /// What is asked, in plain words.
    pub question: String,
}

fn one() -> u32 {
    1
}

fn is_one(count: &u32) -> bool {
    *count == 1
}

/// What a fence must bring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRule {
    /// This or stronger.
    pub required: Evidence,
    /// How long an agent may be silent before its host counts as `unreachable` for this step.
    #[serde(with = "model::duration")]
    pub silence: Duration,
    /// What is risked when no more than `unreachable` was obtained, in plain words. A person must approve it.
    pub risk: String,
    /// Who may approve the risk.
    #[serde(default)]
    pub role: Option<Name>,
    /// How long that question stands.
    #[serde(with = "model::duration")]
    pub within: Duration,
    /// How many people of the role must approve it.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub approvals: u32,
    /// Hosts whose word is not believed: what their agents say is worth no more than their silence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disbelieved: Vec<HostName>,
}

/// What must be true when a step begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "must", rename_all = "kebab-case")]
pub enum Precondition {
    /// That step brought at least this evidence (and its risk was approved where it asks for that).
    Fenced {
        /// The fence step.
        step: StepPath,
        /// At least.
        evidence: Evidence,
    },
    /// That step succeeded: not skipped by hand, not failed.
    Succeeded {
        /// The step.
        step: StepPath,
    },
}

/// One effect of a step on one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What it acts on.
    pub target: Target,
    /// Who does what.
    pub action: Action,
}

/// Who does what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant)] // nearly all are the large one, and a box would only stand in every pattern
pub enum Action {
    /// An agent.
    Agent {
        /// Its host.
        host: HostName,
        /// The work.
        work: Work,
    },
    /// The controller itself.
    Controller {
        /// What.
        control: ControlAction,
    },
    /// Nobody: the engine's timer.
    Timer {
        /// How long.
        #[serde(with = "model::duration")]
        length: Duration,
    },
}

/// How a step that does the same on many hosts goes about it. Hosts are counted, not tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FanOut {
    /// Hosts that are at work at the same time, at most; at least one.
    pub at_once: u32,
    /// Hosts that go first. Unless every one of them succeeds, no other begins.
    pub canary: u32,
    /// Hosts that may fail. With one more no further host begins, and the step has failed.
    pub failures: u32,
}

/// What happens when a step has failed for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The run waits for a person.
    #[default]
    Ask,
    /// The run ends as failed; what runs is let finish.
    Stop,
    /// The step counts as done and the failure is shown.
    Continue,
    /// What was done is undone, newest first.
    Unwind,
}

/// How a step is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "kebab-case")]
pub enum Undo {
    /// There is nothing to take back (a check, a notification).
    Nothing,
    /// It cannot be taken back: a point of no return from when it is sent.
    Impossible,
    /// By these tasks.
    Tasks {
        /// Run under the step's path with direction `undo`.
        tasks: Vec<Task>,
    },
}

/// Hosts whose agents do something, in the order of the tasks, each once.
pub fn hosts(tasks: &[Task]) -> Vec<&HostName> {
    let mut hosts: Vec<&HostName> = Vec::new();
    for task in tasks {
        if let Action::Agent { host, .. } = &task.action
            && !hosts.contains(&host)
        {
            hosts.push(host);
        }
    }
    hosts
}

impl CheckedPlan {
    /// Digest of the whole plan.
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        Digest::of(self)
    }

    /// The step of that path.
    pub fn step(&self, path: &StepPath) -> Option<&Step> {
        self.steps.iter().find(|step| step.path == *path)
    }

    /// Every resource that its run locks, sorted: see [`Target::resource`].
    pub fn resources(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .steps
            .iter()
            .filter(|step| step.skipped.is_none())
            .flat_map(|step| step.tasks.iter())
            .filter(|task| !matches!(task.target.noun.as_str(), "channel" | "check" | "run"))
            .map(|task| task.target.resource())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}
