//! A plan's text to a [`CheckedPlan`], for one mode and one set of inputs.
//!
//! Check and run take the same way: fill in inputs, read every step, order them, lower each by its kind,
//! ask the rules. What is wrong never stops the reading; only the result is withheld.

use crate::check::Phase;
use crate::checked::{CheckedPlan, FORMAT, OnFailure, Precondition, Step};
use crate::codes;
use crate::context::{Context, Purpose, flat, still_to_come};
use crate::diagnostic::Sink;
use crate::document::Document;
use crate::estate::Estate;
use crate::expand;
use crate::fan_out;
use crate::finally;
use crate::graph::{self, Graph};
use crate::index::Index;
use crate::inputs::{self, Filled, Known};
use crate::objectives;
use crate::outputs::{self, Use};
use crate::parts;
use crate::rules;
use crate::steps::{self, Facts, KINDS, Kind, Lowered, Rules};
use crate::text::{At, Entry, Fields, Node, Span, Value, values};
use crate::to_come;
use model::nouns::Objectives;
use model::{Class, Digest, HostName, Mode, Name, StepPath};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

/// Most tries that a plan may ask for.
const MAX_TRIES: i64 = 20;
/// Longest time-out of a step.
const MAX_TIMEOUT: Duration = Duration::from_secs(7 * 86_400);

/// One step while its plan is lowered.
pub(crate) struct Draft {
    /// Its name.
    pub name: At<String>,
    /// Its kind.
    pub kind: &'static Kind,
    /// Where its verb stands.
    pub params_span: Span,
    /// Steps that it waits for.
    pub after: Vec<usize>,
    /// What it lowered to; `None` when that failed or is not known yet.
    pub lowered: Option<Lowered>,
    /// Why its `when` says no.
    pub skipped: Option<String>,
    /// What the plan says about retry, time-out, failure and undo.
    pub common: Common,
    /// Outputs of other steps that it uses.
    pub uses: Vec<Use>,
    /// The call that brought it here, when it belongs to a plan that is called.
    pub caller: Option<Rc<str>>,
    /// Whether some value in what it lowered to is not known yet.
    pub open: bool,
    /// What its verb says, inputs filled in, where that is asked for.
    pub params: Option<serde_json::Value>,
}

/// Fields that every step has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Common {
    /// From sending until unknown.
    pub timeout: Option<Duration>,
    /// How long it usually takes, and where that stands.
    pub takes: Option<At<Duration>>,
    /// Tries in all, and where that stands.
    pub tries: Option<At<u32>>,
    /// First pause between tries.
    pub pause: Option<Duration>,
    /// What happens when it failed for good.
    pub on_failure: OnFailure,
    /// Where that stands.
    pub on_failure_span: Option<Span>,
    /// Where `undo: none` stands.
    pub undo_none: Option<Span>,
    /// How it goes about many hosts.
    pub fan_out: Option<At<fan_out::Asked>>,
}

impl Draft {
    /// Its path in the checked plan; `None` for one whose name is none.
    pub fn path(&self) -> Option<StepPath> {
        StepPath::new(self.name.value.as_str()).ok()
    }

    /// What rules want to know, when it could be lowered.
    pub fn facts(&self) -> Option<&Facts> {
        self.lowered.as_ref().map(|lowered| &lowered.facts)
    }

    /// Whether what comes after it can count on its success.
    pub fn must_succeed(&self) -> bool {
        self.skipped.is_none() && self.common.on_failure != OnFailure::Continue
    }

    /// Retry follows this: the riskiest class of its tasks.
    pub fn class(&self) -> Class {
        let works = self.lowered.iter().flat_map(|lowered| &lowered.parts).flat_map(|part| &part.tasks);
        let classes = works.filter_map(|task| match &task.action {
            crate::checked::Action::Agent { work, .. } => Some(work.class()),
            crate::checked::Action::Controller { .. } | crate::checked::Action::Timer { .. } => None,
        });
        classes.max().unwrap_or(self.kind.class)
    }
}

/// What a step says beyond its tasks, for people.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// What its verb says, inputs filled in.
    pub params: serde_json::Value,
    /// Live hosts that it is about.
    pub hosts: Vec<HostName>,
    /// What nobody carries out yet, in words.
    pub to_come: Option<&'static str>,
    /// Whether its tasks hold a value that is not known yet.
    pub open: bool,
}

