//! A snapshot: which tree, of which host, when, with which tags.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::gojson;
use crate::id::Id;

/// The tag of a snapshot that misses files which could not be read.
pub const INCOMPLETE_TAG: &str = "lifeboat:incomplete";

/// The content of a snapshot file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When the backup began, by the clock of the host that made it.
    #[serde(with = "gojson::time")]
    pub time: Timestamp,
    /// The snapshot that this one was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Id>,
    /// The root tree.
    pub tree: Id,
    /// What was backed up.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub paths: Vec<String>,
    /// The host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hostname: String,
    /// The user.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// The user's id.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uid: u32,
    /// The group's id.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gid: u32,
    /// What was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub excludes: Vec<String>,
    /// Tags. Ours begin with `lifeboat:`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub tags: Vec<String>,
    /// The snapshot that this one was made from by a change of tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Id>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub program_version: String,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Snapshot {
    /// Whether it carries the tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|t| t == tag)
    }

    /// Whether it misses files that could not be read.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.has_tag(INCOMPLETE_TAG)
    }
}
