//! What a step acts on. One run holds a target's resource at a time.

use crate::{HostName, Name};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A noun of the estate, on one host where that matters: `source/tutor-db@db-2`, `record/api`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// Which kind of noun: `source`, `service`, `check`, `record`, `channel`, `host`, `run`.
    pub noun: Name,
    /// Its name in the estate.
    pub name: Name,
    /// The host on which it is touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
}

impl Target {
    /// What a run locks: the noun without its host, so that two runs cannot work on two members of one
    /// source at once.
    pub fn resource(&self) -> String {
        format!("{}/{}", self.noun, self.name)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => f.pad(&format!("{}/{}@{host}", self.noun, self.name)),
            None => f.pad(&self.resource()),
        }
    }
}
