//! `repositories`: where backups live.

use super::ready::Ready;
use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{Field, Noun, PLAIN, Type, later, may, need};
use crate::text::{At, Fields, Node, Span, values};
use model::Name;
use model::nouns::{LockMode, ObjectLock, RepositorySpec, StorageClass};

/// Longest time that a storage is asked to refuse removal, in days.
const MAX_LOCK_DAYS: i64 = 36_500;

const LOCK: &[Field] = &[
    need(
        "mode",
        Type::One(&["governance", "compliance"]),
        "`governance`: a special right may end it. `compliance`: nobody may.",
    ),
    need("days", Type::Number(1, MAX_LOCK_DAYS), "From the moment of writing."),
];
const ARCHIVE: &[Field] =
    &[need("class", Type::One(&["GLACIER", "DEEP_ARCHIVE"]), "The cold class of its packs of data.")];

/// Classes that can be read at once. Cold ones are for archives.
const CLASSES: [(&str, StorageClass); 5] = [
    ("STANDARD", StorageClass::Standard),
    ("STANDARD_IA", StorageClass::StandardIa),
    ("ONEZONE_IA", StorageClass::OnezoneIa),
    ("INTELLIGENT_TIERING", StorageClass::IntelligentTiering),
    ("GLACIER_IR", StorageClass::GlacierIr),
];

/// What people write who think of a folder of dated dumps.
const BY_AGE: [&str; 6] = ["lifecycle", "retention", "expire", "expire-after", "keep", "tier"];

pub(crate) static NOUN: Noun = Noun {
    section: "repositories",
    name: "repository",
    doc: "Where backups live: a folder or a bucket, encrypted by the agents.",
    fields: &[
        need("region", Type::Of(&["region"]), "The failure domain that it stands in."),
        need("at", Type::Location, "An absolute path, or `s3://bucket/prefix`."),
        need("password", Type::Secret, "Where its password is found, on the hosts that use it."),
        may("endpoint", Type::Url, "The S3 service, for others than AWS."),
        may("s3-region", Type::Words, "The service's own word for its region."),
        may("credentials", Type::Secret, "A file with S3 credentials in the AWS form."),
        may(
            "class",
            Type::One(&["STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"]),
            "The S3 class of packs of data. Keys, snapshots, index and trees stay in the standard class.",
        ),
        may(
            "object-lock",
            Type::Fields(LOCK),
            "How long the storage itself refuses to remove what was written.",
        ),
        later(
            "archive",
            Type::Fields(ARCHIVE),
            "It is an archive: one for each quarter, whole, never pruned.",
        ),
    ],
    ..PLAIN
};

/// A repository.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    /// In which failure domain it stands.
    pub region: At<Name>,
    /// Whether the storage itself refuses to remove what was written.
    pub locked: bool,
    /// As agents get it.
    pub spec: Ready<RepositorySpec>,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Repository> {
    let fields = Fields::of(node, format!("repository {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields]);
    let region = fields.need("region", sink).and_then(|node| values::reference(node, &["region"], sink));
    let at = fields.need("at", sink).and_then(|node| location(node, sink));
    let span = fields.span_of("password");
    let password = fields.need("password", sink).and_then(|node| values::secret(node, span, sink));
    let endpoint = fields.get("endpoint").map(|node| values::url(node, sink));
    let s3_region = fields.get("s3-region").map(|node| values::words(node, sink));
    let span = fields.span_of("credentials");
    let credentials = fields.get("credentials").map(|node| values::secret(node, span, sink));
    let class = fields.get("class").map(|node| values::word(node, &CLASSES, sink));
    let span = fields.span_of("object-lock");
    let lock = fields.get("object-lock").map(|node| lock(node, span, sink));
    by_age(&mut fields, sink);
    let bucket = at.as_ref().is_none_or(|at| at.starts_with("s3://"));
    for key in ["class", "object-lock", "archive"] {
        if !bucket && fields.peek(key).is_some() {
            let message = format!("{key:?} belongs to a bucket; a folder has nothing like it");
            sink.push(&codes::ILL_FITTING, fields.span_of(key), message);
        }
    }
    fields.finish(sink);
    let secrets = password?.and(Ready::option(flat(credentials)?));
    let (name, at, endpoint, s3_region) = (name.clone(), at?, flat(endpoint)?, flat(s3_region)?);
    let (class, object_lock) = (flat(class)?, flat(lock)?);
    let locked = object_lock.is_some();
    let spec = secrets.map(|(password, credentials)| RepositorySpec {
        name,
        at,
        password,
        endpoint,
        s3_region,
        credentials,
        class,
        object_lock,
    });
    Some(Repository { region: region?, locked, spec })
}

fn lock(node: &Node, owner: Span, sink: &mut Sink) -> Option<ObjectLock> {
    const MODES: [(&str, LockMode); 2] =
        [("governance", LockMode::Governance), ("compliance", LockMode::Compliance)];
    let mut fields = Fields::of(node, "object-lock", owner, sink)?.shaped(&[LOCK]);
    let mode = fields.need("mode", sink).and_then(|node| values::word(node, &MODES, sink));
    let days = fields.need("days", sink).and_then(|node| values::number(node, 1, MAX_LOCK_DAYS, sink));
    fields.finish(sink);
    Some(ObjectLock { mode: mode?, days: u32::try_from(days?).ok()? })
}

/// Rules by age are refused with the reason: a repository is no folder of dated dumps.
fn by_age(fields: &mut Fields<'_>, sink: &mut Sink) {
    for key in BY_AGE {
        if fields.peek(key).is_none() {
            continue;
        }
        fields.accept(key);
        let message = format!("{key:?} would remove or move objects of {} by their age", fields.what());
        sink.push(&codes::BY_AGE, fields.span_of(key), message);
    }
}

/// An absolute path or `s3://bucket/prefix`.
pub(crate) fn location(node: &Node, sink: &mut Sink) -> Option<String> {
    let text = values::words(node, sink)?;
    let bucket = text.strip_prefix("s3://").map(|rest| rest.split('/').next().unwrap_or_default());
    let good = match bucket {
        Some(bucket) => {
            !bucket.is_empty() && bucket.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
        }
        None => text.starts_with('/') && text.len() > 1,
    };
    if !good {
        let message = format!("{text:?} is neither an absolute path nor s3://bucket/prefix");
        sink.push(&codes::NOT_A_URL, node.span, message);
        return None;
    }
    Some(text)
}
