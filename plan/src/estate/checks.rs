//! `checks`: named questions with their expected answers.

use super::Estate;
pub(crate) use super::check_fields::NOUN;
use super::check_fields::{self, COMMAND, DISK, HTTP, TCP};
use super::ready::Ready;
use super::services::{arguments, flat};
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape;
use crate::text::{At, Fields, Node, Span, Value, values};
use model::nouns::{CheckSpec, Expected};
use model::{HostName, Name};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How often a cheap question is asked when the check does not say.
const EVERY: Duration = Duration::from_secs(10);
/// How often a database is asked.
const EVERY_SQL: Duration = Duration::from_secs(30);
/// How often a script is run.
const EVERY_COMMAND: Duration = Duration::from_secs(60);
/// Kinds of sources that can be asked in SQL.
const SPEAK_SQL: [&str; 3] = ["postgres", "mysql", "mariadb"];
/// Kinds of sources that have an address and a port of their own.
const HAVE_PORT: [&str; 6] = ["postgres", "mysql", "mariadb", "mongodb", "redis", "rabbitmq"];
/// Longest time that one answer may take.
const MAX_WITHIN: Duration = Duration::from_secs(600);

/// A check.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    /// The service or source that it asks about.
    pub of: At<Name>,
    /// How long the answer may take.
    pub within: Duration,
    /// How often agents ask it by themselves; never when absent.
    pub every: Option<Duration>,
    /// Hosts that do so, instead of those that it is about.
    pub from: Option<Vec<At<HostName>>>,
    /// What is asked.
    pub ask: Ready<Ask>,
    /// Where the question stands.
    pub span: Span,
}

