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
use crate::text::{At, Fields, Node, Span, Value, values};
use model::Name;
use model::nouns::{FilesSpec, PostgresSpec, SourceKind};

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
    /// Names of its live data where its job is still to come: databases, buckets, folders, volumes.
    pub live: Vec<String>,
    /// The word of its kind on its first member.
    pub kind: &'static str,
    /// Its settings on each member, without the server.
    pub members: Vec<OnHost<Ready<SourceKind>>>,
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
    let members = placement::read(&mut fields, "members", sink, settings);
    let kind = members.as_ref().and_then(|members| members.first()).map_or("", |on| on.value.0);
    let live = members.iter().flatten().flat_map(|on| on.value.2.iter().cloned()).collect();
    let settled = |on: OnHost<Settings>| OnHost { host: on.host, own: on.own, value: on.value.1 };
    let promised = flat(promised)?.unwrap_or_default();
    Some(Source {
        server: flat(server)?,
        writers: writers?,
        promised,
        rebuilds: rebuilds?,
        kind,
        live,
        members: members?.into_iter().map(settled).collect(),
    })
}

/// What holds on one member: the word of its kind, its settings, and the names of its live data where they
/// say nothing of it yet.
type Settings = (&'static str, Ready<SourceKind>, Vec<String>);

/// Fields that name live data.
const LIVE: [&str; 5] = ["database", "at", "folder", "volume", "mounted"];

/// Reads what holds on one member.
fn settings(fields: Fields<'_>, sink: &mut Sink) -> Option<Settings> {
    let mut fields = fields.shaped(&[KIND]);
    let node = fields.need("kind", sink)?;
    let kind = values::word(node, &NOUN.words(), sink)?;
    fields.shape(kind.fields);
    let names = LIVE.iter().filter_map(|key| fields.peek(key)).filter_map(|node| match &node.value {
        Value::Scalar(scalar) => Some(scalar.text.clone()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    });
    let live: Vec<String> = names.collect();
    let read = match kind.word {
        "postgres" => postgres(&mut fields, sink),
        "files" => files(&mut fields, sink).map(SourceKind::Files).map(Ready::Now),
        word => {
            shape::read::later_kind(kind, &mut fields, node.span, &format!("the source kind {word}"), sink)
        }
    };
    fields.finish(sink);
    Some((kind.word, read?, live))
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
    let (address, port, programs) = (address?, u16::try_from(port?).ok()?, flat(programs)?);
    let (database, user, password) = (database?, user?, Ready::option(flat(password)?));
    let spec = |password| PostgresSpec { address, port, database, user, password, programs, server: None };
    Some(password.map(spec).map(SourceKind::Postgres))
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
}
