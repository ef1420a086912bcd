//! Nodes to typed values. Each reader tells what does not fit and gives `None`; it also gives `None`,
//! silently, for an input whose value is not known yet.

use super::{At, Entry, Fields, Node, Scalar, Span, Value};
use crate::codes;
use crate::diagnostic::Sink;
use crate::estate::ready::Ready;
use crate::estate::services::names_secret;
use crate::inputs::InputType;
use crate::version::{self, Version};
use model::{HostName, Micros, Name, SecretRef};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Longest text of one value, in bytes.
pub const MAX_TEXT: usize = 16 * 1024;
/// Longest list of one field.
pub const MAX_LIST: usize = 2_000;

/// A scalar, of an input type that fits. `None` for open inputs.
fn scalar<'n>(node: &'n Node, wanted: &str, fits: &[InputType], sink: &mut Sink) -> Option<&'n Scalar> {
    let Value::Scalar(scalar) = &node.value else {
        let message = format!("{wanted} is expected here, not {}", node.type_words());
        sink.push(&codes::WRONG_TYPE, node.span, message);
        return None;
    };
    let Some(input) = scalar.input else { return Some(scalar) };
    if !fits.contains(&input.kind) {
        let message = format!("{wanted} is expected here, not a value of type {}", input.kind.as_str());
        sink.push(&codes::BAD_INPUT_USE, node.span, message);
        return None;
    }
    input.known.then_some(scalar)
}

const ANY: [InputType; 6] = [
    InputType::Text,
    InputType::RestorePoint,
    InputType::Version,
    InputType::Host,
    InputType::Number,
    InputType::Duration,
];

/// A text.
pub(crate) fn text(node: &Node, sink: &mut Sink) -> Option<String> {
    let scalar = scalar(node, "a text", &ANY, sink)?;
    if scalar.text.len() > MAX_TEXT {
        sink.push(&codes::TOO_LARGE, node.span, format!("a text of more than {MAX_TEXT} bytes"));
        return None;
    }
    Some(scalar.text.clone())
}

/// A text that is not blank, its outer white space removed.
pub(crate) fn words(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = text(node, sink)?.trim().to_string();
    if text.is_empty() {
        sink.push(&codes::EMPTY, node.span, "an empty text".to_string());
        return None;
    }
    Some(text)
}

/// A text as a name, or what is wrong with it.
pub(crate) fn name_text(text: &str, span: Span, sink: &mut Sink) -> Option<Name> {
    match Name::new(text) {
        Ok(name) => Some(name),
        Err(_) => {
            let shown: String = text.chars().take(64).collect();
            sink.push(&codes::NOT_A_NAME, span, format!("{shown:?} is not a name"));
            None
        }
    }
}

/// A name and where it stands.
pub(crate) fn name(node: &Node, sink: &mut Sink) -> Option<At<Name>> {
    let scalar = scalar(node, "a name", &[InputType::Text, InputType::Host], sink)?;
    name_text(&scalar.text, node.span, sink).map(|name| At::new(name, node.span))
}

/// A name that must be declared by one of some nouns.
pub(crate) fn reference(node: &Node, nouns: &'static [&'static str], sink: &mut Sink) -> Option<At<Name>> {
    let name = name(node, sink)?;
    sink.refer(nouns, &name.value, name.span);
    Some(name)
}

/// A list of such names, without repetitions.
pub(crate) fn references(
    node: &Node,
    nouns: &'static [&'static str],
    sink: &mut Sink,
) -> Option<Vec<At<Name>>> {
    let names = names(node, sink)?;
    names.iter().for_each(|name| sink.refer(nouns, &name.value, name.span));
    Some(names)
}

/// A host's name and where it stands.
pub(crate) fn host(node: &Node, sink: &mut Sink) -> Option<At<HostName>> {
    let name = name(node, sink)?;
    HostName::new(name.value.as_str()).ok().map(|host| At::new(host, node.span))
}

