//! The check itself: files in, a checked estate or every diagnostic at once out.

use crate::SourceFile;
use crate::allow;
use crate::checked_estate::CheckedEstate;
use crate::codes;
use crate::context::Purpose;
use crate::diagnostic::{Diagnostic, Severity, Sink};
use crate::document::{self, Document};
use crate::domains;
use crate::estate::Estate;
use crate::expand::{self, MAX_ALL_STEPS};
use crate::lower::{Request, lower_with};
use crate::objectives::{self, Gaps};
use crate::text::reader::{MAX_FILES, MAX_TOTAL_BYTES, Reader};
use crate::text::{Node, Span};
use model::{Digest, Mode, Name};
use std::collections::{BTreeMap, BTreeSet};

/// Codes about promises begin so: what they tell is wrong with an objective, not with what would run.
const PROMISES: &str = "LB04";

/// What the check gives.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The estate; there when no diagnostic is an error.
    pub estate: Option<CheckedEstate>,
    /// Everything that was found, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// Number of errors among the diagnostics.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|one| one.severity == Severity::Error).count()
    }
}

/// What a check is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Texts become trees, and those of plans heads.
    Parse,
    /// Nouns are read and checked.
    Estate,
    /// Steps are read and become work.
    Lower,
    /// Rules of order.
    Order,
    /// Regions that are lost, and ways back.
    Domains,
    /// RTO and RPO.
    Objectives,
    /// What was found is brought in order.
    Finish,
}

impl Phase {
    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Parse => "parse",
            Phase::Estate => "estate",
            Phase::Lower => "lower",
            Phase::Order => "order",
            Phase::Domains => "domains",
            Phase::Objectives => "objectives",
            Phase::Finish => "finish",
        }
    }
}

/// Checks an estate with its plans. A file with a top-level key `plan` is a plan, every other one a part
/// of the estate. Bounds: see `text/reader.rs`'s constants.
pub fn check(files: &[SourceFile]) -> Checked {
    check_watched(files, &mut |_| ())
}

/// The same, and `watch` hears what it is busy with from then on: for measurements. It begins with
/// [`Phase::Parse`].
pub fn check_watched(files: &[SourceFile], watch: &mut dyn FnMut(Phase)) -> Checked {
    let (estate, sound, diagnostics) = read(files, watch);
    Checked { estate: if sound { estate } else { None }, diagnostics }
}

/// The same, and the estate is there, too, when all that is wrong is that its promises cannot be kept
/// (`LB04…`): for whoever wants to see the sums.
pub fn explainable(files: &[SourceFile]) -> Checked {
    let (estate, _, diagnostics) = read(files, &mut |_| ());
    Checked { estate, diagnostics }
}

/// The estate where it can be run at all, whether nothing is wrong, and everything that was found.
fn read(
    files: &[SourceFile],
    watch: &mut dyn FnMut(Phase),
) -> (Option<CheckedEstate>, bool, Vec<Diagnostic>) {
    let mut sink = Sink::new(files);
    let start = |file: usize| Span {
        file: u32::try_from(file).unwrap_or(u32::MAX),
        line: 1,
        column: 1,
        end_column: 2,
    };
    let total: usize = files.iter().map(|file| file.text.len()).sum();
    if total > MAX_TOTAL_BYTES || files.len() > MAX_FILES {
        let message = format!(
            "{} files with {total} bytes; at most {MAX_FILES} files and {MAX_TOTAL_BYTES} bytes are read",
            files.len()
        );
        sink.push(&codes::TOO_LARGE, start(0), message);
        return (None, false, sink.finish(files));
    }
    let mut reader = Reader::new();
    let mut estate = Estate::default();
    let mut documents: Vec<Document> = Vec::new();
    let mut roots: Vec<Node> = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let Some(root) = reader.read(start(number).file, &file.text, &mut sink) else { continue };
        if document::is_plan(&root) {
            // A part of a plan that nobody carries out yet is no plan.
            sink.strict(true);
            documents.extend(document::read(root, reader.comments(), &mut sink));
            sink.strict(false);
        } else {
            roots.push(root);
        }
    }
    watch(Phase::Estate);
    estate.read(&roots, &mut sink);
    drop(roots);
    documents.iter().for_each(|document| estate.note_plan(&document.name));
    estate.check(&mut sink);
    watch(Phase::Objectives);
    let mut gaps = Gaps::default();
    objectives::source_rpo(&estate, &mut gaps, &mut sink);
    objectives::service_contradictions(&estate, &mut sink);
    objectives::levels(&estate, &mut sink);
    watch(Phase::Domains);
    let plans = named(documents, &mut sink);
    let digest = digest(&estate, &plans);
    domains::ways_back(&plans, &estate, &mut sink);
    prove(&plans, &estate, &digest, &mut gaps, &mut sink, watch);
    scheduled_drills(&plans, &estate, &digest, &mut sink);
    objectives::unproven_schedules(&estate, &gaps, &mut sink);
    watch(Phase::Finish);
    plans.values().for_each(|plan| allow::apply(&plan.allowed, &mut sink));
    let (sound, runs) = (sink.errors() == 0, sink.errors_besides(PROMISES) == 0);
    let diagnostics = sink.finish(files);
    let estate = runs.then(|| CheckedEstate { files: files.to_vec(), estate, plans, digest });
    (estate, sound, diagnostics)
}

