//! The content of a lock.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::gojson;

/// Who holds the repository, and since when he last said so.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LockFile {
    #[serde(with = "gojson::time")]
    pub(crate) time: Timestamp,
    #[serde(default)]
    pub(crate) exclusive: bool,
    #[serde(default)]
    pub(crate) hostname: String,
    #[serde(default)]
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) pid: i32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) uid: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) gid: u32,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}
