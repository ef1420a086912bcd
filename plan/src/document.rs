//! A plan's text: its head, and where its steps stand. The steps themselves are read when the plan is
//! lowered for a mode, once its inputs are filled in.

use crate::allow::{self, Allowed};
use crate::checked::Scenario;
use crate::codes;
use crate::diagnostic::Sink;
use crate::estate::Estate;
use crate::estate::promised::{self, Of, Promised};
use crate::estate::services::flat;
use crate::inputs::{self, Filled, Input};
use crate::outputs::field;
use crate::shape::plans::{SCENARIO, SUSPECT};
use crate::text::reader::Comments;
use crate::text::{At, Entry, Fields, Node, Scalar, Span, Value, values};
use crate::trigger::{self, Trigger};
use model::{Digest, HostName, Micros, Name};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

/// Most steps of one plan.
pub const MAX_STEPS: usize = 2_000;

/// A plan as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// Its name.
    pub name: At<Name>,
    /// One line for people.
    pub title: String,
    /// Regions presumed dead.
    pub lost: Vec<At<Name>>,
    /// Whose word is not believed.
    pub suspect: Suspect,
    /// What the recovery is measured against.
    pub promised: Promised,
    /// When it begins by itself.
    pub trigger: Option<Trigger>,
    /// Its inputs.
    pub inputs: BTreeMap<String, Input>,
    /// Its steps by name.
    pub steps: Vec<Entry>,
    /// Whether it can be run by itself; else it is only called.
    pub alone: bool,
    /// Steps that run at the end whatever happened.
    pub finally: Option<At<Vec<Entry>>>,
    /// Warnings that its steps allow.
    pub allowed: Vec<Allowed>,
    /// Digest of its text without comments and layout.
    pub digest: Digest,
}

/// Whose word is not believed, and since when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Suspect {
    /// Regions.
    pub regions: Vec<At<Name>>,
    /// Single hosts.
    pub hosts: Vec<At<HostName>>,
    /// Since when; for ever when absent.
    pub since: Option<Micros>,
    /// The input that says since when: nobody knows it when the plan is written.
    pub since_input: Option<At<String>>,
    /// Whether its value is not known yet.
    pub since_open: bool,
}

impl Suspect {
    /// Whether anybody is not believed.
    pub fn is_any(&self) -> bool {
        !self.regions.is_empty() || !self.hosts.is_empty()
    }
}

/// Whether a file is a plan.
pub(crate) fn is_plan(root: &Node) -> bool {
    matches!(&root.value, Value::Map(entries) if entries.iter().any(|entry| entry.key == "plan"))
}

/// Reads a plan's head, and takes its steps out of the tree.
pub(crate) fn read(mut root: Node, comments: &Comments, sink: &mut Sink) -> Option<Document> {
    let mut fields = Fields::of(&root, "the plan", root.span, sink)?;
    let name = fields.need("plan", sink).and_then(|node| values::name(node, sink));
    let title = fields.get("title").map(|node| values::words(node, sink));
    let span = fields.span_of("scenario");
    let (lost, suspect) =
        fields.get("scenario").map_or_else(Default::default, |node| scenario(node, span, sink));
    let span = fields.span_of("objectives");
    let promised = fields.get("objectives").and_then(|node| promised::read(node, span, Of::Plan, sink));
    let promised = promised.unwrap_or_default();
    let span = fields.span_of("trigger");
    let trigger = fields.get("trigger").and_then(|node| trigger::read(node, span, sink));
    let span = fields.span_of("inputs");
    let inputs = fields.get("inputs").map_or_else(BTreeMap::new, |node| inputs::read(node, span, sink));
    let steps = fields.need("steps", sink).and_then(|node| steps(node, sink)).is_some();
    let alone = fields.get("alone").map_or(Some(true), |node| values::truth(node, sink));
    let span = fields.span_of("finally");
    let finally = fields.get("finally").and_then(|node| self::steps(node, sink)).is_some();
    if steps && finally {
        told_twice(&root, sink);
    }
    fields.get("allow"); // See `allow.rs`.
    fields.finish(sink);
    let allowed = allow::read(&root, comments, sink);
    let name = name?;
    let digest = root.digest();
    Some(Document {
        alone: alone.unwrap_or(true),
        finally: taken(&mut root, "finally").filter(|_| finally).map(|steps| At::new(steps, span)),
        allowed,
        title: title.flatten().unwrap_or_else(|| name.value.to_string()),
        name,
        lost,
        suspect,
        promised,
        trigger,
        inputs,
        steps: taken(&mut root, "steps").filter(|_| steps)?,
        digest,
    })
}

/// The entries of a map below a key, no longer in the tree.
fn taken(root: &mut Node, key: &str) -> Option<Vec<Entry>> {
    let Value::Map(top) = &mut root.value else { return None };
    match &mut top.iter_mut().find(|entry| entry.key == key)?.value.value {
        Value::Map(entries) => Some(std::mem::take(entries)),
        Value::Null | Value::Scalar(_) | Value::List(_) => None,
    }
}

/// A step of the same name under `steps` and `finally`.
fn told_twice(root: &Node, sink: &mut Sink) {
    let entries = |key| match field(root, key).map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    let names: HashSet<&str> = entries("steps").iter().map(|step| step.key.as_str()).collect();
    for step in entries("finally").iter().filter(|step| names.contains(step.key.as_str())) {
        let message = format!("step {:?} stands under `steps` too", step.key);
        sink.push(&codes::DUPLICATE, step.key_span, message);
    }
}