fn named(documents: Vec<Document>, sink: &mut Sink) -> BTreeMap<Name, Document> {
    let mut plans: BTreeMap<Name, Document> = BTreeMap::new();
    for document in documents {
        if let Some(first) = plans.get(&document.name.value) {
            let other = first.name.span;
            let message = format!(
                "plan {:?} is declared twice; the other one is in line {} of {}",
                document.name.value.as_str(),
                other.line,
                sink.path(other.file)
            );
            sink.push(&codes::DUPLICATE, document.name.span, message);
            continue;
        }
        plans.insert(document.name.value.clone(), document);
    }
    plans
}

/// Over every noun and plan, by name.
fn digest(estate: &Estate, plans: &BTreeMap<Name, Document>) -> Digest {
    let nouns = estate.digests.iter().map(|(name, digest)| format!("{name} {digest}\n"));
    let plans = plans.iter().map(|(name, plan)| format!("plan/{name} {}\n", plan.digest));
    Digest::of_bytes(nouns.chain(plans).collect::<String>().as_bytes())
}

/// Proves every plan that can be run by itself, with those that it calls, as far as they are not too many.
fn prove(
    plans: &BTreeMap<Name, Document>,
    estate: &Estate,
    digest: &Digest,
    gaps: &mut Gaps,
    sink: &mut Sink,
    watch: &mut dyn FnMut(Phase),
) {
    let (sizes, mut left) = (expand::sizes(plans), MAX_ALL_STEPS);
    let called: BTreeSet<&str> = plans.values().flat_map(Document::calls).collect();
    for plan in plans.values() {
        watch(Phase::Domains);
        plan.check(estate, sink);
        domains::controllers(plan, estate, sink);
        if !plan.alone && called.contains(plan.name.value.as_str()) {
            // It is proven in its callers, with what they did before and what they give it.
            continue;
        }
        let size = sizes.get(&plan.name.value).copied().unwrap_or_default();
        let Some(rest) = left.checked_sub(size) else {
            let message = format!(
                "up to this plan, all plans with those that they call have more than {MAX_ALL_STEPS} steps; this one and those after it are not proven"
            );
            sink.push(&codes::CALL_BOUNDS, plan.name.span, message);
            break;
        };
        left = rest;
        let inputs = BTreeMap::new();
        let request =
            Request { estate, digest, plans, mode: Mode::Live, inputs: &inputs, purpose: Purpose::Check };
        check_plan(plan, request, gaps, sink, watch);
    }
}

/// A plan as it would run live, and, where the estate has a drill part, as a drill: what is wrong only
/// there is a warning here and an error when the drill is started.
fn check_plan(
    plan: &Document,
    live: Request<'_>,
    gaps: &mut Gaps,
    sink: &mut Sink,
    watch: &mut dyn FnMut(Phase),
) {
    if let Some((lowered, _)) = lower_with(plan, &live, sink, watch) {
        objectives::plan_rpo(plan, &lowered, live.estate, gaps, sink);
    }
    if live.estate.drill.declared {
        let mut drill = sink.sibling();
        lower_with(plan, &Request { mode: Mode::Drill, ..live }, &mut drill, watch);
        sink.absorb_as_warnings(drill, "in a drill");
    }
}

/// Plans that are drilled by the clock can be drilled: they need nothing that nobody gives, and what they act on
/// has stand-ins. Each plan is looked at once, however many schedules it has.
fn scheduled_drills(plans: &BTreeMap<Name, Document>, estate: &Estate, digest: &Digest, sink: &mut Sink) {
    let (sizes, mut left) = (expand::sizes(plans), MAX_ALL_STEPS);
    let mut refused: BTreeMap<&Name, Option<String>> = BTreeMap::new();
    for named in estate.drills.values() {
        let Some(plan) = plans.get(&named.value) else { continue };
        if !refused.contains_key(&named.value) {
            // That there are too many steps in all was told when the plans were proven.
            let size = sizes.get(&named.value).copied().unwrap_or_default();
            let Some(rest) = left.checked_sub(size) else { return };
            left = rest;
        }
        let why = refused.entry(&named.value).or_insert_with(|| no_drill(plan, plans, estate, digest, sink));
        if let Some(message) = why.clone() {
            sink.push(&codes::NO_DRILL, named.span, message);
        }
    }
}

/// Why a plan cannot be drilled by the clock.
fn no_drill(
    plan: &Document,
    plans: &BTreeMap<Name, Document>,
    estate: &Estate,
    digest: &Digest,
    sink: &Sink,
) -> Option<String> {
    let name = plan.name.value.as_str();
    if !plan.alone {
        return Some(format!("plan {name:?} is only called by others"));
    }
    if let Some((input, _)) = plan.inputs.iter().find(|(_, input)| input.default.is_none()) {
        return Some(format!("plan {name:?} needs the input {input:?}, and a schedule gives none"));
    }
    let inputs = BTreeMap::new();
    let request =
        Request { estate, digest, plans, mode: Mode::Drill, inputs: &inputs, purpose: Purpose::Check };
    let mut drill = sink.sibling();
    lower_with(plan, &request, &mut drill, &mut |_| ());
    let first = drill.first(&codes::NO_STAND_IN)?;
    Some(format!("plan {name:?} would be refused as a drill: {first}"))
}
