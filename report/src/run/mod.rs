//! The report of a run: what was done, how long it took, what was lost and how sure that is, who
//! approved what. It says what was proven, never that something "completed".

mod data;
mod fence;
mod loss;
mod outputs;
mod pages;
mod recovery;
mod steps;

pub use data::{BackupLine, CutoverLine, NoticeLine, ProofLine, RestoreLine, SwapLine};
pub use fence::{DecisionLine, FenceLine};
pub use loss::{Certainty, Loss};
pub use recovery::{Recovery, Verdict};
pub use steps::{ProblemLine, StepLine};

use engine::view::View;
use jiff::tz::TimeZone;
use model::{Micros, Mode, Name, RunId, UserName};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The report of a run, finished or not. As JSON it is what programs read; times are microseconds since
/// the epoch in UTC.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The run.
    pub run: RunId,
    /// Name of the plan.
    pub plan: Name,
    /// Its title.
    pub title: String,
    /// The mode.
    pub mode: Mode,
    /// Values of its inputs.
    pub inputs: BTreeMap<String, String>,
    /// One of the nine words.
    pub status: String,
    /// What came of it, in words.
    pub result: String,
    /// Who wanted it.
    pub requested_by: UserName,
    /// When.
    pub requested_at: Micros,
    /// When a driver took it up.
    pub started_at: Option<Micros>,
    /// When it was over.
    pub ended_at: Option<Micros>,
    /// When this was written.
    pub written_at: Micros,
    /// From the request to the end, or until now, in milliseconds.
    pub took_ms: u64,
    /// Its steps.
    pub steps: Vec<StepLine>,
    /// How the recovery stands against its objectives; absent for runs that recover nothing.
    pub recovery: Option<Recovery>,
    /// Fences, with their evidence and who took the risk.
    pub fences: Vec<FenceLine>,
    /// What one person decided alone: the report opens with it.
    pub break_glass: Vec<DecisionLine>,
    /// Other questions and their answers.
    pub approvals: Vec<DecisionLine>,
    /// Records that were pointed elsewhere.
    pub cutovers: Vec<CutoverLine>,
    /// Backups that were made.
    pub backups: Vec<BackupLine>,
    /// Copies that were made from backups.
    pub restores: Vec<RestoreLine>,
    /// Proofs that backups can be restored.
    pub proofs: Vec<ProofLine>,
    /// Copies that were put in place.
    pub swaps: Vec<SwapLine>,
    /// Who was told.
    pub notices: Vec<NoticeLine>,
    /// What went wrong.
    pub problems: Vec<ProblemLine>,
    /// What can be typed now.
    pub next: Vec<String>,
    #[serde(skip)]
    zone: TimeZone,
}

/// The report of a run as it is at `now`. Its texts give times in UTC; see [`Report::in_zone`].
pub fn run_report(view: &View, now: Micros) -> Report {
    let outputs = outputs::of(view);
    let fences = fence::lines(view, &outputs);
    Report {
        run: view.run,
        plan: view.plan.clone(),
        title: crate::outcome::title(view),
        mode: view.mode,
        inputs: view.inputs.clone(),
        status: view.status.clone(),
        result: result(view),
        requested_by: view.requested_by.clone(),
        requested_at: view.requested_at,
        started_at: view.started_at,
        ended_at: view.ended_at,
        written_at: now,
        took_ms: view.took_ms,
        steps: view.steps.iter().map(steps::line).collect(),
        recovery: recovery::of(view, &outputs, &fences),
        fences,
        break_glass: fence::alone(view),
        approvals: fence::approvals(view),
        cutovers: data::cutovers(&outputs),
        backups: data::backups(&outputs),
        restores: data::restores(&outputs),
        proofs: data::proofs(&outputs),
        swaps: data::swaps(&outputs),
        notices: data::notices(&outputs),
        problems: steps::problems(view),
        next: view.next.clone(),
        zone: TimeZone::UTC,
    }
}

impl Report {
    /// The same report for a reader in that time zone: times in UTC and local.
    pub fn in_zone(self, zone: TimeZone) -> Report {
        Report { zone, ..self }
    }

    /// Plain text of at most 80 columns.
    pub fn text(&self) -> String {
        pages::document(self).text()
    }

    /// Markdown, for a ticket or a wiki.
    pub fn markdown(&self) -> String {
        pages::document(self).markdown()
    }
}

/// What came of the run, in one sentence.
fn result(view: &View) -> String {
    let took = crate::units::length(Duration::from_millis(view.took_ms));
    let detail = match view.detail.is_empty() {
        true => String::new(),
        false => format!(": {}", view.detail),
    };
    match view.status.as_str() {
        "succeeded" if view.incomplete.is_empty() => format!("Succeeded in {took}."),
        "succeeded" => format!("Succeeded in {took}, {}.", view.detail),
        "failed" => format!("FAILED after {took}{detail}."),
        "cancelled" => format!("Cancelled after {took}{detail}."),
        "stuck" => format!("STUCK, and it needs a person, {took} after it was asked for{detail}."),
        "pending" => format!("Not begun, {took} after it was asked for{detail}."),
        word => format!("Still {word}, {took} after it was asked for{detail}."),
    }
}