/// One of some words.
pub(crate) fn word<T: Copy>(node: &Node, known: &[(&str, T)], sink: &mut Sink) -> Option<T> {
    let scalar = scalar(node, "a word", &[InputType::Text], sink)?;
    let found = known.iter().find(|(word, _)| *word == scalar.text);
    if found.is_none() {
        let all: Vec<_> = known.iter().map(|(word, _)| *word).collect();
        let shown: String = scalar.text.chars().take(64).collect();
        let message = format!("{shown:?} is none of: {}", all.join(", "));
        match sink.near(&scalar.text, all.iter().copied()) {
            Some(near) => {
                sink.push_with(&codes::UNKNOWN_WORD, node.span, message, format!("did you mean {near:?}?"))
            }
            None => sink.push(&codes::UNKNOWN_WORD, node.span, message),
        }
    }
    found.map(|(_, value)| *value)
}

/// A duration of more than nothing.
pub(crate) fn duration(node: &Node, sink: &mut Sink) -> Option<Duration> {
    let scalar = scalar(node, "a duration", &[InputType::Duration, InputType::Text], sink)?;
    let Ok(duration) = model::duration::parse(&scalar.text) else {
        let shown: String = scalar.text.chars().take(64).collect();
        sink.push(&codes::NOT_A_DURATION, node.span, format!("{shown:?} is not a duration"));
        return None;
    };
    if duration.is_zero() {
        sink.push(&codes::OUT_OF_RANGE, node.span, "a duration of nothing".to_string());
        return None;
    }
    Some(duration)
}

/// A whole number within bounds.
pub(crate) fn number(node: &Node, least: i64, most: i64, sink: &mut Sink) -> Option<i64> {
    let scalar = scalar(node, "a number", &[InputType::Number], sink)?;
    let Ok(number) = scalar.text.parse::<i64>() else {
        let shown: String = scalar.text.chars().take(64).collect();
        sink.push(&codes::WRONG_TYPE, node.span, format!("a whole number is expected here, not {shown:?}"));
        return None;
    };
    if number < least || number > most {
        let message = format!("{number} is not between {least} and {most}");
        sink.push(&codes::OUT_OF_RANGE, node.span, message);
        return None;
    }
    Some(number)
}

/// `true` or `false`.
pub(crate) fn truth(node: &Node, sink: &mut Sink) -> Option<bool> {
    let scalar = scalar(node, "true or false", &[InputType::Text], sink)?;
    match scalar.text.as_str() {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => {
            let shown: String = scalar.text.chars().take(64).collect();
            sink.push(
                &codes::WRONG_TYPE,
                node.span,
                format!("true or false is expected here, not {shown:?}"),
            );
            None
        }
    }
}

/// Bytes: a number with a unit, `1GiB`, `500MB`.
pub(crate) fn bytes(node: &Node, sink: &mut Sink) -> Option<u64> {
    const UNITS: [(&str, u64); 9] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("B", 1),
    ];
    let scalar = scalar(node, "a size", &[InputType::Text], sink)?;
    let text = scalar.text.trim();
    let size = UNITS
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit)?.trim().parse::<u64>().ok()?.checked_mul(*factor));
    if size.is_none() {
        let shown: String = text.chars().take(64).collect();
        let message = format!("{shown:?} is not a size: write a number and a unit, like 500MB or 1GiB");
        sink.push(&codes::WRONG_TYPE, node.span, message);
    }
    size
}

/// An absolute path.
pub(crate) fn path(node: &Node, sink: &mut Sink) -> Option<PathBuf> {
    let text = words(node, sink)?;
    if !text.starts_with('/') {
        sink.push(&codes::NOT_ABSOLUTE, node.span, format!("{text:?} is not an absolute path"));
        return None;
    }
    Some(PathBuf::from(text))
}

/// An IP address.
pub(crate) fn ip(node: &Node, sink: &mut Sink) -> Option<IpAddr> {
    let text = words(node, sink)?;
    let address = text.parse().ok();
    if address.is_none() {
        sink.push(&codes::NOT_AN_ADDRESS, node.span, format!("{text:?} is not an IP address"));
    }
    address
}

/// An IP address, with or without a port.
pub(crate) fn server(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = words(node, sink)?;
    if text.parse::<IpAddr>().is_err() && text.parse::<SocketAddr>().is_err() {
        sink.push(
            &codes::NOT_AN_ADDRESS,
            node.span,
            format!("{text:?} is neither an address nor address:port"),
        );
        return None;
    }
    Some(text)
}

