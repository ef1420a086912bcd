//! `services`: what is started and stopped, and by what, on each of its hosts.

use super::placement::{self, OnHost};
use super::promised::{self, Of, Promised};
use super::ready::Ready;
pub(crate) use super::service_kinds::NOUN;
use super::service_kinds::PLACED;
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{self, KIND};
use crate::text::{At, Fields, Node, Span, values};
use model::Name;
use model::nouns::{Manager, ProcessSpec};
use std::collections::BTreeMap;
use std::time::Duration;

/// Signals that may ask a process to stop.
const SIGNALS: [(&str, &str); 6] =
    [("TERM", "TERM"), ("INT", "INT"), ("QUIT", "QUIT"), ("HUP", "HUP"), ("USR1", "USR1"), ("USR2", "USR2")];
/// Kinds whose instances take their logs with them.
const FORGETS: [&str; 2] = ["kubernetes", "autoscaling"];
/// Longest time that a process may take to stop.
const MAX_STOP_GRACE: Duration = Duration::from_secs(3600);

/// A service.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// Services and sources that must be there before it starts.
    pub needs: Vec<At<Name>>,
    /// How soon it must run again.
    pub promised: Promised,
    /// Whether its logs are gone with an instance that is stopped.
    pub forgets: bool,
    /// What manages it on each host.
    pub hosts: Vec<OnHost<Ready<Manager>>>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Service> {
    let fields = Fields::of(node, format!("service {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields, PLACED]);
    let needs = fields
        .get("needs")
        .map_or(Some(Vec::new()), |node| values::references(node, &["service", "source"], sink));
    let span = fields.span_of("objectives");
    let promised = fields.get("objectives").map(|node| promised::read(node, span, Of::Service, sink));
    let hosts = placement::read(&mut fields, "hosts", sink, manager)?;
    let forgets = hosts.iter().any(|on| FORGETS.contains(&on.value.0));
    let settled = |on: OnHost<Settings>| OnHost { host: on.host, own: on.own, value: on.value.1 };
    let hosts = hosts.into_iter().map(settled).collect();
    Some(Service { needs: needs?, promised: flat(promised)?.unwrap_or_default(), forgets, hosts })
}

/// The word of its kind, and what manages it on one host.
type Settings = (&'static str, Ready<Manager>);

/// Reads what manages it on one host.
fn manager(fields: Fields<'_>, sink: &mut Sink) -> Option<Settings> {
    let mut fields = fields.shaped(&[KIND]);
    let node = fields.need("kind", sink)?;
    let kind = values::word(node, &NOUN.words(), sink)?;
    fields.shape(kind.fields);
    let manager = match kind.word {
        "systemd" => {
            let unit = fields.need("unit", sink).and_then(|node| unit_name(node, sink));
            unit.map(|unit| Ready::Now(Manager::Systemd { unit }))
        }
        "container" => {
            let container = fields.need("container", sink).and_then(|node| values::name(node, sink));
            container.map(|name| Ready::Now(Manager::Container { container: name.value.into() }))
        }
        "process" => process(&mut fields, sink).map(Manager::Process).map(Ready::Now),
        word => {
            shape::read::later_kind(kind, &mut fields, node.span, &format!("the service kind {word}"), sink)
        }
    };
    fields.finish(sink);
    Some((kind.word, manager?))
}

fn unit_name(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = values::words(node, sink)?;
    let good = text.len() <= 255
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c));
    if !good {
        sink.push(&codes::NOT_A_NAME, node.span, format!("{text:?} is not the name of a unit"));
        return None;
    }
    Some(if text.contains('.') { text } else { format!("{text}.service") })
}

fn process(fields: &mut Fields<'_>, sink: &mut Sink) -> Option<ProcessSpec> {
    let argv = fields.need("run", sink).and_then(|node| argv(node, sink));
    let user = fields.get("user").map(|node| values::name(node, sink).map(|user| user.value.into()));
    let directory = fields.get("directory").map(|node| values::path(node, sink));
    let environment = fields.get("environment").map_or(Some(BTreeMap::new()), |node| environment(node, sink));
    let signal = fields.get("stop-signal").map_or(Some("TERM"), |node| values::word(node, &SIGNALS, sink));
    let grace = match fields.get("stop-grace") {
        None => Some(ProcessSpec::default_stop_grace()),
        Some(node) => values::duration(node, sink).filter(|grace| {
            let fits = *grace <= MAX_STOP_GRACE;
            if !fits {
                sink.push(&codes::OUT_OF_RANGE, node.span, "a stop of more than an hour".to_string());
            }
            fits
        }),
    };
    Some(ProcessSpec {
        argv: argv?,
        user: flat(user)?,
        directory: flat(directory)?,
        environment: environment?,
        stop_signal: signal?.to_string(),
        stop_grace: grace?,
    })
}

/// An optional field that was read: absent is fine, present and ill-fitting is not.
pub(crate) fn flat<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(Some(value)) => Some(Some(value)),
        Some(None) => None,
    }
}

/// Program and arguments: the program by its whole path, no secret among the arguments.
pub(crate) fn argv(node: &Node, sink: &mut Sink) -> Option<Vec<String>> {
    if let Some(program) = values::items(node, false, sink)?.first() {
        values::path(program, sink)?;
    }
    arguments(node, sink)
}

/// Arguments, none of them a secret: `--token=…`, `--token` and then its value, `scheme://user:secret@…`.
pub(crate) fn arguments(node: &Node, sink: &mut Sink) -> Option<Vec<String>> {
    let texts = values::list(node, false, sink, |item, sink| {
        let text = values::text(item, sink)?;
        let flag = text.trim_start_matches('-').split_once('=');
        if let Some((name, value)) = flag
            && names_secret(name)
            && !value.is_empty()
            && !value.starts_with('/')
        {
            told(&format!("--{name}="), item, sink);
            return None;
        }
        if values::holds_login(&text) {
            told("with a user and password in it", item, sink);
            return None;
        }
        Some(text)
    })?;
    for (at, pair) in texts.windows(2).enumerate() {
        let (flag, value) = (&pair[0], &pair[1]);
        if let Some(name) = flag.strip_prefix("--")
            && names_secret(name)
            && !name.contains('=')
            && !value.starts_with(['-', '/'])
            && let Some(item) = values::items(node, false, sink).and_then(|items| items.get(at + 1))
        {
            told(&format!("after {flag}"), item, sink);
            return None;
        }
    }
    Some(texts)
}

fn told(which: &str, item: &Node, sink: &mut Sink) {
    let message =
        format!("the argument {which} holds a secret in plain text, and every user of the host can read it");
    sink.push(&codes::PLAIN_SECRET, item.span, message);
}

fn environment(node: &Node, sink: &mut Sink) -> Option<BTreeMap<String, String>> {
    for entry in values::entries(node, sink)? {
        let login = values::text(&entry.value, sink).is_some_and(|text| values::holds_login(&text));
        if names_secret(&entry.key) || login {
            let message = format!("the environment variable {} holds a secret in plain text", entry.key);
            let help = "let the program read it from a file of its own".to_string();
            sink.push_with(&codes::PLAIN_SECRET, entry.value.span, message, help);
        }
    }
    values::texts(node, sink)
}

/// Whether a flag or variable is named like a secret itself, not like the file that holds it.
pub(crate) fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let secret = ["password", "passwd", "secret", "token", "api_key", "apikey", "private_key"];
    secret.iter().any(|word| name.contains(word))
        && !["_file", "_path", "_dir", "_ttl"].iter().any(|end| name.ends_with(end))
}
