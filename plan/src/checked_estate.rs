//! An estate that has been checked: what a controller holds, asks and compiles plans from.

use crate::SourceFile;
use crate::assignment;
use crate::checked::{CheckedPlan, Scenario};
use crate::codes;
use crate::context::Purpose;
use crate::diagnostic::{Diagnostic, Sink};
use crate::document::{Document, Suspect};
use crate::estate::Estate;
use crate::estate::promised::Promised;
use crate::estate::roles::Role;
use crate::inputs::InputType;
use crate::lower::{Request, lower};
use crate::text::reader::Reader;
use crate::text::{At, Entry, Node, Span, Value};
use crate::trigger::TriggerHead;
use model::lease::Terms;
use model::nouns::{ChannelSpec, Objectives, RecordSpec, RepositorySpec, ServiceSpec, SourceSpec};
use model::schedule::Cron;
use model::{Assignment, Digest, HostName, Mode, Name, UserName};
use std::collections::BTreeMap;
use std::time::Duration;

/// The path under which the parameters of a plain verb appear in diagnostics.
pub const PARAMETERS: &str = "parameters";

/// An estate without errors, with its plans.
#[derive(Debug, Clone)]
pub struct CheckedEstate {
    pub(crate) files: Vec<SourceFile>,
    pub(crate) estate: Estate,
    pub(crate) plans: BTreeMap<Name, Document>,
    pub(crate) digest: Digest,
}

/// What a plan says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanHead {
    /// Its name.
    pub name: Name,
    /// One line for people.
    pub title: String,
    /// What it presumes.
    pub scenario: Scenario,
    /// What it is measured against.
    pub objectives: Objectives,
    /// Its inputs: name, type, default.
    pub inputs: Vec<(String, InputType, Option<String>)>,
    /// The names of its steps.
    pub steps: Vec<String>,
    /// Whether it can be run by itself; else it is only called by others.
    pub alone: bool,
    /// When it begins by itself; none where only people start it.
    pub trigger: Option<TriggerHead>,
}

/// What is known of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceHead {
    /// Its name.
    pub name: Name,
    /// Its kind.
    pub kind: &'static str,
    /// Its members, in the order of the estate.
    pub members: Vec<HostName>,
    /// Services that write to it.
    pub writers: Vec<Name>,
    /// What its recovery is measured against.
    pub objectives: Objectives,
}

/// A role and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleHead {
    /// Who has it.
    pub primary: UserName,
    /// Who has it when the primary cannot be reached.
    pub backup: Option<UserName>,
    /// Everybody who has it, each once: the two, and whoever else does.
    pub people: Vec<UserName>,
    /// Whether one of them may approve alone when nobody else is there.
    pub break_glass: bool,
}

/// What makes machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackHead {
    /// Its name.
    pub name: Name,
    /// The host whose agent applies it.
    pub on: HostName,
    /// Hosts that are there once it is applied.
    pub brings: Vec<Name>,
    /// What it gives, by name.
    pub outputs: BTreeMap<String, InputType>,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleHead {
    /// Its name.
    pub name: Name,
    /// What it backs up.
    pub source: Name,
    /// By which member.
    pub on: Option<HostName>,
    /// Where to.
    pub to: Vec<Name>,
    /// When.
    pub at: Cron,
    /// How long snapshots are kept at least.
    pub keep: Option<Duration>,
    /// Whether each is proven.
    pub prove: bool,
}

impl CheckedEstate {
    /// The files that it was read from.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// Digest of everything that is declared; comments and layout do not count.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// A digest of each noun, `source/app-db`, `plan/region-failover`: what `apply` compares.
    pub fn nouns(&self) -> BTreeMap<String, Digest> {
        let plans = self.plans.iter().map(|(name, plan)| (format!("plan/{name}"), plan.digest.clone()));
        self.estate.digests.clone().into_iter().chain(plans).collect()
    }

    /// Names of the plans.
    pub fn plans(&self) -> impl Iterator<Item = &Name> {
        self.plans.keys()
    }

    /// What a plan says about itself.
    pub fn plan(&self, name: &Name) -> Option<PlanHead> {
        let plan = self.plans.get(name)?;
        let inputs =
            plan.inputs.iter().map(|(name, input)| (name.clone(), input.kind, input.default.clone()));
        Some(PlanHead {
            name: name.clone(),
            title: plan.title.clone(),
            scenario: plan.scenario(),
            objectives: plan.promised.objectives(),
            inputs: inputs.collect(),
            steps: plan.steps.iter().map(|entry| entry.key.clone()).collect(),
            alone: plan.alone,
            trigger: plan.trigger.as_ref().and_then(|trigger| trigger.head(plan, &self.estate)),
        })
    }

    /// Every plan that begins by itself, with when.
    pub fn triggers(&self) -> impl Iterator<Item = (&Name, TriggerHead)> {
        self.plans
            .iter()
            .filter_map(|(name, plan)| Some((name, plan.trigger.as_ref()?.head(plan, &self.estate)?)))
    }

