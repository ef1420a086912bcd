//! `secrets`: where secrets are found, by name. Other nouns say `{ secret: NAME }`, and `rotate` changes one.
//! They are read before every other noun.

use super::ready::Ready;
use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::shape::{Field, Noun, PLAIN, Type, may, need, read as by_table};
use crate::text::{At, Fields, Node, Span, values};
use model::{Name, SecretRef};

const VAULT: &[Field] = &[
    need("at", Type::Url, "Where Vault or OpenBao answers."),
    need("path", Type::Words, "`secret/data/tutor`."),
    may("field", Type::Words, "One field of it."),
    may("token", Type::Secret, "Where the token for it is found."),
];
const CLOUD: &[Field] = &[
    need("name", Type::Words, "Its name or ARN there."),
    may("field", Type::Words, "One field of it."),
    may("credentials", Type::Secret, "Where credentials are found."),
];
const KUBERNETES: &[Field] = &[
    need("name", Type::Words, "The Secret's name."),
    need("namespace", Type::Words, "Its namespace."),
    need("key", Type::Words, "The key in it."),
];

/// Stores that this version cannot ask.
const STORES: [(&str, &[Field]); 5] =
    [("vault", VAULT), ("aws", CLOUD), ("gcp", CLOUD), ("azure", CLOUD), ("kubernetes", KUBERNETES)];

pub(crate) static NOUN: Noun = Noun {
    section: "secrets",
    name: "secret",
    doc: "Where secrets are found, by name; never the secret itself.",
    fields: &[
        may("file", Type::Path, "The content of a file, on the host that needs it."),
        may("env", Type::Words, "An environment variable of the process that reads it."),
        may("vault", Type::Fields(VAULT), "HashiCorp Vault or OpenBao."),
        may("aws", Type::Fields(CLOUD), "AWS Secrets Manager."),
        may("gcp", Type::Fields(CLOUD), "Google Secret Manager."),
        may("azure", Type::Fields(CLOUD), "Azure Key Vault."),
        may("kubernetes", Type::Fields(KUBERNETES), "A Secret of a Kubernetes cluster."),
        may("region", Type::Of(&["region"]), "The failure domain of the store, where it has only one."),
        may(
            "used-by",
            Type::Many(&Type::Of(&["service", "source"])),
            "What must be told of a new value: `rotate` restarts services.",
        ),
        may("every", Type::Duration, "How often it should be changed."),
    ],
    one_of: &["file", "env", "vault", "aws", "gcp", "azure", "kubernetes"],
    ..PLAIN
};

/// A named secret.
#[derive(Debug, Clone)]
pub(crate) struct Secret {
    /// The failure domain of its store, where it has only one.
    pub region: Option<At<Name>>,
    /// What must be told of a new value.
    pub used_by: Vec<At<Name>>,
}

/// Reads one; its place goes into the sink, for the nouns that name it.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Secret> {
    let fields = Fields::of(node, format!("secret {:?}", name.as_str()), owner, sink)?;
    let mut fields = fields.shaped(&[NOUN.fields]);
    let file = fields.get("file").map(|node| values::path(node, sink).map(SecretRef::File));
    let env = fields.get("env").map(|node| values::words(node, sink).map(SecretRef::Env));
    let mut places: Vec<Option<Ready<SecretRef>>> =
        [file, env].into_iter().flatten().map(|place| place.map(Ready::Now)).collect();
    for (key, table) in STORES {
        let span = fields.span_of(key);
        if let Some(node) = fields.get(key) {
            let fits = by_table::admits(&Type::Fields(table), node, span, sink);
            sink.later(span, format!("secrets in {key} are only checked: fetching them is still to come"));
            places.push(fits.map(|()| Ready::Later(format!("secret {name} in {key}"))));
        }
    }
    let region = fields.get("region").map(|node| values::reference(node, &["region"], sink));
    let used_by = fields.get("used-by").map(|node| values::references(node, &["service", "source"], sink));
    fields.get("every").map(|node| values::duration(node, sink));
    fields.finish(sink);
    if places.len() != 1 {
        let message = format!("secret {:?} has exactly one place: {}", name.as_str(), NOUN.one_of.join(", "));
        sink.push(&codes::EITHER_OR, owner, message);
        return None;
    }
    if let Some(place) = places.pop().flatten() {
        sink.secrets.insert(name.clone(), place);
    }
    Some(Secret { region: flat(region)?, used_by: flat(used_by)?.unwrap_or_default() })
}
