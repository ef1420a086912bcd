//! The steps of a plan with those of the plans that it calls, in one list.
//!
//! A `call` is opened here, before anything is ordered or proven: the child's steps stand in the list under
//! the call's name (`rescue/fence`), its first ones wait for what the call waits for, and the call itself is
//! done when its last ones are. So the rules of order look through calls, and the engine knows nothing
//! of them. Plans that call each other, depth and number of steps are bounded here.

use crate::codes;
use crate::context::Context;
use crate::document::{Document, MAX_STEPS};
use crate::inputs::{self, Filled, Known};
use crate::lower::{Common, Draft, Place, read};
use crate::outputs::Producers;
use crate::steps::call::Call;
use crate::text::{At, Entry, Span};
use model::Name;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

/// Deepest chain of plans that call plans.
pub const MAX_CALLS: usize = 4;
/// Longest path of a step, in bytes: what a name may have, less room for the number of a part.
const MAX_PATH: usize = model::id::MAX_NAME_BYTES - 5;

/// Most orders of one plan: a step has one for each thing that it acts on.
pub const MAX_TASKS: usize = 40_000;
/// Most steps of all plans of an estate that are proven by themselves, each with those that it calls.
pub const MAX_ALL_STEPS: usize = 50_000;

/// How many steps each plan has with those that it calls, as far as the text says it: a plan that an input names counts
/// as the longest one. More than a plan may have is told where it is opened.
pub(crate) fn sizes(plans: &BTreeMap<Name, Document>) -> BTreeMap<&Name, usize> {
    let mut sizes: BTreeMap<&Name, usize> =
        plans.iter().map(|(name, plan)| (name, plan.steps.len())).collect();
    for _ in 0..MAX_CALLS {
        let longest = sizes.values().copied().max().unwrap_or_default();
        let called = |plan: &str| match Name::new(plan) {
            Ok(name) => sizes.get(&name).copied().unwrap_or_default(),
            Err(_) => longest,
        };
        let deeper = plans.iter().map(|(name, plan)| {
            let all = plan.calls().map(called).fold(plan.steps.len(), usize::saturating_add);
            (name, all.min(MAX_STEPS))
        });
        sizes = deeper.collect();
    }
    sizes
}

/// One plan among those that are lowered together.
struct Scope<'p> {
    /// Before the names of its steps: empty, or `rescue/`.
    prefix: String,
    /// The call that it stands for, in words.
    caller: Option<Rc<str>>,
    /// Values of its inputs.
    filled: Filled,
    /// What its first steps wait for.
    after: Vec<usize>,
    /// Why the call was left out.
    skipped: Option<String>,
    /// The plans that led here, itself last.
    chain: Vec<&'p Name>,
}

/// Reads and lowers every step. The second value is false when rules of order would only repeat what is
/// wrong with single steps.
pub(crate) fn drafts(cx: &mut Context<'_>, steps: &[Entry], filled: Filled) -> (Vec<Draft>, bool) {
    let plan = cx.plan;
    let root = Scope {
        prefix: String::new(),
        caller: None,
        filled,
        after: Vec::new(),
        skipped: None,
        chain: vec![&plan.name.value],
    };
    let mut all = All { drafts: Vec::with_capacity(steps.len()), tasks: 0, sound: true };
    all.open(cx, steps, &root, plan.name.span);
    (all.drafts, all.sound)
}

/// What is being gathered.
struct All {
    drafts: Vec<Draft>,
    tasks: usize,
    sound: bool,
}

impl All {
    /// Adds the steps of one plan; gives those for which no other one of them waits.
    fn open(&mut self, cx: &mut Context<'_>, steps: &[Entry], scope: &Scope<'_>, at: Span) -> Vec<usize> {
        let base = self.drafts.len();
        if base + steps.len() > MAX_STEPS {
            let message = format!("with the plans that it calls, this plan has more than {MAX_STEPS} steps");
            cx.sink.push(&codes::CALL_BOUNDS, at, message);
            self.sound = false;
            return Vec::new();
        }
        // Each keeps its place, so that those that cannot be read leave the numbers of the others alone.
        self.drafts.extend(steps.iter().map(|entry| unread(entry, scope)));
        let index: HashMap<&str, usize> =
            steps.iter().enumerate().map(|(number, entry)| (entry.key.as_str(), base + number)).collect();
        for (number, entry) in steps.iter().enumerate() {
            if self.tasks > MAX_TASKS {
                break;
            }
            let producers = Producers { steps, base, index: &index, estate: cx.estate };
            let draft = self.step(cx, entry, scope, producers);
            self.sound &= draft.is_some();
            if let Some(draft) = draft {
                self.drafts[base + number] = draft;
            }
        }
        let own = base..base + steps.len();
        let waited = self.drafts[own.clone()].iter().flat_map(|draft| &draft.after);
        let waited: HashSet<usize> = waited.copied().collect();
        own.filter(|step| !waited.contains(step)).collect()
    }