    /// Names of the regions.
    pub fn regions(&self) -> impl Iterator<Item = &Name> {
        self.estate.regions.keys()
    }

    /// Every host with its region.
    pub fn hosts(&self) -> impl Iterator<Item = (&HostName, &Name)> {
        self.estate.hosts.iter().map(|(host, one)| (host, &one.region.value))
    }

    /// The region of a host.
    pub fn region_of(&self, host: &HostName) -> Option<&Name> {
        self.estate.region_of(host)
    }

    /// Every controller: name, region, `host:port`.
    pub fn controllers(&self) -> impl Iterator<Item = (&Name, &Name, &str)> {
        let controllers = self.estate.controllers.iter();
        controllers.map(|(name, one)| (name, &one.region.value, one.at.as_str()))
    }

    /// Every source.
    pub fn sources(&self) -> impl Iterator<Item = SourceHead> {
        self.estate.sources.iter().map(|(name, source)| SourceHead {
            name: name.clone(),
            kind: source.kind,
            members: self.estate.member_hosts(name),
            writers: source.writers.iter().map(|writer| writer.value.clone()).collect(),
            objectives: source.promised.objectives(),
        })
    }

    /// A source as one of its members reaches it.
    pub fn source_on(&self, source: &Name, host: &HostName) -> Option<SourceSpec> {
        self.estate.source_on(source, host)
    }

    /// What the primary of a source asks for, where it is leased.
    pub fn lease(&self, source: &Name) -> Option<Terms> {
        self.estate.lease(source)
    }

    /// The same for one of its members; none for other hosts.
    pub fn lease_on(&self, source: &Name, host: &HostName) -> Option<Terms> {
        self.estate.lease(source).filter(|_| self.estate.member_hosts(source).contains(host))
    }

    /// The members of a leased source that may extend its primary's lease, all together, and where their agents
    /// listen; none where that is not asked for.
    pub fn peers(&self, source: &Name) -> BTreeMap<HostName, String> {
        self.estate.peers(source)
    }

    /// Whether the clock of a host may stand still while others go on.
    pub fn is_pausable(&self, host: &HostName) -> bool {
        self.estate.hosts.get(host).is_some_and(|host| host.pausable)
    }

    /// Every service with its hosts.
    pub fn services(&self) -> impl Iterator<Item = (&Name, Vec<HostName>)> {
        self.estate.services.keys().map(|name| (name, self.estate.service_hosts(name)))
    }

    /// A service on one of its hosts.
    pub fn service_on(&self, service: &Name, host: &HostName) -> Option<ServiceSpec> {
        self.estate.service_on(service, host)
    }

    /// Every check: its name, what it is about, the hosts on which it is asked.
    pub fn checks(&self) -> impl Iterator<Item = (&Name, &Name, Vec<HostName>)> {
        self.estate.checks.iter().map(|(name, check)| (name, &check.of.value, self.estate.check_hosts(name)))
    }

    /// Every repository that can be used, with its region.
    pub fn repositories(&self) -> impl Iterator<Item = (&RepositorySpec, &Name)> {
        self.estate.repositories.values().filter_map(|one| Some((one.spec.now()?, &one.region.value)))
    }

    /// A repository.
    pub fn repository(&self, name: &Name) -> Option<&RepositorySpec> {
        self.estate.repositories.get(name)?.spec.now()
    }

    /// Every record with its zone.
    pub fn records(&self) -> impl Iterator<Item = RecordSpec> {
        self.estate.records.keys().filter_map(|name| self.estate.record_spec(name))
    }

    /// Every stack.
    pub fn stacks(&self) -> impl Iterator<Item = StackHead> {
        self.estate.stacks.iter().map(|(name, stack)| StackHead {
            name: name.clone(),
            on: stack.on.value.clone(),
            brings: stack.brings.iter().map(|host| host.value.clone()).collect(),
            outputs: stack.outputs.clone(),
        })
    }

