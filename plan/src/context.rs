//! What a step kind asks while it is lowered: which hosts are meant, and the complete specification of
//! a noun on one of them, in the mode that the plan is lowered for.
//!
//! Two names of hosts run through this: the *live* host that a step means, by which rules reason about
//! regions, and the host that really gets the order. They differ in a drill only, and only here.

use crate::checked::{Action, Task, Undo};
use crate::codes::{self, Code};
use crate::diagnostic::{Severity, Sink};
use crate::document::Document;
use crate::estate::Estate;
use crate::estate::checks::Ask;
use crate::estate::contacts::Contact;
use crate::estate::repositories::Repository;
use crate::estate::schedules::Schedule;
use crate::lower::Draft;
use crate::steps::{Facts, Lowered, Part};
use crate::text::{At, Fields, Node, Span, values};
use model::jobs::Peer;
use model::nouns::{ChannelSpec, CheckSpec, RecordSpec, RepositorySpec, ServiceSpec, SourceKind, SourceSpec};
use model::{ControlAction, HostName, Mode, Name, Target, Work};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

/// Why a plan is lowered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To find what is wrong with it; values of inputs may be unknown.
    Check,
    /// To show what a run would do; what nobody carries out yet is shown without orders.
    Explain,
    /// To run it.
    Run,
    /// To be read by people: what is still to come is no hindrance, and values of inputs may be unknown.
    Show,
}

/// Where a step is lowered.
pub(crate) struct Context<'a> {
    /// The estate.
    pub estate: &'a Estate,
    /// The plans that it may call.
    pub plans: &'a BTreeMap<Name, Document>,
    /// The plan.
    pub plan: &'a Document,
    /// The mode.
    pub mode: Mode,
    /// Why.
    pub purpose: Purpose,
    /// What is found.
    pub sink: &'a mut Sink,
    /// Set when a value of the step that is being lowered is not known yet although it could be lowered.
    pub open: bool,
    /// Whether the step that is being lowered needs a noun whose job is still to come.
    pub unready: bool,
}

/// The part of the estate that a step means.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    /// A region.
    pub region: Option<At<Name>>,
    /// Single hosts.
    pub hosts: Option<Vec<At<HostName>>>,
}

/// What a repository is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Restore, prove.
    Read,
    /// Backup.
    Write,
}