    fn step(
        &mut self,
        cx: &mut Context<'_>,
        entry: &Entry,
        scope: &Scope<'_>,
        producers: Producers<'_>,
    ) -> Option<Draft> {
        if scope.prefix.len() + entry.key.len() > MAX_PATH {
            let message = format!("the path {}{} has more than {MAX_PATH} bytes", scope.prefix, entry.key);
            cx.sink.push(&codes::CALL_BOUNDS, entry.key_span, message);
            return None;
        }
        let mut known = Known { inputs: &scope.filled, producers, uses: Vec::new() };
        let node = inputs::substitute(&entry.value, &mut known, cx.sink);
        let place =
            Place { prefix: &scope.prefix, caller: scope.caller.as_ref(), skipped: scope.skipped.as_ref() };
        let mut draft = read(cx, entry, &node, &place, &mut known, &mut self.sound)?;
        draft.uses = known.uses;
        let parts = draft.lowered.iter().flat_map(|lowered| &lowered.parts);
        let own: usize = parts.map(|part| part.tasks.len()).sum();
        self.tasks += own;
        if own > 0 && self.tasks > MAX_TASKS {
            let message = format!(
                "with this step the plan has more than {MAX_TASKS} orders, one for each target of a step"
            );
            cx.sink.push(&codes::TOO_LARGE, draft.params_span, message);
            self.sound = false;
        }
        if draft.after.is_empty() {
            draft.after.clone_from(&scope.after);
        }
        if let Some(call) = draft.lowered.as_mut().and_then(|lowered| lowered.call.take()) {
            let last = self.call(cx, &call, &draft, scope);
            draft.after.extend(last);
        }
        Some(draft)
    }

    /// Opens a call; gives the child's last steps.
    fn call(&mut self, cx: &mut Context<'_>, call: &Call, draft: &Draft, scope: &Scope<'_>) -> Vec<usize> {
        let plans = cx.plans;
        let Some(child) = plans.get(&call.plan.value) else { return Vec::new() };
        if let Some(from) = scope.chain.iter().position(|name| **name == child.name.value) {
            let circle: Vec<&str> =
                scope.chain[from..].iter().chain([&&child.name.value]).map(|name| name.as_str()).collect();
            let message = format!("plans call each other: {}", circle.join(" → "));
            // The circle names the calls itself.
            cx.called_by(None, |cx| cx.sink.push(&codes::CALL_CIRCLE, call.plan.span, message));
            self.sound = false;
            return Vec::new();
        }
        if scope.chain.len() > MAX_CALLS {
            let message = format!("calls are nested more than {MAX_CALLS} deep");
            cx.sink.push(&codes::CALL_BOUNDS, call.plan.span, message);
            self.sound = false;
            return Vec::new();
        }
        let inner = Scope {
            prefix: format!("{}/", draft.name.value),
            caller: Some(
                format!("step {:?} of plan {:?}", draft.name.value, cx.plan.name.value.as_str()).into(),
            ),
            filled: call.fill(child, cx),
            after: draft.after.clone(),
            skipped: draft.skipped.clone(),
            chain: scope.chain.iter().copied().chain([&child.name.value]).collect(),
        };
        self.finally(cx, child, call);
        cx.called_by(inner.caller.as_ref(), |cx| self.open(cx, &child.steps, &inner, call.plan.span))
    }

    /// A called plan ends in the middle of the calling one, so what it does "at the end" has no end to wait for.
    fn finally(&mut self, cx: &mut Context<'_>, child: &Document, call: &Call) {
        if child.finally.is_some() {
            let message =
                format!("plan {:?} has a `finally` part, so it cannot be called", child.name.value.as_str());
            cx.sink.push(&codes::ILL_FITTING, call.plan.span, message);
        }
    }
}

fn unread(entry: &Entry, scope: &Scope<'_>) -> Draft {
    Draft {
        name: At::new(format!("{}{}", scope.prefix, entry.key), entry.key_span),
        kind: &crate::steps::wait::KIND,
        params_span: entry.key_span,
        after: Vec::new(),
        lowered: None,
        skipped: None,
        common: Common::default(),
        uses: Vec::new(),
        caller: scope.caller.clone(),
        open: false,
        params: None,
    }
}
