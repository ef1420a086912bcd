//! An index file: which blobs lie where in which packs.

use serde::{Deserialize, Serialize};

use super::blob::BlobKind;
use super::pack::Entry;
use super::{Malformed, gojson};
use crate::id::Id;

#[derive(Serialize, Deserialize)]
struct IndexFile {
    #[serde(default, deserialize_with = "null_is_empty")]
    packs: Vec<PackOf>,
}

/// The blobs of one pack, as an index file lists them.
#[derive(Serialize, Deserialize)]
struct PackOf {
    id: Id,
    blobs: Vec<BlobOf>,
}

#[derive(Serialize, Deserialize)]
struct BlobOf {
    id: Id,
    #[serde(rename = "type")]
    kind: BlobKind,
    offset: u32,
    length: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    uncompressed_length: u32,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<PackOf>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Index JSON over these packs.
pub(crate) fn encode(packs: &[(Id, Vec<Entry>)]) -> Result<Vec<u8>, Malformed> {
    let blob = |e: &Entry| BlobOf {
        id: e.id,
        kind: e.kind,
        offset: e.offset,
        length: e.length,
        uncompressed_length: e.plain_length,
    };
    let packs = packs
        .iter()
        .map(|(id, entries)| PackOf { id: *id, blobs: entries.iter().map(blob).collect() })
        .collect();
    gojson::encode(&IndexFile { packs })
}

/// The packs of an index file.
pub(crate) fn decode(json: &[u8]) -> Result<Vec<(Id, Vec<Entry>)>, Malformed> {
    let file: IndexFile = serde_json::from_slice(json).map_err(|e| Malformed::new(e.to_string()))?;
    let entry = |b: BlobOf| Entry {
        kind: b.kind,
        id: b.id,
        offset: b.offset,
        length: b.length,
        plain_length: b.uncompressed_length,
    };
    Ok(file.packs.into_iter().map(|pack| (pack.id, pack.blobs.into_iter().map(entry).collect())).collect())
}