/// `host:port`, the host by name or address.
pub(crate) fn endpoint(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = words(node, sink)?;
    let named = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c))
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if !named && text.parse::<SocketAddr>().is_err() {
        sink.push(&codes::NOT_AN_ADDRESS, node.span, format!("{text:?} is not host:port"));
        return None;
    }
    Some(text)
}

/// An http or https URL without a password in it.
pub(crate) fn url(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = words(node, sink)?;
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let Some(rest) = rest.filter(|rest| !rest.is_empty() && !rest.starts_with('/')) else {
        sink.push(&codes::NOT_A_URL, node.span, format!("{text:?} is not an http:// or https:// URL"));
        return None;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    if authority.contains('@') {
        sink.push(&codes::PLAIN_SECRET, node.span, "a user or password inside a URL".to_string());
        return None;
    }
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let secret = |pair: &str| {
        pair.split_once('=').is_some_and(|(name, value)| names_secret(name) && !value.is_empty())
    };
    if query.split('&').any(secret) {
        sink.push(&codes::PLAIN_SECRET, node.span, "a secret in the query of a URL".to_string());
        return None;
    }
    Some(text)
}

/// Whether a text is a location with a user and password in it, `postgres://app:…@db/app`.
pub(crate) fn holds_login(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or(rest);
    authority.rsplit_once('@').is_some_and(|(user, _)| {
        user.split_once(':').is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$'))
    })
}

/// Where a secret is found: `{ file: … }`, `{ env: … }`, or `{ secret: NAME }` of the estate's own list.
pub(crate) fn secret(node: &Node, owner: Span, sink: &mut Sink) -> Option<Ready<SecretRef>> {
    if matches!(node.value, Value::Scalar(_)) {
        // The value itself is never repeated in a message.
        sink.push(&codes::PLAIN_SECRET, node.span, "a secret stands here in plain text".to_string());
        return None;
    }
    let mut fields = Fields::of(node, "a secret's place", owner, sink)?.later(&["command"]);
    let file = fields.get("file").map(|node| path(node, sink));
    let env = fields.get("env").map(|node| words(node, sink));
    let named = fields.get("secret").map(|node| reference(node, &["secret"], sink));
    fields.finish(sink);
    match (file, env, named) {
        (Some(file), None, None) => file.map(SecretRef::File).map(Ready::Now),
        (None, Some(env), None) => env.map(SecretRef::Env).map(Ready::Now),
        (None, None, Some(name)) => {
            let name = name?;
            let found = sink.secrets.get(&name.value).cloned();
            sink.uses_secret(name);
            found
        }
        _ => {
            let message = "a secret has exactly one place: file, env or secret".to_string();
            sink.push(&codes::EITHER_OR, node.span, message);
            None
        }
    }
}

/// A share of a whole, `99.9%`, in millionths.
pub(crate) fn share(node: &Node, sink: &mut Sink) -> Option<u32> {
    /// Digits behind the point that are kept.
    const DIGITS: usize = 4;
    let scalar = scalar(node, "a share", &[InputType::Text], sink)?;
    let read = |text: &str| {
        let number = text.trim().strip_suffix('%')?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 20 {
            return None;
        }
        let part: String = part.chars().chain(std::iter::repeat('0')).take(DIGITS).collect();
        let millionths = whole.parse::<u32>().ok()?.checked_mul(10_000)? + part.parse::<u32>().ok()?;
        (millionths <= 1_000_000).then_some(millionths)
    };
    let share = read(&scalar.text);
    if share.is_none() {
        let shown: String = scalar.text.chars().take(64).collect();
        sink.push(&codes::NOT_A_SHARE, node.span, format!("{shown:?} is not a share between 0% and 100%"));
    }
    share
}

/// A moment, `2026-11-20T21:04:05Z`.
pub(crate) fn time(node: &Node, sink: &mut Sink) -> Option<Micros> {
    let scalar = scalar(node, "a time", &[InputType::Text, InputType::RestorePoint], sink)?;
    let time = scalar.text.trim().parse::<jiff::Timestamp>().ok().map(Micros::from);
    if time.is_none() {
        let shown: String = scalar.text.chars().take(64).collect();
        sink.push(&codes::NOT_A_TIME, node.span, format!("{shown:?} is not a time"));
    }
    time
}

/// A SHA-256 in 64 hexadecimal digits, lower case.
pub(crate) fn digest(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = words(node, sink)?;
    let good = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !good {
        sink.push(&codes::NOT_A_DIGEST, node.span, format!("{text:?} is not a SHA-256"));
    }
    good.then_some(text)
}

/// The items of a list; a single value counts as a list of one where `single` allows it.
pub(crate) fn items<'n>(node: &'n Node, single: bool, sink: &mut Sink) -> Option<&'n [Node]> {
    match &node.value {
        Value::List(list) if list.len() > MAX_LIST => {
            sink.push(&codes::TOO_LARGE, node.span, format!("a list of more than {MAX_LIST}"));
            None
        }
        Value::List(list) => Some(list),
        Value::Scalar(_) if single => Some(std::slice::from_ref(node)),
        Value::Null | Value::Scalar(_) | Value::Map(_) => {
            let message = format!("a list is expected here, not {}", node.type_words());
            sink.push(&codes::WRONG_TYPE, node.span, message);
            None
        }
    }
}

