//! `repositories`: where backups live.

use super::services::flat;
use crate::codes;
use crate::diagnostic::Sink;
use crate::text::{At, Fields, Node, Span, values};
use model::Name;
use model::nouns::RepositorySpec;

/// A repository.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    /// In which failure domain it stands.
    pub region: At<Name>,
    /// As agents get it.
    pub spec: RepositorySpec,
}

/// Reads one.
pub(crate) fn read(name: &Name, node: &Node, owner: Span, sink: &mut Sink) -> Option<Repository> {
    let mut fields =
        Fields::of(node, format!("repository {:?}", name.as_str()), owner, sink)?.later(&["tier", "gpg"]);
    let region = fields.need("region", sink).and_then(|node| values::reference(node, &["region"], sink));
    let at = fields.need("at", sink).and_then(|node| location(node, sink));
    let span = fields.span_of("password");
    let password = fields.need("password", sink).and_then(|node| values::secret(node, span, sink));
    let endpoint = fields.get("endpoint").map(|node| values::url(node, sink));
    let s3_region = fields.get("s3-region").map(|node| values::words(node, sink));
    let span = fields.span_of("credentials");
    let credentials = fields.get("credentials").map(|node| values::secret(node, span, sink));
    fields.finish(sink);
    let spec = RepositorySpec {
        name: name.clone(),
        at: at?,
        password: password?,
        endpoint: flat(endpoint)?,
        s3_region: flat(s3_region)?,
        credentials: flat(credentials)?,
    };
    Some(Repository { region: region?, spec })
}

fn location(node: &Node, sink: &mut Sink) -> Option<String> {
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