impl Said {
    /// `None` where nobody asked for it.
    fn of(draft: &Draft) -> Option<Said> {
        let hosts = draft.facts().map(|facts| facts.hosts.clone()).unwrap_or_default();
        let to_come = draft.lowered.as_ref().and_then(|lowered| lowered.to_come);
        Some(Said { params: draft.params.clone()?, hosts, to_come, open: draft.open })
    }
}

/// What a plan is lowered with.
pub(crate) struct Request<'a> {
    /// The estate.
    pub estate: &'a Estate,
    /// Its digest.
    pub digest: &'a Digest,
    /// The plans that it may call.
    pub plans: &'a BTreeMap<Name, Document>,
    /// The mode.
    pub mode: Mode,
    /// Values of inputs.
    pub inputs: &'a BTreeMap<String, String>,
    /// Check or run.
    pub purpose: Purpose,
}

/// Lowers a plan. `None` when something is wrong, or (in a check) when an input is not known yet.
pub(crate) fn lower(plan: &Document, request: &Request<'_>, sink: &mut Sink) -> Option<CheckedPlan> {
    lower_with(plan, request, sink, &mut |_| ()).map(|(plan, _)| plan)
}

/// The same with what is said about each step of the text, by its path. `watch` is that of
/// [`crate::check_watched`].
pub(crate) fn lower_with(
    plan: &Document,
    request: &Request<'_>,
    sink: &mut Sink,
    watch: &mut dyn FnMut(Phase),
) -> Option<(CheckedPlan, BTreeMap<StepPath, Said>)> {
    let errors = sink.errors();
    let complete = matches!(request.purpose, Purpose::Explain | Purpose::Run);
    let filled = inputs::fill(&plan.inputs, request.inputs, complete, plan.name.span, sink);
    let Request { estate, plans, mode, purpose, .. } = *request;
    let settled = plan.settled(&filled, sink);
    let plan = settled.as_ref();
    let mut cx = Context { estate, plans, plan, mode, purpose, sink, open: false, unready: false };
    let closing = plan.finally.as_ref();
    let closing = closing.map(|finally| proven(&mut cx, &finally.value, filled.clone(), watch));
    if let Some(Some((drafts, _))) = &closing {
        finally::rules(drafts, &mut cx);
    }
    let (drafts, graph) = proven(&mut cx, &plan.steps, filled.clone(), watch)?;
    watch(Phase::Lower);
    let closing = flat(closing)?;
    let unready = |draft: &Draft| draft.lowered.as_ref().is_none_or(|lowered| lowered.unready);
    let all = || drafts.iter().chain(closing.iter().flat_map(|(drafts, _)| drafts));
    let open = all().any(|draft| draft.skipped.is_none() && (draft.open || unready(draft)));
    let wrong = cx.sink.errors() > errors;
    let objectives = objectives(plan, request.estate, &drafts);
    let mut said: BTreeMap<StepPath, Said> =
        drafts.iter().filter_map(|draft| Some((draft.path()?, Said::of(draft)?))).collect();
    let recovered = objectives::Recovered::of(&drafts);
    let mut steps = in_order(drafts, &graph, request);
    // In a run they would be in the way of the very recovery that they are about. A plan in which something
    // else is wrong has its length all the same.
    watch(Phase::Objectives);
    if request.purpose == Purpose::Check && request.mode == Mode::Live {
        objectives::rto(plan, request.estate, &recovered, &steps, cx.sink);
    }
    let shown = matches!(request.purpose, Purpose::Explain | Purpose::Show);
    if wrong || (open && !shown) {
        return None;
    }
    if let Some((drafts, graph)) = closing {
        said.extend(drafts.iter().filter_map(|draft| Some((draft.path()?, Said::of(draft)?))));
        let closing = in_order(drafts, &graph, request);
        steps.extend(closing.into_iter().map(|step| Step { finally: true, ..step }));
    }
    let plan = CheckedPlan {
        format: FORMAT,
        name: plan.name.value.clone(),
        title: plan.title.clone(),
        mode: request.mode,
        scenario: plan.scenario(),
        objectives,
        inputs: filled.into_iter().filter_map(|(name, (_, value))| Some((name, value?))).collect(),
        estate: request.digest.clone(),
        steps,
    };
    Some((plan, said))
}

