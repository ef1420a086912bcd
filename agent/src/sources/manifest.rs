//! What a snapshot of ours says about itself: the file `lifeboat.json` at its root, and its tags.
//!
//! The file is authenticated by the snapshot's tree; tags are for finding. A field is only ever added
//! with a default.

use crate::jobs::Context;
use model::nouns::{Point, SourceSpec};
use model::{Digest, Micros, Problem};
use repository::{Filter, SnapshotInfo};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Fewest digits of a snapshot's id that name it.
const MIN_ID_DIGITS: usize = 8;

/// The content of `lifeboat.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this form, 1.
    pub version: u32,
    /// The source's name in the estate.
    pub source: String,
    /// The source's kind.
    pub kind: String,
    /// The moment that the snapshot shows.
    pub at: Micros,
    /// The order that made it.
    pub work: String,
    /// The stream's file name in the snapshot (databases).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The server's version (databases).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// The server's position, as a byte number (databases).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsn: Option<u64>,
    /// Encoding, collation and character type of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<(String, String, String)>,
    /// Rows of each table at that moment (databases).
    #[serde(default)]
    pub rows: BTreeMap<String, u64>,
}

impl Manifest {
    /// What is true of every source.
    pub fn new(source: &SourceSpec, at: Micros, context: &Context) -> Manifest {
        Manifest {
            version: 1,
            source: source.name.to_string(),
            kind: source.kind.as_str().to_string(),
            at,
            work: context.marker.clone(),
            file: None,
            server_version: None,
            lsn: None,
            locale: None,
            rows: BTreeMap::new(),
        }
    }
}

/// The tag of a source's snapshots.
pub fn source_tag(source: &SourceSpec) -> String {
    format!("lifeboat:source={}", source.name)
}

/// The tag that names the order. Tags may hold no comma, so it is a digest.
fn work_tag(context: &Context) -> String {
    let digest = Digest::of(&context.marker).map(|digest| digest.to_string()).unwrap_or_default();
    format!("lifeboat:work={}", &digest[..digest.len().min(16)])
}

/// Tags of a new snapshot.
pub fn tags(source: &SourceSpec, more: &[String], context: &Context) -> Vec<String> {
    let mut tags =
        vec![source_tag(source), format!("lifeboat:kind={}", source.kind.as_str()), work_tag(context)];
    tags.extend(more.iter().filter(|tag| !tag.starts_with("lifeboat:") && !tag.contains(',')).cloned());
    tags
}

/// Finds the snapshot that this order made.
pub fn made_by(source: &SourceSpec, context: &Context) -> Filter {
    Filter { tags: vec![source_tag(source), work_tag(context)], incomplete: true, ..Filter::default() }
}

/// Finds the snapshot that a point means.
pub fn at_point(source: &SourceSpec, point: &Point) -> Result<Filter, Problem> {
    let newest = Filter { tags: vec![source_tag(source)], ..Filter::default() };
    match point {
        Point::Latest => Ok(newest),
        Point::NotAfter(moment) => Ok(Filter { not_after: Some(moment.timestamp()), ..newest }),
        Point::Snapshot(id) if id.len() >= MIN_ID_DIGITS && id.chars().all(|c| c.is_ascii_hexdigit()) => {
            Ok(Filter { id: Some(id.to_lowercase()), ..newest })
        }
        Point::Snapshot(id) => Err(Problem::new(
            "LB2315",
            format!("{id:?} does not name a snapshot"),
            format!("Give at least {MIN_ID_DIGITS} digits of its id, as `lifeboat points` shows it."),
        )),
    }
}

/// The moment that a snapshot shows, to the microsecond.
pub fn moment(info: &SnapshotInfo) -> Micros {
    Micros::from(info.snapshot.time)
}
