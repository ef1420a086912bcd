//! Nouns to the complete specifications that travel inside work, each for one host.

use super::Estate;
use super::checks::Ask;
use model::jobs::Peer;
use model::lease::{self, Terms};
use model::nouns::{
    CheckSpec, Manager, PostgresSpec, Question, RecordSpec, ServiceSpec, SourceKind, SourceSpec,
};
use model::{HostName, Name};
use std::collections::BTreeMap;

impl Estate {
    /// Hosts on which a service lives, in the order of the text, stand-ins left out.
    pub fn service_hosts(&self, service: &Name) -> Vec<HostName> {
        let hosts = self.services.get(service).map(|service| service.hosts.as_slice()).unwrap_or_default();
        let live = hosts.iter().filter(|on| !self.drill.stands_in(&on.host.value));
        live.map(|on| on.host.value.clone()).collect()
    }

    /// Members of a source, in the order of the text, stand-ins left out.
    pub fn member_hosts(&self, source: &Name) -> Vec<HostName> {
        let members = self.sources.get(source).map(|source| source.members.as_slice()).unwrap_or_default();
        let live = members.iter().filter(|on| !self.drill.stands_in(&on.host.value));
        live.map(|on| on.host.value.clone()).collect()
    }

    /// Members of a source that are there before anything was made: those that no stack brings.
    pub fn standing_members(&self, source: &Name) -> Vec<HostName> {
        self.member_hosts(source).into_iter().filter(|host| !self.is_brought(host)).collect()
    }

    /// Whether a host is there only once a stack was applied.
    pub fn is_brought(&self, host: &HostName) -> bool {
        let brings =
            |stack: &super::stacks::Stack| stack.brings.iter().any(|one| one.value.as_str() == host.as_str());
        self.stacks.values().any(brings)
    }

    /// Hosts on which a check is asked.
    pub fn check_hosts(&self, check: &Name) -> Vec<HostName> {
        let Some(check) = self.checks.get(check) else { return Vec::new() };
        let of = &check.of.value;
        if self.services.contains_key(of) { self.service_hosts(of) } else { self.member_hosts(of) }
    }

    /// Hosts that ask a check by the clock: its `from`, or those that it is about.
    pub fn asking_hosts(&self, check: &Name) -> Vec<HostName> {
        match self.checks.get(check).and_then(|check| check.from.as_ref()) {
            Some(from) => from.iter().map(|host| host.value.clone()).collect(),
            None => self.check_hosts(check),
        }
    }

    /// What a source's primary asks for, where it is leased.
    pub fn lease(&self, source: &Name) -> Option<Terms> {
        let length = self.sources.get(source)?.lease.as_ref()?.value;
        Some(Terms { length, stop: lease::DEFAULT_STOP })
    }

    /// Where the members of a leased source ask each other for more time when no controller answers: nobody
    /// unless all of them can be asked, since an extension takes the word of all.
    pub fn peers(&self, source: &Name) -> BTreeMap<HostName, String> {
        let members = self.member_hosts(source);
        let leased = self.lease(source).is_some() && members.len() > 1;
        let at = |host: &HostName| Some((host.clone(), self.hosts.get(host)?.at.clone()?));
        let peers: Option<BTreeMap<_, _>> = members.iter().map(at).collect();
        peers.filter(|_| leased).unwrap_or_default()
    }

    /// Hosts that take a source's backups by its schedules.
    pub fn backed_up_by(&self, source: &Name) -> Vec<HostName> {
        let schedules = self.schedules.values().filter(|schedule| schedule.backup.value == *source);
        schedules.filter_map(|one| crate::assignment::member_of(self, one)).collect()
    }

    /// A service as it is on one host.
    pub fn service_on(&self, service: &Name, host: &HostName) -> Option<ServiceSpec> {
        let hosts = &self.services.get(service)?.hosts;
        let on = hosts.iter().find(|on| on.host.value == *host)?;
        Some(ServiceSpec { name: service.clone(), manager: on.value.now()?.clone() })
    }

    /// A source as one member reaches it, with the service that runs its server there.
    pub fn source_on(&self, name: &Name, host: &HostName) -> Option<SourceSpec> {
        let source = self.sources.get(name)?;
        let on = source.members.iter().find(|on| on.host.value == *host)?;
        let server = match &source.server {
            Some(server) => Some(self.service_on(&server.value, host)?),
            None => None,
        };
        Some(SourceSpec { name: name.clone(), kind: with_server(on.value.now()?.clone(), server) })
    }

    /// A service on the host that stands in for `live`: declared there, or the same on every host.
    pub fn service_in_place(
        &self,
        service: &Name,
        live: &HostName,
        stand_in: &HostName,
    ) -> Option<ServiceSpec> {
        if let Some(spec) = self.service_on(service, stand_in) {
            return Some(spec);
        }
        let on = self.services.get(service)?.hosts.iter().find(|on| on.host.value == *live)?;
        let manager = on.value.now()?;
        let same = !on.own && !matches!(manager, Manager::Process(_));
        same.then(|| ServiceSpec { name: service.clone(), manager: manager.clone() })
    }