impl Context<'_> {
    /// What is found meanwhile is about this step, and says which call brought it here.
    pub fn about(&mut self, step: &Draft, tell: impl FnOnce(&mut Self)) {
        self.called_by(step.caller.as_ref(), tell);
    }

    /// What is found meanwhile is about a step that this call brought here: `step "reach" of plan "failover"`.
    pub fn called_by<T>(&mut self, caller: Option<&Rc<str>>, tell: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.sink.caller, caller.cloned());
        let told = tell(self);
        self.sink.caller = outer;
        told
    }

    /// Reads `region` and `hosts` of a step: one of them, or none for everything that is not lost.
    pub fn selection(&mut self, fields: &mut Fields<'_>) -> Option<Selection> {
        let region = fields.get("region").map(|node| self.region(node));
        let hosts = fields.get("hosts").map(|node| values::hosts(node, self.sink));
        if region.is_some() && hosts.is_some() {
            let message = format!("{} names a region and hosts; one of them is enough", fields.what());
            self.sink.push(&codes::EITHER_OR, fields.span_of("hosts"), message);
            return None;
        }
        if let Some(Some(hosts)) = &hosts {
            let known = hosts.iter().filter(|host| self.estate.declared_host(host, self.sink)).count();
            if known < hosts.len() {
                return None;
            }
        }
        Some(Selection { region: flat(region)?, hosts: flat(hosts)? })
    }

    /// A region that is declared.
    pub fn region(&mut self, node: &Node) -> Option<At<Name>> {
        let region = values::name(node, self.sink)?;
        self.estate.declared("region", &region, self.sink).then_some(region)
    }

    /// A reference that is declared.
    pub fn noun(&mut self, noun: &'static str, node: &Node) -> Option<At<Name>> {
        let name = values::name(node, self.sink)?;
        if noun == "role" {
            self.people(&name);
        }
        self.estate.declared(noun, &name, self.sink).then_some(name)
    }

    /// Those of some hosts that are meant; tells when there are none, or a named host is not among them.
    pub fn choose(
        &mut self,
        what: &str,
        at: Span,
        all: &[HostName],
        selection: &Selection,
    ) -> Option<Vec<HostName>> {
        for host in selection.hosts.iter().flatten().filter(|host| !all.contains(&host.value)) {
            let message = format!("{what} is not on {}", host.value);
            let help = format!("it is on: {}", list(all));
            self.sink.push_with(&codes::NOT_THERE, host.span, message, help);
        }
        let named: Option<HashSet<&HostName>> =
            selection.hosts.as_ref().map(|hosts| hosts.iter().map(|host| &host.value).collect());
        let means = |host: &&HostName| match (&selection.region, &named) {
            (Some(wanted), _) => self.estate.region_of(host) == Some(&wanted.value),
            (None, Some(named)) => named.contains(host),
            (None, None) => !self.plan.has_lost(host, self.estate),
        };
        let chosen: Vec<HostName> = all.iter().filter(means).cloned().collect();
        if chosen.is_empty() {
            if selection.hosts.is_none() {
                let place = match &selection.region {
                    Some(region) => format!("in region {:?}", region.value.as_str()),
                    None => "outside the lost regions".to_string(),
                };
                let message = format!("{what} is on no host {place}");
                let help = format!("it is on: {}", list(all));
                self.sink.push_with(&codes::NOT_THERE, at, message, help);
            }
            return None;
        }
        Some(chosen)
    }

    /// The one member of a source that a step means: `on`, or the first one in `region`, or the first
    /// one that is not lost. A region with several members needs `on`.
    pub fn member(&mut self, source: Option<&At<Name>>, fields: &mut Fields<'_>) -> Option<HostName> {
        let on = fields.get("on").map(|node| values::host(node, self.sink));
        let region = fields.get("region").map(|node| self.region(node));
        let (on, region, source) = (flat(on)?, flat(region)?, source?);
        let all = self.estate.member_hosts(&source.value);
        if !self.estate.sources.contains_key(&source.value) {
            return None;
        }
        let what = format!("source {:?}", source.value.as_str());
        if let Some(on) = on {
            if !self.estate.declared_host(&on, self.sink) {
                return None;
            }
            let selection = Selection { region: None, hosts: Some(vec![on.clone()]) };
            let chosen = self.choose(&what, on.span, &all, &selection)?;
            if let Some(region) = region
                && self.estate.region_of(&on.value).is_some_and(|its| *its != region.value)
            {
                let message = format!("{} is not in region {:?}", on.value, region.value.as_str());
                self.sink.push(&codes::NOT_THERE, on.span, message);
                return None;
            }
            return chosen.into_iter().next();
        }
        let named = region.is_some();
        let chosen = self.choose(&what, source.span, &all, &Selection { region, hosts: None })?;
        if named && chosen.len() > 1 {
            let message = format!("{what} has several members there: {}", list(&chosen));
            let help = "say which one with `on:`".to_string();
            self.sink.push_with(&codes::AMBIGUOUS, source.span, message, help);
            return None;
        }
        chosen.into_iter().next()
    }

    /// The host that gets orders meant for a live one.
    pub fn acting(&mut self, live: &HostName, at: Span) -> Option<HostName> {
        if self.mode != Mode::Drill {
            return Some(live.clone());
        }
        let stand_in = self.estate.drill.hosts.get(live).map(|(_, stand_in)| stand_in.value.clone());
        if stand_in.is_none() {
            let message = format!("host {live} has no stand-in");
            let help = format!("add `{live}: HOST` under `drill: hosts:`");
            self.sink.push_with(&codes::NO_STAND_IN, at, message, help);
        }
        stand_in
    }

    /// The host that stands for a live one in this mode, as far as there is one.
    pub fn acts_for<'h>(&'h self, live: &'h HostName) -> &'h HostName {
        match self.estate.drill.hosts.get(live) {
            Some((_, stand_in)) if self.mode == Mode::Drill => &stand_in.value,
            Some(_) | None => live,
        }
    }

    /// The hosts that get orders meant for live ones, each once.
    pub fn all_acting(&mut self, live: &[HostName], at: Span) -> Option<Vec<HostName>> {
        let acting: Vec<Option<HostName>> = live.iter().map(|host| self.acting(host, at)).collect();
        let mut acting = acting.into_iter().collect::<Option<Vec<HostName>>>()?;
        acting.sort();
        acting.dedup();
        Some(acting)
    }

    /// A source that must be a database for what is to be done with it.
    pub fn database(&mut self, source: &At<Name>, kind: &SourceKind, done: &str) -> Option<()> {
        if matches!(kind, SourceKind::Postgres(_)) {
            return Some(());
        }
        let message =
            format!("source {:?} is {}; only a database can be {done}", source.value.as_str(), kind.as_str());
        self.sink.push(&codes::ILL_FITTING, source.span, message);
        None
    }

    /// A service on a live host, and who acts.
    pub fn service(&mut self, service: &Name, live: &HostName, at: Span) -> Option<(HostName, ServiceSpec)> {
        let acting = self.acting(live, at)?;
        self.stores("service", service, at);
        let spec = if acting == *live {
            self.estate.service_on(service, live)
        } else {
            self.estate.service_in_place(service, live, &acting)
        };
        self.settled(spec, "service", service, &acting, at).map(|spec| (acting, spec))
    }

    /// A source on a live member, and who acts.
    pub fn source(&mut self, source: &Name, live: &HostName, at: Span) -> Option<(HostName, SourceSpec)> {
        let acting = self.acting(live, at)?;
        self.stores("source", source, at);
        let spec = if acting == *live {
            self.estate.source_on(source, live)
        } else {
            self.estate.source_in_place(source, live, &acting)
        };
        self.settled(spec, "source", source, &acting, at).map(|spec| (acting, spec))
    }

    /// The other members of a source, as the one that acts for `live` reaches them. In a drill those that have a
    /// stand-in of their own.
    pub fn peers(&self, source: &Name, live: &HostName) -> Vec<Peer> {
        let others = self.estate.member_hosts(source).into_iter().filter(|other| other != live);
        let mut peers: Vec<Peer> = Vec::new();
        for other in others {
            let acting = self.acts_for(&other).clone();
            let drill = self.mode == Mode::Drill;
            if drill && (acting == other || acting == *self.acts_for(live)) {
                continue;
            }
            let spec = match drill {
                true => self.estate.source_in_place(source, &other, &acting),
                false => self.estate.source_on(source, &other),
            };
            peers.extend(spec.and_then(|spec| self.estate.peer(source, &acting, &spec)));
        }
        peers.dedup();
        peers
    }

    /// A check on a live host, and who asks.
    pub fn check(&mut self, check: &Name, live: &HostName, at: Span) -> Option<(HostName, CheckSpec)> {
        let acting = self.acting(live, at)?;
        let estate = self.estate;
        if let Some(asked) =
            estate.checks.get(check).filter(|one| matches!(one.ask.now(), Some(Ask::Sql { .. })))
        {
            self.stores("source", &asked.of.value, at);
        }
        let spec = self.estate.check_on(check, live, &acting);
        self.settled(spec, "check", check, &acting, at).map(|spec| (acting, spec))
    }

    fn settled<T>(
        &mut self,
        spec: Option<T>,
        noun: &str,
        name: &Name,
        acting: &HostName,
        at: Span,
    ) -> Option<T> {
        if spec.is_none() && self.tell_to_come(noun, name, acting, at) {
            return None;
        }
        if spec.is_none() && self.mode == Mode::Drill {
            let message = format!("{noun} {:?} has no settings on {acting}, which stands in", name.as_str());
            let help =
                format!("declare it on {acting} too; a host that stands in takes no part in live plans");
            self.sink.push_with(&codes::NO_STAND_IN, at, message, help);
        } else if spec.is_none() && noun == "check" && self.estate.checks.contains_key(name) {
            let message = format!("check {:?} does not say what is asked on {acting}", name.as_str());
            self.sink.push(&codes::NOT_THERE, at, message);
        }
        spec
    }

    /// Tells that a noun can be checked and not yet used, if it is so on that host or on the one that it
    /// stands in for.
    fn tell_to_come(&mut self, noun: &str, name: &Name, acting: &HostName, at: Span) -> bool {
        let estate = self.estate;
        // One host may stand in for several.
        let mut lives = estate.drill.hosts.iter().filter(|(_, (_, stand_in))| stand_in.value == *acting);
        let what = estate
            .to_come(noun, name, acting)
            .or_else(|| lives.find_map(|(live, _)| estate.to_come(noun, name, live)));
        let Some(what) = what else { return false };
        self.later(noun, name, what, at);
        true
    }

    fn later(&mut self, noun: &str, name: &Name, what: &str, at: Span) {
        self.unready = true;
        self.sink
            .later(at, format!("this step needs {noun} {:?}, and {what} is still to come", name.as_str()));
    }

    /// What a step lowers to that needs a noun whose job is still to come: no tasks, so that it never runs,
    /// and its facts, so that it is checked like any other. `None` when that is not why it has none.
    pub fn unready(&self, facts: Facts, undo: Undo) -> Option<Lowered> {
        let parts = vec![Part { tasks: Vec::new(), undo }];
        self.unready.then(|| Lowered { facts, parts, unready: true, ..Lowered::default() })
    }

    /// Tells that something a step needs is in a region that is presumed lost. `what` ends before the region:
    /// `channel "ops" stands in`.
    pub fn standing(&mut self, code: &'static Code, at: Span, what: &str, region: Option<&Name>) {
        if let Some(region) = region.filter(|region| self.plan.is_lost(region)) {
            let message = format!("{what} region {:?}, which this plan presumes lost", region.as_str());
            self.sink.push(code, at, message);
        }
    }

    /// Tells secrets of a noun whose store is lost.
    fn stores(&mut self, noun: &'static str, name: &Name, at: Span) {
        for secret in self.estate.secrets_of(noun, name) {
            let region = self.estate.secrets.get(&secret.value).and_then(|secret| secret.region.as_ref());
            if let Some(region) = region.filter(|region| self.plan.is_lost(&region.value)) {
                let message = format!(
                    "{noun} {:?} needs secret {:?}, which is kept in region {:?} and presumed lost",
                    name.as_str(),
                    secret.value.as_str(),
                    region.value.as_str()
                );
                self.sink.push(&codes::LOST_SECRET, at, message);
            }
        }
    }

    /// Tells a role whose people hear of nothing that the lost region does not pass on. Who has no contact is
    /// told with the role.
    fn people(&mut self, role: &At<Name>) {
        let Some(declared) = self.estate.roles.get(&role.value) else { return };
        let users = [Some(&declared.primary), declared.backup.as_ref()].into_iter().flatten();
        let contacts: Option<Vec<&Contact>> =
            users.map(|user| self.estate.contacts.get(&Name::new(user.value.as_str()).ok()?)).collect();
        let lost = |region: &Option<At<Name>>| {
            region.as_ref().is_some_and(|region| self.plan.is_lost(&region.value))
        };
        let reached = |contact: &&Contact| {
            let channel =
                contact.channel.as_ref().and_then(|channel| self.estate.channels.get(&channel.value));
            contact.phone.is_some()
                || (contact.email.is_some() && !lost(&contact.mail_region))
                || channel.is_some_and(|channel| !lost(&channel.region))
        };
        if contacts.is_some_and(|contacts| !contacts.iter().any(reached)) {
            let message = format!(
                "nobody of role {:?} can be reached without a region that this plan presumes lost",
                role.value.as_str()
            );
            self.sink.push(&codes::LOST_PEOPLE, role.span, message);
        }
    }

    /// What a step changes that is not on a host: in a drill what stands in for it.
    pub fn in_mode(&mut self, noun: &'static str, live: At<Name>) -> Option<At<Name>> {
        if self.mode != Mode::Drill {
            return Some(live);
        }
        let stand_in = self.estate.drill.stand_in(noun, &live.value).cloned();
        if stand_in.is_none() {
            let message = format!("{noun} {:?} has no stand-in", live.value.as_str());
            let help = format!("add `{}: {}` under `drill: {noun}s:`", live.value, noun.to_uppercase());
            self.sink.push_with(&codes::NO_STAND_IN, live.span, message, help);
        }
        stand_in.map(|name| At::new(name, live.span))
    }

    /// A repository that is not lost.
    pub fn repository(&mut self, node: &Node, purpose: Use) -> Option<RepositorySpec> {
        let mut at = self.noun("repository", node)?;
        if self.mode == Mode::Drill && purpose == Use::Write {
            let Some(stand_in) = self.estate.drill.stand_in("repository", &at.value) else {
                let message = format!(
                    "repository {:?} has no stand-in that takes a drill's backups",
                    at.value.as_str()
                );
                let help = format!("add `{}: REPOSITORY` under `drill: repositories:`", at.value);
                self.sink.push_with(&codes::NO_STAND_IN, at.span, message, help);
                return None;
            };
            at = At::new(stand_in.clone(), at.span);
        }
        let repository = self.estate.repositories.get(&at.value)?;
        let what = format!("repository {:?} is in", at.value.as_str());
        self.standing(&codes::LOST_REPOSITORY, at.span, &what, Some(&repository.region.value));
        if purpose == Use::Read {
            self.emptied(&at, repository);
        }
        self.stores("repository", &at.value, at.span);
        if let Some(what) = repository.spec.later() {
            self.later("repository", &at.value, what, at.span);
        }
        repository.spec.now().cloned()
    }

    /// Tells a repository into which a suspect host writes, and which would let it remove what is there.
    fn emptied(&mut self, at: &At<Name>, repository: &Repository) {
        if !self.plan.suspect.is_any() {
            return;
        }
        let writes = |schedule: &&Schedule| schedule.to.iter().any(|to| to.value == at.value);
        let mut writers = self.estate.schedules.values().filter(writes);
        let suspect = writers.find_map(|schedule| {
            let host = crate::assignment::member_of(self.estate, schedule)?;
            self.plan.is_suspect(&host, self.estate).then_some(host)
        });
        if let Some(host) = suspect.filter(|_| !repository.locked) {
            let message = format!(
                "{host}, which this plan does not believe, writes into repository {:?}, and nothing keeps it from removing what is there",
                at.value.as_str()
            );
            self.sink.push(&codes::UNLOCKED_REPOSITORY, at.span, message);
        }
    }

    /// A record whose servers are not lost.
    pub fn record(&mut self, at: &At<Name>) -> Option<RecordSpec> {
        let record = self.estate.records.get(&at.value)?;
        let zone = self.estate.zones.get(&record.zone.value)?;
        if let Some(region) = zone.region.as_ref().filter(|region| self.plan.is_lost(&region.value)) {
            let message = format!(
                "its zone is served from region {:?} only, which is presumed lost",
                region.value.as_str()
            );
            self.sink.push(&codes::LOST_SERVER, at.span, message);
        }
        if let Some(Some(region)) = zone.server_regions.first().filter(|_| zone.region.is_none())
            && self.plan.is_lost(&region.value)
        {
            let message = format!(
                "the server that takes updates of its zone stands in region {:?}, which is presumed lost",
                region.value.as_str()
            );
            self.sink.push(&codes::LOST_SERVER, at.span, message);
        }
        self.stores("dns zone", &record.zone.value, at.span);
        let mut spec = self.estate.record_spec(&at.value);
        if let Some(what) = record.later.as_deref().or(zone.spec.later()) {
            self.later("record", &at.value, what, at.span);
        }
        if self.mode == Mode::Drill {
            let Some((_, stand_in)) = self.estate.drill.records.get(&at.value) else {
                let message = format!("record {:?} has no stand-in", at.value.as_str());
                let help = format!("add `{}: NAME-IN-DNS` under `drill: records:`", at.value);
                self.sink.push_with(&codes::NO_STAND_IN, at.span, message, help);
                return None;
            };
            spec.as_mut()?.fqdn = stand_in.value.clone();
        }
        spec
    }

    /// A channel that is not lost.
    pub fn channel(&mut self, node: &Node) -> Option<ChannelSpec> {
        let mut at = self.noun("channel", node)?;
        if self.mode == Mode::Drill {
            let Some(stand_in) = self.estate.drill.stand_in("channel", &at.value) else {
                let message = format!("channel {:?} has no stand-in for a drill", at.value.as_str());
                let help = format!(
                    "add `{}: CHANNEL` under `drill: channels:`; it may stand in for itself",
                    at.value
                );
                self.sink.push_with(&codes::NO_STAND_IN, at.span, message, help);
                return None;
            };
            at = At::new(stand_in.clone(), at.span);
        }
        let channel = self.estate.channels.get(&at.value)?;
        let what = format!("channel {:?} stands in", at.value.as_str());
        let region = channel.region.as_ref().map(|region| &region.value);
        self.standing(&codes::LOST_SERVER, at.span, &what, region);
        self.stores("channel", &at.value, at.span);
        if let Some(what) = channel.spec.later() {
            self.later("channel", &at.value, what, at.span);
        }
        channel.spec.now().cloned()
    }

    /// " (eu-west)" for a host, empty when its region is not known.
    pub fn place_words(&self, host: &HostName) -> String {
        self.estate.region_of(host).map(|region| format!(" ({region})")).unwrap_or_default()
    }
}

/// Tells that the language has something that nobody carries out yet: a warning of a check, which proves the
/// plan all the same, and an error for a run.
pub(crate) fn still_to_come(cx: &mut Context<'_>, at: Span, what: &str) {
    let severity = if cx.purpose == Purpose::Run { Severity::Error } else { Severity::Warning };
    cx.sink.push_as(severity, &codes::JOB_LATER, at, format!("{what} is still to come"));
}

/// An optional field that was read: absent is fine, present and ill-fitting is not.
pub(crate) fn flat<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    crate::estate::services::flat(read)
}

/// Names in a row.
pub(crate) fn list<T: std::fmt::Display>(names: &[T]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Work of an agent on a noun of its host.
pub(crate) fn agent_task(noun: &str, name: &Name, host: HostName, work: Work) -> Option<Task> {
    let target = Target { noun: Name::new(noun).ok()?, name: name.clone(), host: Some(host.clone()) };
    Some(Task { target, action: Action::Agent { host, work } })
}

/// An action of the controller on a noun.
pub(crate) fn control_task(noun: &str, name: &Name, control: ControlAction) -> Option<Task> {
    let target = Target { noun: Name::new(noun).ok()?, name: name.clone(), host: None };
    Some(Task { target, action: Action::Controller { control } })
}