/// A list that has at least one item, each read by `read`. An item that does not fit makes it `None`
/// after all were read.
pub(crate) fn list<T>(
    node: &Node,
    single: bool,
    sink: &mut Sink,
    read: impl Fn(&Node, &mut Sink) -> Option<T>,
) -> Option<Vec<T>> {
    let items = items(node, single, sink)?;
    if items.is_empty() {
        sink.push(&codes::EMPTY, node.span, "an empty list".to_string());
        return None;
    }
    let read: Vec<Option<T>> = items.iter().map(|item| read(item, sink)).collect();
    read.into_iter().collect()
}

/// A list of names without repetitions.
pub(crate) fn names(node: &Node, sink: &mut Sink) -> Option<Vec<At<Name>>> {
    let names = list(node, true, sink, name)?;
    let mut seen = std::collections::HashSet::new();
    for name in &names {
        if !seen.insert(&name.value) {
            sink.push(
                &codes::DUPLICATE,
                name.span,
                format!("{:?} stands twice in this list", name.value.as_str()),
            );
        }
    }
    Some(names)
}

/// A list of hosts without repetitions.
pub(crate) fn hosts(node: &Node, sink: &mut Sink) -> Option<Vec<At<HostName>>> {
    let host = |name: At<Name>| Some(At::new(HostName::new(name.value.as_str()).ok()?, name.span));
    names(node, sink)?.into_iter().map(host).collect()
}

/// The entries of a map.
pub(crate) fn entries<'n>(node: &'n Node, sink: &mut Sink) -> Option<&'n [Entry]> {
    match &node.value {
        Value::Map(entries) => Some(entries),
        Value::Null => Some(&[]),
        Value::Scalar(_) | Value::List(_) => {
            let message = format!("a map is expected here, not {}", node.type_words());
            sink.push(&codes::WRONG_TYPE, node.span, message);
            None
        }
    }
}

/// A map of texts.
pub(crate) fn texts(node: &Node, sink: &mut Sink) -> Option<BTreeMap<String, String>> {
    let entries = entries(node, sink)?;
    let pairs: Vec<_> =
        entries.iter().map(|entry| Some((entry.key.clone(), text(&entry.value, sink)?))).collect();
    pairs.into_iter().collect()
}

/// The text of a restore point.
pub(crate) fn restore_point(node: &Node, sink: &mut Sink) -> Option<String> {
    let scalar = scalar(node, "a restore point", &[InputType::RestorePoint, InputType::Text], sink)?;
    Some(scalar.text.clone())
}

/// A version of a service.
pub(crate) fn version(node: &Node, sink: &mut Sink) -> Option<Version> {
    let scalar = scalar(node, "a version", &[InputType::Version, InputType::Text], sink)?;
    let version = version::parse(&scalar.text);
    if version.is_none() {
        let shown: String = scalar.text.chars().take(64).collect();
        let message = format!("{shown:?} is not a version: write last-good or the name of one, like 1.4.2");
        sink.push(&codes::NOT_A_VERSION, node.span, message);
    }
    version
}

/// Whether a value is an input or output that is not known yet.
pub(crate) fn is_open(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(Scalar { input: Some(input), .. }) if !input.known)
}
