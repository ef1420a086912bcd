//! The other members of the leased sources here: their keys, what they ask, and what is said to them.

use super::pledges::Pledged;
use super::{Deps, Leases, lock};
use crate::jobs::note::replace;
use model::lease::Extend;
use model::{HostName, Name, Problem};
use runtime::tls::Members;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Largest file of keys that is read, in bytes.
const MAX_KEYS_BYTES: usize = 64 * 1024;

/// Members, and of each the key that a controller named.
pub(super) type Known = BTreeMap<HostName, Option<String>>;

fn keys_path(state_dir: &Path, source: &Name) -> PathBuf {
    state_dir.join("leases").join(format!("{source}.keys.json"))
}

/// Keys that were named before this start. Without them only certificates that have not run out are accepted.
pub(super) fn read_keys(state_dir: &Path, source: &Name) -> BTreeMap<HostName, String> {
    let bytes = runtime::fs::read_bounded(&keys_path(state_dir, source), MAX_KEYS_BYTES).ok();
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

impl Deps {
    /// Who we are to other members, and who they are to us.
    pub(super) fn members(&self, keys: Known) -> Result<Members, Problem> {
        // The address is another one each time, and not part of who we are.
        let own = self.files.dial("member:0")?;
        let (certificate_pem, key_pem) = own.identity.unwrap_or_default();
        Ok(Members { certificate_pem, key_pem, ca_pem: own.ca_pem, keys })
    }
}

impl Leases {
    /// Everybody who may ask here, of whatever source.
    pub(super) fn known_members(&self) -> Known {
        let sources = lock(&self.0.sources);
        sources.values().flat_map(|shared| shared.known()).collect()
    }

    /// What this host has promised for a source; the same for as long as the process lives.
    pub(super) fn pledged(&self, deps: &Deps, source: &Name) -> Result<Arc<Pledged>, Problem> {
        let mut all = lock(&self.0.pledged);
        if let Some(pledged) = all.get(source) {
            return Ok(pledged.clone());
        }
        let pledged = Arc::new(Pledged::open(&deps.state_dir, source, &deps.clock.boot_id())?);
        all.insert(source.clone(), pledged.clone());
        Ok(pledged)
    }

    /// Another member asks for more time.
    pub(super) fn extend(&self, source: &Name, from: &HostName, ask: &Extend) -> Result<Duration, Problem> {
        let shared = lock(&self.0.sources).get(source).cloned();
        let shared = shared.filter(|shared| shared.peers.contains_key(from)).ok_or_else(|| {
            Problem::new(
                "LB2465",
                format!("{from} and this host are no members of {source} that extend each other's lease"),
                "Give every member's host its `at` in the estate and apply it; each agent gets its new assignment then.",
            )
        })?;
        shared.pledged.clone()?.asked(ask, shared.clock.since_boot())
    }

    /// A controller wants nothing extended any more below a term. Gives the term that counts, and how long what
    /// was given before may still run; none when the source is not leased here.
    pub fn withhold(&self, source: &Name, floor: u64) -> Result<Option<(u64, Duration)>, Problem> {
        let Some(shared) = lock(&self.0.sources).get(source).cloned() else { return Ok(None) };
        shared.pledged.clone()?.withhold(floor, shared.clock.since_boot()).map(Some)
    }

    /// A controller names the keys of the members. Kept, so that they are known when no controller is, and also
    /// when the assignment that makes this host a member comes a moment later.
    pub fn introduced(&self, state_dir: &Path, source: &Name, keys: BTreeMap<HostName, String>) {
        if read_keys(state_dir, source) != keys {
            let text = serde_json::to_vec(&keys).map_err(std::io::Error::from);
            if let Err(error) = text.and_then(|text| replace(&keys_path(state_dir, source), &text)) {
                tracing::warn!(%source, %error, "the keys of other members are known until the next restart only");
            }
        }
        if let Some(shared) = lock(&self.0.sources).get(source) {
            *lock(&shared.keys) = keys;
        }
    }

    /// Whether this host may be promoted: refused while what it has promised the primary runs.
    pub fn may_promote(&self, source: &Name) -> Result<(), Problem> {
        let Some(shared) = lock(&self.0.sources).get(source).cloned() else { return Ok(()) };
        shared.pledged.clone()?.may_hold(shared.clock.since_boot())
    }
}
