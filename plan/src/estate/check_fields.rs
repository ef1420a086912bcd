//! The fields of a check: one question, and what is common to all.

use crate::shape::{Field, Noun, PLAIN, Type, may, need};

/// For single hosts.
const ADDRESSES: Type = Type::Table(&["host"], &Type::Endpoint);
const URLS: Type = Type::Table(&["host"], &Type::Url);

/// `tcp: { … }`.
pub(crate) const TCP: &[Field] = &[
    may("address", Type::Endpoint, "`host:port`; a database's own when absent."),
    may("addresses", ADDRESSES, "The same for single hosts."),
];
/// `http: { … }`.
pub(crate) const HTTP: &[Field] = &[
    may("url", Type::Url, "What is asked for."),
    may("urls", URLS, "The same for single hosts."),
    may("status", Type::Number(100, 599), "The expected status; 200 when absent."),
    may("body", Type::Words, "A text that the body must contain."),
    may(
        "headers",
        Type::Map(&Type::Text),
        "Headers that the answer must have: `{ x-served-by: web-2 }` tells the right host from one that says 200.",
    ),
];
/// `command: { … }`.
pub(crate) const COMMAND: &[Field] = &[
    need("script", Type::Path, "The script, as the agents' policy lists it."),
    may("args", Type::List(&Type::Text), "Its arguments. No secrets."),
    may("sha256", Type::Digest, "What `sha256sum` prints of the script: another content is refused."),
];
/// `disk: { … }`.
pub(crate) const DISK: &[Field] =
    &[need("path", Type::Path, "Where."), need("free", Type::Size, "How much must be free: `1GiB`.")];

const PODS: &[Field] = &[
    need("namespace", Type::Name, "Their namespace."),
    need("selector", Type::Words, "Their labels: `app=web`."),
    may("ready", Type::Number(0, 100_000), "How many must be ready; as many as are declared when absent."),
    may("kubeconfig", Type::Secret, "Where the kubeconfig is found."),
];
const QUEUE: &[Field] = &[
    need("name", Type::Words, "The queue or topic."),
    need("at-most", Type::Number(0, i64::MAX), "How many messages may wait."),
];
const QUERY: &[Field] = &[
    need("text", Type::Words, "In the source's own language: `db.tests.countDocuments()`, `PING`."),
    may("at-least", Type::Number(i64::MIN, i64::MAX), "The answer is a number that is not lower."),
    may("equals", Type::Text, "The answer is this text."),
];
const METRIC: &[Field] = &[
    need("at", Type::Url, "Where Prometheus answers."),
    need("query", Type::Words, "A query that gives one number."),
    may("at-most", Type::Text, "It is not higher."),
    may("at-least", Type::Text, "It is not lower."),
];
const CERTIFICATE: &[Field] = &[
    need("at", Type::Endpoint, "`host:port`."),
    need("valid-for", Type::Duration, "How long it must still be valid."),
];
const PING: &[Field] = &[];

/// Questions that this version cannot ask.
pub(crate) const LATER: [Field; 7] = [
    may("pods", Type::Fields(PODS), "Are pods of a Kubernetes cluster ready?"),
    may("queue", Type::Fields(QUEUE), "How deep is a queue?"),
    may("ping", Type::Fields(PING), "Does the source answer at all, in its own protocol?"),
    may("query", Type::Fields(QUERY), "What does a source say that does not speak SQL?"),
    may("metric", Type::Fields(METRIC), "What does Prometheus say?"),
    may("lag", Type::Duration, "How far may a standby be behind?"),
    may("certificate", Type::Fields(CERTIFICATE), "How long is a certificate still valid?"),
];

pub(crate) static NOUN: Noun = Noun {
    section: "checks",
    name: "check",
    doc: "Named questions with their expected answers.",
    fields: &[
        need("of", Type::Of(&["service", "source"]), "What it asks about; it is asked on the hosts of that."),
        may("within", Type::Duration, "How long one answer may take; 5s when absent."),
        may("every", Type::Duration, "How often agents ask it by themselves."),
        may(
            "from",
            Type::Many(&Type::Of(&["host"])),
            "Hosts that ask it by themselves (vantage points of a plan's `trigger`), instead of those that it is about.",
        ),
        may("monitor", Type::Truth, "Whether agents ask it by themselves; true when absent."),
        may("tcp", Type::Fields(TCP), "Can a connection be made?"),
        may("http", Type::Fields(HTTP), "Does a request answer as expected?"),
        may("sql", Type::Words, "What does a query say? One row, one column."),
        may(
            "at-least",
            Type::Number(i64::MIN, i64::MAX),
            "The answer of `sql` is a number that is not lower.",
        ),
        may("equals", Type::Text, "The answer of `sql` is this text."),
        may("command", Type::Fields(COMMAND), "Does a script exit with 0?"),
        may("disk", Type::Fields(DISK), "Is there room?"),
        LATER[0],
        LATER[1],
        LATER[2],
        LATER[3],
        LATER[4],
        LATER[5],
        LATER[6],
    ],
    one_of: &[
        "tcp",
        "http",
        "sql",
        "command",
        "disk",
        "pods",
        "queue",
        "ping",
        "query",
        "metric",
        "lag",
        "certificate",
    ],
    ..PLAIN
};
