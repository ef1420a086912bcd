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
use model::{Direction, HostName, Problem, Work};
use plan::checked::{Action, EvidenceRule, Precondition, Step};
use std::time::Duration;

/// The code with which an agent refuses to lose what nobody allowed.
pub const WOULD_LOSE: &str = "LB2380";
/// A standby whose host was silent for longer could not be promoted, so what it has counts for nothing.
const REACHABLE: Duration = Duration::from_secs(15);

/// A promotion as it is ordered now.
pub(crate) fn ordered(state: &RunState, place: Place, host: &HostName, promote: &Promote) -> Promote {
    let others = Others { state, promote, host };
    let mut known = others.stopped();
    known.extend(others.said());
    let lose_at_most = state.plan.objectives.rpo;
    Promote { known, lose_at_most, allowed_lsn: allowed(state, place), ..promote.clone() }
}

/// The other members of a source whose standby on `host` is to be promoted.
struct Others<'a> {
    state: &'a RunState,
    promote: &'a Promote,
    host: &'a HostName,
}

impl<'a> Others<'a> {
    /// What they had said of themselves when the run was requested.
    fn facts(&self) -> impl Iterator<Item = (&'a Observed, &'a MemberFacts)> + use<'a> {
        let (source, host) = (self.promote.source.name.clone(), self.host.clone());
        let all = self.state.observed.iter();
        let all = all.flat_map(|observed| observed.members.iter().map(move |facts| (observed, facts)));
        all.filter(move |(_, facts)| facts.source == source && facts.host != host)
    }

    fn said(&self) -> Vec<Known> {
        let known = |(observed, facts): (&Observed, &MemberFacts)| {
            let at = facts.at.or_else(|| observed.heard.get(&facts.host).copied())?.min(observed.at);
            let was_primary = facts.role == "primary";
            let reachable = facts.role == "standby" && observed.at.since(at) <= REACHABLE;
            let (host, lsn, waited) = (facts.host.clone(), facts.lsn, self.waits(facts));
            let known = Known { host, was_primary, lsn, at, stopped: false, waited };
            (lsn > 0 && (was_primary || reachable)).then_some(known)
        };
        self.facts().filter_map(known).collect()
    }

    /// Whether each commit of a primary waited for the one that is promoted, and for nobody else.
    fn waits(&self, facts: &MemberFacts) -> bool {
        let name = match &self.promote.source.kind {
            SourceKind::Postgres(spec) => spec.follow.name.as_deref(),
            SourceKind::Files(_) => None,
        };
        match facts.sync_standbys.as_slice() {
            [one] => name.map_or_else(|| goes_with(one, self.host.as_str()), |name| name == one),
            _ => false,
        }
    }

    /// Where fences of this run saw primaries stop.
    fn stopped(&self) -> Vec<Known> {
        let steps = self.state.plan.steps.iter().zip(&self.state.steps);
        let tasks = steps.flat_map(|(step, now)| step.tasks.iter().zip(&now.tasks));
        let stopped = tasks.filter_map(|(task, now)| {
            let Action::Agent { host, work: Work::Fence(fence) } = &task.action else { return None };
            let AttemptState::Succeeded { output, at, .. } = &now.current()?.state else { return None };
            let lsn = serde_json::from_value::<FenceOutput>(output.clone()).ok()?.final_lsn?;
            let said = self.facts().map(|(_, facts)| facts).find(|facts| facts.host == *host);
            let followed = said.is_some_and(|facts| facts.role == "standby");
            let counts = fence.source.name == self.promote.source.name && host != self.host && !followed;
            let waited = said.is_some_and(|facts| self.waits(facts));
            let (host, at) = (host.clone(), *at);
            counts.then_some(Known { host, was_primary: true, lsn, at, stopped: true, waited })
        });
        stopped.collect()
    }
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