/// A question whose place is not decided yet.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// A connection.
    Tcp {
        /// For all hosts; a source member's own address and port when neither is given.
        address: Option<String>,
        /// For single hosts.
        addresses: BTreeMap<HostName, String>,
    },
    /// A request.
    Http {
        /// For all hosts.
        url: Option<String>,
        /// For single hosts.
        urls: BTreeMap<HostName, String>,
        /// Expected status.
        status: u16,
        /// What the body must contain.
        body: Option<String>,
        /// Headers that the answer must have.
        headers: BTreeMap<String, String>,
    },
    /// A query.
    Sql {
        /// One statement.
        statement: String,
        /// What the answer must be.
        expect: Expected,
    },
    /// A script.
    Command {
        /// Its path.
        script: PathBuf,
        /// Arguments.
        args: Vec<String>,
        /// Its digest.
        sha256: Option<String>,
    },
    /// Room.
    Disk {
        /// Where.
        path: PathBuf,
        /// How much.
        free_bytes: u64,
    },
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Check> {
    let fields = Fields::of(node, format!("check {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields]);
    let of = fields.need("of", sink).and_then(|node| values::reference(node, &["service", "source"], sink));
    let within = bounded(fields.get("within"), CheckSpec::default_within(), sink);
    let every = fields.get("every").map(|node| values::duration(node, sink));
    let from = fields.get("from").map(|node| values::hosts(node, sink));
    let monitor = fields.get("monitor").map_or(Some(true), |node| values::truth(node, sink));
    let asks = [
        ("tcp", tcp as fn(&Node, Span, &mut Fields<'_>, &mut Sink) -> Option<Ask>),
        ("http", http),
        ("sql", sql),
        ("command", command),
        ("disk", disk),
    ];
    let mut found: Vec<(Option<Ready<Ask>>, Span)> = Vec::new();
    for (key, read) in asks {
        if let Some(node) = fields.get(key) {
            let span = fields.span_of(key);
            found.push((read(node, span, &mut fields, sink).map(Ready::Now), span));
        }
    }
    for field in &check_fields::LATER {
        if let Some(node) = fields.get(field.key) {
            let span = fields.span_of(field.key);
            let sound = shape::read::admits(&field.holds, node, span, sink);
            sink.later(
                span,
                format!("the question {} is only checked: asking it is still to come", field.key),
            );
            found.push((sound.map(|()| Ready::Later(format!("the question {}", field.key))), span));
        }
    }
    if found.len() != 1 {
        let message = format!("{} asks exactly one question: {}", fields.what(), NOUN.one_of.join(", "));
        sink.push(&codes::EITHER_OR, found.get(1).map_or(owner, |(_, span)| *span), message);
    }
    for word in ["at-least", "equals"] {
        if fields.rest().iter().any(|entry| entry.key == word) {
            let message = format!("{word:?} belongs to an sql question");
            sink.push(&codes::UNKNOWN_KEY, fields.span_of(word), message);
            fields.accept(word);
        }
    }
    fields.finish(sink);
    let (ask, span) = found.into_iter().next()?;
    let ask = ask?;
    let usual = match ask.now() {
        Some(Ask::Tcp { .. } | Ask::Http { .. } | Ask::Disk { .. }) | None => EVERY,
        Some(Ask::Sql { .. }) => EVERY_SQL,
        Some(Ask::Command { .. }) => EVERY_COMMAND,
    };
    let every = monitor?.then_some(flat(every)?.unwrap_or(usual));
    Some(Check { of: of?, within: within?, every, from: flat(from)?, ask, span })
}

fn bounded(node: Option<&Node>, usual: Duration, sink: &mut Sink) -> Option<Duration> {
    let Some(node) = node else { return Some(usual) };
    let within = values::duration(node, sink)?;
    if within > MAX_WITHIN {
        sink.push(&codes::OUT_OF_RANGE, node.span, "one answer may take at most 10m".to_string());
        return None;
    }
    Some(within)
}

fn tcp(node: &Node, owner: Span, _: &mut Fields<'_>, sink: &mut Sink) -> Option<Ask> {
    let mut fields = Fields::of(node, "tcp", owner, sink)?.shaped(&[TCP]);
    let address = fields.get("address").map(|node| values::endpoint(node, sink));
    let addresses =
        fields.get("addresses").map_or(Some(BTreeMap::new()), |node| per_host(node, sink, values::endpoint));
    fields.finish(sink);
    Some(Ask::Tcp { address: flat(address)?, addresses: addresses? })
}

fn http(node: &Node, owner: Span, _: &mut Fields<'_>, sink: &mut Sink) -> Option<Ask> {
    let mut fields = Fields::of(node, "http", owner, sink)?.shaped(&[HTTP]);
    let url = fields.get("url").map(|node| values::url(node, sink));
    let urls = fields.get("urls").map_or(Some(BTreeMap::new()), |node| per_host(node, sink, values::url));
    let status = fields.get("status").map_or(Some(200), |node| values::number(node, 100, 599, sink));
    let body = fields.get("body").map(|node| values::words(node, sink));
    let headers = fields.get("headers").map_or(Some(BTreeMap::new()), |node| headers(node, sink));
    let absent = url.is_none() && urls.as_ref().is_some_and(BTreeMap::is_empty);
    fields.finish(sink);
    if absent {
        let message = "an http question needs `url`, or `urls` with one for each host".to_string();
        sink.push(&codes::MISSING, owner, message);
        return None;
    }
    let (status, body) = (u16::try_from(status?).ok()?, flat(body)?);
    Some(Ask::Http { url: flat(url)?, urls: urls?, status, body, headers: headers? })
}

/// Names of headers with their values.
fn headers(node: &Node, sink: &mut Sink) -> Option<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for entry in values::entries(node, sink)? {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if entry.key.is_empty() || !entry.key.bytes().all(token) {
            let message = format!("{:?} is no name of a header", entry.key);
            sink.push(&codes::NOT_A_NAME, entry.key_span, message);
            return None;
        }
        out.insert(entry.key.to_ascii_lowercase(), values::words(&entry.value, sink)?);
    }
    Some(out)
}

fn sql(node: &Node, owner: Span, fields: &mut Fields<'_>, sink: &mut Sink) -> Option<Ask> {
    let statement = values::words(node, sink);
    let least = fields.get("at-least").map(|node| values::number(node, i64::MIN, i64::MAX, sink));
    let equals = fields.get("equals").map(|node| values::text(node, sink));
    let expect = match (least, equals) {
        (Some(least), None) => least.map(Expected::AtLeast),
        (None, Some(equals)) => equals.map(Expected::Equals),
        (None, None) | (Some(_), Some(_)) => {
            let message = "an sql question expects exactly one of: at-least, equals".to_string();
            sink.push(&codes::EITHER_OR, owner, message);
            None
        }
    };
    Some(Ask::Sql { statement: statement?, expect: expect? })
}

fn command(node: &Node, owner: Span, _: &mut Fields<'_>, sink: &mut Sink) -> Option<Ask> {
    let mut fields = Fields::of(node, "command", owner, sink)?.shaped(&[COMMAND]);
    let script = fields.need("script", sink).and_then(|node| values::path(node, sink));
    let args = fields.get("args").map_or(Some(Vec::new()), |node| arguments(node, sink));
    let sha256 = fields.get("sha256").map(|node| values::digest(node, sink));
    let span = fields.span_of("script");
    fields.finish(sink);
    let (script, sha256) = (script?, flat(sha256)?);
    if sha256.is_none() {
        sink.push(&codes::UNPINNED_SCRIPT, span, format!("{} has no sha256", script.display()));
    }
    Some(Ask::Command { script, args: args?, sha256 })
}

fn disk(node: &Node, owner: Span, _: &mut Fields<'_>, sink: &mut Sink) -> Option<Ask> {
    let mut fields = Fields::of(node, "disk", owner, sink)?.shaped(&[DISK]);
    let path = fields.need("path", sink).and_then(|node| values::path(node, sink));
    let free = fields.need("free", sink).and_then(|node| values::bytes(node, sink));
    fields.finish(sink);
    Some(Ask::Disk { path: path?, free_bytes: free? })
}

fn per_host(
    node: &Node,
    sink: &mut Sink,
    read: impl Fn(&Node, &mut Sink) -> Option<String>,
) -> Option<BTreeMap<HostName, String>> {
    if !matches!(node.value, Value::Map(_)) {
        values::entries(node, sink);
        return None;
    }
    let entries = values::entries(node, sink)?;
    let pairs: Vec<_> = entries
        .iter()
        .map(|entry| {
            let host = values::name_text(&entry.key, entry.key_span, sink);
            host.iter().for_each(|host| sink.refer(&["host"], host, entry.key_span));
            let value = read(&entry.value, sink);
            Some((HostName::new(host?.as_str()).ok()?, value?))
        })
        .collect();
    pairs.into_iter().collect()
}

impl Check {
    /// Checks that what it is about can answer it.
    pub fn check(&self, name: &Name, estate: &Estate, sink: &mut Sink) {
        let of = self.of.value.as_str();
        let (service, source) = (estate.has("service", of), estate.has("source", of));
        if service && source {
            let message =
                format!("{of:?} is a service and a source; checks need names that are only one of them");
            sink.push(&codes::AMBIGUOUS, self.of.span, message);
            return;
        }
        let database =
            estate.sources.get(&self.of.value).is_some_and(|source| SPEAK_SQL.contains(&source.kind));
        let has_port =
            estate.sources.get(&self.of.value).is_some_and(|source| HAVE_PORT.contains(&source.kind));
        // What is not declared, or could not be read, is told already.
        let broken = !service && !estate.sources.contains_key(&self.of.value);
        if matches!(self.ask, Ready::Now(Ask::Sql { .. })) && !database && !broken {
            let message = format!("check {:?} asks SQL of {of:?}, which is no database", name.as_str());
            sink.push(&codes::ILL_FITTING, self.of.span, message);
        }
        if let Ready::Now(Ask::Tcp { address: None, addresses }) = &self.ask
            && addresses.is_empty()
            && !has_port
            && !broken
        {
            let message = format!("tcp needs `address`: {of:?} has no port of its own");
            sink.push(&codes::MISSING, self.span, message);
        }
        for host in self.from.iter().flatten() {
            let known = estate.declared_host(host, sink);
            if known
                && !broken
                && self.ask.now().is_some()
                && estate.check_on(name, &host.value, &host.value).is_none()
            {
                let message =
                    format!("{} is not of {of:?}, and check {:?} says no address", host.value, name.as_str());
                sink.push(&codes::CANNOT_ASK, host.span, message);
            }
        }
    }
}