fn scenario(node: &Node, owner: Span, sink: &mut Sink) -> (Vec<At<Name>>, Suspect) {
    let Some(fields) = Fields::of(node, "scenario", owner, sink) else { return Default::default() };
    let mut fields = fields.shaped(&[SCENARIO]);
    let lost = fields.get("lost").and_then(|node| values::names(node, sink));
    let span = fields.span_of("suspect");
    let suspect = fields.get("suspect").and_then(|node| suspect(node, span, sink));
    fields.finish(sink);
    (lost.unwrap_or_default(), suspect.unwrap_or_default())
}

/// A list of regions, or `{ regions, hosts, since }`.
fn suspect(node: &Node, owner: Span, sink: &mut Sink) -> Option<Suspect> {
    if !matches!(node.value, Value::Map(_)) {
        return Some(Suspect { regions: values::names(node, sink)?, ..Suspect::default() });
    }
    let mut fields = Fields::of(node, "suspect", owner, sink)?.shaped(&[SUSPECT]);
    let regions = fields.get("regions").map(|node| values::names(node, sink));
    let hosts = fields.get("hosts").map(|node| values::hosts(node, sink));
    let reference = fields.peek("since").and_then(input_named);
    let since = fields.get("since").filter(|_| reference.is_none()).map(|node| values::time(node, sink));
    if regions.is_none() && hosts.is_none() {
        sink.push(&codes::MISSING, owner, "suspect needs `regions` or `hosts`".to_string());
    }
    fields.finish(sink);
    Some(Suspect {
        regions: flat(regions)?.unwrap_or_default(),
        hosts: flat(hosts)?.unwrap_or_default(),
        since: flat(since)?,
        since_input: reference,
        since_open: false,
    })
}

/// `${{ inputs.NAME }}`.
fn input_named(node: &Node) -> Option<At<String>> {
    let Value::Scalar(Scalar { text, .. }) = &node.value else { return None };
    let inner = text.trim().strip_prefix("${{")?.strip_suffix("}}")?.trim();
    Some(At::new(inner.strip_prefix("inputs.")?.to_string(), node.span))
}

/// Whether these can be the steps of a plan; tells why not.
fn steps(node: &Node, sink: &mut Sink) -> Option<()> {
    let entries = values::entries(node, sink)?;
    if entries.is_empty() {
        sink.push(&codes::EMPTY, node.span, "a plan without steps".to_string());
        return None;
    }
    if entries.len() > MAX_STEPS {
        let message = format!("{} steps; a plan has at most {MAX_STEPS}", entries.len());
        sink.push(&codes::TOO_LARGE, node.span, message);
        return None;
    }
    Some(())
}

impl Document {
    /// Checks what its head refers to.
    pub fn check(&self, estate: &Estate, sink: &mut Sink) {
        for region in self.lost.iter().chain(&self.suspect.regions) {
            estate.declared("region", region, sink);
        }
        for host in &self.suspect.hosts {
            estate.declared_host(host, sink);
        }
        if let Some(trigger) = &self.trigger {
            trigger.check(self, estate, sink);
        }
    }

    /// The same with `suspect: since` filled in, where an input says it.
    pub fn settled<'d>(&'d self, filled: &Filled, sink: &mut Sink) -> Cow<'d, Document> {
        let Some(input) = &self.suspect.since_input else { return Cow::Borrowed(self) };
        let mut out = self.clone();
        match filled.get(&input.value) {
            None => {
                let message = format!("the plan has no input {:?}", input.value);
                sink.push(&codes::BAD_INPUT, input.span, message);
            }
            Some((_, None)) => out.suspect.since_open = true,
            Some((_, Some(text))) => {
                let time = text.trim().parse::<jiff::Timestamp>().ok().map(Micros::from);
                if time.is_none() {
                    sink.push(
                        &codes::NOT_A_TIME,
                        input.span,
                        format!("input {:?} is not a time", input.value),
                    );
                }
                out.suspect.since = time;
            }
        }
        Cow::Owned(out)
    }

    /// The plans that its steps call, as far as their text says it.
    pub fn calls(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|step| match &field(field(&step.value, "call")?, "plan")?.value {
            Value::Scalar(scalar) => Some(scalar.text.as_str()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        })
    }

    /// Whether a region is presumed dead.
    pub fn is_lost(&self, region: &Name) -> bool {
        self.lost.iter().any(|lost| lost.value == *region)
    }

    /// Whether a host stands in a region that is presumed dead.
    pub fn has_lost(&self, host: &HostName, estate: &Estate) -> bool {
        estate.region_of(host).is_some_and(|region| self.is_lost(region))
    }

    /// Whether a host's word is not believed.
    pub fn is_suspect(&self, host: &HostName, estate: &Estate) -> bool {
        let region = estate.region_of(host);
        self.suspect.hosts.iter().any(|suspect| suspect.value == *host)
            || self.suspect.regions.iter().any(|suspect| Some(&suspect.value) == region)
    }

    /// The scenario without places.
    pub fn scenario(&self) -> Scenario {
        let values = |list: &[At<Name>]| list.iter().map(|at| at.value.clone()).collect();
        Scenario {
            lost: values(&self.lost),
            suspect: values(&self.suspect.regions),
            suspect_hosts: self.suspect.hosts.iter().map(|at| at.value.clone()).collect(),
            since: self.suspect.since,
        }
    }
}
