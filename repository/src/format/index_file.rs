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
    /// Packs that a prune took out of the index, to be removed later. Stock restic reads over this field;
    /// rustic has it too, with a time that we do not believe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    packs_to_delete: Vec<Marked>,
}

#[derive(Serialize, Deserialize)]
struct Marked {
    id: Id,
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
    gojson::encode(&IndexFile { packs, packs_to_delete: Vec::new() })
}

/// Index JSON that lists no pack, and marks these for removal.
pub(crate) fn encode_marks(packs: &[Id]) -> Result<Vec<u8>, Malformed> {
    let packs_to_delete = packs.iter().map(|id| Marked { id: *id }).collect();
    gojson::encode(&IndexFile { packs: Vec::new(), packs_to_delete })
}

/// The packs that an index file marks for removal.
pub(crate) fn decode_marks(json: &[u8]) -> Result<Vec<Id>, Malformed> {
    let file: IndexFile = serde_json::from_slice(json).map_err(|e| Malformed::new(e.to_string()))?;
    Ok(file.packs_to_delete.into_iter().map(|marked| marked.id).collect())
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
