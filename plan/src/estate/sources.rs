//! `sources`: the data to protect, its members and its writers.

use super::Estate;
use super::placement::{self, OnHost};
use super::promised::{self, Of, Promised};
use super::ready::Ready;
use super::services::flat;
pub(crate) use super::source_kinds::NOUN;
use super::source_kinds::PLACED;
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{self, KIND};
use crate::text::{At, Fields, Node, Scalar, Span, Value, values};
use model::nouns::{FilesSpec, Follow, Manager, PostgresSpec, SourceKind};
use model::{HostName, Name};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Fields of all kinds that name what is live.
const LIVE: [&str; 6] = ["at", "database", "folder", "mounted", "paths", "volume"];

/// Leases shorter than that end by a hiccup; longer ones hold every failover up.
const LEASES: RangeInclusive<Duration> = Duration::from_secs(3)..=Duration::from_secs(600);

/// A source.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The service that runs the server on each member.
    pub server: Option<At<Name>>,
    /// Services that write to it.
    pub writers: Vec<At<Name>>,
    /// What its recovery is measured against.
    pub promised: Promised,
    /// Whether it can be made again, like a cache.
    pub rebuilds: bool,
    /// The word of its kind on its first member.
    pub kind: &'static str,
    /// What is live by its name on any member: databases, buckets, folders, volumes.
    pub live: Vec<String>,
    /// Whether its log is shipped as it is written.
    pub continuous: bool,
    /// How long its primary may go on without being granted anew.
    pub lease: Option<At<Duration>>,
    /// Its settings on each member, without the server.
    pub members: Vec<OnHost<Ready<SourceKind>>>,
    /// The name of the live database on each member, also of kinds whose job is still to come.
    pub databases: BTreeMap<HostName, String>,
    /// Where its peers reach each member, where that was said.
    pub followed_at: BTreeMap<HostName, String>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Source> {
    let fields = Fields::of(node, format!("source {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields, PLACED]);
    let server = fields.get("server").map(|node| values::reference(node, &["service"], sink));
    let writers =
        fields.get("writers").map_or(Some(Vec::new()), |node| values::references(node, &["service"], sink));
    let span = fields.span_of("objectives");
    let promised = fields.get("objectives").map(|node| promised::read(node, span, Of::Source, sink));
    let rebuilds = fields.get("rebuilds").map_or(Some(false), |node| values::truth(node, sink));
    let continuous = fields.has("continuous");
    let lease =
        fields.get("lease").map(|node| values::duration(node, sink).map(|length| At::new(length, node.span)));
    let members = placement::read(&mut fields, "members", sink, settings);
    let kind = members.as_ref().and_then(|members| members.first()).map_or("", |on| on.value.kind);
    let live = members.iter().flatten().flat_map(|on| on.value.live.clone()).collect();
    let databases = members.iter().flatten();
    let databases =
        databases.filter_map(|on| Some((on.host.value.clone(), on.value.database.clone()?))).collect();
    let followed_at = members.iter().flatten();
    let followed_at =
        followed_at.filter_map(|on| Some((on.host.value.clone(), on.value.followed_at.clone()?))).collect();
    let spec = |on: OnHost<Settings>| OnHost { host: on.host, own: on.own, value: on.value.spec };
    let promised = flat(promised)?.unwrap_or_default();
    Some(Source {
        server: flat(server)?,
        writers: writers?,
        promised,
        rebuilds: rebuilds?,
        kind,
        live,
        continuous,
        lease: flat(lease)?,
        members: members?.into_iter().map(spec).collect(),
        databases,
        followed_at,
    })
}

/// What holds on one member.
struct Settings {
    kind: &'static str,
    live: Vec<String>,
    /// Its live database, where it is one.
    database: Option<String>,
    /// Where its peers reach it.
    followed_at: Option<String>,
    spec: Ready<SourceKind>,
}

/// Reads it.
fn settings(fields: Fields<'_>, sink: &mut Sink) -> Option<Settings> {
    let mut fields = fields.shaped(&[KIND]);
    let node = fields.kind(sink)?;
    let kind = values::word(node, &NOUN.words(), sink)?;
    fields.shape(kind.fields);
    let live = LIVE.iter().filter_map(|key| fields.peek(key)).flat_map(texts).collect();
    let read = match kind.word {
        "postgres" => postgres(&mut fields, sink),
        "files" => files(&mut fields, sink).map(SourceKind::Files).map(Ready::Now),
        word => {
            shape::read::later_kind(kind, &mut fields, node.span, &format!("the source kind {word}"), sink)
        }
    };
    let said = |key| fields.peek(key).and_then(text).map(str::to_string);
    let (database, followed_at) = (said("database"), said("followed-at"));
    fields.finish(sink);
    Some(Settings { kind: kind.word, live, database, followed_at, spec: read? })
}

/// A text, or the texts of a list; what is neither is told by its reader.
fn texts(node: &Node) -> Vec<String> {
    match &node.value {
        Value::Scalar(scalar) => vec![scalar.text.clone()],
        Value::List(items) => items.iter().flat_map(texts).collect(),
        Value::Null | Value::Map(_) => Vec::new(),
    }
}

fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar(Scalar { text, .. }) => Some(text.trim()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

fn postgres(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<Ready<SourceKind>> {
    let address = fields
        .get("address")
        .map_or_else(|| Some(PostgresSpec::default_address()), |node| values::words(node, sink));
    let port = fields.get("port").map_or_else(
        || Some(i64::from(PostgresSpec::default_port())),
        |node| values::number(node, 1, 65_535, sink),
    );
    let database = fields.need("database", sink).and_then(|node| values::words(node, sink));
    let user = fields
        .get("user")
        .map_or_else(|| Some(PostgresSpec::default_user()), |node| values::words(node, sink));
    let span = fields.span_of("password");
    let password = fields.get("password").map(|node| values::secret(node, span, sink));
    let programs = fields.get("programs").map(|node| values::path(node, sink));
    let follow = follow(fields, sink);
    let (address, port, programs) = (address?, u16::try_from(port?).ok()?, flat(programs)?);
    let (database, user, password) = (database?, user?, Ready::option(flat(password)?));
    let spec = |(password, follow)| PostgresSpec {
        address,
        port,
        database,
        user,
        password,
        programs,
        server: None,
        follow,
    };
    Some(password.and(follow?).map(spec).map(SourceKind::Postgres))
}

/// How it follows another member, and is followed.
fn follow(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<Ready<Follow>> {
    let at = fields.get("followed-at").map(|node| values::endpoint(node, sink));
    let name = fields.get("follows-as").map(|node| values::words(node, sink));
    let user = fields.get("replication-user").map(|node| values::words(node, sink));
    let span = fields.span_of("replication-password");
    let password = fields.get("replication-password").map(|node| values::secret(node, span, sink));
    flat(at)?;
    let (name, user, password) = (flat(name)?, flat(user)?, Ready::option(flat(password)?));
    Some(password.map(|password| Follow { name, user, password }))
}

fn files(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<FilesSpec> {
    let paths = fields.need("paths", sink).and_then(|node| values::list(node, true, sink, values::path));
    let excludes = fields.get("excludes").map_or(Some(Vec::new()), |node| match &node.value {
        Value::List(items) if items.is_empty() => Some(Vec::new()),
        _ => values::list(node, true, sink, values::words),
    });
    let one = fields.get("one-file-system").map_or(Some(false), |node| values::truth(node, sink));
    let keep = fields.get("keep-incomplete").map_or(Some(false), |node| values::truth(node, sink));
    Some(FilesSpec { paths: paths?, excludes: excludes?, one_file_system: one?, keep_incomplete: keep? })
}

impl Source {
    /// Checks what it refers to.
    pub fn check(&self, estate: &Estate, sink: &mut Sink) {
        self.check_lease(estate, sink);
        let Some(server) = &self.server else { return };
        if self.members.iter().any(|on| matches!(on.value, Ready::Now(SourceKind::Files(_)))) {
            let message = "files have no server; `server` belongs to a database".to_string();
            sink.push(&codes::ILL_FITTING, server.span, message);
        }
        let Some(service) = estate.services.get(&server.value) else { return };
        for on in &self.members {
            if placement::span_on(&service.hosts, &on.host.value).is_none() {
                let message = format!(
                    "service {:?} is not on {}, a member of this source",
                    server.value.as_str(),
                    on.host.value
                );
                sink.push(&codes::NOT_THERE, server.span, message);
            }
        }
    }

    /// A lease needs a server whose processes can all be ended at a moment.
    fn check_lease(&self, estate: &Estate, sink: &mut Sink) {
        let Some(lease) = &self.lease else { return };
        let mut wrong = |why: &str| sink.push(&codes::ILL_LEASE, lease.span, why.to_string());
        if !LEASES.contains(&lease.value) {
            wrong("a lease is between 3s and 10m long");
        }
        if self.kind != "postgres" {
            return wrong("only a postgres source can be leased");
        }
        let server = self.server.as_ref().and_then(|server| estate.services.get(&server.value));
        let Some(server) = server else {
            return wrong("nothing is known of the service that runs its server: name it as `server`");
        };
        let mut managers = server.hosts.iter().filter_map(|on| on.value.now());
        if managers.any(|manager| matches!(manager, Manager::Container { .. })) {
            wrong("its server is a container, which its engine starts again");
        }
    }
}