    /// Every channel that can be used.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelSpec> {
        self.estate.channels.values().filter_map(|channel| channel.spec.now())
    }

    /// A role.
    pub fn role(&self, name: &Name) -> Option<RoleHead> {
        self.estate.roles.get(name).map(role_head)
    }

    /// Every role, by name.
    pub fn roles(&self) -> BTreeMap<Name, RoleHead> {
        self.estate.roles.iter().map(|(name, role)| (name.clone(), role_head(role))).collect()
    }

    /// Whether somebody of that name has a role or a contact.
    pub fn knows(&self, person: &UserName) -> bool {
        let has = |role: &Role| role.people().iter().any(|one| one.value == *person);
        self.estate.has("contact", person.as_str()) || self.estate.roles.values().any(has)
    }

    /// Every schedule.
    pub fn schedules(&self) -> impl Iterator<Item = ScheduleHead> {
        self.estate.schedules.iter().map(|(name, one)| ScheduleHead {
            name: name.clone(),
            source: one.backup.value.clone(),
            on: assignment::member_of(&self.estate, one),
            to: one.to.iter().map(|to| to.value.clone()).collect(),
            at: one.at.clone(),
            keep: one.keep,
            prove: one.prove,
        })
    }

    /// What an agent lives by without a controller; `None` for a host that is not declared.
    pub fn assignment(&self, host: &HostName, version: u64) -> Option<Assignment> {
        assignment::assignment(&self.estate, host, version)
    }

    /// A plan, ready to run in a mode with the given inputs, or everything that is in its way.
    pub fn compile(
        &self,
        plan: &Name,
        mode: Mode,
        inputs: &BTreeMap<String, String>,
    ) -> Result<CheckedPlan, Vec<Diagnostic>> {
        self.compiled(plan, self.request(mode, inputs))
    }

    /// A plan lowered as asked, or everything that is in its way.
    pub(crate) fn compiled(&self, plan: &Name, request: Request<'_>) -> Result<CheckedPlan, Vec<Diagnostic>> {
        let mut sink = Sink::new(&self.files);
        match self.document(plan, &mut sink) {
            Some(document) => lowered(document, &request, sink, &self.files),
            None => Err(sink.finish(&self.files)),
        }
    }

    /// A plan that can be run by itself; tells why there is none.
    pub(crate) fn document(&self, plan: &Name, sink: &mut Sink) -> Option<&Document> {
        let Some(document) = self.plans.get(plan) else {
            let near = sink.near(plan.as_str(), self.plans.keys().map(Name::as_str));
            let help = match near {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!(
                    "declared: {}",
                    self.plans.keys().map(Name::as_str).collect::<Vec<_>>().join(", ")
                ),
            };
            let at = Span { file: 0, line: 1, column: 1, end_column: 2 };
            let message = format!("no plan {:?} is declared", plan.as_str());
            sink.push_with(&codes::UNKNOWN_PLAN, at, message, help);
            return None;
        };
        if !document.alone {
            let message =
                format!("plan {:?} says `alone: false`: it is only called by others", plan.as_str());
            sink.push(&codes::ILL_FITTING, document.name.span, message);
            return None;
        }
        Some(document)
    }

    /// A plan of one step, for a plain verb: `kind` is the step kind, `parameters` the YAML of its
    /// parameters (`{ source: app-db, to: local }`).
    pub fn single(&self, kind: &str, parameters: &str, mode: Mode) -> Result<CheckedPlan, Vec<Diagnostic>> {
        let mut files = self.files.clone();
        files.push(SourceFile { path: PARAMETERS.to_string(), text: parameters.to_string() });
        let file = u32::try_from(files.len() - 1).unwrap_or(u32::MAX);
        let mut sink = Sink::new(&files);
        let at = Span { file, line: 1, column: 1, end_column: 2 };
        let name = crate::text::values::name_text(kind, at, &mut sink);
        let params = Reader::new().read(file, parameters, &mut sink);
        let (Some(name), 0) = (name, sink.errors()) else { return Err(sink.finish(&files)) };
        let params = match params {
            Some(Node { value: Value::Null, span }) => Node { span, value: Value::Map(Vec::new()) },
            Some(node) => node,
            None => Node { span: at, value: Value::Map(Vec::new()) },
        };
        let verb = Entry { key: kind.to_string(), key_span: at, value: params };
        let step = Node { span: at, value: Value::Map(vec![verb]) };
        let digest = step.digest();
        let document = Document {
            title: kind.to_string(),
            name: At::new(name, at),
            lost: Vec::new(),
            suspect: Suspect::default(),
            promised: Promised::default(),
            trigger: None,
            inputs: BTreeMap::new(),
            steps: vec![Entry { key: kind.to_string(), key_span: at, value: step }],
            alone: true,
            finally: None,
            allowed: Vec::new(),
            digest,
        };
        lowered(&document, &self.request(mode, &BTreeMap::new()), sink, &files)
    }

    /// What a plan is lowered with to be run.
    pub(crate) fn request<'a>(&'a self, mode: Mode, inputs: &'a BTreeMap<String, String>) -> Request<'a> {
        Request {
            estate: &self.estate,
            digest: &self.digest,
            plans: &self.plans,
            mode,
            inputs,
            purpose: Purpose::Run,
        }
    }
}

fn role_head(role: &Role) -> RoleHead {
    RoleHead {
        primary: role.primary.value.clone(),
        backup: role.backup.as_ref().map(|backup| backup.value.clone()),
        people: role.people().into_iter().map(|one| one.value.clone()).collect(),
        break_glass: role.break_glass,
    }
}

fn lowered(
    document: &Document,
    request: &Request<'_>,
    mut sink: Sink,
    files: &[SourceFile],
) -> Result<CheckedPlan, Vec<Diagnostic>> {
    sink.strict(request.purpose == Purpose::Run);
    lower(document, request, &mut sink).ok_or_else(|| sink.finish(files))
}