/// The steps of drafts, each behind what it waits for.
fn in_order(drafts: Vec<Draft>, graph: &Graph, request: &Request<'_>) -> Vec<Step> {
    let mut steps = Vec::with_capacity(drafts.len());
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    let names: Vec<StepPath> = drafts.iter().flatten().filter_map(|draft| draft.path()).collect();
    // They are for the engine alone.
    let musts = (0..drafts.len()).filter(|_| request.purpose != Purpose::Check);
    let mut musts: Vec<Vec<Precondition>> =
        musts.map(|at| rules::preconditions(&drafts, graph, at, request.estate)).collect();
    for at in &graph.order {
        let Some(draft) = drafts.get_mut(*at).and_then(Option::take) else { continue };
        let preconditions = musts.get_mut(*at).map(std::mem::take).unwrap_or_default();
        parts::finish(draft, &names, preconditions, &mut steps);
    }
    steps
}

/// Reads steps, orders them and asks the rules; `None` when that could not be done for all of them.
fn proven(
    cx: &mut Context<'_>,
    steps: &[Entry],
    filled: Filled,
    watch: &mut dyn FnMut(Phase),
) -> Option<(Vec<Draft>, Graph)> {
    watch(Phase::Lower);
    let (drafts, sound) = expand::drafts(cx, steps, filled);
    watch(Phase::Order);
    let after: Vec<Vec<usize>> = drafts.iter().map(|draft| draft.after.clone()).collect();
    let graph = match Graph::of(&after) {
        Ok(graph) => graph,
        Err(mut cycles) => {
            let names: Vec<(String, Span)> =
                drafts.iter().map(|draft| (draft.name.value.clone(), draft.name.span)).collect();
            // A circle inside a plan that is called is told with that plan, where it is proven by itself.
            let told = |draft: &Draft| {
                let mut plans = cx.plans.values();
                let own = plans.find(|plan| plan.name.span.file == draft.name.span.file);
                draft.caller.is_some() && own.is_some_and(|plan| plan.alone)
            };
            cycles.retain(|cycle| cycle.iter().any(|at| !told(&drafts[*at])));
            graph::tell_cycles(&cycles, &names, cx.sink);
            return None;
        }
    };
    if !sound {
        return None;
    }
    obey(&drafts, &graph, &Index::of(&drafts, cx.plan, cx.estate), cx);
    Some((drafts, graph))
}

/// Asks every rule of order.
pub(crate) fn obey(drafts: &[Draft], graph: &Graph, index: &Index<'_>, cx: &mut Context<'_>) {
    for (at, draft) in drafts.iter().enumerate().filter(|(_, draft)| draft.skipped.is_none()) {
        if let Some(facts) = draft.facts() {
            let of_step = Rules { steps: drafts, graph, index, at, facts };
            cx.about(draft, |cx| (draft.kind.rules)(&of_step, cx));
        }
    }
    rules::check(drafts, graph, index, cx);
    outputs::rules(drafts, graph, cx);
    fan_out::rules(drafts, cx);
}

/// Where a step stands among those that are lowered together.
pub(crate) struct Place<'a> {
    /// Before its name.
    pub prefix: &'a str,
    /// The call that it belongs to.
    pub caller: Option<&'a Rc<str>>,
    /// Why the call that it belongs to is left out.
    pub skipped: Option<&'a String>,
}

