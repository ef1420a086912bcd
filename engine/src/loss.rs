//! What a promotion would lose: what it is measured against, and who allowed it.
//!
//! The order of a promotion carries how far the other members are known to have come; its agent compares that
//! with what the standby has received at that moment, and refuses with the numbers. All of it follows from the
//! journal: what members had said when the run was requested, and where fences saw them stop.

use crate::approval::shown;
use crate::attempt::AttemptState;
use crate::event::About;
use crate::lookup::Place;
use crate::state::{Approval, Observed, RunState, TaskState};
use model::jobs::{FenceOutput, Known, Promote};
use model::nouns::{MemberFacts, SourceKind};
use model::{Direction, HostName, Micros, Name, Problem, Work};
use plan::checked::{Action, EvidenceRule, Precondition, Step};
use std::time::Duration;

/// The code with which an agent refuses to lose what nobody allowed.
pub const WOULD_LOSE: &str = "LB2380";
/// A standby whose host was silent for longer could not be promoted, so what it has counts for nothing.
const REACHABLE: Duration = Duration::from_secs(15);

/// A promotion as it is ordered now.
pub(crate) fn ordered(state: &RunState, place: Place, host: &HostName, promote: &Promote) -> Promote {
    let (source, name) = (&promote.source.name, name_of(promote));
    let mut known = stopped(state, source, host);
    let observed = state.observed.iter().flat_map(|observed| {
        let members = observed.members.iter().filter(|facts| facts.source == *source && facts.host != *host);
        members.filter_map(|facts| said(observed, facts, name, host))
    });
    known.extend(observed);
    let lose_at_most = state.plan.objectives.rpo;
    Promote { known, lose_at_most, allowed_lsn: allowed(state, place), ..promote.clone() }
}

fn name_of(promote: &Promote) -> Option<&str> {
    match &promote.source.kind {
        SourceKind::Postgres(spec) => spec.follow.name.as_deref(),
        SourceKind::Files(_) => None,
    }
}

/// What a member had said of itself when the run was requested.
fn said(observed: &Observed, facts: &MemberFacts, name: Option<&str>, promoted: &HostName) -> Option<Known> {
    let at = facts.at.or_else(|| observed.heard.get(&facts.host).copied())?.min(observed.at);
    let was_primary = facts.role == "primary";
    let reachable = facts.role == "standby" && observed.at.since(at) <= REACHABLE;
    let waited = match facts.sync_standbys.as_slice() {
        [one] => name.map_or_else(|| goes_with(one, promoted.as_str()), |name| name == one),
        _ => false,
    };
    let known = Known { host: facts.host.clone(), was_primary, lsn: facts.lsn, at, stopped: false, waited };
    (facts.lsn > 0 && (was_primary || reachable)).then_some(known)
}

/// Where fences of this run saw primaries stop.
fn stopped(state: &RunState, source: &Name, promoted: &HostName) -> Vec<Known> {
    let followed = |host: &HostName| {
        let mut facts = state.observed.iter().flat_map(|observed| &observed.members);
        facts.any(|facts| facts.source == *source && facts.host == *host && facts.role == "standby")
    };
    let steps = state.plan.steps.iter().zip(&state.steps);
    let tasks = steps.flat_map(|(step, now)| step.tasks.iter().zip(&now.tasks));
    let stopped = tasks.filter_map(|(task, now)| {
        let Action::Agent { host, work: Work::Fence(fence) } = &task.action else { return None };
        let AttemptState::Succeeded { output, at, .. } = &now.current()?.state else { return None };
        let lsn = serde_json::from_value::<FenceOutput>(output.clone()).ok()?.final_lsn?;
        let counts = fence.source.name == *source && host != promoted && !followed(host);
        let known = |at: Micros| Known {
            host: host.clone(),
            was_primary: true,
            lsn,
            at,
            stopped: true,
            waited: false,
        };
        counts.then(|| known(*at))
    });
    stopped.collect()
}

/// A standby's name goes with a host when one is the other, or the other up to a `-`, `_` or `.`: `west`
/// and `west-1`, `db-2` and `db-2.example`.
pub fn goes_with(name: &str, host: &str) -> bool {
    let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let (name, host) = (plain(name), plain(host));
    let begins = |long: &str, short: &str| {
        let rest = long.strip_prefix(short).filter(|_| !short.is_empty());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
    };
    begins(&host, &name) || begins(&name, &host)
}

/// The loss that the last try of a task was refused for.
fn refused(task: &TaskState) -> Option<&Problem> {
    match &task.current()?.state {
        AttemptState::Failed { problem, .. } if problem.code == WOULD_LOSE && !task.again => Some(problem),
        _ => None,
    }
}

/// A task of a step that waits until its loss is allowed, and the loss.
pub(crate) fn short(state: &RunState, index: usize) -> Option<(usize, &Problem)> {
    let tasks = &state.steps.get(index)?.tasks;
    tasks.iter().enumerate().find_map(|(at, task)| Some((at, refused(task)?)))
}

/// Whether somebody allowed exactly what the step would lose now.
pub(crate) fn is_allowed(state: &RunState, index: usize) -> bool {
    let Some(Approval::Approved { question, .. }) = state.steps.get(index).map(|step| &step.loss) else {
        return false;
    };
    shown(state, index, About::Loss).and_then(|shown| shown.digest()).as_ref() == Some(&question.digest)
}

/// What the standby had received when its loss was allowed. Only the try after the one that was shown goes by it.
fn allowed(state: &RunState, place: Place) -> Option<u64> {
    let step = state.steps.get(place.step).filter(|_| place.direction == Direction::Do)?;
    let Approval::Approved { question, .. } = &step.loss else { return None };
    let shown =
        step.tasks.get(place.task)?.attempts.iter().rev().find_map(|attempt| match &attempt.state {
            AttemptState::Failed { problem, .. } if problem.code == WOULD_LOSE => Some(problem),
            _ => None,
        })?;
    (question.text == shown.message).then(|| shown.details.get("received-lsn")?.parse().ok())?
}

/// Who decides about a loss: whoever decides about the risk of the fence before it.
pub(crate) fn decides<'a>(state: &'a RunState, step: &Step) -> Option<&'a EvidenceRule> {
    step.preconditions.iter().find_map(|precondition| match precondition {
        Precondition::Fenced { step, .. } => state.plan.step(step)?.evidence.as_ref(),
        Precondition::Succeeded { .. } => None,
    })
}