    /// A source on the host that stands in for `live`: declared there, or the same on every host and
    /// reached only from the host itself, so that it cannot be the live one.
    pub fn source_in_place(&self, name: &Name, live: &HostName, stand_in: &HostName) -> Option<SourceSpec> {
        if let Some(spec) = self.source_on(name, stand_in) {
            return Some(spec);
        }
        let source = self.sources.get(name)?;
        let on = source.members.iter().find(|on| on.host.value == *live)?;
        let kind = on.value.now()?;
        let own_server = match kind {
            SourceKind::Postgres(spec) => is_local(spec),
            SourceKind::Files(_) => true,
        };
        if on.own || !own_server {
            return None;
        }
        let server = match &source.server {
            Some(server) => Some(self.service_in_place(&server.value, live, stand_in)?),
            None => None,
        };
        Some(SourceSpec { name: name.clone(), kind: with_server(kind.clone(), server) })
    }

    /// Where another host reaches the server of a member, of which this is the specification on `at`: as the
    /// estate says, else by its address, else by its host's name.
    pub fn peer(&self, name: &Name, at: &HostName, spec: &SourceSpec) -> Option<Peer> {
        let SourceKind::Postgres(spec) = &spec.kind else { return None };
        let said = self.sources.get(name)?.followed_at.get(at);
        let (address, port) = match said.and_then(|said| said.rsplit_once(':')) {
            Some((address, port)) => (address.trim_matches(['[', ']']).to_string(), port.parse().ok()?),
            None if is_local(spec) => (at.to_string(), spec.port),
            None => (spec.address.clone(), spec.port),
        };
        Some(Peer { host: at.clone(), address, port })
    }

    /// What is still to come for a service or source on one of its hosts, or for a check of it.
    pub fn to_come(&self, noun: &str, name: &Name, host: &HostName) -> Option<&str> {
        match noun {
            "service" => {
                let on = self.services.get(name)?.hosts.iter().find(|on| on.host.value == *host)?;
                on.value.later()
            }
            "source" => {
                let source = self.sources.get(name)?;
                let on = source.members.iter().find(|on| on.host.value == *host)?;
                let server = source.server.as_ref();
                on.value.later().or_else(|| self.to_come("service", &server?.value, host))
            }
            "check" => {
                let check = self.checks.get(name)?;
                let asks_source =
                    matches!(check.ask.now(), Some(Ask::Sql { .. } | Ask::Tcp { address: None, .. }));
                let source = || self.to_come("source", &check.of.value, host).filter(|_| asks_source);
                check.ask.later().or_else(source)
            }
            _ => None,
        }
    }

    /// A check as the host `at` asks it about `live`; the two differ in a drill only. `None` when a
    /// question for all hosts would reach what is live, or the estate says nothing for that host.
    pub fn check_on(&self, name: &Name, live: &HostName, at: &HostName) -> Option<CheckSpec> {
        let check = self.checks.get(name)?;
        let drill = live != at;
        let source = |at: &HostName| {
            let of = &check.of.value;
            if drill { self.source_in_place(of, live, at) } else { self.source_on(of, at) }
        };
        let question = match check.ask.now()? {
            Ask::Tcp { address, addresses } => {
                let own = match source(at).map(|spec| spec.kind) {
                    Some(SourceKind::Postgres(spec)) => Some(join(&spec.address, spec.port)),
                    Some(SourceKind::Files(_)) | None => None,
                };
                let shared = address.clone().filter(|address| !drill || local_authority(address));
                let address = addresses.get(at).cloned().or(shared);
                Question::Tcp { address: if address.is_some() { address? } else { own? } }
            }
            Ask::Http { url, urls, status, body, headers } => {
                let shared = url.clone().filter(|url| {
                    let authority = url.split("://").nth(1).unwrap_or_default();
                    !drill || local_authority(authority.split(['/', '?', '#']).next().unwrap_or_default())
                });
                let url = urls.get(at).cloned().or(shared)?;
                Question::Http { url, status: *status, body: body.clone(), headers: headers.clone() }
            }
            Ask::Sql { statement, expect } => Question::Sql {
                source: Box::new(source(at)?),
                statement: statement.clone(),
                expect: expect.clone(),
            },
            Ask::Command { script, args, sha256 } => {
                Question::Command { script: script.clone(), args: args.clone(), sha256: sha256.clone() }
            }
            Ask::Disk { path, free_bytes } => Question::Disk { path: path.clone(), free_bytes: *free_bytes },
        };
        Some(CheckSpec { name: name.clone(), question, within: check.within })
    }

    /// A record with its zone.
    pub fn record_spec(&self, name: &Name) -> Option<RecordSpec> {
        let record = self.records.get(name).filter(|record| record.later.is_none())?;
        let zone = self.zones.get(&record.zone.value)?;
        Some(RecordSpec {
            name: name.clone(),
            fqdn: record.fqdn.value.clone(),
            ttl: record.ttl,
            values: record.addresses(),
            zone: zone.spec.now()?.clone(),
        })
    }
}

fn with_server(kind: SourceKind, server: Option<ServiceSpec>) -> SourceKind {
    match kind {
        SourceKind::Postgres(spec) => SourceKind::Postgres(PostgresSpec { server, ..spec }),
        SourceKind::Files(spec) => SourceKind::Files(spec),
    }
}

fn is_local(spec: &PostgresSpec) -> bool {
    spec.address.starts_with('/') || local_host(&spec.address)
}

fn local_host(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "localhost" | "::1" | "[::1]")
}

fn local_authority(authority: &str) -> bool {
    local_host(authority) || authority.rsplit_once(':').is_some_and(|(host, _)| local_host(host))
}

fn join(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