/// Reads one step.
pub(crate) fn read(
    cx: &mut Context<'_>,
    entry: &Entry,
    node: &Node,
    place: &Place<'_>,
    known: &mut Known<'_>,
    sound: &mut bool,
) -> Option<Draft> {
    let name = values::name_text(&entry.key, entry.key_span, cx.sink);
    let what = format!("step {:?}", entry.key);
    let mut fields = Fields::of(node, what, entry.key_span, cx.sink)?.later(&["loop", "for-each"]);
    let after = after(cx, &mut fields, known.producers.index);
    *sound &= after.is_some();
    let common = common(cx, &mut fields);
    let span = fields.span_of("when");
    let skipped = fields.get("when").and_then(|node| when(cx, node, span, known));
    let skipped = place.skipped.cloned().or(skipped);
    fields.get("allow"); // See `allow.rs`.
    let verb = verb(cx, &mut fields);
    let (kind, params, params_span) = match verb {
        Some(verb) => verb,
        None => {
            fields.finish(cx.sink);
            return None;
        }
    };
    steps::common_fields(kind, &fields, cx.sink);
    fields.finish(cx.sink);
    let name = At::new(format!("{}{}", place.prefix, name?), entry.key_span);
    cx.open = false;
    // A step that this run leaves out needs no stand-ins; a check looks at it all the same.
    let left_out = matches!(cx.purpose, Purpose::Explain | Purpose::Run) || cx.mode == Mode::Drill;
    let mut lowered = if skipped.is_some() && left_out {
        None
    } else {
        cx.unready = false;
        let mut fields = Fields::of(params, kind.name, params_span, cx.sink);
        let lowered = fields.as_mut().and_then(|fields| (kind.lower)(cx, fields));
        if let Some(fields) = fields {
            fields.finish(cx.sink);
        }
        lowered
    };
    if let Some(unready) = lowered.as_mut().filter(|one| one.unready && cx.purpose == Purpose::Explain) {
        unready.summary = to_come::words(kind, params, &unready.facts, cx);
    }
    if let Some(what) = lowered.as_ref().filter(|_| skipped.is_none()).and_then(|one| one.to_come) {
        still_to_come(cx, params_span, what);
    }
    Some(Draft {
        name,
        kind,
        params_span,
        after: after.unwrap_or_default(),
        lowered,
        skipped,
        common,
        uses: Vec::new(),
        caller: place.caller.cloned(),
        open: std::mem::take(&mut cx.open),
        params: (cx.purpose == Purpose::Show).then(|| params.canonical()),
    })
}

fn after(cx: &mut Context<'_>, fields: &mut Fields<'_>, index: &HashMap<&str, usize>) -> Option<Vec<usize>> {
    let Some(node) = fields.get("after") else { return Some(Vec::new()) };
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        return Some(Vec::new());
    }
    let names = values::names(node, cx.sink)?;
    let mut found = Vec::with_capacity(names.len());
    for name in &names {
        match index.get(name.value.as_str()) {
            Some(at) => found.push(*at),
            None => {
                let message = format!("the plan has no step {:?}", name.value.as_str());
                let help = match cx.sink.near(name.value.as_str(), index.keys().copied()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => "use the name of a step of this plan".to_string(),
                };
                cx.sink.push_with(&codes::UNKNOWN_STEP, name.span, message, help);
            }
        }
    }
    (found.len() == names.len()).then_some(found)
}

fn common(cx: &mut Context<'_>, fields: &mut Fields<'_>) -> Common {
    const FAILURE: [(&str, OnFailure); 4] = [
        ("ask", OnFailure::Ask),
        ("stop", OnFailure::Stop),
        ("continue", OnFailure::Continue),
        ("unwind", OnFailure::Unwind),
    ];
    let timeout = fields.get("timeout").and_then(|node| {
        let timeout = values::duration(node, cx.sink)?;
        if timeout > MAX_TIMEOUT {
            cx.sink.push(&codes::OUT_OF_RANGE, node.span, "a time-out of more than 7d".to_string());
        }
        Some(timeout)
    });
    let takes = fields.get("takes").and_then(|node| {
        let takes = values::duration(node, cx.sink)?;
        if takes > MAX_TIMEOUT {
            cx.sink.push(&codes::OUT_OF_RANGE, node.span, "a step that takes more than 7d".to_string());
        }
        Some(At::new(takes, node.span))
    });
    let span = fields.span_of("retry");
    let (tries, pause) = fields.get("retry").map_or((None, None), |node| retry(cx, node, span));
    let on_failure_span = fields.has("on-failure").then(|| fields.span_of("on-failure"));
    let on_failure = fields.get("on-failure").and_then(|node| values::word(node, &FAILURE, cx.sink));
    let on_failure = on_failure.unwrap_or_default();
    let undo_none = fields.get("undo").and_then(|node| {
        values::word(node, &[("none", ())], cx.sink)?;
        Some(node.span)
    });
    let span = fields.span_of("fan-out");
    let fan_out = fields.get("fan-out").and_then(|node| fan_out::read(cx, node, span));
    Common { timeout, takes, tries, pause, on_failure, on_failure_span, undo_none, fan_out }
}

fn retry(cx: &mut Context<'_>, node: &Node, owner: Span) -> (Option<At<u32>>, Option<Duration>) {
    let Some(mut fields) = Fields::of(node, "retry", owner, cx.sink) else { return (None, None) };
    let tries = fields.get("tries").and_then(|node| {
        let tries = values::number(node, 1, MAX_TRIES, cx.sink)?;
        Some(At::new(u32::try_from(tries).ok()?, node.span))
    });
    let pause = fields.get("pause").and_then(|node| values::duration(node, cx.sink));
    fields.finish(cx.sink);
    (tries, pause)
}

