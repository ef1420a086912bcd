//! `sources`: the data to protect, its members and its writers.

use super::Estate;
use super::placement::{self, OnHost};
use super::promised::{self, Of, Promised};
use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::text::{At, Fields, Node, Span, Value, values};
use model::Name;
use model::nouns::{FilesSpec, Objectives, PostgresSpec, SourceKind};

/// A source.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// The service that runs the server on each member.
    pub server: Option<At<Name>>,
    /// Services that write to it.
    pub writers: Vec<At<Name>>,
    /// What its recovery is measured against.
    pub objectives: Objectives,
    /// The same with places, and what only the check asks for.
    pub promised: Promised,
    /// Its settings on each member, without the server.
    pub members: Vec<OnHost<SourceKind>>,
}

/// Which kind.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Postgres,
    Files,
    Later(&'static str),
}

const KINDS: [(&str, Kind); 7] = [
    ("postgres", Kind::Postgres),
    ("files", Kind::Files),
    ("mongodb", Kind::Later("mongodb")),
    ("redis", Kind::Later("redis")),
    ("rabbitmq", Kind::Later("rabbitmq")),
    ("bucket", Kind::Later("bucket")),
    ("volume", Kind::Later("volume")),
];

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Source> {
    let mut fields = Fields::of(node, format!("source {:?}", name.as_str()), owner, sink)?;
    let server = fields.get("server").map(|node| values::reference(node, &["service"], sink));
    let writers =
        fields.get("writers").map_or(Some(Vec::new()), |node| values::references(node, &["service"], sink));
    let span = fields.span_of("objectives");
    let promised = fields.get("objectives").map(|node| promised::read(node, span, Of::Source, sink));
    let members = placement::read(&mut fields, "members", sink, settings);
    let promised = flat(promised)?.unwrap_or_default();
    Some(Source {
        server: flat(server)?,
        writers: writers?,
        objectives: promised.objectives(),
        promised,
        members: members?,
    })
}

fn settings(mut fields: Fields<'_>, sink: &mut Sink) -> Option<SourceKind> {
    fields = fields.later(&["continuous", "lease"]);
    for known in ["server", "writers", "objectives", "members"] {
        fields.get(known);
    }
    let node = fields.need("kind", sink)?;
    let kind = match values::word(node, &KINDS, sink)? {
        Kind::Postgres => postgres(&mut fields, sink).map(SourceKind::Postgres),
        Kind::Files => files(&mut fields, sink).map(SourceKind::Files),
        Kind::Later(word) => {
            sink.push(&codes::LATER, node.span, format!("the source kind {word} is still to come"));
            return None;
        }
    };
    fields.finish(sink);
    kind
}

fn postgres(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<PostgresSpec> {
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
    Some(PostgresSpec {
        address: address?,
        port: u16::try_from(port?).ok()?,
        database: database?,
        user: user?,
        password: flat(password)?,
        programs: flat(programs)?,
        server: None,
    })
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
        if self.members.iter().any(|on| matches!(on.value, SourceKind::Files(_))) {
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
