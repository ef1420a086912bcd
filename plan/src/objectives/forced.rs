//! What another order of the same steps could save at most.
//!
//! Every rule of order asks for more order, never for less: a plan that passes the check still passes it
//! when steps are put after more others. So a pair "a before b" is *forced* when taking it alone out of
//! the plan's order, with everything else left, brings a finding: no order that is made from this one by
//! dropping `after`s, and that passes the check, lacks it. The longest chain of forced pairs is then a
//! lower bound for all those orders. It need not be reached: where two checks can stand in for each other
//! neither is forced, yet one of them is needed.
//!
//! Rules do not know everything. A pair counts as forced, too, when one of its steps means something
//! that no rule sees into: a question to a person, a wait, a message, a script, or any kind that
//! is not in [`UNDERSTOOD`].

use super::lengths::lengths;
use crate::checked::Step;
use crate::context::{Context, Purpose};
use crate::diagnostic::Sink;
use crate::document::Document;
use crate::expand::drafts;
use crate::graph::Graph;
use crate::index::Index;
use crate::inputs;
use crate::lower::{Draft, Request, obey};
use model::StepPath;
use serde::Serialize;
use std::time::Duration;

/// Kinds whose effects the rules of order know.
const UNDERSTOOD: [&str; 12] = [
    "backup", "check", "cutover", "fence", "promote", "prove", "restart", "restore", "start", "stop", "swap",
    "switch",
];
/// Most steps of a plan of which this is found out: each pair asks every rule once.
pub const MAX_FORCED_STEPS: usize = 120;

/// What another order could save.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forced {
    /// No order that drops `after`s of the plan and passes the check recovers sooner, by estimates.
    #[serde(with = "model::duration")]
    pub at_least: Duration,
    /// `after`s of the critical path that no rule asks for: who waits, and for whom.
    pub free: Vec<(StepPath, StepPath)>,
}

/// Pairs of draft numbers, first before then, that are forced, and the drafts themselves.
struct Order {
    drafts: Vec<Draft>,
    graph: Graph,
    forced: Vec<Vec<bool>>,
}

/// What another order of a plan could save; `None` when it has too many steps or something is wrong with it.
/// `steps` are what it was lowered to, `path` the critical path among them.
pub(crate) fn forced(
    plan: &Document,
    request: &Request<'_>,
    steps: &[Step],
    path: &[StepPath],
) -> Option<Forced> {
    let order = order(plan, request)?;
    let estimate = |draft: &Draft| -> Duration {
        let own = steps.iter().filter(|step| root(&step.path) == draft.name.value);
        own.map(|step| lengths(step, &plan.scenario()).estimate).sum()
    };
    let mut ends = vec![Duration::ZERO; order.drafts.len()];
    for then in &order.graph.order {
        let befores = (0..order.drafts.len()).filter(|first| order.forced[*first][*then]);
        let begin = befores.map(|first| ends[first]).max().unwrap_or_default();
        ends[*then] = begin + estimate(&order.drafts[*then]);
    }
    let runs = |at: &usize| order.drafts[*at].skipped.is_none();
    let cutovers: Vec<usize> =
        (0..ends.len()).filter(runs).filter(|at| order.drafts[*at].kind.name == "cutover").collect();
    let goals = if cutovers.is_empty() { (0..ends.len()).collect() } else { cutovers };
    let at_least = goals.iter().map(|goal| ends[*goal]).max().unwrap_or_default();
    Some(Forced { at_least, free: free(&order, path) })
}

/// Neighbours on the critical path whose order no rule asks for.
fn free(order: &Order, path: &[StepPath]) -> Vec<(StepPath, StepPath)> {
    let number = |path: &StepPath| order.drafts.iter().position(|draft| draft.name.value == root(path));
    let pairs = path.windows(2).filter_map(|pair| {
        let (first, then) = (number(&pair[0])?, number(&pair[1])?);
        let own = order.drafts[then].after.contains(&first);
        (own && !order.forced[first][then]).then(|| (pair[1].clone(), pair[0].clone()))
    });
    pairs.collect()
}

/// The step of the text that a path belongs to: `start` of `start/1`.
fn root(path: &StepPath) -> &str {
    path.as_str().split('/').next().unwrap_or_default()
}

fn context<'a>(plan: &'a Document, request: &Request<'a>, sink: &'a mut Sink) -> Context<'a> {
    let Request { estate, plans, mode, .. } = *request;
    Context { estate, plans, plan, mode, purpose: Purpose::Explain, sink, open: false, unready: false }
}

fn order(plan: &Document, request: &Request<'_>) -> Option<Order> {
    if plan.steps.len() > MAX_FORCED_STEPS {
        return None;
    }
    let mut sink = Sink::default();
    let filled = inputs::fill(&plan.inputs, request.inputs, false, plan.name.span, &mut sink);
    let (drafts, sound) = drafts(&mut context(plan, request, &mut sink), &plan.steps, filled);
    let after: Vec<Vec<usize>> = drafts.iter().map(|draft| draft.after.clone()).collect();
    // The steps of a plan that is called are ordered by that plan.
    let is_one = sound && !drafts.iter().any(|draft| draft.caller.is_some());
    let mut graph = Graph::of(&after).ok().filter(|_| is_one)?;
    let index = Index::of(&drafts, plan, request.estate);
    let findings = |graph: &Graph| {
        let mut sink = Sink::default();
        obey(&drafts, graph, &index, &mut context(plan, request, &mut sink));
        sink.found()
    };
    let usual = findings(&graph);
    let understood = |at: usize| UNDERSTOOD.contains(&drafts[at].kind.name);
    let mut forced = vec![vec![false; drafts.len()]; drafts.len()];
    for (first, row) in forced.iter_mut().enumerate() {
        for (then, slot) in row.iter_mut().enumerate() {
            if !graph.before(first, then) {
                continue;
            }
            *slot = !understood(first) || !understood(then) || {
                graph.set_before(first, then, false);
                let more = findings(&graph) > usual;
                graph.set_before(first, then, true);
                more
            };
        }
    }
    Some(Order { drafts, graph, forced })
}