/// Reads `when`; gives the reason when it says no. What depends on an output is decided while the run goes on.
fn when(cx: &mut Context<'_>, node: &Node, owner: Span, known: &mut Known<'_>) -> Option<String> {
    const MODES: [(&str, Mode); 3] =
        [("live", Mode::Live), ("drill", Mode::Drill), ("preview", Mode::Preview)];
    let mut fields = Fields::of(node, "when", owner, cx.sink)?;
    let modes = fields
        .get("mode")
        .and_then(|node| values::list(node, true, cx.sink, |node, sink| values::word(node, &MODES, sink)));
    let inputs = fields.get("input").and_then(|node| values::entries(node, cx.sink));
    let outputs = fields.get("output").and_then(|node| values::entries(node, cx.sink));
    fields.finish(cx.sink);
    let mut why = None;
    // A preview shows what a live run would do.
    let asked = if cx.mode == Mode::Preview { Mode::Live } else { cx.mode };
    if let Some(modes) = modes
        && !modes.contains(&asked)
        && !modes.contains(&cx.mode)
    {
        why = Some(format!("not in mode {}", cx.mode));
    }
    for entry in inputs.unwrap_or_default() {
        let Some(wanted) = values::text(&entry.value, cx.sink) else { continue };
        match known.inputs.get(&entry.key) {
            None => {
                let message = format!("the plan has no input {:?}", entry.key);
                cx.sink.push(&codes::BAD_INPUT, entry.key_span, message);
            }
            Some((_, Some(value))) if *value != wanted => {
                why = why.or_else(|| Some(format!("input {} is {value:?}, not {wanted:?}", entry.key)));
            }
            Some(_) => {}
        }
    }
    for entry in outputs.unwrap_or_default() {
        outputs::condition(cx, entry, known);
    }
    why
}

/// The one verb of a step.
fn verb<'n>(cx: &mut Context<'_>, fields: &mut Fields<'n>) -> Option<(&'static Kind, &'n Node, Span)> {
    let mut found = Vec::new();
    for kind in KINDS {
        if let Some(node) = fields.get(kind.name) {
            found.push((kind, node, fields.span_of(kind.name)));
        }
    }
    if found.len() > 1 {
        let verbs: Vec<&str> = found.iter().map(|(kind, _, _)| kind.name).collect();
        let message = format!("{} has several verbs: {}", fields.what(), verbs.join(", "));
        cx.sink.push(&codes::VERB, found[1].2, message);
        return None;
    }
    if let Some(found) = found.pop() {
        return Some(found);
    }
    // A verb with parameters that nobody knows is worth a better word than "unknown field".
    let strange = fields.rest().into_iter().find(|entry| matches!(entry.value.value, Value::Map(_)));
    let Some(strange) = strange else {
        let message = format!("{} has no verb", fields.what());
        cx.sink.push(&codes::VERB, fields.owner(), message);
        return None;
    };
    fields.accept(&strange.key);
    let message = format!("{:?} is no step kind", strange.key);
    let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    if let Some(near) = cx.sink.near(&strange.key, known) {
        cx.sink.push_with(&codes::UNKNOWN_KIND, strange.key_span, message, format!("did you mean {near:?}?"));
    } else {
        cx.sink.push(&codes::UNKNOWN_KIND, strange.key_span, message);
    }
    None
}

/// The plan's own objectives; where it has none, the tightest of the sources that it acts on. Who only backs up,
/// proves, collects or follows again recovers nothing.
fn objectives(plan: &Document, estate: &Estate, drafts: &[Draft]) -> Objectives {
    let back = |draft: &&Draft| !matches!(draft.kind.name, "backup" | "collect" | "prove" | "rejoin");
    let sources =
        drafts.iter().filter(back).filter_map(|draft| estate.sources.get(draft.facts()?.source.as_ref()?));
    let all: Vec<Objectives> = sources.map(|source| source.promised.objectives()).collect();
    let own = plan.promised.objectives();
    Objectives {
        rto: own.rto.or_else(|| all.iter().filter_map(|one| one.rto).min()),
        rpo: own.rpo.or_else(|| all.iter().filter_map(|one| one.rpo).min()),
    }
}
